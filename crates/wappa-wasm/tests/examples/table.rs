//! Sizes and speeds of the modules, for information.

use std::time::{Duration, Instant};

use wappa_message::Message;
use wappa_wasm::{Run, spawn_thread};

use crate::{
    messages::{config, of_size},
    modules::Example,
    random::Random,
    running::{engine, finish, guest, instantiate},
};

/// How long each module is measured, after as long to warm up.
const TIME: Duration = Duration::from_millis(300);

/// So many messages are ready at once, each a batch of its own.
const N_READY: usize = 100;

const MESSAGE_BYTES: usize = 100;

/// Prints a row for each module. One is measured at a time, so that they do not slow each other.
#[expect(clippy::print_stdout, reason = "the table is what was asked for")]
pub(crate) fn print(examples: Vec<Example>) {
    if cfg!(debug_assertions) {
        eprintln!("a debug build: only the sizes mean something; `cargo test --release` measures");
    }
    println!("| language | example | tier | bytes | messages/s, one thread, {MESSAGE_BYTES} B |");
    println!("| --- | --- | --- | ---: | ---: |");
    for it in examples {
        let row = format!("| {} | {} | {} | {} |", it.language, it.name, it.tier, it.wasm.len());
        let speed = spawn_thread("guest", move || speed(&it)).expect("a thread").join().expect("no panic");
        println!("{row} {} |", speed.unwrap_or_else(|err| err));
    }
}

/// Messages a second, or why not.
fn speed(example: &Example) -> Result<String, String> {
    let guest = guest(example, &config(&example.name), None)?;
    let mut instance = instantiate(&guest)?;
    let ctx = engine().enter().map_err(|err| err.to_string())?;
    let mut random = Random::new(1);
    let messages: Vec<Message> =
        (0..N_READY).map(|_| of_size(&example.name, MESSAGE_BYTES, &mut random)).collect();
    let mut pace = Default::default();
    let mut measure = || {
        let (began, mut n) = (Instant::now(), 0);
        while began.elapsed() < TIME {
            let mut run = Run::singles(messages.clone());
            run.set_pace(pace);
            finish(&mut instance, &mut run, &ctx)?;
            pace = run.pace();
            n += run.finish().count();
        }
        Ok::<f64, String>(n as f64 / began.elapsed().as_secs_f64())
    };
    measure()?;
    let per_second = measure()?;
    Ok(format!("{:.0} k", per_second / 1000.0))
}
