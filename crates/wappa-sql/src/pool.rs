//! Connections that a component keeps, within the limits that its config sets.
//!
//! The pool is our own, since the library's waits by itself for a server that is not there, and tells nobody why.

use std::{
    fmt,
    ops::{Deref, DerefMut},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use wappa_component::Logger;

use crate::{
    connection::Connection,
    dsn::Target,
    failed::{Failed, Kind, LOST},
};

/// A connection that nobody used for so long is asked whether it is there before it is used.
const TRUSTED: Duration = Duration::from_secs(1);

/// For so long connections stay open that are more than may be idle, since they may be needed again at once.
const SURPLUS: Duration = Duration::from_secs(1);

/// How long an idle connection may take to say that it is there.
const PING_MAX: Duration = Duration::from_secs(5);

/// What a config says of connections.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// `None`: any number.
    pub(crate) open: Option<usize>,
    pub(crate) idle: usize,
    pub(crate) idle_time: Option<Duration>,
    pub(crate) life_time: Option<Duration>,
}

/// Statements that are run on the first connection, once.
#[derive(Debug, Default)]
pub(crate) struct Init {
    /// What each is called in the log, and its text.
    pub(crate) scripts: Vec<(String, String)>,
    pub(crate) verifies: bool,
}

/// Connections to one database. Cloning shares.
#[derive(Clone)]
pub(crate) struct Pool(Arc<Shared>);

struct Shared {
    target: Target,
    limits: Limits,
    init: Init,
    logger: Logger,
    /// Whether what is to be run on the first connection has been.
    is_begun: tokio::sync::Mutex<bool>,
    permits: Option<Arc<Semaphore>>,
    idle: Mutex<Vec<Kept>>,
    /// Whether somebody closes what is more than may be idle.
    is_closing: AtomicBool,
}

struct Kept {
    connection: Connection,
    made: Instant,
    since: Instant,
}

