//! The seam between the machine and its components.
//!
//! The engine knows these traits and never a component's name; a component knows this crate and never the
//! engine or another component. What crosses the seam:
//!
//! - an [`Input`] hands over a [`Parcel`]: everything it has ready, with one shared [`Ack`];
//! - a [`Processor`] works on a [`Part`]: a run of whole batches of a parcel;
//! - an [`Output`] takes a [`Delivery`], a part with the duty to answer for it, and says which messages failed;
//! - a [`Buffer`] stands between the input and the pipeline;
//! - a [`Scanner`] finds messages in a stream of bytes;
//! - a [`Cache`] keeps values by key, and a [`RateLimit`] says when something may go on, for all who share them;
//! - an [`Exporter`] shows what was counted, and a [`Tracer`] what became of single messages.

mod ack;
pub mod back_off;
pub mod batching;
mod buffer;
mod cache;
mod cause;
mod component;
mod context;
mod contexts;
mod counted;
pub mod cutter;
mod decoding;
mod delivery;
pub mod duration;
mod exporter;
mod failures;
pub mod fault;
mod files;
mod growth;
mod helpers;
mod input;
mod leases;
mod ledger;
mod line_rate;
mod logger;
mod messages;
mod metrics;
mod order;
mod output;
mod parcel;
mod part;
mod processor;
mod progress;
mod rate_limit;
pub mod reply;
mod returns;
mod scanner;
mod step;
mod tap;
pub mod tracer;
mod wait;
mod watch;
pub mod writer;

pub use crate::{
    ack::{Ack, AckSink, Failure, LeaseSink, News},
    buffer::{Buffer, BufferEnds},
    cache::{Cache, CacheError},
    cause::{cause, cause_of_start},
    component::{
        Build, BuildBuffer, BuildCache, BuildError, BuildExporter, BuildInput, BuildOutput, BuildProcessor,
        BuildRateLimit, BuildScanner, BuildTracer, Built, Component,
    },
    context::{AbandonHook, Builder, Context, EachOnce, Services, Surroundings},
    contexts::Contexts,
    counted::counted,
    decoding::Decoding,
    delivery::{Answer, Delivery, Desk, Flight, Landing, is_stopped, is_unfinished, stopped},
    exporter::{Exporter, Page, Render},
    failures::{Failed, FailureNotes, Failures},
    files::{NotRead, read_file},
    growth::Growth,
    helpers::{HelperLane, Helpers},
    input::{ConnectError, Input, ReadError},
    ledger::{Account, Charge, Charges, Ledger, Pool, Refused},
    line_rate::{Admitted, LINES_PER_SECOND, LineRate},
    logger::{Level, LogSink, Logger},
    metrics::{Counter, Gauge, Histogram, Metrics, Present, Sample, Series, SeriesSpec, Timing},
    order::{Group, Order},
    output::{Output, OutputBell, WriteError},
    parcel::{PARCEL_BYTES_MAX, PARCEL_MESSAGES_MAX, Parcel, Pristine, Slices, Stretch, Unpacked},
    part::{Batches, Census, Outline, Part},
    processor::{Processor, as_singles, in_chunks, in_sequence, run_children, run_one},
    progress::{Progress, SourceProgress},
    rate_limit::RateLimit,
    returns::Returns,
    scanner::{Decoder, Form, Opened, Ranges, ScanError, Scanner, ScannerFactory},
    step::{Begun, Pulse, Step},
    tap::{Seen, Tap, TapPoint, TapRequest, Taps},
    tracer::Tracer,
    wait::{Clock, Descriptor, InputBell, Waits},
    watch::{Caches, watch_mappings},
};
