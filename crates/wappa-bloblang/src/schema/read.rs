//! From a document to a schema.

use std::collections::BTreeMap;

use bytes::Bytes;
use regex::bytes::Regex;
use wappa_message::{Array, Object, Text, Value};

use super::{Decimal, Dependency, Node, Others, Range, Schema, Type, canonical};
use crate::value::regexp;

/// How many schemas may stand one within another.
const DEPTH_MAX: usize = 100;

/// How much most patterns take up at most, and all of a schema that is not trusted together, in bytes.
const SMALL_PATTERN_BYTES: usize = 256 << 10;
const PATTERN_BYTES_MAX: usize = 64 << 20;

type Read<T> = Result<T, String>;

struct Reader<'a> {
    /// The schema, and behind it those that it may refer to.
    documents: &'a [Value],
    /// The one that is read.
    current: usize,
    nodes: Vec<Node>,
    /// The schemas that references lead to, by the document in which they stand and where they lead.
    referenced: BTreeMap<(usize, String), usize>,
    /// The places of schemas with a name of their own, by that name, each with its document.
    named: BTreeMap<String, (usize, Value)>,
    /// What names without a scheme lead on from.
    base: String,
    /// 4, 6, 7; or more, where all drafts are understood.
    draft: u32,
    depth: usize,
    /// Of a schema that is not trusted: how much its patterns take up, at most.
    pattern_bytes: Option<usize>,
}

impl Schema {
    /// Reads a schema. The error is what is wrong with it, in the words of Bento's library.
    pub fn parse(text: &[u8]) -> Result<Schema, String> {
        let document = Value::from_json(&Bytes::copy_from_slice(text)).map_err(|err| err.to_string())?;
        Schema::of(&[document], &[], None)
    }

    /// The same for one that is not trusted, with others to which it may refer: by the names that they have themselves, or by
    /// these. What its patterns may take up is bounded.
    pub fn parse_with(text: &[u8], others: &[(&str, &str)]) -> Result<Schema, String> {
        let read =
            |text: &[u8]| Value::from_json(&Bytes::copy_from_slice(text)).map_err(|err| err.to_string());
        let mut documents = vec![read(text)?];
        for (name, text) in others {
            documents.push(read(text.as_bytes()).map_err(|why| format!("{name}: {why}"))?);
        }
        let names: Vec<&str> = others.iter().map(|it| it.0).collect();
        Schema::of(&documents, &names, Some(0))
    }

    /// How much its patterns take up at most, in bytes, if it is not trusted.
    pub fn pattern_bytes(&self) -> usize {
        self.pattern_bytes
    }

    fn of(documents: &[Value], names: &[&str], pattern_bytes: Option<usize>) -> Result<Schema, String> {
        let document = &documents[0];
        if !matches!(document, Value::Object(_) | Value::Bool(_)) {
            return Err("schema is invalid".to_string());
        }
        let url = match document {
            Value::Object(object) => object.get("$schema"),
            _ => None,
        };
        let draft = match url.as_ref().map(|it| it.to_text()) {
            Some(url) if find(&url, "draft-04") => 4,
            Some(url) if find(&url, "draft-06") => 6,
            Some(url) if find(&url, "draft-07") => 7,
            _ => u32::MAX,
        };
        let (nodes, referenced, named) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        let base = base_of(document);
        let mut reader =
            Reader { documents, current: 0, nodes, referenced, named, base, draft, depth: 0, pattern_bytes };
        for (idx, it) in documents.iter().enumerate() {
            reader.current = idx;
            reader.collect_names(it, 0);
        }
        for (idx, name) in (1..).zip(names) {
            reader.named.entry(name.to_string()).or_insert_with(|| (idx, documents[idx].clone()));
        }
        reader.current = 0;
        let root = reader.schema(document)?;
        let pattern_bytes = reader.pattern_bytes.unwrap_or_default();
        Ok(Schema { nodes: reader.nodes, root, pattern_bytes })
    }
}

