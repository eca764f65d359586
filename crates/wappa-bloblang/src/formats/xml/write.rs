//! Writes XML as Bento does, white space included.

use wappa_message::{Object, Value};

use super::{ATTRIBUTE, TEXT};
use crate::{
    error::{Error, Result},
    value::go,
};

/// The object as a document. With `indent` elements stand on lines of their own. Texts stand as they are: what has signs of
/// XML in it is escaped before, or is XML.
///
/// `charge` is told how many bytes are about to be written.
pub(crate) fn write(
    object: &Object,
    indent: Option<&[u8]>,
    charge: &mut dyn FnMut(usize) -> Result<()>,
) -> Result<Vec<u8>> {
    let mut writer = Writer { out: Vec::new(), indent, charge };
    let mut only = object.iter();
    let (name, value) = match (only.next(), only.next()) {
        (Some((name, Value::Array(array))), None)
            if indent.is_some() || !array.iter().all(|it| matches!(it, Value::Object(_))) =>
        {
            drop(name);
            (b"doc".to_vec(), Value::Object(object.clone()))
        }
        (Some((name, value)), None) => (name.to_vec(), value),
        _ => (b"doc".to_vec(), Value::Object(object.clone())),
    };
    writer.element(&name, &value, Level::default())?;
    Ok(writer.out)
}

/// How far an element is moved in.
#[derive(Clone, Copy, Default)]
struct Level {
    /// How many times the indent stands before it.
    padding: usize,
    /// How many of these will be taken back.
    count: usize,
}

impl Level {
    fn more(self) -> Level {
        Level { padding: self.padding + 1, count: self.count + 1 }
    }

    fn less(self) -> Level {
        match self.count {
            0 => self,
            count => Level { padding: self.padding - 1, count: count - 1 },
        }
    }
}

struct Writer<'a> {
    out: Vec<u8>,
    indent: Option<&'a [u8]>,
    charge: &'a mut dyn FnMut(usize) -> Result<()>,
}

impl Writer<'_> {
    fn push(&mut self, texts: &[&[u8]]) -> Result<()> {
        (self.charge)(texts.iter().map(|it| it.len()).sum())?;
        texts.iter().for_each(|it| self.out.extend_from_slice(it));
        Ok(())
    }

    fn pad(&mut self, n: usize) -> Result<()> {
        let Some(indent) = self.indent else { return Ok(()) };
        (self.charge)(indent.len().saturating_mul(n))?;
        (0..n).for_each(|_| self.out.extend_from_slice(indent));
        Ok(())
    }

    /// The text of a value that is no list and no object.
    fn text(&mut self, value: &Value) -> Result<Vec<u8>> {
        if let Value::Array(_) | Value::Object(_) = value {
            (self.charge)(value.json_len())?;
        }
        Ok(match value {
            Value::Null => Vec::new(),
            Value::Text(text) => text.to_vec(),
            Value::Bytes(bytes) => bytes.to_vec(),
            Value::Time(_) => value.to_text().to_vec(),
            other => {
                let mut out = String::new();
                go::print(other, &mut out);
                out.into_bytes()
            }
        })
    }

    fn element(&mut self, name: &[u8], value: &Value, level: Level) -> Result<()> {
        match value {
            Value::Array(array) if array.is_empty() => {
                self.pad(level.padding + 1)?;
                self.push(&[b"<", name])?;
                self.pad(level.padding)?;
                self.push(&[b"/>"])?;
                self.finish(level)
            }
            Value::Array(array) => {
                for it in array.iter() {
                    self.element(name, &it, if self.indent.is_some() { level.more() } else { level })?;
                }
                Ok(())
            }
            Value::Object(object) => {
                self.pad(level.padding)?;
                self.push(&[b"<", name])?;
                self.object(name, object, level)?;
                self.finish(level)
            }
            other => {
                self.pad(level.padding)?;
                let text = self.text(other)?;
                match text.is_empty() {
                    true => self.push(&[b"<", name, b"/>"])?,
                    false => self.push(&[b"<", name, b">", &text, b"</", name, b">"])?,
                }
                self.finish(level)
            }
        }
    }

    fn finish(&mut self, level: Level) -> Result<()> {
        match self.indent {
            Some(_) if 0 < level.count => self.push(&[b"\n"]),
            _ => Ok(()),
        }
    }

    /// What follows the name of an element with attributes or others in it.
    fn object(&mut self, name: &[u8], object: &Object, level: Level) -> Result<()> {
        let attribute =
            |it: &[u8]| it.strip_prefix(&[ATTRIBUTE]).filter(|it| !it.is_empty()).map(<[u8]>::to_vec);
        let mut n_attributes = 0;
        for (key, value) in object.iter() {
            let Some(key) = attribute(&key) else { continue };
            n_attributes += 1;
            if let Value::Array(_) | Value::Object(_) | Value::Null | Value::Time(_) = value {
                let type_name = go::type_name(&value, true);
                let key = String::from_utf8_lossy(&key).into_owned();
                return Err(Error::new(format!("invalid attribute value for: -{key}:<{type_name}>")));
            }
            let text = self.text(&value)?;
            self.push(&[b" ", &key, b"=\"", &text, b"\""])?;
        }
        if n_attributes == object.len() {
            return self.push(&[b"/>"]);
        }
        self.push(&[b">"])?;
        if let Some(text) = object.get(TEXT) {
            let text = match &text {
                // A list prints its own way in the place of a text.
                Value::Null => b"<nil>".to_vec(),
                other => self.text(other)?,
            };
            self.push(&[&text])?;
            if n_attributes + 1 == object.len() {
                return self.push(&[b"</", name, b">"]);
            }
        }
        if self.indent.is_some() {
            self.push(&[b"\n"])?;
        }
        // Each element after a list is as far in as Bento moves it.
        let mut inner = level;
        for (key, value) in object.iter() {
            if key.as_slice() == TEXT || attribute(&key).is_some() {
                continue;
            }
            let is_list = matches!(value, Value::Array(_));
            if self.indent.is_some() && !is_list {
                inner = inner.more();
            }
            self.element(&key, &value, inner)?;
            if self.indent.is_some() && !is_list {
                inner = inner.less();
            }
        }
        self.pad(level.padding)?;
        self.push(&[b"</", name, b">"])
    }
}
