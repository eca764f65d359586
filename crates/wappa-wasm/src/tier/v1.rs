//! Tier v1: the functions of import module `wappa`.
//!
//! A function that returns data gets a buffer and its capacity and returns the whole length; what does not fit is not
//! written at all. A pointer out of range, or a key that is not UTF-8, is a mistake of the guest's author: it ends the
//! call, and with it fails the message. Where a length or a capacity is 0 the pointer is not looked at.

use std::{
    str,
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use wappa_message::Value;
use wasmtime::{AsContextMut, Caller};

use crate::{
    host::Host,
    host::error::Stop,
    host::exports::free_all,
    host::functions::Functions,
    host::memory::{range, range_mut},
    host::metrics::check_name,
    host::work::{Phase, Work},
    interface::Level,
    interface::V1_MODULE,
    wasi::preview1::find_memory,
};

/// A longer key is looked for as it is, valid or not: finding out takes time, and hardly any is there.
const KEY_BYTES_READ: usize = 1 << 20;

/// What is returned for something that is not there.
const ABSENT: u32 = u32::MAX;

/// Provides the functions.
pub(crate) fn link(functions: &mut Functions) -> wasmtime::Result<()> {
    functions.add(V1_MODULE, "v1_content_len", content_len)?;
    functions.add(V1_MODULE, "v1_content_read", content_read)?;
    functions.add(V1_MODULE, "v1_content_write", content_write)?;
    functions.add(V1_MODULE, "v1_meta_get", meta_get)?;
    functions.add(V1_MODULE, "v1_meta_get_json", meta_get_json)?;
    functions.add(V1_MODULE, "v1_meta_set", meta_set)?;
    functions.add(V1_MODULE, "v1_meta_set_json", meta_set_json)?;
    functions.add(V1_MODULE, "v1_meta_delete", meta_delete)?;
    functions.add(V1_MODULE, "v1_meta_keys", meta_keys)?;
    functions.add(V1_MODULE, "v1_error_get", error_get)?;
    functions.add(V1_MODULE, "v1_error_clear", error_clear)?;
    functions.add(V1_MODULE, "v1_emit", emit)?;
    functions.add(V1_MODULE, "v1_filter", filter)?;
    functions.add(V1_MODULE, "v1_fail", fail)?;
    functions.add(V1_MODULE, "v1_next", next)?;
    functions.add(V1_MODULE, "v1_batch_index", batch_index)?;
    functions.add(V1_MODULE, "v1_batch_len", batch_len)?;
    functions.add(V1_MODULE, "v1_config_get", config_get)?;
    functions.add(V1_MODULE, "v1_log", log)?;
    functions.add(V1_MODULE, "v1_counter_add", counter_add)?;
    functions.add(V1_MODULE, "v1_now", now)?;
    functions.add(V1_MODULE, "v1_random", random)?;
    Ok(())
}

fn content_len(mut caller: Caller<'_, Host>) -> wasmtime::Result<u32> {
    let host = caller.data_mut();
    check_phase(host, "v1_content_len")?;
    host.work.print_content()?;
    Ok(host.work.content().len() as u32)
}

fn content_read(
    mut caller: Caller<'_, Host>,
    offset: u32,
    pointer: u32,
    capacity: u32,
) -> wasmtime::Result<u32> {
    let (data, host) = memory(&mut caller, "v1_content_read")?;
    check_phase(host, "v1_content_read")?;
    host.work.print_content()?;
    let content = host.work.content();
    let rest = content.get(offset as usize..).unwrap_or_default();
    let n = rest.len().min(capacity as usize);
    let Some(target) = slice_mut(data, pointer, n) else {
        return Err(out_of_range("v1_content_read", "the buffer"));
    };
    target.copy_from_slice(&rest[..n]);
    Ok(n as u32)
}

fn content_write(mut caller: Caller<'_, Host>, pointer: u32, bytes: u32) -> wasmtime::Result<()> {
    let (data, host) = memory(&mut caller, "v1_content_write")?;
    check_phase(host, "v1_content_write")?;
    let content = slice(data, pointer, bytes, "v1_content_write", "the content")?;
    Ok(host.work.set_content(content)?)
}

fn meta_get(
    caller: Caller<'_, Host>,
    key_pointer: u32,
    key_bytes: u32,
    pointer: u32,
    capacity: u32,
) -> wasmtime::Result<u32> {
    let place = Place { pointer: key_pointer, bytes: key_bytes, function: "v1_meta_get" };
    get(caller, &place, pointer, capacity, false)
}

fn meta_get_json(
    caller: Caller<'_, Host>,
    key_pointer: u32,
    key_bytes: u32,
    pointer: u32,
    capacity: u32,
) -> wasmtime::Result<u32> {
    let place = Place { pointer: key_pointer, bytes: key_bytes, function: "v1_meta_get_json" };
    get(caller, &place, pointer, capacity, true)
}

/// Where a key is, and which function asks.
struct Place {
    pointer: u32,
    bytes: u32,
    function: &'static str,
}

fn get(
    mut caller: Caller<'_, Host>,
    place: &Place,
    pointer: u32,
    capacity: u32,
    is_json: bool,
) -> wasmtime::Result<u32> {
    let (data, host) = memory(&mut caller, place.function)?;
    check_phase(host, place.function)?;
    let key = key(data, place.pointer, place.bytes, place.function)?;
    let Some(value) = host.work.metadata(host.work.at).get(key) else { return Ok(ABSENT) };
    if let Value::Text(text) = value
        && !is_json
    {
        return answer(data, pointer, capacity, text, place.function);
    }
    // Escapes make a text several times as long as the value: it is written where it belongs, or not at all.
    let bytes = if is_json { value.json_len() } else { value.text_len() };
    if bytes <= capacity as usize {
        let Some(target) = slice_mut(data, pointer, bytes) else {
            return Err(out_of_range(place.function, "the buffer"));
        };
        match is_json {
            true => value.write_json_into(target),
            false => value.write_text_into(target),
        }
    }
    Ok(bytes as u32)
}

fn meta_set(
    caller: Caller<'_, Host>,
    key_pointer: u32,
    key_bytes: u32,
    value_pointer: u32,
    value_bytes: u32,
) -> wasmtime::Result<()> {
    let place = Place { pointer: key_pointer, bytes: key_bytes, function: "v1_meta_set" };
    set(caller, &place, value_pointer, value_bytes, |work, text| {
        work.check_texts(text.len())?;
        Ok(Ok(Value::text(text)))
    })
}

fn meta_set_json(
    caller: Caller<'_, Host>,
    key_pointer: u32,
    key_bytes: u32,
    value_pointer: u32,
    value_bytes: u32,
) -> wasmtime::Result<()> {
    let place = Place { pointer: key_pointer, bytes: key_bytes, function: "v1_meta_set_json" };
    set(caller, &place, value_pointer, value_bytes, Work::parse)
}

fn set(
    mut caller: Caller<'_, Host>,
    place: &Place,
    value_pointer: u32,
    value_bytes: u32,
    value: impl FnOnce(&mut Work, &[u8]) -> Result<Result<Value, String>, Stop>,
) -> wasmtime::Result<()> {
    let function = place.function;
    let (data, host) = memory(&mut caller, function)?;
    check_phase(host, function)?;
    let key = slice(data, place.pointer, place.bytes, function, "the key")?;
    let text = slice(data, value_pointer, value_bytes, function, "the value")?;
    host.work.check_texts(key.len())?;
    if str::from_utf8(key).is_err() {
        return Err(not_text(function));
    }
    let key = Bytes::copy_from_slice(key);
    let value = value(&mut host.work, text)?
        .map_err(|why| mistake(format!("`{function}`: the value is not JSON: {why}")))?;
    let at = host.work.at;
    Ok(host.work.set_metadata(at, key, value)?)
}

fn meta_delete(mut caller: Caller<'_, Host>, key_pointer: u32, key_bytes: u32) -> wasmtime::Result<u32> {
    const NAME: &str = "v1_meta_delete";
    let (data, host) = memory(&mut caller, NAME)?;
    check_phase(host, NAME)?;
    let key = key(data, key_pointer, key_bytes, NAME)?;
    let at = host.work.at;
    Ok(u32::from(host.work.delete_metadata(at, key)?))
}

fn meta_keys(mut caller: Caller<'_, Host>, pointer: u32, capacity: u32) -> wasmtime::Result<u32> {
    const NAME: &str = "v1_meta_keys";
    let (data, host) = memory(&mut caller, NAME)?;
    check_phase(host, NAME)?;
    let metadata = host.work.metadata(host.work.at);
    let bytes: usize = metadata.iter().map(|(key, _)| 4 + key.len()).sum();
    if bytes <= capacity as usize {
        let Some(mut target) = slice_mut(data, pointer, bytes) else {
            return Err(out_of_range(NAME, "the buffer"));
        };
        for (key, _) in metadata.iter() {
            let (entry, rest) = target.split_at_mut(4 + key.len());
            entry[..4].copy_from_slice(&(key.len() as u32).to_le_bytes());
            entry[4..].copy_from_slice(key);
            target = rest;
        }
    }
    Ok(bytes as u32)
}

fn error_get(mut caller: Caller<'_, Host>, pointer: u32, capacity: u32) -> wasmtime::Result<u32> {
    const NAME: &str = "v1_error_get";
    let (data, host) = memory(&mut caller, NAME)?;
    check_phase(host, NAME)?;
    match host.work.error(host.work.at) {
        Some(mark) => answer(data, pointer, capacity, mark.as_str().as_bytes(), NAME),
        None => Ok(ABSENT),
    }
}

fn error_clear(mut caller: Caller<'_, Host>) -> wasmtime::Result<()> {
    let host = caller.data_mut();
    check_phase(host, "v1_error_clear")?;
    host.work.clear_error(host.work.at);
    Ok(())
}

fn emit(mut caller: Caller<'_, Host>) -> wasmtime::Result<()> {
    let host = caller.data_mut();
    check_phase(host, "v1_emit")?;
    Ok(host.work.emit()?)
}

fn filter(mut caller: Caller<'_, Host>) -> wasmtime::Result<()> {
    let host = caller.data_mut();
    check_phase(host, "v1_filter")?;
    host.work.filter();
    Ok(())
}

fn fail(mut caller: Caller<'_, Host>, pointer: u32, bytes: u32) -> wasmtime::Result<()> {
    let (data, host) = memory(&mut caller, "v1_fail")?;
    check_phase(host, "v1_fail")?;
    let reason = slice(data, pointer, bytes, "v1_fail", "the reason")?;
    host.work.fail_with(reason_of(reason));
    Ok(())
}

/// The most that is kept of a reason, in bytes.
const REASON_BYTES_MAX: usize = 4 << 10;

/// A guest's reason: text, of a bounded length.
pub(crate) fn reason_of(reason: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(&reason[..reason.len().min(REASON_BYTES_MAX)]).into_owned();
    if REASON_BYTES_MAX < reason.len() {
        text.push('…');
    }
    if text.trim().is_empty() { "the guest gave no reason".into() } else { text }
}

fn next(mut caller: Caller<'_, Host>) -> wasmtime::Result<u32> {
    check_phase(caller.data(), "v1_next")?;
    if caller.data().exports.is_under_way() {
        // The host is in the middle of the message that would be finished.
        return Err(mistake("`v1_next` inside of the guest's allocator".into()));
    }
    if !caller.data().frees.is_empty() {
        // A guest that mixes v0 and v1: what the host had allocated for this message goes with it.
        free_all(&mut caller.as_context_mut())?;
    }
    let host = caller.data_mut();
    host.work.finish();
    if host.spent || host.work.run.limit <= host.work.run.next || host.is_due() {
        host.work.phase = Phase::End;
        return Ok(ABSENT);
    }
    host.begin();
    Ok(1)
}

fn batch_index(caller: Caller<'_, Host>) -> wasmtime::Result<u32> {
    let host = caller.data();
    check_phase(host, "v1_batch_index")?;
    Ok(host.work.run.position(host.work.at).0)
}

fn batch_len(caller: Caller<'_, Host>) -> wasmtime::Result<u32> {
    let host = caller.data();
    check_phase(host, "v1_batch_len")?;
    Ok(host.work.run.position(host.work.at).1)
}

fn config_get(
    mut caller: Caller<'_, Host>,
    key_pointer: u32,
    key_bytes: u32,
    pointer: u32,
    capacity: u32,
) -> wasmtime::Result<u32> {
    const NAME: &str = "v1_config_get";
    let (data, host) = memory(&mut caller, NAME)?;
    let key = key(data, key_pointer, key_bytes, NAME)?;
    match host.shared.config.iter().find(|(it, _)| it.as_bytes() == key) {
        Some((_, value)) => answer(data, pointer, capacity, value.as_bytes(), NAME),
        None => Ok(ABSENT),
    }
}

fn log(mut caller: Caller<'_, Host>, level: u32, pointer: u32, bytes: u32) -> wasmtime::Result<()> {
    let (data, host) = memory(&mut caller, "v1_log")?;
    let Some(level) = Level::from_number(level) else {
        return Err(mistake(format!("`v1_log`: there is no level {level}: 0 is trace, 4 is error")));
    };
    host.output.log_text(level, slice(data, pointer, bytes, "v1_log", "the text")?);
    Ok(())
}

fn counter_add(mut caller: Caller<'_, Host>, pointer: u32, bytes: u32, delta: i64) -> wasmtime::Result<()> {
    const NAME: &str = "v1_counter_add";
    let (data, host) = memory(&mut caller, NAME)?;
    let name = slice(data, pointer, bytes, NAME, "the name")?;
    let name = check_name(name).map_err(|why| mistake(format!("`{NAME}`: {why}")))?;
    let Ok(delta) = u64::try_from(delta) else {
        return Err(mistake(format!("`{NAME}`: a counter only goes up, not by {delta}")));
    };
    host.output.count(name, delta);
    Ok(())
}

fn now(_: Caller<'_, Host>) -> wasmtime::Result<i64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(i64::try_from(now.as_nanos()).unwrap_or(i64::MAX))
}

fn random(mut caller: Caller<'_, Host>, pointer: u32, bytes: u32) -> wasmtime::Result<()> {
    let (data, host) = memory(&mut caller, "v1_random")?;
    let Some(target) = slice_mut(data, pointer, bytes as usize) else {
        return Err(out_of_range("v1_random", "the buffer"));
    };
    Ok(host.fill_randomly(target)?)
}

/// An error unless there is a message to work on.
#[inline]
fn check_phase(host: &Host, function: &str) -> wasmtime::Result<()> {
    match host.work.phase {
        Phase::Message => Ok(()),
        phase => Err(no_message(phase, function)),
    }
}

#[cold]
fn no_message(phase: Phase, function: &str) -> wasmtime::Error {
    mistake(match phase {
        Phase::End => format!("`{function}` after `v1_next` has said that there is no other message"),
        _ => format!("`{function}` outside of a message"),
    })
}

#[cold]
fn mistake(text: String) -> wasmtime::Error {
    Stop::HostCall(text.into()).into()
}

#[cold]
fn out_of_range(function: &str, what: &str) -> wasmtime::Error {
    mistake(format!("`{function}`: {what} is outside of the guest's memory"))
}

/// The guest's memory and the data of its store.
#[inline]
fn memory<'a>(
    caller: &'a mut Caller<'_, Host>,
    function: &str,
) -> wasmtime::Result<(&'a mut [u8], &'a mut Host)> {
    match find_memory(caller) {
        Some(memory) => Ok(memory.data_and_store_mut(caller)),
        None => Err(mistake(format!("`{function}`: the module has no memory"))),
    }
}

