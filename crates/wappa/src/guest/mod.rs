//! The tools for a guest's author: `call`, `bench`, `new` and `dev`.

mod bench;
mod bench_report;
mod call;
mod dev;
pub(crate) mod ending;
mod fixtures;
pub(crate) mod input;
mod json;
mod language;
mod new;
mod options;
mod places;
mod project;
pub(crate) mod records;
mod session;
pub(crate) mod text;
mod toolchain;

pub(crate) use bench::{BenchArguments, bench};
pub(crate) use call::{CallArguments, call};
pub(crate) use dev::{DevArguments, dev};
pub(crate) use new::{NewArguments, new};

use std::{
    io::{self, ErrorKind, Write},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use wappa_spec::Size;
use wappa_wasm::{ChildCompiler, Engine, EngineConfig, Level};

use crate::{
    compiling::{self, CompileOptions, Keeping},
    environment::Environment,
    wasm,
};

/// Why a command ends early.
#[derive(Debug)]
enum Stop {
    /// What is to be said on standard error.
    Said(String),
    /// Nobody reads standard output any more, which is no mistake.
    NotRead,
}

impl From<String> for Stop {
    fn from(text: String) -> Stop {
        Stop::Said(text)
    }
}

impl From<io::Error> for Stop {
    fn from(err: io::Error) -> Stop {
        match err.kind() {
            ErrorKind::BrokenPipe => Stop::NotRead,
            _ => Stop::Said(format!("writing to standard output: {}", wappa_component::cause(&err))),
        }
    }
}

/// What guests are called with by hand.
struct Host {
    /// For one guest. What was compiled is kept as for streams.
    engine: Engine,
    /// Who reads modules.
    reader: ChildCompiler,
}

fn host(
    before: CompileOptions,
    behind: &CompileOptions,
    guest_memory_limit: Option<Size>,
) -> Result<Host, String> {
    compiling::tell_of_slow_build();
    let options = before.merged(behind);
    let mut config = EngineConfig::default();
    config.instances = 1;
    if let Some(limit) = guest_memory_limit {
        config.guest_memory = usize::try_from(limit.bytes()).unwrap_or(usize::MAX);
    }
    let reader = wasm::compiler(options.budget())?;
    config.compiler = Arc::new(reader.clone());
    if let Keeping::In(cache) = options.cache(&Environment::default()) {
        cache.log_to(|level, text| {
            if matches!(level, Level::Warn | Level::Error) {
                let _ = writeln!(io::stderr(), "{text}");
            }
        });
        config.cache = Some(cache);
    }
    let engine = Engine::new(config).map_err(|err| err.to_string())?;
    Ok(Host { engine, reader })
}

/// Runs a command where a guest can be called: on a thread whose stack is large enough for one.
fn on_thread(
    command: impl FnOnce(&mut dyn Write) -> Result<bool, Stop> + Send + 'static,
) -> Result<ExitCode, String> {
    let body = move || {
        let mut out = io::BufWriter::new(io::stdout());
        command(&mut out).and_then(|is_good| Ok(out.flush().map(|()| is_good)?))
    };
    let thread =
        wappa_wasm::spawn_thread("guest", body).map_err(|err| format!("starting a thread: {err}"))?;
    match thread.join() {
        Ok(Ok(true)) | Ok(Err(Stop::NotRead)) => Ok(ExitCode::SUCCESS),
        Ok(Ok(false)) => Ok(ExitCode::FAILURE),
        Ok(Err(Stop::Said(text))) => Err(text),
        // The panic was told already.
        Err(_) => Ok(ExitCode::FAILURE),
    }
}

/// A time for people: three digits and a unit.
pub(crate) fn time_text(time: Duration) -> String {
    let nanos = time.as_nanos();
    let (value, unit) = match nanos {
        0..1_000 => return format!("{nanos} ns"),
        1_000..1_000_000 => (nanos as f64 / 1e3, "µs"),
        1_000_000..1_000_000_000 => (nanos as f64 / 1e6, "ms"),
        _ => (nanos as f64 / 1e9, "s"),
    };
    format!("{} {unit}", three_digits(value))
}

/// A size for people: three digits and a unit.
fn size_text(bytes: u64) -> String {
    let (value, unit) = match bytes {
        0..1024 => return format!("{bytes} B"),
        1024..0x10_0000 => (bytes as f64 / 1024.0, "KiB"),
        0x10_0000..0x4000_0000 => (bytes as f64 / 1_048_576.0, "MiB"),
        _ => (bytes as f64 / 1_073_741_824.0, "GiB"),
    };
    format!("{} {unit}", three_digits(value))
}

fn three_digits(value: f64) -> String {
    let text = match value {
        ..10.0 => format!("{value:.2}"),
        ..100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    };
    match text.split_once('.') {
        Some((whole, fraction)) if fraction.bytes().all(|it| it == b'0') => whole.to_string(),
        _ => text,
    }
}

/// `1 message`, `2 messages`.
fn counted(n: usize, noun: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{n} {noun}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits() {
        let times = [0, 999, 1_000, 31_415, 999_400, 12_345_678, 90_000_000_000];
        let times = times.map(|it| time_text(Duration::from_nanos(it)));
        assert_eq!(times, ["0 ns", "999 ns", "1 µs", "31.4 µs", "999 µs", "12.3 ms", "90 s"]);
        let sizes = [0, 1023, 65536, 65537, 134_217_728, 5 << 30].map(size_text);
        assert_eq!(sizes, ["0 B", "1023 B", "64 KiB", "64 KiB", "128 MiB", "5 GiB"]);
    }
}
