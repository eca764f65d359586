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
use wappa_wasm::compile::{Answer, child_main_with};
use wappa_wasm::inspect::{Limits, Verdict};
use wappa_wasm::{Budget, ChildCompiler, Compile, CompileError, child_main};

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
        Trial::test("the_world_is_out_of_reach", the_world_is_out_of_reach),
        Trial::test("a_module_is_looked_into", a_module_is_looked_into),
        Trial::test("validating_is_limited", validating_is_limited),
        Trial::test("lines_of_the_source_come_back", lines_of_the_source_come_back),
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
        "compile" => child_main(),
        "echo" => child_main_with(|_, file| Answer::Made(file.iter().rev().copied().collect())),
        "refuse" => child_main_with(|_, _| Answer::Refused("no such\nthing".to_owned())),
        "refuse-memory" => {
            child_main_with(|_, _| Answer::Refused("mmap: Cannot allocate memory (os error 12)".to_owned()))
        }
        "world" => {
            // Opened before it gives up all that opens something; what is in it is made when it is read.
            let status = std::fs::File::open("/proc/self/status").expect("the system tells");
            child_main_with(|_, _| Answer::Made(world(&status).into_bytes()))
        }
        "allocate" => child_main_with(|_, _| Answer::Made(vec![1; 3 << 30])),
        "panic" => child_main_with(|_, _| panic!("the compiler has a bug")),
        "abort" => child_main_with(|_, _| std::process::abort()),
        "stall" => child_main_with(|_, _| stall()),
        "stall-unread" => stall(),
        "flood-stderr" => child_main_with(|_, _| {
            loop {
                std::io::stderr().write_all(&[b'x'; 1 << 16]).expect("the parent reads");
            }
        }),
        "complain" => child_main_with(|_, file| {
            for n in 0..20_000 {
                eprintln!("complaint {n}");
            }
            Answer::Made(file.to_vec())
        }),
        "exit" => {
            eprintln!("first\n\x1b[31mcannot go on\n");
            ExitCode::from(7)
        }
        "flood" => answer(&[b'y'; 1 << 20]),
        "truncate" => answer(b"wappaca2\0\x09\0\0\0\0\0\0\0code"),
        "too-much" => answer(b"wappaca2\0\xff\xff\xff\xff\xff\xff\xff\x7fcode"),
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
    if matches!(err, CompileError::Unfit(_)) { Ok(()) } else { Err(format!("{err:?}").into()) }
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

/// What a child can do beside its work: a line for each way out, and whether it is open.
fn world(mut status: &std::fs::File) -> String {
    let mut told = String::new();
    status.read_to_string(&mut told).expect("it is text");
    let names: Vec<String> =
        std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned()).collect();
    let dir = std::env::temp_dir();
    let tried = [
        (
            "environment",
            names.iter().any(|it| !["RAYON_NUM_THREADS", "RUST_BACKTRACE"].contains(&it.as_str())),
        ),
        ("read a file", std::fs::File::open("/etc/passwd").is_ok()),
        ("read itself", std::fs::read("/proc/self/exe").is_ok()),
        ("make a file", std::fs::write(dir.join("wappa-child"), "x").is_ok()),
        ("connect", std::net::TcpStream::connect("127.0.0.1:9").is_err_and(|it| is_out_of_descriptors(&it))),
        ("listen", std::net::UdpSocket::bind("127.0.0.1:0").is_ok()),
        ("run a program", std::process::Command::new("/bin/true").status().is_ok()),
        ("gain rights", !told.lines().any(|it| it == "NoNewPrivs:\t1")),
    ];
    tried.map(|(name, is_open)| format!("{name}: {is_open}\n")).concat()
}

/// Only this says that nobody was asked at all.
fn is_out_of_descriptors(err: &std::io::Error) -> bool {
    err.raw_os_error() == Some(rustix::io::Errno::MFILE.raw_os_error())
}

fn the_world_is_out_of_reach() -> Result<(), Failed> {
    let told = String::from_utf8(compile(&compiler("world", ample()), b"module")?)?;
    let expected = "environment: false\nread a file: false\nread itself: false\nmake a file: false\nconnect: true\n\
                    listen: false\nrun a program: false\ngain rights: false\n";
    if told == expected { Ok(()) } else { Err(told.into()) }
}

