//! What one seed means: the stream, its faults and how it is stopped.

use std::time::Duration;

use super::{
    random::{Random, mix, mix_text},
    token::{Habits, Moment},
};
use crate::{replay::Bound, schedule::Window};

#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) threads: usize,
    pub(super) is_ordered: bool,
    pub(super) window: Window,
    pub(super) replays: bool,
    pub(super) replay_bound: Bound,
    /// Whether messages that failed are turned away.
    pub(super) is_strict: bool,
    pub(super) habits: Habits,
    /// What is read, and how several are read.
    pub(super) inputs: Vec<InputPlan>,
    pub(super) tree: Tree,
    /// So many messages are collected from the input, for so long at most.
    pub(super) batching: Option<(u64, Option<u64>)>,
    /// The input is stopped when nothing has come for so long.
    pub(super) idle_ms: Option<u64>,
    /// What stands between the input and the pipeline.
    pub(super) buffer: Option<BufferPlan>,
    /// The messages go to a second stream of the process, and from there to the output.
    pub(super) chain: Option<ChainPlan>,
    pub(super) under_input: Vec<ProcessorPlan>,
    pub(super) pipeline: Vec<ProcessorPlan>,
    pub(super) under_output: Vec<ProcessorPlan>,
    pub(super) output: OutputPlan,
    /// What the operator does, and when.
    pub(super) stops: Vec<(Moment, Halt)>,
}

/// Two streams after each other.
#[derive(Clone, Copy, Debug)]
pub(super) struct ChainPlan {
    /// Whether the processors are those of the second.
    pub(super) second_works: bool,
}

/// A buffer in memory.
#[derive(Clone, Debug)]
pub(super) struct BufferPlan {
    /// How many bytes it holds.
    pub(super) limit: u64,
    /// So many messages are collected from it, for so long at most.
    pub(super) batching: Option<(u64, Option<u64>)>,
}

impl BufferPlan {
    /// Its config.
    pub(super) fn text(&self) -> String {
        let policy = self.batching.map_or("enabled: false".to_string(), |(count, period_ms)| {
            let period = period_ms.map_or(String::new(), |ms| format!(", period: {ms}ms"));
            format!("enabled: true, count: {count}{period}")
        });
        format!("memory: {{limit: {}, batch_policy: {{{policy}}}}}", self.limit)
    }
}

/// What no plan has in flight.
const FULL_NEVER: usize = 1 << 20;

/// How several inputs are read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Tree {
    /// There is one.
    One,
    Broker,
    Sequence,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Halt {
    Drain,
    Abandon,
    Cut,
}

#[derive(Clone, Debug)]
pub(super) struct InputPlan {
    pub(super) reads: Vec<Reading>,
    /// Whether it ends by itself, or waits for more until it is stopped.
    pub(super) ends: bool,
    pub(super) takes_back: bool,
    pub(super) failing_connects: u64,
    pub(super) connect_ms: u64,
    /// Whether it hands something over after it was stopped.
    pub(super) flushes: bool,
    /// Whether others fill it and ring its bell, so that it has no time to wait for.
    pub(super) is_fed: bool,
    /// Whether it is told of each message by itself.
    pub(super) has_leases: bool,
    pub(super) order: OrderPlan,
}

/// With what the messages of an input keep their order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum OrderPlan {
    Stream,
    /// Each parcel belongs to one of so many groups.
    Groups(usize),
    None,
}

/// What one read gives, after a wait.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    pub(super) wait_ms: u64,
    pub(super) gives: Gives,
}

#[derive(Clone, Debug)]
pub(super) enum Gives {
    /// The sizes of the batches; `None`: that many messages, each a batch of its own.
    Batches(Vec<usize>),
    Singles {
        n: usize,
        are_slices: bool,
    },
    Nothing,
    NotConnected,
    SourceFailed,
    BackOff,
    Panic,
    FatalConnect,
}

#[derive(Clone, Debug)]
pub(super) struct ProcessorPlan {
    pub(super) path: String,
    pub(super) salt: u64,
    pub(super) kind: ProcessorKind,
    /// Panics in this call.
    pub(super) panics_in_call: Option<u64>,
}

