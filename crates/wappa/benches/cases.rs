//! What is run: the rows of the table, the processes they are, and the configs of streams.

use std::{
    env, fmt,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{Result, YARDSTICK, options::Options};

/// One kind of program. Letters as in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, clap::ValueEnum)]
pub(crate) enum Row {
    /// (a) A stream without a processor.
    None,
    /// (b) A stream through the upper-casing guest.
    Wasm,
    /// (b*) A stream through a guest that works some microseconds per message.
    Spin,
    /// (b=) A stream through a guest that writes back what it read.
    Identity,
    /// (f) As (b), with interface v1.
    V1,
    /// (f=) As (b=), with interface v1.
    IdentityV1,
    /// (f0) A stream through a guest that keeps every message and reads none, with interface v1.
    KeepV1,
    /// (g) As (b), with a component that reads all contents at once.
    Component,
    /// (g1) The same, reading one by one.
    ComponentEach,
    /// (g0) As (f0), with a component.
    KeepComponent,
    /// (a-) As (a), to `drop`.
    Dropped,
    /// (f-) As (a-), through a guest that filters every message and reads none, with interface v1.
    FilterV1,
    /// (c) The upper-casing guest in a bare loop.
    Loop,
    /// (d) A plain program that upper-cases lines.
    Upper,
    /// (d') A plain program that copies lines.
    Copy,
    /// (e) Bento with the config of (b).
    Bento,
}

/// Whose stream it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Who {
    This,
    /// This build once more, or the other one of `--against`.
    Other,
}

/// One configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Case {
    pub(crate) row: Row,
    pub(crate) who: Who,
    pub(crate) size: usize,
    pub(crate) batch: usize,
    pub(crate) threads: usize,
}

/// Where the programs, guests and files of a run are.
#[derive(Debug)]
pub(crate) struct Places {
    pub(crate) dir: PathBuf,
    pub(crate) bento: Option<PathBuf>,
    pub(crate) against: Option<PathBuf>,
}

/// The GOMAXPROCS that Bento gets, in all of its rows.
pub(crate) const GOMAXPROCS: &str = "2";

/// The rows beside (b) that are there for other interfaces.
const TIERS: [Row; 7] = [
    Row::Identity,
    Row::V1,
    Row::IdentityV1,
    Row::KeepV1,
    Row::Component,
    Row::ComponentEach,
    Row::KeepComponent,
];

/// Bytes per message where messages are filtered unread.
pub(crate) const LARGE: usize = 1 << 20;

/// What is compared where messages are filtered unread.
pub(crate) fn of_filters(options: &Options) -> Vec<Case> {
    let plain = |row| Case { row, who: Who::This, size: LARGE, batch: 1, threads: 1 };
    let rows = [Row::Dropped, Row::FilterV1].into_iter();
    rows.filter(|row| options.has_row(*row)).map(plain).collect()
}

/// All configurations of a size, in the order in which they are run side by side.
pub(crate) fn of_size(options: &Options, size: usize) -> Vec<Case> {
    let mut all = Vec::new();
    let plain = |row| Case { row, who: Who::This, size, batch: 1, threads: 1 };
    all.extend([Row::Copy, Row::Upper, Row::Loop].map(plain));
    for row in [Row::None, Row::Wasm] {
        for &threads in &options.threads {
            for &batch in &options.batches {
                all.push(Case { row, who: Who::This, size, batch, threads });
                if (batch, threads) == (1, 1) {
                    all.push(Case { row, who: Who::Other, size, batch, threads });
                }
            }
        }
    }
    all.extend(TIERS.map(plain));
    if size == 100 {
        let threads = options.threads.iter();
        all.extend(threads.map(|&threads| Case { threads, ..plain(Row::Spin) }));
        let tiers = [Row::V1, Row::Component].into_iter();
        let both = tiers.flat_map(|row| options.threads.iter().map(move |&threads| (row, threads)));
        all.extend(both.filter(|it| it.1 != 1).map(|(row, threads)| Case { threads, ..plain(row) }));
    }
    for &threads in &options.threads {
        let batches = options.batches.iter();
        all.extend(batches.map(|&batch| Case { batch, threads, ..plain(Row::Bento) }));
    }
    all.retain(|case| options.has_row(case.row));
    all
}

impl Row {
    /// Rows that are about equally fast get equally many messages.
    pub(crate) fn pace(self) -> Row {
        match self {
            Row::None | Row::Upper | Row::Copy => Row::None,
            Row::KeepV1 | Row::KeepComponent => Row::None,
            Row::Wasm | Row::Loop | Row::V1 | Row::Component | Row::ComponentEach => Row::Wasm,
            Row::Identity | Row::IdentityV1 => Row::Identity,
            Row::Dropped | Row::FilterV1 => Row::Dropped,
            Row::Spin | Row::Bento => self,
        }
    }

    pub(crate) fn is_stream(self) -> bool {
        !matches!(self, Row::Loop | Row::Upper | Row::Copy)
    }

    /// Whether it is a stream of the program that is measured.
    pub(crate) fn is_wappa(self) -> bool {
        self.is_stream() && self != Row::Bento
    }

    /// Whether contents come out in capitals.
    pub(crate) fn is_upper(self) -> bool {
        use Row::{Bento, Component, ComponentEach, Loop, Spin, Upper, V1, Wasm};
        matches!(self, Wasm | Spin | V1 | Component | ComponentEach | Loop | Upper | Bento)
    }

