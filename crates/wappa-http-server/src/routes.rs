//! Routes: whose is which path of a server.
//!
//! A path that ends with `/` stands for all that begin with it, and `{name}` in one for a piece of the path without a
//! slash, or with `{name:pattern}` for what the pattern matches; as in Bento, whose router is gorilla/mux. Of several that
//! match, the one that says most wins, in whichever order they came: a path in full, then one with names, then a
//! beginning; and of two of these the one with more letters that are not in braces.

use std::{
    cmp::Reverse,
    collections::BTreeMap,
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use bytes::Bytes;
use hyper::{Request, StatusCode, body::Incoming};
use regex::bytes::Regex;
use wappa_bloblang::go_regex;
use wappa_net::Held;

use crate::{
    answer::{Answer, error},
    peer::Peer,
    shares::{Clientele, Share},
};

/// What a handler is asked.
pub(crate) struct Asked {
    pub(crate) request: Request<Incoming>,
    /// The path as it is meant.
    pub(crate) path: Bytes,
    /// What stands for the names in the route.
    pub(crate) vars: Vec<(Bytes, Bytes)>,
    pub(crate) peer: Arc<Peer>,
    /// What it has of the server, where it is one of several streams' request. It is under way as long as anybody has this.
    pub(crate) share: Option<Arc<Share>>,
}

impl Asked {
    /// What a body that is being received holds.
    pub(crate) fn hold(&self) -> Held {
        self.peer.hold(self.share.as_deref().map(Share::bodies))
    }
}

/// Answers requests.
pub(crate) trait Handler: Send + Sync {
    /// Answers one. Dropped where it waits when the client is gone.
    fn answer(self: Arc<Self>, asked: Asked) -> Pin<Box<dyn Future<Output = Answer> + Send>>;
}

impl<F, A> Handler for F
where
    F: Fn(Asked) -> A + Send + Sync,
    A: Future<Output = Answer> + Send + 'static,
{
    fn answer(self: Arc<Self>, asked: Asked) -> Pin<Box<dyn Future<Output = Answer> + Send>> {
        Box::pin(self(asked))
    }
}

/// The paths of a server. Cloning shares.
#[derive(Clone, Default)]
pub struct Routes {
    shared: Arc<Shared>,
    /// The stream among several whose paths are taken with it.
    of: Option<Arc<OfStream>>,
}

/// A stream among several.
#[derive(Debug)]
struct OfStream {
    name: String,
    /// What stands before its paths, as it is; empty for nothing.
    prefix: String,
    clientele: Arc<Clientele>,
}

struct Shared {
    list: RwLock<Vec<Route>>,
    /// What is served where no route has the path.
    beneath: RwLock<Vec<Route>>,
    /// Why nobody can come.
    closed: Mutex<Option<String>>,
}

impl Default for Shared {
    fn default() -> Shared {
        let text = "this program has no HTTP service: give the component an `address`";
        Shared {
            list: RwLock::default(),
            beneath: RwLock::default(),
            closed: Mutex::new(Some(text.to_string())),
        }
    }
}

struct Route {
    /// The stream that took it; none where there is one only, or where it is the server's own.
    of: Option<Arc<OfStream>>,
    path: String,
    pattern: Pattern,
    description: &'static str,
    /// Who answers; nobody yet, or nobody any more.
    handler: Option<Arc<dyn Handler>>,
    /// Whether a component has it.
    is_taken: bool,
    /// Whether it is the server's own, which nothing that a component takes can stand before.
    is_own: bool,
}

impl Route {
    fn stream(&self) -> &str {
        self.of.as_ref().map_or("", |it| it.name.as_str())
    }
}

/// A path that somebody has. When it is dropped, requests hear that nobody answers any more, until another takes it.
pub(crate) struct Place {
    routes: Routes,
    path: String,
}

#[derive(Debug)]
enum Pattern {
    Exact,
    Begin,
    Names { regex: Regex, names: Vec<Bytes>, n_outside: usize, is_begin: bool },
}

impl Pattern {
    /// Of what stands behind a prefix, which is taken as it is.
    fn new(prefix: &str, path: &str) -> Result<Pattern, String> {
        let is_begin = path.ends_with('/');
        if !path.contains('{') {
            return Ok(if is_begin { Pattern::Begin } else { Pattern::Exact });
        }
        let (mut names, mut n_outside) = (Vec::new(), prefix.len());
        let mut text = format!("^{}", regex::escape(prefix));
        let mut rest = path;
        while let Some((before, behind)) = rest.split_once('{') {
            let end = end_of(behind).ok_or("a brace is not closed")?;
            let (name, pattern) = match behind[..end].split_once(':') {
                Some((name, pattern)) => (name, pattern),
                None => (&behind[..end], "[^/]+"),
            };
            if name.is_empty() || pattern.is_empty() {
                return Err(format!("there is no name or no pattern in {{{}}}", &behind[..end]));
            }
            text += &format!("{}(?P<v{}>{pattern})", regex::escape(before), names.len());
            n_outside += before.len();
            names.push(Bytes::copy_from_slice(name.as_bytes()));
            rest = &behind[end + 1..];
        }
        n_outside += rest.len();
        text += &regex::escape(rest);
        if !is_begin {
            text.push('$');
        }
        Ok(Pattern::Names { regex: go_regex(&text)?, names, n_outside, is_begin })
    }

    /// Of a route with this path; the lower, the earlier it is asked.
    fn rank(&self, path: &str) -> (u8, Reverse<usize>) {
        match self {
            Pattern::Exact => (0, Reverse(path.len())),
            Pattern::Names { is_begin: false, n_outside, .. } => (1, Reverse(*n_outside)),
            Pattern::Begin => (2, Reverse(path.len())),
            Pattern::Names { is_begin: true, n_outside, .. } => (2, Reverse(*n_outside)),
        }
    }
}

/// Where the brace is closed that was opened before this text.
fn end_of(text: &str) -> Option<usize> {
    let mut depth = 1;
    text.bytes().position(|byte| {
        depth += i32::from(byte == b'{') - i32::from(byte == b'}');
        depth == 0
    })
}

/// What the program has below a path of its own, with several streams.
const BELOW_OWN: [&str; 3] = ["/streams", "/resources", "/debug"];

fn is_below_own(path: &str) -> bool {
    BELOW_OWN
        .iter()
        .any(|it| path.strip_prefix(it).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

/// Whether a path can be served; the error is one line.
pub(crate) fn check(path: &str) -> Result<(), String> {
    let cause = match Pattern::new("", path) {
        Err(cause) => cause,
        Ok(_) if !path.starts_with('/') => "it does not begin with `/`".to_string(),
        Ok(_) => return Ok(()),
    };
    Err(format!("path {path} cannot be served: {cause}"))
}

impl Routes {
    /// From now on clients can come.
    pub(crate) fn open(&self) {
        *self.shared.closed.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Clients cannot come, for this reason.
    pub fn close(&self, why: &str) {
        *self.shared.closed.lock().unwrap_or_else(PoisonError::into_inner) = Some(why.to_string());
    }

    /// Whether clients can come; the error is why not.
    pub(crate) fn check_open(&self) -> Result<(), String> {
        self.shared.closed.lock().unwrap_or_else(PoisonError::into_inner).clone().map_or(Ok(()), Err)
    }

    /// The same, for what a stream among several takes. With a prefix its paths are below its name.
    #[must_use]
    pub fn of_stream(&self, name: &str, has_prefix: bool) -> Routes {
        let prefix = if has_prefix { format!("/{name}") } else { String::new() };
        let of = Some(Arc::new(OfStream {
            name: name.to_string(),
            prefix,
            clientele: Arc::new(Clientele::new(name)),
        }));
        Routes { shared: Arc::clone(&self.shared), of }
    }

    /// Forgets the paths that the stream has let go. Until then requests for them hear that nobody answers.
    pub fn tidy(&self) {
        let Some(of) = &self.of else { return };
        let mut routes = self.shared.list.write().unwrap_or_else(PoisonError::into_inner);
        routes.retain(|it| it.is_taken || it.stream() != of.name);
    }

    /// Takes a path for a component; the error says that another one has it, and what to do.
    pub(crate) fn take(&self, path: &str, description: &'static str) -> Result<Place, String> {
        check(path)?;
        let prefix = self.of.as_ref().map_or("", |of| of.prefix.as_str());
        if self.of.is_some() && prefix.is_empty() && is_below_own(path) {
            return Err(format!(
                "path {path} is below one of the program's own: give the component another one"
            ));
        }
        let pattern = Pattern::new(prefix, path)?;
        let path = format!("{prefix}{path}");
        self.put(Route {
            of: self.of.clone(),
            path: path.clone(),
            pattern,
            description,
            handler: None,
            is_taken: true,
            is_own: false,
        })?;
        Ok(Place { routes: self.clone(), path })
    }

    /// Serves a path, as long as the server is there.
    pub(crate) fn serve(&self, path: &str, description: &'static str, handler: impl Handler + 'static) {
        let route = Route {
            of: None,
            path: path.to_string(),
            pattern: Pattern::new("", path).expect("the paths of a service can be served"),
            description,
            handler: Some(Arc::new(handler)),
            is_taken: true,
            is_own: true,
        };
        self.put(route).expect("the paths of a service are its own");
    }

    /// Serves exactly this path, as long as the server is there, where no component has it.
    pub(crate) fn serve_beneath(
        &self,
        path: &str,
        description: &'static str,
        handler: impl Handler + 'static,
    ) {
        let handler: Option<Arc<dyn Handler>> = Some(Arc::new(handler));
        let route = Route {
            of: None,
            path: path.to_string(),
            pattern: Pattern::Exact,
            description,
            handler,
            is_taken: true,
            is_own: true,
        };
        self.shared.beneath.write().unwrap_or_else(PoisonError::into_inner).push(route);
    }

    /// Whether some path is a component's that does not answer yet, which it does as soon as it reads.
    pub fn are_opening(&self) -> bool {
        let routes = self.shared.list.read().unwrap_or_else(PoisonError::into_inner);
        routes.iter().any(|it| it.is_taken && it.handler.is_none() && self.is_mine(it))
    }

    /// Whether a route is of the stream whose paths these are; or of any, where these are of all.
    fn is_mine(&self, route: &Route) -> bool {
        self.of.as_ref().is_none_or(|it| it.name == route.stream())
    }

    fn put(&self, route: Route) -> Result<(), String> {
        let mut routes = self.shared.list.write().unwrap_or_else(PoisonError::into_inner);
        if routes.iter().any(|it| it.path == route.path && it.is_taken) {
            return Err(format!(
                "path {} is another component's: give one of them a path of its own",
                route.path
            ));
        }
        routes.retain(|it| it.path != route.path);
        routes.push(route);
        routes.sort_by_cached_key(|it| (!it.is_own, it.pattern.rank(&it.path), it.path.clone()));
        Ok(())
    }

    fn change(&self, path: &str, change: impl FnOnce(&mut Route)) {
        let mut routes = self.shared.list.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(route) = routes.iter_mut().find(|it| it.path == path) {
            change(route);
        }
    }

    /// Who answers for a path, and what stands for the names in it.
    pub(crate) fn find(&self, path: &[u8]) -> Option<Found> {
        let routes = self.shared.list.read().unwrap_or_else(PoisonError::into_inner);
        let beneath = self.shared.beneath.read().unwrap_or_else(PoisonError::into_inner);
        routes.iter().chain(&*beneath).find_map(|route| {
            let vars = match &route.pattern {
                Pattern::Exact => (path == route.path.as_bytes()).then(Vec::new),
                Pattern::Begin => path.starts_with(route.path.as_bytes()).then(Vec::new),
                Pattern::Names { regex, names, .. } => regex.captures(path).map(|found| {
                    let value =
                        |idx: usize| found.name(&format!("v{idx}")).map_or(&b""[..], |it| it.as_bytes());
                    let pair =
                        |(idx, name): (usize, &Bytes)| (name.clone(), Bytes::copy_from_slice(value(idx)));
                    names.iter().enumerate().map(pair).collect()
                }),
            };
            vars.map(|vars| {
                let clientele = route.of.as_ref().map(|of| Arc::clone(&of.clientele));
                Found { handler: route.handler.clone(), vars, clientele }
            })
        })
    }

    /// All paths, each with what is there.
    pub(crate) fn list(&self) -> BTreeMap<String, &'static str> {
        let routes = self.shared.list.read().unwrap_or_else(PoisonError::into_inner);
        let description = |it: &Route| if it.is_taken { it.description } else { "Endpoint disabled." };
        let beneath = self.shared.beneath.read().unwrap_or_else(PoisonError::into_inner);
        beneath.iter().chain(&*routes).map(|it| (it.path.clone(), description(it))).collect()
    }
}

/// Who answers.
pub(crate) struct Found {
    pub(crate) handler: Option<Arc<dyn Handler>>,
    pub(crate) vars: Vec<(Bytes, Bytes)>,
    /// Of the stream that has the path, where there are several.
    pub(crate) clientele: Option<Arc<Clientele>>,
}

/// What is said where nobody answers.
pub(crate) fn unavailable() -> Answer {
    error(StatusCode::SERVICE_UNAVAILABLE, "Service unavailable")
}

impl Place {
    /// Has requests answered.
    pub(crate) fn open(&self, handler: impl Handler + 'static) {
        self.routes.change(&self.path, |it| it.handler = Some(Arc::new(handler)));
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.routes.change(&self.path, |it| (it.handler, it.is_taken) = (None, false));
    }
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.list().keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(routes: &Routes, path: &str) -> String {
        let Some(Found { handler, vars, .. }) = routes.find(path.as_bytes()) else {
            return "nobody".to_string();
        };
        let text = |it: &Bytes| String::from_utf8_lossy(it).into_owned();
        let vars: Vec<String> =
            vars.iter().map(|(name, value)| format!("{}={}", text(name), text(value))).collect();
        format!("{} {}", if handler.is_some() { "open" } else { "closed" }, vars.join(","))
    }

    #[test]
    fn the_one_that_says_most_answers() {
        let routes = Routes::default();
        let paths = [
            "/",
            "/a/{id}",
            "/a/b",
            "/a/",
            "/n/{id:[0-9]{2}}/x",
            "/p/{name}/",
            "/p/exactly/",
            "/{a:[a-z]+}/{b:[a-z]+}",
        ];
        let places: Vec<Place> =
            paths.into_iter().map(|it| routes.take(it, "Test.").expect("each is its own")).collect();
        // Nobody has come for these, so a path shows by its names and by what matches.
        places[2].open(|_: Asked| async { unavailable() });
        assert_eq!(find(&routes, "/a/b"), "open ");
        assert_eq!(find(&routes, "/a/c"), "closed id=c");
        assert_eq!(find(&routes, "/a/c/d"), "closed ");
        assert_eq!(find(&routes, "/n/12/x"), "closed id=12");
        assert_eq!(find(&routes, "/p/q/r/s"), "closed name=q");
        assert_eq!(find(&routes, "/p/exactly/r/s"), "closed ");
        assert_eq!(find(&routes, "/b/c"), "closed a=b,b=c");
        drop(places);
        assert_eq!(find(&routes, "/a/b"), "closed ");
        assert_eq!(find(&Routes::default(), "/a/b"), "nobody");
    }

    #[test]
    fn a_path_is_one_component_s_until_it_lets_go() {
        let routes = Routes::default();
        let place = routes.take("/a", "Test.").expect("nobody has it");
        let err = routes.take("/a", "Test.").err().expect("somebody has it");
        assert_eq!(err, "path /a is another component's: give one of them a path of its own");
        drop(place);
        assert_eq!(routes.list().get("/a"), Some(&"Endpoint disabled."));
        assert!(routes.take("/a", "Test.").is_ok());
    }

    #[test]
    fn streams_have_paths_of_their_own() {
        let routes = Routes::default();
        routes.serve("/streams/{id}", "Own.", |_: Asked| async { unavailable() });
        let (one, other) = (routes.of_stream("a{b", true), routes.of_stream("c", true));
        let places = ["/post", "/p/{id}"].map(|it| one.take(it, "Test.").expect("it is its own"));
        let of_other = other.take("/post", "Test.").expect("it is its own");
        assert_eq!(find(&routes, "/a{b/post"), "closed ");
        assert_eq!(find(&routes, "/a{b/p/x"), "closed id=x");
        assert_eq!(find(&routes, "/c/post"), "closed ");
        assert_eq!(find(&routes, "/post"), "nobody");
        // What is gone is said to be unavailable until its stream has been put in order.
        drop(places);
        assert_eq!(find(&routes, "/a{b/post"), "closed ");
        one.tidy();
        assert_eq!(find(&routes, "/a{b/post"), "nobody");
        drop(of_other);
        other.tidy();
        assert_eq!(routes.list().len(), 1);
        // Nothing stands before what is the program's, whatever it matches.
        let bare = routes.of_stream("d", false);
        let err = bare.take("/streams/x", "Test.").err().expect("it is the program's");
        assert!(err.contains("below one of the program's own"), "{err}");
        let _wide = bare.take("/{a:.*}/{b:.*}{c:.*}", "Test.").expect("nobody has it");
        assert_eq!(find(&routes, "/streams/x"), "open id=x");
    }

    #[test]
    fn paths_that_cannot_be_served() {
        let check = |path| check(path).expect_err("it cannot be served");
        assert_eq!(check("a"), "path a cannot be served: it does not begin with `/`");
        assert_eq!(check("/{a"), "path /{a cannot be served: a brace is not closed");
        assert_eq!(check("/{:x}"), "path /{:x} cannot be served: there is no name or no pattern in {:x}");
        assert_eq!(
            check("/{a:(}"),
            "path /{a:(} cannot be served: error parsing regexp: missing closing ): `^/(?P<v0>()$`"
        );
    }
}
