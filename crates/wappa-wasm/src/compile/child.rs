//! The child's side: limits on itself first, then one compilation.

use std::io;
use std::process::ExitCode;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::wire::{Request, write_answer};

/// What one thread may map beside the memory that it uses: its stack, and the address space that its allocator
/// sets aside (64 MiB with glibc).
const THREAD_OVERHEAD_BYTES: u64 = 66 << 20;

/// How long after the warning signal of the processor limit the kernel kills.
const CPU_GRACE_SECONDS: u64 = 5;

/// The body of the hidden command that [`super::ChildCompiler`] runs: reads a module from standard input, limits
/// this process, calls `compile` and answers over standard output.
///
/// `compile` must make its engine itself, after this function has set the limits, and one that allocates on demand:
/// a pool would ask for more address space than the limit leaves.
pub fn child_main(compile: impl Fn(&[u8]) -> Result<Vec<u8>, String>) -> ExitCode {
    let result =
        die_with_parent().and_then(|()| Request::read(&mut io::stdin().lock())).and_then(|request| {
            limit(&request)?;
            write_answer(&mut io::stdout().lock(), &compile(&request.wasm))
        });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => {
            eprintln!("compiling for the parent process: {err}");
            ExitCode::FAILURE
        }
    }
}

/// A parent that is killed cannot stop its child any more.
fn die_with_parent() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    Ok(())
}

fn limit(request: &Request) -> io::Result<()> {
    set(Resource::Core, 0, 0)?;
    set(Resource::Cpu, request.cpu_seconds, request.cpu_seconds.saturating_add(CPU_GRACE_SECONDS))?;
    let overhead = request.threads.saturating_mul(THREAD_OVERHEAD_BYTES);
    let memory = mapped_bytes().saturating_add(request.memory_bytes).saturating_add(overhead);
    set(Resource::As, memory, memory)
}

/// Lowers a limit; one that is lower already stays.
fn set(resource: Resource, soft: u64, hard: u64) -> io::Result<()> {
    let maximum = getrlimit(resource).maximum;
    let at_most = |limit: u64| Some(maximum.map_or(limit, |maximum| maximum.min(limit)));
    Ok(setrlimit(resource, Rlimit { current: at_most(soft), maximum: at_most(hard) })?)
}

/// The address space that this process has mapped already, its own program for the most part.
fn mapped_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kibibytes = status
        .lines()
        .find_map(|line| line.strip_prefix("VmSize:")?.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    // Where the system does not say, more than any program maps.
    kibibytes.map_or(4 << 30, |n| n * 1024)
}
