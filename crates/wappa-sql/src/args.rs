//! Arguments of statements, as a mapping gives them for each message.

use std::sync::Arc;

use wappa_component::{Caches, Context, Pulse, watch_mappings};
use wappa_message::{Message, Value};
use wappa_spec::{Kept, Mapping};

/// A mapping that gives arguments.
pub(crate) struct Args {
    mapping: Mapping,
    pulse: Arc<dyn Pulse>,
    caches: Caches,
    asks_caches: bool,
}

impl Args {
    pub(crate) fn new(mapping: Mapping, ctx: &mut Context<'_>) -> Args {
        // That there is none of a name is told when it is asked.
        let kept = mapping.program().map_or(&[][..], |it| it.kept());
        let label = |it: &Kept| match it {
            Kept::Cache(label) => Some(label.clone()),
            _ => None,
        };
        let labels: Vec<String> = kept.iter().filter_map(label).collect();
        let caches: Caches = labels.iter().filter_map(|it| Some((it.clone(), ctx.cache(it).ok()?))).collect();
        Args { mapping, pulse: ctx.pulse(), caches, asks_caches: !labels.is_empty() }
    }

    /// The arguments for the message at this place of a batch; the error is the text of its mark.
    pub(crate) fn of(&self, batch: &mut [Message], place: usize) -> Result<Vec<Value>, String> {
        let value = match self.mapping.program() {
            Some(program) => program.value(batch, place).map_err(|err| err.to_string())?,
            // Nothing is mapped: it is what the message holds.
            None => match batch.get_mut(place) {
                Some(message) => Some(message.value().map_err(|err| err.to_string())?.clone()),
                None => return Err(wappa_bloblang::NO_MESSAGE.to_string()),
            },
        };
        match value {
            Some(Value::Array(args)) => {
                let args: Vec<Value> = args.iter().collect();
                match args.iter().find(|it| matches!(it, Value::Array(_) | Value::Object(_))) {
                    Some(it) => Err(no_such_argument(it)),
                    None => Ok(args),
                }
            }
            other => Err(format!("mapping returned non-array result: {}", type_of(other.as_ref()))),
        }
    }

    /// Evaluates on a thread of the runtime, where nobody else says what mappings are to look at.
    pub(crate) fn on_runtime<T>(&self, evaluate: impl FnOnce(&Args) -> T) -> T {
        let watched = || {
            watch_mappings(Some((Arc::clone(&self.pulse), self.caches.clone())));
            let result = evaluate(self);
            watch_mappings(None);
            result
        };
        // What asks a cache may wait for it, and the runtime's threads have others to serve.
        if self.asks_caches { tokio::task::block_in_place(watched) } else { watched() }
    }
}

/// Why a value is no argument of a statement.
pub(crate) fn no_such_argument(value: &Value) -> String {
    let what = if matches!(value, Value::Array(_)) { "a list" } else { "an object" };
    format!("unsupported argument: {what}; `format_json()` makes a text of it")
}

/// What a value is instead of a list, in Go's words.
fn type_of(value: Option<&Value>) -> &'static str {
    match value {
        None => "deleted",
        Some(Value::Null) => "<nil>",
        Some(Value::Bool(_)) => "bool",
        Some(Value::Int(_)) => "int64",
        Some(Value::Uint(_)) => "uint64",
        Some(Value::Float(_)) => "float64",
        Some(Value::Number(_)) => "json.Number",
        Some(Value::Text(_)) => "string",
        Some(Value::Bytes(_)) => "[]uint8",
        Some(Value::Time(_)) => "time.Time",
        Some(Value::Array(_)) => "[]interface {}",
        Some(Value::Object(_)) => "map[string]interface {}",
    }
}
