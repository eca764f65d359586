//! Functions on lists of numbers.

use wappa_message::Value;

use crate::{
    error::{Error, Result},
    evaluate::{Context, Machine},
    registry::{Category, Function, Param, args::Given, bound::FunctionBody, example},
    value::{Evaluated, convert},
};

pub(super) const FUNCTIONS: &[Function] = &[Function::new(
    "cosine_similarity",
    Category::General,
    "How much two lists of numbers point into the same direction: from -1 to 1, which is the same direction.",
    FunctionBody::Machine(cosine_similarity),
)
.params(&[Param::any("a", "A list of numbers."), Param::any("b", "Another one of the same length.")])
.examples(&[example(
    "root = cosine_similarity(this.a, this.b)",
    &[
        (r#"{"a":[3,4],"b":[8,6]}"#, "0.96"),
        (r#"{"a":[1],"b":[1,2]}"#, r#"Error("failed assignment (line 1): vectors must be equal length")"#),
    ],
)])];

fn vector(value: &Value) -> Result<Vec<f64>> {
    let fail = || Error::new("vector must be an array of numeric types");
    let Value::Array(array) = value else { return Err(fail()) };
    array.iter().map(|it| convert::number_of(&it).ok_or_else(fail)).collect()
}

fn cosine_similarity(machine: &mut Machine<'_>, _: Context<'_>, args: Given<'_>) -> Result<Evaluated> {
    if let (Value::Array(a), Value::Array(b)) = (args.value(0), args.value(1)) {
        machine.budget().values(a.len().saturating_add(b.len()))?;
    }
    let (a, b) = (vector(args.value(0))?, vector(args.value(1))?);
    if a.len() != b.len() {
        return Err(Error::new("vectors must be equal length"));
    }
    if a.is_empty() {
        return Err(Error::new("vectors cannot be empty"));
    }
    let (mut product, mut square_a, mut square_b) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(&b) {
        product += a * b;
        square_a += a * a;
        square_b += b * b;
    }
    if square_a == 0.0 || square_b == 0.0 {
        return Err(Error::new("vectors must not be null (all zeros)"));
    }
    Ok(Value::Float(product / (f64::sqrt(square_a) * f64::sqrt(square_b))).into())
}
