//! Replaces members of JSON objects, at any depth, by `***`: those that are named in the config `fields`.

use serde_json::Value;
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
        match message.json() {
            Ok(mut json @ Value::Object(_)) => {
                self.redact(&mut json);
                message.set_json(&json)?;
                Ok(())
            }
            Ok(_) | Err(_) => Err("not a JSON object".into()),
        }
    }
}

impl Redact {
    fn redact(&self, value: &mut Value) {
        match value {
            Value::Object(object) => {
                for (name, value) in object {
                    if self.fields.contains(name) {
                        *value = "***".into();
                    } else {
                        self.redact(value);
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|it| self.redact(it)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => (),
        }
    }
}

wappa_guest::export!(Redact);
