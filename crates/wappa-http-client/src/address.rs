//! Addresses of requests, and how they are told: without what could be a credential in them.

use std::fmt;

use url::Url;

/// What stands for a piece of an address that may be a credential; Go's word for a password there.
const HIDDEN: &str = "xxxxx";

/// Schemes of requests, and those of websockets.
pub(crate) const HTTP: [&str; 2] = ["http", "https"];
pub(crate) const WEBSOCKET: [&str; 2] = ["ws", "wss"];

/// Reads an address; the error is Go's text where it has one, and shows nothing of the address that may be a credential.
pub(crate) fn parse(text: &str, schemes: [&str; 2]) -> Result<Url, String> {
    let url = Url::parse(text.trim()).map_err(|err| match err {
        url::ParseError::RelativeUrlWithoutBase => "unsupported protocol scheme \"\"".to_string(),
        url::ParseError::EmptyHost => "no Host in request URL".to_string(),
        err => format!("the address cannot be read: {err}"),
    })?;
    if !schemes.contains(&url.scheme()) {
        return Err(format!("unsupported protocol scheme {:?}", url.scheme()));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err("no Host in request URL".to_string());
    }
    Ok(url)
}

/// An address as it is told: with neither user nor password, and without the values of its query, of which any may be a key.
pub(crate) struct Told<'a>(pub(crate) &'a Url);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.0;
        write!(f, "{}://", url.scheme())?;
        if !url.username().is_empty() || url.password().is_some() {
            write!(f, "{HIDDEN}@")?;
        }
        f.write_str(url.host_str().unwrap_or_default())?;
        if let Some(port) = url.port() {
            write!(f, ":{port}")?;
        }
        f.write_str(url.path())?;
        for (idx, pair) in url.query().into_iter().flat_map(|it| it.split('&')).enumerate() {
            f.write_str(if idx == 0 { "?" } else { "&" })?;
            match pair.split_once('=') {
                Some((name, _)) => write!(f, "{name}={HIDDEN}")?,
                // It may be the key itself.
                None => f.write_str(HIDDEN)?,
            }
        }
        Ok(())
    }
}

/// An address as a config writes it, which may hold queries, told in the same way.
pub(crate) fn told_as_written(text: &str) -> String {
    let (before, behind) = match text.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), text),
    };
    let behind = behind.split('?').next().unwrap_or_default();
    let (host, path) = behind.split_at(behind.find('/').unwrap_or(behind.len()));
    match host.rsplit_once('@') {
        // The sign also begins metadata, within a query of a text.
        Some((_, host)) if !text.contains("${!") => format!("{before}{HIDDEN}@{host}{path}"),
        _ => format!("{before}{host}{path}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_credential_is_not_told() {
        for (text, expected) in [
            ("http://example.com", "http://example.com/"),
            ("https://ada:secret@example.com:8443/a/b", "https://xxxxx@example.com:8443/a/b"),
            ("http://token@[::1]:80/", "http://xxxxx@[::1]/"),
            ("http://a/b?key=secret&secret&x=#secret", "http://a/b?key=xxxxx&xxxxx&x=xxxxx"),
        ] {
            let url = parse(text, HTTP).expect("an address");
            assert_eq!(Told(&url).to_string(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_written_is_told_without_it_too() {
        for (text, expected) in [
            ("http://ada:secret@a:1/b?key=secret", "http://xxxxx@a:1/b"),
            ("http://a/${! @id }?key=secret", "http://a/${! @id }"),
            ("${! @url }", "${! @url }"),
            ("a", "a"),
        ] {
            assert_eq!(told_as_written(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_address_of_a_request() {
        let read = |text: &str| parse(text, HTTP).expect_err("it is none");
        assert_eq!(read("example.com/a"), "unsupported protocol scheme \"\"");
        assert_eq!(read("localhost:80/a"), "unsupported protocol scheme \"localhost\"");
        assert_eq!(read("ftp://secret@a"), "unsupported protocol scheme \"ftp\"");
        assert_eq!(read("http://"), "no Host in request URL");
        assert_eq!(read("http://a:secret/"), "the address cannot be read: invalid port number");
        assert_eq!(read(""), "unsupported protocol scheme \"\"");
    }
}
