//! What a benchmark of a guest says, as a table for people or as JSON.

use std::{io::Write, path::Path, time::Duration};

use super::{
    Stop,
    json::Object,
    session::Session,
    size_text,
    text::{Style, printable},
    time_text,
};
use wappa_spec::printable_path;

/// What was measured with messages of one size.
#[derive(Debug, Default)]
pub(super) struct Measured {
    pub(super) name: String,
    pub(super) n_messages: u64,
    pub(super) n_bytes: u64,
    /// Inside of the guest.
    pub(super) time: Duration,
    pub(super) n_failed: u64,
    /// The mark of the first message that failed.
    pub(super) first_failure: Option<String>,
    /// How many instances were replaced.
    pub(super) n_replaced: u64,
    /// The instance's memory after it has warmed up, and at the end.
    pub(super) memory_before: u64,
    pub(super) memory_after: u64,
    /// By how many bytes instances have grown, all together, whenever they did; and after how many messages.
    grown: Vec<(u64, u64)>,
    /// The memory when it was looked at last, and how many instances had been replaced by then.
    seen: Option<(u64, u64)>,
}

impl Measured {
    pub(super) fn new(name: String) -> Measured {
        Measured { name, ..Measured::default() }
    }

    /// How large the memory of the instance is now, and how many there were before it. The memory of a new one is no
    /// growth.
    pub(super) fn saw_memory(&mut self, bytes: u64, n_replaced: u64) {
        if let Some((before, replaced_before)) = self.seen
            && replaced_before == n_replaced
            && before < bytes
        {
            let grown = self.grown.last().map_or(0, |it| it.1);
            self.grown.push((self.n_messages, grown + bytes - before));
        }
        self.seen = Some((bytes, n_replaced));
    }

    fn grown_at(&self, n_messages: u64) -> u64 {
        self.grown.iter().take_while(|it| it.0 <= n_messages).last().map_or(0, |it| it.1)
    }

    /// How many bytes of memory a message costs for good, if the guest keeps some of each: its memory grew in the
    /// second half of the messages more than once, still near the end, and about as much as in the first half. One
    /// that has reached what it needs does not grow any more. What came before is not judged: the heap of a language
    /// with a garbage collector grows a few times until it is as large as it is to be.
    fn leak(&self) -> Option<u64> {
        let n = self.n_messages;
        let (first, half, last) = (self.grown_at(n / 10), self.grown_at(n / 2), self.grown_at(n));
        let (early, late) = (half - first, last - half);
        let growths = |from: u64| self.grown.iter().filter(|it| from < it.0).count();
        let is_leak = 2 <= growths(n / 2) && 1 <= growths(n - n / 4) && early <= 2 * late;
        is_leak.then(|| late / (n - n / 2).max(1)).filter(|it| 0 < *it)
    }

    fn per_second(&self) -> f64 {
        self.n_messages as f64 / self.time.as_secs_f64().max(1e-9)
    }

    fn nanos(&self) -> f64 {
        self.time.as_nanos() as f64 / self.n_messages.max(1) as f64
    }

    fn bytes_per_second(&self) -> f64 {
        self.n_bytes as f64 / self.time.as_secs_f64().max(1e-9)
    }
}

/// Says what was measured.
pub(super) struct Report<'a> {
    pub(super) out: &'a mut dyn Write,
    pub(super) style: Style,
    pub(super) is_json: bool,
    pub(super) batch: u32,
}