/// The address of a document up to its last step, where it has one.
fn base_of(document: &Value) -> String {
    let Value::Object(object) = document else { return String::new() };
    let name = ["$id", "id"].into_iter().find_map(|key| match object.get(key) {
        Some(Value::Text(name)) => Some(String::from_utf8_lossy(&name).into_owned()),
        _ => None,
    });
    let name = name.unwrap_or_default();
    name.rfind('/').map_or(String::new(), |it| name[..=it].to_string())
}

fn find(text: &[u8], part: &str) -> bool {
    text.windows(part.len()).any(|it| it == part.as_bytes())
}

fn invalid_type(expected: &str, key: &str) -> String {
    format!("Invalid type. Expected: {expected}, given: {key}")
}

impl Reader<'_> {
    fn collect_names(&mut self, value: &Value, depth: usize) {
        if DEPTH_MAX < depth {
            return;
        }
        match value {
            Value::Object(object) => {
                for key in ["$id", "id"] {
                    if let Some(Value::Text(name)) = object.get(key) {
                        let name = String::from_utf8_lossy(&name).trim_end_matches('#').to_string();
                        let current = self.current;
                        self.named.entry(name).or_insert_with(|| (current, value.clone()));
                    }
                }
                object.iter().for_each(|(_, it)| self.collect_names(&it, depth + 1));
            }
            Value::Array(array) => array.iter().for_each(|it| self.collect_names(&it, depth + 1)),
            _ => (),
        }
    }

    fn push(&mut self, node: Node) -> usize {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    fn schema(&mut self, value: &Value) -> Read<usize> {
        if self.depth == DEPTH_MAX {
            return Err(format!("more than {DEPTH_MAX} schemas one within another"));
        }
        self.depth += 1;
        let node = self.node(value);
        self.depth -= 1;
        let node = node?;
        Ok(self.push(node))
    }

    fn node(&mut self, value: &Value) -> Read<Node> {
        let object = match value {
            Value::Bool(it) if 6 <= self.draft => return Ok(Node { passes: Some(*it), ..Node::default() }),
            Value::Object(object) => object,
            _ => return Err("Expected: valid schema, given: Invalid JSON".to_string()),
        };
        for key in ["title", "description", "$ref"] {
            if object.get(key).is_some_and(|it| !matches!(it, Value::Text(_))) {
                return Err(invalid_type("string", key));
            }
        }
        if let Some(definitions) = object.get("definitions") {
            let Value::Object(definitions) = definitions else {
                return Err(invalid_type("array of schemas", "definitions"));
            };
            for (_, it) in definitions.iter() {
                if !matches!(it, Value::Object(_) | Value::Bool(_)) {
                    return Err(invalid_type("array of schemas", "definitions"));
                }
                self.schema(&it)?;
            }
        }
        if let Some(Value::Text(reference)) = object.get("$ref") {
            let reference = self.reference(&String::from_utf8_lossy(&reference))?;
            return Ok(Node { reference: Some(reference), ..Node::default() });
        }
        let mut node = Node { types: types(object)?, ..Node::default() };
        self.of_objects(object, &mut node)?;
        self.of_arrays(object, &mut node)?;
        of_numbers(object, &mut node)?;
        self.of_texts(object, &mut node)?;
        self.of_any(object, &mut node)?;
        Ok(node)
    }

    /// The schema that a reference leads to.
    fn reference(&mut self, reference: &str) -> Read<usize> {
        let key = (self.current, reference.to_string());
        if let Some(node) = self.referenced.get(&key) {
            return Ok(*node);
        }
        let (base, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let unknown =
            || format!("reference {reference} leads to nothing in the schema, and nothing is fetched");
        let (document, base) = match base {
            "" => (self.current, self.documents[self.current].clone()),
            base => {
                let named = self.named.get(base).or_else(|| self.named.get(&format!("{}{base}", self.base)));
                named.cloned().ok_or_else(unknown)?
            }
        };
        let target = match fragment {
            "" => Some(base),
            fragment if fragment.starts_with('/') => pointed(base, fragment),
            _ => self.named.get(&format!("#{fragment}")).map(|it| it.1.clone()),
        };
        let target = target.ok_or_else(unknown)?;
        // Its place is known before it is read, since it may lead back to itself.
        let node = self.push(Node::default());
        self.referenced.insert(key, node);
        if self.depth == DEPTH_MAX {
            return Err(format!("more than {DEPTH_MAX} schemas one within another"));
        }
        self.depth += 1;
        let current = std::mem::replace(&mut self.current, document);
        let read = self.node(&target);
        self.current = current;
        self.depth -= 1;
        self.nodes[node] = read?;
        Ok(node)
    }

    /// A schema under a key, if there is one.
    fn optional(&mut self, object: &Object, key: &str) -> Read<Option<usize>> {
        match object.get(key) {
            None => Ok(None),
            Some(value @ (Value::Object(_) | Value::Bool(_))) => self.schema(&value).map(Some),
            Some(_) => Err(invalid_type("valid schema", key)),
        }
    }

    fn others(&mut self, object: &Object, key: &str) -> Read<Others> {
        match object.get(key) {
            None | Some(Value::Bool(true)) => Ok(Others::Allowed),
            Some(Value::Bool(false)) => Ok(Others::Refused),
            Some(value @ Value::Object(_)) => self.schema(&value).map(Others::Schema),
            Some(_) => Err(invalid_type("boolean/valid schema", key)),
        }
    }

    fn of_objects(&mut self, object: &Object, node: &mut Node) -> Read<()> {
        match object.get("properties") {
            None => (),
            Some(Value::Object(properties)) => {
                for (name, it) in properties.iter() {
                    node.properties.push((name, self.schema(&it)?));
                }
            }
            Some(_) => return Err("properties must be of type object".to_string()),
        }
        node.additional_properties = self.others(object, "additionalProperties")?;
        match object.get("patternProperties") {
            None => (),
            Some(Value::Object(patterns)) => {
                for (pattern, it) in patterns.iter() {
                    let shown = String::from_utf8_lossy(&pattern);
                    let regex =
                        self.pattern(&pattern)?.ok_or_else(|| format!("Invalid regex pattern '{shown}'"))?;
                    node.pattern_properties.push((regex, self.schema(&it)?));
                }
            }
            Some(_) => return Err(invalid_type("valid schema", "patternProperties")),
        }
        if 6 <= self.draft {
            node.property_names = self.optional(object, "propertyNames")?;
        }
        match object.get("dependencies") {
            None => (),
            Some(Value::Object(dependencies)) => {
                for (name, it) in dependencies.iter() {
                    let dependency = match &it {
                        Value::Array(names) => Dependency::Properties(texts(names, "dependency")?),
                        Value::Object(_) | Value::Bool(_) => Dependency::Schema(self.schema(&it)?),
                        _ => return Err("dependency must be of type schema or array of strings".to_string()),
                    };
                    node.dependencies.push((name, dependency));
                }
            }
            Some(_) => return Err(invalid_type("valid schema", "dependencies")),
        }
        node.n_properties = range(object, "minProperties", "maxProperties")?;
        match object.get("required") {
            None => (),
            Some(Value::Array(names)) => {
                node.required = texts(&names, "required")?;
                let mut sorted = node.required.clone();
                sorted.sort();
                if sorted.windows(2).any(|it| it[0] == it[1]) {
                    return Err("required items must be unique".to_string());
                }
            }
            Some(_) => return Err("required must be of an array".to_string()),
        }
        Ok(())
    }

    fn of_arrays(&mut self, object: &Object, node: &mut Node) -> Read<()> {
        match object.get("items") {
            None => (),
            Some(Value::Array(schemas)) => {
                for it in schemas.iter() {
                    if !matches!(it, Value::Object(_) | Value::Bool(_)) {
                        return Err(invalid_type("valid schema/array of schemas", "items"));
                    }
                    node.first_items.push(self.schema(&it)?);
                }
            }
            Some(value @ (Value::Object(_) | Value::Bool(_))) => node.items = Some(self.schema(&value)?),
            Some(_) => return Err(invalid_type("valid schema/array of schemas", "items")),
        }
        node.additional_items = self.others(object, "additionalItems")?;
        node.n_items = range(object, "minItems", "maxItems")?;
        match object.get("uniqueItems") {
            None => (),
            Some(Value::Bool(it)) => node.is_unique = it,
            Some(_) => return Err("uniqueItems must be of a boolean".to_string()),
        }
        if 6 <= self.draft {
            node.contains = self.optional(object, "contains")?;
        }
        Ok(())
    }

    fn of_any(&mut self, object: &Object, node: &mut Node) -> Read<()> {
        if 6 <= self.draft {
            node.constant = object.get("const").map(|it| canonical(&it));
        }
        match object.get("enum") {
            None => (),
            Some(Value::Array(values)) => {
                for it in values.iter().map(|it| canonical(&it)) {
                    if node.values.contains(&it) {
                        return Err("enum items must be unique".to_string());
                    }
                    node.values.push(it);
                }
            }
            Some(_) => return Err("enum must be of an array".to_string()),
        }
        node.one_of = self.list(object, "oneOf")?;
        node.any_of = self.list(object, "anyOf")?;
        node.all_of = self.list(object, "allOf")?;
        if object.get("not").is_some_and(|it| !matches!(it, Value::Object(_) | Value::Bool(_))) {
            return Err("not must be of an object".to_string());
        }
        node.not = self.optional(object, "not")?;
        if 7 <= self.draft {
            node.condition = self.optional(object, "if")?;
            node.then = self.optional(object, "then")?;
            node.otherwise = self.optional(object, "else")?;
        }
        Ok(())
    }

    fn list(&mut self, object: &Object, key: &str) -> Read<Vec<usize>> {
        match object.get(key) {
            None => Ok(Vec::new()),
            Some(Value::Array(schemas)) => schemas.iter().map(|it| self.schema(&it)).collect(),
            Some(_) => Err(format!("{key} must be of an array")),
        }
    }
}

/// The value that a JSON pointer leads to.
fn pointed(value: Value, pointer: &str) -> Option<Value> {
    let unescaped = crate::formats::url::unescape_fragment(pointer.as_bytes()).ok()?;
    let pointer = String::from_utf8(unescaped).ok()?;
    pointer.split('/').skip(1).try_fold(value, |value, step| {
        let step = step.replace("~1", "/").replace("~0", "~");
        match value {
            Value::Object(object) => object.get(&step),
            Value::Array(array) => array.get(step.parse().ok()?),
            _ => None,
        }
    })
}

fn types(object: &Object) -> Read<Vec<Type>> {
    const EXPECTED: &str = "string/array of strings";
    let mut types = Vec::new();
    let mut add = |name: &Value| -> Read<()> {
        let Value::Text(name) = name else { return Err(invalid_type(EXPECTED, "type")) };
        let Some(it) = Type::ALL.into_iter().find(|it| it.name().as_bytes() == name.as_slice()) else {
            let known: Vec<&str> = Type::ALL.into_iter().map(Type::name).collect();
            let name = String::from_utf8_lossy(name);
            return Err(format!(
                "has a primitive type that is NOT VALID -- given: /{name}/ Expected valid values are:[{}]",
                known.join(" ")
            ));
        };
        if types.contains(&it) {
            return Err(format!("{} type is duplicated", it.name()));
        }
        types.push(it);
        Ok(())
    };
    match object.get("type") {
        None => (),
        Some(Value::Array(names)) => names.iter().try_for_each(|it| add(&it))?,
        Some(name) => add(&name)?,
    }
    Ok(types)
}

fn texts(array: &Array, key: &str) -> Read<Vec<Text>> {
    let text = |it: Value| match it {
        Value::Text(it) => Ok(it),
        _ => Err(format!("{key} items must be string")),
    };
    array.iter().map(text).collect()
}

fn range(object: &Object, min: &str, max: &str) -> Read<Range> {
    let bound = |key: &str| match object.get(key) {
        None => Ok(None),
        Some(value) => match Decimal::of(&value).filter(|it| it.is_whole()) {
            None => Err(format!("{key} must be of an integer")),
            Some(it) if it.is_negative() => Err(format!("{key} must be greater than or equal to 0")),
            Some(it) => Ok(Some(it.to_u64())),
        },
    };
    let range = Range { min: bound(min)?, max: bound(max)? };
    match (range.min, range.max) {
        // Of lists that nothing fits, Bento's library says nothing.
        (Some(least), Some(most)) if most < least && min != "minItems" => {
            Err(format!("{min} cannot be greater than {max}"))
        }
        _ => Ok(range),
    }
}

fn of_numbers(object: &Object, node: &mut Node) -> Read<()> {
    if let Some(value) = object.get("multipleOf") {
        let number = Decimal::of(&value).ok_or_else(|| invalid_type("number", "multipleOf"))?;
        if !number.is_positive() {
            return Err("multipleOf must be strictly greater than 0".to_string());
        }
        node.multiple_of = Some(number);
    }
    let number = |key: &str| match object.get(key) {
        None => Ok(None),
        Some(value) => Decimal::of(&value).map(Some).ok_or_else(|| format!("{key} must be of a number")),
    };
    node.minimum = number("minimum")?;
    node.maximum = number("maximum")?;
    let exclusive = |key: &str, other: &str, bound: &mut Option<Decimal>| match object.get(key) {
        None | Some(Value::Bool(false)) => Ok(None),
        // As draft 4 has it.
        Some(Value::Bool(true)) => match bound.take() {
            Some(bound) => Ok(Some(bound)),
            None => Err(format!("{key} cannot be used without {other}")),
        },
        Some(value) => Decimal::of(&value).map(Some).ok_or_else(|| invalid_type("boolean/number", key)),
    };
    node.exclusive_minimum = exclusive("exclusiveMinimum", "minimum", &mut node.minimum)?;
    node.exclusive_maximum = exclusive("exclusiveMaximum", "maximum", &mut node.maximum)?;
    Ok(())
}

impl Reader<'_> {
    /// A pattern; `None`: it is none.
    fn pattern(&mut self, pattern: &[u8]) -> Read<Option<Regex>> {
        let Some(bytes) = self.pattern_bytes else { return Ok(regexp::compile(pattern).ok()) };
        let small = regexp::compile_within(pattern, SMALL_PATTERN_BYTES).ok();
        let bytes = bytes + if small.is_some() { SMALL_PATTERN_BYTES } else { regexp::SIZE_MAX };
        if PATTERN_BYTES_MAX < bytes {
            return Err("its patterns are too many or too large".to_string());
        }
        self.pattern_bytes = Some(bytes);
        Ok(small.or_else(|| regexp::compile(pattern).ok()))
    }

    fn of_texts(&mut self, object: &Object, node: &mut Node) -> Read<()> {
        node.n_chars = range(object, "minLength", "maxLength")?;
        match object.get("pattern") {
            None => (),
            Some(Value::Text(pattern)) => {
                let regex = self.pattern(&pattern)?.ok_or("pattern must be a valid regex")?;
                node.pattern = Some((String::from_utf8_lossy(&pattern).into_owned(), regex));
            }
            Some(_) => return Err("pattern must be of a string".to_string()),
        }
        match object.get("format") {
            None => (),
            Some(Value::Text(format)) => node.format = Some(String::from_utf8_lossy(&format).into_owned()),
            Some(_) => return Err("format must be of type string".to_string()),
        }
        Ok(())
    }
}
