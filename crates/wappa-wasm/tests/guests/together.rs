//! What all guests of an engine may hold together: instances, and what messages grow by.

use wappa_message::Message;
use wappa_wasm::{Called, Engine, EngineConfig, Guest, GuestConfig, Instance, Kind, Module, spawn_thread};

use crate::harness::{V1_IMPORTS, config, soon};

const MIB: usize = 1 << 20;

fn engine(guest_memory: usize) -> Engine {
    let mut config = EngineConfig::default();
    config.guest_memory = guest_memory;
    Engine::new(config).expect("the machine has room for an engine")
}

/// A guest of v1 that does this for each message.
fn guest(engine: &Engine, pages: usize, body: &str, change: impl FnOnce(&mut GuestConfig)) -> Guest {
    let text = format!(
        r#"(module {V1_IMPORTS} (memory (export "memory") {pages})
             (func (export "process") (local $i i32) {body}))"#
    );
    let module = Module::new(engine, text.as_bytes()).expect("a module");
    let mut config = config();
    change(&mut config);
    Guest::new(engine, &module, config).expect("a guest")
}

fn on_a_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    spawn_thread("guest", work).expect("a thread").join().expect("no panic")
}

fn start(guest: &Guest) -> Result<Instance, String> {
    let _context = guest.engine().enter().expect("a large stack");
    guest.instantiate(soon()).map_err(|err| format!("{}: {}", err.kind().as_str(), err.reason()))
}

/// Calls an instance once; why the message failed.
fn call(instance: &mut Instance, engine: &Engine) -> Result<Called, (Kind, String)> {
    let context = engine.enter().expect("a large stack");
    instance.call(&mut Message::new("x"), &context).map_err(|err| (err.kind(), err.reason().to_string()))
}

#[test]
fn instances_of_all_guests_end_at_the_limit_and_each_guest_has_its_share() {
    on_a_thread(|| {
        let engine = engine(100 * MIB);
        let greedy = guest(&engine, 320, "", |_| ());
        let modest = guest(&engine, 320, "", |_| ());
        // 20 MiB and what the host keeps for each: the half that is for all, and its share of the other one.
        let taken: Vec<Instance> = std::iter::from_fn(|| start(&greedy).ok()).collect();
        assert_eq!(taken.len(), 3);
        let refused = start(&greedy).expect_err("there is no more");
        assert!(
            refused.starts_with("instance: instantiating: it needs more memory to start with"),
            "{refused}"
        );
        assert!(refused.contains("`--guest-memory-limit`"), "{refused}");
        let innocent = start(&modest).expect("it has its share");
        assert!(start(&modest).is_err());
        // What ends makes room.
        drop(taken);
        let more = [start(&modest), start(&modest)];
        assert!(more.iter().all(Result::is_ok), "{more:?}");
        drop(innocent);
    });
}

#[test]
fn memory_does_not_grow_past_the_limit_of_all() {
    on_a_thread(|| {
        let engine = engine(100 * MIB);
        let body = "(if (i32.eq (memory.grow (i32.const 640)) (i32.const -1)) (then unreachable))";
        let grow = guest(&engine, 1, body, |_| ());
        let mut instances: Vec<Instance> = (0..3).map(|_| start(&grow).expect("it is small")).collect();
        let ended: Vec<_> = instances.iter_mut().map(|it| call(it, &engine).map(|_| ())).collect();
        assert_eq!(ended[..2], [Ok(()), Ok(())]);
        let refused = "unreachable after the guest was refused more memory (`--guest-memory-limit`, for all guests of the \
                       process)";
        assert_eq!(ended[2], Err((Kind::Memory, refused.to_string())));
        assert!(instances[2].is_spent());
        drop(instances);
        assert_eq!(call(&mut start(&grow).expect("it is small"), &engine).map(|_| ()), Ok(()));
    });
}

#[test]
fn messages_do_not_grow_past_the_limit_of_all() {
    on_a_thread(|| {
        let engine = engine(64 * MIB);
        // Sent again and again, each with a content of its own.
        let body = "(loop $next
            (call $content_write (i32.const 0) (i32.const 1000000)) (call $emit)
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $next (i32.lt_u (local.get $i) (i32.load (i32.const 1048576)))))";
        let many = guest(&engine, 17, body, |it| it.limits.output = 1000 * MIB);
        let mut instance = start(&many).expect("it is small");
        assert!(call(&mut instance, &engine).is_ok());
        let body = body.replace("(i32.load (i32.const 1048576))", "(i32.const 80)");
        let too_many = guest(&engine, 17, &body, |it| it.limits.output = 1000 * MIB);
        for _ in 0..2 {
            let mut instance = start(&too_many).expect("what failed has given back all");
            let (kind, reason) = call(&mut instance, &engine).expect_err("there is no room");
            assert_eq!(kind, Kind::Output);
            assert!(reason.contains("`--guest-memory-limit`"), "{reason}");
        }
    });
}

#[test]
fn versions_of_a_guest_have_one_share_together() {
    on_a_thread(|| {
        let engine = engine(100 * MIB);
        let other = guest(&engine, 320, "", |_| ());
        let account = engine.account();
        let version = || guest(&engine, 320, "", |it| it.account = Some(account.clone()));
        let (old, new) = (version(), version());
        let taken: Vec<Instance> = (0..3).map(|_| start(&old).expect("there is room")).collect();
        assert!(start(&new).is_err());
        let _innocent = start(&other).expect("it has its share");
        drop(taken);
        assert!(start(&new).is_ok());
    });
}
