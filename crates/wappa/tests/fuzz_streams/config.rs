//! Random streams: every component that needs nothing but this machine, in any order and depth.

use serde_json::{Value, json};

use crate::{contents::FILES, random::Random};

/// Components within others are no deeper than this.
const DEPTH_MAX: usize = 3;

const CACHES: [&str; 6] = ["memory", "lru", "ttlru", "file", "noop", "multilevel"];

const KEYS: [&str; 8] = [
    "${! content() }",
    "${! json(\"a\") }",
    "${! @path }-${! batch_index() }",
    "key",
    "${! error() }",
    "${! uuid_v4() }",
    "${! content().repeat(1000) }",
    "${! this.n / 0 }",
];

/// Mappings of those who write the config in good faith, and get messages that they did not think of; and of those who
/// did not think themselves.
const MAPPINGS: [&str; 34] = [
    "root = this",
    "root = content()",
    "root.x = this.a",
    "root = this.l.map_each(it -> it * 2)",
    "root = this.l.sort()",
    "root = this.merge(this)",
    "root = this.without(\"a\")",
    "root = content().string().parse_json()",
    "root = this.format_json()",
    "root = content().string().split(\"\")",
    "root = content().string().re_find_all(\".\")",
    "root = content().hash(\"sha256\").encode(\"hex\")",
    "root = content().compress(\"gzip\").decompress(\"gzip\")",
    "root = this.s.repeat(this.n)",
    "root = range(0, this.n)",
    "root = range(0, 100000).map_each(i -> this)",
    "root = range(0, 100000).fold([], it -> it.tally.append(it.value))",
    "root = range(0, 20).fold([0], it -> it.tally.concat(it.tally))",
    "root = range(0, 300).map_each(i -> i).enumerated().explode(\"value\")",
    "root = this.l.flatten().unique()",
    "root = this.key_values().sort_by(it -> it.key)",
    "root = this.collapse()",
    "root = if this.n > 0 { deleted() } else { throw(\"no\") }",
    "root = this.a.not_null() | \"none\"",
    "meta = this\nroot = content()",
    "meta k = content()",
    "meta = deleted()",
    "root = @\nroot.a = this",
    "let v = this\nroot = [ $v, $v, $v, $v ]",
    "map m { root = if this == null { null } else { this.apply(\"m\") } }\nroot = this.apply(\"m\")",
    "root = content().string().parse_csv()",
    "root = this.zip(this.l)",
    "root = content().string().escape_html().unescape_html().quote()",
    "root = deleted()",
];

/// What has no message to begin with.
const GENERATED: [&str; 5] = [
    "root = \"x\"",
    "root.n = counter()",
    "root = range(0, 10000)",
    "root.s = \"x\".repeat(1000000)",
    "root = throw(\"no\")",
];

const SCHEMAS: [&str; 4] = [
    r##"{"type":"object","additionalProperties":{"$ref":"#"}}"##,
    r#"{"items":{"format":"regex"},"uniqueItems":true}"#,
    r##"{"definitions":{"a":{"anyOf":[{"$ref":"#/definitions/a"},{"type":"string"}]}},"items":{"$ref":"#/definitions/a"}}"##,
    r#"{"properties":{"a":{"pattern":"(x+x+)+y"},"l":{"contains":{"enum":[1,{"b":2}]}},"n":{"multipleOf":0.1}}}"#,
];

const FORMATS: [&str; 7] = ["binary", "json_array", "json_documents", "json_map", "lines", "tar", "zip"];

const ALGORITHMS: [&str; 7] = ["gzip", "zlib", "flate", "bzip2", "lz4", "snappy", "zstd"];

const CHECKS: [&str; 5] =
    ["this.n == 5", "content().length() > 10", "errored()", "batch_index() == 3", "true"];

/// A stream, and whether it may go on for ever.
pub(crate) struct Stream {
    pub(crate) config: Value,
    pub(crate) is_endless: bool,
    /// Whether messages go to standard output.
    pub(crate) prints: bool,
}

struct Maker<'a> {
    random: &'a mut Random,
    has_stdin: bool,
    is_endless: bool,
    prints: bool,
    /// Each file that is written has a name of its own.
    n_files: usize,
}

