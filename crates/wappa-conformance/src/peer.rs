//! What is at the other end of a component that is a client or a server of the network.

use std::{
    thread,
    time::{Duration, Instant},
};

use wappa_spec::ComponentKind;

/// Nothing here takes that long, unless it is never done.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until something is so.
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "{what}: never");
        thread::sleep(Duration::from_millis(2));
    }
}

/// The other end of a component under test: a server, or who connects to one.
pub trait Peer {
    /// The body of the component's config.
    fn config(&self) -> String;

    /// Resources that the config refers to, each with its label.
    fn resources(&self) -> Vec<(ComponentKind, String)> {
        Vec::new()
    }

    /// It goes away: who is connected loses the connection, and nobody can connect.
    fn go(&mut self);

    /// It is there again, at the same address, with everything that it keeps.
    fn come_back(&mut self);

    /// From now on it takes what comes and says nothing, or goes on. `false`: it cannot be had to do that.
    ///
    /// For a server that is a process, `SIGSTOP` and `SIGCONT` do.
    fn hold(&mut self, _is_held: bool) -> bool {
        false
    }
}

/// What an input under test reads from.
pub trait Upstream: Peer {
    /// Gives the input these messages, each as one, in order. `false`: nobody is there to take them, and none was given.
    ///
    /// A server that keeps messages takes them whether the input is connected or not.
    fn send(&mut self, messages: &[String]) -> bool;

    /// Whether what was not answered as delivered comes again, on the next connection at the latest. Otherwise what is under
    /// way when the connection is lost may be lost.
    fn keeps(&self) -> bool;

    /// Whether what fails is sent again by whoever sent it, without being given back to it.
    fn sends_again(&self) -> bool {
        false
    }

    /// Whether messages come in the order in which they were sent, as long as none comes again.
    fn is_ordered(&self) -> bool {
        true
    }
}

/// What an output under test writes to.
pub trait Downstream: Peer {
    /// All messages that have come up to now, in the order in which they came.
    fn received(&mut self) -> Vec<String>;

    /// Whether what was said to be delivered when the connection was lost may be lost: what nobody acknowledges.
    fn may_lose(&self) -> bool {
        false
    }

    /// Whether messages come in the order in which they were written, as long as none comes again.
    fn is_ordered(&self) -> bool {
        true
    }
}

/// A server with a cache.
pub trait CacheServer: Peer {
    /// Which keys it can have.
    fn keys(&self) -> Keys {
        Keys::Any
    }

    /// The shortest time for which a value can be set; `None`: values have no time of their own.
    fn ttl_min(&self) -> Option<Duration> {
        Some(Duration::from_secs(1))
    }
}

/// A server with a rate limit.
pub trait RateLimitServer: Peer {
    /// How many messages of ten bytes may go on within a second.
    fn count(&self) -> usize;
}

/// Which keys a cache can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// Any bytes.
    Any,
    /// Texts.
    Texts,
    /// Words of ASCII, without spaces.
    Words,
}

impl Keys {
    /// Keys as messages make them; some of them are paths.
    pub(crate) fn examples(self) -> &'static [&'static [u8]] {
        match self {
            Keys::Any => &[b"a", b"b", b"key with spaces", b"sub/key", b"\xc3\xa9", b"\xff\xfe", b"-"],
            Keys::Texts => &[b"a", b"b", b"key with spaces", b"sub/key", b"\xc3\xa9", b"-"],
            Keys::Words => &[b"a", b"b", b"key_of_a_word", b"sub-key"],
        }
    }
}
