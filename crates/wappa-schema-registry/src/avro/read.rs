//! From the JSON of a schema to types.

use std::collections::HashMap;

use bytes::Bytes;
use wappa_message::{Object, Text, Value};

use super::{DEPTH_MAX, Field, Kind, Node, Record, Schema, Union, encode, shortened, within};

/// A schema that others name.
#[derive(Clone, Debug)]
pub(crate) struct Reference {
    /// What the schema that refers to it calls it.
    pub(crate) name: String,
    pub(crate) text: String,
}

impl Reference {
    pub(crate) fn new(name: &str, text: &str) -> Reference {
        Reference { name: name.to_string(), text: text.to_string() }
    }
}

/// How a schema is read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Options {
    /// Values of unions stand in documents without the name of their type.
    pub(crate) is_raw: bool,
    /// Types of references may be named anywhere.
    pub(crate) is_nested: bool,
    /// Names of namespaces lose what cannot be in one.
    pub(crate) sanitizes: bool,
}

/// How large the defaults of a schema may be together, as bytes: each may hold others.
const DEFAULT_BYTES_MAX: usize = 1 << 20;

/// How much is kept of a schema, in bytes: names are made longer by their namespaces.
const KEPT_BYTES_MAX: usize = 64 << 20;

/// How long the name of a type may be with its namespace, in bytes.
const NAME_BYTES_MAX: usize = 1024;

/// How many types may stand one within another.
const SCHEMA_DEPTH_MAX: usize = DEPTH_MAX / 2;

/// The types that every schema has, in the order of the first nodes.
const PRIMITIVES: [(&str, Kind); 13] = [
    ("null", Kind::Null),
    ("boolean", Kind::Boolean),
    ("int", Kind::Int),
    ("long", Kind::Long),
    ("float", Kind::Float),
    ("double", Kind::Double),
    ("bytes", Kind::Bytes),
    ("string", Kind::String),
    ("long.timestamp-millis", Kind::Long),
    ("long.timestamp-micros", Kind::Long),
    ("int.time-millis", Kind::Int),
    ("long.time-micros", Kind::Long),
    ("int.date", Kind::Int),
];

type Result<T> = std::result::Result<T, String>;

struct Reader {
    options: Options,
    nodes: Vec<Node>,
    /// The types that have a name.
    named: HashMap<String, usize>,
    /// The types of references that nobody has named yet.
    references: HashMap<String, Value>,
    defaults: Vec<Default>,
    depth: usize,
    /// How much is kept of the schema, about, in bytes.
    kept: usize,
}

/// What stands for a field that a document does not have.
struct Default {
    record: usize,
    field: usize,
    value: Value,
}

/// The name of a type, and the namespace in which it is.
struct Name {
    full: String,
    namespace: String,
}

impl Schema {
    /// Reads a schema. The error says what is wrong with it.
    pub(crate) fn parse(text: &str, references: &[Reference], options: Options) -> Result<Schema> {
        let mut reader = Reader {
            options,
            nodes: Vec::new(),
            named: HashMap::new(),
            references: HashMap::new(),
            defaults: Vec::new(),
            depth: 0,
            kept: 0,
        };
        for (name, kind) in PRIMITIVES {
            reader.add(name.to_string(), kind);
        }
        let document = read(text)?;
        let root = match (references, options.is_nested) {
            ([], _) => reader.any(&document, "")?,
            (_, false) => {
                let whole = hydrated(&document, references)?;
                reader.any(&whole, "")?
            }
            (_, true) => {
                for reference in references {
                    let value = read(&reference.text)?;
                    if let Value::Object(object) = &value
                        && let Ok(name) = reader.name(object, "")
                    {
                        reader.references.insert(name.full, value.clone());
                    }
                    reader.references.entry(reference.name.clone()).or_insert(value);
                }
                reader.any(&document, "")?
            }
        };
        let defaults = std::mem::take(&mut reader.defaults);
        let mut schema = Schema { nodes: reader.nodes, root, is_raw: options.is_raw };
        let mut left = DEFAULT_BYTES_MAX;
        for Default { record, field, value } in defaults {
            let bytes = schema.default_of(record, field, &value, left)?;
            left -= bytes.len();
            if let Kind::Record(it) = &mut schema.nodes[record].kind {
                it.fields[field].default = Some(bytes);
            }
        }
        Ok(schema)
    }

