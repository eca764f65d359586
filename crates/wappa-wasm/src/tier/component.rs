//! Tier component: the world `wappa:processor/processor` of `guest/wit/processor.wit`.
//!
//! A call gets a batch of messages by number. Each has a number that no other batch of the instance ever had, so that
//! a guest which keeps one, or whose collector drops it late, can do no harm.

use bytes::Bytes;
use wappa_message::{Message, Value};
use wasmtime::{
    AsContext, StoreContextMut,
    component::{ComponentType, Lift, Linker, Resource, TypedFunc, WasmStr},
};

use crate::{
    host::Host,
    host::batches::{BatchTag, mistake},
    host::error::CallError,
    host::error::Kind,
    host::error::Stop,
    host::functions::Interface,
    host::lifted::{WitMessage, WitText, WitValue},
    host::metrics::check_name,
    host::pace::Pace,
    host::run::Disposition,
    interface::Level,
    interface::{WORLD_PACKAGE, WORLD_VERSIONS},
    tier::v1::reason_of,
};

/// A call gets no more content than this, in bytes, unless a single message is larger.
const CALL_BYTES_MAX: usize = 1 << 20;

/// What a call may cost the host beside what messages may become.
const CALL_OVERHEAD_BYTES: usize = 1 << 20;

/// `process` of a component: one disposition per message of the batch.
pub(crate) type ProcessFunc = TypedFunc<(Resource<BatchTag>,), (Vec<WitDisposition>,)>;

/// What the guest says is to happen to a message.
#[derive(Debug, ComponentType, Lift)]
#[component(variant)]
pub(crate) enum WitDisposition {
    #[component(name = "keep")]
    Keep,
    #[component(name = "filter")]
    Filter,
    #[component(name = "content")]
    Content(Vec<u8>),
    #[component(name = "send")]
    Send(Vec<WitMessage>),
    #[component(name = "fail")]
    Fail(String),
}

#[derive(Clone, Copy, Debug, ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
#[expect(dead_code, reason = "made by lifting alone")]
enum WitLevel {
    #[component(name = "trace")]
    Trace,
    #[component(name = "debug")]
    Debug,
    #[component(name = "info")]
    Info,
    #[component(name = "warn")]
    Warn,
    #[component(name = "error")]
    Error,
}

/// Keys that the changes of one call share. Each change is compared with them.
const SHARED_KEYS_MAX: usize = 8;

/// A longer key is not shared: nothing counts what is kept of them until the call ends.
const SHARED_KEY_BYTES_MAX: usize = 256;

type Store<'a> = StoreContextMut<'a, Host>;
type Batch = Resource<BatchTag>;

/// A message, a key, and its new value or none to remove it. There may be many of them, so texts are not copied twice.
type Change = (u32, WasmStr, Option<WitText>);

/// Of a batch: a key, indexes of messages, texts one after the other, and where each of them ends.
type TextsOfKey = (Batch, String, Vec<u32>, Vec<u8>, Vec<u32>);

/// Provides the imports of the world, in all its versions.
pub(crate) fn link(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    for version in WORLD_VERSIONS {
        link_version(linker, version)?;
    }
    Ok(())
}

