//! Streams of bytes from another end, whatever carries them, cut into messages.

use std::{
    fmt,
    future::pending,
    io,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite},
    time::sleep,
};
use wappa_component::{Opened, ScannerFactory, cutter::Cutter, fault};

use crate::{Fed, Feeder, Stopping};

/// How long it may take to agree on how a connection is encrypted.
pub(crate) const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// What carries bytes in both directions.
pub(crate) trait Carrier: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Carrier for T {}

/// Makes scanners, whichever thread asks.
pub(crate) struct Scanners(Mutex<Box<dyn ScannerFactory>>);

impl Scanners {
    pub(crate) fn new(factory: Box<dyn ScannerFactory>) -> Scanners {
        Scanners(Mutex::new(factory))
    }

    /// A scanner at the beginning of a source.
    pub(crate) fn open(&self) -> Result<Opened, String> {
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
pub(crate) enum Ended {
    /// The other end sends nothing more.
    Over,
    /// Nothing more is wanted; so many bytes of an unfinished message are left out.
    Stopped(usize),
    /// It cannot be gone on with.
    Failed(String),
}

/// Reads a stream and puts its messages into the feed, until its end or until nothing more is wanted, or came within
/// `idle_timeout`. Before each read `admit` is told how many bytes the buffer takes up; the error is its reason to give up.
pub(crate) async fn pump(
    reader: &mut (impl AsyncRead + Unpin),
    cutter: &mut Cutter,
    feeder: &Feeder,
    mut stop: Stopping,
    idle_timeout: Option<Duration>,
    mut admit: impl FnMut(usize) -> Result<(), String>,
) -> Ended {
    let failed = |err: &dyn fmt::Display| Ended::Failed(err.to_string());
    loop {
        loop {
            let slices = match cutter.cut() {
                Ok(Some(found)) => found,
                Ok(None) => break,
                Err(err) => return failed(&err),
            };
            if feeder.put(Fed::slices(slices)).await.is_err() {
                return Ended::Stopped(cutter.held());
            }
        }
        if cutter.is_at_end() {
            return Ended::Over;
        }
        let room = match cutter.room() {
            Ok(room) => room,
            Err(err) => return failed(&err),
        };
        if let Err(text) = admit(room.capacity()) {
            return failed(&text);
        }
        let read = tokio::select! {
            biased;
            () = stop.requested() => return Ended::Stopped(cutter.held()),
            read = reader.read_buf(room) => read,
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
