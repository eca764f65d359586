//! Methods on numbers.

use wappa_message::Value;

use crate::{
    error::{Error, Result},
    registry::{Category, Method, Param, args::Given, bound::MethodBody, example},
    value::{convert, types::Type},
};

const fn new(
    name: &'static str,
    description: &'static str,
    body: fn(Value, Given<'_>) -> Result<Value>,
) -> Method {
    Method::new(name, Category::Numbers, description, MethodBody::Value(body))
}

/// A number of a document as the machine number that it is.
fn plain(value: Value) -> Result<Value> {
    match value {
        Value::Int(_) | Value::Uint(_) | Value::Float(_) => Ok(value),
        Value::Number(it) => Ok(match it.to_i64() {
            Some(it) => Value::Int(it),
            None => Value::Float(it.to_f64()),
        }),
        other => Err(Error::of_type(&other, &[Type::Number])),
    }
}

/// A floating-point number as a whole one, where it is one that fits.
fn whole(number: f64) -> Value {
    convert::to_int(&Value::Float(number)).map_or(Value::Float(number), Value::Int)
}

fn rounded(value: Value, round: fn(f64) -> f64) -> Result<Value> {
    match plain(value)? {
        Value::Float(it) => Ok(whole(round(it))),
        other => Ok(other),
    }
}

fn float(value: Value, calculate: fn(f64) -> f64) -> Result<Value> {
    let number = convert::number(&plain(value)?)?;
    Ok(Value::Float(calculate(number)))
}

/// The most extreme number of a list.
fn extreme(value: Value, is_better: fn(f64, f64) -> bool) -> Result<Value> {
    let Value::Array(array) = &value else { return Err(Error::of_type(&value, &[Type::Array])) };
    let mut best: Option<f64> = None;
    for (idx, it) in array.iter().enumerate() {
        let it = convert::number(&it).map_err(|err| err.within(format!("index {idx} of array")))?;
        if best.is_none_or(|best| is_better(it, best)) {
            best = Some(it);
        }
    }
    best.map(Value::Float).ok_or_else(|| Error::new("the array was empty"))
}

/// A number to a power, as Go's library calculates it: whole powers by squares, fractions by a logarithm.
fn pow(number: f64, power: f64) -> f64 {
    let (whole, fraction) = (power.abs().trunc(), power.abs().fract());
    let is_plain = number.is_finite() && number != 0.0 && power.is_finite() && whole < 1e15;
    if !is_plain || (number < 0.0 && fraction != 0.0) || fraction == 0.0 {
        return number.powf(power);
    }
    // A fraction above one half counts from the next whole power down.
    let (whole, fraction) = if 0.5 < fraction { (whole + 1.0, fraction - 1.0) } else { (whole, fraction) };
    let mut result = (fraction * number.ln()).exp();
    let (mut base, mut n) = (number, whole as u64);
    while 0 < n {
        if n & 1 == 1 {
            result *= base;
        }
        base *= base;
        n >>= 1;
    }
    if power < 0.0 { 1.0 / result } else { result }
}

/// A whole number of so many bits.
fn int(value: Value, bits: u32) -> Result<Value> {
    let number = convert::to_int(&value)?;
    let limit = 1i64 << (bits - 1);
    let article = if bits == 8 { "an" } else { "a" };
    if bits < 64 && limit <= number {
        return Err(Error::new(format!(
            "value is too large to be cast as {article} {bits}-bit signed integer"
        )));
    }
    if bits < 64 && number < -limit {
        return Err(Error::new(format!(
            "value is too small to be cast as {article} {bits}-bit signed integer"
        )));
    }
    Ok(Value::Int(number))
}

fn uint(value: Value, bits: u32) -> Result<Value> {
    let number = convert::to_uint(&value)?;
    let article = if bits == 8 { "an" } else { "a" };
    if bits < 64 && 1u64 << bits <= number {
        return Err(Error::new(format!(
            "value is too large to be cast as {article} {bits}-bit unsigned integer"
        )));
    }
    Ok(if bits < 64 { Value::Int(number as i64) } else { Value::Uint(number) })
}

/// One whose errors do not name the target.
const fn unnamed(
    name: &'static str,
    description: &'static str,
    body: fn(Value, Given<'_>) -> Result<Value>,
) -> Method {
    new(name, description, body).unnamed()
}

pub(super) const METHODS: &[Method] = &[
    unnamed("abs", "How far the number is from zero.", |value, _| match plain(value.clone()) {
        Ok(Value::Int(it)) => Ok(Value::Int(it.wrapping_abs())),
        Ok(Value::Float(it)) => Ok(Value::Float(it.abs())),
        Ok(other) => Ok(other),
        Err(_) => Err(Error::of_type(&value, &[Type::Number, Type::Integer])),
    })
    .examples(&[example("root = this.a.abs()", &[(r#"{"a":-5}"#, "5"), (r#"{"a":-1.5}"#, "1.5")])]),
    new("ceil", "The next whole number that is not smaller.", |value, _| rounded(value, f64::ceil))
        .examples(&[example("root = this.a.ceil()", &[(r#"{"a":1.2}"#, "2"), (r#"{"a":-1.2}"#, "-1")])]),
    new("floor", "The next whole number that is not greater.", |value, _| rounded(value, f64::floor))
        .examples(&[example("root = this.a.floor()", &[(r#"{"a":1.8}"#, "1"), (r#"{"a":-1.2}"#, "-2")])]),
    new("round", "The nearest whole number; halves go away from zero.", |value, _| rounded(value, f64::round))
        .examples(&[example("root = this.a.round()", &[(r#"{"a":1.5}"#, "2"), (r#"{"a":-2.5}"#, "-3")])]),
    new("log", "The natural logarithm.", |value, _| float(value, f64::ln))
        .examples(&[example("root = this.a.log()", &[(r#"{"a":1}"#, "0")])]),
    new("log10", "The logarithm to the base of ten.", |value, _| float(value, f64::log10))
        .examples(&[example("root = this.a.log10()", &[(r#"{"a":1000}"#, "3")])]),
    unnamed("sin", "The sine of an angle in radians.", |value, _| float(value, f64::sin))
        .examples(&[example("root = this.a.sin()", &[(r#"{"a":0}"#, "0")])]),
    unnamed("cos", "The cosine of an angle in radians.", |value, _| float(value, f64::cos))
        .examples(&[example("root = this.a.cos()", &[(r#"{"a":0}"#, "1")])]),
    unnamed("tan", "The tangent of an angle in radians.", |value, _| float(value, f64::tan))
        .examples(&[example("root = this.a.tan()", &[(r#"{"a":0}"#, "0")])]),
    unnamed("pow", "The number to a power.", |value, args| {
        Ok(Value::Float(pow(convert::number(&plain(value)?)?, args.float(0))))
    })
    .params(&[Param::float("exponent", "The power.")])
    .examples(&[example("root = this.a.pow(3)", &[(r#"{"a":2}"#, "8")])]),
    new("max", "The greatest number of a list.", |value, _| extreme(value, |it, best| best < it))
        .elements()
        .examples(&[example("root = this.max()", &[("[1,3,2]", "3"), (
            "[]",
            r#"Error("failed assignment (line 1): field `this`: the array was empty")"#,
        )])]),
    new("min", "The smallest number of a list.", |value, _| extreme(value, |it, best| it < best))
        .elements()
        .examples(&[example("root = this.min()", &[("[2,1,3]", "1")])]),
    unnamed("int64", "The value as a whole number of 64 bits; a text is read.", |value, _| int(value, 64))
        .examples(&[example("root = this.a.int64()", &[(r#"{"a":"0x1F"}"#, "31"), (r#"{"a":5}"#, "5")])]),
    unnamed("int32", "The value as a whole number of 32 bits; a text is read.", |value, _| int(value, 32))
        .examples(&[example("root = this.a.int32()", &[(r#"{"a":"-5"}"#, "-5")])]),
    unnamed("int16", "The value as a whole number of 16 bits; a text is read.", |value, _| int(value, 16))
        .examples(&[example("root = this.a.int16()", &[(r#"{"a":"-5"}"#, "-5")])]),
    unnamed("int8", "The value as a whole number of 8 bits; a text is read.", |value, _| int(value, 8)).examples(&[
        example("root = this.a.int8()", &[(r#"{"a":"-5"}"#, "-5"), (
            r#"{"a":128}"#,
            r#"Error("failed assignment (line 1): value is too large to be cast as an 8-bit signed integer")"#,
        )]),
    ]),
    unnamed("uint64", "The value as a whole number of 64 bits without a sign; a text is read.", |value, _| uint(value, 64))
        .examples(&[example("root = this.a.uint64()", &[(r#"{"a":"18446744073709551615"}"#, "18446744073709551615")])]),
    unnamed("uint32", "The value as a whole number of 32 bits without a sign; a text is read.", |value, _| uint(value, 32))
        .examples(&[example("root = this.a.uint32()", &[(r#"{"a":"5"}"#, "5")])]),
    unnamed("uint16", "The value as a whole number of 16 bits without a sign; a text is read.", |value, _| uint(value, 16))
        .examples(&[example("root = this.a.uint16()", &[(r#"{"a":"5"}"#, "5")])]),
    unnamed("uint8", "The value as a whole number of 8 bits without a sign; a text is read.", |value, _| uint(value, 8))
        .examples(&[example("root = this.a.uint8()", &[(r#"{"a":"5"}"#, "5")])]),
    unnamed("float64", "The value as a floating-point number of 64 bits; a text is read.", |value, _| {
        convert::to_number(&value).map(Value::Float)
    })
    .examples(&[example("root = this.a.float64()", &[(r#"{"a":"6.5"}"#, "6.5")])]),
    unnamed("float32", "The value as a floating-point number of 32 bits; a text is read.", |value, _| {
        let number = convert::to_number(&value)? as f32;
        // The shortest digits that give the number of 32 bits back.
        Ok(Value::Float(number.to_string().parse().unwrap_or(f64::from(number))))
    })
    .examples(&[example("root = this.a.float32()", &[(r#"{"a":"6.674282313423543"}"#, "6.6742826")])]),
];
