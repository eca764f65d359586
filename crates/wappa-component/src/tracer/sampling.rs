//! Which traces are recorded.

use wappa_message::Span;

use super::ids::Ids;

/// Which messages are traced.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sampling {
    /// All, but those of traces that others have begun and do not record.
    AsParent,
    /// Of so many traces, from 0 to 1, whoever has begun them. The name of a trace says whether it is one of them, as in other
    /// programs that sample by a ratio, so that they agree.
    Ratio(f64),
}

/// Decides.
#[derive(Debug)]
pub(super) struct Sampler {
    /// Traces are recorded whose number, the last 63 bits of the name but one, is below this; `None`: as the parent's.
    bound: Option<u64>,
    /// The logarithm of the probability that one is left out.
    left_out_ln: f64,
}

const NUMBERS: u64 = 1 << 63;

impl Sampler {
    pub(super) fn new(sampling: Sampling) -> Sampler {
        match sampling {
            Sampling::AsParent => Sampler { bound: None, left_out_ln: f64::NEG_INFINITY },
            Sampling::Ratio(ratio) => {
                let ratio = if ratio.is_nan() { 0.0 } else { ratio.clamp(0.0, 1.0) };
                let bound = Some((ratio * NUMBERS as f64) as u64);
                Sampler { bound, left_out_ln: (-ratio).ln_1p() }
            }
        }
    }

    /// Whether a trace that somebody else has begun is recorded.
    pub(super) fn records(&self, parent: &Span) -> bool {
        match self.bound {
            Some(bound) => ((parent.trace_id as u64) >> 1) < bound,
            None => parent.is_sampled,
        }
    }

    /// How many messages are left out before the next one that is traced.
    pub(super) fn n_left_out(&self, ids: &Ids) -> u64 {
        match self.bound {
            None | Some(NUMBERS) => 0,
            Some(0) => u64::MAX,
            // How long one waits for what has this probability.
            Some(_) => (ids.fraction().ln() / self.left_out_ln) as u64,
        }
    }

    /// The name of a trace that is recorded, or of one that is not.
    pub(super) fn trace_id(&self, ids: &Ids, is_recorded: bool) -> u128 {
        let [high, low] = ids.pair();
        let (from, to) = match (self.bound, is_recorded) {
            (None, _) => (0, NUMBERS),
            (Some(bound), true) => (0, bound),
            (Some(bound), false) => (bound, NUMBERS),
        };
        // Of all numbers as many each.
        let number = from + ((u128::from(low) * u128::from(to.saturating_sub(from))) >> 64) as u64;
        let low = (number << 1) | (low & 1);
        (u128::from(high.max(1)) << 64) | u128::from(low)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(trace_id: u128, is_sampled: bool) -> Span {
        Span { trace_id, span_id: 1, is_sampled, state: None }
    }

    #[test]
    fn the_name_of_a_trace_says_whether_it_is_recorded() {
        let ids = Ids::random();
        for ratio in [0.0, 1e-6, 0.01, 0.5, 0.999_999, 1.0] {
            let sampler = Sampler::new(Sampling::Ratio(ratio));
            for is_recorded in [true, false] {
                if ratio == if is_recorded { 0.0 } else { 1.0 } {
                    continue;
                }
                for _ in 0..1_000 {
                    let id = sampler.trace_id(&ids, is_recorded);
                    // Whatever its parent says.
                    assert_eq!(sampler.records(&span(id, !is_recorded)), is_recorded, "{ratio} {id:032x}");
                    assert_ne!(id >> 64, 0);
                }
            }
        }
        let sampler = Sampler::new(Sampling::AsParent);
        assert_eq!([true, false].map(|it| sampler.records(&span(1, it))), [true, false]);
    }

    #[test]
    fn as_many_are_traced_as_are_asked_for() {
        let ids = Ids::random();
        let n_of = |ratio, n: u64| {
            let sampler = Sampler::new(Sampling::Ratio(ratio));
            let (mut at, mut n_traced) = (0u64, 0u64);
            loop {
                at = at.saturating_add(sampler.n_left_out(&ids)).saturating_add(1);
                if n < at {
                    return n_traced;
                }
                n_traced += 1;
            }
        };
        assert_eq!([0.0, -1.0, f64::NAN].map(|it| n_of(it, 1_000_000)), [0; 3]);
        assert_eq!([1.0, 2.0, f64::INFINITY].map(|it| n_of(it, 1_000)), [1_000; 3]);
        for ratio in [0.01, 0.3, 0.9] {
            let n = 1_000_000;
            let (found, expected) = (n_of(ratio, n) as f64, ratio * n as f64);
            // Six times the deviation of a binomial distribution.
            let bound = 6.0 * (expected * (1.0 - ratio)).sqrt();
            assert!((found - expected).abs() < bound, "{ratio}: {found}, not {expected}");
        }
    }
}