/// A function that a version does not have is there too: no guest of that version asks for it.
fn link_version(linker: &mut Linker<Host>, version: &str) -> wasmtime::Result<()> {
    let interface = |name: &str| format!("{WORLD_PACKAGE}/{name}@{version}");
    let mut types = Interface::new(linker, &interface("types"))?;
    types.add_resource::<BatchTag>("batch", |mut store: Store<'_>| {
        let batches = &mut store.data_mut().batches;
        batches.dropped();
        Ok(())
    })?;
    types.add("[method]batch.len", |store: Store<'_>, (batch,): (Batch,)| {
        Ok((store.data().batches.find_all(&batch)?.1 as u32,))
    })?;
    types.add("[method]batch.content", |mut store: Store<'_>, (batch, index): (Batch, u32)| {
        let host = store.data_mut();
        let idx = host.batches.find(&batch, index)?;
        host.batches.read();
        host.work.print(idx)?;
        Ok((host.work.run.messages[idx].content().clone(),))
    })?;
    types.add("[method]batch.contents", |mut store: Store<'_>, (batch,): (Batch,)| {
        contents(store.data_mut(), &batch)
    })?;
    types.add(
        "[method]batch.get-metadata",
        |store: Store<'_>, (batch, index, key): (Batch, u32, String)| {
            let host = store.data();
            let idx = host.batches.find(&batch, index)?;
            let value = host.work.metadata(idx).get(&key);
            check_copy(host, value.map_or(0, Value::text_len))?;
            Ok((value.map(to_wit),))
        },
    )?;
    types.add("[method]batch.metadata", |mut store: Store<'_>, (batch, index): (Batch, u32)| {
        let host = store.data_mut();
        let idx = host.batches.find(&batch, index)?;
        let metadata = host.work.metadata(idx).clone();
        let mut pairs = Vec::with_capacity(metadata.len());
        let mut bytes = 0;
        for (key, value) in metadata.iter() {
            // There may be a great many, and values take time to write.
            host.enter()?;
            bytes += key.len() + value.text_len();
            check_copy(host, bytes)?;
            if let Ok(key) = str::from_utf8(key) {
                pairs.push((key.to_string(), to_wit(value)));
            }
        }
        Ok((pairs,))
    })?;
    types.add(
        "[method]batch.set-metadata",
        |mut store: Store<'_>, (batch, index, key, value): (Batch, u32, String, WitValue)| {
            let host = store.data_mut();
            let idx = host.batches.find(&batch, index)?;
            let value = host.work.value_of(value, 0)?;
            Ok(host.work.set_metadata(idx, Bytes::from(key), value)?)
        },
    )?;
    types.add("[method]batch.metadata-keys", |mut store: Store<'_>, (batch, index): (Batch, u32)| {
        metadata_keys(store.data_mut(), &batch, index)
    })?;
    types.add(
        "[method]batch.metadata-values",
        |mut store: Store<'_>, (batch, first, count, keys): (Batch, u32, u32, Vec<String>)| {
            metadata_values(store.data_mut(), &batch, first, count, &keys)
        },
    )?;
    types.add(
        "[method]batch.change-metadata",
        |store: Store<'_>, (batch, changes): (Batch, Vec<Change>)| change_metadata(store, &batch, &changes),
    )?;
    types.add("[method]batch.set-metadata-texts", |mut store: Store<'_>, given: TextsOfKey| {
        set_metadata_texts(store.data_mut(), given)
    })?;
    types.add(
        "[method]batch.delete-metadata",
        |mut store: Store<'_>, (batch, index, key): (Batch, u32, String)| {
            let host = store.data_mut();
            let idx = host.batches.find(&batch, index)?;
            Ok((host.work.delete_metadata(idx, key.as_bytes())?,))
        },
    )?;
    types.add("[method]batch.error", |store: Store<'_>, (batch, index): (Batch, u32)| {
        let host = store.data();
        let idx = host.batches.find(&batch, index)?;
        Ok((host.work.error(idx).map(|it| it.as_str().to_string()),))
    })?;
    types.add("[method]batch.clear-error", |mut store: Store<'_>, (batch, index): (Batch, u32)| {
        let host = store.data_mut();
        let idx = host.batches.find(&batch, index)?;
        host.work.clear_error(idx);
        Ok(())
    })?;
    types.add("[method]batch.position", |store: Store<'_>, (batch, index): (Batch, u32)| {
        let host = store.data();
        let idx = host.batches.find(&batch, index)?;
        Ok((host.work.run.position(idx),))
    })?;

    let mut log = Interface::new(linker, &interface("log"))?;
    log.add("log", |store: Store<'_>, (level, text): (WitLevel, String)| {
        let level = Level::from_number(level as u32).unwrap_or(Level::Error);
        store.data().output.log_text(level, text.as_bytes());
        Ok(())
    })?;
    let mut metrics = Interface::new(linker, &interface("metrics"))?;
    metrics.add("counter-add", |store: Store<'_>, (name, delta): (String, u64)| {
        let name = check_name(name.as_bytes()).map_err(|why| mistake(format!("`counter-add`: {why}")))?;
        store.data().output.count(name, delta);
        Ok(())
    })?;
    Ok(())
}

