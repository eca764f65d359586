//! What the page is made of.

use std::{fmt, sync::Arc, time::Duration};

use wappa_component::{Metrics, Taps};

/// What the page shows, asked at each look.
pub struct View {
    /// The version of the program.
    pub version: &'static str,
    /// What all streams count and measure.
    pub metrics: Metrics,
    /// What failed last.
    pub taps: Taps,
    /// The streams that there are.
    pub streams: Box<dyn Fn() -> Vec<StreamView> + Send + Sync>,
    /// Whether messages and the config can be looked at, by whoever may.
    pub has_debug: bool,
    /// Whether it is one stream or any number of them.
    pub of: ViewOf,
}

/// What a process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ViewOf {
    /// One stream.
    One,
    /// Streams that come and go.
    Many {
        /// Whether requests may make some.
        has_api: bool,
    },
}

/// How far a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamState {
    /// It is being built.
    Starting,
    /// It runs.
    Running,
    /// It has ended.
    Ended,
}

/// A stream at one moment.
#[derive(Clone, Debug)]
pub struct StreamView {
    /// Its name; empty where a process has one stream only.
    pub name: String,
    /// How far it is.
    pub state: StreamState,
    /// How many threads its pipeline has.
    pub threads: usize,
    /// The paths of inputs and outputs, and whether each has the connection that it wants.
    pub connections: Vec<(String, bool)>,
    /// The input whose message waits longest for its answer, and how long.
    pub oldest: Option<(String, Duration)>,
    /// Its components. Another one is another picture, which viewers are sent.
    pub picture: Arc<Picture>,
}

/// The components of a stream as boxes with lines between them, in pixels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Picture {
    /// How wide all of it is.
    pub width: usize,
    /// How high all of it is.
    pub height: usize,
    /// How high a part is.
    pub part_height: usize,
    /// The parts.
    pub parts: Vec<PicturePart>,
    /// What is between them.
    pub ways: Vec<PictureWay>,
}

/// A component in a picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PicturePart {
    /// `input`, `processor`, `output`, `resource`, or `more` for those that are left out.
    pub role: &'static str,
    /// What it is: `kafka_franz`.
    pub name: String,
    /// The user's name for it; empty where it has none.
    pub label: String,
    /// Where it is in the stream: `root.pipeline.processors.0`.
    pub path: String,
    /// The left side.
    pub x: usize,
    /// The upper side.
    pub y: usize,
    /// From side to side.
    pub width: usize,
}

/// A way that messages take, or the use of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PictureWay {
    /// How it runs, in the words of a path of SVG.
    pub line: String,
    /// Which messages take it, in the words of the config; often empty.
    pub text: String,
    /// Where the text ends.
    pub text_at: (usize, usize),
    /// The index of the part that it leads to.
    pub to: usize,
    /// Whether it is the use of a resource.
    pub is_use: bool,
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View").field("version", &self.version).finish_non_exhaustive()
    }
}
