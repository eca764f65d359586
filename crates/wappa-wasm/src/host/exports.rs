//! The guest's exports that the host uses: looked up once, when an instance is made.
//!
//! A `TypedFunc` is never cloned per call, since a clone touches counters that every thread of the process shares. It
//! is taken out of the store for the time of its call; a call that nests inside it goes the slow way.

use std::fmt;

use wasmtime::{
    AsContextMut, Func, Instance, Memory, StoreContextMut, TypedFunc, Val, ValType, WasmParams, WasmResults,
};

use crate::{
    host::Host,
    host::error::{Stop, is_stop, is_trap, trap_reason},
};

/// A host function calls the guest's allocator, which calls a host function, and so on: how far that may go.
const DEPTH_MAX: u32 = 16;

/// What the host needs of an instance.
#[derive(Debug, Default)]
pub(crate) struct Exports {
    pub(crate) memory: Option<Memory>,
    allocate: Option<Callee<u32, u32>>,
    free: Option<Callee<u32, ()>>,
    deallocate: Option<Callee<(u32, u32), ()>>,
    /// Whether the first block that the allocator gave lies at address 0, as the first one of Kotlin's does. With any other
    /// allocator 0 means that there is no memory.
    begins_at_zero: Option<bool>,
    depth: u32,
    /// How many of these calls are under way, one inside of the other.
    under_way: u32,
}

/// The names of the pair that this guest's memory is managed with. See the compatibility reference, section 1.5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Allocator {
    pub(crate) allocate: Option<&'static str>,
    pub(crate) free: bool,
    pub(crate) deallocate: bool,
}

impl Allocator {
    /// Picks the pair. Where both pairs are whole, `allocate` and `deallocate` win, and `free` is not handed pointers
    /// that `malloc` never saw; where one is whole, that one; otherwise everything there is, as Bento does.
    pub(crate) fn pick(has: impl Fn(&str) -> bool) -> Allocator {
        let (malloc, free, allocate, deallocate) =
            (has("malloc"), has("free"), has("allocate"), has("deallocate"));
        if malloc && allocate {
            if deallocate || !free {
                return Allocator { allocate: Some("allocate"), free: false, deallocate };
            }
            return Allocator { allocate: Some("malloc"), free, deallocate };
        }
        let name = if allocate { Some("allocate") } else { malloc.then_some("malloc") };
        Allocator { allocate: name, free, deallocate }
    }
}

struct Callee<P, R> {
    func: Func,
    /// Absent while it runs, and when the guest's function has another type.
    typed: Option<TypedFunc<P, R>>,
}

impl<P, R> fmt::Debug for Callee<P, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callee").field("typed", &self.typed.is_some()).finish_non_exhaustive()
    }
}

impl Exports {
    /// Looks everything up.
    pub(crate) fn bind(
        mut store: impl AsContextMut<Data = Host>,
        instance: &Instance,
        memory: Option<&str>,
        allocator: Allocator,
    ) -> Exports {
        let mut find = |name: &str| instance.get_func(&mut store, name);
        let allocate = allocator.allocate.and_then(&mut find);
        let free = if allocator.free { find("free") } else { None };
        let deallocate = if allocator.deallocate { find("deallocate") } else { None };
        Exports {
            memory: memory.and_then(|name| instance.get_memory(&mut store, name)),
            allocate: allocate.map(|func| Callee::new(&store, func)),
            free: free.map(|func| Callee::new(&store, func)),
            deallocate: deallocate.map(|func| Callee::new(&store, func)),
            begins_at_zero: None,
            depth: 0,
            under_way: 0,
        }
    }

    /// Whether the host has called the guest for memory, or to give it back, and that call is under way.
    pub(crate) fn is_under_way(&self) -> bool {
        0 < self.under_way
    }
}

impl<P: WasmParams, R: WasmResults> Callee<P, R> {
    fn new(store: impl wasmtime::AsContext<Data = Host>, func: Func) -> Callee<P, R> {
        Callee { func, typed: func.typed(store).ok() }
    }
}

/// Asks the guest for memory. `None`: it could not, which is recorded.
#[inline]
pub(crate) fn allocate(ctx: &mut StoreContextMut<'_, Host>, bytes: u32) -> wasmtime::Result<Option<u32>> {
    let Some(callee) = &mut ctx.data_mut().exports.allocate else {
        return Err(Stop::HostCall("the module exports neither `malloc` nor `allocate`".into()).into());
    };
    let (func, typed) = (callee.func, callee.typed.take());
    ctx.data_mut().exports.under_way += 1;
    let result = match typed {
        Some(typed) => {
            let result = typed.call(&mut *ctx, bytes);
            if let Some(callee) = &mut ctx.data_mut().exports.allocate {
                callee.typed = Some(typed);
            }
            result
        }
        None => call_untyped(ctx, func, &[bytes]).map(|it| it.unwrap_or(0)),
    };
    ctx.data_mut().exports.under_way -= 1;
    let was_refused = ctx.data().limiter.was_refused();
    if let Ok(pointer) = result
        && 0 < bytes
        && ctx.data().exports.begins_at_zero.is_none()
    {
        ctx.data_mut().exports.begins_at_zero = Some(pointer == 0 && was_refused.is_none());
    }
    match result {
        Ok(0) if 0 < bytes && (ctx.data().exports.begins_at_zero == Some(false) || was_refused.is_some()) => {
            let why = match was_refused {
                Some(limit) => format!(" after {} was reached", limit.name()),
                None => String::new(),
            };
            let text = format!(
                "failed to allocate in-bound memory: the allocator returned 0 for {bytes} bytes{why}"
            );
            ctx.data_mut().fail_softly(text);
            Ok(None)
        }
        Ok(pointer) => {
            if ctx.data().exports.free.is_some() {
                ctx.data_mut().free_later(pointer)?;
            }
            Ok(Some(pointer))
        }
        Err(error) if is_stop(&error) => Err(error),
        Err(error) => {
            forget_exception(ctx);
            let host = ctx.data_mut();
            host.spent |= is_trap(&error);
            host.fail_softly(format!("failed to allocate in-bound memory: {}", trap_reason(&error)));
            Ok(None)
        }
    }
}

