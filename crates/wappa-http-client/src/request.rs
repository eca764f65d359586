//! What a request is made of: for each attempt anew, since what its fields hold may be the time.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Uri,
    header::{CONTENT_TYPE, HOST, USER_AGENT},
};
use url::Url;
use wappa_message::Message;
use wappa_spec::Interpolated;

use crate::{
    address,
    fields::HttpConfig,
    filter::Filter,
    multipart::{self, PartFields},
};

/// Who asks, where the config does not say.
const AGENT: &str = concat!("wappa/", env!("CARGO_PKG_VERSION"));

const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// A request that can be sent, more than once.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Outgoing {
    pub(crate) fn new(method: Method, url: Url) -> Outgoing {
        let headers = HeaderMap::from_iter([(USER_AGENT, HeaderValue::from_static(AGENT))]);
        Outgoing { method, url, headers, body: Bytes::new() }
    }

    /// The address as it is sent: without a user and a fragment.
    pub(crate) fn uri(&self) -> Result<Uri, String> {
        uri_of(&self.url)
    }
}

/// An address as it is sent: without a user and a fragment.
pub(crate) fn uri_of(url: &Url) -> Result<Uri, String> {
    let mut url = url.clone();
    url.set_fragment(None);
    // A host is there, so there may be a user.
    let _ = (url.set_username(""), url.set_password(None));
    Uri::try_from(url.as_str()).map_err(|err| format!("the address cannot be read: {err}"))
}

pub(crate) fn method(verb: &str) -> Result<Method, String> {
    // An empty one is `GET`, as in Go.
    let verb = if verb.is_empty() { "GET" } else { verb };
    Method::from_bytes(verb.as_bytes()).map_err(|_| format!("net/http: invalid method {verb:?}"))
}

pub(crate) fn header_name(name: &str) -> Result<HeaderName, String> {
    HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| format!("net/http: invalid header field name {name:?}"))
}

/// The value of a header, which the error does not tell: it may be a credential.
pub(crate) fn header_value(name: &str, value: &[u8]) -> Result<HeaderValue, String> {
    HeaderValue::from_bytes(value.trim_ascii())
        .map_err(|_| format!("net/http: invalid header field value for {name:?}"))
}

/// What the body of a request is made of.
#[derive(Debug)]
pub(crate) enum Content {
    /// The content of a message; of several, each is a part.
    Messages,
    /// What a text becomes.
    Payload(Interpolated),
    /// Parts, each of texts.
    Parts(Vec<PartFields>),
}

/// Makes requests as a config says.
#[derive(Debug)]
pub(crate) struct Template {
    url: Interpolated,
    method: Method,
    headers: Headers,
    metadata: Filter,
    content: Content,
}

/// Headers as a config writes them.
#[derive(Debug)]
pub(crate) struct Headers(Vec<(HeaderName, Interpolated)>);

impl Headers {
    pub(crate) fn new<'a>(
        fields: impl IntoIterator<Item = (&'a str, &'a Interpolated)>,
    ) -> Result<Headers, String> {
        let all = fields.into_iter().map(|(name, value)| Ok((header_name(name)?, value.clone())));
        all.collect::<Result<_, String>>().map(Headers)
    }

    pub(crate) fn get(&self, name: &HeaderName) -> Option<&Interpolated> {
        self.0.iter().find(|it| it.0 == *name).map(|it| &it.1)
    }

    /// Adds what they are for a batch.
    pub(crate) fn add_to(&self, headers: &mut HeaderMap, batch: &mut [Message]) -> Result<(), String> {
        for (name, value) in &self.0 {
            let value = value.evaluate(batch, 0).map_err(|err| match *name {
                HOST => format!("host interpolation error: {err}"),
                _ => format!("header '{name}' interpolation error: {err}"),
            })?;
            let mut value = header_value(name.as_str(), &value)?;
            value.set_sensitive(is_secret(name.as_str()));
            // One of ours gives way; of the config's, all are sent.
            match *name {
                USER_AGENT | HOST => _ = headers.insert(name, value),
                _ => _ = headers.append(name, value),
            }
        }
        Ok(())
    }
}

/// Whether a header may hold a credential, by its name.
pub(crate) fn is_secret(name: &str) -> bool {
    const SIGNS: [&str; 9] =
        ["auth", "cookie", "credential", "key", "password", "secret", "session", "signature", "token"];
    let name = name.to_ascii_lowercase();
    SIGNS.iter().any(|it| name.contains(it))
}

impl Template {
    pub(crate) fn new(config: &HttpConfig, content: Content) -> Result<Template, String> {
        Ok(Template {
            url: config.url.clone(),
            method: method(&config.verb)?,
            headers: Headers::new(config.headers.iter())?,
            metadata: Filter::new(&config.metadata)?,
            content,
        })
    }

    /// The request for a batch, of which the first message says what the fields hold. The error is what Bento says.
    pub(crate) fn make(&self, batch: &mut [Message]) -> Result<Outgoing, String> {
        let (body, kind) = self.body(batch)?;
        let url =
            self.url.evaluate_text(batch, 0).map_err(|err| format!("url interpolation error: {err}"))?;
        let mut outgoing = Outgoing::new(self.method.clone(), address::parse(&url, address::HTTP)?);
        outgoing.body = body;
        self.headers.add_to(&mut outgoing.headers, batch)?;
        if !self.metadata.is_empty() {
            for (key, value) in batch[0].metadata().iter().filter(|(key, _)| self.metadata.takes(key)) {
                let key = String::from_utf8_lossy(key);
                let value = header_value(&key, &value.to_text())?;
                outgoing.headers.append(header_name(&key)?, value);
            }
        }
        if let Some(kind) = kind {
            outgoing.headers.insert(CONTENT_TYPE, kind);
        }
        Ok(outgoing)
    }

    /// The body and, where it is not the config's, its type.
    fn body(&self, batch: &mut [Message]) -> Result<(Bytes, Option<HeaderValue>), String> {
        let own = self.headers.get(&CONTENT_TYPE);
        let kind = own.is_none().then_some(BYTES);
        match &self.content {
            Content::Payload(payload) => {
                let body = payload
                    .evaluate(batch, 0)
                    .map_err(|err| format!("payload interpolation error: {err}"))?;
                Ok((body, kind))
            }
            Content::Parts(parts) => multipart::of_fields(parts, batch),
            Content::Messages if batch.len() == 1 => Ok((batch[0].content().clone(), kind)),
            Content::Messages => multipart::of_messages(batch, own, &self.metadata),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_which_headers_may_hold_credentials() {
        let names = ["Authorization", "X-Api-Key", "Set-Cookie", "PRIVATE-TOKEN", "x-amz-signature"];
        assert!(names.iter().all(|it| is_secret(it)));
        assert!(["Content-Type", "Accept", "X-Tenant"].iter().all(|it| !is_secret(it)));
    }

    #[test]
    fn an_address_is_sent_without_its_user() {
        let url = address::parse("http://ada:secret@a:81/b?c#d", address::HTTP).expect("an address");
        assert_eq!(uri_of(&url).expect("it can be sent").to_string(), "http://a:81/b?c");
    }

    #[test]
    fn what_is_wrong_with_a_header_is_told_without_it() {
        let error = header_value("X-Key", b"secret\nX-Other: a").expect_err("it has a line feed in it");
        assert_eq!(error, "net/http: invalid header field value for \"X-Key\"");
        assert_eq!(header_name("a b").expect_err("a space"), "net/http: invalid header field name \"a b\"");
        assert_eq!(method("G T").expect_err("a space"), "net/http: invalid method \"G T\"");
    }
}
