//! Texts of descriptions where no page is around them: in editors and on terminals.

/// A Markdown text in which a link to another page of the reference is only its words; addresses stay.
pub(crate) fn links_as_text(markdown: &str) -> String {
    let mut out = String::with_capacity(markdown.len());
    let mut rest = markdown;
    while let Some(open) = rest.find('[') {
        let (before, at) = rest.split_at(open);
        out.push_str(before);
        let link = at.find("](").and_then(|middle| {
            let words = &at[1..middle];
            let target = &at[middle + 2..];
            let end = target.find(')')?;
            let is_code = out.matches('`').count() % 2 == 1;
            let is_page = !is_code && !words.contains(['[', ']', '\n']) && !target[..end].contains("://");
            is_page.then(|| (words, &target[end + 1..]))
        });
        match link {
            Some((words, behind)) => {
                out.push_str(words);
                rest = behind;
            }
            None => {
                out.push('[');
                rest = &at[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

/// Where lines end when nobody says how wide they may be, and no line is longer.
const WIDTH_MAX: usize = 100;

/// Below that lines are longer than the terminal rather than a word each.
const WIDTH_MIN: usize = 40;

/// How wide a text for standard output is.
pub(crate) fn width(is_terminal: bool) -> usize {
    match terminal_size::terminal_size() {
        Some((width, _)) if is_terminal => usize::from(width.0).clamp(WIDTH_MIN, WIDTH_MAX),
        _ => WIDTH_MAX,
    }
}

/// The first sentence of a text, on one line.
pub(crate) fn first_sentence(text: &str) -> String {
    let paragraph = text.split("\n\n").next().unwrap_or_default().replace('\n', " ");
    // An abbreviation is no end.
    let is_end =
        |at: &(usize, &str)| paragraph[at.0 + 2..].starts_with(|it: char| it.is_uppercase() || it == '`');
    match paragraph.match_indices(". ").find(is_end) {
        Some((end, _)) => paragraph[..end].to_string(),
        None => paragraph.trim_end_matches('.').to_string(),
    }
}

/// A Markdown text with lines of at most this width; what is in fences and tables stays as it is.
pub(crate) fn wrapped(markdown: &str, width: usize) -> String {
    let mut out = String::new();
    let mut paragraph = String::new();
    let mut is_fence = false;
    for line in markdown.lines() {
        let begins_fence = line.trim_start().starts_with("```");
        let is_item = line.trim_start().starts_with("- ");
        let is_own = is_fence || begins_fence || line.trim().is_empty() || line.starts_with(['|', '#']);
        if is_own || is_item {
            flush(&mut paragraph, &mut out, width);
        }
        if is_own {
            is_fence ^= begins_fence;
            out.push_str(line);
            out.push('\n');
        } else {
            if !paragraph.is_empty() {
                paragraph.push(' ');
            }
            paragraph.push_str(if paragraph.is_empty() { line.trim_end() } else { line.trim() });
        }
    }
    flush(&mut paragraph, &mut out, width);
    out
}

fn flush(paragraph: &mut String, out: &mut String, width: usize) {
    if paragraph.is_empty() {
        return;
    }
    let text = paragraph.trim_start();
    // What is below an item begins where the item does.
    let lead = paragraph.len() - text.len();
    let indent = if text.starts_with("- ") { lead + 2 } else { lead };
    out.push_str(&" ".repeat(lead));
    out.push_str(&wrapped_from(text, width, lead, indent));
    out.push('\n');
    paragraph.clear();
}

/// A text that begins at a column, with the lines below it at the same.
pub(crate) fn wrapped_within(text: &str, width: usize, column: usize) -> String {
    wrapped_from(text, width, column, column)
}

fn wrapped_from(text: &str, width: usize, column: usize, indent: usize) -> String {
    let mut out = String::new();
    let mut at = column;
    for word in text.split_whitespace() {
        let n_chars = word.chars().count();
        let is_first = out.is_empty();
        if !is_first && width < at + 1 + n_chars {
            out.push('\n');
            out.push_str(&" ".repeat(indent));
            at = indent;
        } else if !is_first {
            out.push(' ');
            at += 1;
        }
        out.push_str(word);
        at += n_chars;
    }
    out
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn links() {
        for (markdown, text) in [
            ("see [the guide](../../bloblang.md), please", "see the guide, please"),
            ("[a](b.md) and [c](#d)[e](f)", "a and ce"),
            ("[site](https://example.com/a)", "[site](https://example.com/a)"),
            ("`a[0](x)` [not", "`a[0](x)` [not"),
            ("`this.a[0]` and [`wasm`](wasm.md)", "`this.a[0]` and `wasm`"),
            ("[", "["),
        ] {
            assert_eq!(links_as_text(markdown), text, "{markdown}");
        }
    }

    #[test]
    fn lines_end_at_the_width() {
        let text = "A text of several\nlines, which are\none.\n\n- an item that is too long\n- short\n\n```\nas  it is, however long\n```\nend";
        expect![[r#"
            A text of several
            lines, which are
            one.

            - an item that is
              too long
            - short

            ```
            as  it is, however long
            ```
            end
        "#]]
        .assert_eq(&wrapped(text, 18));
        assert_eq!(wrapped_within("a bb ccc", 8, 4), "a bb\n    ccc");
        assert_eq!(first_sentence("One, e.g.\ntwo. Three.\n\nFour"), "One, e.g. two");
    }
}
