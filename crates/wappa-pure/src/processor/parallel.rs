//! The processor `parallel`.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    thread,
};

use wappa_component::{
    BuildError, BuildProcessor, Component, Context, Growth, HelperLane, Helpers, Part, Processor, Step, as_singles, run_children,
};
use wappa_message::Message;
use wappa_spec::{ComponentNode, Config};

pub(super) const COMPONENT: Component =
    Component::processor::<ParallelConfig>("parallel").categories(&["Composition"]);

/// Runs processors on each message of a batch as if it were a batch of its own, on several at once.
///
/// Behind them the batches are what they were: what came of a message takes its place. The messages of a batch are shared
/// among threads, each of which takes the next when it is finished with one. A batch of one message has nothing to share.
///
/// # Examples
///
/// ### Twenty messages are worked on at once
///
/// ```yaml
/// input:
///   batched:
///     child:
///       stdin: {}
///     policy:
///       count: 20
/// pipeline:
///   processors:
///     - parallel:
///         processors:
///           - sleep:
///               duration: 10ms
/// output:
///   stdout: {}
/// ```
///
/// # Performance
///
/// For what takes long, above all for what waits. Starting threads for a batch costs some ten microseconds each, so what is
/// cheap is faster in the threads of the pipeline alone. In a process 64 threads may help at once; where all of them are at
/// work, messages wait for the thread that has their batch.
///
/// # Pitfalls
///
/// A `wasm` processor has an instance for each thread, unless `max_instances` or `pipeline.threads: 1` bound them: then its
/// messages wait for each other.
/// Which message of a batch is worked on first is not defined.
#[derive(Config, Debug)]
struct ParallelConfig {
    /// How many messages of a batch are worked on at once; 0: all of them.
    #[config(default = "0", advanced)]
    cap: i64,

    /// What is run.
    #[config(child = "processor")]
    processors: Vec<ComponentNode>,
}

impl BuildProcessor for ParallelConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Processor>, BuildError> {
        let children = ctx.processors("parallel.processors", &self.processors)?;
        // Below one there is no bound, as in Bento.
        let cap = usize::try_from(self.cap).ok().filter(|cap| 0 < *cap).unwrap_or(usize::MAX);
        Ok(Box::new(Parallel { cap, children, helpers: ctx.helpers() }))
    }
}

struct Parallel {
    cap: usize,
    children: Vec<Box<dyn Processor>>,
    helpers: Helpers,
}

/// What is shared among the threads that work on a batch.
struct Shared {
    waiting: VecDeque<(usize, Message)>,
    /// By message: what came of it, and whether it is finished.
    results: Vec<Option<(Part, bool)>>,
    /// What all of them together have grown by.
    growth: Growth,
}

impl Parallel {
    /// Runs the children on each of the messages, and returns how many are finished.
    fn spread(&self, part: &mut Part, step: &mut Step<'_>) -> usize {
        let messages = std::mem::replace(part, Part::singles(Vec::new())).into_messages();
        let n_messages = messages.len();
        let shared = Mutex::new(Shared {
            waiting: messages.into_iter().enumerate().collect(),
            results: (0..n_messages).map(|_| None).collect(),
            growth: step.growth(),
        });
        let lanes = self.helpers.take(self.cap.min(n_messages) - 1);
        thread::scope(|scope| {
            let start = |lane: &HelperLane| {
                let mut fork = step.fork(lane.lane());
                let work = {
                    let shared = &shared;
                    move || {
                        self.work(shared, &mut fork);
                        fork
                    }
                };
                // Where the system gives no thread, those there are do all of it.
                lane.start(scope, work)
            };
            let helpers: Vec<_> = lanes.iter().filter_map(start).collect();
            self.work(&shared, step);
            for helper in helpers {
                match helper.join() {
                    Ok(fork) => step.join(fork),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
        });
        let shared = shared.into_inner().unwrap_or_else(PoisonError::into_inner);
        step.begin_part(shared.growth);
        let mut n_finished = 0;
        for (idx, result) in shared.results.into_iter().enumerate() {
            let (one, is_finished) = result.expect("the threads go on until nothing waits");
            n_finished += usize::from(is_finished && n_finished == idx);
            part.append(one);
        }
        n_finished
    }

    /// Takes the next message until there is none.
    fn work(&self, shared: &Mutex<Shared>, step: &mut Step<'_>) {
        loop {
            let (idx, message) = {
                let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
                let Some(next) = shared.waiting.pop_front() else { return };
                step.begin_part(shared.growth);
                next
            };
            let before = step.growth();
            let mut one = Part::one_batch(vec![message]);
            let is_finished = run_children(&self.children, &mut one, step) == 1;
            let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
            shared.growth.add(step.growth().bytes() - before.bytes());
            shared.results[idx] = Some((one, is_finished));
        }
    }
}

impl Processor for Parallel {
    fn process(&self, part: &mut Part, step: &mut Step<'_>) -> usize {
        let mut rest = std::mem::replace(part, Part::singles(Vec::new()));
        let mut n_finished = 0;
        while 0 < rest.n_places() {
            let n_alone = (0..rest.n_batches()).take_while(|idx| rest.batch(*idx).len() <= 1).count();
            let tail = rest.split_off(n_alone.max(1));
            let mut some = std::mem::replace(&mut rest, tail);
            let n_places = some.n_places();
            let done = match n_alone {
                0 => as_singles(&mut some, step, |_| true, |view, step| self.spread(view, step)),
                _ => run_children(&self.children, &mut some, step),
            };
            part.append(some);
            n_finished += done;
            if done < n_places || step.is_due() {
                break;
            }
        }
        part.append(rest);
        n_finished
    }
}

#[cfg(test)]
mod tests {
    use crate::test::{check_interrupted, check_process};

    #[test]
    fn runs_on_every_message_and_keeps_batches_and_their_order() {
        for cap in [0, 1, 2, -1] {
            check_process(
                &format!(
                    "parallel: {{cap: {cap}, processors: [{{double: {{}}}}, {{fail_on: b}}, {{append: '1'}}, {{filter_on: c}}]}}"
                ),
                &["a|b!|a|b|c", "c", "d", "a", "d|c|a"],
                "a1|a1|b1[failed on b]|b1[failed on b]|a1|a1|b1[failed on b]|b1[failed on b]\n-\nd1|d1\na1|a1\nd1|d1|a1|a1\n",
            );
        }
        check_process("parallel: {processors: []}", &["a|b!"], "a|b[b is bad]\n");
    }

    #[test]
    fn messages_of_a_batch_are_worked_on_at_once() {
        // Each waits until so many are there.
        check_process("parallel: {processors: [{meet: '5'}]}", &["a|b|c|d|e", "f"], "a|b|c|d|e\nf\n");
        check_process("parallel: {cap: 2, processors: [{meet: '2'}]}", &["a|b|c|d"], "a|b|c|d\n");
        // Where threads that help need help, those that wait for it do the work.
        let within = "parallel: {processors: [parallel: {processors: [{append: '1'}]}]}";
        check_process(within, &["a|b|c"], "a1|b1|c1\n");
    }

    #[test]
    fn a_batch_of_which_a_message_is_not_finished_is_not_finished() {
        check_interrupted("parallel: {processors: [{interrupt: b}, {append: '1'}]}", &["a|a", "a|b", "a"], "a1|a1\n");
        check_interrupted("parallel: {processors: [{interrupt: ''}]}", &["a|b"], "");
    }
}
