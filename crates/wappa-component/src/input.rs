//! Inputs: where messages come from. This page is all that the author of one needs.

use crate::{Parcel, Step, Waits};

/// A source of messages.
///
/// Whoever holds the input's turn owns it: the engine never calls it from two threads at once. It never waits: what it
/// waits for is named, and it is asked again when that has come, or for no reason.
///
/// # What becomes of it
///
/// It is built before the stream runs, which opens and connects nothing. Then it is [connected](Input::connect), and read
/// until it says that there will be no more; one that lost its connection says so and is connected again. At a stop it is
/// told to [stop](Input::stop), and read to its end. In the end it is closed, when all that can be is answered. Around it lie
/// what connects, backs off, logs and counts, the replays it asks for, and the processors under it: none of that is its
/// own to do.
///
/// # What it is told
///
/// What it reads it hands over with an [`Ack`](crate::Ack), which it makes and which tells it what became of each message:
/// once, on whichever thread answered last, so that whoever is told does not wait.
///
/// - [`Ack::new`](crate::Ack::new) tells when the whole parcel is answered. It costs nothing per message, and is what lines of
///   a file want.
/// - [`Ack::leased`](crate::Ack::leased) tells of each message as soon as nothing that descends from it is left unanswered,
///   for a source that keeps a lease on each, or a client who waits. A message that shares its part with one that is slow
///   waits for it, and no other does.
///
/// # What it says of order
///
/// What is read first is handed to the output first. With [`Parcel::with_order`] messages keep their order only with those
/// of their [`Group`](crate::Group), or with none.
///
/// # What it promises
///
/// - Each message is handed over once, until it is answered as failed.
/// - It names what it waits for, or rings its [`InputBell`](crate::InputBell), from any thread, once there is something.
/// - A parcel holds no more than [`PARCEL_MESSAGES_MAX`](crate::PARCEL_MESSAGES_MAX) messages, unless one batch does.
///
/// The crate `wappa-conformance` holds every input to this; a new one joins it with one line.
///
/// # A whole input
///
/// ```
/// use std::{
///     collections::VecDeque,
///     sync::{Arc, Mutex, OnceLock, PoisonError},
/// };
///
/// use wappa_component::{
///     Ack, Batches, BuildError, BuildInput, Component, Context, Failure, Input, InputBell, Order,
///     PARCEL_MESSAGES_MAX, Parcel, ReadError, Step, Waits,
/// };
/// use wappa_message::Message;
/// use wappa_spec::Config;
///
/// const COMPONENT: Component = Component::input::<LettersConfig>("letters");
///
/// /// Reads the letters that the program posts. What does not arrive is posted again.
/// #[derive(Config)]
/// struct LettersConfig;
///
/// impl BuildInput for LettersConfig {
///     fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Input>, BuildError> {
///         let letters = ctx.services().get_or_default::<Letters>();
///         letters.bell.get_or_init(|| ctx.input_bell());
///         Ok(Box::new(Reader { letters, is_stopped: false }))
///     }
/// }
///
/// /// What was posted and not read. A service, which the program has as well.
/// #[derive(Default)]
/// struct Letters {
///     waiting: Mutex<VecDeque<Message>>,
///     bell: OnceLock<InputBell>,
/// }
///
/// impl Letters {
///     fn post(&self, letter: Message) {
///         self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push_back(letter);
///         // Behind the lock: whoever is called takes it.
///         self.bell.get().into_iter().for_each(InputBell::ring);
///     }
///
///     fn take(&self) -> Vec<Message> {
///         let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
///         let n = waiting.len().min(PARCEL_MESSAGES_MAX);
///         waiting.drain(..n).collect()
///     }
/// }
///
/// struct Reader {
///     letters: Arc<Letters>,
///     is_stopped: bool,
/// }
///
/// impl Input for Reader {
///     fn read(&mut self, _: &mut Waits, _: &mut Step<'_>) -> Result<Parcel, ReadError> {
///         if self.is_stopped {
///             return Err(ReadError::EndOfInput);
///         }
///         let taken = self.letters.take();
///         if taken.is_empty() {
///             // Whoever posts one rings.
///             return Err(ReadError::NotReady);
///         }
///         // Copies share their contents.
///         let (letters, copies) = (Arc::clone(&self.letters), taken.clone());
///         let ack = Ack::leased(taken.len() as u32, move |_: &[u32], failures: Vec<Failure>| {
///             failures.iter().for_each(|it| letters.post(copies[it.origin as usize].clone()));
///         });
///         // No letter waits for another one.
///         Ok(Parcel::of_messages(taken, Batches::Singles, ack).with_order(Order::None))
///     }
///
///     fn stop(&mut self) {
///         self.is_stopped = true;
///     }
///
///     fn takes_back(&self) -> bool {
///         true
///     }
/// }
/// # assert_eq!(COMPONENT.spec.name, "letters");
/// ```
pub trait Input: Send {
    /// Makes the input ready to be read. Called before the first read, and again after
    /// [`ReadError::NotConnected`], with a back-off. Inputs above others have nothing to connect: each of those connects,
    /// and backs off, by itself.
    fn connect(&mut self, _: &mut Waits) -> Result<(), ConnectError> {
        Ok(())
    }