#[inline]
fn slice<'a>(
    data: &'a [u8],
    pointer: u32,
    bytes: u32,
    function: &str,
    what: &str,
) -> wasmtime::Result<&'a [u8]> {
    if bytes == 0 {
        return Ok(&[]);
    }
    range(data, pointer, bytes as usize).ok_or_else(|| out_of_range(function, what))
}

#[inline]
fn slice_mut(data: &mut [u8], pointer: u32, bytes: usize) -> Option<&mut [u8]> {
    if bytes == 0 {
        return Some(&mut []);
    }
    range_mut(data, pointer, bytes)
}

/// A key to look for.
fn key<'a>(data: &'a [u8], pointer: u32, bytes: u32, function: &str) -> wasmtime::Result<&'a [u8]> {
    let key = slice(data, pointer, bytes, function, "the key")?;
    if KEY_BYTES_READ < key.len() || str::from_utf8(key).is_ok() {
        return Ok(key);
    }
    Err(not_text(function))
}

#[cold]
fn not_text(function: &str) -> wasmtime::Error {
    mistake(format!("`{function}`: the key is not UTF-8"))
}

/// Writes a value if it fits, and returns its length.
fn answer(
    data: &mut [u8],
    pointer: u32,
    capacity: u32,
    value: &[u8],
    function: &str,
) -> wasmtime::Result<u32> {
    if value.len() <= capacity as usize {
        let Some(target) = slice_mut(data, pointer, value.len()) else {
            return Err(out_of_range(function, "the buffer"));
        };
        target.copy_from_slice(value);
    }
    Ok(value.len() as u32)
}
