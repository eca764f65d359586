//! One running stream: an input, a pipeline and an output.

use std::{fmt, io, sync::Arc, thread};

use wappa_component::{Caches, Input, Logger, Output, Processor, Taps, cause};

use crate::{
    activity::Activity,
    attendant::{self, Attendance, Attendant},
    filler::{self, Filler},
    intake::Intake,
    line::Line,
    niceness,
    observe::{Observed, Tally},
    of_process::ComponentsOfStream,
    recall::Recall,
    replay::Bound,
    schedule::{Schedule, Window},
    stop::Stop,
    worker::{self, Shared, Stage},
    world::{Bell, Monitor, World},
};

/// The stack of the pipeline's threads: guests may use half of it.
pub(crate) const STACK_BYTES: usize = 8 * 1024 * 1024;

/// What a stream is made of.
pub struct Assembly {
    /// Where messages come from, with its replays and processors.
    pub input: Box<dyn Input>,
    /// The processors of the pipeline, each with its path.
    pub processors: Vec<(String, Box<dyn Processor>)>,
    /// Where messages go.
    pub output: Box<dyn Output>,
    /// How many threads the pipeline has; at least one.
    pub threads: usize,
    /// Whether what was read first is handed to the output first.
    pub is_ordered: bool,
    /// For what concerns no component in particular.
    pub logger: Logger,
    /// The caches that mappings may ask.
    pub caches: Caches,
}

impl fmt::Debug for Assembly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assembly").field("threads", &self.threads).finish_non_exhaustive()
    }
}

/// How a stream ended.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Sources of the input that were given up because of an error.
    pub n_failed_sources: u64,
    /// Nobody read the output any more, and that ended the stream.
    pub output_was_closed: bool,
    /// Why the stream could not go on.
    pub fault: Option<String>,
}

/// A stream that is ready to run, and the way to stop it.
pub struct Stream {
    parts: Assembly,
    setting: Setting,
    pub(crate) window: Window,
    /// What reads the input, where there is a buffer; `parts` has the other end of that.
    pub(crate) filler: Option<Filler>,
    /// Its components, among those of all streams of a process.
    pub(crate) of_process: Option<ComponentsOfStream>,
}

/// What a stream's components need to know of it before it exists.
#[derive(Clone)]
pub struct Setting {
    pub(crate) world: World,
    pub(crate) bell: Bell,
    /// Of who has the output's turn where nobody else can.
    attendant_bell: Bell,
    pub(crate) stop: Stop,
    pub(crate) activity: Activity,
    pub(crate) output_bell: Recall,
    pub(crate) tally: Tally,
    pub(crate) replay_bound: Bound,
    pub(crate) taps: Taps,
    /// Whether others run beside it, with each of which it shares the machine evenly.
    pub(crate) is_one_of_several: bool,
}

impl Setting {
    /// A setting in this world.
    pub fn new(world: &World) -> io::Result<Setting> {
        let bell = Bell::new(world)?;
        let stop = Stop::new(world, &bell);
        let (activity, output_bell) = (Activity::default(), Recall::default());
        Ok(Setting {
            attendant_bell: Bell::new(world)?,
            world: world.clone(),
            bell,
            stop,
            activity,
            output_bell,
            tally: Tally::default(),
            replay_bound: Bound::default(),
            taps: Taps::default(),
            is_one_of_several: false,
        })
    }

    /// The same, with components that are looked at through these.
    #[must_use]
    pub fn tapped_by(self, taps: &Taps) -> Setting {
        Setting { taps: taps.clone(), ..self }
    }

    /// The same, for a stream beside others in the process: all its threads together get no more of the machine's processors
    /// than those of another one, when both want them.
    #[must_use]
    pub fn one_of_several(self) -> Setting {
        Setting { is_one_of_several: true, ..self }
    }

    /// The way to stop the stream.
    pub fn stop(&self) -> &Stop {
        &self.stop
    }

    /// What the stream's components are doing.
    pub fn activity(&self) -> &Activity {
        &self.activity
    }

    /// Where the stream's time comes from.
    pub fn world(&self) -> &World {
        &self.world
    }
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setting").field("world", &self.world).field("stop", &self.stop).finish()
    }
}

impl Stream {
    /// A stream of these parts, which were made in `setting`. Its input and output are connected, and again when that is
    /// lost.
    pub fn new(setting: &Setting, parts: Assembly) -> Stream {
        let of = Observed::silent(setting, "output", worker::OUTPUT_PATH);
        let output = Line::new(
            parts.output,
            of,
            setting.taps.point("root.output", ""),
            setting.output_bell.bell(),
            &setting.activity,
        );
        let of = Observed::silent(setting, "input", worker::INPUT_PATH);
        let input = Intake::new(
            parts.input,
            of,
            setting.taps.point("root.input", ""),
            setting.tally.clone(),
            &setting.activity,
        );
        Stream::of_built(setting, Assembly { input: Box::new(input), output: Box::new(output), ..parts })
    }

