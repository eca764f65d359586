//! How findings look: Bento's plain line and the way out, and on a terminal the place in the file between them.
//!
//! One position is shown: Bento's, whose column means nothing, where a program may read it, and the place itself on a
//! terminal.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use wappa_spec::{Lint, is_printable, printable, printable_lines};

use crate::config::Finding;

/// Bento's line, with what is shown below it.
pub(crate) fn render(finding: &Finding, is_terminal: bool, has_color: bool) -> String {
    let line = if is_terminal { finding.line_of_place() } else { finding.line() };
    render_below(line, finding, is_terminal, has_color)
}

/// The same with a line of its own.
pub(crate) fn render_below(line: String, finding: &Finding, is_terminal: bool, has_color: bool) -> String {
    let line = printable_lines(&line).into_owned();
    if !is_terminal {
        let hint =
            finding.lint.hint.as_ref().map(|it| format!("  hint: {}\n", printable(it))).unwrap_or_default();
        return format!("{line}\n{hint}");
    }
    // Bento's colors: what cannot be read is red, everything else yellow.
    let colored = match (has_color, finding.is_read_error()) {
        (false, _) => line,
        (true, true) => format!("\x1b[31m{line}\x1b[0m"),
        (true, false) => format!("\x1b[33m{line}\x1b[0m"),
    };
    let place = place(finding, if has_color { Renderer::styled() } else { Renderer::plain() });
    let hint = match &finding.lint.hint {
        Some(hint) => format!("hint: {}\n", printable_lines(hint)),
        None => String::new(),
    };
    let end = if place.is_empty() && hint.is_empty() { "" } else { "\n" };
    format!("{colored}\n{place}{hint}{end}")
}

fn place(finding: &Finding, renderer: Renderer) -> String {
    let Lint { pos, len, level, .. } = finding.lint;
    // Nothing is to be seen in an empty line, nor in one that fills the screen.
    let Some(line) = finding.file.line(pos.line).filter(|it| !it.trim().is_empty() && it.len() <= 400) else {
        return String::new();
    };
    // One character for another, so that columns stay.
    let line: String =
        line.chars().map(|it| if is_printable(it) || it == '\t' { it } else { '\u{fffd}' }).collect();
    let line = line.as_str();
    let byte = |column: u32| line.char_indices().nth(column as usize).map_or(line.len(), |(at, _)| at);
    let start = byte(pos.column.saturating_sub(1)).min(line.len());
    let is_end = line.chars().count() + 1 == pos.column as usize;
    let span = match line[start..].trim().is_empty() {
        // Something is missing behind the last character.
        true if is_end => line.len()..line.len(),
        // Environment variables may have moved the place; then it is the whole line.
        true => line.len() - line.trim_start().len()..line.trim_end().len(),
        false => start..byte(pos.column.saturating_sub(1).saturating_add(len.max(1))).max(start + 1),
    };
    let level = if level == wappa_spec::Level::Error { Level::ERROR } else { Level::WARNING };
    let snippet =
        Snippet::source(line).line_start(pos.line as usize).annotation(AnnotationKind::Primary.span(span));
    let rendered = renderer.render(&[Group::with_level(level).element(snippet)]);
    // The place stands in the line above.
    let is_place = |line: &str| line.contains("--> ") || line.contains("::: ");
    let (first, below) = rendered.split_once('\n').unwrap_or((&rendered, ""));
    if is_place(first) { format!("{below}\n") } else { format!("{rendered}\n") }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use expect_test::expect;
    use wappa_spec::{Pos, Rule};

    use super::*;
    use crate::file_text::FileText;

    fn finding(text: &str, pos: Pos, len: u32, hint: Option<&str>) -> Finding {
        let file = FileText::new("a.yaml", text.to_string());
        let lint = Lint::error(Rule::UnknownField, pos, "field path not recognised");
        Finding { file: Arc::new(file), lint: Lint { len, hint: hint.map(str::to_string), ..lint } }
    }

    #[test]
    fn places() {
        let text = "input:\n  file: {paths: [ä], path: b}\n\n";
        let of = |pos, len, hint| render(&finding(text, pos, len, hint), true, false);
        let all = [
            of(Pos::new(2, 23), 4, Some("did you mean `paths`?")),
            of(Pos::new(2, 99), 4, None),
            of(Pos::new(2, 30), 0, None),
            of(Pos::new(3, 1), 0, None),
            of(Pos::new(0, 1), 0, Some("write something")),
            render(&finding(text, Pos::new(2, 3), 0, Some("x")), false, true),
            render(&finding(text, Pos::new(1, 1), 5, None), true, true),
        ];
        expect![[r#"
            a.yaml(2,23) field path not recognised
              |
            2 |   file: {paths: [ä], path: b}
              |                       ^^^^
            hint: did you mean `paths`?

            a.yaml(2,99) field path not recognised
              |
            2 |   file: {paths: [ä], path: b}
              |   ^^^^^^^^^^^^^^^^^^^^^^^^^^^

            a.yaml(2,30) field path not recognised
              |
            2 |   file: {paths: [ä], path: b}
              |                              ^

            a.yaml(3,1) field path not recognised
            a.yaml(0,1) field path not recognised
            hint: write something

            a.yaml(2,1) field path not recognised
              hint: x
            ESC[33ma.yaml(1,1) field path not recognisedESC[0m
              ESC[1mESC[94m|ESC[0m
            ESC[1mESC[94m1ESC[0m ESC[1mESC[94m|ESC[0m input:
              ESC[1mESC[94m|ESC[0m ESC[1mESC[91m^^^^^ESC[0m

        "#]]
        .assert_eq(&all.concat().replace('\x1b', "ESC"));
    }
}
