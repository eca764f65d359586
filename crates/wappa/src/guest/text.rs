//! Messages and what became of them, as text for people.

use std::{fmt::Write as _, str};

use bytes::Bytes;
use wappa_message::{Message, Value};
use wappa_spec::is_printable;

use super::{
    ending::{Ending, Kind},
    records::{Records, word},
};

/// How much of a content is shown, unless all of it is wanted.
const SHOWN_BYTES_MAX: usize = 4 << 10;

/// How text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Style {
    /// Whether there is somebody who sees colors.
    pub(crate) has_color: bool,
    /// Only what is the same in every run, and all of it.
    pub(crate) is_brief: bool,
}

/// A color of the terminal.
#[derive(Clone, Copy)]
enum Color {
    Red = 31,
    Green = 32,
    Yellow = 33,
    Cyan = 36,
}

impl Style {
    fn paint(self, color: Color, text: &str) -> String {
        match self.has_color {
            true => format!("\u{1b}[{}m{text}\u{1b}[0m", color as u8),
            false => text.to_string(),
        }
    }

    pub(super) fn red(self, text: &str) -> String {
        self.paint(Color::Red, text)
    }

    pub(super) fn green(self, text: &str) -> String {
        self.paint(Color::Green, text)
    }

    pub(super) fn dim(self, text: &str) -> String {
        match self.has_color {
            true => format!("\u{1b}[2m{text}\u{1b}[0m"),
            false => text.to_string(),
        }
    }

    /// What became of a message. `cost` stands in the first line, unless it is empty.
    pub(crate) fn ending(self, number: usize, ending: &Ending, cost: &str) -> String {
        let color = match ending.kind {
            Kind::Kept | Kind::Sent => Color::Green,
            Kind::Filtered => Color::Yellow,
            Kind::Failed => Color::Red,
        };
        let n = match ending.kind {
            Kind::Sent => format!(" {}", ending.messages.len()),
            _ => String::new(),
        };
        let mut out = format!("#{number} {}{n}", self.paint(color, ending.kind.word()));
        if !cost.is_empty() {
            out.push_str(&self.dim(&format!(" · {cost}")));
        }
        out.push('\n');
        if let Some(reason) = &ending.reason {
            self.line(&mut out, "reason", &printable(reason));
        }
        let n_messages = ending.messages.len();
        for (idx, message) in ending.messages.iter().enumerate() {
            if ending.kind == Kind::Sent || 1 < n_messages {
                writeln!(out, " {}", self.dim(&format!("{}/{n_messages}", idx + 1))).expect(NEVER);
            }
            let is_told = message.error().is_some_and(|it| ending.reason.as_deref() == Some(it.as_str()));
            self.message(&mut out, message, is_told);
        }
        out
    }

    /// A field of what a message is given to.
    pub(crate) fn field(self, out: &mut String, name: &str, value: &str) {
        self.line(out, name, &printable(value));
    }

    /// A message: its content, its metadata, and its mark unless that is told already.
    pub(crate) fn message(self, out: &mut String, message: &Message, is_mark_told: bool) {
        self.content(out, message.content());
        for (key, value) in message.metadata().iter() {
            self.line(out, "meta", &format!("{}: {}", key_text(key), value_text(value)));
        }
        if let Some(mark) = message.error().filter(|_| !is_mark_told) {
            self.line(out, "error", &printable(mark.as_str()));
        }
    }

    fn content(self, out: &mut String, content: &Bytes) {
        let shown = match self.is_brief {
            true => content.as_ref(),
            false => head(content),
        };
        match as_text(shown) {
            _ if content.is_empty() => self.line(out, "empty", ""),
            Some(text) => {
                let mut lines = text.split('\n');
                self.line(out, "content", lines.next().unwrap_or_default());
                lines.for_each(|it| self.line(out, "", it));
            }
            None => {
                for (idx, line) in hex_dump(shown).iter().enumerate() {
                    self.line(out, if idx == 0 { "bytes" } else { "" }, line);
                }
            }
        }
        if shown.len() < content.len() {
            let left = super::size_text((content.len() - shown.len()) as u64);
            self.line(out, "", &self.dim(&format!("… {left} more: `--json` and `--brief` show all")));
        }
    }

    /// What a guest said, below the message on which it did.
    pub(crate) fn records(self, records: &Records) -> String {
        let mut out = String::new();
        for (level, text) in &records.lines {
            let word = format!("{:<5}", word(*level));
            let word = match *level {
                wappa_wasm::Level::Error => self.red(&word),
                wappa_wasm::Level::Warn => self.paint(Color::Yellow, &word),
                _ => self.paint(Color::Cyan, &word),
            };
            self.line(&mut out, "log", &format!("{word} {}", printable(text)));
        }
        for (name, delta) in &records.counters {
            self.line(&mut out, "counter", &format!("{name} +{delta}"));
        }
        out
    }

