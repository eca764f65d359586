//! Paths into values, and what is set, deleted and found there. The rules are those of Bento's library for them.

use wappa_message::{Array, Object, Text, TooDeep, Value};

use super::types::Type;
use crate::{
    error::{Error, Result},
    evaluate::Budget,
};

/// A path into a value: names, which are places where they meet a list.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Path(Vec<Segment>);

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Segment {
    name: Text,
    /// The name as a place in a list, where it is a number.
    place: Option<i64>,
}

impl Path {
    /// A path with points between its segments, in which `~1` stands for a point and `~0` for a tilde.
    pub(crate) fn of_dots(text: &str) -> Path {
        Path(text.split('.').map(|it| Segment::new(&it.replace("~1", ".").replace("~0", "~"))).collect())
    }

    /// A path of one name.
    pub(crate) fn of_name(name: &str) -> Path {
        Path(vec![Segment::new(name)])
    }

    pub(crate) fn push(&mut self, name: &str) {
        self.0.push(Segment::new(name));
    }

    pub(crate) fn join(&mut self, other: Path) {
        self.0.extend(other.0);
    }

    /// The names on the way.
    pub(crate) fn names(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|it| String::from_utf8_lossy(&it.name).into_owned())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The name of the first segment.
    pub(crate) fn first(&self) -> Option<&[u8]> {
        self.0.first().map(|it| it.name.as_slice())
    }

    /// The path with points between its segments.
    pub(crate) fn to_dots(&self) -> String {
        dots(&self.0)
    }

    /// What is there, if anything is.
    pub(crate) fn find(&self, value: &Value, budget: &mut Budget) -> Result<Option<Value>> {
        find(value, &self.0, budget)
    }

    /// What is there, or `null`.
    pub(crate) fn get(&self, value: &Value, budget: &mut Budget) -> Result<Value> {
        Ok(self.find(value, budget)?.unwrap_or_default())
    }

    /// The same in what the first segment leads to.
    pub(crate) fn get_behind_first(&self, value: &Value, budget: &mut Budget) -> Result<Value> {
        Ok(find(value, &self.0[1..], budget)?.unwrap_or_default())
    }

    /// Sets what is there, as the target of an assignment: objects on the way are made.
    pub(crate) fn assign(&self, target: &mut Value, value: Value, budget: &mut Budget) -> Result<()> {
        if matches!(target, Value::Null) {
            *target = Value::Object(Object::default());
        }
        let result = match target {
            // At the beginning there is no list to put a longer one in the place of.
            Value::Array(array) if self.0[0].name.as_slice() == b"-" => {
                append(array, &self.0[1..], value, budget)
            }
            _ => set(target, &self.0, 0, value, budget),
        };
        result.map_err(|err| match err {
            NotSet::Collision => self.collision(target),
            NotSet::Why(why) => Error::new(format!("unable to set target path {}: {why}", self.to_dots())),
            NotSet::Refused(err) => err,
        })
    }

    /// Sets what is there.
    pub(crate) fn set(&self, target: &mut Value, value: Value, budget: &mut Budget) -> Result<()> {
        if matches!(target, Value::Null) {
            *target = Value::Object(Object::default());
        }
        if matches!(target, Value::Array(_)) && self.0.first().is_some_and(|it| it.name.as_slice() == b"-") {
            return Err(Error::new("unable to append new array index at root of path"));
        }
        set(target, &self.0, 0, value, budget).map_err(|err| match err {
            NotSet::Collision => Error::new("encountered value collision whilst building path"),
            NotSet::Why(why) => Error::new(why),
            NotSet::Refused(err) => err,
        })
    }

    fn collision(&self, target: &Value) -> Error {
        let path = self.to_dots();
        if !matches!(target, Value::Object(_)) {
            let kind = Type::of(target);
            return Error::new(format!(
                "unable to set target path {path} as the value of the root was a non-object type ({kind})"
            ));
        }
        let mut at = target.clone();
        let mut n = 0;
        for segment in &self.0 {
            at = step(&at, segment).unwrap_or_default();
            n += 1;
            if !matches!(at, Value::Object(_)) {
                break;
            }
        }
        let (culprit, kind) = (dots(&self.0[..n]), Type::of(&at));
        Error::new(format!(
            "unable to set target path {path} as the value of {culprit} was a non-object type ({kind})"
        ))
    }

