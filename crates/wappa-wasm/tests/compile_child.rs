//! Compiling in a child process: what comes back, and what stops a child that takes too much or does not answer.
//!
//! This program is its own child: it runs itself with an argument that says how to behave.
//! It has no usual harness, because a child's standard output belongs to its answer.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use libtest_mimic::{Arguments, Failed, Trial};
use wappa_wasm::{Budget, ChildCompiler, Compile, CompileError, child_main, precompile};

const CHILD: &str = "--as-a-child=";

/// A limit that a test does not mean to reach, on a machine however busy.
const AMPLE: Duration = Duration::from_secs(300);

fn main() -> ExitCode {
    if let Some(behavior) = std::env::args().nth(1).and_then(|it| it.strip_prefix(CHILD).map(str::to_owned)) {
        return be_a_child(&behavior);
    }
    // One at a time: each looks for children that it left behind.
    let args = Arguments { test_threads: Some(1), ..Arguments::from_args() };
    let trials = vec![
        Trial::test("code_comes_back", code_comes_back),
        Trial::test("a_reason_comes_back", a_reason_comes_back),
        Trial::test("large_modules_and_large_code", large_modules_and_large_code),
        Trial::test("processor_time_is_limited", processor_time_is_limited),
        Trial::test("time_is_limited", time_is_limited),
        Trial::test("memory_is_limited", memory_is_limited),
        Trial::test("children_that_do_not_answer", children_that_do_not_answer),
        Trial::test("children_that_die", children_that_die),
        Trial::test("children_that_answer_nonsense", children_that_answer_nonsense),
        Trial::test("shutdown_interrupts", shutdown_interrupts),
        Trial::test("a_program_that_is_not_there", a_program_that_is_not_there),
    ];
    libtest_mimic::run(&args, trials).exit_code()
}

/// The child's side.
fn be_a_child(behavior: &str) -> ExitCode {
    match behavior {
        "compile" => child_main(|wasm| precompile(wasm).map_err(|err| err.to_string())),
        "echo" => child_main(|wasm| Ok(wasm.iter().rev().copied().collect())),
        "refuse" => child_main(|_| Err("no such\nthing".to_owned())),
        "refuse-memory" => child_main(|_| Err("mmap: Cannot allocate memory (os error 12)".to_owned())),
        "allocate" => child_main(|_| Ok(vec![1; 3 << 30])),
        "panic" => child_main(|_| panic!("the compiler has a bug")),
        "abort" => child_main(|_| std::process::abort()),
        "stall" => child_main(|_| stall()),
        "stall-unread" => stall(),
        "flood-stderr" => child_main(|_| {
            loop {
                std::io::stderr().write_all(&[b'x'; 1 << 16]).expect("the parent reads");
            }
        }),
        "complain" => child_main(|wasm| {
            for n in 0..20_000 {
                eprintln!("complaint {n}");
            }
            Ok(wasm.to_vec())
        }),
        "exit" => {
            eprintln!("first\n\x1b[31mcannot go on\n");
            ExitCode::from(7)
        }
        "flood" => answer(&[b'y'; 1 << 20]),
        "truncate" => answer(b"wappaca1\0\x09\0\0\0\0\0\0\0code"),
        "too-much" => answer(b"wappaca1\0\xff\xff\xff\xff\xff\xff\xff\x7fcode"),
        other => panic!("no such behavior: {other}"),
    }
}

fn stall() -> ! {
    loop {
        std::thread::park();
    }
}

/// Takes the request and answers with these bytes.
fn answer(bytes: &[u8]) -> ExitCode {
    std::io::stdin().read_to_end(&mut Vec::new()).expect("a request");
    // The parent may have hung up, having seen enough.
    let _ = std::io::stdout().write_all(bytes);
    ExitCode::SUCCESS
}

fn compiler(behavior: &str, budget: Budget) -> ChildCompiler {
    let program = std::env::current_exe().expect("this program has a path");
    ChildCompiler::new(program, vec![OsString::from(format!("{CHILD}{behavior}"))], budget)
}

fn ample() -> Budget {
    Budget { cpu: AMPLE, wall: AMPLE, memory: 2 << 30 }
}

/// Compiles, and sees to it that no child is left behind, running or dead.
fn compile(compiler: &ChildCompiler, wasm: &[u8]) -> Result<Vec<u8>, CompileError> {
    let result = compiler.compile(wasm);
    let left = rustix::process::wait(rustix::process::WaitOptions::NOHANG);
    assert_eq!(left.err(), Some(rustix::io::Errno::CHILD), "a child was left behind");
    result
}

fn check_error(behavior: &str, budget: Budget, expected: &str) -> Result<(), Failed> {
    let err = compile(&compiler(behavior, budget), b"module").err().ok_or("there was code")?.to_string();
    if err == expected { Ok(()) } else { Err(format!("got `{err}`, expected `{expected}`").into()) }
}

/// Code that looks harmless: a thousand locals, all alive across every one of many branches.
fn bomb(branches: usize) -> Vec<u8> {
    let mut wat = "(module (func (export \"process\") (param i32) (result i32) (local".to_owned();
    wat += &" i32".repeat(1000);
    wat += ")\n";
    for n in 0..branches {
        let (a, b) = (1 + n % 1000, 1 + (n * 7 + 3) % 1000);
        writeln!(wat, "(if (local.get 0) (then (local.set {a} (i32.add (local.get {a}) (local.get {b})))))")
            .expect("writing to a string succeeds");
    }
    wat += "local.get 0";
    for n in 1..=1000 {
        write!(wat, " local.get {n} i32.add").expect("writing to a string succeeds");
    }
    wat::parse_str(wat + "))").expect("the bomb is valid text")
}

