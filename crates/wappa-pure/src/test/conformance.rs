//! Every input, output, buffer, cache and rate limit of this crate does what such a one has to: a new one joins with one line.

use std::time::Duration;

use wappa_conformance::{
    Filled::{ByFiles, ByProcess},
    Needs, Stay, check_buffer, check_cache, check_input_above, check_output_above, check_rate_limit,
};
use wappa_spec::ComponentKind;

use super::{Harness, table};

#[test]
fn every_output_that_has_others_below_it() {
    let batching = "batching: {count: 5}";
    for (config, needs) in [
        ("reject_errored: ONE", Needs::One),
        ("fallback: [ONE, TWO]", Needs::One),
        ("retry: {output: ONE}", Needs::One),
        ("switch: {cases: [{check: 'content().contains(\"1\")', output: ONE}, {output: TWO}]}", Needs::One),
        ("switch: {cases: [{continue: true, output: ONE}, {output: TWO}]}", Needs::All),
        (
            "switch: {retry_until_success: true, cases: [{continue: true, output: ONE}, {output: TWO}]}",
            Needs::All,
        ),
        ("retry: {max_retries: 1, backoff: {max_elapsed_time: 2s}, output: ONE}", Needs::One),
        ("drop_on: {error: true, output: ONE}", Needs::None),
        ("drop_on: {error_patterns: [two], output: ONE}", Needs::One),
        ("broker: {pattern: fan_out, outputs: [ONE, TWO]}", Needs::All),
        ("broker: {pattern: fan_out_fail_fast, outputs: [ONE, TWO]}", Needs::All),
        ("broker: {pattern: fan_out_sequential, outputs: [ONE, TWO]}", Needs::All),
        ("broker: {pattern: fan_out_sequential_fail_fast, outputs: [ONE, TWO]}", Needs::All),
        ("broker: {pattern: round_robin, outputs: [ONE, TWO]}", Needs::One),
        ("broker: {pattern: greedy, outputs: [ONE, TWO]}", Needs::One),
        (&format!("broker: {{outputs: [ONE], {batching}}}"), Needs::One),
        (&format!("broker: {{pattern: fan_out, outputs: [ONE, TWO], {batching}}}"), Needs::All),
        (&format!("broker: {{pattern: greedy, outputs: [ONE, TWO], {batching}}}"), Needs::One),
        // What was collected below fails, and is collected again behind it.
        (
            &format!(
                "fallback: [broker: {{outputs: [ONE], pattern: greedy, {batching}}}, broker: {{outputs: [TWO], pattern: greedy, {batching}}}]"
            ),
            Needs::One,
        ),
        (
            &format!(
                "broker: {{pattern: fan_out_sequential, outputs: [broker: {{outputs: [ONE], {batching}}}, broker: {{outputs: [TWO], {batching}}}]}}"
            ),
            Needs::All,
        ),
        (
            &format!(
                "drop_on: {{error_patterns: [none], output: {{retry: {{output: {{broker: {{pattern: greedy, outputs: [ONE, TWO], {batching}}}}}}}}}}}"
            ),
            Needs::One,
        ),
        (
            "retry: {output: {fallback: [ONE, {broker: {pattern: fan_out_fail_fast, outputs: [ONE, TWO]}}]}}",
            Needs::One,
        ),
    ] {
        check_output_above(table(), config, needs);
    }
}

#[test]
fn every_input() {
    let files = "file: {paths: [DIR/a, DIR/b]}";
    let each = "[file: {paths: [DIR/a]}, file: {paths: [DIR/b]}]";
    let rows = "csv: {paths: [DIR/a, DIR/b], parse_header_row: false, batch_count: 7}";
    let first = "mapping: 'root = this.index(0)'";
    for (config, filled) in [
        (files, ByFiles(1)),
        (&format!("batched: {{child: {{{files}}}, policy: {{count: 7}}}}"), ByFiles(1)),
        (&format!("batched: {{child: {{{files}}}, policy: {{byte_size: 100, period: 1s}}}}"), ByFiles(1)),
        (
            &format!("batched: {{child: {{{files}}}, policy: {{count: 3, processors: [noop: {{}}]}}}}"),
            ByFiles(1),
        ),
        ("file: {paths: [DIR/a, DIR/b], scanner: {skip_bom: {into: {lines: {}}}}}", ByFiles(1)),
        (&format!("batched: {{child: {{{rows}}}, policy: {{count: 1, processors: [{first}]}}}}"), ByFiles(1)),
        (&format!("broker: {{inputs: {each}}}"), ByFiles(1)),
        (&format!("broker: {{copies: 3, inputs: {each}, batching: {{count: 10}}}}"), ByFiles(3)),
        (&format!("sequence: {{inputs: {each}}}"), ByFiles(1)),
        (
            &format!("batched: {{child: {{sequence: {{inputs: {each}}}}}, policy: {{count: 1000}}}}"),
            ByFiles(1),
        ),
        (&format!("read_until: {{idle_timeout: 1s, input: {{{files}}}}}"), ByFiles(1)),
        (&format!("read_until: {{check: 'content() == \"no\"', input: {{{files}}}}}"), ByFiles(1)),
        (
            &format!(
                "read_until: {{check: 'content() == \"no\"', input: {{batched: {{child: {{{files}}}, policy: {{count: 7}}}}}}}}"
            ),
            ByFiles(1),
        ),
        (
            &format!(
                "sequence: {{inputs: [broker: {{inputs: {each}}}, read_until: {{idle_timeout: 0s, input: {{{files}}}}}]}}"
            ),
            ByFiles(2),
        ),
        ("inproc: it", ByProcess),
        ("broker: {inputs: [inproc: it, inproc: it, inproc: other]}", ByProcess),
        ("batched: {child: {inproc: it}, policy: {count: 2}}", ByProcess),
    ] {
        check_input_above(table(), config, filled);
    }
}

