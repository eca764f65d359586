//! The formats of texts that schemas name. What they do not know fits everything.

use std::{net::IpAddr, sync::OnceLock};

use regex::Regex;

use crate::{formats::url, time::layout, value::regexp};

macro_rules! matches_pattern {
    ($pattern:expr, $text:expr) => {{
        static PATTERN: OnceLock<Regex> = OnceLock::new();
        PATTERN.get_or_init(|| Regex::new($pattern).expect("it is a pattern")).is_match($text)
    }};
}

/// Whether there are texts that a format does not fit.
pub(super) fn is_known(format: &str) -> bool {
    // None of the formats knows a text that is only a brace and a backslash but `regex`, which does not know this one.
    !fits(format, "({\\")
}

/// Whether a text has a format.
pub(super) fn fits(format: &str, text: &str) -> bool {
    let is_time = |layouts: &[&str]| layouts.iter().any(|it| layout::parse(it, text).is_ok());
    match format {
        "date" => is_time(&["2006-01-02"]),
        "time" => is_time(&["15:04:05Z07:00", "15:04:05"]),
        "date-time" => is_time(&["15:04:05", "15:04:05Z07:00", "2006-01-02", "2006-01-02T15:04:05Z07:00"]),
        "hostname" => {
            text.len() < 256
                && text.split('.').all(|it| {
                    let may_stand = |it: u8| it.is_ascii_alphanumeric() || it == b'-';
                    (1..=63).contains(&it.len())
                        && it.bytes().all(may_stand)
                        && !it.starts_with('-')
                        && !it.ends_with('-')
                })
        }
        "email" | "idn-email" => is_email(text),
        "ipv4" => text.contains('.') && text.parse::<IpAddr>().is_ok(),
        "ipv6" => text.contains(':') && text.parse::<IpAddr>().is_ok(),
        "uri" | "iri" => {
            !text.contains('\\') && url::parse(text.as_bytes()).is_ok_and(|it| !it.scheme.is_empty())
        }
        "uri-reference" | "iri-reference" => !text.contains('\\') && url::parse(text.as_bytes()).is_ok(),
        "uri-template" => {
            let is_balanced =
                |path: &[u8]| matches_pattern!(r"^([^{]*(\{[^}]*\})?)*$", &String::from_utf8_lossy(path));
            !text.contains('\\') && url::parse(text.as_bytes()).is_ok_and(|it| is_balanced(&it.path))
        }
        "uuid" => matches_pattern!("^[a-f0-9]{8}-([a-f0-9]{4}-){3}[a-f0-9]{12}$", text),
        "regex" => text.is_empty() || regexp::compile(text.as_bytes()).is_ok(),
        "json-pointer" => matches_pattern!("^(?:/(?:[^~/]|~0|~1)*)*$", text),
        "relative-json-pointer" => matches_pattern!("^(?:0|[1-9][0-9]*)(?:#|(?:/(?:[^~/]|~0|~1)*)*)$", text),
        _ => true,
    }
}

/// Whether a text is an address of mail by RFC 5322, with or without the name of a person before it.
fn is_email(text: &str) -> bool {
    const ATOM: &str = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u{80}-\u{10ffff}-]+";
    static PATTERN: OnceLock<Regex> = OnceLock::new();
    let pattern = PATTERN.get_or_init(|| {
        let quoted = r#""(?:[^"\\\r\n]|\\.)*""#;
        let word = format!("(?:{ATOM}|{quoted})");
        let local = format!(r"(?:{ATOM}(?:\.{ATOM})*|{quoted})");
        let domain = format!(r"(?:{ATOM}(?:\.{ATOM})*|\[[^\[\]\\]*\])");
        let address = format!("{local}@{domain}");
        let phrase = format!(r"(?:{word}|\.)(?:[ \t]*(?:{word}|\.))*");
        let pattern = format!(r"^[ \t]*(?:{address}|(?:{phrase})?[ \t]*<{address}>)[ \t]*$");
        Regex::new(&pattern).expect("it is a pattern")
    });
    pattern.is_match(text)
}
