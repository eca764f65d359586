//! A stream that runs: signals, the timeline of a shutdown, and the exit code.

use std::{
    borrow::Cow,
    io,
    process::{self, ExitCode},
    sync::mpsc::sync_channel,
    thread,
    time::{Duration, Instant},
};

use signal_hook::consts::SIGINT;
use wappa_component::{Level, Logger, counted};
use wappa_engine::{Activity, Report, Stop, Stream, Tally};
use wappa_spec::Node;

use crate::{
    events::{Event, Events, names, received},
    metrics::Push,
    progress::Drawing,
    run::tell_at,
    serving::Serving,
};

/// What comes after a shutdown that does not end: Bento's second of grace.
const GRACE: Duration = Duration::from_secs(1);

/// How long somebody waits for the end of a stream before he wonders.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long a stream has to come to its end after everything was given up because somebody would not wait.
const HURRY: Duration = Duration::from_millis(200);

/// Three quarters of a stop's time are for working off, if these are more than this. All of a shorter time is, as in
/// Bento, and what is given up then has half of the grace.
const GRACEFUL_MIN: Duration = Duration::from_secs(1);

/// The exit code of a run that came to its end, with messages that failed, where that is asked for.
const MESSAGES_FAILED: u8 = 2;

const STUCK: &str = "Some components prevented forced termination as they were either blocked from delivering data \
                     or from acknowledging delivered data within the shutdown timeout. This could potentially cause \
                     duplicate messages to be delivered on the next run.";

/// What surrounds a stream while it runs.
pub(crate) struct Service<'a> {
    /// The program's log.
    pub(crate) logger: Logger,
    /// The way to stop the stream.
    pub(crate) stop: Stop,
    /// What was read and not answered.
    pub(crate) tally: Tally,
    /// What components are doing.
    pub(crate) activity: Activity,
    /// Where metrics go.
    pub(crate) push: Push,
    /// How long to wait before a stop.
    pub(crate) shutdown_delay: Duration,
    /// How long a stop may take.
    pub(crate) shutdown_timeout: Duration,
    /// What the process is told, and where the end of the stream is told.
    pub(crate) events: Events,
    /// Somebody asked twice, as with a second Ctrl-C: nothing more is waited for.
    pub(crate) is_hurried: bool,
    /// Whether a signal has ended all of it.
    pub(crate) is_closing: bool,
    /// A signal that came while a stream was being replaced.
    pub(crate) signal: Option<i32>,
    /// Whether the exit code says that messages failed.
    pub(crate) tells_failures: bool,
    /// Whether a command runs it that tells by itself what became of each message.
    pub(crate) is_trial: bool,
    /// How far it is, on a terminal.
    pub(crate) drawing: Option<Drawing>,
    /// Makes another stream when files have changed, where that is asked for.
    pub(crate) renewal: Option<Renewal<'a>>,
    /// The HTTP service.
    pub(crate) serving: &'a Serving,
}

/// Makes the stream that takes the place of another one, if it can be made.
pub(crate) type Renewal<'a> = Box<dyn FnMut(&Events) -> Option<Renewed> + 'a>;

/// A stream that takes the place of another one.
pub(crate) struct Renewed {
    /// The stream.
    pub(crate) stream: Stream,
    /// The way to stop it.
    pub(crate) stop: Stop,
    /// What it reads and does not answer.
    pub(crate) tally: Tally,
    /// What its components are doing.
    pub(crate) activity: Activity,
    /// How long to wait before a stop.
    pub(crate) shutdown_delay: Duration,
    /// How long a stop may take.
    pub(crate) shutdown_timeout: Duration,
    /// Its config, as it may be shown.
    pub(crate) shown: Option<Node>,
}

