//! What viewers are sent, as JSON.

use std::time::SystemTime;

use wappa_component::Failed;
use wappa_message::Value;

use super::view::Picture;

/// An object that is being written.
#[derive(Clone, Debug)]
pub(super) struct Object(String);

impl Object {
    pub(super) fn new() -> Object {
        Object("{".to_string())
    }

    /// A member that is JSON.
    pub(super) fn json(mut self, name: &str, value: impl AsRef<str>) -> Object {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        self.0 += &format!("{}:{}", quoted(name), value.as_ref());
        self
    }

    pub(super) fn text(self, name: &str, value: &str) -> Object {
        self.json(name, quoted(value))
    }

    pub(super) fn number(self, name: &str, value: impl ToString) -> Object {
        self.json(name, value.to_string())
    }

    /// A measured number, to three digits behind the point; none where it is not known.
    pub(super) fn measured(self, name: &str, value: Option<f64>) -> Object {
        match value.filter(|it| it.is_finite()) {
            Some(value) => self.json(name, format!("{}", (value * 1000.0).round() / 1000.0)),
            None => self,
        }
    }

    /// The same with all members of another one.
    pub(super) fn and(mut self, other: &Object) -> Object {
        if self.0.len() > 1 && other.0.len() > 1 {
            self.0.push(',');
        }
        self.0 += &other.0[1..];
        self
    }

    pub(super) fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

pub(super) fn array(items: impl IntoIterator<Item = String>) -> String {
    format!("[{}]", items.into_iter().collect::<Vec<_>>().join(","))
}

/// What tells a component from all others of its stream: its path; those of resources are all alike.
pub(super) fn place(path: &str, label: &str) -> String {
    match path.ends_with("_resources") && !label.is_empty() {
        true => format!("{path} {label}"),
        false => path.to_string(),
    }
}

pub(super) fn quoted(text: &str) -> String {
    Value::text(text).to_json()
}

/// The picture of a stream. What its ways say is of the config.
pub(super) fn picture(stream: &str, picture: &Picture, is_trusted: bool) -> String {
    let part = |it: &super::PicturePart| {
        let object = Object::new().text("role", it.role).text("name", &it.name).text("label", &it.label);
        object
            .text("path", &place(&it.path, &it.label))
            .number("x", it.x)
            .number("y", it.y)
            .number("w", it.width)
            .end()
    };
    let way = |it: &super::PictureWay| {
        let object = Object::new().text("line", &it.line).number("to", it.to).number("use", it.is_use);
        match is_trusted && !it.text.is_empty() {
            true => object.text("text", &it.text).number("x", it.text_at.0).number("y", it.text_at.1).end(),
            false => object.end(),
        }
    };
    Object::new()
        .text("stream", stream)
        .number("w", picture.width)
        .number("h", picture.height)
        .number("part", picture.part_height)
        .json("parts", array(picture.parts.iter().map(part)))
        .json("ways", array(picture.ways.iter().map(way)))
        .end()
}

/// A failure. Its reason may say what a message holds.
pub(super) fn failure(failed: &Failed, now: SystemTime, is_trusted: bool) -> String {
    let age = now.duration_since(failed.at).unwrap_or_default();
    let object = Object::new().text("path", &place(&failed.path, &failed.label)).text("label", &failed.label);
    let object = object
        .text("stream", &failed.stream)
        .text("kind", failed.kind)
        .number("n", failed.n)
        .number("age", age.as_millis());
    match is_trusted {
        true => object.text("reason", &failed.reason).end(),
        false => object.end(),
    }
}
