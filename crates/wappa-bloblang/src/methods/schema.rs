//! A method that compares values with schemas.

use crate::{
    error::Error,
    registry::{
        Category, Method, Param,
        args::Given,
        bound::{MethodBody, PreparedMethod},
        example,
    },
    schema::Schema,
};

/// How much is kept for a step, in bytes.
const BYTES_PER_STEP: usize = 16;

fn json_schema(args: Given<'_>) -> crate::error::Result<PreparedMethod> {
    let schema = Schema::parse(args.bytes(0));
    let schema =
        schema.map_err(|why| Error::new(format!("failed to parse json schema definition: {why}")))?;
    Ok(Box::new(move |machine, value| {
        let budget = machine.budget();
        // What is seen of a list whose elements differ is kept, as is what does not fit.
        let problems = schema.validate(&value, &mut |n| {
            budget.steps(n)?;
            budget.bytes((n as usize).saturating_mul(BYTES_PER_STEP))
        })?;
        if problems.is_empty() {
            return Ok(value);
        }
        let lines: Vec<String> = problems.iter().map(|it| format!("{} {}", it.field, it.told())).collect();
        Err(Error::new(lines.join("\n")))
    }))
}

pub(super) const METHODS: &[Method] = &[Method::new(
    "json_schema",
    Category::Objects,
    "The value, if it fits a JSON Schema of draft 4, 6 or 7; otherwise it fails and says what does not fit, each on a line. \
     References lead to places in the schema itself; nothing is fetched.",
    MethodBody::Prepared(json_schema),
)
.params(&[Param::text("schema", "The schema, as JSON.")])
.compiles()
.examples(&[example(
    r#"root = this.json_schema("""{"properties":{"id":{"type":"string"}},"required":["id"]}""")"#,
    &[
        (r#"{"id":"x"}"#, r#"{"id":"x"}"#),
        (
            r#"{"id":5}"#,
            r#"Error("failed assignment (line 1): field `this`: id invalid type. expected: string, given: integer")"#,
        ),
        ("{}", r#"Error("failed assignment (line 1): field `this`: (root) id is required")"#),
    ],
)])];
