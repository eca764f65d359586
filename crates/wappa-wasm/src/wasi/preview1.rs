//! WASI preview 1: what wasmtime-wasi provides, with our own calls where its calls would wait or end the process, or
//! take long.
//!
//! A guest sees what its config says and nothing else: no directory, no variable, no argument, no network. Standard
//! input is empty. Waiting ends at the deadline of the message or when the host shuts down.

mod calls;
mod files;
mod pieces;

pub(crate) use calls::PATH_BYTES_MAX;

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use wasmtime::{Caller, Extern, Memory};
use wasmtime_wasi::{FsPerms, HostMonotonicClock, WasiCtx, p1::WasiP1Ctx};

use crate::{
    host::Host,
    host::error::Stop,
    host::functions::Functions,
    host::log::{Output, Stream},
    host::memory::{range, range_mut},
    host::shared::Mount,
    interface::WASI_MODULE,
};

const ERRNO_SUCCESS: i32 = 0;
const ERRNO_FAULT: i32 = 21;
const ERRNO_INVAL: i32 = 28;

const CLOCK_REALTIME: u32 = 0;
const CLOCK_MONOTONIC: u32 = 1;

const TAG_CLOCK: u8 = 0;
const TAG_FD_READ: u8 = 1;
const TAG_FD_WRITE: u8 = 2;

/// More than any runtime waits for at once; each costs the host memory.
pub(crate) const SUBSCRIPTIONS_MAX: usize = 4096;

/// How many resources of WASI a component may have, files and pollables and streams together. Collectors drop late.
pub(crate) const RESOURCES_MAX: usize = 4096;

const SUBSCRIPTION_BYTES: usize = 48;
const EVENT_BYTES: usize = 32;

/// Monotonic time since the instance was made.
struct Monotonic(Instant);

impl HostMonotonicClock for Monotonic {
    fn resolution(&self) -> u64 {
        1
    }

    fn now(&self) -> u64 {
        nanos(self.0.elapsed())
    }
}

/// What one instance sees of the world.
pub(crate) fn context(
    env: &[(String, String)],
    args: &[String],
    mounts: &[Mount],
    output: &Arc<Output>,
    began: Instant,
) -> Result<WasiP1Ctx, (String, std::io::Error)> {
    let mut builder = WasiCtx::builder();
    builder.envs(env).args(args);
    builder.stdout(Stream::new(output, false));
    builder.stderr(Stream::new(output, true));
    builder.monotonic_clock(Monotonic(began));
    builder.allow_tcp(false).allow_udp(false).allow_ip_name_lookup(false);
    for mount in mounts {
        let perms = if mount.writable { FsPerms::ReadWrite } else { FsPerms::ReadOnly };
        builder
            .preopened_dir(&mount.host, &mount.guest, perms)
            .map_err(|err| (mount.host.display().to_string(), std::io::Error::other(err.to_string())))?;
    }
    Ok(builder.build_p1())
}

/// Provides the calls.
pub(crate) fn link(functions: &mut Functions) -> wasmtime::Result<()> {
    calls::link(functions)?;
    functions.add(WASI_MODULE, "poll_oneoff", poll_oneoff)?;
    functions.add(WASI_MODULE, "proc_exit", proc_exit)?;
    functions.add(WASI_MODULE, "random_get", random_get)
}

fn proc_exit(_: Caller<'_, Host>, code: u32) -> wasmtime::Result<()> {
    Err(Stop::Exit(code).into())
}

fn random_get(mut caller: Caller<'_, Host>, pointer: u32, bytes: u32) -> wasmtime::Result<i32> {
    let Some(memory) = find_memory(&mut caller) else { return Ok(ERRNO_FAULT) };
    let (data, host) = memory.data_and_store_mut(&mut caller);
    let Some(target) = range_mut(data, pointer, bytes as usize) else { return Ok(ERRNO_FAULT) };
    host.fill_randomly(target)?;
    Ok(ERRNO_SUCCESS)
}

/// What a guest waits for: a point in time, or a descriptor, which is always ready.
struct Subscription {
    userdata: [u8; 8],
    tag: u8,
    until: Option<Instant>,
}