fn code_comes_back() -> Result<(), Failed> {
    let wasm = wat::parse_str("(module (func (export \"process\")))")?;
    let code = compile(&compiler("compile", ample()), &wasm)?;
    let is_code = wasmtime::Engine::detect_precompiled(&code);
    if is_code.is_some() { Ok(()) } else { Err("what came back is no code".into()) }
}

fn a_reason_comes_back() -> Result<(), Failed> {
    check_error("refuse", ample(), "no such thing")?;
    check_error(
        "refuse-memory",
        ample(),
        "compiling took more than 2048MiB of memory (limit `--compile-memory-limit`)",
    )?;
    let err = compile(&compiler("compile", ample()), b"no module").err().ok_or("there was code")?;
    if matches!(err, CompileError::Refused(_)) { Ok(()) } else { Err(format!("{err:?}").into()) }
}

/// More than the pipes hold, in both directions, with a child that also complains a lot.
fn large_modules_and_large_code() -> Result<(), Failed> {
    let wasm: Vec<u8> = (0..9_000_000_u32).map(|n| (n % 251) as u8).collect();
    let reversed: Vec<u8> = wasm.iter().rev().copied().collect();
    if compile(&compiler("echo", ample()), &wasm)? != reversed {
        return Err("the code came back changed".into());
    }
    if compile(&compiler("complain", ample()), &wasm)? != wasm {
        return Err("the code came back changed".into());
    }
    Ok(())
}

fn processor_time_is_limited() -> Result<(), Failed> {
    let budget = Budget { cpu: Duration::from_secs(1), ..ample() };
    let err = compile(&compiler("compile", budget), &bomb(40_000)).err().ok_or("there was code")?.to_string();
    let expected = "compiling took more than 1s of processor time (limit `--compile-cpu-limit`)";
    if err == expected { Ok(()) } else { Err(err.into()) }
}

fn time_is_limited() -> Result<(), Failed> {
    let budget = Budget { wall: Duration::from_millis(300), ..ample() };
    let err = compile(&compiler("compile", budget), &bomb(40_000)).err().ok_or("there was code")?.to_string();
    let expected = "compiling took more than 300ms (limit `--compile-time-limit`)";
    if err == expected { Ok(()) } else { Err(err.into()) }
}

fn memory_is_limited() -> Result<(), Failed> {
    let expected = "compiling took more than 64MiB of memory (limit `--compile-memory-limit`)";
    check_error("allocate", Budget { memory: 64 << 20, ..ample() }, expected)
}

fn children_that_do_not_answer() -> Result<(), Failed> {
    let budget = Budget { wall: Duration::from_millis(200), ..ample() };
    for behavior in ["stall", "stall-unread", "flood-stderr"] {
        check_error(behavior, budget, "compiling took more than 200ms (limit `--compile-time-limit`)")?;
    }
    // One that does not take the module either, and one that hangs up and goes on.
    let unread = compile(&compiler("stall-unread", budget), &vec![0; 1 << 20]);
    let script = ["-c", "exec >&- 2>&-; exec sleep 1000"].map(OsString::from).to_vec();
    let closed = compile(&ChildCompiler::new("/bin/sh".into(), script, budget), b"module");
    for result in [unread, closed] {
        if result != Err(CompileError::TimeLimit(budget.wall)) {
            return Err(format!("{result:?}").into());
        }
    }
    Ok(())
}

fn children_that_die() -> Result<(), Failed> {
    check_error("exit", ample(), "the compiler process ended with exit code 7:  [31mcannot go on")?;
    check_error("panic", ample(), "the compiler process ended with exit code 101: the compiler has a bug")?;
    check_error("abort", ample(), "the compiler process ended with signal 6")
}

fn children_that_answer_nonsense() -> Result<(), Failed> {
    check_error("flood", ample(), "the compiler process answered with something else than code")?;
    check_error("truncate", ample(), "the compiler process ended with exit code 0")?;
    check_error("too-much", ample(), "the compiler process answered with more code than memory was granted")
}

fn shutdown_interrupts() -> Result<(), Failed> {
    let flag = Arc::new(AtomicBool::new(false));
    let compiler = compiler("stall", ample()).interrupted_by(Arc::clone(&flag));
    let result = std::thread::scope(|scope| {
        let running = scope.spawn(|| compile(&compiler, b"module"));
        flag.store(true, Ordering::Relaxed);
        running.join().expect("compiling does not panic")
    });
    if result != Err(CompileError::Interrupted) {
        return Err(format!("{result:?}").into());
    }
    let again = compile(&compiler, b"module");
    if again == Err(CompileError::Interrupted) { Ok(()) } else { Err(format!("{again:?}").into()) }
}

fn a_program_that_is_not_there() -> Result<(), Failed> {
    let compiler = ChildCompiler::new("/no/such/program".into(), vec![], ample());
    let err = compile(&compiler, b"module").err().ok_or("there was code")?.to_string();
    let expected = "running the compiler process `/no/such/program`: No such file or directory (os error 2)";
    if err == expected { Ok(()) } else { Err(err.into()) }
}
