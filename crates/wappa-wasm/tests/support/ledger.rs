//! What a piece of work took from the machine, seen from outside: processor time, memory, descriptors.
//!
//! Time is that of the process's processors, since on a busy machine the clock on the wall tells of others; so a process
//! does one piece of work at a time. Memory is looked at twice: what is allocated, to the byte, and what is resident,
//! where everything else is as well, guests' memories above all.
#![allow(
    unsafe_code,
    reason = "a global allocator is unsafe by its signature; this one counts and passes on"
)]
#![allow(dead_code, reason = "not every fuzzer asks for everything")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    fmt, fs,
    io::{Write, stderr},
    process::abort,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicIsize, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use rustix::{
    process::{Resource, Rlimit, getrlimit, setrlimit},
    time::{ClockId, clock_gettime},
};

/// What a bound on time is passed by in a build without optimizations, where one pass over a message takes long.
const CPU_SLACK: Duration = Duration::from_millis(500);

/// What a bound on time is passed by on the wall's clock: the machine may be busy with anything.
const WALL_SLACK: Duration = Duration::from_secs(180);

/// What is allocated beside what is counted: buffers of lines, tables of resources, texts of errors.
const ALLOCATED_SLACK: usize = 4 << 20;

/// What stays resident beside what is allocated: pages that the allocator keeps, code, stacks.
const RESIDENT_SLACK: usize = 32 << 20;

/// What runtimes open once.
const DESCRIPTORS_SLACK: usize = 16;

/// So many descriptors the process may have while it is measured. All guests together have a quarter of them.
const DESCRIPTORS: u64 = 64;

/// No bound allows so much. A host that wants more would take the machine with it before anybody looks.
const ALLOCATED_MAX: isize = 3 << 30;

/// The case under way.
pub(crate) static SEED: AtomicU64 = AtomicU64::new(0);

/// What all of the process's threads have allocated and not freed, and the most that this was.
static LIVE: AtomicIsize = AtomicIsize::new(0);
static PEAK: AtomicIsize = AtomicIsize::new(0);

struct Books;

fn book(bytes: usize) {
    let bytes = bytes as isize;
    let now = LIVE.fetch_add(bytes, Relaxed) + bytes;
    PEAK.fetch_max(now, Relaxed);
    if ALLOCATED_MAX < now {
        // Nothing can be unwound from here, nor allocated to tell of it.
        let _ = writeln!(stderr(), "seed {} makes the host allocate {now} bytes", SEED.load(Relaxed));
        abort();
    }
}

// SAFETY: everything is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Books {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        book(layout.size());
        // SAFETY: the caller's promises are those that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        book(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size() as isize, Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both are there for a moment, unless pages are moved.
        book(size);
        LIVE.fetch_sub(layout.size() as isize, Relaxed);
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Books = Books;

/// The right to be measured: what the process spends is then one's own.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let files = Rlimit { current: Some(DESCRIPTORS), ..getrlimit(Resource::Nofile) };
    setrlimit(Resource::Nofile, files).expect("fewer than there are");
    alone
}

/// What is allocated now, in bytes.
pub(crate) fn allocated() -> usize {
    LIVE.load(Relaxed).max(0) as usize
}

/// Begun before the work, and closed after it.
pub(crate) struct Ledger {
    cpu: Duration,
    began: Instant,
    allocated: isize,
    /// Where growth is counted from, in bytes.
    resident: usize,
}

/// What may be spent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) cpu: Duration,
    /// By the host, in bytes.
    pub(crate) allocated: usize,
    /// By guests, in bytes, beside that.
    pub(crate) memory: usize,
}

/// What was spent of it at the most, in hundredths.
#[derive(Clone, Copy, Default)]
pub(crate) struct Spent {
    cpu: u128,
    allocated: usize,
    resident: usize,
    descriptors: usize,
}

impl fmt::Debug for Spent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Spent { cpu, allocated, resident, descriptors } = self;
        write!(f, "time {cpu} %, allocated {allocated} %, resident {resident} %, descriptors {descriptors} %")
    }
}

impl Spent {
    /// The larger ones of both.
    pub(crate) fn max(&mut self, other: Spent) {
        self.cpu = self.cpu.max(other.cpu);
        self.allocated = self.allocated.max(other.allocated);
        self.resident = self.resident.max(other.resident);
        self.descriptors = self.descriptors.max(other.descriptors);
    }
}

impl Ledger {
    pub(crate) fn begin() -> Ledger {
        // The peak is that of the process so far, unless the system lets it begin anew.
        let field = match fs::write("/proc/self/clear_refs", "5") {
            Ok(()) => "VmRSS:",
            Err(_) => "VmHWM:",
        };
        let resident = resident(field);
        let allocated = LIVE.load(Relaxed);
        PEAK.store(allocated, Relaxed);
        Ledger { cpu: cpu(), began: Instant::now(), allocated, resident }
    }

    /// What was spent, of what may be at the most: twice a bound and a constant. Fails when that was more.
    pub(crate) fn close(self, bounds: &Bounds, what: &dyn Fn() -> String) -> Spent {
        let took = cpu() - self.cpu;
        let allocated = (PEAK.load(Relaxed) - self.allocated).max(0) as usize;
        let grew = resident("VmHWM:").saturating_sub(self.resident);
        let may_take = 2 * bounds.cpu + CPU_SLACK;
        assert!(took <= may_take, "{took:?} of processor time, {bounds:?}: {}", what());
        let waited = self.began.elapsed();
        let may_wait = 2 * bounds.cpu + WALL_SLACK;
        assert!(waited <= may_wait, "{waited:?} by the clock, {bounds:?}: {}", what());
        let may_allocate = 2 * bounds.allocated + ALLOCATED_SLACK;
        assert!(allocated <= may_allocate, "{allocated} bytes allocated, {bounds:?}: {}", what());
        let may_grow = 2 * (bounds.allocated + bounds.memory) + RESIDENT_SLACK;
        assert!(grew <= may_grow, "{grew} bytes resident, {bounds:?}: {}", what());
        let opened = descriptors();
        let may_be_open = 2 * (DESCRIPTORS as usize / 4) + DESCRIPTORS_SLACK;
        assert!(opened <= may_be_open, "{opened} descriptors are open, {may_be_open} may be: {}", what());
        Spent {
            cpu: 100 * took.as_nanos() / may_take.as_nanos(),
            allocated: 100 * allocated / may_allocate,
            resident: 100 * grew / may_grow,
            descriptors: 100 * opened / may_be_open,
        }
    }
}

fn cpu() -> Duration {
    let spent = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(spent.tv_sec.unsigned_abs(), spent.tv_nsec as u32)
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").expect("the system lists descriptors").count()
}

fn resident(field: &str) -> usize {
    let status = fs::read_to_string("/proc/self/status").expect("the system tells of a process");
    let line = status.lines().find_map(|it| it.strip_prefix(field)).expect("it tells of memory");
    line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") << 10
}
