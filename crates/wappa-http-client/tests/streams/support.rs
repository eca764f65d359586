//! Runs whole streams of a config, and says what came of them.

use std::{
    fs,
    sync::{Arc, Mutex, PoisonError},
};

use wappa_component::{BuildError, BuildProcessor, Component, Context, Part, Processor, Step};
pub(crate) use wappa_conformance::TempDir;
use wappa_message::Reply;
use wappa_spec::Config;
pub(crate) use wappa_testing::{Running, Streams};

pub(crate) fn streams() -> Streams {
    Streams::of(
        wappa_pure::components().into_iter().chain(wappa_http_client::components()).chain([&WAITED_FOR]),
    )
    .with_debug_lines()
}

/// What is wrong with a config.
pub(crate) fn lint(config: &str) -> String {
    streams().lint(config)
}

/// Begins a stream; the error is why it cannot be built.
pub(crate) fn try_start(config: &str) -> Result<Running, String> {
    streams().try_start(config)
}

/// What was replied, a line each.
pub(crate) fn replies(running: &Running) -> Vec<String> {
    let waiting = running.services.get_or_default::<Waiting>();
    let slots = waiting.0.lock().unwrap_or_else(PoisonError::into_inner);
    let messages = slots.iter().flat_map(|it| it.take().concat());
    messages.map(|it| String::from_utf8_lossy(it.content()).into_owned()).collect()
}

/// Begins a stream.
pub(crate) fn start(config: &str) -> Running {
    streams().start(config)
}

/// Who waits for replies to all messages.
#[derive(Default)]
pub(crate) struct Waiting(Mutex<Vec<Arc<Reply>>>);

const WAITED_FOR: Component = Component::processor::<WaitedForConfig>("waited_for");

/// Has somebody wait for a reply to each message.
#[derive(Config)]
struct WaitedForConfig;

impl BuildProcessor for WaitedForConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Processor>, BuildError> {
        Ok(Box::new(WaitedFor(ctx.services().get_or_default::<Waiting>())))
    }
}

struct WaitedFor(Arc<Waiting>);

impl Processor for WaitedFor {
    fn process(&self, part: &mut Part, _: &mut Step<'_>) -> usize {
        for message in part.messages_mut() {
            let reply = Arc::<Reply>::default();
            self.0.0.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&reply));
            message
                .set_context(Arc::new(wappa_message::Context { reply: Some(reply), ..Default::default() }));
        }
        part.n_batches()
    }
}

/// Runs lines through the processor `http`, with these fields, to the end; gives what came out as JSON: the content, the
/// code, and the error.
pub(crate) fn process(lines: &[&str], fields: &str, more: &str) -> (String, Vec<String>) {
    process_in(&TempDir::new(), 1, lines, fields, more)
}

/// The same, with batches of so many lines and files of that directory.
pub(crate) fn process_in(
    dir: &TempDir,
    batch: usize,
    lines: &[&str],
    fields: &str,
    more: &str,
) -> (String, Vec<String>) {
    let _ = fs::remove_file(dir.at("out"));
    let input = dir.write("in", lines.iter().map(|it| format!("{it}\n")).collect::<String>());
    let seen = "root = {\"content\": content().string(), \"code\": @http_status_code, \"error\": error()}";
    let config = format!(
        "input: {{ broker: {{ inputs: [{{ file: {{ paths: [{input:?}] }} }}], batching: {{ count: {batch} }} }} }}\n\
         pipeline: {{ threads: 1, processors: [{{ http: {{ {fields} }} }}, {{ mapping: '{seen}' }}] }}\n\
         output: {{ file: {{ path: {:?}, codec: lines }} }}\n{more}",
        dir.at("out")
    );
    let running = start(&config);
    let log = Arc::clone(&running.log);
    assert_eq!(running.join().fault, None);
    (dir.read_so_far("out"), log.lines())
}
