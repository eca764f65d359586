//! What a piece of work took from the machine, seen from outside: processor time, resident memory, descriptors.

use std::{fs, time::Duration};

use rustix::time::{ClockId, clock_gettime};

/// What a bound on time is passed by on a machine that is slow, in a build without optimizations.
const CPU_SLACK: Duration = Duration::from_secs(2);

/// What the allocator, the engine and the tables of the process take beside what is counted.
const MEMORY_SLACK: usize = 96 << 20;

/// What runtimes open once.
const DESCRIPTORS_SLACK: usize = 16;

/// Begun before the work, and closed after it.
pub(crate) struct Ledger {
    cpu: Duration,
    /// Where growth is counted from, in bytes.
    resident: usize,
    descriptors: usize,
}

/// What may be spent.
pub(crate) struct Bounds {
    /// Of the calling thread's processor time: on a busy machine the clock on the wall tells of others.
    pub(crate) cpu: Duration,
    pub(crate) memory: usize,
}

impl Ledger {
    pub(crate) fn begin() -> Ledger {
        // The peak is that of the process so far, unless the system lets it begin anew.
        let field = match fs::write("/proc/self/clear_refs", "5") {
            Ok(()) => "VmRSS:",
            Err(_) => "VmHWM:",
        };
        Ledger { cpu: cpu(), resident: resident(field), descriptors: descriptors() }
    }

    /// Fails when more was spent than twice a bound and a constant.
    pub(crate) fn close(self, bounds: &Bounds, what: &dyn Fn() -> String) {
        let took = cpu() - self.cpu;
        assert!(took <= 2 * bounds.cpu + CPU_SLACK, "{took:?}, bound {:?}: {}", bounds.cpu, what());
        let grew = resident("VmHWM:").saturating_sub(self.resident);
        let most = 2 * bounds.memory + MEMORY_SLACK;
        assert!(grew <= most, "{grew} bytes resident, bound {}: {}", bounds.memory, what());
        let opened = descriptors().saturating_sub(self.descriptors);
        assert!(opened <= DESCRIPTORS_SLACK, "{opened} descriptors stay open: {}", what());
    }
}

fn cpu() -> Duration {
    let spent = clock_gettime(ClockId::ThreadCPUTime);
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
