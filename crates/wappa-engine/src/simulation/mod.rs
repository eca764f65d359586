//! Simulation: whole streams under a seeded scheduler and a virtual clock, with faults.
//!
//! A seed says what the stream is made of, what goes wrong in it, when it is stopped, and how its threads
//! alternate. The engine's own code runs, on real threads, one at a time. `WAPPA_SIM_SEEDS=n` runs n seeds,
//! `WAPPA_SIM_SEED=s` runs one and prints what happened.

mod components;
mod model;
mod outside;
mod plan;
mod random;
mod sink;
mod token;

use std::{
    sync::{Arc, OnceLock, mpsc},
    thread,
    time::Duration,
};

use wappa_component::{Caches, Component, Input, Logger, Metrics, Output, Sample, Series, Services, Taps};
use wappa_spec::{ComponentKind, ComponentNode, LintOptions, Reader, Source, Spec};

use self::{
    components::{Place, SOURCE, Worker},
    model::Sim,
    plan::{Halt, Plan, ProcessorPlan},
    random::{Random, mix},
    sink::{Remote, Sink},
    token::{Checks, Section, Token},
};
use crate::{
    build::{self, BuildRequest},
    filler::Filler,
    line::Line,
    stop::Stop,
    stream::{self, Assembly, Report, Setting, Stream},
    strict::{Strictness, TurnsAway},
    under::{UnderOutput, under_input},
    world::{Scheduler, World},
};

/// How many seeds are run unless the environment says otherwise.
const SEEDS: u64 = 300;

/// A component that never gives the token back would hang the test.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a stream reads from and writes to, built as the program builds it.
struct Parts {
    input: Box<dyn Input>,
    filler: Option<Filler>,
    /// The ends of a pipe to a second stream, where there are two.
    pipe: Option<(Box<dyn Output>, Box<dyn Input>)>,
}

/// `under` puts processors behind the input.
fn parts_of(sim: &Arc<Sim>, under: impl FnOnce(Box<dyn Input>) -> Box<dyn Input>) -> Parts {
    let mut components: Vec<&'static Component> = wappa_pure::components();
    components.push(&SOURCE);
    let registry: Vec<&'static Spec> = components.iter().map(|it| &it.spec).collect();
    let read = |text: &str| Source::read(text.as_bytes(), |_| None).expect("a plan's text is sound");
    let config = read("input: {stdin: {}}").stream(&registry, LintOptions::default());
    let config = config.into_result().unwrap_or_else(|_| unreachable!("nothing is wrong with it"));
    let node = |kind, text: &str| {
        let mut reader = Reader::new(&registry, LintOptions::default());
        let node = ComponentNode::read(kind, &read(text).node, &mut reader);
        node.unwrap_or_else(|| panic!("{:?}", reader.into_lints()))
    };
    let mut services = Services::default();
    services.insert(Arc::clone(sim));
    let request = |setting, metrics: &Metrics| BuildRequest {
        config: &config,
        components: &components,
        registry: &registry,
        logger: Logger::silent(),
        metrics: metrics.clone(),
        services: services.clone(),
        setting,
    };
    let first = request(&sim.setting, &sim.metrics);
    let input = node(ComponentKind::Input, &sim.plan.input_text());
    let (input, filler) = match &sim.plan.buffer {
        Some(plan) => {
            let buffer = node(ComponentKind::Buffer, &plan.text());
            let (input, filler) = build::buffered_input(&first, [&input, &buffer], under)
                .expect("a plan's buffer can be built");
            (input, Some(filler))
        }
        None => (under(build::input(&first, &input).expect("a plan's input can be built")), None),
    };
    // What goes through the pipe is counted once, at the ends of both streams.
    let uncounted = Metrics::default();
    let pipe = sim.plan.chain.map(|_| {
        let [first, second] = [&sim.setting, &sim.last].map(|it| request(it, &uncounted));
        let output = build::output(&first, &node(ComponentKind::Output, "inproc: pipe"));
        let input = build::input(&second, &node(ComponentKind::Input, "inproc: pipe"));
        (output.expect("it can be built"), input.expect("it can be built"))
    });
    Parts { input, filler, pipe }
}

