//! Hostile files against the inspection, the rewriting and the wrapping: nothing panics, and what was valid stays
//! valid.
//!
//! A seeded generator mutates modules and makes random ones, so that no special compiler is needed.
//! `WAPPA_FUZZ_SECONDS=60` runs for that long, `WAPPA_FUZZ_SEED=…` starts elsewhere; a failure prints the command
//! that repeats its case.

#[path = "support/ledger.rs"]
mod ledger;
#[path = "support/random.rs"]
mod random;
#[path = "support/world.rs"]
mod world;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::Ordering,
    time::Duration,
};

use wappa_spec::is_printable;
use wappa_wasm::inspect::{ACCEPTED_FEATURES, COMPONENT_FEATURES, Inspection, Limits, Tier, to_binary};
use wappa_wasm::rewrite::{MEMORY_EXPORT, export_memory, needs_rewrite};
use wasmparser::{Parser, Payload, Validator};

use ledger::{Bounds, Ledger, SEED, Spent, alone};
use random::{Budget, Random};
use world::{WIT, with_types};

const CASES: u64 = 4_000;

/// What is made of a file takes so many times its bytes at the most.
const BYTES_PER_BYTE: usize = 200;

/// The validator makes room for as many entries as a section says that it has, before it reads one of them: for each as
/// much as this. Nobody touches that room, so that it is no memory of the machine.
const ENTRY_BYTES: usize = 512;

/// How many entries the sections of a file say they have, as many as a validator believes.
fn entries(file: &[u8]) -> usize {
    let Ok(wasm) = to_binary(file) else { return 0 };
    let count = |payload: Payload<'_>| match payload {
        Payload::TypeSection(it) => it.count(),
        Payload::ImportSection(it) => it.count(),
        Payload::FunctionSection(it) => it.count(),
        Payload::TableSection(it) => it.count(),
        Payload::MemorySection(it) => it.count(),
        Payload::TagSection(it) => it.count(),
        Payload::GlobalSection(it) => it.count(),
        Payload::ExportSection(it) => it.count(),
        Payload::ElementSection(it) => it.count(),
        Payload::InstanceSection(it) => it.count(),
        Payload::CoreTypeSection(it) => it.count(),
        Payload::ComponentInstanceSection(it) => it.count(),
        Payload::ComponentTypeSection(it) => it.count(),
        Payload::ComponentCanonicalSection(it) => it.count(),
        Payload::ComponentExportSection(it) => it.count(),
        _ => 0,
    };
    let payloads = Parser::new(0).parse_all(&wasm).map_while(Result::ok);
    payloads.map(|it| (count(it) as usize).min(1 << 20)).sum()
}

/// Modules to start from: one for every section and every construct that the inspection looks at.
const SEEDS: [&str; 13] = [
    r#"(module $m (import "bento_wasm" "v0_msg_as_bytes" (func $read (result i64)))
        (memory 1 9) (func (export "process") (drop (call $read))) (data (i32.const 0) "hello"))"#,
    r#"(module (import "env" "abort" (func (param i32 i32 i32 i32))) (memory (export "memory") 1)
        (table (export "t") 2 8 funcref) (elem (i32.const 0) $f) (func $f (export "malloc") (param i32) (result i32)
        local.get 0))"#,
    r#"(module (memory 1) (global (export "wappa:memory") (mut i32) (i32.const 7)) (func $s) (start $s))"#,
    r#"(module (import "env" "memory" (memory 1 2)) (func (export "process")))"#,
    r#"(module (memory 1) (@custom ".debug_info" "0123") (@producers (language "C" "23")) (func $name
        (param $p i32) (local $l i64) block loop br_if 0 (local.get $p) end end))"#,
    r#"(module (memory 1 2 shared) (memory i64 1) (type (struct (field i32))) (tag) (table 1 externref))"#,
    "(module (func (result i32 i32) i32.const 1 i32.const 2) (func (param v128) (result v128) local.get 0))",
    "(module)",
    r#"(module (import "wasi_snapshot_preview1" "sched_yield" (func (result i32))) (memory (export "mem") 1))"#,
    r#"(module (import "wappa" "v1_content_len" (func (result i32))) (memory 1) (func (export "process"))
        (func (export "wappa_init") (result i32) i32.const 0))"#,
    PROCESSOR,
    r#"(component (import "wasi:cli/stdout@0.2.3" (instance (export "get-stdout" (func)))) (import "hello" (func))
        (component $inner (core module (memory 1)) (export "x" (func 0)) (import "f" (func)))
        (core module $m (func (export "f"))) (core instance $i (instantiate $m))
        (func $f (canon lift (core func $i "f"))) (instance $run (export "run" (func $f)))
        (export "wasi:cli/run@0.2.0" (instance $run)))"#,
    CORE_OF_COMPONENT,
];

