//! Which of the lines that a guest wrote to standard error says why it failed: the last one, unless a runtime has told of
//! a panic, behind which it prints stacks and advice.

#[derive(Debug, Default)]
pub(super) struct Explanation {
    last: String,
    panic: String,
    /// The line of the panic says where; the next one says why.
    is_half: bool,
    /// The lines behind a panic in Go say where.
    wants_place: bool,
}

impl Explanation {
    pub(super) fn take(&mut self, line: &str) {
        let line = line.trim();
        if line.is_empty() {
            return;
        }
        if self.is_half {
            // Rust: `thread 'main' panicked at src/lib.rs:3:5:`, and the message.
            self.panic = format!("{} {line}", self.panic);
            self.is_half = false;
        } else if self.panic.is_empty() {
            // Go, TinyGo, and Rust.
            let is_panic = line.starts_with("panic: ") || line.starts_with("fatal error: ");
            let is_rust = line.starts_with("thread '") && line.contains(" panicked at ");
            if is_panic || is_rust {
                self.panic = line.to_string();
                self.is_half = is_rust && line.ends_with(':');
                self.wants_place = is_panic;
            }
        } else if self.wants_place
            && let Some(place) = place_in_go(line)
            && !is_foreign(&self.last)
        {
            self.panic = format!("{}, at {place}", self.panic);
            self.wants_place = false;
        }
        self.last = line.to_string();
    }

    pub(super) fn text(&self) -> Option<String> {
        let text = if self.panic.is_empty() { &self.last } else { &self.panic };
        (!text.is_empty()).then(|| text.clone())
    }
}

/// The place in a line of a Go stack below a function's name, with the last directory only: `orders/main.go:6` of
/// `/src/orders/main.go:6 +0x1`. The SDK places what it recovers from in the same way.
fn place_in_go(line: &str) -> Option<&str> {
    let (file, rest) = line.split_once(".go:")?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let is_ended = matches!(rest.as_bytes().get(digits), None | Some(b' '));
    let begin = file.rmatch_indices('/').nth(1).map_or(0, |(at, _)| at + 1);
    (0 < digits && is_ended).then(|| &line[begin..file.len() + ".go:".len() + digits])
}

/// The first elements of the import paths of Go's standard library. A build with `-trimpath` says no directory by which
/// to know it, and module paths without a dot are allowed for everybody.
const STANDARD: &[&str] = &[
    "archive",
    "bufio",
    "bytes",
    "cmp",
    "compress",
    "container",
    "context",
    "crypto",
    "database",
    "debug",
    "embed",
    "encoding",
    "errors",
    "expvar",
    "flag",
    "fmt",
    "go",
    "hash",
    "html",
    "image",
    "index",
    "internal",
    "io",
    "iter",
    "log",
    "maps",
    "math",
    "mime",
    "net",
    "os",
    "path",
    "plugin",
    "reflect",
    "regexp",
    "runtime",
    "slices",
    "sort",
    "strconv",
    "strings",
    "structs",
    "sync",
    "syscall",
    "testing",
    "text",
    "time",
    "unicode",
    "unique",
    "unsafe",
    "vendor",
    "weak",
];

/// Whether a line of a Go stack names a function of the runtime, of the standard library or of the SDK, and none of the
/// guest's author: `strings.Repeat({0x1, 0x1}, 0x2)`.
fn is_foreign(line: &str) -> bool {
    let function = line.split('(').next().unwrap_or_default();
    let first = match function.split_once('/') {
        Some((first, _)) => first,
        None => function.split('.').next().unwrap_or_default(),
    };
    let is_ours = function.strip_prefix("wappa.dev/guest").is_some_and(|it| it.starts_with(['.', '/']));
    is_ours || STANDARD.contains(&first) || function == "panic" || line.starts_with("goroutine ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(lines: &[&str]) -> Option<String> {
        let mut explanation = Explanation::default();
        lines.iter().for_each(|it| explanation.take(it));
        explanation.text()
    }

    #[test]
    fn the_last_line_unless_there_was_a_panic() {
        assert_eq!(text(&[]), None);
        assert_eq!(text(&["one", "two", " "]).as_deref(), Some("two"));
        let rust = ["thread '<unnamed>' panicked at src/lib.rs:3:5:", "no such order", "note: run with more"];
        assert_eq!(
            text(&rust).as_deref(),
            Some("thread '<unnamed>' panicked at src/lib.rs:3:5: no such order")
        );
        let fatal = ["fatal error: all goroutines are asleep - deadlock!", "goroutine 1 [chan receive]:"];
        assert_eq!(text(&fatal).as_deref(), Some(fatal[0]));
    }

    #[test]
    fn a_panic_in_go_is_where_its_author_can_look() {
        // Each is the stack without its head.
        let cases: &[(&[&str], &str)] = &[
            (&["main.process(...)", "\t/src/a/main.go:6 +0x1"], "a/main.go:6"),
            (&["main.process(...)", "\t/main.go:6"], "/main.go:6"),
            (&["main.process(...)", "\tmain.go:6 +0x1"], "main.go:6"),
            (
                &[
                    "panic({0x1, 0x2})",
                    "\t/go/src/runtime/panic.go:787 +0x2",
                    "runtime.goPanicIndex()",
                    "\t/go/src/runtime/panic.go:115 +0x7",
                    "main.process()",
                    "\t/a/b/c.go:12 +0x1d",
                    "main.main()",
                    "\t/a/b/c.go:20 +0x1d",
                ],
                "b/c.go:12",
            ),
            // With -trimpath, in a package of a module without a dot, from a function of Go's library.
            (
                &[
                    "strings.Repeat({0x1, 0x1}, 0x2)",
                    "\tstrings/strings.go:624 +0x9",
                    "encoding/json.(*Decoder).Decode(0x1)",
                    "\tencoding/json/stream.go:1 +0x9",
                    "wappa.dev/guest.Count({0x1, 0x1}, 0x1)",
                    "\twappa.dev/guest@v0.0.0/guest.go:124 +0x1",
                    "orders/line.(*Line).Parse(0xc)",
                    "\torders/line/parse.go:7 +0x1d",
                ],
                "line/parse.go:7",
            ),
            (&["go.example/x.F(0x1)", "\tgo.example/x@v1.0.0/f.go:7 +0x1d"], "x@v1.0.0/f.go:7"),
        ];
        for (stack, place) in cases {
            let lines = [&["panic: no luck", "", "goroutine 1 [running]:"], *stack].concat();
            assert_eq!(text(&lines), Some(format!("panic: no luck, at {place}")), "{stack:?}");
        }
    }
}
