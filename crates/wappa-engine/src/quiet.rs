//! A line that would repeat for ever is logged at once, and then at most once per interval with a count.

use std::time::Duration;

use wappa_component::{Clock, Level, Logger, counted};

use crate::world::{Monitor, World};

/// At most one line in this time.
const INTERVAL: Duration = Duration::from_secs(10);

/// Holds back repetitions.
pub(crate) struct Quiet {
    world: World,
    state: Monitor<State>,
}

#[derive(Default)]
struct State {
    quiet_until: Duration,
    n_held_back: u64,
}

impl Quiet {
    pub(crate) fn new(world: &World) -> Quiet {
        Quiet { world: world.clone(), state: Monitor::new(world, State::default()) }
    }

    pub(crate) fn warn(&self, logger: &Logger, text: impl FnOnce() -> String) {
        self.log(logger, Level::Warn, text);
    }

    pub(crate) fn log(&self, logger: &Logger, level: Level, text: impl FnOnce() -> String) {
        let now = self.world.now();
        let mut state = self.state.lock();
        if now < state.quiet_until {
            state.n_held_back += 1;
            return;
        }
        let n_held_back = std::mem::take(&mut state.n_held_back);
        state.quiet_until = now + INTERVAL;
        drop(state);
        let text = text();
        match n_held_back {
            0 => logger.log(level, &text),
            n => {
                let n_lines = counted(n, "line like this was", "lines like this were");
                logger.log(level, &format!("{text} ({n_lines} held back)"));
            }
        }
    }
}
