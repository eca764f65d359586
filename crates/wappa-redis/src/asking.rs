//! Asking over the connection that processors, caches and rate limits share.

use redis::{Cmd, Value};
use wappa_net::{Dial, SharedLink};

use crate::connection::{Endpoint, Failed, Link};

pub(crate) type Shared = SharedLink<Endpoint>;

impl Dial for Endpoint {
    type Link = Link;

    async fn dial(&self) -> Result<Link, String> {
        self.connect_typed().await
    }

    fn is_lost(link: &Link) -> bool {
        link.is_lost()
    }
}

/// Asks, once. For the runtime's threads.
pub(crate) async fn ask(shared: &Shared, command: &Cmd) -> Result<Value, Failed> {
    let mut link = shared.link().await.map_err(Failed::Lost)?;
    let answer = link.ask(command).await;
    if matches!(answer, Err(Failed::Lost(_))) {
        // One that does not answer is not waited for again.
        shared.forget().await;
    }
    answer
}
