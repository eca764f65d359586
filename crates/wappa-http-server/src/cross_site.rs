//! Requests that the page of a stranger has a browser send: they change nothing.
//!
//! A browser says where a request comes from, in `Origin` with everything that is no plain reading, and in `Sec-Fetch-Site`.
//! Programs such as curl say neither. So whoever says that he comes from elsewhere is refused, and so is a browser that is too
//! old to say it, where it sends what a form of any page could.

use hyper::{
    HeaderMap, Request,
    header::{CONTENT_TYPE, HOST, ORIGIN, USER_AGENT},
};

/// Who may change something from a page of another origin.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origins {
    /// Those that the config names one by one; that pages of all origins may read says nothing of changes.
    pub(crate) named: Vec<String>,
}

/// What bodies a form can have without asking first.
const FORMS: [&str; 3] = ["application/x-www-form-urlencoded", "multipart/form-data", "text/plain"];

impl Origins {
    /// Whether a request that changes something may have been made by a page of somebody else.
    pub(crate) fn are_foreign<B>(&self, request: &Request<B>) -> bool {
        let headers = request.headers();
        let text = |it: &hyper::header::HeaderValue| it.to_str().unwrap_or("?").to_string();
        // No browser sends two.
        if 1 < headers.get_all(ORIGIN).iter().count() {
            return true;
        }
        let origin = headers.get(ORIGIN).map(text);
        if origin.as_ref().is_some_and(|it| self.named.contains(it)) {
            return false;
        }
        let site = headers.get("sec-fetch-site").map(text);
        match (origin, site.as_deref()) {
            (_, Some(site)) if site != "same-origin" && site != "none" => true,
            (Some(origin), _) => !is_own(&origin, request),
            (None, Some(_)) => false,
            (None, None) => is_browser(headers) && is_form(headers),
        }
    }
}

/// Whether an origin is the host that the request is for.
fn is_own<B>(origin: &str, request: &Request<B>) -> bool {
    let named = request.headers().get(HOST).and_then(|it| it.to_str().ok());
    // In HTTP 2 it stands with the path.
    let host = request.uri().authority().map(hyper::http::uri::Authority::as_str).or(named);
    let Some((scheme, of)) = origin.split_once("://") else { return false };
    ["http", "https"].contains(&scheme) && host.is_some_and(|it| it.eq_ignore_ascii_case(of))
}

fn is_browser(headers: &HeaderMap) -> bool {
    headers.get(USER_AGENT).is_some_and(|it| it.as_bytes().starts_with(b"Mozilla/"))
}

fn is_form(headers: &HeaderMap) -> bool {
    let Some(content_type) = headers.get(CONTENT_TYPE) else { return true };
    let essence = content_type.as_bytes().split(|it| *it == b';').next().unwrap_or_default();
    FORMS.iter().any(|it| it.as_bytes().eq_ignore_ascii_case(essence.trim_ascii()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_says_that_he_comes_from_elsewhere_is_foreign() {
        let origins = Origins { named: vec!["https://ours.example".to_string()] };
        let is_foreign = |headers: &[(&str, &str)]| {
            let mut request = Request::builder().uri("/streams/a").header("host", "127.0.0.1:4195");
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            origins.are_foreign(&request.body(()).expect("it is one"))
        };
        let own: [&[(&str, &str)]; 7] = [
            &[],
            &[("content-type", "application/x-www-form-urlencoded"), ("user-agent", "curl/8.5")],
            &[("origin", "http://127.0.0.1:4195")],
            &[("origin", "http://127.0.0.1:4195"), ("sec-fetch-site", "same-origin")],
            &[("origin", "https://ours.example"), ("sec-fetch-site", "cross-site")],
            &[("user-agent", "Mozilla/5.0"), ("content-type", "application/json")],
            &[("sec-fetch-site", "none")],
        ];
        own.iter().for_each(|it| assert!(!is_foreign(it), "{it:?}"));
        let foreign: [&[(&str, &str)]; 10] = [
            &[("origin", "http://127.0.0.1:4195"), ("origin", "http://evil.example")],
            &[("origin", "http://evil.example")],
            &[("origin", "null")],
            &[("origin", "http://127.0.0.1:8080")],
            &[("origin", "http://localhost:4195")],
            &[("origin", "file://127.0.0.1:4195")],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site"), ("origin", "http://127.0.0.1:4195")],
            &[("user-agent", "Mozilla/5.0"), ("content-type", "text/plain; charset=utf-8")],
            &[("user-agent", "Mozilla/5.0")],
        ];
        foreign.iter().for_each(|it| assert!(is_foreign(it), "{it:?}"));
    }
}
