//! Records of values separated by a character, found in bytes that may come in pieces.
//! Source: RFC 4180 as Go's `encoding/csv` reads it, with its errors.

use std::ops::Range;

use memchr::{memchr, memmem};

/// How records are written.
#[derive(Clone, Debug)]
pub struct Syntax {
    comma: Vec<u8>,
    /// Whether quotes may stand where they make no sense.
    is_lazy: bool,
}

/// What the bytes begin with.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// A record.
    Record(Record),
    /// The beginning of a record, or nothing but empty lines: more may follow.
    Incomplete,
    /// Nothing but empty lines up to the end of all.
    Nothing,
    /// What is no record.
    Broken(Broken),
}

/// A record, and the empty lines before it.
#[derive(Debug, PartialEq, Eq)]
pub struct Record {
    /// Where it stands, without the end of its last line.
    pub range: Range<usize>,
    /// Where the next one can begin.
    pub next: usize,
    /// In which line it begins, counted from 1.
    pub line: u64,
    /// How many lines there are up to `next`.
    pub n_lines: u64,
}

/// What is no record, up to the end of the line that shows it.
#[derive(Debug, PartialEq, Eq)]
pub struct Broken {
    /// Where it begins.
    pub start: usize,
    /// Where the next record can begin.
    pub next: usize,
    /// In which line it begins, counted from 1.
    pub line: u64,
    /// How many lines there are up to `next`.
    pub n_lines: u64,
    column: usize,
    why: &'static str,
}

/// What a text may begin with that is no part of its first field.
pub const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

const BARE: &str = "bare \" in non-quoted-field";
const EXTRANEOUS: &str = "extraneous or missing \" in quoted-field";

impl Syntax {
    /// `None`: that character cannot separate anything.
    pub fn new(comma: char, is_lazy: bool) -> Option<Syntax> {
        let is_none = matches!(comma, '\0' | '"' | '\r' | '\n' | char::REPLACEMENT_CHARACTER);
        (!is_none).then(|| Syntax { comma: comma.to_string().into_bytes(), is_lazy })
    }

    fn find_comma(&self, text: &[u8]) -> Option<usize> {
        match self.comma.as_slice() {
            [byte] => memchr(*byte, text),
            comma => memmem::find(text, comma),
        }
    }
}

impl Broken {
    /// What is wrong, in Go's words; `n_before` lines came before the bytes.
    pub fn text(&self, n_before: u64) -> String {
        let Broken { column, why, .. } = self;
        let (begin, line) = (n_before + self.line, n_before + self.n_lines);
        match begin == line {
            true => format!("parse error on line {line}, column {column}: {why}"),
            false => format!("record on line {begin}; parse error on line {line}, column {column}: {why}"),
        }
    }
}

/// A line: where it begins, where its text ends, where the next one begins.
#[derive(Clone, Copy)]
struct Line {
    start: usize,
    end: usize,
    next: usize,
}

impl Line {
    /// `None`: its end has not come.
    fn at(data: &[u8], start: usize, at_end: bool) -> Option<Line> {
        let (end, next) = match memchr(b'\n', &data[start..]) {
            Some(at) => (start + at, start + at + 1),
            None if at_end => (data.len(), data.len()),
            None => return None,
        };
        let end = if start < end && data[end - 1] == b'\r' { end - 1 } else { end };
        Some(Line { start, end, next })
    }

    fn has_return(self) -> bool {
        1 < self.next - self.end
    }

    fn column(self, at: usize) -> usize {
        at - self.start + 1
    }
}

