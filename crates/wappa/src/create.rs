//! `create`: a config to begin with, out of the names of components, with the defaults of all their fields.

use clap::Args;
use wappa_spec::{
    ComponentKind, Field, LintOptions, Linted, Node, Pos, Registry, Source, Spec, StreamConfig, Type, bento,
    docs, nearest, printable,
    yaml::{Kind, parse},
};

const EXAMPLES: &str = "\
An expression has up to three lists of names with commas between them: inputs, processors and outputs, with slashes \
between the lists. Several inputs, or outputs, are put below a `broker`. Without an expression it is the config that \
runs when there is none.

Fields that are required have a value that stands for yours, out of the example of their component, and the comment \
`# No default (required)`. Those that may be absent, and have no default, are comments. No secret is made up.

  wappa create --small stdin/mapping,wasm/stdout
  wappa create kafka,file//nats > config.yaml
  wappa create /wasm";

/// The arguments of `create`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CreateArguments {
    /// Inputs, processors and outputs: `stdin/mapping,wasm/stdout`.
    expression: Vec<String>,

    /// Print only input, buffer, pipeline and output, without advanced fields.
    #[arg(short, long)]
    small: bool,

    /// Leave out fields that Bento does not have.
    #[arg(long)]
    portable: bool,
}

/// The config that is asked for. It lints clean where the modules and files of examples are.
pub(crate) fn create(arguments: &CreateArguments, registry: &dyn Registry) -> Result<String, String> {
    let failed = |why: String| format!("Generate error: {why}");
    let expression = match arguments.expression.as_slice() {
        [] => "",
        [one] => one,
        some => {
            let text = "there is more than one expression\nhint: slashes are between the lists, and commas between names";
            let joined = some.join("/");
            let example = Stream::read(&joined, registry).map(|_| format!(": wappa create {joined}"));
            return Err(failed(format!("{text}{}", example.unwrap_or_default())));
        }
    };
    let stream = Stream::read(expression, registry).map_err(failed)?;
    let mut writer = Writer {
        out: String::new(),
        is_small: arguments.small,
        is_portable: arguments.portable,
        registry,
        resources: Vec::new(),
        has_samples: true,
    };
    writer.root(&stream);
    // What the components refer to is there as well.
    let missing = lint(&writer.out, registry).map(|it| it.labels.missing()).unwrap_or_default();
    if !missing.is_empty() {
        writer.resources = missing;
        writer.out.clear();
        writer.root(&stream);
    }
    Ok(without_effectless(&writer.out, registry))
}

fn lint(text: &str, registry: &dyn Registry) -> Option<Linted<StreamConfig>> {
    let source = Source::read(text.as_bytes(), |_| None).ok()?;
    Some(source.stream(registry, LintOptions::default()))
}

/// Fields that only bring a warning become comments.
fn without_effectless(text: &str, registry: &dyn Registry) -> String {
    let warned: Vec<usize> = match lint(text, registry) {
        Some(linted) => {
            linted.lints.iter().filter(|it| !it.is_error()).map(|it| it.pos.line as usize).collect()
        }
        None => Vec::new(),
    };
    let mut out = String::new();
    for (index, line) in text.lines().enumerate() {
        let inner = line.trim_start();
        let is_value = inner.split_once(": ").is_some_and(|(_, value)| !value.starts_with(['|', '>']));
        if warned.contains(&(index + 1)) && is_value && !inner.starts_with("- ") {
            out.push_str(&format!("{}# {inner}\n", &line[..line.len() - inner.len()]));
        } else {
            out.push_str(&format!("{line}\n"));
        }
    }
    out
}

/// The components of a stream.
struct Stream<'r> {
    inputs: Vec<&'r Spec>,
    processors: Vec<&'r Spec>,
    outputs: Vec<&'r Spec>,
}

