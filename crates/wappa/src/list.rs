//! `list`: the names of all components.

use wappa_spec::{ComponentKind, Registry, Status, builtin};

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
    let is_wanted = |kind: &ComponentKind| kinds.is_empty() || kinds.iter().any(|it| it == kind.plural());
    let groups: Vec<(ComponentKind, Vec<&str>)> = ComponentKind::ALL
        .into_iter()
        .filter(is_wanted)
        .map(|kind| (kind, names(registry, kind)))
        .filter(|(_, names)| !names.is_empty())
        .collect();
    match format {
        Format::Text => {
            let group = |(kind, names): &(ComponentKind, Vec<&str>)| {
                let names: String = names.iter().map(|it| format!("  - {it}\n")).collect();
                format!("{}:\n{names}", title(*kind))
            };
            groups.iter().map(group).collect::<Vec<_>>().join("\n")
        }
        Format::Json => {
            let all: serde_json::Map<String, serde_json::Value> =
                groups.into_iter().map(|(kind, names)| (kind.plural().to_string(), names.into())).collect();
            format!("{}\n", serde_json::Value::from(all))
        }
    }
}

fn names(registry: &dyn Registry, kind: ComponentKind) -> Vec<&str> {
    let is_listed = |name: &&str| registry.spec(kind, name).is_none_or(|it| it.status != Status::Deprecated);
    let mut names: Vec<&str> = registry.names(kind).into_iter().filter(is_listed).collect();
    names.extend(builtin::names(kind));
    names.sort_unstable();
    names.dedup();
    names
}

fn title(kind: ComponentKind) -> String {
    let words = kind.plural().split('-').map(|word| {
        let (first, rest) = word.split_at(1);
        first.to_ascii_uppercase() + rest
    });
    words.collect::<Vec<_>>().join(" ")
}