/// The streams of a plan, each with its setting: one, or two of which the first writes to the second.
fn streams_of(sim: &Arc<Sim>, remote: Option<&Arc<Remote>>) -> Vec<(Stream, Setting)> {
    let plan = &sim.plan;
    let all = |processors: &[ProcessorPlan], first: Place, place: Place| {
        let place_of = move |idx| if idx == 0 { first } else { place };
        let processors = processors.iter().enumerate();
        processors.map(|(idx, it)| Worker::observed(sim, it, place_of(idx))).collect::<Vec<_>>()
    };
    let has_none = plan.under_input.is_empty();
    // Behind a buffer comes what the first of all does not see again.
    let first = if plan.buffer.is_some() { Place::InTurn } else { Place::First };
    let Parts { input, filler, pipe } = parts_of(sim, |input| match has_none {
        true => input,
        false => under_input(input, all(&plan.under_input, first, Place::InTurn)),
    });
    let first = if has_none { Place::First } else { Place::Pipeline };
    let paths = plan.pipeline.iter().map(|it| it.path.clone());
    let mut processors: Vec<_> = paths.zip(all(&plan.pipeline, first, Place::Pipeline)).collect();
    let sink = Box::new(Sink::new(Arc::clone(sim), remote.cloned()));
    let Setting { activity, output_bell, .. } = &sim.last;
    let of = sim.observed("root.output");
    let mut output: Box<dyn Output> =
        Box::new(Line::new(sink, of, Taps::default().point("root.output", ""), output_bell.bell(), activity));
    let turned_away = |output| -> Box<dyn Output> {
        match plan.is_strict {
            true => Box::new(TurnsAway { inner: output, strictness: Strictness::always() }),
            false => output,
        }
    };
    output = turned_away(output);
    if !plan.under_output.is_empty() {
        let place = if plan.keeps_order() { Place::InTurn } else { Place::Pipeline };
        let processors = all(&plan.under_output, place, place);
        output = turned_away(Box::new(UnderOutput::new(output, processors)));
    }
    let stream = |setting: &Setting, input, processors, output| {
        let parts = Assembly {
            input,
            processors,
            output,
            threads: plan.threads,
            is_ordered: plan.is_ordered,
            logger: Logger::silent(),
            caches: Caches::default(),
        };
        let mut stream = Stream::of_built(setting, parts);
        stream.window = plan.window;
        (stream, setting.clone())
    };
    let Some((to_second, from_first)) = pipe else {
        let (mut stream, setting) = stream(&sim.setting, input, processors, output);
        stream.filler = filler;
        return vec![(stream, setting)];
    };
    let of_second = match plan.chain.is_some_and(|it| it.second_works) {
        true => std::mem::take(&mut processors),
        false => Vec::new(),
    };
    vec![stream(&sim.setting, input, processors, to_second), stream(&sim.last, from_first, of_second, output)]
}

/// Runs one seed. `Err` says what is wrong; the trace says what happened, one line each.
fn run_seed(seed: u64) -> (Result<(), String>, Vec<String>) {
    run_plan(seed, Plan::of_seed(seed))
}

fn run_plan(seed: u64, plan: Plan) -> (Result<(), String>, Vec<String>) {
    let (verdict_tx, verdict_rx) = mpsc::sync_channel(1);
    let random = Random::new(mix(&[seed, 1]));
    let n_actors = 1 + usize::from(plan.output.remote.is_some());
    let token = Arc::new(Token::new(random, plan.habits, plan.n_threads(), n_actors, verdict_tx));
    let [n_workers, n_beside] = plan.n_threads();
    let setting = |first: usize, others: usize, n_beside: usize| {
        let section = Arc::new(Section {
            token: Arc::clone(&token),
            first,
            n_workers: plan.threads,
            others,
            n_threads: (plan.threads + n_beside).into(),
            at_end: OnceLock::new(),
        });
        let world = World::simulated(Arc::clone(&section) as Arc<dyn Scheduler>);
        let mut setting = Setting::new(&world).expect("a descriptor can be had");
        setting.replay_bound = plan.replay_bound;
        (section, setting)
    };
    let n_streams = 1 + usize::from(plan.chain.is_some());
    let n_beside_first = n_beside + 1 - n_streams;
    let (section, first) = setting(0, n_workers, n_beside_first);
    let last = match plan.chain {
        None => first.clone(),
        Some(_) => {
            let (_, second) = setting(plan.threads, n_workers + n_beside_first, 1);
            let stop = second.stop.clone();
            // Nothing more comes to the second when the first is over.
            _ = section.at_end.set(Box::new(move || stop.drain()));
            second
        }
    };
    let sim = Arc::new(Sim::new(plan, Arc::clone(&token), first, last));
    let checks: Arc<dyn Checks> = Arc::clone(&sim) as Arc<dyn Checks>;
    token.set_checks(Arc::downgrade(&checks));
    let result = drive(&sim, &verdict_rx);
    (result, token.trace())
}

