//! Addresses of the web and their escapes. Source: Go's `net/url`, whose errors and leniency people know.

use std::net::Ipv6Addr;

use crate::value::go;

/// Which part of an address a text is, and so what may stand in it as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Path,
    User,
    Host,
    Zone,
    Query,
    Fragment,
}

/// Whether a byte stands in a part as it is when that is written.
fn is_plain(byte: u8, part: Part) -> bool {
    if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
        return true;
    }
    match part {
        Part::Query => false,
        Part::Path => matches!(byte, b'$' | b'&' | b'+' | b',' | b'/' | b':' | b';' | b'=' | b'@'),
        Part::User => matches!(byte, b'$' | b'&' | b'+' | b',' | b';' | b'='),
        Part::Fragment => {
            matches!(
                byte,
                b'$' | b'&'
                    | b'+'
                    | b','
                    | b'/'
                    | b':'
                    | b';'
                    | b'='
                    | b'?'
                    | b'@'
                    | b'!'
                    | b'('
                    | b')'
                    | b'*'
            )
        }
        Part::Host | Part::Zone => matches!(
            byte,
            b'!' | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b';'
                | b'='
                | b':'
                | b'['
                | b']'
                | b'<'
                | b'>'
                | b'"'
        ),
    }
}

fn escape(text: &[u8], part: Part) -> Vec<u8> {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = Vec::with_capacity(text.len());
    for byte in text {
        match byte {
            b' ' if part == Part::Query => out.push(b'+'),
            byte if is_plain(*byte, part) => out.push(*byte),
            byte => out.extend_from_slice(&[b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]),
        }
    }
    out
}

/// The byte that two digits behind a percent sign stand for.
fn escaped(text: &[u8]) -> Option<u8> {
    let digit = |it: u8| char::from(it).to_digit(16);
    match text {
        [b'%', high, low, ..] => Some((digit(*high)? << 4 | digit(*low)?) as u8),
        _ => None,
    }
}

fn quoted(text: &[u8]) -> String {
    go::told_bytes(text)
}

fn unescape(text: &[u8], part: Part) -> Result<Vec<u8>, String> {
    let is_host = matches!(part, Part::Host | Part::Zone);
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, behind @ ..] = rest {
        rest = behind;
        match first {
            b'%' => {
                let whole = &text[text.len() - behind.len() - 1..];
                let shown = &whole[..whole.len().min(3)];
                let refused = || format!("invalid URL escape {}", quoted(shown));
                let byte = escaped(whole).ok_or_else(refused)?;
                let is_percent = shown == b"%25";
                if part == Part::Host && byte < 0x80 && !is_percent
                    || part == Part::Zone && !is_percent && byte != b' ' && !is_plain(byte, Part::Host)
                {
                    return Err(refused());
                }
                out.push(byte);
                rest = &behind[2..];
            }
            b'+' if part == Part::Query => out.push(b' '),
            byte if is_host && byte.is_ascii() && !is_plain(*byte, part) => {
                return Err(format!("invalid character {} in host name", quoted(&[*byte])));
            }
            byte => out.push(*byte),
        }
    }
    Ok(out)
}

/// A text as it stands in a query.
pub(crate) fn escape_query(text: &[u8]) -> Vec<u8> {
    escape(text, Part::Query)
}

/// The text that stands in a query.
pub(crate) fn unescape_query(text: &[u8]) -> Result<Vec<u8>, String> {
    unescape(text, Part::Query)
}

/// The text that stands in a fragment.
pub(crate) fn unescape_fragment(text: &[u8]) -> Result<Vec<u8>, String> {
    unescape(text, Part::Fragment)
}

/// How many pairs a query may have, as in Go.
const PAIRS_MAX: usize = 10_000;

/// A name and its value.
pub(crate) type Pair = (Vec<u8>, Vec<u8>);

/// The pairs of a query, in their order.
pub(crate) fn parse_query(query: &[u8]) -> Result<Vec<Pair>, String> {
    if PAIRS_MAX <= query.iter().filter(|it| **it == b'&').count() {
        return Err("number of URL query parameters exceeded limit".to_string());
    }
    let mut pairs = Vec::new();
    let mut failed = None;
    for pair in query.split(|it| *it == b'&').filter(|it| !it.is_empty()) {
        if pair.contains(&b';') {
            // Whatever went wrong before, this is what is said.
            failed = Some("invalid semicolon separator in query".to_string());
            continue;
        }
        let (name, value) = cut(pair, b'=');
        match (unescape_query(name), unescape_query(value.unwrap_or_default())) {
            (Ok(name), Ok(value)) => pairs.push((name, value)),
            (Err(why), _) | (_, Err(why)) => _ = failed.get_or_insert(why),
        }
    }
    match failed {
        Some(why) => Err(why),
        None => Ok(pairs),
    }
}

