//! What differs between two values, as a list of changes, and such a list applied.

use std::collections::BTreeMap;

use wappa_message::{Array, Object, Text, Value};

use crate::{
    error::{Error, Result},
    evaluate::Machine,
    registry::{Category, Method, Param, args::Given, bound::MethodBody, example},
    value::{compare, types::Type},
};

const fn new(name: &'static str, description: &'static str, body: MethodBody) -> Method {
    Method::new(name, Category::Objects, description, body).unnamed()
}

/// What happens to a place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Create,
    Update,
    Delete,
}

impl Kind {
    const ALL: [(&'static str, Kind); 3] =
        [("create", Kind::Create), ("update", Kind::Update), ("delete", Kind::Delete)];

    fn name(self) -> &'static str {
        Kind::ALL.iter().find(|it| it.1 == self).map_or("", |it| it.0)
    }
}

/// What keeps two values from being compared: numbers that were read are texts of Bento's, those that were calculated are
/// not.
#[derive(PartialEq, Eq)]
enum Sort {
    Text,
    Int,
    Uint,
    Float,
    Bool,
    Array,
    Object,
    Other,
}

fn sort_of(value: &Value) -> Sort {
    match value {
        Value::Text(_) | Value::Number(_) => Sort::Text,
        Value::Int(_) => Sort::Int,
        Value::Uint(_) => Sort::Uint,
        Value::Float(_) => Sort::Float,
        Value::Bool(_) => Sort::Bool,
        Value::Array(_) => Sort::Array,
        Value::Object(_) => Sort::Object,
        Value::Null | Value::Bytes(_) | Value::Time(_) => Sort::Other,
    }
}

/// What was found so far.
struct Found<'a, 'b> {
    machine: &'a mut Machine<'b>,
    changes: Vec<Value>,
}

impl Found<'_, '_> {
    fn add(&mut self, kind: Kind, path: &[Text], from: Value, to: Value) -> Result<()> {
        self.machine.budget().containers(2, 4 + path.len())?;
        self.machine.budget().bytes(path.iter().map(|it| it.len()).sum())?;
        let path = Value::array(path.iter().cloned().map(Value::Text))?;
        let change = [("From", from), ("Path", path), ("To", to), ("Type", Value::text(kind.name()))];
        self.changes.push(Value::object(change)?);
        Ok(())
    }

    /// What differs between two values at one place; `null` is what is there and says nothing.
    fn compare(&mut self, path: &mut Vec<Text>, one: &Value, other: &Value) -> Result<()> {
        self.machine.budget().step()?;
        self.machine.budget().open(one)?;
        self.machine.budget().open(other)?;
        match (one, other) {
            (Value::Null, Value::Null) => Ok(()),
            (Value::Null, _) | (_, Value::Null) => self.add(Kind::Update, path, one.clone(), other.clone()),
            (Value::Array(one), Value::Array(other)) => self.lists(path, one, other),
            (Value::Object(one), Value::Object(other)) => self.objects(path, one, other),
            _ if sort_of(one) != sort_of(other) => Err(mismatch()),
            _ => {
                self.machine.budget().walk(one.size().saturating_add(other.size()))?;
                match one == other || (sort_of(one) == Sort::Other && compare::is_equal(one, other)) {
                    true => Ok(()),
                    false => self.add(Kind::Update, path, one.clone(), other.clone()),
                }
            }
        }
    }

    /// What is on one side only, or differs.
    fn place(
        &mut self,
        path: &mut Vec<Text>,
        name: Text,
        one: Option<Value>,
        other: Option<Value>,
    ) -> Result<()> {
        path.push(name);
        match (one, other) {
            (Some(one), Some(other)) => self.compare(path, &one, &other)?,
            (Some(one), None) => self.add(Kind::Delete, path, one, Value::Null)?,
            (None, Some(other)) => self.add(Kind::Create, path, Value::Null, other)?,
            (None, None) => (),
        }
        path.pop();
        Ok(())
    }

    fn objects(&mut self, path: &mut Vec<Text>, one: &Object, other: &Object) -> Result<()> {
        for (name, value) in one.iter() {
            self.machine.budget().step()?;
            let others = other.get(&name);
            self.place(path, name, Some(value), others)?;
        }
        for (name, value) in other.iter() {
            self.machine.budget().step()?;
            if !one.contains_key(&name) {
                self.place(path, name, None, Some(value))?;
            }
        }
        Ok(())
    }

