//! Replaces members of JSON objects, at any depth, by `***`: those that are named in the config `fields`.
//!
//! Values that need no look inside stay the text that they are, so numbers keep all their digits.

use std::collections::BTreeMap;

use serde_json::value::{to_raw_value, RawValue};
use wappa_guest::{Config, Message, Processor, Result};

/// What is nested deeper is refused: each level is read once more, and the stack has an end.
const DEPTH_MAX: usize = 64;

/// The processor.
#[derive(Debug)]
pub struct Redact {
    fields: Vec<String>,
}

impl Processor for Redact {
    fn configure(config: Config) -> Result<Redact> {
        let fields = config.get("fields").unwrap_or("password,email".to_string());
        Ok(Redact { fields: fields.split(',').filter(|it| !it.is_empty()).map(str::to_string).collect() })
    }

    fn process(&mut self, message: &mut Message) -> Result {
        let object = message.json::<&RawValue>().ok().filter(|it| is(b'{', it)).ok_or("not a JSON object")?;
        let redacted = self.redact(object, DEPTH_MAX)?;
        message.set_content(redacted.get());
        Ok(())
    }
}

impl Redact {
    fn redact(&self, json: &RawValue, depth: usize) -> Result<Box<RawValue>> {
        let depth = depth.checked_sub(1).ok_or("nested too deeply")?;
        if is(b'{', json) {
            let mut object: BTreeMap<String, Box<RawValue>> = serde_json::from_str(json.get())?;
            for (name, value) in &mut object {
                *value = match self.fields.contains(name) {
                    true => to_raw_value("***")?,
                    false => self.redact(value, depth)?,
                };
            }
            return Ok(to_raw_value(&object)?);
        }
        if is(b'[', json) {
            let mut items: Vec<Box<RawValue>> = serde_json::from_str(json.get())?;
            for item in &mut items {
                *item = self.redact(item, depth)?;
            }
            return Ok(to_raw_value(&items)?);
        }
        Ok(json.to_owned())
    }
}

/// Whether the value is an object, or an array: they begin so.
fn is(bracket: u8, json: &RawValue) -> bool {
    json.get().as_bytes().first() == Some(&bracket)
}

wappa_guest::export!(Redact);
