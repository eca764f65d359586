//! Turns: one change of a stream after the other, and few that are read and built at once.

use std::{num::NonZero, sync::PoisonError, thread};

use super::{Refusal, State, Streams, closed};

/// How many streams are read and built at once, at least: each of them may compile modules.
const BUILDS_MIN: usize = 2;

/// The same at most.
const BUILDS_MAX: usize = 4;

/// The turn to change a stream.
pub(super) struct Turn<'a> {
    streams: &'a Streams,
    id: String,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.streams.lock().busy.remove(&self.id);
        self.streams.turn_over.notify_all();
    }
}

/// The turn to read and build.
pub(super) struct Building<'a>(&'a Streams);

impl Drop for Building<'_> {
    fn drop(&mut self) {
        self.0.lock().n_building -= 1;
        self.0.turn_over.notify_all();
    }
}

impl Streams {
    pub(super) fn take_turn(&self, id: &str) -> Result<Turn<'_>, Refusal> {
        let state = self.lock();
        let is_waiting = |it: &mut State| it.busy.contains(id) && !it.is_closed;
        let mut state = self.turn_over.wait_while(state, is_waiting).unwrap_or_else(PoisonError::into_inner);
        if state.is_closed {
            return Err(closed());
        }
        state.busy.insert(id.to_string());
        Ok(Turn { streams: self, id: id.to_string() })
    }

    pub(super) fn begin_building(&self) -> Result<Building<'_>, Refusal> {
        let n_processors = thread::available_parallelism().map_or(1, NonZero::get);
        let max = n_processors.clamp(BUILDS_MIN, BUILDS_MAX);
        let state = self.lock();
        let is_waiting = |it: &mut State| max <= it.n_building && !it.is_closed;
        let mut state = self.turn_over.wait_while(state, is_waiting).unwrap_or_else(PoisonError::into_inner);
        if state.is_closed {
            return Err(closed());
        }
        state.n_building += 1;
        Ok(Building(self))
    }
}
