//! The JSON schema of configs, with which editors complete and check them while they are written.
//!
//! It is a function of the descriptions of the components. It refuses no config that lints clean: what a schema cannot
//! say (mappings, modules, labels that nobody defines) is left to `lint`.

use serde_json::{Map, Value, json};
use wappa_spec::{ComponentKind, Field, Node, Registry, Spec, Status, StreamConfig, Type, bento, docs, yaml};

use crate::prose;

/// A text with an environment variable, which may become anything before it is read.
const VARIABLE: &str = r"\$\{";

/// Integers in notations that editors take for text.
const INTEGER: &str = r"^[-+]?(0[xXbBoO])?[0-9a-fA-F]*_[0-9a-fA-F_]*$|^[-+]?0[xXbBoO][0-9a-fA-F]+$|\$\{";

/// Bools in the spellings of YAML 1.1, which editors take for text.
const BOOL: &str = r"^([yY]|[nN]|[yY]es|YES|[nN]o|NO|[oO]n|ON|[oO]ff|OFF)$|\$\{";

const FLOAT: &str = r"^[-+]?\.(inf|Inf|INF|nan|NaN|NAN)$|^[-+]?[0-9]*_[0-9_]*(\.[0-9_]*)?$|\$\{";

const DURATION: &str = r"^\+?([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))*$|^\+?0$|^$|\$\{";

const SIZE: &str =
    r"^[0-9]+(\.[0-9]*)? *([kKmMgGtT][iI]?)?[bB]?$|^0[xXbBoO][0-9a-fA-F]+$|^[0-9]+_[0-9_]*$|^$|\$\{";

const LABEL: &str = r"^[a-z0-9][a-z0-9_]*$|^$|\$\{";

/// The schema of a config file, as one JSON document.
pub(crate) fn schema(registry: &dyn Registry) -> String {
    let definitions: Map<String, Value> = ComponentKind::ALL
        .into_iter()
        .map(|it| (it.name().to_string(), Value::Object(component(registry, it))))
        .collect();
    let mut root = object(StreamConfig::FIELDS);
    root.insert("$schema".to_string(), "http://json-schema.org/draft-07/schema#".into());
    root.insert("title".to_string(), "A config of Wappa".into());
    root.insert("type".to_string(), "object".into());
    root.insert("definitions".to_string(), definitions.into());
    format!("{}\n", Value::from(root))
}

/// What can stand where a component of a kind is wanted: one name with its body, and what stands beside it.
fn component(registry: &dyn Registry, kind: ComponentKind) -> Map<String, Value> {
    let specs = docs::specs(registry, kind);
    let mut bodies = Map::new();
    for spec in &specs {
        bodies.insert(spec.name.to_string(), Value::Object(body(spec)));
    }
    // Exporters of Bento that are not here are passed over with a warning.
    if matches!(kind, ComponentKind::Metrics | ComponentKind::Tracer) {
        for name in bento::names(kind).filter(|it| registry.spec(kind, it).is_none()) {
            let text = format!("Bento's; Wappa does not have it, and nothing is sent: `{name}`");
            bodies.entry(name).or_insert_with(|| described(Map::new(), &text).into());
        }
    }
    let names: Vec<String> = bodies.keys().cloned().collect();
    let required: Vec<Value> = names.iter().map(|it| json!({"required": [it]})).collect();
    let mut properties = bodies;
    let mut beside = |name: &str, schema: Value, text: &str| {
        let Value::Object(schema) = schema else { return };
        properties.insert(name.to_string(), described(schema, text).into());
    };
    beside(
        "type",
        options(&names.iter().map(String::as_str).collect::<Vec<_>>()),
        "Which component it is, where its name alone does not say it.",
    );
    beside("plugin", json!({}), "The fields of the component, in place of a key with its name.");
    if kind.has_label() {
        let label = Value::from(of_types(&["string", "integer", "null"], Some(LABEL)));
        beside(
            "label",
            label,
            "Your name for it, in the log and in metrics, and by which others find a resource.",
        );
    }
    if kind.has_processors() {
        let processors = typed(&Type::Array(&Type::Component(ComponentKind::Processor)));
        beside("processors", processors.into(), "Processors of its own.");
    }
    if kind == ComponentKind::Metrics {
        beside("mapping", typed(&Type::Mapping).into(), "What becomes of the names and labels of series.");
    }
    let mut schema = of_types(&["object", "string", "null"], Some(VARIABLE));
    schema.insert("properties".to_string(), properties.into());
    schema.insert("additionalProperties".to_string(), false.into());
    schema.insert("anyOf".to_string(), json!([{"required": ["type"]}, {"oneOf": required}]));
    schema
}

