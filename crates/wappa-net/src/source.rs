//! Sources: what the author of an input for the network writes, and the input that is made of it.

use std::{fmt, future::Future, sync::Arc};

use tokio::{sync::watch, time::timeout};
use wappa_component::{ConnectError, Context, Input, InputBell, Parcel, ReadError, Step, Waits};

use crate::{
    client::CLOSE_MAX,
    feed::{Feed, Feeder, feed},
    pending::Pending,
    runtime::Runtime,
};

/// Something on the network that messages come from. [`fed_by`] makes an input of it.
///
/// Both methods run on the runtime's threads, where they may wait. Their futures are dropped where they wait when the
/// input is closed.
///
/// # A whole input
///
/// ```
/// use tokio::net::UdpSocket;
/// use wappa_component::{Batches, BuildError, BuildInput, Component, ConnectError, Context, Input, ReadError};
/// use wappa_message::Message;
/// use wappa_net::{Fed, Feeder, Source, Stopping, fed_by};
/// use wappa_spec::Config;
///
/// const COMPONENT: Component = Component::input::<DatagramsConfig>("datagrams");
///
/// /// Makes a message of each datagram that comes.
/// #[derive(Config)]
/// struct DatagramsConfig {
///     /// Where they come to.
///     address: String,
/// }
///
/// impl BuildInput for DatagramsConfig {
///     fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Input>, BuildError> {
///         Ok(fed_by(Datagrams { address: self.address }, true, ctx))
///     }
/// }
///
/// struct Datagrams {
///     address: String,
/// }
///
/// impl Source for Datagrams {
///     type Connection = UdpSocket;
///
///     async fn connect(&self) -> Result<UdpSocket, ConnectError> {
///         UdpSocket::bind(&self.address).await.map_err(|err| ConnectError::BackOff(err.to_string()))
///     }
///
///     async fn read(&self, socket: UdpSocket, feeder: Feeder, mut stop: Stopping) -> ReadError {
///         let mut buffer = vec![0; 65_536];
///         loop {
///             let n_bytes = tokio::select! {
///                 result = socket.recv(&mut buffer) => result,
///                 () = stop.requested() => return ReadError::EndOfInput,
///             };
///             let message = match n_bytes {
///                 Ok(n_bytes) => Message::new(buffer[..n_bytes].to_vec()),
///                 Err(_) => return ReadError::NotConnected,
///             };
///             // Waits while the pipeline has enough.
///             if feeder.put(Fed::messages(vec![message], Batches::Singles)).await.is_err() {
///                 return ReadError::EndOfInput;
///             }
///         }
///     }
/// }
/// ```
///
/// # A whole input whose server keeps a lease on each message
///
/// It tells the server of each message what became of it. An answer comes on a thread of the pipeline, which must not wait,
/// so it is sent by the task that reads. It joins the crate `wappa-conformance` with `check_input_from(&components, || …)`.
///
/// ```
#[doc = include_str!("pages/leased.rs")]
/// # assert_eq!(COMPONENT.spec.name, "leased");
/// ```
pub trait Source: Send + Sync + 'static {
    /// What is read from.
    type Connection: Send + 'static;

    /// Makes a connection. Called again after [`Source::read`] ended with [`ReadError::NotConnected`], or after this failed;
    /// the engine backs off in between.
    fn connect(&self) -> impl Future<Output = Result<Self::Connection, ConnectError>> + Send;

    /// Puts what comes into the feed, until there is no more of it or the stop is requested. What is returned is told behind
    /// everything that was put in: [`ReadError::NotConnected`] has it connected again, [`ReadError::EndOfInput`] ends the input.
    /// With [`ReadError::BackOff`], for what has no connection that could be lost, it is connected and read again after a
    /// back-off, and that counts for no other connection.
    fn read(
        &self,
        connection: Self::Connection,
        feeder: Feeder,
        stop: Stopping,
    ) -> impl Future<Output = ReadError> + Send;

    /// Whether what fails can be given back to where it came from; see [`Input::takes_back`].
    fn takes_back(&self) -> bool {
        false
    }

    /// Lets go of what is left, such as clients to whom answers are on their way. Called when nothing is read any more and all
    /// that can be is answered; not waited for longer than a second.
    fn close(&self) -> impl Future<Output = ()> + Send {
        async {}
    }
}

/// Whether nothing more is to be read. Cloning shares.
#[derive(Clone, Debug)]
pub struct Stopping(watch::Receiver<bool>);

impl Stopping {
    /// Waits until nothing more is to be read: at once if that is so already.
    pub async fn requested(&mut self) {
        // An input that is gone wants nothing either.
        let _ = self.0.wait_for(|it| *it).await;
    }

    /// Whether nothing more is to be read.
    pub fn is_requested(&self) -> bool {
        *self.0.borrow()
    }
}

