//! Inputs and outputs that are resources: one thing with one connection, whoever refers to it.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use wappa_component::{ConnectError, Delivery, Input, Output, Parcel, ReadError, Step, Waits};

/// An input resource, as one of those who refer to it sees it: each gets some of what there is. All have the input's turn
/// when they use it, so nobody waits for the lock.
pub(crate) struct SharedInput(pub(crate) Arc<Mutex<Box<dyn Input>>>);

impl SharedInput {
    fn with<R>(&self, f: impl FnOnce(&mut dyn Input) -> R) -> R {
        f(self.0.lock().unwrap_or_else(PoisonError::into_inner).as_mut())
    }
}

impl Input for SharedInput {
    fn read(&mut self, waits: &mut Waits, step: &mut Step<'_>) -> Result<Parcel, ReadError> {
        self.with(|it| it.read(waits, step))
    }

    fn stop(&mut self) {
        self.with(|it| it.stop());
    }

    fn restart(&mut self) -> bool {
        self.with(|it| it.restart())
    }

    fn is_exhausted(&self) -> bool {
        self.with(|it| it.is_exhausted())
    }

    fn takes_back(&self) -> bool {
        self.with(|it| it.takes_back())
    }

    fn close(&mut self) -> Result<(), String> {
        self.with(|it| it.close())
    }
}

/// An output resource, as one of those who refer to it sees it. All have the output's turn when they use it, so they
/// write one after the other. Connecting it again, or closing it, does nothing.
pub(crate) struct SharedOutput(pub(crate) Arc<Mutex<Box<dyn Output>>>);

impl SharedOutput {
    fn with<R>(&self, f: impl FnOnce(&mut dyn Output) -> R) -> R {
        f(self.0.lock().unwrap_or_else(PoisonError::into_inner).as_mut())
    }
}

impl Output for SharedOutput {
    fn connect(&mut self) -> Result<(), ConnectError> {
        self.with(|it| it.connect())
    }

    fn has_room(&self) -> bool {
        self.with(|it| it.has_room())
    }

    fn write(&mut self, delivery: Delivery, step: &mut Step<'_>) {
        self.with(|it| it.write(delivery, step));
    }

    fn resume(&mut self, step: &mut Step<'_>) {
        self.with(|it| it.resume(step));
    }

    fn due(&self) -> Option<Duration> {
        self.with(|it| it.due())
    }

    fn flush(&mut self, step: &mut Step<'_>) {
        self.with(|it| it.flush(step));
    }

    fn close(&mut self) -> Result<(), String> {
        self.with(|it| it.close())
    }
}
