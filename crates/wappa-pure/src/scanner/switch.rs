//! The scanner `switch`.

use regex::bytes::Regex;
use wappa_bloblang::go_regex;
use wappa_component::{BuildError, BuildScanner, Component, Context, Opened, ScannerFactory};
use wappa_spec::{ComponentNode, Config, Node, Reader, Rule};

pub(super) const COMPONENT: Component = Component::scanner::<SwitchConfig>("switch");

/// Scans each source with the first scanner whose pattern its name matches.
///
/// The name of a file is its path as it was found; standard input has none, and matches as an empty text.
///
/// # Examples
///
/// ### By the ending of a file's name
///
/// ```yaml
/// input:
///   file:
///     paths: [ ./data/* ]
///     scanner:
///       switch:
///         - re_match_name: '\.csv$'
///           scanner:
///             csv: {}
///         - re_match_name: '\.gz$'
///           scanner:
///             decompress:
///               algorithm: gzip
///               into:
///                 lines: {}
///         - scanner:
///             to_the_end: {}
/// output:
///   stdout: {}
/// ```
///
/// # Errors
///
/// A source that no pattern matches is given up with an error; others go on, and the process exits with 1 at its end.
/// A last case without a pattern takes every source.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct SwitchConfig(Vec<CaseConfig>);

/// A scanner, and the sources that it is for.
#[derive(Config, Debug)]
struct CaseConfig {
    /// A regular expression that the name of a source has to match; none: every source.
    #[config(optional, example = r"'\.csv$'")]
    re_match_name: Option<String>,

    /// The scanner.
    #[config(child = "scanner")]
    scanner: ComponentNode,
}

impl CaseConfig {
    fn pattern(&self) -> Result<Option<Regex>, String> {
        self.re_match_name.as_deref().map(go_regex).transpose()
    }
}

fn lint(config: &SwitchConfig, node: &Node, reader: &mut Reader<'_>) {
    let nodes = node.as_seq().unwrap_or_default();
    for (case, at) in config.0.iter().zip(nodes) {
        if let Err(text) = case.pattern() {
            reader.error(Rule::InvalidValue, at.get("re_match_name").unwrap_or(at), text);
        }
    }
}

impl BuildScanner for SwitchConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn ScannerFactory>, BuildError> {
        let mut cases = Vec::new();
        for case in &self.0 {
            cases.push((case.pattern().map_err(BuildError::new)?, ctx.scanner(&case.scanner)?));
        }
        Ok(Box::new(Switch { cases }))
    }
}

struct Switch {
    cases: Vec<(Option<Regex>, Box<dyn ScannerFactory>)>,
}

impl ScannerFactory for Switch {
    fn open(&self, name: &str) -> Result<Opened, String> {
        let fits = |pattern: &Option<Regex>| pattern.as_ref().is_none_or(|it| it.is_match(name.as_bytes()));
        match self.cases.iter().find(|(pattern, _)| fits(pattern)) {
            Some((_, scanner)) => scanner.open(name),
            None => Err("source details did not match against any scanners".to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::test::{Harness, TempDir, check_lint};

    #[test]
    fn by_the_name() {
        let (dir, mut harness) = (TempDir::new(), Harness::default());
        dir.write("a.csv", "n\n1\n");
        dir.write("b.txt", "x\ny\n");
        dir.write("c.bin", "1\n2\n");
        let cases = "[{re_match_name: '\\.csv$', scanner: {csv: {}}}, {re_match_name: '\\.txt$', scanner: {lines: {}}}";
        let mut read = |cases: &str| {
            let path = dir.path().display();
            let config = format!("file: {{paths: ['{path}/*'], scanner: {{switch: {cases}]}}}}");
            let mut input = harness.input(&config);
            let read = harness.read_all(input.as_mut());
            read.replace(&path.to_string(), "DIR").replace("\\\"", "\"")
        };
        let rows = "{\"n\":\"1\"}\nx\ny\n";
        let failed = "source failed: read DIR/c.bin: source details did not match against any scanners\n";
        assert_eq!(read(cases), format!("{rows}{failed}end\n"));
        assert_eq!(read(&format!("{cases}, {{scanner: {{to_the_end: {{}}}}}}")), format!("{rows}1\\n2\\n\nend\n"));
    }

    #[test]
    fn a_pattern_that_is_none() {
        let config = "input:\n  stdin:\n    scanner:\n      switch:\n        - re_match_name: '('\n          scanner: {lines: {}}\n";
        check_lint(config, "(5,1) error parsing regexp: missing closing ): `(`\n");
    }
}
