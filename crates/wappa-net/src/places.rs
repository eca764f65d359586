//! How many connections a server may have at once.

use std::sync::Arc;

use rustix::process::{Resource, getrlimit};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The part of the process's descriptors that the connections of one server may take: what strangers do leaves some for
/// files, guests and other servers.
const DESCRIPTORS_SHARE: usize = 4;

/// The places of a server's connections. Cloning shares.
#[derive(Clone, Debug)]
pub struct Places {
    free: Arc<Semaphore>,
    limit: usize,
    /// What limits them.
    reason: &'static str,
}

impl Places {
    /// As many as the config says, and no more than a quarter of what the process may have open.
    pub fn new(max_connections: usize) -> Places {
        let descriptors = getrlimit(Resource::Nofile).current.and_then(|it| usize::try_from(it).ok());
        let share = descriptors.map_or(usize::MAX, |it| (it / DESCRIPTORS_SHARE).max(1));
        // Nobody takes more than this one at once.
        let most = share.min(u32::MAX as usize).min(Semaphore::MAX_PERMITS);
        let (limit, reason) = match max_connections <= most {
            true => (max_connections, "`max_connections`"),
            false => (most, "a quarter of what the process may open, `ulimit -n`"),
        };
        Places { free: Arc::new(Semaphore::new(limit)), limit, reason }
    }

    /// How many there are.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Waits for a place; it is free again when it is dropped.
    pub async fn take(&self) -> OwnedSemaphorePermit {
        Arc::clone(&self.free).acquire_owned().await.expect("it is never closed")
    }

    /// What is to be said where there is none left.
    pub fn all_taken(&self) -> Option<String> {
        let is_full = self.free.available_permits() == 0;
        is_full.then(|| {
            format!("There are {} connections, as many as there may be ({})", self.limit, self.reason)
        })
    }

    /// Waits until all are free.
    pub async fn all_free(&self) {
        let all = u32::try_from(self.limit).expect("there are no more");
        let _ = self.free.acquire_many(all).await;
    }
}
