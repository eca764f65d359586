//! `wappa ping`: whether the HTTP service of a stream answers, for health checks and scripts.

use std::time::Duration;

use clap::Args;

use crate::cli::duration;

const PING_HELP: &str = "\
Exits with 0 if the answer has the code 200, and with 1 if it has another, or there is none. With the path /ready it is \
asked whether all inputs and outputs are connected. A port or a path alone is one of this machine; a service that asks \
for a password is given that of the URL.

  wappa ping
  wappa ping /ready
  wappa ping :4196
  wappa ping https://user:password@stream.example/ready --timeout 2s";

/// The arguments of `ping`.
#[derive(Args, Debug)]
#[command(after_help = PING_HELP)]
pub(crate) struct PingArguments {
    /// Who is asked; without a path, its /ping.
    #[arg(default_value = "http://127.0.0.1:4195/ping")]
    pub(crate) url: String,

    /// How long the answer may take.
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration)]
    pub(crate) timeout: Duration,
}

/// The address in full: `stream:4195` is `http://stream:4195/ping`, and a port or a path alone is one of this machine.
fn in_full(url: &str) -> String {
    const HERE: &str = "127.0.0.1";
    let is_port = |it: &str| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit());
    let begin = url.split(['/', '?', '#']).next().unwrap_or_default();
    let url = match begin.strip_prefix(':') {
        Some(port) if is_port(port) => format!("{HERE}{url}"),
        None if begin.is_empty() => format!("{HERE}:4195{url}"),
        None if is_port(begin) => format!("{HERE}:{url}"),
        _ => url.to_string(),
    };
    let url = if url.contains("://") { url } else { format!("http://{url}") };
    let begins = url.find("://").map_or(0, |at| at + 3);
    match url[begins..].find(['/', '?', '#']) {
        None => format!("{url}/ping"),
        Some(at) if &url[begins + at..] == "/" => format!("{url}ping"),
        Some(_) => url,
    }
}

/// What is answered. The error says what is wrong with it, or why there is none.
#[cfg(feature = "http")]
pub(crate) fn ping(arguments: &PingArguments) -> Result<String, String> {
    use wappa_http_client::{Access, Documents};
    use wappa_net::Runtime;
    use wappa_spec::printable_lines;

    /// Nobody answers a ping with more.
    const ANSWER_BYTES_MAX: usize = 64 << 10;

    let documents = Documents::new(&Access::at(&in_full(&arguments.url)))?;
    let asked = documents.get(&[], "*/*", ANSWER_BYTES_MAX);
    let answer = Runtime::default().wait(arguments.timeout, asked)??;
    let body = String::from_utf8_lossy(&answer.body);
    let body = printable_lines(body.trim_end());
    if answer.code == 401 {
        return Err(format!("401: {}", crate::seen::WANTS_PASSWORD));
    }
    if answer.code != 200 {
        return Err(format!("{}: {body}", answer.code));
    }
    Ok(format!("{body}\n"))
}

/// This build has no client.
#[cfg(not(feature = "http"))]
pub(crate) fn ping(_: &PingArguments) -> Result<String, String> {
    Err("this build of Wappa has no HTTP: the feature `http` brings it".to_string())
}

#[cfg(test)]
mod tests {
    use super::in_full;

    #[test]
    fn an_address_in_full() {
        for (short, full) in [
            ("stream", "http://stream/ping"),
            ("stream:4195", "http://stream:4195/ping"),
            ("stream:4195/", "http://stream:4195/ping"),
            ("", "http://127.0.0.1:4195/ping"),
            ("/ready", "http://127.0.0.1:4195/ready"),
            ("4196", "http://127.0.0.1:4196/ping"),
            (":4196/ready", "http://127.0.0.1:4196/ready"),
            (":x", "http://:x/ping"),
            ("[::1]:4195/ready", "http://[::1]:4195/ready"),
            ("https://u:p@stream", "https://u:p@stream/ping"),
            ("https://stream/x?y", "https://stream/x?y"),
        ] {
            assert_eq!(in_full(short), full, "{short}");
        }
    }
}