fn drive(sim: &Arc<Sim>, verdict: &mpsc::Receiver<String>) -> Result<(), String> {
    let remote = sim.plan.output.remote.as_ref().map(|_| Arc::new(Remote::new(Arc::clone(sim))));
    let all = streams_of(sim, remote.as_ref()).into_iter().map(|(stream, setting)| {
        let shared = stream.prepare();
        sim.add_stream(&shared, &setting);
        shared
    });
    // All are there before the first begins.
    let all: Vec<_> = all.collect();
    let n_streams = all.len();
    let (report_tx, report_rx) = mpsc::sync_channel(n_streams);
    let stopper = {
        let sim = Arc::clone(sim);
        thread::spawn(move || operate(&sim))
    };
    let outside = {
        let (sim, n_threads) = (Arc::clone(sim), sim.plan.n_threads().iter().sum::<usize>());
        let thread = n_threads + usize::from(remote.is_some());
        thread::spawn(move || sim.outside.run(thread))
    };
    let remote = remote.map(|remote| thread::spawn(move || remote.run()));
    for (idx, shared) in all.into_iter().enumerate() {
        let report_tx = report_tx.clone();
        thread::spawn(move || {
            // Nobody listens any more when something was wrong.
            let report = stream::finish(&shared);
            drop(shared);
            let _ = report_tx.send((idx, report));
        });
    }
    drop(report_tx);
    let deadline = std::time::Instant::now() + PATIENCE;
    let mut reports = vec![Report::default(); n_streams];
    let mut n_reports = 0;
    while n_reports < n_streams {
        if let Ok(text) = verdict.try_recv() {
            return Err(text);
        }
        match report_rx.recv_timeout(Duration::from_millis(10)) {
            Ok((idx, report)) => {
                reports[idx] = report.map_err(|err| err.to_string())?;
                n_reports += 1;
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                return Err("a stream's own thread panicked".to_string());
            }
            Err(mpsc::RecvTimeoutError::Timeout) if deadline < std::time::Instant::now() => {
                return Err("a thread keeps the token".to_string());
            }
            Err(mpsc::RecvTimeoutError::Timeout) => (),
        }
    }
    // Something may be wrong with the end itself, and then they never end.
    let is_running = |it: &thread::JoinHandle<()>| !it.is_finished();
    while [Some(&stopper), Some(&outside), remote.as_ref()].into_iter().flatten().any(is_running) {
        if let Ok(text) = verdict.try_recv() {
            return Err(text);
        }
        thread::sleep(Duration::from_micros(100));
    }
    stopper.join().map_err(|_| "the stopper panicked".to_string())?;
    outside.join().map_err(|_| "what is outside panicked".to_string())?;
    if let Some(remote) = remote {
        remote.join().map_err(|_| "the other end of the output panicked".to_string())?;
    }
    if let Ok(text) = verdict.try_recv() {
        return Err(text);
    }
    if n_streams == 2 && reports[1].fault.is_some() {
        return Err(format!("the second stream ends with {:?}", reports[1]));
    }
    check_end(sim, &reports[0])
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
            // A second stream works on until the first is over.
            Halt::Abandon => sim.stop.abandon(),
            Halt::Cut => [&sim.stop, &sim.last.stop].into_iter().for_each(Stop::cut),
        }
    }
    sim.token.leave();
}

