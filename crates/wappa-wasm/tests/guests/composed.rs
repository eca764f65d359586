//! Components that are made of components: the engine's own adapters between their memories, and what stays refused.

use expect_test::expect;
use wappa_wasm::Module;
use wasm_encoder::{ComponentInstanceSection, ComponentSectionId, RawSection};
use wasmparser::{Parser, Payload};
use wit_component::ComponentEncoder;

use crate::{
    harness::{check_binary, engine},
    world::{LETTERS, WIT, with_types},
};

/// Two components with a memory each: one hands the other a list, whose sum must be right for it to start.
const TWO_MEMORIES: &str = r#"(component
  (component $adds
    (core module $m
      (memory (export "memory") 1)
      (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 100))
      (func (export "sum") (param $at i32) (param $len i32) (result i32) (local $sum i32)
        (loop $next
          (if (local.get $len)
            (then
              (local.set $sum (i32.add (local.get $sum) (i32.load8_u (local.get $at))))
              (local.set $at (i32.add (local.get $at) (i32.const 1)))
              (local.set $len (i32.sub (local.get $len) (i32.const 1)))
              (br $next))))
        (local.get $sum)))
    (core instance $i (instantiate $m))
    (func (export "sum") (param "bytes" (list u8)) (result u32)
      (canon lift (core func $i "sum") (memory $i "memory") (realloc (func $i "realloc")))))
  (component $asks
    (import "sum" (func $sum (param "bytes" (list u8)) (result u32)))
    (core module $memory (memory (export "memory") 1) (data (i32.const 8) "\01\02\03"))
    (core instance $memory (instantiate $memory))
    (core func $lowered (canon lower (func $sum) (memory $memory "memory")))
    (core module $m
      (import "" "sum" (func $sum (param i32 i32) (result i32)))
      (func $start
        (if (i32.ne (call $sum (i32.const 8) (i32.const 3)) (i32.const 6)) (then unreachable)))
      (start $start))
    (core instance (instantiate $m (with "" (instance (export "sum" (func $lowered)))))))
  (instance $adds (instantiate $adds))
  (instance (instantiate $asks (with "sum" (func $adds "sum")))))"#;

/// A processor that makes an instance of another component within itself.
fn processor_with(inner: &[u8]) -> Vec<u8> {
    let core = with_types(LETTERS, WIT);
    let mut encoder = ComponentEncoder::default().module(&core).expect("it has the types");
    let mut component = encoder.encode().expect("it is a component");
    let mut depth = 0;
    let mut n_components = 0;
    for payload in Parser::new(0).parse_all(&component) {
        match payload.expect("it can be parsed") {
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            Payload::ComponentSection { .. } if depth == 1 => n_components += 1,
            _ => {}
        }
    }
    let mut instances = ComponentInstanceSection::new();
    instances.instantiate(n_components, std::iter::empty::<(&str, wasm_encoder::ComponentExportKind, u32)>());
    let id = ComponentSectionId::Component.into();
    wasm_encoder::ComponentSection::append_to_component(&RawSection { id, data: inner }, &mut component);
    wasm_encoder::ComponentSection::append_to_component(&instances, &mut component);
    component
}

#[test]
fn a_list_goes_from_one_memory_to_another() {
    let composed = processor_with(&wat::parse_str(TWO_MEMORIES).expect("the text is right"));
    expect![[r#"
        "k"
        "[w]"
    "#]]
    .assert_eq(&check_binary(&composed, &["k", "w"], |_| {}));
    // The adapter is what makes the sum right: with another list the guest does not start.
    let wrong = TWO_MEMORIES.replace(r"\01\02\03", r"\01\02\04");
    let composed = processor_with(&wat::parse_str(wrong).expect("the text is right"));
    expect![[r#"
        instance: instantiating: trap: unreachable
    "#]]
    .assert_eq(&check_binary(&composed, &["k"], |_| {}));
}

#[test]
fn a_second_memory_of_a_guest_stays_refused() {
    let two = r#"(memory 1) (memory 1) (func (export "process"))"#;
    let refused =
        |text: String| Module::new(engine(), text.as_bytes()).expect_err("it is refused").to_string();
    expect!["the module is not valid: multiple memories (at offset 0x14)"]
        .assert_eq(&refused(format!("(module {two})")));
    expect!["the module is not valid: multiple memories (at offset 0x1e)"]
        .assert_eq(&refused(format!("(component (core module {two}))")));
}