    /// Deletes what is there.
    ///
    /// The error within is why nothing was deleted.
    pub(crate) fn delete(
        &self,
        target: &mut Value,
        budget: &mut Budget,
    ) -> Result<std::result::Result<(), String>> {
        let Some((last, way)) = self.0.split_last() else {
            return Ok(Err("invalid search query".to_string()));
        };
        let name = String::from_utf8_lossy(&last.name);
        let deleted = at(target, way, budget, |parent, budget| {
            Ok(match parent {
                Value::Object(object) => match object.remove(last.name.as_slice()) {
                    true => Ok(()),
                    false => Err("field not found".to_string()),
                },
                Value::Array(_) if way.is_empty() => {
                    Err("unable to delete array index at root of path".to_string())
                }
                Value::Array(array) => {
                    let Some(place) = last.place else {
                        return Ok(Err(format!(
                            "failed to parse array index '{name}': strconv.Atoi: parsing {}: invalid syntax",
                            super::go::told(&name)
                        )));
                    };
                    let Some(place) = last.place_in(array.len()).filter(|_| 0 <= place) else {
                        return Ok(Err("out of bounds".to_string()));
                    };
                    budget.values(array.len())?;
                    let kept = array.iter().enumerate().filter(|(idx, _)| *idx != place);
                    *array = Array::new(kept.map(|(_, it)| it)).expect("no deeper than before");
                    Ok(())
                }
                _ => Err(NO_CONTAINER.to_string()),
            })
        })?;
        Ok(deleted.unwrap_or_else(|| Err(NO_CONTAINER.to_string())))
    }
}

const NO_CONTAINER: &str = "not an object or array";

impl Segment {
    fn new(name: &str) -> Segment {
        Segment { name: Text::from(name), place: name.parse().ok() }
    }

    fn place_in(&self, len: usize) -> Option<usize> {
        usize::try_from(self.place?).ok().filter(|it| *it < len)
    }
}

fn dots(segments: &[Segment]) -> String {
    let segment = |it: &Segment| String::from_utf8_lossy(&it.name).replace('~', "~0").replace('.', "~1");
    segments.iter().map(segment).collect::<Vec<_>>().join(".")
}

fn find(value: &Value, path: &[Segment], budget: &mut Budget) -> Result<Option<Value>> {
    let Some((segment, rest)) = path.split_first() else { return Ok(Some(value.clone())) };
    budget.open(value)?;
    let next = match value {
        Value::Object(object) => object.find(segment.name.as_slice()),
        Value::Array(array) if segment.name.as_slice() == b"*" => {
            budget.walk(value.own().source)?;
            budget.containers(1, array.len())?;
            let mut found = Vec::new();
            for it in array.iter() {
                budget.step()?;
                found.extend(find(&it, rest, budget)?);
            }
            // Found is what holds something; a list of nothing is nothing.
            return Ok((!found.is_empty()).then(|| Value::array(found).expect("no deeper than before")));
        }
        Value::Array(array) => segment.place_in(array.len()).and_then(|it| array.find(it)),
        _ => None,
    };
    let Some((next, n_bytes)) = next else { return Ok(None) };
    budget.walk(n_bytes)?;
    let next = budget.opened(next);
    match rest {
        [] => Ok(Some(next)),
        rest => find(&next, rest, budget),
    }
}

/// What one step leads to.
fn step(value: &Value, segment: &Segment) -> Option<Value> {
    match value {
        Value::Object(object) => object.get(segment.name.as_slice()),
        Value::Array(array) => array.get(segment.place_in(array.len())?),
        _ => None,
    }
}

/// Charges for a list or an object that is about to be changed: what is shared is copied first, and what was read is
/// gone through. To make room in the middle, what is behind it moves.
fn charge_change(value: &Value, budget: &mut Budget) -> Result<()> {
    let own = value.own();
    match value.is_shared() || value.unopened().is_some() {
        true => {
            budget.walk(own.source)?;
            budget.bytes(own.allocated)
        }
        false => budget.walk(own.allocated / 16),
    }
}

/// Why a value was not set.
enum NotSet {
    /// There is something on the way that holds nothing.
    Collision,
    Why(String),
    /// It would be more than may be made.
    Refused(Error),
}

impl From<Error> for NotSet {
    fn from(err: Error) -> NotSet {
        NotSet::Refused(err)
    }
}

impl From<TooDeep> for NotSet {
    fn from(it: TooDeep) -> NotSet {
        NotSet::Why(it.to_string())
    }
}

/// An empty object for what is on the way and not there yet.
fn object_for(path: &[Segment], value: Value, budget: &mut Budget) -> std::result::Result<Value, NotSet> {
    budget.containers(path.len(), 1)?;
    let mut value = value;
    for segment in path.iter().rev() {
        let mut object = Object::default();
        object.insert(segment.name.clone(), value)?;
        value = Value::Object(object);
    }
    Ok(value)
}

fn append(
    array: &mut Array,
    path: &[Segment],
    value: Value,
    budget: &mut Budget,
) -> std::result::Result<(), NotSet> {
    array.push(object_for(path, value, budget)?)?;
    Ok(())
}

