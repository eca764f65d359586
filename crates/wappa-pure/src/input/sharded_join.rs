//! Joins of messages that have the same identifier (`sharded_join` of the input `sequence`).

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use wappa_message::{Message, Metadata, Object, TooDeep, Value};
use wappa_spec::Config;
use xxhash_rust::xxh64::xxh64;

/// Joins messages of several inputs that have the same identifier.
#[derive(Config, Debug)]
pub(super) struct ShardedJoinConfig {
    /// Whether messages are joined, and which are sent: `full-outer` sends one message for each identifier, when all inputs
    /// have ended; `outer` sends what is joined by then with each message of the last input. Those with two `t` are the same,
    /// and deprecated.
    #[config(default = "none", options("none", "full-outer", "outer", "full-outter", "outter"))]
    r#type: String,

    /// The path, with points between names, of the identifier, which is a text. Messages without one are dropped.
    #[config(default = "\"\"")]
    id_path: String,

    /// In how many turns the inputs are read, each for a part of the identifiers: more of them take more time, and less memory.
    #[config(default = "1")]
    iterations: i64,

    /// What becomes of a field that several messages have: all values in a list, the last one, or the first one.
    #[config(default = "array", options("array", "replace", "keep"))]
    merge_strategy: String,
}

impl ShardedJoinConfig {
    /// The join, if there is one. The error is Bento's text.
    pub(super) fn join(&self) -> Result<Option<Join>, String> {
        let flushes_last = match self.r#type.as_str() {
            "none" => return Ok(None),
            "full-outer" | "full-outter" => false,
            "outer" | "outter" => true,
            other => return Err(format!("join type '{other}' was not recognized")),
        };
        if self.id_path.is_empty() {
            return Err("the id path must not be empty".to_string());
        }
        let n_shards = u64::try_from(self.iterations).ok().filter(|it| 0 < *it);
        let n_shards =
            n_shards.ok_or_else(|| format!("invalid number of iterations: {}", self.iterations))?;
        let merging = match self.merge_strategy.as_str() {
            "array" => Merging::Array,
            "replace" => Merging::Replace,
            "keep" => Merging::Keep,
            other => return Err(format!("merge strategy '{other}' was not recognised")),
        };
        let unescape = |it: &str| it.replace("~1", ".").replace("~0", "~");
        let path = self.id_path.split('.').map(unescape).collect();
        Ok(Some(Join {
            path,
            n_shards,
            merging,
            flushes_last,
            shard: 0,
            places: HashMap::new(),
            joined: Vec::new(),
            ready: VecDeque::new(),
        }))
    }

    /// Which field is wrong where [`ShardedJoinConfig::join`] fails.
    pub(super) fn wrong_field(&self) -> &'static str {
        if self.id_path.is_empty() { "id_path" } else { "iterations" }
    }
}

/// What becomes of two values of one field.
#[derive(Clone, Copy, Debug)]
enum Merging {
    Array,
    Replace,
    Keep,
}

impl Merging {
    /// Adds a value to that of the same field. A list grows in its place, so that many messages of one identifier cost no
    /// more than as many of several.
    fn merge(self, old: &mut Value, new: Value) -> Result<(), TooDeep> {
        match self {
            Merging::Replace => *old = new,
            Merging::Keep => (),
            Merging::Array => {
                if !matches!(old, Value::Array(_)) {
                    *old = Value::array([old.clone()])?;
                }
                let Value::Array(values) = old else { unreachable!("it is a list now") };
                match new {
                    Value::Array(new) => new.iter().try_for_each(|it| values.push(it))?,
                    new => values.push(new)?,
                }
            }
        }
        Ok(())
    }
}

/// A join at work. What it keeps is all that was read and belongs to the turn.
#[derive(Debug)]
pub(super) struct Join {
    path: Vec<String>,
    n_shards: u64,
    merging: Merging,
    /// Whether each message of the last input is sent, with what is joined by then.
    flushes_last: bool,
    /// Which part of the identifiers this turn is for.
    shard: u64,
    /// By identifier: where in `joined`.
    places: HashMap<Bytes, usize>,
    /// In the order in which identifiers were seen first.
    joined: Vec<Joined>,
    /// What is to be sent.
    ready: VecDeque<Message>,
}

#[derive(Clone, Debug)]
struct Joined {
    fields: Object,
    metadata: Metadata,
}

impl Joined {
    fn message(self) -> Message {
        let mut message = Message::default();
        message.set_value(Value::Object(self.fields));
        *message.metadata_mut() = self.metadata;
        message
    }
}