/// Finds the first record. `field` is told where its fields are, one after the other, without their quotes, and whether
/// [`unquoted`] would change anything about one.
pub fn record(
    data: &[u8],
    at_end: bool,
    syntax: &Syntax,
    mut field: impl FnMut(Range<usize>, bool),
) -> Found {
    let mut n_lines = 0;
    let mut next = 0;
    let mut line = loop {
        if next == data.len() {
            return if at_end { Found::Nothing } else { Found::Incomplete };
        }
        let Some(line) = Line::at(data, next, at_end) else { return Found::Incomplete };
        n_lines += 1;
        if line.start < line.end {
            break line;
        }
        next = line.next;
    };
    let (start, first_line) = (line.start, n_lines);
    let found = |end: usize, next: usize, n_lines: u64| {
        Found::Record(Record { range: start..end, next, line: first_line, n_lines })
    };
    let broken = |line: Line, n_lines: u64, column: usize, why: &'static str| {
        Found::Broken(Broken { start, next: line.next, line: first_line, n_lines, column, why })
    };
    let mut at = start;
    loop {
        if data.get(at) != Some(&b'"') || at == line.end {
            let end = syntax.find_comma(&data[at..line.end]).map(|it| at + it);
            let range = at..end.unwrap_or(line.end);
            if !syntax.is_lazy
                && let Some(quote) = memchr(b'"', &data[range.clone()])
            {
                return broken(line, n_lines, line.column(at + quote), BARE);
            }
            field(range, false);
            match end {
                Some(end) => at = end + syntax.comma.len(),
                None => return found(line.end, line.next, n_lines),
            }
            continue;
        }
        let begin = at + 1;
        let mut is_written_otherwise = false;
        at = begin;
        loop {
            if let Some(quote) = memchr(b'"', &data[at..line.end]) {
                let quote = at + quote;
                let behind = &data[quote + 1..line.end];
                if behind.starts_with(b"\"") {
                    is_written_otherwise = true;
                    at = quote + 2;
                } else if behind.starts_with(&syntax.comma) {
                    field(begin..quote, is_written_otherwise);
                    at = quote + 1 + syntax.comma.len();
                    break;
                } else if behind.is_empty() {
                    field(begin..quote, is_written_otherwise);
                    return found(line.end, line.next, n_lines);
                } else if syntax.is_lazy {
                    at = quote + 1;
                } else {
                    return broken(line, n_lines, line.column(quote), EXTRANEOUS);
                }
                continue;
            }
            // The field goes on in the next line.
            is_written_otherwise |= line.has_return();
            if line.next < data.len() {
                let Some(next) = Line::at(data, line.next, at_end) else { return Found::Incomplete };
                (line, at) = (next, next.start);
                n_lines += 1;
                continue;
            }
            if !at_end {
                return Found::Incomplete;
            }
            // All ends within quotes.
            let has_end = data.ends_with(b"\n");
            if !syntax.is_lazy {
                return broken(line, n_lines, line.column(line.end) + usize::from(has_end), EXTRANEOUS);
            }
            let end = if has_end { line.next } else { line.end };
            field(begin..end, is_written_otherwise);
            return found(end, line.next, n_lines);
        }
    }
}

/// What a quoted field means: two quotes are one, and the end of a line is a line feed.
pub fn unquoted(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut bytes = field.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match (byte, bytes.peek()) {
            (b'"', Some(b'"')) => {
                bytes.next();
                out.push(b'"');
            }
            (b'\r', Some(b'\n')) => (),
            _ => out.push(byte),
        }
    }
    out
}

/// Reads the records of a text, all of which have as many fields as the first one. It ends with the first error.
#[derive(Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    syntax: Syntax,
    /// How many lines were read.
    n_lines: u64,
    n_fields: Option<usize>,
}

/// A record has no more fields: each takes many times the byte that it may consist of.
const FIELDS_MAX: usize = 1 << 20;

impl<'a> Reader<'a> {
    /// A reader of this text, whose fields are separated by `comma`; lazily, quotes may stand where they make no sense. A byte
    /// order mark is no part of the first field.
    pub fn new(text: &'a [u8], comma: char, is_lazy: bool) -> Result<Reader<'a>, String> {
        let syntax = Syntax::new(comma, is_lazy);
        let syntax = syntax.ok_or_else(|| "csv: invalid field or comment delimiter".to_string())?;
        let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
        Ok(Reader { rest: text, syntax, n_lines: 0, n_fields: None })
    }

    fn record(&mut self) -> Result<Option<Vec<Vec<u8>>>, String> {
        let rest = std::mem::take(&mut self.rest);
        let mut fields = Vec::with_capacity(self.n_fields.unwrap_or(0));
        let mut n_fields = 0;
        let found = record(rest, true, &self.syntax, |range, is_written_otherwise| {
            n_fields += 1;
            if n_fields <= FIELDS_MAX {
                fields.push(match is_written_otherwise {
                    true => unquoted(&rest[range]),
                    false => rest[range].to_vec(),
                });
            }
        });
        match found {
            Found::Nothing | Found::Incomplete => Ok(None),
            Found::Broken(broken) => Err(broken.text(self.n_lines)),
            Found::Record(Record { line, .. }) if FIELDS_MAX < n_fields => {
                Err(format!("record on line {}: more than {FIELDS_MAX} fields", self.n_lines + line))
            }
            Found::Record(Record { line, .. })
                if *self.n_fields.get_or_insert(fields.len()) != fields.len() =>
            {
                Err(format!("record on line {}: wrong number of fields", self.n_lines + line))
            }
            Found::Record(Record { next, n_lines, .. }) => {
                self.rest = &rest[next..];
                self.n_lines += n_lines;
                Ok(Some(fields))
            }
        }
    }
}

impl Iterator for Reader<'_> {
    type Item = Result<Vec<Vec<u8>>, String>;