#[derive(Clone, Debug)]
pub(super) enum ProcessorKind {
    Pass,
    /// Sleeps for each batch, and looks at the time or does not.
    Slow {
        ms_max: u64,
        obeys: bool,
    },
    /// Asks somebody outside for each message of a batch at once, and waits for the answers.
    Asks {
        ms_max: u64,
    },
    /// Returns after any batch.
    Early,
    Filter {
        one_in: u64,
    },
    /// Adds a copy, with the origin or without one.
    Copy {
        one_in: u64,
        keeps_origin: bool,
    },
    Mark {
        one_in: u64,
    },
    /// Divides batches into ones of so many messages.
    Split {
        size: usize,
    },
    /// A guest that traps or loops on some messages: these are marked, the others go on.
    Guest {
        one_in: u64,
    },
    /// Gives the messages it selects to its children, each as a batch of its own.
    Composite {
        selects_all: bool,
        children: Vec<ProcessorPlan>,
    },
}

#[derive(Clone, Debug)]
pub(super) struct OutputPlan {
    pub(super) salt: u64,
    pub(super) failing_connects: u64,
    pub(super) connect_is_fatal: bool,
    pub(super) ms_max: u64,
    /// One message in so many fails a few times.
    pub(super) fails_one_in: u64,
    /// One message in so many fails always.
    pub(super) poison_one_in: u64,
    pub(super) names_failures: bool,
    pub(super) rejects: bool,
    pub(super) not_connected_once_in: u64,
    pub(super) closed_in_call: Option<u64>,
    pub(super) panics_in_call: Option<u64>,
    pub(super) panics_in_close: bool,
    /// Answers come from elsewhere, later.
    pub(super) remote: Option<RemotePlan>,
}

/// What is at the other end of an output that answers later.
#[derive(Clone, Debug)]
pub(super) struct RemotePlan {
    pub(super) max_in_flight: usize,
    /// How long an answer takes at most.
    pub(super) ms_max: u64,
    /// Whether each batch is sent, and answered, by itself.
    pub(super) divides: bool,
    /// So many messages are collected, for so long at most, before anything is sent.
    pub(super) collects: Option<(usize, Option<u64>)>,
    /// Once in so many writes the connection breaks, with all that is in flight.
    pub(super) breaks_once_in: u64,
    /// One delivery in so many is never answered; only where everything is given up in the end.
    pub(super) mute_one_in: u64,
}

impl ProcessorPlan {
    pub(super) fn hits(&self, one_in: u64, name: &str) -> bool {
        mix_text(self.salt, name).is_multiple_of(one_in)
    }

    pub(super) fn selects(&self, all: bool, name: &str) -> bool {
        all || self.hits(2, name)
    }

    /// What becomes of a message.
    pub(super) fn results(&self, name: String) -> Vec<String> {
        match &self.kind {
            ProcessorKind::Filter { one_in } if self.hits(*one_in, &name) => Vec::new(),
            ProcessorKind::Copy { one_in, .. } if self.hits(*one_in, &name) => {
                let copy = format!("{name}.{}", self.salt % 1000);
                vec![name, copy]
            }
            ProcessorKind::Composite { selects_all, children } if self.selects(*selects_all, &name) => {
                results(children, name)
            }
            _ => vec![name],
        }
    }

    /// Panics nowhere.
    fn be_sane(&mut self) {
        self.panics_in_call = None;
        if let ProcessorKind::Composite { children, .. } = &mut self.kind {
            children.iter_mut().for_each(ProcessorPlan::be_sane);
        }
    }

    fn is_lossy(&self) -> bool {
        match &self.kind {
            ProcessorKind::Copy { keeps_origin, .. } => !keeps_origin,
            ProcessorKind::Composite { children, .. } => children.iter().any(ProcessorPlan::is_lossy),
            _ => false,
        }
    }
}

/// What becomes of a message that goes through all of `processors`.
pub(super) fn results(processors: &[ProcessorPlan], name: String) -> Vec<String> {
    processors.iter().fold(vec![name], |names, processor| {
        names.into_iter().flat_map(|name| processor.results(name)).collect()
    })
}

