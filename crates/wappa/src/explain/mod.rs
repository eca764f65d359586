//! `explain`: what a field, a component or a part of a mapping is, out of the same descriptions as the reference.

mod find;
mod show;

use std::io::{self, IsTerminal};

use clap::Args;
use wappa_spec::{Registry, docs};

use self::{
    find::{Found, find},
    show::Page,
};
use crate::{environment::Environment, lint, prose};

const EXAMPLES: &str = "\
A path begins at a component, at a kind of component, or at the root of a config, and goes on with the names of fields \
with dots between them. A function or a method of mappings is found by its name.

  wappa explain kafka_franz.batching.count
  wappa explain output.kafka_franz.topic
  wappa explain pipeline.processors.0.wasm.module_path
  wappa explain wasm
  wappa explain parse_json";

/// The arguments of `explain`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ExplainArguments {
    /// What to explain: `kafka_franz.batching.count`, `wasm`, `logger.level`; several names are one path.
    #[arg(required = true)]
    path: Vec<String>,

    /// Print the whole page of a component, in Markdown.
    #[arg(long)]
    page: bool,
}

/// What is known of it; the error says what may have been meant.
pub(crate) fn explain(
    arguments: &ExplainArguments,
    environment: &Environment,
    registry: &dyn Registry,
) -> Result<String, String> {
    let path = arguments.path.join(".");
    let found = find(&path, registry)?;
    if arguments.page {
        let pages: Vec<String> = found.iter().filter_map(Found::spec).map(docs::page).collect();
        return match pages.as_slice() {
            [] => Err(format!(
                "there is no page of its own for `{}`\nhint: leave out `--page`, or name a component",
                path
            )),
            pages => Ok(pages.join("\n")),
        };
    }
    let is_terminal = io::stdout().is_terminal();
    let has_color = lint::has_color(is_terminal, environment);
    Ok(shown(&found, Page::new(prose::width(is_terminal), has_color), registry))
}

