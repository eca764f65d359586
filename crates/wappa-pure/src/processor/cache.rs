//! The processor `cache`.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use wappa_bloblang::Failure;
use wappa_component::{
    BuildError, BuildProcessor, Cache, Component, Context, Part, Processor, Step,
};
use wappa_message::{Mark, Message};
use wappa_spec::{Config, Interpolated};

use crate::{duration, fault};

pub(super) const COMPONENT: Component =
    Component::processor::<CacheConfig>("cache").categories(&["Integration"]);

/// Keeps something in a cache, or gets it from there, for each message.
///
/// A message for which that fails is marked and goes on as it was. To keep what processors make of a message,
/// [`cached`](cached.md) is simpler.
///
/// # Examples
///
/// ### The year of a band, and what there is no year for apart
///
/// ```yaml
/// input:
///   stdin: {}
/// pipeline:
///   processors:
///     - cache:
///         resource: years
///         operator: get
///         key: ${! content() }
/// output:
///   fallback:
///     - reject_errored:
///         stdout: {}
///     - file:
///         path: ./unknown.txt
/// cache_resources:
///   - label: years
///     memory:
///       init_values:
///         Nickelback: "1995"
///         Spice Girls: "1994"
/// ```
///
/// # Operators
///
/// - `set`: sets the value, whether there is one or not.
/// - `add`: sets the value if there is none; else the message fails with `key already exists`.
/// - `get`: the value becomes the content of the message; it fails with `key does not exist` if there is none.
/// - `exists`: the content becomes `true` or `false`.
/// - `delete`: removes the value; one that is not there is no failure.
///
/// # Delivery
///
/// What a message did to a cache stays done if the message is delivered again later: `add` then finds what it added itself.
#[derive(Config, Debug)]
struct CacheConfig {
    /// The label of the cache.
    #[config(label_of = "cache")]
    resource: String,

    /// What to do.
    #[config(options("set", "add", "get", "exists", "delete"))]
    operator: String,

    /// The key.
    #[config(example = "${! content() }")]
    key: Interpolated,

    /// The value, with `set` and `add`.
    value: Option<Interpolated>,

    /// How long the value stays, with `set` and `add`; when empty, as long as values of the cache do. Not every cache has a
    /// time for each value.
    #[config(example = "60s", example = "5m", example = "36h", advanced)]
    ttl: Option<Interpolated>,
}

impl BuildProcessor for CacheConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Processor>, BuildError> {
        let cache = ctx.cache(&self.resource)?;
        let operator = match self.operator.as_str() {
            "set" => Operator::Set,
            "add" => Operator::Add,
            "get" => Operator::Get,
            "exists" => Operator::Exists,
            _ => Operator::Delete,
        };
        Ok(Box::new(Operation { cache, operator, key: self.key, value: self.value, ttl: self.ttl }))
    }
}

#[derive(Clone, Copy, Debug)]
enum Operator {
    Set,
    Add,
    Get,
    Exists,
    Delete,
}

struct Operation {
    cache: Arc<dyn Cache>,
    operator: Operator,
    key: Interpolated,
    value: Option<Interpolated>,
    ttl: Option<Interpolated>,
}

/// Why there is no time for a value to stay.
pub(crate) enum NoTtl {
    /// A query failed.
    Query(Failure),
    /// What it gave is no time; Go's text.
    Text(String),
}

/// How long a value is to stay, as an interpolation says; the empty text says nothing.
pub(crate) fn ttl_for(
    ttl: Option<&Interpolated>,
    batch: &mut [Message],
    place: usize,
) -> Result<Option<Duration>, NoTtl> {
    let Some(ttl) = ttl else { return Ok(None) };
    match ttl.evaluate_text(batch, place).map_err(NoTtl::Query)?.as_str() {
        "" => Ok(None),
        text => duration::parse(text).map(Some).map_err(NoTtl::Text),
    }
}

/// What is done for a message.
struct Asked {
    key: Bytes,
    value: Bytes,
    ttl: Option<Duration>,
}

impl Operation {
    /// What is to be done for one message; the error is the text of its mark.
    fn asked(&self, batch: &mut [Message], place: usize) -> Result<Asked, String> {
        let key =
            self.key.evaluate(batch, place).map_err(|err| format!("key interpolation error: {err}"))?;
        let (mut value, mut ttl) = (Bytes::new(), None);
        if matches!(self.operator, Operator::Set | Operator::Add) {
            if let Some(it) = &self.value {
                value = it.evaluate(batch, place).map_err(|err| format!("value interpolation error: {err}"))?;
            }
            ttl = ttl_for(self.ttl.as_ref(), batch, place).map_err(|err| match err {
                NoTtl::Query(failure) => format!("ttl interpolation error: {failure}"),
                NoTtl::Text(err) => format!("ttl must be a duration: {err}"),
            })?;
        }
        Ok(Asked { key, value, ttl })
    }

    /// Does it for one message; the error is the text of its mark.
    fn run(&self, asked: Asked, message: &mut Message, step: &mut Step<'_>) -> Result<(), String> {
        let Asked { key, value, ttl } = asked;
        let failed = |why: &dyn std::fmt::Display| {
            format!("operator failed for key '{}': {why}", fault::told(&key))
        };
        match self.operator {
            Operator::Set => self.cache.set(&key, &value, ttl).map_err(|err| failed(&err))?,
            Operator::Add => {
                if !self.cache.add(&key, &value, ttl).map_err(|err| failed(&err))? {
                    return Err(format!("key already exists: {}", fault::told(&key)));
                }
            }
            Operator::Get => {
                let value = self.cache.get(&key).map_err(|err| failed(&err))?;
                let value = value.ok_or_else(|| failed(&"key does not exist"))?;
                step.grow(value.len().saturating_sub(message.content_size()));
                message.set_content(value);
            }
            Operator::Exists => {
                let is_there = self.cache.exists(&key).map_err(|err| failed(&err))?;
                message.set_content(if is_there { "true" } else { "false" }.into());
            }
            Operator::Delete => self.cache.delete(&key).map_err(|err| failed(&err))?,
        }
        Ok(())
    }
}

