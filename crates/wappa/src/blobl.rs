//! `blobl`: a mapping on documents from standard input, one a line.

use std::{
    io::{self, BufRead, BufReader, IsTerminal, Read, Write},
    path::Path,
    process::ExitCode,
    slice,
    sync::atomic::{AtomicUsize, Ordering},
};

use wappa_bloblang::{Environment, ParseError, Program};
use wappa_component::NotRead;
use wappa_message::{Message, Value};
use wappa_spec::{printable, printable_lines, printable_path};

use crate::cli::BloblArguments;

/// No mapping is that long.
const MAPPING_BYTES_MAX: u64 = 16 << 20;

/// Lines that are there already are mapped together, so many for each thread.
const LINES_PER_THREAD: usize = 256;

/// How much is held of what was made of them, before no more is mapped than can be printed.
const HELD_BYTES: usize = 16 << 20;

/// The largest result, in bytes: as much as a mapping may make for a message.
const RESULT_BYTES_MAX: usize = 1 << 30;

/// Executes a mapping on all documents of standard input.
pub(crate) fn blobl(arguments: &BloblArguments) -> Result<ExitCode, String> {
    let stdin = io::stdin();
    let mut mapper = Mapper::new(arguments)?;
    // A person reads them.
    mapper.is_pretty |= stdin.is_terminal();
    let lines =
        Lines { reader: BufReader::new(stdin.lock()), max: arguments.max_token_length as usize, n: 0 };
    let result = match stdin.is_terminal() {
        true => mapper.converse(lines),
        false => mapper.map_all(lines, usize::from(arguments.threads)),
    };
    match result {
        Ok(()) => Ok(ExitCode::SUCCESS),
        // Whoever does not read it any more does not want it.
        Err(Broken::Write(err)) if err.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        Err(Broken::Write(err)) => Err(format!("failed to write a result: {err}")),
        Err(Broken::Read(text)) => Err(text),
    }
}

/// Why the next document is not mapped.
enum Broken {
    Read(String),
    Write(io::Error),
}

impl From<io::Error> for Broken {
    fn from(err: io::Error) -> Broken {
        Broken::Write(err)
    }
}

/// The lines of standard input.
struct Lines<R> {
    reader: BufReader<R>,
    max: usize,
    n: usize,
}

impl<R: Read> Lines<R> {
    /// The next line without its end; nothing at the end of the input.
    fn next(&mut self) -> Result<Option<Vec<u8>>, Broken> {
        let mut line = Vec::new();
        // The end of a line may be two bytes.
        let mut limited = self.reader.by_ref().take(self.max as u64 + 2);
        let n_bytes = limited.read_until(b'\n', &mut line);
        let n_bytes = n_bytes.map_err(|err| Broken::Read(format!("failed to read standard input: {err}")))?;
        if n_bytes == 0 {
            return Ok(None);
        }
        self.n += 1;
        if line.last() == Some(&b'\n') {
            line.pop();
            line.pop_if(|it| *it == b'\r');
        }
        match line.len() <= self.max {
            true => Ok(Some(line)),
            false => Err(Broken::Read(format!(
                "line {} is longer than {} bytes\nhint: see `--max-token-length`",
                self.n, self.max
            ))),
        }
    }

    /// Whether the next line is there already.
    fn is_ready(&self) -> bool {
        self.reader.buffer().contains(&b'\n')
    }
}

/// A mapping, and how its results are printed.
struct Mapper {
    program: Program,
    is_raw: bool,
    is_pretty: bool,
}

/// What is printed for a document; the error is the text of a failure.
type Printed = Result<Vec<u8>, String>;

impl Mapper {
    fn new(arguments: &BloblArguments) -> Result<Mapper, String> {
        let environment = match arguments.restricted {
            true => Environment::restricted(),
            false => Environment::default(),
        };
        let parsed = match (&arguments.file, arguments.mapping.as_slice()) {
            (Some(_), [_, ..]) => {
                return Err(
                    "invalid flags, unable to execute both a file mapping and an inline mapping".to_string()
                );
            }
            (Some(path), []) => {
                let text = read(path)?;
                // A restricted mapping may be in a file and import none.
                let dir = path.parent().unwrap_or(Path::new(""));
                Program::parse_in(&text, &environment, dir).map_err(|err| told(&text, &err))
            }
            (None, [name, ..]) if name == "server" || name == "playground" => {
                return Err("Wappa does not have the playground of `blobl` yet".to_string());
            }
            (None, [text]) => Program::parse(text, &environment).map_err(|err| told(text, &err)),
            (None, []) => {
                let hint = "hint: wappa blobl 'root.name = this.name', or a file of it with `-f`";
                return Err(format!("there is no mapping\n{hint}"));
            }
            (None, [_, second, ..]) => {
                let second = printable(second);
                return Err(format!(
                    "there is one mapping, and then `{second}`\nhint: put all of it in quotes"
                ));
            }
        };
        let program = parsed?;
        Ok(Mapper { program, is_raw: arguments.raw, is_pretty: arguments.pretty })
    }

