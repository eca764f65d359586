//! Values of environment variables that YAML reads as something else than what they hold: `p #ss` without quotes is `p`
//! and a comment.
//!
//! The text is read a second time, with a harmless word in the place of each such value, and the two trees are
//! compared: so nothing has to be known of where quotes are.

use std::cell::RefCell;

use crate::env;
use crate::lint::{Lint, Rule};
use crate::yaml::{Kind, Node, Pos, parse};

/// The values that could be read as something else, each with the word that stands for it.
struct Stands {
    word: String,
    values: Vec<(String, String)>,
}

/// What is to be said of values that are not taken as they are.
///
/// `read` is the tree of the text with the values put in, or why there is none.
pub(crate) fn lints(
    text: &str,
    lookup: impl Fn(&str) -> Option<String>,
    read: Result<&Node, &mut Lint>,
) -> Vec<Lint> {
    let word = word_that_is_not_in(text);
    let values = RefCell::new(Vec::new());
    let replaced = env::replace(text, |name| {
        let value = lookup(name)?;
        if is_plain(&value) {
            return Some(value);
        }
        let mut values = values.borrow_mut();
        values.push((name.to_string(), value));
        Some(format!("{word}{}z", values.len() - 1))
    });
    let stands = Stands { word, values: values.into_inner() };
    if stands.values.is_empty() {
        return Vec::new();
    }
    // A text that is no YAML either way has another mistake.
    let Ok(harmless) = parse(&replaced.text) else { return Vec::new() };
    match read {
        Ok(node) => {
            let mut lints = Vec::new();
            stands.compare(&harmless.node, node, &mut lints);
            lints
        }
        Err(lint) => {
            // Values never add a line, so the line of the mistake is the line of the variable.
            let line =
                replaced.text.lines().nth(lint.pos.line.saturating_sub(1) as usize).unwrap_or_default();
            let mut found = stands.put_in(line).1;
            if found.is_empty() {
                stands.find(&harmless.node, &mut found);
            }
            lint.hint = stands.hint(&found).or(lint.hint.take());
            Vec::new()
        }
    }
}

/// Whether a value is the same text wherever it stands.
fn is_plain(value: &str) -> bool {
    value.bytes().all(|it| it.is_ascii_alphanumeric() || b"_-./+=".contains(&it))
}

fn word_that_is_not_in(text: &str) -> String {
    let mut word = "variable".to_string();
    while text.contains(&word) {
        word.push('x');
    }
    word
}

impl Stands {
    /// The text with the values in their places, and which these are, by number.
    fn put_in(&self, text: &str) -> (String, Vec<usize>) {
        let (mut out, mut found, mut rest) = (String::new(), Vec::new(), text);
        while let Some((before, behind)) = rest.split_once(&self.word) {
            out.push_str(before);
            let end = behind.find('z').unwrap_or(0);
            let known = behind[..end].parse::<usize>().ok().filter(|it| *it < self.values.len());
            let Some(idx) = known else {
                out.push_str(&self.word);
                rest = behind;
                continue;
            };
            out.push_str(&self.values[idx].1);
            found.push(idx);
            rest = &behind[end + 1..];
        }
        out.push_str(rest);
        (out, found)
    }

    fn compare(&self, harmless: &Node, read: &Node, lints: &mut Vec<Lint>) {
        match (&harmless.kind, &read.kind) {
            (Kind::Seq(items), Kind::Seq(others)) if items.len() == others.len() => {
                items.iter().zip(others).for_each(|(item, other)| self.compare(item, other, lints));
            }
            (Kind::Map(pairs), Kind::Map(others)) if pairs.len() == others.len() => {
                for ((key, value), (other_key, other_value)) in pairs.iter().zip(others) {
                    self.compare(key, other_key, lints);
                    self.compare(value, other_value, lints);
                }
            }
            (Kind::Scalar { text, .. }, other) => {
                let (expected, found) = self.put_in(text);
                let is_same = match other {
                    Kind::Scalar { text, .. } => text.trim() == expected.trim(),
                    // Whoever writes a whole list or mapping into a variable means it.
                    Kind::Seq(_) | Kind::Map(_) => expected.trim().starts_with(['[', '{']),
                    Kind::Null => matches!(expected.trim(), "" | "~"),
                };
                if !is_same {
                    lints.extend(self.lint(&found, read.pos));
                }
            }
            _ => {
                let mut found = Vec::new();
                self.find(harmless, &mut found);
                lints.extend(self.lint(&found, read.pos));
            }
        }
    }

    /// All values within a node.
    fn find(&self, node: &Node, found: &mut Vec<usize>) {
        match &node.kind {
            Kind::Null => (),
            Kind::Scalar { text, .. } => found.extend(self.put_in(text).1),
            Kind::Seq(items) => items.iter().for_each(|it| self.find(it, found)),
            Kind::Map(pairs) => pairs.iter().for_each(|(key, value)| {
                self.find(key, found);
                self.find(value, found);
            }),
        }
    }

    /// Names variables, never their values, which may be secret.
    fn lint(&self, found: &[usize], pos: Pos) -> Option<Lint> {
        let names = self.names(found)?;
        let message = format!("what the environment variable {names} holds is read as YAML, not as it is");
        Some(Lint { hint: self.hint(found), ..Lint::warning(Rule::UnquotedVariable, pos, message) })
    }

