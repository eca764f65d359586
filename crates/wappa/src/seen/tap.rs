//! `tap`: messages of a component, as they come by.

use std::{
    borrow::Cow,
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

use clap::{Args, ValueEnum};
use serde_json::Value;
use wappa_spec::printable;

use super::{ADDRESS, Service, refusal};
use crate::standard_output;

const EXAMPLES: &str = "\
The config of the service says `http.debug_endpoints: true`, and it is asked on its own machine by its address, or with a \
password.

  wappa tap
  wappa tap root.pipeline.processors.0
  wappa tap http://user:password@10.0.0.7:4195 my_label --every 100 --format json --count 10";

/// The arguments of `tap`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct TapArguments {
    /// The HTTP service of the program; a user and a password may stand in it. Without one it is http://127.0.0.1:4195.
    pub(crate) url: Option<String>,

    /// The path of a component, or its label. Without one all are listed.
    pub(crate) component: Option<String>,

    /// The stream that it is of, in a process with several; without it all that have it are shown.
    #[arg(long, value_name = "ID")]
    pub(crate) stream: Option<String>,

    /// Of so many messages show one.
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub(crate) every: u64,

    /// Show no more than so many in a second.
    #[arg(long, value_name = "N", default_value = "100", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub(crate) rate: u64,

    /// End after so many messages.
    #[arg(long, value_name = "N")]
    pub(crate) count: Option<u64>,

    /// How messages are printed.
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
}

impl TapArguments {
    fn shown_stream(&self) -> Cow<'_, str> {
        printable(self.stream.as_deref().unwrap_or_default())
    }

    /// Which service, and which component of it. One that stands alone, and is no address, is a component.
    fn places(&self) -> (&str, &str) {
        match (self.url.as_deref(), self.component.as_deref()) {
            (Some(url), Some(component)) => (url, component),
            (Some(one), None) if one.contains([':', '/']) => (one, ""),
            (one, _) => (ADDRESS, one.unwrap_or_default()),
        }
    }
}

/// How messages are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// The content, and below it metadata and why it failed.
    Text,
    /// An object a line.
    Json,
}

/// A longer line is no message.
const LINE_BYTES_MAX: usize = 8 << 20;

/// Shows messages until there have been enough, nobody reads them, or the service ends.
pub(crate) fn tap(arguments: &TapArguments) -> Result<ExitCode, String> {
    standard_output::check()?;
    let (url, component) = arguments.places();
    let service = Service::new(url)?;
    let (every, rate) = (arguments.every.to_string(), arguments.rate.to_string());
    let mut query: Vec<(&str, &str)> = arguments.stream.iter().map(|it| ("stream", it.as_str())).collect();
    if !component.is_empty() {
        query.extend([("path", component), ("every", every.as_str()), ("rate", rate.as_str())]);
    }
    let mut page = service.ask("/debug/tap", &query)?;
    let code = page.code;
    if code != 200 || component.is_empty() {
        let text = service.rest(page)?;
        return match code {
            200 if text.trim().is_empty() && arguments.stream.is_some() => Err(format!(
                "there is no stream {}: without `--stream` all are listed",
                arguments.shown_stream()
            )),
            200 => {
                print(&printable_lines(&text));
                Ok(ExitCode::SUCCESS)
            }
            404 if text.starts_with("404 page not found") => {
                Err("the service shows no messages: its config has to say `http.debug_endpoints: true`"
                    .to_string())
            }
            404 if arguments.stream.is_some() => {
                let stream = arguments.shown_stream();
                Err(format!(
                    "stream {stream} has no component {}: without one all are listed",
                    printable(component)
                ))
            }
            _ => Err(refusal(code, &text)),
        };
    }
    let mut left = arguments.count;
    let mut rest: Vec<u8> = Vec::new();
    // Messages may be rare.
    let endless = Duration::from_secs(u64::from(u32::MAX));
    while left != Some(0) {
        let Some(data) = service.runtime.wait(endless, page.next())?? else { break };
        rest.extend_from_slice(&data);
        while left != Some(0)
            && let Some(end) = rest.iter().position(|it| *it == b'\n')
        {
            let line: Vec<u8> = rest.drain(..=end).collect();
            let (text, is_message) = shown(&String::from_utf8_lossy(&line), arguments.format)?;
            if !print(&text) {
                return Ok(ExitCode::SUCCESS);
            }
            left = left.map(|it| it - u64::from(is_message));
        }
        if LINE_BYTES_MAX < rest.len() {
            return Err("what the service sends are no messages".to_string());
        }
    }
    match left {
        None | Some(0) => Ok(ExitCode::SUCCESS),
        Some(left) => Err(format!("the service has ended, with {left} messages left to be shown")),
    }
}

