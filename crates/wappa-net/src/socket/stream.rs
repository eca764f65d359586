//! Streams of bytes from another end, whatever carries them, cut into messages.

use std::{
    fmt,
    future::pending,
    io,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite},
    time::sleep,
};
use wappa_component::{Opened, ScannerFactory, Slices, cutter::Cutter, fault};

use crate::{Fed, Feeder, Stopping};

/// How long it may take to agree on how a connection is encrypted.
pub(crate) const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// What carries bytes in both directions.
pub trait Carrier: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Carrier for T {}

/// Makes scanners, whichever thread asks.
pub struct Scanners(Mutex<Box<dyn ScannerFactory>>);

impl Scanners {
    /// Of what makes them.
    pub fn new(factory: Box<dyn ScannerFactory>) -> Scanners {
        Scanners(Mutex::new(factory))
    }

    /// A scanner at the beginning of a source.
    pub fn open(&self) -> Result<Opened, String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).open("")
    }
}

impl fmt::Debug for Scanners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scanners")
    }
}

/// Why nothing more is read from a stream.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended {
    /// The other end sends nothing more.
    Over,
    /// Nothing more is wanted; so many bytes of an unfinished message are left out.
    Stopped(usize),
    /// It cannot be gone on with.
    Failed(String),
}

/// How much longer than a look through what is held, without finding anything, the pause is that has to be before the next
/// one. So whoever sends a little at a time keeps no thread busy.
const PAUSE_FACTOR: u32 = 4;

/// Reads a stream and puts its messages into the feed, until its end or until nothing more is wanted, or came within
/// `idle_timeout`.
pub async fn pump(
    reader: &mut (impl AsyncRead + Unpin),
    cutter: &mut Cutter,
    feeder: &Feeder,
    stop: Stopping,
    idle_timeout: Option<Duration>,
) -> Ended {
    pump_seen(reader, cutter, feeder, stop, idle_timeout, |_| ()).await
}

/// The same; `see` is shown what was found before it is put there, and may leave out some of it.
pub async fn pump_seen(
    reader: &mut (impl AsyncRead + Unpin),
    cutter: &mut Cutter,
    feeder: &Feeder,
    mut stop: Stopping,
    idle_timeout: Option<Duration>,
    mut see: impl FnMut(&mut Slices),
) -> Ended {
    let failed = |err: &dyn fmt::Display| Ended::Failed(err.to_string());
    let mut looked = Duration::ZERO;
    loop {
        let (began, was_behind) = (Instant::now(), cutter.is_behind());
        loop {
            let mut slices = match cutter.cut() {
                Ok(Some(found)) => found,
                Ok(None) => break,
                Err(err) => return failed(&err),
            };
            see(&mut slices);
            if slices.ranges.is_empty() {
                continue;
            }
            if feeder.put(Fed::slices(slices)).await.is_err() {
                return Ended::Stopped(cutter.held());
            }
        }
        if !was_behind && !cutter.is_behind() {
            looked = began.elapsed();
        }
        if cutter.is_at_end() {
            return Ended::Over;
        }
        let (held, is_behind) = (cutter.held(), cutter.is_behind());
        let room = match cutter.room() {
            Ok(room) => room,
            Err(err) => return failed(&err),
        };
        let read = tokio::select! {
            biased;
            () = stop.requested() => {
                // What is whole is handed on.
                if is_behind {
                    cutter.pause();
                    continue;
                }
                return Ended::Stopped(held);
            }
            read = reader.read_buf(room) => read,
            () = sleep(looked * PAUSE_FACTOR), if is_behind => {
                cutter.pause();
                continue;
            }
            () = idle(idle_timeout) => return failed(&"nothing came within `idle_timeout`"),
        };
        match read {
            Ok(n_bytes) => cutter.filled(n_bytes),
            // As a signal during a read.
            Err(err) if err.kind() == io::ErrorKind::Interrupted => (),
            // The end of an encrypted connection without a goodbye, which could be somebody else's doing; nothing is missing.
            Err(err) if err.kind() == io::ErrorKind::UnexpectedEof && cutter.held() == 0 => {
                return Ended::Over;
            }
            Err(err) => return failed(&fault::cause(&err)),
        }
    }
}

async fn idle(timeout: Option<Duration>) {
    match timeout {
        Some(timeout) => sleep(timeout).await,
        None => pending().await,
    }
}
