//! A machine that refuses the address space of a pool: guests run all the same. A process of its own, for its limit.

use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, setrlimit};
use wappa_message::Message;
use wappa_wasm::{Engine, EngineConfig, Guest, GuestConfig, Module, spawn_thread};

#[test]
fn without_the_address_space_for_a_pool_instances_are_made_on_demand() {
    // Room for two memories, which take 4 GiB of addresses each.
    let limit = Some(12 << 30);
    setrlimit(Resource::As, Rlimit { current: limit, maximum: limit }).expect("a limit may be lowered");
    let run = || {
        let engine = Engine::new(EngineConfig::default()).expect("an engine");
        let why = engine.no_pool().expect("the pool does not fit").to_string();
        let module = Module::new(&engine, include_bytes!("guests/upper.wat")).expect("a module");
        let guest = Guest::new(&engine, &module, GuestConfig::default()).expect("a guest");
        let soon = Instant::now() + Duration::from_secs(30);
        let mut instance = guest.instantiate(soon).expect("an instance");
        let mut message = Message::new("hello");
        instance.call(&mut message, &engine.enter().expect("a large stack")).expect("a call");
        assert_eq!(message.content(), "HELLO");
        why
    };
    let why = spawn_thread("guest", run).expect("a thread").join().expect("no panic");
    assert!(!why.is_empty() && !why.contains('\n'), "{why}");
    assert!(why.contains("`ulimit -v` leaves addresses for 3 instances at once, of 64"), "{why}");
}
