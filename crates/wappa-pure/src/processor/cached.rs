//! The processor `cached`.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use wappa_component::{
    BuildError, BuildProcessor, Cache, Component, Context, Logger, Part, Processor, Step, in_chunks,
    run_children,
};
use wappa_message::{Mark, Message};
use wappa_spec::{ComponentNode, Config, Interpolated, Mapping};

use super::limit::{self, PART_LIMIT, TOO_LARGE};
use crate::duration;

pub(super) const COMPONENT: Component =
    Component::processor::<CachedConfig>("cached").categories(&["Utility"]);

/// Runs processors on a message, unless what they make of one with the same key is in a cache: that takes its place then.
///
/// What is kept are the contents that the processors make of a message: none, one or several. The metadata are those of the
/// message that asks. A message that fails is not kept.
///
/// # Examples
///
/// ### A guest is asked once for each line
///
/// ```yaml
/// input:
///   stdin: {}
/// pipeline:
///   processors:
///     - cached:
///         cache: results
///         key: ${! content() }
///         processors:
///           - sleep:
///               duration: 10ms
/// output:
///   stdout: {}
/// cache_resources:
///   - label: results
///     ttlru:
///       cap: 10000
///       default_ttl: 10m
/// ```
///
/// # Performance
///
/// Messages of one call are looked up one after the other, so that the second of two with the same key finds what the first
/// one left. Several threads may work on the same key at once.
///
/// # Pitfalls
///
/// Nothing but this processor should write to these keys. What is kept has Bento's form: both can share a cache.
#[derive(Config, Debug)]
struct CachedConfig {
    /// The label of the cache.
    #[config(label_of = "cache")]
    cache: String,

    /// A mapping that says of the first result whether nothing is to be kept, as in `root = this.status != "found"`. Where
    /// it fails, nothing is kept and the error is logged.
    #[config(optional)]
    skip_on: Option<Mapping>,

    /// What makes two messages the same.
    #[config(example = "${! content() }", example = "${! meta(\"kafka_key\") }")]
    key: Interpolated,

    /// How long something is kept; without it, as long as values of the cache are. Not every cache has a time for each
    /// value.
    #[config(example = "60s", example = "5m")]
    ttl: Option<Interpolated>,

    /// The processors.
    #[config(child = "processor")]
    processors: Vec<ComponentNode>,
}

impl BuildProcessor for CachedConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Processor>, BuildError> {
        Ok(Box::new(Cached {
            cache: ctx.cache(&self.cache)?,
            skip_on: self.skip_on.unwrap_or_default(),
            key: self.key,
            ttl: self.ttl,
            children: ctx.processors("cached.processors", &self.processors)?,
            logger: ctx.logger(),
        }))
    }
}

struct Cached {
    cache: Arc<dyn Cache>,
    skip_on: Mapping,
    key: Interpolated,
    ttl: Option<Interpolated>,
    children: Vec<Box<dyn Processor>>,
    logger: Logger,
}

/// The children did not finish with a message: it is still there, however far they have come.
struct Interrupted(Vec<Message>);

impl Cached {
    /// The key of a message, and how long what is made of it is kept. The error is Bento's text.
    fn asked(&self, message: &mut Message) -> Result<(Bytes, Option<Duration>), String> {
        // As in Bento, a message is seen without its batch.
        let batch = std::slice::from_mut(message);
        let key = self
            .key
            .evaluate(batch, 0)
            .map_err(|err| format!("failed to interpolate key expression: {err}"))?;
        let Some(ttl) = &self.ttl else { return Ok((key, None)) };
        let text = ttl
            .evaluate_text(batch, 0)
            .map_err(|err| format!("failed to interpolate ttl expression: {err}"))?;
        let ttl = duration::parse(&text).map_err(|err| format!("failed to parse ttl expression: {err}"))?;
        Ok((key, Some(ttl)))
    }

