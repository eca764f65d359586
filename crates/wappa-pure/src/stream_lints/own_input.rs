//! A lint over a whole stream: an output that writes to a file which the input reads.

use std::{ffi::OsString, os::unix::ffi::OsStringExt, path::PathBuf};

use wappa_spec::{Lint, Node, Rule, StreamConfig};

use super::bodies_of;
use crate::{glob::PathPattern, path::clean};

/// Warns of each output that appends to a file which an input reads: what was written is read again, and the file grows for
/// as long as the stream runs.
///
/// An output that replaces what is in the file (`all-bytes`) is another matter, and so is a path that messages make.
pub(super) fn lint(config: &StreamConfig) -> Vec<Lint> {
    let mut patterns = Vec::new();
    for input in [&config.input].into_iter().chain(&config.resources.inputs) {
        bodies_of(input, &["file", "csv"], &mut |body| {
            let paths = body.get("paths").and_then(Node::as_seq).into_iter().flatten();
            patterns.extend(paths.filter_map(Node::as_str).filter_map(|it| PathPattern::parse(it).ok()));
        });
    }
    let mut lints = Vec::new();
    for output in [&config.output].into_iter().chain(&config.resources.outputs) {
        bodies_of(output, &["file"], &mut |body| {
            let replaces = body.get("codec").and_then(Node::as_str) == Some("all-bytes");
            let Some(at) = body.get("path").filter(|_| !replaces) else { return };
            let Some(path) = written(body, at) else { return };
            if patterns.iter().any(|it| it.fits(&path)) {
                let text = "this output writes to a file that the input reads, which then has no end";
                let hint =
                    "write to a file that the input does not read; `all-bytes` replaces what is in one";
                lints.push(Lint::warning(Rule::Custom, at.pos, text).on(at).hint(hint));
            }
        });
    }
    lints
}

/// The file that an output writes to, where messages do not decide that.
fn written(body: &Node, at: &Node) -> Option<PathBuf> {
    let path = at.as_str().filter(|it| !it.contains("${!"))?;
    let path = match body.get("root").and_then(Node::as_str) {
        Some(root) => format!("{root}/{path}"),
        None => path.to_string(),
    };
    Some(PathBuf::from(OsString::from_vec(clean(path.as_bytes()))))
}

#[cfg(test)]
mod tests {
    use crate::stream_lints::tests;

    fn check(input: &str, output: &str, is_told: bool) {
        let text = "this output writes to a file that the input reads, which then has no end\n";
        let expected = if is_told { format!("(2,1) {text}") } else { String::new() };
        tests::check(&format!("input: {{{input}}}\noutput: {{{output}}}\n"), &expected);
    }

    #[test]
    fn what_is_written_is_read_again() {
        check("file: {paths: [a.txt]}", "file: {path: a.txt}", true);
        check("file: {paths: [./x/../a.txt]}", "file: {path: ./a.txt}", true);
        check("file: {paths: ['*.txt']}", "file: {path: a.txt}", true);
        check("csv: {paths: ['*.txt']}", "file: {path: a.txt}", true);
        let switch = "switch: {cases: [{output: {file: {path: a.txt}}}]}";
        check("read_until: {idle_timeout: 1s, input: {file: {paths: [a.txt]}}}", switch, true);
        check("file: {paths: ['d/**/*.txt']}", "file: {root: d, path: e/a.txt}", true);
        check(
            "sequence: {inputs: [{file: {paths: [a.txt]}}]}",
            "fallback: [{drop: {}}, {file: {path: a.txt}}]",
            true,
        );
        check("type: file, plugin: {paths: [a.txt]}", "type: file, plugin: {path: a.txt}", true);
    }

    #[test]
    fn what_has_an_end() {
        check("file: {paths: [a.txt]}", "file: {path: b.txt}", false);
        check("file: {paths: [a.txt]}", "file: {path: a.txt, codec: all-bytes}", false);
        check("file: {paths: [a.txt]}", "file: {root: d, path: a.txt}", false);
        check("file: {paths: ['*.txt']}", "file: {path: d/a.txt}", false);
        check("file: {paths: ['d/**']}", "file: {path: a.txt}", false);
    }
}
