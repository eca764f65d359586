//! Tier v0: the four host functions of Bento, to the letter (compatibility reference, sections 1.3 to 1.6).
//!
//! A mistake of the guest in one of them fails the message, never the call: the function returns 0 and the guest goes
//! on. Only what no guest may survive, the deadline say, ends the call.

use bytes::Bytes;
use wappa_message::Value;
use wasmtime::{AsContextMut, Caller, Memory, StoreContextMut};

use crate::{
    host::Host,
    host::error::Stop,
    host::exports::{allocate, deallocate},
    host::functions::Functions,
    host::memory::{range, range_mut},
    interface::V0_MODULES,
};

/// Provides the functions.
pub(crate) fn link(functions: &mut Functions) -> wasmtime::Result<()> {
    for module in V0_MODULES {
        functions.add(module, "v0_msg_as_bytes", as_bytes)?;
        functions.add(module, "v0_msg_set_bytes", set_bytes)?;
        functions.add(module, "v0_msg_get_meta", get_meta)?;
        functions.add(module, "v0_msg_set_meta", set_meta)?;
    }
    Ok(())
}

fn as_bytes(mut caller: Caller<'_, Host>) -> wasmtime::Result<u64> {
    let mut ctx = caller.as_context_mut();
    if !ctx.data().has_message("v0_msg_as_bytes") {
        return Ok(0);
    }
    let memory = memory(&ctx)?;
    ctx.data_mut().work.print_content()?;
    let bytes = ctx.data().work.content().len();
    let Some(pointer) = allocate_for(&mut ctx, bytes)? else { return Ok(0) };
    let (data, host) = memory.data_and_store_mut(&mut ctx);
    // The allocator may have been as bold as to set the content meanwhile.
    match range_mut(data, pointer, bytes).filter(|_| host.work.content().len() == bytes) {
        Some(target) => target.copy_from_slice(host.work.content()),
        None => return Ok(no_room(host)),
    }
    Ok(pack(pointer, bytes))
}

fn set_bytes(mut caller: Caller<'_, Host>, pointer: u32, bytes: u32) -> wasmtime::Result<()> {
    let mut ctx = caller.as_context_mut();
    if !ctx.data().has_message("v0_msg_set_bytes") {
        return Ok(());
    }
    let (data, host) = memory(&ctx)?.data_and_store_mut(&mut ctx);
    let Some(content) = range(data, pointer, bytes as usize) else {
        host.fail_softly("failed to read out-bound memory: prevented read");
        return Ok(());
    };
    host.work.set_content(content)?;
    deallocate(&mut ctx, pointer, bytes)
}

fn get_meta(mut caller: Caller<'_, Host>, key_pointer: u32, key_bytes: u32) -> wasmtime::Result<u64> {
    let mut ctx = caller.as_context_mut();
    if !ctx.data().has_message("v0_msg_get_meta") {
        return Ok(0);
    }
    let memory = memory(&ctx)?;
    let (data, host) = memory.data_and_store_mut(&mut ctx);
    let Some(key) = range(data, key_pointer, key_bytes as usize) else {
        host.fail_softly("failed to read out-bound meta key memory: prevented read");
        return Ok(0);
    };
    let value = match host.work.metadata(host.work.at).get(key) {
        // Of what the guest cannot take anyhow no text is made.
        Some(value) if data.len() < value.text_len() && host.shared.limits.memory < value.text_len() => None,
        Some(value) => Some(value.to_text()),
        None => Some(Bytes::new()),
    };
    deallocate(&mut ctx, key_pointer, key_bytes)?;
    let Some(value) = value else { return Ok(no_room(ctx.data_mut())) };
    let Some(pointer) = allocate_for(&mut ctx, value.len())? else { return Ok(0) };
    let (data, host) = memory.data_and_store_mut(&mut ctx);
    match range_mut(data, pointer, value.len()) {
        Some(target) => target.copy_from_slice(&value),
        None => return Ok(no_room(host)),
    }
    Ok(pack(pointer, value.len()))
}

fn set_meta(
    mut caller: Caller<'_, Host>,
    key_pointer: u32,
    key_bytes: u32,
    value_pointer: u32,
    value_bytes: u32,
) -> wasmtime::Result<()> {
    let mut ctx = caller.as_context_mut();
    if !ctx.data().has_message("v0_msg_set_meta") {
        return Ok(());
    }
    // The key goes back before the value is read: a guest can tell the difference.
    let Some(key) = take_text(&mut ctx, key_pointer, key_bytes, "key")? else { return Ok(()) };
    let Some(value) = take_text(&mut ctx, value_pointer, value_bytes, "value")? else { return Ok(()) };
    let work = &mut ctx.data_mut().work;
    Ok(work.set_metadata(work.at, key, Value::Text(value.into()))?)
}

/// Copies a text out of the guest and gives its memory back.
fn take_text(
    ctx: &mut StoreContextMut<'_, Host>,
    pointer: u32,
    bytes: u32,
    what: &str,
) -> wasmtime::Result<Option<Bytes>> {
    let (data, host) = memory(ctx)?.data_and_store_mut(&mut *ctx);
    let Some(text) = range(data, pointer, bytes as usize) else {
        host.fail_softly(format!("failed to read out-bound meta {what} memory: prevented read"));
        return Ok(None);
    };
    host.work.check_texts(text.len())?;
    let text = Bytes::copy_from_slice(text);
    deallocate(ctx, pointer, bytes)?;
    Ok(Some(text))
}

#[inline]
fn allocate_for(ctx: &mut StoreContextMut<'_, Host>, bytes: usize) -> wasmtime::Result<Option<u32>> {
    match u32::try_from(bytes) {
        Ok(bytes) => allocate(ctx, bytes),
        Err(_) => {
            let text =
                format!("failed to allocate in-bound memory: {bytes} bytes are more than a guest can have");
            ctx.data_mut().fail_softly(text);
            Ok(None)
        }
    }
}

#[inline]
fn memory(ctx: &StoreContextMut<'_, Host>) -> Result<Memory, Stop> {
    ctx.data().exports.memory.ok_or(Stop::HostCall("the module has no memory".into()))
}

#[cold]
fn no_room(host: &mut Host) -> u64 {
    host.fail_softly("failed to allocate in-bound memory: failed to write in-bound memory");
    0
}

/// Pointer and length as one number. The length fitted 32 bits when it was allocated.
#[inline]
fn pack(pointer: u32, bytes: usize) -> u64 {
    (u64::from(pointer) << 32) | bytes as u64
}
