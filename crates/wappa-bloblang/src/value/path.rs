//! Paths into values, and what is set, deleted and found there. The rules are those of Bento's library for them.

use wappa_message::{Array, Object, Text, TooDeep, Value};

use super::types::Type;
use crate::error::{Error, Result};

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

    /// The path with points between its segments.
    pub(crate) fn to_dots(&self) -> String {
        dots(&self.0)
    }

    /// What is there, if anything is.
    pub(crate) fn find(&self, value: &Value) -> Option<Value> {
        find(value, &self.0)
    }

    /// What is there, or `null`.
    pub(crate) fn get(&self, value: &Value) -> Value {
        self.find(value).unwrap_or_default()
    }

    /// Sets what is there, as the target of an assignment: objects on the way are made.
    pub(crate) fn assign(&self, target: &mut Value, value: Value) -> Result<()> {
        if matches!(target, Value::Null) {
            *target = Value::Object(Object::default());
        }
        let result = match target {
            // At the beginning there is no list to put a longer one in the place of.
            Value::Array(array) if self.0[0].name.as_slice() == b"-" => append(array, &self.0[1..], value),
            _ => set(target, &self.0, 0, value),
        };
        result.map_err(|err| match err {
            NotSet::Collision => self.collision(target),
            NotSet::Why(why) => Error::new(format!("unable to set target path {}: {why}", self.to_dots())),
        })
    }

    /// Sets what is there.
    pub(crate) fn set(&self, target: &mut Value, value: Value) -> Result<()> {
        if matches!(target, Value::Null) {
            *target = Value::Object(Object::default());
        }
        if matches!(target, Value::Array(_)) && self.0.first().is_some_and(|it| it.name.as_slice() == b"-") {
            return Err(Error::new("unable to append new array index at root of path"));
        }
        set(target, &self.0, 0, value).map_err(|err| match err {
            NotSet::Collision => Error::new("encountered value collision whilst building path"),
            NotSet::Why(why) => Error::new(why),
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
            at = find(&at, std::slice::from_ref(segment)).unwrap_or_default();
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
    pub(crate) fn delete(&self, target: &mut Value) -> std::result::Result<(), String> {
        let Some((last, way)) = self.0.split_last() else { return Err("invalid search query".to_string()) };
        let name = String::from_utf8_lossy(&last.name);
        let deleted = at(target, way, |parent| match parent {
            Value::Object(object) => match object.remove(last.name.as_slice()) {
                true => Ok(()),
                false => Err("field not found".to_string()),
            },
            Value::Array(_) if way.is_empty() => {
                Err("unable to delete array index at root of path".to_string())
            }
            Value::Array(array) => {
                let Some(place) = last.place else {
                    return Err(format!(
                        "failed to parse array index '{name}': strconv.Atoi: parsing {}: invalid syntax",
                        super::go::quote(&name)
                    ));
                };
                let Some(place) = last.place_in(array.len()).filter(|_| 0 <= place) else {
                    return Err("out of bounds".to_string());
                };
                let kept = array.iter().enumerate().filter(|(idx, _)| *idx != place);
                *array = Array::new(kept.map(|(_, it)| it)).expect("no deeper than before");
                Ok(())
            }
            _ => Err(NO_CONTAINER.to_string()),
        });
        deleted.unwrap_or_else(|| Err(NO_CONTAINER.to_string()))
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

fn find(value: &Value, path: &[Segment]) -> Option<Value> {
    let Some((segment, rest)) = path.split_first() else { return Some(value.clone()) };
    let next = match value {
        Value::Object(object) => object.get(segment.name.as_slice())?,
        Value::Array(array) if segment.name.as_slice() == b"*" => {
            let found: Vec<Value> = array.iter().filter_map(|it| find(&it, rest)).collect();
            // Found is what holds something; a list of nothing is nothing.
            return (!found.is_empty()).then(|| Value::array(found).expect("no deeper than before"));
        }
        Value::Array(array) => array.get(segment.place_in(array.len())?)?,
        _ => return None,
    };
    match rest {
        [] => Some(next),
        rest => find(&next, rest),
    }
}

/// Why a value was not set.
enum NotSet {
    /// There is something on the way that holds nothing.
    Collision,
    Why(String),
}

impl From<TooDeep> for NotSet {
    fn from(it: TooDeep) -> NotSet {
        NotSet::Why(it.to_string())
    }
}

/// An empty object for what is on the way and not there yet.
fn object_for(path: &[Segment], value: Value) -> std::result::Result<Value, NotSet> {
    let mut value = value;
    for segment in path.iter().rev() {
        let mut object = Object::default();
        object.insert(segment.name.clone(), value)?;
        value = Value::Object(object);
    }
    Ok(value)
}

fn append(array: &mut Array, path: &[Segment], value: Value) -> std::result::Result<(), NotSet> {
    array.push(object_for(path, value)?)?;
    Ok(())
}

/// Sets what is at a path, of which `n_passed` segments lead to the target.
fn set(
    target: &mut Value,
    path: &[Segment],
    n_passed: usize,
    value: Value,
) -> std::result::Result<(), NotSet> {
    let Some((segment, rest)) = path[n_passed..].split_first() else {
        *target = value;
        return Ok(());
    };
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
                    *inner = object_for(rest, value)?;
                    return Ok(());
                }
                set(inner, path, n_passed + 1, value)
            })?;
            match (done, value) {
                (Some(done), _) => done,
                (None, Some(value)) => Ok(object.insert(segment.name.clone(), object_for(rest, value)?)?),
                (None, None) => unreachable!("it was not taken"),
            }
        }
        Value::Array(array) => {
            if segment.name.as_slice() == b"-" {
                return append(array, rest, value);
            }
            let name = String::from_utf8_lossy(&segment.name).into_owned();
            let len = array.len();
            let why = match segment.place {
                None => format!(
                    "segment value '{name}' could not be parsed into array index: strconv.Atoi: parsing {}: invalid \
                     syntax",
                    super::go::quote(&name)
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
                        _ => set(inner, path, n_passed + 1, value),
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
fn at<R>(value: &mut Value, path: &[Segment], change: impl FnOnce(&mut Value) -> R) -> Option<R> {
    let Some((segment, rest)) = path.split_first() else { return Some(change(value)) };
    match value {
        Value::Object(object) => object.update(segment.name.as_slice(), |it| at(it, rest, change)).ok()??,
        Value::Array(array) => {
            let place = segment.place_in(array.len())?;
            array.update(place, |it| at(it, rest, change)).ok()??
        }
        _ => None,
    }
}

/// An object without what is at these paths. A path through something that holds nothing leads nowhere.
pub(crate) fn without(object: &Object, paths: &[Path]) -> std::result::Result<Object, TooDeep> {
    let paths: Vec<&[Segment]> = paths.iter().map(|it| it.0.as_slice()).collect();
    without_segments(object, &paths)
}

fn without_segments(object: &Object, paths: &[&[Segment]]) -> std::result::Result<Object, TooDeep> {
    let mut kept = object.clone();
    for path in paths {
        let Some((first, rest)) = path.split_first() else { continue };
        if rest.is_empty() {
            kept.remove(first.name.as_slice());
            continue;
        }
        let inner = |it: &mut Value| match it {
            Value::Object(inner) => without_segments(inner, &[rest]).map(|it| *inner = it),
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
pub(crate) fn with(object: &Object, paths: &[Path]) -> std::result::Result<Object, TooDeep> {
    let paths: Vec<&[Segment]> = paths.iter().map(|it| it.0.as_slice()).collect();
    with_segments(object, &paths)
}

fn with_segments(object: &Object, paths: &[&[Segment]]) -> std::result::Result<Object, TooDeep> {
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
            Value::Object(inner) => Value::Object(with_segments(&inner, &rests)?),
            value => value,
        };
        kept.insert(first.clone(), value)?;
    }
    Ok(kept)
}
