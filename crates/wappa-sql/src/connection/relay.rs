//! Between a client's library and its server: what the server sends is counted, and too much of it is the end of the
//! connection.
//!
//! The libraries take a message to be as long as the server says, and have no place for a limit. So they are connected to a
//! relay, over a socket of the process's own, and the relay to the server. It has no task: whoever waits for the library
//! moves the bytes meanwhile, and what nobody waits for stays where it is. Encrypted bytes are counted as they are.
//!
//! Of MySQL more than their number is looked at: see [`Turns`].

use std::{
    convert::Infallible,
    future::poll_fn,
    hash::{BuildHasher, RandomState},
    io,
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixListener as StdUnixListener},
    },
    path::{Path, PathBuf},
    pin::{Pin, pin},
    process,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixListener, UnixStream},
};

use super::{
    mysql_turns::Turns,
    sound::{not_understood, sound},
};
use crate::{
    driver::Driver,
    failed::{Failed, Kind},
};

/// The most that comes from a server before a row or the end of the answer: the library has all of it in memory.
fn answer_max(driver: Driver) -> usize {
    match driver {
        // The library takes a row whose first value is 16MiB or longer for the end of the rows, and what follows for the
        // answer to the next statement. Some of a row may have come before the one in front of it was taken.
        Driver::MySql => 15 << 20,
        _ => 64 << 20,
    }
}

/// What is said of more.
fn too_large(driver: Driver) -> Failed {
    let limit = answer_max(driver) >> 20;
    let text = format!(
        "the server's answer is too large: a row, or what it says without rows, is more than {limit}MiB; \
         a statement that asks for less of it at once may do"
    );
    Failed::new(Kind::Statement, text)
}

/// A connection is not used for another statement once so much has come that was no row: the library keeps some of it.
const KEPT_MAX: u64 = 16 << 20;

/// How much is moved at once.
const MOVED: usize = 16 << 10;

/// So many names are tried.
const NAMES_MAX: usize = 8;

/// A server's end of a connection, or the library's.
trait End: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> End for T {}

pub(super) struct Relay {
    near: UnixStream,
    far: Box<dyn End>,
    up: Flow,
    down: Flow,
    /// How much has come since the statement began, or since its last row.
    n_since: usize,
    /// How much has come that was no row, in parts of [`PARTS`].
    n_parts: u64,
    is_over: bool,
    /// Whose turn it is, where that matters.
    turns: Option<Turns>,
}

/// A byte is counted in so many parts, since encryption and what is around a row make up some hundredths of it.
const PARTS: u64 = 256;

/// What is on its way in one direction.
#[derive(Default)]
struct Flow {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    is_closed: bool,
}

/// Why nothing moves any more.
enum Stop {
    Broken(io::Error),
    Refused(Failed),
}

impl From<io::Error> for Stop {
    fn from(err: io::Error) -> Stop {
        Stop::Broken(err)
    }
}

impl Relay {
    /// Connects to a server at an address.
    pub(super) async fn tcp(host: &str, port: u16) -> io::Result<Unopened> {
        let far = TcpStream::connect((host, port)).await?;
        // The library writes what belongs together at once.
        far.set_nodelay(true)?;
        Ok(Unopened(Box::new(far)))
    }

    /// Connects to a server of the machine.
    pub(super) async fn unix(path: &Path) -> io::Result<Unopened> {
        Ok(Unopened(Box::new(UnixStream::connect(path).await?)))
    }

    fn new(driver: Driver, near: UnixStream, far: Box<dyn End>) -> Relay {
        Relay {
            near,
            far,
            up: Flow::default(),
            down: Flow::default(),
            n_since: 0,
            n_parts: 0,
            is_over: false,
            turns: (driver == Driver::MySql).then(Turns::default),
        }
    }

    /// A statement begins.
    pub(super) fn begin(&mut self) {
        self.n_since = 0;
    }

    /// A row of so many bytes has come out of the library.
    pub(super) fn row_came(&mut self, n_bytes: usize) {
        self.n_since = 0;
        self.n_parts = self.n_parts.saturating_sub((n_bytes as u64).saturating_mul(PARTS + 1));
    }

    /// Whether the connection is not to be used for another statement.
    pub(super) fn is_spent(&self) -> bool {
        self.is_over || KEPT_MAX < self.n_parts / PARTS
    }

    /// Moves what there is to be moved. Ready with what ended it.
    pub(super) fn poll(&mut self, driver: Driver, ctx: &mut Context<'_>) -> Poll<Failed> {
        let turns = &mut self.turns;
        let asked = |bytes: &[u8]| {
            turns.iter_mut().for_each(|it| it.asked(bytes));
            Ok(())
        };
        // What cannot be sent is of no interest to who is gone: what he said before he went is.
        if self.up.poll(&mut self.near, &mut self.far, ctx, asked).is_ready() {
            self.up.is_closed = true;
        }
        let (n_since, n_parts, most) = (&mut self.n_since, &mut self.n_parts, answer_max(driver));
        let said = |bytes: &[u8]| {
            *n_since += bytes.len();
            *n_parts += bytes.len() as u64 * PARTS;
            if most < *n_since || (most as u64 + KEPT_MAX) * PARTS < *n_parts {
                return Err(too_large(driver));
            }
            turns.iter_mut().try_for_each(|it| it.said(bytes)).map_err(|text| not_understood(&text))
        };
        let stop = ready!(self.down.poll(&mut self.far, &mut self.near, ctx, said));
        self.is_over = true;
        Poll::Ready(match stop {
            Stop::Refused(why) => why,
            Stop::Broken(err) => Failed::of(driver, sqlx::Error::Io(err)),
        })
    }

