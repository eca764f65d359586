//! Configs as the program meets them: where they come from, and what it says of those that are wrong.

use expect_test::expect;

mod support;

use support::{Program, check};

/// Why a config is nothing that could run: it cannot be read, or it says something else than a config does.
enum Unfit {
    Unreadable,
    Linted,
}

use Unfit::{Linted, Unreadable};

impl Unfit {
    /// What `lint` prints, and what a run prints.
    fn texts(&self, name: &str, place: &str, what: &str) -> (String, String) {
        let lint = format!("{name}({place}) {what}");
        let run = match self {
            Unreadable => format!("Configuration file read error: {name}: {what}\n"),
            Linted => format!(
                "level=info msg=\"Running main config from specified file\" @service=wappa path={name} wappa_version={}\n\
                 level=error msg=\"Config lint error\" @service=wappa lint=\"{lint}\"\n\
                 level=error msg=\"Shutting down due to linter errors, to prevent shutdown run Wappa with --chilled\" \
                 @service=wappa\n",
                env!("CARGO_PKG_VERSION")
            ),
        };
        (format!("{lint}\n"), run)
    }
}

#[test]
fn configs_that_cannot_be_read() {
    let aliases = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n\
                   d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e]\n";
    let brackets = vec![b'['; 10 << 20];
    let no_object = "expected object value, got";
    for (name, content, how, place, what) in [
        ("empty.yaml", &b""[..], Linted, "0,1", &*format!("{no_object} !!null")),
        ("comment.yaml", b"# nothing\n", Linted, "0,1", &format!("{no_object} !!null")),
        ("text.yaml", b"hello\n", Linted, "1,1", &format!("{no_object} !!str")),
        ("list.yaml", b"- a\n", Linted, "1,1", &format!("{no_object} !!seq")),
        (
            "binary.yaml",
            b"\x7fELF\x02\x01\x01\x00\x00",
            Unreadable,
            "1,1",
            r"yaml: line 1: unexpected character: `\u{7f}'",
        ),
        ("latin.yaml", b"input: \xe4\n", Unreadable, "1,1", "detected invalid utf-8 encoding in config"),
        ("brackets.yaml", &brackets, Unreadable, "1,101", "yaml: line 1: nested more than 100 levels deep"),
        (
            "aliases.yaml",
            aliases.as_bytes(),
            Unreadable,
            "5,1",
            "yaml: line 5: anchors and aliases expand to more than 100000 nodes or 16 MiB of text",
        ),
        (
            "tab.yaml",
            b"input:\n\tstdin: {}\n",
            Unreadable,
            "2,1",
            "yaml: line 2: found a tab where only spaces may indent",
        ),
        (
            "open.yaml",
            b"input: {stdin: [}\n",
            Unreadable,
            "1,16",
            "yaml: line 1: mismatched bracket '[' closed by '}'",
        ),
        ("dir", b"", Unreadable, "1,1", "read dir: is a directory"),
        ("nope.yaml", b"", Unreadable, "1,1", "open nope.yaml: no such file or directory"),
    ] {
        let mut program = Program::new("unreadable").stdin("a\n");
        program = match name {
            "dir" => program.file("dir/x.txt", content),
            "nope.yaml" => program,
            name => program.file(name, content),
        };
        let (lint, run) = how.texts(name, place, what);
        for (arguments, expected) in [(["lint", name], lint), (["-c", name], run)] {
            let ended = program.run(&arguments);
            let is_hint = |it: &&str| it.starts_with("  hint: ");
            let without_hint = |line: &str| match line.split_once(" hint=\"") {
                Some((before, after)) => {
                    format!("{before} {}", after.split_once("\" ").unwrap_or_default().1)
                }
                None => line.to_string(),
            };
            let lines = ended.stderr.split_inclusive('\n').filter(|it| !is_hint(it));
            let stderr: String = lines.map(without_hint).collect();
            let is_right = ended.code == Some(1) && ended.stdout.is_empty() && stderr == expected;
            assert!(is_right, "{arguments:?}\n{ended}instead of\n{expected}");
        }
    }
}