    /// Maps all documents. What is there is mapped together, and nothing waits for more.
    fn map_all<R: Read>(&self, mut lines: Lines<R>, n_threads: usize) -> Result<(), Broken> {
        let mut out = io::BufWriter::new(io::stdout().lock());
        let is_terminal = io::stdout().is_terminal();
        loop {
            let mut ready = Vec::new();
            let mut end = None;
            while ready.len() < LINES_PER_THREAD * n_threads && (ready.is_empty() || lines.is_ready()) {
                match lines.next() {
                    Ok(Some(line)) => ready.push(line),
                    Ok(None) => end = Some(Ok(())),
                    // What came before is mapped.
                    Err(broken) => end = Some(Err(broken)),
                }
                if end.is_some() {
                    break;
                }
            }
            self.map_lines(ready, n_threads, |printed| print(&mut out, printed, is_terminal))?;
            out.flush()?;
            if let Some(end) = end {
                return end;
            }
        }
    }

    /// Maps lines, and gives what is printed for them, in their order. No more of it is held than one line makes, and with
    /// several threads [`HELD_BYTES`] beside one line of each.
    fn map_lines(
        &self,
        lines: Vec<Vec<u8>>,
        n_threads: usize,
        mut give: impl FnMut(Printed) -> io::Result<()>,
    ) -> io::Result<()> {
        if n_threads == 1 || lines.len() < 2 {
            return lines.into_iter().try_for_each(|it| give(self.map(it)));
        }
        let n_each = lines.len().div_ceil(n_threads);
        let held = AtomicUsize::new(0);
        // A thread stops where much is held; the rest of its lines are mapped when it is their turn.
        let map = |lines: &[Vec<u8>]| {
            let mut mapped = Vec::new();
            for line in lines {
                if HELD_BYTES <= held.load(Ordering::Relaxed) {
                    break;
                }
                let printed = self.map(line.clone());
                held.fetch_add(printed.as_ref().map_or_else(String::len, Vec::len), Ordering::Relaxed);
                mapped.push(printed);
            }
            mapped
        };
        let map = &map;
        std::thread::scope(|scope| {
            let running: Vec<_> =
                lines.chunks(n_each).map(|lines| (lines, scope.spawn(move || map(lines)))).collect();
            for (lines, thread) in running {
                let mapped = thread.join().unwrap_or_else(|it| std::panic::resume_unwind(it));
                let left = &lines[mapped.len()..];
                mapped.into_iter().try_for_each(&mut give)?;
                left.iter().try_for_each(|it| give(self.map(it.clone())))?;
            }
            Ok(())
        })
    }

    /// Maps what a person types, and answers each document below it. One may go on over several lines.
    fn converse<R: Read>(&self, mut lines: Lines<R>) -> Result<(), Broken> {
        let mut out = io::stdout().lock();
        let is_terminal = out.is_terminal();
        let tell = |text: &str| drop(io::stderr().write_all(text.as_bytes()));
        tell(match self.is_raw {
            true => "Type a line, and see what the mapping makes of it; Ctrl-D ends.\n",
            false => "Type a document, and see what the mapping makes of it; Ctrl-D ends.\n",
        });
        let mut document = Vec::new();
        loop {
            tell(if document.is_empty() { "> " } else { "… " });
            let Some(line) = lines.next()? else { break };
            let is_blank = line.iter().all(u8::is_ascii_whitespace);
            if is_blank && document.is_empty() {
                continue;
            }
            document.extend_from_slice(&line);
            if !self.is_raw && !is_blank && is_begun(&document) {
                document.push(b'\n');
                continue;
            }
            print(&mut out, self.map(std::mem::take(&mut document)), is_terminal)?;
            out.flush()?;
        }
        tell("\n");
        Ok(())
    }

    /// What is printed for one document.
    fn map(&self, document: Vec<u8>) -> Printed {
        let mut message = Message::new(document);
        let batch = slice::from_mut(&mut message);
        let mapped = match self.is_raw {
            true => self.program.map_raw(batch, 0),
            false => self.program.map(batch, 0),
        };
        let mapped = mapped.map_err(|failure| failure.to_string())?;
        // What shares much with itself is small until it is printed.
        if RESULT_BYTES_MAX < mapped.growth(&message) {
            return Err(format!("the result takes more than {}GiB", RESULT_BYTES_MAX >> 30));
        }
        let keeps_content = mapped.keeps_content();
        if !mapped.apply(&mut message) {
            return Ok(Vec::new());
        }
        // What stays as it came is printed as a document, if it is one.
        let value = match keeps_content && !self.is_raw {
            true => message.value().ok().cloned(),
            false => message.printed().err().cloned(),
        };
        Ok(match value {
            None => message.content().to_vec(),
            Some(value @ (Value::Array(_) | Value::Object(_))) if self.is_pretty => {
                indented(&value.to_text())
            }
            // A time is no text, and printed as documents have it.
            Some(value @ Value::Time(_)) => value.to_json_bytes().to_vec(),
            Some(value) => value.to_text().to_vec(),
        })
    }
}