impl Processor for Operation {
    fn process(&self, part: &mut Part, step: &mut Step<'_>) -> usize {
        let n_batches = part.n_batches();
        for idx in 0..n_batches {
            let range = part.batch(idx);
            let batch = &mut part.messages_mut()[range];
            // Queries see the batch as it came. Values are not kept for longer than it takes to put them in.
            let changes_content = matches!(self.operator, Operator::Get | Operator::Exists);
            let mut results = Vec::with_capacity(batch.len());
            if changes_content {
                let asked: Vec<_> = (0..batch.len()).map(|place| self.asked(batch, place)).collect();
                let both = batch.iter_mut().zip(asked);
                results.extend(both.map(|(message, asked)| asked.and_then(|it| self.run(it, message, step))));
            } else {
                for place in 0..batch.len() {
                    let asked = self.asked(batch, place);
                    results.push(asked.and_then(|it| self.run(it, &mut batch[place], step)));
                }
            }
            for (message, result) in batch.iter_mut().zip(results) {
                if let Err(text) = result {
                    step.mark(message, Mark::new(text));
                }
            }
            if step.is_due() {
                return idx + 1;
            }
        }
        n_batches
    }
}

#[cfg(test)]
mod tests {
    use wappa_spec::ComponentKind;

    use crate::test::{Harness, check_lint};

    fn check(config: &str, inputs: &[&str], expected: &str) {
        let mut harness = Harness::default();
        harness.resource(ComponentKind::Cache, "{label: c, memory: {init_values: {a: '1', 'm': 'x'}}}");
        assert_eq!(harness.process(config, inputs), expected, "{config}");
    }

    #[test]
    fn a_long_key_is_told_in_part() {
        let mut harness = Harness::default();
        harness.resource(ComponentKind::Cache, "{label: c, memory: {}}");
        let key = "x".repeat(100_000);
        let told = harness.process("cache: {resource: c, operator: get, key: '${! content() }'}", &[&key]);
        assert!(told.contains("x…': key does not exist]") && told.len() < 102_000, "{}", told.len());
    }

    #[test]
    fn operators() {
        let one = |fields: &str| format!("cache: {{resource: c, key: '${{! content() }}', {fields}}}");
        check(&one("operator: get"), &["a|b", "m!"], "1|b[operator failed for key 'b': key does not exist]\nx[m is bad]\n");
        check(&one("operator: exists"), &["a|b"], "true|false\n");
        check(&one("operator: add, value: v"), &["a|b|b"], "a[key already exists: a]|b|b[key already exists: b]\n");
        let get = "cache: {resource: c, operator: get, key: '${! content() }'}";
        let then_get = |fields: &str| format!("try: [{}, {get}]", one(fields));
        check(&then_get("operator: set, value: 'v${! content() }'"), &["a", "b"], "va\nvb\n");
        check(&then_get("operator: set"), &["a"], "\"\"\n");
        check(
            &then_get("operator: delete"),
            &["a", "b"],
            "a[operator failed for key 'a': key does not exist]\nb[operator failed for key 'b': key does not exist]\n",
        );
        let no_time = "a[ttl must be a duration: time: invalid duration \"a\"]\n";
        check(&one("operator: set, ttl: '${! content() }'"), &["a"], no_time);
        check(&one("operator: set, ttl: ''"), &["a"], "a\n");
        let failed = "interpolation error: context was undefined, unable to reference `x`";
        for (fields, what) in
            [("value: '${! this.x }'", "value"), ("ttl: '${! this.x }'", "ttl"), ("key: '${! this.x }'", "key")]
        {
            let config = match what {
                "key" => "cache: {resource: c, operator: get, key: '${! this.x }'}".to_string(),
                _ => one(&format!("operator: add, {fields}")),
            };
            check(&config, &["q"], &format!("q[{what} {failed}]\n"));
        }
    }

    #[test]
    fn queries_see_the_batch_as_it_came() {
        let get = "cache: {resource: c, operator: get, key: '${! content().from(0) }'}";
        check(get, &["a|b"], "1|1\n");
        let set = "cache: {resource: c, operator: set, key: 'k', value: '${! json(\"n\").from_all().sum() }'}";
        let get = "cache: {resource: c, operator: get, key: k}";
        check(&format!("processors: [{set}, {get}]"), &[r#"{"n":1}|{"n":2}"#], "3|3\n");
    }

    #[test]
    fn a_value_stays_for_its_time() {
        let mut harness = Harness::default();
        harness.resource(ComponentKind::Cache, "{label: c, memory: {}}");
        let set = "cache: {resource: c, operator: set, key: k, value: v, ttl: '${! content() }'}";
        let exists = "cache: {resource: c, operator: exists, key: k}";
        let wait = "sleep: {duration: 10s}";
        assert_eq!(harness.process(&format!("try: [{set}, {wait}, {exists}]"), &["11s"]), "true\n");
        assert_eq!(harness.process(&format!("try: [{set}, {wait}, {exists}]"), &["9s"]), "false\n");
    }

    #[test]
    fn lints() {
        let config = "pipeline: {processors: [{cache: {resource: c, operator: bogus, key: a}}]}\n";
        check_lint(config, "(1,1) value bogus is not a valid option for this field\n");
        let err = Harness::default().processor("cache: {resource: nope, operator: get, key: a}").err();
        assert!(err.is_some_and(|it| it.to_string().contains("nope")));
    }
}
