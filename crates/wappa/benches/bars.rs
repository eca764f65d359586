//! What the numbers are held against. A bar is a line of the report, never a failure: timings depend on the machine.

use crate::{
    cases::{Case, LARGE, Row, Who},
    events::Events,
    measure::{Measured, Memory},
    process::{Run, median},
    starts::Starts,
};

const MIB: f64 = 1024.0 * 1024.0;

/// Which side of its bound a value must be on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Needed {
    AtLeast(f64),
    AtMost(f64),
}

/// A bar, and where it was measured its value.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) text: &'static str,
    pub(crate) needed: Needed,
    pub(crate) value: Option<f64>,
    /// What CPU time says: a machine that does something else as well disturbs it less.
    pub(crate) by_cpu: Option<f64>,
}

/// One side of a comparison, at 100 bytes unless messages are filtered unread.
#[derive(Clone, Copy, Debug)]
struct Side(Row, u8, u8);

#[derive(Clone, Copy, Debug)]
enum Of {
    /// The first's messages a second by the second's.
    Rate,
    /// The first's CPU time per message by the second's.
    Cpu,
    /// The first's wall time per message by the second's.
    Wall,
    /// The first's wall time per message beyond the second's, by the second's.
    AddedWall,
}

type Comparison = (&'static str, Needed, Of, Side, Side);

/// The bars that compare two rows. Batches, then threads.
const COMPARISONS: [Comparison; 19] = [
    ("(a) by (d′), messages/s", AtLeast(0.5), Of::Rate, Side(Row::None, 1, 1), Side(Row::Copy, 1, 1)),
    ("(b) by (d), messages/s", AtLeast(0.12), Of::Rate, Side(Row::Wasm, 1, 1), Side(Row::Upper, 1, 1)),
    ("(b) by (c), CPU time", AtMost(1.67), Of::Cpu, Side(Row::Wasm, 1, 1), Side(Row::Loop, 1, 1)),
    (
        "(b) less (c) by (c), wall time",
        AtMost(0.7),
        Of::AddedWall,
        Side(Row::Wasm, 1, 1),
        Side(Row::Loop, 1, 1),
    ),
    (
        "(b) by (e), messages/s, batches of 1",
        AtLeast(25.0),
        Of::Rate,
        Side(Row::Wasm, 1, 1),
        Side(Row::Bento, 1, 1),
    ),
    (
        "(b) by (e), messages/s, batches of 100",
        AtLeast(10.0),
        Of::Rate,
        Side(Row::Wasm, 100, 1),
        Side(Row::Bento, 100, 1),
    ),
    (
        "(b) by (e), messages/s, batches of 1, 2 threads",
        AtLeast(25.0),
        Of::Rate,
        Side(Row::Wasm, 1, 2),
        Side(Row::Bento, 1, 2),
    ),
    (
        "(b) by (e), messages/s, batches of 100, 2 threads",
        AtLeast(10.0),
        Of::Rate,
        Side(Row::Wasm, 100, 2),
        Side(Row::Bento, 100, 2),
    ),
    ("(b) two threads by one", AtLeast(1.6), Of::Rate, Side(Row::Wasm, 1, 2), Side(Row::Wasm, 1, 1)),
    (
        "(b) two threads by one, batches of 100",
        AtLeast(1.6),
        Of::Rate,
        Side(Row::Wasm, 100, 2),
        Side(Row::Wasm, 100, 1),
    ),
    ("(b\\*) two threads by one", AtLeast(1.8), Of::Rate, Side(Row::Spin, 1, 2), Side(Row::Spin, 1, 1)),
    ("(f) by (b), wall time", AtMost(0.9), Of::Wall, Side(Row::V1, 1, 1), Side(Row::Wasm, 1, 1)),
    (
        "(f=) by (b=), wall time",
        AtMost(0.7),
        Of::Wall,
        Side(Row::IdentityV1, 1, 1),
        Side(Row::Identity, 1, 1),
    ),
    ("(f=) by (d′), messages/s", AtLeast(0.3), Of::Rate, Side(Row::IdentityV1, 1, 1), Side(Row::Copy, 1, 1)),
    ("(g) by (b), wall time", AtMost(0.95), Of::Wall, Side(Row::Component, 1, 1), Side(Row::Wasm, 1, 1)),
    ("(g1) by (b), wall time", AtMost(1.5), Of::Wall, Side(Row::ComponentEach, 1, 1), Side(Row::Wasm, 1, 1)),
    (
        "(f−) by (a−), wall time, 1 MiB",
        AtMost(1.05),
        Of::Wall,
        Side(Row::FilterV1, 1, 1),
        Side(Row::Dropped, 1, 1),
    ),
    ("(f) two threads by one", AtLeast(1.6), Of::Rate, Side(Row::V1, 1, 2), Side(Row::V1, 1, 1)),
    (
        "(g) two threads by one",
        AtLeast(1.6),
        Of::Rate,
        Side(Row::Component, 1, 2),
        Side(Row::Component, 1, 1),
    ),
];

use Needed::{AtLeast, AtMost};

/// All bars, in the order of the report.
pub(crate) fn judge(table: &[Measured], memory: &[Memory], events: &Events, starts: &Starts) -> Vec<Judged> {
    let mut all: Vec<_> = COMPARISONS
        .iter()
        .map(|&(text, needed, of, a, b)| {
            let (value, by_cpu) = compare(table, of, a, b).unzip();
            Judged { text, needed, value, by_cpu }
        })
        .collect();
    let streams = table.iter().filter(|it| it.case.who == Who::This && it.case.row.is_wappa());
    let peak = streams.flat_map(|it| &it.runs).map(|run| run.rss_bytes_max as f64 / MIB);
    let growth = memory.iter().filter_map(|it| Some((it.peaks.first()?.1, it.peaks.last()?.1)));
    let growth = growth.map(|(short, long)| (long as f64 - short as f64) / MIB);
    let mut bar = |text, needed, value| all.push(Judged { text, needed, value, by_cpu: None });
    bar("peak memory of any stream, all sizes, MiB", AtMost(100.0), peak.reduce(f64::max));
    // Less than a thousandth of what passes through: where threads meet buffers is chance.
    bar("peak memory over 4N messages less that over N, MiB", AtMost(4.0), growth.reduce(f64::max));
    bar(
        "a trap and its replacement by an empty call",
        AtMost(1500.0),
        Some(events.trap_ns / events.empty_ns),
    );
    bar("the latest deadline, ms late", AtMost(20.0), Some(events.late_ms_max));
    let of = |module: &str| starts.starts.iter().find(|it| it.module == module).map(|it| it.cached_ms);
    let later = of("1 MiB").zip(of("no module")).map(|(with, without)| with - without);
    bar("first message with a cached module of 1 MiB, ms later than with none", AtMost(20.0), later);
    bar("compiling 2 MiB by loading it", AtLeast(500.0), Some(starts.compile_ms / starts.load_ms));
    all
}

impl Judged {
    pub(crate) fn is_met(&self) -> Option<bool> {
        let value = self.value?;
        Some(match self.needed {
            AtLeast(bound) => bound <= value,
            AtMost(bound) => value <= bound,
        })
    }
}

/// The median over the rounds, by the wall clock and by CPU time: what ran one after the other is compared, so that a
/// machine that wanders cancels out.
fn compare(table: &[Measured], of: Of, a: Side, b: Side) -> Option<(f64, f64)> {
    let (a, b) = (find(table, a)?, find(table, b)?);
    let over_rounds = |seconds: fn(&Measured, &Run) -> f64| {
        let ratios = a.runs.iter().zip(&b.runs).map(|(x, y)| {
            let (x, y) = (seconds(a, x) / a.messages as f64, seconds(b, y) / b.messages as f64);
            match of {
                Of::Rate => y / x,
                Of::Cpu | Of::Wall => x / y,
                Of::AddedWall => (x - y) / y,
            }
        });
        median(ratios)
    };
    // As if each thread had a core to itself.
    let by_cpu = over_rounds(|it, run| run.cpu.as_secs_f64() / it.case.threads as f64);
    let value = match of {
        Of::Rate | Of::Wall | Of::AddedWall => over_rounds(|_, run| run.wall.as_secs_f64()),
        Of::Cpu => by_cpu,
    };
    Some((value, by_cpu))
}

fn find(table: &[Measured], Side(row, batch, threads): Side) -> Option<&Measured> {
    let (batch, threads) = (batch.into(), threads.into());
    let size = if matches!(row, Row::Dropped | Row::FilterV1) { LARGE } else { 100 };
    let case = Case { row, who: Who::This, size, batch, threads };
    table.iter().find(|it| it.case == case)
}
