//! The messages that are given to a guest by hand: files or standard input, and what is beside their content.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, IsTerminal, Read, Write},
    path::{Path, PathBuf},
    vec,
};

use clap::Args;
use wappa_message::{Mark, Message, Metadata, Value};
use wappa_wasm::json;

/// No content is larger: a guest could not hold it anyway with the default limits.
const CONTENT_BYTES_MAX: usize = 256 << 20;

/// Where messages come from.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct InputOptions {
    /// Each file is one message; `-` is standard input, of which each line is a message.
    #[arg(value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,

    /// Each line of a file is a message.
    #[arg(long, conflicts_with = "whole")]
    pub(super) lines: bool,

    /// All of standard input is one message.
    #[arg(long)]
    pub(super) whole: bool,

    /// Metadata of each message: a text, or with `:=` JSON of any type (`n:=3`); may be given again.
    #[arg(long, short, value_name = "KEY=TEXT", value_parser = metadata)]
    meta: Vec<(String, Value)>,

    /// Mark each message as failed before, with this reason.
    #[arg(long, value_name = "REASON")]
    error: Option<String>,
}

/// Reads one of the metadata from a flag.
pub(crate) fn metadata(text: &str) -> Result<(String, Value), String> {
    let wrong = || "write it as KEY=TEXT or as KEY:=JSON".to_string();
    let (key, value) = text.split_once('=').filter(|it| !it.0.is_empty()).ok_or_else(wrong)?;
    match key.strip_suffix(':') {
        Some("") => Err(wrong()),
        Some(key) => json::parse(value.as_bytes())
            .map(|it| (key.to_string(), it))
            .map_err(|err| format!("`{value}` is no JSON: {err}; a text is written with `=` alone")),
        None => Ok((key.to_string(), Value::text(value))),
    }
}

impl InputOptions {
    /// The messages, read as they are asked for. The error has the file's name.
    pub(super) fn messages(&self) -> Messages<'_> {
        let files = match self.files.as_slice() {
            [] => vec![PathBuf::from("-")],
            files => files.to_vec(),
        };
        Messages { options: self, files: files.into_iter(), lines: None }
    }

    /// The first file that is not there.
    pub(super) fn missing_file(&self) -> Option<&Path> {
        let mut files = self.files.iter().map(PathBuf::as_path);
        files.find(|it| it.as_os_str() != "-" && !it.exists())
    }

    /// A message with this content, and with what is beside it.
    pub(super) fn message(&self, content: Vec<u8>) -> Message {
        let pairs = self.meta.iter().map(|(key, value)| (key.clone().into(), value.clone()));
        let mut message = Message::of_input(content.into(), Metadata::from_pairs(pairs), 0);
        if let Some(reason) = &self.error {
            message.set_error(Mark::new(reason.as_str()));
        }
        message
    }
}

/// Messages as they are read.
pub(super) struct Messages<'a> {
    options: &'a InputOptions,
    files: vec::IntoIter<PathBuf>,
    /// The file whose lines are messages.
    lines: Option<Lines>,
}

struct Lines {
    path: PathBuf,
    from: Box<dyn BufRead>,
}

impl Iterator for Messages<'_> {
    type Item = Result<Message, String>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(lines) = &mut self.lines {
                match line(&mut lines.from) {
                    Ok(Some(content)) => return Some(Ok(self.options.message(content))),
                    Ok(None) => self.lines = None,
                    Err(err) => {
                        let path = lines.path.clone();
                        self.lines = None;
                        return Some(Err(unreadable(&path, &err)));
                    }
                }
                continue;
            }
            let path = self.files.next()?;
            match self.begin(&path) {
                Ok(Some(content)) => return Some(Ok(self.options.message(content))),
                Ok(None) => (),
                Err(err) => return Some(Err(unreadable(&path, &err))),
            }
        }
    }
}

impl Messages<'_> {
    /// The content of a file that is one message; none where its lines are messages.
    fn begin(&mut self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        let is_stdin = path.as_os_str() == "-";
        let from: Box<dyn BufRead> = match is_stdin {
            true => {
                if io::stdin().is_terminal() {
                    let what = if self.options.whole { "a message" } else { "messages, one a line" };
                    // Whoever does not see it does not wait for it.
                    let _ = writeln!(io::stderr(), "type {what}; Ctrl-D ends it");
                }
                Box::new(BufReader::new(io::stdin()))
            }
            false => Box::new(BufReader::new(File::open(path)?)),
        };
        if self.options.lines || (is_stdin && !self.options.whole) {
            self.lines = Some(Lines { path: path.to_path_buf(), from });
            return Ok(None);
        }
        let mut content = Vec::new();
        from.take(CONTENT_BYTES_MAX as u64 + 1).read_to_end(&mut content)?;
        check_size(&content)?;
        Ok(Some(content))
    }
}

/// One line without its end; none at the end of the file.
fn line(from: &mut dyn BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    if from.take(CONTENT_BYTES_MAX as u64 + 1).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    check_size(&line)?;
    if line.last() == Some(&b'\n') {
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
    }
    Ok(Some(line))
}

fn check_size(content: &[u8]) -> io::Result<()> {
    match content.len() <= CONTENT_BYTES_MAX {
        true => Ok(()),
        false => {
            let text = format!("a message is larger than {} MiB", CONTENT_BYTES_MAX >> 20);
            Err(io::Error::other(text))
        }
    }
}

fn unreadable(path: &Path, err: &io::Error) -> String {
    let name = match path.as_os_str() == "-" {
        true => "standard input".to_string(),
        false => path.display().to_string(),
    };
    format!("reading {name}: {}", wappa_component::cause(err))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_are_text_or_json() {
        let read = |text: &str| metadata(text).map(|(key, value)| format!("{key} {value:?}"));
        assert_eq!(read("a=b=c").as_deref(), Ok("a Text(\"b=c\")"));
        assert_eq!(read("n:=3").as_deref(), Ok("n Int(3)"));
        assert_eq!(read("a:b=").as_deref(), Ok("a:b Text(\"\")"));
        assert!(read("n:=three").is_err_and(|it| it.contains("`three` is no JSON")));
        for text in ["", "a", "=b", ":=3"] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn lines_end_as_in_a_stream() {
        let mut from: &[u8] = b"a\r\n\nb\r";
        let mut lines = Vec::new();
        while let Some(it) = line(&mut from).expect("memory can be read") {
            lines.push(String::from_utf8(it).expect("it is text"));
        }
        assert_eq!(lines, ["a", "", "b\r"]);
    }
}
