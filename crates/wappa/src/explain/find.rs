//! From a path to what it names, and from one that names nothing to what may have been meant.

use wappa_spec::{ComponentKind, Field, Registry, Spec, StreamConfig, Type, bento, docs, nearest, printable};

use crate::reference;

/// No path of a config is longer.
const PATH_BYTES_MAX: usize = 1024;

/// How many places of a field are told where its name alone is given.
const PLACES_MAX: usize = 12;

/// What a path names.
#[derive(Clone)]
pub(super) enum Thing<'r> {
    Kind(ComponentKind),
    Component(&'r Spec),
    Field(&'r Field),
    /// An item of a list or a value of a map, with the field that holds them.
    Inside(&'r Field, &'r Type),
    /// A function or a method of mappings: what the reference says of it.
    OfLanguage(String),
}

/// What a path names, and the path as one may write it.
#[derive(Clone)]
pub(super) struct Found<'r> {
    pub(super) path: String,
    /// The components that the field is of; none for what is at the root of a config.
    pub(super) of: Vec<&'r Spec>,
    pub(super) thing: Thing<'r>,
}

impl<'r> Found<'r> {
    pub(super) fn spec(&self) -> Option<&'r Spec> {
        match self.thing {
            Thing::Component(spec) => Some(spec),
            _ => None,
        }
    }
}

/// A path that ends where there is nothing of that name.
struct Lost {
    /// How many names of the path are those of something.
    n_known: usize,
    /// These names, with dots between them.
    known: String,
    /// The first name that is not.
    name: String,
    /// What there is instead.
    names: Vec<String>,
}

/// All that a path names: a component of several kinds is several things.
pub(super) fn find<'r>(path: &str, registry: &'r dyn Registry) -> Result<Vec<Found<'r>>, String> {
    if PATH_BYTES_MAX < path.len() {
        return Err(format!("a path has at most {PATH_BYTES_MAX} bytes"));
    }
    // No name of a config has a capital letter, but keys of maps may.
    match find_exactly(path, registry) {
        Err(err) if path.chars().any(|it| it.is_ascii_uppercase()) => {
            find_exactly(&path.to_ascii_lowercase(), registry).map_err(|_| err)
        }
        it => it,
    }
}

fn find_exactly<'r>(path: &str, registry: &'r dyn Registry) -> Result<Vec<Found<'r>>, String> {
    let mut names = names_of(path);
    // The log and metrics say where a component is from the root on.
    if 1 < names.len() && names[0] == "root" {
        names.remove(0);
    }
    let Some((first, rest)) = names.split_first() else {
        return Err(
            "there is no name in the path\nhint: `wappa explain wasm` says what a component is".to_string()
        );
    };
    let mut found: Vec<Found<'r>> = Vec::new();
    let mut lost: Vec<Lost> = Vec::new();
    let mut walk =
        |start: Found<'r>, place: Place<'r>, names: &[String]| match walk(start, place, names, registry) {
            Ok(it) => add(&mut found, it),
            Err(it) => lost.push(it),
        };
    let nowhere = Found { path: String::new(), of: Vec::new(), thing: Thing::Kind(ComponentKind::Input) };
    let is_of_root = StreamConfig::FIELDS.iter().any(|it| it.name == first);
    if is_of_root {
        walk(nowhere, Place::Fields(StreamConfig::FIELDS), &names);
    }
    for kind in ComponentKind::ALL {
        let names = [kind.name().to_string(), kind.plural().to_string(), kind.plural().replace('-', "_")];
        if !is_of_root && names.contains(first) {
            let start = Found { path: kind.name().to_string(), of: Vec::new(), thing: Thing::Kind(kind) };
            walk(start, Place::Kind(kind), rest);
        }
        if let Some(spec) = spec_of(registry, kind, first) {
            let start = Found { path: spec.name.to_string(), of: Vec::new(), thing: Thing::Component(spec) };
            walk(start, Place::Body(spec), rest);
        }
    }
    if rest.is_empty() {
        for (what, text) in reference::of_language(first) {
            found.push(Found {
                path: format!("{what} {first}"),
                of: Vec::new(),
                thing: Thing::OfLanguage(text),
            });
        }
    }
    if !found.is_empty() {
        return Ok(found);
    }
    match lost.into_iter().max_by_key(|it| it.n_known) {
        Some(lost) => Err(lost.message()),
        None => Err(unknown(first, rest.is_empty(), registry)),
    }
}