impl Plan {
    pub(super) fn of_seed(seed: u64) -> Plan {
        let mut random = Random::new(seed);
        let r = &mut random;
        let has_panic = r.once_in(8);
        let mut panics = move |r: &mut Random| (has_panic && r.once_in(3)).then(|| 1 + r.below(6));
        let replays = !r.once_in(4);
        let ends = !r.once_in(3);
        let halts = r.once_in(2) || !ends;
        let has_poison = replays && halts && r.once_in(3);
        let output = output(r, has_poison, &mut panics);
        let needs_abandon = has_poison;
        let input = input(r, ends, has_panic);
        let tree = r.pick(&[Tree::One, Tree::One, Tree::Broker, Tree::Sequence]);
        let n_inputs = if tree == Tree::One { 1 } else { 1 + r.below(4) as usize };
        let mut inputs = vec![input];
        while inputs.len() < n_inputs {
            // A stream that ends has no input without an end.
            let ends = ends || r.once_in(2);
            inputs.push(self::input(r, ends, has_panic));
        }
        let batching =
            r.once_in(4).then(|| (r.pick(&[1, 3, 1000]), r.once_in(2).then(|| r.pick(&[1, 20, 2000]))));
        let idle_ms = r.once_in(6).then(|| r.pick(&[1, 20, 2000]));
        let under_input = processors(r, "root.input", &[0, 0, 1, 2], &mut panics);
        let pipeline = processors(r, "root.pipeline", &[0, 1, 1, 2, 3], &mut panics);
        let under_output = processors(r, "root.output", &[0, 0, 1, 2], &mut panics);
        let plan = Plan {
            threads: 1 + r.below(4) as usize,
            is_ordered: !r.once_in(4),
            window: Window { parts_max: r.pick(&[1, 2, 4, 1024]), bytes_max: r.pick(&[1, 16, 1 << 20]) },
            replays,
            replay_bound: Bound {
                messages_max: r.pick(&[1, 3, 16, 1024]),
                bytes_max: r.pick(&[1, 16, 1 << 20]),
            },
            is_strict: false,
            habits: Habits { switch_once_in: r.pick(&[1, 2, 8, 64]), lag_once_in: r.pick(&[0, 0, 200, 20]) },
            stops: stops(r, ends, halts, needs_abandon),
            inputs,
            tree,
            batching,
            idle_ms,
            buffer: None,
            chain: None,
            under_input,
            pipeline,
            under_output,
            output,
        };
        let mut plan = plan.focused(r, seed);
        plan.lease(r);
        plan.wait_outside(&mut Random::new(mix(&[seed, 13])));
        let r = &mut Random::new(mix(&[seed, 29]));
        if r.once_in(5) {
            plan.be_strict(r);
        }
        plan.sound()
    }

    /// The same with a buffer, which answers to the input, and has what fails delivered again.
    pub(super) fn buffered(seed: u64) -> Plan {
        let r = &mut Random::new(mix(&[seed, 7]));
        let mut plan = Plan::of_seed(seed);
        let batching =
            r.once_in(3).then(|| (r.pick(&[1, 3, 1000]), r.once_in(2).then(|| r.pick(&[1, 20, 2000]))));
        plan.buffer = Some(BufferPlan { limit: r.pick(&[1, 200, 1 << 20]), batching });
        (plan.replays, plan.is_strict) = (true, false);
        if r.once_in(2) {
            plan.under_input.clear();
        }
        plan
    }

    /// What chance brings together too seldom.
    pub(super) fn narrow(seed: u64) -> Plan {
        let r = &mut Random::new(mix(&[seed, 23]));
        let mut plan = Plan::of_seed(seed);
        plan.be_calm(r, 12, 12);
        plan.inputs[0].ends = true;
        plan.stops.clear();
        plan.output.poison_one_in = 0;
        (plan.output.names_failures, plan.output.panics_in_close) = (true, false);
        plan.is_strict = false;
        match seed % 5 {
            0 => plan.about_pending(r),
            1 => plan.about_strangers(r),
            2 => plan.about_filtering(r),
            3 => plan.about_waiting(r),
            _ => plan.be_strict(r),
        }
        plan.sound()
    }

    /// Messages that failed are turned away, and some do. They would fail again and again.
    fn be_strict(&mut self, r: &mut Random) {
        (self.is_strict, self.replays) = (true, false);
        let kinds = [2, 3, 10].map(|one_in| ProcessorKind::Mark { one_in });
        let path = format!("root.pipeline.processors.{}", self.pipeline.len());
        let at = r.below(self.pipeline.len() as u64 + 1) as usize;
        self.pipeline.insert(at, plain(&path, r, &kinds));
    }

    /// All threads wait while the output has collected something and is to send it.
    fn about_waiting(&mut self, r: &mut Random) {
        self.threads = r.pick(&[1, 1, 2, 3]);
        let ms_max = r.pick(&[20, 200, 5000]);
        let kinds = [ProcessorKind::Slow { ms_max, obeys: true }, ProcessorKind::Asks { ms_max }];
        self.pipeline = vec![plain("root.pipeline.processors.0", r, &kinds)];
        self.window = Window::default();
        self.under_output.clear();
        (self.output.not_connected_once_in, self.output.failing_connects) = (0, 0);
        let collects = Some((r.pick(&[3, 1000]), Some(r.pick(&[1, 20]))));
        let max_in_flight = r.pick(&[1, FULL_NEVER, FULL_NEVER]);
        let remote = RemotePlan { collects, max_in_flight, breaks_once_in: 0, mute_one_in: 0, ..remote(r) };
        self.output.remote = Some(remote);
    }

