//! How far a stream has come with its files, on a terminal: a bar, which a thread of its own draws from two counters.

use std::{
    sync::{
        Arc, OnceLock,
        mpsc::{RecvTimeoutError, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use wappa_component::Progress;

/// How often the bar is drawn.
const INTERVAL: Duration = Duration::from_millis(100);

/// How often it is drawn before there is a rate that means something.
const N_DRAWN_WITHOUT_RATE: u32 = 10;

const TEMPLATE: &str = "{bar:30} {bytes} of {total_bytes}";
const TEMPLATE_WITH_COLOR: &str = "\x1b[32m{bar:30}\x1b[0m {bytes} of {total_bytes}";
const RATE: &str = ", {bytes_per_sec}, {eta} left";

/// The bar of the process, once there is one.
#[derive(Debug, Default)]
pub(crate) struct Bar(OnceLock<ProgressBar>);

impl Bar {
    /// Writes something beside the bar: it makes room meanwhile.
    pub(crate) fn aside(&self, write: impl FnOnce()) {
        match self.0.get() {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }
}

/// Draws the bar, until it is dropped.
pub(crate) struct Drawing {
    end: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drawing {
    /// Begins. Nothing is seen before it is known how much there is to read.
    pub(crate) fn begin(bar: Arc<Bar>, progress: Progress, has_color: bool) -> Drawing {
        let (tx, rx) = sync_channel(1);
        let draw = move || {
            let mut n_drawn = 0;
            while rx.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                if 0 < progress.total_bytes() {
                    let bar = bar.0.get_or_init(|| new_bar(has_color));
                    bar.set_length(progress.total_bytes());
                    bar.set_position(progress.read_bytes());
                    bar.tick();
                    n_drawn += 1;
                    if n_drawn == N_DRAWN_WITHOUT_RATE {
                        bar.set_style(style(has_color, RATE));
                    }
                }
            }
            if let Some(bar) = bar.0.get() {
                bar.finish_and_clear();
            }
        };
        // A process that can start no thread shows no bar.
        let thread = thread::Builder::new().name("progress".to_string()).spawn(draw).ok();
        Drawing { end: Some(tx), thread }
    }
}

impl Drop for Drawing {
    fn drop(&mut self) {
        self.end = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn new_bar(has_color: bool) -> ProgressBar {
    ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr()).with_style(style(has_color, ""))
}

/// What is drawn, with `rate` behind it.
fn style(has_color: bool, rate: &str) -> ProgressStyle {
    let template = if has_color { TEMPLATE_WITH_COLOR } else { TEMPLATE };
    let style = ProgressStyle::with_template(&format!("{template}{rate}"));
    style.expect("the template is one").progress_chars("━━─")
}
