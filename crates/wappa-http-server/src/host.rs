//! Whom a request says that it is for, and how it is sent.

use std::net::IpAddr;

use hyper::{
    HeaderMap, Request, Version,
    header::{HOST, TRANSFER_ENCODING},
    http::uri::Authority,
};

/// What is wrong with how a request says it, in the words of Go's `net/http`, if anything.
pub(crate) fn mistake<B>(request: &Request<B>) -> Option<&'static str> {
    let mut hosts = request.headers().get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) if request.version() == Version::HTTP_11 => Some("missing required Host header"),
        (Some(_), Some(_)) => Some("too many Host headers"),
        (Some(host), None) if !host.as_bytes().iter().all(is_of_host) => Some("malformed Host header"),
        _ => None,
    }
}

/// Whether it is sent in a way that nobody here takes back: what came would be taken for what was meant.
pub(crate) fn has_foreign_coding(headers: &HeaderMap) -> bool {
    headers.get_all(TRANSFER_ENCODING).iter().any(|it| !it.as_bytes().eq_ignore_ascii_case(b"chunked"))
}

/// Whether it can only have been meant for this machine, by address or as `localhost`. The page of a stranger whose name was
/// made to lead here asks for that name, also where its browser runs on the machine itself.
pub(crate) fn is_of_machine<B>(request: &Request<B>) -> bool {
    let named = request.headers().get(HOST).and_then(|it| it.to_str().ok());
    // In HTTP 2 it stands with the path.
    let Some(named) = request.uri().authority().map(Authority::as_str).or(named) else { return false };
    let Ok(authority) = named.parse::<Authority>() else { return false };
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok()
}

/// What may stand in a host, percent-encoded or not, and in a port.
fn is_of_host(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!$%&'()*+,-.:;=[]_~".contains(byte)
}