    /// Lists hold the same where each element of one has its own in the other, wherever that is; what is left is compared
    /// place by place.
    fn lists(&mut self, path: &mut Vec<Text>, one: &Array, other: &Array) -> Result<()> {
        let ones: Vec<Value> = one.iter().collect();
        let others: Vec<Value> = other.iter().collect();
        self.machine.budget().values(ones.len() + others.len())?;
        let ones_left = self.without(&ones, &others)?;
        let others_left = self.without(&others, &ones)?;
        let mut places: Vec<usize> = ones_left.clone();
        places.extend(others_left.iter().filter(|it| ones_left.binary_search(it).is_err()));
        for idx in places {
            let one = ones_left.binary_search(&idx).ok().map(|_| ones[idx].clone());
            let other = others_left.binary_search(&idx).ok().map(|_| others[idx].clone());
            self.place(path, Text::from(idx.to_string()), one, other)?;
        }
        Ok(())
    }

    /// The places of a list for whose elements the other one has none.
    fn without(&mut self, list: &[Value], other: &[Value]) -> Result<Vec<usize>> {
        let mut is_taken = vec![false; other.len()];
        let mut left = Vec::new();
        for (idx, it) in list.iter().enumerate() {
            let mut place = None;
            for (at, candidate) in other.iter().enumerate().filter(|(at, _)| !is_taken[*at]) {
                self.machine.budget().step()?;
                let mut inner = Found { machine: &mut *self.machine, changes: Vec::new() };
                let compared = inner.compare(&mut Vec::new(), it, candidate);
                let is_same = compared.is_ok() && inner.changes.is_empty();
                if self.machine.budget().has_refused() {
                    compared?;
                }
                if is_same {
                    place = Some(at);
                    break;
                }
            }
            match place {
                Some(at) => is_taken[at] = true,
                None => left.push(idx),
            }
        }
        Ok(left)
    }
}

#[cold]
fn mismatch() -> Error {
    Error::new(" types do not match (cause count 0)\n")
}

fn diff(machine: &mut Machine<'_>, value: Value, args: Given<'_>) -> Result<Value> {
    let other = args.value(0);
    let mut found = Found { machine, changes: Vec::new() };
    match (&value, other) {
        (Value::Null, _) => return Ok(Value::Null),
        // All that is in an object is gone by itself.
        (Value::Object(object), Value::Null) => {
            for (name, it) in object.iter() {
                found.place(&mut Vec::new(), name, Some(it), None)?;
            }
        }
        (_, Value::Null) => found.add(Kind::Delete, &[], value.clone(), Value::Null)?,
        _ => found.compare(&mut Vec::new(), &value, other)?,
    }
    Ok(Value::array(found.changes)?)
}

/// What becomes of a place, and of those in it.
#[derive(Default)]
struct Planned {
    change: Option<(Kind, Value)>,
    inside: BTreeMap<Vec<u8>, Planned>,
}

/// How much a place takes while it is planned, in bytes.
const PLANNED_BYTES: usize = 256;

impl Planned {
    fn read(machine: &mut Machine<'_>, changes: &Value) -> Result<Planned> {
        let Value::Array(changes) = changes else {
            let actual = Type::of(changes);
            return Err(Error::new(format!("'': source data must be an array or slice, got {actual}")));
        };
        let mut root = Planned::default();
        for change in changes.iter() {
            machine.budget().step()?;
            let Value::Object(change) = &change else {
                return Err(Error::of_type(&change, &[Type::Object]));
            };
            // Names that are written otherwise mean the same, as in Bento.
            let field = |name: &str| {
                let lowercase = name.to_ascii_lowercase();
                change.get(name).or_else(|| change.get(lowercase)).unwrap_or_default()
            };
            let kind = field("Type").to_text();
            let kind = Kind::ALL.iter().find(|it| it.0.as_bytes() == kind.as_ref()).map(|it| it.1);
            let Some(kind) = kind else {
                return Err(Error::new("change type must be one of 'create', 'update' or 'delete'"));
            };
            let mut place = &mut root;
            if let Value::Array(path) = field("Path") {
                for name in path.iter() {
                    let name = name.to_text().to_vec();
                    machine.budget().bytes(name.len() + PLANNED_BYTES)?;
                    place = place.inside.entry(name).or_default();
                }
            }
            place.change = Some((kind, field("To")));
        }
        Ok(root)
    }

