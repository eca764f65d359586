//! Inputs and outputs that are resources: one thing with one connection, whoever refers to it.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use wappa_component::{ConnectError, Delivery, Input, Output, Parcel, ReadError, Step, Waiter};

/// A resource, and whether it is connected: those who refer to it connect one after the other.
pub(crate) struct Linked<T: ?Sized> {
    is_connected: bool,
    inner: Box<T>,
}

impl<T: ?Sized> Linked<T> {
    pub(crate) fn shared(inner: Box<T>) -> Arc<Mutex<Linked<T>>> {
        Arc::new(Mutex::new(Linked { is_connected: false, inner }))
    }

    fn connect(
        &mut self,
        connect: impl FnOnce(&mut T) -> Result<(), ConnectError>,
    ) -> Result<(), ConnectError> {
        if !self.is_connected {
            connect(&mut self.inner)?;
            self.is_connected = true;
        }
        Ok(())
    }
}

/// An input resource, as one of those who refer to it sees it. All have the input's turn when they use it, so
/// nobody waits for the lock.
pub(crate) struct SharedInput(pub(crate) Arc<Mutex<Linked<dyn Input>>>);

impl SharedInput {
    fn with<R>(&self, f: impl FnOnce(&mut Linked<dyn Input>) -> R) -> R {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Input for SharedInput {
    fn connect(&mut self, waiter: &dyn Waiter) -> Result<(), ConnectError> {
        self.with(|it| it.connect(|input| input.connect(waiter)))
    }

    fn read(&mut self, waiter: &dyn Waiter, step: &mut Step<'_>) -> Result<Parcel, ReadError> {
        self.with(|it| {
            let result = it.inner.read(waiter, step);
            it.is_connected &= !matches!(result, Err(ReadError::NotConnected));
            result
        })
    }

    fn stop(&mut self) {
        self.with(|it| it.inner.stop());
    }

    fn is_exhausted(&self) -> bool {
        self.with(|it| it.inner.is_exhausted())
    }

    fn takes_back(&self) -> bool {
        self.with(|it| it.inner.takes_back())
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
