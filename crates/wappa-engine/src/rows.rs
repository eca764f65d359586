//! Rows: what is finished, and which of it has its turn at the output.
//!
//! Each group of the stream is a row of its own; in a row, what was read first is handed over first. Invariant: where
//! anything of a row is finished and is the next in it, it is due, so no row holds up another one.

use std::collections::{BTreeMap, HashMap, VecDeque};

use wappa_component::{Group, Order};

use crate::job::{Job, Place, Stretch};

/// All rows of a stream.
pub(crate) struct Rows {
    is_ordered: bool,
    /// The row of all that says nothing else.
    stream: Row,
    /// The rows of which something was read and is not written.
    groups: HashMap<Group, Row>,
    /// What waits for those before it in its row.
    parked: BTreeMap<Place, Finished>,
    /// What may be written, with its bytes.
    due: BTreeMap<Place, (Job, usize)>,
}

/// The parcels of a row that were read and are not written, the first of them written up to this batch.
#[derive(Default)]
struct Row {
    parcels: VecDeque<u64>,
    batch: u32,
}

/// What waits for its turn.
enum Finished {
    /// A job that went through all processors; its bytes.
    Job(Job, usize),
    /// Nothing will come of what is here.
    GivenBack(Stretch),
}

impl Row {
    fn next(&self) -> Option<Place> {
        self.parcels.front().map(|number| (*number, self.batch))
    }

    fn pass(&mut self, stretch: Stretch) {
        self.batch = stretch.behind;
        if stretch.is_last {
            self.parcels.pop_front();
            self.batch = 0;
        }
    }
}

impl Rows {
    pub(crate) fn new(is_ordered: bool) -> Rows {
        Rows {
            is_ordered,
            stream: Row::default(),
            groups: HashMap::new(),
            parked: BTreeMap::new(),
            due: BTreeMap::new(),
        }
    }

    /// A parcel gets its number.
    pub(crate) fn enter(&mut self, order: Order, number: u64) {
        match order {
            Order::Stream if self.is_ordered => self.stream.parcels.push_back(number),
            Order::Group(group) if self.is_ordered => {
                self.groups.entry(group).or_default().parcels.push_back(number);
            }
            _ => (),
        }
    }

    /// How many finished jobs wait.
    pub(crate) fn len(&self) -> usize {
        self.parked.len() + self.due.len()
    }

    /// Whether the job waits for nothing before it, and others may wait for it.
    pub(crate) fn is_first(&self, job: &Job) -> bool {
        let stretch = job.stretch();
        self.row_of(stretch).is_some_and(|row| row.next() == Some(stretch.place))
    }

    /// Whether something may be written.
    pub(crate) fn has_due(&self) -> bool {
        !self.due.is_empty()
    }

    /// What is to be written next, and its bytes.
    pub(crate) fn pop_due(&mut self) -> Option<(Job, usize)> {
        self.due.pop_first().map(|(_, it)| it)
    }

    /// A job is finished.
    pub(crate) fn put(&mut self, job: Job, bytes: usize) {
        match self.is_next(job.stretch()) {
            true => _ = self.due.insert(job.place(), (job, bytes)),
            false => _ = self.parked.insert(job.place(), Finished::Job(job, bytes)),
        }
    }

    /// Nothing will come of what is here: what is behind it does not wait for it.
    pub(crate) fn give_back(&mut self, stretch: Stretch) {
        match self.is_next(stretch) {
            true => self.pass(stretch),
            false => _ = self.parked.insert(stretch.place, Finished::GivenBack(stretch)),
        }
    }

    /// What is here was written, or nothing of it is left to write: what is behind it has its turn.
    pub(crate) fn pass(&mut self, stretch: Stretch) {
        let row = match stretch.order {
            Order::Stream if self.is_ordered => &mut self.stream,
            Order::Group(group) if self.is_ordered => {
                self.groups.get_mut(&group).expect("a row is there while it has parcels")
            }
            _ => return,
        };
        row.pass(stretch);
        while let Some(finished) = row.next().and_then(|next| self.parked.remove(&next)) {
            match finished {
                Finished::Job(job, bytes) => {
                    self.due.insert(job.place(), (job, bytes));
                    break;
                }
                Finished::GivenBack(stretch) => row.pass(stretch),
            }
        }
        if let Order::Group(group) = stretch.order
            && row.parcels.is_empty()
        {
            self.groups.remove(&group);
        }
    }

    /// All jobs that are finished, due or not.
    pub(crate) fn take_all(&mut self) -> Vec<Job> {
        let due = std::mem::take(&mut self.due).into_values().map(|(job, _)| job);
        let parked = std::mem::take(&mut self.parked).into_values().filter_map(|it| match it {
            Finished::Job(job, _) => Some(job),
            Finished::GivenBack(_) => None,
        });
        due.chain(parked).collect()
    }

    /// Whether what is here waits for nothing before it.
    fn is_next(&self, stretch: Stretch) -> bool {
        self.row_of(stretch).is_none_or(|row| row.next() == Some(stretch.place))
    }

    fn row_of(&self, stretch: Stretch) -> Option<&Row> {
        match stretch.order {
            Order::Stream if self.is_ordered => Some(&self.stream),
            Order::Group(group) if self.is_ordered => self.groups.get(&group),
            _ => None,
        }
    }
}
