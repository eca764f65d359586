//! Messages without end for each example, of all sizes.

use wappa_message::{Message, Value};

use crate::random::Random;

/// The config that these messages are meant for.
pub(crate) fn config(example: &str) -> Vec<(String, String)> {
    let pairs: &[(&str, &str)] = match example {
        "route" => &[("route.order", "orders"), ("default", "rest")],
        _ => &[],
    };
    pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
}

/// One message in a hundred has 60 KB, four have some, the others few bytes.
pub(crate) fn mixed(example: &str, random: &mut Random) -> Message {
    let bytes = match random.below(100) {
        0 => 60_000,
        1..5 => random.below(10_000),
        _ => random.below(200),
    };
    of_size(example, bytes, random)
}

/// A message of about this many bytes.
pub(crate) fn of_size(example: &str, bytes: usize, random: &mut Random) -> Message {
    let mut message = match example {
        "redact" if random.one_in(20) => Message::new("no JSON at all"),
        "redact" => Message::new(json(bytes)),
        "split" => Message::new(pieces(bytes)),
        _ => Message::new(random.bytes(bytes)),
    };
    if example == "route" {
        let kind = *random.pick(&["order", "other", ""]);
        message.metadata_mut().set("kind", Value::text(kind));
        message.metadata_mut().set("secret", Value::text(kind.repeat(random.below(20))));
    }
    message
}

/// An object with lists, nested objects and fields to be masked.
fn json(bytes: usize) -> String {
    let item = r#"{"id":17,"email":"someone@example.com","tags":["a","b \" c"],"in":{"password":[1,2]}}"#;
    let items = vec![item; bytes / item.len()].join(",");
    format!(r#"{{"password":"secret","items":[{items}],"x":"{}"}}"#, "y".repeat(bytes % item.len()))
}

/// At most some ten pieces, however large.
fn pieces(bytes: usize) -> String {
    let piece = format!(" {} ", "p".repeat(bytes / 10 + 1));
    vec![piece; bytes.div_ceil(bytes / 10 + 3)].join(",")
}
