//! Replaces members of JSON objects, at any depth, by `***`: those that are named in the config `fields`.

use serde_json::{Map, Value};
use wappa_guest::{Config, Message, Processor, Result};

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
        let mut object: Map<String, Value> = message.json().map_err(|_| "not a JSON object")?;
        self.redact_object(&mut object);
        message.set_json(&object)?;
        Ok(())
    }
}

impl Redact {
    fn redact(&self, value: &mut Value) {
        match value {
            Value::Object(object) => self.redact_object(object),
            Value::Array(items) => items.iter_mut().for_each(|it| self.redact(it)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => (),
        }
    }

    fn redact_object(&self, object: &mut Map<String, Value>) {
        for (name, value) in object {
            if self.fields.contains(name) {
                *value = "***".into();
            } else {
                self.redact(value);
            }
        }
    }
}

wappa_guest::export!(Redact);
