//! HTML: names of characters, and texts without their tags. Source: the HTML standard, as Go's libraries read it.

use std::{collections::HashMap, sync::OnceLock};

/// The longest name of a character that may stand without a semicolon.
const LONGEST_WITHOUT_SEMICOLON: usize = 6;

fn named(name: &[u8]) -> Option<&'static str> {
    static NAMES: OnceLock<HashMap<&'static [u8], &'static str>> = OnceLock::new();
    let names = NAMES.get_or_init(|| {
        // Each name begins with an ampersand there.
        entities::ENTITIES.iter().map(|it| (&it.entity.as_bytes()[1..], it.characters)).collect()
    });
    names.get(name).copied()
}

/// What stands for the numbers that are controls in Unicode and were characters in Windows.
const WINDOWS: [char; 32] = [
    '\u{20ac}', '\u{81}', '\u{201a}', '\u{192}', '\u{201e}', '\u{2026}', '\u{2020}', '\u{2021}', '\u{2c6}',
    '\u{2030}', '\u{160}', '\u{2039}', '\u{152}', '\u{8d}', '\u{17d}', '\u{8f}', '\u{90}', '\u{2018}',
    '\u{2019}', '\u{201c}', '\u{201d}', '\u{2022}', '\u{2013}', '\u{2014}', '\u{2dc}', '\u{2122}', '\u{161}',
    '\u{203a}', '\u{153}', '\u{9d}', '\u{17e}', '\u{178}',
];

/// Replaces names and numbers of characters by the characters.
pub(crate) fn unescape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.iter().position(|it| *it == b'&') {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at..];
        let n = match rest.get(1) {
            Some(b'#') => number(rest, &mut out),
            _ => name(rest, &mut out),
        };
        rest = &rest[n..];
    }
    out.extend_from_slice(rest);
    out
}

/// Takes what begins with an ampersand and a hash; how many bytes that were.
fn number(text: &[u8], out: &mut Vec<u8>) -> usize {
    let is_hex = matches!(text.get(2), Some(b'x' | b'X'));
    let begin = if is_hex { 3 } else { 2 };
    let radix = if is_hex { 16 } else { 10 };
    let digits = text[begin.min(text.len())..].iter().map_while(|it| char::from(*it).to_digit(radix));
    let (mut n, mut code) = (0, 0u32);
    for digit in digits {
        code = code.saturating_mul(radix).saturating_add(digit);
        n += 1;
    }
    let end = begin + n + usize::from(text.get(begin + n) == Some(&b';'));
    // As in Go, to which three bytes are too few for any number, and four enough for none.
    if end <= 3 {
        out.push(b'&');
        return 1;
    }
    let c = match code {
        0x80..=0x9f => WINDOWS[code as usize - 0x80],
        0 => char::REPLACEMENT_CHARACTER,
        code => char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER),
    };
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    end
}

/// Takes what begins with an ampersand; how many bytes that were.
fn name(text: &[u8], out: &mut Vec<u8>) -> usize {
    let n = text[1..].iter().take_while(|it| it.is_ascii_alphanumeric()).count();
    let end = 1 + n + usize::from(text.get(1 + n) == Some(&b';'));
    let name = &text[1..end];
    if !name.is_empty() {
        if let Some(characters) = named(name) {
            out.extend_from_slice(characters.as_bytes());
            return end;
        }
        for n in (2..=(name.len() - 1).min(LONGEST_WITHOUT_SEMICOLON)).rev() {
            if let Some(characters) = named(&name[..n]) {
                out.extend_from_slice(characters.as_bytes());
                return 1 + n;
            }
        }
    }
    out.extend_from_slice(&text[..end]);
    end
}

/// Elements whose content goes with their tags.
const DROPPED: &[&[u8]] = &[
    b"frame",
    b"frameset",
    b"iframe",
    b"noembed",
    b"noframes",
    b"noscript",
    b"nostyle",
    b"object",
    b"script",
    b"style",
    b"title",
];