    /// Replays that stop halfway under the input, behind a batch that waits for more.
    fn about_pending(&mut self, r: &mut Random) {
        self.threads = 1;
        let path = |idx| format!("root.input.processors.{idx}");
        self.under_input = (0..2).map(|idx| plain(&path(idx), r, &[ProcessorKind::Early])).collect();
        self.pipeline.clear();
        self.window = Window::default();
        (self.replays, self.replay_bound) = (true, Bound::default());
        self.output.fails_one_in = 2;
        (self.output.not_connected_once_in, self.output.failing_connects) = (0, 0);
        let collects = Some((1000, None));
        self.output.remote = Some(RemotePlan {
            collects,
            breaks_once_in: 0,
            max_in_flight: FULL_NEVER,
            mute_one_in: 0,
            ..remote(r)
        });
    }

    /// Copies that know nothing of what they were made of, and fail.
    fn about_strangers(&mut self, r: &mut Random) {
        self.inputs[0].has_leases = true;
        let kinds = [ProcessorKind::Copy { one_in: 2, keeps_origin: false }];
        self.pipeline = vec![plain("root.pipeline.processors.0", r, &kinds)];
        self.output.fails_one_in = 2;
        self.replays = r.once_in(2);
    }

    /// Messages of which nothing is left, among others that take their time at the output.
    fn about_filtering(&mut self, r: &mut Random) {
        self.inputs[0].has_leases = true;
        self.inputs[0].order = OrderPlan::Stream;
        self.pipeline = vec![plain("root.pipeline.processors.0", r, &[ProcessorKind::Filter { one_in: 2 }])];
        self.is_ordered = true;
        self.window = Window::default();
        self.output.remote = Some(RemotePlan { ms_max: 50, divides: true, collects: None, ..remote(r) });
    }

    /// The same in two streams, of which the first writes to the second.
    pub(super) fn chained(seed: u64) -> Plan {
        let r = &mut Random::new(mix(&[seed, 17]));
        let mut plan = Plan::of_seed(seed);
        plan.chain = Some(ChainPlan { second_works: r.once_in(2) });
        plan.is_strict = false;
        // As long as nobody reads, the first one waits: what ends the second would end it as well.
        let output = &mut plan.output;
        (output.connect_is_fatal, output.panics_in_close) = (false, false);
        (output.closed_in_call, output.panics_in_call) = (None, None);
        plan.under_output.iter_mut().chain(&mut plan.pipeline).for_each(ProcessorPlan::be_sane);
        plan
    }

    /// Some processors and inputs wait for what is outside of the stream.
    fn wait_outside(&mut self, r: &mut Random) {
        self.inputs.iter_mut().for_each(|it| it.is_fed = r.once_in(3));
        let all = self.under_input.iter_mut().chain(&mut self.pipeline).chain(&mut self.under_output);
        for processor in all {
            if let ProcessorKind::Slow { ms_max, obeys: true } = processor.kind
                && r.once_in(2)
            {
                processor.kind = ProcessorKind::Asks { ms_max };
            }
        }
    }

    /// How many threads work in the pipelines, and how many fill a buffer or attend to an output.
    pub(super) fn n_threads(&self) -> [usize; 2] {
        let n_streams = 1 + usize::from(self.chain.is_some());
        [self.threads * n_streams, n_streams + usize::from(self.buffer.is_some())]
    }

    /// Whether messages are put together to batches before any processor of the pipeline sees them.
    pub(super) fn is_batched(&self) -> bool {
        self.batching.is_some() || self.buffer.as_ref().is_some_and(|it| it.batching.is_some())
    }

    /// Some inputs are told of each message by itself, and some keep their order in groups.
    fn lease(&mut self, r: &mut Random) {
        for input in &mut self.inputs {
            input.has_leases = r.once_in(3);
            input.order = match r.below(6) {
                0 => OrderPlan::Groups(1 + r.below(4) as usize),
                1 => OrderPlan::None,
                _ => OrderPlan::Stream,
            };
        }
    }

    /// What is never answered would be waited for without end, unless everything is given up.
    fn sound(mut self) -> Plan {
        let is_cut = self.stops.iter().any(|(_, halt)| *halt == Halt::Cut);
        if let Some(remote) = &mut self.output.remote
            && !is_cut
        {
            remote.mute_one_in = 0;
        }
        self
    }