/// Places in lists count for nothing: every item of one is alike.
fn names_of(path: &str) -> Vec<String> {
    let is_place = |it: &str| matches!(it, "" | "-" | "*") || it.bytes().all(|it| it.is_ascii_digit());
    let names = path.split(['.', '/', ' ', '[', ']']).filter(|it| !is_place(it));
    names.map(str::to_string).collect()
}

fn spec_of<'r>(registry: &'r dyn Registry, kind: ComponentKind, name: &str) -> Option<&'r Spec> {
    docs::specs(registry, kind).into_iter().find(|it| it.name == name)
}

/// A field that two components have alike is one thing.
fn add<'r>(found: &mut Vec<Found<'r>>, it: Found<'r>) {
    let is_same = |other: &&mut Found<'r>| match (&other.thing, &it.thing) {
        (Thing::Field(one), Thing::Field(two)) => one == two && other.path == it.path,
        _ => false,
    };
    match found.iter_mut().find(is_same) {
        Some(other) => other.of.extend(it.of),
        None => found.push(it),
    }
}

/// Where a path has come to.
#[derive(Clone, Copy)]
enum Place<'r> {
    Kind(ComponentKind),
    Body(&'r Spec),
    Fields(&'r [Field]),
    Value(&'r Field, &'r Type),
}

fn walk<'r>(
    mut at: Found<'r>,
    mut place: Place<'r>,
    names: &[String],
    registry: &'r dyn Registry,
) -> Result<Found<'r>, Lost> {
    for (index, name) in names.iter().enumerate() {
        let lost = |known: &str, names: Vec<String>| Lost {
            n_known: index,
            known: known.to_string(),
            name: name.clone(),
            names,
        };
        // What is around the fields of a value that is an object, a list of them or a map.
        let field = loop {
            place = match place {
                Place::Value(_, Type::Object(fields)) => Place::Fields(fields),
                Place::Value(field, Type::Array(item)) => Place::Value(field, item),
                Place::Value(_, Type::Component(kind)) => Place::Kind(*kind),
                Place::Body(spec) => match &spec.body {
                    Type::Object(fields) | Type::Array(Type::Object(fields)) => Place::Fields(fields),
                    Type::Array(Type::Component(kind)) | Type::Component(kind) => Place::Kind(*kind),
                    _ => return Err(lost(&at.path, Vec::new())),
                },
                Place::Value(_, Type::Map(_)) | Place::Kind(_) => break None,
                Place::Value(..) => return Err(lost(&at.path, Vec::new())),
                Place::Fields(fields) => match fields.iter().find(|it| it.name == name) {
                    Some(field) => break Some(field),
                    None => {
                        let known = fields.iter().filter(|it| !it.deprecated).map(|it| it.name.to_string());
                        return Err(lost(&at.path, known.collect()));
                    }
                },
            };
        };
        let dot = if at.path.is_empty() { "" } else { "." };
        at.path = format!("{}{dot}{}", at.path, printable(name));
        (place, at.thing) = match (place, field) {
            (_, Some(field)) => {
                if let Thing::Component(spec) = at.thing {
                    at.of = vec![spec];
                }
                (Place::Value(field, &field.ty), Thing::Field(field))
            }
            (Place::Value(field, Type::Map(value)), _) => {
                (Place::Value(field, value), Thing::Inside(field, value))
            }
            (Place::Kind(kind), _) => match spec_of(registry, kind, name) {
                Some(spec) => (Place::Body(spec), Thing::Component(spec)),
                None if name == "processors" && kind.has_processors() => {
                    (Place::Kind(ComponentKind::Processor), Thing::Kind(ComponentKind::Processor))
                }
                None => {
                    let known =
                        docs::specs(registry, kind).into_iter().map(|it| it.name.to_string()).collect();
                    let path = at.path.strip_suffix(name.as_str()).unwrap_or_default().trim_end_matches('.');
                    return Err(lost(path, known));
                }
            },
            _ => return Err(lost(&at.path, Vec::new())),
        };
    }
    Ok(at)
}

/// What stands beside the name of a component, and is no field of its own.
const BESIDE: [(&str, &str); 3] = [
    (
        "label",
        "a `label` stands beside the name of a component: yours for it, in the log, in metrics, and for who refers to it",
    ),
    (
        "processors",
        "`processors` stand beside the name of an input or an output: what is done to its messages",
    ),
    ("type", "a `type` stands in place of the name of a component, where its fields are in `plugin`"),
];

