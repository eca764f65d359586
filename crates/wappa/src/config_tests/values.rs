//! Values of tests: from YAML as Bento reads it, and side by side with those of messages.

use wappa_message::{Number, TooDeep, Value};
use wappa_spec::{
    Node,
    yaml::{Kind, Style},
};

/// The value of a node. Plain numbers and `true`, `false` and `null` are what they look like, all else is text.
pub(super) fn value_of(node: &Node) -> Result<Value, TooDeep> {
    Ok(match &node.kind {
        Kind::Null => Value::Null,
        Kind::Scalar { text, style: Style::Plain } => plain(node, text),
        Kind::Scalar { text, .. } => Value::text(text),
        Kind::Seq(items) => Value::array(items.iter().map(value_of).collect::<Result<Vec<_>, _>>()?)?,
        Kind::Map(pairs) => {
            let pair = |(key, value): &(Node, Node)| Ok((key.as_key().to_string(), value_of(value)?));
            Value::object(pairs.iter().map(pair).collect::<Result<Vec<_>, _>>()?)?
        }
    })
}

fn plain(node: &Node, text: &str) -> Value {
    match node.tag() {
        "!!null" => Value::Null,
        "!!bool" => Value::Bool(node.as_bool().unwrap_or_default()),
        "!!int" => match node.as_int().map(|it| (i64::try_from(it), it.to_string())) {
            Some((Ok(it), _)) => Value::Int(it),
            Some((Err(_), text)) => Number::parse(&text).map_or_else(|| Value::text(&text), Value::Number),
            None => Value::text(text),
        },
        "!!float" => node.as_float().map_or_else(|| Value::text(text), Value::Float),
        _ => Value::text(text),
    }
}

/// A value as JSON, as Go's encoder prints it: characters that mean something in HTML are escaped.
pub(super) fn html_safe_json(value: &Value) -> String {
    value.to_json().replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

/// Whether two values are the same, whatever kinds of numbers they have.
pub(crate) fn are_equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other.iter()).all(|(a, b)| are_equal(&a, &b))
        }
        (Value::Object(one), Value::Object(other)) => {
            let is_there = |(key, a): (_, Value)| other.get(&key).is_some_and(|b| are_equal(&a, &b));
            one.len() == other.len() && one.iter().all(is_there)
        }
        _ => match (number(one), number(other)) {
            (Some(a), Some(b)) => a == b,
            (None, None) => match (text(one), text(other)) {
                (Some(a), Some(b)) => a == b,
                (None, None) => one == other,
                _ => false,
            },
            _ => false,
        },
    }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Int(it) => Some(*it as f64),
        Value::Uint(it) => Some(*it as f64),
        Value::Float(it) => Some(*it),
        Value::Number(it) => Some(it.to_f64()),
        _ => None,
    }
}

fn text(value: &Value) -> Option<bytes::Bytes> {
    matches!(value, Value::Text(_) | Value::Bytes(_) | Value::Time(_)).then(|| value.to_text())
}

/// A value as Go prints it: `map[a:1 b:[x y]]`.
pub(super) fn go_text(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_string(),
        Value::Array(items) => {
            format!("[{}]", items.iter().map(|it| go_text(&it)).collect::<Vec<_>>().join(" "))
        }
        Value::Object(object) => {
            let mut pairs: Vec<String> = object
                .iter()
                .map(|(key, value)| {
                    format!("{}:{}", String::from_utf8_lossy(key.as_slice()), go_text(&value))
                })
                .collect();
            pairs.sort();
            format!("map[{}]", pairs.join(" "))
        }
        other => String::from_utf8_lossy(&other.to_text()).into_owned(),
    }
}