impl<'r> Stream<'r> {
    fn read(expression: &str, registry: &'r dyn Registry) -> Result<Stream<'r>, String> {
        let mut lists = expression.split('/');
        let mut next = |kind| named(lists.next().unwrap_or_default(), kind, registry);
        let stream = Stream {
            inputs: next(ComponentKind::Input)?,
            processors: next(ComponentKind::Processor)?,
            outputs: next(ComponentKind::Output)?,
        };
        match lists.next() {
            None => Ok(stream),
            Some(_) => Err("more component separators than expected\nhint: there are two slashes, as in \
                            `stdin/mapping,wasm/stdout`"
                .to_string()),
        }
    }
}

/// The components of a list.
fn named<'r>(list: &str, kind: ComponentKind, registry: &'r dyn Registry) -> Result<Vec<&'r Spec>, String> {
    let names = list.split(',').map(str::trim).filter(|it| !it.is_empty());
    names.map(|it| registry.spec(kind, it).ok_or_else(|| unknown(it, kind, registry))).collect()
}

fn unknown(name: &str, kind: ComponentKind, registry: &dyn Registry) -> String {
    let shown = printable(name);
    let text = format!("unrecognised {kind} type '{shown}'");
    if bento::has(kind, name) {
        return format!("{text}\nhint: `{shown}` is a Bento {} that Wappa does not have yet", kind.noun());
    }
    let mut others = ComponentKind::ALL.into_iter().filter(|it| *it != kind);
    if let Some(near) = nearest(name, registry.names(kind)) {
        format!("{text}\nhint: did you mean `{near}`?")
    } else if let Some(other) = others.find(|it| registry.spec(*it, name).is_some()) {
        format!("{text}\nhint: `{shown}` is {}; the lists are inputs/processors/outputs", other.one())
    } else {
        format!("{text}\nhint: `wappa list {}` names those that there are", kind.plural())
    }
}

/// The fields of the root without which a stream is not understood.
const MAIN: [&str; 4] = ["input", "buffer", "pipeline", "output"];

struct Writer<'r> {
    out: String,
    is_small: bool,
    is_portable: bool,
    registry: &'r dyn Registry,
    /// The resources that there are.
    resources: Vec<(ComponentKind, String)>,
    /// Whether what defaults do not say is taken from examples.
    has_samples: bool,
}