fn beside(name: &str) -> Option<&'static str> {
    BESIDE.iter().find(|it| it.0 == name).map(|it| it.1)
}

impl Lost {
    fn message(&self) -> String {
        let Lost { known, name, names, .. } = self;
        let is_beside = beside(name);
        let name = printable(name);
        let text = match known.as_str() {
            "" => format!("there is nothing called `{name}`"),
            known => format!("there is nothing called `{name}` in `{known}`"),
        };
        if let Some(text_of) = is_beside {
            return format!("{text}\nhint: {text_of}");
        }
        let dot = if known.is_empty() { "" } else { "." };
        let near = nearest(&name, names.iter().map(String::as_str)).or_else(|| {
            let mut begin = names.iter().filter(|it| it.starts_with(&*name));
            begin.next().filter(|_| begin.next().is_none()).map(String::as_str)
        });
        match near {
            Some(near) => format!("{text}\nhint: did you mean `{known}{dot}{near}`?"),
            None if names.is_empty() => {
                format!("{text}\nhint: it has no fields: `wappa explain {known}` says what it is")
            }
            None => format!("{text}\nhint: there are: {}", names.join(", ")),
        }
    }
}

/// The way out for a path whose first name is that of nothing.
fn unknown(name: &str, is_whole: bool, registry: &dyn Registry) -> String {
    let shown = printable(name);
    let text = format!("there is nothing called `{shown}`");
    if let Some(kind) = ComponentKind::ALL.into_iter().find(|it| bento::has(*it, name)) {
        return format!("{text}\nhint: it is a Bento {} that Wappa does not have yet", kind.noun());
    }
    if let Some(text_of) = beside(name) {
        return format!("{text} by itself\nhint: {text_of}");
    }
    let places = if is_whole { places_of(name, registry) } else { Vec::new() };
    if !places.is_empty() {
        let more = if PLACES_MAX < places.len() { ", and others" } else { "" };
        let shown: Vec<String> = places.iter().take(PLACES_MAX).map(|it| format!("`{it}`")).collect();
        return format!("{text} by itself\nhint: it is a field: {}{more}", shown.join(", "));
    }
    let all =
        || ComponentKind::ALL.into_iter().flat_map(|kind| docs::specs(registry, kind)).map(|it| it.name);
    let root = StreamConfig::FIELDS.iter().map(|it| it.name);
    let functions = wappa_bloblang::functions().into_iter().map(|it| (it.name, it.status));
    let methods = wappa_bloblang::methods().into_iter().map(|it| (it.name, it.status));
    let is_shown = |it: &(&str, wappa_bloblang::Status)| it.1 != wappa_bloblang::Status::Hidden;
    let language = functions.chain(methods).filter(is_shown).map(|it| it.0);
    let near =
        nearest(name, all().chain(root)).or_else(|| if is_whole { nearest(name, language) } else { None });
    match near {
        Some(near) => format!("{text}\nhint: did you mean `{near}`?"),
        None => format!("{text}\nhint: `wappa list` names all components, functions and methods"),
    }
}

/// Where there is a field of a name: components first in their order, outer fields before inner ones.
fn places_of(name: &str, registry: &dyn Registry) -> Vec<String> {
    let mut places = Vec::new();
    collect(&mut places, StreamConfig::FIELDS, "", name);
    for kind in ComponentKind::ALL {
        for spec in docs::specs(registry, kind) {
            collect(&mut places, spec.fields(), spec.name, name);
        }
    }
    places.sort_by_key(|it: &String| it.matches('.').count());
    let mut seen = std::collections::BTreeSet::new();
    places.retain(|it| seen.insert(it.clone()));
    places
}

fn collect(places: &mut Vec<String>, fields: &[Field], path: &str, name: &str) {
    for field in fields {
        let dot = if path.is_empty() { "" } else { "." };
        let here = format!("{path}{dot}{}", field.name);
        if field.name == name {
            places.push(here.clone());
        }
        let inner = match &field.ty {
            Type::Object(fields) | Type::Array(Type::Object(fields)) | Type::Map(Type::Object(fields)) => {
                fields
            }
            _ => continue,
        };
        collect(places, inner, &here, name);
    }
}
