//! Processors: synchronous steps over a part.

use crate::{Part, Step};

/// One step of a pipeline.
///
/// Shared by all threads of the pipeline, as in Bento; what belongs to a thread is found by [`Step::lane`].
pub trait Processor: Send + Sync {
    /// Works on leading batches of `part`, in place, and returns how many are finished.
    ///
    /// It may return after any whole batch, and does so when [`Step::is_due`]: what is finished goes on, and
    /// the rest is given again, to this thread or to an idle one. At least one batch is finished unless
    /// [`Step::is_interrupted`]. A message it fails on is marked with [`Step::mark`] and goes on.
    /// The number of batches never changes.
    fn process(&self, part: &mut Part, step: &mut Step<'_>) -> usize;
}

impl<P: Processor + ?Sized> Processor for std::sync::Arc<P> {
    fn process(&self, part: &mut Part, step: &mut Step<'_>) -> usize {
        (**self).process(part, step)
    }
}

/// Runs all of `part` through all of `children`.
///
/// `false`: interrupted. All batches are still there, and it is not defined how far each has come.
pub fn run_children(children: &[Box<dyn Processor>], part: &mut Part, step: &mut Step<'_>) -> bool {
    children.iter().all(|child| run_child(child.as_ref(), part, step))
}

fn run_child(child: &dyn Processor, part: &mut Part, step: &mut Step<'_>) -> bool {
    let mut done = child.process(part, step);
    if done == part.n_batches() {
        return true;
    }
    let mut finished = Part::singles(Vec::new());
    loop {
        let is_interrupted = done == 0 && 0 < part.n_batches();
        assert!(!is_interrupted || step.is_interrupted(), "a processor finishes a batch unless interrupted");
        let rest = part.split_off(if is_interrupted { part.n_batches() } else { done });
        finished.append(std::mem::replace(part, rest));
        if part.n_batches() == 0 {
            *part = finished;
            return !is_interrupted;
        }
        // The child starts with a millisecond of its own; the parent's goes on afterwards.
        let begun = step.begin();
        done = child.process(part, step);
        step.go_on(begun);
    }
}

/// How many batches a composite works on before it looks at the time.
///
/// Small, so that slow messages are shared among threads; large enough that moving them costs nothing.
const CHUNK_BATCHES: usize = 16;

/// Works through `part` in runs of batches and returns how many batches are finished, early when it is due.
///
/// `work` returns `false` when it was interrupted. For composites: their children run to completion within a
/// run, so that no message is ever half way through them when the rest is handed to another thread.
pub fn in_chunks(
    part: &mut Part,
    step: &mut Step<'_>,
    mut work: impl FnMut(&mut Part, &mut Step<'_>) -> bool,
) -> usize {
    if part.n_batches() <= CHUNK_BATCHES {
        return if work(part, step) { part.n_batches() } else { 0 };
    }
    let mut finished = Part::singles(Vec::new());
    let mut rest = std::mem::replace(part, Part::singles(Vec::new()));
    while 0 < rest.n_batches() {
        let tail = rest.split_off(CHUNK_BATCHES.min(rest.n_batches()));
        let mut chunk = std::mem::replace(&mut rest, tail);
        if !work(&mut chunk, step) {
            chunk.append(rest);
            rest = chunk;
            break;
        }
        finished.append(chunk);
        if step.is_due() {
            break;
        }
    }
    let n_finished = finished.n_batches();
    finished.append(rest);
    *part = finished;
    n_finished
}

/// Runs `work` on the messages that `select` picks, each as a batch of its own, and puts what came of them
/// back in their places and batches. `false`: interrupted.
pub fn as_singles(
    part: &mut Part,
    step: &mut Step<'_>,
    select: impl Fn(&wappa_message::Message) -> bool,
    work: impl FnOnce(&mut Part, &mut Step<'_>) -> bool,
) -> bool {
    let chosen: Vec<bool> = part.messages().iter().map(select).collect();
    if !chosen.contains(&true) {
        return true;
    }
    let taken = part.messages_mut().iter_mut().zip(&chosen).filter(|(_, chosen)| **chosen);
    let mut view = Part::singles(taken.map(|(message, _)| std::mem::take(message)).collect());
    let goes_on = work(&mut view, step);
    let n_results: Vec<usize> = (0..view.n_batches()).map(|idx| view.batch(idx).len()).collect();
    let mut results = view.into_messages().into_iter();
    let mut n_results = n_results.into_iter();
    let mut chosen = chosen.into_iter();
    part.replace_each(|message, out| match chosen.next().expect("one flag for each message") {
        true => out.extend(results.by_ref().take(n_results.next().expect("one batch for each message"))),
        false => out.push(message),
    });
    goes_on
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        time::Duration,
    };

    use wappa_message::Message;

    use super::*;
    use crate::Pulse;

    /// Finishes one batch a call, and is interrupted in the third.
    #[derive(Default)]
    struct Interrupted(AtomicUsize);

    impl Processor for Interrupted {
        fn process(&self, _: &mut Part, _: &mut Step<'_>) -> usize {
            usize::from(self.0.fetch_add(1, Ordering::Relaxed) < 2)
        }
    }

    struct Stopped;

    impl Pulse for Stopped {
        fn now(&self) -> Duration {
            Duration::ZERO
        }
        fn ticks(&self) -> u64 {
            0
        }
        fn is_interrupted(&self) -> bool {
            true
        }
        fn sleep(&self, _: Duration) -> bool {
            false
        }
    }

    #[test]
    fn an_interruption_loses_no_batch() {
        let children: [Box<dyn Processor>; 1] = [Box::new(Interrupted::default())];
        let messages = || "abcde".chars().map(|it| Message::new(it.to_string())).collect();
        let mut step = Step::new(0, &Stopped);
        let mut part = Part::singles(messages());
        assert!(!run_children(&children, &mut part, &mut step));
        assert_eq!(part.n_batches(), 5);

        let children: [Box<dyn Processor>; 1] = [Box::new(Interrupted::default())];
        let mut part = Part::one_batch(messages());
        let work = |view: &mut Part, step: &mut Step<'_>| run_children(&children, view, step);
        assert!(!as_singles(&mut part, &mut step, |_| true, work));
        assert_eq!((part.n_batches(), part.n_messages()), (1, 5));
    }
}
