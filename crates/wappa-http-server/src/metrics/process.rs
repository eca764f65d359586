//! What the system says of this process, under the names that Prometheus' clients have for it.

use std::fs;

/// The name of a series, what kind it is, what it means, and its value.
pub(crate) type Measured = (&'static str, &'static str, &'static str, f64);

/// All that can be found out.
pub(crate) fn measure() -> Vec<Measured> {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name of the program, which may have any letters, is in parentheses.
    let fields: Vec<&str> = stat.rsplit_once(')').map_or(Vec::new(), |it| it.1.split_whitespace().collect());
    // Numbered from the third field on, as proc(5) has it.
    let field = |number: usize| fields.get(number - 3).and_then(|it| it.parse::<f64>().ok());
    let ticks = rustix::param::clock_ticks_per_second() as f64;
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let limit = |name: &str| {
        let line = limits.lines().find_map(|it| it.strip_prefix(name))?;
        match line.split_whitespace().next()? {
            "unlimited" => Some(f64::from(u32::MAX).powi(2)),
            number => number.parse().ok(),
        }
    };
    let booted = fs::read_to_string("/proc/stat").unwrap_or_default();
    let booted = booted.lines().find_map(|it| it.strip_prefix("btime ")?.trim().parse::<f64>().ok());
    let n_open = fs::read_dir("/proc/self/fd").ok().map(|it| it.count() as f64);
    let all = [
        (
            "process_cpu_seconds_total",
            "counter",
            "Total user and system CPU time spent in seconds.",
            field(14).zip(field(15)).map(|(user, system)| (user + system) / ticks),
        ),
        ("process_max_fds", "gauge", "Maximum number of open file descriptors.", limit("Max open files")),
        ("process_open_fds", "gauge", "Number of open file descriptors.", n_open),
        (
            "process_resident_memory_bytes",
            "gauge",
            "Resident memory size in bytes.",
            field(24).map(|it| it * rustix::param::page_size() as f64),
        ),
        (
            "process_start_time_seconds",
            "gauge",
            "Start time of the process since unix epoch in seconds.",
            field(22).zip(booted).map(|(started, booted)| booted + started / ticks),
        ),
        ("process_threads", "gauge", "Number of threads.", field(20)),
        ("process_virtual_memory_bytes", "gauge", "Virtual memory size in bytes.", field(23)),
        (
            "process_virtual_memory_max_bytes",
            "gauge",
            "Maximum amount of virtual memory available in bytes.",
            limit("Max address space"),
        ),
    ];
    all.into_iter().filter_map(|(name, kind, doc, value)| Some((name, kind, doc, value?))).collect()
}
