//! How nice the threads of a stream are, where several streams share a machine.
//!
//! The system divides processors among threads, by weight. Threads of a stream among several weigh so much less as there are
//! more of them, so that all threads of one stream weigh together about what one of another does: however many threads one
//! has, and whatever they do, each stream that has something to do has the same share, and what one does not want is for all
//! others.

use rustix::process::{getpriority_process, setpriority_process};
use rustix::thread::gettid;

/// A thread weighs so much less than one that is nicer by one less.
const WEIGHT_OF_ONE_STEP: f64 = 1.25;

/// Nobody is nicer.
const NICEST: i32 = 19;

/// How much nicer each of so many threads is than one alone would be.
pub(crate) fn of_each(n_threads: usize) -> i32 {
    let steps = (n_threads.max(1) as f64).ln() / WEIGHT_OF_ONE_STEP.ln();
    (steps.round() as i32).min(NICEST)
}

/// The calling thread is nicer by so much from here on.
pub(crate) fn add(steps: i32) {
    if steps == 0 {
        return;
    }
    // On Linux both are of a thread. Everybody may be nicer; where the system refuses it, all threads weigh the same.
    if let Ok(now) = getpriority_process(None) {
        let _ = setpriority_process(Some(gettid()), (now + steps).min(NICEST));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_threads_weigh_together_what_one_does() {
        assert_eq!([0, 1, 2, 4, 8, 64, 4096].map(of_each), [0, 0, 3, 6, 9, 19, 19]);
        for n_threads in [1, 2, 3, 5, 10, 40] {
            let together = n_threads as f64 / WEIGHT_OF_ONE_STEP.powi(of_each(n_threads));
            assert!((0.85..1.2).contains(&together), "{n_threads} threads weigh {together}");
        }
    }

    #[test]
    fn a_thread_is_nicer_and_no_other_one_is() {
        let now = || getpriority_process(None).expect("it is this thread's");
        let before = now();
        let after = std::thread::spawn(move || {
            add(3);
            now()
        });
        assert_eq!(after.join().expect("it does not panic"), (before + 3).min(NICEST));
        assert_eq!(now(), before);
    }
}
