//! Whatever a mapping says, reading it and evaluating it ends, without a panic and within its bounds.
//!
//! `WAPPA_FUZZ_CASES` and `WAPPA_FUZZ_SEED` choose how much is tried, and where it begins.

#[path = "support/random.rs"]
mod random;

use std::time::{Duration, Instant};

use random::Random;
use wappa_bloblang::{Environment, Program, functions, methods};
use wappa_message::Message;

const LITERALS: &[&str] = &[
    "\"a,b\"",
    "\"\"",
    "0",
    "-1",
    "2.5",
    "9223372036854775807",
    "true",
    "null",
    "[]",
    "{}",
    "[3,1,2]",
    "{\"a\":1}",
    "\"\\xff\"",
    "\"[a-z]+(b)?\"",
    "\"2006-01-02\"",
    "\"%5.2f %v %*d\"",
    "\"UTC\"",
    "content()",
    "deleted()",
    "nothing()",
    "this",
    "this.a",
    "this.l.*",
    "root",
    "root.x",
    "$v",
    "@m",
    "@",
    "now()",
    "range(0, 5)",
];
const OPERATORS: &[&str] = &["+", "-", "*", "/", "%", "==", "!=", "<", ">=", "&&", "||", "|"];
const TARGETS: &[&str] = &["root", "root.x", "root.l.-", "root.a.\"b.c\"", "let v", "meta m", "meta", "x.0"];
const DOCUMENTS: &[&str] = &[
    r#"{"a":"foo","l":[1,{"b":2},[3]],"n":-5,"s":"x y"}"#,
    r#"[1,2.5,"x",null,true,{"a":[]}]"#,
    "\"text\"",
    "12345678901234567890123",
    "no JSON",
    "",
    "\u{e4}\u{1f600}",
];

fn query(random: &mut Random, depth: usize, methods: &[&str], functions: &[&str], out: &mut String) {
    if depth == 0 || random.is(4) {
        return out.push_str(random.pick(LITERALS));
    }
    let inner = |random: &mut Random, out: &mut String| query(random, depth - 1, methods, functions, out);
    match random.below(12) {
        0 => {
            inner(random, out);
            out.push_str(&format!(" {} ", random.pick(OPERATORS)));
            inner(random, out);
        }
        1 => {
            out.push_str("if ");
            inner(random, out);
            out.push_str(" { ");
            inner(random, out);
            out.push_str(" } else { ");
            inner(random, out);
            out.push_str(" }");
        }
        2 => {
            out.push_str("match ");
            inner(random, out);
            out.push_str(" { ");
            inner(random, out);
            out.push_str(" => ");
            inner(random, out);
            out.push_str(", _ => ");
            inner(random, out);
            out.push_str(" }");
        }
        3 => {
            out.push_str(&format!("{}(", random.pick(functions)));
            if random.is(2) {
                inner(random, out);
            }
            out.push(')');
        }
        4 => {
            out.push('(');
            inner(random, out);
            out.push_str(&format!(
                "){}",
                random.pick(&["[0]", "[-1:]", "[::-1]", ".a.0", ".(this)", ".apply(\"m\")"])
            ));
        }
        5 => {
            out.push('[');
            inner(random, out);
            out.push_str(", ");
            inner(random, out);
            out.push(']');
        }
        _ => {
            out.push('(');
            inner(random, out);
            out.push_str(&format!(").{}(", random.pick(methods)));
            for idx in 0..random.below(3) {
                if 0 < idx {
                    out.push_str(", ");
                }
                if random.is(3) {
                    out.push_str(random.pick(&["it -> ", "_ -> "]));
                }
                inner(random, out);
            }
            out.push(')');
        }
    }
}

fn mapping(random: &mut Random, methods: &[&str], functions: &[&str]) -> String {
    let mut out = String::new();
    if random.is(3) {
        out.push_str("map m {\n  root = this\n  root.again = this.apply(\"m\")\n}\n");
    }
    for _ in 0..1 + random.below(3) {
        out.push_str(&format!("{} = ", random.pick(TARGETS)));
        let depth = 1 + random.below(4);
        query(random, depth, methods, functions, &mut out);
        out.push('\n');
    }
    // Some are broken somewhere.
    if random.is(4) {
        let mut bytes = out.into_bytes();
        let at = random.below(bytes.len());
        bytes[at] = b"(){}[].,:=\"$@!|\n#->\\"[random.below(20)];
        out = String::from_utf8_lossy(&bytes).into_owned();
    }
    out
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|it| it.parse().ok()).unwrap_or(default)
}

