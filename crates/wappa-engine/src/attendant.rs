//! The attendant: a thread that has the output's turn when something is due there and all threads of the pipeline have
//! something else to do, such as waiting for an answer from the network.
//!
//! Most streams never have one: it is started when it is wanted for the first time. Invariant: it is told before all threads
//! wait, and whoever tells it holds the lock under which it looks.

use std::{
    io,
    sync::{Arc, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use wappa_component::{Clock, Level, Waits, cause_of_start, watch_mappings};

use crate::{
    niceness,
    schedule::Schedule,
    stream::STACK_BYTES,
    worker::{self, Shared},
    world::Bell,
};

/// What the other threads know of the attendant.
pub(crate) struct Attendant {
    pub(crate) bell: Bell,
    /// To be waited for.
    thread: std::sync::Mutex<Option<JoinHandle<()>>>,
}

/// What it is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Attendance {
    /// There is no such thread, since none was wanted.
    #[default]
    Absent,
    /// There can be none.
    Impossible,
    /// It looks whether there is something to do before it sleeps.
    Awake,
    /// It sleeps until then, or until it is called.
    Asleep(Option<Duration>),
}

impl Attendant {
    pub(crate) fn new(bell: Bell) -> Attendant {
        Attendant { bell, thread: std::sync::Mutex::default() }
    }

    /// Starts the thread.
    pub(crate) fn start(&self, shared: Arc<Shared>) -> io::Result<()> {
        let builder = thread::Builder::new().name("attendant".to_string()).stack_size(STACK_BYTES);
        let thread = builder.spawn(move || {
            niceness::add(shared.niceness);
            run_guarded(&shared);
        })?;
        *self.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        Ok(())
    }

    /// Waits for its end, when all threads of the pipeline have ended.
    pub(crate) fn join(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            thread.join().expect("the attendant catches its panics");
        }
    }
}

/// A thread begins to work on a job, for as long as that takes: what is due meanwhile is not late.
pub(crate) fn work_begins(shared: &Shared, schedule: &mut Schedule) {
    if schedule.has_processors && schedule.is_late_for_attendant() {
        call(shared, schedule);
    }
}

/// Where all threads of the pipeline wait, has somebody take the output's turn when that is to be done.
pub(crate) fn all_may_wait(shared: &Shared, schedule: &mut Schedule) {
    if shared.all_wait()
        && (schedule.is_late_for_attendant() || schedule.is_for_attendant(|| shared.world.now()))
    {
        call(shared, schedule);
    }
}

/// A thread begins to wait.
pub(crate) fn wait_begins(shared: &Shared) {
    // Others may still work, and whoever is the last to wait looks.
    if shared.all_wait() {
        all_may_wait(shared, &mut shared.schedule.lock());
    }
}

/// Has the attendant look; it is started where there is none.
fn call(shared: &Shared, schedule: &mut Schedule) {
    match schedule.attendance {
        Attendance::Impossible | Attendance::Awake => (),
        Attendance::Asleep(_) => {
            schedule.attendance = Attendance::Awake;
            shared.attendant.bell.ring();
        }
        Attendance::Absent => {
            let Some(own) = shared.weak.upgrade() else { return };
            schedule.attendance = Attendance::Awake;
            if let Err(err) = shared.attendant.start(own) {
                schedule.attendance = Attendance::Impossible;
                let text = format!(
                    "What is due at the output waits for a thread of the pipeline: starting one for it: {}",
                    cause_of_start(&err)
                );
                shared.logger.log(Level::Warn, &text);
            }
        }
    }
}

/// The thread.
fn run_guarded(shared: &Shared) {
    shared.world.enter(shared.attendant_number());
    watch_mappings(Some((Arc::new(shared.stop.clone()), shared.caches.clone())));
    if worker::guarded(shared, "engine", || run(shared)).is_none() {
        worker::break_off(shared);
    }
    watch_mappings(None);
    shared.world.leave();
}

fn run(shared: &Shared) {
    loop {
        let mut schedule = shared.schedule.lock();
        if schedule.has_ended() {
            return;
        }
        if let Some(task) = schedule.task_of_attendant(shared.all_wait(), || shared.world.now()) {
            drop(schedule);
            worker::perform(shared, task);
            continue;
        }
        let until = schedule.attendant_sleeps();
        drop(schedule);
        shared.attendant.bell.wait(&Waits::default(), until);
        shared.schedule.lock().attendance = Attendance::Awake;
    }
}