/// Elements in which there are no tags but their own end.
const RAW: &[&[u8]] =
    &[b"iframe", b"noembed", b"noframes", b"noscript", b"script", b"style", b"textarea", b"title", b"xmp"];

/// Elements that mean something without attributes; others lose their tags, since attributes are not kept.
const MEANT: &[&str] = &[
    "abbr",
    "acronym",
    "address",
    "article",
    "aside",
    "audio",
    "b",
    "bdi",
    "blockquote",
    "body",
    "br",
    "button",
    "canvas",
    "caption",
    "center",
    "cite",
    "code",
    "col",
    "colgroup",
    "datalist",
    "dd",
    "del",
    "details",
    "dfn",
    "div",
    "dl",
    "dt",
    "em",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "head",
    "header",
    "hgroup",
    "hr",
    "html",
    "i",
    "ins",
    "kbd",
    "li",
    "mark",
    "marquee",
    "nav",
    "ol",
    "optgroup",
    "option",
    "p",
    "picture",
    "pre",
    "q",
    "rp",
    "rt",
    "ruby",
    "s",
    "samp",
    "section",
    "select",
    "small",
    "span",
    "strike",
    "strong",
    "sub",
    "summary",
    "sup",
    "svg",
    "table",
    "tbody",
    "td",
    "textarea",
    "tfoot",
    "th",
    "thead",
    "title",
    "time",
    "tr",
    "tt",
    "u",
    "ul",
    "var",
    "video",
    "wbr",
];

fn is_meant(name: &[u8]) -> bool {
    MEANT.iter().any(|it| it.as_bytes() == name)
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t' | b'\x0c')
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Start,
    SelfClosing,
    End,
}

/// Takes the tags out of a text but for those of the elements to keep, which lose their attributes. Whatever is left is
/// escaped, so that it can stand in HTML.
pub(crate) fn strip(text: &[u8], kept: &[Vec<u8>]) -> Vec<u8> {
    let mut strip = Strip {
        out: Vec::with_capacity(text.len()),
        kept,
        n_dropped: 0,
        is_hidden: false,
        dropped_ends: Vec::new(),
        latest: Vec::new(),
    };
    let mut rest = text;
    // The element in which there are no tags.
    let mut raw: Option<Vec<u8>> = None;
    while !rest.is_empty() {
        if let Some(name) = raw.take() {
            let end = if name == b"plaintext" { rest.len() } else { raw_end(rest, &name) };
            let is_plain = name == b"textarea" || name == b"title";
            strip.text(&rest[..end], is_plain);
            rest = &rest[end..];
            continue;
        }
        let Some(at) = next_markup(rest) else {
            strip.text(rest, true);
            break;
        };
        strip.text(&rest[..at], true);
        rest = &rest[at..];
        let Some((name, kind, n)) = markup(rest) else { break };
        rest = &rest[n..];
        let Some(name) = name else { continue };
        if kind != Kind::End && (RAW.contains(&name.as_slice()) || name == b"plaintext") {
            raw = Some(name.clone());
        }
        strip.tag(&name, kind);
    }
    strip.out
}

/// Where a tag, a comment or the like begins.
fn next_markup(text: &[u8]) -> Option<usize> {
    let begins = |at: &usize| match text[at + 1..] {
        [b'/', _, ..] | [b'!' | b'?', ..] => true,
        [it, ..] => it.is_ascii_alphabetic(),
        [] => false,
    };
    (0..text.len()).filter(|at| text[*at] == b'<').find(begins)
}

/// The tag at the beginning of a text, if it is one, and where it ends; nothing where the text ends before it does.
fn markup(text: &[u8]) -> Option<(Option<Vec<u8>>, Kind, usize)> {
    let until_bracket = |from: usize| match text[from..].iter().position(|it| *it == b'>') {
        Some(at) => from + at + 1,
        None => text.len(),
    };
    let none = |end: usize| Some((None, Kind::Start, end));
    match text {
        [_, b'!', b'-', b'-', ..] => none(comment_end(text)),
        [_, b'!' | b'?', ..] => none(until_bracket(2)),
        [_, b'/', b'>', ..] => none(3),
        [_, b'/', it, ..] if it.is_ascii_alphabetic() => tag(text, 2),
        [_, b'/', ..] => none(until_bracket(2)),
        _ => tag(text, 1),
    }
}