impl Join {
    /// Adds a message. One that is no object, or has no identifier, is dropped, and so are those of other turns.
    pub(super) fn add(&mut self, mut message: Message, is_of_last_input: bool) -> Result<(), TooDeep> {
        let Ok(Value::Object(fields)) = message.value() else { return Ok(()) };
        let fields = fields.clone();
        let Some(id) = self.id(&fields) else { return Ok(()) };
        if xxh64(&id, 0) % self.n_shards != self.shard {
            return Ok(());
        }
        let metadata = message.metadata();
        let place = match self.places.get(&id) {
            Some(place) => {
                let joined = &mut self.joined[*place];
                let mut own = fields;
                remove(&mut own, &self.path)?;
                merge(&mut joined.fields, &own, self.merging)?;
                for (key, value) in metadata.iter() {
                    joined.metadata.set(key.clone(), value.clone());
                }
                *place
            }
            None => {
                self.joined.push(Joined { fields, metadata: metadata.clone() });
                self.places.insert(id, self.joined.len() - 1);
                self.joined.len() - 1
            }
        };
        if self.flushes_last && is_of_last_input {
            self.ready.push_back(self.joined[place].clone().message());
        }
        Ok(())
    }

    /// All inputs have ended: what is joined is to be sent. Whether there is another turn.
    pub(super) fn end_turn(&mut self) -> bool {
        self.places.clear();
        let joined = std::mem::take(&mut self.joined);
        if !self.flushes_last {
            self.ready.extend(joined.into_iter().map(Joined::message));
        }
        self.shard += 1;
        self.shard < self.n_shards
    }

    /// It begins again.
    pub(super) fn restart(&mut self) {
        self.places.clear();
        self.joined.clear();
        self.ready.clear();
        self.shard = 0;
    }

    /// Whether there is something to be sent.
    pub(super) fn is_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// What is to be sent, up to so many messages.
    pub(super) fn take(&mut self, n_messages: usize) -> Vec<Message> {
        self.ready.drain(..n_messages.min(self.ready.len())).collect()
    }

    /// The identifier of a document, if it has one that is a text and not empty.
    fn id(&self, fields: &Object) -> Option<Bytes> {
        let (first, names) = self.path.split_first()?;
        let mut value = fields.get(first)?;
        for name in names {
            value = match value {
                Value::Object(object) => object.get(name)?,
                Value::Array(array) => array.get(name.parse().ok()?)?,
                _ => return None,
            };
        }
        match value {
            Value::Text(text) => Some(text.to_bytes()).filter(|it| !it.is_empty()),
            _ => None,
        }
    }
}

/// Removes what is at a path, where the path goes through objects only.
fn remove(fields: &mut Object, path: &[String]) -> Result<(), TooDeep> {
    match path {
        [] => Ok(()),
        [name] => {
            fields.remove(name);
            Ok(())
        }
        [name, rest @ ..] => {
            let inner = fields.update(name, |value| match value {
                Value::Object(object) => remove(object, rest),
                _ => Ok(()),
            });
            inner?.unwrap_or(Ok(()))
        }
    }
}

