//! The monotonic clock of WASI 0.2, whose pollables need no runtime of timers.

use std::time::{Duration, Instant};

use wasmtime::component::Resource;
use wasmtime_wasi::{
    async_trait,
    p2::{DynPollable, Pollable, bindings::clocks::monotonic_clock, subscribe},
};

use super::View;
use crate::{host::waiting::until, wasi::preview1::nanos};

/// A point in time; `None`: it is too far away to ever come.
struct Alarm(Option<Instant>);

#[async_trait]
impl Pollable for Alarm {
    async fn ready(&mut self) {
        until(self.0).await;
    }
}

impl View<'_> {
    fn alarm(&mut self, at: Option<Instant>) -> wasmtime::Result<Resource<DynPollable>> {
        let table = self.table()?;
        // The guest never sees this one: it goes with the pollable.
        let alarm = table.push(Alarm(at))?;
        subscribe(table, alarm)
    }
}

impl monotonic_clock::Host for View<'_> {
    fn now(&mut self) -> wasmtime::Result<monotonic_clock::Instant> {
        Ok(nanos(self.host()?.began.elapsed()))
    }

    fn resolution(&mut self) -> wasmtime::Result<monotonic_clock::Duration> {
        Ok(1)
    }

    fn subscribe_instant(
        &mut self,
        when: monotonic_clock::Instant,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        let at = self.0.began.checked_add(Duration::from_nanos(when));
        self.alarm(at)
    }

    fn subscribe_duration(
        &mut self,
        when: monotonic_clock::Duration,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        self.alarm(Instant::now().checked_add(Duration::from_nanos(when)))
    }
}