/// A line as it is printed, and whether it is a message.
fn shown(line: &str, format: Format) -> Result<(String, bool), String> {
    let value: Value =
        serde_json::from_str(line).map_err(|err| format!("what the service sends is no message: {err}"))?;
    let dropped = value.get("dropped").and_then(Value::as_u64);
    Ok(match (format, dropped) {
        (Format::Json, dropped) => (line.to_string(), dropped.is_none()),
        (Format::Text, Some(n)) => (format!("({n} more are not shown)\n"), false),
        (Format::Text, None) => (text_of(&value), true),
    })
}

/// A message for a person.
fn text_of(message: &Value) -> String {
    let text = |it: &Value| printable(it.as_str().unwrap_or_default()).into_owned();
    let mut out = match (message.get("content"), message.get("content_base64")) {
        (Some(content), _) => text(content),
        (_, Some(content)) => format!("base64: {}", text(content)),
        (None, None) => String::new(),
    };
    if let Some(bytes) = message.get("content_bytes") {
        out += &format!(" … ({bytes} bytes)");
    }
    out.push('\n');
    for (name, value) in message.get("metadata").and_then(Value::as_object).into_iter().flatten() {
        out += &format!("  {} = {}\n", printable(name), text(value));
    }
    if let Some(n) = message.get("metadata_left_out") {
        out += &format!("  and {n} metadata more\n");
    }
    if let Some(why) = message.get("error") {
        out += &format!("  failed: {}\n", text(why));
    }
    out
}

fn printable_lines(text: &str) -> String {
    wappa_spec::printable_lines(text).into_owned()
}

/// Whether somebody takes it.
fn print(text: &str) -> bool {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_ok()
}

#[cfg(test)]
mod tests {
    use clap::FromArgMatches;
    use expect_test::expect;

    use super::*;

    #[test]
    fn one_place_alone_is_a_service_or_a_component() {
        for (places, expected) in [
            (&[][..], (ADDRESS, "")),
            (&["http://10.0.0.7:80"], ("http://10.0.0.7:80", "")),
            (&["10.0.0.7:4195"], ("10.0.0.7:4195", "")),
            (&["root.pipeline.processors.0"], (ADDRESS, "root.pipeline.processors.0")),
            (&["my_label"], (ADDRESS, "my_label")),
            (&["host", "my_label"], ("host", "my_label")),
        ] {
            let words = ["tap"].into_iter().chain(places.iter().copied());
            let arguments = TapArguments::augment_args(clap::Command::new("tap")).get_matches_from(words);
            let arguments = TapArguments::from_arg_matches(&arguments).expect("they are arguments");
            assert_eq!(arguments.places(), expected, "{places:?}");
        }
    }

    #[test]
    fn messages_are_texts() {
        let lines = [
            r#"{"path":"root.input","content":"a\u001b[31m\u202e"}"#,
            r#"{"dropped":3}"#,
            r#"{"path":"p","label":"my","content":"{}","content_bytes":9,"metadata":{"k":"v\n"},"metadata_left_out":2,"error":"trap: x"}"#,
            r#"{"path":"p","content_base64":"/wA="}"#,
        ];
        let all = lines.map(|it| shown(it, Format::Text).expect("it is a line"));
        assert_eq!(all.iter().map(|it| it.1).collect::<Vec<_>>(), [true, false, true, true]);
        let text: String = all.into_iter().map(|it| it.0).collect();
        expect![[r#"
            a\u{1b}[31m\u{202e}
            (3 more are not shown)
            {} … (9 bytes)
              k = v\n
              and 2 metadata more
              failed: trap: x
            base64: /wA=
        "#]]
        .assert_eq(&text);
        assert_eq!(shown(lines[1], Format::Json), Ok((lines[1].to_string(), false)));
        assert!(shown("<html>", Format::Text).is_err());
    }
}