    /// Where the guest was when it failed.
    pub(super) fn backtrace(self, ending: &Ending) -> String {
        let mut out = String::new();
        for (idx, frame) in ending.stack.iter().enumerate() {
            self.line(&mut out, if idx == 0 { "stack" } else { "" }, &printable(frame));
        }
        out
    }

    /// A line with a word before it, or a further line of the same.
    fn line(self, out: &mut String, label: &str, text: &str) {
        let label = match label {
            "" => format!("{:9}|", ""),
            _ => format!("  {label:<8}"),
        };
        let line = format!("{} {text}", self.dim(&label));
        out.push_str(if text.is_empty() { line.trim_end() } else { &line });
        out.push('\n');
    }
}

const NEVER: &str = "writing to a string cannot fail";

/// The beginning of a content, cut between two characters where it is text.
fn head(content: &[u8]) -> &[u8] {
    if content.len() <= SHOWN_BYTES_MAX {
        return content;
    }
    let head = &content[..SHOWN_BYTES_MAX];
    match str::from_utf8(head) {
        Err(err) if err.error_len().is_none() => &head[..err.valid_up_to()],
        _ => head,
    }
}

/// What can be shown as it is: text without characters that control a terminal.
fn as_text(content: &[u8]) -> Option<&str> {
    let is_shown = |c: char| is_printable(c) || c == '\n' || c == '\t';
    str::from_utf8(content).ok().filter(|it| it.chars().all(is_shown))
}

fn key_text(key: &[u8]) -> String {
    match as_text(key) {
        Some(text) if !text.is_empty() && !text.contains([':', '\n', '"']) => text.to_string(),
        _ => Value::text(key).to_json(),
    }
}

/// A value with its type: text in quotes, bytes that are no text in hexadecimal, the rest as JSON.
fn value_text(value: &Value) -> String {
    match value {
        Value::Text(bytes) if str::from_utf8(bytes).is_err() => format!("hex {}", hex(bytes)),
        value => printable(&value.to_json()),
    }
}

/// The same text, in which characters that control a terminal are visible.
pub(crate) fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match !is_printable(c) && c != '\t' {
            true => out.extend(c.escape_default()),
            false => out.push(c),
        }
    }
    out
}

/// Bytes in hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut out, byte| {
        write!(out, "{byte:02x}").expect(NEVER);
        out
    })
}

/// Sixteen bytes a line: where, in hexadecimal, as characters.
pub(crate) fn hex_dump(bytes: &[u8]) -> Vec<String> {
    let line = |(idx, chunk): (usize, &[u8])| {
        let mut hex = String::new();
        for (at, byte) in chunk.iter().enumerate() {
            let gap = if at == 8 { "  " } else { " " };
            write!(hex, "{}{byte:02x}", if at == 0 { "" } else { gap }).expect(NEVER);
        }
        let is_shown = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
        let characters: String =
            chunk.iter().map(|it| if is_shown(*it) { char::from(*it) } else { '.' }).collect();
        format!("{:06x}  {hex:<48}  {characters}", idx * 16)
    };
    bytes.chunks(16).enumerate().map(line).collect()
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use wappa_wasm::Outcome;

    use super::*;

    fn check(messages: Vec<Message>, expected: Expect) {
        let style = Style { has_color: false, is_brief: true };
        let ending = Ending::from(Outcome::Sent(messages, None));
        expected.assert_eq(&style.ending(1, &ending, ""));
    }

    #[test]
    fn no_two_contents_look_the_same() {
        let contents = ["", "a", "a\n", "a\n\nb", "\u{1b}[31m", "(empty)"].map(Message::new);
        check(
            contents.into(),
            expect![[r#"
                #1 sent 6
                 1/6
                  empty
                 2/6
                  content  a
                 3/6
                  content  a
                         |
                 4/6
                  content  a
                         |
                         | b
                 5/6
                  bytes    000000  1b 5b 33 31 6d                                    .[31m
                 6/6
                  content  (empty)
            "#]],
        );
    }

    #[test]
    fn metadata_have_types() {
        let mut message = Message::new(Bytes::from_static(b"\xff0123456789abcdef"));
        for (key, value) in [
            ("n", Value::Int(3)),
            ("text", Value::text("3")),
            ("raw", Value::text(b"\xff\x00")),
            ("a:b\"", Value::Null),
            ("escape", Value::text("\u{1b}")),
        ] {
            message.metadata_mut().set(key, value);
        }
        message.set_error(wappa_message::Mark::new("trap: before"));
        check(
            vec![message],
            expect![[r#"
                #1 sent 1
                 1/1
                  bytes    000000  ff 30 31 32 33 34 35 36  37 38 39 61 62 63 64 65  .0123456789abcde
                         | 000010  66                                                f
                  meta     "a:b\"": null
                  meta     escape: "\u001b"
                  meta     n: 3
                  meta     raw: hex ff00
                  meta     text: "3"
                  error    trap: before
            "#]],
        );
    }
}
