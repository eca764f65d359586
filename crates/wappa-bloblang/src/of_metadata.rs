//! Which mappings make metadata of metadata and of nothing else, so that messages that share theirs get the same.

use crate::{
    program::{Case, Expr, Statement, StatementKind, Target},
    registry::{
        Category,
        bound::{FunctionBody, MethodBody},
    },
};

/// Whether these statements assign metadata and variables only, and what they assign depends on the metadata alone.
pub(crate) fn are_of_metadata(statements: &[Statement]) -> bool {
    statements.iter().all(|statement| match &statement.kind {
        StatementKind::Assign(Target::Root(_), _) => false,
        StatementKind::Assign(Target::Variable(_) | Target::Metadata(_), query) => is_of_metadata(query),
        StatementKind::If(branches) => branches.iter().all(|(condition, statements)| {
            condition.as_ref().is_none_or(is_of_metadata) && are_of_metadata(statements)
        }),
    })
}

fn is_of_metadata(query: &Expr) -> bool {
    match query {
        Expr::Literal(_) | Expr::Variable(_) | Expr::Metadata(_) => true,
        Expr::Get(get) => is_of_metadata(&get.0),
        Expr::Not(query) => is_of_metadata(query),
        Expr::Binary(it) => is_of_metadata(&it.left) && is_of_metadata(&it.right),
        // Without a target it is the document that is matched.
        Expr::Match(it) => {
            it.target.as_ref().is_some_and(is_of_metadata)
                && it.cases.iter().all(|(case, result)| {
                    let is_checked = match case {
                        Case::True(check) => is_of_metadata(check),
                        Case::Any | Case::Equal(_) => true,
                    };
                    is_checked && is_of_metadata(result)
                })
        }
        Expr::If(it) => {
            let branches = it.branches.iter().flat_map(|(condition, result)| [condition, result]);
            branches.chain(&it.otherwise).all(is_of_metadata)
        }
        Expr::Index(it) => is_of_metadata(&it.0) && is_of_metadata(&it.1),
        Expr::Slice(it) => {
            let bounds = [&it.start, &it.end, &it.step];
            is_of_metadata(&it.target) && bounds.into_iter().flatten().all(is_of_metadata)
        }
        Expr::Array(queries) => queries.iter().all(is_of_metadata),
        Expr::Object(pairs) => {
            pairs.iter().all(|(name, value)| is_of_metadata(name) && is_of_metadata(value))
        }
        Expr::Function(call) => matches!(call.function.body, FunctionBody::Deleted | FunctionBody::Nothing),
        Expr::Method(call) => {
            // What is signed depends on chance, and whether it still holds on the time; all others on what they are given.
            let is_plain = match call.method.body {
                MethodBody::Value(_) | MethodBody::Prepared(_) => call.method.category != Category::Jwt,
                MethodBody::Lazy(_) => matches!(call.method.name, "catch" | "or"),
                _ => false,
            };
            is_plain
                && is_of_metadata(&call.target)
                && call.args.dynamic().chain(call.args.queries()).all(is_of_metadata)
        }
        // About values that have to be looked for: the document, what is made, other messages.
        Expr::Field(_) | Expr::Lambda(_) | Expr::Map(_) | Expr::Apply(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use crate::{Environment, Program};

    #[test]
    fn what_depends_on_more_is_told_apart() {
        for (mapping, expected) in [
            ("meta a = 1", true),
            ("meta kind = \"order\"\nmeta key = @kind.or(\"none\")", true),
            (
                "let v = @a.uppercase()\nif $v == \"B\" { meta a = deleted() } else { meta b = [$v, {\"c\": @c}] }",
                true,
            ),
            ("meta a = match @a { \"x\" => 1, _ => 2 }", true),
            ("meta = {\"a\": @a.trim().length() + 1}", true),
            ("root.a = 1", false),
            ("meta a = this.a", false),
            ("meta a = @a.or(this.a)", false),
            ("meta a = match { this.a => 1 }", false),
            ("meta a = match @a { this == \"x\" => 1 }", false),
            ("meta a = uuid_v4()", false),
            ("meta a = now()", false),
            ("meta a = content()", false),
            ("meta a = count(\"x\")", false),
            ("meta a = batch_index()", false),
            ("meta a = @a.from(1)", false),
            ("meta a = @a.parse_jwt_hs256(\"x\")", false),
            ("meta a = if errored() { 1 }", false),
            ("map m { root = 1 }\nmeta a = @a.apply(\"m\")", false),
            ("let v = @a.map_each(it -> it)\nmeta a = $v", false),
        ] {
            let program = Program::parse(mapping, &Environment::default()).expect(mapping);
            assert_eq!(program.is_of_metadata(), expected, "{mapping}");
        }
    }
}
