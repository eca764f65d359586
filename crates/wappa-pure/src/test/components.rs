//! Components of the tests of this crate: processors that change, filter, multiply and fail messages, and outputs that fail.

use std::sync::{Arc, Barrier};

use bytes::Bytes;
use wappa_component::{
    Ack, Batches, BuildError, BuildInput, BuildOutput, BuildProcessor, Component, ConnectError, Context,
    Delivery, Failure, Input, Output, Parcel, Part, Processor, ReadError, Step, Waits, WriteError,
};
use wappa_conformance::Recorder;
use wappa_message::{Mark, Message};
use wappa_spec::{Config, Node};

pub(super) const COMPONENTS: &[&Component] = &[
    &Component::processor::<Append>("append"),
    &Component::processor::<FailOn>("fail_on"),
    &Component::processor::<FilterOn>("filter_on"),
    &Component::processor::<Double>("double"),
    &Component::processor::<Interrupt>("interrupt"),
    &Component::processor::<MeetConfig>("meet"),
    &Component::output::<FailingConfig>("failing"),
    &Component::input::<SieveConfig>("sieve"),
    &Component::input::<CopiesConfig>("copies"),
    &Component::input::<SwollenConfig>("swollen"),
];

macro_rules! processor {
    ($(#[$doc:meta])* $name:ident($ty:ty), |$config:ident, $part:ident, $step:ident| $body:expr) => {
        $(#[$doc])*
        #[derive(Config)]
        struct $name($ty);

        impl BuildProcessor for $name {
            fn build(self, _: &mut Context<'_>) -> Result<Box<dyn Processor>, BuildError> {
                Ok(Box::new(self))
            }
        }

        impl Processor for $name {
            fn process(&self, $part: &mut Part, $step: &mut Step<'_>) -> usize {
                let $config = &self.0;
                $body;
                $part.n_batches()
            }
        }
    };
}

fn contains(message: &Message, text: &str) -> bool {
    String::from_utf8_lossy(message.content()).contains(text)
}

processor! {
    /// Adds text to the content.
    Append(String), |text, part, _step| for message in part.messages_mut() {
        message.set_content(Bytes::from([message.content(), text.as_bytes()].concat()));
    }
}

processor! {
    /// Marks messages that contain a text.
    FailOn(String), |text, part, step| for message in part.messages_mut().iter_mut().filter(|it| contains(it, text)) {
        step.mark(message, Mark::new(format!("failed on {text}")));
    }
}

processor! {
    /// Filters messages that contain a text.
    FilterOn(String), |text, part, _step| part.replace_each(|message, out| {
        out.extend(Some(message).filter(|it| !contains(it, text)));
    })
}

processor! {
    /// Makes two of each message.
    Double(Node), |_config, part, _step| part.replace_each(|message, out| {
        out.extend([message.clone(), message]);
    })
}

/// One parcel of three messages of which each is there twice, and each has a lease.
#[derive(Config)]
struct CopiesConfig;

impl BuildInput for CopiesConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Input>, BuildError> {
        Ok(Box::new(Copies { recorder: ctx.services().get(), has_given: false }))
    }
}

struct Copies {
    recorder: Option<Arc<Recorder>>,
    has_given: bool,
}

impl Input for Copies {
    fn read(&mut self, _: &mut Waits, _: &mut Step<'_>) -> Result<Parcel, ReadError> {
        if std::mem::replace(&mut self.has_given, true) {
            return Err(ReadError::EndOfInput);
        }
        let recorder = self.recorder.clone().expect("the harness has one");
        let ack = Ack::leased(3, move |origins: &[u32], failures: Vec<Failure>| {
            let failed: Vec<u32> = failures.iter().map(|it| it.origin).collect();
            recorder.push(format!("{origins:?} {failed:?}"));
        });
        let messages = ["a", "b", "c"].map(|it| Message::new(it.to_string())).into();
        let mut opened = Parcel::of_messages(messages, Batches::Singles, ack).open();
        opened.part.replace_each(|message, out| out.extend([message.clone(), message]));
        Ok(opened.into_parcel())
    }
}

/// Is interrupted at the first message that contains a text.
#[derive(Config)]
struct Interrupt(String);

impl BuildProcessor for Interrupt {
    fn build(self, _: &mut Context<'_>) -> Result<Box<dyn Processor>, BuildError> {
        Ok(Box::new(self))
    }
}

impl Processor for Interrupt {
    fn process(&self, part: &mut Part, step: &mut Step<'_>) -> usize {
        assert!(step.is_interrupted(), "the test interrupts first");
        let n_messages = part.messages().iter().position(|it| contains(it, &self.0));
        part.batches_within(n_messages.unwrap_or(part.n_messages()))
    }
}

/// Writes to the recorder, and fails.
#[derive(Config)]
struct FailingConfig {
    /// What the recorder calls it.
    name: String,
    /// Messages that contain this are not delivered.
    on: String,
    /// How it fails.
    #[config(default = "partial", options("partial", "rejected", "failed", "closed"))]
    how: String,
}

struct Failing {
    config: FailingConfig,
    recorder: Arc<Recorder>,
}

impl BuildOutput for FailingConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Output>, BuildError> {
        let recorder = ctx.services().get::<Recorder>().expect("the harness has one");
        Ok(Box::new(Failing { config: self, recorder }))
    }
}

