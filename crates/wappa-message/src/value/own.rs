//! What a value costs whoever looks at it, so that it can be charged before: all answers take no time.

use std::ops::Range;

use bytes::Bytes;

use super::{BYTES_COUNTED_MAX, Value};

/// What a value is by itself, without what is in it, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Own {
    /// What is allocated: the bytes of a text, the places of a list or an object.
    pub allocated: usize,
    /// The part of a document that a list or an object was read from, which it shares.
    pub source: usize,
}

impl Own {
    /// Both together: what is gone through by whoever goes through the value's own elements.
    pub fn total(self) -> usize {
        (self.allocated + self.source).min(BYTES_COUNTED_MAX)
    }
}

impl Value {
    /// What the value is by itself. [`Value::size`] is that of all that is in it.
    #[inline]
    pub fn own(&self) -> Own {
        match self {
            Value::Array(it) => it.own(),
            Value::Object(it) => it.own(),
            other => Own { allocated: other.size(), source: 0 },
        }
    }

    /// The text of a list or an object that was read and that nobody has looked into: whoever is the first to do so goes
    /// through all of it.
    #[inline]
    pub fn unopened(&self) -> Option<&Bytes> {
        match self {
            Value::Array(it) => it.unopened(),
            Value::Object(it) => it.unopened(),
            _ => None,
        }
    }

    /// Whether others share the list or the object, so that a change copies its places first.
    #[inline]
    pub fn is_shared(&self) -> bool {
        match self {
            Value::Array(it) => it.is_shared(),
            Value::Object(it) => it.is_shared(),
            _ => false,
        }
    }

    /// Where in memory the value keeps what it is by itself. One whose addresses lie within those of another one has
    /// nothing allocated that the other one has not: it is the same list or object, or its text stands in the other's.
    #[inline]
    pub fn addresses(&self) -> Range<usize> {
        let of_bytes = |it: &[u8]| it.as_ptr().addr()..it.as_ptr().addr() + it.len();
        match self {
            Value::Text(it) => of_bytes(it),
            Value::Bytes(it) => of_bytes(it),
            Value::Array(it) => it.addresses(),
            Value::Object(it) => it.addresses(),
            _ => 0..0,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::Object;

    use super::*;

    fn read(json: &str) -> Value {
        Value::from_json_unread(&Bytes::copy_from_slice(json.as_bytes())).expect("it is JSON")
    }

    #[test]
    fn what_a_value_is_by_itself_does_not_grow_with_what_is_in_it() {
        let json = r#"{"a":[1,2,3],"b":"a text that does not fit into its place"}"#;
        let inner = read(json);
        let one = Value::array([inner.clone()]).expect("flat");
        let many = Value::array(vec![one.clone(); 1000]).expect("flat");
        assert_eq!(one.own(), Value::array([Value::Null]).expect("flat").own());
        assert!(many.own().allocated < 1000 * 64 && 1000 * one.size() < many.size());
        assert_eq!(inner.own().source, json.len());
        let text = Value::text("a text that does not fit into its place");
        assert_eq!(text.own(), Own { allocated: text.size(), source: 0 });
        assert_eq!(Value::Int(1).own(), Own::default());
    }

    #[test]
    fn the_first_look_is_told() {
        let value = read(r#"{"a":{"b":1}}"#);
        assert_eq!(value.unopened().map(|it| it.len()), Some(13));
        let Value::Object(object) = &value else { panic!("it is an object") };
        let inner = object.get("a").expect("it is there");
        assert_eq!(value.unopened(), None);
        assert_eq!(inner.unopened().map(|it| it.len()), Some(7));
        assert_eq!(Value::Object(Object::default()).unopened(), None);
    }

    #[test]
    fn what_an_escaped_text_costs_is_told() {
        let Value::Object(object) = read(r#"{"plain":"0123456789","escaped":"01\n3","n":1}"#) else {
            panic!("it is an object");
        };
        let cost = |name: &str| object.find(name).map(|(_, bytes)| bytes);
        assert_eq!((cost("plain"), cost("escaped"), cost("n"), cost("x")), (Some(0), Some(7), Some(0), None));
    }

    #[test]
    fn who_shares_is_told() {
        let text = Value::text("a text that does not fit into its place");
        let Value::Text(whole) = &text else { panic!("it is a text") };
        let part = Value::Text(whole.to_bytes().slice(2..30).into());
        let is_part = |one: &Value, other: &Value| {
            let (one, other) = (one.addresses(), other.addresses());
            other.start <= one.start && one.end <= other.end
        };
        assert!(is_part(&part, &text) && !is_part(&text, &part));
        assert!(!is_part(&Value::text("a text that does not fit into its place"), &text));
        let mut list = Value::array([Value::Null]).expect("flat");
        let copy = list.clone();
        assert!(is_part(&copy, &list) && list.is_shared());
        let Value::Array(array) = &mut list else { panic!("it is a list") };
        array.push(Value::Null).expect("flat");
        assert!(!is_part(&copy, &list) && !list.is_shared());
    }
}
