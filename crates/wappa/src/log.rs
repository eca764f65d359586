//! The log: lines in Bento's two forms, and on a terminal in one for people, each written whole with one write.
//!
//! A log that cannot be written any more is given up without a word: there is nowhere to say it, and messages matter
//! more than lines about them.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{self, IsTerminal, Write},
    sync::Arc,
};

use jiff::{Timestamp, Zoned, tz::TimeZone};
use wappa_component::{Level, LogSink};
use wappa_spec::{LoggerConfig, is_printable, printable_json};

use wappa_component::cause;

use crate::progress::Bar;

/// Where lines go.
#[derive(Debug)]
pub(crate) enum Target {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// A file, opened for appending.
    File(File),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Logfmt,
    Json,
    /// For a person at a terminal.
    Person {
        has_color: bool,
    },
}

/// Writes log lines.
#[derive(Debug)]
pub(crate) struct Log {
    /// The least severe level that is written; none: nothing is.
    threshold: Option<Level>,
    format: Format,
    level_name: String,
    time_name: String,
    message_name: String,
    has_time: bool,
    static_fields: Vec<(String, String)>,
    target: Target,
    /// What may be on the same terminal.
    bar: Arc<Bar>,
}

/// What a log is told beside its config.
#[derive(Debug)]
pub(crate) struct LogSetting<'a> {
    /// A level that counts before the config's.
    pub(crate) level: Option<&'a str>,
    /// Where lines go unless the config names a file.
    pub(crate) target: Target,
    /// Whether colors are welcome on a terminal.
    pub(crate) has_color: bool,
    /// What may be on the same terminal.
    pub(crate) bar: Arc<Bar>,
}

impl Log {
    /// A log as the config describes it.
    pub(crate) fn new(config: &LoggerConfig, setting: LogSetting<'_>) -> Result<Log, String> {
        let LogSetting { level, target, has_color, bar } = setting;
        let path = &config.file.path;
        let is_terminal = path.is_empty() && target.is_terminal();
        let format = match config.format.as_deref().map(str::to_ascii_lowercase).as_deref() {
            None if is_terminal => Format::Person { has_color },
            None | Some("logfmt") => Format::Logfmt,
            Some("json") => Format::Json,
            Some(format) => return Err(format!("log format '{format}' not recognized")),
        };
        let target = match path.is_empty() {
            true => target,
            false => {
                let file = OpenOptions::new().create(true).append(true).open(path);
                Target::File(file.map_err(|err| format!("opening the log file `{path}`: {}", cause(&err)))?)
            }
        };
        let own = |(name, value): (&str, &String)| (name.to_string(), value.clone());
        Ok(Log {
            threshold: threshold(level.unwrap_or(&config.level)),
            format,
            level_name: config.level_name.clone(),
            time_name: config.timestamp_name.clone(),
            message_name: config.message_name.clone(),
            has_time: config.add_timestamp,
            static_fields: config.static_fields.iter().map(own).collect(),
            target,
            bar,
        })
    }

    fn line(
        &self,
        level: Level,
        message: &str,
        fields: &[(&str, Cow<'_, str>)],
        time: Option<&str>,
    ) -> String {
        if let Format::Person { has_color } = self.format {
            return line_for_person(level, message, fields, time.unwrap_or_default(), has_color);
        }
        // Of fields of one name, the line's own count before the static ones, and the first before the others.
        let mut all: BTreeMap<Cow<'_, str>, &str> = BTreeMap::new();
        let static_fields = self.static_fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in fields.iter().map(|(name, value)| (*name, value.as_ref())).chain(static_fields) {
            all.entry(self.renamed(name)).or_insert(value);
        }
        let mut line = match self.format {
            Format::Logfmt | Format::Person { .. } => self.logfmt(level, message, &all, time),
            Format::Json => {
                all.insert(Cow::Borrowed(&self.level_name), level_text(level));
                all.insert(Cow::Borrowed(&self.message_name), message);
                all.extend(time.map(|time| (Cow::Borrowed(self.time_name.as_str()), time)));
                printable_json(&serde_json::to_string(&all).expect("a map of texts is JSON")).into_owned()
            }
        };
        line.push('\n');
        line
    }

    /// A field that would look like the level, the time or the message has another name.
    fn renamed<'n>(&self, name: &'n str) -> Cow<'n, str> {
        let taken = [&self.level_name, &self.time_name, &self.message_name];
        if taken.into_iter().any(|it| it == name) {
            return Cow::Owned(format!("fields.{name}"));
        }
        Cow::Borrowed(name)
    }

