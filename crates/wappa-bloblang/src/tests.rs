//! Tests of the whole: text in, text out.

use wappa_message::Message;

use crate::{Environment, Failure, Mapped, Program, functions, methods, registry::Example};

/// What a mapping makes of a content, as the tests write it.
fn run(program: &Program, content: &str) -> String {
    run_by(Program::map, program, &mut Message::new(content.to_string()))
}

fn run_by(
    map: fn(&Program, &mut [Message], usize) -> Result<Mapped, Failure>,
    program: &Program,
    message: &mut Message,
) -> String {
    match map(program, std::slice::from_mut(message), 0) {
        Err(failure) => format!("Error(\"{failure}\")"),
        Ok(mapped) => match mapped.apply(message) {
            true => String::from_utf8_lossy(message.content()).into_owned(),
            false => "<deleted>".to_string(),
        },
    }
}

#[test]
fn who_replaces_a_message_makes_the_same_of_it() {
    let document = r#"{ "a": {"b": [1, 2]}, "c": "text" }"#;
    for (mapping, expected) in [
        ("root = this\nroot.d = 1", r#"{"a":{"b":[1,2]},"c":"text","d":1}"#),
        ("root = this\nroot.a.b = deleted()\nroot.d = root.a", r#"{"a":{},"c":"text","d":{}}"#),
        // Others look at the document behind it.
        ("root = this\nroot.c = 1\nroot.d = this.c", r#"{"a":{"b":[1,2]},"c":1,"d":"text"}"#),
        ("root = this\nroot.c = 1\nroot.d = json(\"c\")", r#"{"a":{"b":[1,2]},"c":1,"d":"text"}"#),
        (
            "root = this\nroot.c = 1\nroot.d = content().string().length()",
            r#"{"a":{"b":[1,2]},"c":1,"d":35}"#,
        ),
        (
            "root = this\nroot.c = 1\nroot.d = match { this.c == \"text\" => 2 }",
            r#"{"a":{"b":[1,2]},"c":1,"d":2}"#,
        ),
        ("root = this\nroot = this\nroot.c = 1", r#"{"a":{"b":[1,2]},"c":1}"#),
        ("if this.c == \"text\" { root = this }\nroot.c = 1", r#"{"a":{"b":[1,2]},"c":1}"#),
        (
            "map m { root = this\n root.x = 1 }\nroot = this.apply(\"m\")\nroot.c = this.c",
            r#"{"a":{"b":[1,2]},"c":"text","x":1}"#,
        ),
        // What stays, and what failed, is as it was.
        ("meta a = this.c", document),
        ("let x = this\nroot = nothing()", document),
        ("root = deleted()", "<deleted>"),
        ("root = this\nroot.c = 1\nroot.d = throw(\"no\")", r#"Error("failed assignment (line 3): no")"#),
    ] {
        let program = Program::parse(mapping, &Environment::default()).expect("it is a mapping");
        for map in [Program::map, Program::map_over] {
            let mut message = Message::new(document);
            assert_eq!(run_by(map, &program, &mut message), expected, "{mapping}");
            if expected.starts_with("Error") || expected == document {
                assert_eq!(message.content(), document, "{mapping}");
                let value = message.value().expect("it is a document");
                assert_eq!(value.to_json(), r#"{"a":{"b":[1,2]},"c":"text"}"#, "{mapping}");
            }
        }
    }
}

#[test]
fn what_mappings_at_random_have_found_is_as_in_bento() {
    let content = r#"{"n":5,"s":"foo","l":[3,1,2],"o":{"t":"x"}}"#;
    for (mapping, expected) in [
        // Arguments that are evaluated say whose they are, also of a method to which one of them may be no value.
        (
            r#"this.l.set("a", !this.n)"#,
            "method 'set': failed to extract input arg 'value': expected bool value, got number from field `this.n` (5)",
        ),
        (
            "5.bool(root)",
            "method 'bool': failed to extract input arg 'default': expected bool value, got nothing",
        ),
        ("this.l.zip()", "zip requires at least one argument"),
        ("content().not_empty()", "expected string, array or object value, got bytes from function content"),
        // What a method gives is named after the query that it asks.
        (
            "this.map(this.n) + \"x\"",
            "cannot add types number (from field `this.n`) and string (from string literal)",
        ),
        // Short lists are compared in the order of an insertion.
        (
            "[3, 2, 1].sort_by(it -> if it == 2 { \"a\" } else { it })",
            "sort_by element 0: expected string value, got number from if expression (3)",
        ),
        ("[2, \"a\", 1].sort()", "sort element 0: expected string value, got number (2)"),
        ("[1, 2, 3].sort(true)", "<[3,2,1]>"),
        ("nothing()[1:]", "expected array or string value, got nothing"),
        ("deleted()[0]", "expected array or string value, got delete"),
        ("nothing().set(\"a\", 1)", "encountered value collision whilst building path"),
        ("this.no.set(\"a\", deleted())", "not an object"),
        // A point or a colon within a word does not end it.
        (r#""9t1:2Z a.1b a..b A1:B 00z ab-c".capitalize()"#, "<9T1:2z A.1b A..B A1:b 00Z Ab-C>"),
        ("{}.collapse(true)", r#"<{"":{}}>"#),
        (r#"this.s.hash("crc32", "", "x")"#, "field `this.s`: unsupported crc32 hash key \"x\""),
        (r#""%s %x %s".format({"a": null}, [null, 255], null)"#, "<map[a:<nil>] [<nil> ff] %!s(<nil>)>"),
        // Times are texts where Go's are, and are written as Go does within others.
        (r#"1.5.ts_tz("UTC").escape_html()"#, "<1970-01-01T00:00:01.5Z>"),
        (r#"1.5.ts_tz("UTC").filepath_split()"#, r#"<["","1970-01-01T00:00:01.5Z"]>"#),
        (r#""%v".format(1.5.ts_tz("Europe/Berlin"))"#, "<1970-01-01 01:00:01.5 +0100 CET>"),
        (
            r#"if this.n.ts_tz("UTC") { 1 }"#,
            "method ts_tz resolved to a non-boolean value 1970-01-01 00:00:05 +0000 UTC (time.Time)",
        ),
        (
            r#"this.n + this.n.ts_tz("UTC")"#,
            "cannot add types number (from field `this.n`) and string (from method ts_tz)",
        ),
        (
            r#"this.n.ts_tz("UTC") - 1"#,
            "cannot subtract types string (from method ts_tz) and number (from number literal)",
        ),
        (
            r#"this.n.ts_tz("UTC") / 2"#,
            "cannot divide types timestamp (from method ts_tz) and number (from number literal)",
        ),
        (
            r#"(this.s + "ü\n").ts_unix()"#,
            r#"parsing time "foo\xc3\xbc\x0a" as "2006-01-02T15:04:05.999999999Z07:00": cannot parse "foo\xc3\xbc\x0a" as "2006""#,
        ),
        (r#"(this.s + "ü").parse_duration()"#, r#"time: invalid duration "foo\xc3\xbc""#),
    ] {
        let program = Program::parse(&format!("root = {mapping}"), &Environment::default());
        let program = program.unwrap_or_else(|err| panic!("{mapping}: {err}"));
        let expected = match expected.strip_prefix('<').and_then(|it| it.strip_suffix('>')) {
            Some(content) => content.to_string(),
            None => format!("Error(\"failed assignment (line 1): {expected}\")"),
        };
        assert_eq!(run(&program, content), expected, "{mapping}");
    }
}

fn check_examples(name: &str, examples: &[Example], problems: &mut Vec<String>) {
    if examples.is_empty() {
        problems.push(format!("{name} has no example"));
    }
    for example in examples {
        let program = match Program::parse(example.mapping, &Environment::default()) {
            Ok(program) => program,
            // What is read from a file has no file here.
            Err(err) if example.results.is_empty() && err.text().starts_with("open ") => continue,
            Err(err) => {
                problems.push(format!("{name}: {}: {err}", example.mapping));
                continue;
            }
        };
        for (content, expected) in example.results {
            let actual = run(&program, content);
            if actual != *expected {
                problems.push(format!(
                    "{name}: {}\n  of {content}\n  gives {actual}\n  not   {expected}",
                    example.mapping
                ));
            }
        }
    }
}

#[test]
fn examples_give_what_they_say() {
    let mut problems = Vec::new();
    for function in functions() {
        check_examples(function.name, function.examples, &mut problems);
    }
    for method in methods() {
        check_examples(method.name, method.examples, &mut problems);
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn what_is_missing_is_not_there() {
    for name in crate::functions::MISSING {
        assert!(functions().iter().all(|it| it.name != *name), "the function `{name}` is there");
    }
    for name in crate::methods::MISSING {
        assert!(methods().iter().all(|it| it.name != *name), "the method `{name}` is there");
    }
}

/// Counting lines from the beginning, or looking for a name among all others, would take many minutes.
#[test]
fn mappings_of_many_statements_are_read_in_a_moment() {
    let mut mapping =
        "map one {\n  let a = 1\n  root = if $a == 1 {\n    throw(\"one\")\n  }\n}\n".to_string();
    for idx in 0..50_000 {
        mapping.push_str(&format!("let v{idx} = {idx}\n"));
    }
    mapping.push_str("if true {\n  root = $v49999\n  root.a = this.apply(\"one\")\n}\n");
    let program = Program::parse(&mapping, &Environment::default()).expect("it is sound");
    let failure = program.map(&mut [Message::new("{}")], 0).expect_err("it throws");
    assert_eq!(failure.to_string(), "failed assignment (line 50007): failed assignment (line 3): one");
}
