//! One pass over a document: whether it is JSON, and what of it could be copied as it stands.
//!
//! A range of a document may be copied only where it is what printing its value would give. The scan finds that out on
//! its way and says so in [`Notes`].

use super::error::{JsonError, What, Where};
use super::string;

/// What a scan found out about a value; no bit at all: its text is what printing it gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Notes(u8);

impl Notes {
    /// There is white space between tokens.
    pub(crate) const SPACED: Notes = Notes(1);
    /// Printing gives something else, white space aside: keys out of order, escapes that would be written otherwise.
    pub(crate) const REWRITTEN: Notes = Notes(2);
    /// A text whose meaning is not its bytes: it has escapes, or is not UTF-8. Only of the text itself.
    pub(crate) const CODED: Notes = Notes(4);
    /// Of an object: the bytes of some of its own names are not what they mean, or not what printing them gives. Only of
    /// the object itself.
    pub(crate) const NAMED: Notes = Notes(8);

    pub(crate) fn has(self, other: Notes) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether the text is what printing gives.
    pub(crate) fn is_printed(self) -> bool {
        !self.has(Notes(Notes::SPACED.0 | Notes::REWRITTEN.0))
    }

    fn add(&mut self, other: Notes) {
        self.0 |= other.0;
    }

    /// What is true of whatever the value is in.
    fn of_content(self) -> Notes {
        Notes(self.0 & !(Notes::CODED.0 | Notes::NAMED.0))
    }
}

/// A value that was passed over: where it is, and what was found out about it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Range {
    pub(crate) start: u32,
    pub(crate) end: u32,
    /// Of a container: how many values it holds, names that come twice counted twice.
    pub(crate) len: u32,
    /// How many containers there are one within another, this one included; 0 for what holds nothing.
    pub(crate) height: u16,
    pub(crate) notes: Notes,
}

/// A name in an object: the bytes between its quotes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Name {
    pub(crate) start: u32,
    pub(crate) end: u32,
    pub(crate) notes: Notes,
}

/// What a pass over the elements of one container tells.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Passed {
    pub(crate) len: u32,
    pub(crate) height: u16,
    pub(crate) notes: Notes,
    /// Of an object: its names are in ascending order, none comes twice, and their bytes are their meaning.
    pub(crate) is_sorted: bool,
}

#[derive(Debug)]
pub(crate) struct Scan<'a> {
    text: &'a [u8],
    at: usize,
    /// Why the scan came to its end. Kept here, so that what every step returns fits into a register.
    why: Option<JsonError>,
}

/// The scan came to its end; [`Scan::why`] says why.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failed;

type Result<T> = std::result::Result<T, Failed>;

/// What a step found out about a value.
#[derive(Clone, Copy, Debug)]
struct Seen {
    len: u32,
    height: u16,
    notes: Notes,
}

const PLAIN: Seen = Seen { len: 0, height: 0, notes: Notes(0) };