fn body(spec: &Spec) -> Map<String, Value> {
    let mut text = prose::links_as_text(spec.summary());
    if !spec.bento {
        text.push_str("\n\nOnly in Wappa, Bento does not have it.");
    }
    if spec.status != Status::Stable {
        text.push_str(&format!("\n\nStatus: {}.", spec.status.name()));
    }
    let mut schema = described(typed(&spec.body), &text);
    if spec.status == Status::Deprecated {
        schema.insert("deprecated".to_string(), true.into());
    }
    schema
}

/// A schema with a text, which editors show as it is, or as Markdown where they can.
fn described(mut schema: Map<String, Value>, text: &str) -> Map<String, Value> {
    if !text.is_empty() {
        schema.insert("description".to_string(), text.into());
        schema.insert("markdownDescription".to_string(), text.into());
    }
    schema
}

fn of_types(types: &[&str], pattern: Option<&str>) -> Map<String, Value> {
    let mut schema = Map::new();
    schema.insert("type".to_string(), types.into());
    if let Some(pattern) = pattern {
        schema.insert("pattern".to_string(), pattern.into());
        schema.insert("patternErrorMessage".to_string(), wanted(types, pattern).into());
    }
    schema
}

/// What an editor says of a text that a pattern does not match, in place of the pattern.
fn wanted(types: &[&str], pattern: &str) -> &'static str {
    match (pattern, types.first()) {
        (BOOL, _) => "A boolean is wanted: true or false.",
        (INTEGER, _) => "An integer is wanted.",
        (FLOAT, _) => "A number is wanted.",
        (DURATION, _) => "A duration is wanted, such as 500ms, 10s or 1h30m.",
        (SIZE, _) => "A size is wanted, such as 1024, 64KiB or 1GB.",
        (LABEL, _) => "A label has small letters, digits and underscores.",
        (_, Some(&"array")) => "A list is wanted.",
        (_, _) => "An object is wanted.",
    }
}

/// Null is as good as absent, unless something is missing then.
fn typed(ty: &Type) -> Map<String, Value> {
    match ty {
        Type::String | Type::Interpolated | Type::Mapping => {
            of_types(&["string", "number", "boolean", "null"], None)
        }
        Type::Bool => of_types(&["boolean", "string", "null"], Some(BOOL)),
        Type::Int => of_types(&["integer", "string", "null"], Some(INTEGER)),
        Type::Float => of_types(&["number", "string", "null"], Some(FLOAT)),
        Type::Duration => {
            // The one duration that is a number.
            let mut schema = of_types(&["string", "number", "null"], Some(DURATION));
            schema.insert("minimum".to_string(), 0.into());
            schema.insert("maximum".to_string(), 0.into());
            schema
        }
        Type::Size => {
            let mut schema = of_types(&["number", "string", "null"], Some(SIZE));
            schema.insert("minimum".to_string(), 0.into());
            schema
        }
        Type::Any => Map::new(),
        Type::Array(item) => {
            let mut schema = of_types(&["array", "string", "null"], Some(VARIABLE));
            schema.insert("items".to_string(), typed(item).into());
            schema
        }
        Type::Map(value) => {
            let mut schema = of_types(&["object", "string", "null"], Some(VARIABLE));
            schema.insert("additionalProperties".to_string(), typed(value).into());
            schema
        }
        Type::Object(fields) => object(fields),
        Type::Component(kind) => {
            let mut schema = Map::new();
            schema.insert("$ref".to_string(), format!("#/definitions/{}", kind.name()).into());
            schema
        }
    }
}

fn object(fields: &[Field]) -> Map<String, Value> {
    let properties: Map<String, Value> =
        fields.iter().map(|it| (it.name.to_string(), Value::Object(field(it)))).collect();
    let required: Vec<&str> = fields.iter().filter(|it| is_required(it)).map(|it| it.name).collect();
    // An object without fields may be written as the empty text.
    let pattern = if fields.is_empty() { r"^$|\$\{" } else { VARIABLE };
    let types: &[&str] =
        if required.is_empty() { &["object", "string", "null"] } else { &["object", "string"] };
    let mut schema = of_types(types, Some(pattern));
    schema.insert("properties".to_string(), properties.into());
    schema.insert("additionalProperties".to_string(), false.into());
    if !required.is_empty() {
        schema.insert("required".to_string(), required.into());
    }
    schema
}

