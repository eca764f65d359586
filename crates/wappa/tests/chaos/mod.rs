//! Numbered messages through three processes of one group, of which a module fails two in a hundred into a topic of their own,
//! while processes are killed and stopped, the broker is stopped, the network is cut, and the module is replaced.
//!
//! A filler writes the numbers, and an auditor, which nobody disturbs, writes down every record of the three topics: what is
//! counted is counted from there, and nothing that the processes under test say. Each of these has a way of its own to the
//! broker, a proxy, which can be cut and stalled: for the clients that is what a network does, and it needs no rights on the
//! machine, as namespaces would.
//!
//! A broker joins with a row of [`brokers`].

pub(crate) mod brokers;
mod guest;
mod ledger;
mod member;
mod trouble;

use std::{
    env,
    io::Write,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use wappa_servers::{Dir, Proxy, Server};

use self::{
    brokers::Broker,
    ledger::{Audit, Ledger},
    member::Use,
    trouble::Trouble,
};
use crate::support::{Program, collect};

const N_MEMBERS: usize = 3;

/// How long is waited for a record that has not come, after the last one.
const QUIET_MAX: Duration = Duration::from_secs(60);

/// What a member may take, built for tests: what leaks would pass it within minutes.
const MEMORY_MAX: u64 = 256 << 20;
const DESCRIPTORS_MAX: usize = 150;

/// How much is done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    /// How many messages.
    pub(crate) messages: usize,
    /// How long something goes wrong again and again, while they are written.
    pub(crate) trouble: Duration,
}

impl Size {
    /// Whether somebody has said how long it is to take.
    pub(crate) fn is_set() -> bool {
        env::var_os("WAPPA_CHAOS_SECONDS").is_some()
    }

    /// The short form, or what `WAPPA_CHAOS_MESSAGES` and `WAPPA_CHAOS_SECONDS` say: 100000 and 300 for the long one.
    pub(crate) fn asked() -> Size {
        let number = |name: &str, default: u64| {
            let set = env::var(name).ok();
            set.map_or(default, |it| it.parse().unwrap_or_else(|_| panic!("{name} is no number: {it}")))
        };
        Size {
            messages: number("WAPPA_CHAOS_MESSAGES", 10_000) as usize,
            trouble: Duration::from_secs(number("WAPPA_CHAOS_SECONDS", 26)),
        }
    }
}

/// Runs it all over a broker, prints a row of a table, and checks what has to hold.
pub(crate) fn check(broker: &'static Broker, size: Size) {
    let input = broker.member.split(':').next().unwrap_or_default();
    let inputs = Program::new(&format!("chaos-{}-inputs", broker.name)).run(&["list", "inputs"]).stdout;
    if !inputs.contains(input) {
        eprintln!("skipped: the program was built without `{input}`");
        return;
    }
    let fronts: [Proxy; N_MEMBERS] = std::array::from_fn(|_| Proxy::new());
    let addresses = fronts.each_ref().map(Proxy::address);
    let Some(started) = (broker.start)(&addresses) else { return };
    for (front, target) in fronts.iter().zip(&started.behind) {
        front.lead_to(target);
    }
    let dir = Dir::new();
    let module = dir.path().join(guest::FILE);
    guest::write(&module, guest::VERSIONS[0]);
    let auditor = Audit::start(broker, &started.address);
    let filler = {
        let address = started.address.clone();
        thread::spawn(move || fill(broker, &address, size))
    };
    // Some brokers make a topic only when somebody writes to it.
    auditor.wait_for_first();
    let members =
        addresses.each_ref().map(|it| Mutex::new(member::member(broker, it, &module.display().to_string())));
    let is_over = AtomicBool::new(false);
    let (troubles, used) = thread::scope(|scope| {
        let over = Over(&is_over);
        let watcher = scope.spawn(|| watch(&members, &is_over));
        let mut trouble = Trouble::new(started.server, &fronts, &members, module);
        trouble.run(size.trouble);
        let (code, said) = filler.join().expect("the filler is only waited for");
        assert_eq!(code, Some(0), "the filler delivers what it reads: {said}");
        auditor.wait_for_all(size.messages, QUIET_MAX);
        // Those that are asked to end, end.
        let ends = members.each_ref().map(|it| scope.spawn(|| lock(it).stop()));
        for end in ends {
            let status = end.join().expect("it is only waited for");
            assert!(status.success(), "{status}");
        }
        drop(over);
        (trouble.events().to_vec(), watcher.join().expect("it only looks"))
    });
    let told = Told::of(&auditor.end(), size, &troubles);
    eprintln!("{}", told.row(broker, &troubles, used));
    told.check(broker, used);
}

