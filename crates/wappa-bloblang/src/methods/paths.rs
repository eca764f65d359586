//! A method that follows paths.

use crate::{
    error::{Error, Result},
    json_path::Expression,
    registry::{
        Category, Method, Param,
        args::Given,
        bound::{MethodBody, PreparedMethod},
        example,
    },
};

fn json_path(args: Given<'_>) -> Result<PreparedMethod> {
    let expression = Expression::parse(&args.text(0));
    let expression =
        expression.map_err(|why| Error::new(format!("failed to evaluate json path expression: {why}")))?;
    Ok(Box::new(move |machine, value| expression.evaluate(&value, machine.budget())))
}

pub(super) const METHODS: &[Method] = &[Method::new(
    "json_path",
    Category::Objects,
    "What a [JSONPath](https://goessner.net/articles/JsonPath/) finds in the value. A path with `*`, `..`, a range, a filter or \
     several names gives a list of all that it finds; any other gives one value, or fails where there is none. In brackets, \
     and around paths, there may be operators: `+ - * / % **`, `== != < <= > >=`, `=~` and `!~` for regular expressions, `in`, \
     `&& || !`, `??`, `? :`, and those on bits.",
    MethodBody::Prepared(json_path),
)
.params(&[Param::text("expression", "The path.")])
.compiles()
.unnamed()
.examples(&[
    example(r#"root = this.json_path("$..name")"#, &[
        (r#"{"name":"ann","friends":[{"name":"bob"},{"age":3}]}"#, r#"["ann","bob"]"#),
        ("{}", "[]"),
    ]),
    example(r#"root = this.json_path("$.orders[?(@.total > 100 && @.state =~ '^p')].id")"#, &[(
        r#"{"orders":[{"id":1,"total":20,"state":"paid"},{"id":2,"total":200,"state":"paid"},{"id":3,"total":150,"state":"open"}]}"#,
        "[2]",
    )]),
    example(r#"root = this.json_path("$.rows[0].id")"#, &[
        (r#"{"rows":[{"id":5}]}"#, "5"),
        (r#"{"rows":[]}"#, r#"Error("failed assignment (line 1): index 0 out of bounds")"#),
        ("{}", r#"Error("failed assignment (line 1): unknown key rows")"#),
    ]),
])];
