//! Who keeps the file of a buffer: a task that writes what comes, reads what is wanted, and deletes what is delivered. What
//! has come meanwhile goes into one transaction, so that many small parcels cost as much as a large one.

use std::{sync::Arc, time::Duration};

use tokio::time::timeout;
use wappa_component::{Ack, Batches, Charges, Logger, Order, PARCEL_BYTES_MAX, PARCEL_MESSAGES_MAX, Parcel};

use super::{
    Rows, batch,
    database::{Database, Stored},
    shared::{Coming, Shared, bytes_of},
};
use crate::{dsn::SqliteTarget, failed::Failed};

/// The shortest and the longest wait before a file that could not be used is tried again.
const WAITS: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// As long as a failure may be over soon, nothing is said of it.
const SAID_FROM: Duration = Duration::from_secs(1);

pub(super) struct Keeper {
    pub(super) target: SqliteTarget,
    pub(super) shared: Arc<Shared>,
    pub(super) logger: Logger,
}

/// Waits that become longer.
struct Waits(Duration);

impl Waits {
    fn new() -> Waits {
        Waits(WAITS.0)
    }

    /// Waits, unless there is nobody left who would wait for what comes of it.
    async fn wait(&mut self, shared: &Shared) -> bool {
        let is_abandoned = timeout(self.0, shared.abandoned()).await.is_ok();
        self.0 = (self.0 * 2).min(WAITS.1);
        !is_abandoned
    }
}

impl Keeper {
    pub(super) async fn keep(self) {
        if let Some((database, oldest)) = self.open().await {
            self.shared.count(database.newest + 1 - oldest);
            self.work(database, oldest - 1).await;
        }
        self.shared.has_closed();
    }

    /// Opens the file; who has it may be about to leave it.
    async fn open(&self) -> Option<(Database, i64)> {
        let mut waits = Waits::new();
        loop {
            match Database::open(&self.target).await {
                Ok(opened) => return Some(opened),
                Err(err) => self.tell("open", &err, &waits),
            }
            if !waits.wait(&self.shared).await {
                return None;
            }
        }
    }

    fn tell(&self, what: &str, err: &Failed, waits: &Waits) {
        if waits.0 < SAID_FROM {
            return;
        }
        let (text, path) = (&err.text, &self.target.name);
        self.logger.error(&format!("Failed to {what} the buffer's file {path}: {text}; it is tried again"));
    }

    /// `read` is the newest row that has come out.
    async fn work(&self, mut database: Database, mut read: i64) {
        loop {
            let work = self.shared.take_work();
            let has_work = !work.coming.is_empty() || !work.gone.is_empty();
            if has_work {
                let (is_read, n_bytes) = (read == database.newest, bytes_of(&work.coming));
                let Some(first) = self.write(&mut database, &work.coming, &work.gone).await else {
                    drop(work.coming);
                    self.shared.forget_coming(n_bytes);
                    break;
                };
                if self.written(work.coming, first, is_read) {
                    read = database.newest;
                }
                self.shared.set_is_read(read == database.newest);
                self.shared.forget_coming(n_bytes);
            }
            if read < database.newest && self.shared.wants_rows() {
                match self.read(&mut database, read).await {
                    Some(newest) => read = newest,
                    None => break,
                }
            } else if !has_work && work.is_closing {
                break;
            } else if !has_work {
                self.shared.work.notified().await;
            }
            self.shared.set_is_read(read == database.newest);
        }
        database.close().await;
    }

    async fn write(&self, database: &mut Database, coming: &[Coming], gone: &[Rows]) -> Option<i64> {
        let rows: Vec<&[u8]> = coming.iter().flat_map(|it| it.rows.iter().map(Vec::as_slice)).collect();
        let mut waits = Waits::new();
        loop {
            match database.write(&rows, gone).await {
                Ok(first) => {
                    let n_gone: i64 = gone.iter().map(|it| it.last + 1 - it.first).sum();
                    self.shared.count(rows.len() as i64 - n_gone);
                    return Some(first);
                }
                Err(err) => self.tell("write to", &err, &waits),
            }
            if !waits.wait(&self.shared).await {
                return None;
            }
        }
    }

    /// What was written has arrived. It is handed on as it is if everything before it was, and there is room; or else it is
    /// read when its turn comes.
    fn written(&self, coming: Vec<Coming>, first: i64, is_read: bool) -> bool {
        let is_handed_on = is_read && self.shared.wants_rows();
        let mut next = first;
        for Coming { parcel, charges, rows, .. } in coming {
            let ids: Vec<i64> = (next..).take(rows.len()).collect();
            next += rows.len() as i64;
            let ack = match is_handed_on {
                true => self.shared.hand_on(parcel, charges, ids),
                false => parcel.into_stretch().1,
            };
            ack.delivered();
        }
        is_handed_on
    }

    /// Reads rows and hands them on; the newest of them.
    async fn read(&self, database: &mut Database, behind: i64) -> Option<i64> {
        let mut waits = Waits::new();
        let stored = loop {
            match database.read(behind, PARCEL_MESSAGES_MAX, PARCEL_BYTES_MAX).await {
                Ok(stored) => break stored,
                Err(err) => self.tell("read from", &err, &waits),
            }
            if !waits.wait(&self.shared).await {
                return None;
            }
        };
        // Whoever else may have deleted rows has deleted them: nothing is behind.
        let Some(newest) = stored.last().map(|it| it.id) else { return Some(database.newest) };
        let (mut messages, mut ends, mut ids) = (Vec::new(), Vec::new(), Vec::new());
        for Stored { id, content } in stored {
            match batch::read(content) {
                Ok(batch) if batch.is_empty() => (),
                Ok(batch) => {
                    messages.extend(batch);
                    ends.push(messages.len() as u32);
                    ids.push(id);
                }
                Err(why) => self.logger.error(&format!(
                    "Row {id} of the buffer's file {} is no batch and stays there: {why}",
                    self.target.name
                )),
            }
        }
        if !messages.is_empty() {
            let ack = Ack::new(messages.len() as u32, |_| ());
            let parcel = Parcel::of_messages(messages, Batches::Ends(ends), ack).with_order(Order::Stream);
            self.shared.hand_on(parcel, Charges::default(), ids).delivered();
        }
        Some(newest)
    }
}