impl Output for Failing {
    fn connect(&mut self) -> Result<(), ConnectError> {
        self.recorder.push(format!("{}: connect", self.config.name));
        Ok(())
    }

    fn write(&mut self, mut delivery: Delivery, _: &mut Step<'_>) {
        let FailingConfig { name, on, how } = &self.config;
        let part = delivery.part_mut();
        self.recorder.push(format!("{name}: {}", super::text(part).trim_end().replace('\n', " / ")));
        let mark = Mark::new(format!("{name} failed"));
        let failed = part.messages().iter().enumerate().filter(|(_, it)| contains(it, on));
        let failures: Vec<_> = failed.map(|(idx, _)| (idx, mark.clone())).collect();
        // What a component may do, since nobody looks at the messages afterwards.
        part.messages_mut().iter_mut().for_each(|it| it.set_content(Bytes::from_static(b"changed")));
        delivery.answer(match how.as_str() {
            _ if failures.is_empty() => Ok(()),
            "failed" => Err(WriteError::Failed(mark)),
            "closed" => Err(WriteError::Closed),
            "rejected" => Err(WriteError::Rejected(failures)),
            _ => Err(WriteError::Partial(failures)),
        });
    }
}

/// Holds each message but `f` until so many have come, in rounds.
#[derive(Config)]
struct MeetConfig(String);

struct Meet(Barrier);

impl BuildProcessor for MeetConfig {
    fn build(self, _: &mut Context<'_>) -> Result<Box<dyn Processor>, BuildError> {
        Ok(Box::new(Meet(Barrier::new(self.0.parse().expect("it is a number")))))
    }
}

impl Processor for Meet {
    fn process(&self, part: &mut Part, _: &mut Step<'_>) -> usize {
        if part.messages().iter().all(|it| it.content().as_ref() != b"f") {
            self.0.wait();
        }
        part.n_batches()
    }
}

/// Reads a file whole, and is left with one line of a hundred, as if processors had worked under it.
#[derive(Config)]
struct SieveConfig(String);

struct Sieve(Option<Bytes>);

impl BuildInput for SieveConfig {
    fn build(self, _: &mut Context<'_>) -> Result<Box<dyn Input>, BuildError> {
        Ok(Box::new(Sieve(Some(std::fs::read(self.0).expect("the test wrote it").into()))))
    }
}

impl Input for Sieve {
    fn read(&mut self, _: &mut Waits, _: &mut Step<'_>) -> Result<Parcel, ReadError> {
        let buffer = self.0.take().ok_or(ReadError::EndOfInput)?;
        let mut messages = Vec::new();
        for (idx, line) in buffer.split(|it| *it == b'\n').enumerate() {
            let mut message = Message::new(buffer.slice_ref(line));
            message.set_origin(idx as u32);
            messages.push(message);
        }
        let n = messages.len() as u32;
        let batches = Batches::Ends((1..=n).collect());
        let mut opened = Parcel::of_messages(messages, batches, Ack::new(n, |_| ())).open();
        opened
            .part
            .replace_each(|message, out| out.extend(Some(message).filter(|it| it.origin() % 100 == 7)));
        Ok(opened.into_parcel())
    }
}

/// Gives messages `1` to `5`, each said to have grown by so many bytes under processors.
#[derive(Config)]
struct SwollenConfig(String);

struct Swollen {
    grown: usize,
    next: u32,
}

impl BuildInput for SwollenConfig {
    fn build(self, _: &mut Context<'_>) -> Result<Box<dyn Input>, BuildError> {
        Ok(Box::new(Swollen { grown: self.0.parse().expect("it is a number"), next: 1 }))
    }
}

impl Input for Swollen {
    fn read(&mut self, _: &mut Waits, _: &mut Step<'_>) -> Result<Parcel, ReadError> {
        if 5 < self.next {
            return Err(ReadError::EndOfInput);
        }
        let message = Message::new(self.next.to_string());
        self.next += 1;
        let mut opened = Parcel::of_messages(vec![message], Batches::Singles, Ack::new(1, |_| ())).open();
        opened.growth.add(self.grown);
        Ok(opened.into_parcel())
    }
}
