//! The command line as its users meet it: what goes in, what comes out, and the exit code.

use std::{
    io::{BufReader, Write},
    process::Stdio,
};

use expect_test::{Expect, expect};

mod support;

use support::{Program, read_until, wait};

/// Runs the program once for each list of arguments, all in one folder.
fn check(program: &Program, commands: &[&str], expected: Expect) {
    let mut all = String::new();
    for command in commands {
        let arguments: Vec<&str> = command.split_whitespace().collect();
        all.push_str(&format!("$ wappa {command}\n{}\n", program.run(&arguments)));
    }
    expected.assert_eq(&all);
}

#[test]
fn help_and_version() {
    let commands = ["--version", "-v", "--help", "lint --help", "inspect --help"];
    check(
        &Program::new("help"),
        &commands,
        expect![[r#"
            $ wappa --version
            exit 0
            --- stdout
            Version: VERSION
            Date: unknown

            $ wappa -v
            exit 0
            --- stdout
            Version: VERSION
            Date: unknown

            $ wappa --help
            exit 0
            --- stdout
            A stream processor that calls WebAssembly modules, with Bento's configs

            Usage: wappa [OPTIONS] [COMMAND]

            Commands:
              run      Run a config
              lint     Check configs, and say all that is wrong with them
              list     List the components that there are
              inspect  Say what a WebAssembly module is, and whether it can run here
              help     Print this message or the help of the given subcommand(s)

            Options:
              -v, --version            Print the version, then exit
              -c, --config <PATH>      A path to a configuration file
              -r, --resources <GLOB>   Add the resources of more files; a pattern needs quotes
              -e, --env-file <GLOB>    Read environment variables from dotenv files; they win over those that
                                       are set
                  --log.level <LEVEL>  Override the configured log level: off, error, warn, info, debug, trace
              -s, --set <PATH=VALUE>   Set a field of the main config by its dot path, e.g. "pipeline.threads=1"
                  --chilled            Run a config that has lint errors
              -h, --help               Print help

            Compiling modules:
                  --compile-cpu-limit <DURATION>   The processor time that compiling one module may take
                                                   [default: 120s]
                  --compile-time-limit <DURATION>  The time that compiling one module may take [default: 60s]
                  --compile-memory-limit <SIZE>    The memory that compiling one module may take [default: 2GiB]

            Run a config, or choose a command:

              wappa -c ./config.yaml
              wappa run ./config.yaml
              wappa lint ./configs/...
              wappa list processors
              wappa -r './production/*.yaml' -c ./config.yaml

            $ wappa lint --help
            exit 0
            --- stdout
            Check configs, and say all that is wrong with them

            Usage: wappa lint [OPTIONS] [PATHS]...

            Arguments:
              [PATHS]...  Config files, patterns, Markdown files with configs, or a directory with `...` behind
                          it

            Options:
                  --deprecated          Treat the use of deprecated fields as an error
                  --labels              Demand a label of every component
                  --skip-env-var-check  Do not demand that environment variables without a default are set
              -c, --config <PATH>       A path to a configuration file
              -r, --resources <GLOB>    Add the resources of more files; a pattern needs quotes
              -e, --env-file <GLOB>     Read environment variables from dotenv files; they win over those that
                                        are set
              -h, --help                Print help

            $ wappa inspect --help
            exit 0
            --- stdout
            Say what a WebAssembly module is, and whether it can run here

            Usage: wappa inspect [OPTIONS] <MODULE>

            Arguments:
              <MODULE>  A module: a `.wasm` file, or WebAssembly text

            Options:
                  --function <NAME>      The function that is to be called, as in the field `function` of the
                                         processor [default: process]
                  --memory-limit <SIZE>  The memory that one instance may have, as in the field `memory_limit`
                                         of the processor
              -h, --help                 Print help

        "#]],
    );
}

#[test]
fn what_is_not_there_is_refused() {
    let program = Program::new("refused").file("a.yaml", "{}");
    let first_lines = |command: &str| {
        let arguments: Vec<&str> = command.split_whitespace().collect();
        let ended = program.run(&arguments);
        let help = ended.stdout.lines().next().unwrap_or_default();
        format!("$ wappa {command}\n{}exit {:?}; stdout: {help}\n", ended.stderr, ended.code)
    };
    let commands = [
        "nope",
        "a.yaml",
        "--badflag",
        "-c a.yaml --confg x",
        "-c",
        "lint --lables",
        "list --format nope",
        "run a.yaml b.yaml",
        "-w",
        "run --watcher",
        "-t x.yaml",
        "streams",
        "create",
        "--compile-time-limit 0s",
        "inspect",
    ];
    let all = commands.map(first_lines).concat();
    expect![[r#"
        $ wappa nope
        Unrecognised command: nope
        exit Some(1); stdout: A stream processor that calls WebAssembly modules, with Bento's configs
        $ wappa a.yaml
        Unrecognised command: a.yaml
        hint: to run a config: wappa run a.yaml
        exit Some(1); stdout: A stream processor that calls WebAssembly modules, with Bento's configs
        $ wappa --badflag
        Usage error: flag provided but not defined: -badflag
        exit Some(1); stdout: A stream processor that calls WebAssembly modules, with Bento's configs
        $ wappa -c a.yaml --confg x
        Usage error: flag provided but not defined: -confg
        hint: did you mean `--config`?
        exit Some(1); stdout: A stream processor that calls WebAssembly modules, with Bento's configs
        $ wappa -c
        Usage error: flag needs an argument: -config
        exit Some(1); stdout: A stream processor that calls WebAssembly modules, with Bento's configs
        $ wappa lint --lables
        Usage error: flag provided but not defined: -lables
        hint: did you mean `--labels`?
        exit Some(1); stdout: A stream processor that calls WebAssembly modules, with Bento's configs
        $ wappa list --format nope
        Usage error: invalid value 'nope' for '--format <FORMAT>' [possible values: text, json]
        exit Some(1); stdout: A stream processor that calls WebAssembly modules, with Bento's configs
        $ wappa run a.yaml b.yaml
        A maximum of one config must be specified with the run command
        exit Some(1); stdout: 
        $ wappa -w
        Wappa does not have `--watcher` yet
        exit Some(1); stdout: 
        $ wappa run --watcher
        Wappa does not have `--watcher` yet
        exit Some(1); stdout: 
        $ wappa -t x.yaml
        Wappa does not have `--templates` yet
        exit Some(1); stdout: 
        $ wappa streams
        Wappa does not have the command `streams` yet
        exit Some(1); stdout: 
        $ wappa create
        Wappa does not have the command `create` yet
        exit Some(1); stdout: 
        $ wappa --compile-time-limit 0s
        Usage error: invalid value '0s' for '--compile-time-limit <DURATION>': a duration is written like `300ms`, `5s` or `1h30m`
        exit Some(1); stdout: A stream processor that calls WebAssembly modules, with Bento's configs
        $ wappa inspect
        Usage error: the following required arguments were not provided: <MODULE>
        exit Some(1); stdout: A stream processor that calls WebAssembly modules, with Bento's configs
    "#]].assert_eq(&all);
}

#[test]
fn lists() {
    let commands = [
        "list scanners metrics",
        "list --format json scanners metrics",
        "list --format JSON nope",
        "list nope",
    ];
    check(
        &Program::new("list"),
        &commands,
        expect![[r#"
        $ wappa list scanners metrics
        exit 0
        --- stdout
        Metrics:
          - logger
          - none

        Scanners:
          - chunker
          - lines
          - to_the_end

        $ wappa list --format json scanners metrics
        exit 0
        --- stdout
        {"metrics":["logger","none"],"scanners":["chunker","lines","to_the_end"]}

        $ wappa list --format JSON nope
        exit 0
        --- stdout
        {}

        $ wappa list nope
        exit 0

    "#]],
    );
}

#[test]
fn configs_that_cannot_be_read() {
    let aliases = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n\
                   d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e]\n";
    let program = Program::new("unreadable")
        .file("dir/x.txt", "")
        .file("empty.yaml", "")
        .file("comment.yaml", "# nothing\n")
        .file("text.yaml", "hello\n")
        .file("list.yaml", "- a\n")
        .file("binary.yaml", b"\x7fELF\x02\x01\x01\x00\x00")
        .file("latin.yaml", b"input: \xe4\n")
        .file("brackets.yaml", vec![b'['; 10 << 20])
        .file("aliases.yaml", aliases)
        .file("twice.yaml", "output: {drop: {}}\noutput: {stdout: {}}\n")
        .file("tab.yaml", "input:\n\tstdin: {}\n")
        .file("open.yaml", "input: {stdin: [}\n")
        .file(
            "unknown.yaml",
            "pipeline:\n  processors:\n    - nope: {}\n      label: x\noutput:\n  stdot: {}\n",
        )
        .stdin("a\n");
    let names = [
        "dir",
        "nope.yaml",
        "empty.yaml",
        "comment.yaml",
        "text.yaml",
        "list.yaml",
        "binary.yaml",
        "latin.yaml",
        "brackets.yaml",
        "aliases.yaml",
        "twice.yaml",
        "tab.yaml",
        "open.yaml",
        "unknown.yaml",
    ];
    let commands = names.map(|it| [format!("lint {it}"), format!("-c {it}")]).concat();
    let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
    check(
        &program,
        &commands,
        expect![[r#"
        $ wappa lint dir
        exit 1
        --- stderr
        dir(1,1) read dir: is a directory

        $ wappa -c dir
        exit 1
        --- stderr
        Configuration file read error: dir: read dir: is a directory

        $ wappa lint nope.yaml
        exit 1
        --- stderr
        nope.yaml(1,1) open nope.yaml: no such file or directory

        $ wappa -c nope.yaml
        exit 1
        --- stderr
        Configuration file read error: nope.yaml: open nope.yaml: no such file or directory

        $ wappa lint empty.yaml
        exit 1
        --- stderr
        empty.yaml(0,1) expected object value, got !!null

        $ wappa -c empty.yaml
        exit 1
        --- stderr
        level=info msg="Running main config from specified file" @service=wappa path=empty.yaml wappa_version=VERSION
        level=error msg="Config lint error" @service=wappa lint="empty.yaml(0,1) expected object value, got !!null"
        level=error msg="Shutting down due to linter errors, to prevent shutdown run Wappa with --chilled" @service=wappa

        $ wappa lint comment.yaml
        exit 1
        --- stderr
        comment.yaml(0,1) expected object value, got !!null

        $ wappa -c comment.yaml
        exit 1
        --- stderr
        level=info msg="Running main config from specified file" @service=wappa path=comment.yaml wappa_version=VERSION
        level=error msg="Config lint error" @service=wappa lint="comment.yaml(0,1) expected object value, got !!null"
        level=error msg="Shutting down due to linter errors, to prevent shutdown run Wappa with --chilled" @service=wappa

        $ wappa lint text.yaml
        exit 1
        --- stderr
        text.yaml(1,1) expected object value, got !!str

        $ wappa -c text.yaml
        exit 1
        --- stderr
        level=info msg="Running main config from specified file" @service=wappa path=text.yaml wappa_version=VERSION
        level=error msg="Config lint error" @service=wappa lint="text.yaml(1,1) expected object value, got !!str"
        level=error msg="Shutting down due to linter errors, to prevent shutdown run Wappa with --chilled" @service=wappa

        $ wappa lint list.yaml
        exit 1
        --- stderr
        list.yaml(1,1) expected object value, got !!seq

        $ wappa -c list.yaml
        exit 1
        --- stderr
        level=info msg="Running main config from specified file" @service=wappa path=list.yaml wappa_version=VERSION
        level=error msg="Config lint error" @service=wappa lint="list.yaml(1,1) expected object value, got !!seq"
        level=error msg="Shutting down due to linter errors, to prevent shutdown run Wappa with --chilled" @service=wappa

        $ wappa lint binary.yaml
        exit 1
        --- stderr
        binary.yaml(1,1) yaml: line 1: unexpected character: `\u{7f}'

        $ wappa -c binary.yaml
        exit 1
        --- stderr
        Configuration file read error: binary.yaml: yaml: line 1: unexpected character: `\u{7f}'

        $ wappa lint latin.yaml
        exit 1
        --- stderr
        latin.yaml(1,1) detected invalid utf-8 encoding in config

        $ wappa -c latin.yaml
        exit 1
        --- stderr
        Configuration file read error: latin.yaml: detected invalid utf-8 encoding in config

        $ wappa lint brackets.yaml
        exit 1
        --- stderr
        brackets.yaml(1,1) yaml: line 1: nested more than 100 levels deep

        $ wappa -c brackets.yaml
        exit 1
        --- stderr
        Configuration file read error: brackets.yaml: yaml: line 1: nested more than 100 levels deep

        $ wappa lint aliases.yaml
        exit 1
        --- stderr
        aliases.yaml(5,1) yaml: line 5: anchors and aliases expand to more than 100000 nodes or 16 MiB of text

        $ wappa -c aliases.yaml
        exit 1
        --- stderr
        Configuration file read error: aliases.yaml: yaml: line 5: anchors and aliases expand to more than 100000 nodes or 16 MiB of text

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
        level=info msg="Launching a Wappa instance, use CTRL+C to close" @service=wappa
        level=info msg="Input type stdin is now active" @service=wappa label="" path=root.input
        level=info msg="Output type stdout is now active" @service=wappa label="" path=root.output
        level=info msg="Pipeline has terminated. Shutting down the service" @service=wappa

        $ wappa lint tab.yaml
        exit 1
        --- stderr
        tab.yaml(2,1) yaml: line 2: found a tab where only spaces may indent

        $ wappa -c tab.yaml
        exit 1
        --- stderr
        Configuration file read error: tab.yaml: yaml: line 2: found a tab where only spaces may indent

        $ wappa lint open.yaml
        exit 1
        --- stderr
        open.yaml(1,1) yaml: line 1: mismatched bracket '[' closed by '}'

        $ wappa -c open.yaml
        exit 1
        --- stderr
        Configuration file read error: open.yaml: yaml: line 1: mismatched bracket '[' closed by '}'

        $ wappa lint unknown.yaml
        exit 1
        --- stderr
        unknown.yaml(3,1) unable to infer processor type from candidates: [nope]
        unknown.yaml(6,1) unable to infer output type from candidates: [stdot]

        $ wappa -c unknown.yaml
        exit 1
        --- stderr
        Configuration file read error: unknown.yaml: (3,1) unable to infer processor type from candidates: [nope]
        Configuration file read error: unknown.yaml: (6,1) unable to infer output type from candidates: [stdot]

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
      wasm: {}
    - label: x
      noop: {}
    - noop: {}
      extra: 1
    - branch: {}
output:
  stdout: {codec: lines, nope: 1}
  processors: []
processor_resources:
  - noop: {}
logger: {level: nope, formt: json}
shutdown_timeout: soon
";

#[test]
fn ten_mistakes() {
    let program = Program::new("mistakes").file("a.yaml", MISTAKES);
    check(
        &program,
        &["lint a.yaml", "-c a.yaml"],
        expect![[r#"
            $ wappa lint a.yaml
            exit 1
            --- stderr
            a.yaml(2,1) field path not recognised
            a.yaml(3,1) invalid label 'Bad-Label': should match the regular expression /^[a-z0-9_]+$/ and must not start with an underscore
            a.yaml(5,1) field thread not recognised
            a.yaml(8,1) field module_path is required
            a.yaml(9,1) label 'x' collides with a previously defined label at line 7
            a.yaml(12,1) field extra is invalid when the component type is noop (processor)
            a.yaml(13,1) `branch` is a Bento processor that Wappa does not have yet
            a.yaml(15,1) field nope not recognised
            a.yaml(16,1) field processors is empty and can be removed
            a.yaml(18,1) the label field for resources must be unique and not empty
            a.yaml(19,1) field formt not recognised
            a.yaml(19,1) log level nope is not known, INFO is used
            a.yaml(20,1) expected duration value, got `soon`

            $ wappa -c a.yaml
            exit 1
            --- stderr
            level=info msg="Running main config from specified file" @service=wappa path=a.yaml wappa_version=VERSION
            level=error msg="Config lint error" @service=wappa hint="did you mean `paths`?" lint="a.yaml(2,1) field path not recognised"
            level=error msg="Config lint error" @service=wappa lint="a.yaml(3,1) invalid label 'Bad-Label': should match the regular expression /^[a-z0-9_]+$/ and must not start with an underscore"
            level=error msg="Config lint error" @service=wappa hint="did you mean `threads`?" lint="a.yaml(5,1) field thread not recognised"
            level=error msg="Config lint error" @service=wappa lint="a.yaml(8,1) field module_path is required"
            level=error msg="Config lint error" @service=wappa lint="a.yaml(9,1) label 'x' collides with a previously defined label at line 7"
            level=error msg="Config lint error" @service=wappa lint="a.yaml(12,1) field extra is invalid when the component type is noop (processor)"
            level=error msg="Config lint error" @service=wappa hint="Wappa has the processors: catch, for_each, log, noop, processors, resource, sleep, try, wasm" lint="a.yaml(13,1) `branch` is a Bento processor that Wappa does not have yet"
            level=error msg="Config lint error" @service=wappa lint="a.yaml(15,1) field nope not recognised"
            level=error msg="Config lint error" @service=wappa lint="a.yaml(16,1) field processors is empty and can be removed"
            level=error msg="Config lint error" @service=wappa lint="a.yaml(18,1) the label field for resources must be unique and not empty"
            level=error msg="Config lint error" @service=wappa hint="did you mean `format`?" lint="a.yaml(19,1) field formt not recognised"
            level=warning msg="Config lint warning" @service=wappa hint="one of: OFF, FATAL, ERROR, WARN, INFO, DEBUG, TRACE, ALL, NONE" lint="a.yaml(19,1) log level nope is not known, INFO is used"
            level=error msg="Config lint error" @service=wappa hint="a duration is written like `300ms`, `5s` or `1h30m`" lint="a.yaml(20,1) expected duration value, got `soon`"
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
        "lint off.yaml",
        "-c configs/bad.yml -r more.yaml lint",
        "lint -r more.yaml",
    ];
    check(
        &program,
        &commands,
        expect![[r#"
            $ wappa lint
            exit 0

            $ wappa lint good.yaml
            exit 0

            $ wappa lint configs/...
            exit 1
            --- stderr
            configs/bad.yml(1,1) field outpt not recognised
            configs/deep/bad.yaml(1,1) unable to infer input type from candidates: [stdn]

            $ wappa lint configs/*.yml configs/**/*.yaml nothing*.yaml
            exit 1
            --- stderr
            configs/bad.yml(1,1) field outpt not recognised
            configs/deep/bad.yaml(1,1) unable to infer input type from candidates: [stdn]

            $ wappa lint old.yaml
            exit 0
            --- stdout
            old.yaml(1,1) field codec is deprecated

            $ wappa lint old.yaml configs/bad.yml
            exit 1
            --- stderr
            old.yaml(1,1) field codec is deprecated
            configs/bad.yml(1,1) field outpt not recognised

            $ wappa lint --deprecated old.yaml
            exit 1
            --- stderr
            old.yaml(1,1) field codec is deprecated

            $ wappa lint --labels label.yaml
            exit 1
            --- stderr
            label.yaml(2,1) label is required for drop

            $ wappa lint env.yaml
            exit 1
            --- stderr
            env.yaml(1,1) required environment variables were not set: [WAPPA_TEST_NOT_SET]

            $ wappa lint --skip-env-var-check env.yaml
            exit 0

            $ wappa lint doc.md
            exit 1
            --- stderr
            doc.md(4,1) field outpt not recognised
            doc.md(8,1) field nope not recognised

            $ wappa lint off.yaml
            exit 0

            $ wappa -c configs/bad.yml -r more.yaml lint
            exit 1
            --- stderr
            configs/bad.yml(1,1) field outpt not recognised
            more.yaml(1,1) field x not recognised
            more.yaml(2,1) field outpt not recognised

            $ wappa lint -r more.yaml
            exit 1
            --- stderr
            more.yaml(1,1) field x not recognised
            more.yaml(2,1) field outpt not recognised

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
        level=info msg="Launching a Wappa instance, use CTRL+C to close" @service=wappa
        level=info msg="Input type stdin is now active" @service=wappa label="" path=root.input
        level=info msg="Output type drop is now active" @service=wappa label="" path=root.output
        level=info msg="Pipeline has terminated. Shutting down the service" @service=wappa

        $ wappa run a.yaml
        exit 0
        --- stdout
        level=info msg="Running main config from specified file" @service=wappa path=a.yaml wappa_version=VERSION
        level=info msg="Launching a Wappa instance, use CTRL+C to close" @service=wappa
        level=info msg="Input type stdin is now active" @service=wappa label="" path=root.input
        level=info msg="Output type drop is now active" @service=wappa label="" path=root.output
        level=info msg="Pipeline has terminated. Shutting down the service" @service=wappa

        $ wappa -c a.yaml -s output.stdout.codec=lines
        exit 1
        --- stderr
        Configuration file read error: a.yaml: (1,1) unable to infer output type, multiple candidates 'drop' and 'stdout'

        $ wappa -c a.yaml -s output.type=stdout,pipeline.threads=1
        exit 1
        --- stderr
        level=info msg="Running main config from specified file" @service=wappa path=a.yaml wappa_version=VERSION
        level=error msg="Config lint error" @service=wappa lint="a.yaml(1,1) field drop is invalid when the component type is stdout (output)"
        level=error msg="Shutting down due to linter errors, to prevent shutdown run Wappa with --chilled" @service=wappa

        $ wappa -c a.yaml -s nope
        exit 1
        --- stderr
        Configuration file read error: a.yaml: invalid set expression 'nope': expected foo=bar syntax

        $ wappa -c a.yaml -s nope=1
        exit 1
        --- stderr
        Configuration file read error: a.yaml: failed to set config field override: nope: field not recognised

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
        level=info msg="Launching a Wappa instance, use CTRL+C to close" @service=wappa
        level=info msg="Input type stdin is now active" @service=wappa label=from_file path=root.input
        level=info msg="Output type stdout is now active" @service=wappa label="" path=root.output
        level=info msg="Pipeline has terminated. Shutting down the service" @service=wappa

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
        level=info msg="Launching a Wappa instance, use CTRL+C to close" @service=wappa
        level=info msg="Input type stdin is now active" @service=wappa label=from_second path=root.input
        level=info msg="Output type stdout is now active" @service=wappa label="" path=root.output
        level=info msg="Pipeline has terminated. Shutting down the service" @service=wappa

        $ wappa -c set.yaml -e nope.env
        exit 1
        --- stderr
        Failed to read dotenv file: open nope.env: no such file or directory

        $ wappa -c a.yaml -r more.yaml
        exit 0
        --- stdout
        level=info msg="Running main config from specified file" @service=wappa path=a.yaml wappa_version=VERSION
        level=info msg="Launching a Wappa instance, use CTRL+C to close" @service=wappa
        level=info msg="Input type stdin is now active" @service=wappa label="" path=root.input
        level=info msg="Output type drop is now active" @service=wappa label="" path=root.output
        level=info msg="Pipeline has terminated. Shutting down the service" @service=wappa

        $ wappa -c a.yaml -r more.yaml -r same.yaml
        exit 1
        --- stdout
        level=info msg="Running main config from specified file" @service=wappa path=a.yaml wappa_version=VERSION
        level=error msg="Service closing due to: processor resource label 'r' collides with a previously defined resource" @service=wappa

        $ wappa -c a.yaml -r stream.yaml
        exit 1
        --- stdout
        level=info msg="Running main config from specified file" @service=wappa path=a.yaml wappa_version=VERSION
        level=error msg="Config lint error" @service=wappa lint="stream.yaml(1,1) field output not recognised"
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
    let commands = ["-c a.yaml", "-c a.yaml --chilled", "-c empty.yaml --chilled"];
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
            level=info msg="Launching a Wappa instance, use CTRL+C to close" @service=wappa
            level=info msg="Input type stdin is now active" @service=wappa label="" path=root.input
            level=info msg="Output type stdout is now active" @service=wappa label="" path=root.output
            level=info msg="Pipeline has terminated. Shutting down the service" @service=wappa

            $ wappa -c empty.yaml --chilled
            exit 1
            --- stderr
            level=info msg="Running main config from specified file" @service=wappa path=empty.yaml wappa_version=VERSION
            level=error msg="Config lint error" @service=wappa lint="empty.yaml(0,1) expected object value, got !!null"
            level=error msg="Shutting down: no sense can be made of the config" @service=wappa

        "#]],
    );
}

#[test]
fn logs() {
    let program = Program::new("logs")
        .file("file.yaml", "output: {file: {path: out.txt, codec: lines}}\n")
        .file(
            "json.yaml",
            "logger: {format: json, level_name: lv, message_name: text, static_fields: {a: b}}\n",
        )
        .file("to_file.yaml", "logger: {file: {path: log.txt}}\n")
        .file("bad.yaml", "logger: {file: {path: no/such/log.txt}}\n")
        .stdin("a\n");
    let commands = [
        "-c file.yaml",
        "-c json.yaml --log.level info",
        "-c to_file.yaml",
        "-c to_file.yaml",
        "-c bad.yaml",
    ];
    check(
        &program,
        &commands,
        expect![[r#"
            $ wappa -c file.yaml
            exit 0
            --- stdout
            level=info msg="Running main config from specified file" @service=wappa path=file.yaml wappa_version=VERSION
            level=info msg="Launching a Wappa instance, use CTRL+C to close" @service=wappa
            level=info msg="Input type stdin is now active" @service=wappa label="" path=root.input
            level=info msg="Output type file is now active" @service=wappa label="" path=root.output
            level=info msg="Pipeline has terminated. Shutting down the service" @service=wappa

            $ wappa -c json.yaml --log.level info
            exit 0
            --- stdout
            a
            --- stderr
            {"a":"b","lv":"info","path":"json.yaml","text":"Running main config from specified file","wappa_version":"VERSION"}
            {"a":"b","lv":"info","text":"Launching a Wappa instance, use CTRL+C to close"}
            {"a":"b","label":"","lv":"info","path":"root.input","text":"Input type stdin is now active"}
            {"a":"b","label":"","lv":"info","path":"root.output","text":"Output type stdout is now active"}
            {"a":"b","lv":"info","text":"Pipeline has terminated. Shutting down the service"}

            $ wappa -c to_file.yaml
            exit 0
            --- stdout
            a

            $ wappa -c to_file.yaml
            exit 0
            --- stdout
            a

            $ wappa -c bad.yaml
            exit 1
            --- stdout
            Failed to create logger: opening the log file `no/such/log.txt`: no such file or directory

        "#]],
    );
    let lines = std::fs::read_to_string(program.dir().join("log.txt")).expect("the log was written");
    assert_eq!(lines.matches("Launching a Wappa instance").count(), 2, "{lines}");
}

#[test]
fn metrics_go_to_the_log() {
    let program =
        Program::new("metrics").file("a.yaml", "metrics: {logger: {}}\noutput: {drop: {}}\n").stdin("a\nb\n");
    let text = program.run(&["-c", "a.yaml"]).to_string();
    let without_times = |line: &str| match line.split_once(" p50=") {
        Some((head, tail)) => {
            let (_, path) = tail.split_once(" path=").unwrap_or_default();
            format!("{head} p50=… p90=… p99=… path={path}\n")
        }
        None => format!("{line}\n"),
    };
    let text: String = text.lines().map(without_times).collect();
    expect![[r#"
        exit 0
        --- stdout
        level=info msg="Running main config from specified file" @service=wappa path=a.yaml wappa_version=VERSION
        level=info msg="Launching a Wappa instance, use CTRL+C to close" @service=wappa
        level=info msg="Input type stdin is now active" @service=wappa label="" path=root.input
        level=info msg="Output type drop is now active" @service=wappa label="" path=root.output
        level=info msg="Pipeline has terminated. Shutting down the service" @service=wappa
        level=info msg="Counter metric" @service=wappa label="" name=input_connection_failed path=root.input value=0
        level=info msg="Counter metric" @service=wappa label="" name=input_connection_lost path=root.input value=0
        level=info msg="Counter metric" @service=wappa label="" name=input_connection_up path=root.input value=1
        level=info msg="Counter metric" @service=wappa label="" name=input_received path=root.input value=2
        level=info msg="Counter metric" @service=wappa label="" name=input_replayed path=root.input value=0
        level=info msg="Counter metric" @service=wappa label="" name=output_batch_sent path=root.output value=2
        level=info msg="Counter metric" @service=wappa label="" name=output_connection_failed path=root.output value=0
        level=info msg="Counter metric" @service=wappa label="" name=output_connection_lost path=root.output value=0
        level=info msg="Counter metric" @service=wappa label="" name=output_connection_up path=root.output value=1
        level=info msg="Counter metric" @service=wappa label="" name=output_error path=root.output value=0
        level=info msg="Counter metric" @service=wappa label="" name=output_sent path=root.output value=2
        level=info msg="Timing metric" @service=wappa label="" name=input_latency_ns p50=… p90=… p99=… path=root.input
        level=info msg="Timing metric" @service=wappa label="" name=output_latency_ns p50=… p90=… p99=… path=root.output
    "#]].assert_eq(&text);
}

#[test]
fn a_source_that_fails_is_a_failure() {
    let program = Program::new("failure")
        .file(
            "a.yaml",
            "input: {file: {paths: [long.txt, good.txt], scanner: {lines: {max_buffer_size: 4}}}}\n",
        )
        .file("long.txt", "ab\ncdefghij\nkl\n")
        .file("good.txt", "mn\n");
    check(
        &program,
        &["-c a.yaml"],
        expect![[r#"
        $ wappa -c a.yaml
        exit 1
        --- stdout
        ab
        mn
        --- stderr
        level=info msg="Running main config from specified file" @service=wappa path=a.yaml wappa_version=VERSION
        level=info msg="Launching a Wappa instance, use CTRL+C to close" @service=wappa
        level=info msg="Input type file is now active" @service=wappa label="" path=root.input
        level=info msg="Output type stdout is now active" @service=wappa label="" path=root.output
        level=error msg="Failed to read message: read long.txt: at byte 3: a line is longer than 4 bytes: raise `max_buffer_size` of the scanner `lines`" @service=wappa label="" path=root.input
        level=info msg="Pipeline has terminated. Shutting down the service" @service=wappa
        level=error msg="1 sources could not be read to their end" @service=wappa

    "#]],
    );
}

#[test]
fn a_signal_stops_an_idle_stream() {
    for (signal, name) in
        [(rustix::process::Signal::TERM, "SIGTERM"), (rustix::process::Signal::INT, "SIGINT")]
    {
        let program = Program::new(name).file("a.yaml", "shutdown_delay: 1ms\n");
        let mut child = program.start(&["-c", "a.yaml"]);
        let mut stdin = child.stdin.take().expect("it is piped");
        let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut stderr = BufReader::new(child.stderr.take().expect("it is piped"));
        stdin.write_all(b"a\n").expect("it is read");
        assert_eq!(read_until(&mut stdout, "\n"), "a\n");
        read_until(&mut stderr, "Input type stdin is now active");
        rustix::process::kill_process(rustix::process::Pid::from_child(&child), signal).expect("it runs");
        let rest = read_until(&mut stderr, "Shutdown delay is in effect for 1ms");
        assert!(rest.contains(&format!("Received {name}, the service is closing")), "{rest}");
        // Standard input is still open: the end must not depend on it.
        assert_eq!(wait(child).code(), Some(0));
        drop(stdin);
    }
}

#[test]
fn an_output_that_nobody_reads_ends_quietly() {
    let program = Program::new("closed").file("in.txt", "a\n".repeat(100_000));
    let program = program.file("a.yaml", "input: {file: {paths: [in.txt]}}\n");
    let mut child = program.start(&["-c", "a.yaml"]);
    let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
    assert_eq!(read_until(&mut stdout, "\n"), "a\n");
    drop(stdout);
    // Nobody reads the log either.
    drop(child.stderr.take());
    assert_eq!(wait(child).code(), Some(0));
}

#[test]
fn nobody_needs_to_read_what_a_command_prints() {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_wappa"));
    let mut child =
        command.arg("--help").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}