/// A component with everything that the inspection looks at.
const PROCESSOR: &str = r#"(component $louder
    (type $types (instance
        (type $value' (variant (case "text" string) (case "bytes" (list u8)) (case "json" string)))
        (export "value" (type $value (eq $value')))
        (type $record' (record (field "content" (list u8)) (field "flags" (flags "a" "b"))))
        (export "message" (type $record (eq $record')))
        (export "batch" (type $batch (sub resource)))
        (export "[method]batch.len" (func (param "self" (borrow $batch)) (result u32)))
        (export "[method]batch.get-metadata" (func (param "self" (borrow $batch)) (param "index" u32)
            (param "key" string) (result (option $value))))))
    (import "wappa:processor/types@1.0.0" (instance $types (type $types)))
    (core module $core
        (memory (export "memory") 2)
        (func (export "realloc") (param i32 i32 i32 i32) (result i32) unreachable)
        (func (export "configure") (param i32 i32) (result i32) unreachable)
        (func (export "process") (param i32) (result i32) unreachable))
    (core instance $core (instantiate $core))
    (alias core export $core "memory" (core memory $memory))
    (alias core export $core "realloc" (core func $realloc))
    (alias export $types "batch" (type $batch))
    (func $configure (param "config" (list (tuple string string))) (result (result (error string)))
        (canon lift (core func $core "configure") (memory $memory) (realloc $realloc)))
    (func $process (param "batch" (own $batch)) (result (list u8))
        (canon lift (core func $core "process") (memory $memory) (realloc $realloc)))
    (instance $transform (export "configure" (func $configure)) (export "process" (func $process)))
    (export "wappa:processor/transform@1.0.0" (instance $transform)))"#;

/// A module that gets the types of a component when it is made, and is then wrapped as one.
const CORE_OF_COMPONENT: &str = r#"(module
    (import "wappa:processor/types@1.0.0" "[method]batch.len" (func (param i32) (result i32)))
    (memory (export "memory") 1)
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
    (func (export "wappa:processor/transform@1.0.0#configure") (param i32 i32) (result i32) unreachable)
    (func (export "wappa:processor/transform@1.0.0#process") (param i32) (result i32) unreachable))"#;

fn binary_of(text: &str) -> Vec<u8> {
    if text == CORE_OF_COMPONENT {
        return with_types(text, WIT);
    }
    wat::parse_str(text).expect("the seeds are valid text")
}

/// The file of one case; the same seed gives the same file.
fn file_of(seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    let text = SEEDS[random.below(SEEDS.len())];
    let mut file = match random.below(9) {
        8 => return with_hostile_names(&mut random),
        0 => return (0..random.below(200)).map(|_| random.next() as u8).collect(),
        1 => {
            let mut file = b"\0asm\x01\0\0\0".to_vec();
            file.extend((0..random.below(80)).map(|_| random.next() as u8 % 16));
            return file;
        }
        2 => text.as_bytes().to_vec(),
        _ => binary_of(text),
    };
    for _ in 0..random.below(6) {
        mutate(&mut file, &mut random);
    }
    file
}

/// A module whose names would do something to a terminal, or take long to be made readable.
fn with_hostile_names(random: &mut Random) -> Vec<u8> {
    const PIECES: [&str; 10] = [
        "\u{1b}[2J",
        "\u{9b}31m",
        "\u{7f}",
        "\u{202e}",
        "\u{2066}",
        "\r\n",
        "\0",
        "\u{2028}",
        "a",
        "_Z1f1AIiiES_I",
    ];
    let mut name = || -> String {
        let times = [1, 1, 3, 2000][random.below(4)];
        (0..times).map(|_| *random.pick(&PIECES)).collect()
    };
    let mut types = wasm_encoder::TypeSection::new();
    types.ty().function([], []);
    let mut imports = wasm_encoder::ImportSection::new();
    imports.import(&name(), &name(), wasm_encoder::EntityType::Function(0));
    let mut functions = wasm_encoder::FunctionSection::new();
    functions.function(0);
    let mut exports = wasm_encoder::ExportSection::new();
    exports.export(&name(), wasm_encoder::ExportKind::Func, 1);
    let mut code = wasm_encoder::CodeSection::new();
    let mut body = wasm_encoder::Function::new([]);
    body.instruction(&wasm_encoder::Instruction::End);
    code.function(&body);
    let mut producers = wasm_encoder::ProducersSection::new();
    let mut field = wasm_encoder::ProducersField::new();
    field.value(&name(), &name());
    producers.field("language", &field);
    let custom = name();
    let mut module = wasm_encoder::Module::new();
    module.section(&types).section(&imports).section(&functions).section(&exports).section(&code);
    module.section(&wasm_encoder::CustomSection { name: custom.into(), data: b"x".into() });
    module.section(&producers);
    module.finish()
}

fn mutate(file: &mut Vec<u8>, random: &mut Random) {
    const TELLING: [u8; 12] = [0, 1, 2, 5, 7, 10, 0x60, 0x7f, 0x80, 0x81, 0xfe, 0xff];
    let pos = random.below(file.len());
    match random.below(7) {
        _ if file.is_empty() => file.push(random.next() as u8),
        0 => file[pos] ^= 1 << random.below(8),
        1 => file[pos] = TELLING[random.below(TELLING.len())],
        2 => file.insert(pos, TELLING[random.below(TELLING.len())]),
        3 => drop(file.remove(pos)),
        4 => file.truncate(pos),
        5 => {
            let end = (pos + random.below(20)).min(file.len());
            let piece = file[pos..end].to_vec();
            let to = random.below(file.len());
            file.splice(to..to, piece);
        }
        _ => {
            // A custom section where sections meet, or anywhere at all.
            let to = if random.below(2) == 0 { file.len() } else { pos };
            let name = [b"name".as_slice(), b"producers", b"x"][random.below(3)];
            let mut section = vec![0, name.len() as u8 + 1 + 3, name.len() as u8];
            section.extend_from_slice(name);
            section.extend((0..3).map(|_| random.next() as u8));
            file.splice(to..to, section);
        }
    }
}

/// Returns whether the file was a valid module, for the tally.
fn check(file: &[u8]) -> bool {
    let inspection = Inspection::of(file);
    if let Ok(inspection) = &inspection {
        let problems = inspection.problems("process", &Limits::default());
        let report = inspection.report(&problems);
        assert!(inspection.to_json(&problems).is_object());
        assert!(report.lines().all(|line| line.chars().all(is_printable)), "{report:?}");
        for problem in &problems {
            assert!(problem.text.chars().all(is_printable), "{:?}", problem.text);
        }
    }
    if let Err(err) = &inspection {
        let text = err.to_string();
        assert!(!text.is_empty() && text.chars().all(is_printable), "{text:?}");
    }
    let Ok(wasm) = to_binary(file) else {
        assert!(inspection.is_err());
        return false;
    };
    let is_component = wasm[6] == 1;
    let features = if is_component { COMPONENT_FEATURES } else { ACCEPTED_FEATURES };
    let is_valid = |wasm: &[u8]| Validator::new_with_features(features).validate_all(wasm).is_ok();
    if !is_valid(&wasm) {
        return false;
    }
    let inspection = inspection.expect("what is valid can be inspected");
    assert!(inspection.refused.is_empty());
    if is_component {
        assert_eq!(inspection.tier(), Tier::Component);
        return true;
    }
    let rewritten = export_memory(&wasm);
    assert!(is_valid(&rewritten), "the rewritten module is not valid");
    assert_eq!(needs_rewrite(&wasm), *rewritten != *wasm);
    if inspection.tier() == Tier::Component {
        return true; // What was read is the component that it becomes.
    }
    if needs_rewrite(&wasm) {
        let again = Inspection::of(&rewritten).expect("a rewritten module can be inspected");
        let name = again.memories[0].exported_as.last().map(String::as_str);
        assert!(matches!(name, Some(MEMORY_EXPORT | "memory")), "{name:?}");
        assert_eq!(again.custom_sections, inspection.custom_sections);
        assert_eq!(again.imports, inspection.imports);
        assert_eq!(again.exports[..inspection.exports.len()], inspection.exports);
        assert_eq!(again.code_bytes, inspection.code_bytes);
    }
    true
}

#[test]
fn fuzz_hostile_files() {
    let _alone = alone();
    let budget = Budget::from_env(CASES);
    let first = budget.first;
    let (mut valid, mut spent) = (0, Spent::default());
    let mut seed = first;
    while budget.has(seed) {
        SEED.store(seed, Ordering::Relaxed);
        let file = file_of(seed);
        let measured = || {
            let ledger = Ledger::begin();
            let is_valid = check(&file);
            let bounds = Bounds {
                cpu: Duration::ZERO,
                allocated: BYTES_PER_BYTE * file.len() + ENTRY_BYTES * entries(&file),
                memory: 0,
            };
            (is_valid, ledger.close(&bounds, &|| format!("{} bytes", file.len())))
        };
        match catch_unwind(AssertUnwindSafe(measured)) {
            Ok((is_valid, of_file)) => {
                valid += u64::from(is_valid);
                spent.max(of_file);
            }
            Err(_) => panic!(
                "seed {seed} failed on {file:02x?}; repeat it with `WAPPA_FUZZ_SEED={seed} cargo test -p wappa-wasm \
                 --test fuzz_inspect`"
            ),
        }
        seed += 1;
    }
    let cases = seed - first;
    let last = seed.saturating_sub(1);
    eprintln!("{cases} files, {valid} of them valid modules, seeds {first} to {last}: {spent:?}");
    assert!(
        cases < 100 || valid * 20 > cases,
        "only {valid} of {cases} were valid: the generator tests nothing"
    );
}
