//! Configs inside of Markdown: every fenced block that is marked as YAML.

/// A fenced block.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// What is inside, without the indentation of the fence.
    pub(crate) text: String,
    /// How many lines of the file stand before the first line of it.
    pub(crate) lines_before: u32,
    /// How far the fence is indented.
    pub(crate) indent: u32,
}

/// All blocks of a text that are marked as `language`. A block without an end ends with the text.
pub(crate) fn fenced_blocks(text: &str, is_wanted: impl Fn(&str) -> bool) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<(String, Option<Block>)> = None;
    for (number, line) in (1u32..).zip(text.lines()) {
        let inside = line.trim_start_matches(' ');
        let indent = line.len() - inside.len();
        match &mut open {
            None => {
                let fence: String = inside.chars().take_while(|it| *it == '`').collect();
                if fence.len() < 3 || inside[fence.len()..].contains('`') {
                    continue;
                }
                let block = Block { text: String::new(), lines_before: number, indent: indent as u32 };
                open = Some((fence.clone(), is_wanted(inside[fence.len()..].trim()).then_some(block)));
            }
            Some((fence, _))
                if inside.starts_with(fence.as_str()) && inside.trim_end_matches([' ', '`']).is_empty() =>
            {
                blocks.extend(open.take().and_then(|(_, block)| block));
            }
            Some((_, Some(block))) => {
                block.text.push_str(&line[indent.min(block.indent as usize)..]);
                block.text.push('\n');
            }
            Some((_, None)) => (),
        }
    }
    blocks.extend(open.and_then(|(_, block)| block));
    blocks
}

/// Whether what stands behind a fence says that the block is YAML.
pub(crate) fn is_yaml(info: &str) -> bool {
    matches!(info.split([' ', ',', '{']).next(), Some("yaml" | "yml"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_with_their_places() {
        let text = "a\n```yaml\nb: 1\n```\n```sh\n```yaml\nx\n```\n- c\n  ```yaml title=\"d\"\n  e:\n    f\n  ```\n\
                    ````yaml\n```\n````\n```yml\nno end\n";
        let blocks = fenced_blocks(text, is_yaml);
        let block = |text: &str, lines_before, indent| Block { text: text.to_string(), lines_before, indent };
        let expected = [
            block("b: 1\n", 2, 0),
            block("e:\n  f\n", 10, 2),
            block("```\n", 14, 0),
            block("no end\n", 17, 0),
        ];
        assert_eq!(blocks, expected);
    }
}