impl Report<'_> {
    /// The module, and the head of the table.
    pub(super) fn begin(&mut self, module: &Path, session: &Session, seconds: f64) -> Result<(), Stop> {
        if self.is_json {
            return Ok(());
        }
        let (loaded, started) = (time_text(session.load_time), time_text(session.start_time));
        let size = size_text(session.module_bytes);
        let line = format!("{}: {size}, loaded in {loaded}, started in {started}", printable_path(module));
        writeln!(self.out, "{}", self.style.dim(&line))?;
        let batch = match self.batch {
            1 => "each message a batch of its own".to_string(),
            n => format!("batches of {n}"),
        };
        let line = format!("one thread, {batch}, {seconds} s a size");
        writeln!(self.out, "{}\n", self.style.dim(&line))?;
        writeln!(
            self.out,
            "{:>9} {:>12} {:>12} {:>10} {:>10} {:>12}",
            "size", "messages/s", "ns/message", "MiB/s", "memory", "leak"
        )?;
        Ok(self.out.flush()?)
    }

    /// One size.
    pub(super) fn row(&mut self, measured: &Measured) -> Result<(), Stop> {
        if self.is_json {
            writeln!(self.out, "{}", self.document(measured))?;
        } else {
            let leak = measured.leak().map_or_else(|| "-".to_string(), size_text);
            writeln!(
                self.out,
                "{:>9} {:>12} {:>12} {:>10.0} {:>10} {leak:>12}",
                measured.name,
                grouped(measured.per_second()),
                grouped(measured.nanos()),
                measured.bytes_per_second() / 1_048_576.0,
                size_text(measured.memory_after),
            )?;
        }
        Ok(self.out.flush()?)
    }

    /// What a table does not say.
    pub(super) fn end(&mut self, all: &[Measured]) -> Result<(), Stop> {
        if self.is_json {
            return Ok(());
        }
        let mut notes = Vec::new();
        for measured in all {
            let name = &measured.name;
            if let Some(mark) = &measured.first_failure {
                let (n_failed, mark) = (grouped(measured.n_failed as f64), printable(mark));
                let text = format!("{name}: {n_failed} messages failed, the first with: {mark}");
                notes.push(self.style.red(&text));
                if 0 < measured.n_replaced {
                    let n = grouped(measured.n_replaced as f64);
                    notes.push(format!("{name}: {n} instances were replaced, which is in the times"));
                }
            }
            if let Some(leak) = measured.leak() {
                let (from, to) = (size_text(measured.memory_before), size_text(measured.memory_after));
                notes.push(self.style.red(&format!(
                    "{name}: memory keeps growing, from {from} to {to}: about {} of each message is not given back",
                    size_text(leak)
                )));
                notes.push(
                    "  in a stream `recycle` replaces the instance before it reaches `memory_limit`"
                        .to_string(),
                );
            }
        }
        if cfg!(debug_assertions) {
            notes.push("this `wappa` was built without optimizations: judge no speed by it".to_string());
        }
        if !notes.is_empty() {
            writeln!(self.out, "\n{}", notes.join("\n"))?;
        }
        Ok(())
    }

    fn document(&self, measured: &Measured) -> String {
        let null = || "null".to_string();
        let leak = measured.leak().map_or_else(null, |it| it.to_string());
        let mut object = Object::new()
            .text("size", &measured.name)
            .number("batch", self.batch)
            .number("messages", measured.n_messages)
            .number("content_bytes", measured.n_bytes)
            .number("time_ns", measured.time.as_nanos())
            .number("messages_per_second", measured.per_second().round() as u64)
            .number("ns_per_message", measured.nanos().round() as u64)
            .number("memory_bytes", measured.memory_after)
            .json("leak_bytes_per_message", &leak)
            .number("failed", measured.n_failed)
            .number("instances_replaced", measured.n_replaced);
        if let Some(mark) = &measured.first_failure {
            object = object.text("first_failure", mark);
        }
        object.json("optimized", if cfg!(debug_assertions) { "false" } else { "true" }).end()
    }
}

/// A whole number with a space between groups of three digits.
fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut out = String::new();
    for (idx, digit) in digits.chars().enumerate() {
        if 0 < idx && (digits.len() - idx).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leak(n_messages: u64, memory: &[(u64, u64)]) -> Option<u64> {
        let mut measured = Measured::default();
        for (n_messages, bytes) in memory {
            measured.n_messages = *n_messages;
            measured.saw_memory(*bytes, 0);
        }
        measured.n_messages = n_messages;
        measured.leak()
    }

    #[test]
    fn a_leak_is_seen_through_replacements() {
        let mut measured = Measured::default();
        for n in 0..1000 {
            measured.n_messages = n * 100;
            measured.saw_memory(65536 * (1 + n % 50), n / 50);
        }
        assert_eq!(measured.leak(), Some(642));
        // A guest that traps on each message begins anew with each, which is no growth.
        let mut measured = Measured::default();
        for n in 0..1000 {
            measured.n_messages = n;
            measured.saw_memory(65536 * (n % 3), n);
        }
        assert_eq!(measured.leak(), None);
    }

    #[test]
    fn a_leak_is_memory_that_keeps_growing() {
        let page = 65536;
        let linear: Vec<(u64, u64)> = (0..=100).map(|it| (it * 1000, it * page)).collect();
        assert_eq!(leak(100_000, &linear), Some(65));
        // A working set, a heap that doubles once, and one that grows while it is young.
        assert_eq!(leak(100_000, &[(0, page)]), None);
        assert_eq!(leak(100_000, &[(0, page), (60_000, 2 * page)]), None);
        assert_eq!(
            leak(100_000, &[(0, page), (1_000, 8 * page), (20_000, 16 * page), (55_000, 17 * page)]),
            None
        );
        // A heap that is collected grows in a few steps, some of which may be late.
        let heap = [(0, 56 * page), (20_000, 72 * page), (40_000, 90 * page), (80_000, 116 * page)];
        assert_eq!(leak(100_000, &heap), None);
        let heap = [(0, 56 * page), (20_000, 72 * page), (55_000, 90 * page), (62_000, 116 * page)];
        assert_eq!(leak(100_000, &heap), None);
        // A heap that doubles again and again is a leak, too.
        let heap =
            [(0, page), (12_000, 16 * page), (25_000, 32 * page), (60_000, 64 * page), (90_000, 128 * page)];
        assert!(leak(100_000, &heap).is_some());
    }

    #[test]
    fn digits_are_grouped() {
        assert_eq!([0.4, 12.0, 999.6, 1234567.0].map(grouped), ["0", "12", "1 000", "1 234 567"]);
    }
}
