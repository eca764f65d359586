//! The command line as its users meet it: what goes in, what comes out, and the exit code.

use std::io::{BufReader, Write};

use expect_test::expect;

mod support;

use support::{Program, check, read_until, wait};

#[test]
fn help_and_version() {
    let commands = ["--version", "-v", "--help", "lint --help", "compile --help", "inspect --help"];
    check(
        &Program::new("help"),
        &commands,
        expect![[r#"
            $ wappa --version
            exit 0
            --- stdout
            Version: VERSION
            Date: DATE
            Commit: COMMIT

            $ wappa -v
            exit 0
            --- stdout
            Version: VERSION
            Date: DATE
            Commit: COMMIT

            $ wappa --help
            exit 0
            --- stdout
            A stream processor that calls WebAssembly modules, with Bento's configs

            Usage: wappa [OPTIONS] [COMMAND]

            Commands:
              run          Run a config
              streams      Run many streams in one process, which come and go through an HTTP API
              lint         Check configs, and say all that is wrong with them
              test         Run the tests of configs
              ping         Ask whether a running stream answers
              tap          Show messages of a component of a running stream, as they come by
              top          Show what the components of a running stream do, and what waits for them
              list         List the components that there are
              create       Print a config to begin with, out of the names of components
              explain      Say what a field or a component is
              graph        Draw a config, as a flowchart in Mermaid's language or as a picture
              blobl        Execute a mapping on documents, one a line, that are read from standard input
              diff         Run one input through two configs or two programs, and show the first message that
                           differs
              echo         Print the config as it is understood, with its defaults and without its secrets
              replay       Run failed messages through a config again
              compile      Compile modules before they are needed, and keep the code where a stream finds it
              inspect      Say what a WebAssembly module is, and whether it can run here
              new          Begin a project of a guest
              call         Call a guest with a few messages, and show all that comes of it
              bench        Measure how fast a guest is, and whether it keeps its memory
              dev          Build a guest's project and run its fixtures, again after each change
              completions  Print a script with which a shell completes this program's command line
              man          Print a page of the manual
              help         Print this message or the help of the given subcommand(s)

            Options:
              -v, --version                    Print the version, then exit [alias: -V]
              -c, --config <PATH>              A path to a configuration file
              -r, --resources <GLOB>           Add the resources of more files; a pattern needs quotes
              -e, --env-file <GLOB>            Read environment variables from dotenv files; they win over those
                                               that are set
                  --log.level <LEVEL>          Override the configured log level: off, error, warn, info, debug,
                                               trace
              -s, --set <PATH=VALUE>           Set a field of the main config by its dot path, e.g.
                                               "pipeline.threads=1"
                  --chilled                    Run a config that has lint errors
                  --restricted                 Refuse what a config that is not trusted must not see: files,
                                               programs and environment variables of the machine
                  --exit-non-zero-on-failure   Exit with 2 if messages failed in a processor and nothing caught
                                               that
              -w, --watcher                    Watch the config, its resources, mappings and modules, and go on
                                               with them when they have changed
                  --guest-memory-limit <SIZE>  The memory that all guests together may make the process hold
                                               [default: three quarters of the machine's, or of the control
                                               group's]
              -h, --help                       Print help

            Compiling modules:
                  --compile-cpu-limit <DURATION>   The processor time that compiling one module may take
                                                   [default: 120s]
                  --compile-time-limit <DURATION>  The time that compiling one module may take [default: 60s]
                  --compile-memory-limit <SIZE>    The memory that compiling one module may take [default: 2GiB]
                  --compile-cache <DIR>            Where compiled code is kept [default: `wappa` in
                                                   $XDG_CACHE_HOME or ~/.cache]
                  --compile-cache-limit <SIZE>     How much compiled code is kept [default: 1GiB]
                  --no-compile-cache               Keep no compiled code, and use none that was kept

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
                  --deprecated                 Treat the use of deprecated fields as an error
                  --labels                     Demand a label of every component
                  --portable                   Treat fields and components that Bento does not have as an error
                  --skip-env-var-check         Do not demand that environment variables without a default are
                                               set
                  --restricted                 Lint configs as those that are not trusted, the flag of `run`
                  --guest-memory-limit <SIZE>  Say which configs have guests that may want more than this
                                               together, the flag of `run`
                  --format <FORMAT>            How to print what is wrong: for people, as a list of objects, or
                                               as annotations of GitHub's workflows [default: text] [possible
                                               values: text, json, github]
              -c, --config <PATH>              A path to a configuration file
              -r, --resources <GLOB>           Add the resources of more files; a pattern needs quotes
              -e, --env-file <GLOB>            Read environment variables from dotenv files; they win over those
                                               that are set
              -h, --help                       Print help

            $ wappa compile --help
            exit 0
            --- stdout
            Compile modules before they are needed, and keep the code where a stream finds it

            Usage: wappa compile [OPTIONS] [MODULES]...

            Arguments:
              [MODULES]...  Modules: `.wasm` files, or WebAssembly text. Without one, all modules of the config

            Options:
              -s, --set <PATH=VALUE>  Set a field of the config by its dot path, as for `run`
              -c, --config <PATH>     A path to a configuration file
              -r, --resources <GLOB>  Add the resources of more files; a pattern needs quotes
              -e, --env-file <GLOB>   Read environment variables from dotenv files; they win over those that are
                                      set
              -h, --help              Print help

            Compiling modules:
                  --compile-cpu-limit <DURATION>   The processor time that compiling one module may take
                                                   [default: 120s]
                  --compile-time-limit <DURATION>  The time that compiling one module may take [default: 60s]
                  --compile-memory-limit <SIZE>    The memory that compiling one module may take [default: 2GiB]
                  --compile-cache <DIR>            Where compiled code is kept [default: `wappa` in
                                                   $XDG_CACHE_HOME or ~/.cache]
                  --compile-cache-limit <SIZE>     How much compiled code is kept [default: 1GiB]
                  --no-compile-cache               Keep no compiled code, and use none that was kept

            A stream whose modules are in the cache starts without compiling anything. When you build an image,
            compile on a processor like the one that will run it, and give the stream the same flags for the
            cache.

            Prints a line for each module. A module that fails does not keep the others from being compiled.

              wappa compile ./upper.wasm
              wappa compile -c ./config.yaml
              wappa compile -c ./config.yaml --compile-cache /var/cache/wappa

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
                  --json                 Print the facts and the problems as JSON
              -h, --help                 Print help

        "#]],
    );
}

#[test]
fn what_is_not_there_is_refused() {
    let program = Program::new("refused")
        .file("a.yaml", "{}")
        .file("a.wasm", "\0asm\x01\0\0\0")
        .file("a.wat", "(module)");
    let first_lines = |command: &str| {
        let arguments: Vec<&str> = command.split_whitespace().collect();
        let ended = program.run(&arguments);
        let help = ended.stdout.lines().next().unwrap_or_default();
        format!("$ wappa {command}\n{}exit {:?}; stdout: {help}\n", ended.stderr, ended.code)
    };
    let commands = [
        "nope",
        "a.yaml",
        "callx",
        "a.wasm",
        "a.wat",
        "run a.wasm",
        "-c a.wat",
        "lint a.wasm",
        "--badflag",
        "-c a.yaml --confg x",
        "-c",
        "lint --lables",
        "list --format nope",
        "run a.yaml b.yaml",
        "-t x.yaml",
        "create nope",
        "--compile-time-limit 0s",
        "inspect",
    ];
    let all = commands.map(first_lines).concat();
    expect![[r#"
        $ wappa nope
        Unrecognised command: nope
        hint: `wappa --help` shows the commands
        exit Some(1); stdout: 
        $ wappa a.yaml
        Unrecognised command: a.yaml
        hint: to run a config: wappa run a.yaml
        exit Some(1); stdout: 
        $ wappa callx
        Unrecognised command: callx
        hint: did you mean `call`?
        exit Some(1); stdout: 
        $ wappa a.wasm
        Unrecognised command: a.wasm
        hint: to call a module with messages: wappa call a.wasm
        hint: to see what a module is: wappa inspect a.wasm
        exit Some(1); stdout: 
        $ wappa a.wat
        Unrecognised command: a.wat
        hint: to call a module with messages: wappa call a.wat
        hint: to see what a module is: wappa inspect a.wat
        exit Some(1); stdout: 
        $ wappa run a.wasm
        Configuration file read error: a.wasm: this is a WebAssembly module, not a config
          hint: to call it with messages: wappa call a.wasm; a config names it in `module_path`
        exit Some(1); stdout: 
        $ wappa -c a.wat
        Configuration file read error: a.wat: this is a WebAssembly module, not a config
          hint: to call it with messages: wappa call a.wat; a config names it in `module_path`
        exit Some(1); stdout: 
        $ wappa lint a.wasm
        a.wasm(1,1) this is a WebAssembly module, not a config
          hint: to call it with messages: wappa call a.wasm; a config names it in `module_path`
        exit Some(1); stdout: 
        $ wappa --badflag
        Usage error: flag provided but not defined: -badflag
        hint: `wappa --help` shows the flags
        exit Some(1); stdout: 
        $ wappa -c a.yaml --confg x
        Usage error: flag provided but not defined: -confg
        hint: did you mean `--config`?
        exit Some(1); stdout: 
        $ wappa -c
        Usage error: flag needs an argument: -config
        hint: `wappa --help` shows the flags
        exit Some(1); stdout: 
        $ wappa lint --lables
        Usage error: flag provided but not defined: -lables
        hint: did you mean `--labels`?
        exit Some(1); stdout: 
        $ wappa list --format nope
        Usage error: invalid value 'nope' for '--format <FORMAT>' [possible values: text, json, json-schema]
        hint: `wappa list --help` shows the flags
        exit Some(1); stdout: 
        $ wappa run a.yaml b.yaml
        A maximum of one config must be specified with the run command
        exit Some(1); stdout: 
        $ wappa -t x.yaml
        Wappa does not have `--templates` yet
        exit Some(1); stdout: 
        $ wappa create nope
        Generate error: unrecognised input type 'nope'
        hint: `wappa list inputs` names those that there are
        exit Some(1); stdout: 
        $ wappa --compile-time-limit 0s
        Usage error: invalid value '0s' for '--compile-time-limit <DURATION>': it is a time above zero, such as `300ms`, `5s` or `1h30m`
        hint: `wappa --help` shows the flags
        exit Some(1); stdout: 
        $ wappa inspect
        Usage error: the following required arguments were not provided: <MODULE>
        hint: `wappa inspect --help` shows the flags
        exit Some(1); stdout: 
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
              - json_api
              - logger
              - none
              - prometheus
              - statsd

            Scanners:
              - chunker
              - csv
              - decompress
              - json_documents
              - lines
              - re_match
              - skip_bom
              - switch
              - tar
              - to_the_end
              - xml_documents

            $ wappa list --format json scanners metrics
            exit 0
            --- stdout
            {"metrics":["json_api","logger","none","prometheus","statsd"],"scanners":["chunker","csv","decompress","json_documents","lines","re_match","skip_bom","switch","tar","to_the_end","xml_documents"]}

            $ wappa list --format JSON nope
            exit 1
            --- stderr
            there are no components of the kind `nope`
            hint: one of: inputs, processors, outputs, caches, rate-limits, buffers, metrics, tracers, scanners, bloblang-functions, bloblang-methods

            $ wappa list nope
            exit 1
            --- stderr
            there are no components of the kind `nope`
            hint: one of: inputs, processors, outputs, caches, rate-limits, buffers, metrics, tracers, scanners, bloblang-functions, bloblang-methods

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
            level=info msg="Listening for HTTP requests at: http://0.0.0.0:4195" @service=wappa
            level=info msg="Launching a Wappa instance, use CTRL+C to close" @service=wappa
            level=info msg="Input type stdin is now active" @service=wappa label="" path=root.input
            level=info msg="Output type file is now active" @service=wappa label="" path=root.output
            level=info msg="Pipeline has terminated. Shutting down the service" @service=wappa
            level=info msg="Messages of this run" @service=wappa duration=TIME failed=0 filtered=0 in=1 out=1 replayed=0

            $ wappa -c json.yaml --log.level info
            exit 0
            --- stdout
            a
            --- stderr
            {"a":"b","lv":"info","path":"json.yaml","text":"Running main config from specified file","wappa_version":"VERSION"}
            {"a":"b","lv":"info","text":"Listening for HTTP requests at: http://0.0.0.0:4195"}
            {"a":"b","lv":"info","text":"Launching a Wappa instance, use CTRL+C to close"}
            {"a":"b","label":"","lv":"info","path":"root.input","text":"Input type stdin is now active"}
            {"a":"b","label":"","lv":"info","path":"root.output","text":"Output type stdout is now active"}
            {"a":"b","lv":"info","text":"Pipeline has terminated. Shutting down the service"}
            {"a":"b","duration":"TIME","failed":"0","filtered":"0","in":"1","lv":"info","out":"1","replayed":"0","text":"Messages of this run"}

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
        level=info msg="Listening for HTTP requests at: http://0.0.0.0:4195" @service=wappa
        level=info msg="Launching a Wappa instance, use CTRL+C to close" @service=wappa
        level=info msg="Input type stdin is now active" @service=wappa label="" path=root.input
        level=info msg="Output type drop is now active" @service=wappa label="" path=root.output
        level=info msg="Pipeline has terminated. Shutting down the service" @service=wappa
        level=info msg="Messages of this run" @service=wappa duration=TIME failed=0 filtered=0 in=2 out=2 replayed=0
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
        level=info msg="Gauge metric" @service=wappa label="" name=input_unanswered path=root.input value=0
        level=info msg="Timing metric" @service=wappa label="" name=input_latency_ns p50=… p90=… p99=… path=root.input
        level=info msg="Timing metric" @service=wappa label="" name=output_latency_ns p50=… p90=… p99=… path=root.output
    "#]].assert_eq(&text);
}

#[test]
fn mistakes_are_blamed_on_where_they_are() {
    let program = Program::new("blamed")
        .file("a.yaml", "pipeline: {threads: 1}\n")
        .file("many.yaml", "pipeline: {threads: 100000}\n")
        .file("env.yaml", "output: {file: {path: out.txt}}\nlogger: {static_fields: {a: ${SECRET}}}\n")
        .file("d/a.txt", "")
        .env("SECRET", "p #ss");
    let commands = [
        "-c a.yaml -s pipeline.threads=many",
        "-c a.yaml -s pipline.threads=1",
        "lint many.yaml",
        "lint env.yaml",
        "lint",
        "lint *.nope",
        "lint d",
        "lint d/...",
        "--log.level loud",
        "lint --format json many.yaml",
        "lint --format github many.yaml env.yaml",
    ];
    check(
        &program,
        &commands,
        expect![[r#"
            $ wappa -c a.yaml -s pipeline.threads=many
            exit 1
            --- stderr
            level=info msg="Running main config from specified file" @service=wappa path=a.yaml wappa_version=VERSION
            level=error msg="Config lint error" @service=wappa lint="--set pipeline.threads: expected int value, got `many`"
            level=error msg="Shutting down due to linter errors, to prevent shutdown run Wappa with --chilled" @service=wappa

            $ wappa -c a.yaml -s pipline.threads=1
            exit 1
            --- stderr
            Configuration file read error: --set pipline.threads: failed to set config field override: pipline: field not recognised

            $ wappa lint many.yaml
            exit 1
            --- stderr
            many.yaml(1,21) a pipeline has at most 4096 threads, not 100000
              hint: more threads than the machine has processors seldom help: leave the field out

            $ wappa lint env.yaml
            exit 1
            --- stderr
            env.yaml(2,1) yaml: line 2: unclosed bracket '{'
              hint: what SECRET holds means something in YAML; put it in double quotes: "${SECRET}"

            $ wappa lint
            exit 1
            --- stderr
            Lint paths error: there is nothing to lint
            hint: name configs: wappa lint config.yaml, or all below a directory: wappa lint configs/...

            $ wappa lint *.nope
            exit 1
            --- stderr
            Lint paths error: `*.nope` finds no file

            $ wappa lint d
            exit 1
            --- stderr
            d(1,1) read d: is a directory
              hint: for all configs below it: wappa lint d/...

            $ wappa lint d/...
            exit 1
            --- stderr
            Lint paths error: `d/...` finds no `.yaml` or `.yml` file

            $ wappa --log.level loud
            exit 1
            --- stderr
            Usage error: invalid value 'loud' for '--log.level <LEVEL>': one of off, fatal, error, warn, info, debug, trace, all, none
            hint: `wappa --help` shows the flags

            $ wappa lint --format json many.yaml
            exit 1
            --- stdout
            [
              {
                "column": 21,
                "file": "many.yaml",
                "hint": "more threads than the machine has processors seldom help: leave the field out",
                "level": "error",
                "line": 1,
                "message": "a pipeline has at most 4096 threads, not 100000",
                "rule": "invalid-value"
              }
            ]

            $ wappa lint --format github many.yaml env.yaml
            exit 1
            --- stdout
            ::error file=many.yaml,line=1,col=21,title=invalid-value::a pipeline has at most 4096 threads, not 100000%0Ahint: more threads than the machine has processors seldom help: leave the field out
            ::error file=env.yaml,line=2,col=25,title=failed-read::yaml: line 2: unclosed bracket '{'%0Ahint: what SECRET holds means something in YAML; put it in double quotes: "${SECRET}"

        "#]],
    );
}

#[test]
fn the_log_keeps_out_of_the_messages() {
    let deep = "output: {fallback: [{reject_errored: {stdout: {}}}, {drop: {}}]}\n";
    let resource = "output: {resource: o}\noutput_resources: [{label: o, stdout: {}}]\n";
    for config in ["{}", deep, resource, "output: {file: {path: /dev/stdout}}\n"] {
        let ended = Program::new("log-target").file("a.yaml", config).stdin("a\n").run(&["-c", "a.yaml"]);
        assert_eq!(
            (ended.stdout.as_str(), ended.stderr.contains("msg=\"Messages of this run\"")),
            ("a\n", true),
            "{config}"
        );
    }
}

#[test]
fn totals() {
    let of = |input: &str, config: &str| {
        let guest = include_str!("../../../examples/poison.wat");
        let filter = r#"(module (import "wappa" "v1_filter" (func $f)) (import "wappa" "v1_emit" (func $e))
            (import "wappa" "v1_content_len" (func $n (result i32)))
            (func (export "process")
              (if (i32.eq (call $n) (i32.const 1)) (then (call $f)))
              (if (i32.eq (call $n) (i32.const 2)) (then (call $e)))))"#;
        let program = Program::new("totals").file("a.yaml", config).file("poison.wat", guest);
        let ended = program.file("filter.wat", filter).stdin(input).run(&["-c", "a.yaml"]);
        let line = format!("{}{}", ended.stdout, ended.stderr);
        let line =
            line.lines().find(|it| it.contains("Messages of this run")).unwrap_or_default().to_string();
        line.split_once(" failed=").map_or(line.clone(), |(_, it)| format!("failed={it}"))
    };
    let output = "output: {file: {path: out.txt}}\n";
    let poison = format!("pipeline: {{processors: [{{wasm: {{module_path: poison.wat}}}}]}}\n{output}");
    let caught = poison.replace("}]}", "}, {catch: []}]}");
    let filter = format!("pipeline: {{processors: [{{wasm: {{module_path: filter.wat}}}}]}}\n{output}");
    assert_eq!(of("a\nb\n", output), "failed=0 filtered=0 in=2 out=2 replayed=0");
    assert_eq!(of("a\n!trap\nb\n", &poison), "failed=1 filtered=0 in=3 out=3 replayed=0");
    assert_eq!(of("a\n!trap\nb\n", &caught), "failed=0 filtered=0 in=3 out=3 replayed=0");
    // One is filtered while another one is doubled.
    assert_eq!(of("a\nbb\nccc\n", &filter), "failed=0 filtered=1 in=3 out=3 replayed=0");
}

#[test]
fn every_metric_is_in_the_reference() {
    let counting = r#"(module
        (import "wappa" "v1_counter_add" (func $count (param i32 i32 i64)))
        (memory (export "memory") 1)
        (data (i32.const 0) "seen")
        (func (export "process") (call $count (i32.const 0) (i32.const 4) (i64.const 1))))"#;
    let config = "
input: {batched: {child: {stdin: {}}, policy: {count: 2}}}
pipeline: {processors: [{wasm: {module_path: a.wat, reload: true}}]}
output: {fallback: [{reject_errored: {file: {path: out.txt}}}, {drop: {}}]}
metrics: {logger: {}}
";
    let program = Program::new("every-metric").file("a.yaml", config).file("a.wat", counting).stdin("a\nb\n");
    let ended = program.run(&["-c", "a.yaml"]);
    let words = ended.stdout.split([' ', '\n']);
    let names: Vec<&str> = words.filter_map(|it| it.strip_prefix("name=")).collect();
    assert!(names.contains(&"wasm_guest_seen") && names.contains(&"batch_created"), "{ended}");
    let page = include_str!("../../../docs/reference/metrics.md");
    let is_known = |it: &&str| it.starts_with("wasm_guest_") || page.contains(&format!("| `{it}` |"));
    assert_eq!(names.iter().find(|it| !is_known(it)), None);
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
            level=info msg="Listening for HTTP requests at: http://0.0.0.0:4195" @service=wappa
            level=info msg="Launching a Wappa instance, use CTRL+C to close" @service=wappa
            level=info msg="Input type file is now active" @service=wappa label="" path=root.input
            level=info msg="Output type stdout is now active" @service=wappa label="" path=root.output
            level=error msg="Failed to read message: read long.txt: at byte 3: a line is longer than 4 bytes: raise `max_buffer_size` of the scanner `lines`" @service=wappa label="" path=root.input
            level=info msg="Pipeline has terminated. Shutting down the service" @service=wappa
            level=error msg="1 source could not be read to its end" @service=wappa
            level=info msg="Messages of this run" @service=wappa duration=TIME failed=0 filtered=0 in=2 out=2 replayed=0

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

/// The guest would take an hour to start, and a stop would wait for it.
#[test]
fn a_signal_ends_the_start_of_a_guest() {
    let guest = r#"(module
      (import "wappa" "v1_log" (func $log (param i32 i32 i32)))
      (memory (export "memory") 1)
      (data (i32.const 0) "it starts")
      (func (export "wappa_init") (result i32)
        (call $log (i32.const 2) (i32.const 0) (i32.const 9)) (loop $more (br $more)) (i32.const 0))
      (func (export "process")))"#;
    let config =
        "shutdown_timeout: 1h\npipeline: {processors: [{wasm: {module_path: g.wat, timeout: 1h}}]}\n";
    let program = Program::new("signal-at-start").file("g.wat", guest).file("a.yaml", config);
    let mut child = program.start(&["-c", "a.yaml"]);
    let mut stderr = BufReader::new(child.stderr.take().expect("it is piped"));
    read_until(&mut stderr, "it starts");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it runs");
    read_until(&mut stderr, "Received SIGTERM, the service is closing");
    assert_eq!(wait(child).code(), Some(0));
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
    let mut child = Program::new("unread-help").start(&["--help"]);
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}

/// A reset of the terminal, escape as one character, delete, an override of the direction, a line separator, a line break.
const HOSTILE: &str = "\u{1b}c\u{9b}2J\u{7f}\u{202e}\u{2028}\nforged: line";

#[test]
fn what_others_wrote_does_not_reach_a_terminal_as_it_is() {
    let quoted: String = HOSTILE.bytes().map(|it| format!("\\{it:02x}")).collect();
    let wat =
        format!(r#"(module (import "{quoted}" "{quoted}" (func)) (func (export "{quoted}") unreachable))"#);
    let trap = format!(r#"(module (func $"{quoted}" unreachable) (export "process" (func 0)))"#);
    let in_yaml = "\\ec\\x9b2J\\x7f\\u202e\\u2028\\nforged: line";
    let program = Program::new("printable")
        .file("bad.wat", wat)
        .file("trap.wat", trap)
        .file(&format!("{HOSTILE}.yaml"), "inputs: {}\n")
        .file(
            "a.yaml",
            format!(
                "\"{in_yaml}\": 1\npipeline:\n  processors:\n    - \"{in_yaml}\": {{}}\n\
                     - wasm: {{ module_path: \"{in_yaml}\", \"{in_yaml}\": 1 }}\n    - wasm: {{ module_path: bad.wat, function: \"{in_yaml}\" }}\n"
            ),
        )
        .stdin("x\n");
    let named = format!("{HOSTILE}.yaml");
    let commands: [&[&str]; 12] = [
        &["lint", "a.yaml"],
        &["lint", &named],
        &["-c", "a.yaml"],
        &["-c", &named],
        &["inspect", "bad.wat"],
        &["inspect", "--json", "bad.wat"],
        &["inspect", HOSTILE],
        &["call", "bad.wat"],
        &["call", "trap.wat"],
        &["call", "--json", "trap.wat"],
        &["bench", HOSTILE],
        &[HOSTILE],
    ];
    for arguments in commands {
        let told = program.run(arguments).to_string();
        let is_seen = |it: char| it == '\n' || wappa_spec::is_printable(it);
        assert!(told.chars().all(is_seen), "{arguments:?}: {told:?}");
        assert!(!told.contains("\nforged"), "{arguments:?}: {told}");
    }
}

/// An input that ends at once and begins again says so once in a while, and not each time.
#[test]
fn an_input_that_begins_again_and_again_does_not_flood_the_log() {
    for (path, text) in
        [("a.txt", "Input type file is now active"), ("missing.txt", "Failed to read message")]
    {
        let config = format!(
            "input:\n  read_until:\n    idle_timeout: 1h\n    restart_input: true\n    restart_backoff: {{max_interval: 1ms}}\n    \
             input:\n      sequence:\n        inputs: [{{file: {{paths: [{path}]}}}}, {{file: {{paths: [a.txt]}}}}]\n\
             output:\n  stdout: {{}}\n"
        );
        let program = Program::new("restarts").file("c.yaml", config).file("a.txt", "a\n");
        let mut child = program.start(&["-c", "c.yaml"]);
        let log = support::collect(child.stderr.take().expect("it is piped"));
        let mut out = BufReader::new(child.stdout.take().expect("it is piped"));
        (0..20).for_each(|_| drop(read_until(&mut out, "a\n")));
        // Nobody reads any more, which ends the stream.
        drop(out);
        wait(child);
        let log = log.join().expect("the log can be read");
        assert!(log.matches(text).count() <= 4, "{log}");
    }
}

/// A guest of v0 whose host functions fail goes on as if nothing were: the log says so at its default level, and is not
/// filled by it.
#[test]
fn host_functions_that_fail_with_every_message_do_not_fill_the_log() {
    const LINES: usize = 3000;
    let guest = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/guests/wild-pointer.wat");
    let config =
        format!("pipeline: {{processors: [wasm: {{module_path: {guest}}}]}}\noutput: {{drop: {{}}}}\n");
    let program = Program::new("wild").file("a.yaml", config).stdin(&"x\n".repeat(LINES));
    let ended = program.run(&["-c", "a.yaml"]);
    let told = ended.to_string();
    let failed = "level=error msg=\"host call: failed to read out-bound memory: prevented read";
    let n_told = told.matches(failed).count();
    let dropped = |line: &str| {
        let (before, _) = line.split_once(" about the guest dropped: over the rate of its log")?;
        before.rsplit('"').next()?.split(' ').next()?.parse::<usize>().ok()
    };
    // A slow machine may be in another second.
    assert!((100..LINES).contains(&n_told), "{n_told}: {told}");
    assert_eq!(n_told + told.lines().filter_map(dropped).sum::<usize>(), LINES, "{told}");
}

/// Another program runs the second side, in words of its own.
#[test]
fn a_config_is_compared_in_two_programs() {
    let config =
        "pipeline: {processors: [mapping: 'root = if content() == \"b\".bytes() { throw(\"no\") }']}";
    let program = Program::new("diff-with").file("a.yaml", config).file("in.txt", "a\nb\n");
    let other = env!("CARGO_BIN_EXE_wappa");
    let ended = program.run(&["diff", "in.txt", "a.yaml", "--with", other]);
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (Some(0), "no difference in 2 messages, of which 1 failed on both sides\n"),
        "{ended}"
    );
}

/// A full disk is told, whoever prints.
#[test]
fn what_cannot_be_written_is_no_success() {
    let program = Program::new("full")
        .file("a.yaml", "pipeline: {processors: [mapping: root = this]}\noutput: {drop: {}}\n")
        .file("in.txt", "{}\n")
        .file("failed.jsonl", "{\"content\":\"{}\"}\n")
        .file("good.yaml", "pipeline: {processors: []}\ntests: [{name: a, input_batch: [{content: a}]}]\n")
        .file(
            "bad.yaml",
            "pipeline: {processors: []}\ntests: [{name: a, output_batches: [[{content_equals: a}]]}]\n",
        );
    let commands = [
        "--version",
        "lint --help",
        "lint --format json a.yaml",
        "create stdin/noop/drop",
        "list inputs",
        "echo a.yaml",
        "explain noop",
        "completions bash",
        "man",
        "graph a.yaml",
        "run --dry-run --input in.txt a.yaml",
        "replay failed.jsonl a.yaml --at pipeline.processors.0",
        "diff in.txt a.yaml a.yaml",
        "test a.yaml",
        "test good.yaml",
        "test bad.yaml",
    ];
    for command in commands {
        let full = std::fs::File::options().write(true).open("/dev/full").expect("it is there");
        let arguments: Vec<&str> = command.split(' ').collect();
        let out = program.command(&arguments).stdout(full).output().expect("it can be run");
        let told = String::from_utf8_lossy(&out.stderr);
        let is_told = told.contains("writing standard output: no space left on device");
        assert!(is_told && out.status.code() == Some(1), "{command}: {:?} {told}", out.status.code());
    }
}