/// Those who look on end when this does, also where something has failed.
struct Over<'o>(&'o AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn lock<T>(it: &Mutex<T>) -> MutexGuard<'_, T> {
    it.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes the numbers to the broker by a program, and gives its exit code and what it said.
fn fill(broker: &Broker, address: &str, size: Size) -> (Option<i32>, String) {
    let output = broker.output("numbers", broker.key_of_number).replace("ADDRESS", address);
    let config = format!("input: {{stdin: {{}}}}\noutput:\n  {output}\n");
    let program = Program::new(&format!("chaos-{}", broker.name)).file("a.yaml", config);
    let mut child = program.start(&["-c", "a.yaml"]);
    let said = collect(child.stderr.take().expect("it is piped"));
    write_numbers(child.stdin.take().expect("it is piped"), size);
    // What it still has waits for the broker.
    let began = Instant::now();
    let code = loop {
        if let Some(status) = child.try_wait().expect("it is our child") {
            break status.code();
        }
        if QUIET_MAX < began.elapsed() {
            let _ = child.kill();
        }
        thread::sleep(Duration::from_millis(20));
    };
    (code, said.join().expect("reading does not panic"))
}

/// Writes numbers as fast as they are to come: a bundle ten times a second.
fn write_numbers(mut to: impl Write, size: Size) {
    let began = Instant::now();
    let mut n_written = 0;
    while n_written < size.messages {
        let share = began.elapsed().as_secs_f64() / size.trouble.as_secs_f64();
        let until = ((size.messages as f64 * share) as usize + 1).min(size.messages);
        let lines: String = (n_written..until).map(|it| format!("n{it:07}\n")).collect();
        // One that has failed is told by its exit code.
        if to.write_all(lines.as_bytes()).is_err() {
            return;
        }
        n_written = until;
        thread::sleep(Duration::from_millis(100));
    }
}

/// The most that any member had, until it is over.
fn watch(members: &[Mutex<Server>; N_MEMBERS], is_over: &AtomicBool) -> Use {
    let mut most = Use::default();
    while !is_over.load(Ordering::Relaxed) {
        for member in members {
            most = most.max(Use::of(&lock(member)));
        }
        thread::sleep(Duration::from_millis(250));
    }
    most
}

/// What came of it.
struct Told {
    n_messages: usize,
    lost: Vec<u32>,
    /// Records that are there once more, and when.
    n_duplicates: usize,
    /// Those of them that nothing that went wrong explains, and when they came, in milliseconds after the last thing that did.
    unexplained: Vec<(u32, Vec<i64>)>,
    /// Messages that came to a topic that is not theirs.
    astray: Vec<u32>,
    /// Messages that came before one with the same key that was written earlier.
    n_out_of_order: usize,
    versions: Vec<char>,
    /// How long after the last thing that went wrong the last message came, in milliseconds.
    came_late: i64,
}