fn contents(host: &mut Host, batch: &Batch) -> wasmtime::Result<((Bytes, Vec<u32>),)> {
    let (first, n) = host.batches.find_all(batch)?;
    host.batches.read();
    for idx in first..first + n {
        host.work.print(idx)?;
    }
    let messages = &host.work.run.messages[first..first + n];
    if let [message] = messages {
        let end = message.content().len() as u32;
        return Ok(((message.content().clone(), vec![end]),));
    }
    let bytes: usize = messages.iter().map(|it| it.content().len()).sum();
    // A guest that did not read so far may have been given more than it can take.
    check_copy(host, bytes)?;
    let mut all = Vec::with_capacity(bytes);
    let mut ends = Vec::with_capacity(n);
    for message in messages {
        all.extend_from_slice(message.content());
        ends.push(all.len() as u32);
    }
    Ok(((all.into(), ends),))
}

fn metadata_keys(host: &mut Host, batch: &Batch, index: u32) -> wasmtime::Result<(Vec<String>,)> {
    let idx = host.batches.find(batch, index)?;
    let metadata = host.work.metadata(idx).clone();
    let mut keys = Vec::with_capacity(metadata.len());
    let mut bytes = 0;
    for (key, _) in metadata.iter() {
        host.enter()?;
        bytes += key.len();
        check_copy(host, bytes)?;
        if let Ok(key) = str::from_utf8(key) {
            keys.push(key.to_string());
        }
    }
    Ok((keys,))
}

fn metadata_values(
    host: &mut Host,
    batch: &Batch,
    first: u32,
    count: u32,
    keys: &[String],
) -> wasmtime::Result<(Vec<Option<WitValue>>,)> {
    let (start, n) = host.batches.find_all(batch)?;
    let (first, count) = (first as usize, count as usize);
    // Neither sum can overflow: there are 64 bits for two numbers of 32.
    if n < first + count {
        return Err(mistake(format!("there are no messages {first} to {} in a batch of {n}", first + count)));
    }
    let n_values = count.saturating_mul(keys.len());
    let mut bytes = n_values.saturating_mul(size_of::<Option<WitValue>>());
    check_copy(host, bytes)?;
    let mut values = Vec::with_capacity(n_values);
    for idx in start + first..start + first + count {
        for key in keys {
            // Keys may be many, and values take time to write.
            host.enter()?;
            let value = host.work.metadata(idx).get(key);
            bytes += value.map_or(0, Value::text_len);
            check_copy(host, bytes)?;
            values.push(value.map(to_wit));
        }
    }
    Ok((values,))
}

