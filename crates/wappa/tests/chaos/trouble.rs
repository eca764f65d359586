//! What goes wrong.

use std::{
    path::PathBuf,
    sync::Mutex,
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use wappa_servers::{Proxy, Server, wait_until};

use super::{N_MEMBERS, guest, lock};

/// Longer than the session of a member.
const LONG: Duration = Duration::from_secs(5);

/// Before the first of it, all of the group work in peace.
const PEACE: Duration = Duration::from_secs(3);

/// For so long what has gone wrong is felt, once all is there that was written until then: the others wait until the session of a
/// member is over, and share what it had. On a busy machine they need longer for that than the sessions last.
const FELT: i64 = 15_000;

/// What was delivered so long before may not have been committed.
const UNCOMMITTED: i64 = 3_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The members have been started, and what there is to read is shared out again as each of them joins.
    Joined,
    Killed,
    Paused,
    Cut,
    Stalled,
    BrokerStopped,
    BrokerKilled,
    Replaced,
}

impl Kind {
    /// In the order in which they happen; messages come until all of them have, in the short form.
    pub(crate) const ALL: [Kind; 7] = [
        Kind::Killed,
        Kind::Paused,
        Kind::Cut,
        Kind::Replaced,
        Kind::Stalled,
        Kind::BrokerStopped,
        Kind::BrokerKilled,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Joined => "joins",
            Kind::Killed => "kills (SIGKILL)",
            Kind::Paused => "pauses (SIGSTOP)",
            Kind::Cut => "cuts",
            Kind::Stalled => "stalls",
            Kind::BrokerStopped => "stops of the broker",
            Kind::BrokerKilled => "kills of the broker",
            Kind::Replaced => "modules half-written and replaced",
        }
    }
}

/// Something that went wrong, from when to when, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event {
    pub(crate) kind: Kind,
    began: i64,
    ended: i64,
}

impl Event {
    pub(crate) fn at(kind: Kind, began: i64, ended: i64) -> Event {
        Event { kind, began, ended }
    }

    pub(crate) fn ended(&self) -> i64 {
        self.ended
    }

    /// Whether a message may have come again since this has happened: it was delivered while this was felt, or shortly before.
    /// What was written until this ended was all there at `caught_up`.
    pub(crate) fn explains(&self, first: i64, again: i64, caught_up: i64) -> bool {
        let felt = self.began - UNCOMMITTED..=self.ended.max(caught_up) + FELT;
        self.kind != Kind::Replaced && felt.contains(&first) && self.began <= again
    }
}

/// Who makes it go wrong.
pub(crate) struct Trouble<'t> {
    server: Server,
    fronts: &'t [Proxy; N_MEMBERS],
    members: &'t [Mutex<Server>; N_MEMBERS],
    guest: PathBuf,
    random: StdRng,
    n_replaced: usize,
    events: Vec<Event>,
}

impl<'t> Trouble<'t> {
    pub(crate) fn new(
        server: Server,
        fronts: &'t [Proxy; N_MEMBERS],
        members: &'t [Mutex<Server>; N_MEMBERS],
        guest: PathBuf,
    ) -> Trouble<'t> {
        let random = StdRng::seed_from_u64(1);
        Trouble { server, fronts, members, guest, random, n_replaced: 0, events: Vec::new() }
    }

    /// One thing after the other for so long, each kind at least once.
    pub(crate) fn run(&mut self, duration: Duration) {
        let joined = now();
        self.happen(Kind::Joined, 0);
        self.events.push(Event::at(Kind::Joined, joined, now()));
        let began = Instant::now();
        let mut n = 0;
        while began.elapsed() < duration || n < Kind::ALL.len() {
            let kind = Kind::ALL[n % Kind::ALL.len()];
            let member = self.random.random_range(0..N_MEMBERS);
            let began = now();
            self.happen(kind, member);
            self.events.push(Event::at(kind, began, now()));
            thread::sleep(Duration::from_millis(self.random.random_range(200..1500)));
            n += 1;
        }
    }

    fn happen(&mut self, kind: Kind, idx: usize) {
        let member = &self.members[idx];
        let front = &self.fronts[idx];
        match kind {
            Kind::Joined => thread::sleep(PEACE),
            Kind::Killed => {
                lock(member).kill();
                thread::sleep(Duration::from_millis(500));
                lock(member).start_again();
            }
            Kind::Paused => {
                lock(member).pause();
                self.wait_with_another(idx);
                lock(member).resume();
            }
            Kind::Cut => {
                front.cut();
                self.wait_with_another(idx);
                front.heal();
            }
            Kind::Stalled => {
                front.stall();
                self.wait_with_another(idx);
                front.heal();
            }
            Kind::BrokerStopped => {
                self.server.stop();
                thread::sleep(Duration::from_secs(1));
                self.server.start_again();
            }
            Kind::BrokerKilled => {
                self.server.kill();
                self.server.start_again();
            }
            Kind::Replaced => {
                // Who is only about to start would find half a module, and rightly end.
                wait_until("all have the module", || self.members.iter().all(|it| has_started(&lock(it))));
                self.n_replaced += 1;
                let version = guest::VERSIONS[self.n_replaced % 2];
                guest::write_half(&self.guest, version);
                thread::sleep(Duration::from_secs(2));
                guest::write(&self.guest, version);
            }
        }
    }

    /// A long time, in which every other time another member is killed.
    fn wait_with_another(&mut self, idx: usize) {
        thread::sleep(LONG / 2);
        if self.random.random_bool(0.5) {
            let other = (idx + 1) % N_MEMBERS;
            let began = now();
            self.happen(Kind::Killed, other);
            self.events.push(Event::at(Kind::Killed, began, now()));
        }
        thread::sleep(LONG / 2);
    }

    /// What has happened.
    pub(crate) fn events(&self) -> &[Event] {
        &self.events
    }
}

/// Whether a member is at work, and not still reading what it is to do, however often it was started.
fn has_started(member: &Server) -> bool {
    let log = member.log();
    let n_said = |text: &str| log.matches(text).count();
    n_said("Running main config") == n_said("Launching a Wappa instance")
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |it| it.as_millis() as i64)
}
