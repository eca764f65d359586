//! What the numbers are held against. A bar is a line of the report, never a failure: timings depend on the machine.

use crate::{
    Measured,
    cases::{
        Load::{
            self, Bare, BranchWithWasm, Cache, CacheWithKey, Check, Enrich, Filter, Key, Metadata, Rename,
            Request, Switch, Wasm,
        },
        Who,
    },
    config::Reading,
};

/// How fast a machine passes over documents on which 0.6 GB/s of them are filtered.
const SKIP_GIGABYTES: f64 = 1.6;

struct Table<'a>(&'a [Measured]);

impl<'a> Table<'a> {
    fn find(&self, load: Load, size: usize, batch: usize, who: Who) -> Option<&'a Measured> {
        self.0
            .iter()
            .find(|it| (it.case.load, it.case.size, it.case.batch, it.case.who) == (load, size, batch, who))
    }

    /// By how much a message takes longer than in the bare stream, in nanoseconds of processor time.
    fn above_bare(&self, load: Load, size: usize, batch: usize) -> Option<f64> {
        let bare = self.find(Bare, size, batch, Who::Wappa)?;
        Some(self.find(load, size, batch, Who::Wappa)?.cpu_ns() - bare.cpu_ns())
    }
}

/// Prints all bars, in the order of the table.
pub(crate) fn report(table: &[Measured], reading: &Reading) {
    println!("| bar | needed | measured | |");
    println!("| --- | ---: | ---: | --- |");
    let at_least = |text: String, needed: f64, value: Option<f64>| line(&text, '≥', needed, value);
    let at_most = |text: String, needed: f64, value: Option<f64>| line(&text, '≤', needed, value);
    let mut sizes: Vec<usize> = table.iter().map(|it| it.case.size).collect();
    sizes.dedup();
    let table = Table(table);
    for size in sizes {
        for load in Load::MAPPINGS {
            for batch in [1, 100] {
                let times = || {
                    let wappa = table.find(load, size, batch, Who::Wappa)?;
                    Some(table.find(load, size, batch, Who::Bento)?.wall_ns() / wappa.wall_ns())
                };
                let needed = match (size, batch, load) {
                    (..=1024, 1, _) => 15.0,
                    (..=1024, ..) => 8.0,
                    (_, _, Rename | Enrich) => 4.0,
                    _ => 8.0,
                };
                at_least(
                    format!("{size} B, {load}, batches of {batch}: times as fast as Bento"),
                    needed,
                    times(),
                );
            }
            if load == Metadata {
                continue;
            }
            let times = || {
                let wappa = table.find(load, size, 1, Who::Wappa)?;
                Some(table.find(load, size, 1, Who::ByHand)?.wall_ns() / wappa.wall_ns())
            };
            let needed = if matches!(load, Rename | Enrich) { 0.5 } else { 1.0 };
            at_least(format!("{size} B, {load}: times as fast as by hand"), needed, times());
        }
        for batch in [1, 100] {
            let above = table.above_bare(Metadata, size, batch);
            at_most(
                format!("{size} B, metadata, batches of {batch}: ns above the bare stream"),
                250.0,
                above,
            );
        }
    }
    let of = |load| table.above_bare(load, 200, 1);
    let by_parts = |whole, parts: &[(Load, f64)]| {
        let sum: Option<f64> = parts.iter().map(|(load, times)| Some(of(*load)? * times)).sum();
        Some(of(whole)? / sum?)
    };
    at_most(
        "`switch` over ten cases, by ten times its condition".into(),
        1.5,
        by_parts(Switch, &[(Check, 10.0)]),
    );
    at_most(
        "a key with a query, by its parts".into(),
        1.5,
        by_parts(CacheWithKey, &[(Cache, 1.0), (Key, 1.0)]),
    );
    let parts = [(Request, 1.0), (Wasm, 1.0), (Load::Result, 1.0)];
    at_most("`branch` around a `wasm`, by its parts".into(), 1.5, by_parts(BranchWithWasm, &parts));
    let filter = table.find(Filter, 10_240, 1, Who::Wappa).map(Measured::gigabytes);
    let needed = 0.6 * reading.skip_gigabytes / SKIP_GIGABYTES;
    at_least(
        "filter over documents of 100 fields, GB/s as fast as this machine passes over them".into(),
        needed,
        filter,
    );
    at_most("a config with 1,000 mappings, ms longer to read".into(), 100.0, Some(reading.thousand_ms));
}

fn line(text: &str, sign: char, needed: f64, value: Option<f64>) {
    match value {
        None => println!("| {text} | {sign} {needed:.2} | – | not measured |"),
        Some(value) => {
            let is_met = if sign == '≥' { needed <= value } else { value <= needed };
            println!(
                "| {text} | {sign} {needed:.2} | {value:.2} | {} |",
                if is_met { "met" } else { "**missed**" }
            );
        }
    }
}
