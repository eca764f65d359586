//! Contents that are structures, as guests see them: as the bytes that printing gives, made once for all who share them,
//! and counted for their part.

use wappa_message::{Message, Value};
use wappa_wasm::{Guest, Module, Outcome, Run, spawn_thread};

use crate::{
    harness::{V1_IMPORTS, config, engine, guest, soon},
    parts::Parts,
};

/// Interfaces, each with a guest that looks at all contents and changes nothing.
fn readers() -> [(&'static str, Vec<u8>); 3] {
    let v1 = format!(
        r#"(module {V1_IMPORTS} (memory (export "memory") 1) (func (export "process")
            (if (i32.ne (call $content_read (i32.const 0) (i32.const 0) (i32.const 1000)) (call $content_len))
              (then unreachable))))"#
    );
    [
        ("v0", guest(r#"(func (export "process") (drop (call $as_bytes)))"#).into_bytes()),
        ("v1", v1.into_bytes()),
        ("component", Parts::default().component()),
    ]
}

/// Runs messages through a guest, which may make them grow by so much. What became of each, and what they grew by.
fn run(module: &[u8], messages: &[Message], left: usize) -> (Vec<(Message, Option<String>)>, usize) {
    let mut run = Run::batches(messages.to_vec(), vec![messages.len() as u32]);
    run.grow_by(left, left);
    let module = module.to_vec();
    let work = move || {
        let module = Module::new(engine(), &module).expect("a module");
        let guest = Guest::new(engine(), &module, config()).expect("a guest");
        let ctx = engine().enter().expect("the stack is large enough");
        while !run.is_done() {
            let mut instance = guest.instantiate(soon()).expect("it starts");
            while !run.is_done() && !instance.is_spent() {
                instance.run(&mut run, &ctx).expect("nothing fails but messages");
            }
        }
        let grown = run.grown();
        let outcomes = run.finish().map(|it| match it {
            Outcome::Kept(message, err) => (message, err.map(|it| it.to_string())),
            Outcome::Sent(..) => panic!("nothing was sent"),
        });
        (outcomes.collect(), grown)
    };
    spawn_thread("guest", work).expect("a thread").join().expect("no panic")
}

fn structure(n: i64) -> Message {
    let mut message = Message::default();
    message.set_value(Value::object([("n", Value::Int(n)), ("a", Value::from("<é>"))]).expect("flat"));
    message
}

#[test]
fn a_structure_is_printed_once_for_all_who_share_it() {
    for (interface, module) in readers() {
        let messages = [structure(1), structure(2), Message::new("bytes")];
        let twins = messages.clone();
        let (outcomes, grown) = run(&module, &messages, usize::MAX);
        let expected = [r#"{"a":"<é>","n":1}"#, r#"{"a":"<é>","n":2}"#, "bytes"];
        for ((outcome, twin), expected) in outcomes.iter().zip(&twins).zip(expected) {
            assert_eq!(
                (outcome.0.content().as_ref(), &outcome.1),
                (expected.as_bytes(), &None),
                "{interface}"
            );
            let printed = twin.printed().expect("it is shared");
            assert_eq!(printed.as_ptr(), outcome.0.content().as_ptr(), "{interface}");
        }
        assert_eq!(grown, expected[0].len() + expected[1].len(), "{interface}");
        // The next module finds it printed.
        let again: Vec<Message> = outcomes.into_iter().map(|it| it.0).collect();
        assert_eq!(run(&module, &again, 0).1, 0, "{interface}");
    }
}

#[test]
fn nobody_prints_what_no_guest_asks_for() {
    let module = guest(
        r#"(data (i32.const 0) "kv") (func (export "process")
            (call $set_meta (i32.const 0) (i32.const 1) (i32.const 1) (i32.const 1)))"#,
    );
    let (outcomes, _) = run(module.as_bytes(), &[structure(1)], usize::MAX);
    let (message, err) = &outcomes[0];
    assert_eq!((message.metadata().text("k").as_ref(), err), (&b"v"[..], &None));
    assert!(message.printed().is_err());
}

#[test]
fn what_is_printed_counts_for_the_part() {
    for (interface, module) in readers() {
        let messages = [structure(1), structure(2)];
        let (outcomes, grown) = run(&module, &messages, structure(1).content().len());
        let (message, err) = &outcomes[1];
        let err = err.as_ref().expect("there is no room for the second one");
        // Why it failed counts as well.
        let reason = err.strip_prefix("output: ").expect("it is the output's kind");
        let expected = structure(1).content().len() + reason.len();
        assert_eq!((&outcomes[0].1, grown), (&None, expected), "{interface}");
        assert!(err.contains("`part_limit`"), "{interface}: {err}");
        assert!(message.printed().is_err(), "{interface}");
    }
}
