//! Call sequences: programs in messages, run by one module, held against the model.

use std::{
    fmt::Write,
    sync::OnceLock,
    time::{Duration, Instant},
};

use wappa_message::Message;
use wappa_wasm::{
    Guest, Instance, Kind, Module,
    inspect::{V0_MODULES, ValueType, WASI_MODULE, provided_functions},
};

use crate::{
    lab::{Lab, MEMORY_LIMIT, OUTPUT_LIMIT, assert_same, run},
    model::{Bounds, Expected, Model, Protocol},
    program,
    random::Random,
};

const MACHINE: &str = include_str!("machine.wat");

const CASES: u64 = 60;
const MESSAGES: usize = 32;

/// What the machine's module exports of its allocator, and what the host makes of it.
const ALLOCATORS: [(&[&str], Protocol); 6] = [
    (&["malloc", "free"], Protocol { free: true, deallocate: false }),
    (&["allocate", "deallocate"], Protocol { free: false, deallocate: true }),
    (&["malloc", "free", "allocate", "deallocate"], Protocol { free: false, deallocate: true }),
    (&["malloc"], Protocol { free: false, deallocate: false }),
    (&["malloc", "deallocate"], Protocol { free: false, deallocate: true }),
    (&["allocate", "free"], Protocol { free: true, deallocate: false }),
];

pub(crate) fn wasi_names() -> &'static [&'static str] {
    static NAMES: OnceLock<Vec<&'static str>> = OnceLock::new();
    NAMES.get_or_init(|| provided_functions().filter(|it| it.0 == WASI_MODULE).map(|it| it.1).collect())
}

/// The machine's text with its imports, its exports and a function that calls any WASI function.
fn machine(v0: &str, exports: &[&str], memory: &str) -> String {
    let mut imports = String::new();
    let mut wasi = "(func $wasi (param $k i32) (result i32)".to_string();
    let mut number = 0;
    for (module, name, signature) in provided_functions().filter(|it| it.0 == v0 || it.0 == WASI_MODULE) {
        let list = |types: &[ValueType]| types.iter().map(|it| format!("{it} ")).collect::<String>();
        let (params, results) = (list(&signature.params), list(&signature.results));
        let id = name.strip_prefix("v0_msg_").unwrap_or(name);
        writeln!(
            imports,
            "(import \"{module}\" \"{name}\" (func ${id} (param {params}) (result {results})))"
        )
        .expect("writing to a string cannot fail");
        if module != WASI_MODULE {
            continue;
        }
        let arguments: String = (0..)
            .zip(&signature.params)
            .map(|(i, ty)| format!("({ty}.load (i32.const {})) ", 4 * i))
            .collect();
        let after = if signature.results.is_empty() { "(return (i32.const 0))" } else { "return" };
        writeln!(
            wasi,
            "(if (i32.eq (local.get $k) (i32.const {number})) (then (call ${id} {arguments}) {after}))"
        )
        .expect("writing to a string cannot fail");
        number += 1;
    }
    wasi += "(i32.const -1))\n";
    for name in exports {
        let function = if *name == "allocate" { "malloc" } else { name };
        writeln!(wasi, "(export \"{name}\" (func ${function}))").expect("writing to a string cannot fail");
    }
    MACHINE
        .replace(";; IMPORTS", &imports)
        .replace(";; WASI", &wasi)
        .replace(r#"(memory (export "memory") 4)"#, &format!("(memory {memory} 4)"))
}

struct Machine {
    guest: Guest,
    protocol: Protocol,
}

fn machines(lab: &Lab) -> Vec<Machine> {
    let memories = [r#"(export "memory")"#, "", r#"(export "mem")"#];
    (0..)
        .zip(ALLOCATORS)
        .map(|(i, (exports, protocol))| {
            let text = machine(V0_MODULES[i % 2], exports, memories[i % 3]);
            let module = Module::new(&lab.engine, text.as_bytes()).expect("the machine is a module");
            let guest = Guest::new(&lab.engine, &module, lab.config()).expect("the machine is a guest");
            Machine { guest, protocol }
        })
        .collect()
}

fn instance(guest: &Guest) -> Instance {
    guest.instantiate(Instant::now() + Duration::from_secs(300)).expect("the machine has no start function")
}

#[test]
fn fuzz_call_sequences() {
    let mut machines_made = None;
    run("fuzz_call_sequences", CASES, move |lab, seed| {
        let machines = machines_made.get_or_insert_with(|| machines(lab));
        case(lab, machines, seed);
    });
}

/// Some messages through one machine, with a new instance after a spent one.
fn case(lab: &mut Lab, machines: &[Machine], seed: u64) {
    let mut random = Random::new(seed);
    let machine = random.pick(machines);
    let wild = random.below(5) < 2;
    let bounds = Bounds { memory: MEMORY_LIMIT, output: OUTPUT_LIMIT };
    let mut alive = instance(&machine.guest);
    let mut model = Some(Model::new(machine.protocol, bounds));
    let engine = lab.engine.clone();
    let ctx = engine.enter().expect("the thread is large enough");
    for number in 0..MESSAGES {
        let mut message = program::message(&mut random, wild);
        let expected = model.as_mut().map_or(Expected::Unknown, |it| it.call(&message));
        let program = message.content().clone();
        let result = lab.call(&mut alive, &mut message, &ctx);
        let told = || format!("message {number}, program {:02x?}", &program[..program.len().min(400)]);
        match (&expected, &result) {
            // Its time may be over at any place, when the machine is busy.
            (_, Err(err)) if err.kind() == Kind::Timeout => {}
            (Expected::Done(expected), Ok(())) => compare(&message, expected, &told),
            (Expected::Soft(text, expected), Err(err)) if err.changes_kept() => {
                assert_eq!(err.reason(), text, "{}", told());
                compare(&message, expected, &told);
            }
            (Expected::Failed(kind), Err(err)) => assert_eq!(*kind, err.kind(), "{err}: {}", told()),
            (Expected::Unknown, _) => {}
            _ => panic!("expected {expected:?}, got {result:?}: {}", told()),
        }
        lab.tally.compared += u64::from(!matches!(expected, Expected::Unknown));
        if alive.is_spent() {
            alive = instance(&machine.guest);
            model = Some(Model::new(machine.protocol, bounds));
            lab.check_good(&ctx);
        } else if matches!(expected, Expected::Unknown) {
            // Nobody knows what the instance remembers.
            model = None;
        }
    }
    lab.check_good(&ctx);
}

fn compare(message: &Message, expected: &Message, told: &impl Fn() -> String) {
    if message.content() != expected.content() {
        eprintln!("{}", told());
    }
    assert_same(message, expected);
}