    fn default_of(&self, record: usize, field: usize, value: &Value, left: usize) -> Result<Vec<u8>> {
        let Kind::Record(it) = &self.nodes[record].kind else { return Ok(Vec::new()) };
        let it = &it.fields[field];
        encode::default(self, it.node, value, left).map_err(|why| {
            let record = &self.nodes[record].name;
            format!(
                "Record {record:?} field {:?}: default value ought to encode using field schema: {why}",
                it.name
            )
        })
    }
}

fn read(text: &str) -> Result<Value> {
    let document = Bytes::copy_from_slice(text.as_bytes());
    Value::from_json(&document).map_err(|err| format!("cannot unmarshal schema JSON: {err}"))
}

/// A union of references, each named by a text, with their schemas in place of their names.
fn hydrated(document: &Value, references: &[Reference]) -> Result<Value> {
    let help = "; a schema that names others elsewhere needs `avro_nested_schemas: true`";
    let Value::Array(names) = document else {
        return Err(format!("failed to parse root schema as enum: it is no list{help}"));
    };
    let mut schemas = Vec::with_capacity(names.len());
    for name in names.iter() {
        let Value::Text(name) = name else {
            return Err(format!(
                "failed to parse root schema as enum: not all of its elements are names{help}"
            ));
        };
        let name = text_of(&name);
        let found = references.iter().find(|it| it.name == name);
        let found = found.ok_or_else(|| format!("referenced type '{name}' was not found in references"))?;
        schemas.push(read(&found.text)?);
    }
    Value::array(schemas).map_err(|err| err.to_string())
}

fn text_of(text: &Text) -> String {
    String::from_utf8_lossy(text).into_owned()
}

/// What kind of value it is, in Go's words.
fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Text(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
        _ => "float64",
    }
}

impl Reader {
    /// Adds a type, which is found by its name from now on.
    fn add(&mut self, name: String, kind: Kind) -> usize {
        let place = self.add_nameless(&name, kind);
        self.named.insert(name, place);
        place
    }

    fn add_nameless(&mut self, name: &str, kind: Kind) -> usize {
        self.kept += size_of::<Node>() + 4 * name.len();
        self.nodes.push(Node { name: name.to_string(), kind });
        self.nodes.len() - 1
    }

    fn any(&mut self, schema: &Value, enclosing: &str) -> Result<usize> {
        match schema {
            Value::Text(name) => self.by_name(&text_of(name), None, enclosing),
            Value::Object(object) => self.object(object, enclosing),
            Value::Array(branches) => {
                let branches: Vec<Value> = branches.iter().collect();
                self.deeper(|it| it.union(&branches, enclosing))
            }
            other => Err(format!("unknown schema type: {}", type_of(other))),
        }
    }

    /// Reads what is within a type.
    fn deeper(&mut self, read: impl FnOnce(&mut Reader) -> Result<usize>) -> Result<usize> {
        if self.depth == SCHEMA_DEPTH_MAX {
            return Err(format!("more than {SCHEMA_DEPTH_MAX} types one within another"));
        }
        if KEPT_BYTES_MAX < self.kept {
            return Err("the schema is too large".to_string());
        }
        self.depth += 1;
        let read = read(self);
        self.depth -= 1;
        read
    }

    fn object(&mut self, object: &Object, enclosing: &str) -> Result<usize> {
        self.deeper(|it| it.described(object, enclosing))
    }

