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

/// Connections are taken, and that is all.
const SILENCE: &str = "no broker has answered";

/// What a client's library has said last, and who is told.
pub(crate) struct Voice {
    logger: Logger,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The last thing that went wrong, until all is well.
    last: Option<String>,
    /// How a connection ended, as the library has it in its log alone, until all is well: what says most.
    ended: Option<String>,
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
        if facility == "FAIL" {
            let reason = reason_of(text);
            let mut state = self.lock();
            if state.ended.as_ref().is_none_or(|it| it.len() < reason.len()) {
                state.ended = Some(reason);
            }
        }
        if self.logger.enabled(Level::Debug) {
            self.logger.debug(&format!("librdkafka: {facility}: {text}"));
        }
    }

    /// Something went wrong that is nobody's message. Each text is told once, until all is well again.
    pub(crate) fn failed(&self, error: &KafkaError, reason: &str) {
        let code = error.rdkafka_error_code();
        let reason = &reason_of(reason);
        let mut state = self.lock();
        if code == Some(RDKafkaErrorCode::AllBrokersDown) {
            state.is_down = true;
            return;
        }
        let is_new = state.last.as_ref() != Some(reason);
        state.last = Some(reason.to_string());
        drop(state);
        let is_of_connection = matches!(
            code,
            Some(
                RDKafkaErrorCode::BrokerTransportFailure
                    | RDKafkaErrorCode::Resolve
                    | RDKafkaErrorCode::Authentication
                    | RDKafkaErrorCode::SSL
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

    /// Why no broker has answered.
    pub(crate) fn why_silent(&self) -> String {
        self.lock().ended.clone().unwrap_or_else(|| SILENCE.to_string())
    }

    /// All is well.
    pub(crate) fn is_well(&self) {
        *self.lock() = State::default();
    }
}

/// A reason of the library's, in words for whoever writes configs: its own are for those who write programs.
fn reason_of(text: &str) -> String {
    let text = text.strip_prefix("[thrd:").and_then(|it| it.split_once("]: ")).map_or(text, |it| it.1);
    // When, and in which state of its own, is of no use to anybody but ourselves.
    let (reason, state) = text.split_once(" (after ").unwrap_or((text, ""));
    let cut = |at: &str| reason.split_once(at).map(|it| it.0);
    if let Some(reason) = cut(": broker certificate could not be verified") {
        return format!(
            "{reason}: the certificate of the broker is signed by an unknown authority (`root_cas_file`), has expired, or is \
             for another name"
        );
    }
    if reason.contains("ApiVersionRequest failed: Local: Timed out") {
        return SILENCE.to_string();
    }
    if let Some(reason) = cut(": connecting to a PLAINTEXT broker listener") {
        return format!("{reason}: is this a port without TLS?");
    }
    // A certificate that is bad, of no kind that is known, revoked, expired or unknown, of an unknown authority, or missing.
    let refusals = [42, 43, 44, 45, 46, 48, 116].map(|it| format!("SSL alert number {it}"));
    if refusals.iter().any(|it| reason.ends_with(it)) {
        return format!("{reason}: the broker refuses our certificate, or asks for one (`client_certs`)");
    }
    if state.contains("APIVERSION_QUERY") && reason.contains(": Disconnected") && !reason.contains("ssl://") {
        let reason = cut(": requesting ApiVersion").unwrap_or(reason);
        return format!("{reason}: is this a port with TLS (`tls`)?");
    }
    reason.to_string()
}

/// Reports addresses that are none, in Bento's words.
pub(crate) fn lint_brokers(list: &[String], node: &Node, reader: &mut Reader<'_>) {
    let at = node.get("seed_brokers").unwrap_or(node);
    if list.iter().any(|it| it.split(',').any(|it| it.trim().is_empty())) {
        reader.error(Rule::InvalidValue, at, "seed broker address cannot be empty");
    } else if list.is_empty() {
        reader.error(Rule::InvalidValue, at, "you must provide at least one address in 'seed_brokers'");
    }
    lint_schemes(list, at, reader);
}

/// Reports addresses with a scheme, which the client would try in vain without saying why.
pub(crate) fn lint_schemes(list: &[String], at: &Node, reader: &mut Reader<'_>) {
    if list.iter().any(|it| it.contains("://")) {
        reader.error(
            Rule::InvalidValue,
            at,
            "an address of a broker is `host:port`, without a scheme such as `http://`",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::reason_of;

    #[test]
    fn reasons_are_for_those_who_write_configs() {
        for (said, expected) in [
            (
                "[thrd:a:1/bootstrap]: a:1/bootstrap: Disconnected: connection closed by peer: receive 0 after POLLIN (after 18ms in state APIVERSION_QUERY)",
                "a:1/bootstrap: Disconnected: connection closed by peer: receive 0 after POLLIN: is this a port with TLS (`tls`)?",
            ),
            (
                "ssl://a:1/bootstrap: SSL handshake failed: Disconnected: SSL connection closed by peer: connecting to a PLAINTEXT broker listener? (after 4ms in state SSL_HANDSHAKE)",
                "ssl://a:1/bootstrap: SSL handshake failed: Disconnected: SSL connection closed by peer: is this a port without TLS?",
            ),
            (
                "ssl://a:1/bootstrap: SSL handshake failed: error:0A000086:SSL routines::certificate verify failed: broker certificate could not be verified, verify that ssl.ca.location is correctly configured or root CA certificates are installed (install ca-certificates package) (after 11ms in state SSL_HANDSHAKE)",
                "ssl://a:1/bootstrap: SSL handshake failed: error:0A000086:SSL routines::certificate verify failed: the certificate of the broker is signed by an unknown authority (`root_cas_file`), has expired, or is for another name",
            ),
            (
                "ssl://a:1/bootstrap: Receive failed: error:0A000412:SSL routines::sslv3 alert bad certificate: SSL alert number 42 (after 1ms in state APIVERSION_QUERY)",
                "ssl://a:1/bootstrap: Receive failed: error:0A000412:SSL routines::sslv3 alert bad certificate: SSL alert number 42: the broker refuses our certificate, or asks for one (`client_certs`)",
            ),
            (
                "a:1/bootstrap: ApiVersionRequest failed: Local: Timed out: probably due to broker version < 0.10 (see api.version.request configuration) (after 10001ms in state APIVERSION_QUERY)",
                "no broker has answered",
            ),
            ("a:1/1: Disconnected (after 9ms in state UP)", "a:1/1: Disconnected"),
        ] {
            assert_eq!(reason_of(said), expected);
        }
    }
}
