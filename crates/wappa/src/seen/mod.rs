//! `tap` and `top`: what a service that runs shows on a terminal.

mod samples;
mod table;
mod tap;
mod top;

use std::time::Duration;

use wappa_http_client::{Page, Pages};
use wappa_net::Runtime;

pub(crate) use self::{
    tap::{TapArguments, tap},
    top::{TopArguments, top},
};

/// Where the service of a program on this machine is, unless its config says otherwise.
const ADDRESS: &str = "http://127.0.0.1:4195";

/// How long a service may take for the head of an answer, and for a page.
const PATIENCE: Duration = Duration::from_secs(10);

/// No page of metrics is that large.
const PAGE_BYTES_MAX: usize = 64 << 20;

/// A service that is asked from the thread of a command.
struct Service {
    pages: Pages,
    runtime: Runtime,
}

impl Service {
    fn new(url: &str) -> Result<Service, String> {
        Ok(Service { pages: Pages::new(url)?, runtime: Runtime::default() })
    }

    /// The head of a page.
    fn ask(&self, path: &str, query: &[(&str, &str)]) -> Result<Page, String> {
        self.runtime.wait(PATIENCE, self.pages.get(path, query))?
    }

    /// The code of a page, and all of it.
    fn text(&self, path: &str) -> Result<(u16, String), String> {
        let page = self.ask(path, &[])?;
        let code = page.code;
        Ok((code, self.rest(page)?))
    }

    fn rest(&self, page: Page) -> Result<String, String> {
        self.runtime.wait(PATIENCE, page.text(PAGE_BYTES_MAX))?
    }
}

/// What there is to be done about the code 401.
pub(crate) const WANTS_PASSWORD: &str =
    "the service asks for a user and a password: `http://USER:PASSWORD@HOST:PORT`";

/// What a code says that is none of a page.
fn refusal(code: u16, text: &str) -> String {
    match code {
        401 => WANTS_PASSWORD.to_string(),
        code => format!("{code}: {}", text.trim()),
    }
}
