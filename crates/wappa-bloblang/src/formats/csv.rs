//! Values separated by a character. Source: RFC 4180 as Go's `encoding/csv` reads it, with its errors.

/// Reads records, all of which have as many fields as the first one.
#[derive(Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    comma: char,
    /// Whether quotes may stand where they make no sense.
    is_lazy: bool,
    /// How many lines were read.
    line: usize,
    n_fields: Option<usize>,
}

/// A record has no more fields: each takes many times the byte that it may consist of.
const FIELDS_MAX: usize = 1 << 20;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
const BARE: &str = "bare \" in non-quoted-field";
const EXTRANEOUS: &str = "extraneous or missing \" in quoted-field";

impl<'a> Reader<'a> {
    /// A reader of this text, whose fields are separated by `comma`; lazily, quotes may stand where they make no sense. A byte
    /// order mark is no part of the first field.
    pub fn new(text: &'a [u8], comma: char, is_lazy: bool) -> Result<Reader<'a>, String> {
        if matches!(comma, '\0' | '"' | '\r' | '\n' | char::REPLACEMENT_CHARACTER) {
            return Err("csv: invalid field or comment delimiter".to_string());
        }
        let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
        Ok(Reader { rest: text, comma, is_lazy, line: 0, n_fields: None })
    }

    /// The next line without its end, and whether it has one; nothing at the end of the text.
    fn next_line(&mut self) -> Option<(&'a [u8], bool)> {
        if self.rest.is_empty() {
            return None;
        }
        self.line += 1;
        let end = self.rest.iter().position(|it| *it == b'\n');
        let (line, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest.get(1..).unwrap_or_default();
        Some((line.strip_suffix(b"\r").unwrap_or(line), end.is_some()))
    }

    /// The next record; empty lines are none.
    fn record(&mut self) -> Result<Option<Vec<Vec<u8>>>, String> {
        let (mut line, mut has_end) = loop {
            match self.next_line() {
                None => return Ok(None),
                Some((line, has_end)) if !line.is_empty() => break (line, has_end),
                Some(_) => (),
            }
        };
        let begin = self.line;
        let mut comma = [0; 4];
        let comma = self.comma.encode_utf8(&mut comma).as_bytes();
        // Where the rest of the line begins, in bytes from 1.
        let mut column = 1;
        let mut record = Vec::new();
        'fields: loop {
            if FIELDS_MAX <= record.len() {
                return Err(format!("record on line {begin}: more than {FIELDS_MAX} fields"));
            }
            let Some(behind) = line.strip_prefix(b"\"") else {
                let end = find(line, comma);
                let field = &line[..end.unwrap_or(line.len())];
                if !self.is_lazy
                    && let Some(at) = field.iter().position(|it| *it == b'"')
                {
                    return Err(refused(begin, self.line, column + at, BARE));
                }
                record.push(field.to_vec());
                match end {
                    None => break,
                    Some(end) => {
                        line = &line[end + comma.len()..];
                        column += end + comma.len();
                        continue;
                    }
                }
            };
            let mut field = Vec::new();
            line = behind;
            column += 1;
            loop {
                let Some(at) = line.iter().position(|it| *it == b'"') else {
                    field.extend_from_slice(line);
                    column += line.len() + usize::from(has_end);
                    if has_end {
                        field.push(b'\n');
                        if let Some(next) = self.next_line() {
                            (line, has_end) = next;
                            column = 1;
                            continue;
                        }
                    }
                    // The text ends within quotes.
                    if !self.is_lazy {
                        return Err(refused(begin, self.line, column, EXTRANEOUS));
                    }
                    record.push(field);
                    break 'fields;
                };
                field.extend_from_slice(&line[..at]);
                line = &line[at + 1..];
                column += at + 1;
                if let Some(behind) = line.strip_prefix(b"\"") {
                    field.push(b'"');
                    line = behind;
                    column += 1;
                } else if let Some(behind) = line.strip_prefix(comma) {
                    line = behind;
                    column += comma.len();
                    record.push(field);
                    continue 'fields;
                } else if line.is_empty() {
                    record.push(field);
                    break 'fields;
                } else if self.is_lazy {
                    field.push(b'"');
                } else {
                    return Err(refused(begin, self.line, column - 1, EXTRANEOUS));
                }
            }
        }
        let n_fields = *self.n_fields.get_or_insert(record.len());
        match record.len() == n_fields {
            true => Ok(Some(record)),
            false => Err(format!("record on line {begin}: wrong number of fields")),
        }
    }
}

impl Iterator for Reader<'_> {
    type Item = Result<Vec<Vec<u8>>, String>;

    fn next(&mut self) -> Option<Self::Item> {
        self.record().transpose()
    }
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    match part {
        [byte] => text.iter().position(|it| it == byte),
        part => text.windows(part.len()).position(|it| it == part),
    }
}

fn refused(begin: usize, line: usize, column: usize, why: &str) -> String {
    match begin == line {
        true => format!("parse error on line {line}, column {column}: {why}"),
        false => format!("record on line {begin}; parse error on line {line}, column {column}: {why}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, comma: char, is_lazy: bool) -> String {
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
    fn records_are_read_as_go_reads_them() {
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
            assert_eq!(read(text, ',', false), expected, "{text}");
        }
        assert_eq!(read("a\"b,\"c\"d\"", ',', true), "a\"b|c\"d");
        assert_eq!(read("\"a", ',', true), "a");
        assert_eq!(read("a\u{e4}b", '\u{e4}', false), "a|b");
        assert_eq!(read("a", '\n', false), "csv: invalid field or comment delimiter");
    }
}
