//! Simulation: whole streams under a seeded scheduler and a virtual clock, with faults.
//!
//! A seed says what the stream is made of, what goes wrong in it, when it is stopped, and how its threads
//! alternate. The engine's own code runs, on real threads, one at a time. `WAPPA_SIM_SEEDS=n` runs n seeds,
//! `WAPPA_SIM_SEED=s` runs one and prints what happened.

mod components;
mod model;
mod plan;
mod random;
mod token;

use std::{
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use wappa_component::{Logger, Metrics, Processor, Sample};

use self::{
    components::{Place, Sink, Source, Worker},
    model::Sim,
    plan::{Halt, Plan, ProcessorPlan},
    random::{Random, mix},
    token::Token,
};
use crate::{
    observe::{Observed, ObservedInput, ObservedOutput, ObservedProcessor, Tally},
    replay::Replay,
    stream::{Report, Setting, Stream, StreamParts},
    under::{UnderInput, UnderOutput},
    world::{Scheduler, World},
};

/// How many seeds are run unless the environment says otherwise.
const SEEDS: u64 = 300;

/// A component that never gives the token back would hang the test.
const PATIENCE: Duration = Duration::from_secs(60);

/// A world and a stream in it.
struct Run {
    sim: Arc<Sim>,
    stream: Stream,
    metrics: Metrics,
    tally: Tally,
}

fn stream_of(sim: &Arc<Sim>, setting: &Setting) -> (Stream, Metrics, Tally) {
    let plan = &sim.plan;
    let (metrics, tally) = (Metrics::default(), Tally::default());
    let observed = |path: &str| Observed {
        name: "test".to_string(),
        label: String::new(),
        path: path.to_string(),
        logger: Logger::silent(),
        metrics: metrics.clone(),
        world: setting.world.clone(),
        stop: setting.stop.clone(),
    };
    let processor = |it: &ProcessorPlan, place| -> Box<dyn Processor> {
        Box::new(ObservedProcessor::new(Box::new(Worker::new(sim, it, place)), observed(&it.path)))
    };
    let mut input: Box<dyn wappa_component::Input> = Box::new(ObservedInput::new(
        Box::new(Source::new(Arc::clone(sim))),
        observed("root.input"),
        tally.clone(),
    ));
    if plan.replays {
        let mut replay = Replay::new(input, &setting.bell, observed("root.input"));
        replay.waiting_messages_max = plan.waiting_messages_max;
        input = Box::new(replay);
    }
    let first_or = |idx: usize, other| if idx == 0 { Place::First } else { other };
    if !plan.under_input.is_empty() {
        let processors = plan.under_input.iter().enumerate();
        let processors = processors.map(|(idx, it)| processor(it, first_or(idx, Place::InTurn))).collect();
        input = Box::new(UnderInput { inner: input, processors });
    }
    let place_of = |idx| if plan.under_input.is_empty() { first_or(idx, Place::Pipeline) } else { Place::Pipeline };
    let pipeline = plan.pipeline.iter().enumerate();
    let processors = pipeline.map(|(idx, it)| (it.path.clone(), processor(it, place_of(idx)))).collect();
    let mut output: Box<dyn wappa_component::Output> =
        Box::new(ObservedOutput::new(Box::new(Sink::new(Arc::clone(sim))), observed("root.output")));
    if !plan.under_output.is_empty() {
        let place = if plan.keeps_order() { Place::InTurn } else { Place::Pipeline };
        let processors = plan.under_output.iter().map(|it| processor(it, place)).collect();
        output = Box::new(UnderOutput { inner: output, processors });
    }
    let parts = StreamParts {
        input,
        processors,
        output,
        threads: plan.threads,
        is_ordered: plan.is_ordered,
        logger: Logger::silent(),
    };
    let mut stream = Stream::new(setting, parts);
    stream.window = plan.window;
    (stream, metrics, tally)
}

/// Runs one seed. `Err` says what is wrong; the trace says what happened, one line each.
fn run_seed(seed: u64) -> (Result<(), String>, Vec<String>) {
    let plan = Plan::of_seed(seed);
    let (verdict_tx, verdict_rx) = mpsc::sync_channel(1);
    let random = Random::new(mix(&[seed, 1]));
    let token = Arc::new(Token::new(random, plan.habits, plan.threads, verdict_tx));
    let world = World::simulated(Arc::clone(&token) as Arc<dyn Scheduler>);
    let setting = Setting::new(&world).expect("a descriptor can be had");
    let sim = Arc::new(Sim::new(plan, Arc::clone(&token), setting.stop.clone()));
    let (quiet, patient) = (Arc::downgrade(&sim), Arc::downgrade(&sim));
    token.set_checks(
        Box::new(move || quiet.upgrade().map_or(Ok(()), |it| it.check_quiet())),
        Box::new(move || patient.upgrade().map_or(Ok(()), |it| it.check_patience())),
    );
    let (stream, metrics, tally) = stream_of(&sim, &setting);
    let run = Run { sim: Arc::clone(&sim), stream, metrics, tally };
    let result = drive(run, &verdict_rx);
    (result, token.trace())
}

fn drive(run: Run, verdict: &mpsc::Receiver<String>) -> Result<(), String> {
    let Run { sim, stream, metrics, tally } = run;
    let (report_tx, report_rx) = mpsc::sync_channel(1);
    let stopper = {
        let sim = Arc::clone(&sim);
        thread::spawn(move || operate(&sim))
    };
    thread::spawn(move || {
        // Nobody listens any more when something was wrong.
        let _ = report_tx.send(stream.run());
    });
    let deadline = std::time::Instant::now() + PATIENCE;
    let report = loop {
        if let Ok(text) = verdict.try_recv() {
            return Err(text);
        }
        match report_rx.recv_timeout(Duration::from_millis(10)) {
            Ok(report) => break report.map_err(|err| err.to_string())?,
            Err(mpsc::RecvTimeoutError::Disconnected) => return Err("the stream's own thread panicked".to_string()),
            Err(mpsc::RecvTimeoutError::Timeout) if deadline < std::time::Instant::now() => {
                return Err("a thread keeps the token".to_string());
            }
            Err(mpsc::RecvTimeoutError::Timeout) => (),
        }
    };
    stopper.join().map_err(|_| "the stopper panicked".to_string())?;
    if let Ok(text) = verdict.try_recv() {
        return Err(text);
    }
    check_end(&sim, &report, &metrics, &tally)
}

/// What the operator does.
fn operate(sim: &Sim) {
    sim.token.enter(sim.token.stopper());
    for (moment, halt) in &sim.plan.stops {
        if !sim.token.wait_for(*moment) {
            break;
        }
        sim.token.note(|| format!("stop: {halt:?}"));
        match halt {
            Halt::Drain => {
                sim.model().drain_asked = true;
                sim.stop.drain();
            }
            Halt::Abandon => sim.stop.abandon(),
        }
    }
    sim.token.leave();
}

fn check_end(sim: &Sim, report: &Report, metrics: &Metrics, tally: &Tally) -> Result<(), String> {
    let model = sim.model();
    if 0 < model.n_unanswered() {
        return Err(format!("{} parcels were never answered", model.n_unanswered()));
    }
    match (&report.fault, model.faults.first()) {
        (None, None) => (),
        (Some(text), Some(_)) if model.faults.iter().any(|it| text.contains(it.as_str())) => (),
        (fault, expected) => return Err(format!("reported is {fault:?}, wrong was {expected:?}")),
    }
    if (report.output_was_closed, report.n_failed_sources) != (model.was_closed, model.n_failed_sources) {
        return Err(format!("the report is wrong: {report:?}"));
    }
    if tally.undelivered() != model.n_failed as u64 {
        return Err(format!("{} undelivered, {} failed", tally.undelivered(), model.n_failed));
    }
    let counts = [("input_received", model.batch_of.len() as u64), ("output_sent", model.n_delivered)];
    for (name, expected) in counts {
        let found = metrics.samples().into_iter().find(|it| it.0.name == name).map(|it| it.1);
        if found != Some(Sample::Counter(expected)) {
            return Err(format!("`{name}` is {found:?} and should be {expected}"));
        }
    }
    Ok(())
}

/// Runs a seed and panics, with all there is to know, when something is wrong.
fn check_seed(seed: u64) {
    let (result, trace) = run_seed(seed);
    if let Err(text) = result {
        let tail = &trace[trace.len().saturating_sub(80)..];
        panic!(
            "seed {seed}: {text}\n\n{:#?}\n\n{}\n\nrepeat it with\n    WAPPA_SIM_SEED={seed} cargo test -p wappa-engine simulation -- --nocapture\n",
            Plan::of_seed(seed),
            tail.join("\n")
        );
    }
}

fn number_from_env(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number, not `{text}`")))
}

#[test]
fn whatever_happens_every_message_is_answered_for() {
    if let Some(seed) = number_from_env("WAPPA_SIM_SEED") {
        let (_, trace) = run_seed(seed);
        eprintln!("{:#?}\n{}", Plan::of_seed(seed), trace.join("\n"));
        return check_seed(seed);
    }
    (0..number_from_env("WAPPA_SIM_SEEDS").unwrap_or(SEEDS)).for_each(check_seed);
}

#[test]
fn a_seed_always_gives_the_same_run() {
    for seed in 0..20 {
        let (first, second) = (run_seed(seed).1, run_seed(seed).1);
        assert!(first == second, "seed {seed} gave two different runs");
    }
}
