//! "Did you mean": the known name that is nearest to a misspelt one.

use crate::lint::Lint;

/// The same lint, with a hint when one of the known names is near.
pub(crate) fn did_you_mean<'k>(lint: Lint, name: &str, known: impl IntoIterator<Item = &'k str>) -> Lint {
    match nearest(name, known) {
        Some(it) => lint.hint(format!("did you mean `{it}`?")),
        None => lint,
    }
}

/// The nearest known name, when it is near enough to be what was meant.
pub fn nearest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    // Longer names are not what anybody meant, and the distance is quadratic.
    if name.chars().count() > 64 {
        return None;
    }
    let allowed = (name.chars().count() / 3).max(1);
    let known: Vec<&str> = known.into_iter().collect();
    // So far in their lengths alone are names that are not near, however long somebody made them.
    let n_chars = name.chars().count();
    let similar =
        known.iter().filter(|it| it.chars().take(n_chars + allowed + 1).count().abs_diff(n_chars) <= allowed);
    let similar = similar.filter(|it| !has_another_word(it, name));
    let nearest = similar.map(|it| (distance(name, it), *it)).min_by_key(|(distance, _)| *distance);
    if let Some((distance, nearest)) = nearest
        && distance <= allowed
        && distance < n_chars
    {
        return Some(nearest);
    }
    // A name of which some words were left out, if there is one only.
    let mut longer = known.into_iter().filter(|it| has_words(it, name));
    longer.next().filter(|_| longer.next().is_none())
}

/// Whether one of several words is another one, and not misspelt: `parse_date` is not meant to be `parse_yaml`.
fn has_another_word(name: &str, other: &str) -> bool {
    let (names, others) = (name.split('_'), other.split('_'));
    if names.clone().count() < 2 || names.clone().count() != others.clone().count() {
        return false;
    }
    let is_other = |(left, right): (&str, &str)| left.chars().count().div_ceil(2) < distance(left, right);
    names.zip(others).any(is_other)
}

/// Whether a name begins or ends with whole words: `module_path` with `module` and with `path`.
fn has_words(name: &str, words: &str) -> bool {
    let begins = name.strip_prefix(words).is_some_and(|it| it.starts_with('_'));
    let ends = name.strip_suffix(words).is_some_and(|it| it.ends_with('_'));
    !words.is_empty() && (begins || ends)
}

/// A text of the config as a message shows it: no longer than needed, and without characters that move the cursor.
pub(crate) fn shown(text: &str) -> String {
    const CHARS_MAX: usize = 60;
    let mut out = String::new();
    for it in text.chars().take(CHARS_MAX) {
        if crate::is_printable(it) {
            out.push(it);
        } else {
            out.extend(it.escape_debug());
        }
    }
    if text.chars().nth(CHARS_MAX).is_some() {
        out.push('…');
    }
    out
}

/// Insertions, deletions, replacements and swaps of neighbors that turn one text into the other.
fn distance(left: &str, right: &str) -> usize {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    let mut rows = vec![vec![0; right.len() + 1]; left.len() + 1];
    for i in 0..=left.len() {
        for j in 0..=right.len() {
            if i == 0 || j == 0 {
                rows[i][j] = i + j;
                continue;
            }
            let replaced = usize::from(left[i - 1] != right[j - 1]);
            let mut best = (rows[i - 1][j] + 1).min(rows[i][j - 1] + 1).min(rows[i - 1][j - 1] + replaced);
            if i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[left.len()][right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant() {
        let known = ["module_path", "function", "timeout", "env", "parse_yaml"];
        for (name, meant) in [
            ("modul_path", Some("module_path")),
            ("module_apth", Some("module_path")),
            ("fucntion", Some("function")),
            ("function", Some("function")),
            ("evn", Some("env")),
            ("tiemot", Some("timeout")),
            ("module", Some("module_path")),
            ("path", Some("module_path")),
            ("mod", None),
            ("prase_yml", Some("parse_yaml")),
            ("parse_date", None),
            ("nope", None),
            ("x", None),
            ("entirely_other", None),
            ("", None),
        ] {
            assert_eq!(nearest(name, known), meant, "{name}");
        }
    }
}