    /// One seed in two is about something that needs several things at once to go wrong.
    fn focused(mut self, r: &mut Random, seed: u64) -> Plan {
        match seed % 8 {
            1 => self.about_windows(r),
            3 => self.about_replays(r),
            5 => self.about_composites(r),
            7 => self.about_giving_back(r),
            0 if r.once_in(2) => self.about_groups(r),
            2 if r.once_in(2) => self.about_flights(r),
            4 if r.once_in(2) => self.about_pipes(r),
            6 if r.once_in(2) => self.about_collecting(r),
            _ => (),
        }
        self
    }

    fn be_calm(&mut self, r: &mut Random, n_reads: usize, size_max: u64) {
        let reading = |r: &mut Random| Reading {
            wait_ms: 0,
            gives: Gives::Singles { n: 1 + r.below(size_max) as usize, are_slices: true },
        };
        self.inputs.truncate(1);
        (self.tree, self.batching, self.idle_ms) = (Tree::One, None, None);
        self.inputs[0].reads = (0..n_reads).map(|_| reading(r)).collect();
        self.inputs[0].failing_connects = 0;
        self.under_input.clear();
        self.under_output.clear();
        self.output.connect_is_fatal = false;
        self.output.closed_in_call = None;
        self.output.panics_in_call = None;
        self.threads = 2 + r.below(3) as usize;
    }

    /// Fast and slow parts, little room to park them.
    fn about_windows(&mut self, r: &mut Random) {
        let n_reads = r.pick(&[3, 40]);
        self.be_calm(r, n_reads, 6);
        let kinds = [ProcessorKind::Slow { ms_max: 20, obeys: true }, ProcessorKind::Early];
        let slow = [ProcessorKind::Slow { ms_max: 20, obeys: true }, ProcessorKind::Guest { one_in: 10 }];
        self.pipeline = vec![plain("root.pipeline.processors.0", r, &kinds)];
        if r.once_in(2) {
            self.pipeline.push(plain("root.pipeline.processors.1", r, &slow));
        }
        self.window.parts_max = r.pick(&[1, 2, 100]);
        self.replays = false;
        self.output.ms_max = r.pick(&[0, 20]);
    }

    /// Groups of which one is slow, and leases.
    fn about_groups(&mut self, r: &mut Random) {
        self.be_calm(r, 40, 4);
        let kinds = [ProcessorKind::Slow { ms_max: 20, obeys: true }, ProcessorKind::Guest { one_in: 10 }];
        self.pipeline = vec![plain("root.pipeline.processors.0", r, &kinds)];
        self.is_ordered = true;
        self.window.parts_max = r.pick(&[1, 2, 100]);
        if r.once_in(2) {
            self.output.remote = Some(RemotePlan { divides: true, ..remote(r) });
        }
    }

    /// A disk that stays full, and little room for what waits.
    fn about_replays(&mut self, r: &mut Random) {
        self.be_calm(r, 60, 3);
        self.pipeline.clear();
        self.replays = true;
        self.window.parts_max = 1;
        self.replay_bound.messages_max = 2;
        let moment = Moment::Time(Duration::from_millis(r.below_power(4, 12)));
        if r.once_in(2) {
            self.output.poison_one_in = r.pick(&[1, 2]);
            self.stops = vec![(moment, Halt::Abandon)];
            return;
        }
        // The source goes away, and the stream is stopped before it is back.
        self.output.poison_one_in = 0;
        self.output.fails_one_in = 1;
        self.inputs[0].reads.truncate(4);
        self.inputs[0].reads.push(Reading { wait_ms: 0, gives: Gives::NotConnected });
        self.inputs[0].failing_connects = 3;
        self.stops = vec![(moment, Halt::Drain)];
    }

    /// Many slow messages within a composite, and a stop in the middle.
    fn about_composites(&mut self, r: &mut Random) {
        self.be_calm(r, 3, 60);
        let kinds = [ProcessorKind::Slow { ms_max: 3, obeys: true }, ProcessorKind::Guest { one_in: 3 }];
        let children = vec![plain("root.pipeline.processors.0.try.0", r, &kinds)];
        let kind = ProcessorKind::Composite { selects_all: true, children };
        self.pipeline = vec![plain("root.pipeline.processors.0", r, &[kind])];
        self.stops = vec![(Moment::Time(Duration::from_millis(r.below_power(2, 8))), Halt::Abandon)];
    }