    fn names(&self, found: &[usize]) -> Option<String> {
        let mut names: Vec<&str> = Vec::new();
        for name in found.iter().map(|it| self.values[*it].0.as_str()) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        (!names.is_empty()).then(|| names.join(" or "))
    }

    fn hint(&self, found: &[usize]) -> Option<String> {
        let names = self.names(found)?;
        let (name, value) = &self.values[*found.first()?];
        let way_out = match (value.contains(['"', '\\']), value.contains(['\'', '\n'])) {
            (false, _) => format!("put it in double quotes: \"${{{name}}}\""),
            (true, false) => format!("put it in single quotes: '${{{name}}}'"),
            (true, true) => "it has quotes of its own: make it the text of a block, behind `|-`".to_string(),
        };
        Some(format!("what {names} holds means something in YAML; {way_out}"))
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::{LintOptions, Registry, Source};

    fn lookup(name: &str) -> Option<String> {
        let value = match name {
            "COMMENT" => "p #ss",
            "COLON" => "a: b",
            "QUOTE" => "a\"b",
            "ALIAS" => "*x",
            "LIST" => "[a, 'b #c']",
            "URL" => "http://host:80/?a=b#c",
            "SPACES" => " two words ",
            "LINES" => "-----BEGIN\nKEY",
            _ => return None,
        };
        Some(value.to_string())
    }

    #[test]
    fn what_is_said_of_each() {
        let texts = [
            "a: ${COMMENT}",
            "a: \"${COMMENT}\"",
            "a: '${COMMENT}'",
            "a: # ${COMMENT}\n  b",
            "a: |\n  ${COMMENT}",
            "a: x${COMMENT}y${COMMENT}",
            "a: ${COLON}",
            "- ${COLON}",
            "a: [${COLON}]",
            "a: \"${COLON}\"",
            "a: \"${QUOTE}\"",
            "a: ${QUOTE}",
            "a: ${ALIAS}",
            "a: ${LIST}",
            "a: ${URL} ${SPACES}",
            "a: ${LINES}",
            "a: \"${LINES}\"",
            "a: ${COMMENT}\nb: ${URL}\nc: {d: ${COLON}}",
            "${COLON}: 1",
        ];
        let registry: &dyn Registry = &Vec::<&crate::Spec>::new();
        let mut all = String::new();
        for text in texts {
            let lints = match Source::read(text.as_bytes(), lookup) {
                Ok(source) => source.stream(registry, LintOptions::default()).lints,
                Err(lints) => lints,
            };
            all.push_str(&format!("{}\n", text.replace('\n', "\\n")));
            for it in
                lints.iter().filter(|it| it.hint.as_ref().is_some_and(|it| it.contains("means something")))
            {
                all.push_str(&format!("    {it}\n    hint: {}\n", it.hint.as_deref().unwrap_or_default()));
            }
        }
        expect![[r#"
            a: ${COMMENT}
                (1,1) what the environment variable COMMENT holds is read as YAML, not as it is
                hint: what COMMENT holds means something in YAML; put it in double quotes: "${COMMENT}"
            a: "${COMMENT}"
            a: '${COMMENT}'
            a: # ${COMMENT}\n  b
            a: |\n  ${COMMENT}
            a: x${COMMENT}y${COMMENT}
                (1,1) what the environment variable COMMENT holds is read as YAML, not as it is
                hint: what COMMENT holds means something in YAML; put it in double quotes: "${COMMENT}"
            a: ${COLON}
                (1,1) yaml: line 1: mapping values are not allowed in this context
                hint: what COLON holds means something in YAML; put it in double quotes: "${COLON}"
            - ${COLON}
                (1,1) what the environment variable COLON holds is read as YAML, not as it is
                hint: what COLON holds means something in YAML; put it in double quotes: "${COLON}"
            a: [${COLON}]
                (1,1) what the environment variable COLON holds is read as YAML, not as it is
                hint: what COLON holds means something in YAML; put it in double quotes: "${COLON}"
            a: "${COLON}"
            a: "${QUOTE}"
                (1,1) yaml: line 1: invalid trailing content after double-quoted scalar
                hint: what QUOTE holds means something in YAML; put it in single quotes: '${QUOTE}'
            a: ${QUOTE}
            a: ${ALIAS}
                (1,1) yaml: line 1: while parsing node, found unknown anchor
                hint: what ALIAS holds means something in YAML; put it in double quotes: "${ALIAS}"
            a: ${LIST}
            a: ${URL} ${SPACES}
            a: ${LINES}
                (1,1) what the environment variable LINES holds is read as YAML, not as it is
                hint: what LINES holds means something in YAML; put it in double quotes: "${LINES}"
            a: "${LINES}"
            a: ${COMMENT}\nb: ${URL}\nc: {d: ${COLON}}
                (3,1) yaml: line 3: while parsing a flow mapping, did not find expected ',' or '}'
                hint: what COLON holds means something in YAML; put it in double quotes: "${COLON}"
            ${COLON}: 1
                (1,1) yaml: line 1: mapping values are not allowed in this context
                hint: what COLON holds means something in YAML; put it in double quotes: "${COLON}"
        "#]]
        .assert_eq(&all);
    }
}