fn change_metadata(mut store: Store<'_>, batch: &Batch, changes: &[Change]) -> wasmtime::Result<()> {
    // Guests mostly set the same keys for message after message, and often to the same texts: they are shared then.
    let mut keys: Vec<Bytes> = Vec::new();
    let (mut at, mut before) = (None, None);
    for (index, key, value) in changes {
        let host = store.data_mut();
        // A list may be long, and each of its items copies metadata.
        host.enter()?;
        let idx = host.batches.find(batch, *index)?;
        if at != Some(idx) {
            (before, at) = (at, Some(idx));
        }
        let key = key.to_str(store.as_context())?;
        let text = value.as_ref().map(|it| it.bytes(store.as_context())).transpose()?;
        let bytes = key.len() + text.as_ref().map_or(0, |it| it.len());
        store.data().work.check_room(idx, bytes)?;
        let key = shared_key(&mut keys, key.as_bytes());
        let value = match (value, text) {
            (Some(WitText::Json(_)), Some(text)) => {
                let text = text.into_owned();
                Some(store.data().work.json_of(&text, 0)?)
            }
            (_, Some(text)) => {
                let value = before.and_then(|it| store.data().work.metadata(it).get(&key));
                match value {
                    Some(value @ Value::Text(it)) if **it == *text => Some(value.clone()),
                    _ => Some(Value::text(text)),
                }
            }
            (_, None) => None,
        };
        let work = &mut store.data_mut().work;
        match value {
            Some(value) => work.set_metadata(idx, key, value)?,
            None => drop(work.delete_metadata(idx, &key)?),
        }
    }
    Ok(())
}

fn set_metadata_texts(
    host: &mut Host,
    (batch, key, indexes, texts, ends): TextsOfKey,
) -> wasmtime::Result<()> {
    if indexes.len() != ends.len() {
        return Err(mistake(format!("there are {} texts for {} messages", ends.len(), indexes.len())));
    }
    let key = Bytes::from(key);
    let mut start = 0;
    let mut before = Value::text("");
    for (index, end) in indexes.into_iter().zip(ends) {
        // There may be many, and each of them copies metadata.
        host.enter()?;
        let idx = host.batches.find(&batch, index)?;
        let end = end as usize;
        let Some(text) = texts.get(start..end) else {
            let length = texts.len();
            return Err(mistake(format!("there is no text from {start} to {end} in {length} bytes of them")));
        };
        start = end;
        host.work.check_room(idx, key.len() + text.len())?;
        // Often it is the same again, and shared then.
        if !matches!(&before, Value::Text(it) if **it == *text) {
            before = Value::text(text);
        }
        host.work.set_metadata(idx, key.clone(), before.clone())?;
    }
    Ok(())
}

/// The same key as one of the few that were seen last, or one that is seen from now on.
fn shared_key(keys: &mut Vec<Bytes>, key: &[u8]) -> Bytes {
    if SHARED_KEY_BYTES_MAX < key.len() {
        return Bytes::copy_from_slice(key);
    }
    if let Some(known) = keys.iter().find(|it| it.as_ref() == key) {
        return known.clone();
    }
    let key = Bytes::copy_from_slice(key);
    if keys.len() < SHARED_KEYS_MAX {
        keys.push(key.clone());
    }
    key
}

/// An error when the host would copy more for the guest than the guest can take: escapes make a text several times as
/// long as the value.
fn check_copy(host: &Host, bytes: usize) -> wasmtime::Result<()> {
    if host.shared.copy_limit() < bytes {
        return Err(mistake(format!("all of it is {bytes} bytes, more than the guest's memory may have")));
    }
    Ok(())
}

/// How many leading messages of `messages` one call gets, by the lane's pace. A guest that does not read contents is
/// not bounded by what it would read.
pub(crate) fn n_for_call(messages: &[Message], pace: &Pace) -> usize {
    let n_max = pace.n_messages();
    if !pace.reads() {
        return n_max.min(messages.len());
    }
    let mut bytes = 0;
    let fitting = messages.iter().take(n_max).take_while(|it| {
        bytes += it.content_size();
        bytes <= CALL_BYTES_MAX
    });
    fitting.count().max(1)
}

/// What lifting the results of a call may cost the host, in bytes: what messages may become, or as much as came in, where
/// the guest has the memory for that. A list that names the same bytes again and again is not worth more.
///
/// Lifting does not look at the time, so this is what bounds it.
pub(crate) fn fuel(messages: &[Message], output_limit: usize, copy_limit: usize) -> usize {
    let bytes: usize = messages.iter().map(Message::size).sum();
    output_limit.max(bytes.min(copy_limit)).saturating_add(CALL_OVERHEAD_BYTES)
}

