//! What others wrote, made fit to be printed.
//!
//! Names and texts of modules, configs, files and clients reach terminals and logs. A character that moves the cursor,
//! changes colors, turns the direction of a line or cannot be seen at all would let them forge what is printed, so
//! everything that is printed goes through here.

use std::{borrow::Cow, fmt::Write as _, path::Path};

/// Whether a character can be seen, and changes nothing but its own place. Line breaks and tabs are not printable.
pub fn is_printable(it: char) -> bool {
    if it.is_ascii() {
        return !it.is_ascii_control();
    }
    // The standard library knows, and tells it only through its own escapes.
    if it.escape_debug().len() == 1 {
        return true;
    }
    // Behind another character, an accent is printable too.
    let mut text = [b'a'; 5];
    let end = 1 + it.encode_utf8(&mut text[1..]).len();
    str::from_utf8(&text[..end]).is_ok_and(|it| !it.escape_debug().any(|it| it == '\\'))
}

/// The text on one line: what is not printable is escaped as in Rust, `\n` or `\u{9b}`.
pub fn printable(text: &str) -> Cow<'_, str> {
    escaped(text, |_| false, |out, it| out.extend(it.escape_default()))
}

/// The same for a text of several lines, which stay.
pub fn printable_lines(text: &str) -> Cow<'_, str> {
    escaped(text, |it| it == '\n' || it == '\t', |out, it| out.extend(it.escape_default()))
}

/// The same for the name of a file.
pub fn printable_path(path: impl AsRef<Path>) -> String {
    printable(&path.as_ref().to_string_lossy()).into_owned()
}

/// The same document with the same meaning: JSON leaves it to the writer which characters of a string are escaped.
pub fn printable_json(json: &str) -> Cow<'_, str> {
    escaped(
        json,
        |it| it == '\n',
        |out, it| {
            for unit in it.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}").expect("writing to a string cannot fail");
            }
        },
    )
}

fn escaped(text: &str, stays: impl Fn(char) -> bool, escape: impl Fn(&mut String, char)) -> Cow<'_, str> {
    let stays = |it: char| stays(it) || is_printable(it);
    let Some(first) = text.find(|it| !stays(it)) else { return Cow::Borrowed(text) };
    let mut out = String::with_capacity(text.len() + 16);
    out.push_str(&text[..first]);
    for it in text[first..].chars() {
        if stays(it) { out.push(it) } else { escape(&mut out, it) }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_standard_library_escapes_is_not_printable() {
        for it in ('\u{80}'..=char::MAX).step_by(7) {
            let behind_another = format!("a{it}").escape_debug().all(|it| it != '\\');
            assert_eq!(is_printable(it), behind_another, "{it:?}");
        }
    }

    /// Escape, the same as one character, delete, an override of the direction, a line separator, a byte order mark.
    const HOSTILE: &str = "a\u{1b}[31m\u{9b}2J\u{7f}\u{202e}\u{2066}\u{2028}\u{feff}\n\tä e\u{301} 語";

    #[test]
    fn what_cannot_be_seen_is_escaped() {
        let seen = r"a\u{1b}[31m\u{9b}2J\u{7f}\u{202e}\u{2066}\u{2028}\u{feff}";
        assert_eq!(printable(HOSTILE), format!("{seen}\\n\\tä e\u{301} 語"));
        assert_eq!(printable_lines(HOSTILE), format!("{seen}\n\tä e\u{301} 語"));
        assert_eq!(printable_json("\"\u{9b}\u{e0001}\"\n"), "\"\\u009b\\udb40\\udc01\"\n");
        assert!(matches!(printable("as it is"), Cow::Borrowed("as it is")));
    }
}