    /// What becomes of a value; nothing where it is deleted.
    fn apply(
        self,
        machine: &mut Machine<'_>,
        value: Option<Value>,
        path: &mut Vec<String>,
    ) -> Result<Option<Value>> {
        machine.budget().step()?;
        let mut value = match self.change {
            Some((Kind::Delete, _)) => return Ok(None),
            Some((Kind::Create | Kind::Update, to)) => Some(to),
            None => value,
        };
        if self.inside.is_empty() {
            return Ok(value);
        }
        match &mut value {
            Some(Value::Object(object)) => {
                machine.budget().bytes(if object.is_empty() { 0 } else { 64 * object.len() })?;
                for (name, inside) in self.inside {
                    path.push(String::from_utf8_lossy(&name).into_owned());
                    match inside.apply(machine, object.get(&name), path)? {
                        Some(it) => object.insert(name, it)?,
                        None => _ = object.remove(&name),
                    }
                    path.pop();
                }
            }
            Some(Value::Array(array)) => {
                machine.budget().values(array.len() + self.inside.len())?;
                *array = Planned::list(self.inside, machine, array, path)?;
            }
            _ => {
                let path = path.join(".");
                return Err(Error::new(format!(
                    "there is nothing at `{path}` that changes could be applied to"
                )));
            }
        }
        Ok(value)
    }

    /// Places count as they were: what is changed stays where it is, what is deleted goes then, and what is new comes last.
    fn list(
        inside: BTreeMap<Vec<u8>, Planned>,
        machine: &mut Machine<'_>,
        array: &Array,
        path: &mut Vec<String>,
    ) -> Result<Array> {
        let mut values: Vec<Option<Value>> = array.iter().map(Some).collect();
        let mut new = BTreeMap::new();
        for (name, inside) in inside {
            let name = String::from_utf8_lossy(&name).into_owned();
            let Ok(idx) = name.parse::<usize>() else {
                return Err(Error::new(format!("invalid index in path. {name} is not a number")));
            };
            path.push(name);
            let is_new = matches!(inside.change, Some((Kind::Create, _)));
            if is_new || values.len() <= idx {
                let made = inside.apply(machine, None, path)?;
                new.extend(made.map(|it| (idx, it)));
            } else {
                values[idx] = inside.apply(machine, values[idx].take(), path)?;
            }
            path.pop();
        }
        let mut kept = values.into_iter().flatten();
        let mut all = Vec::with_capacity(array.len() + new.len());
        for (idx, it) in new {
            while all.len() < idx {
                match kept.next() {
                    Some(it) => all.push(it),
                    None => break,
                }
            }
            all.push(it);
        }
        all.extend(kept);
        Ok(Array::new(all)?)
    }
}

fn patch(machine: &mut Machine<'_>, value: Value, args: Given<'_>) -> Result<Value> {
    if value == Value::Null {
        return Ok(value);
    }
    let planned = Planned::read(machine, args.value(0))?;
    Ok(planned.apply(machine, Some(value), &mut Vec::new())?.unwrap_or_default())
}

pub(super) const METHODS: &[Method] = &[
    new(
        "diff",
        "What has to change so that the value becomes the argument: a list of objects with `Type` (`create`, `update` or \
         `delete`), `Path`, `From` and `To`, in the order of the names. The order of lists does not matter. It fails where a \
         value and what stands in its place are not of one type.",
        MethodBody::Counted(diff),
    )
    .params(&[Param::any("other", "What the value is compared with.")])
    .examples(&[example("root = this.a.diff(this.b)", &[
        (
            r#"{"a":{"x":1,"y":["p","q"]},"b":{"x":2,"y":["q"]}}"#,
            r#"[{"From":1,"Path":["x"],"To":2,"Type":"update"},{"From":"p","Path":["y","0"],"To":null,"Type":"delete"}]"#,
        ),
        (r#"{"a":{"x":1},"b":{"x":1}}"#, "[]"),
        (r#"{"a":{"x":1},"b":{"x":true}}"#, "Error(\"failed assignment (line 1):  types do not match (cause count 0)\n\")"),
    ])]),
    new(
        "patch",
        "The value with a list of changes applied to it, as `diff` makes one. Places in lists count as they were before the \
         first change.",
        MethodBody::Counted(patch),
    )
    .params(&[Param::any("changelog", "The changes.")])
    .examples(&[
        example("root = this.a.patch(this.a.diff(this.b))", &[(
            r#"{"a":{"x":1,"y":["p","q"]},"b":{"y":["q"],"z":[]}}"#,
            r#"{"y":["q"],"z":[]}"#,
        )]),
        example(r#"root = this.patch([{"Type": "update", "Path": ["a"], "To": 5}])"#, &[(r#"{"a":1,"b":2}"#, r#"{"a":5,"b":2}"#)]),
    ]),
];