/// Does to the messages of a call what the guest says. Whether the instance may go on.
pub(crate) fn apply(host: &mut Host, first: usize, dispositions: Vec<WitDisposition>) -> bool {
    let mut is_sound = true;
    let work = &mut host.work;
    for (idx, disposition) in (first..).zip(dispositions) {
        let disposition = match disposition {
            WitDisposition::Keep => continue,
            WitDisposition::Filter => Disposition { is_replaced: true, ..Disposition::default() },
            WitDisposition::Content(content) => match work.check_output(idx, content.len()) {
                Ok(()) => {
                    let message = &mut work.run.messages[idx];
                    work.run.growth.grown += content.len().saturating_sub(message.content_size());
                    message.set_content(content.into());
                    continue;
                }
                Err(stop) => too_large(&stop),
            },
            WitDisposition::Send(messages) => match work.messages_of(idx, messages) {
                Ok((emitted, grown)) => {
                    work.run.growth.grown += grown;
                    Disposition { emitted, is_replaced: true, ..Disposition::default() }
                }
                Err(stop) => too_large(&stop),
            },
            WitDisposition::Fail(reason) => {
                let err = CallError::new(Kind::Fail, reason_of(reason.as_bytes()));
                Disposition { failed: Some(err), ..Disposition::default() }
            }
        };
        if let Some(err) = &disposition.failed {
            work.restore_one(idx);
            is_sound &= err.kind() == Kind::Fail;
        }
        work.run.dispose(idx, disposition);
    }
    work.keep_changes();
    is_sound
}

fn too_large(stop: &Stop) -> Disposition {
    let kind = if matches!(stop, Stop::Output(_)) { Kind::Output } else { Kind::HostCall };
    Disposition { failed: Some(CallError::new(kind, stop.to_string())), ..Disposition::default() }
}

fn to_wit(value: &Value) -> WitValue {
    match value {
        Value::Text(text) => match str::from_utf8(text) {
            Ok(text) => WitValue::Text(text.to_string()),
            Err(_) => WitValue::Bytes(text.to_vec()),
        },
        Value::Bytes(bytes) => WitValue::Bytes(bytes.to_vec()),
        other => WitValue::Json(other.to_json()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_share_the_first_few_keys() {
        let mut keys = Vec::new();
        let names: Vec<String> = (0..SHARED_KEYS_MAX + 1).map(|it| format!("key {it}")).collect();
        let first: Vec<Bytes> = names.iter().map(|it| shared_key(&mut keys, it.as_bytes())).collect();
        let again: Vec<Bytes> = names.iter().map(|it| shared_key(&mut keys, it.as_bytes())).collect();
        assert_eq!(first, again);
        let is_shared = |idx: usize| first[idx].as_ptr() == again[idx].as_ptr();
        assert!((0..SHARED_KEYS_MAX).all(is_shared));
        assert!(!is_shared(SHARED_KEYS_MAX), "no more are kept than a change is compared with");
        let (long, mut keys) = ([b'k'; SHARED_KEY_BYTES_MAX + 1], Vec::new());
        assert_eq!(shared_key(&mut keys, &long), long[..]);
        assert!(keys.is_empty());
    }

    /// A list may name the same bytes for each of many large messages.
    #[test]
    fn results_are_taken_over_as_far_as_the_guest_has_memory_for_them() {
        let messages = vec![Message::new(vec![b'x'; 1 << 20]); 200];
        let size = messages[0].size();
        let fuel = |n: usize, output_limit: usize, copy_limit: usize| {
            fuel(&messages[..n], output_limit, copy_limit) - CALL_OVERHEAD_BYTES
        };
        assert_eq!(fuel(1, 100, 128 << 20), size, "it may be as large as it was");
        assert_eq!(fuel(200, 100, 32 << 20), 32 << 20);
        assert_eq!(fuel(200, 64 << 20, 32 << 20), 64 << 20);
    }
}
