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

#[cfg(test)]
mod tests {
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
}