pub(crate) fn stream(random: &mut Random) -> Stream {
    let mut maker = Maker { random, has_stdin: false, is_endless: false, prints: false, n_files: 0 };
    let input = maker.input(0);
    let processors = maker.processors(0);
    let output = maker.output(0);
    let threads = maker.random.pick(&[1, 2, 8]);
    let config = json!({
        "input": input,
        "pipeline": {"threads": threads, "ordered": !maker.random.one_in(4), "processors": processors},
        "output": output,
        "cache_resources": maker.caches(),
        "rate_limit_resources": [
            {"label": "slow", "local": {"count": 20, "interval": "10ms", "byte_size": maker.random.pick(&[0, 100])}},
        ],
        "shutdown_timeout": "2s",
        "logger": {"level": maker.random.pick(&["DEBUG", "INFO", "WARN"])},
    });
    Stream { config, is_endless: maker.is_endless, prints: maker.prints }
}

impl Maker<'_> {
    fn input(&mut self, depth: usize) -> Value {
        let mut input = match self.random.below(if depth < DEPTH_MAX { 9 } else { 5 }) {
            0 if !self.has_stdin => {
                self.has_stdin = true;
                json!({"stdin": {"scanner": self.scanner()}})
            }
            0..=3 => self.file(),
            4 => json!({"generate": {
                "mapping": self.random.pick(&GENERATED),
                "interval": self.random.pick(&["", "1ms"]),
                "count": 1 + self.random.below(100),
                "batch_size": self.random.pick(&[1, 7]),
            }}),
            5 => json!({"sequence": {"inputs": self.inputs(depth)}}),
            6 => json!({"broker": {"inputs": self.inputs(depth), "batching": self.batching(depth)}}),
            7 => {
                let restarts = self.random.one_in(4);
                self.is_endless |= restarts;
                json!({"read_until": {
                    "input": self.input(depth + 1),
                    "idle_timeout": self.random.pick(&["50ms", "300ms"]),
                    "restart_input": restarts,
                }})
            }
            _ => json!({"batched": {"child": self.input(depth + 1), "policy": self.batching(depth)}}),
        };
        if self.random.one_in(5) {
            self.under(&mut input, depth);
        }
        input
    }

    fn inputs(&mut self, depth: usize) -> Vec<Value> {
        (0..1 + self.random.below(3)).map(|_| self.input(depth + 1)).collect()
    }

    fn file(&mut self) -> Value {
        let paths: Vec<String> =
            (0..1 + self.random.below(2)).map(|_| format!("in/{}", self.random.pick(&FILES))).collect();
        json!({"file": {"paths": paths, "scanner": self.scanner()}})
    }

    fn scanner(&mut self) -> Value {
        self.scanner_at(0)
    }

    fn scanner_at(&mut self, depth: usize) -> Value {
        match self.random.below(if depth < DEPTH_MAX { 12 } else { 8 }) {
            4 => json!({"csv": {
                "parse_header_row": self.random.one_in(2),
                "lazy_quotes": self.random.one_in(2),
                "continue_on_error": self.random.one_in(2),
            }}),
            5 => json!({"tar": {}}),
            6 => json!({"json_documents": {}}),
            7 => json!({"re_match": {"pattern": self.random.pick(&["(?m)^", "[ab]+", "x"])}}),
            8 | 9 => json!({"decompress": {
                "algorithm": self.random.pick(&ALGORITHMS),
                "into": self.scanner_at(depth + 1),
            }}),
            10 => json!({"skip_bom": {"into": self.scanner_at(depth + 1)}}),
            11 => json!({"switch": [
                {"re_match_name": "l", "scanner": self.scanner_at(depth + 1)},
                {"scanner": self.scanner_at(depth + 1)},
            ]}),
            0 => json!({"chunker": {"size": self.random.pick(&[100, 1000, 100_000])}}),
            1 => json!({"to_the_end": {}}),
            _ => json!({"lines": {"max_buffer_size": self.random.pick(&[1000, 65_536, 5_000_000])}}),
        }
    }

    fn batching(&mut self, depth: usize) -> Value {
        let mut policy = json!({
            "count": self.random.pick(&[0, 1, 2, 20, 100]),
            "byte_size": self.random.pick(&[0, 0, 1, 1000]),
            "period": self.random.pick(&["10ms", "200ms"]),
        });
        if self.random.one_in(3) {
            policy["check"] = self.random.pick(&CHECKS).into();
        }
        if self.random.one_in(4) {
            self.under(&mut policy, depth);
        }
        policy
    }

    /// Gives it processors of its own; none would be a lint.
    fn under(&mut self, whose: &mut Value, depth: usize) {
        whose["processors"] = self.processors(depth + 1);
    }

    fn processors(&mut self, depth: usize) -> Value {
        (0..1 + self.random.below(3)).map(|_| self.processor(depth)).collect()
    }

    fn processor(&mut self, depth: usize) -> Value {
        let key = self.random.pick(&KEYS);
        let cache = self.random.pick(&CACHES);
        match self.random.below(if depth < DEPTH_MAX { 34 } else { 23 }) {
            0..=5 => {
                let name = self.random.pick(&["mapping", "mutation", "bloblang"]);
                json!({name: self.random.pick(&MAPPINGS)})
            }
            6 | 7 => {
                let operator = self.random.pick(&["set", "add", "get", "exists", "delete"]);
                let mut of = json!({"resource": cache, "operator": operator, "key": key});
                if ["set", "add"].contains(&operator) {
                    of["value"] = self.random.pick(&["${! content() }", "", "x"]).into();
                    of["ttl"] = self.random.pick(&["1ns", "60s"]).into();
                }
                json!({"cache": of})
            }
            8 => json!({"dedupe": {"cache": cache, "key": key, "drop_on_err": self.random.one_in(2)}}),
            9 => json!({"rate_limit": {"resource": "slow"}}),
            10 => {
                json!({"split": {"size": self.random.pick(&[1, 7]), "byte_size": self.random.pick(&[0, 10])}})
            }
            11 => json!({"log": {"level": "WARN", "message": self.random.pick(&KEYS)}}),
            12 => json!({"select_parts": {"parts": [0, -1, self.random.below(100)]}}),
            13 => json!({"insert_part": {"index": self.random.pick(&[0, -1, 1000]), "content": key}}),
            14 => json!({"bounds_check": {"max_part_size": 1000, "min_part_size": 1, "max_parts": 30}}),
            15 => json!({"sleep": {"duration": self.random.pick(&["1us", "1ms", "${! json(\"n\") }ns"])}}),
            16 => {
                json!({"archive": {"format": self.random.pick(&["concatenate", "binary", "json_array", "lines", "tar", "zip"]), "path": key}})
            }
            17 => json!({"unarchive": {"format": self.random.pick(&FORMATS)}}),
            18 => json!({"unarchive": {"format": self.random.pick(&["csv", "csv:x"])}}),
            19 => {
                let algorithm = self.random.pick(&["gzip", "zlib", "flate", "lz4", "snappy", "zstd"]);
                json!({"compress": {"algorithm": algorithm, "level": self.random.pick(&[-1, 0, 9])}})
            }
            20 => json!({"decompress": {"algorithm": self.random.pick(&ALGORITHMS)}}),
            21 => json!({"json_schema": {"schema": self.random.pick(&SCHEMAS)}}),
            22 => self.metric(),
            23 => json!({"try": self.processors(depth + 1)}),
            24 => json!({"catch": self.processors(depth + 1)}),
            25 => json!({"for_each": self.processors(depth + 1)}),
            26 => self.branch(depth),
            27 => {
                let cases = (0..1 + self.random.below(2)).map(|_| {
                    json!({
                        "check": self.random.pick(&CHECKS),
                        "fallthrough": self.random.one_in(3),
                        "processors": self.processors(depth + 1),
                    })
                });
                json!({"switch": cases.collect::<Vec<Value>>()})
            }
            28 => {
                let branches = ["a", "b"].map(|name| (name.to_string(), self.branch(depth)["branch"].take()));
                let branches: serde_json::Map<String, Value> = branches.into_iter().collect();
                json!({"workflow": {"order": [["a"], ["b"]], "branches": branches}})
            }
            29 => json!({"while": {
                "check": self.random.pick(&CHECKS),
                "at_least_once": self.random.one_in(2),
                "max_loops": self.random.pick(&[1, 3, 20]),
                "processors": self.processors(depth + 1),
            }}),
            30 => json!({"retry": {
                "max_retries": 3,
                "parallel": self.random.one_in(2),
                "backoff": {"initial_interval": "1ms", "max_interval": "2ms"},
                "processors": self.processors(depth + 1),
            }}),
            31 => json!({"group_by": [{
                "check": self.random.pick(&CHECKS),
                "processors": self.processors(depth + 1),
            }]}),
            32 => {
                let key = self.random.pick(&KEYS);
                json!({"group_by_value": {"value": key}})
            }
            _ => {
                let mut cached =
                    json!({"cache": cache, "key": key, "processors": self.processors(depth + 1)});
                if self.random.one_in(3) {
                    cached["skip_on"] = self.random.pick(&CHECKS).into();
                }
                json!({"cached": cached})
            }
        }
    }

    fn branch(&mut self, depth: usize) -> Value {
        json!({"branch": {
            "request_map": self.random.pick(&MAPPINGS),
            "processors": self.processors(depth + 1),
            "result_map": self.random.pick(&["root.result = this", "meta = deleted()", "root = content()"]),
        }})
    }

    fn metric(&mut self) -> Value {
        let kind = self.random.pick(&["counter", "counter_by", "gauge", "timing"]);
        json!({"metric": {
            "type": kind,
            // Two metrics of one name are of one type.
            "name": format!("of_{kind}"),
            "value": self.random.pick(&["${! json(\"n\") }", "5", "${! content() }"]),
            "labels": {"a": self.random.pick(&KEYS), "b": self.random.pick(&KEYS)},
        }})
    }

    fn output(&mut self, depth: usize) -> Value {
        let mut output = match self.random.below(if depth < DEPTH_MAX { 13 } else { 5 }) {
            0 | 1 => json!({"drop": {}}),
            2 => {
                self.prints = true;
                json!({"stdout": {}})
            }
            3 => {
                self.n_files += 1;
                let path =
                    self.random.pick(&["all", "${! content() }", "${! json(\"a\") }", "${! batch_index() }"]);
                json!({"file": {"root": format!("out/{}", self.n_files), "path": path}})
            }
            4 => {
                let cache = self.random.pick(&CACHES);
                json!({"cache": {"target": cache, "key": self.random.pick(&KEYS)}})
            }
            5 | 6 => {
                let pattern = self.random.pick(&[
                    "fan_out",
                    "fan_out_fail_fast",
                    "fan_out_sequential",
                    "fan_out_sequential_fail_fast",
                    "round_robin",
                    "greedy",
                ]);
                json!({"broker": {
                    "pattern": pattern,
                    "outputs": self.outputs(depth),
                    "batching": self.batching(depth),
                }})
            }
            7 => json!({"fallback": self.outputs(depth)}),
            8 => json!({"reject_errored": self.output(depth + 1)}),
            9 => json!({"reject": self.random.pick(&KEYS)}),
            10 => {
                json!({"drop_on": {"error": true, "back_pressure": "1s", "output": self.output(depth + 1)}})
            }
            11 => {
                let cases = (0..2 + self.random.below(2)).map(|_| {
                    json!({
                        "check": self.random.pick(&CHECKS),
                        "continue": self.random.one_in(3),
                        "output": self.output(depth + 1),
                    })
                });
                json!({"switch": {"cases": cases.collect::<Vec<Value>>(), "strict_mode": self.random.one_in(3)}})
            }
            _ => json!({"retry": {
                "max_retries": 2,
                "backoff": {"initial_interval": "1ms", "max_interval": "5ms"},
                "output": self.output(depth + 1),
            }}),
        };
        if self.random.one_in(5) {
            self.under(&mut output, depth);
        }
        // What does not arrive is given again for ever.
        self.is_endless |= output.get("drop").is_none();
        output
    }

    fn outputs(&mut self, depth: usize) -> Vec<Value> {
        (0..1 + self.random.below(3)).map(|_| self.output(depth + 1)).collect()
    }

    fn caches(&mut self) -> Value {
        json!([
            {"label": "memory", "memory": {
                "default_ttl": self.random.pick(&["1ms", "5m"]),
                "compaction_interval": self.random.pick(&["", "1ms"]),
                "shards": self.random.pick(&[1, 16]),
            }},
            {"label": "lru", "lru": {
                "cap": self.random.pick(&[1, 3, 1000]),
                "algorithm": self.random.pick(&["standard", "two_queues", "arc"]),
            }},
            {"label": "ttlru", "ttlru": {"cap": self.random.pick(&[1, 100]), "default_ttl": "10ms"}},
            {"label": "file", "file": {"directory": "kept"}},
            {"label": "noop", "noop": {}},
            {"label": "multilevel", "multilevel": ["lru", "file"]},
        ])
    }
}