    /// Whether results are not to be kept.
    fn skips(&self, results: &mut [Message]) -> bool {
        let Some(program) = self.skip_on.program().filter(|_| !results.is_empty()) else { return false };
        program.test(results, 0).unwrap_or_else(|failure| {
            self.logger.failed(&format!(
                "skip_on check failed: failed to execute skip_on mapping: {failure}, caching will be skipped as a precaution"
            ));
            true
        })
    }

    fn run(&self, mut message: Message, step: &mut Step<'_>) -> Result<Vec<Message>, Interrupted> {
        let (key, ttl) = match self.asked(&mut message) {
            Ok(asked) => asked,
            Err(why) => return Ok(marked(message, why, step)),
        };
        match self.cache.get(&key) {
            Ok(None) => (),
            Ok(Some(kept)) => {
                // Contents of nothing take four bytes there, and are messages here.
                let n_contents = kept.get(4..).and_then(<[u8]>::first_chunk).map_or(0, |it| u32::from_be_bytes(*it));
                let room = step.growth().left(PART_LIMIT) / size_of::<Message>();
                if room < (n_contents as usize).min(kept.len() / 4) {
                    return Ok(marked(message, TOO_LARGE.to_string(), step));
                }
                return match contents(&kept) {
                    Ok(contents) => match copies(&message, contents, step) {
                        Ok(copies) => Ok(copies),
                        Err(why) => Ok(marked(message, why.to_string(), step)),
                    },
                    Err(why) => {
                        let text = format!(
                            "failed to parse cached result, this indicates the data was not set by this processor: {why}"
                        );
                        Ok(marked(message, text, step))
                    }
                };
            }
            Err(err) => return Ok(marked(message, err.to_string(), step)),
        }
        // A mark that it came with says nothing about what the children make of it.
        let mark_before = message.error().cloned();
        let mut part = Part::singles(vec![message]);
        if run_children(&self.children, &mut part, step) == 0 {
            return Err(Interrupted(part.into_messages()));
        }
        let mut results = part.into_messages();
        let has_failed = results.iter().any(|it| it.error().is_some() && it.error() != mark_before.as_ref());
        if !has_failed
            && !self.skips(&mut results)
            && let Err(err) = self.cache.set(&key, &kept(&results), ttl) {
            self.logger.failed(&format!("failed to write result to cache: {err}"));
        }
        Ok(results)
    }
}

fn marked(mut message: Message, text: String, step: &mut Step<'_>) -> Vec<Message> {
    step.mark(&mut message, Mark::new(text));
    vec![message]
}

/// A message for each of these contents, in the place of one. What is kept may come from others, and many contents of
/// nothing are many messages.
fn copies(
    message: &Message,
    contents: Vec<Bytes>,
    step: &mut Step<'_>,
) -> Result<Vec<Message>, &'static str> {
    let grown: usize = contents.iter().map(|it| size_of::<Message>() + it.len()).sum();
    let grown = grown.saturating_sub(size_of::<Message>() + message.content_size());
    limit::grow(step, grown)?;
    let copy = |content| {
        let mut copy = message.clone();
        copy.set_content(content);
        copy
    };
    Ok(contents.into_iter().map(copy).collect())
}

/// The version of the form in which results are kept.
const VERSION: u32 = 1;

/// Contents as they are kept, in Bento's form: the version, how many there are, and each behind its length; numbers have
/// four bytes, the most significant one first.
fn kept(results: &[Message]) -> Vec<u8> {
    let number = |it: usize| u32::try_from(it).unwrap_or(u32::MAX).to_be_bytes();
    let mut out = Vec::with_capacity(8 + results.iter().map(|it| 4 + it.content().len()).sum::<usize>());
    out.extend(VERSION.to_be_bytes());
    out.extend(number(results.len()));
    for message in results {
        out.extend(number(message.content().len()));
        out.extend_from_slice(message.content());
    }
    out
}

