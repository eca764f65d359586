//! What the benchmark is asked for.

use std::path::PathBuf;

use clap::Parser;

use crate::cases::Row;

/// Measures `wappa` from file to file beside its yardsticks.
#[derive(Debug, Parser)]
#[command(name = "cargo bench -p wappa --bench throughput --")]
pub(crate) struct Options {
    /// A Bento to compare with: the same module, config and input.
    #[arg(long, value_name = "PATH")]
    pub(crate) bento: Option<PathBuf>,
    /// Another build of `wappa` to compare with. Without one, this build runs against itself to show the noise.
    #[arg(long, value_name = "PATH")]
    pub(crate) against: Option<PathBuf>,
    /// Short runs and few of them, to see that all works. Its numbers mean little.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Bytes per message.
    #[arg(long, value_delimiter = ',', default_values_t = [16, 100, 1024, 16384])]
    pub(crate) sizes: Vec<usize>,
    /// Messages per batch.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 100])]
    pub(crate) batches: Vec<usize>,
    /// Threads of the pipeline.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2])]
    pub(crate) threads: Vec<usize>,
    /// Only these rows. Bars need the rows they compare, at 100 bytes.
    #[arg(long, value_delimiter = ',', value_enum)]
    pub(crate) rows: Vec<Row>,
    /// How often each is run, after a first time that is not counted.
    #[arg(long, default_value_t = 5)]
    pub(crate) runs: usize,
    /// Seconds that a run should take.
    #[arg(long, default_value_t = 1.5)]
    pub(crate) seconds: f64,
    /// Where inputs and outputs are: `/dev/shm` where it has room, else the directory for temporary files.
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// Draw how many messages of 100 bytes go through one thread in a second: `docs/speed.svg` is made with this.
    #[arg(long, value_name = "FILE")]
    pub(crate) picture: Option<PathBuf>,
    /// Count allocations from outside instead, under valgrind.
    #[arg(long)]
    pub(crate) allocations: bool,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

impl Options {
    pub(crate) fn has_row(&self, row: Row) -> bool {
        (self.rows.is_empty() || self.rows.contains(&row)) && (row != Row::Bento || self.bento.is_some())
    }

    /// Bars are about messages of 100 bytes.
    pub(crate) fn has_bars(&self) -> bool {
        self.sizes.contains(&100)
    }

    pub(crate) fn runs(&self) -> usize {
        if self.quick { self.runs.min(2) } else { self.runs.max(1) }
    }

    pub(crate) fn seconds(&self) -> f64 {
        if self.quick { self.seconds.min(0.2) } else { self.seconds }
    }

    /// How large an input may become, in bytes.
    pub(crate) fn input_bytes_max(&self) -> u64 {
        if self.quick { 64 << 20 } else { 3 << 29 }
    }
}
