//! Colors of what a test prints, Bento's; and texts of messages, made fit to be printed.

use wappa_spec::printable_lines;

/// How much of a text is printed; of what is longer nobody reads the end.
const SHOWN_BYTES_MAX: usize = 1 << 20;

/// Whether there are colors.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    pub(super) has_color: bool,
}

impl Style {
    fn colored(self, code: u8, text: &str) -> String {
        match self.has_color {
            true => format!("\x1b[{code}m{text}\x1b[0m"),
            false => text.to_string(),
        }
    }

    pub(super) fn red(self, text: &str) -> String {
        self.colored(31, text)
    }

    pub(super) fn green(self, text: &str) -> String {
        self.colored(32, text)
    }

    pub(super) fn yellow(self, text: &str) -> String {
        self.colored(33, text)
    }

    pub(super) fn blue(self, text: &str) -> String {
        self.colored(34, text)
    }
}

/// The content of a message, or what it is to be.
pub(super) fn shown(content: &[u8]) -> String {
    let (start, n_more) = match content.len().checked_sub(SHOWN_BYTES_MAX) {
        Some(n_more) if 0 < n_more => (&content[..SHOWN_BYTES_MAX], n_more),
        _ => (content, 0),
    };
    let mut text = printable_lines(&String::from_utf8_lossy(start)).into_owned();
    if 0 < n_more {
        text.push_str(&format!("… and {n_more} more bytes"));
    }
    text
}
