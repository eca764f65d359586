//! A panic in a component is reported once, with the component's path and the place in the code.

use std::{
    borrow::Cow,
    panic::{self, AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex},
};

use wappa_component::{
    Ack, Batches, ConnectError, Delivery, Input, Level, LogSink, Logger, Output, Parcel, Part, Processor,
    ReadError, Step, Waits,
};
use wappa_engine::{Assembly, Report, Setting, Stream, World};
use wappa_message::Message;

/// Gives one message.
struct One(bool);

impl Input for One {
    fn read(&mut self, _: &mut Waits, _: &mut Step<'_>) -> Result<Parcel, ReadError> {
        match std::mem::replace(&mut self.0, true) {
            true => Err(ReadError::EndOfInput),
            false => {
                let ack = Ack::new(1, |_| ());
                Ok(Parcel::of_messages(vec![Message::new("x")], Batches::Singles, ack))
            }
        }
    }
}

struct Nowhere;

impl Output for Nowhere {
    fn connect(&mut self) -> Result<(), ConnectError> {
        Ok(())
    }

    fn write(&mut self, delivery: Delivery, _: &mut Step<'_>) {
        delivery.answer(Ok(()));
    }
}

struct Buggy {
    recovers: bool,
}

impl Processor for Buggy {
    fn process(&self, part: &mut Part, _: &mut Step<'_>) -> usize {
        let bug = || panic!("one and one is three");
        match self.recovers {
            true => drop(catch_unwind(AssertUnwindSafe(bug))),
            false => bug(),
        }
        part.n_batches()
    }
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl LogSink for Lines {
    fn enabled(&self, _: Level) -> bool {
        true
    }

    fn write(&self, _: Level, text: &str, _: &[(&str, Cow<'_, str>)]) {
        self.0.lock().expect("no panic").push(text.to_string());
    }
}

/// How the stream ended, and what was said while it ran: by the engine, and by the panic hook.
fn run(recovers: bool, hooked: &Lines) -> (Report, Vec<String>, Vec<String>) {
    let lines = Lines::default();
    let parts = Assembly {
        input: Box::new(One(false)),
        processors: vec![("root.pipeline.processors.0".to_string(), Box::new(Buggy { recovers }))],
        output: Box::new(Nowhere),
        threads: 1,
        is_ordered: true,
        logger: Logger::new(Arc::new(lines.clone())),
        caches: wappa_component::Caches::default(),
    };
    let setting = Setting::new(&World::real().expect("a thread can be started")).expect("a descriptor");
    let report = Stream::new(&setting, parts).run().expect("threads can be started");
    assert_eq!(setting.activity().fault(), report.fault);
    let take = |it: &Lines| std::mem::take(&mut *it.0.lock().expect("no panic"));
    (report, take(&lines), take(hooked))
}

/// The text without the line and column of this file.
fn without_place(text: &str) -> String {
    let is_place = |word: &str| word.contains("tests/panics.rs:");
    text.split(' ').map(|it| if is_place(it) { "PLACE" } else { it }).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_panic_is_reported_once() {
    let hooked = Lines::default();
    let of_hook = hooked.clone();
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !wappa_engine::is_reported(info) {
            of_hook.write(Level::Error, &info.to_string(), &[]);
        }
    }));
    let (report, lines, of_hook) = run(false, &hooked);
    let recovered = run(true, &hooked);
    let _ = catch_unwind(|| panic!("not the engine's"));
    panic::set_hook(before);

    let fault = report.fault.as_deref().map(without_place);
    assert_eq!(fault.as_deref(), Some("`root.pipeline.processors.0` panicked at PLACE one and one is three"));
    assert_eq!((lines, of_hook), (Vec::new(), Vec::new()), "that is for whoever runs the stream to say");

    let (report, lines, of_hook) = recovered;
    assert_eq!(report.fault, None);
    let lines: Vec<_> = lines.iter().map(|it| without_place(it)).collect();
    assert_eq!(lines, ["`root.pipeline.processors.0` went on after a panic at PLACE"]);
    assert!(of_hook.is_empty(), "{of_hook:?}");

    assert_eq!(hooked.0.lock().expect("no panic").len(), 1, "the others are the program's");
}
