//! The difference between two texts, line by line.

/// Above so many pairs of lines they are shown one after the other: the table of the comparison would be too large.
const CELLS_MAX: usize = 4_000_000;

/// A line of a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    Same(&'a str),
    /// Expected, and not there.
    Missing(&'a str),
    /// There, and not expected.
    Extra(&'a str),
}

/// The lines of both texts in their order, as few of them different as can be.
pub(super) fn diff<'a>(expected: &'a str, found: &'a str) -> Vec<Line<'a>> {
    let expected: Vec<&str> = expected.lines().collect();
    let found: Vec<&str> = found.lines().collect();
    let (n, m) = (expected.len(), found.len());
    if CELLS_MAX < n.saturating_mul(m) {
        let missing = expected.into_iter().map(Line::Missing);
        return missing.chain(found.into_iter().map(Line::Extra)).collect();
    }
    // How many lines the rests from (i, j) on have in common.
    let mut common = vec![vec![0_u32; m + 1]; n + 1];
    for i in (0..n).rev() {
        for j in (0..m).rev() {
            common[i][j] = match expected[i] == found[j] {
                true => common[i + 1][j + 1] + 1,
                false => common[i + 1][j].max(common[i][j + 1]),
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut lines = Vec::new();
    while i < n || j < m {
        if i < n && j < m && expected[i] == found[j] {
            lines.push(Line::Same(expected[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == m || (i < n && common[i][j + 1] <= common[i + 1][j]) {
            lines.push(Line::Missing(expected[i]));
            i += 1;
        } else {
            lines.push(Line::Extra(found[j]));
            j += 1;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_what_differs() {
        let text = |expected, found| {
            let lines = diff(expected, found).into_iter().map(|it| match it {
                Line::Same(text) => format!(" {text}"),
                Line::Missing(text) => format!("-{text}"),
                Line::Extra(text) => format!("+{text}"),
            });
            lines.collect::<Vec<_>>().join("|")
        };
        assert_eq!(text("a\nb\nc\n", "a\nx\nc\n"), " a|-b|+x| c");
        assert_eq!(text("", "a\n"), "+a");
        assert_eq!(text("a\nb\n", "b\n"), "-a| b");
        assert_eq!(text("a\n", "a\n"), " a");
        let long = "a\n".repeat(3000);
        assert_eq!(diff(&long, &long).len(), 6000);
    }
}