impl Writer<'_> {
    fn line(&mut self, depth: usize, text: &str) {
        self.out.push_str(&format!("{}{text}\n", "  ".repeat(depth)));
    }

    fn root(&mut self, stream: &Stream<'_>) {
        for field in StreamConfig::FIELDS {
            match field.name {
                name if name.ends_with("_resources") && self.has_resources(name) => self.resources(name),
                name if self.is_small && !MAIN.contains(&name) => {}
                _ if self.is_portable && !field.bento => {}
                "input" => self.broker_of(field, "inputs", &stream.inputs),
                "output" => self.broker_of(field, "outputs", &stream.outputs),
                "pipeline" => self.pipeline(field, &stream.processors),
                // A program may be built without what metrics are fetched from.
                "metrics" if self.registry.spec(ComponentKind::Metrics, "prometheus").is_none() => {
                    self.out.push_str("metrics:\n  none: {}\n");
                }
                _ => self.field(field, 0, None),
            }
        }
    }

    fn has_resources(&self, field: &str) -> bool {
        self.resources.iter().any(|(kind, _)| field == format!("{kind}_resources"))
    }

    fn resources(&mut self, field: &str) {
        self.line(0, &format!("{field}:"));
        for (kind, label) in self.resources.clone() {
            if field == format!("{kind}_resources") {
                self.line(1, format!("- label: {}", Node::plain(Pos::default(), label)).trim_end());
                self.line(2, placeholder(&Type::Component(kind)));
            }
        }
    }

    /// The component of a field of the root, or all of them below a broker.
    fn broker_of(&mut self, field: &Field, list: &str, specs: &[&Spec]) {
        match specs {
            [] => self.field(field, 0, None),
            [spec] => {
                self.line(0, &format!("{}:", field.name));
                self.component(spec, 1, "");
            }
            specs => {
                self.line(0, &format!("{}:\n  broker:\n    {list}:", field.name));
                specs.iter().for_each(|it| self.component(it, 3, "- "));
            }
        }
    }

    fn pipeline(&mut self, field: &Field, processors: &[&Spec]) {
        let Type::Object(fields) = field.ty else { return };
        self.line(0, &format!("{}:", field.name));
        for field in self.shown(fields) {
            match (field.name, processors) {
                ("processors", [_, ..]) => {
                    self.out.push_str("  processors:\n");
                    processors.iter().for_each(|it| self.component(it, 2, "- "));
                }
                _ => self.field(field, 1, None),
            }
        }
    }

    /// A component at a depth; as an item of a list it begins with a dash, and what is below is as deep as its name.
    fn component(&mut self, spec: &Spec, depth: usize, dash: &str) {
        let before = self.out.len();
        let sample = if self.has_samples && !self.does_with_defaults(spec) { sample_of(spec) } else { None };
        self.body(spec, depth + dash.len() / 2, sample.as_ref());
        if !dash.is_empty() {
            let at = before + 2 * depth;
            self.out.replace_range(at..at + dash.len(), dash);
        }
    }

    /// Whether nothing is wrong with a component all of whose fields are as they are by themselves.
    fn does_with_defaults(&self, spec: &Spec) -> bool {
        let mut stream = Stream { inputs: Vec::new(), processors: Vec::new(), outputs: Vec::new() };
        match spec.kind {
            ComponentKind::Input => stream.inputs.push(spec),
            ComponentKind::Processor => stream.processors.push(spec),
            _ => stream.outputs.push(spec),
        }
        let mut alone = Writer {
            out: String::new(),
            is_small: self.is_small,
            is_portable: self.is_portable,
            registry: self.registry,
            resources: Vec::new(),
            has_samples: false,
        };
        alone.root(&stream);
        let alone = without_effectless(&alone.out, self.registry);
        lint(&alone, self.registry).is_some_and(|it| it.lints.is_empty() && it.labels.missing().is_empty())
    }

    fn body(&mut self, spec: &Spec, depth: usize, sample: Option<&Node>) {
        match (spec.body, sample) {
            (Type::Object(fields), _) => {
                let shown = self.shown(fields);
                let is_empty = !shown.iter().any(|it| has_value(it, sample));
                let braces = if is_empty { " {}" } else { "" };
                self.line(depth, &format!("{}:{braces}", spec.name));
                shown.iter().for_each(|it| self.field(it, depth + 1, sample));
            }
            (_, Some(sample)) => self.sample(spec.name, sample, depth, REQUIRED),
            (body, None) => {
                let comment = if matches!(body, Type::Array(_) | Type::Map(_)) { "" } else { REQUIRED };
                let entry = docs::entry(spec.name, placeholder(&body), depth);
                self.out.push_str(&with_comment(&entry, comment));
            }
        }
    }

    fn shown<'f>(&self, fields: &'f [Field]) -> Vec<&'f Field> {
        fields
            .iter()
            .filter(|it| !(it.deprecated || self.is_small && it.advanced || self.is_portable && !it.bento))
            .collect()
    }

    /// A field at a depth. The sample is of the object that it is in.
    fn field(&mut self, field: &Field, depth: usize, sample: Option<&Node>) {
        let sample = sample.and_then(|it| it.get(field.name)).filter(|it| !it.is_null() && !field.secret);
        match (field.ty, field.default, sample) {
            (Type::Object(fields), Some("{}"), sample) => {
                let shown = self.shown(fields);
                if shown.is_empty() {
                    return;
                }
                let braces = if shown.iter().any(|it| has_value(it, sample)) { "" } else { " {}" };
                self.line(depth, &format!("{}:{braces}", field.name));
                shown.iter().for_each(|it| self.field(it, depth + 1, sample));
            }
            (_, Some(text), Some(sample)) if is_empty(text) => self.sample(field.name, sample, depth, ""),
            (_, Some(text), _) => {
                let text = if text.is_empty() { "\"\"" } else { text };
                self.out.push_str(&docs::entry(field.name, text, depth));
            }
            (_, None, Some(sample)) => {
                let comment = if field.is_required() { REQUIRED } else { "" };
                self.sample(field.name, sample, depth, comment);
            }
            (_, None, None) if field.is_required() => {
                let entry = docs::entry(field.name, &example(field), depth);
                self.out.push_str(&with_comment(&entry, REQUIRED));
            }
            (_, None, None) => {
                let entry = with_comment(&docs::entry(field.name, &example(field), 0), OPTIONAL);
                let indent = "  ".repeat(depth);
                self.out.extend(entry.lines().map(|it| format!("{indent}# {it}\n")));
            }
        }
    }

    /// A value out of an example.
    fn sample(&mut self, name: &str, value: &Node, depth: usize, comment: &str) {
        let key = Node::plain(value.pos, name);
        let entry = Node::new(value.pos, Kind::Map(vec![(key, value.clone())])).to_string();
        let indent = "  ".repeat(depth);
        let lines =
            entry.lines().map(|it| if it.is_empty() { "\n".to_string() } else { format!("{indent}{it}\n") });
        let entry: String = lines.collect();
        self.out.push_str(&with_comment(&entry, comment));
    }
}

