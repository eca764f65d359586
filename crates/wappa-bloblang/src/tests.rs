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
