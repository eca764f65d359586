//! Outputs: where messages go. This page is all that the author of one needs.

use std::{fmt, sync::Arc, time::Duration};

use wappa_message::Mark;

use crate::{ConnectError, Delivery, Step};

/// A destination of messages.
///
/// Whoever holds the output's turn owns it: it is never called from two threads at once, and deliveries come in the
/// order of the stream. It does not wait for others: what takes time is answered later, and a time that has to come
/// is named with [`Output::due`].
///
/// # What becomes of it
///
/// It is built before the stream runs, which opens and connects nothing. Then it is [connected](Output::connect), and
/// given deliveries while it [has room](Output::has_room); it is told to [flush](Output::flush) what it collects when nothing
/// more may come before something is answered, and [closed](Output::close) in the end. Around it lie what connects, backs
/// off, gives once more what came back for want of a connection, logs and counts, and the processors under it: none of that
/// is its own to do.
///
/// # What it promises
///
/// - Each [`Delivery`] is answered once, within the write or later, from any thread. One that is dropped has failed.
/// - Of one that failed in part the messages are named, by index; only these come again.
/// - What is held is bounded by what it says of its room.
/// - Whoever it has to be called for rings the [`OutputBell`], or it names a time.
///
/// One that has others below it goes by the [`Delivery`]'s own ways (`via`, `narrow`, `route`, `spread`, `split_off`, `copy`,
/// `merge`), which know what a failure means to whoever made the delivery. The crate `wappa-conformance`
/// holds every output to this; a new one joins it with one line.
///
/// # A whole output
///
/// ```
/// use std::{
///     sync::{
///         Arc,
///         atomic::{AtomicUsize, Ordering},
///         mpsc::{Receiver, Sender, channel},
///     },
///     thread,
/// };
///
/// use wappa_component::{
///     BuildError, BuildOutput, Component, ConnectError, Context, Delivery, Output, OutputBell, Step,
/// };
/// use wappa_spec::Config;
///
/// const COMPONENT: Component = Component::output::<PrinterConfig>("printer");
///
/// /// How many deliveries wait to be printed.
/// const WAITING_MAX: usize = 64;
///
/// /// Prints messages on a thread of its own, so that the stream need not wait for a slow printer.
/// #[derive(Config)]
/// struct PrinterConfig;
///
/// impl BuildOutput for PrinterConfig {
///     fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Output>, BuildError> {
///         Ok(Box::new(Printer { to_print: None, n_waiting: Arc::default(), bell: ctx.output_bell() }))
///     }
/// }
///
/// struct Printer {
///     to_print: Option<Sender<Delivery>>,
///     n_waiting: Arc<AtomicUsize>,
///     bell: OutputBell,
/// }
///
/// fn print(deliveries: Receiver<Delivery>, n_waiting: &AtomicUsize, bell: &OutputBell) {
///     for delivery in deliveries {
///         for message in delivery.messages() {
///             println!("{}", String::from_utf8_lossy(message.content()));
///         }
///         n_waiting.fetch_sub(1, Ordering::SeqCst);
///         delivery.answer(Ok(()));
///         // There is room again.
///         bell.ring();
///     }
/// }
///
/// impl Output for Printer {
///     fn connect(&mut self) -> Result<(), ConnectError> {
///         let (to_print, deliveries) = channel();
///         let (n_waiting, bell) = (Arc::clone(&self.n_waiting), self.bell.clone());
///         let started = thread::Builder::new().spawn(move || print(deliveries, &n_waiting, &bell));
///         started.map_err(|err| ConnectError::BackOff(err.to_string()))?;
///         self.to_print = Some(to_print);
///         Ok(())
///     }
///
///     fn has_room(&self) -> bool {
///         self.n_waiting.load(Ordering::SeqCst) < WAITING_MAX
///     }
///
///     fn write(&mut self, delivery: Delivery, _: &mut Step<'_>) {
///         if let Some(to_print) = &self.to_print {
///             self.n_waiting.fetch_add(1, Ordering::SeqCst);
///             // Where the thread is gone the delivery is dropped, and has failed.
///             let _ = to_print.send(delivery);
///         }
///     }
///
///     fn close(&mut self) -> Result<(), String> {
///         self.to_print = None;
///         Ok(())
///     }
/// }
/// # assert_eq!(COMPONENT.spec.name, "printer");
/// ```
pub trait Output: Send {
    /// Makes the output ready to be written. Called before the first write, and again once everything is answered
    /// after a delivery was answered with [`WriteError::NotConnected`]; the engine backs off in between.
    fn connect(&mut self) -> Result<(), ConnectError>;

    /// Whether it would send what it is given now, and not keep it until something else is answered.
    ///
    /// One that has no room is not written to by whoever can wait, so that what is held stays bounded; when it has room
    /// again, it rings the [`OutputBell`] unless a whole delivery of the engine was answered.
    fn has_room(&self) -> bool {
        true
    }

    /// Takes the delivery, whether it has room or not, and answers it now or later, from any thread.
    ///
    /// The messages may be changed: nobody looks at them afterwards. Only a delivery that is answered with
    /// [`WriteError::NotConnected`] is as it was: the engine connects again, and gives everything that was answered so
    /// once more, in order and before anything new.
    fn write(&mut self, delivery: Delivery, step: &mut Step<'_>);

    /// Goes on with what is held: after the [`OutputBell`] was rung, when the time of [`Output::due`] has come, and when
    /// the stream goes on to another phase of stopping. May be called without a reason.
    fn resume(&mut self, _: &mut Step<'_>) {}

    /// When [`Output::resume`] is to be called, if nothing else happens before, as a time of [`Step::now`].
    fn due(&self) -> Option<Duration> {
        None
    }

    /// Nothing more may come until something is answered: what was collected to be sent together is sent now.
    fn flush(&mut self, _: &mut Step<'_>) {}

    /// Called after the last write, by each who refers to the output. What it still holds is not waited for.
    fn close(&mut self) -> Result<(), String> {
        Ok(())
    }
}

/// Why messages did not arrive. Closed on purpose: each variant is one reaction.
#[derive(Debug)]
pub enum WriteError {
    /// The connection is gone: nothing of the delivery arrived, and it comes again once there is another.
    NotConnected,
    /// Nobody reads any more (`| head -1`): nothing more can be delivered, and that is no error.
    Closed,
    /// Nothing of the delivery arrived.
    Failed(Mark),
    /// The messages with these indices did not arrive, the others did.
    Partial(Vec<(usize, Mark)>),
    /// The messages with these indices were turned away on purpose: no fault of the output, logged at debug.
    Rejected(Vec<(usize, Mark)>),
}

/// Calls whoever can take the output's turn to [`Output::resume`]. May be rung from any thread, and does not wait.
/// Cloning shares.
#[derive(Clone)]
pub struct OutputBell(Arc<dyn Fn() + Send + Sync>);

impl OutputBell {
    /// A bell that does this.
    pub fn new(ring: impl Fn() + Send + Sync + 'static) -> OutputBell {
        OutputBell(Arc::new(ring))
    }

    /// [`Output::resume`] is called soon.
    pub fn ring(&self) {
        (self.0)();
    }
}

impl fmt::Debug for OutputBell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OutputBell")
    }
}