const REQUIRED: &str = " # No default (required)";
const OPTIONAL: &str = " # No default (optional)";

/// The body of a component in its own example.
fn sample_of(spec: &Spec) -> Option<Node> {
    docs::examples(spec).iter().find_map(|it| {
        let root = parse(&it.yaml).ok()?.node;
        let place = match spec.kind {
            ComponentKind::Input => root.get("input"),
            ComponentKind::Processor => root.get("pipeline"),
            ComponentKind::Output => root.get("output"),
            _ => None,
        };
        place
            .and_then(|it| named_in(it, spec.name))
            .or_else(|| named_in(&root, spec.name))
            .map(without_labels)
    })
}

/// What stands under a name, wherever it is; what is further out is found first.
fn named_in<'n>(node: &'n Node, name: &str) -> Option<&'n Node> {
    if let Some(found) = node.get(name) {
        return Some(found);
    }
    match &node.kind {
        Kind::Map(pairs) => pairs.iter().find_map(|(_, it)| named_in(it, name)),
        Kind::Seq(items) => items.iter().find_map(|it| named_in(it, name)),
        _ => None,
    }
}

/// Components of several examples may have the same label.
fn without_labels(node: &Node) -> Node {
    let kind = match &node.kind {
        Kind::Map(pairs) => {
            let kept = pairs.iter().filter(|(key, _)| key.as_key() != "label");
            Kind::Map(kept.map(|(key, it)| (key.clone(), without_labels(it))).collect())
        }
        Kind::Seq(items) => Kind::Seq(items.iter().map(without_labels).collect()),
        it => it.clone(),
    };
    Node::new(node.pos, kind)
}

/// Whether a default is nothing that one can work with.
fn is_empty(text: &str) -> bool {
    matches!(text, "" | "\"\"" | "''" | "[]" | "{}" | "null")
}

/// Whether a field is more than a comment.
fn has_value(field: &Field, sample: Option<&Node>) -> bool {
    field.default.is_some() || field.is_required() || sample.is_some_and(|it| it.get(field.name).is_some())
}

/// A comment behind the first line.
fn with_comment(entry: &str, comment: &str) -> String {
    let (first, rest) = entry.split_once('\n').unwrap_or((entry, ""));
    format!("{first}{comment}\n{rest}")
}

