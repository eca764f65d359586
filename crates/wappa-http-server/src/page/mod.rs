//! The page at `/`: what a stream does, for a person who would rather look than read.
//!
//! The page is one file and fetches nothing from elsewhere; what it shows comes at `/-/live`, as events of which all
//! viewers get the same. Names and numbers are for whoever may read `/metrics`; what tells of messages or of the config
//! (reasons of failures, checks of cases) is for programs of this machine and for whoever knows the password.

mod json;
mod looks;
mod view;

use std::{
    sync::{
        Arc, LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use hyper::{
    StatusCode,
    header::{
        CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY,
        X_CONTENT_TYPE_OPTIONS,
    },
};
use sha2::{Digest, Sha256};
use tokio::{
    sync::{mpsc, watch},
    time::{MissedTickBehavior, interval},
};

use self::looks::Looks;
pub use self::view::{Picture, PicturePart, PictureWay, StreamState, StreamView, View, ViewOf};
use crate::{
    accepts,
    answer::{Answer, Content, Pieces, error, of_type, plain, with},
    debug::Shield,
    escapes,
    routes::{Asked, Routes},
    server::{Phase, reached},
};

/// How often viewers see something new.
const PERIOD: Duration = Duration::from_secs(1);

/// How many may look at once: each of them costs a connection.
const VIEWERS_MAX: usize = 64;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The page as it is sent.
static PAGE: LazyLock<String> =
    LazyLock::new(|| include_str!("page.html").replace("/*STYLE*/", STYLE).replace("/*SCRIPT*/", SCRIPT));

/// What browsers let the page do: nothing but itself, whatever a name in it may say.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text));
    format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        hash(SCRIPT),
        hash(STYLE)
    )
});

/// Serves the page and what it shows, where no component has the path.
pub(crate) fn serve(routes: &Routes, view: View, shield: Shield) {
    routes.serve_beneath("/", "Shows the stream to a person.", |asked: Asked| {
        let takes_gzip = accepts::gzip(asked.request.headers());
        async move {
            let answer = page();
            if takes_gzip { accepts::compressed(answer).await } else { answer }
        }
    });
    let shared = Arc::new(Shared { looks: Looks::new(view), n_viewers: AtomicUsize::new(0) });
    let description = "Streams what the page shows, as server-sent events.";
    routes.serve_beneath("/-/live", description, move |asked: Asked| {
        let answer = live(&asked, &shared, shield);
        async move { answer }
    });
}

fn page() -> Answer {
    let answer = of_type(HeaderValue::from_static("text/html; charset=utf-8"), PAGE.as_str());
    let policy = HeaderValue::from_str(&POLICY).expect("it is of visible letters");
    let headers = [
        (CONTENT_SECURITY_POLICY, policy),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
    ];
    headers.into_iter().fold(answer, |answer, (name, value)| with(answer, name, value))
}

struct Shared {
    looks: Looks,
    n_viewers: AtomicUsize,
}

/// Somebody looks, until this is dropped.
struct Viewer(Arc<Shared>);

impl Viewer {
    fn new(shared: &Arc<Shared>) -> Option<Viewer> {
        let add = |it: usize| (it < VIEWERS_MAX).then_some(it + 1);
        shared.n_viewers.fetch_update(Ordering::SeqCst, Ordering::SeqCst, add).ok()?;
        Some(Viewer(Arc::clone(shared)))
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.0.n_viewers.fetch_sub(1, Ordering::SeqCst);
    }
}

fn live(asked: &Asked, shared: &Arc<Shared>, shield: Shield) -> Answer {
    let Some(viewer) = Viewer::new(shared) else {
        let text = format!("{VIEWERS_MAX} look already, and no more can: close a page");
        return error(StatusCode::SERVICE_UNAVAILABLE, text);
    };
    let (tx, rx) = mpsc::channel(1);
    let mut query = escapes::query(asked.request.uri().query().unwrap_or_default());
    let chosen = query.find(|it| it.0 == b"stream").map(|it| String::from_utf8_lossy(&it.1).into_owned());
    tokio::spawn(tell(viewer, chosen, shield.lets(asked), tx, asked.peer.phase.clone()));
    let answer = plain(StatusCode::OK, "").map(|_| Content::Pieces(Box::new(Events(rx))));
    let answer = with(answer, CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    // What stands between may collect answers before it passes them on; nginx is asked not to.
    let answer = with(answer, HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    with(answer, CACHE_CONTROL, HeaderValue::from_static("no-store"))
}

/// Tells a viewer what there is, again and again, until it is gone. One that is slow misses looks. Who has chosen nothing sees a
/// stream that is in trouble; who has chosen the empty name sees the list of all.
async fn tell(
    viewer: Viewer,
    chosen: Option<String>,
    is_trusted: bool,
    tx: mpsc::Sender<Bytes>,
    mut phase: watch::Receiver<Phase>,
) {
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut shown: Option<(String, Arc<Picture>)> = None;
    let mut seen: Option<String> = None;
    // A page that lost its connection comes back after that.
    let mut text = "retry: 1000\n\n".to_string();
    loop {
        tokio::select! {
            biased;
            () = tx.closed() => return,
            () = reached(&mut phase, Phase::Closing) => return,
            _ = ticks.tick() => (),
        }
        let look = viewer.0.looks.look();
        let stream = look.stream(chosen.as_deref(), seen.as_deref()).to_string();
        let stream = &*seen.insert(stream);
        if let Some(picture) = look.picture(stream)
            && !shown.as_ref().is_some_and(|it| it.0 == *stream && Arc::ptr_eq(&it.1, picture))
        {
            event("picture", &json::picture(stream, picture, is_trusted), &mut text);
            shown = Some((stream.clone(), Arc::clone(picture)));
        }
        event("look", &look.told(stream, is_trusted), &mut text);
        if tx.send(std::mem::take(&mut text).into()).await.is_err() {
            return;
        }
    }
}

fn event(name: &str, data: &str, out: &mut String) {
    // JSON has no ends of lines outside of texts, and none in them.
    *out += &format!("event: {name}\ndata: {data}\n\n");
}

/// A body without end.
struct Events(mpsc::Receiver<Bytes>);

impl Pieces for Events {
    fn poll_next(&mut self, ctx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.0.poll_recv(ctx)
    }
}