impl Told {
    fn of(ledger: &Ledger, size: Size, troubles: &[trouble::Event]) -> Told {
        let numbers = 0..size.messages as u32;
        let expected = |it: u32| if guest::fails(it) { "dead" } else { "out" };
        let lost = numbers.clone().filter(|it| ledger.times(expected(*it), *it).is_empty());
        let last = troubles.iter().map(trouble::Event::ended).max().unwrap_or_default();
        let came_late = (ledger.caught_up(i64::MAX, expected) - last).max(0);
        let other = |it: u32| if guest::fails(it) { "out" } else { "dead" };
        let astray = numbers.clone().filter(|it| !ledger.times(other(*it), *it).is_empty());
        let caught_up = |it: &trouble::Event| ledger.caught_up(it.ended(), expected);
        let troubles: Vec<_> = troubles.iter().map(|it| (it, caught_up(it))).collect();
        let mut n_duplicates = 0;
        let mut unexplained = Vec::new();
        for number in numbers.clone() {
            let times = ledger.times(expected(number), number);
            // What the filler wrote twice is there twice.
            let n_written = ledger.times("numbers", number).len().max(1);
            n_duplicates += times.len().saturating_sub(n_written);
            let is_explained = times[times.len().min(1)..].iter().all(|again| {
                troubles.iter().any(|(it, caught_up)| it.explains(times[0], *again, *caught_up))
            });
            if n_written < times.len() && !is_explained {
                unexplained.push((number, times.iter().map(|it| it - last).collect()));
            }
        }
        Told {
            n_messages: size.messages,
            lost: lost.collect(),
            n_duplicates,
            unexplained,
            astray: astray.collect(),
            n_out_of_order: ledger.n_out_of_order(),
            versions: ledger.versions(),
            came_late,
        }
    }

    /// A row of the table.
    fn row(&self, broker: &Broker, troubles: &[trouble::Event], used: Use) -> String {
        let kinds = trouble::Kind::ALL.map(|kind| {
            let n = troubles.iter().filter(|it| it.kind == kind).count();
            format!("{n} {}", kind.name())
        });
        format!(
            "{}: {} messages; {}; lost {}; duplicates {} (unexplained {}); out of order {}; all there {} ms after the last of it; at most {} MiB and {} descriptors",
            broker.name,
            self.n_messages,
            kinds.join(", "),
            self.lost.len(),
            self.n_duplicates,
            self.unexplained.len(),
            self.n_out_of_order,
            self.came_late,
            used.memory >> 20,
            used.descriptors,
        )
    }

    fn check(&self, broker: &Broker, used: Use) {
        assert_eq!(self.lost, Vec::<u32>::new(), "they are lost");
        assert_eq!(self.astray, Vec::<u32>::new(), "they came to the topic that is not theirs");
        assert_eq!(self.unexplained, Vec::new(), "they came twice, and nothing had gone wrong");
        if broker.keeps_order {
            assert_eq!(self.n_out_of_order, 0, "messages of one key overtook others");
        }
        assert_eq!(self.versions, guest::VERSIONS, "each version of the module was at work");
        assert!(used.memory <= MEMORY_MAX, "{used:?}");
        assert!(used.descriptors <= DESCRIPTORS_MAX, "{used:?}");
    }
}

/// What would be seen if messages were lost, came twice, went astray or overtook each other.
#[test]
fn what_is_wrong_is_seen() {
    let ledger = Ledger::read(
        "numbers 0 0 1000 n0000001\nnumbers 0 1 1000 n0000002\nnumbers 0 2 1000 n0000101\nnumbers 0 3 1000 n0000102\n\
         out 0 0 2000 A0000101\nout 0 1 2001 A0000001\nout 0 2 2002 B0000002\nout 0 3 9000 B0000002\ndead 0 0 2003 n0000004\n\
         out 0 1 2001 A0000001\nout 0 5 2004 A00",
    );
    let size = Size { messages: 5, trouble: Duration::ZERO };
    let told = Told::of(&ledger, size, &[]);
    // Of the last line there is a part, and one record was read twice.
    assert_eq!(told.lost, [0, 3, 4]);
    assert_eq!((told.n_duplicates, told.unexplained), (1, vec![(2, vec![2002, 9000])]));
    assert_eq!((told.astray, told.n_out_of_order), (vec![4], 1));
    assert_eq!(told.versions, ['A', 'B']);
    let killed = trouble::Event::at(trouble::Kind::Killed, 4000, 4500);
    assert_eq!(Told::of(&ledger, size, &[killed]).unexplained, Vec::new());
    let replaced = trouble::Event::at(trouble::Kind::Replaced, 4000, 4500);
    assert_eq!(Told::of(&ledger, size, &[replaced]).unexplained, [(2, vec![-2498, 4500])]);
}
