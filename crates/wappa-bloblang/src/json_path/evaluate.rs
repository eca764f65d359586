//! What an expression gives for a document.

use wappa_message::{Text, Value};

use super::{
    Node, Path, Step,
    operators::{self, Infix, is_zero},
};
use crate::{
    error::{Error, Result},
    evaluate::Budget,
    time::{layout, zone::Zone},
    value::go,
};

/// How times may be written, and whether a zone is among it; without one it is that of the machine.
const TIMES: &[(&str, bool)] = &[
    ("Mon Jan _2 15:04:05 2006", false),
    ("Mon Jan _2 15:04:05 MST 2006", true),
    ("Mon Jan 02 15:04:05 -0700 2006", true),
    ("3:04PM", false),
    ("2006-01-02T15:04:05Z07:00", true),
    ("2006-01-02T15:04:05.999999999Z07:00", true),
    ("2006-01-02", false),
    ("2006-01-02 15:04", false),
    ("2006-01-02 15:04:05", false),
    ("2006-01-02 15:04:05-07:00", true),
    ("2006-01-02T15Z0700", true),
    ("2006-01-02T15:04Z0700", true),
    ("2006-01-02T15:04:05Z0700", true),
    ("2006-01-02T15:04:05.999999999Z0700", true),
];

/// Evaluates the parts of an expression.
pub(super) struct Machine<'a> {
    pub(super) root: &'a Value,
    pub(super) budget: &'a mut Budget,
}

