//! What stands for an output in a dry run: it prints what would be written, and where.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use wappa_component::{
    BuildError, ConnectError, Delivery, Output, Step, WriteError,
    batching::{PolicyConfig, batched},
};
use wappa_message::{Context, Mark, Message, ORIGIN_NONE, Reply};
use wappa_spec::{
    ComponentKind, ComponentNode, Config, Field, Interpolated, Mapping, Node, Registry, Type, hides,
    without_credentials,
};

use crate::guest::text::Style;

/// How many messages were printed, and which line each came from. Cloning shares.
#[derive(Clone, Default)]
pub(super) struct Printed(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    n: u64,
    /// Why something could not be printed.
    unwritten: Option<io::Error>,
    /// How many lines could not be read.
    n_bad: u64,
    /// Whether there were lines for which there was no more room.
    is_cut: bool,
    /// What messages of each line have with them, however they go.
    lines: Vec<Arc<Reply>>,
}

impl Printed {
    pub(super) fn n(&self) -> u64 {
        self.lock().n
    }

    /// Why something could not be printed, once.
    pub(super) fn take_unwritten(&self) -> Option<io::Error> {
        self.lock().unwritten.take()
    }

    pub(super) fn count_bad(&self) {
        self.lock().n_bad += 1;
    }

    pub(super) fn n_bad(&self) -> u64 {
        self.lock().n_bad
    }

    pub(super) fn cut(&self) {
        self.lock().is_cut = true;
    }

    pub(super) fn is_cut(&self) -> bool {
        self.lock().is_cut
    }

    /// What the messages of the next line are to have with them.
    pub(super) fn next_line(&self) -> Arc<Context> {
        let reply = Arc::new(Reply::default());
        self.lock().lines.push(Arc::clone(&reply));
        Arc::new(Context { reply: Some(reply), ..Context::default() })
    }