fn check_end(sim: &Sim, report: &Report) -> Result<(), String> {
    let tally = &sim.setting.tally;
    let model = sim.model();
    if 0 < model.n_unanswered() {
        return Err(format!("{} parcels were never answered", model.n_unanswered()));
    }
    match (&report.fault, model.faults.first()) {
        (None, None) => (),
        (Some(text), Some(_)) if model.faults.iter().any(|it| names(text, it)) => (),
        (fault, expected) => return Err(format!("reported is {fault:?}, wrong was {expected:?}")),
    }
    if (report.output_was_closed, report.n_failed_sources) != (model.was_closed, model.n_failed_sources) {
        return Err(format!("the report is wrong: {report:?}"));
    }
    if sim.plan.buffer.is_some() {
        let was_given_up = sim.stop.is_abandoned() || !model.faults.is_empty();
        if !was_given_up && (0 < tally.undelivered() || !model.all_have_arrived(&sim.plan)) {
            return Err(format!("{} messages of the buffer did not arrive", tally.undelivered()));
        }
    } else if tally.undelivered() != model.n_failed as u64 {
        return Err(format!("{} undelivered, {} failed", tally.undelivered(), model.n_failed));
    }
    let counts = [("input_received", model.batch_of.len() as u64), ("output_sent", model.n_delivered)];
    for (name, expected) in counts {
        let samples = sim.metrics.samples();
        let of = |(series, sample): &(Series, Sample)| match sample {
            Sample::Counter(n) if series.name == name => *n,
            _ => 0,
        };
        let found: u64 = samples.iter().map(of).sum();
        if found != expected {
            return Err(format!("`{name}` is {found} and should be {expected}"));
        }
    }
    Ok(())
}

/// Whether the text is of the component with this path, and not of one below it.
fn names(text: &str, path: &str) -> bool {
    text.starts_with(&format!("`{path}` ")) || text.starts_with(&format!("{path}: "))
}

/// Runs a seed and panics, with all there is to know, when something is wrong.
fn check_seed(seed: u64) {
    check_plan(seed, Plan::of_seed(seed));
}

fn check_plan(seed: u64, plan: Plan) {
    let (result, trace) = run_plan(seed, plan.clone());
    if let Err(text) = result {
        let tail = &trace[trace.len().saturating_sub(80)..];
        panic!(
            "seed {seed}: {text}\n\n{plan:#?}\n\n{}\n\nrepeat it with\n    WAPPA_SIM_SEED={seed} cargo test -p wappa-engine simulation -- --nocapture\n",
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
    // What a simulation found once and the first seeds do not reach.
    [1708].into_iter().for_each(check_seed);
}

#[test]
fn what_chance_brings_together_too_seldom_goes_well() {
    if let Some(seed) = number_from_env("WAPPA_SIM_SEED") {
        return check_plan(seed, Plan::narrow(seed));
    }
    let n_seeds = number_from_env("WAPPA_SIM_SEEDS").unwrap_or(SEEDS / 4);
    (0..n_seeds).for_each(|seed| check_plan(seed, Plan::narrow(seed)));
}

#[test]
fn whatever_happens_what_is_in_a_buffer_arrives() {
    if let Some(seed) = number_from_env("WAPPA_SIM_SEED") {
        return check_plan(seed, Plan::buffered(seed));
    }
    let n_seeds = number_from_env("WAPPA_SIM_SEEDS").unwrap_or(SEEDS / 2);
    (0..n_seeds).for_each(|seed| check_plan(seed, Plan::buffered(seed)));
}

#[test]
fn whatever_happens_what_goes_from_stream_to_stream_is_answered_for() {
    if let Some(seed) = number_from_env("WAPPA_SIM_SEED") {
        return check_plan(seed, Plan::chained(seed));
    }
    let n_seeds = number_from_env("WAPPA_SIM_SEEDS").unwrap_or(SEEDS / 2);
    (0..n_seeds).for_each(|seed| check_plan(seed, Plan::chained(seed)));
}

#[test]
fn a_seed_always_gives_the_same_run() {
    for seed in 0..20 {
        for plan in [Plan::of_seed, Plan::buffered, Plan::chained].map(|it| it(seed)) {
            let (first, second) = (run_plan(seed, plan.clone()).1, run_plan(seed, plan).1);
            assert!(first == second, "seed {seed} gave two different runs");
        }
    }
}
