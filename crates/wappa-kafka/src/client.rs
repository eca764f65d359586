//! What all connections to brokers have in common: addresses, names, encryption, and who says what went wrong.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rdkafka::{
    ClientConfig,
    config::RDKafkaLogLevel,
    error::{KafkaError, RDKafkaErrorCode},
};
use wappa_component::{Level, Logger};
use wappa_spec::{Node, Reader, Rule};

/// Splits addresses at commas. Those that are empty are left out.
pub(crate) fn addresses(list: &[String]) -> Vec<String> {
    let each = list.iter().flat_map(|it| it.split(',')).map(str::trim);
    each.filter(|it| !it.is_empty()).map(str::to_string).collect()
}

/// A time of the client's, which counts milliseconds and has bounds of its own.
pub(crate) fn ms(time: Duration, least: u128, most: u128) -> String {
    time.as_millis().clamp(least, most).to_string()
}

/// What every client says of itself, and how it goes on where a broker is gone.
pub(crate) fn basics(addresses: &[String], client_id: &str, rack_id: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", addresses.join(","))
        .set("client.id", client_id)
        // One who waits for a broker wants it back soon.
        .set("reconnect.backoff.ms", "100")
        .set("reconnect.backoff.max.ms", "1000")
        // Between two processes that are alive a network may be cut without anybody being told.
        .set("socket.keepalive.enable", "true")
        // Nobody is told who uses what.
        .set("enable.metrics.push", "false")
        .set_log_level(RDKafkaLogLevel::Info);
    if !rack_id.is_empty() {
        config.set("client.rack", rack_id);
    }
    config
}

/// What a client's library has said last, and who is told.
pub(crate) struct Voice {
    logger: Logger,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The last thing that went wrong, until all is well.
    last: Option<String>,
    /// No broker can be reached.
    is_down: bool,
}

impl Voice {
    pub(crate) fn new(logger: Logger) -> Voice {
        Voice { logger, state: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn logger(&self) -> &Logger {
        &self.logger
    }

    /// A line of the library's own log.
    pub(crate) fn said(&self, facility: &str, text: &str) {
        if self.logger.enabled(Level::Debug) {
            self.logger.debug(&format!("librdkafka: {facility}: {text}"));
        }
    }

    /// Something went wrong that is nobody's message. Each text is told once, until all is well again.
    pub(crate) fn failed(&self, error: &KafkaError, reason: &str) {
        let code = error.rdkafka_error_code();
        // When, and in which state of its own, is of no use to anybody.
        let reason = reason.split(" (after ").next().unwrap_or_default();
        let mut state = self.lock();
        if code == Some(RDKafkaErrorCode::AllBrokersDown) {
            state.is_down = true;
            return;
        }
        let is_new = state.last.as_deref() != Some(reason);
        state.last = Some(reason.to_string());
        drop(state);
        let is_of_connection = matches!(
            code,
            Some(
                RDKafkaErrorCode::BrokerTransportFailure
                    | RDKafkaErrorCode::Resolve
                    | RDKafkaErrorCode::Authentication
                    | RDKafkaErrorCode::OperationTimedOut
            )
        );
        // What keeps a connection from being made is told by whoever makes it.
        match is_new && !is_of_connection {
            true => self.logger.error(reason),
            false => self.logger.debug(reason),
        }
    }

    /// Whether no broker can be reached, as was said since the last call.
    pub(crate) fn take_down(&self) -> bool {
        std::mem::take(&mut self.lock().is_down)
    }

    /// What went wrong last.
    pub(crate) fn last(&self) -> Option<String> {
        self.lock().last.clone()
    }

    /// All is well.
    pub(crate) fn is_well(&self) {
        *self.lock() = State::default();
    }
}

/// Reports addresses that are none, in Bento's words.
pub(crate) fn lint_brokers(list: &[String], node: &Node, reader: &mut Reader<'_>) {
    let at = node.get("seed_brokers").unwrap_or(node);
    if list.iter().any(|it| it.split(',').any(|it| it.trim().is_empty())) {
        reader.error(Rule::InvalidValue, at, "seed broker address cannot be empty");
    } else if list.is_empty() {
        reader.error(Rule::InvalidValue, at, "you must provide at least one address in 'seed_brokers'");
    }
}