impl<'a> Scan<'a> {
    pub(crate) fn new(text: &'a [u8]) -> Scan<'a> {
        Scan { text, at: 0, why: None }
    }

    pub(crate) fn at(&self) -> usize {
        self.at
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    /// Why the scan came to its end.
    pub(crate) fn why(&self) -> JsonError {
        self.why.expect("a scan that fails says why")
    }

    #[cold]
    fn fail<T>(&mut self, place: Where) -> Result<T> {
        let what = self.peek().map_or(What::End, |it| What::Byte(it, place));
        self.why = Some(JsonError::new(what, self.at));
        Err(Failed)
    }

    /// Passes over white space and says whether there was any.
    #[inline(always)]
    pub(crate) fn blanks(&mut self) -> bool {
        // Nearly always there is none, and every other byte that may follow is larger.
        match self.peek() {
            Some(0..=b' ') => self.some_blanks(),
            _ => false,
        }
    }

    #[cold]
    fn some_blanks(&mut self) -> bool {
        let start = self.at;
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
        start < self.at
    }

    /// Passes over the value that begins here, `depth` containers deep.
    #[inline(always)]
    pub(crate) fn value(&mut self, depth: u16) -> Result<Range> {
        let start = self.at as u32;
        let Seen { len, height, notes } = self.seen(depth)?;
        Ok(Range { start, end: self.at as u32, len, height, notes })
    }

    #[inline(always)]
    fn seen(&mut self, depth: u16) -> Result<Seen> {
        match self.peek() {
            Some(b'"') => Ok(Seen { notes: self.string()?, ..PLAIN }),
            Some(b'{' | b'[') => self.container(depth),
            Some(b'-' | b'0'..=b'9') => self.number().map(|()| PLAIN),
            Some(b't') => self.word(b"true"),
            Some(b'f') => self.word(b"false"),
            Some(b'n') => self.word(b"null"),
            _ => self.fail(Where::Value),
        }
    }

    /// The one step that calls itself; all others become part of it.
    #[inline(never)]
    fn container(&mut self, depth: u16) -> Result<Seen> {
        match self.peek() {
            Some(b'{') => self.object(depth, Ignore).map(Passed::seen),
            _ => self.array(depth, Ignore).map(Passed::seen),
        }
    }

    fn word(&mut self, word: &'static [u8]) -> Result<Seen> {
        if self.text[self.at..].starts_with(word) {
            self.at += word.len();
            return Ok(PLAIN);
        }
        let mut idx = 0;
        while self.peek() == Some(word[idx]) {
            self.at += 1;
            idx += 1;
        }
        self.fail(Where::Word(word, idx as u8))
    }

    fn digits(&mut self) {
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
    }

    fn some_digits(&mut self, place: Where) -> Result<()> {
        match self.peek() {
            Some(b'0'..=b'9') => {
                self.digits();
                Ok(())
            }
            _ => self.fail(place),
        }
    }

    pub(crate) fn number(&mut self) -> Result<()> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            _ => self.some_digits(Where::Number)?,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.some_digits(Where::Fraction)?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.some_digits(Where::Exponent)?;
        }
        Ok(())
    }

    /// Passes over a text, quotes included.
    #[inline]
    fn string(&mut self) -> Result<Notes> {
        let start = self.at + 1;
        self.at = start + string::plain_len(&self.text[start..]);
        let notes = match self.peek() {
            Some(b'"') => Notes::default(),
            _ => self.unusual_string(start)?,
        };
        self.at += 1;
        Ok(notes)
    }

