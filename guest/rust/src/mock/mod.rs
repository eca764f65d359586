//! A host without WebAssembly, for the tests of a guest.
//!
//! It does with messages what the real one does: see [`Host`].
//!
//! ```
//! use wappa_guest::{mock::{Host, Record}, Config, Level, Message, Processor, Result};
//!
//! struct Price;
//!
//! impl Processor for Price {
//!     fn configure(_: Config) -> Result<Price> {
//!         Ok(Price)
//!     }
//!
//!     fn process(&mut self, message: &mut Message) -> Result {
//!         let cents: u64 = std::str::from_utf8(message.content())?.parse()?;
//!         if cents == 0 {
//!             wappa_guest::info!("free of charge");
//!             message.filter();
//!         }
//!         message.set_metadata("cents", cents);
//!         Ok(())
//!     }
//! }
//!
//! let mut host = Host::<Price>::start([("currency", "eur")])?;
//!
//! let outcomes = host.process_batch(["12", "0", "a lot"]);
//! assert_eq!(outcomes[0].sent(), [Record::new("12").with_metadata("cents", 12)]);
//! assert!(outcomes[1].is_filtered());
//! assert_eq!(outcomes[2].failed(), Some("invalid digit found in string"));
//! assert_eq!(host.log(), [(Level::Info, "free of charge".to_string())]);
//! # Ok::<(), String>(())
//! ```

mod json;
mod message;
mod record;

use std::{cell::RefCell, collections::BTreeMap, fmt, rc::Rc};

use crate::{
    export::{self, Ended},
    Level, Processor,
};

pub(crate) use message::Message;
pub use record::{Outcome, Record};

/// A host with one instance of a processor.
///
/// As with the real one,
///
/// - a message that fails goes on as it came in: changes and emitted messages are discarded, a filter does not matter,
///   and the last reason counts;
/// - a message that is filtered is not sent, what was emitted is;
/// - metadata have an order, that of their keys; JSON that is a string is text, objects in JSON are ordered, too;
/// - after a panic the instance is replaced: the processor is made again from the same config;
/// - JSON that is none, and the name of a counter that is none, stop the guest: they panic.
///
/// Limits of size, number and time are not kept.
pub struct Host<P> {
    config: Config,
    /// `None` after a panic, until the next message.
    processor: Option<P>,
    records: Rc<RefCell<Records>>,
}

/// What a guest has left behind besides messages.
#[derive(Default)]
struct Records {
    log: Vec<(Level, String)>,
    counters: BTreeMap<String, u64>,
}

thread_local! {
    /// Those of the host that is calling its guest at the moment.
    static CURRENT: RefCell<Option<Rc<RefCell<Records>>>> = const { RefCell::new(None) };
}

impl<P: Processor> Host<P> {
    /// Makes the processor with this config. The error is what would keep a stream from starting.
    pub fn start<K, V>(config: impl IntoIterator<Item = (K, V)>) -> Result<Host<P>, String>
    where
        K: Into<String>,
        V: Into<String>,
    {
        let config =
            Config(Rc::new(config.into_iter().map(|(key, value)| (key.into(), value.into())).collect()));
        let mut host = Host { config, processor: None, records: Rc::default() };
        host.make_processor()?;
        Ok(host)
    }

    /// Processes one message, the only one of its batch.
    pub fn process(&mut self, message: impl Into<Record>) -> Outcome {
        self.process_at(message.into(), 0, 1)
    }

    /// Processes the messages of one batch, and says what became of each.
    pub fn process_batch<M: Into<Record>>(&mut self, batch: impl IntoIterator<Item = M>) -> Vec<Outcome> {
        let batch: Vec<Record> = batch.into_iter().map(Into::into).collect();
        let len = batch.len();
        batch.into_iter().enumerate().map(|(index, it)| self.process_at(it, index, len)).collect()
    }

    /// What was logged, from the beginning.
    pub fn log(&self) -> Vec<(Level, String)> {
        self.records.borrow().log.clone()
    }

    /// What was counted under a name, from the beginning.
    pub fn counter(&self, name: &str) -> u64 {
        self.records.borrow().counters.get(name).copied().unwrap_or(0)
    }

    /// The processor, to look at what it keeps.
    ///
    /// # Panics
    ///
    /// After a message on which it panicked there is none until the next message.
    pub fn processor(&self) -> &P {
        self.processor.as_ref().expect("the processor panicked, and is made again for the next message")
    }

    fn process_at(&mut self, record: Record, index: usize, len: usize) -> Outcome {
        if self.processor.is_none() {
            if let Err(reason) = self.make_processor() {
                return Outcome::Failed { reason, message: record };
            }
        }
        let _entered = Entered::new(&self.records);
        let mut message = crate::Message { host: Message::new(record, (index, len)) };
        if let Some(processor) = &mut self.processor {
            if export::process(processor, &mut message) == Ended::Panicked {
                self.processor = None;
            }
        }
        message.host.into_outcome()
    }

    fn make_processor(&mut self) -> Result<(), String> {
        let _entered = Entered::new(&self.records);
        self.processor = Some(export::configure(crate::Config(self.config.clone()))?);
        Ok(())
    }
}

impl<P> fmt::Debug for Host<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("config", &self.config).finish_non_exhaustive()
    }
}

/// While it lives, log and counters of this thread go to one host.
struct Entered(Option<Rc<RefCell<Records>>>);

impl Entered {
    fn new(records: &Rc<RefCell<Records>>) -> Entered {
        Entered(CURRENT.replace(Some(Rc::clone(records))))
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Config(Rc<BTreeMap<String, String>>);

impl Config {
    pub(crate) fn get(&self, key: &str) -> Option<String> {
        self.0.get(key).cloned()
    }
}

/// Outside of a host, as when a function of the guest is tested by itself, the line goes to standard error.
pub(crate) fn log(level: Level, text: &str) {
    CURRENT.with_borrow(|current| match current {
        Some(records) => records.borrow_mut().log.push((level, text.to_string())),
        None => eprintln!("{level:?}: {text}"),
    });
}

pub(crate) fn count(name: &str, delta: u64) {
    let is_valid =
        (1..=64).contains(&name.len()) && name.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_');
    assert!(
        is_valid,
        "the name of a counter has 1 to 64 ASCII letters, digits and underscores; `{name}` does not"
    );
    CURRENT.with_borrow(|current| {
        if let Some(records) = current {
            let mut records = records.borrow_mut();
            let counter = records.counters.entry(name.to_string()).or_default();
            *counter = counter.wrapping_add(delta);
        }
    });
}