/// Sets what is at a path, of which `n_passed` segments lead to the target.
fn set(
    target: &mut Value,
    path: &[Segment],
    n_passed: usize,
    value: Value,
    budget: &mut Budget,
) -> std::result::Result<(), NotSet> {
    let Some((segment, rest)) = path[n_passed..].split_first() else {
        *target = value;
        return Ok(());
    };
    charge_change(target, budget)?;
    match target {
        Value::Object(object) => {
            if rest.is_empty() {
                return Ok(object.insert(segment.name.clone(), value)?);
            }
            // `null` on the way makes room for an object.
            let mut value = Some(value);
            let done = object.update(segment.name.as_slice(), |inner| {
                let value = value.take().expect("it is taken once");
                if matches!(inner, Value::Null) {
                    *inner = object_for(rest, value, budget)?;
                    return Ok(());
                }
                set(inner, path, n_passed + 1, value, budget)
            })?;
            match (done, value) {
                (Some(done), _) => done,
                (None, Some(value)) => {
                    Ok(object.insert(segment.name.clone(), object_for(rest, value, budget)?)?)
                }
                (None, None) => unreachable!("it was not taken"),
            }
        }
        Value::Array(array) => {
            if segment.name.as_slice() == b"-" {
                return append(array, rest, value, budget);
            }
            let name = String::from_utf8_lossy(&segment.name).into_owned();
            let len = array.len();
            let why = match segment.place {
                None => format!(
                    "segment value '{name}' could not be parsed into array index: strconv.Atoi: parsing {}: invalid \
                     syntax",
                    super::go::told(&name)
                ),
                Some(place) if place < 0 => format!("index '{place}' is invalid"),
                Some(place) if len as i64 <= place => {
                    format!("index '{place}' exceeded target array size of '{len}'")
                }
                Some(place) => {
                    let done = array.update(place as usize, |inner| match (rest, &*inner) {
                        ([], _) => {
                            *inner = value;
                            Ok(())
                        }
                        (_, Value::Null) => Err(NotSet::Why(format!(
                            "failed to resolve path segment '{n_passed}': field '{name}' was not found"
                        ))),
                        _ => set(inner, path, n_passed + 1, value, budget),
                    })?;
                    return done.unwrap_or(Ok(()));
                }
            };
            Err(NotSet::Why(format!("failed to resolve path segment '{n_passed}': found array but {why}")))
        }
        _ => Err(NotSet::Collision),
    }
}

/// Does something with what is at a path, if anything is.
fn at<R>(
    value: &mut Value,
    path: &[Segment],
    budget: &mut Budget,
    change: impl FnOnce(&mut Value, &mut Budget) -> Result<R>,
) -> Result<Option<R>> {
    charge_change(value, budget)?;
    let Some((segment, rest)) = path.split_first() else { return change(value, budget).map(Some) };
    let changed = match value {
        Value::Object(object) => object.update(segment.name.as_slice(), |it| at(it, rest, budget, change)),
        Value::Array(array) => match segment.place_in(array.len()) {
            Some(place) => array.update(place, |it| at(it, rest, budget, change)),
            None => return Ok(None),
        },
        _ => return Ok(None),
    };
    changed.ok().flatten().unwrap_or(Ok(None))
}

/// An object without what is at these paths. A path through something that holds nothing leads nowhere.
pub(crate) fn without(object: &Object, paths: &[Path], budget: &mut Budget) -> Result<Object> {
    let paths: Vec<&[Segment]> = paths.iter().map(|it| it.0.as_slice()).collect();
    without_segments(object, &paths, budget)
}

fn without_segments(object: &Object, paths: &[&[Segment]], budget: &mut Budget) -> Result<Object> {
    let mut kept = object.clone();
    charge_change(&Value::Object(kept.clone()), budget)?;
    for path in paths {
        let Some((first, rest)) = path.split_first() else { continue };
        if rest.is_empty() {
            kept.remove(first.name.as_slice());
            continue;
        }
        let inner = |it: &mut Value| match it {
            Value::Object(inner) => without_segments(inner, &[rest], budget).map(|it| *inner = it),
            _ => Ok(()),
        };
        // Only what is changed is copied.
        if matches!(kept.get(first.name.as_slice()), Some(Value::Object(_))) {
            kept.update(first.name.as_slice(), inner)?.unwrap_or(Ok(()))?;
        }
    }
    Ok(kept)
}

/// An object with nothing but what is at these paths.
pub(crate) fn with(object: &Object, paths: &[Path], budget: &mut Budget) -> Result<Object> {
    let paths: Vec<&[Segment]> = paths.iter().map(|it| it.0.as_slice()).collect();
    with_segments(object, &paths, budget)
}

fn with_segments(object: &Object, paths: &[&[Segment]], budget: &mut Budget) -> Result<Object> {
    budget.open(&Value::Object(object.clone()))?;
    budget.containers(1, paths.len())?;
    let mut kept = Object::default();
    let mut firsts: Vec<&Text> = paths.iter().filter_map(|it| it.first()).map(|it| &it.name).collect();
    firsts.sort();
    firsts.dedup();
    for first in firsts {
        let Some(value) = object.get(first.as_slice()) else { continue };
        let of_first = paths.iter().filter(|it| it.first().is_some_and(|it| it.name == *first));
        let rests: Vec<&[Segment]> = of_first.map(|it| &it[1..]).collect();
        if rests.iter().any(|it| it.is_empty()) {
            kept.insert(first.clone(), value)?;
            continue;
        }
        // What is no object is kept whole, as in Bento: no path leads into it.
        let value = match value {
            Value::Object(inner) => Value::Object(with_segments(&inner, &rests, budget)?),
            value => value,
        };
        kept.insert(first.clone(), value)?;
    }
    Ok(kept)
}