/// The guest goes on after an exception that its allocator did not catch, so nothing is to hold on to it.
#[cold]
fn forget_exception(ctx: &mut StoreContextMut<'_, Host>) {
    let _ = ctx.take_pending_exception();
}

/// Gives memory back that the guest handed out. A failure is ignored, as in Bento, but ends the instance.
#[inline]
pub(crate) fn deallocate(
    ctx: &mut StoreContextMut<'_, Host>,
    pointer: u32,
    bytes: u32,
) -> wasmtime::Result<()> {
    let Some(callee) = &mut ctx.data_mut().exports.deallocate else { return Ok(()) };
    let (func, typed) = (callee.func, callee.typed.take());
    ctx.data_mut().exports.under_way += 1;
    let result = match typed {
        Some(typed) => {
            let result = typed.call(&mut *ctx, (pointer, bytes));
            if let Some(callee) = &mut ctx.data_mut().exports.deallocate {
                callee.typed = Some(typed);
            }
            result
        }
        None => call_untyped(ctx, func, &[pointer, bytes]).map(drop),
    };
    ctx.data_mut().exports.under_way -= 1;
    match result {
        Err(error) if is_stop(&error) => Err(error),
        Err(error) => {
            forget_exception(ctx);
            if is_trap(&error) {
                ctx.data_mut().spent = true;
            }
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

/// Frees what was allocated for the host in this call.
#[inline]
pub(crate) fn free_all(ctx: &mut StoreContextMut<'_, Host>) -> wasmtime::Result<()> {
    let mut next = 0;
    while let Some(&pointer) = ctx.data().frees.get(next) {
        next += 1;
        let Some(callee) = &mut ctx.data_mut().exports.free else { break };
        let (func, typed) = (callee.func, callee.typed.take());
        ctx.data_mut().exports.under_way += 1;
        let result = match typed {
            Some(typed) => {
                let result = typed.call(&mut *ctx, pointer);
                if let Some(callee) = &mut ctx.data_mut().exports.free {
                    callee.typed = Some(typed);
                }
                result
            }
            None => call_untyped(ctx, func, &[pointer]).map(drop),
        };
        ctx.data_mut().exports.under_way -= 1;
        match result {
            Ok(()) => {}
            Err(error) if is_stop(&error) => return Err(error),
            Err(error) => {
                forget_exception(ctx);
                let host = ctx.data_mut();
                let trapped = is_trap(&error);
                host.spent |= trapped;
                host.fail_softly(format!("failed to free in-bound memory: {}", trap_reason(&error)));
                if trapped {
                    // Nothing more can be asked of a guest that trapped.
                    break;
                }
            }
        }
    }
    ctx.data_mut().frees.clear();
    Ok(())
}

/// Calls a guest function whatever its type; the first result when it is a whole number. Where the guest wants 64 bits it
/// gets them, as in Bento.
#[cold]
fn call_untyped(
    ctx: &mut StoreContextMut<'_, Host>,
    func: Func,
    numbers: &[u32],
) -> wasmtime::Result<Option<u32>> {
    let depth = &mut ctx.data_mut().exports.depth;
    if *depth == DEPTH_MAX {
        wasmtime::bail!("the guest's allocator calls itself through host functions");
    }
    *depth += 1;
    let ty = func.ty(&*ctx);
    let mut wanted = ty.params();
    let params = numbers.iter().map(|it| match wanted.next() {
        Some(ValType::I64) => Val::I64(i64::from(*it)),
        _ => Val::I32(it.cast_signed()),
    });
    let params: Vec<Val> = params.collect();
    let mut results = vec![Val::I32(0); ty.results().len()];
    let outcome = func.call(&mut *ctx, &params, &mut results);
    ctx.data_mut().exports.depth -= 1;
    outcome?;
    Ok(match results.first() {
        Some(Val::I32(it)) => Some(it.cast_unsigned()),
        // A pointer beyond 32 bits leads nowhere.
        Some(Val::I64(it)) => Some(u32::try_from(*it).unwrap_or(u32::MAX)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_pair_is_picked() {
        let cases = [
            ("", None, false, false),
            ("malloc free", Some("malloc"), true, false),
            ("allocate deallocate", Some("allocate"), false, true),
            ("malloc free allocate deallocate", Some("allocate"), false, true),
            ("malloc free allocate", Some("malloc"), true, false),
            ("malloc allocate deallocate", Some("allocate"), false, true),
            ("malloc allocate", Some("allocate"), false, false),
            ("malloc deallocate", Some("malloc"), false, true),
            ("allocate free", Some("allocate"), true, false),
            ("free", None, true, false),
        ];
        for (names, allocate, free, deallocate) in cases {
            let picked = Allocator::pick(|name| names.split(' ').any(|it| it == name));
            assert_eq!(picked, Allocator { allocate, free, deallocate }, "{names}");
        }
    }
}