fn poll_oneoff(
    mut caller: Caller<'_, Host>,
    subscriptions: u32,
    events: u32,
    count: u32,
    stored: u32,
) -> wasmtime::Result<i32> {
    if count == 0 || SUBSCRIPTIONS_MAX < count as usize {
        return Ok(ERRNO_INVAL);
    }
    let Some(memory) = find_memory(&mut caller) else { return Ok(ERRNO_FAULT) };
    let count = count as usize;
    let began = Instant::now();
    let monotonic = caller.data().began;
    let records = range(memory.data(&caller), subscriptions, count * SUBSCRIPTION_BYTES);
    let Some(records) = records else { return Ok(ERRNO_FAULT) };
    let subscriptions: Option<Vec<Subscription>> =
        records.as_chunks().0.iter().map(|it| read_subscription(it, began, monotonic)).collect();
    let Some(subscriptions) = subscriptions else { return Ok(ERRNO_INVAL) };

    let first = subscriptions.iter().map(|it| it.until.unwrap_or(began)).min().unwrap_or(began);
    wait(caller.data_mut(), first)?;
    let now = Instant::now().max(first);
    let data = memory.data_mut(&mut caller);
    let mut written = 0;
    for ready in subscriptions.iter().filter(|it| it.until.is_none_or(|it| it <= now)) {
        let mut event = [0; EVENT_BYTES];
        event[..8].copy_from_slice(&ready.userdata);
        event[10] = ready.tag;
        if ready.tag != TAG_CLOCK {
            event[16] = 1;
        }
        let Some(target) = range_mut(data, events, (written + 1) * EVENT_BYTES) else {
            return Ok(ERRNO_FAULT);
        };
        target[written * EVENT_BYTES..].copy_from_slice(&event);
        written += 1;
    }
    let Some(target) = range_mut(data, stored, 4) else { return Ok(ERRNO_FAULT) };
    target.copy_from_slice(&(written as u32).to_le_bytes());
    Ok(ERRNO_SUCCESS)
}

/// One record of the guest. `None`: a clock or a kind that does not exist.
fn read_subscription(
    record: &[u8; SUBSCRIPTION_BYTES],
    now: Instant,
    monotonic: Instant,
) -> Option<Subscription> {
    let number =
        |from: usize| u64::from_le_bytes(*record[from..].first_chunk().expect("inside of the record"));
    let until = match record[8] {
        TAG_CLOCK => {
            let timeout = Duration::from_nanos(number(24));
            let absolute = record[40] & 1 == 1;
            // What is too far away to be a point in time is as good as never: the deadline comes first.
            let never = now + Duration::from_secs(1 << 32);
            Some(match (number(16) as u32, absolute) {
                (CLOCK_REALTIME | CLOCK_MONOTONIC, false) => now.checked_add(timeout).unwrap_or(never),
                (CLOCK_MONOTONIC, true) => monotonic.checked_add(timeout).unwrap_or(never),
                (CLOCK_REALTIME, true) => {
                    let today = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                    now.checked_add(timeout.saturating_sub(today)).unwrap_or(never)
                }
                _ => return None,
            })
        }
        TAG_FD_READ | TAG_FD_WRITE => None,
        _ => return None,
    };
    Some(Subscription {
        userdata: *record.first_chunk().expect("inside of the record"),
        tag: record[8],
        until,
    })
}

/// Sleeps until then; an error when the deadline or a shutdown comes first.
fn wait(host: &mut Host, until: Instant) -> Result<(), Stop> {
    let deadline = host.deadline();
    let shared = &host.shared;
    let deadline = shared.clock.instant(deadline);
    shared.interrupt.sleep_until(until.min(deadline));
    if shared.interrupt.is_raised() {
        return Err(Stop::Interrupted);
    }
    if deadline < until {
        return Err(Stop::Timeout);
    }
    Ok(())
}

/// The guest's memory, also while its start section runs, before its exports were looked up.
#[inline]
pub(crate) fn find_memory(caller: &mut Caller<'_, Host>) -> Option<Memory> {
    match caller.data().exports.memory {
        Some(memory) => Some(memory),
        None => look_up_memory(caller),
    }
}

#[cold]
fn look_up_memory(caller: &mut Caller<'_, Host>) -> Option<Memory> {
    let shared = Arc::clone(&caller.data().shared);
    caller.get_export(shared.memory.as_deref()?).and_then(Extern::into_memory)
}

pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