    /// Hands over everything that is ready. Nothing waits to make a parcel larger.
    ///
    /// Where nothing is ready the answer is [`ReadError::NotReady`], and `waits` says what for, unless the
    /// [`InputBell`](crate::InputBell) is rung when there is something. `step` is for processors that run under the input.
    fn read(&mut self, waits: &mut Waits, step: &mut Step<'_>) -> Result<Parcel, ReadError>;

    /// Says that nothing more will be asked for, so that what was collected is handed over, at once, by the
    /// reads that follow; they end with [`ReadError::EndOfInput`]. May be said more than once.
    fn stop(&mut self) {}

    /// Begins again, after the end, as when it was made. `false`: it cannot.
    fn restart(&mut self) -> bool {
        false
    }

    /// Whether nothing new will come before something that was read is answered, so that whoever collects messages must not
    /// wait for more. An input that has said [`ReadError::EndOfInput`] need not answer this.
    fn is_exhausted(&self) -> bool {
        false
    }

    /// Whether what failed is to be delivered again by the engine (the field `auto_replay_nacks`). The input
    /// is then told only once everything has arrived.
    fn auto_replay_nacks(&self) -> bool {
        false
    }

    /// Whether a message that fails can be given back to where it came from, to be delivered again later.
    /// `stdin` and files cannot.
    fn takes_back(&self) -> bool {
        false
    }

    /// Called once nothing is read any more and all that can be is answered. May be called more than once.
    fn close(&mut self) -> Result<(), String> {
        Ok(())
    }
}

/// Why an input has nothing to give. Closed on purpose: each variant is one reaction of the engine.
#[derive(Debug)]
pub enum ReadError {
    /// Nothing yet: ask again when what is waited for has come.
    NotReady,
    /// There will be no more, however often it is asked. Answers to what was read may still be outstanding.
    EndOfInput,
    /// The connection is gone: connect again.
    NotConnected,
    /// A source was given up, or a piece of one; what else there is goes on. Logged as an error, and the process exits with 1 at the end.
    SourceFailed(String),
    /// A passing fault: ask again after a back-off.
    BackOff(String),
}

/// Why an input or output could not be made ready.
#[derive(Debug)]
pub enum ConnectError {
    /// Not yet. An input has named what it waits for; an output has [a time](crate::Output::due), or rings its bell.
    NotReady,
    /// Trying again may help.
    BackOff(String),
    /// Trying again cannot help: the stream ends with an error.
    Fatal(String),
    /// The stream is about to stop.
    Interrupted,
}
