//! A method that executes a mapping which is a text.

use std::{cell::RefCell, sync::Arc};

use crate::{
    error::{Error, Result},
    evaluate::{Context, Machine},
    program::{Expr, Program},
    registry::{Category, Method, Param, args::Given, bound::MethodBody, example},
    value::Evaluated,
};

pub(super) const METHODS: &[Method] = &[Method::new(
    "bloblang",
    Category::Parsing,
    "Executes a mapping on the value. It sees the value alone: no message, no metadata, nothing of the machine, and it imports \
     nothing.",
    MethodBody::Lazy(bloblang),
)
.params(&[Param::text("mapping", "The mapping.")])
.examples(&[
    example(
        "root.body = this.body.bloblang(this.mapping)",
        &[
            (r#"{"body":{"a":"x"},"mapping":"root.b = this.a.uppercase()"}"#, r#"{"body":{"b":"X"}}"#),
            (r#"{"body":{"a":"x"},"mapping":"root = deleted()"}"#, "{}"),
        ],
    ),
    example(r#"root = this.bloblang("this.a + 1")"#, &[(r#"{"a":1}"#, "2")]),
])];

thread_local! {
    /// The mapping that was executed last: most messages bring the same one.
    static LAST: RefCell<Option<(String, Arc<Program>)>> = const { RefCell::new(None) };
}

/// Reads a mapping; the error says what is wrong with it.
pub(crate) fn read(text: &str) -> Result<Program> {
    Program::parse_inner(text).map_err(|err| Error::new(err.text_with_found()))
}

fn bloblang(
    machine: &mut Machine<'_>,
    ctx: Context<'_>,
    target: &Expr,
    args: Given<'_>,
) -> Result<Evaluated> {
    let value = machine.evaluate(target, ctx)?;
    let text = args.text(0);
    let known = LAST.with_borrow(|last| {
        last.as_ref().filter(|(of, _)| **of == *text).map(|(_, program)| Arc::clone(program))
    });
    let program = match known {
        Some(program) => program,
        None => {
            machine.budget().steps(text.len() as u64)?;
            let program = Arc::new(read(&text)?);
            LAST.set(Some((text.into_owned(), Arc::clone(&program))));
            program
        }
    };
    machine.run_inner(&program, value)
}

#[cfg(test)]
mod tests {
    use wappa_message::Message;

    use crate::{Environment, Program};

    fn check(mapping: &str, document: &str, expected: &str) {
        let program = Program::parse(mapping, &Environment::default()).expect("it can be read");
        let mut batch = [Message::new(document.to_string())];
        let result = match program.map(&mut batch, 0) {
            Ok(mapped) => {
                assert!(mapped.apply(&mut batch[0]));
                String::from_utf8_lossy(batch[0].content()).into_owned()
            }
            Err(failure) => format!("Error({failure})"),
        };
        assert_eq!(result, expected, "{mapping} {document}");
    }

    /// As observed in Bento, but for imports and functions that are refused in other words.
    #[test]
    fn it_sees_the_value_alone() {
        use wappa_message::Value;
        let dynamic = |mapping: &str, expected: &str| {
            let document = Value::object([("m", Value::text(mapping)), ("b", Value::Int(5))]).expect("flat");
            check("root.r = this.b.bloblang(this.m)", &document.to_json(), expected);
        };
        dynamic("let x = this\nroot.a = $x", r#"{"r":{"a":5}}"#);
        dynamic("map q { root = this }\nroot = this.apply(\"q\")", r#"{"r":5}"#);
        dynamic("root = deleted()", "{}");
        dynamic("root = range(0, this)", r#"{"r":[0,1,2,3,4]}"#);
        let failed = |why: &str| format!("Error(failed assignment (line 1): {why})");
        dynamic(
            "root = this.uppercase()",
            &failed("expected string value, got number from field `this` (5)"),
        );
        dynamic("meta x = 5", &failed("unable to assign metadata in the current context"));
        dynamic("root = @x", &failed("metadata cannot be queried in this context"));
        dynamic("root = content()", &failed("unrecognised function 'content'"));
        dynamic("root = env(\"HOME\")", &failed("unrecognised function 'env'"));
        dynamic("root = counter()", &failed("unrecognised function 'counter'"));
        dynamic("root = this.x(", &failed("required: expected function argument, but reached end of input"));
        dynamic(
            "import \"./a\"\nroot = 5",
            &failed("failed to read import: imports are disabled in this context: impor"),
        );
    }

    #[test]
    fn one_that_is_known_is_checked_when_it_is_read() {
        let err = Program::parse(r#"root = this.bloblang("root = nope()")"#, &Environment::default());
        let err = err.expect_err("it is wrong");
        assert_eq!((err.column(), err.text()), (38, "unrecognised function 'nope'"));
    }

    #[test]
    fn one_that_executes_itself_ends() {
        let document = r#"{"m":"root = this.bloblang(this.m)"}"#;
        let text = "entering a mapping exceeded maximum allowed stacks of 5000, this could be due to unbounded recursion";
        check(
            "root = this.bloblang(this.m)",
            document,
            &format!("Error(failed assignment (line 1): {text})"),
        );
        // What it spends is spent by the mapping around it.
        let spends = r#"{"m":"root = \"x\".repeat(300000000).length()"}"#;
        let mapping = "let doc = this\nroot = range(0, 9).map_each(i -> $doc.bloblang($doc.m)).sum()";
        check(
            mapping,
            spends,
            "Error(failed assignment (line 2): failed to process element 3: string literal: the mapping makes more than \
             1GiB for one message)",
        );
    }
}
