//! The exporter `statsd`.

mod lines;

use std::{
    net::{ToSocketAddrs, UdpSocket},
    time::{Duration, Instant},
};

use wappa_component::{BuildError, BuildExporter, Component, Exporter, Logger, Metrics, fault};
use wappa_spec::{Config, Node, Reader, Rule};

use self::lines::{Lines, Tags};
use crate::{Address, Courier};

pub(crate) const COMPONENT: Component = Component::metrics::<StatsdConfig>("statsd");

/// Sends metrics to a server that speaks the [protocol of StatsD](https://github.com/statsd/statsd), in datagrams of UDP.
///
/// # Examples
///
/// ### An agent beside the program
///
/// ```yaml
/// input:
///   stdin: {}
/// output:
///   stdout: {}
/// metrics:
///   statsd:
///     address: localhost:8125
///     flush_period: 1s
///     tag_format: datadog
/// ```
///
/// # Delivery
///
/// A counter is sent as what came since the last time, and a gauge when it has changed. Timings are in nanoseconds, though
/// the protocol calls them milliseconds, as in Bento. Those that took about as long (an eighth) are one line with a sample
/// rate, so that a server counts all of them.
///
/// Nobody says whether a datagram arrives. What could not be sent for want of an address is part of the next lines.
///
/// # Performance
///
/// What is sent grows with the number of series that have changed, and not with that of messages.
///
/// # Pitfalls
///
/// Characters that would end a name or a label for the server become `_`. A line that is longer than a datagram may be is
/// left out, which the log says once.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct StatsdConfig {
    /// The server, as `host:port`.
    #[config(example = "localhost:8125")]
    address: String,

    /// How often metrics are sent. 0: when the program ends.
    #[config(default = "100ms")]
    flush_period: Duration,

    /// How labels are written: as `datadog` reads them, behind the value, or as `influxdb` does, behind the name. `none` is
    /// the same as `influxdb`, as in Bento.
    #[config(default = "none", options("none", "datadog", "influxdb"))]
    tag_format: String,
}

fn lint(config: &StatsdConfig, node: &Node, reader: &mut Reader<'_>) {
    if let Err(why) = Address::parse(&config.address) {
        reader.error(Rule::InvalidValue, node.get("address").unwrap_or(node), why);
    }
}

/// How long the end of the program waits until the last metrics are sent.
const GRACE: Duration = Duration::from_secs(1);

/// How long after a failure nobody tries again.
const RETRY: Duration = Duration::from_secs(5);

/// After so long a name is looked up again, since a server may have moved.
const LOOK_UP: Duration = Duration::from_secs(60);

impl BuildExporter for StatsdConfig {
    fn build(self, logger: Logger) -> Result<Box<dyn Exporter>, BuildError> {
        let tags = if self.tag_format == "datadog" { Tags::BehindValue } else { Tags::BehindName };
        let mut sending = Sending {
            address: self.address,
            lines: Lines::new(tags, logger.clone()),
            socket: None,
            failed: None,
            logger,
        };
        let courier = Courier::start("statsd", GRACE, move |metrics| sending.take(metrics));
        let courier =
            courier.map_err(|why| BuildError::new(format!("starting a thread for statsd: {why}")))?;
        Ok(Box::new(Statsd { flush_period: self.flush_period, courier }))
    }
}

struct Statsd {
    flush_period: Duration,
    courier: Courier,
}

impl Exporter for Statsd {
    fn interval(&self) -> Option<Duration> {
        Some(self.flush_period)
    }

    fn push(&mut self, metrics: &Metrics) {
        // Where the thread still waits, what has changed is sent the next time.
        self.courier.give(metrics);
    }

    fn finish(&mut self, metrics: &Metrics) {
        self.courier.finish(metrics);
    }
}

/// What the thread has.
struct Sending {
    address: String,
    lines: Lines,
    socket: Option<(UdpSocket, Instant)>,
    /// When it failed last, and with what, as long as nothing has arrived since.
    failed: Option<(Instant, String)>,
    logger: Logger,
}

