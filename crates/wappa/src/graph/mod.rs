//! `graph`: a picture of a config, for documents and for who has to understand it.

mod draw;
mod flow;
mod layout;
#[cfg(feature = "http")]
pub(crate) mod live;
mod mermaid;

use std::path::{Path, PathBuf};

use clap::Args;
use wappa_component::{NotRead, read_file};
use wappa_spec::{Registry, Rule, Source, StreamConfig, printable_lines, scrub};

use self::flow::Flow;

const EXAMPLES: &str = "\
Mermaid is drawn by GitHub and GitLab, in a fence marked `mermaid`. The picture has the components with their labels, \
the checks of cases, and what resources are used where; no values, and no secrets. Environment variables are not looked \
at.

  wappa graph config.yaml
  wappa graph config.yaml --format svg > config.svg";

/// No config is that big.
const CONFIG_BYTES_MAX: u64 = 64 << 20;

/// How a picture is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// A flowchart in Mermaid's language.
    Mermaid,
    /// A picture for browsers, light or dark as they are.
    Svg,
}

/// The arguments of `graph`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct GraphArguments {
    /// The config; without it, that of `--config`.
    config: Option<PathBuf>,

    /// How to write it: for documents with Mermaid, or as a picture.
    #[arg(long, value_enum, default_value = "mermaid", ignore_case = true)]
    format: Format,
}

/// The picture of a config.
pub(crate) fn graph(
    arguments: &GraphArguments,
    config: Option<&Path>,
    registry: &dyn Registry,
) -> Result<String, String> {
    let Some(path) = arguments.config.as_deref().or(config) else {
        return Err("there is no config to draw\nhint: name one: wappa graph config.yaml".to_string());
    };
    let failed = |why: &str| {
        printable_lines(&format!("Configuration file read error: {}: {why}", path.display())).into_owned()
    };
    let bytes = read_file(path, CONFIG_BYTES_MAX)
        .map_err(|NotRead { step, cause }| failed(&format!("{step}: {cause}")))?;
    drawn(&bytes, arguments.format, registry).map_err(|why| failed(&why))
}