    /// Ten pipes in which something comes now and then, and a connection that is lost on some of them.
    fn about_pipes(&mut self, r: &mut Random) {
        self.be_calm(r, 0, 1);
        let pipe = |r: &mut Random| InputPlan {
            reads: (0..4)
                .map(|_| Reading {
                    wait_ms: r.pick(&[0, 1, 5, 400]),
                    gives: r.pick(&[
                        Gives::Singles { n: 1, are_slices: true },
                        Gives::Singles { n: 3, are_slices: false },
                        Gives::BackOff,
                        Gives::NotConnected,
                    ]),
                })
                .collect(),
            failing_connects: r.pick(&[0, 0, 3]),
            ..self.inputs[0].clone()
        };
        self.inputs = (0..10).map(|_| pipe(r)).collect();
        self.tree = Tree::Broker;
        self.threads = r.pick(&[1, 1, 2]);
        self.pipeline.clear();
        (self.window, self.replay_bound) = (Window::default(), Bound::default());
    }

    /// Many deliveries in flight, on a connection that breaks.
    fn about_flights(&mut self, r: &mut Random) {
        self.be_calm(r, 40, 4);
        let kinds = [ProcessorKind::Slow { ms_max: 3, obeys: true }, ProcessorKind::Pass];
        self.pipeline = vec![plain("root.pipeline.processors.0", r, &kinds)];
        self.window = Window::default();
        self.output.not_connected_once_in = 0;
        self.output.remote = Some(RemotePlan { max_in_flight: 8, breaks_once_in: 8, ..remote(r) });
    }

    /// An output that collects more than may be in flight.
    fn about_collecting(&mut self, r: &mut Random) {
        self.be_calm(r, 120, 3);
        self.pipeline.clear();
        self.replays = false;
        self.window = Window { parts_max: 1, bytes_max: r.pick(&[1, 16]) };
        self.output.not_connected_once_in = 0;
        let collects = Some((1000, r.pick(&[None, Some(2000)])));
        self.output.remote = Some(RemotePlan { collects, breaks_once_in: 0, ..remote(r) });
    }

    /// An input that takes back what was not begun.
    fn about_giving_back(&mut self, r: &mut Random) {
        self.be_calm(r, 10, 20);
        let kinds = [ProcessorKind::Slow { ms_max: 20, obeys: true }];
        self.pipeline = vec![plain("root.pipeline.processors.0", r, &kinds)];
        self.replays = false;
        self.inputs[0].takes_back = true;
        self.output.poison_one_in = 0;
        self.stops = vec![(Moment::Time(Duration::from_millis(r.below_power(2, 8))), Halt::Drain)];
    }

    /// Whether the output collects what it sends, or the input what it gives, for any time.
    pub(super) fn collects_for_ever(&self) -> bool {
        let of_buffer = self.buffer.as_ref().and_then(|it| it.batching);
        [self.batching, of_buffer].iter().any(|it| matches!(it, Some((_, None))))
            || self.output.remote.as_ref().is_some_and(|it| matches!(it.collects, Some((_, None))))
    }

    /// Whether some messages know no origin, so that more is replayed than failed.
    pub(super) fn loses_origins(&self) -> bool {
        let all = self.under_input.iter().chain(&self.pipeline).chain(&self.under_output);
        all.into_iter().any(ProcessorPlan::is_lossy)
    }

    /// Whether the input ends by itself.
    pub(super) fn input_ends(&self) -> bool {
        self.idle_ms.is_some() || self.inputs.iter().all(|it| it.ends)
    }

    /// How many of the inputs are read to their end, in a row that one without an end holds up.
    pub(super) fn n_inputs_read(&self) -> usize {
        let n_ending = self.inputs.iter().take_while(|it| it.ends).count();
        if self.tree == Tree::Sequence { self.inputs.len().min(n_ending + 1) } else { self.inputs.len() }
    }

    pub(super) fn takes_back(&self) -> bool {
        self.inputs.iter().all(|it| it.takes_back)
    }

    /// Where an input is.
    pub(super) fn path_of(&self, idx: usize) -> String {
        let mut path = "root.input".to_string();
        if self.idle_ms.is_some() {
            path.push_str(".read_until.input");
        }
        if self.batching.is_some() && self.tree != Tree::Broker {
            path.push_str(".batched.child");
        }
        match self.tree {
            Tree::One => path,
            Tree::Broker => format!("{path}.broker.inputs.{idx}"),
            Tree::Sequence => format!("{path}.sequence.inputs.{idx}"),
        }
    }

