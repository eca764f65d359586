//! Cross-Origin Resource Sharing, as Bento's servers do it: that is as gorilla/handlers does.

use hyper::{
    HeaderMap, Method, Request, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, HeaderName, HeaderValue, ORIGIN, VARY,
    },
};
use wappa_spec::CorsConfig;

use crate::{
    answer::{Answer, plain},
    names::canonical,
};

/// Headers that everybody may send.
const HEADERS: [&str; 4] = ["Accept", "Accept-Language", "Content-Language", "Origin"];

/// Methods that need not be named in an answer.
const METHODS: [Method; 3] = [Method::GET, Method::HEAD, Method::POST];

/// What web pages of other origins may do.
#[derive(Clone, Debug)]
pub(crate) struct Cors {
    origins: Vec<String>,
    headers: Vec<String>,
    methods: Vec<String>,
}

/// The headers with which an answer may be read by the page that asked.
pub(crate) struct Allowed {
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Allowed {
    pub(crate) fn add_to(self, mut answer: Answer) -> Answer {
        self.headers.into_iter().for_each(|(name, value)| _ = answer.headers_mut().insert(name, value));
        answer
    }
}

/// The name of a header as Go writes it.
fn written(name: &String) -> String {
    match HeaderName::from_bytes(name.as_bytes()) {
        Ok(name) => String::from_utf8_lossy(&canonical(&name)).into_owned(),
        Err(_) => name.clone(),
    }
}

impl Cors {
    /// `None`: pages may do nothing.
    pub(crate) fn of(config: &CorsConfig) -> Option<Cors> {
        config.enabled.then(|| Cors {
            origins: config.allowed_origins.clone(),
            headers: HEADERS
                .into_iter()
                .map(String::from)
                .chain(config.allowed_headers.iter().map(written))
                .collect(),
            methods: config.allowed_methods.iter().map(|it| it.to_uppercase()).collect(),
        })
    }

    /// Whether pages of this origin may do anything.
    pub(crate) fn allows(&self, origin: &str) -> bool {
        self.origins.iter().any(|it| it == "*" || it == origin)
    }

    /// What is added to the answer to a request, or the answer to one that only asks what it may do.
    pub(crate) fn judge<B>(&self, request: &Request<B>) -> Result<Allowed, Box<Answer>> {
        let is_preflight = request.method() == Method::OPTIONS;
        let of = |status| Err(Box::new(plain(status, "")));
        let Some(origin) =
            request.headers().get(ORIGIN).filter(|it| self.allows(it.to_str().unwrap_or_default()))
        else {
            return match is_preflight && request.headers().contains_key(ORIGIN) {
                true => of(StatusCode::OK),
                false => Ok(Allowed { headers: Vec::new() }),
            };
        };
        let mut headers = Vec::new();
        if is_preflight {
            let asked = request.headers();
            let Some(method) = asked.get(ACCESS_CONTROL_REQUEST_METHOD) else {
                return of(StatusCode::BAD_REQUEST);
            };
            if !self.methods.iter().any(|it| it.as_bytes() == method.as_bytes()) {
                return of(StatusCode::METHOD_NOT_ALLOWED);
            }
            let Some(wanted) = self.wanted(asked) else { return of(StatusCode::FORBIDDEN) };
            if !wanted.is_empty()
                && let Ok(value) = HeaderValue::from_str(&wanted.join(","))
            {
                headers.push((ACCESS_CONTROL_ALLOW_HEADERS, value));
            }
            if !METHODS.iter().any(|it| it.as_str().as_bytes() == method.as_bytes()) {
                headers.push((ACCESS_CONTROL_ALLOW_METHODS, method.clone()));
            }
        }
        if 1 < self.origins.len() {
            headers.push((VARY, HeaderValue::from_static("Origin")));
        }
        let is_all = self.origins.iter().any(|it| it == "*");
        let origin = if is_all { HeaderValue::from_static("*") } else { origin.clone() };
        headers.push((ACCESS_CONTROL_ALLOW_ORIGIN, origin));
        let allowed = Allowed { headers };
        match is_preflight {
            true => Err(Box::new(allowed.add_to(plain(StatusCode::OK, "")))),
            false => Ok(allowed),
        }
    }

    /// The headers that a page wants to send and not everybody may; none where it may not send one of them.
    fn wanted(&self, headers: &HeaderMap) -> Option<Vec<String>> {
        let asked =
            headers.get(ACCESS_CONTROL_REQUEST_HEADERS).and_then(|it| it.to_str().ok()).unwrap_or_default();
        let names = asked.split(',').map(str::trim).filter(|it| !it.is_empty());
        let names = names.filter(|name| !HEADERS.iter().any(|it| it.eq_ignore_ascii_case(name)));
        names.map(|name| self.headers.iter().find(|it| it.eq_ignore_ascii_case(name)).cloned()).collect()
    }
}