/// What [`kept`] was made of. The error is Bento's text.
fn contents(kept: &Bytes) -> Result<Vec<Bytes>, String> {
    let mut at = 0;
    let number = |what: &dyn Fn() -> String, at: &mut usize| {
        let bytes = kept.get(*at..).and_then(<[u8]>::first_chunk);
        *at += 4;
        let bytes = bytes.ok_or_else(|| format!("failed to extract {}: message is too small to extract number", what()));
        Ok::<u32, String>(u32::from_be_bytes(*bytes?))
    };
    let version = number(&|| "serialisation format version".into(), &mut at)?;
    if version != VERSION {
        return Err(format!("invalid format version: {version}"));
    }
    let n_contents = number(&|| "batch size".into(), &mut at)?;
    let mut contents = Vec::new();
    for idx in 0..n_contents {
        let what = || format!("message {idx} size");
        let len = number(&what, &mut at)? as usize;
        if kept.len() - at < len {
            return Err(format!("failed to extract {}: input data ended unexpectedly", what()));
        }
        contents.push(kept.slice(at..at + len));
        at += len;
    }
    Ok(contents)
}

impl Processor for Cached {
    fn process(&self, part: &mut Part, step: &mut Step<'_>) -> usize {
        in_chunks(part, step, |part, step| {
            let ends: Vec<usize> = (0..part.n_batches()).map(|idx| part.batch(idx).end).collect();
            let mut n_done = 0;
            let mut is_interrupted = false;
            part.replace_each(|message, out| {
                if is_interrupted {
                    return out.push(message);
                }
                match self.run(message, step) {
                    Ok(results) => {
                        out.extend(results);
                        n_done += 1;
                    }
                    Err(Interrupted(left)) => {
                        out.extend(left);
                        is_interrupted = true;
                    }
                }
            });
            if is_interrupted { ends.partition_point(|end| *end <= n_done) } else { ends.len() }
        })
    }
}

#[cfg(test)]
mod tests {
    use wappa_component::Pulse;
    use wappa_spec::ComponentKind;

    use super::*;
    use crate::test::Harness;

    const CACHED: &str = "cached: {cache: c, key: '${! content() }', processors: [{append: '!'}, {sleep: {duration: 1s}}]}";

    fn harness(cache: &str) -> Harness {
        let mut harness = Harness::default();
        harness.resource(ComponentKind::Cache, &format!("{{label: c, {cache}}}"));
        harness
    }

    #[test]
    fn processors_run_once_for_each_key() {
        let mut harness = harness("lru: {}");
        assert_eq!(harness.process(CACHED, &["a|b|a", "a", "b"]), "a!|b!|a!\na!\nb!\n");
        assert_eq!(harness.time.now().as_secs(), 2);
    }

    #[test]
    fn what_is_filtered_or_multiplied_is_kept_as_that() {
        let mut harness = harness("lru: {}");
        let nothing = "cached: {cache: c, key: n, processors: [{bounds_check: {min_part_size: 9}}]}";
        assert_eq!(harness.process(nothing, &["a|b", "c"]), "-\n-\n");
        let kept = harness.cache_of("c").get(b"n").expect("it can tell").expect("it is there");
        assert_eq!(kept.as_ref(), [0, 0, 0, 1, 0, 0, 0, 0]);
    }

    #[test]
    fn what_failed_is_not_kept() {
        let mut harness = harness("lru: {}");
        let fails = "cached: {cache: c, key: '${! content() }', processors: [{cache: {resource: c, operator: get, key: x}}]}";
        let failed = "[operator failed for key 'x': key does not exist]";
        assert_eq!(harness.process(fails, &["a", "b"]), format!("a{failed}\nb{failed}\n"));
        assert_eq!(harness.cache_of("c").get(b"a"), Ok(None));
    }

