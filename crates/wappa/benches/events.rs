//! What is too rare for a stream of many messages: a trap with its replacement instance, and a deadline.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use wappa_message::Message;
use wappa_wasm::{Engine, EngineConfig, Guest, GuestConfig, Limits, Module, spawn_thread};

use crate::{Result, cases::yardstick, measure::Bench, process::median};

const CALLS: u32 = 2_000_000;
const TRAPS: u32 = 20_000;
const DEADLINES: u32 = 30;
const TIMEOUT: Duration = Duration::from_millis(50);
const ROUNDS: usize = 7;

/// Medians of rounds, and the latest of all deadlines.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Events {
    pub(crate) empty_ns: f64,
    /// A trap, the instance dropped, the next one made.
    pub(crate) trap_ns: f64,
    pub(crate) late_ms_median: f64,
    pub(crate) late_ms_max: f64,
}

/// Measures in a process of its own, so that this one stays small: a child's peak memory begins with its parent's.
pub(crate) fn measure(bench: &Bench<'_>) -> Result<Events> {
    let mut command = yardstick("events")?;
    command.arg(bench.places().guest("events.wasm"));
    let output = command.output()?;
    if !output.status.success() {
        return Err(format!("measuring events: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let text = String::from_utf8(output.stdout)?;
    let values: Vec<f64> = text.split_whitespace().map(str::parse).collect::<std::result::Result<_, _>>()?;
    match values[..] {
        [empty_ns, trap_ns, late_ms_median, late_ms_max] => {
            Ok(Events { empty_ns, trap_ns, late_ms_median, late_ms_max })
        }
        _ => Err("measuring events: no values".into()),
    }
}

/// The other side of [`measure`].
#[expect(clippy::print_stdout, reason = "that is how the values come out of the process")]
pub(crate) fn run(module: &Path) -> Result<()> {
    let module = fs::read(module)?;
    let events = spawn_thread("events", move || all(&module))?;
    let it = events.join().map_err(|_| "measuring panicked")??;
    println!("{} {} {} {}", it.empty_ns, it.trap_ns, it.late_ms_median, it.late_ms_max);
    Ok(())
}

fn all(module: &[u8]) -> Result<Events> {
    let engine = Engine::new(EngineConfig::default())?;
    let module = Module::new(&engine, module)?;
    let guest = |function: &str, timeout| {
        let limits = Limits { timeout, ..Limits::default() };
        let function = function.to_string();
        Guest::new(&engine, &module, GuestConfig { function, limits, ..GuestConfig::default() })
    };
    let long = Duration::from_secs(10);
    let (empty, trap, forever) = (guest("empty", long)?, guest("trap", long)?, guest("forever", TIMEOUT)?);
    let mut empties = Vec::new();
    let mut traps = Vec::new();
    for _ in 0..ROUNDS {
        empties.push(empty_call(&engine, &empty)?);
        traps.push(trap_and_replacement(&engine, &trap)?);
    }
    let mut late = Vec::new();
    for _ in 0..DEADLINES {
        late.push(lateness(&engine, &forever)?);
    }
    Ok(Events {
        empty_ns: median(empties.into_iter()),
        trap_ns: median(traps.into_iter()),
        late_ms_median: median(late.iter().copied()),
        late_ms_max: late.into_iter().fold(f64::MIN, f64::max),
    })
}

fn empty_call(engine: &Engine, guest: &Guest) -> Result<f64> {
    let mut instance = guest.instantiate(Instant::now() + Duration::from_secs(10))?;
    let mut message = Message::new("x");
    let ctx = engine.enter()?;
    let begun = Instant::now();
    for _ in 0..CALLS {
        instance.call(&mut message, &ctx)?;
    }
    Ok(begun.elapsed().as_nanos() as f64 / f64::from(CALLS))
}

fn trap_and_replacement(engine: &Engine, guest: &Guest) -> Result<f64> {
    let deadline = Instant::now() + Duration::from_secs(100);
    let mut instance = guest.instantiate(deadline)?;
    let mut message = Message::new("x");
    let ctx = engine.enter()?;
    let begun = Instant::now();
    for _ in 0..TRAPS {
        if instance.call(&mut message, &ctx).is_ok() {
            return Err("the guest did not trap".into());
        }
        drop(instance);
        instance = guest.instantiate(deadline)?;
    }
    Ok(begun.elapsed().as_nanos() as f64 / f64::from(TRAPS))
}

/// Milliseconds after the deadline.
fn lateness(engine: &Engine, guest: &Guest) -> Result<f64> {
    let mut instance = guest.instantiate(Instant::now() + Duration::from_secs(10))?;
    let mut message = Message::new("x");
    let ctx = engine.enter()?;
    let begun = Instant::now();
    if instance.call(&mut message, &ctx).is_ok() {
        return Err("the guest came to an end".into());
    }
    Ok((begun.elapsed().as_secs_f64() - TIMEOUT.as_secs_f64()) * 1e3)
}