    /// Whether anything comes out.
    pub(crate) fn has_output(self) -> bool {
        !matches!(self, Row::Loop | Row::Dropped | Row::FilterV1)
    }

    fn guest(self) -> Option<&'static str> {
        match self {
            Row::Wasm | Row::Bento => Some("upper.wasm"),
            Row::Spin => Some("spin.wasm"),
            Row::Identity => Some("identity.wasm"),
            Row::V1 => Some("upper.v1.wasm"),
            Row::IdentityV1 => Some("identity.v1.wasm"),
            Row::KeepV1 => Some("keep.v1.wasm"),
            Row::FilterV1 => Some("filter.v1.wasm"),
            Row::Component => Some("upper.component.wasm"),
            Row::ComponentEach => Some("upper-each.component.wasm"),
            Row::KeepComponent => Some("keep.component.wasm"),
            Row::None | Row::Dropped | Row::Loop | Row::Upper | Row::Copy => None,
        }
    }
}

impl Case {
    /// Whether the output has the order of the input. Bento keeps it with one thread only.
    pub(crate) fn keeps_order(&self) -> bool {
        self.row != Row::Bento || self.threads == 1
    }

    /// The process, and the config it may need, written.
    pub(crate) fn command(&self, places: &Places, inputs: &[PathBuf], count: u64) -> Result<Command> {
        let mut command = match self.row {
            Row::Copy | Row::Upper => {
                let mut command = yardstick(if self.row == Row::Copy { "copy" } else { "upper" })?;
                command.arg(places.output()).args(inputs);
                command
            }
            Row::Loop => {
                let mut command = yardstick("loop")?;
                command.arg(places.guest("upper.wasm")).arg(&inputs[0]).arg(count.to_string());
                command
            }
            _ => {
                let config = places.dir.join("stream.yaml");
                std::fs::write(&config, self.config(places, inputs))?;
                let mut command = self.stream(places);
                command.arg("-c").arg(config);
                command
            }
        };
        command.current_dir(&places.dir);
        // Every run compiles, as the first one must: there can be no cache here.
        command.env("XDG_CACHE_HOME", "/dev/null");
        Ok(command)
    }

    fn stream(&self, places: &Places) -> Command {
        match (self.row, self.who, &places.bento, &places.against) {
            (Row::Bento, _, Some(bento), _) => {
                let mut command = Command::new(bento);
                command.env("GOMAXPROCS", GOMAXPROCS);
                command
            }
            (_, Who::Other, _, Some(other)) => Command::new(other),
            _ => Command::new(wappa()),
        }
    }

    /// The config, the same for Wappa and Bento.
    fn config(&self, places: &Places, inputs: &[PathBuf]) -> String {
        let quoted: Vec<_> = inputs.iter().map(|it| format!("{:?}", it.display().to_string())).collect();
        let paths = quoted.join(", ");
        let scanner = if self.size < LARGE { "{}" } else { "{ max_buffer_size: 2000000 }" };
        let input = match self.batch {
            1 => format!("  file: {{ paths: [{paths}], scanner: {{ lines: {scanner} }} }}\n"),
            count => format!(
                "  batched:\n    child:\n      file: {{ paths: [{paths}], scanner: {{ lines: {scanner} }} }}\n    \
                 policy: {{ count: {count} }}\n"
            ),
        };
        let function = if self.row == Row::FilterV1 { ", function: blind" } else { "" };
        let processors = match self.row.guest() {
            None => String::from("[]"),
            Some(guest) => {
                format!("[{{ wasm: {{ module_path: {:?}{function} }} }}]", places.guest(guest).display())
            }
        };
        let output = if self.row.has_output() {
            format!("file: {{ path: {:?}, codec: lines }}", places.output().display())
        } else {
            String::from("drop: {}")
        };
        format!(
            "http: {{ enabled: false }}\nlogger: {{ level: ERROR }}\nmetrics: {{ none: {{}} }}\ninput:\n{input}\
             pipeline:\n  threads: {}\n  processors: {processors}\noutput:\n  {output}\n",
            self.threads,
        )
    }
}

impl Places {
    pub(crate) fn output(&self) -> PathBuf {
        self.dir.join("output")
    }

    pub(crate) fn guest(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

/// The binary that cargo built for this benchmark.
pub(crate) fn wappa() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_wappa"))
}

/// This program, as one of its yardsticks.
pub(crate) fn yardstick(name: &str) -> Result<Command> {
    let mut command = Command::new(env::current_exe()?);
    command.args([YARDSTICK, name]);
    Ok(command)
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.row {
            Row::None => "(a) no processor",
            Row::Wasm => "(b) `wasm`",
            Row::Spin => "(b\\*) `wasm`, busy guest",
            Row::Identity => "(b=) `wasm`, identity",
            Row::V1 => "(f) v1",
            Row::IdentityV1 => "(f=) v1, identity",
            Row::KeepV1 => "(f0) v1, kept unread",
            Row::Component => "(g) component, contents",
            Row::ComponentEach => "(g1) component, content by content",
            Row::KeepComponent => "(g0) component, kept unread",
            Row::Dropped => "(a−) no processor, to `drop`",
            Row::FilterV1 => "(f−) v1, filtered unread, to `drop`",
            Row::Loop => "(c) bare loop",
            Row::Upper => "(d) plain, upper-case",
            Row::Copy => "(d′) plain, copy",
            Row::Bento => "(e) Bento",
        })?;
        if self.who == Who::Other { f.write_str(", against") } else { Ok(()) }
    }
}