/// Adds fields to others; objects of the same name are merged, and of other values the rule decides.
fn merge(to: &mut Object, from: &Object, merging: Merging) -> Result<(), TooDeep> {
    for (name, new) in from.iter() {
        if !to.contains_key(name.as_slice()) {
            to.insert(name, new)?;
            continue;
        }
        let merged = to.update(name.as_slice(), |old| match (old, &new) {
            (Value::Object(old), Value::Object(new)) => merge(old, new, merging),
            (old, _) => merging.merge(old, new.clone()),
        });
        merged?.unwrap_or(Ok(()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(kind: &str, id_path: &str, iterations: i64, merge_strategy: &str) -> ShardedJoinConfig {
        let (id_path, merge_strategy) = (id_path.to_string(), merge_strategy.to_string());
        ShardedJoinConfig { r#type: kind.to_string(), id_path, iterations, merge_strategy }
    }

    /// What is sent of documents of several inputs, a line each, read in turns.
    fn join(config: &ShardedJoinConfig, inputs: &[&[&str]]) -> String {
        let mut join = config.join().expect("the config is sound").expect("there is a join");
        let mut sent = Vec::new();
        loop {
            for (idx, input) in inputs.iter().enumerate() {
                for document in *input {
                    join.add(Message::new(document.to_string()), idx + 1 == inputs.len()).expect("flat");
                }
            }
            let goes_on = join.end_turn();
            sent.extend(
                join.take(usize::MAX).iter().map(|it| String::from_utf8_lossy(it.content()).into_owned()),
            );
            if !goes_on {
                return sent.join("\n");
            }
        }
    }

    const ONE: &[&str] = &[
        r#"{"id":"a","x":1,"in":{"y":1}}"#,
        r#"{"id":"b","x":2}"#,
        "no",
        r#"{"id":1}"#,
        r#"{"id":""}"#,
        "[]",
    ];
    const TWO: &[&str] =
        &[r#"{"id":"c","x":3}"#, r#"{"id":"a","x":4,"in":{"y":2,"z":3}}"#, r#"{"id":"a","x":[5,6]}"#];

    #[test]
    fn fields_are_merged() {
        for (strategy, expected) in [
            ("array", r#"{"id":"a","in":{"y":[1,2],"z":3},"x":[1,4,5,6]}"#),
            ("replace", r#"{"id":"a","in":{"y":2,"z":3},"x":[5,6]}"#),
            ("keep", r#"{"id":"a","in":{"y":1,"z":3},"x":1}"#),
        ] {
            let expected = format!("{expected}\n{}\n{}", r#"{"id":"b","x":2}"#, r#"{"id":"c","x":3}"#);
            assert_eq!(join(&config("full-outer", "id", 1, strategy), &[ONE, TWO]), expected);
        }
    }

    #[test]
    fn an_outer_join_sends_with_each_message_of_the_last_input() {
        let first = r#"{"id":"a","in":{"y":[1,2],"z":3},"x":[1,4]}"#;
        let second = r#"{"id":"a","in":{"y":[1,2],"z":3},"x":[1,4,5,6]}"#;
        let expected = format!("{}\n{first}\n{second}", r#"{"id":"c","x":3}"#);
        for name in ["outer", "outter"] {
            assert_eq!(join(&config(name, "id", 1, "array"), &[ONE, TWO]), expected);
        }
    }

    #[test]
    fn an_identifier_may_be_anywhere() {
        let documents: &[&str] = &[r#"{"a.b":{"id":["x","k"]},"n":1}"#, r#"{"a.b":{"id":["y","k"]},"n":2}"#];
        assert_eq!(
            join(&config("full-outer", "a~1b.id.1", 1, "array"), &[documents]),
            r#"{"a.b":{"id":["x","k","y","k"]},"n":[1,2]}"#
        );
        let documents: &[&str] = &[r#"{"a":{"id":"k"},"n":1}"#, r#"{"a":{"id":"k"},"n":2}"#];
        assert_eq!(
            join(&config("full-outer", "a.id", 1, "array"), &[documents]),
            r#"{"a":{"id":"k"},"n":[1,2]}"#
        );
    }

    #[test]
    fn turns_are_for_parts_of_the_identifiers() {
        let documents: Vec<String> = (0..100).map(|it| format!(r#"{{"id":"{it}","n":{it}}}"#)).collect();
        let documents: Vec<&str> = documents.iter().map(String::as_str).collect();
        let of = |n| join(&config("full-outer", "id", n, "array"), &[&documents, &documents]);
        let sorted = |text: String| {
            let mut lines: Vec<String> = text.lines().map(str::to_string).collect();
            lines.sort();
            lines
        };
        assert_ne!(of(7), of(1));
        assert_eq!(sorted(of(7)), sorted(of(1)));
        assert_eq!(of(7).lines().count(), 100);
    }

    /// Copying the lists for each message would take many minutes.
    #[test]
    fn many_messages_of_one_identifier_are_joined_in_place() {
        let documents: Vec<String> = (0..100_000).map(|it| format!(r#"{{"id":"a","n":{it}}}"#)).collect();
        let documents: Vec<&str> = documents.iter().map(String::as_str).collect();
        let numbers: Vec<String> = (0..100_000).map(|it| it.to_string()).collect();
        let expected = format!(r#"{{"id":"a","n":[{}]}}"#, numbers.join(","));
        assert!(join(&config("full-outer", "id", 1, "array"), &[&documents, &[]]) == expected);
    }

    #[test]
    fn what_is_no_join() {
        assert!(config("none", "", 0, "array").join().expect("none is sound").is_none());
        for (config, expected) in [
            (config("outer", "", 1, "array"), "the id path must not be empty"),
            (config("outer", "id", 0, "array"), "invalid number of iterations: 0"),
        ] {
            assert_eq!(config.join().err().as_deref(), Some(expected));
        }
    }
}
