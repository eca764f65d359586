//! What is found in a config file, in Bento's words and order.

mod common;

use common::lint;
use expect_test::{Expect, expect};

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
            (10,25) Wappa understands `content()`, `error()`, `meta("key")` and `@key` in an interpolation, not `nope()` @25+0
            (11,1) invalid label 'Bad-Label': should match the regular expression /^[a-z0-9_]+$/ and must not start with an underscore @14+9
            (13,1) label 'x' collides with a previously defined label at line 6 @14+1
            (14,1) field module_path is required @13+0
            warning (15,1) field text is deprecated @45+1
            (16,1) field nope is invalid when the component type is log (processor) @7+4
            (19,1) field nope is invalid when the component type is stdout (output) @3+4
        "#]],
    );
}
