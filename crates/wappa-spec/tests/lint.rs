//! What is found in a config file, in Bento's words and order.

mod common;

use common::{lint, lint_with, print};
use expect_test::{Expect, expect};
use wappa_spec::{Deprecated, LintOptions, Source};

fn check(text: &str, expected: Expect) {
    expected.assert_eq(&lint(text));
}

#[test]
fn a_sound_file() {
    check(
        "input:\n  stdin: {}\npipeline:\n  processors:\n    - wasm: {module_path: a.wasm}\noutput:\n  stdout: {}\n",
        expect![[""]],
    );
    check("{}", expect![[""]]);
}

#[test]
fn the_broken_sample() {
    check(
        "
input:
  stdin: {cuont: 1}
pipeline:
  processors:
    - label: x
      noop: {}
    - log:
        level: INFOO
        message: 'a ${! nope() } b'
      label: Bad-Label
    - noop: {}
      label: x
    - wasm: {}
    - log: {message: '${!content()}', text: a}
      nope: 1
output:
  stdout: {}
  nope: {}
",
        expect![[r#"
            (3,1) field cuont not recognised @11+5
            (9,1) value INFOO is not a valid option for this field @16+5 | did you mean `INFO`?
            (10,31) unrecognised function 'nope':  } b @31+0
            (11,1) invalid label 'Bad-Label': should match the regular expression /^[a-z0-9_]+$/ and must not start with an underscore @14+9
            (13,1) label 'x' collides with a previously defined label at line 6 @14+1
            (14,1) field module_path is required @13+0
            warning (15,1) field text is deprecated @45+1
            (16,1) field nope is invalid when the component type is log (processor) @7+4
            (19,1) field nope is invalid when the component type is stdout (output) @3+4
        "#]],
    );
}

/// Lints a list of processors.
fn check_processors(list: &str, expected: Expect) {
    let indented: String = list.lines().map(|it| format!("    {it}\n")).collect();
    check(&format!("pipeline:\n  processors:\n{indented}"), expected);
}

#[test]
fn which_component() {
    check(
        "input: {}",
        expect![[r#"
        (1,1) an explicit input type must be specified @8+0
    "#]],
    );
    check(
        "input: stdin",
        expect![[r#"
            (1,1) invalid type !!str, expected object @8+5 | write `stdin: {}`, with its fields in place of `{}`
        "#]],
    );
    check(
        "input: []",
        expect![[r#"
        (1,1) invalid type !!seq, expected object @8+0
    "#]],
    );
    check(
        "input: {label: a}",
        expect![[r#"
        (1,1) an explicit input type must be specified @8+0
    "#]],
    );
    check(
        "input: {stdn: {}}",
        expect![[r#"
        (1,1) unable to infer input type from candidates: [stdn] @9+4 | did you mean `stdin`?
    "#]],
    );
    check(
        "input:\n  label: a\n  foo: {}\n  bar: {}\n",
        expect![[r#"
        (2,1) unable to infer input type from candidates: [bar foo] @3+0
    "#]],
    );
    check(
        "output: {stdout: {}, drop: {}}",
        expect![[r#"
            (1,1) unable to infer output type, multiple candidates 'drop' and 'stdout' @9+0 | there is one here: put several below `broker`
        "#]],
    );
    check(
        "output: {stdout: {}, stdout: {}}",
        expect![[r#"
            warning (1,1) key stdout was given before at line 1, the last one counts @22+6
            (1,1) unable to infer output type, multiple candidates 'stdout' and 'stdout' @9+0 | there is one here: put several below `broker`
        "#]],
    );
    check("output: {type: stdout}", expect![[""]]);
    check(
        "output: {type: stdot}",
        expect![[r#"
        (1,1) output type 'stdot' was not recognised @16+5 | did you mean `stdout`?
    "#]],
    );
    check(
        "output: {type: kafka}",
        expect![[r#"
        (1,1) `kafka` is a Bento output that Wappa does not have yet @16+5 | Wappa has the outputs: stdout, drop, reject, fallback, reject_errored, resource
    "#]],
    );
    check("output: {type: stdout, plugin: {codec: lines}}", expect![[""]]);
    check(
        "output: {type: stdout, stdout: {}, plugin: {}}",
        expect![[r#"
        (1,1) plugin object is ineffective @36+6
    "#]],
    );
    check(
        "output: {noop: {}}",
        expect![[r#"
            (1,1) unable to infer output type from candidates: [noop] @10+4 | `noop` is the name of a processor, not of an output
        "#]],
    );
    check(
        "output: {codec: lines, stdout: {}}",
        expect![[r#"
        (1,1) field codec is invalid when the component type is stdout (output) @10+5 | `codec` is a field of `stdout`: indent it below
    "#]],
    );
    check_processors(
        "- noop",
        expect![[r#"
            (3,1) invalid type !!str, expected object @7+4 | write `noop: {}`, with its fields in place of `{}`
        "#]],
    );
    check_processors(
        "- branch: {}\n- jmespath: {}\n- mapping: ''",
        expect![[r#"
        (3,1) `branch` is a Bento processor that Wappa does not have yet @7+6 | Wappa has the processors: noop, log, mapping, resource, switch, try, wasm
        (4,1) `jmespath` is a Bento processor that Wappa does not have yet @7+8 | Wappa has the processors: noop, log, mapping, resource, switch, try, wasm
    "#]],
    );
}

#[test]
fn bodies_that_are_no_objects() {
    check_processors(
        "- try: {}\n- try: []\n- try:\n  - noop: {a: 1}\n  - nope: {}\n- try:\n",
        expect![[r#"
            (3,1) expected array value @12+0 | the items of a list begin with `- `
            (6,1) field a not recognised @16+1
            (7,1) unable to infer processor type from candidates: [nope] @9+4
        "#]],
    );
    check_processors(
        "- switch:\n  - check: ''\n    processors: [{noop: {}}]\n  - chek: ''\n  - 5\n",
        expect![[r#"
            (6,1) field chek not recognised @9+4 | did you mean `check`?
            (7,1) expected object value, got !!int @9+1 | the fields are written below, each with its name: `check`, `processors`
        "#]],
    );
    check_processors(
        "- resource: a\n- resource: {}\n- resource:\n- label: b\n  resource: a\n- label: c\n  type: resource",
        expect![[r#"
            (4,1) expected string value @17+0
            (5,1) expected string value, got null @7+0
            (6,1) label field should be omitted when pointing to a resource @14+1
            (8,1) expected string value, got null @7+0
            (8,1) label field should be omitted when pointing to a resource @14+1
        "#]],
    );
    check(
        "output:\n  fallback:\n  - stdout: {}\n  - drop: \"\"\n  - reject_errored:\n      drop: {a: b}\n",
        expect![[r#"
            (6,1) field a not recognised @14+1
        "#]],
    );
    check(
        "output:\n  drop: x\n",
        expect![[r#"
        (2,1) expected object value, got !!str @9+1
    "#]],
    );
    check("output:\n  drop:\n", expect![[""]]);
    check(
        "output: {reject: 'a ${! error() } ${! @k } ${! nope() }'}",
        expect![[r#"
            (1,54) unrecognised function 'nope':  } @54+0
        "#]],
    );
}

#[test]
fn types() {
    check_processors(
        "- wasm:\n    module_path: 5\n    function: true\n    timeout: 10\n    memory_limit: lots\n    ratio: x\n    recycle: {messages: -1, growth: 1, nope: 2}\n",
        expect![[r#"
            (6,1) expected duration value, got `10` (!!int) @18+2 | a duration has a unit: `10s`, `10ms` or `10m`
            (7,1) expected size value, got `lots` @23+4 | a size is written like `128MiB`, `64KB` or `1024`
            (8,1) expected float value, got `x` @16+1
            (9,1) expected int value of 0 or more, got `-1` @29+2
            (9,1) expected bool value, got `1` (!!int) @41+1
            (9,1) field nope not recognised @44+4
        "#]],
    );
    check_processors(
        "- wasm:\n    module_path: [a]\n    function: {a: b}\n    timeout: 1h\n    memory_limit: 1_000\n    ratio: 1\n    recycle: {messages: 0x10, growth: yes}\n    config: {a: 1, b: [], c: }\n    mounts: {}\n",
        expect![[r#"
            (4,1) expected string value @22+0
            (5,1) expected string value @19+0
            (10,1) expected string value @27+0
            (10,1) expected string value, got null @32+0
            (11,1) expected array value @17+0 | the items of a list begin with `- `
        "#]],
    );
    check_processors(
        "- wasm:\n    module_path:\n    recycle: {messages: \"1\", growth: 'true'}\n    config: 5\n    mounts: [{host: /a}, {host: /b, guest: /b, writable: 5}]\n",
        expect![[r#"
            (5,1) expected int value, got `1` @29+3 | a quoted value is text: write it without quotes
            (5,1) expected bool value, got `true` @42+6 | a quoted value is text: write it without quotes
            (6,1) expected object value, got !!int @17+1
            (7,1) field guest is required @18+0
            (7,1) expected bool value, got `5` (!!int) @62+1
            (4,1) field module_path is required @9+0
        "#]],
    );
    check(
        "input: {stdin: {scanner: {lines: {max_buffer_size: 5000000000}}}}",
        expect![[r#"
        (1,1) expected int value from 0 to 4294967295, got `5000000000` @52+10
    "#]],
    );
    check(
        "input: {stdin: {scanner: {csv: {}}}}",
        expect![[r#"
        (1,1) `csv` is a Bento scanner that Wappa does not have yet @27+3 | Wappa has the scanners: lines
    "#]],
    );
    check(
        "input: {stdin: {scanner: {to_the_endd: {}}}}",
        expect![[r#"
        (1,1) unable to infer scanner type from candidates: [to_the_endd] @27+11
    "#]],
    );
}

#[test]
fn a_lint_of_a_component() {
    check_processors(
        "- wasm: {module_path: ./missing.wasm}",
        expect![[r#"
        (3,1) reading `./missing.wasm`: no such file @27+14
    "#]],
    );
    check_processors(
        "- wasm: {module_path: ./missing.wasm, timeout: 5}",
        expect![[r#"
            (3,1) expected duration value, got `5` (!!int) @52+1 | a duration has a unit: `5s`, `5ms` or `5m`
        "#]],
    );
}

#[test]
fn labels() {
    check_processors(
        "- label: _a\n  noop: {}\n- label: ''\n  noop: {}\n- label: [a]\n  noop: {}\n- label: a-b\n  try:\n  - label: x\n    noop: {}\n- label: x\n  noop: {}\n- label: 5\n  noop: {}",
        expect![[r#"
            (3,1) invalid label '_a': should match the regular expression /^[a-z0-9_]+$/ and must not start with an underscore @14+2
            (7,1) expected string value @14+0
            (9,1) invalid label 'a-b': should match the regular expression /^[a-z0-9_]+$/ and must not start with an underscore @14+3
            (13,1) label 'x' collides with a previously defined label at line 11 @14+1
        "#]],
    );
    check(
        "input_resources:\n- stdin: {}\n- label: a\n  stdin: {}\nprocessor_resources:\n- label: a\n  noop: {}\n",
        expect![[r#"
            (2,1) the label field for resources must be unique and not empty @3+0
            (6,1) label 'a' collides with a previously defined label at line 3 @10+1
        "#]],
    );
    let strict = LintOptions { require_labels: true, ..LintOptions::default() };
    let text = "input: {stdin: {}}\npipeline: {processors: [{resource: a}, {noop: {}}]}\noutput: {label: a, drop: {}}\n";
    expect![[r#"
        (1,1) label is required for stdin @8+0
        (2,1) label is required for noop @40+0
    "#]]
    .assert_eq(&lint_with(text, strict));
}

#[test]
fn processors_of_inputs_and_outputs() {
    check(
        "input: {stdin: {}, processors: []}\noutput:\n  drop: {}\n  processors:\n  - noop: {}\n  - nope: {}\n",
        expect![[r#"
            (1,1) field processors is empty and can be removed @32+0
            (6,1) unable to infer processor type from candidates: [nope] @5+4
        "#]],
    );
    check_processors(
        "- noop: {}\n  processors: []\n",
        expect![[r#"
        (4,1) field processors is invalid when the component type is noop (processor) @7+10
    "#]],
    );
}

#[test]
fn interpolations() {
    check_processors(
        "- log: {message: 'a ${! jason(\"a\") }'}",
        expect![[r#"
            (3,39) unrecognised function 'jason':  } @39+0 | did you mean `json`?
        "#]],
    );
    check_processors(
        "- log:\n    message: |\n      first\n      and ${! this.a.nope() }\n",
        expect![[r#"
            (6,40) unrecognised method 'nope':  } @32+0
        "#]],
    );
    check_processors(
        "- log:\n    message: >-\n      first\n      and ${! this.a.nope() }\n",
        expect![[r#"
            (4,46) unrecognised method 'nope':  } @18+0
        "#]],
    );
    check_processors(
        "- log: {message: \"${! content() \"}",
        expect![[r#"
            (3,37) required: expected end of expression, but reached end of input @37+0
        "#]],
    );
    check_processors("- log: {message: '${{! json() }} ${! meta(\"a b\") }$ ${! @\"c d\" }'}", expect![[""]]);
    // The end of a text is told where it is, not in the line of something else.
    check_processors(
        "- mapping: |\n    # no\n- mapping: |\n    # no\n\n\n- noop: {}\n",
        expect![[r#"
        (4,17) expected import, map, or assignment, but reached end of input @13+0
        (6,17) expected import, map, or assignment, but reached end of input @13+0
    "#]],
    );
    check_processors(
        "- mapping: |\n    root = 1\n    root.a = nope()\n- mapping: ''\n- mapping: 'root = this.'\n- mapping: \"root = this\\nroot = 5.\"",
        expect![[r#"
            (5,32) unrecognised function 'nope' @24+0
            (7,29) required: expected method or field path, but reached end of input @29+0
            (8,26) required: expected method or field path, but reached end of input @16+0
        "#]],
    );
}

#[test]
fn what_wappa_lacks() {
    check("http: {enabled: false}\n", expect![[""]]);
    check(
        "http: {adress: ''}\n",
        expect![[r#"
        (1,1) field adress not recognised @8+6 | did you mean `address`?
        warning (1,1) this build of Wappa has no HTTP service: `http` has no effect @7+0
    "#]],
    );
    check("tests: []\n", expect![[""]]);
    check("tests: [{name: a}]\n", expect![[""]]);
    check(
        "tests: [{name: a, input_batches: [[{contents: x}]], output_batches: [[{bloblang: 'this.'}]]}]\n",
        expect![[r#"
            (1,1) field contents not recognised @37+8 | did you mean `content`?
            (1,88) required: expected method or field path, but reached end of input @88+0
        "#]],
    );
    check(
        "metrics: {prometheus: {}}\ntracer: {jaeger: {}}\n",
        expect![[r#"
        warning (1,1) `prometheus` is a Bento metrics exporter that Wappa does not have yet @11+10
        warning (2,1) `jaeger` is a Bento tracer that Wappa does not have yet @10+6
    "#]],
    );
    check("metrics: {none: {}, mapping: 'root = this'}\ntracer: {none: {}}\n", expect![""]);
    check(
        "metrics: {logger: {push_interval: 5s, flush_metrics: true, nope: 1}}\ntracer: {nope: {}}\n",
        expect![[r#"
            (1,1) field nope not recognised @60+4
            (2,1) unable to infer tracer type from candidates: [nope] @10+4 | did you mean `none`?
        "#]],
    );
    check(
        "buffer: {memory: {}}\n",
        expect![[r#"
        (1,1) `memory` is a Bento buffer that Wappa does not have yet @10+6 | Wappa has the buffers: none
    "#]],
    );
    check("buffer: {none: {}}\n", expect![[""]]);
    check(
        "error_handling: {strategy: ignore, log: {enabled: true, sampling_ratio: 1.5}}\n",
        expect![[r#"
            (1,1) value ignore is not a valid option for this field @28+6 | one of: none, reject, retry
            (1,1) sampling_ratio must be from 0 to 1 @73+3
        "#]],
    );
    check("error_handling: {strategy: reject, log: {enabled: true, sampling_ratio: 0.5}}\n", expect![[""]]);
    check("error_handling: {strategy: none, log: {enabled: false}}\n", expect![[""]]);
    check(
        "cache_resources: [{label: a, memory: {}}]\nrate_limit_resources: [{label: b, local: {}}]\n",
        expect![[r#"
            (1,1) `memory` is a Bento cache that Wappa does not have yet @30+6
            (2,1) `local` is a Bento rate limit that Wappa does not have yet @35+5
        "#]],
    );
}

#[test]
fn root_objects() {
    check(
        "a: 1\nouput: {}\n",
        expect![[r#"
        (1,1) field a not recognised @1+1
        (2,1) field ouput not recognised @1+5 | did you mean `output`?
    "#]],
    );
    check(
        "pipeline: {threads: many, ordered: maybe, processors: {}}",
        expect![[r#"
            (1,1) expected int value, got `many` @21+4
            (1,1) expected bool value, got `maybe` @36+5
            (1,1) expected array value @55+0 | the items of a list begin with `- `
        "#]],
    );
    check(
        "pipeline: []",
        expect![[r#"
            (1,1) expected object value, got !!seq @11+0 | the fields are written below, each with its name: `threads`, `ordered`, `processors`
        "#]],
    );
    check(
        "logger: {level: loud, format: xml, add_timestamp: 1, static_fields: {a: b}, file: {path: a, rotate: true, rotate_max_age_days: 3}}",
        expect![[r#"
            (1,1) value xml is not a valid option for this field @31+3 | one of: json, logfmt
            (1,1) expected bool value, got `1` (!!int) @51+1
            warning (1,1) Wappa does not have field rotate yet: it has no effect @101+4
            warning (1,1) Wappa does not have field rotate_max_age_days yet: it has no effect @128+1
        "#]],
    );
    check(
        "logger: {level: debug, format: JSON, log_all_errors: true}",
        expect![[r#"
        warning (1,1) Wappa does not have field log_all_errors yet: it has no effect @54+4
    "#]],
    );
    check(
        "shutdown_timeout: 20\nshutdown_delay: -1s\n",
        expect![[r#"
        (1,1) expected duration value, got `20` (!!int) @19+2 | a duration has a unit: `20s`, `20ms` or `20m`
        (2,1) expected duration value, got `-1s` @17+3 | a duration is written like `300ms`, `5s` or `1h30m`
    "#]],
    );
}

#[test]
fn files_that_are_none() {
    check(
        "",
        expect![[r#"
        (0,1) expected object value, got !!null @0+0 | the file says nothing: `{}` is a config in which everything is as if it were not given
    "#]],
    );
    check(
        "[]",
        expect![[r#"
            (1,1) expected object value, got !!seq @1+0 | the fields are written below, each with its name: `http`, `input`, `buffer`, `pipeline` and others
        "#]],
    );
    check(
        "text",
        expect![[r#"
            (1,1) expected object value, got !!str @1+4 | the fields are written below, each with its name: `http`, `input`, `buffer`, `pipeline` and others
        "#]],
    );
    check(
        "input:\n\tstdin: {}\n",
        expect![[r#"
        (2,1) yaml: line 2: found a tab where only spaces may indent @2+0 | YAML is indented with spaces
    "#]],
    );
    check(
        "input: {stdin: {}\n",
        expect![[r#"
        (1,1) yaml: line 1: unclosed bracket '{' @8+0
    "#]],
    );
    check(
        "input: ${NAME}\n# ${OTHER}\n",
        expect![[r#"
        (1,1) required environment variables were not set: [NAME OTHER] @1+0 | set them, or give a default: `${NAME:default}`
    "#]],
    );
    let lints = Source::read(b"a: 1\nb: \xff\xfe", |_| None).expect_err("it is no text");
    expect![[r#"
        (1,1) detected invalid utf-8 encoding in config @1+0 | line 2 has bytes that are no text
    "#]]
    .assert_eq(&print(&lints));
}

#[test]
fn keys() {
    check(
        "input: {stdin: {}}\ninput: {stdin: {}}\n",
        expect![[r#"
        warning (2,1) key input was given before at line 1, the last one counts @1+5
    "#]],
    );
    check(
        "pipeline:\n  processors:\n  - log: &a {message: a}\n  - log:\n      <<: *a\n  - log: *a\n  - wasm:\n      <<: *a\n",
        expect![[r#"
            (5,1) merge keys (`<<`) are not applied, as in Bento: `message` would be missing here @7+2 | write the fields out, or give all of the mapping by its alias
            (8,1) merge keys (`<<`) are not applied, as in Bento: `message` would be missing here @7+2 | write the fields out, or give all of the mapping by its alias
            (8,1) field module_path is required @7+0
        "#]],
    );
    check(
        "[1, 2]: a\n{}: b\n5: c\n~: d\n",
        expect![[r#"
        (1,1) field  not recognised @1+0
        (2,1) field  not recognised @1+0
        (3,1) field 5 not recognised @1+1
        (4,1) field  not recognised @1+1
    "#]],
    );
}

#[test]
fn linting_can_be_disabled() {
    check("# BENTO LINT DISABLE\ninput: {stdin: {nope: 1}}\n", expect![[""]]);
    check(
        "# BENTO LINT DISABLE\ninput: {stdn: {nope: 1}}\n",
        expect![[r#"
        (2,1) unable to infer input type from candidates: [stdn] @9+4 | did you mean `stdin`?
    "#]],
    );
    check(
        "# BENTO LINT DISABLE\npipeline: {threads: x}\n",
        expect![[r#"
        (2,1) expected int value, got `x` @21+1
    "#]],
    );
}

#[test]
fn deprecation() {
    let strict = LintOptions { deprecated: Deprecated::Reject, ..LintOptions::default() };
    let text = "pipeline: {processors: [{log: {text: a}}]}";
    expect![[r#"
        warning (1,1) field text is deprecated @38+1
    "#]]
    .assert_eq(&lint_with(text, LintOptions::default()));
    expect![[r#"
        (1,1) field text is deprecated @38+1
    "#]]
    .assert_eq(&lint_with(text, strict));
}

#[test]
fn resource_files() {
    let text = "processor_resources: [{noop: {}}, {label: a, noop: {b: 1}}]\ninput: {stdin: {}}\ntests: [{name: a, mock: {}}]\n";
    let source = Source::read(text.as_bytes(), |_| None).expect("it is YAML");
    let linted = source.resources(&common::SPECS.to_vec(), LintOptions::default());
    expect![[r#"
        (1,1) the label field for resources must be unique and not empty @23+0
        (1,1) field b not recognised @53+1
        (2,1) field input not recognised @1+5 | did you mean `input_resources`?
        (3,1) field mock not recognised @19+4 | did you mean `mocks`?
    "#]]
    .assert_eq(&print(&linted.lints));
    assert_eq!(linted.config.expect("it could be read").processors.len(), 2);
}

#[test]
fn as_deep_as_it_gets() {
    let text = format!("pipeline: {{processors: {}[]{}}}", "[{try: ".repeat(48), "}]".repeat(48));
    check(&text, expect![[""]]);
}

#[test]
fn ways_out() {
    // A component without its fields, two in one item, texts within texts, and names that are nearly right.
    check_processors(
        "- noop\n- nope\n- mapping: root = this\n  noop: {}\n- log: hello\n- mapping: 'root = this.a.upercase()'\n\
         - mapping: 'root = uppercase(this.a)'\n- mapping: 'root = this.now()'\n- mapping: 'root = jason(\"a\")'\n\
         - mapping: 'root = entirely_other()'\n",
        expect![[r#"
            (3,1) invalid type !!str, expected object @7+4 | write `noop: {}`, with its fields in place of `{}`
            (4,1) invalid type !!str, expected object @7+4
            (5,1) unable to infer processor type, multiple candidates 'mapping' and 'noop' @7+0 | each processor is an item of the list: begin the second one with `- `
            (7,1) expected object value, got !!str @12+5 | the fields are written below, each with its name: `level`, `message`
            (8,41) unrecognised method 'upercase' @41+0 | did you mean `uppercase`?
            (9,41) unrecognised function 'uppercase' @41+0 | `uppercase` is a method, behind a value: `this.uppercase(…)`
            (10,34) unrecognised method 'now' @34+0 | `now` is a function, with nothing before it: `now(…)`
            (11,34) unrecognised function 'jason' @34+0 | did you mean `json`?
            (12,40) unrecognised function 'entirely_other' @40+0
        "#]],
    );
    check(
        "pipeline: {processors: {noop: {}}}",
        expect![[r#"
        (1,1) expected array value @24+0 | the items of a list begin with `- `
    "#]],
    );
    check(
        "pipeline: {processors: noop}",
        expect![[r#"
        (1,1) expected array value @24+4 | a list of one value is written `[ VALUE ]`
    "#]],
    );
}

#[test]
fn another_document() {
    let warned = expect![[r#"
        warning (3,1) what follows this line is another document, and is not read: a config is one @1+0
    "#]];
    check("input:\n  stdin: {}\n---\noutput:\n  stdout: {}\n", warned);
    // What is not read need not be right, and a line that ends a document begins none.
    check("input:\n  stdin: {}\n---\n[\n", expect![[""]]);
    check("---\ninput:\n  stdin: {}\n...\n", expect![[""]]);
    check("input:\n  stdin: {}\n---\n", expect![""]);
}
