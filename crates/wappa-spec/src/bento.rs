//! What Bento has: the names of its components, so that what Wappa lacks is told apart from a typing error.

use crate::spec::ComponentKind;

/// One line a kind: its name, a colon, the names of its components.
const COMPONENTS: &str = include_str!("../data/bento-components.txt");

/// The names of Bento's components of a kind, in alphabetical order.
pub fn names(kind: ComponentKind) -> impl Iterator<Item = &'static str> {
    let line = COMPONENTS.lines().find_map(|it| it.strip_prefix(kind.name())?.strip_prefix(':'));
    line.unwrap_or_default().split_whitespace()
}

/// Whether Bento has a component of this kind and name.
pub fn has(kind: ComponentKind, name: &str) -> bool {
    names(kind).any(|it| it == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts() {
        let counts: Vec<usize> = ComponentKind::ALL.iter().map(|it| names(*it).count()).collect();
        assert_eq!(counts, [66, 79, 78, 16, 2, 4, 7, 4, 12]);
        assert!(has(ComponentKind::Processor, "branch"));
        assert!(!has(ComponentKind::Input, "branch"));
    }
}
