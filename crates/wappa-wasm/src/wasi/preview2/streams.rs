//! Pollables and streams of WASI 0.2: every wait ends at the deadline or at a shutdown.

use std::iter;

use wasmtime::component::{Resource, ResourceTable};
use wasmtime_wasi::p2::{
    DynInputStream, DynOutputStream, DynPollable, StreamError, StreamResult,
    bindings::{
        io::poll::{Host as Polls, HostPollable as Calls},
        sync::io::{poll, streams},
    },
    subscribe,
};

use super::View;
use crate::{host::error::Stop, wasi::preview1::SUBSCRIPTIONS_MAX};

/// What a blocking write takes at once: the interface says so.
const BLOCKING_WRITE_BYTES_MAX: u64 = 4096;

impl poll::Host for View<'_> {
    fn poll(&mut self, pollables: Vec<Resource<DynPollable>>) -> wasmtime::Result<Vec<u32>> {
        if SUBSCRIPTIONS_MAX < pollables.len() {
            let text = format!("`poll` with {} pollables, more than {SUBSCRIPTIONS_MAX}", pollables.len());
            return Err(Stop::HostCall(text.into()).into());
        }
        self.on_table(async |table| Polls::poll(table, pollables).await)?
    }
}

impl poll::HostPollable for View<'_> {
    fn ready(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<bool> {
        self.on_table(async |table| Calls::ready(table, pollable).await)?
    }

    fn block(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<()> {
        self.on_table(async |table| Calls::block(table, pollable).await)?
    }

    fn drop(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<()> {
        Calls::drop(self.table()?, pollable)
    }
}

/// A wait that was ended, as streams report what ends the guest.
fn stopped(stop: Stop) -> StreamError {
    StreamError::Trap(stop.into())
}

fn length(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

fn check_length(bytes: u64, function: &str) -> StreamResult<()> {
    if bytes <= BLOCKING_WRITE_BYTES_MAX {
        return Ok(());
    }
    let text = format!("`{function}` with {bytes} bytes, more than {BLOCKING_WRITE_BYTES_MAX}");
    Err(stopped(Stop::HostCall(text.into())))
}

impl View<'_> {
    fn resources(&mut self) -> StreamResult<&mut ResourceTable> {
        self.table().map_err(StreamError::Trap)
    }
}

impl streams::Host for View<'_> {
    fn convert_stream_error(&mut self, err: StreamError) -> wasmtime::Result<streams::StreamError> {
        Ok(match err {
            StreamError::Closed => streams::StreamError::Closed,
            StreamError::LastOperationFailed(err) => {
                streams::StreamError::LastOperationFailed(self.table()?.push(err)?)
            }
            StreamError::Trap(err) => return Err(err),
        })
    }
}

impl streams::HostInputStream for View<'_> {
    fn read(&mut self, stream: Resource<DynInputStream>, bytes: u64) -> StreamResult<Vec<u8>> {
        Ok(self.resources()?.get_mut(&stream)?.read(length(bytes))?.into())
    }

    fn blocking_read(&mut self, stream: Resource<DynInputStream>, bytes: u64) -> StreamResult<Vec<u8>> {
        let read = self.on_table(async |table| table.get_mut(&stream)?.blocking_read(length(bytes)).await);
        Ok(read.map_err(StreamError::Trap)??.into())
    }

    fn skip(&mut self, stream: Resource<DynInputStream>, bytes: u64) -> StreamResult<u64> {
        Ok(self.resources()?.get_mut(&stream)?.skip(length(bytes))? as u64)
    }

    fn blocking_skip(&mut self, stream: Resource<DynInputStream>, bytes: u64) -> StreamResult<u64> {
        let skipped = self.on_table(async |table| table.get_mut(&stream)?.blocking_skip(length(bytes)).await);
        Ok(skipped.map_err(StreamError::Trap)?? as u64)
    }

    fn subscribe(&mut self, stream: Resource<DynInputStream>) -> wasmtime::Result<Resource<DynPollable>> {
        subscribe(self.table()?, stream)
    }

    fn drop(&mut self, stream: Resource<DynInputStream>) -> wasmtime::Result<()> {
        self.host()?.files.streams.remove(&stream.rep());
        let mut stream = self.table()?.delete(stream)?;
        // A read that is under way is waited for, so that a guest cannot leave more and more of them behind.
        self.on_table(async |_| stream.cancel().await)
    }
}

