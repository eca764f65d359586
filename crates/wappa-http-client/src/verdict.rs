//! What a code says of a request, and when it is made again.

use std::time::Duration;

use crate::fields::HttpConfig;

/// What becomes of a request with a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Success,
    /// It failed, and is made again.
    Again,
    /// It failed, and is made again after waits that become longer.
    BackOff,
    /// It failed, and is not made again.
    Drop,
}

/// Judges codes.
#[derive(Debug)]
pub(crate) struct Verdicts {
    backoff_on: Vec<u16>,
    drop_on: Vec<u16>,
    successful_on: Vec<u16>,
}

impl Verdicts {
    pub(crate) fn new(config: &HttpConfig) -> Verdicts {
        Verdicts {
            backoff_on: config.backoff_on.clone(),
            drop_on: config.drop_on.clone(),
            successful_on: config.successful_on.clone(),
        }
    }

    /// In Bento's order: a code that is in several lists is judged by the first of `drop_on`, `backoff_on`, `successful_on`.
    pub(crate) fn of(&self, code: u16) -> Verdict {
        match code {
            _ if self.drop_on.contains(&code) => Verdict::Drop,
            _ if self.backoff_on.contains(&code) => Verdict::BackOff,
            _ if self.successful_on.contains(&code) => Verdict::Success,
            200..=299 => Verdict::Success,
            _ => Verdict::Again,
        }
    }
}

/// How often a request is made again, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Retries {
    n_max: u64,
    period: Duration,
    longest: Duration,
}

/// The attempts at one request.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Attempts {
    n_failed: u64,
    n_backed_off: u32,
}

impl Retries {
    pub(crate) fn new(config: &HttpConfig) -> Retries {
        Retries {
            n_max: u64::try_from(config.retries).unwrap_or(0),
            period: config.retry_period,
            longest: config.max_retry_backoff,
        }
    }
}

impl Attempts {
    /// How long to wait before the request is made again, as long at least as the server asks for. `None`: it was made often
    /// enough.
    ///
    /// The first wait is the period; each one behind a code to back off on is twice the one before, as in Bento.
    pub(crate) fn fail(
        &mut self,
        retries: &Retries,
        backs_off: bool,
        asked: Option<Duration>,
    ) -> Option<Duration> {
        if retries.n_max <= self.n_failed {
            return None;
        }
        if backs_off && 0 < self.n_failed {
            self.n_backed_off += 1;
        }
        self.n_failed += 1;
        let factor = 2u32.checked_pow(self.n_backed_off).unwrap_or(u32::MAX);
        let wait = retries.period.saturating_mul(factor).max(asked.unwrap_or_default());
        Some(if self.n_backed_off == 0 && asked.is_none() {
            wait
        } else {
            wait.min(retries.longest.max(retries.period))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_list_counts() {
        let verdicts =
            Verdicts { backoff_on: vec![429, 503], drop_on: vec![400, 503], successful_on: vec![409, 429] };
        let of = |codes: &[u16]| codes.iter().map(|it| verdicts.of(*it)).collect::<Vec<_>>();
        assert_eq!(of(&[200, 299, 409]), [Verdict::Success; 3]);
        assert_eq!(of(&[400, 503]), [Verdict::Drop; 2]);
        assert_eq!(of(&[429]), [Verdict::BackOff]);
        assert_eq!(of(&[300, 500, 199]), [Verdict::Again; 3]);
    }

    #[test]
    fn waits_double_behind_codes_to_back_off_on() {
        let retries = Retries { n_max: 4, period: Duration::from_secs(1), longest: Duration::from_secs(5) };
        let waits = |failures: &[(bool, Option<u64>)]| {
            let mut attempts = Attempts::default();
            let wait = |it: &(bool, Option<u64>)| {
                attempts.fail(&retries, it.0, it.1.map(Duration::from_secs)).map_or(0, |it| it.as_secs())
            };
            failures.iter().map(wait).collect::<Vec<_>>()
        };
        assert_eq!(waits(&[(true, None); 5]), [1, 2, 4, 5, 0]);
        assert_eq!(waits(&[(false, None); 5]), [1, 1, 1, 1, 0]);
        assert_eq!(waits(&[(true, Some(3)), (false, None), (true, Some(60))]), [3, 1, 5]);
    }
}
