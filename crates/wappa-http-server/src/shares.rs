//! Shares: what the clients of one of several streams may have of the server that all have together.
//!
//! A stream may have three times what is free for all others: alone three quarters, two of them three sevenths each, and
//! something is always left for one that nobody has asked yet. So clients of a stream that is slow, or floods of them, are
//! turned away before they keep out those of another one.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use wappa_net::Owner;

use crate::answer::{Answer, Content, Pieces};

/// A stream may have so many times what is free.
const OF_FREE: usize = 3;

/// What clients of one stream have.
#[derive(Debug)]
pub(crate) struct Clientele {
    stream: String,
    n_requests: AtomicUsize,
    /// What their bodies hold.
    bodies: Arc<Owner>,
}

/// What clients of all streams have of a server's connections.
#[derive(Debug)]
pub(crate) struct Shares {
    n_places: usize,
    n_requests: Arc<AtomicUsize>,
}

/// A request of a stream's client that is under way until this is dropped, or a websocket.
pub(crate) struct Share {
    of: Arc<Clientele>,
    of_all: Arc<AtomicUsize>,
}

impl Clientele {
    /// Of the stream with this name.
    pub(crate) fn new(stream: &str) -> Clientele {
        Clientele { stream: stream.to_string(), n_requests: AtomicUsize::new(0), bodies: Arc::default() }
    }
}

impl Shares {
    /// Of a server that has so many connections at most.
    pub(crate) fn new(n_places: usize) -> Shares {
        Shares { n_places, n_requests: Arc::default() }
    }

    /// One more request, if the stream may have it; the error says why not. One is always good.
    pub(crate) fn take(&self, of: &Arc<Clientele>) -> Result<Share, String> {
        let n_own = of.n_requests.fetch_add(1, Ordering::Relaxed) + 1;
        let n_all = self.n_requests.fetch_add(1, Ordering::Relaxed) + 1;
        // Gives back what it took where it is refused.
        let share = Share { of: Arc::clone(of), of_all: Arc::clone(&self.n_requests) };
        let free = self.n_places.saturating_sub(n_all);
        match n_own <= 1 || n_own <= OF_FREE * free {
            true => Ok(share),
            false => Err(format!(
                "Requests to stream {} are refused: {} are under way, and the rest of the connections that there may be \
                 (`http.max_connections`) is for other streams",
                of.stream,
                n_own - 1
            )),
        }
    }
}

impl Share {
    /// Who holds the bodies of its requests.
    pub(crate) fn bodies(&self) -> &Arc<Owner> {
        &self.of.bodies
    }

    /// The same answer, until which is sent the request is under way.
    pub(crate) fn until_sent(self: Arc<Share>, answer: Answer) -> Answer {
        answer.map(|content| match content {
            Content::Whole(bytes) if bytes.is_empty() => Content::Whole(bytes),
            Content::Whole(bytes) => Content::Whole(Bytes::from_owner(Sent { bytes, _share: self })),
            Content::Pieces(inner) => Content::Pieces(Box::new(Sending { inner, _share: self })),
        })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.of.n_requests.fetch_sub(1, Ordering::Relaxed);
        self.of_all.fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Share").field(&self.of).finish()
    }
}

struct Sent {
    bytes: Bytes,
    _share: Arc<Share>,
}

impl AsRef<[u8]> for Sent {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

struct Sending {
    inner: Box<dyn Pieces>,
    _share: Arc<Share>,
}

impl Pieces for Sending {
    fn poll_next(&mut self, ctx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.inner.poll_next(ctx)
    }

    fn size(&self) -> Option<u64> {
        self.inner.size()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_three_times_what_is_left() {
        let all_of = |shares: &Shares, of: &Arc<Clientele>| {
            let mut taken = Vec::new();
            while let Ok(share) = shares.take(of) {
                taken.push(share);
            }
            taken
        };
        let shares = Shares::new(16);
        let [one, two, three] = ["a", "b", "c"].map(|it| Arc::new(Clientele::new(it)));
        let mut of_one = all_of(&shares, &one);
        let of_two = all_of(&shares, &two);
        assert_eq!((of_one.len(), of_two.len()), (12, 3));
        let why = shares.take(&one).map(drop).expect_err("it has its share");
        assert!(why.starts_with("Requests to stream a are refused: 12 are under way, "), "{why}");
        // Where one has less, there is more for the others.
        of_one.truncate(4);
        let of_three = all_of(&shares, &three);
        assert_eq!((of_three.len(), shares.take(&one).map(drop)), (6, Ok(())));
        drop((of_one, of_two, of_three));
        assert_eq!(all_of(&shares, &three).len(), 12);
        // Nobody is shut out for good where there is little.
        assert_eq!(all_of(&Shares::new(1), &one).len(), 1);
    }
}