/// An input of everything that the source reads; `auto_replay_nacks` is Bento's field.
pub fn fed_by<S: Source>(source: S, auto_replay_nacks: bool, ctx: &Context<'_>) -> Box<dyn Input> {
    let (bell, runtime) = (ctx.input_bell(), Runtime::of(ctx));
    let (feeder, feed) = feed(bell.clone());
    let (stop, source) = (watch::Sender::new(false), Arc::new(source));
    Box::new(Fetched {
        source,
        runtime,
        bell,
        feeder,
        feed,
        stop,
        state: State::Down,
        has_begun: false,
        auto_replay_nacks,
    })
}

struct Fetched<S: Source> {
    source: Arc<S>,
    runtime: Runtime,
    bell: InputBell,
    feeder: Feeder,
    feed: Feed,
    stop: watch::Sender<bool>,
    state: State<S::Connection>,
    /// It was asked to connect, so that there may be something to let go of.
    has_begun: bool,
    auto_replay_nacks: bool,
}

enum State<C> {
    Down,
    Connecting(Pending<Result<C, ConnectError>>),
    Reading(Pending<ReadError>),
    /// A fault has passed, and what is up is to be read again.
    Resting,
    GoingOn(Pending<Result<C, ConnectError>>),
}

impl<S: Source> Fetched<S> {
    fn begin_to_connect(&mut self) -> Result<Pending<Result<S::Connection, ConnectError>>, String> {
        self.has_begun = true;
        let (source, bell) = (Arc::clone(&self.source), self.bell.clone());
        let connecting = async move { source.connect().await };
        Pending::new(&self.runtime, connecting, move || bell.ring())
    }

    /// Reads again after a fault that has passed. `Ok`: it is being read, or will be.
    fn go_on(&mut self) -> Result<(), ReadError> {
        if let State::Resting = self.state {
            let Ok(connecting) = self.begin_to_connect() else { return Err(ReadError::NotConnected) };
            self.state = State::GoingOn(connecting);
        }
        let State::GoingOn(connecting) = &mut self.state else { return Ok(()) };
        let Some(connected) = connecting.take() else { return Err(ReadError::NotReady) };
        self.state = State::Down;
        let begun = connected.ok().map(|it| self.begin_to_read(it));
        if matches!(begun, Some(Ok(()))) { Ok(()) } else { Err(ReadError::NotConnected) }
    }

    fn begin_to_read(&mut self, connection: S::Connection) -> Result<(), String> {
        let (source, feeder) = (Arc::clone(&self.source), self.feeder.clone());
        let (bell, stop) = (self.bell.clone(), Stopping(self.stop.subscribe()));
        let reading = async move { source.read(connection, feeder, stop).await };
        self.state = State::Reading(Pending::new(&self.runtime, reading, move || bell.ring())?);
        Ok(())
    }
}

impl<S: Source> Input for Fetched<S> {
    fn connect(&mut self, _: &mut Waits) -> Result<(), ConnectError> {
        if let State::Down = self.state {
            self.state = State::Connecting(self.begin_to_connect().map_err(ConnectError::BackOff)?);
        }
        let State::Connecting(connecting) = &mut self.state else { return Ok(()) };
        let connected = connecting.take().unwrap_or(Err(ConnectError::NotReady));
        if !matches!(connected, Err(ConnectError::NotReady)) {
            self.state = State::Down;
        }
        self.begin_to_read(connected?).map_err(ConnectError::BackOff)
    }

    fn read(&mut self, _: &mut Waits, _: &mut Step<'_>) -> Result<Parcel, ReadError> {
        self.go_on()?;
        let State::Reading(reading) = &mut self.state else { return Err(ReadError::NotConnected) };
        // Asked first: what is in the feed then is everything.
        let is_over = reading.is_done();
        if let Some(parcel) = self.feed.take() {
            return Ok(parcel);
        }
        if !is_over {
            return Err(ReadError::NotReady);
        }
        let end = reading.take().unwrap_or(ReadError::NotConnected);
        self.state = if matches!(end, ReadError::BackOff(_)) { State::Resting } else { State::Down };
        Err(end)
    }

    fn stop(&mut self) {
        self.stop.send_replace(true);
    }

    fn restart(&mut self) -> bool {
        self.stop.send_replace(false);
        true
    }

    fn takes_back(&self) -> bool {
        self.source.takes_back()
    }

    fn auto_replay_nacks(&self) -> bool {
        self.auto_replay_nacks
    }

    fn close(&mut self) -> Result<(), String> {
        self.state = State::Down;
        self.feed.close();
        if !std::mem::take(&mut self.has_begun) {
            return Ok(());
        }
        let Ok(runtime) = self.runtime.start() else { return Ok(()) };
        let source = Arc::clone(&self.source);
        // Where it takes longer it is dropped.
        let _ = runtime.block_on(async move { timeout(CLOSE_MAX, source.close()).await });
        Ok(())
    }
}

impl<S: Source> fmt::Debug for Fetched<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetched").field("feed", &self.feed).finish_non_exhaustive()
    }
}
