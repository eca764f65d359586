//! What a value that shares much with itself really takes: each thing once.

use std::collections::HashMap;

use super::{Array, Object, Slot, Value};

/// What a value takes, by a walk over all that was made of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    /// What is allocated, or will be when somebody asks for what is in it, in bytes: what stands in many places of the
    /// value counts once, and so does the document that many parts of it were read from.
    pub held: usize,
    /// How long it is as JSON, in bytes, but for what is escaped.
    pub text: usize,
}

impl Value {
    /// What the value really takes, where [`Value::size`] counts what it shares with itself again and again.
    ///
    /// That takes a walk: each list and object that was made or changed is looked at once, however often it is there.
    pub fn measured(&self) -> Measured {
        let mut walk = Walk::default();
        let text = walk.value(self);
        Measured { held: walk.held.saturating_add(walk.shared()), text }
    }
}

#[derive(Default)]
struct Walk {
    /// What lists and objects have allocated by themselves.
    held: usize,
    /// Where texts and the sources of lists and objects stand: begin and end.
    bytes: Vec<(usize, usize)>,
    /// The length as text of what others hold as well, by its place: it may come again.
    seen: HashMap<usize, usize>,
}

impl Walk {
    /// Goes through a value; gives how long it is as text.
    fn value(&mut self, value: &Value) -> usize {
        match value {
            Value::Null | Value::Bool(true) => 4,
            Value::Bool(false) => 5,
            Value::Int(_) | Value::Uint(_) | Value::Float(_) => 20,
            Value::Number(it) => it.as_str().len(),
            Value::Time(_) => 37,
            Value::Text(_) | Value::Bytes(_) => {
                let at = value.addresses();
                self.bytes.push((at.start, at.end));
                2 + at.len()
            }
            Value::Array(_) | Value::Object(_) => {
                let place = value.addresses().start;
                if let Some(text) = self.seen.get(&place) {
                    return *text;
                }
                let text = self.container(value);
                if value.is_shared() {
                    self.seen.insert(place, text);
                }
                text
            }
        }
    }

    fn container(&mut self, value: &Value) -> usize {
        self.held = self.held.saturating_add(value.own().allocated);
        match value {
            Value::Array(array) => {
                self.source(array.source());
                match Array::made(array) {
                    None => array.source().len(),
                    Some(slots) => self.all(slots.iter().map(|it| (0, it))),
                }
            }
            Value::Object(object) => {
                self.source(object.source());
                match Object::made(object) {
                    None => object.source().len(),
                    Some(entries) => {
                        let source = object.source();
                        self.all(entries.iter().map(|it| (3 + it.key.as_slice(source).len(), &it.slot)))
                    }
                }
            }
            _ => 0,
        }
    }

    /// The text of places, each behind a name of so many bytes.
    fn all<'a>(&mut self, places: impl Iterator<Item = (usize, &'a Slot)>) -> usize {
        places.fold(2, |text, (name, slot)| {
            let value = match slot {
                Slot::Value(value) => self.value(value),
                Slot::Unread(range) => (range.end - range.start) as usize,
            };
            text.saturating_add(name + 1).saturating_add(value)
        })
    }

    fn source(&mut self, source: &[u8]) {
        let at = source.as_ptr().addr();
        self.bytes.push((at, at + source.len()));
    }

    /// How many bytes the texts and sources are together.
    fn shared(&mut self) -> usize {
        self.bytes.sort_unstable();
        let mut end = 0;
        self.bytes.iter().fold(0, |sum, (from, to)| {
            let n = to.saturating_sub(end.max(*from));
            end = end.max(*to);
            sum + n
        })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn read(json: &str) -> Value {
        Value::from_json_unread(&Bytes::copy_from_slice(json.as_bytes())).expect("it is JSON")
    }

    #[test]
    fn what_is_shared_counts_once() {
        let document = format!("{{\"rest\":\"{}\",\"one\":[1]}}", "x".repeat(10_000));
        let Value::Object(object) = read(&document) else { panic!("it is an object") };
        let mut small = object.clone();
        assert!(small.remove("rest"));
        let many = Value::array(vec![Value::Object(small); 1000]).expect("flat");
        let Measured { held, text } = many.measured();
        // Places for a thousand, the one object, and the document that it stands in.
        assert!((10_000..60_000).contains(&held), "{held}");
        assert_eq!((text, 10_000_000 < many.size()), (1000 * 13 + 2, true), "{}", many.to_json().len());
        let whole = Value::array(vec![Value::Object(object); 1000]).expect("flat").measured();
        assert!(whole.held < 60_000 && 10_000_000 < whole.text, "{whole:?}");
    }

    #[test]
    fn what_holds_itself_many_times_over_is_measured_in_no_time() {
        let mut value = Value::text("a text that does not fit into its place");
        for _ in 0..100 {
            value = Value::array([value.clone(), value]).expect("not that deep");
        }
        let Measured { held, text } = value.measured();
        assert!(held < 100_000 && text == usize::MAX, "{held} {text}");
    }

    #[test]
    fn what_is_deep_is_measured() {
        let deep = (1..crate::DEPTH_MAX).fold(Value::Null, |it, _| Value::array([it]).expect("not too deep"));
        assert_eq!(deep.measured().text, deep.to_json().len() + usize::from(crate::DEPTH_MAX) - 1);
    }

    #[test]
    fn what_shares_nothing_is_as_large_as_it_says() {
        let mut value = read(r#"{"a":[1,2,{"b":"a text that does not fit into its place"}],"c":null}"#);
        let Value::Object(object) = &mut value else { panic!("it is an object") };
        object.insert("d", Value::text("another text that does not fit into its place")).expect("flat");
        let Measured { held, text } = value.measured();
        assert!(held <= value.size() && value.size() < 2 * held, "{held} {}", value.size());
        assert!(text.abs_diff(value.to_json().len()) < 40, "{text}");
    }
}
