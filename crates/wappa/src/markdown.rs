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
    /// Whether there is a fence behind it. A block without one ends with the text.
    pub(crate) is_closed: bool,
}

/// All blocks of a text whose marks are wanted.
pub(crate) fn fenced_blocks(text: &str, is_wanted: impl Fn(&str) -> bool) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<(String, Option<Block>)> = None;
    for (number, line) in (1u32..).zip(text.lines()) {
        match &mut open {
            None => {
                // A fence may stand in a list or a quotation.
                let is_before = |it: char| it.is_ascii_digit() || " -*+>.)".contains(it);
                let inside = line.trim_start_matches(is_before);
                let indent = line.len() - inside.len();
                let fence: String = inside.chars().take_while(|it| *it == '`').collect();
                if fence.len() < 3 || inside[fence.len()..].contains('`') {
                    continue;
                }
                let block = Block {
                    text: String::new(),
                    lines_before: number,
                    indent: indent as u32,
                    is_closed: false,
                };
                open = Some((fence.clone(), is_wanted(inside[fence.len()..].trim()).then_some(block)));
            }
            Some((fence, _)) if is_end(line, fence) => {
                let block = open.take().and_then(|(_, block)| block);
                blocks.extend(block.map(|it| Block { is_closed: true, ..it }));
            }
            Some((_, Some(block))) => {
                let blanks = line.len() - line.trim_start_matches(' ').len();
                block.text.push_str(&line[blanks.min(block.indent as usize)..]);
                block.text.push('\n');
            }
            Some((_, None)) => (),
        }
    }
    blocks.extend(open.and_then(|(_, block)| block));
    blocks
}

fn is_end(line: &str, fence: &str) -> bool {
    let line = line.trim_matches([' ', '>']);
    line.starts_with(fence) && line.bytes().all(|it| it == b'`')
}

/// Whether what stands behind a fence says that the block is a config. As in Bento, blocks marked `yml` are not looked
/// at: both mark parts of configs so.
pub(crate) fn is_yaml(info: &str) -> bool {
    info.split([' ', ',', '{']).next() == Some("yaml")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_with_their_places() {
        let text = "a\n```yaml\nb: 1\n```\n```sh\n```yaml\nx\n```\n- c\n  ```yaml title=\"d\"\n  e:\n    f\n  ```\n\
                    ````yaml\n```\n````\n```yml\npart: 1\n```\n1. ```yaml\n   no end\n";
        let blocks = fenced_blocks(text, is_yaml);
        let block = |text: &str, lines_before, indent| {
            let is_closed = text != "no end\n";
            Block { text: text.to_string(), lines_before, indent, is_closed }
        };
        let expected = [
            block("b: 1\n", 2, 0),
            block("e:\n  f\n", 10, 2),
            block("```\n", 14, 0),
            block("no end\n", 20, 3),
        ];
        assert_eq!(blocks, expected);
    }
}
