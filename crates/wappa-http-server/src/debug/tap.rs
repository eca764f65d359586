//! `/debug/tap`: messages of a component, as they come, to whoever looks.

use std::{future::poll_fn, sync::Arc};

use bytes::Bytes;
use hyper::{
    StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue},
};
use tokio::sync::{mpsc, watch};
use wappa_component::{Seen, Tap, TapRequest, Taps};
use wappa_message::Value;

use super::{lines, mistake};
use crate::{
    answer::{Answer, Content, Pieces, error, plain, with},
    escapes,
    routes::Asked,
    server::{Phase, reached},
};

/// How many messages a second are shown where nobody says how many, and how many may be asked for.
const RATE: u64 = 100;
const RATE_MAX: u64 = 10_000;

/// Fewer are hardly any.
const EVERY_MAX: u64 = 1_000_000_000;

/// What is sent at once, about, in bytes.
const BYTES_AT_ONCE: usize = 64 * 1024;

/// Answers with messages, or, where no component is named, with the components that there are.
pub(super) fn answer(asked: &Asked, taps: &Taps) -> Answer {
    let request = match read(asked.request.uri().query().unwrap_or_default()) {
        Ok(request) => request,
        Err(why) => return mistake(why),
    };
    let components = taps.components();
    let name = |[stream, path, label]: &[Arc<str>; 3]| {
        let label = if label.is_empty() { String::new() } else { format!(" (label `{label}`)") };
        let stream = if stream.is_empty() { String::new() } else { format!(" (stream `{stream}`)") };
        format!("{path}{label}{stream}")
    };
    if request.component.is_empty() {
        let of_stream = |it: &&[Arc<str>; 3]| request.stream.is_empty() || request.stream == *it[0];
        return lines(components.iter().filter(of_stream).map(name));
    }
    let is_it = |[stream, path, label]: &[Arc<str>; 3]| {
        let component = &*request.component;
        if !request.stream.is_empty() && request.stream != **stream {
            return false;
        }
        component == &**path || component == &**label || path.strip_prefix("root.") == Some(component)
    };
    if !components.iter().any(is_it) {
        return error(
            StatusCode::NOT_FOUND,
            format!("no component has the path or label {:?}: without one this shows all", request.component),
        );
    }
    let tap = match taps.tap(request) {
        Ok(tap) => tap,
        Err(why) => return error(StatusCode::SERVICE_UNAVAILABLE, why),
    };
    let (tx, rx) = mpsc::channel(1);
    tokio::spawn(fill(tap, tx, asked.peer.phase.clone()));
    let answer = plain(StatusCode::OK, "").map(|_| Content::Pieces(Box::new(Stream(rx))));
    let answer = with(answer, CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    with(answer, CACHE_CONTROL, HeaderValue::from_static("no-cache"))
}

/// What a query asks for; the error says what is wrong with it.
fn read(query: &str) -> Result<TapRequest, String> {
    let mut request = TapRequest { stream: String::new(), component: String::new(), every: 1, rate: RATE };
    for (key, value) in escapes::query(query) {
        let (key, value) = (String::from_utf8_lossy(&key), String::from_utf8_lossy(&value));
        let number = |most: u64| {
            let number = value.parse().ok().filter(|it| (1..=most).contains(it));
            number.ok_or_else(|| format!("{key} is a number from 1 to {most}, not {value:?}"))
        };
        match &*key {
            "path" => request.component = value.into_owned(),
            "stream" => request.stream = value.into_owned(),
            "every" => request.every = number(EVERY_MAX)?,
            "rate" => request.rate = number(RATE_MAX)?,
            _ => return Err(format!("there is `path`, `stream`, `every` and `rate`, and no {key:?}")),
        }
    }
    Ok(request)
}

/// Puts what comes into the body of an answer, until its client is gone.
async fn fill(mut tap: Tap, tx: mpsc::Sender<Bytes>, mut phase: watch::Receiver<Phase>) {
    loop {
        let first = tokio::select! {
            biased;
            () = tx.closed() => return,
            () = reached(&mut phase, Phase::Closing) => return,
            seen = poll_fn(|ctx| tap.poll_next(ctx)) => seen,
        };
        let mut text = String::new();
        write(&first, &mut text);
        // What is there already goes with it.
        while text.len() < BYTES_AT_ONCE {
            let next = poll_fn(|ctx| {
                std::task::Poll::Ready(match tap.poll_next(ctx) {
                    std::task::Poll::Ready(seen) => Some(seen),
                    std::task::Poll::Pending => None,
                })
            });
            let Some(seen) = next.await else { break };
            write(&seen, &mut text);
        }
        if tx.send(text.into()).await.is_err() {
            return;
        }
    }
}

/// Writes a message as a line.
fn write(seen: &Seen, out: &mut String) {
    if 0 < seen.n_dropped {
        *out += &format!("{{\"dropped\":{}}}\n", seen.n_dropped);
    }
    out.push('{');
    if !seen.stream.is_empty() {
        *out += &format!("\"stream\":{},", quoted(&seen.stream));
    }
    *out += &format!("\"path\":{}", quoted(&seen.path));
    if !seen.label.is_empty() {
        *out += &format!(",\"label\":{}", quoted(&seen.label));
    }
    *out += &match text_of(seen) {
        Some(text) => format!(",\"content\":{}", quoted(text)),
        None => {
            use base64::{Engine, engine::general_purpose::STANDARD};
            format!(",\"content_base64\":{}", quoted(&STANDARD.encode(&seen.content)))
        }
    };
    if seen.content.len() < seen.content_bytes {
        *out += &format!(",\"content_bytes\":{}", seen.content_bytes);
    }
    if !seen.metadata.is_empty() {
        let pair = |(name, value): &(Bytes, Bytes)| {
            let text = |it: &Bytes| quoted(&String::from_utf8_lossy(it));
            format!("{}:{}", text(name), text(value))
        };
        let pairs: Vec<String> = seen.metadata.iter().map(pair).collect();
        *out += &format!(",\"metadata\":{{{}}}", pairs.join(","));
    }
    if 0 < seen.n_metadata_left_out {
        *out += &format!(",\"metadata_left_out\":{}", seen.n_metadata_left_out);
    }
    if let Some(why) = &seen.error {
        *out += &format!(",\"error\":{}", quoted(why));
    }
    *out += "}\n";
}

/// A text as JSON, of which a terminal takes nothing for a command.
fn quoted(text: &str) -> String {
    let json = Value::text(text).to_json();
    if json.is_ascii() {
        return json;
    }
    let mut out = String::with_capacity(json.len());
    for letter in json.chars() {
        match letter.is_ascii() || letter.escape_debug().len() == 1 {
            true => out.push(letter),
            false => {
                let mut units = [0; 2];
                for unit in letter.encode_utf16(&mut units) {
                    out += &format!("\\u{unit:04x}");
                }
            }
        }
    }
    out
}

/// The content as a text. What was cut may have been cut within a letter.
fn text_of(seen: &Seen) -> Option<&str> {
    let is_cut = seen.content.len() < seen.content_bytes;
    match std::str::from_utf8(&seen.content) {
        Ok(text) => Some(text),
        Err(err) if is_cut && err.error_len().is_none() => {
            std::str::from_utf8(&seen.content[..err.valid_up_to()]).ok()
        }
        Err(_) => None,
    }
}

/// A body without end.
struct Stream(mpsc::Receiver<Bytes>);

impl Pieces for Stream {
    fn poll_next(&mut self, ctx: &mut std::task::Context<'_>) -> std::task::Poll<Option<Bytes>> {
        self.0.poll_recv(ctx)
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn queries_are_read() {
        let request = |component: &str, every, rate| TapRequest {
            stream: String::new(),
            component: component.to_string(),
            every,
            rate,
        };
        assert_eq!(
            read("stream=s&path=p"),
            Ok(TapRequest { stream: "s".to_string(), ..request("p", 1, 100) })
        );
        assert_eq!(read(""), Ok(request("", 1, 100)));
        assert_eq!(read("path=root.input&every=10&rate=7"), Ok(request("root.input", 10, 7)));
        let mistakes = ["every=0", "every=x", "rate=10001", "paht=a"];
        let mistakes = mistakes.map(|it| read(it).expect_err("there is something wrong with it"));
        expect![[r#"
            every is a number from 1 to 1000000000, not "0"
            every is a number from 1 to 1000000000, not "x"
            rate is a number from 1 to 10000, not "10001"
            there is `path`, `stream`, `every` and `rate`, and no "paht""#]]
        .assert_eq(&mistakes.join("\n"));
    }

    #[test]
    fn messages_are_lines_of_json() {
        let plain = Seen {
            path: "root.input".into(),
            content: b"a\"\x1b[31m".to_vec(),
            content_bytes: 7,
            ..Seen::default()
        };
        let full = Seen {
            label: "my".into(),
            content: "{}\u{202e}\u{e0001}".into(),
            content_bytes: 9,
            metadata: vec![("k".into(), "v\n".into())],
            n_metadata_left_out: 2,
            error: Some("trap: é".to_string()),
            n_dropped: 3,
            ..plain.clone()
        };
        let binary = Seen { content: vec![0xff, 0], content_bytes: 2, ..plain.clone() };
        let cut = Seen { content: "xé".as_bytes()[..2].to_vec(), content_bytes: 3, ..plain.clone() };
        let mut out = String::new();
        [plain, full, binary, cut].iter().for_each(|it| write(it, &mut out));
        expect![[r#"
            {"path":"root.input","content":"a\"\u001b[31m"}
            {"dropped":3}
            {"path":"root.input","label":"my","content":"{}\u202e\udb40\udc01","metadata":{"k":"v\n"},"metadata_left_out":2,"error":"trap: é"}
            {"path":"root.input","content_base64":"/wA="}
            {"path":"root.input","content":"x","content_bytes":3}
        "#]].assert_eq(&out);
    }
}