    /// What is kept may come from others: each four bytes of it are a message of nothing.
    #[test]
    fn what_others_kept_does_not_fill_the_memory() {
        let mut harness = harness("lru: {}");
        let n = u32::try_from(PART_LIMIT / size_of::<Message>()).expect("it is small") + 100;
        let mut bomb = [VERSION.to_be_bytes(), n.to_be_bytes()].concat();
        bomb.resize(8 + 4 * n as usize, 0);
        harness.cache_of("c").set(b"a", &bomb, None).expect("it is kept");
        assert_eq!(harness.process(CACHED, &["a"]), format!("a[{TOO_LARGE}]\n"));
    }

    #[test]
    fn a_mapping_says_what_is_not_kept() {
        let says = |skip_on: &str, inputs: &[&str], log: &str| {
            let mut harness = harness("lru: {}");
            let config = format!("cached: {{cache: c, key: k, skip_on: '{skip_on}', processors: [{{append: '!'}}]}}");
            let results = harness.process(&config, inputs);
            let is_kept = harness.cache_of("c").exists(b"k").expect("it can tell");
            let logged = harness.log.take();
            assert!(if log.is_empty() { logged.is_empty() } else { logged.contains(log) }, "{logged}");
            (results, is_kept)
        };
        let skip_on = "content() == \"a!\"";
        assert_eq!(says(skip_on, &["a", "b", "c"], ""), ("a!\nb!\nb!\n".to_string(), true));
        assert_eq!(says(skip_on, &["a"], ""), ("a!\n".to_string(), false));
        let log = "Error skip_on check failed: failed to execute skip_on mapping: expected bool value, got number from \
                   mapping (5), caching will be skipped as a precaution";
        assert_eq!(says("root = 5", &["a"], log), ("a!\n".to_string(), false));
    }

    #[test]
    fn without_a_key_or_a_time_it_fails() {
        let mut harness = harness("lru: {}");
        let failed = "expression: context was undefined, unable to reference `k`]";
        let config = "cached: {cache: c, key: '${! this.k }', processors: []}";
        assert_eq!(harness.process(config, &["a"]), format!("a[failed to interpolate key {failed}\n"));
        let config = "cached: {cache: c, key: k, ttl: '${! this.k }', processors: []}";
        assert_eq!(harness.process(config, &["a"]), format!("a[failed to interpolate ttl {failed}\n"));
    }

    #[test]
    fn what_somebody_else_wrote_is_told() {
        let mut harness = harness("lru: {init_values: {a: '', b: '12345', c: \"\\0\\0\\0\\x01\\0\\0\\0\\x02\\0\\0\\0\\x01x\"}}");
        let says = "failed to parse cached result, this indicates the data was not set by this processor";
        let size = "message is too small to extract number";
        assert_eq!(
            harness.process(CACHED, &["a", "b", "c"]),
            format!(
                "a[{says}: failed to extract serialisation format version: {size}]\n\
                 b[{says}: invalid format version: 825373492]\n\
                 c[{says}: failed to extract message 1 size: {size}]\n"
            )
        );
    }

    #[test]
    fn what_is_kept_is_what_comes_back() {
        let messages = ["", "a", "bc"].map(Message::new);
        let kept = Bytes::from(kept(&messages));
        assert_eq!(contents(&kept), Ok(["", "a", "bc"].map(Bytes::from).to_vec()));
        for n in 0..kept.len() {
            assert!(contents(&kept.slice(..n)).is_err(), "{n}");
        }
        assert!(contents(&Bytes::from_static(&[0, 0, 0, 1, 255, 255, 255, 255])).is_err());
    }

    #[test]
    fn a_stream_that_gives_up_does_not_wait_for_the_children() {
        let mut harness = harness("lru: {}");
        assert_eq!(harness.process(CACHED, &["a"]), "a!\n");
        harness.time.is_interrupted.store(true, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(harness.process(CACHED, &["a", "b", "a"]), "a!\n");
    }
}