/// What stands before a byte, and what behind it if it is there.
fn cut(text: &[u8], byte: u8) -> (&[u8], Option<&[u8]>) {
    match text.iter().position(|it| *it == byte) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    }
}

/// The parts of an address. What is not there is empty.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Url {
    pub(crate) scheme: Vec<u8>,
    /// What follows the scheme where that is no path.
    pub(crate) opaque: Vec<u8>,
    /// The name, and the password if there is one.
    pub(crate) user: Option<(Vec<u8>, Option<Vec<u8>>)>,
    pub(crate) host: Vec<u8>,
    pub(crate) path: Vec<u8>,
    /// The path as it was written, where that is not how it would be written.
    pub(crate) raw_path: Vec<u8>,
    pub(crate) raw_query: Vec<u8>,
    pub(crate) fragment: Vec<u8>,
    /// The fragment as it was written, where that is not how it would be written.
    pub(crate) raw_fragment: Vec<u8>,
}

/// Reads an address, which may be only a part of one.
pub(crate) fn parse(text: &[u8]) -> Result<Url, String> {
    let (address, fragment) = cut(text, b'#');
    let refused = |text: &[u8], why: String| format!("parse {}: {why}", quoted(text));
    let mut url = parse_address(address).map_err(|why| refused(address, why))?;
    let fragment = fragment.unwrap_or_default();
    if !fragment.is_empty() {
        url.fragment = unescape(fragment, Part::Fragment).map_err(|why| refused(text, why))?;
        url.raw_fragment = as_written(fragment, &url.fragment, Part::Fragment);
    }
    Ok(url)
}

/// How a part was written, if it would be written otherwise.
fn as_written(written: &[u8], part: &[u8], kind: Part) -> Vec<u8> {
    if escape(part, kind) == written { Vec::new() } else { written.to_vec() }
}

fn parse_address(text: &[u8]) -> Result<Url, String> {
    let mut url = Url::default();
    if text.iter().any(|it| *it < b' ' || *it == 0x7f) {
        return Err("net/url: invalid control character in URL".to_string());
    }
    if text == b"*" {
        url.path = text.to_vec();
        return Ok(url);
    }
    let (scheme, rest) = scheme(text)?;
    url.scheme = scheme.to_ascii_lowercase();
    let (rest, query) = cut(rest, b'?');
    url.raw_query = query.unwrap_or_default().to_vec();
    if !rest.starts_with(b"/") {
        if !url.scheme.is_empty() {
            url.opaque = rest.to_vec();
            return Ok(url);
        }
        if cut(rest, b'/').0.contains(&b':') {
            return Err("first path segment in URL cannot contain colon".to_string());
        }
    }
    let has_authority = rest.starts_with(b"//") && (!url.scheme.is_empty() || !rest.starts_with(b"///"));
    let path = match has_authority {
        false => rest,
        true => {
            let authority = cut(&rest[2..], b'/').0;
            parse_authority(authority, &mut url)?;
            &rest[2 + authority.len()..]
        }
    };
    url.path = unescape(path, Part::Path)?;
    url.raw_path = as_written(path, &url.path, Part::Path);
    Ok(url)
}

fn scheme(text: &[u8]) -> Result<(&[u8], &[u8]), String> {
    for (idx, byte) in text.iter().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => (),
            b'0'..=b'9' | b'+' | b'-' | b'.' if 0 < idx => (),
            b':' if idx == 0 => return Err("missing protocol scheme".to_string()),
            b':' => return Ok((&text[..idx], &text[idx + 1..])),
            _ => break,
        }
    }
    Ok((&[], text))
}

fn parse_authority(text: &[u8], url: &mut Url) -> Result<(), String> {
    let Some(at) = text.iter().rposition(|it| *it == b'@') else {
        url.host = parse_host(text, &url.scheme)?;
        return Ok(());
    };
    let (user, host) = (&text[..at], &text[at + 1..]);
    url.host = parse_host(host, &url.scheme)?;
    let may_stand = |it: &u8| it.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(it);
    if !user.iter().all(may_stand) {
        return Err("net/url: invalid userinfo".to_string());
    }
    let (name, password) = cut(user, b':');
    let name = unescape(name, Part::User)?;
    let password = password.map(|it| unescape(it, Part::User)).transpose()?;
    url.user = Some((name, password));
    Ok(())
}

