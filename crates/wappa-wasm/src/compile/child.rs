//! The child's side: limits on itself first, then one piece of work.

use std::io;
use std::process::ExitCode;

#[cfg(target_os = "linux")]
use landlock::{Access as _, RulesetAttr as _};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::{
    CompileError,
    wire::{Answer, Question, Request, write_answer},
};
use crate::{compile::compiler::precompile, compile::source_lines::source_lines, inspect::Verdict};

/// What one thread may map beside the memory that it uses: its stack, and the address space that its allocator
/// sets aside (64 MiB with glibc).
const THREAD_OVERHEAD_BYTES: u64 = 66 << 20;

/// How long after the warning signal of the processor limit the kernel kills.
const CPU_GRACE_SECONDS: u64 = 5;

/// The body of the hidden command that [`super::ChildCompiler`] runs: reads a module from standard input, limits
/// this process, takes from it what it does not need, does what it was asked for, and answers over standard output.
pub fn child_main() -> ExitCode {
    child_main_with(answer)
}

/// The same with other answers, for tests.
#[doc(hidden)]
pub fn child_main_with(work: impl Fn(&Question, &[u8]) -> Answer) -> ExitCode {
    let result =
        die_with_parent().and_then(|()| Request::read(&mut io::stdin().lock())).and_then(|request| {
            limit(&request)?;
            give_up()?;
            write_answer(&mut io::stdout().lock(), &work(&request.question, &request.file))
        });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => {
            eprintln!("working for the parent process: {err}");
            ExitCode::FAILURE
        }
    }
}

fn answer(question: &Question, file: &[u8]) -> Answer {
    match question {
        // The engine is made here, within the limits, and allocates on demand: a pool would ask for more address space
        // than they leave.
        Question::Compile => match precompile(file) {
            Ok(code) => Answer::Made(code),
            Err(CompileError::Unfit(reason)) => Answer::Unfit(reason),
            Err(err) => Answer::Refused(err.to_string()),
        },
        Question::Inspect { function, limits } => {
            Answer::Made(Verdict::of(file, function, limits).to_json().into_bytes())
        }
        Question::SourceLines { offsets } => match source_lines(file, offsets) {
            Ok(lines) => Answer::Made(serde_json::Value::from(lines).to_string().into_bytes()),
            Err(reason) => Answer::Refused(reason),
        },
    }
}

/// Nothing that is done here needs a file, the network or another program: whoever takes this process over by a flaw of
/// a parser or of the compiler has none of them.
fn give_up() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        // What needs no descriptor, such as to remove or to run a file; and no program gives more rights than these. A
        // kernel that does not know the first part does the second all the same.
        let accesses = landlock::AccessFs::from_all(landlock::ABI::V5);
        let ruleset = landlock::Ruleset::default().handle_access(accesses);
        ruleset.and_then(|it| it.create()?.restrict_self()).map_err(io::Error::other)?;
    }
    // Last, since the above needs one: no descriptor can be made, whatever it would be for, and no file can grow.
    set(Resource::Nofile, 0, 0)?;
    set(Resource::Fsize, 0, 0)?;
    Ok(())
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