impl Machine<'_> {
    /// What a part gives, while this is looked at.
    pub(super) fn value(&mut self, node: &Node, current: &Value) -> Result<Value> {
        self.budget.step()?;
        match node {
            Node::Constant(value) => Ok(value.clone()),
            Node::Path(path) => self.path(path, current),
            Node::Variable(names) => self.variable(names, current),
            Node::Call(name, names) => {
                let value = self.variable(names, current);
                let value = value.map_err(|err| Error::new(format!("could not call function: {err}")))?;
                Err(Error::new(format!("could not call '{name}' type {}", go::type_name(&value, false))))
            }
            Node::Date(args) => {
                let one = match args.as_slice() {
                    [one] => self.value(one, current)?,
                    _ => Value::Null,
                };
                date(&one)
            }
            Node::Prefix(prefix, value) => prefix.apply(&self.value(value, current)?),
            Node::Infix(infix, both) => {
                let left = self.value(&both.0, current)?;
                match infix {
                    Infix::Fits(pattern, is_wanted) => {
                        operators::fits(pattern, *is_wanted, &left, self.budget)
                    }
                    Infix::Of(operator) => {
                        if let Some(value) = operator.of_left(&left) {
                            return Ok(value);
                        }
                        let right = self.value(&both.1, current)?;
                        operator.apply(&left, &right, self.budget)
                    }
                }
            }
            Node::Condition(parts) => {
                let [condition, one, other] = &**parts;
                match is_zero(&self.value(condition, current)?) {
                    true => self.value(other, current),
                    false => self.value(one, current),
                }
            }
            Node::List(elements) => {
                self.budget.containers(1, elements.len())?;
                let values: Result<Vec<Value>> = elements.iter().map(|it| self.value(it, current)).collect();
                Ok(Value::array(values?)?)
            }
            Node::Object(pairs) => {
                self.budget.containers(1, pairs.len())?;
                let mut made: Vec<(Text, Value)> = Vec::with_capacity(pairs.len());
                for (name, value) in pairs {
                    let value = self.value(value, current)?;
                    let name = self.text(name, current)?;
                    made.push((Text::from(name), value));
                }
                Ok(Value::object(made)?)
            }
        }
    }

    /// The text of what a part gives.
    fn text(&mut self, node: &Node, current: &Value) -> Result<String> {
        let value = self.value(node, current)?;
        operators::text_of(&value, self.budget)
    }

    /// The whole number that a part gives.
    fn int(&mut self, node: &Node, current: &Value) -> Result<i64> {
        let value = self.value(node, current)?;
        match operators::number(&value) {
            Some(number) => Ok(number as i64),
            None => {
                let (shown, actual) = (go::shown(&value), go::type_name(&value, false));
                Err(Error::new(format!("expected number but got {shown} ({actual})")))
            }
        }
    }

    fn variable(&mut self, names: &[Node], current: &Value) -> Result<Value> {
        let names: Result<Vec<String>> = names.iter().map(|it| self.text(it, current)).collect();
        let names = names?;
        let mut value = self.root.clone();
        for (idx, name) in names.iter().enumerate() {
            self.budget.open(&value)?;
            value = match &value {
                Value::Object(object) => object.get(name).unwrap_or_default(),
                // A list has no names, and is passed on where one is asked for.
                Value::Array(array) => match name.parse::<usize>().ok().and_then(|it| array.get(it)) {
                    Some(element) => element,
                    None => continue,
                },
                _ => return Err(Error::new(format!("unknown parameter {}", names[..=idx].join(".")))),
            };
        }
        Ok(value)
    }

    fn path(&mut self, path: &Path, current: &Value) -> Result<Value> {
        let begin = if path.is_of_current { current } else { self.root };
        let mut places = vec![begin.clone()];
        let is_ambiguous = path.is_ambiguous();
        for step in &path.steps {
            let mut next = Vec::new();
            for place in &places {
                match self.step(step, place, &mut next) {
                    Ok(()) => {}
                    Err(err) if !is_ambiguous || self.budget.has_refused() => return Err(err),
                    // What is not there is not in the list.
                    Err(_) => {}
                }
            }
            places = next;
        }
        match is_ambiguous {
            true => {
                self.budget.containers(1, places.len())?;
                Ok(Value::array(places)?)
            }
            false => Ok(places.pop().unwrap_or_default()),
        }
    }

    /// Adds where a step leads from a place.
    fn step(&mut self, step: &Step, place: &Value, next: &mut Vec<Value>) -> Result<()> {
        self.budget.step()?;
        match step {
            Step::Name(name) => {
                let value = self.select(name, place)?;
                self.add(value, next)
            }
            Step::Script(script) => {
                let value = self.value(script, place)?;
                self.add(value, next)
            }
            Step::All => self.each(place, |machine, value| machine.add(value, next)),
            Step::Names(names) => {
                for name in names {
                    match self.select(name, place) {
                        Ok(value) => self.add(value, next)?,
                        Err(err) if self.budget.has_refused() => return Err(err),
                        Err(_) => {}
                    }
                }
                Ok(())
            }
            Step::Filter(condition) => self.each(place, |machine, value| {
                let is_wanted = match machine.value(condition, &value) {
                    Ok(found) => operators::truth(&found) == Some(true),
                    Err(err) if machine.budget.has_refused() => return Err(err),
                    Err(_) => false,
                };
                match is_wanted {
                    true => machine.add(value, next),
                    false => Ok(()),
                }
            }),
            Step::Range(bounds) => self.range(bounds, place, next),
            Step::Descend => self.descend(place, next),
        }
    }

    fn add(&mut self, value: Value, places: &mut Vec<Value>) -> Result<()> {
        self.budget.values(1)?;
        places.push(value);
        Ok(())
    }

    /// Does something with all that is in a list or an object, in its order.
    fn each(&mut self, place: &Value, mut body: impl FnMut(&mut Self, Value) -> Result<()>) -> Result<()> {
        self.budget.open(place)?;
        match place {
            Value::Array(array) => array.iter().try_for_each(|it| body(self, it)),
            Value::Object(object) => object.iter().try_for_each(|(_, it)| body(self, it)),
            _ => Ok(()),
        }
    }

    /// What has this name or index in a place.
    fn select(&mut self, name: &Node, place: &Value) -> Result<Value> {
        self.budget.open(place)?;
        let invalid = |err: Error| Error::new(format!("could not select value, invalid key: {err}"));
        match place {
            Value::Array(array) => {
                let idx = self.int(name, place).map_err(invalid)?;
                let value = usize::try_from(idx).ok().and_then(|it| array.get(it));
                value.ok_or_else(|| Error::new(format!("index {idx} out of bounds")))
            }
            Value::Object(object) => {
                let name = self.text(name, place).map_err(invalid)?;
                let value = object.get(&name);
                value.ok_or_else(|| {
                    Error::new(format!("unknown key {}", crate::error::shown(name.as_bytes())))
                })
            }
            _ => Err(Error::new(format!(
                "unsupported value type {} for select, expected map[string]interface{{}} or []interface{{}}",
                go::type_name(place, false)
            ))),
        }
    }

    fn range(&mut self, bounds: &[Node; 3], place: &Value, next: &mut Vec<Value>) -> Result<()> {
        let Value::Array(array) = place else { return Ok(()) };
        self.budget.open(place)?;
        let [begin, end, step] = bounds;
        let (begin, end) = (self.int(begin, place)?, self.int(end, place)?);
        let step = self.int(step, place)?;
        if end < begin {
            return Ok(());
        }
        let len = i64::try_from(array.len()).unwrap_or(i64::MAX);
        let within = |it: i64| match it {
            it if it < 0 => len.saturating_add(it).max(0),
            it => it.min(len),
        };
        let (begin, end) = (within(begin), within(end));
        let step = if step == 0 { 1 } else { step };
        let mut at = if 0 < step { begin } else { end - 1 };
        while begin <= at && at < end {
            let value = usize::try_from(at).ok().and_then(|it| array.get(it));
            self.add(value.unwrap_or_default(), next)?;
            at = at.saturating_add(step);
        }
        Ok(())
    }

    /// A place and all that is in it, each before what is in it.
    fn descend(&mut self, place: &Value, next: &mut Vec<Value>) -> Result<()> {
        let mut left = vec![place.clone()];
        while let Some(value) = left.pop() {
            let begin = left.len();
            self.each(&value, |machine, it| machine.add(it, &mut left))?;
            left[begin..].reverse();
            self.add(value, next)?;
        }
        Ok(())
    }
}

fn date(value: &Value) -> Result<Value> {
    let Value::Text(text) = value else {
        return Err(Error::new("date() expects exactly one string argument"));
    };
    let text = String::from_utf8_lossy(text);
    for (written, has_zone) in TIMES {
        if let Ok(time) = layout::parse(written, &text) {
            return Ok(Value::Time(match has_zone {
                true => time,
                false => Zone::local().time_of_shown(time.seconds(), time.nanos()),
            }));
        }
    }
    Err(Error::new(format!("date() could not parse {}", crate::error::shown(text.as_bytes()))))
}
