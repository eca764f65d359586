//! `list`: the names of all components, or a schema of configs.

use wappa_spec::{ComponentKind, Registry, Spec, Status, docs, nearest};

use crate::{cli::ListArguments, schema};

/// How the names are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// A title for each kind, one name a line.
    Text,
    /// One object: kinds, each with its names.
    Json,
    /// The JSON schema of configs, for editors.
    #[value(alias = "jsonschema")]
    JsonSchema,
}

/// How far a component may still change, as on its page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum StatusName {
    /// It stays as it is.
    Stable,
    /// It may change in minor versions.
    Beta,
    /// It may change at any time.
    Experimental,
}

impl StatusName {
    fn status(self) -> Status {
        match self {
            StatusName::Stable => Status::Stable,
            StatusName::Beta => Status::Beta,
            StatusName::Experimental => Status::Experimental,
        }
    }
}

/// What is to be printed; the error says which kinds there are.
pub(crate) fn list(registry: &dyn Registry, arguments: &ListArguments) -> Result<String, String> {
    let ListArguments { kinds, format, status } = arguments;
    check_kinds(kinds)?;
    if *format == Format::JsonSchema && (!kinds.is_empty() || status.is_some()) {
        return Err("a schema describes whole configs\nhint: leave out the kinds and `--status`".to_string());
    }
    Ok(names(registry, kinds, *format, *status))
}

/// The names of these kinds, or of all when there are none; unknown kinds have no names.
fn names(registry: &dyn Registry, kinds: &[String], format: Format, status: Option<StatusName>) -> String {
    match format {
        Format::Text => {
            let components: Vec<String> = kinds.iter().filter(|it| !is_of_bloblang(it)).cloned().collect();
            let mut groups = Vec::new();
            if kinds.is_empty() || !components.is_empty() {
                groups.push(docs::list(registry, &components, status.map(StatusName::status)));
            }
            for (kind, title, names) in bloblang(status) {
                if is_wanted(kinds, kind) {
                    let items: String = names.iter().map(|it| format!("  - {it}\n")).collect();
                    groups.push(format!("{title}:\n{items}"));
                }
            }
            groups.join("\n")
        }
        Format::Json => json(registry, kinds, status),
        Format::JsonSchema => schema::schema(registry),
    }
}

const FUNCTIONS: &str = "bloblang-functions";
const METHODS: &str = "bloblang-methods";

fn is_of_bloblang(kind: &str) -> bool {
    matches!(kind, FUNCTIONS | METHODS)
}

fn is_wanted(kinds: &[String], kind: &str) -> bool {
    kinds.is_empty() || kinds.iter().any(|it| it == kind)
}

/// What mappings are made of: the kind, its title, and the names that people should use.
fn bloblang(status: Option<StatusName>) -> [(&'static str, &'static str, Vec<&'static str>); 2] {
    // Nothing of the language is less than stable.
    let is_wanted = matches!(status, None | Some(StatusName::Stable));
    let is_listed = |it| is_wanted && it == wappa_bloblang::Status::Stable;
    let functions = wappa_bloblang::functions().into_iter();
    let functions = functions.filter(|it| is_listed(it.status)).map(|it| it.name);
    let methods = wappa_bloblang::methods().into_iter();
    let methods = methods.filter(|it| is_listed(it.status)).map(|it| it.name);
    [(FUNCTIONS, "Bloblang Functions", functions.collect()), (METHODS, "Bloblang Methods", methods.collect())]
}

/// Kinds of components that there are; the error names one that is not, and the way out.
fn check_kinds(kinds: &[String]) -> Result<(), String> {
    let known: Vec<&str> =
        ComponentKind::ALL.map(|it| it.plural()).into_iter().chain([FUNCTIONS, METHODS]).collect();
    match kinds.iter().find(|it| !known.contains(&it.as_str())) {
        None => Ok(()),
        Some(unknown) => {
            let hint = match nearest(unknown, known.iter().copied()) {
                Some(it) => format!("did you mean `{it}`?"),
                None => format!("one of: {}", known.join(", ")),
            };
            Err(format!("there are no components of the kind `{unknown}`\nhint: {hint}"))
        }
    }
}

fn json(registry: &dyn Registry, kinds: &[String], status: Option<StatusName>) -> String {
    let mut all = serde_json::Map::new();
    let is_listed = |it: &&Spec| match status {
        None => it.status != Status::Deprecated,
        Some(wanted) => it.status == wanted.status(),
    };
    for kind in ComponentKind::ALL {
        let specs = docs::specs(registry, kind).into_iter().filter(is_listed);
        let mut names: Vec<&str> = specs.map(|it| it.name).collect();
        names.sort_unstable();
        if is_wanted(kinds, kind.plural()) && !names.is_empty() {
            all.insert(kind.plural().to_string(), names.into());
        }
    }
    for (kind, _, names) in bloblang(status) {
        if is_wanted(kinds, kind) {
            all.insert(kind.to_string(), names.into());
        }
    }
    format!("{}\n", serde_json::Value::from(all))
}
