//! Where a collector is, and how one speaks to it.

use http::Uri;
use wappa_net::Address;
use wappa_spec::{Node, Reader, Rule};

/// A collector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) address: Address,
    pub(crate) is_secure: bool,
    pub(crate) protocol: Protocol,
    /// What is asked for.
    pub(crate) uri: Uri,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// A request of HTTP/1.1 with a message of protobuf.
    Http,
    /// A call over HTTP/2.
    Grpc,
}

/// Where collectors take spans over HTTP.
pub(crate) const PATH: &str = "/v1/traces";

const METHOD: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

impl Endpoint {
    /// The one at `host:port`. The error says what an address is.
    pub(crate) fn new(address: &str, is_secure: bool, protocol: Protocol) -> Result<Endpoint, String> {
        let told = |why: &str| {
            format!("{why}: an address is `host:port`, and `secure` says whether it is encrypted")
        };
        if address.contains("://") {
            return Err(told("there is a scheme in it"));
        }
        if address.contains(['/', '@', '?', '#']) {
            return Err(told("there is more in it than a host and a port"));
        }
        let parsed = Address::parse(address).map_err(|why| told(&why))?;
        let path = if protocol == Protocol::Http { PATH } else { METHOD };
        Endpoint::at(parsed, address, is_secure, protocol, path).map_err(|why| told(&why))
    }

    /// The one at an address that is written like this in requests.
    pub(crate) fn at(
        address: Address,
        authority: &str,
        is_secure: bool,
        protocol: Protocol,
        path: &str,
    ) -> Result<Endpoint, String> {
        let scheme = if is_secure { "https" } else { "http" };
        // No host is this one.
        let authority = match authority.strip_prefix(':') {
            Some(port) => format!("localhost:{port}"),
            None => authority.to_string(),
        };
        let uri = Uri::builder().scheme(scheme).authority(authority).path_and_query(path).build();
        let uri = uri.map_err(|err| err.to_string())?;
        Ok(Endpoint { address, is_secure, protocol, uri })
    }
}

/// Reports what is wrong with an address.
pub(crate) fn lint(address: &str, at: &Node, reader: &mut Reader<'_>) {
    if let Err(why) = Endpoint::new(address, false, Protocol::Http) {
        reader.error(Rule::InvalidValue, at, why);
    }
}
