//! Waits between attempts that grow, with Bento's fields.

use std::time::Duration;

use wappa_spec::{Config, Node, Reader};

use crate::{Context, EachOnce, duration};

/// How the wait between two attempts grows.
#[derive(Config, Debug)]
#[config(lint = lint)]
pub struct BackOffConfig {
    /// The first wait.
    #[config(default = "500ms", example = "50ms", example = "1s")]
    initial_interval: String,

    /// The longest wait.
    #[config(default = "3s", example = "5s", example = "1m")]
    max_interval: String,

    /// How long after the first failure attempts go on; zero for without end.
    #[config(default = "0s", example = "1m", example = "1h")]
    max_elapsed_time: String,
}

fn lint(config: &BackOffConfig, node: &Node, reader: &mut Reader<'_>) {
    let fields = [
        ("initial_interval", &config.initial_interval),
        ("max_interval", &config.max_interval),
        ("max_elapsed_time", &config.max_elapsed_time),
    ];
    for (name, text) in fields {
        if let Err(err) = duration::parse(text) {
            let text = format!("failed to parse duration string: {err}");
            duration::lint(text, node.get(name).unwrap_or(node), reader);
        }
    }
}

/// Each wait is so much longer than the one before.
const GROWTH: f64 = 1.5;

/// How long to wait, and how often to try.
#[derive(Clone, Copy, Debug)]
pub struct BackOff {
    initial: Duration,
    longest: Duration,
    elapsed_max: Option<Duration>,
    retries_max: Option<u64>,
}

/// The attempts for one thing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Attempts {
    first_failed: Option<Duration>,
    n_failed: u64,
    wait: Duration,
}

impl BackOff {
    /// As a config says, with so many retries at most; 0 for any number. The error is Go's text.
    pub fn new(config: &BackOffConfig, retries_max: u64) -> Result<BackOff, String> {
        let elapsed = duration::parse(&config.max_elapsed_time)?;
        Ok(BackOff {
            initial: duration::parse(&config.initial_interval)?,
            longest: duration::parse(&config.max_interval)?,
            elapsed_max: Some(elapsed).filter(|it| !it.is_zero()),
            retries_max: Some(retries_max).filter(|it| 0 < *it),
        })
    }

    /// So many attempts, the first one included; 0 for any number. `elapsed` as zero is for without end.
    pub fn of_attempts(
        initial: Duration,
        longest: Duration,
        elapsed: Duration,
        attempts_max: u64,
    ) -> BackOff {
        BackOff {
            initial,
            longest,
            elapsed_max: Some(elapsed).filter(|it| !it.is_zero()),
            retries_max: attempts_max.checked_sub(1),
        }
    }

    /// The same, but where each message is tried once, one without an end ends at the first failure.
    #[must_use]
    pub fn ending_in(self, ctx: &Context<'_>) -> BackOff {
        let is_endless = self.retries_max.is_none() && self.elapsed_max.is_none();
        match is_endless && ctx.services().get::<EachOnce>().is_some() {
            true => BackOff { retries_max: Some(0), ..self },
            false => self,
        }
    }

    /// Tries again for ever.
    pub fn endless() -> BackOff {
        BackOff::growing(Duration::from_millis(500), Duration::from_secs(3))
    }

    /// Tries again for ever, with waits from `initial` to `longest`.
    pub fn growing(initial: Duration, longest: Duration) -> BackOff {
        BackOff { initial, longest, elapsed_max: None, retries_max: None }
    }
}

impl Attempts {
    /// Whether an attempt failed before.
    pub fn have_failed(&self) -> bool {
        0 < self.n_failed
    }

    /// How many attempts failed.
    pub fn n_failed(&self) -> u64 {
        self.n_failed
    }

    /// An attempt failed: when the next one is to be made. `None`: there have been enough.
    pub fn fail(&mut self, back_off: &BackOff, now: Duration) -> Option<Duration> {
        let first = *self.first_failed.get_or_insert(now);
        self.n_failed += 1;
        self.wait = match self.n_failed {
            1 => back_off.initial,
            _ => self.wait.mul_f64(GROWTH),
        };
        self.wait = self.wait.min(back_off.longest);
        let next = now.saturating_add(self.wait);
        let is_enough = back_off.retries_max.is_some_and(|it| it < self.n_failed)
            || back_off.elapsed_max.is_some_and(|it| it < next.saturating_sub(first));
        Some(next).filter(|_| !is_enough)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The waits of attempts that fail at once.
    fn waits(initial_ms: u64, longest_ms: u64, elapsed_ms: u64, retries_max: u64) -> Vec<u64> {
        let config = BackOffConfig {
            initial_interval: format!("{initial_ms}ms"),
            max_interval: format!("{longest_ms}ms"),
            max_elapsed_time: format!("{elapsed_ms}ms"),
        };
        let back_off = BackOff::new(&config, retries_max).expect("these are durations");
        let (mut attempts, mut now, mut waits) = (Attempts::default(), Duration::ZERO, Vec::new());
        while let Some(next) = attempts.fail(&back_off, now) {
            waits.push((next - now).as_millis() as u64);
            now = next;
            if 6 <= waits.len() {
                break;
            }
        }
        waits
    }

    #[test]
    fn waits_grow_and_end() {
        assert_eq!(waits(100, 300, 0, 0), [100, 150, 225, 300, 300, 300]);
        assert_eq!(waits(100, 300, 0, 2), [100, 150]);
        assert_eq!(waits(100, 300, 500, 0), [100, 150, 225]);
        assert_eq!(waits(400, 300, 0, 1), [300]);
    }
}