impl Service<'_> {
    /// Runs the stream to its end, or until a signal stops it; with a renewal the streams that take its place too.
    pub(crate) fn run(mut self, stream: Stream) -> io::Result<ExitCode> {
        self.logger.info("Launching a Wappa instance, use CTRL+C to close");
        let mut code = ExitCode::SUCCESS;
        let mut number = 0;
        let mut began = Instant::now();
        let mut is_over = false;
        self.events.launch(number, stream)?;
        loop {
            match self.wait(None) {
                Some(Event::Signal(signal)) if is_over => {
                    self.logger.info(&received(signal));
                    self.push.finish();
                    return Ok(code);
                }
                Some(Event::Signal(signal)) => {
                    return self.stop_after(signal, began).map(|it| worse(code, it));
                }
                Some(Event::Ended(of, _)) if of != number => (),
                Some(Event::Ended(_, result)) if self.renewal.is_some() => {
                    self.serving.has_ended();
                    self.logger
                        .info("Pipeline has terminated. It begins again when a file that is watched changes");
                    code = worse(code, self.tell_end(Some(result), began));
                    self.push.push();
                    is_over = true;
                }
                Some(Event::Ended(_, result)) => {
                    self.serving.has_ended();
                    self.logger.info("Pipeline has terminated. Shutting down the service");
                    self.delay();
                    self.watch_over(self.shutdown_timeout);
                    return self.end(Some(result), began);
                }
                Some(Event::Changed) => {
                    let Some(renewed) = self.renewal.as_mut().and_then(|it| it(&self.events)) else {
                        continue;
                    };
                    if !is_over {
                        let ended = self.bring_down(None);
                        code = worse(code, self.tell_end(ended, began));
                        self.push.push();
                    }
                    if let Some(signal) = self.signal {
                        self.logger.info(&received(signal));
                        self.push.finish();
                        return Ok(code);
                    }
                    let Renewed { stream, stop, tally, activity, shutdown_delay, shutdown_timeout, shown } =
                        renewed;
                    (self.stop, self.tally, self.activity) = (stop, tally, activity);
                    (self.shutdown_delay, self.shutdown_timeout) = (shutdown_delay, shutdown_timeout);
                    self.serving.shows(shown);
                    self.serving.runs(&self.activity);
                    (number, is_over, began) = (number + 1, false, Instant::now());
                    self.events.launch(number, stream)?;
                    self.logger.info("Updated main config");
                }
                None => unreachable!("without a deadline an event comes"),
            }
        }
    }

    /// Waits for the next event, and sends metrics when they are due.
    fn wait(&mut self, until: Option<Instant>) -> Option<Event> {
        loop {
            let left = until.map(|it| it.saturating_duration_since(Instant::now()));
            let until_push = self.push.until_next();
            match self.events.wait([left, until_push].into_iter().flatten().min()) {
                Some(event) => return Some(event),
                None if left.is_some_and(|it| it.is_zero()) => return None,
                None => (),
            }
            if self.push.until_next().is_some_and(|it| it.is_zero()) {
                self.push.push();
            }
        }
    }

    /// The stream goes on until the delay is over; a signal ends it at once. Gives the stream's end, if it came.
    fn delay(&mut self) -> Option<io::Result<Report>> {
        if self.shutdown_delay.is_zero() {
            return None;
        }
        self.logger.info(&format!("Shutdown delay is in effect for {}", go_duration(self.shutdown_delay)));
        let until = Instant::now().checked_add(self.shutdown_delay);
        let mut ended = None;
        loop {
            match self.wait(until) {
                Some(Event::Ended(_, result)) => ended = Some(result),
                Some(Event::Changed) => (),
                Some(Event::Signal(signal)) => {
                    let text = "Shutdown delay failed: shutdown delay interrupted by signal";
                    self.logger.error(&format!("{text}: {}", names(signal).1));
                    return ended;
                }
                None => return ended,
            }
        }
    }

    fn stop_after(mut self, signal: i32, began_stream: Instant) -> io::Result<ExitCode> {
        self.is_closing = true;
        // Armed before anything is written: a log that nobody reads must not hold up the end.
        self.watch_over(self.shutdown_delay.saturating_add(self.shutdown_timeout));
        self.logger.info(&received(signal));
        let mut ended = self.delay();
        if !self.shutdown_delay.is_zero() {
            self.watch_over(self.shutdown_timeout);
        }
        if ended.is_none() {
            ended = self.bring_down(Some(signal));
        }
        self.end(ended, began_stream)
    }

    /// Stops the stream, in its steps, within the time that it has. Who asked for it with Ctrl-C, and waits for it, is told
    /// how long that may take, and the way out.
    fn bring_down(&mut self, asked: Option<i32>) -> Option<io::Result<Report>> {
        let began = Instant::now();
        let (graceful, all) = steps_of(self.shutdown_timeout);
        self.stop.drain();
        let mut ended = None;
        if asked == Some(SIGINT) && PATIENCE < graceful {
            ended = self.wait_for_end(began.checked_add(PATIENCE));
            if ended.is_none() && !self.is_hurried {
                self.logger.info(&format!(
                    "What was read is still worked off, for {all:?} at most; CTRL+C once more gives it up"
                ));
            }
        }
        if ended.is_none() && !self.is_hurried {
            ended = self.wait_for_end(began.checked_add(graceful));
        }
        let last = began.checked_add(all);
        if ended.is_none() && !self.is_hurried {
            self.stop.abandon();
            // What is finished is still written, for half of the time that is left.
            let now = Instant::now();
            let left = last.map(|it| it.saturating_duration_since(now) / 2);
            ended = self.wait_for_end(left.and_then(|it| now.checked_add(it)));
        }
        if ended.is_none() {
            self.stop.cut();
            let last = if self.is_hurried { Instant::now().checked_add(HURRY) } else { last };
            ended = self.wait_for_end(last);
        }
        ended
    }

    /// Waits until the stream has ended; not beyond `until`, nor beyond the moment when somebody loses patience.
    fn wait_for_end(&mut self, until: Option<Instant>) -> Option<io::Result<Report>> {
        loop {
            match self.wait(until) {
                Some(Event::Ended(_, result)) => return Some(result),
                Some(Event::Changed) => (),
                // What is replaced is not what the signal ends.
                Some(Event::Signal(signal)) if !self.is_closing => self.signal = Some(signal),
                Some(Event::Signal(SIGINT)) if !self.is_hurried => {
                    self.is_hurried = true;
                    self.logger.warn(
                        "Received SIGINT while the service is closing, what is not delivered is given up",
                    );
                    return None;
                }
                // Who asks again in another way changes nothing: the budget is the limit.
                Some(Event::Signal(_)) => (),
                None => return None,
            }
        }
    }

    /// Says what is left to say. A stream without a result did not end in time.
    fn end(mut self, ended: Option<io::Result<Report>>, began: Instant) -> io::Result<ExitCode> {
        self.drawing = None;
        let code = self.tell_end(ended, began);
        self.push.finish();
        Ok(code)
    }

    /// Says what there is to say of a stream's end, and what exit code comes of it.
    fn tell_end(&mut self, ended: Option<io::Result<Report>>, began: Instant) -> ExitCode {
        let took = began.elapsed();
        let mut code = ExitCode::SUCCESS;
        let was_closed = matches!(&ended, Some(Ok(report)) if report.output_was_closed);
        match ended {
            None => {
                if let Some(fault) = self.activity.fault() {
                    tell_at(Level::Error, &self.logger, &format!("Service closing due to: {fault}"));
                }
                tell_at(Level::Info, &self.logger, &still_at_work(STUCK, &self.activity));
                code = ExitCode::FAILURE;
            }
            Some(Err(err)) => {
                tell_at(Level::Error, &self.logger, &format!("Service closing due to: {err}"));
                code = ExitCode::FAILURE;
            }
            Some(Ok(report)) => {
                if let Some(fault) = &report.fault {
                    tell_at(Level::Error, &self.logger, &format!("Service closing due to: {fault}"));
                    code = ExitCode::FAILURE;
                }
                if 0 < report.n_failed_sources {
                    let (one, several) =
                        ("source could not be read to its end", "sources could not be read to their end");
                    tell_at(Level::Error, &self.logger, &counted(report.n_failed_sources, one, several));
                    code = ExitCode::FAILURE;
                }
            }
        }
        let undelivered = self.tally.undelivered();
        if 0 < undelivered {
            // Who closes the output (`| head -1`) wanted no more.
            let n_messages = counted(undelivered, "message was", "messages were");
            let text = format!("{n_messages} read and not delivered");
            if was_closed {
                self.logger.debug(&text);
            } else {
                code = ExitCode::FAILURE;
                match self.is_trial {
                    true => self.logger.warn(&text),
                    false => tell_at(Level::Warn, &self.logger, &text),
                }
            }
        }
        let n_failed = self.tally.totals().failed;
        if self.tells_failures && 0 < n_failed {
            let n_messages = counted(n_failed, "message", "messages");
            let text = format!("{n_messages} failed in a processor, and nothing caught that");
            tell_at(Level::Error, &self.logger, &text);
            if code == ExitCode::SUCCESS {
                code = ExitCode::from(MESSAGES_FAILED);
            }
        }
        log_totals(&self.logger, &self.tally, took);
        code
    }

    /// Ends the process, whatever hangs, a second after the budget is spent.
    fn watch_over(&self, budget: Duration) {
        let (logger, activity) = (self.logger.clone(), self.activity.clone());
        let watch = move || {
            thread::sleep(budget.saturating_add(GRACE));
            // The log itself may be what hangs.
            let say = move || {
                let text = "Service failed to close cleanly within allocated time. Exiting forcefully";
                tell_at(Level::Warn, &logger, &still_at_work(text, &activity));
            };
            let (tx, rx) = sync_channel(1);
            let said = thread::Builder::new().spawn(move || {
                say();
                let _ = tx.send(());
            });
            if said.is_ok() {
                let _ = rx.recv_timeout(Duration::from_millis(200));
            }
            process::exit(1);
        };
        // A process that can start no thread ends without a guard.
        let _ = thread::Builder::new().name("watchdog".to_string()).spawn(watch);
    }
}