impl streams::HostOutputStream for View<'_> {
    fn check_write(&mut self, stream: Resource<DynOutputStream>) -> StreamResult<u64> {
        Ok(self.resources()?.get_mut(&stream)?.check_write()? as u64)
    }

    fn write(&mut self, stream: Resource<DynOutputStream>, bytes: Vec<u8>) -> StreamResult<()> {
        let stream = self.resources()?.get_mut(&stream)?;
        if stream.check_write()? < bytes.len() {
            let text = format!("`write` with {} bytes, more than `check-write` allows", bytes.len());
            return Err(stopped(Stop::HostCall(text.into())));
        }
        stream.write(bytes.into())
    }

    fn blocking_write_and_flush(
        &mut self,
        stream: Resource<DynOutputStream>,
        bytes: Vec<u8>,
    ) -> StreamResult<()> {
        check_length(bytes.len() as u64, "blocking-write-and-flush")?;
        let written =
            self.on_table(async |table| table.get_mut(&stream)?.blocking_write_and_flush(bytes.into()).await);
        written.map_err(StreamError::Trap)?
    }

    fn flush(&mut self, stream: Resource<DynOutputStream>) -> StreamResult<()> {
        self.resources()?.get_mut(&stream)?.flush()
    }

    fn blocking_flush(&mut self, stream: Resource<DynOutputStream>) -> StreamResult<()> {
        let flushed = self.on_table(async |table| {
            let stream = table.get_mut(&stream)?;
            stream.flush()?;
            stream.write_ready().await.map(drop)
        });
        flushed.map_err(StreamError::Trap)?
    }

    fn subscribe(&mut self, stream: Resource<DynOutputStream>) -> wasmtime::Result<Resource<DynPollable>> {
        subscribe(self.table()?, stream)
    }

    fn write_zeroes(&mut self, stream: Resource<DynOutputStream>, bytes: u64) -> StreamResult<()> {
        // Checks the length itself, before there are any zeroes.
        self.resources()?.get_mut(&stream)?.write_zeroes(length(bytes))
    }

    fn blocking_write_zeroes_and_flush(
        &mut self,
        stream: Resource<DynOutputStream>,
        bytes: u64,
    ) -> StreamResult<()> {
        check_length(bytes, "blocking-write-zeroes-and-flush")?;
        self.blocking_write_and_flush(stream, iter::repeat_n(0, length(bytes)).collect())
    }

    fn splice(
        &mut self,
        target: Resource<DynOutputStream>,
        source: Resource<DynInputStream>,
        bytes: u64,
    ) -> StreamResult<u64> {
        let table = self.resources()?;
        let room = table.get_mut(&target)?.check_write()?.min(length(bytes));
        if room == 0 {
            return Ok(0);
        }
        let content = table.get_mut(&source)?.read(room)?;
        if content.is_empty() {
            return Ok(0);
        }
        let spliced = content.len() as u64;
        table.get_mut(&target)?.write(content)?;
        Ok(spliced)
    }

    fn blocking_splice(
        &mut self,
        target: Resource<DynOutputStream>,
        source: Resource<DynInputStream>,
        bytes: u64,
    ) -> StreamResult<u64> {
        let spliced = self.on_table(async |table| {
            let room = table.get_mut(&target)?.write_ready().await?.min(length(bytes));
            if room == 0 {
                return Ok(0);
            }
            let content = table.get_mut(&source)?.blocking_read(room).await?;
            if content.is_empty() {
                return Ok(0);
            }
            let spliced = content.len() as u64;
            table.get_mut(&target)?.blocking_write_and_flush(content).await?;
            Ok(spliced)
        });
        spliced.map_err(StreamError::Trap)?
    }

    fn drop(&mut self, stream: Resource<DynOutputStream>) -> wasmtime::Result<()> {
        self.host()?.files.streams.remove(&stream.rep());
        let mut stream = self.table()?.delete(stream)?;
        self.on_table(async |_| stream.cancel().await)
    }
}
