//! `list`: the names of all components.

use wappa_spec::{ComponentKind, Registry, Status, docs, nearest};

/// How the names are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// A title for each kind, one name a line.
    Text,
    /// One object: kinds, each with its names.
    Json,
}

/// The names of these kinds, or of all when there are none; unknown kinds have no names.
pub(crate) fn list(registry: &dyn Registry, kinds: &[String], format: Format) -> String {
    match format {
        Format::Text => docs::list(registry, kinds, None),
        Format::Json => json(registry, kinds),
    }
}

/// Kinds of components that there are; the error names one that is not, and the way out.
pub(crate) fn check_kinds(kinds: &[String]) -> Result<(), String> {
    let known = ComponentKind::ALL.map(|it| it.plural());
    match kinds.iter().find(|it| !known.contains(&it.as_str())) {
        None => Ok(()),
        Some(unknown) => {
            let hint = match nearest(unknown, known) {
                Some(it) => format!("did you mean `{it}`?"),
                None => format!("one of: {}", known.join(", ")),
            };
            Err(format!("there are no components of the kind `{unknown}`\nhint: {hint}"))
        }
    }
}

fn json(registry: &dyn Registry, kinds: &[String]) -> String {
    let mut all = serde_json::Map::new();
    for kind in ComponentKind::ALL {
        let specs = docs::specs(registry, kind).into_iter().filter(|it| it.status != Status::Deprecated);
        let mut names: Vec<&str> = specs.map(|it| it.name).collect();
        names.sort_unstable();
        let is_wanted = kinds.is_empty() || kinds.iter().any(|it| it == kind.plural());
        if is_wanted && !names.is_empty() {
            all.insert(kind.plural().to_string(), names.into());
        }
    }
    format!("{}\n", serde_json::Value::from(all))
}