/// Whether its absence is an error: its own, or that of something inside of it.
fn is_required(field: &Field) -> bool {
    match field.ty {
        Type::Object(inner) if field.default == Some("{}") => inner.iter().any(is_required),
        _ => field.is_required(),
    }
}

fn field(field: &Field) -> Map<String, Value> {
    let mut text = prose::links_as_text(field.doc);
    if !field.bento {
        text.push_str("\n\nOnly in Wappa, Bento does not have it.");
    }
    if let Some(version) = field.since {
        text.push_str(&format!("\n\nSince version {version}."));
    }
    let is_resource = field.name.ends_with("_resources");
    let schema = match (field.ty, field.options) {
        (Type::Array(item), _) if is_resource => {
            let mut list = of_types(&["array", "string", "null"], Some(VARIABLE));
            let item = json!({"allOf": [typed(item), {"required": ["label"]}]});
            list.insert("items".to_string(), item);
            list
        }
        (ty, []) => typed(&ty),
        (Type::Array(_), texts) => {
            let mut list = of_types(&["array", "string", "null"], Some(VARIABLE));
            list.insert("items".to_string(), options(texts));
            list
        }
        (_, texts) => match options(texts) {
            Value::Object(it) => it,
            _ => Map::new(),
        },
    };
    let mut schema = described(schema, text.trim());
    if let Some(default) = field.default.and_then(value_of_text) {
        schema.insert("default".to_string(), default);
    }
    let examples: Vec<Value> = field.examples.iter().filter_map(|it| value_of_text(it)).collect();
    if !examples.is_empty() {
        schema.insert("examples".to_string(), examples.into());
    }
    if field.deprecated {
        schema.insert("deprecated".to_string(), true.into());
        schema.insert("doNotSuggest".to_string(), true.into());
    }
    schema
}

/// One of these texts, whatever the case of its letters.
fn options(texts: &[&str]) -> Value {
    let mut all: Vec<Value> = texts.iter().map(|it| (*it).into()).collect();
    // Where YAML reads one of them as a number or a bool, so does an editor.
    let typed = texts.iter().filter_map(|it| value_of_text(it)).filter(|it| !it.is_string() && !it.is_null());
    all.extend(typed);
    all.push(Value::Null);
    let alternatives: Vec<String> = texts.iter().map(|it| any_case(it)).collect();
    let pattern = format!("^({})$|{VARIABLE}", alternatives.join("|"));
    json!({"anyOf": [{"enum": all}, {"type": "string", "pattern": pattern}]})
}

/// A pattern for a text in any case.
fn any_case(text: &str) -> String {
    let letter = |it: char| match it {
        it if it.is_ascii_alphabetic() => format!("[{}{}]", it.to_ascii_lowercase(), it.to_ascii_uppercase()),
        it if it.is_ascii_alphanumeric() || it == '_' => it.to_string(),
        '-' | ' ' => it.to_string(),
        it => format!("\\u{:04x}", u32::from(it)),
    };
    text.chars().map(letter).collect()
}

/// A value that is given as YAML.
fn value_of_text(text: &str) -> Option<Value> {
    yaml::parse(text).ok().map(|it| value_of(&it.node))
}

/// What a tree is in JSON, as editors read it.
fn value_of(node: &Node) -> Value {
    use wappa_spec::yaml::Kind;
    match &node.kind {
        Kind::Null => Value::Null,
        Kind::Seq(items) => items.iter().map(value_of).collect(),
        Kind::Map(pairs) => pairs.iter().map(|(key, it)| (key.as_key().to_string(), value_of(it))).collect(),
        Kind::Scalar { text, .. } => match node.tag() {
            "!!bool" => node.as_bool().into(),
            "!!int" => match node.as_int().and_then(|it| i64::try_from(it).ok()) {
                Some(it) => it.into(),
                None => text.as_str().into(),
            },
            "!!float" => match node.as_float().filter(|it| it.is_finite()) {
                Some(it) => it.into(),
                None => text.as_str().into(),
            },
            _ => text.as_str().into(),
        },
    }
}
