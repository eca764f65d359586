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
    /// [`Step::is_interrupted`]: then what is finished still goes on, and the rest is answered as failed. A message it
    /// fails on is marked with [`Step::mark`] and goes on.
    /// The number of batches never changes, unless [`Part::divide`] divides them: then what is finished counts in
    /// [places](Part), which is what batches were before. A processor is given parts in which each batch is a place.
    fn process(&self, part: &mut Part, step: &mut Step<'_>) -> usize;

    /// Whether the spans of what it has messages go through are below its own, and not beside it.
    fn is_parent(&self) -> bool {
        false
    }
}

impl<P: Processor + ?Sized> Processor for std::sync::Arc<P> {
    fn process(&self, part: &mut Part, step: &mut Step<'_>) -> usize {
        (**self).process(part, step)
    }

    fn is_parent(&self) -> bool {
        (**self).is_parent()
    }
}

/// Runs `part` through all of `children`, and returns how many leading batches are finished.
///
/// Fewer than all: interrupted. All batches are still there; it is not defined how far the rest has come.
pub fn run_children(children: &[Box<dyn Processor>], part: &mut Part, step: &mut Step<'_>) -> usize {
    let works = children
        .iter()
        .map(|child| move |part: &mut Part, step: &mut Step<'_>| run_child(child.as_ref(), part, step));
    in_sequence(part, step, works)
}

/// Runs `part` through `works`, one after the other, and returns how many leading batches are finished.
///
/// Each returns how many leading batches it has finished, fewer than all only when it was interrupted; those that
/// follow get no more than these.
pub fn in_sequence<W: FnMut(&mut Part, &mut Step<'_>) -> usize>(
    part: &mut Part,
    step: &mut Step<'_>,
    works: impl IntoIterator<Item = W>,
) -> usize {
    let mut unfinished: Option<Part> = None;
    for mut work in works {
        let done = work(part, step);
        if done < part.n_places() {
            let mut rest = part.split_off(done);
            if let Some(behind) = unfinished {
                rest.append(behind);
            }
            unfinished = Some(rest);
        }
        if done == 0 {
            break;
        }
    }
    let n_finished = part.n_places();
    if let Some(rest) = unfinished {
        part.append(rest);
    }
    n_finished
}

/// Runs `part` through `processor`, and returns how many leading places are finished: as [`Processor::process`], also where
/// places hold several batches. Of these none is left half way, so all are worked on in one go.
pub fn run_one(processor: &dyn Processor, part: &mut Part, step: &mut Step<'_>) -> usize {
    let Some(places) = part.take_places() else {
        let done = processor.process(part, step);
        // A mapping that was interrupted failed, and who evaluated it takes that for a failure of its message.
        return if step.is_interrupted() && wappa_spec::take_interrupted() { 0 } else { done };
    };
    let done = run_child(processor, part, step);
    part.put_within(&places);
    places.partition_point(|end| *end as usize <= done)
}

fn run_child(child: &dyn Processor, part: &mut Part, step: &mut Step<'_>) -> usize {
    let mut done = run_one(child, part, step);
    if done == part.n_places() {
        return done;
    }
    let mut finished = Part::singles(Vec::new());
    loop {
        let is_interrupted = done == 0 && 0 < part.n_places();
        assert!(!is_interrupted || step.is_interrupted(), "a processor finishes a batch unless interrupted");
        let rest = part.split_off(done);
        finished.append(std::mem::replace(part, rest));
        if is_interrupted || part.n_places() == 0 {
            let n_finished = finished.n_places();
            let rest = std::mem::replace(part, finished);
            part.append(rest);
            return n_finished;
        }
        // The child starts with a millisecond of its own; the parent's goes on afterwards.
        let begun = step.begin();
        done = run_one(child, part, step);
        step.go_on(begun);
    }
}

/// How many batches a composite works on before it looks at the time.
///
/// Small, so that slow messages are shared among threads; large enough that moving them costs nothing.
const CHUNK_BATCHES: usize = 16;

/// Works through `part` in runs of batches and returns how many batches are finished, early when it is due.
///
/// `work` returns how many batches of its run it has finished, fewer than all only when it was interrupted. For
/// composites: their children run to completion within a run, so that no message is ever half way through them when
/// the rest is handed to another thread.
pub fn in_chunks(
    part: &mut Part,
    step: &mut Step<'_>,
    mut work: impl FnMut(&mut Part, &mut Step<'_>) -> usize,
) -> usize {
    if part.n_places() <= CHUNK_BATCHES {
        return work(part, step);
    }
    let mut finished = Part::singles(Vec::new());
    let mut rest = std::mem::replace(part, Part::singles(Vec::new()));
    let mut n_finished = 0;
    while 0 < rest.n_places() {
        let tail = rest.split_off(CHUNK_BATCHES.min(rest.n_places()));
        let mut chunk = std::mem::replace(&mut rest, tail);
        let done = work(&mut chunk, step);
        let is_interrupted = done < chunk.n_places();
        n_finished += done;
        finished.append(chunk);
        if is_interrupted || step.is_due() {
            break;
        }
    }
    finished.append(rest);
    *part = finished;
    n_finished
}

/// Runs `work` on the messages that `select` picks, each as a batch of its own, and puts what came of them
/// back in their places and batches.
///
/// `work` returns how many of them it has finished, fewer than all only when it was interrupted. The result is how many
/// leading batches are finished.
pub fn as_singles(
    part: &mut Part,
    step: &mut Step<'_>,
    select: impl Fn(&wappa_message::Message) -> bool,
    work: impl FnOnce(&mut Part, &mut Step<'_>) -> usize,
) -> usize {
    let chosen: Vec<bool> = part.messages().iter().map(select).collect();
    if !chosen.contains(&true) {
        return part.n_batches();
    }
    let taken = part.messages_mut().iter_mut().zip(&chosen).filter(|(_, chosen)| **chosen);
    let mut view = Part::singles(taken.map(|(message, _)| std::mem::take(message)).collect());
    let done = work(&mut view, step);
    // Everything in front of the first message that was chosen and is not finished.
    let mut places = chosen.iter().enumerate().filter(|(_, chosen)| **chosen).map(|(idx, _)| idx);
    let n_finished = places.nth(done).map_or(part.n_batches(), |idx| part.batches_within(idx));
    view.join_places();
    let n_results: Vec<usize> = (0..view.n_batches()).map(|idx| view.batch(idx).len()).collect();
    let mut results = view.into_messages().into_iter();
    let mut n_results = n_results.into_iter();
    let mut chosen = chosen.into_iter();
    part.replace_each(|message, out| match chosen.next().expect("one flag for each message") {
        true => out.extend(results.by_ref().take(n_results.next().expect("one batch for each message"))),
        false => out.push(message),
    });
    n_finished
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

    /// The batches of a part, and how many of them are finished.
    fn text(part: &Part, n_finished: usize) -> String {
        let content = |it: &Message| String::from_utf8_lossy(it.content()).into_owned();
        let batch = |idx| part.messages()[part.batch(idx)].iter().map(content).collect::<String>();
        let batches: Vec<String> = (0..part.n_batches()).map(batch).collect();
        let (finished, rest) = batches.split_at(n_finished);
        format!("{} / {}", finished.join(" "), rest.join(" "))
    }

    /// A part of these batches, each a word.
    fn part(words: &str) -> Part {
        let mut part = Part::singles(Vec::new());
        for word in words.split(' ') {
            part.append(Part::one_batch(word.chars().map(|it| Message::new(it.to_string())).collect()));
        }
        part
    }

    #[test]
    fn an_interruption_loses_no_batch_and_gives_what_is_finished() {
        let children = || -> [Box<dyn Processor>; 1] { [Box::new(Interrupted::default())] };
        let mut step = Step::new(0, &Stopped);

        let mut one = part("a b c d e");
        let done = run_children(&children(), &mut one, &mut step);
        assert_eq!(text(&one, done), "a b / c d e");

        // A second one is interrupted as well, and sees only what the first one has finished.
        let two: [Box<dyn Processor>; 2] =
            [Box::new(Interrupted::default()), Box::new(Interrupted(AtomicUsize::new(1)))];
        let mut one = part("a b c d e");
        let done = run_children(&two, &mut one, &mut step);
        assert_eq!(text(&one, done), "a / b c d e");

        let mut one = part("a b c d e f g h i j k l m n o p q r");
        let done = in_chunks(&mut one, &mut step, |part, step| run_children(&children(), part, step));
        assert_eq!(text(&one, done), "a b / c d e f g h i j k l m n o p q r");
    }

    #[test]
    fn a_batch_of_which_a_message_is_not_finished_is_not_finished() {
        let mut step = Step::new(0, &Stopped);
        for (words, skipped, expected) in [
            ("abc", "", " / abc"),
            ("ab cd", "", "ab / cd"),
            ("a bcd e", "", "a / bcd e"),
            ("xx a xb xx cx", "x", "xx a xb xx / cx"),
            ("x x", "x", "x x / "),
        ] {
            let children: [Box<dyn Processor>; 1] = [Box::new(Interrupted::default())];
            let mut one = part(words);
            let is_chosen = |it: &Message| !skipped.as_bytes().contains(&it.content()[0]);
            let work = |view: &mut Part, step: &mut Step<'_>| run_children(&children, view, step);
            let done = as_singles(&mut one, &mut step, is_chosen, work);
            assert_eq!(text(&one, done), expected, "{words}");
        }
    }
}