impl Sending {
    fn take(&mut self, metrics: &Metrics) {
        if self.failed.as_ref().is_some_and(|it| it.0.elapsed() < RETRY) {
            return;
        }
        match self.send(metrics) {
            Ok(()) => self.failed = None,
            Err(why) => {
                self.socket = None;
                let is_new = self.failed.as_ref().is_none_or(|it| it.1 != why);
                self.failed = Some((Instant::now(), why));
                if let (true, Some((_, why))) = (is_new, &self.failed) {
                    self.logger.warn(&format!("Metrics do not reach statsd: {why}"));
                }
            }
        }
    }

    fn send(&mut self, metrics: &Metrics) -> Result<(), String> {
        let socket = match self.socket.take().filter(|it| it.1.elapsed() < LOOK_UP) {
            Some(it) => it,
            None => (self.dial()?, Instant::now()),
        };
        let (socket, _) = self.socket.insert(socket);
        for packet in self.lines.packets(metrics.samples()) {
            socket
                .send(&packet)
                .map_err(|err| format!("write udp {}: {}", self.address, fault::cause(&err)))?;
        }
        Ok(())
    }

    fn dial(&self) -> Result<UdpSocket, String> {
        let not_dialed = |err: &std::io::Error| format!("dial udp {}: {}", self.address, fault::cause(err));
        let address = match self.address.strip_prefix(':') {
            Some(port) => format!("localhost:{port}"),
            None => self.address.clone(),
        };
        let mut last = std::io::Error::from(std::io::ErrorKind::AddrNotAvailable);
        for to in address.to_socket_addrs().map_err(|err| not_dialed(&err))? {
            let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
            let socket = UdpSocket::bind(any).and_then(|it| it.connect(to).map(|()| it));
            match socket {
                Ok(socket) => return Ok(socket),
                Err(err) => last = err,
            }
        }
        Err(not_dialed(&last))
    }
}

#[cfg(test)]
mod tests {
    use std::{
        borrow::Cow,
        sync::{Arc, Mutex, PoisonError},
        time::Duration,
    };

    use wappa_component::{Level, LogSink};

    use super::*;

    /// Keeps the lines.
    #[derive(Default)]
    struct Log(Mutex<Vec<String>>);

    impl LogSink for Log {
        fn enabled(&self, _: Level) -> bool {
            true
        }

        fn write(&self, _: Level, message: &str, _: &[(&str, Cow<'_, str>)]) {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(message.to_string());
        }
    }

    fn exporter(address: &str, logger: Logger) -> Box<dyn Exporter> {
        let config = StatsdConfig {
            address: address.to_string(),
            flush_period: Duration::from_secs(1),
            tag_format: "datadog".to_string(),
        };
        config.build(logger).expect("a thread can be started")
    }

    #[test]
    fn what_has_changed_arrives_and_what_is_left_at_the_end() {
        let server = UdpSocket::bind("127.0.0.1:0").expect("a port can be had");
        server.set_read_timeout(Some(Duration::from_secs(60))).expect("it can be told");
        let read = || {
            let mut buffer = [0; 2048];
            let n = server.recv(&mut buffer).expect("something comes");
            String::from_utf8_lossy(&buffer[..n]).into_owned()
        };
        let mut exporter = exporter(&server.local_addr().expect("it has one").to_string(), Logger::silent());
        let metrics = Metrics::default();
        let counter = metrics.counter("a", &[("path", "p")]);
        counter.add(2);
        exporter.push(&metrics);
        assert_eq!(read(), "a:2|c|#path:p");
        counter.add(3);
        exporter.finish(&metrics);
        assert_eq!(read(), "a:3|c|#path:p");
    }

    #[test]
    fn what_cannot_be_sent_is_said_once_and_kept() {
        let log = Arc::new(Log::default());
        let lines = Lines::new(Tags::BehindName, Logger::silent());
        let address = "no such host:8125".to_string();
        let mut sending =
            Sending { address, lines, socket: None, failed: None, logger: Logger::new(log.clone()) };
        let metrics = Metrics::default();
        metrics.counter("a", &[]).add(1);
        (0..3).for_each(|_| sending.take(&metrics));
        let lines = log.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        assert!(
            lines[0].starts_with("Metrics do not reach statsd: dial udp no such host:8125: "),
            "{lines:?}"
        );
        assert_eq!(lines.len(), 1, "{lines:?}");
    }
}