/// Whether a text is nothing, or a colon with digits behind it.
fn is_port(text: &[u8]) -> bool {
    match text {
        [] => true,
        [b':', digits @ ..] => digits.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

fn parse_host(host: &[u8], scheme: &[u8]) -> Result<Vec<u8>, String> {
    let find = |byte| host.iter().position(|it| *it == byte);
    let find_last = |byte| host.iter().rposition(|it| *it == byte);
    match find_last(b'[') {
        Some(0) => return parse_literal(host),
        Some(_) => return Err("invalid IP-literal".to_string()),
        None => (),
    }
    if let (Some(first), Some(last)) = (find(b':'), find_last(b':')) {
        // Lists of hosts with their ports are known from databases, but not from the web.
        let port = &host[if matches!(scheme, b"http" | b"https") { first } else { last }..];
        if !is_port(port) {
            return Err(format!("invalid port {} after host", quoted(port)));
        }
    }
    unescape(host, Part::Host)
}

/// An address of IPv6 in brackets.
fn parse_literal(host: &[u8]) -> Result<Vec<u8>, String> {
    let Some(end) = host.iter().rposition(|it| *it == b']') else {
        return Err("missing ']' in host".to_string());
    };
    let port = &host[end + 1..];
    if !is_port(port) {
        return Err(format!("invalid port {} after host", quoted(port)));
    }
    let name = &host[1..end];
    let zone = name.windows(3).position(|it| it == b"%25").unwrap_or(name.len());
    let mut name = [unescape(&name[..zone], Part::Host)?, unescape(&name[zone..], Part::Zone)?].concat();
    let shown = String::from_utf8_lossy(&name).into_owned();
    let (address, zone) = match shown.split_once('%') {
        Some((address, zone)) => (address, Some(zone)),
        None => (shown.as_str(), None),
    };
    if address.parse::<std::net::Ipv4Addr>().is_ok() && zone.is_none() {
        return Err("invalid IP-literal".to_string());
    }
    if address.parse::<Ipv6Addr>().is_err() || zone.is_some_and(str::is_empty) {
        return Err(format!("invalid host: ParseAddr({}): unable to parse IP", go::told(&shown)));
    }
    name.insert(0, b'[');
    name.push(b']');
    name.extend_from_slice(port);
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> String {
        String::from_utf8_lossy(bytes).into_owned()
    }

    #[test]
    fn addresses_are_read_as_go_reads_them() {
        let shown = |address: &str| match parse(address.as_bytes()) {
            Err(why) => why,
            Ok(it) => {
                let user = it.user.map_or(String::new(), |(name, password)| {
                    format!("{}:{}@", text(&name), password.map_or("-".to_string(), |it| text(&it)))
                });
                let parts = [
                    it.scheme,
                    it.opaque,
                    it.host,
                    it.path,
                    it.raw_path,
                    it.raw_query,
                    it.fragment,
                    it.raw_fragment,
                ];
                format!("{user}{}", parts.map(|it| text(&it)).join("|"))
            }
        };
        for (address, expected) in [
            ("http://a.b:80/c?d=e#f", "http||a.b:80|/c||d=e|f|"),
            ("HTTP://u:p%40@h/%2f(", "u:p@@http||h|//(|/%2f(|||"),
            ("u@h", "|||u@h||||"),
            ("mailto:a@b?c", "mailto|a@b||||c||"),
            ("//h/p#%41b'", "||h|/p|||Ab'|%41b'"),
            ("http://[::1%25e]:1/", "http||[::1%e]:1|/||||"),
            ("mongodb://a:1,b:2/x", "mongodb||a:1,b:2|/x||||"),
            ("*", "|||*||||"),
            (":x", "parse \":x\": missing protocol scheme"),
            ("1:2", "parse \"1:2\": first path segment in URL cannot contain colon"),
            ("http://a:b/", "parse \"http://a:b/\": invalid port \":b\" after host"),
            ("http://[1.2.3.4]/", "parse \"http://[1.2.3.4]/\": invalid IP-literal"),
            ("http://[::1/", "parse \"http://[::1/\": missing ']' in host"),
            ("http://a b/", "parse \"http://a b/\": invalid character \" \" in host name"),
            ("http://a/%zz", "parse \"http://a/%zz\": invalid URL escape \"%zz\""),
            ("http://a/\u{7f}", "parse \"http://a/\\x7f\": net/url: invalid control character in URL"),
            ("http://\u{e4}@h/", "parse \"http://ä@h/\": net/url: invalid userinfo"),
        ] {
            assert_eq!(shown(address), expected, "{address}");
        }
    }

    #[test]
    fn queries_are_read_to_their_end() {
        let pair = |name: &str, value: &str| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
        assert_eq!(
            parse_query(b"a=1&&b&=c&d=%41+"),
            Ok(vec![pair("a", "1"), pair("b", ""), pair("", "c"), pair("d", "A ")])
        );
        assert_eq!(parse_query(b"a;b"), Err("invalid semicolon separator in query".to_string()));
        assert_eq!(parse_query(b"a=%"), Err("invalid URL escape \"%\"".to_string()));
        assert!(parse_query(&[b'&'; PAIRS_MAX]).is_err());
    }
}
