//! The connection that processors and caches share.

use wappa_net::{Dial, SharedLink};

use crate::connection::{Endpoint, Link};

/// How many answers may wait on it.
const CAPACITY: usize = 1024;

pub(crate) type Shared = SharedLink<Endpoint>;

impl Dial for Endpoint {
    type Link = Link;

    async fn dial(&self) -> Result<Link, String> {
        self.connect(CAPACITY).await
    }

    fn is_lost(link: &Link) -> bool {
        link.is_lost()
    }
}