fn print(out: &mut impl Write, printed: Printed, is_terminal: bool) -> io::Result<()> {
    match printed {
        // A terminal does what it is told, and documents are not ours.
        Ok(text) if is_terminal => {
            writeln!(out, "{}", printable_lines(&String::from_utf8_lossy(&text)))
        }
        Ok(mut text) => {
            text.push(b'\n');
            out.write_all(&text)
        }
        Err(failure) => {
            out.flush()?;
            let _ = writeln!(io::stderr(), "failed to execute map: {}", printable_lines(&failure));
            Ok(())
        }
    }
}

/// Whether a text is the beginning of a document and not all of it.
fn is_begun(text: &[u8]) -> bool {
    let result = Message::new(text.to_vec()).value().err().map(|err| err.to_string());
    result.is_some_and(|it| matches!(it.as_str(), "unexpected EOF" | "unexpected end of JSON input"))
}

fn read(path: &Path) -> Result<String, String> {
    let bytes = wappa_component::read_file(path, MAPPING_BYTES_MAX).map_err(|NotRead { step, cause }| {
        format!("failed to read mapping file: {step} {}: {cause}", printable_path(path))
    })?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What is wrong with a mapping, and the place below it.
fn told(text: &str, err: &ParseError) -> String {
    let line = text.lines().nth(err.line() - 1).unwrap_or_default();
    let number = err.line().to_string();
    let margin = " ".repeat(number.len());
    // One character for another, so that the place stays.
    let line: String = line.chars().map(|it| if it.is_control() { ' ' } else { it }).collect();
    let before = " ".repeat(err.column() - 1);
    let hint = wappa_spec::mapping_hint(err).map(|it| format!("\nhint: {it}")).unwrap_or_default();
    format!("failed to parse mapping: {err}\n{margin} |\n{number} | {line}\n{margin} | {before}^---{hint}")
}

/// JSON without white space, over several lines.
fn indented(json: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(json.len() * 2);
    let mut depth = 0usize;
    let (mut is_text, mut is_escaped) = (false, false);
    let line = |out: &mut Vec<u8>, depth: usize| {
        out.push(b'\n');
        out.extend(std::iter::repeat_n(b' ', depth * 2));
    };
    for (idx, byte) in json.iter().enumerate() {
        if is_text {
            out.push(*byte);
            is_text = is_escaped || *byte != b'"';
            is_escaped = !is_escaped && *byte == b'\\';
            continue;
        }
        let is_empty = |other: u8| json.get(idx + 1) == Some(&other);
        match byte {
            b'{' | b'[' => {
                depth += 1;
                out.push(*byte);
                if !is_empty(byte + 2) {
                    line(&mut out, depth);
                }
            }
            b'}' | b']' => {
                depth -= 1;
                if idx == 0 || json[idx - 1] != byte - 2 {
                    line(&mut out, depth);
                }
                out.push(*byte);
            }
            b',' => {
                out.push(b',');
                line(&mut out, depth);
            }
            b':' => out.extend_from_slice(b": "),
            _ => {
                is_text = *byte == b'"';
                out.push(*byte);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lines_make_is_given_on_before_much_is_held() {
        let program = Program::parse("root = this.string().repeat(1048576)", &Environment::default());
        let mapper = Mapper { program: program.expect("it is sound"), is_raw: false, is_pretty: false };
        for n_threads in [1, 4] {
            let lines: Vec<Vec<u8>> = (0..200).map(|it| (it % 10).to_string().into_bytes()).collect();
            let mut given = 0;
            // Whoever does not take what comes first keeps nothing from being mapped but what would be held.
            let result = mapper.map_lines(lines, n_threads, |printed| {
                let expected = (given % 10).to_string().into_bytes()[0];
                assert!(printed.is_ok_and(|it| it.len() == 1 << 20 && it.iter().all(|it| *it == expected)));
                given += 1;
                Ok(())
            });
            assert!(result.is_ok());
            assert_eq!(given, 200);
        }
    }

    #[test]
    fn documents_over_several_lines() {
        let check = |json: &str, expected: &str| {
            assert_eq!(String::from_utf8_lossy(&indented(json.as_bytes())), expected);
        };
        check("{}", "{}");
        check("[]", "[]");
        check(
            r#"{"a":[1,{"b":"x,{\\\"[:"}],"c":{},"d":[]}"#,
            "{\n  \"a\": [\n    1,\n    {\n      \"b\": \"x,{\\\\\\\"[:\"\n    }\n  ],\n  \"c\": {},\n  \"d\": []\n}",
        );
    }

    #[test]
    fn a_document_that_has_only_begun() {
        for (text, expected) in [("{", true), ("[1,\n", true), ("\"a", true), ("{}", false), ("{x", false)] {
            assert_eq!(is_begun(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn a_mistake_has_its_place() {
        let text = "root.a = 1\nroot.b = this.nope()";
        let err = Program::parse(text, &Environment::default()).expect_err("it is wrong");
        let expected = "failed to parse mapping: line 2 char 21: unrecognised method 'nope'\n  |\n2 | root.b = this.nope()\n  \
                        |                     ^---";
        assert_eq!(told(text, &err), expected);
    }
}