    /// Passes over what is left of a text that began at `start`, up to the quote at its end.
    fn unusual_string(&mut self, start: usize) -> Result<Notes> {
        let mut notes = Notes::default();
        let mut has_high = false;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    notes.add(Notes::CODED);
                    self.escape(&mut notes)?;
                }
                Some(0x80..) => {
                    has_high = true;
                    // Where there is one there are usually more.
                    while let Some(0x80..) = self.peek() {
                        self.at += 1;
                    }
                }
                _ => return self.fail(Where::Text),
            }
            self.at += string::plain_len(&self.text[self.at..]);
        }
        if has_high {
            match str::from_utf8(&self.text[start..self.at]) {
                Ok(text) if !string::has_separators(text) => (),
                Ok(_) => notes.add(Notes::REWRITTEN),
                Err(_) => {
                    notes.add(Notes::REWRITTEN);
                    notes.add(Notes::CODED);
                }
            }
        }
        Ok(notes)
    }

    fn escape(&mut self, notes: &mut Notes) -> Result<()> {
        self.at += 1;
        match self.peek() {
            // As printing writes them.
            Some(b'"' | b'\\' | b'n' | b'r' | b't' | b'b' | b'f') => self.at += 1,
            Some(b'/') => {
                notes.add(Notes::REWRITTEN);
                self.at += 1;
            }
            Some(b'u') => {
                notes.add(Notes::REWRITTEN);
                self.at += 1;
                for _ in 0..4 {
                    match self.peek() {
                        Some(it) if it.is_ascii_hexdigit() => self.at += 1,
                        _ => return self.fail(Where::Hexadecimal),
                    }
                }
            }
            _ => return self.fail(Where::Escape),
        }
        Ok(())
    }

    fn enter(&mut self, depth: u16) -> Result<u16> {
        if depth == crate::DEPTH_MAX {
            return self.fail(Where::TooDeep);
        }
        self.at += 1;
        Ok(depth + 1)
    }

    /// Passes over the object that begins here and shows each of its pairs.
    #[inline(always)]
    pub(crate) fn object(&mut self, depth: u16, mut see: impl See) -> Result<Passed> {
        let depth = self.enter(depth)?;
        let mut passed = Passed { len: 0, height: 1, notes: Notes::default(), is_sorted: true };
        let mut is_spaced = self.blanks();
        if self.peek() == Some(b'}') {
            self.at += 1;
        } else {
            let mut before: Option<(Name, u64)> = None;
            loop {
                if self.peek() != Some(b'"') {
                    return self.fail(Where::Key);
                }
                let start = self.at as u32 + 1;
                let notes = self.string()?;
                let name = Name { start, end: self.at as u32 - 1, notes };
                let first = first_eight(self.text, name);
                passed.is_sorted = passed.is_sorted
                    && !notes.has(Notes::CODED)
                    && match before {
                        Some((_, before)) if before != first => before < first,
                        Some((before, _)) => is_ascending(self.text, before, name),
                        None => true,
                    };
                before = Some((name, first));
                is_spaced |= self.blanks();
                if self.peek() != Some(b':') {
                    return self.fail(Where::AfterKey);
                }
                self.at += 1;
                is_spaced |= self.blanks();
                let value = self.value(depth)?;
                passed.height = passed.height.max(value.height + 1);
                if name.notes != Notes::default() {
                    passed.notes.add(name.notes.of_content());
                    passed.notes.add(Notes::NAMED);
                }
                passed.notes.add(value.notes.of_content());
                passed.len += 1;
                see.pair(name, value);
                is_spaced |= self.blanks();
                match self.peek() {
                    Some(b',') => self.at += 1,
                    Some(b'}') => break,
                    _ => return self.fail(Where::AfterPair),
                }
                is_spaced |= self.blanks();
            }
            self.at += 1;
        }
        if is_spaced {
            passed.notes.add(Notes::SPACED);
        }
        if !passed.is_sorted {
            passed.notes.add(Notes::REWRITTEN);
        }
        Ok(passed)
    }

    /// Passes over the list that begins here and shows each of its elements.
    #[inline(always)]
    pub(crate) fn array(&mut self, depth: u16, mut see: impl See) -> Result<Passed> {
        let depth = self.enter(depth)?;
        let mut passed = Passed { len: 0, height: 1, notes: Notes::default(), is_sorted: true };
        let mut is_spaced = self.blanks();
        if self.peek() == Some(b']') {
            self.at += 1;
        } else {
            loop {
                let value = self.value(depth)?;
                passed.height = passed.height.max(value.height + 1);
                passed.notes.add(value.notes.of_content());
                passed.len += 1;
                see.element(value);
                is_spaced |= self.blanks();
                match self.peek() {
                    Some(b',') => self.at += 1,
                    Some(b']') => break,
                    _ => return self.fail(Where::AfterElement),
                }
                is_spaced |= self.blanks();
            }
            self.at += 1;
        }
        if is_spaced {
            passed.notes.add(Notes::SPACED);
        }
        Ok(passed)
    }
}

/// The first eight bytes of a name as a number, with zeros behind its end: most names differ in them, and the smaller number
/// is that of the name that comes first.
#[inline(always)]
fn first_eight(text: &[u8], name: Name) -> u64 {
    let (start, end) = (name.start as usize, name.end as usize);
    let Some(bytes) = text[start..].first_chunk() else {
        let mut bytes = [0; 8];
        bytes[..end - start].copy_from_slice(&text[start..end]);
        return u64::from_be_bytes(bytes);
    };
    let first = u64::from_be_bytes(*bytes);
    match end - start {
        8.. => first,
        n => first & !(u64::MAX >> (8 * n)),
    }
}

/// Whether the name `a`, which begins as `b` does, comes before it.
fn is_ascending(text: &[u8], a: Name, b: Name) -> bool {
    let (a, b) = (a.start as usize..a.end as usize, b.start as usize..b.end as usize);
    text[a] < text[b]
}

impl Passed {
    fn seen(self) -> Seen {
        Seen { len: self.len, height: self.height, notes: self.notes }
    }
}

/// Who is shown what a pass over a container comes by.
pub(crate) trait See {
    fn pair(&mut self, name: Name, value: Range);
    fn element(&mut self, value: Range);
}

struct Ignore;

impl See for Ignore {
    fn pair(&mut self, _: Name, _: Range) {}
    fn element(&mut self, _: Range) {}
}