    /// As [`Stream::new`], with an input and an output whose connections are taken care of.
    pub(crate) fn of_built(setting: &Setting, parts: Assembly) -> Stream {
        assert!(0 < parts.threads, "a pipeline has a thread");
        Stream { parts, setting: setting.clone(), window: Window::default(), filler: None, of_process: None }
    }

    /// Runs until the input is over and everything is answered, or until the stream is stopped.
    pub fn run(mut self) -> io::Result<Report> {
        let of_process = self.of_process.take();
        let shared = self.prepare();
        let report = finish(&shared);
        drop((shared, of_process));
        report
    }

    /// Everything but the threads.
    pub(crate) fn prepare(self) -> Arc<Shared> {
        let Stream { parts, setting, window, filler, of_process: _ } = self;
        let filler_bell = filler.as_ref().map(|it| it.bell.clone());
        let stages: Vec<Stage> =
            parts.processors.into_iter().map(|(path, processor)| Stage { path, processor }).collect();
        let takes_back = parts.input.takes_back();
        let recall = setting.output_bell.clone();
        let mut schedule =
            Schedule::new(parts.input, parts.output, parts.is_ordered, !stages.is_empty(), window);
        schedule.recall = recall.clone();
        let has_filler = filler.is_some();
        let shared = Arc::new_cyclic(|weak| Shared {
            weak: weak.clone(),
            attendant: Attendant::new(setting.attendant_bell),
            has_filler,
            schedule: Monitor::new(&setting.world, schedule),
            report: Monitor::new(&setting.world, Report::default()),
            world: setting.world.clone(),
            stages,
            stop: setting.stop.clone(),
            bell: setting.bell,
            logger: parts.logger,
            activity: setting.activity,
            tally: setting.tally,
            n_threads: parts.threads,
            niceness: if setting.is_one_of_several { niceness::of_each(parts.threads) } else { 0 },
            caches: parts.caches,
            input_takes_back: takes_back,
            filler: Monitor::new(&setting.world, filler),
        });
        if let Some(bell) = filler_bell {
            setting.stop.on_change(move || bell.ring());
        }
        // Threads that wait look again when the stream is stopped. The lock orders the look and the call.
        recall.attach(&shared);
        let weak = Arc::downgrade(&shared);
        setting.stop.on_change(move || {
            if let Some(shared) = weak.upgrade() {
                recall.set();
                attendant::all_may_wait(&shared, &mut shared.schedule.lock());
                shared.schedule.notify_all();
            }
        });
        let weak = Arc::downgrade(&shared);
        setting.stop.on_wait(move || {
            if let Some(shared) = weak.upgrade() {
                attendant::wait_begins(&shared);
            }
        });
        shared
    }
}

/// Runs the threads of a stream, and closes its output and input behind them.
pub(crate) fn finish(shared: &Arc<Shared>) -> io::Result<Report> {
    let started = run_threads(shared);
    worker::close(shared);
    started?;
    let report = shared.report.lock().clone();
    let n_failed_sources = shared.activity.n_failed_sources();
    Ok(Report { fault: shared.activity.fault(), n_failed_sources, ..report })
}

/// Runs the threads of the pipeline until all have ended.
fn run_threads(shared: &Arc<Shared>) -> io::Result<()> {
    if shared.world.starts_all_threads() {
        shared.schedule.lock().attendance = Attendance::Awake;
        shared.attendant.start(Arc::clone(shared))?;
    }
    let mut filler = shared.filler.lock().take();
    let n_threads = shared.n_threads + usize::from(filler.is_some());
    let mut start = |thread| {
        let own = Arc::clone(shared);
        // The filler comes behind those of the pipeline.
        let (name, run): (String, Box<dyn FnOnce() + Send>) =
            match filler.take_if(|_| thread == own.n_threads) {
                Some(filler) => ("buffer".to_string(), Box::new(move || filler::run_guarded(&own, filler))),
                None => (format!("pipeline-{thread}"), Box::new(move || worker::run_guarded(&own, thread))),
            };
        let niceness = shared.niceness;
        let run = move || {
            niceness::add(niceness);
            run();
        };
        thread::Builder::new().name(name).stack_size(STACK_BYTES).spawn(run)
    };
    let mut threads = Vec::with_capacity(n_threads);
    let mut result = Ok(());
    for thread in 0..n_threads {
        match start(thread) {
            Ok(thread) => threads.push(thread),
            Err(err) => {
                // Those that run already must not run on by themselves.
                shared.stop.abandon();
                let text = format!(
                    "starting thread {} of {} of the pipeline: {}: lower `pipeline.threads`, or raise the limits of the \
                     process and its group (`ulimit -u`, `ulimit -v`, `pids.max`)",
                    thread + 1,
                    n_threads,
                    cause(&err)
                );
                result = Err(io::Error::new(err.kind(), text));
                break;
            }
        }
    }
    for thread in threads {
        thread.join().expect("a thread of the pipeline catches its panics");
    }
    shared.attendant.join();
    result
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("threads", &self.parts.threads).finish_non_exhaustive()
    }
}
