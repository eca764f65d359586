//! What is printed of descriptions and of configs.

mod common;

use common::SPECS;
use expect_test::expect;
use wappa_spec::{ComponentKind, Registry, Source, Status, StreamConfig, docs, scrub};

fn spec(kind: ComponentKind, name: &str) -> &'static wappa_spec::Spec {
    SPECS.iter().find(|it| it.kind == kind && it.name == name).expect("it is in the table")
}

#[test]
fn pages() {
    expect![[r##"
        # wasm

        Calls a function of a WebAssembly module for each message.

        Kind: processor  
        Status: experimental  
        Categories: Utility

        ```yml
        # The fields most configs need, with their defaults
        label: ""
        wasm:
          module_path: ./a.wasm # No default (required)
          function: process
          timeout: 10s
          config: {}
          mounts: []
        ```

        ```yml
        # All fields, with their defaults
        label: ""
        wasm:
          module_path: ./a.wasm # No default (required)
          function: process
          timeout: 10s
          memory_limit: 128MiB
          recycle:
            messages: 0
            growth: true
          config: {}
          mounts: []
          ratio: 1.0
        ```

        A paragraph more.

        ## Examples

        ### Upper case

        ```yaml
        pipeline:
          processors:
            - wasm:
                module_path: ./upper.wasm
        ```

        ## Fields

        ### `module_path`

        The path of the module.

        Type: `string`  
        Required

        ```yml
        module_path: ./a.wasm
        ```

        ### `function`

        The function.

        Type: `string`  
        Default: `process`

        ### `timeout`

        The longest one message may take.

        Type: `duration`  
        Default: `10s`  
        Only in Wappa  
        Since version 0.1.0

        ### `memory_limit`

        The memory of one instance.

        Type: `size`  
        Default: `128MiB`  
        Advanced  
        Only in Wappa

        ### `recycle`

        When an instance is replaced.

        Type: `object`  
        Advanced  
        Only in Wappa

        ### `recycle.messages`

        After this many messages; 0: never.

        Type: `int`  
        Default: `0`

        ### `recycle.growth`

        When its memory keeps growing.

        Type: `bool`  
        Default: `true`

        ### `config`

        What the guest can read.

        Type: map of `string`  
        Default: `{}`  
        Secret: no printout shows it  
        Only in Wappa

        ### `mounts`

        What the guest can see.

        Type: list of `object`  
        Default: `[]`  
        Only in Wappa

        ### `mounts[].host`

        Where it is.

        Type: `string`  
        Required

        ### `mounts[].guest`

        What the guest calls it.

        Type: `string`  
        Required

        ### `mounts[].writable`

        Whether the guest can write.

        Type: `bool`  
        Default: `false`

        ### `ratio`

        A ratio.

        Type: `float`  
        Default: `1.0`  
        Advanced

    "##]]
    .assert_eq(&docs::page(spec(ComponentKind::Processor, "wasm")));
    expect![[r##"
        # switch

        Chooses processors.

        Kind: processor  
        Status: stable

        ```yml
        # The fields most configs need, with their defaults
        label: ""
        switch: []
        ```

        ## Fields

        The body is a list; each item has these fields.

        ### `check`

        What decides.

        Type: `mapping`  
        Default: `""`

        ### `processors`

        What is done.

        Type: list of `processor`  
        Default: `[]`

    "##]]
    .assert_eq(&docs::page(spec(ComponentKind::Processor, "switch")));
    expect![[r##"
        # reject

        Fails every message.

        Kind: output  
        Status: stable

        ```yml
        # The fields most configs need, with their defaults
        label: ""
        reject: ""
        ```

        ## Body

        Type: `string`, may hold interpolations
    "##]]
    .assert_eq(&docs::page(spec(ComponentKind::Output, "reject")));
    expect![[r##"
        # stdin

        Reads lines from standard input.

        Kind: input  
        Status: stable  
        Categories: Local

        ```yml
        # The fields most configs need, with their defaults
        label: ""
        stdin:
          scanner:
            lines: {}
          auto_replay_nacks: true
        ```

        ## Fields

        ### `scanner`

        How the stream is cut into messages.

        Type: `scanner`  
        Default: `lines: {}`

        ### `auto_replay_nacks`

        Whether failed messages are read again.

        Type: `bool`  
        Default: `true`

    "##]]
    .assert_eq(&docs::page(spec(ComponentKind::Input, "stdin")));
}

#[test]
fn lists() {
    let registry = SPECS.to_vec();
    expect![[r#"
        Inputs:
          - resource
          - stdin

        Processors:
          - log
          - mapping
          - noop
          - resource
          - switch
          - try
          - wasm

        Outputs:
          - drop
          - fallback
          - reject
          - reject_errored
          - resource
          - stdout

        Buffers:
          - none

        Metrics:
          - logger
          - none

        Tracers:
          - none

        Scanners:
          - lines
    "#]]
    .assert_eq(&docs::list(&registry, &[], None));
    let kinds = ["rate-limits".to_string(), "processors".to_string()];
    expect![[r#"
        Processors:
          - wasm

        Rate Limits:
    "#]]
    .assert_eq(&docs::list(&registry, &kinds, Some(Status::Experimental)));
    expect![[""]].assert_eq(&docs::list(&registry, &["nope".to_string()], None));
    expect![[r#"
        # Components

        ## Inputs

        | name | what it does | status |
        | --- | --- | --- |
        | [`stdin`](inputs/stdin.md) | Reads lines from standard input. | stable |
        | [`resource`](inputs/resource.md) | A resource. | stable |

        ## Processors

        | name | what it does | status |
        | --- | --- | --- |
        | [`noop`](processors/noop.md) | Does nothing. | stable |
        | [`log`](processors/log.md) | Writes a log line. | stable |
        | [`mapping`](processors/mapping.md) | A mapping. | stable |
        | [`resource`](processors/resource.md) | A resource. | stable |
        | [`switch`](processors/switch.md) | Chooses processors. | stable |
        | [`try`](processors/try.md) | Runs processors one by one. | stable |
        | [`wasm`](processors/wasm.md) | Calls a function of a WebAssembly module for each message. | experimental |

        ## Outputs

        | name | what it does | status |
        | --- | --- | --- |
        | [`stdout`](outputs/stdout.md) | Writes to standard output. | stable |
        | [`drop`](outputs/drop.md) | Drops messages. | stable |
        | [`reject`](outputs/reject.md) | Fails every message. | stable |
        | [`fallback`](outputs/fallback.md) | Sends what failed elsewhere. | stable |
        | [`reject_errored`](outputs/reject_errored.md) | Sends nothing that failed. | stable |
        | [`resource`](outputs/resource.md) | A resource. | stable |

        ## Buffers

        | name | what it does | status |
        | --- | --- | --- |
        | [`none`](buffers/none.md) | Hands messages from the input to the pipeline as they come. | stable |

        ## Metrics

        | name | what it does | status |
        | --- | --- | --- |
        | [`logger`](metrics/logger.md) | Prints metrics as log lines, at the end of the stream and, if wanted, at intervals. | stable |
        | [`none`](metrics/none.md) | Sends no metrics. | stable |

        ## Tracers

        | name | what it does | status |
        | --- | --- | --- |
        | [`none`](tracers/none.md) | Sends no traces. | stable |

        ## Scanners

        | name | what it does | status |
        | --- | --- | --- |
        | [`lines`](scanners/lines.md) | Cuts at line ends. | stable |
    "#]].assert_eq(&docs::index(&registry));
}

#[test]
fn examples() {
    let found = docs::examples(spec(ComponentKind::Processor, "wasm"));
    expect![[r#"
        [
            Example {
                title: "Upper case",
                yaml: "pipeline:\n  processors:\n    - wasm:\n        module_path: ./upper.wasm\n",
                line: 10,
            },
        ]
    "#]]
    .assert_debug_eq(&found);
}

#[test]
fn what_may_be_printed_of_a_config() {
    let text = "
output: {type: stdout, plugin: {codec: x}, label: ''}
logger: {static_fields: {Authorization: abc, a: b}}
pipeline:
  processors:
  - wasm: {config: {a: key, b: [c]}, module_path: a, nope: 1}
    label: w
  - try: [{wasm: {config: text}}]
  - mapping: root = http://ann:pw@a.org/x?y=@z and nats://h:1
  - brnch: {password: abc}
nope: 1
input: {processors: [{noop: }], stdin: {scanner: {lines: {}}}}
";
    let registry = SPECS.to_vec();
    let source = Source::read(text.as_bytes(), |_| None).expect("the text is YAML");
    let scrubbed = scrub(&source.node, StreamConfig::FIELDS, &registry);
    expect![[r#"
        input:
          stdin:
            scanner:
              lines: {}
          processors:
            - noop: {}
        pipeline:
          processors:
            - label: w
              wasm:
                module_path: a
                config:
                  a: "!!!SECRET_SCRUBBED!!!"
                  b:
                    - "!!!SECRET_SCRUBBED!!!"
            - try:
                - wasm:
                    config: "!!!SECRET_SCRUBBED!!!"
            - mapping: "root = http://!!!SECRET_SCRUBBED!!!@a.org/x?y=@z and nats://h:1"
            - brnch:
                password: "!!!SECRET_SCRUBBED!!!"
        output:
          stdout:
            codec: x
        logger:
          static_fields:
            Authorization: "!!!SECRET_SCRUBBED!!!"
            a: b
    "#]]
    .assert_eq(&scrubbed.to_string());
}

#[test]
fn skeletons_lint_clean_but_for_what_is_required() {
    let registry = SPECS.to_vec();
    for kind in ComponentKind::ALL {
        for name in registry.names(kind) {
            let text = docs::skeleton(spec(kind, name), true);
            let node = wappa_spec::yaml::parse(&text).expect("a skeleton is YAML").node;
            let mut reader = wappa_spec::Reader::new(&registry, wappa_spec::LintOptions::default());
            wappa_spec::ComponentNode::read(kind, &node, &mut reader);
            let lints: Vec<String> = reader.lints().iter().map(ToString::to_string).collect();
            let is_required = text.contains("# No default (required)");
            assert!(lints.is_empty() || is_required, "{text}{lints:?}");
        }
    }
}