/// A connection that nobody else has. Whoever does not give it back, since a statement did not come to its end, closes it.
pub(crate) struct Lease {
    connection: Option<Connection>,
    made: Instant,
    pool: Pool,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Pool {
    pub(crate) fn new(target: Target, limits: Limits, init: Init, logger: Logger) -> Pool {
        let permits = limits.open.map(|it| Arc::new(Semaphore::new(it.max(1))));
        let is_begun = tokio::sync::Mutex::new(false);
        Pool(Arc::new(Shared {
            target,
            limits,
            init,
            logger,
            is_begun,
            permits,
            idle: Mutex::default(),
            is_closing: AtomicBool::new(false),
        }))
    }

    pub(crate) fn verifies(&self) -> bool {
        self.0.init.verifies
    }

    /// A connection; one that is there, or a new one. What is to be run on the first one has been by then.
    pub(crate) async fn acquire(&self) -> Result<Lease, Failed> {
        let permit = match &self.0.permits {
            Some(permits) => Arc::clone(permits).acquire_owned().await.ok(),
            None => None,
        };
        let lease = |connection, made| Lease {
            connection: Some(connection),
            made,
            pool: self.clone(),
            _permit: permit,
        };
        while let Some(mut kept) = self.take_idle() {
            if kept.since.elapsed() < TRUSTED {
                return Ok(lease(kept.connection, kept.made));
            }
            if let Ok(Ok(())) = timeout(PING_MAX, kept.connection.ping()).await {
                return Ok(lease(kept.connection, kept.made));
            }
        }
        let mut connection = self.connect().await?;
        self.begin(&mut connection).await?;
        Ok(lease(connection, Instant::now()))
    }

    async fn connect(&self) -> Result<Connection, Failed> {
        let target = &self.0.target;
        let longest = target.connect_max();
        let connected = match timeout(longest, Connection::connect(target)).await {
            Ok(connected) => connected,
            Err(_) => Err(Failed::new(Kind::Lost, format!("no answer within {longest:?}"))),
        };
        connected.map_err(|err| {
            let cause = err.text.strip_prefix(LOST).unwrap_or(&err.text);
            // Whatever it is, it is about the way to the database.
            Failed::new(Kind::Lost, format!("connecting to {}: {cause}", target.place()))
        })
    }

    /// Runs what is to be run once.
    async fn begin(&self, connection: &mut Connection) -> Result<(), Failed> {
        if self.0.init.scripts.is_empty() {
            return Ok(());
        }
        let mut is_begun = self.0.is_begun.lock().await;
        if *is_begun {
            return Ok(());
        }
        for (name, script) in &self.0.init.scripts {
            match connection.run_script(script).await {
                Ok(()) => self.0.logger.debug(&format!("Successfully ran {name}")),
                Err(err) if err.is_lost() => return Err(err),
                Err(err) => self.0.logger.warn(&format!("Failed to execute {name}: {}", err.text)),
            }
        }
        // A database in memory is gone with its connection, and made anew with the next one.
        *is_begun = !self.0.target.is_in_memory();
        Ok(())
    }

    /// Closes what is idle: what is behind it is gone.
    pub(crate) fn clear(&self) {
        if !self.0.target.is_in_memory() {
            let idle = std::mem::take(&mut *self.0.lock());
            drop(idle);
        }
    }

    /// Closes everything, with a goodbye.
    pub(crate) async fn close(&self) {
        let idle = std::mem::take(&mut *self.0.lock());
        for kept in idle {
            kept.connection.close().await;
        }
    }

    fn take_idle(&self) -> Option<Kept> {
        let mut idle = self.0.lock();
        while let Some(kept) = idle.pop() {
            if self.0.may_live(&kept) {
                return Some(kept);
            }
        }
        None
    }

    fn put(&self, connection: Connection, made: Instant) {
        let kept = Kept { connection, made, since: Instant::now() };
        if kept.connection.is_spent() || !self.0.may_live(&kept) {
            return;
        }
        let mut idle = self.0.lock();
        idle.push(kept);
        if self.0.limits.idle < idle.len() && !self.0.is_closing.swap(true, Ordering::Relaxed) {
            tokio::spawn(close_surplus(Arc::downgrade(&self.0)));
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Vec<Kept>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn may_live(&self, kept: &Kept) -> bool {
        let is_within = |limit: Option<Duration>, since: Instant| limit.is_none_or(|it| since.elapsed() < it);
        self.target.is_in_memory()
            || is_within(self.limits.life_time, kept.made) && is_within(self.limits.idle_time, kept.since)
    }
}

/// Closes connections that are more than may be idle, as soon as each has been for a moment.
async fn close_surplus(shared: Weak<Shared>) {
    loop {
        tokio::time::sleep(SURPLUS).await;
        let Some(shared) = shared.upgrade() else { return };
        let (surplus, is_done) = {
            let mut idle = shared.lock();
            let n_surplus = idle.len().saturating_sub(shared.limits.idle);
            // Those in front were used longest ago.
            let n_over = idle.iter().take(n_surplus).take_while(|it| SURPLUS <= it.since.elapsed()).count();
            let over: Vec<Kept> = idle.drain(..n_over).collect();
            let is_done = idle.len() <= shared.limits.idle;
            if is_done {
                // Under the lock, so that who puts the next one sees it.
                shared.is_closing.store(false, Ordering::Relaxed);
            }
            (over, is_done)
        };
        for kept in surplus {
            kept.connection.close().await;
        }
        if is_done {
            return;
        }
    }
}

impl Lease {
    /// Gives it back, for others.
    pub(crate) fn give_back(mut self) {
        if let Some(connection) = self.connection.take() {
            self.pool.put(connection, self.made);
        }
    }

    /// Gives it back unless it is lost.
    pub(crate) fn settle<T>(self, result: &Result<T, Failed>) {
        match result {
            Err(err) if err.is_lost() => self.pool.clear(),
            _ => self.give_back(),
        }
    }
}

impl Deref for Lease {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection.as_ref().expect("it is given back at the end")
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut Connection {
        self.connection.as_mut().expect("it is given back at the end")
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pool({})", self.0.target.place())
    }
}