    /// The config of the input.
    pub(super) fn input_text(&self) -> String {
        let sources: Vec<String> = (0..self.inputs.len()).map(|idx| format!("source: '{idx}'")).collect();
        let inputs = format!("inputs: [{{{}}}]", sources.join("}, {"));
        let policy = self.batching.map(|(count, period_ms)| match period_ms {
            Some(ms) => format!("{{count: {count}, period: {ms}ms}}"),
            None => format!("{{count: {count}}}"),
        });
        let mut text = match (self.tree, &policy) {
            (Tree::One, _) => sources[0].clone(),
            (Tree::Sequence, _) => format!("sequence: {{{inputs}}}"),
            (Tree::Broker, None) => format!("broker: {{{inputs}}}"),
            (Tree::Broker, Some(policy)) => format!("broker: {{{inputs}, batching: {policy}}}"),
        };
        if let Some(policy) = policy.filter(|_| self.tree != Tree::Broker) {
            text = format!("batched: {{child: {{{text}}}, policy: {policy}}}");
        }
        match self.idle_ms {
            Some(ms) => {
                let check = "check: 'content() == \"none\"'";
                format!("read_until: {{{check}, idle_timeout: {ms}ms, input: {{{text}}}}}")
            }
            None => text,
        }
    }

    /// Whether batches are divided on their way.
    pub(super) fn divides(&self) -> bool {
        let all = self.under_input.iter().chain(&self.pipeline).chain(&self.under_output);
        all.into_iter().any(|it| matches!(it.kind, ProcessorKind::Split { .. }))
    }

    pub(super) fn keeps_order(&self) -> bool {
        self.is_ordered || self.threads == 1
    }

    /// Whether each flush can be seen to be in time: one thread, no other reason for it, and nothing that keeps messages
    /// on their way.
    pub(super) fn shows_early_flushes(&self) -> bool {
        let is_calm = |it: &RemotePlan| {
            it.breaks_once_in == 0 && it.collects.is_some() && FULL_NEVER <= it.max_in_flight
        };
        let has_room = Window::default().bytes_max <= self.window.bytes_max;
        self.threads == 1
            && has_room
            && self.output.remote.as_ref().is_some_and(is_calm)
            && (self.output.not_connected_once_in, self.output.failing_connects) == (0, 0)
            && self.under_output.is_empty()
            && !self.is_batched()
            && self.chain.is_none()
            && self.buffer.is_none()
            && !self.is_strict
    }

    /// What is left of a message that comes to the output.
    pub(super) fn results_before_output(&self, id: usize) -> Vec<String> {
        let names = results(&self.under_input, id.to_string());
        names.into_iter().flat_map(|name| results(&self.pipeline, name)).collect()
    }

    /// What arrives of a message, in the end.
    pub(super) fn results(&self, id: usize) -> Vec<String> {
        let all = [&self.under_input, &self.pipeline, &self.under_output];
        all.into_iter().fold(vec![id.to_string()], |names, processors| {
            names.into_iter().flat_map(|name| results(processors, name)).collect()
        })
    }
}

fn plain(path: &str, r: &mut Random, kinds: &[ProcessorKind]) -> ProcessorPlan {
    ProcessorPlan {
        path: path.to_string(),
        salt: mix(&[r.next()]),
        kind: r.pick(kinds),
        panics_in_call: None,
    }
}

fn processors(
    r: &mut Random,
    path: &str,
    numbers: &[u64],
    panics: &mut dyn FnMut(&mut Random) -> Option<u64>,
) -> Vec<ProcessorPlan> {
    (0..r.pick(numbers)).map(|idx| processor(r, format!("{path}.processors.{idx}"), 0, panics)).collect()
}

fn input(r: &mut Random, ends: bool, has_panic: bool) -> InputPlan {
    let n_reads = r.pick(&[0, 1, 2, 5, 12]);
    let trickles = r.once_in(3);
    let size_max = r.pick(&[1, 4, 12, 60]);
    let reads = (0..n_reads)
        .map(|_| {
            let wait_ms = if trickles { r.below(30) } else { 0 };
            Reading { wait_ms, gives: gives(r, size_max, has_panic) }
        })
        .collect();
    InputPlan {
        reads,
        ends,
        takes_back: r.once_in(3),
        failing_connects: r.pick(&[0, 0, 0, 1, 3]),
        connect_ms: r.pick(&[0, 0, 5]),
        flushes: r.once_in(3),
        is_fed: false,
        has_leases: false,
        order: OrderPlan::Stream,
    }
}

