//! Hostile files against the inspection and the rewriting: nothing panics, and what was valid stays valid.
//!
//! A seeded generator mutates modules and makes random ones, so that no special compiler is needed.
//! `WAPPA_FUZZ_SECONDS=60` runs for that long, `WAPPA_FUZZ_SEED=…` starts elsewhere; a failure prints the command
//! that repeats its case.

#[path = "support/random.rs"]
mod random;

use std::panic::{AssertUnwindSafe, catch_unwind};

use wappa_wasm::inspect::{ACCEPTED_FEATURES, Inspection, Limits, to_binary};
use wappa_wasm::rewrite::{MEMORY_EXPORT, export_memory, needs_rewrite};
use wasmparser::Validator;

use random::{Budget, Random};

const CASES: u64 = 4_000;

/// Modules to start from: one for every section and every construct that the inspection looks at.
const SEEDS: [&str; 9] = [
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
];

/// The file of one case; the same seed gives the same file.
fn file_of(seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    let text = SEEDS[random.below(SEEDS.len())];
    let mut file = match random.below(8) {
        0 => return (0..random.below(200)).map(|_| random.next() as u8).collect(),
        1 => {
            let mut file = b"\0asm\x01\0\0\0".to_vec();
            file.extend((0..random.below(80)).map(|_| random.next() as u8 % 16));
            return file;
        }
        2 => text.as_bytes().to_vec(),
        _ => wat::parse_str(text).expect("the seeds are valid text"),
    };
    for _ in 0..random.below(6) {
        mutate(&mut file, &mut random);
    }
    file
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
        assert!(report.lines().all(|line| !line.contains(|c: char| c.is_control())));
    }
    if let Err(err) = &inspection {
        let text = err.to_string();
        assert!(!text.is_empty() && !text.contains(|c: char| c.is_control()), "{text:?}");
    }
    let Ok(wasm) = to_binary(file) else {
        assert!(inspection.is_err());
        return false;
    };
    let is_valid = |wasm: &[u8]| Validator::new_with_features(ACCEPTED_FEATURES).validate_all(wasm).is_ok();
    let rewritten = export_memory(&wasm);
    if !is_valid(&wasm) {
        return false;
    }
    let inspection = inspection.expect("a valid module can be inspected");
    assert!(inspection.refused.is_empty());
    assert!(is_valid(&rewritten), "the rewritten module is not valid");
    assert_eq!(needs_rewrite(&wasm), *rewritten != *wasm);
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
    let budget = Budget::from_env(CASES);
    let first = budget.first;
    let mut valid = 0;
    let mut seed = first;
    while budget.has(seed) {
        let file = file_of(seed);
        match catch_unwind(AssertUnwindSafe(|| check(&file))) {
            Ok(is_valid) => valid += u64::from(is_valid),
            Err(_) => panic!(
                "seed {seed} failed on {file:02x?}; repeat it with `WAPPA_FUZZ_SEED={seed} cargo test -p wappa-wasm \
                 --test fuzz_inspect`"
            ),
        }
        seed += 1;
    }
    let cases = seed - first;
    eprintln!("{cases} files, {valid} of them valid modules, seeds {first} to {}", seed.saturating_sub(1));
    assert!(
        cases < 100 || valid * 20 > cases,
        "only {valid} of {cases} were valid: the generator tests nothing"
    );
}
