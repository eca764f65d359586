//! Runs all rows of a size in turn, on inputs that make each run about as long as asked for.

use std::{collections::HashMap, fs, path::PathBuf, time::Duration};

use crate::{
    Result,
    cases::{Case, Places, Row, Who},
    input,
    options::Options,
    place::Place,
    process::{Run, measured, median},
};

/// The first guess at how many messages a run takes, in bytes.
const PROBE_BYTES: u64 = 1 << 20;
/// A probe this long tells how fast a row is.
const PROBE: Duration = Duration::from_millis(100);
/// Counts are multiples of the largest batch: Bento waits for ever where a batch by count is not full at the end.
const COUNT_STEP: u64 = 100;
/// Bento takes a fifth of a second to start and to end, which longer runs make up for.
const BENTO_LONGER: f64 = 3.0;

/// A case with all of its counted runs.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) case: Case,
    pub(crate) messages: u64,
    pub(crate) runs: Vec<Run>,
}

/// What peak memory was at one length of a stream.
#[derive(Debug)]
pub(crate) struct Memory {
    pub(crate) case: Case,
    /// Messages, and bytes of peak memory.
    pub(crate) peaks: Vec<(u64, u64)>,
}

/// The benchmark: its directory, and how many messages each pace takes.
#[derive(Debug)]
pub(crate) struct Bench<'a> {
    pub(crate) options: &'a Options,
    pub(crate) place: Place,
    counts: HashMap<(Row, usize), u64>,
}

impl<'a> Bench<'a> {
    pub(crate) fn new(options: &'a Options) -> Result<Bench<'a>> {
        Ok(Bench { options, place: Place::new(options)?, counts: HashMap::new() })
    }

    pub(crate) fn places(&self) -> &Places {
        &self.place.places
    }

    /// Runs all cases in turn, again and again, after a round that is compared with the input and not counted.
    pub(crate) fn run_side_by_side(&mut self, cases: Vec<Case>) -> Result<Vec<Measured>> {
        let mut inputs = HashMap::new();
        for case in &cases {
            let pace = case.row.pace();
            if inputs.contains_key(&pace) {
                continue;
            }
            let count = self.count(case)?;
            let path = self.places().dir.join(format!("input-{}", inputs.len()));
            input::write(&path, case.size, count)?;
            inputs.insert(pace, (path, count));
        }
        let mut all: Vec<Measured> = Vec::new();
        for case in cases {
            let (path, count) = &inputs[&case.row.pace()];
            self.run(&case, std::slice::from_ref(path), *count, true)?;
            all.push(Measured { case, messages: *count, runs: Vec::new() });
        }
        for _ in 0..self.options.runs() {
            for measured in &mut all {
                let (path, count) = &inputs[&measured.case.row.pace()];
                measured.runs.push(self.run(&measured.case, std::slice::from_ref(path), *count, false)?);
            }
        }
        for (path, _) in inputs.values() {
            fs::remove_file(path)?;
        }
        Ok(all)
    }

    /// Peak memory over N, 2N and 4N messages.
    pub(crate) fn memory_over_lengths(&mut self, cases: &[Case]) -> Result<Vec<Memory>> {
        let mut all = Vec::new();
        for case in cases {
            let count = self.count(case)?.div_ceil(4).next_multiple_of(COUNT_STEP);
            // The same file under four names: a path that is listed twice is read once.
            let names = [1, 2, 3, 4].map(|it| self.places().dir.join(format!("input-memory-{it}")));
            input::write(&names[0], case.size, count)?;
            for name in &names[1..] {
                fs::hard_link(&names[0], name)?;
            }
            let mut peaks = Vec::new();
            for times in [1, 2, 4] {
                let run = self.run(case, &names[..times], count, true)?;
                peaks.push((count * times as u64, run.rss_bytes_max));
            }
            names.iter().try_for_each(fs::remove_file)?;
            all.push(Memory { case: *case, peaks });
        }
        Ok(all)
    }

    /// How many messages make a run of a case's pace about as long as asked for.
    fn count(&mut self, case: &Case) -> Result<u64> {
        let pace = case.row.pace();
        if let Some(count) = self.counts.get(&(pace, case.size)) {
            return Ok(*count);
        }
        let line = case.size as u64 + 1;
        let count_max = (self.options.input_bytes_max() / line).next_multiple_of(COUNT_STEP);
        let probe = Case { row: pace, who: Who::This, batch: 1, threads: 1, ..*case };
        let mut count = (PROBE_BYTES / line).max(1).next_multiple_of(COUNT_STEP);
        let path = self.places().dir.join("input-probe");
        let seconds = self.options.seconds() * if pace == Row::Bento { BENTO_LONGER } else { 1.0 };
        loop {
            input::write(&path, case.size, count)?;
            let run = self.run(&probe, std::slice::from_ref(&path), count, false)?;
            fs::remove_file(&path)?;
            if PROBE <= run.wall || count_max <= count {
                let wanted = count as f64 * seconds / run.wall.as_secs_f64();
                count = (wanted as u64).min(count_max).next_multiple_of(COUNT_STEP);
                break;
            }
            count = (4 * count).min(count_max);
        }
        self.counts.insert((pace, case.size), count);
        Ok(count)
    }

    /// One run. The length of the output is always looked at, its content when `is_checked`.
    fn run(&self, case: &Case, inputs: &[PathBuf], count: u64, is_checked: bool) -> Result<Run> {
        let output = self.places().output();
        if output.exists() {
            fs::remove_file(&output)?;
        }
        let run = measured(case.command(self.places(), inputs, count)?)
            .map_err(|err| format!("{case}, {} B, {} threads: {err}", case.size, case.threads))?;
        if !case.row.has_output() {
            return Ok(run);
        }
        let mut expected = 0;
        for input in inputs {
            expected += fs::metadata(input)?.len();
        }
        let found = fs::metadata(&output)?.len();
        if expected != found {
            return Err(format!("{case}: the output has {found} bytes, not {expected}").into());
        }
        if is_checked && case.keeps_order() {
            input::check(&output, inputs, case.row.is_upper())?;
        }
        Ok(run)
    }
}

impl Measured {
    /// The medians over the runs: messages a second, CPU-seconds per million messages, bytes of peak memory.
    pub(crate) fn rate(&self) -> f64 {
        median(self.runs.iter().map(|run| self.messages as f64 / run.wall.as_secs_f64()))
    }

    pub(crate) fn cpu_per_million(&self) -> f64 {
        median(self.runs.iter().map(|run| run.cpu.as_secs_f64() * 1e6 / self.messages as f64))
    }

    pub(crate) fn rss_bytes_max(&self) -> f64 {
        median(self.runs.iter().map(|run| run.rss_bytes_max as f64))
    }

    /// How much slower the slowest run was than the median, and how much faster the fastest.
    pub(crate) fn spread(&self) -> (f64, f64) {
        let rate = self.rate();
        let rates = self.runs.iter().map(|run| self.messages as f64 / run.wall.as_secs_f64() / rate - 1.0);
        rates.fold((0.0, 0.0), |(low, high), it| (low.min(it), high.max(it)))
    }
}