    fn described(&mut self, object: &Object, enclosing: &str) -> Result<usize> {
        match object.get("type") {
            None => Err("missing type".to_string()),
            Some(Value::Text(name)) => self.by_name(&text_of(&name), Some(object), enclosing),
            Some(it @ (Value::Object(_) | Value::Array(_))) => self.any(&it, enclosing),
            Some(other) => Err(format!(
                "type ought to be either string, map[string]interface{{}}, or []interface{{}}; received: {}",
                type_of(&other)
            )),
        }
    }

    /// The type of this name: one that is known, or one that the object describes.
    fn by_name(&mut self, name: &str, object: Option<&Object>, enclosing: &str) -> Result<usize> {
        let logical = object.and_then(|it| it.get("logicalType"));
        let logical = match &logical {
            Some(Value::Text(it)) => Some(format!("{name}.{}", text_of(it))),
            _ => None,
        };
        let in_namespace = format!("{enclosing}.{name}");
        if logical.as_deref() != Some("bytes.decimal")
            && let Some(place) = self.named.get(logical.as_deref().unwrap_or(name))
        {
            return Ok(*place);
        }
        if let Some(place) = self.named.get(&in_namespace).filter(|_| !enclosing.is_empty()) {
            return Ok(*place);
        }
        match (logical.as_deref(), object) {
            (Some("bytes.decimal"), Some(object)) => {
                check_decimal(object)?;
                let name = self.name_or(object, enclosing, "bytes.decimal")?;
                return Ok(self.add(name.full, Kind::Decimal));
            }
            (Some("fixed.decimal"), Some(object)) => {
                check_decimal(object)?;
                return self.fixed(object, enclosing, "fixed.decimal");
            }
            // One that is not known says nothing.
            (Some(_), _) if self.named.contains_key(name) => return Ok(self.named[name]),
            _ => (),
        }
        match (name, object) {
            ("array", Some(object)) => {
                let items = object.get("items").ok_or("Array ought to have items key")?;
                let items = self.any(&items, enclosing);
                let items = items
                    .map_err(|why| within(|| "Array items ought to be valid Avro type: ".into(), why))?;
                Ok(self.add_nameless("array", Kind::Array { items }))
            }
            ("map", Some(object)) => {
                let values = object.get("values").ok_or("Map ought to have values key")?;
                let values = self.any(&values, enclosing);
                let values = values
                    .map_err(|why| within(|| "Map values ought to be valid Avro type: ".into(), why))?;
                Ok(self.add_nameless("map", Kind::Map { values }))
            }
            ("enum", Some(object)) => self.symbols(object, enclosing),
            ("fixed", Some(object)) => self.fixed(object, enclosing, ""),
            ("record", Some(object)) => self.record(object, enclosing),
            _ => {
                let reference =
                    self.references.remove(name).or_else(|| self.references.remove(&in_namespace));
                match reference {
                    // From now on it is known by its name, and by what it was called.
                    Some(it) => {
                        let place = self.any(&it, enclosing)?;
                        self.named.entry(name.to_string()).or_insert(place);
                        Ok(place)
                    }
                    None => {
                        let name = logical.as_deref().unwrap_or(name);
                        Err(shortened(&format!("unknown type name: {name:?}")))
                    }
                }
            }
        }
    }

    fn union(&mut self, schemas: &[Value], enclosing: &str) -> Result<usize> {
        if schemas.is_empty() {
            return Err("Union ought to have one or more members".to_string());
        }
        let mut union =
            Union { branches: Vec::new(), places: HashMap::new(), null: None, sorted: Vec::new() };
        for (place, schema) in schemas.iter().enumerate() {
            let branch = self.any(schema, enclosing).map_err(|why| {
                within(|| format!("Union item {} ought to be valid Avro type: ", place + 1), why)
            })?;
            let name = self.nodes[branch].name.clone();
            self.kept += name.len();
            if union.places.contains_key(&name) {
                return Err(shortened(&format!("Union item {} ought to be unique type: {name}", place + 1)));
            }
            match self.nodes[branch].kind {
                Kind::Null => union.null = Some(place),
                _ => union.sorted.push(place),
            }
            union.places.insert(name, place);
            union.branches.push(branch);
        }
        let (nodes, branches) = (&self.nodes, &union.branches);
        union.sorted.sort_by(|one, other| nodes[branches[*one]].name.cmp(&nodes[branches[*other]].name));
        Ok(self.add_nameless("union", Kind::Union(union)))
    }

