//! The text of a file that was linted, and its lines.

use std::sync::OnceLock;

/// A file as it is, without environment variables put in: what may be shown.
#[derive(Debug, Default)]
pub(crate) struct FileText {
    /// The path as the user gave it.
    pub(crate) path: String,
    /// The text; empty for a file that could not be read.
    pub(crate) text: String,
    /// Whether it is no file but a flag, which has no lines.
    pub(crate) is_flag: bool,
    lines: OnceLock<Lines>,
}

/// What is known of the lines of a text, since each of many findings asks.
#[derive(Debug)]
struct Lines {
    /// Where each begins.
    starts: Vec<usize>,
    is_only_one: bool,
}

impl FileText {
    /// A file with its text.
    pub(crate) fn new(path: &str, text: String) -> FileText {
        FileText { path: path.to_string(), text, ..FileText::default() }
    }

    /// What a flag says, which is in no file.
    pub(crate) fn of_flag(flag: &str) -> FileText {
        FileText { path: flag.to_string(), is_flag: true, ..FileText::default() }
    }

    /// A line by its number, which begins at 1, without its end.
    pub(crate) fn line(&self, number: u32) -> Option<&str> {
        let start = *self.lines().starts.get((number as usize).checked_sub(1)?)?;
        self.text[start..].lines().next()
    }

    /// Whether there is one line, and nothing but space behind it.
    pub(crate) fn is_one_line(&self) -> bool {
        self.lines().is_only_one
    }

    fn lines(&self) -> &Lines {
        self.lines.get_or_init(|| {
            let ends = self.text.match_indices('\n').map(|(at, _)| at + 1);
            let starts = std::iter::once(0).chain(ends).filter(|it| *it < self.text.len()).collect();
            Lines { starts, is_only_one: self.text.trim_end().lines().count() == 1 }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, is_one_line: bool) {
        let file = FileText::new("a.yaml", text.to_string());
        let lines: Vec<_> = (1..).map_while(|it| file.line(it)).collect();
        assert_eq!(lines, text.lines().collect::<Vec<_>>(), "{text:?}");
        assert_eq!(file.line(0), None);
        assert_eq!(file.is_one_line(), is_one_line, "{text:?}");
    }

    #[test]
    fn lines() {
        check("", false);
        check("\n", false);
        check("a", true);
        check("a\n \n", true);
        check("\na\n", false);
        check("a: 1\r\nb: 2\r\n\r\nü", false);
    }
}