fn drawn(bytes: &[u8], format: Format, registry: &dyn Registry) -> Result<String, String> {
    let source = Source::read(bytes, |_| None).map_err(|lints| {
        let first = lints.iter().find(|it| it.rule == Rule::FailedRead).or(lints.first());
        first.map(ToString::to_string).unwrap_or_default()
    })?;
    if source.node.as_map().is_none() {
        return Err("it is no object\nhint: `wappa lint` says more".to_string());
    }
    let shown = scrub(&source.node, StreamConfig::FIELDS, registry);
    let flow = Flow::of(&shown, registry);
    Ok(match format {
        Format::Mermaid => mermaid::write(&flow),
        Format::Svg => draw::write(&flow),
    })
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::table;

    fn text(config: &str, format: Format) -> String {
        drawn(config.as_bytes(), format, &table::registry()).unwrap_or_else(|err| format!("{err}\n"))
    }

    fn check(config: &str, expected: Expect) {
        expected.assert_eq(&text(config, Format::Mermaid));
    }

    const WHOLE: &str = r#"
input:
  label: both
  broker:
    inputs:
      - kafka_franz: {seed_brokers: [a:1], topics: [orders]}
      - file: {paths: [x]}
        label: files
        processors: [{noop: {}}]
buffer:
  memory: {}
pipeline:
  processors:
    - dedupe: {cache: seen, key: '${! content() }'}
    - switch:
        - check: this.kind == "a"
          processors:
            - wasm: {module_path: a.wasm}
              label: enrich
        - check: this.kind == "b"
          processors: [{mapping: root = this}, {log: {}}]
    - branch:
        processors: [{http: {url: 'http://user:pass@x'}}]
    - resource: shared
output:
  switch:
    cases:
      - check: '@x == 1'
        output: {stdout: {}}
      - output:
          fallback:
            - drop: {}
            - reject: no
              processors: [{noop: {}}]
processor_resources:
  - label: shared
    switch:
      - check: this.is_big
        processors: [{rate_limit: {resource: slow}}, {log: {}}]
cache_resources:
  - label: seen
    memory: {}
rate_limit_resources:
  - label: slow
    local: {}
"#;

    #[test]
    fn a_stream_with_all_of_it() {
        check(
            WHOLE,
            expect![[r##"
                flowchart LR
                  n0[("switch<br/>shared")]
                  n1[("memory<br/>seen")]
                  n2[("local<br/>slow")]
                  n3(["kafka_franz"])
                  n4(["file<br/>files"])
                  n5["noop"]
                  n6(["broker<br/>both"])
                  n7["memory"]
                  n8["dedupe"]
                  n9["switch"]
                  n10["wasm<br/>enrich"]
                  n11["mapping"]
                  n12["log"]
                  n13["branch"]
                  n14["http"]
                  n15["resource"]
                  n16(["switch"])
                  n17(["stdout"])
                  n18(["fallback"])
                  n19(["drop"])
                  n20["noop"]
                  n21(["reject"])
                  n22[("rate_limit")]
                  n23[("log")]
                  n4 --> n5
                  n3 --> n6
                  n5 --> n6
                  n6 --> n7
                  n7 --> n8
                  n8 -.-> n1
                  n8 --> n9
                  n9 -->|"this.kind #61;#61; #34;a#34;"| n10
                  n9 -->|"this.kind #61;#61; #34;b#34;"| n11
                  n11 --> n12
                  n10 --> n13
                  n12 --> n13
                  n9 -->|"else"| n13
                  n13 --> n14
                  n14 --> n15
                  n15 -.-> n0
                  n15 --> n16
                  n16 -->|"#64;x #61;#61; 1"| n17
                  n16 -->|"else"| n18
                  n18 --> n19
                  n18 --> n20
                  n20 --> n21
                  n0 -.->|"this.is_big"| n22
                  n22 -.-> n2
                  n0 -.->|"this.is_big"| n23
            "##]],
        );
    }

    #[test]
    fn little_or_nothing() {
        check(
            "{}",
            expect![[r#"
            flowchart LR
              n0(["stdin"])
              n1(["stdout"])
              n0 --> n1
        "#]],
        );
        check(
            "input: {nope: {}}\noutput: 5\npipeline: {processors: {a: b}}",
            expect![[r##"
            flowchart LR
              n0(["nope"])
              n1(["#63;"])
              n0 --> n1
        "##]],
        );
        check(
            "[]",
            expect![[r#"
            it is no object
            hint: `wappa lint` says more
        "#]],
        );
        check(
            "a: [",
            expect![[r#"
            (1,1) yaml: line 1: unclosed bracket '['
        "#]],
        );
    }

    #[test]
    fn names_stay_names() {
        let label = r#"x"] --> evil <script>alert(1)</script> `**a**` &lt; #35; "#;
        let config = format!(
            "input:\n  stdin: {{}}\n  label: '{label}'\noutput:\n  switch:\n    cases:\n      - check: '{label}'\n        \
             output: {{drop: {{}}}}\n"
        );
        check(
            &config,
            expect![[r#"
            flowchart LR
              n0(["stdin<br/>x#34;#93; --#62; evil #60;script#62;alert#40;1#41;#60;/script#62; #96;#42;#42;a#42;#42;#96; #38;…"])
              n1(["switch"])
              n2(["drop"])
              n0 --> n1
              n1 -->|"x#34;#93; --#62; evil #60;script#62;alert#40;1#41;#60;/script#62; #96;#42;#42;a#42;#42;#96; #38;…"| n2
        "#]],
        );
        let svg = text(&config, Format::Svg);
        assert!(!svg.contains("<script") && svg.contains("&lt;script&gt;"), "{svg}");
        let config = "input: {stdin: {}, label: \"a\\u001b[31mb\\u202ec\"}";
        for format in [Format::Mermaid, Format::Svg] {
            let text = text(config, format);
            assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text:?}");
        }
    }

    #[test]
    fn secrets_are_not_in_it() {
        for format in [Format::Mermaid, Format::Svg] {
            assert!(!text(WHOLE, format).contains("pass"));
        }
    }

    #[test]
    fn what_is_huge_is_counted() {
        let many = "    - try: [{noop: {}}, {noop: {}}]\n".repeat(20_000);
        let config = format!("pipeline:\n  processors:\n{many}");
        for format in [Format::Mermaid, Format::Svg] {
            let text = text(&config, format);
            assert!(text.len() < 200_000 && text.contains("more"), "{}", text.len());
        }
        let depth = 400;
        let deep = format!("{}{{noop: {{}}}}{}", "{try: [".repeat(depth), "]}".repeat(depth));
        for format in [Format::Mermaid, Format::Svg] {
            let text = text(&format!("pipeline: {{processors: [{deep}]}}"), format);
            assert!(text.len() < 200_000, "{}", text.len());
        }
    }

    #[test]
    fn a_buffer_stands_between_its_processors() {
        check(
            "input: {stdin: {}}\nbuffer: {sqlite: {path: a.db, post_processors: [{split: {}}], pre_processors: [{compress: {algorithm: gzip}}]}}\n\
             output: {stdout: {}}\n",
            expect![[r#"
                flowchart LR
                  n0(["stdin"])
                  n1["compress"]
                  n2["sqlite"]
                  n3["split"]
                  n4(["stdout"])
                  n0 --> n1
                  n1 --> n2
                  n2 --> n3
                  n3 --> n4
            "#]],
        );
    }

    #[test]
    fn parts_stand_behind_those_that_lead_to_them() {
        let svg = text(WHOLE, Format::Svg);
        let left = |name: &str| {
            let (before, _) = svg.split_once(&format!(">{name}</text>")).expect(name);
            let (_, rect) = before.rsplit_once("<rect x=\"").expect("it is in a box");
            rect.split('"').next().expect("it has a place").parse::<u32>().expect("it is a number")
        };
        for pair in
            ["kafka_franz", "broker", "dedupe", "wasm", "branch", "http", "resource", "stdout"].windows(2)
        {
            assert!(left(pair[0]) < left(pair[1]), "{pair:?}");
        }
        assert!(left("mapping") < left("log") && left("log") < left("branch"));
    }
}