    fn symbols(&mut self, object: &Object, enclosing: &str) -> Result<usize> {
        let name = self.name(object, enclosing);
        let name = name.map_err(|why| format!("Enum ought to have valid name: {why}"))?.full;
        let symbols = match object.get("symbols") {
            None => return Err(format!("Enum {name:?} ought to have symbols key")),
            Some(Value::Array(symbols)) if !symbols.is_empty() => symbols,
            Some(_) => return Err(format!("Enum {name:?} symbols ought to be non-empty array of strings")),
        };
        let mut known = Vec::with_capacity(symbols.len());
        for (place, symbol) in (1..).zip(symbols.iter()) {
            let Value::Text(symbol) = symbol else {
                return Err(format!("Enum {name:?} symbol {place} ought to be non-empty string"));
            };
            let symbol = text_of(&symbol);
            check(&symbol).map_err(|why| format!("Enum {name:?} symbol {place} ought to {why}"))?;
            known.push(symbol);
        }
        let mut places = HashMap::with_capacity(known.len());
        for (place, symbol) in known.iter().enumerate() {
            // The first one counts.
            places.entry(symbol.clone()).or_insert(place);
        }
        Ok(self.add(name, Kind::Enum { symbols: known, places }))
    }

    fn fixed(&mut self, object: &Object, enclosing: &str, default: &str) -> Result<usize> {
        let name = self.name_or(object, enclosing, default)?.full;
        let size = match object.get("size") {
            None => return Err(format!("Fixed {name:?} ought to have size key")),
            Some(Value::Text(it)) => text_of(&it).parse().ok(),
            Some(it) => {
                number_of(&it).filter(|it| 1.0 <= *it && *it <= f64::from(i32::MAX)).map(|it| it as usize)
            }
        };
        let size = size.ok_or_else(|| format!("Fixed {name:?} size ought to be number greater than zero"))?;
        Ok(self.add(name, Kind::Fixed { size }))
    }

    fn record(&mut self, object: &Object, enclosing: &str) -> Result<usize> {
        let name = self.name(object, enclosing);
        let Name { full, namespace } =
            name.map_err(|why| format!("Record ought to have valid name: {why}"))?;
        // Its place is known before it is read, since it may be in itself.
        let place = self.add(full.clone(), Kind::Record(Record::default()));
        let fields = match object.get("fields") {
            None => return Err(format!("Record {full:?} ought to have fields key")),
            Some(Value::Array(fields)) => fields,
            Some(_) => return Err(format!("Record {full:?} fields ought to be non-nil array")),
        };
        let mut record = Record::default();
        for (idx, field) in fields.iter().enumerate() {
            let at = || format!("Record {full:?} field {} ought to ", idx + 1);
            let Value::Object(field) = &field else {
                return Err(format!("{}be valid Avro named type; received: {}", at(), type_of(&field)));
            };
            let node = self.object(field, &namespace);
            let node = node.map_err(|why| within(|| format!("{}be valid Avro named type: ", at()), why))?;
            let name =
                self.name(field, &namespace).map_err(|why| format!("{}have valid name: {why}", at()))?;
            let name = name.full.rsplit('.').next().unwrap_or_default().to_string();
            if record.places.insert(name.clone(), idx).is_some() {
                return Err(format!("{}have unique name: {name:?}", at()));
            }
            if let Some(value) = field.get("default") {
                self.defaults.push(Default { record: place, field: idx, value });
            }
            record.fields.push(Field { name, node, default: None });
        }
        self.nodes[place].kind = Kind::Record(record);
        Ok(place)
    }

