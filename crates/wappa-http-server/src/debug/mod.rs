//! What the service shows with `debug_endpoints`: the config, what the process is at, and messages.
//!
//! All of it is for programs of this machine that ask for its address or for `localhost`, and for whoever knows the
//! password.

mod process;
mod tap;

use std::{fmt, future::ready, sync::Arc};

use hyper::{StatusCode, header::HeaderValue};
use wappa_component::Taps;

use crate::{
    answer::{Answer, error, held, of_type, text},
    host,
    routes::{Asked, Routes},
};

/// A text that is made at each request.
pub type Made = Box<dyn Fn() -> String + Send + Sync>;

/// What the service shows with `debug_endpoints`.
pub struct Debug {
    /// The config as JSON, without secrets.
    pub config_json: Made,
    /// The config as YAML, without secrets.
    pub config_yaml: Made,
    /// The components that were called and have not returned, a line each.
    pub at_work: Made,
    /// Lines on memory beside what the system says: each a name, a space, and a number of bytes.
    pub memory: Made,
    /// The components whose messages can be looked at.
    pub taps: Taps,
}

/// Who is shown anything.
#[derive(Clone, Copy)]
pub(crate) struct Shield {
    pub(crate) has_password: bool,
}

impl Shield {
    /// Whether who asks is shown what tells of messages or of the config.
    pub(crate) fn lets(self, asked: &Asked) -> bool {
        self.has_password || (asked.peer.is_local && host::is_of_machine(&asked.request))
    }

    /// The answer for whoever is not.
    pub(crate) fn refuses(self, asked: &Asked) -> Option<Answer> {
        if self.lets(asked) {
            return None;
        }
        Some(error(
            StatusCode::FORBIDDEN,
            "Only for programs on the machine itself that ask for its address or localhost, unless there is a \
             password (http.basic_auth)",
        ))
    }
}

/// Serves all of it.
pub(crate) fn serve(routes: &Routes, debug: Debug, shield: Shield) {
    let Debug { config_json, config_yaml, at_work, memory, taps } = debug;
    let made = |path: &str, description: &'static str, content_type: &'static str, make: Made| {
        routes.serve(path, description, move |asked: Asked| {
            let content_type = HeaderValue::from_static(content_type);
            let answer = shield.refuses(&asked);
            ready(answer.unwrap_or_else(|| held(of_type(content_type, make()), asked.hold())))
        });
    };
    const TEXT: &str = "text/plain; charset=utf-8";
    made("/debug/config/json", "DEBUG: Returns the loaded config as JSON.", "application/json", config_json);
    made("/debug/config/yaml", "DEBUG: Returns the loaded config as YAML.", TEXT, config_yaml);
    let stack = Box::new(move || process::stack(&at_work()));
    made("/debug/stack", "DEBUG: Returns what components and threads are doing.", TEXT, stack);
    let memory = Box::new(move || process::memory(&memory()));
    made("/debug/memory", "DEBUG: Returns what memory the process takes, and what for.", TEXT, memory);
    let taps = Arc::new(taps);
    let description = "DEBUG: Streams messages of a component, as `wappa tap` shows them.";
    routes.serve("/debug/tap", description, move |asked: Asked| {
        ready(shield.refuses(&asked).unwrap_or_else(|| tap::answer(&asked, &taps)))
    });
}

/// The answer to what cannot be understood.
fn mistake(text: impl AsRef<str>) -> Answer {
    error(StatusCode::BAD_REQUEST, text)
}

/// Lines of a text.
fn lines(lines: impl IntoIterator<Item = String>) -> Answer {
    text(lines.into_iter().map(|it| it + "\n").collect::<String>())
}

impl fmt::Debug for Debug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Debug")
    }
}