    /// Where a message comes from. Origins are counted anew wherever outputs divide what they hand on.
    fn source_of(&self, message: &Message) -> String {
        let reply = message.context().and_then(|it| it.reply.as_ref());
        let number = reply.and_then(|reply| self.lock().lines.iter().position(|it| Arc::ptr_eq(it, reply)));
        match number.filter(|_| message.origin() != ORIGIN_NONE) {
            Some(idx) => format!("line {}", idx + 1),
            None => "several lines".to_string(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What stands for an output; none for those that only hand on to others, and for `reject`, which says what it does to who
/// hands to it.
pub(super) fn stand_in(
    node: &ComponentNode,
    style: Style,
    printed: &Printed,
    ctx: &mut wappa_component::Context<'_>,
) -> Option<Result<Box<dyn Output>, BuildError>> {
    const REAL: [&str; 2] = ["resource", "reject"];
    let spec = ctx.registry().spec(ComponentKind::Output, &node.name).copied()?;
    if has_outputs(&spec.body) || REAL.contains(&spec.name) {
        return None;
    }
    Some(built(node, &spec.body, style, printed, ctx))
}

fn built(
    node: &ComponentNode,
    ty: &Type,
    style: Style,
    printed: &Printed,
    ctx: &mut wappa_component::Context<'_>,
) -> Result<Box<dyn Output>, BuildError> {
    let label = if node.label.is_empty() { String::new() } else { format!(", `{}`", node.label) };
    let path = ctx.path().strip_prefix("root.").unwrap_or(ctx.path());
    let place = format!("{path} ({}{label})", node.name);
    let mut fields = Vec::new();
    evaluated(&node.body, ty, "", ctx.registry(), &mut fields)?;
    let output = Box::new(StandIn { place, fields, style, printed: printed.clone() });
    let batching = match ty {
        Type::Object(fields) if fields.iter().any(|it| it.name == "batching") => node.body.get("batching"),
        _ => None,
    };
    match batching {
        Some(batching) => batched(output, &read::<PolicyConfig>(batching, ctx.registry())?, ctx),
        None => Ok(output),
    }
}

/// Whether an output of this description hands on to others.
fn has_outputs(ty: &Type) -> bool {
    match ty {
        Type::Component(kind) => *kind == ComponentKind::Output,
        Type::Array(item) | Type::Map(item) => has_outputs(item),
        Type::Object(fields) => fields.iter().any(|it| has_outputs(&it.ty)),
        _ => false,
    }
}

/// A field that is evaluated for each message.
struct Evaluated {
    name: String,
    what: What,
}

enum What {
    Text(Interpolated),
    Mapping(Mapping),
}

#[derive(Config)]
struct TextConfig(Interpolated);

#[derive(Config)]
struct MappingConfig(Mapping);

fn read<C: Config>(node: &Node, registry: &dyn Registry) -> Result<C, BuildError> {
    C::from_body(node, registry).map_err(|lints| {
        let texts: Vec<&str> = lints.iter().map(|it| it.message.as_str()).collect();
        BuildError::new(texts.join("; "))
    })
}

/// The fields of an output that are evaluated for each message, in the order of its description.
fn evaluated(
    node: &Node,
    ty: &Type,
    name: &str,
    registry: &dyn Registry,
    out: &mut Vec<Evaluated>,
) -> Result<(), BuildError> {
    let below = |key: &str| if name.is_empty() { key.to_string() } else { format!("{name}.{key}") };
    match ty {
        Type::Interpolated if node.as_str().is_some() => {
            let text = read::<TextConfig>(node, registry)?.0;
            out.push(Evaluated { name: name.to_string(), what: What::Text(text) });
        }
        Type::Mapping if node.as_str().is_some_and(|it| !it.is_empty()) => {
            let mapping = read::<MappingConfig>(node, registry)?.0;
            out.push(Evaluated { name: name.to_string(), what: What::Mapping(mapping) });
        }
        Type::Object(fields) => {
            let shown = |it: &&Field| !it.secret && it.name != "batching";
            for field in fields.iter().filter(shown) {
                if let Some(value) = node.get(field.name) {
                    evaluated(value, &field.ty, &below(field.name), registry, out)?;
                }
            }
        }
        Type::Map(item) => {
            for (key, value) in node.as_map().into_iter().flatten().filter(|(key, _)| !hides(key.as_key())) {
                evaluated(value, item, &below(key.as_key()), registry, out)?;
            }
        }
        Type::Array(item) => {
            for (idx, value) in node.as_seq().into_iter().flatten().enumerate() {
                evaluated(value, item, &below(&idx.to_string()), registry, out)?;
            }
        }
        _ => (),
    }
    Ok(())
}

/// How much of a field is shown, in characters.
const SHOWN_CHARS_MAX: usize = 1000;

/// The beginning of what is longer than anybody reads.
fn cut(mut value: String) -> String {
    if let Some((at, _)) = value.char_indices().nth(SHOWN_CHARS_MAX) {
        value.truncate(at);
        value.push('…');
    }
    value
}

struct StandIn {
    place: String,
    fields: Vec<Evaluated>,
    style: Style,
    printed: Printed,
}

impl StandIn {
    /// What would be written of one message of a batch. The error is that of a field, for which the output would fail on the
    /// message as well.
    fn text(&self, batch: &mut [Message], idx: usize) -> (String, Option<String>) {
        let mut out = format!("{} -> {}\n", self.printed.source_of(&batch[idx]), self.place);
        let mut failed = None;
        for Evaluated { name, what } in &self.fields {
            let value = match what {
                What::Text(text) => text.evaluate_text(batch, idx).map_err(|err| err.to_string()),
                What::Mapping(mapping) => match mapping.program().map(|it| it.value(batch, idx)) {
                    Some(Ok(value)) => Ok(value.map_or_else(|| "deleted".to_string(), |it| it.to_json())),
                    Some(Err(err)) => Err(err.to_string()),
                    None => continue,
                },
            };
            match value {
                Ok(value) => self.style.field(&mut out, name, &cut(without_credentials(&value))),
                Err(why) => {
                    self.style.field(&mut out, name, &format!("failed: {why}"));
                    failed.get_or_insert(format!("{name}: {why}"));
                }
            }
        }
        self.style.message(&mut out, &batch[idx], false);
        (out, failed)
    }
}

impl Output for StandIn {
    fn connect(&mut self) -> Result<(), ConnectError> {
        Ok(())
    }

    fn write(&mut self, mut delivery: Delivery, step: &mut Step<'_>) {
        let part = delivery.part_mut();
        let ranges: Vec<_> = (0..part.n_batches()).map(|it| part.batch(it)).collect();
        let mut failures = Vec::new();
        for range in ranges {
            let start = range.start;
            let batch = &mut part.messages_mut()[range];
            for idx in 0..batch.len() {
                if step.is_interrupted() {
                    // One that is dropped has failed.
                    return;
                }
                let (shown, failed) = self.text(batch, idx);
                // Each by itself: together they may be any number of times as large as what came in.
                if let Err(err) = io::stdout().lock().write_all(shown.as_bytes()) {
                    self.printed.lock().unwritten = Some(err);
                    return delivery.answer(Err(WriteError::Closed));
                }
                match failed {
                    // Trying it again would only print it again.
                    Some(why) => failures.push((start + idx, Mark::of_hopeless(why))),
                    None => self.printed.lock().n += 1,
                }
            }
        }
        delivery.answer(match failures.is_empty() {
            true => Ok(()),
            false => Err(WriteError::Partial(failures)),
        });
    }
}