fn comment_end(text: &[u8]) -> usize {
    let mut n_dashes = 0;
    let mut is_beginning = true;
    for (idx, byte) in text.iter().enumerate().skip(4) {
        match byte {
            b'-' => {
                n_dashes += 1;
                continue;
            }
            b'>' if 2 <= n_dashes || is_beginning => return idx + 1,
            b'!' if 2 <= n_dashes && text.get(idx + 1) == Some(&b'>') => return idx + 2,
            _ => (),
        }
        n_dashes = 0;
        is_beginning = false;
    }
    text.len()
}

/// The tag whose name begins here.
fn tag(text: &[u8], begin: usize) -> Option<(Option<Vec<u8>>, Kind, usize)> {
    let end_of = |from: usize, is_end: &dyn Fn(u8) -> bool| {
        text[from..].iter().position(|it| is_end(*it)).map(|it| from + it)
    };
    let mut at = end_of(begin, &|it| is_space(it) || it == b'/' || it == b'>')?;
    let name = text[begin..at].to_ascii_lowercase();
    // Whether the last attribute ends right here.
    let mut is_value = false;
    loop {
        at = end_of(at, &|it| !is_space(it))?;
        if text[at] == b'>' {
            break;
        }
        let key = at;
        at = end_of(key, &|it| is_space(it) || matches!(it, b'/' | b'=' | b'>'))?;
        if at == key && text[at] == b'=' {
            at = end_of(at + 1, &|it| is_space(it) || matches!(it, b'/' | b'=' | b'>'))?;
        }
        at = end_of(at, &|it| !is_space(it))?;
        is_value = false;
        match text[at] {
            b'/' => at += 1,
            b'=' => {
                at = end_of(at + 1, &|it| !is_space(it))?;
                match text[at] {
                    b'>' => (),
                    quote @ (b'"' | b'\'') => at = end_of(at + 1, &|it| it == quote)? + 1,
                    _ => {
                        at = end_of(at, &|it| is_space(it) || it == b'>')?;
                        is_value = text[at] == b'>';
                    }
                }
            }
            _ => (),
        }
    }
    let kind = match begin {
        2 => Kind::End,
        _ if text[at - 1] == b'/' && !is_value => Kind::SelfClosing,
        _ => Kind::Start,
    };
    Some((Some(name), kind, at + 1))
}

/// Where the end tag of an element begins in which there are no other tags.
fn raw_end(text: &[u8], name: &[u8]) -> usize {
    let is_end = |at: &usize| {
        let Some(behind) = text[*at..].strip_prefix(b"</") else { return false };
        let Some((tag, behind)) = behind.split_at_checked(name.len()) else { return false };
        tag.eq_ignore_ascii_case(name)
            && behind.first().is_some_and(|it| is_space(*it) || matches!(it, b'/' | b'>'))
    };
    let mut places = (0..text.len()).filter(|at| text[*at] == b'<');
    places.find(is_end).unwrap_or(text.len())
}

struct Strip<'a> {
    out: Vec<u8>,
    kept: &'a [Vec<u8>],
    /// How many elements are open whose content goes.
    n_dropped: i64,
    is_hidden: bool,
    /// The elements whose end tags go, since their start tags did.
    dropped_ends: Vec<Vec<u8>>,
    /// The element that was begun last, unless it was ended.
    latest: Vec<u8>,
}

/// Whether what is in an element is no text.
fn is_code(name: &[u8]) -> bool {
    matches!(name, b"script" | b"style")
}