#[test]
fn no_mapping_panics_or_hangs() {
    let all_methods: Vec<&str> = methods().iter().map(|it| it.name).collect();
    // What reads files, and what waits for nobody.
    let all_functions: Vec<&str> = functions().iter().filter(|it| !it.is_impure).map(|it| it.name).collect();
    let environment = Environment::restricted();
    let first = number("WAPPA_FUZZ_SEED", 0);
    let mut n_read = 0;
    for seed in first..first + number("WAPPA_FUZZ_CASES", 3_000) {
        let mut random = Random(seed);
        let mapping = mapping(&mut random, &all_methods, &all_functions);
        let Ok(program) = Program::parse(&mapping, &environment) else { continue };
        n_read += 1;
        for document in DOCUMENTS {
            let mut batch = [Message::new(*document), Message::new("{}")];
            let result = match random.is(2) {
                true => program.map(&mut batch, 0),
                false => program.mutate(&mut batch, 0),
            };
            if let Ok(mapped) = result {
                mapped.apply(&mut batch[0]);
                // What was made can be printed.
                batch[0].content();
            }
        }
    }
    assert!(first != 0 || 300 < n_read, "{n_read} mappings could be read");
}

/// What a mapping makes of a document.
fn run(mapping: &str, document: &str) -> Result<String, String> {
    let program = Program::parse(mapping, &Environment::restricted()).map_err(|err| err.to_string())?;
    let mut batch = [Message::new(document.to_string())];
    let mapped = program.map(&mut batch, 0).map_err(|err| err.to_string())?;
    mapped.apply(&mut batch[0]);
    Ok(String::from_utf8_lossy(batch[0].content()).into_owned())
}

#[test]
fn what_has_no_end_is_an_error() {
    let bytes = "the mapping makes more than 1GiB for one message";
    for (mapping, expected) in [
        ("root = range(0, 1000000000000).length()", bytes),
        ("root = \"x\".repeat(1000000000000).length()", bytes),
        ("root = \"%1000000d%1000000d\".repeat(600).format(1).length()", bytes),
        ("root = \"ab\".repeat(1000000).replace_all(\"\", \"x\".repeat(1000)).length()", bytes),
        ("root = range(0, 100000).map_each(it -> range(0, 100000).sum())", bytes),
        (
            "map m {\n  root = this.apply(\"m\")\n}\nroot = this.apply(\"m\")",
            "entering map m exceeded maximum allowed stacks of 5000, this could be due to unbounded recursion",
        ),
    ] {
        let began = Instant::now();
        let err = run(mapping, "{}").expect_err(mapping);
        assert!(err.contains(expected), "{mapping}: {err}");
        // No measurement: what has no end would not come by here at all.
        assert!(began.elapsed() < Duration::from_secs(300), "{mapping}");
    }
}

/// Times stand in YAML. A text and a time have an order in one direction only, which a sort that trusts its comparison
/// ends with a panic: on this list, and on few others.
#[test]
fn lists_without_an_order_are_errors() {
    let document = r#"[x6369, x7542, "1732", "0712", x4863, "0660", "0760", "1617", "1068", x6495, "0348", "1356",
        2959-01-01T00:00:00Z, "1197", "0163", "1961", "2538", x6276, "1533", "1245", x3626, "1543", "1484", "2097",
        "0378"]"#;
    for sort in ["sort()", "sort_by(x -> x)"] {
        let failed = run(&format!("root = content().string().parse_yaml().{sort}"), document);
        let text = failed.expect_err("they have no order");
        assert!(text.contains("got timestamp"), "{text}");
    }
}

#[test]
fn deep_texts_are_errors() {
    for (open, close) in
        [("(", ")"), ("[", "]"), ("{\"a\":", "}"), ("match { ", " => 1 }"), ("this[", "]"), ("!(", ")")]
    {
        let deep = format!("root = {}1{}", open.repeat(100_000), close.repeat(100_000));
        let err = run(&deep, "{}").expect_err("it is too deep");
        assert!(!err.is_empty());
    }
    for long in [".a", ".string()", " + 1", "[0]", ".or(1)"] {
        let text = format!("root = this{}", long.repeat(100_000));
        // Fields are one path, however long; everything else has an end.
        let _ = run(&text, "{}");
    }
    let deep = format!("{}{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
    assert!(run("root = this.flatten()", &deep).is_err());
}

#[test]
fn maps_that_call_each_other_may_go_deep() {
    let mapping = "map m {\n  root = if this.n > 0 { {\"n\": this.n - 1}.apply(\"m\") } else { \"end\" }\n}\n\
                   root = this.apply(\"m\")";
    assert_eq!(run(mapping, "{\"n\":4000}").as_deref(), Ok("end"));
}