#[test]
fn every_buffer() {
    check_buffer(table(), "memory: {}", false);
    check_buffer(table(), "memory: {limit: 500}", false);
    check_buffer(table(), "memory: {limit: 500, spillover: true}", true);
    check_buffer(table(), "memory: {limit: 500, batch_policy: {enabled: true, count: 4, period: 1s}}", false);
}

#[test]
fn every_cache_does_what_it_is_asked_to() {
    let s = Duration::from_secs;
    check_cache(table(), &[], "memory: {default_ttl: 10s, compaction_interval: 7s}", Stay::Own(s(10)));
    check_cache(table(), &[], "memory: {default_ttl: 10s, shards: 3}", Stay::Own(s(10)));
    check_cache(table(), &[], "memory: {default_ttl: 1s, compaction_interval: ''}", Stay::Forever);
    check_cache(table(), &[], "lru: {}", Stay::Forever);
    check_cache(table(), &[], "lru: {algorithm: two_queues}", Stay::Forever);
    check_cache(table(), &[], "lru: {algorithm: arc}", Stay::Forever);
    check_cache(table(), &[], "ttlru: {default_ttl: 10s}", Stay::Fixed(s(10)));
    check_cache(table(), &[], "file: {directory: DIR}", Stay::Forever);
    let levels = ["{label: near, lru: {cap: 2}}", "{label: far, file: {directory: DIR}}"];
    check_cache(table(), &levels, "multilevel: [near, far]", Stay::Forever);
}

#[test]
fn what_has_no_room_is_forgotten() {
    let mut harness = Harness::default();
    for config in ["lru: {cap: 2}", "ttlru: {cap: 2}", "lru: {cap: 2, algorithm: arc}"] {
        let cache = harness.cache(config);
        for key in [b"a", b"b", b"c"] {
            cache.set(key, b"", None).expect("it can be set");
        }
        assert_eq!((cache.exists(b"a"), cache.exists(b"c")), (Ok(false), Ok(true)), "{config}");
    }
    let noop = harness.cache("noop: {}");
    noop.set(b"a", b"", None).expect("it can be set");
    assert_eq!(
        (noop.get(b"a"), noop.add(b"a", b"", None), noop.exists(b"a")),
        (Ok(None), Ok(true), Ok(false))
    );
}

#[test]
fn values_that_are_there_from_the_beginning() {
    let mut harness = Harness::default();
    for config in ["memory", "lru", "ttlru"] {
        let cache = harness.cache(&format!("{config}: {{init_values: {{a: b}}}}"));
        assert_eq!(cache.get(b"a"), Ok(Some("b".into())));
    }
    // They have no time in `memory`, until they are set.
    let cache = harness.cache("memory: {default_ttl: 1s, init_values: {a: b}}");
    harness.time.advance(Duration::from_secs(100));
    assert_eq!(cache.get(b"a"), Ok(Some("b".into())));
    cache.set(b"a", b"c", None).expect("it can be set");
    harness.time.advance(Duration::from_secs(100));
    assert_eq!(cache.get(b"a"), Ok(None));
}

#[test]
fn levels_are_filled_from_below() {
    let mut harness = Harness::default();
    harness.resource(ComponentKind::Cache, "{label: near, memory: {}}");
    harness.resource(ComponentKind::Cache, "{label: far, lru: {init_values: {a: b}}}");
    let cache = harness.cache("multilevel: [near, far]");
    let near = harness.cache_of("near");
    assert_eq!(near.get(b"a"), Ok(None));
    assert_eq!(cache.get(b"a"), Ok(Some("b".into())));
    assert_eq!(near.get(b"a"), Ok(Some("b".into())));
    assert_eq!(cache.add(b"a", b"c", None), Ok(false));
    cache.delete(b"a").expect("it can be deleted");
    assert_eq!((near.get(b"a"), harness.cache_of("far").get(b"a")), (Ok(None), Ok(None)));
}

#[test]
fn every_rate_limit() {
    check_rate_limit(table(), "local: {count: 7, interval: 1s}", 7);
    check_rate_limit(table(), "local: {count: 0, byte_size: 55, interval: 1s}", 5);
    check_rate_limit(table(), "local: {count: 3, byte_size: 1000, interval: 1s}", 3);
}