    fn name_or(&self, object: &Object, enclosing: &str, default: &str) -> Result<Name> {
        if !default.is_empty() && object.get("name").is_none() {
            return Ok(Name { full: default.to_string(), namespace: enclosing.to_string() });
        }
        self.name(object, enclosing)
    }

    fn name(&self, object: &Object, enclosing: &str) -> Result<Name> {
        let name = match object.get("name") {
            Some(Value::Text(name)) if !name.is_empty() => text_of(&name),
            Some(other) => {
                return Err(format!(
                    "schema name ought to be non-empty string; received: {}",
                    type_of(&other)
                ));
            }
            None => return Err("schema ought to have name key".to_string()),
        };
        let namespace = match object.get("namespace") {
            None => String::new(),
            Some(Value::Text(namespace)) => self.sanitized(&text_of(&namespace)),
            Some(other) => {
                return Err(format!(
                    "schema namespace, if provided, ought to be a string; received: {}",
                    type_of(&other)
                ));
            }
        };
        let (namespace, full) = match name.rsplit_once('.') {
            Some((before, last)) => {
                let before = self.sanitized(before);
                let full = format!("{before}.{last}");
                (before, full)
            }
            None => {
                let namespace = if namespace.is_empty() { enclosing.to_string() } else { namespace };
                let full = if namespace.is_empty() { name } else { format!("{namespace}.{name}") };
                (namespace, full)
            }
        };
        if NAME_BYTES_MAX < full.len() {
            return Err(format!("schema name ought to have {NAME_BYTES_MAX} bytes at most"));
        }
        for piece in full.split('.') {
            check(piece).map_err(|why| format!("schema name ought to {why}"))?;
        }
        Ok(Name { full, namespace })
    }

    fn sanitized(&self, namespace: &str) -> String {
        let stays =
            |it: &char| !self.options.sanitizes || it.is_ascii_alphanumeric() || matches!(it, '_' | '.');
        namespace.chars().filter(stays).collect()
    }
}

/// Whether this can be a piece of a name.
fn check(name: &str) -> Result<()> {
    let is_first = |it: u8| it.is_ascii_alphabetic() || it == b'_';
    match name.as_bytes() {
        [] => Err("be non-empty string".to_string()),
        [first, ..] if !is_first(*first) => Err(shortened(&format!("start with [A-Za-z_]: {name}"))),
        [_, rest @ ..] if !rest.iter().all(|it| is_first(*it) || it.is_ascii_digit()) => {
            Err(shortened(&format!("have second and remaining characters contain only [A-Za-z0-9_]: {name}")))
        }
        _ => Ok(()),
    }
}

fn number_of(value: &Value) -> Option<f64> {
    match value {
        Value::Int(_) | Value::Uint(_) | Value::Float(_) | Value::Number(_) => {
            String::from_utf8_lossy(&value.to_text()).parse().ok()
        }
        _ => None,
    }
}

/// Whether a decimal says how long it is.
fn check_decimal(object: &Object) -> Result<()> {
    let failed = |why: String| Err(format!("cannot create decimal logical type {why}"));
    let Some(precision) = object.get("precision") else { return failed("without precision".to_string()) };
    let Some(precision) = number_of(&precision).map(f64::trunc) else {
        return failed(format!(
            "with wrong precision type; expected: float64; received: {}",
            type_of(&precision)
        ));
    };
    if precision < 1.0 {
        return failed(format!("when precision is less than one: {precision}"));
    }
    let Some(scale) = object.get("scale") else { return Ok(()) };
    match number_of(&scale).map(f64::trunc) {
        None => failed(format!("with wrong scale type; expected: float64; received: {}", type_of(&scale))),
        Some(scale) if scale < 0.0 => failed(format!("when scale is less than zero: {scale}")),
        Some(scale) if precision < scale => {
            failed(format!("when scale is larger than precision: {scale} > {precision}"))
        }
        Some(_) => Ok(()),
    }
}
