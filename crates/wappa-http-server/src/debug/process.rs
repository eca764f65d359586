//! What the system says of the threads and the memory of this process.

use std::{fmt::Write, fs};

/// A thread's name, state, and processor time.
struct Thread {
    id: u64,
    name: String,
    state: &'static str,
    cpu_seconds: f64,
}

/// The components at work, and all threads.
pub(super) fn stack(at_work: &str) -> String {
    let mut out = String::from("components at work:\n");
    match at_work {
        "" => out.push_str("  none\n"),
        at_work => at_work.lines().for_each(|it| _ = writeln!(out, "  {it}")),
    }
    out.push_str("\nthreads:\n");
    for Thread { id, name, state, cpu_seconds } in threads() {
        let _ = writeln!(out, "  {id} {name}: {state}, {cpu_seconds:.2} s of processor time");
    }
    out
}

fn threads() -> Vec<Thread> {
    let ticks = rustix::param::clock_ticks_per_second() as f64;
    let entries = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let mut threads: Vec<Thread> = entries
        .filter_map(|entry| {
            let id = entry.file_name().to_str()?.parse().ok()?;
            // The name, which may have any letters, is in parentheses.
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            let (head, fields) = stat.rsplit_once(')')?;
            let name = head.split_once('(')?.1.to_string();
            let fields: Vec<&str> = fields.split_whitespace().collect();
            // Numbered from the third field on, as proc(5) has it.
            let time = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
            let state = match *fields.first()? {
                "R" => "runs",
                "S" => "waits",
                "D" => "waits for a disk",
                "T" | "t" => "is stopped",
                _ => "ends",
            };
            Some(Thread { id, name, state, cpu_seconds: (time(14)? + time(15)?) / ticks })
        })
        .collect();
    threads.sort_by_key(|it| it.id);
    threads
}

/// What the process takes, in bytes, and lines of others on what it takes it for.
pub(super) fn memory(others: &str) -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mut out = String::new();
    let names = [
        ("VmRSS:", "resident"),
        ("VmHWM:", "resident_max"),
        ("RssAnon:", "resident_anonymous"),
        ("RssFile:", "resident_of_files"),
        ("VmData:", "data"),
        ("VmSize:", "addresses"),
        ("VmSwap:", "swapped"),
    ];
    for (line, name) in names {
        let kilobytes = status.lines().find_map(|it| it.strip_prefix(line));
        let kilobytes = kilobytes.and_then(|it| it.split_whitespace().next()?.parse::<u64>().ok());
        if let Some(kilobytes) = kilobytes {
            let _ = writeln!(out, "{name} {}", kilobytes * 1024);
        }
    }
    out + others
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_thread_is_told_with_its_name() {
        let thread = std::thread::Builder::new().name("a (b) c".to_string()).spawn(|| stack("root.input"));
        let text = thread.expect("it starts").join().expect("it does not panic");
        assert!(text.starts_with("components at work:\n  root.input\n\nthreads:\n"), "{text}");
        let has = |it: &str| it.contains(" a (b) c: runs, ") && it.ends_with(" s of processor time");
        assert!(text.lines().any(has), "{text}");
    }

    #[test]
    fn memory_is_in_bytes() {
        let text = memory("guests 7\n");
        let of = |name: &str| {
            let line = text.lines().find_map(|it| it.strip_prefix(name)?.strip_prefix(' '));
            line.and_then(|it| it.parse::<u64>().ok())
        };
        assert!(of("resident") <= of("resident_max") && Some(1 << 20) < of("resident"), "{text}");
        assert_eq!(of("guests"), Some(7), "{text}");
    }
}
