//! The output of tests: it keeps what it is given until the test answers.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wappa_component::{
    BuildError, BuildOutput, Component, ConnectError, Context, Delivery, Output, Step, WriteError,
};
use wappa_message::{Mark, Message};
use wappa_spec::Config;

pub(crate) const COMPONENT: Component = Component::output::<LateConfig>("late");

/// Keeps what it is given until the test answers.
#[derive(Config)]
struct LateConfig {
    /// What the test calls it.
    name: String,
    /// How many deliveries it has room for.
    #[config(default = "1000")]
    room: i64,
}

/// What late outputs of a test have, in the order they got it.
#[derive(Debug, Default)]
pub struct Held(Mutex<Vec<(String, Delivery)>>);

impl Held {
    fn lock(&self) -> MutexGuard<'_, Vec<(String, Delivery)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the output with this name has, one delivery a line.
    pub fn of(&self, name: &str) -> String {
        let of = |it: &&(String, Delivery)| it.0 == name;
        let text = |it: &(String, Delivery)| crate::text(it.1.part()).trim_end().replace('\n', " / ");
        self.lock().iter().filter(of).map(text).collect::<Vec<_>>().join("\n")
    }

    /// Answers the first delivery that the output has: messages that contain `on` failed.
    pub fn answer(&self, name: &str, on: &str) {
        self.answer_each(name, 0, |it| !on.is_empty() && it.contains(on));
    }

    /// Answers one delivery of the output with this name: the messages that `fails` picks did not arrive.
    pub fn answer_each(&self, name: &str, which: usize, mut fails: impl FnMut(&str) -> bool) {
        let mut held = self.lock();
        let all: Vec<usize> = (0..held.len()).filter(|idx| held[*idx].0 == name).collect();
        assert!(!all.is_empty(), "`{name}` has something");
        let (_, delivery) = held.remove(all[which % all.len()]);
        drop(held);
        let text = |message: &Message| String::from_utf8_lossy(message.content()).into_owned();
        let failed = delivery.messages().iter().enumerate().filter(|(_, it)| fails(&text(it)));
        let failures: Vec<_> = failed.map(|(idx, _)| (idx, Mark::new(format!("{name} failed")))).collect();
        delivery.answer(if failures.is_empty() { Ok(()) } else { Err(WriteError::Partial(failures)) });
    }
}

struct Late {
    config: LateConfig,
    held: Arc<Held>,
}

impl BuildOutput for LateConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Output>, BuildError> {
        let held = ctx.services().get::<Held>().expect("the harness has one");
        Ok(Box::new(Late { config: self, held }))
    }
}

impl Output for Late {
    fn connect(&mut self) -> Result<(), ConnectError> {
        Ok(())
    }

    fn has_room(&self) -> bool {
        let n_held = self.held.lock().iter().filter(|it| it.0 == self.config.name).count();
        (n_held as i64) < self.config.room
    }

    fn write(&mut self, delivery: Delivery, _: &mut Step<'_>) {
        self.held.lock().push((self.config.name.clone(), delivery));
    }
}
