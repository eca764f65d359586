//! Environment variables in a config: `${NAME}`, `${NAME:default}` and the escape `${{NAME}}`.
//!
//! They are put in before the text is read as YAML, everywhere, comments included, exactly as Bento does it.

use crate::lint::{Lint, Rule};
use crate::yaml::Pos;

/// A text with its environment variables put in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaced {
    /// The text; a variable that was not set is empty.
    pub text: String,
    /// The names that had no default and were not set, in the order of the text.
    pub missing: Vec<String>,
}

impl Replaced {
    /// The one lint that names all missing variables.
    pub fn lint(&self) -> Option<Lint> {
        if self.missing.is_empty() {
            return None;
        }
        let message = format!("required environment variables were not set: [{}]", self.missing.join(" "));
        let lint = Lint::error(Rule::MissingEnvVar, Pos::new(1, 1), message);
        Some(lint.hint("set them, or give a default: `${NAME:default}`"))
    }
}

/// Puts in the variables that `lookup` knows.
///
/// A default is used where the variable is unset or empty. Line ends in a value become `\n` in two characters, so
/// that a value never adds a line. `${!…}` and `${}` are not touched.
pub fn replace(text: &str, lookup: impl Fn(&str) -> Option<String>) -> Replaced {
    let mut missing = Vec::new();
    let replaced = scan(text, |out, rest| {
        let (group, length) = group(rest)?;
        let value = match group.split_once(':') {
            Some((name, default)) => {
                lookup(name).filter(|it| !it.is_empty()).unwrap_or_else(|| default.to_string())
            }
            None => lookup(group).unwrap_or_else(|| {
                missing.push(group.to_string());
                String::new()
            }),
        };
        out.push_str(&value.replace('\n', "\\n"));
        Some(length)
    });
    // A second pass, as in Bento: an escape may come out of a default.
    let text = scan(&replaced, |out, rest| {
        let inner = rest.strip_prefix("${")?;
        let (_, length) = group_in_braces(inner)?;
        inner[length..].strip_prefix('}')?;
        out.push('$');
        out.push_str(&inner[..length]);
        Some(2 + length + 1)
    });
    Replaced { text, missing }
}

/// Copies `text`, and at each `${` lets `take` write something else and say how many bytes it stood for.
fn scan(text: &str, mut take: impl FnMut(&mut String, &str) -> Option<usize>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    // Without this, a long text of openings that nothing closes would be searched to its end from each of them.
    let last_brace = text.rfind('}').unwrap_or(0);
    while let Some(start) = rest.find("${").filter(|it| text.len() - rest.len() + it < last_brace) {
        out.push_str(&rest[..start]);
        rest = &rest[start..];
        let length = take(&mut out, rest).unwrap_or_else(|| {
            out.push('$');
            1
        });
        rest = &rest[length..];
    }
    out.push_str(rest);
    out
}

/// The inside of a `${NAME…}` at the beginning of a text, and its length with the braces.
fn group(text: &str) -> Option<(&str, usize)> {
    let (inner, length) = group_in_braces(text.strip_prefix('$')?)?;
    Some((inner, length + 1))
}

/// The inside of a `{NAME…}` at the beginning of a text, and its length with the braces.
fn group_in_braces(text: &str) -> Option<(&str, usize)> {
    let rest = text.strip_prefix('{')?;
    let is_name = |it: char| it.is_ascii_alphanumeric() || it == '_' || it == '.';
    let name = rest.find(|it| !is_name(it)).filter(|&it| it > 0)?;
    let end = match rest.as_bytes()[name] {
        b'}' => name,
        b':' => name + 1 + default_end(&rest[name + 1..])?,
        _ => return None,
    };
    Some((&rest[..end], end + 2))
}