    /// Moves what the library said last, until it has nothing more to say.
    pub(super) async fn finish(mut self) {
        poll_fn(|ctx| match self.up.poll(&mut self.near, &mut self.far, ctx, |_| Ok(())) {
            Poll::Pending if self.up.is_closed => Poll::Ready(()),
            moved => moved.map(|_| ()),
        })
        .await;
    }
}

impl Flow {
    /// Moves bytes as long as there are any, each after it was seen. Ready when one end failed, or when there are some that
    /// may not go on.
    fn poll(
        &mut self,
        from: impl AsyncRead + Unpin,
        to: impl AsyncWrite + Unpin,
        ctx: &mut Context<'_>,
        see: impl FnMut(&[u8]) -> Result<(), Failed>,
    ) -> Poll<Stop> {
        self.move_on(from, to, ctx, see).map(|stop| match stop {
            Err(stop) => stop,
        })
    }

    fn move_on(
        &mut self,
        mut from: impl AsyncRead + Unpin,
        mut to: impl AsyncWrite + Unpin,
        ctx: &mut Context<'_>,
        mut see: impl FnMut(&[u8]) -> Result<(), Failed>,
    ) -> Poll<Result<Infallible, Stop>> {
        loop {
            while self.start < self.end {
                let n = ready!(Pin::new(&mut to).poll_write(ctx, &self.buffer[self.start..self.end]))?;
                self.start += n;
            }
            if self.is_closed {
                return Poll::Pending;
            }
            self.buffer.resize(MOVED, 0);
            let mut read = ReadBuf::new(&mut self.buffer);
            ready!(Pin::new(&mut from).poll_read(ctx, &mut read))?;
            (self.start, self.end) = (0, read.filled().len());
            if self.end == 0 {
                self.is_closed = true;
                // Neither kind of socket waits for anything here.
                _ = Pin::new(&mut to).poll_shutdown(ctx)?;
            }
            see(&self.buffer[..self.end]).map_err(Stop::Refused)?;
        }
    }
}

/// A server to which no library is connected yet.
pub(super) struct Unopened(Box<dyn End>);

impl Unopened {
    /// Has a library connect, which is given the name of the socket that it is to connect to; what it puts behind the name
    /// is the suffix.
    pub(super) async fn open<T, F>(
        self,
        driver: Driver,
        suffix: &str,
        connect: impl FnOnce(PathBuf) -> F,
    ) -> Result<(T, Relay), Failed>
    where
        F: Future<Output = sqlx::Result<T>>,
    {
        let failed = |err| Failed::of(driver, sqlx::Error::Io(err));
        let (listener, name) = listen(suffix).map_err(failed)?;
        let mut connecting = pin!(sound(driver, connect(name.into())));
        let mut accepting = pin!(accept(&listener));
        let near = poll_fn(|ctx| match connecting.as_mut().poll(ctx) {
            Poll::Ready(Err(err)) => Poll::Ready(Err(err)),
            // Nobody but the relay could have let it in.
            Poll::Ready(Ok(_)) => Poll::Ready(Err(failed(io::ErrorKind::ConnectionAborted.into()))),
            Poll::Pending => accepting.as_mut().poll(ctx).map_err(failed),
        })
        .await?;
        let mut relay = Relay::new(driver, near, self.0);
        let library = relay.beside(driver, connecting).await?;
        Ok((library, relay))
    }
}

impl Relay {
    /// What comes of it, moving bytes meanwhile.
    pub(super) async fn beside<T>(
        &mut self,
        driver: Driver,
        asked: impl Future<Output = Result<T, Failed>>,
    ) -> Result<T, Failed> {
        self.begin();
        let mut asked = pin!(asked);
        poll_fn(|ctx| match asked.as_mut().poll(ctx) {
            Poll::Pending => self.poll(driver, ctx).map(Err),
            ready => ready,
        })
        .await
    }
}

/// Listens at a name that no file has, behind which is the suffix.
fn listen(suffix: &str) -> io::Result<(UnixListener, String)> {
    let mut n_tried = 0;
    loop {
        let name = format!("wappa-{}-{:016x}", process::id(), RandomState::new().hash_one(n_tried));
        match StdUnixListener::bind_addr(&SocketAddr::from_abstract_name(format!("{name}{suffix}"))?) {
            Ok(listener) => {
                listener.set_nonblocking(true)?;
                return Ok((UnixListener::from_std(listener)?, format!("\0{name}")));
            }
            Err(err) if err.kind() == io::ErrorKind::AddrInUse && n_tried < NAMES_MAX => n_tried += 1,
            Err(err) => return Err(err),
        }
    }
}

/// The connection that this process has made: others of the machine may find the name.
async fn accept(listener: &UnixListener) -> io::Result<UnixStream> {
    loop {
        let (near, _) = listener.accept().await?;
        if near.peer_cred()?.pid() == i32::try_from(process::id()).ok() {
            return Ok(near);
        }
    }
}

impl std::fmt::Debug for Relay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Relay({} bytes)", self.n_parts / PARTS)
    }
}