fn gives(r: &mut Random, size_max: u64, has_panic: bool) -> Gives {
    let n = 1 + r.below(size_max) as usize;
    match r.below(40) {
        0 => Gives::Nothing,
        1 => Gives::NotConnected,
        2 => Gives::SourceFailed,
        3 => Gives::BackOff,
        4 if has_panic && r.once_in(2) => Gives::Panic,
        4 if has_panic => Gives::FatalConnect,
        5..20 => {
            let mut sizes = Vec::new();
            while sizes.iter().sum::<usize>() < n {
                sizes.push(1 + r.below(5) as usize);
            }
            Gives::Batches(sizes)
        }
        _ => Gives::Singles { n, are_slices: r.once_in(2) },
    }
}

fn processor(
    r: &mut Random,
    path: String,
    depth: u32,
    panics: &mut dyn FnMut(&mut Random) -> Option<u64>,
) -> ProcessorPlan {
    let one_in = r.pick(&[2, 3, 10]);
    let kind = match r.below(if depth < 2 { 11 } else { 9 }) {
        0 => ProcessorKind::Pass,
        1 | 2 => ProcessorKind::Slow { ms_max: r.pick(&[1, 3, 20]), obeys: !r.once_in(3) },
        3 => ProcessorKind::Early,
        4 => ProcessorKind::Filter { one_in: r.pick(&[1, 2, 3, 10]) },
        5 => ProcessorKind::Copy { one_in, keeps_origin: !r.once_in(4) },
        6 => ProcessorKind::Mark { one_in },
        7 => ProcessorKind::Guest { one_in },
        8 => ProcessorKind::Split { size: r.pick(&[1, 1, 2, 7]) },
        _ => {
            let n = 1 + r.below(3);
            let path = |idx| format!("{path}.try.{idx}");
            let children = (0..n).map(|idx| processor(r, path(idx), depth + 1, panics)).collect();
            ProcessorKind::Composite { selects_all: r.once_in(2), children }
        }
    };
    ProcessorPlan { path, salt: mix(&[r.next()]), kind, panics_in_call: panics(r) }
}

fn output(
    r: &mut Random,
    has_poison: bool,
    panics: &mut dyn FnMut(&mut Random) -> Option<u64>,
) -> OutputPlan {
    OutputPlan {
        salt: r.next(),
        failing_connects: r.pick(&[0, 0, 0, 2]),
        connect_is_fatal: r.once_in(40),
        ms_max: r.pick(&[0, 0, 2, 20]),
        fails_one_in: r.pick(&[0, 0, 2, 7]),
        poison_one_in: if has_poison { r.pick(&[1, 5]) } else { 0 },
        names_failures: !r.once_in(3),
        rejects: r.once_in(4),
        not_connected_once_in: r.pick(&[0, 0, 0, 2, 5]),
        closed_in_call: r.once_in(16).then(|| 1 + r.below(6)),
        panics_in_call: panics(r),
        panics_in_close: panics(r).is_some(),
        remote: r.once_in(2).then(|| remote(r)),
    }
}

fn remote(r: &mut Random) -> RemotePlan {
    let period = |r: &mut Random| r.once_in(2).then(|| r.pick(&[1, 20, 2000]));
    RemotePlan {
        max_in_flight: r.pick(&[1, 2, 8, 64]),
        ms_max: r.pick(&[0, 5, 50]),
        divides: r.once_in(2),
        collects: r.once_in(3).then(|| (r.pick(&[1, 7, 1000]), period(r))),
        breaks_once_in: r.pick(&[0, 0, 3, 8]),
        mute_one_in: r.pick(&[0, 0, 4]),
    }
}

fn stops(r: &mut Random, ends: bool, halts: bool, needs_abandon: bool) -> Vec<(Moment, Halt)> {
    if !halts {
        return Vec::new();
    }
    let moment = match r.below(3) {
        0 => Moment::Step(r.below_power(4, 13)),
        1 => Moment::Time(Duration::from_millis(r.below_power(0, 12))),
        _ if ends || needs_abandon => Moment::Step(r.below(400)),
        _ => Moment::Quiet,
    };
    let soon = Moment::Time(Duration::from_millis(r.below_power(0, 12)));
    let later = if r.once_in(2) { Moment::Step(r.below(1 << 12)) } else { soon };
    let last = Moment::Time(Duration::from_millis(r.below_power(0, 8)));
    match r.below(8) {
        0 => vec![(moment, Halt::Cut)],
        1 => vec![(moment, Halt::Abandon), (last, Halt::Cut)],
        2 | 3 => vec![(moment, Halt::Abandon)],
        4 | 5 if !needs_abandon => vec![(moment, Halt::Drain)],
        6 => vec![(moment, Halt::Drain), (later, Halt::Abandon), (last, Halt::Cut)],
        _ => vec![(moment, Halt::Drain), (later, Halt::Abandon)],
    }
}