/// Where the `}` after a default is: the first one that does not close a whole `${…}` inside of it.
///
/// When such a group swallows the last brace there is, it is taken as plain text instead.
fn default_end(text: &str) -> Option<usize> {
    let mut at = 0;
    // Where a `${` could have been plain text instead: its own first brace would have ended the default.
    let mut fallback = None;
    loop {
        let rest = &text[at..];
        let brace = rest.find('}').map(|it| at + it);
        match rest.find("${").map(|it| at + it) {
            Some(open) if brace.is_none_or(|it| open < it) => match text[open + 2..].find('}') {
                // `[^}]+` needs a character inside the group.
                Some(0) => return Some(open + 2),
                Some(close) => {
                    fallback = Some(open + 2 + close);
                    at = open + 2 + close + 1;
                }
                None => return fallback,
            },
            _ => return brace.or(fallback),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use expect_test::expect;

    use super::*;

    fn lookup(name: &str) -> Option<String> {
        match name {
            "EMPTY" => Some(String::new()),
            "dotted.name" => Some("value".to_string()),
            "LINES" => Some("one\ntwo".to_string()),
            "NESTED" => Some("${EMPTY:again}".to_string()),
            _ => None,
        }
    }

    #[test]
    fn the_table_of_the_original() {
        let mut out = String::new();
        for text in [
            "a ${UNSET:} z",
            "${UNSET:}",
            "${EMPTY:}",
            "${dotted.name:}",
            "a ${EMPTY:default} z",
            "a ${dotted.name:default} z",
            "a ${dotted.name} z",
            "a ${EMPTY:http://host.com} z",
            "a ${EMPTY:http://host.com?a=b#c} z",
            "a ${EMPTY:tcp://*:2020} z",
            "a ${EMPTY:b} http://host.com z",
            "a ${EMPTY} http://host.com z",
            "a ${} z",
            "a ${EMPTY:b,c} z",
            "a ${EMPTY:${!metadata:b}} z",
            "a ${EMPTY:${!metadata:b}${!metadata:c}} z",
            "a ${EMPTY:${!count:b}-${!timestamp}.tar.gz} z",
            "a ${{EMPTY:default}} z",
            "a ${{EMPTY}} z",
            "a ${LINES} z",
            "a ${UNSET} z",
            "a ${UNSET_A} ${UNSET_B} z",
            "a ${UNSET::} z",
            "${NESTED}",
            "${! json(\"a\") } ${!content()}",
            "${",
            "${UNSET",
            "${UNSET:",
            "${UNSET:${",
            "${UNSET:${a}",
            "${UNSET:${}}",
            "${UNSET-x}",
            "$${dotted.name}$",
            "${{! content() }}",
            "${UNSET:ä}",
            "${ä}",
        ] {
            let replaced = replace(text, lookup);
            writeln!(out, "{text:<48} {} {}", replaced.text, replaced.missing.join(","))
                .expect("writing to a string");
        }
        expect![[r#"
            a ${UNSET:} z                                    a  z 
            ${UNSET:}                                         
            ${EMPTY:}                                         
            ${dotted.name:}                                  value 
            a ${EMPTY:default} z                             a default z 
            a ${dotted.name:default} z                       a value z 
            a ${dotted.name} z                               a value z 
            a ${EMPTY:http://host.com} z                     a http://host.com z 
            a ${EMPTY:http://host.com?a=b#c} z               a http://host.com?a=b#c z 
            a ${EMPTY:tcp://*:2020} z                        a tcp://*:2020 z 
            a ${EMPTY:b} http://host.com z                   a b http://host.com z 
            a ${EMPTY} http://host.com z                     a  http://host.com z 
            a ${} z                                          a ${} z 
            a ${EMPTY:b,c} z                                 a b,c z 
            a ${EMPTY:${!metadata:b}} z                      a ${!metadata:b} z 
            a ${EMPTY:${!metadata:b}${!metadata:c}} z        a ${!metadata:b}${!metadata:c} z 
            a ${EMPTY:${!count:b}-${!timestamp}.tar.gz} z    a ${!count:b}-${!timestamp}.tar.gz z 
            a ${{EMPTY:default}} z                           a ${EMPTY:default} z 
            a ${{EMPTY}} z                                   a ${EMPTY} z 
            a ${LINES} z                                     a one\ntwo z 
            a ${UNSET} z                                     a  z UNSET
            a ${UNSET_A} ${UNSET_B} z                        a   z UNSET_A,UNSET_B
            a ${UNSET::} z                                   a : z 
            ${NESTED}                                        ${EMPTY:again} 
            ${! json("a") } ${!content()}                    ${! json("a") } ${!content()} 
            ${                                               ${ 
            ${UNSET                                          ${UNSET 
            ${UNSET:                                         ${UNSET: 
            ${UNSET:${                                       ${UNSET:${ 
            ${UNSET:${a}                                     ${a 
            ${UNSET:${}}                                     ${} 
            ${UNSET-x}                                       ${UNSET-x} 
            $${dotted.name}$                                 $value$ 
            ${{! content() }}                                ${{! content() }} 
            ${UNSET:ä}                                       ä 
            ${ä}                                             ${ä} 
        "#]]
        .assert_eq(&out);
    }

    #[test]
    fn one_lint_names_all() {
        let replaced = replace("# ${A}\n${B} ${A}\n", |_| None);
        expect!["(1,1) required environment variables were not set: [A B A]"]
            .assert_eq(&replaced.lint().expect("two are missing").to_string());
    }
}