impl Strip<'_> {
    fn text(&mut self, text: &[u8], is_escaped: bool) {
        if self.is_hidden || is_code(&self.latest) {
            return;
        }
        let mut lines = Vec::with_capacity(text.len());
        for (idx, byte) in text.iter().enumerate() {
            match byte {
                b'\r' if text.get(idx + 1) == Some(&b'\n') => (),
                b'\r' => lines.push(b'\n'),
                byte => lines.push(*byte),
            }
        }
        let unescaped = if is_escaped { unescape(&lines) } else { lines };
        for byte in unescaped {
            match byte {
                b'&' => self.out.extend_from_slice(b"&amp;"),
                b'\'' => self.out.extend_from_slice(b"&#39;"),
                b'<' => self.out.extend_from_slice(b"&lt;"),
                b'>' => self.out.extend_from_slice(b"&gt;"),
                b'"' => self.out.extend_from_slice(b"&#34;"),
                b'\r' => self.out.extend_from_slice(b"&#13;"),
                byte => self.out.push(byte),
            }
        }
    }

    fn tag(&mut self, name: &[u8], kind: Kind) {
        match kind {
            Kind::Start => self.latest = name.to_vec(),
            Kind::End if self.latest == name => self.latest.clear(),
            _ => (),
        }
        if is_code(name) {
            return;
        }
        let is_kept = self.kept.iter().any(|it| it == name);
        let is_gone = match kind {
            Kind::Start if !is_kept => {
                if DROPPED.contains(&name) {
                    self.is_hidden = true;
                    self.n_dropped += 1;
                }
                true
            }
            Kind::Start if !is_meant(name) => {
                self.dropped_ends.push(name.to_vec());
                true
            }
            Kind::Start => false,
            Kind::SelfClosing => !is_kept || !is_meant(name),
            Kind::End if self.dropped_ends.last().is_some_and(|it| it == name) => {
                self.dropped_ends.pop();
                true
            }
            Kind::End if !is_kept => {
                if DROPPED.contains(&name) {
                    self.n_dropped -= 1;
                    self.is_hidden &= self.n_dropped != 0;
                }
                true
            }
            Kind::End => false,
        };
        if !is_gone && !self.is_hidden {
            self.out.extend_from_slice(if kind == Kind::End { b"</" } else { b"<" });
            self.out.extend_from_slice(name);
            self.out.extend_from_slice(if kind == Kind::SelfClosing { b"/>" } else { b">" });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_have_names_and_numbers() {
        let turned = |text: &str| String::from_utf8_lossy(&unescape(text.as_bytes())).into_owned();
        for (text, expected) in [
            ("&amp;&lt;&aacute;", "&<\u{e1}"),
            ("&ampx&notit;", "&x\u{ac}it;"),
            ("&#65;&#x41;&#X41b", "AA\u{41b}"),
            ("&#128;&#0;&#xd800;&#99999999999;", "\u{20ac}\u{fffd}\u{fffd}\u{fffd}"),
            ("& &; &#; &#1 &#xg; &nope; &", "& &; &#; &#1 &#xg; &nope; &"),
            ("&NotEqualTilde;", "\u{2242}\u{338}"),
        ] {
            assert_eq!(turned(text), expected, "{text}");
        }
    }

    #[test]
    fn tags_are_taken_out() {
        let kept = [b"b".to_vec(), b"a".to_vec(), b"script".to_vec()];
        let stripped = |text: &str| String::from_utf8_lossy(&strip(text.as_bytes(), &kept)).into_owned();
        for (text, expected) in [
            ("<p>x <b class='>'>y</b></p>", "x <b>y</b>"),
            ("<a href=x>y</a><br/>z", "yz"),
            ("<script>if (a < b) {}</script>x<style>y", "x"),
            ("x<!-- <b> -->y<!-->z<!doctype html><?php ?>", "xyz"),
            ("1 < 2 & 3 &gt; 2 '\"\r\n", "1 &lt; 2 &amp; 3 &gt; 2 &#39;&#34;\n"),
            ("x<b", "x"),
            ("x</", "x&lt;/"),
            ("<B>x</B ><b/>", "<b>x</b><b/>"),
            ("<iframe><b>x</iframe>y<object><b>z</b></object>", "y"),
        ] {
            assert_eq!(stripped(text), expected, "{text}");
        }
    }
}