fn a_module_is_looked_into() -> Result<(), Failed> {
    let child = compiler("compile", ample());
    for file in
        ["(module)", "(module (memory 1) (memory 1))", "(module (func $f (export \"process\")))", "(", "x"]
    {
        let limits = Limits::default();
        let here = Verdict::of(file.as_bytes(), "process", &limits);
        let there = child.inspect(file.as_bytes(), "process", &limits)?;
        if here != there {
            return Err(format!("{here:?}\n{there:?}").into());
        }
    }
    let ended = compiler("abort", ample()).inspect(b"module", "process", &Limits::default());
    let expected = Err("the process that read it ended with signal 6".to_owned());
    if ended == expected { Ok(()) } else { Err(format!("{ended:?}").into()) }
}

/// A few bytes for each of many branches to many labels with many results.
fn validation_bomb() -> Vec<u8> {
    let results = "i32 ".repeat(1000);
    let values = "i32.const 0 ".repeat(1000);
    let labels = "0 ".repeat(20_000);
    let body =
        format!("(block (result {results}) {values} i32.const 0 br_table {labels}) {}", "drop ".repeat(1000));
    wat::parse_str(format!("(module (func (export \"process\") {}))", body.repeat(40))).expect("it is text")
}

fn validating_is_limited() -> Result<(), Failed> {
    let budget = Budget { wall: Duration::from_millis(200), ..ample() };
    let found = compiler("compile", budget).inspect(&validation_bomb(), "process", &Limits::default());
    let expected = Err("reading it took more than 200ms (limit `--compile-time-limit`)".to_owned());
    if found == expected { Ok(()) } else { Err(format!("{found:?}").into()) }
}

/// A module with debug sections which say that all of it is line 7 of `guest.c`, and where its code is.
fn with_lines() -> Result<(Vec<u8>, u64), Failed> {
    let mut module = wat::parse_str(r#"(module (func (export "process") unreachable))"#)?;
    let code = wasmparser::Parser::new(0).parse_all(&module).find_map(|it| match it {
        Ok(wasmparser::Payload::CodeSectionStart { range, .. }) => Some(range.start as u64),
        _ => None,
    });
    // One compile unit: a low and a high address, and where its lines are.
    let abbreviations = [1, 0x11, 0, 0x11, 0x01, 0x12, 0x06, 0x10, 0x17, 0, 0, 0];
    let unit = [&[4, 0, 0, 0, 0, 0, 4, 1][..], &[0; 4], &[0, 0x10, 0, 0], &[0; 4]].concat();
    // From the header's length on: the shape of opcodes, no directory, one file; then to line 7 and to the end.
    let header =
        [&[1, 1, 1, 0xfb, 14, 13, 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1, 0][..], b"guest.c\0\0\0\0\0"].concat();
    let program = [0, 5, 2, 0, 0, 0, 0, 3, 6, 1, 2, 0x80, 0x20, 0, 1, 1];
    let length = |bytes: &[u8]| (bytes.len() as u32).to_le_bytes();
    let lines = [&[4, 0][..], &length(&header), &header, &program].concat();
    for (name, data) in [
        (".debug_abbrev", abbreviations.to_vec()),
        (".debug_info", [&length(&unit)[..], &unit].concat()),
        (".debug_line", [&length(&lines)[..], &lines].concat()),
    ] {
        let section = wasm_encoder::CustomSection { name: name.into(), data: data.into() };
        wasm_encoder::Section::append_to(&section, &mut module);
    }
    Ok((module, code.ok_or("it has code")?))
}

fn lines_of_the_source_come_back() -> Result<(), Failed> {
    let child = compiler("compile", ample());
    let (module, code) = with_lines()?;
    let lines = child.source_lines(&module, &[code + 2, 0])?;
    if lines != Some(vec![vec!["guest.c:7".to_owned()], vec![]]) {
        return Err(format!("{lines:?}").into());
    }
    let none = child.source_lines(b"(module)", &[0])?;
    if none.is_some() {
        return Err(format!("{none:?}").into());
    }
    // What ends that process, or takes it too long, ends no other.
    let ended = compiler("abort", ample()).source_lines(&module, &[0]);
    let expected = Err("the process that read it ended with signal 6".to_owned());
    if ended == expected { Ok(()) } else { Err(format!("{ended:?}").into()) }
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
    check_error("flood", ample(), "the compiler process answered with something else than an answer")?;
    check_error("truncate", ample(), "the compiler process ended with exit code 0")?;
    check_error("too-much", ample(), "the compiler process answered with more than memory was granted")
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
    let expected = "running the compiler process `/no/such/program`: no such file or directory";
    if err == expected { Ok(()) } else { Err(err.into()) }
}