    fn logfmt(
        &self,
        level: Level,
        message: &str,
        fields: &BTreeMap<Cow<'_, str>, &str>,
        time: Option<&str>,
    ) -> String {
        let mut line = String::with_capacity(160);
        if let Some(time) = time {
            push_pair(&mut line, &self.time_name, time);
        }
        push_pair(&mut line, &self.level_name, level_text(level));
        if !message.is_empty() {
            push_pair(&mut line, &self.message_name, message);
        }
        fields.iter().for_each(|(name, value)| push_pair(&mut line, name, value));
        line
    }
}

impl LogSink for Log {
    fn enabled(&self, level: Level) -> bool {
        self.threshold.is_some_and(|it| level <= it)
    }

    fn write(&self, level: Level, message: &str, fields: &[(&str, Cow<'_, str>)]) {
        if !self.enabled(level) {
            return;
        }
        let time = match self.format {
            Format::Person { .. } => Some(clock_text(Timestamp::now(), TimeZone::system())),
            _ => self.has_time.then(|| time_text(Timestamp::now(), TimeZone::system())),
        };
        let line = self.line(level, message, fields, time.as_deref());
        self.bar.aside(|| {
            let _ = match &self.target {
                Target::Stdout => write_whole(io::stdout().lock(), &line),
                Target::Stderr => write_whole(io::stderr().lock(), &line),
                Target::File(file) => write_whole(file, &line),
            };
        });
    }
}

impl Target {
    fn is_terminal(&self) -> bool {
        match self {
            Target::Stdout => io::stdout().is_terminal(),
            Target::Stderr => io::stderr().is_terminal(),
            Target::File(_) => false,
        }
    }
}

fn write_whole(mut to: impl Write, line: &str) -> io::Result<()> {
    to.write_all(line.as_bytes())?;
    to.flush()
}

/// Bento's levels; what is none of them is `INFO`.
fn threshold(name: &str) -> Option<Level> {
    match name.to_ascii_uppercase().as_str() {
        "OFF" | "NONE" => None,
        "FATAL" => Some(Level::Fatal),
        "ERROR" => Some(Level::Error),
        "WARN" => Some(Level::Warn),
        "DEBUG" => Some(Level::Debug),
        "TRACE" | "ALL" => Some(Level::Trace),
        _ => Some(Level::Info),
    }
}

fn level_text(level: Level) -> &'static str {
    match level {
        Level::Fatal => "fatal",
        Level::Error => "error",
        Level::Warn => "warning",
        Level::Info => "info",
        Level::Debug => "debug",
        Level::Trace => "trace",
    }
}

/// RFC 3339 in whole seconds, at the local offset.
fn time_text(now: Timestamp, zone: TimeZone) -> String {
    let zoned = Zoned::new(now, zone);
    match zoned.offset().is_zero() {
        true => zoned.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        false => zoned.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
    }
}

/// The time of a person's day.
fn clock_text(now: Timestamp, zone: TimeZone) -> String {
    Zoned::new(now, zone).strftime("%H:%M:%S").to_string()
}

/// Time, level and message, and behind them what is known beside: which stream it is of is no news at a terminal.
fn line_for_person(
    level: Level,
    message: &str,
    fields: &[(&str, Cow<'_, str>)],
    time: &str,
    has_color: bool,
) -> String {
    let (name, color) = match level {
        Level::Fatal => ("FATAL", "1;31"),
        Level::Error => ("ERROR", "1;31"),
        Level::Warn => ("WARN ", "1;33"),
        Level::Info => ("INFO ", "32"),
        Level::Debug => ("DEBUG", "34"),
        Level::Trace => ("TRACE", "35"),
    };
    let paint = |text: &str, color: &str| match has_color {
        true => format!("\x1b[{color}m{text}\x1b[0m"),
        false => text.to_string(),
    };
    let mut line = format!("{} {} ", paint(time, "2"), paint(name, color));
    message.chars().for_each(|it| push_escaped(&mut line, it));
    let mut rest = String::new();
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_empty()) {
        push_pair(&mut rest, name, value);
    }
    if !rest.is_empty() {
        line.push_str("  ");
        line.push_str(&paint(&rest, "2"));
    }
    line.push('\n');
    line
}

fn push_pair(line: &mut String, name: &str, value: &str) {
    if !line.is_empty() {
        line.push(' ');
    }
    line.push_str(name);
    line.push('=');
    let is_plain = |it: u8| it.is_ascii_alphanumeric() || b"-._/@^+".contains(&it);
    if !value.is_empty() && value.bytes().all(is_plain) {
        line.push_str(value);
    } else {
        push_quoted(line, value);
    }
}

/// Quotes as Go's `%q` does.
fn push_quoted(line: &mut String, value: &str) {
    line.push('"');
    for it in value.chars() {
        match it {
            '"' => line.push_str("\\\""),
            '\\' => line.push_str("\\\\"),
            _ => push_escaped(line, it),
        }
    }
    line.push('"');
}

/// A character as it is, unless it cannot be seen: such ones would let a message write to the terminal.
fn push_escaped(line: &mut String, it: char) {
    match it {
        '\n' => line.push_str("\\n"),
        '\r' => line.push_str("\\r"),
        '\t' => line.push_str("\\t"),
        '\u{7}' => line.push_str("\\a"),
        '\u{8}' => line.push_str("\\b"),
        '\u{b}' => line.push_str("\\v"),
        '\u{c}' => line.push_str("\\f"),
        _ if is_printable(it) => line.push(it),
        _ => match u32::from(it) {
            code @ ..0x80 => line.push_str(&format!("\\x{code:02x}")),
            code @ 0x80..0x1_0000 => line.push_str(&format!("\\u{code:04x}")),
            code => line.push_str(&format!("\\U{code:08x}")),
        },
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use wappa_spec::{Registry, StreamConfig};

    use super::*;
    use crate::table;

    fn log(format: &str) -> Log {
        let registry: &dyn Registry = &table::registry();
        let config = StreamConfig::empty(registry).expect("an empty config is one").logger;
        let setting =
            LogSetting { level: None, target: Target::Stderr, has_color: false, bar: Arc::default() };
        Log::new(&LoggerConfig { format: Some(format.to_string()), ..config }, setting)
            .expect("a format that is known")
    }

    fn lines(log: &Log) -> String {
        let fields = |fields: &[(&'static str, &'static str)]| -> Vec<(&'static str, Cow<'static, str>)> {
            fields.iter().map(|(name, value)| (*name, Cow::Borrowed(*value))).collect()
        };
        let write = |level, message, own: &[_], time| log.line(level, message, &fields(own), time);
        [
            write(Level::Info, "Launching a Wappa instance, use CTRL+C to close", &[], None),
            write(
                Level::Warn,
                "plain",
                &[("path", "root.input"), ("label", "")],
                Some("2026-11-22T22:03:15Z"),
            ),
            write(
                Level::Error,
                "",
                &[("z", "a=b"), ("label", "mine"), ("label", "not this"), ("a", "x y")],
                None,
            ),
            write(
                Level::Trace,
                "ü\n\"\\\0e\u{301}",
                &[("level", "q"), ("msg", "z"), ("@service", "s")],
                None,
            ),
            write(Level::Debug, "x/y@w+-_.^", &[("u", "ü"), ("c", "a,b"), ("e", "[x]"), ("f", "x:y")], None),
        ]
        .concat()
    }

    #[test]
    fn logfmt() {
        expect![[r#"
            level=info msg="Launching a Wappa instance, use CTRL+C to close" @service=wappa
            time="2026-11-22T22:03:15Z" level=warning msg=plain @service=wappa label="" path=root.input
            level=error @service=wappa a="x y" label=mine z="a=b"
            level=trace msg="ü\n\"\\\x00é" @service=s fields.level=q fields.msg=z
            level=debug msg=x/y@w+-_.^ @service=wappa c="a,b" e="[x]" f="x:y" u="ü"
        "#]]
        .assert_eq(&lines(&log("logfmt")));
    }

    #[test]
    fn for_a_person() {
        let with_color = Log { format: Format::Person { has_color: true }, ..log("logfmt") };
        let without = Log { format: Format::Person { has_color: false }, ..log("logfmt") };
        let visible = lines(&with_color).replace('\x1b', "ESC");
        expect![[r#"
            ESC[2mESC[0m ESC[32mINFO ESC[0m Launching a Wappa instance, use CTRL+C to close
            ESC[2m2026-11-22T22:03:15ZESC[0m ESC[1;33mWARN ESC[0m plain  ESC[2mpath=root.inputESC[0m
            ESC[2mESC[0m ESC[1;31mERRORESC[0m   ESC[2mz="a=b" label=mine label="not this" a="x y"ESC[0m
            ESC[2mESC[0m ESC[35mTRACEESC[0m ü\n"\\x00é  ESC[2mlevel=q msg=z @service=sESC[0m
            ESC[2mESC[0m ESC[34mDEBUGESC[0m x/y@w+-_.^  ESC[2mu="ü" c="a,b" e="[x]" f="x:y"ESC[0m
             INFO  Launching a Wappa instance, use CTRL+C to close
            2026-11-22T22:03:15Z WARN  plain  path=root.input
             ERROR   z="a=b" label=mine label="not this" a="x y"
             TRACE ü\n"\\x00é  level=q msg=z @service=s
             DEBUG x/y@w+-_.^  u="ü" c="a,b" e="[x]" f="x:y"
        "#]]
        .assert_eq(&format!("{visible}{}", lines(&without)));
    }

    #[test]
    fn what_cannot_be_seen_is_escaped() {
        let mut line = String::new();
        push_quoted(&mut line, "\u{1}\u{7}\u{7f}\u{200b}\u{202e}\u{10ffff} ");
        assert_eq!(line, r#""\x01\a\x7f\u200b\u202e\U0010ffff ""#);
    }

    #[test]
    fn json() {
        expect![[r#"
            {"@service":"wappa","level":"info","msg":"Launching a Wappa instance, use CTRL+C to close"}
            {"@service":"wappa","label":"","level":"warning","msg":"plain","path":"root.input","time":"2026-11-22T22:03:15Z"}
            {"@service":"wappa","a":"x y","label":"mine","level":"error","msg":"","z":"a=b"}
            {"@service":"s","fields.level":"q","fields.msg":"z","level":"trace","msg":"ü\n\"\\\u0000é"}
            {"@service":"wappa","c":"a,b","e":"[x]","f":"x:y","level":"debug","msg":"x/y@w+-_.^","u":"ü"}
        "#]].assert_eq(&lines(&log("JSON")));
    }

    #[test]
    fn levels() {
        let enabled = |name: &str| {
            let log = Log { threshold: threshold(name), ..log("logfmt") };
            let all = [Level::Fatal, Level::Error, Level::Warn, Level::Info, Level::Debug, Level::Trace];
            let enabled: Vec<_> = all.into_iter().filter(|it| log.enabled(*it)).map(level_text).collect();
            format!("{name}: {}\n", enabled.join(" "))
        };
        let names = ["off", "none", "FATAL", "error", "Warn", "INFO", "debug", "trace", "all", "nope"];
        expect![[r#"
            off: 
            none: 
            FATAL: fatal
            error: fatal error
            Warn: fatal error warning
            INFO: fatal error warning info
            debug: fatal error warning info debug
            trace: fatal error warning info debug trace
            all: fatal error warning info debug trace
            nope: fatal error warning info
        "#]]
        .assert_eq(&names.map(enabled).concat());
    }

    #[test]
    fn times() {
        let now = Timestamp::from_second(1_700_000_000).expect("a time in range");
        let zone = TimeZone::fixed(jiff::tz::offset(-3));
        expect![[r#"
            2023-11-14T22:13:20Z
            2023-11-14T19:13:20-03:00"#]]
        .assert_eq(&[time_text(now, TimeZone::UTC), time_text(now, zone)].join("\n"));
    }
}
