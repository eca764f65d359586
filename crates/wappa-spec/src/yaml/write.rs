//! Writes a tree back as YAML text, in the block style of Bento's `echo`.

use std::fmt;

use super::{Kind, Node, Style, scalar};

/// YAML text that reads back as the same tree, two spaces per level, with a line end.
impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        block(f, self, 0, false)
    }
}

/// Writes a value that begins on the current line when `inline`, else on a line of its own.
fn block(f: &mut fmt::Formatter<'_>, node: &Node, depth: usize, inline: bool) -> fmt::Result {
    match &node.kind {
        Kind::Map(pairs) if !pairs.is_empty() => {
            for (i, (key, value)) in pairs.iter().enumerate() {
                if i > 0 || !inline {
                    indent(f, depth)?;
                }
                scalar_text(f, key, None)?;
                f.write_str(":")?;
                nested(f, value, depth + 1)?;
            }
            Ok(())
        }
        Kind::Seq(items) if !items.is_empty() => {
            for (i, item) in items.iter().enumerate() {
                if i > 0 || !inline {
                    indent(f, depth)?;
                }
                f.write_str("- ")?;
                block(f, item, depth + 1, true)?;
            }
            Ok(())
        }
        _ => {
            if !inline {
                indent(f, depth)?;
            }
            scalar_text(f, node, Some(depth))?;
            f.write_str("\n")
        }
    }
}

fn nested(f: &mut fmt::Formatter<'_>, value: &Node, depth: usize) -> fmt::Result {
    let is_block = match &value.kind {
        Kind::Map(pairs) => !pairs.is_empty(),
        Kind::Seq(items) => !items.is_empty(),
        _ => false,
    };
    f.write_str(if is_block { "\n" } else { " " })?;
    block(f, value, depth, !is_block)
}

fn indent(f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
    (0..depth).try_for_each(|_| f.write_str("  "))
}

/// Writes anything that fits on one line, and with a depth also block scalars.
fn scalar_text(f: &mut fmt::Formatter<'_>, node: &Node, depth: Option<usize>) -> fmt::Result {
    match &node.kind {
        Kind::Null => f.write_str("null"),
        Kind::Seq(_) => f.write_str("[]"),
        Kind::Map(_) => f.write_str("{}"),
        Kind::Scalar { text, style } => match depth {
            Some(depth) if fits_a_block(text) => literal(f, text, depth.max(1)),
            _ if is_safe_plain(text, *style) => f.write_str(text),
            _ => quoted(f, text),
        },
    }
}

/// A literal block can hold it as it is: several lines, none of which needs an escape or an indentation indicator.
fn fits_a_block(text: &str) -> bool {
    text.contains('\n')
        && !text.starts_with([' ', '\n', '\t'])
        && text.chars().all(|it| it == '\n' || it == '\t' || !it.is_control() && it != '\u{feff}')
        && !text.contains(['\u{85}', '\u{2028}', '\u{2029}'])
        && text.split('\n').all(|line| !line.trim().is_empty() || line.is_empty())
}

fn literal(f: &mut fmt::Formatter<'_>, text: &str, depth: usize) -> fmt::Result {
    let body = text.strip_suffix('\n');
    f.write_str(match body {
        None => "|-",
        Some(body) if body.ends_with('\n') => "|+",
        Some(_) => "|",
    })?;
    for line in body.unwrap_or(text).split('\n') {
        f.write_str("\n")?;
        if !line.is_empty() {
            indent(f, depth)?;
            f.write_str(line)?;
        }
    }
    Ok(())
}

fn is_safe_plain(text: &str, style: Style) -> bool {
    // Quotes would make text of a number; its characters mean nothing else.
    if style == Style::Plain && matches!(scalar::tag(text), "!!int" | "!!float" | "!!bool") {
        return true;
    }
    let word =
        |it: char| it.is_alphanumeric() || matches!(it, '_' | '.' | '/' | '$' | '+' | '(' | ')' | '=' | ';');
    let inner = |it: char| word(it) || matches!(it, ' ' | '-' | '@' | '!' | '*' | '"' | '\'' | '<' | '>');
    let shape = text.starts_with(word) && text.ends_with(word) && text.chars().all(inner);
    let is_marker = matches!(text, "..." | "=");
    // What was text must not become a number, a bool or null.
    let keeps_type = style == Style::Plain || scalar::tag(text) == "!!str" && scalar::bool(text).is_none();
    shape && keeps_type && !is_marker && !text.starts_with("... ")
}

fn quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    for it in text.chars() {
        match it {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\t' => f.write_str("\\t")?,
            '\r' => f.write_str("\\r")?,
            it if it.is_control() || matches!(it, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                write!(f, "\\u{:04x}", u32::from(it))?;
            }
            it => write!(f, "{it}")?,
        }
    }
    f.write_str("\"")
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::super::parse;

    fn check(text: &str, expected: Expect) {
        let tree = parse(text).expect("the text is YAML").node;
        let written = tree.to_string();
        expected.assert_eq(&written);
        let again = parse(&written).expect("what was written is YAML").node;
        assert_eq!(again.to_string(), written);
    }

    #[test]
    fn reads_back() {
        check(
            "a: {b: [1, '2', [x, {y: z, q: []}]], c: {}, d: }\n",
            expect![[r#"
            a:
              b:
                - 1
                - "2"
                - - x
                  - y: z
                    q: []
              c: {}
              d: null
        "#]],
        );
        check(
            "a: |\n  one\n  two\nb:\n- |+\n  x\n\n- |-\n  y\n   z\n",
            expect![[r#"
            a: |
              one
              two
            b:
              - |+
                x

              - |-
                y
                 z
        "#]],
        );
        check(
            "a: [-5, '-5', -.inf, +1, 1_000, -0x1f, '- x']\n-1: -1.5\n",
            expect![[r#"
                a:
                  - -5
                  - "-5"
                  - -.inf
                  - +1
                  - 1_000
                  - -0x1f
                  - "- x"
                -1: -1.5
            "#]],
        );
        check(
            "a: '# no'\nb: 'x: y'\n'c d': 'yes'\n'': \"\\u0007\"\nd: '...'\ne: ' x'\n",
            expect![[r##"
            a: "# no"
            b: "x: y"
            c d: "yes"
            "": "\u0007"
            d: "..."
            e: " x"
        "##]],
        );
    }
}