    fn next(&mut self) -> Option<Self::Item> {
        self.record().transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All records, given in pieces.
    fn read(text: &str, comma: char, is_lazy: bool, n_bytes: usize) -> String {
        let Some(syntax) = Syntax::new(comma, is_lazy) else { return "no comma".to_string() };
        let data = text.as_bytes();
        let (mut start, mut end, mut n_lines) = (0, 0, 0);
        let mut records = Vec::new();
        loop {
            let at_end = end == data.len();
            let window = &data[start..end];
            let mut fields = Vec::new();
            let field = |range: Range<usize>, is_written_otherwise: bool| {
                let field = &window[range];
                let meant = unquoted(field);
                assert!(is_written_otherwise || meant == field || !meant.contains(&b'\n'));
                fields.push(
                    String::from_utf8_lossy(if is_written_otherwise { &meant } else { field }).into_owned(),
                );
            };
            match record(window, at_end, &syntax, field) {
                Found::Record(record) => {
                    records.push(fields.join("|"));
                    start += record.next;
                    n_lines += record.n_lines;
                }
                Found::Incomplete => {
                    assert!(!at_end);
                    end = (end + n_bytes).min(data.len());
                }
                Found::Nothing => break,
                Found::Broken(broken) => {
                    records.push(broken.text(n_lines));
                    start += broken.next;
                    n_lines += broken.n_lines;
                }
            }
        }
        records.join("/")
    }

    #[track_caller]
    fn check(text: &str, comma: char, is_lazy: bool, expected: &str) {
        for n_bytes in [1, 2, 3, 7, 1000] {
            assert_eq!(read(text, comma, is_lazy, n_bytes), expected, "{text:?}, {n_bytes} at a time");
        }
    }

    #[test]
    fn records_are_read_as_go_reads_them() {
        for (text, expected) in [
            ("", ""),
            ("a,b\nc,d", "a|b/c|d"),
            ("a,b\r\n\r\n\nc,d\r\n\r", "a|b/c|d"),
            ("a,\n,", "a|/|"),
            ("a,\"b\n\"\"c\"\n", "a|b\n\"c"),
            ("\"a\r\nb\",c", "a\nb|c"),
            ("\"\",\"\"", "|"),
            ("a,b\"c\nd", "parse error on line 1, column 4: bare \" in non-quoted-field/d"),
            ("\"a\"b\nd", "parse error on line 1, column 3: extraneous or missing \" in quoted-field/d"),
            (
                "a\n\"b\nc",
                "a/record on line 2; parse error on line 3, column 2: extraneous or missing \" in quoted-field",
            ),
            ("\"a", "parse error on line 1, column 3: extraneous or missing \" in quoted-field"),
            ("\n\"a\n", "parse error on line 2, column 4: extraneous or missing \" in quoted-field"),
            ("\u{e4},\u{e4}\"", "parse error on line 1, column 6: bare \" in non-quoted-field"),
        ] {
            check(text, ',', false, expected);
        }
        check("a\"b,\"c\"d\"", ',', true, "a\"b|c\"d");
        check("\"a", ',', true, "a");
        check("\"a\r\nb\r\n", ',', true, "a\nb\n");
        check("a\u{e4}b", '\u{e4}', false, "a|b");
        check("a", '\n', false, "no comma");
    }

    /// The same as one text, in which all records have as many fields.
    fn read_whole(text: &str, comma: char, is_lazy: bool) -> String {
        let reader = match Reader::new(text.as_bytes(), comma, is_lazy) {
            Ok(reader) => reader,
            Err(why) => return why,
        };
        let records: Result<Vec<_>, _> = reader.collect();
        match records {
            Err(why) => why,
            Ok(records) => {
                let record = |it: &Vec<Vec<u8>>| {
                    let fields: Vec<_> =
                        it.iter().map(|it| String::from_utf8_lossy(it).into_owned()).collect();
                    fields.join("|")
                };
                records.iter().map(record).collect::<Vec<_>>().join("/")
            }
        }
    }

    #[test]
    fn records_of_a_text_have_as_many_fields_as_the_first() {
        for (text, expected) in [
            ("", ""),
            ("a,b\nc,d", "a|b/c|d"),
            ("\u{feff}\"a\",b\nc,d", "a|b/c|d"),
            ("a,b\r\n\r\n\nc,d\r\n\r", "a|b/c|d"),
            ("a,\"b\n\"\"c\"\n", "a|b\n\"c"),
            ("\"a\r\nb\",c", "a\nb|c"),
            ("a,b\nc", "record on line 2: wrong number of fields"),
            ("a,b\"c", "parse error on line 1, column 4: bare \" in non-quoted-field"),
            ("\"a\"b", "parse error on line 1, column 3: extraneous or missing \" in quoted-field"),
            (
                "a\n\"b\nc",
                "record on line 2; parse error on line 3, column 2: extraneous or missing \" in quoted-field",
            ),
            ("\"a", "parse error on line 1, column 3: extraneous or missing \" in quoted-field"),
            ("\u{e4},\u{e4}\"", "parse error on line 1, column 6: bare \" in non-quoted-field"),
        ] {
            assert_eq!(read_whole(text, ',', false), expected, "{text}");
        }
        assert_eq!(read_whole("a\"b,\"c\"d\"", ',', true), "a\"b|c\"d");
        assert_eq!(read_whole("\"a", ',', true), "a");
        assert_eq!(read_whole("a\u{e4}b", '\u{e4}', false), "a|b");
        assert_eq!(read_whole("a", '\n', false), "csv: invalid field or comment delimiter");
    }
}