/// The last line of a stream.
pub(crate) fn log_totals(logger: &Logger, tally: &Tally, took: Duration) {
    let totals = tally.totals();
    let number = |name, value: u64| (name, Cow::Owned(value.to_string()));
    // Nobody needs to know more exactly.
    let took = Duration::from_millis(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
    let fields = [
        number("in", totals.read),
        number("out", totals.written),
        number("filtered", totals.filtered),
        number("failed", totals.failed),
        number("replayed", totals.replayed),
        ("duration", Cow::Owned(go_duration(took))),
    ];
    logger.log_with(Level::Info, "Messages of this run", &fields);
}

/// The exit code of two streams, one after the other: the first one that is no success.
fn worse(before: ExitCode, after: ExitCode) -> ExitCode {
    if before == ExitCode::SUCCESS { after } else { before }
}

/// A text that says that something does not end, with what that is.
fn still_at_work(text: &str, activity: &Activity) -> String {
    match activity.at_work().as_slice() {
        [] => text.to_string(),
        names => format!("{}. Still at work: {}", text.trim_end_matches('.'), names.join(", ")),
    }
}

/// A duration in Go's words: `1h2m3.5s`, `250ms`.
pub(crate) fn go_duration(duration: Duration) -> String {
    let fraction = |value: u128, unit: u128| {
        let digits = format!("{:.9}", value as f64 / unit as f64);
        digits.trim_end_matches('0').trim_end_matches('.').to_string()
    };
    let nanos = duration.as_nanos();
    if nanos < 1_000 {
        return if nanos == 0 { "0s".to_string() } else { format!("{nanos}ns") };
    }
    if nanos < 1_000_000 {
        return format!("{}µs", fraction(nanos, 1_000));
    }
    if nanos < 1_000_000_000 {
        return format!("{}ms", fraction(nanos, 1_000_000));
    }
    let (hours, minutes) = (duration.as_secs() / 3600, duration.as_secs() / 60 % 60);
    let seconds = fraction(nanos % 60_000_000_000, 1_000_000_000);
    match (hours, minutes) {
        (0, 0) => format!("{seconds}s"),
        (0, _) => format!("{minutes}m{seconds}s"),
        _ => format!("{hours}h{minutes}m{seconds}s"),
    }
}

/// Of the time that a stop has: how long the stream works off what it has read, and when all of it is over.
pub(crate) fn steps_of(shutdown_timeout: Duration) -> (Duration, Duration) {
    let three_quarters = shutdown_timeout - shutdown_timeout / 4;
    match GRACEFUL_MIN < three_quarters {
        true => (three_quarters, shutdown_timeout),
        false => (shutdown_timeout, shutdown_timeout + GRACE / 2),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As in Bento, which gives nothing up as long as the time is short.
    #[test]
    fn all_of_a_time_that_is_short_is_for_working_off() {
        let steps = |ms| {
            let (graceful, all) = steps_of(Duration::from_millis(ms));
            (graceful.as_millis(), all.as_millis())
        };
        assert_eq!(
            [300, 1000, 1330, 1340, 20_000].map(steps),
            [(300, 800), (1000, 1500), (1330, 1830), (1005, 1340), (15_000, 20_000)]
        );
    }

    #[test]
    fn durations_in_the_words_of_go() {
        let of = |ns| go_duration(Duration::from_nanos(ns));
        let all = [0, 12, 1_500, 250_000_000, 1_000_000_000, 90_000_000_000, 3_723_500_000_000].map(of);
        assert_eq!(all, ["0s", "12ns", "1.5µs", "250ms", "1s", "1m30s", "1h2m3.5s"]);
    }
}