fn shown(found: &[Found<'_>], mut page: Page, registry: &dyn Registry) -> String {
    for (index, it) in found.iter().enumerate() {
        if 0 < index {
            page.rule();
        }
        page.show(it, registry);
    }
    page.into_text()
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use wappa_spec::{Field, Type};

    use super::*;
    use crate::table;

    fn explained(path: &str, width: usize) -> Result<String, String> {
        let registry: &dyn Registry = &table::registry();
        find(path, registry).map(|it| shown(&it, Page::new(width, false), registry))
    }

    fn check(path: &str, expected: Expect) {
        let text = explained(path, 60).unwrap_or_else(|err| format!("{err}\n"));
        expected.assert_eq(&text);
    }

    #[test]
    fn fields() {
        check(
            "try.x",
            expect![[r#"
            there is nothing called `x` in `try`
            hint: did you mean `try.xml`?
        "#]],
        );
        let (one, other) = (explained("root.pipeline.threads", 60), explained("pipeline.threads", 60));
        assert_eq!(one, other);
        check(
            "pipeline.threads",
            expect![[r#"
            pipeline.threads, a field

            How many threads work on messages at once, at most 4,096;
            below 1: as many as the machine has.

              Type     int
              Default  -1

            Example:
              threads: -1
        "#]],
        );
        check(
            "wasm.module_path",
            expect![[r#"
            wasm.module_path, a field of the processor `wasm`

            The path of the module: a `.wasm` file, or WebAssembly text
            (`.wat`). Relative to the working directory; when it is not
            there, relative to the config or the file of resources that
            names it.

              Type     string
              Default  none: it is required
        "#]],
        );
        check(
            "pipeline.processors.0.wasm.recycle",
            expect![[r#"
            pipeline.processors.wasm.recycle, a field of the processor `wasm`

            When an instance in good health is replaced by a new one.

              Type      object
              Advanced  most configs do without it
              Bento     does not have it

            Fields:
              messages  After so many messages; `0`: never (default `0`)
              growth    When its memory nears `memory_limit` after
                        having kept growing: a guest that leaks is
                        replaced before it fails (default `true`)
        "#]],
        );
        check(
            "output.http_client.headers.X-Tenant",
            expect![[r#"
            output.http_client.headers.X-Tenant, a value in `headers`

            Headers of the request.

              Type  string, may hold interpolations
        "#]],
        );
        check(
            "switch[].check",
            expect![[r#"
            switch.check, a field of the processor `switch`

            A mapping that says whether the case is for a message;
            without one it is for all.

              Type     mapping
              Default  ""
              Queries  it is a mapping; `wappa blobl` tries one

            Examples:
              check: this.type == "foo"
              check: this.urls.contains("https://example.com")
        "#]],
        );
    }

    #[test]
    fn components_and_kinds() {
        check(
            "noop",
            expect![[r#"
            noop, a processor

            Does nothing.

              Status      stable
              Categories  Utility

            A config with it:  wappa create --small /noop
            All about it:      wappa explain --page noop

            noop, a cache

            Keeps nothing: whatever is set is gone at once, and whatever
            is added was not there.

              Status  stable

            All about it:      wappa explain --page noop
        "#]],
        );
        check(
            "rate-limits",
            expect![[r#"
            rate limit, a kind of component

              rate-limits  local, redis
        "#]],
        );
        check(
            "not",
            expect![[r#"
                there is nothing called `not`
                hint: did you mean `now`?
            "#]],
        );
    }

    #[test]
    fn what_may_have_been_meant() {
        for (path, expected) in [
            ("wasm.modul_path", "did you mean `wasm.module_path`?"),
            ("kafka_franz.batch.count", "did you mean `kafka_franz.batching`?"),
            ("output.stdot", "did you mean `output.stdout`?"),
            ("module_path", "it is a field: `wasm.module_path`"),
            ("wasn", "did you mean `wasm`?"),
            ("parse_jsn", "did you mean `parse_json`?"),
            ("aws_lambda", "it is a Bento processor that Wappa does not have yet"),
            ("wasm.label", "a `label` stands beside the name of a component"),
            ("zzzzzzz", "`wappa list` names all components, functions and methods"),
            ("...", "`wappa explain wasm` says what a component is"),
        ] {
            let err = explained(path, 80).expect_err("there is no such thing");
            assert!(err.contains(&format!("\nhint: {expected}")), "{path}: {err}");
        }
    }

    #[test]
    fn nothing_that_moves_the_cursor_comes_back() {
        for path in ["\u{1b}]0;x", "http_client.headers.\u{1b}]0;x", "wasm.\u{1b}c", "wasm.\u{202e}"] {
            let text = explained(path, 80).unwrap_or_else(|it| it);
            assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text:?}");
        }
        assert!(explained(&"a.".repeat(100_000), 80).is_err());
    }

    #[test]
    fn every_field_is_found_by_its_path() {
        fn all(fields: &'static [Field], path: &str, found: &mut Vec<(String, &'static Field)>) {
            for field in fields {
                let path = format!("{path}.{}", field.name);
                if let Type::Object(inner)
                | Type::Array(Type::Object(inner))
                | Type::Map(Type::Object(inner)) = &field.ty
                {
                    let below = if matches!(field.ty, Type::Map(_)) { ".<name>" } else { "" };
                    all(inner, &format!("{path}{below}"), found);
                }
                found.push((path, field));
            }
        }
        let mut paths = Vec::new();
        for component in table::table() {
            let spec = &component.spec;
            all(spec.fields(), &format!("{}.{}", spec.kind, spec.name), &mut paths);
        }
        assert!(1000 < paths.len(), "{}", paths.len());
        for (path, field) in paths {
            let text = explained(&path, 80).expect(&path);
            let word = field.doc.split_whitespace().next().unwrap_or_default();
            assert!(text.starts_with(&path) && text.contains(word), "{path}: {text}");
        }
    }
}