#[test]
fn configs_of_which_a_part_cannot_be_read() {
    let program = Program::new("half-readable")
        .file("twice.yaml", "output: {drop: {}}\noutput: {stdout: {}}\n")
        .file(
            "unknown.yaml",
            "pipeline:\n  processors:\n    - nope: {}\n      label: x\noutput:\n  stdot: {}\n",
        )
        .stdin("a\n");
    check(
        &program,
        &["lint twice.yaml", "-c twice.yaml", "lint unknown.yaml", "-c unknown.yaml"],
        expect![[r#"
            $ wappa lint twice.yaml
            exit 0
            --- stdout
            twice.yaml(2,1) key output was given before at line 1, the last one counts

            $ wappa -c twice.yaml
            exit 0
            --- stdout
            a
            --- stderr
            level=info msg="Running main config from specified file" @service=wappa path=twice.yaml wappa_version=VERSION
            level=warning msg="Config lint warning" @service=wappa lint="twice.yaml(2,1) key output was given before at line 1, the last one counts"
            level=info msg="Listening for HTTP requests at: http://0.0.0.0:4195" @service=wappa
            level=info msg="Launching a Wappa instance, use CTRL+C to close" @service=wappa
            level=info msg="Input type stdin is now active" @service=wappa label="" path=root.input
            level=info msg="Output type stdout is now active" @service=wappa label="" path=root.output
            level=info msg="Pipeline has terminated. Shutting down the service" @service=wappa
            level=info msg="Messages of this run" @service=wappa duration=TIME failed=0 filtered=0 in=1 out=1 replayed=0

            $ wappa lint unknown.yaml
            exit 1
            --- stderr
            unknown.yaml(3,1) unable to infer processor type from candidates: [nope]
            unknown.yaml(6,1) unable to infer output type from candidates: [stdot]
              hint: did you mean `stdout`?

            $ wappa -c unknown.yaml
            exit 1
            --- stderr
            Configuration file read error: unknown.yaml: (3,1) unable to infer processor type from candidates: [nope]
            Configuration file read error: unknown.yaml: (6,1) unable to infer output type from candidates: [stdot]
              hint: did you mean `stdout`?

        "#]],
    );
}

const MISTAKES: &str = "\
input:
  file: {paths: [a], path: b}
  label: Bad-Label
pipeline:
  thread: 1
  processors:
    - label: x
      sleep: {}
    - label: x
      log: {mesage: hi, level: NOPE}
    - noop: {}
      extra: 1
    - wasm: {function: 5}
    - try: {}
    - log: {message: \"${! nope() }\"}
    - log: {message: \"${! content( }\"}
    - log:
        message: |
          line one
          ${! foo
    - resource: r
      label: l
    - processors: []
output:
  stdout: {codec: nope, nope: 1}
  processors: []
resources: {}
processor_resources:
  - noop: {}
  - label: x
    noop: {}
logger: {level: nope, formt: json}
shutdown_timeout: nope
";

#[test]
fn all_mistakes_are_named_at_once() {
    let program = Program::new("mistakes").file("a.yaml", MISTAKES);
    check(
        &program,
        &["lint a.yaml", "-c a.yaml"],
        expect![[r#"
            $ wappa lint a.yaml
            exit 1
            --- stderr
            a.yaml(2,1) field path not recognised
              hint: did you mean `paths`?
            a.yaml(3,1) invalid label 'Bad-Label': should match the regular expression /^[a-z0-9_]+$/ and must not start with an underscore
            a.yaml(5,1) field thread not recognised
              hint: did you mean `threads`?
            a.yaml(8,1) field duration is required
            a.yaml(10,1) field mesage not recognised
              hint: did you mean `message`?
            a.yaml(10,1) value NOPE is not a valid option for this field
              hint: one of: FATAL, ERROR, WARN, INFO, DEBUG, TRACE, ALL
            a.yaml(9,1) label 'x' collides with a previously defined label at line 7
            a.yaml(12,1) field extra is invalid when the component type is noop (processor)
            a.yaml(13,1) field module_path is required
            a.yaml(14,1) expected array value
              hint: the items of a list begin with `- `
            a.yaml(15,33) unrecognised function 'nope':  }
            a.yaml(16,36) required: expected function argument, got: }
            a.yaml(20,26) required: expected end of expression, got: end of line
            a.yaml(22,1) label field should be omitted when pointing to a resource
            a.yaml(25,1) field nope not recognised
            a.yaml(25,1) codec was not recognised: nope
            a.yaml(26,1) field processors is empty and can be removed
            a.yaml(27,1) field resources not recognised
            a.yaml(29,1) the label field for resources must be unique and not empty
            a.yaml(30,1) label 'x' collides with a previously defined label at line 7
            a.yaml(32,1) field formt not recognised
              hint: did you mean `format`?
            a.yaml(32,1) log level nope is not known, INFO is used
              hint: one of: OFF, FATAL, ERROR, WARN, INFO, DEBUG, TRACE, ALL, NONE
            a.yaml(33,1) expected duration value, got `nope`
              hint: a duration is written like `300ms`, `5s` or `1h30m`
            a.yaml(21,1) processor resource 'r' was not found
              hint: define it below `processor_resources`; those of other files are there with `-r FILE`

            $ wappa -c a.yaml
            exit 1
            --- stderr
            level=info msg="Running main config from specified file" @service=wappa path=a.yaml wappa_version=VERSION
            level=error msg="Config lint error" @service=wappa hint="did you mean `paths`?" lint="a.yaml(2,1) field path not recognised"
            level=error msg="Config lint error" @service=wappa lint="a.yaml(3,1) invalid label 'Bad-Label': should match the regular expression /^[a-z0-9_]+$/ and must not start with an underscore"
            level=error msg="Config lint error" @service=wappa hint="did you mean `threads`?" lint="a.yaml(5,1) field thread not recognised"
            level=error msg="Config lint error" @service=wappa lint="a.yaml(8,1) field duration is required"
            level=error msg="Config lint error" @service=wappa hint="did you mean `message`?" lint="a.yaml(10,1) field mesage not recognised"
            level=error msg="Config lint error" @service=wappa hint="one of: FATAL, ERROR, WARN, INFO, DEBUG, TRACE, ALL" lint="a.yaml(10,1) value NOPE is not a valid option for this field"
            level=error msg="Config lint error" @service=wappa lint="a.yaml(9,1) label 'x' collides with a previously defined label at line 7"
            level=error msg="Config lint error" @service=wappa lint="a.yaml(12,1) field extra is invalid when the component type is noop (processor)"
            level=error msg="Config lint error" @service=wappa lint="a.yaml(13,1) field module_path is required"
            level=error msg="Config lint error" @service=wappa hint="the items of a list begin with `- `" lint="a.yaml(14,1) expected array value"
            level=error msg="Config lint error" @service=wappa lint="a.yaml(15,33) unrecognised function 'nope':  }"
            level=error msg="Config lint error" @service=wappa lint="a.yaml(16,36) required: expected function argument, got: }"
            level=error msg="Config lint error" @service=wappa lint="a.yaml(20,26) required: expected end of expression, got: end of line"
            level=error msg="Config lint error" @service=wappa lint="a.yaml(22,1) label field should be omitted when pointing to a resource"
            level=error msg="Config lint error" @service=wappa lint="a.yaml(25,1) field nope not recognised"
            level=error msg="Config lint error" @service=wappa lint="a.yaml(25,1) codec was not recognised: nope"
            level=error msg="Config lint error" @service=wappa lint="a.yaml(26,1) field processors is empty and can be removed"
            level=error msg="Config lint error" @service=wappa lint="a.yaml(27,1) field resources not recognised"
            level=error msg="Config lint error" @service=wappa lint="a.yaml(29,1) the label field for resources must be unique and not empty"
            level=error msg="Config lint error" @service=wappa lint="a.yaml(30,1) label 'x' collides with a previously defined label at line 7"
            level=error msg="Config lint error" @service=wappa hint="did you mean `format`?" lint="a.yaml(32,1) field formt not recognised"
            level=warning msg="Config lint warning" @service=wappa hint="one of: OFF, FATAL, ERROR, WARN, INFO, DEBUG, TRACE, ALL, NONE" lint="a.yaml(32,1) log level nope is not known, INFO is used"
            level=error msg="Config lint error" @service=wappa hint="a duration is written like `300ms`, `5s` or `1h30m`" lint="a.yaml(33,1) expected duration value, got `nope`"
            level=error msg="Config lint error" @service=wappa hint="define it below `processor_resources`; those of other files are there with `-r FILE`" lint="a.yaml(21,1) processor resource 'r' was not found"
            level=error msg="Shutting down due to linter errors, to prevent shutdown run Wappa with --chilled" @service=wappa

        "#]],
    );
}

#[test]
fn what_lint_looks_at() {
    let program = Program::new("lint")
        .file("good.yaml", "output: {drop: {}}\n")
        .file("configs/bad.yml", "outpt: {}\n")
        .file("configs/deep/bad.yaml", "input: {stdn: {}}\n")
        .file("configs/notes.txt", "outpt: {}\n")
        .file("old.yaml", "input: {stdin: {codec: lines}}\n")
        .file("label.yaml", "input: {label: x, stdin: {}}\noutput: {drop: {}}\n")
        .file("env.yaml", "input: {label: \"${WAPPA_TEST_NOT_SET}\", stdin: {}}\n")
        .file("doc.md", "Two:\n\n```yaml\noutpt: {}\n```\n\n- ```yaml\n  input: {stdin: {nope: 1}}\n  ```\n")
        .file("open.md", "```yaml\noutput: {drop: {}}\n```\n\n```yaml\noutpt: {}\n\nAnd so on.\n")
        .file("off.yaml", "# BENTO LINT DISABLE\noutpt: {}\n")
        .file("more.yaml", "processor_resources: [{label: r, noop: {x: 1}}]\noutpt: {}\n");
    let commands = [
        "lint",
        "lint good.yaml",
        "lint configs/...",
        "lint configs/*.yml configs/**/*.yaml nothing*.yaml",
        "lint old.yaml",
        "lint old.yaml configs/bad.yml",
        "lint --deprecated old.yaml",
        "lint --labels label.yaml",
        "lint env.yaml",
        "lint --skip-env-var-check env.yaml",
        "lint doc.md",
        "lint open.md",
        "lint off.yaml",
        "-c configs/bad.yml -r more.yaml lint",
        "lint -r more.yaml",
    ];
    check(
        &program,
        &commands,
        expect![[r#"
            $ wappa lint
            exit 1
            --- stderr
            Lint paths error: there is nothing to lint
            hint: name configs: wappa lint config.yaml, or all below a directory: wappa lint configs/...

            $ wappa lint good.yaml
            exit 0

            $ wappa lint configs/...
            exit 1
            --- stderr
            configs/bad.yml(1,1) field outpt not recognised
              hint: did you mean `output`?
            configs/deep/bad.yaml(1,9) unable to infer input type from candidates: [stdn]
              hint: did you mean `stdin`?

            $ wappa lint configs/*.yml configs/**/*.yaml nothing*.yaml
            exit 1
            --- stderr
            Lint paths error: `nothing*.yaml` finds no file

            $ wappa lint old.yaml
            exit 0
            --- stdout
            old.yaml(1,24) field codec is deprecated

            $ wappa lint old.yaml configs/bad.yml
            exit 1
            --- stderr
            old.yaml(1,24) field codec is deprecated
            configs/bad.yml(1,1) field outpt not recognised
              hint: did you mean `output`?

            $ wappa lint --deprecated old.yaml
            exit 1
            --- stderr
            old.yaml(1,24) field codec is deprecated

            $ wappa lint --labels label.yaml
            exit 1
            --- stderr
            label.yaml(2,1) label is required for drop

            $ wappa lint env.yaml
            exit 1
            --- stderr
            env.yaml(1,1) required environment variables were not set: [WAPPA_TEST_NOT_SET]
              hint: set them, or give a default: `${NAME:default}`

            $ wappa lint --skip-env-var-check env.yaml
            exit 0

            $ wappa lint doc.md
            exit 1
            --- stderr
            doc.md(4,1) field outpt not recognised
              hint: did you mean `output`?
            doc.md(8,1) field nope not recognised

            $ wappa lint open.md
            exit 1
            --- stderr
            open.md(5,1) markdown snippet not terminated

            $ wappa lint off.yaml
            exit 0

            $ wappa -c configs/bad.yml -r more.yaml lint
            exit 1
            --- stderr
            configs/bad.yml(1,1) field outpt not recognised
              hint: did you mean `output`?
            more.yaml(1,1) field x not recognised
            more.yaml(2,1) field outpt not recognised
              hint: did you mean `output`?

            $ wappa lint -r more.yaml
            exit 1
            --- stderr
            more.yaml(1,1) field x not recognised
            more.yaml(2,1) field outpt not recognised
              hint: did you mean `output`?

        "#]],
    );
}

#[test]
fn resources_that_may_be_in_a_file_that_cannot_be_read_are_not_missed() {
    let program = Program::new("unread-resources")
        .file("a.yaml", "input: {stdin: {}}\npipeline: {processors: [{resource: r}]}\n");
    check(
        &program,
        &["-c a.yaml -r nope.yaml", "-c a.yaml"],
        expect![[r#"
            $ wappa -c a.yaml -r nope.yaml
            exit 1
            --- stderr
            Configuration file read error: nope.yaml: open nope.yaml: no such file or directory

            $ wappa -c a.yaml
            exit 1
            --- stderr
            level=info msg="Running main config from specified file" @service=wappa path=a.yaml wappa_version=VERSION
            level=error msg="Config lint error" @service=wappa hint="define it below `processor_resources`; those of other files are there with `-r FILE`" lint="a.yaml(2,1) processor resource 'r' was not found"
            level=error msg="Shutting down due to linter errors, to prevent shutdown run Wappa with --chilled" @service=wappa

        "#]],
    );
}

#[test]
fn where_configs_come_from() {
    let program = Program::new("origins")
        .file("a.yaml", "output: {drop: {}}\n")
        .file("set.yaml", "input: {label: \"${WAPPA_TEST_LABEL}\", stdin: {}}\n")
        .file("a.env", "WAPPA_TEST_LABEL = from_file # a comment\n")
        .file("b.env", "WAPPA_TEST_LABEL=\"from_second\"\n")
        .file("bad.env", "WAPPA_TEST_LABEL=x\nnot an assignment\n")
        .file("more.yaml", "processor_resources: [{label: r, noop: {}}]\n")
        .file("same.yaml", "processor_resources: [{label: r, noop: {}}]\n")
        .file("stream.yaml", "output: {drop: {}}\n")
        .env("WAPPA_CONFIG", "output: {drop: {}}")
        .stdin("a\n");
    let commands = [
        "",
        "run a.yaml",
        "-c a.yaml -s output.stdout.codec=lines",
        "-c a.yaml -s output.type=stdout,pipeline.threads=1",
        "-c a.yaml -s nope",
        "-c a.yaml -s nope=1",
        "-c set.yaml --log.level error",
        "-c set.yaml -e a.env",
        "-c set.yaml -e *.env",
        "-c set.yaml -e a.env,b.env",
        "-c set.yaml -e nope.env",
        "-c a.yaml -r more.yaml",
        "-c a.yaml -r more.yaml -r same.yaml",
        "-c a.yaml -r stream.yaml",
        "-c a.yaml -r nope.yaml",
        "-config a.yaml -log.level=off",
    ];
    check(
        &program,
        &commands,
        expect![[r#"
            $ wappa 
            exit 0
            --- stdout
            level=info msg="Running config from WAPPA_CONFIG environment variable" @service=wappa wappa_version=VERSION
            level=info msg="Listening for HTTP requests at: http://0.0.0.0:4195" @service=wappa
            level=info msg="Launching a Wappa instance, use CTRL+C to close" @service=wappa
            level=info msg="Input type stdin is now active" @service=wappa label="" path=root.input
            level=info msg="Output type drop is now active" @service=wappa label="" path=root.output
            level=info msg="Pipeline has terminated. Shutting down the service" @service=wappa
            level=info msg="Messages of this run" @service=wappa duration=TIME failed=0 filtered=0 in=1 out=1 replayed=0

            $ wappa run a.yaml
            exit 0
            --- stdout
            level=info msg="Running main config from specified file" @service=wappa path=a.yaml wappa_version=VERSION
            level=info msg="Listening for HTTP requests at: http://0.0.0.0:4195" @service=wappa
            level=info msg="Launching a Wappa instance, use CTRL+C to close" @service=wappa
            level=info msg="Input type stdin is now active" @service=wappa label="" path=root.input
            level=info msg="Output type drop is now active" @service=wappa label="" path=root.output
            level=info msg="Pipeline has terminated. Shutting down the service" @service=wappa
            level=info msg="Messages of this run" @service=wappa duration=TIME failed=0 filtered=0 in=1 out=1 replayed=0

            $ wappa -c a.yaml -s output.stdout.codec=lines
            exit 1
            --- stderr
            Configuration file read error: --set output.stdout.codec: (1,1) unable to infer output type, multiple candidates 'drop' and 'stdout'
              hint: there is one here: put several below `broker`

            $ wappa -c a.yaml -s output.type=stdout,pipeline.threads=1
            exit 1
            --- stderr
            level=info msg="Running main config from specified file" @service=wappa path=a.yaml wappa_version=VERSION
            level=error msg="Config lint error" @service=wappa lint="--set output.type: field drop is invalid when the component type is stdout (output)"
            level=error msg="Shutting down due to linter errors, to prevent shutdown run Wappa with --chilled" @service=wappa

            $ wappa -c a.yaml -s nope
            exit 1
            --- stderr
            Configuration file read error: --set nope: invalid set expression 'nope': expected foo=bar syntax

            $ wappa -c a.yaml -s nope=1
            exit 1
            --- stderr
            Configuration file read error: --set nope: failed to set config field override: nope: field not recognised

            $ wappa -c set.yaml --log.level error
            exit 1
            --- stderr
            level=error msg="Config lint error" @service=wappa hint="set them, or give a default: `${NAME:default}`" lint="set.yaml(1,1) required environment variables were not set: [WAPPA_TEST_LABEL]"
            level=error msg="Shutting down due to linter errors, to prevent shutdown run Wappa with --chilled" @service=wappa

            $ wappa -c set.yaml -e a.env
            exit 0
            --- stdout
            a
            --- stderr
            level=info msg="Running main config from specified file" @service=wappa path=set.yaml wappa_version=VERSION
            level=info msg="Listening for HTTP requests at: http://0.0.0.0:4195" @service=wappa
            level=info msg="Launching a Wappa instance, use CTRL+C to close" @service=wappa
            level=info msg="Input type stdin is now active" @service=wappa label=from_file path=root.input
            level=info msg="Output type stdout is now active" @service=wappa label="" path=root.output
            level=info msg="Pipeline has terminated. Shutting down the service" @service=wappa
            level=info msg="Messages of this run" @service=wappa duration=TIME failed=0 filtered=0 in=1 out=1 replayed=0

            $ wappa -c set.yaml -e *.env
            exit 1
            --- stderr
            Failed to parse dotenv file: bad.env: 2: line 2 char 5: expected Environment variable assignment

            $ wappa -c set.yaml -e a.env,b.env
            exit 0
            --- stdout
            a
            --- stderr
            level=info msg="Running main config from specified file" @service=wappa path=set.yaml wappa_version=VERSION
            level=info msg="Listening for HTTP requests at: http://0.0.0.0:4195" @service=wappa
            level=info msg="Launching a Wappa instance, use CTRL+C to close" @service=wappa
            level=info msg="Input type stdin is now active" @service=wappa label=from_second path=root.input
            level=info msg="Output type stdout is now active" @service=wappa label="" path=root.output
            level=info msg="Pipeline has terminated. Shutting down the service" @service=wappa
            level=info msg="Messages of this run" @service=wappa duration=TIME failed=0 filtered=0 in=1 out=1 replayed=0

            $ wappa -c set.yaml -e nope.env
            exit 1
            --- stderr
            Failed to read dotenv file: open nope.env: no such file or directory

            $ wappa -c a.yaml -r more.yaml
            exit 0
            --- stdout
            level=info msg="Running main config from specified file" @service=wappa path=a.yaml wappa_version=VERSION
            level=info msg="Listening for HTTP requests at: http://0.0.0.0:4195" @service=wappa
            level=info msg="Launching a Wappa instance, use CTRL+C to close" @service=wappa
            level=info msg="Input type stdin is now active" @service=wappa label="" path=root.input
            level=info msg="Output type drop is now active" @service=wappa label="" path=root.output
            level=info msg="Pipeline has terminated. Shutting down the service" @service=wappa
            level=info msg="Messages of this run" @service=wappa duration=TIME failed=0 filtered=0 in=1 out=1 replayed=0

            $ wappa -c a.yaml -r more.yaml -r same.yaml
            exit 1
            --- stdout
            level=info msg="Running main config from specified file" @service=wappa path=a.yaml wappa_version=VERSION
            level=info msg="Listening for HTTP requests at: http://0.0.0.0:4195" @service=wappa
            level=error msg="Service closing due to: processor resource label 'r' collides with a previously defined resource" @service=wappa

            $ wappa -c a.yaml -r stream.yaml
            exit 1
            --- stdout
            level=info msg="Running main config from specified file" @service=wappa path=a.yaml wappa_version=VERSION
            level=error msg="Config lint error" @service=wappa hint="did you mean `output_resources`?" lint="stream.yaml(1,1) field output not recognised"
            level=error msg="Shutting down due to linter errors, to prevent shutdown run Wappa with --chilled" @service=wappa

            $ wappa -c a.yaml -r nope.yaml
            exit 1
            --- stderr
            Configuration file read error: nope.yaml: open nope.yaml: no such file or directory

            $ wappa -config a.yaml -log.level=off
            exit 0

        "#]],
    );
}

#[test]
fn a_stream_with_lints_runs_when_chilled() {
    let program = Program::new("chilled").file("a.yaml", "outpt: {}\n").file("empty.yaml", "").stdin("a\n");
    let commands = [
        "-c a.yaml",
        "-c a.yaml --chilled",
        "-c empty.yaml --chilled",
        "--chilled=false -c empty.yaml --chilled=true",
        "-c a.yaml --chilled=maybe",
    ];
    check(
        &program,
        &commands,
        expect![[r#"
            $ wappa -c a.yaml
            exit 1
            --- stderr
            level=info msg="Running main config from specified file" @service=wappa path=a.yaml wappa_version=VERSION
            level=error msg="Config lint error" @service=wappa hint="did you mean `output`?" lint="a.yaml(1,1) field outpt not recognised"
            level=error msg="Shutting down due to linter errors, to prevent shutdown run Wappa with --chilled" @service=wappa

            $ wappa -c a.yaml --chilled
            exit 0
            --- stdout
            a
            --- stderr
            level=info msg="Running main config from specified file" @service=wappa path=a.yaml wappa_version=VERSION
            level=warning msg="Config lint error" @service=wappa hint="did you mean `output`?" lint="a.yaml(1,1) field outpt not recognised"
            level=info msg="Listening for HTTP requests at: http://0.0.0.0:4195" @service=wappa
            level=info msg="Launching a Wappa instance, use CTRL+C to close" @service=wappa
            level=info msg="Input type stdin is now active" @service=wappa label="" path=root.input
            level=info msg="Output type stdout is now active" @service=wappa label="" path=root.output
            level=info msg="Pipeline has terminated. Shutting down the service" @service=wappa
            level=info msg="Messages of this run" @service=wappa duration=TIME failed=0 filtered=0 in=1 out=1 replayed=0

            $ wappa -c empty.yaml --chilled
            exit 1
            --- stderr
            level=info msg="Running main config from specified file" @service=wappa path=empty.yaml wappa_version=VERSION
            level=error msg="Config lint error" @service=wappa hint="the file says nothing: `{}` is a config in which everything is as if it were not given" lint="empty.yaml(0,1) expected object value, got !!null"
            level=error msg="Shutting down: no sense can be made of the config" @service=wappa

            $ wappa --chilled=false -c empty.yaml --chilled=true
            exit 1
            --- stderr
            level=info msg="Running main config from specified file" @service=wappa path=empty.yaml wappa_version=VERSION
            level=error msg="Config lint error" @service=wappa hint="the file says nothing: `{}` is a config in which everything is as if it were not given" lint="empty.yaml(0,1) expected object value, got !!null"
            level=error msg="Shutting down: no sense can be made of the config" @service=wappa

            $ wappa -c a.yaml --chilled=maybe
            exit 1
            --- stderr
            Usage error: unexpected value 'maybe' for '--chilled' found; no more were expected
            hint: `wappa --help` shows the flags

        "#]],
    );
}
