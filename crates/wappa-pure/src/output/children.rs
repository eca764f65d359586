//! Several outputs below another one, called together.

use std::time::Duration;

use wappa_component::{ConnectError, Output, Step};

/// The outputs below another one. Each connects, and backs off, by itself.
pub(super) struct Children(Vec<Box<dyn Output>>);

impl Children {
    pub(super) fn new(outputs: Vec<Box<dyn Output>>) -> Children {
        Children(outputs)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn get(&mut self, idx: usize) -> &mut dyn Output {
        self.0[idx].as_mut()
    }

    pub(super) fn has_room(&self, idx: usize) -> bool {
        self.0[idx].has_room()
    }

    /// Those that have room, in order, beginning with `first`.
    pub(super) fn with_room(&self, first: usize) -> Vec<usize> {
        (0..self.len()).map(|it| (first + it) % self.len()).filter(|it| self.has_room(*it)).collect()
    }

    pub(super) fn connect(&mut self) -> Result<(), ConnectError> {
        self.0.iter_mut().try_for_each(|it| it.connect())
    }

    pub(super) fn resume(&mut self, step: &mut Step<'_>) {
        self.0.iter_mut().for_each(|it| it.resume(step));
    }

    pub(super) fn due(&self) -> Option<Duration> {
        self.0.iter().filter_map(|it| it.due()).min()
    }

    pub(super) fn close(&mut self) -> Result<(), String> {
        let results: Vec<_> = self.0.iter_mut().map(|it| it.close()).collect();
        results.into_iter().collect()
    }
}