/// What stands for a value that only the user knows. No secret is made up.
fn example(field: &Field) -> String {
    let first = field.examples.first().or_else(|| field.options.first());
    match first {
        Some(it) if !field.secret => (*it).to_string(),
        _ => placeholder(&field.ty).to_string(),
    }
}

/// What a value of a type looks like when nothing is known of it.
fn placeholder(ty: &Type) -> &'static str {
    match ty {
        Type::Component(ComponentKind::Input) => "stdin: {}",
        Type::Component(ComponentKind::Processor) => "noop: {}",
        Type::Component(ComponentKind::Output) => "stdout: {}",
        Type::Component(ComponentKind::Cache) => "memory: {}",
        Type::Component(ComponentKind::RateLimit) => "local: {}",
        Type::Component(ComponentKind::Scanner) => "lines: {}",
        it => docs::zero(it),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use expect_test::{Expect, expect};

    use wappa_spec::{Rule, Status};

    use super::*;
    use crate::table;

    fn created(expression: &str, small: bool) -> Result<String, String> {
        let arguments = CreateArguments { expression: vec![expression.to_string()], small, portable: false };
        create(&arguments, &table::registry())
    }

    fn check(expression: &str, expected: Expect) {
        let text = match created(expression, true) {
            Ok(text) => text,
            Err(text) => format!("{text}\n"),
        };
        expected.assert_eq(&text);
    }

    /// All components that can be asked for, each alone.
    fn expressions() -> Vec<(&'static Spec, String)> {
        let of = |spec: &'static Spec| match spec.kind {
            ComponentKind::Input => Some((spec, spec.name.to_string())),
            ComponentKind::Processor => Some((spec, format!("/{}", spec.name))),
            ComponentKind::Output => Some((spec, format!("//{}", spec.name))),
            _ => None,
        };
        let specs = table::table().iter().map(|it| &it.spec);
        // What is deprecated lints as deprecated.
        specs.filter(|it| it.status != Status::Deprecated).filter_map(of).collect()
    }

    /// What is wrong with a config in the root of the repository, where the files of examples are.
    fn problems(text: &str) -> Vec<String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let source = match Source::read(text.as_bytes(), |_| None) {
            Ok(source) => source.in_dir(&root),
            Err(lints) => return lints.iter().map(ToString::to_string).collect(),
        };
        let linted = source.stream(&table::registry(), LintOptions::default());
        let missing = linted.labels.missing();
        let missing = missing.iter().map(|(kind, label)| format!("no {kind} `{label}`"));
        linted.lints.iter().map(ToString::to_string).chain(missing).collect()
    }

    #[test]
    fn every_component_lints_clean() {
        let mut found = Vec::new();
        for (_, expression) in expressions() {
            for small in [true, false] {
                let text = created(&expression, small).expect("the component is there");
                let problems = problems(&text);
                if !problems.is_empty() {
                    found.push(format!("{expression}, small {small}: {}\n{text}", problems.join("\n")));
                }
            }
        }
        assert!(found.is_empty(), "{}", found.join("\n"));
    }

    #[test]
    fn portable_ones_have_what_bento_has() {
        let registry: &dyn Registry = &table::registry();
        let options = LintOptions { portable: true, ..LintOptions::default() };
        for (_, expression) in expressions().into_iter().filter(|it| it.0.bento) {
            let arguments = CreateArguments { expression: vec![expression], small: false, portable: true };
            let text = create(&arguments, registry).expect("the component is there");
            let source = Source::read(text.as_bytes(), |_| None).expect("it is YAML");
            let lints = source.stream(registry, options).lints;
            let found: Vec<_> = lints.iter().filter(|it| it.rule == Rule::NotInBento).collect();
            assert!(found.is_empty(), "{found:?}\n{text}");
        }
    }

    #[test]
    fn all_at_once_lint_clean() {
        let all = expressions();
        let of_kind = |kind| {
            let of_kind = all.iter().map(|it| it.0).filter(|it| it.kind == kind);
            // References of several kinds to one label of their examples.
            let names: Vec<&str> = of_kind.map(|it| it.name).filter(|it| *it != "resource").collect();
            names.join(",")
        };
        let [inputs, processors, outputs] =
            [ComponentKind::Input, ComponentKind::Processor, ComponentKind::Output].map(of_kind);
        let text = created(&format!("{inputs}/{processors}/{outputs}"), true).expect("all are there");
        assert_eq!(problems(&text), Vec::<String>::new(), "{text}");
    }

    #[test]
    fn no_secret_is_made_up() {
        fn check(fields: &[Field], node: &Node, n_secrets: &mut usize) {
            for field in fields {
                let Some(value) = node.get(field.name) else { continue };
                if field.secret {
                    let is_empty = value.as_str().is_none_or(str::is_empty);
                    assert!(is_empty, "{}: {value}", field.name);
                    *n_secrets += 1;
                } else if let Type::Object(inner) = field.ty {
                    check(inner, value, n_secrets);
                }
            }
        }
        let mut n_secrets = 0;
        for (spec, expression) in expressions() {
            let text = created(&expression, false).expect("the component is there");
            let root = parse(&text).expect("it is YAML").node;
            if let Some(body) = named_in(&root, spec.name) {
                check(spec.fields(), body, &mut n_secrets);
            }
        }
        assert!(0 < n_secrets);
    }

    #[test]
    fn configs_to_begin_with() {
        check(
            "stdin/mapping,wasm/stdout",
            expect![[r#"
            input:
              stdin:
                scanner:
                  lines: {}
                auto_replay_nacks: true
            buffer:
              none: {}
            pipeline:
              threads: -1
              ordered: true
              processors:
                - mapping: "" # No default (required)
                - wasm:
                    module_path: examples/upper.wat # No default (required)
                    function: process
                    timeout: 10s
                    memory_limit: 128MiB
                    output_limit: 64MiB
                    config: {}
            output:
              stdout:
                codec: lines
        "#]],
        );
        check(
            "file,stdin/cache/",
            expect![[r#"
                input:
                  broker:
                    inputs:
                      - file:
                          paths:
                            - ./logs/**/*.log
                          scanner:
                            lines: {}
                          auto_replay_nacks: true
                      - stdin:
                          scanner:
                            lines: {}
                          auto_replay_nacks: true
                buffer:
                  none: {}
                pipeline:
                  threads: -1
                  ordered: true
                  processors:
                    - cache:
                        resource: years # No default (required)
                        operator: get # No default (required)
                        key: "${! content() }" # No default (required)
                        # value: "" # No default (optional)
                output:
                  stdout: {}
                cache_resources:
                  - label: years
                    memory: {}
            "#]],
        );
        check(
            "stdin//drop/stdout",
            expect![[r#"
            Generate error: more component separators than expected
            hint: there are two slashes, as in `stdin/mapping,wasm/stdout`
        "#]],
        );
        check(
            "stdim",
            expect![[r#"
            Generate error: unrecognised input type 'stdim'
            hint: did you mean `stdin`?
        "#]],
        );
        check(
            "//wasm",
            expect![[r#"
            Generate error: unrecognised output type 'wasm'
            hint: `wasm` is a processor; the lists are inputs/processors/outputs
        "#]],
        );
        check(
            "/aws_lambda",
            expect![[r#"
            Generate error: unrecognised processor type 'aws_lambda'
            hint: `aws_lambda` is a Bento processor that Wappa does not have yet
        "#]],
        );
        check(
            "/x\u{1b}[31m",
            expect![[r#"
            Generate error: unrecognised processor type 'x\u{1b}[31m'
            hint: `wappa list processors` names those that there are
        "#]],
        );
    }
}
