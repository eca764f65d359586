//! The output `cache`.

use std::sync::Arc;

use wappa_component::{
    BuildError, BuildOutput, Cache, Component, ConnectError, Context, Delivery, Output, Step, WriteError,
};
use wappa_message::{Mark, Message};
use wappa_spec::{Config, Interpolated};

use crate::processor::{NoTtl, ttl_for};

pub(super) const COMPONENT: Component = Component::output::<CacheConfig>("cache").categories(&["Services"]);

/// Sets a value in a cache for each message.
///
/// # Examples
///
/// ### A directory with a file for each line
///
/// ```yaml
/// input:
///   stdin: {}
/// output:
///   cache:
///     target: lines
///     key: ${! content() }
/// cache_resources:
///   - label: lines
///     file:
///       directory: ./lines
/// ```
///
/// # Delivery
///
/// A message has arrived once the cache has taken it. A time that is none can never be one: such a message fails for good.
#[derive(Config, Debug)]
struct CacheConfig {
    /// The label of the cache.
    #[config(label_of = "cache")]
    target: String,

    /// The key. By default each message has one of its own, of a number that goes up and the time in nanoseconds.
    #[config(
        default = "'${!count(\"items\")}-${!timestamp_unix_nano()}'",
        example = "${! content() }",
        example = "${! meta(\"kafka_key\") }"
    )]
    key: Interpolated,

    /// How long a value stays; when empty, as long as values of the cache do. Not every cache has a time for each value.
    #[config(example = "60s", example = "5m", example = "36h", advanced)]
    ttl: Option<Interpolated>,

    /// How many messages may be on their way at once. Caches of this process answer at once, so there is never more than
    /// one.
    #[config(default = "64")]
    max_in_flight: u64,
}

impl BuildOutput for CacheConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Output>, BuildError> {
        // All caches that there are answer at once.
        let _ = self.max_in_flight;
        let cache = ctx.cache(&self.target)?;
        Ok(Box::new(ToCache { cache, key: self.key, ttl: self.ttl }))
    }
}

struct ToCache {
    cache: Arc<dyn Cache>,
    key: Interpolated,
    ttl: Option<Interpolated>,
}

impl ToCache {
    fn set(&self, batch: &mut [Message], place: usize) -> Result<(), Mark> {
        let key = self
            .key
            .evaluate(batch, place)
            .map_err(|err| Mark::of_hopeless(format!("key interpolation error: {err}")))?;
        let ttl = ttl_for(self.ttl.as_ref(), batch, place).map_err(|err| {
            Mark::of_hopeless(match err {
                NoTtl::Query(failure) => format!("ttl interpolation error: {failure}"),
                NoTtl::Text(err) => format!("ttl field: {err}"),
            })
        })?;
        self.cache.set(&key, batch[place].content(), ttl).map_err(|err| Mark::new(err.to_string()))
    }
}

impl Output for ToCache {
    fn connect(&mut self) -> Result<(), ConnectError> {
        Ok(())
    }

    fn write(&mut self, mut delivery: Delivery, _: &mut Step<'_>) {
        let mut failures = Vec::new();
        let mut idx = 0;
        delivery.part_mut().see_each(|batch, place| {
            failures.extend(self.set(batch, place).err().map(|mark| (idx, mark)));
            idx += 1;
        });
        let result = if failures.is_empty() { Ok(()) } else { Err(WriteError::Partial(failures)) };
        delivery.answer(result);
    }

    fn close(&mut self) -> Result<(), String> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use wappa_spec::ComponentKind;

    use crate::test::{Harness, TempDir};

    #[test]
    fn each_message_becomes_a_value() {
        let mut harness = Harness::default();
        harness.resource(ComponentKind::Cache, "{label: c, memory: {}}");
        let mut output = harness.output("cache: {target: c, key: 'k${! content() }', ttl: '${! content() }'}");
        let said = harness.write(&mut output, &["1s|x", "2m"]);
        assert_eq!(said, "partial: 1: ttl field: time: invalid duration \"x\"");
        let cache = harness.cache_of("c");
        assert_eq!((cache.get(b"k1s"), cache.get(b"kx")), (Ok(Some("1s".into())), Ok(None)));
        harness.time.advance(std::time::Duration::from_secs(90));
        assert_eq!((cache.exists(b"k1s"), cache.exists(b"k2m")), (Ok(false), Ok(true)));
    }

    #[test]
    fn without_a_key_each_message_has_its_own() {
        let dir = TempDir::new();
        let mut harness = Harness::default();
        harness.resource(ComponentKind::Cache, &format!("{{label: c, file: {{directory: {}}}}}", dir.at("d")));
        let mut output = harness.output("cache: {target: c}");
        assert_eq!(harness.write(&mut output, &["a", "a", "b"]), "delivered");
        let names = std::fs::read_dir(dir.at("d")).expect("it was made");
        let mut names: Vec<String> =
            names.map(|it| it.expect("it can be read").file_name().into_string().expect("ASCII")).collect();
        names.sort();
        let contents: Vec<String> = names.iter().map(|it| dir.read(&format!("d/{it}"))).collect();
        assert_eq!(contents, ["a", "a", "b"]);
    }
}
