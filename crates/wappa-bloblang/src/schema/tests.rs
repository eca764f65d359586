//! Schemas and what they say of documents.

use bytes::Bytes;
use wappa_message::Value;

use super::Schema;

/// What is wrong with a value by a schema, each on a line; or with the schema.
fn problems(schema: &str, value: &str) -> String {
    let schema = match Schema::parse(schema.as_bytes()) {
        Ok(schema) => schema,
        Err(why) => return format!("schema: {why}"),
    };
    let value = Value::from_json(&Bytes::copy_from_slice(value.as_bytes())).expect("it is JSON");
    let mut n_left = 100_000u64;
    let mut charge = |n: u64| {
        n_left = n_left.checked_sub(n).ok_or_else(|| crate::error::Error::new("too many steps"))?;
        Ok(())
    };
    match schema.validate(&value, &mut charge) {
        Ok(problems) => {
            problems.iter().map(|it| format!("{} {}", it.field, it.what)).collect::<Vec<_>>().join("\n")
        }
        Err(err) => format!("failed: {err}"),
    }
}

#[test]
fn values_are_compared_with_all_that_a_schema_says() {
    for (schema, value, expected) in [
        (r#"{"type":"string"}"#, "1", "(root) Invalid type. Expected: string, given: integer"),
        (
            r#"{"type":["string","null"]}"#,
            "1.5",
            "(root) Invalid type. Expected: [string,null], given: number",
        ),
        (r#"{"type":"integer"}"#, "1.0", ""),
        (
            r#"{"properties":{"a":{"properties":{"b":{"type":"null"}}}}}"#,
            r#"{"a":{"b":1}}"#,
            "a.b Invalid type. Expected: null, given: integer",
        ),
        (
            r#"{"required":["A"],"additionalProperties":false}"#,
            r#"{"B":1}"#,
            "(root) A is required\n(root) Additional property B is not allowed",
        ),
        (
            r#"{"properties":{"a":{}},"patternProperties":{"^x":{"type":"null"}},"additionalProperties":{"minimum":2}}"#,
            r#"{"a":0,"x1":0,"y":1}"#,
            "x1 Invalid type. Expected: null, given: integer\ny Must be greater than or equal to 2",
        ),
        (
            r#"{"minProperties":2,"propertyNames":{"maxLength":1}}"#,
            r#"{"ab":1}"#,
            "(root) Must have at least 2 properties\n(root) Property name of \"ab\" does not match\n(root) String length must be less than or equal to 1",
        ),
        (
            r#"{"dependencies":{"a":["b"],"c":{"required":["d"]}}}"#,
            r#"{"a":1,"c":1}"#,
            "(root) Has a dependency on b\n(root) d is required",
        ),
        (
            r#"{"items":{"minimum":2},"uniqueItems":true,"maxItems":2}"#,
            "[1,2,2]",
            "0 Must be greater than or equal to 2\n(root) Array must have at most 2 items\n(root) array items[1,2] must be unique",
        ),
        (
            r#"{"items":[{"type":"null"}],"additionalItems":false}"#,
            "[null,1]",
            "(root) No additional items allowed on array",
        ),
        (
            r#"{"contains":{"const":3}}"#,
            "[1,2]",
            "(root) At least one of the items must match\n0 0 does not match: 3",
        ),
        (r#"{"multipleOf":0.01}"#, "4.02", ""),
        (r#"{"multipleOf":0.01}"#, "4.025", "(root) Must be a multiple of 0.01"),
        (r#"{"minimum":5,"exclusiveMinimum":true}"#, "5", "(root) Must be greater than 5"),
        (r#"{"exclusiveMaximum":10000000000}"#, "10000000000", "(root) Must be less than 1e+10"),
        (
            r#"{"minLength":2,"pattern":"^a","format":"uuid"}"#,
            r#""x""#,
            "(root) String length must be greater than or equal to 2\n(root) Does not match pattern '^a'\n(root) Does not match format 'uuid'",
        ),
        (r#"{"enum":["A",1]}"#, r#""b""#, "(root) (root) must be one of the following: \"A\", 1"),
        (
            r#"{"anyOf":[{"type":"null"},{"minimum":3}]}"#,
            "2",
            "(root) Must validate at least one schema (anyOf)\n(root) Must be greater than or equal to 3",
        ),
        (r#"{"oneOf":[{},{"minimum":1}]}"#, "2", "(root) Must validate one and only one schema (oneOf)"),
        (
            r#"{"allOf":[{},{"minimum":3}]}"#,
            "2",
            "(root) Must be greater than or equal to 3\n(root) Must validate all the schemas (allOf)",
        ),
        (r#"{"not":{"minimum":1}}"#, "2", "(root) Must not validate the schema (not)"),
        (
            r#"{"if":{"minimum":1},"then":{"minimum":3},"else":{"minimum":0}}"#,
            "2",
            "(root) Must validate \"then\" as \"if\" was valid\n(root) Must be greater than or equal to 3",
        ),
        (
            r##"{"definitions":{"a":{"type":"null"}},"properties":{"x":{"$ref":"#/definitions/a"}}}"##,
            r#"{"x":1}"#,
            "x Invalid type. Expected: null, given: integer",
        ),
        (
            r##"{"properties":{"next":{"$ref":"#"}},"required":["v"]}"##,
            r#"{"v":1,"next":{"v":2,"next":{}}}"#,
            "next.next v is required",
        ),
        ("true", "1", ""),
        ("false", "1", "(root) False always fails validation"),
        (r#"{"$schema":"http://json-schema.org/draft-04/schema#","const":1}"#, "2", ""),
    ] {
        assert_eq!(problems(schema, value), expected, "{schema} {value}");
    }
}

#[test]
fn schemas_that_make_no_sense_are_refused() {
    for (schema, expected) in [
        ("1", "schema is invalid"),
        (r#"{"items":[{"not":1}]}"#, "not must be of an object"),
        (
            r#"{"type":"text"}"#,
            "has a primitive type that is NOT VALID -- given: /text/ Expected valid values are:[array boolean integer number null object string]",
        ),
        (r#"{"pattern":"("}"#, "pattern must be a valid regex"),
        (r#"{"minLength":3,"maxLength":2}"#, "minLength cannot be greater than maxLength"),
        (r#"{"minItems":-1}"#, "minItems must be greater than or equal to 0"),
        (r#"{"minItems":1.5}"#, "minItems must be of an integer"),
        (r#"{"multipleOf":0}"#, "multipleOf must be strictly greater than 0"),
        (r#"{"required":["a","a"]}"#, "required items must be unique"),
        (r##"{"$ref":"#/nope"}"##, "reference #/nope leads to nothing in the schema, and nothing is fetched"),
    ] {
        assert_eq!(problems(schema, "1"), format!("schema: {expected}"), "{schema}");
    }
}

#[test]
fn hostile_schemas_end() {
    let endless = r##"{"allOf":[{"$ref":"#"}]}"##;
    assert_eq!(problems(endless, "1"), "failed: more than 200 schemas are applied one within another");
    assert_eq!(
        problems(r##"{"$ref":"#"}"##, "1"),
        "failed: more than 200 schemas are applied one within another"
    );
    let branches = r##"{"allOf":[{"properties":{"a":{"$ref":"#"}}},{"properties":{"a":{"$ref":"#"}}}]}"##;
    let deep = format!("{}1{}", r#"{"a":"#.repeat(60), "}".repeat(60));
    assert_eq!(problems(branches, &deep), "failed: too many steps");
    let nested = format!("{}{{}}{}", r#"{"not":"#.repeat(300), "}".repeat(300));
    assert_eq!(problems(&nested, "1"), "schema: more than 100 schemas one within another");
}

#[test]
fn formats_are_known() {
    for (format, fits, differs) in [
        ("date", "2024-02-29", "2023-02-29"),
        ("time", "10:00:00Z", "25:00:00"),
        ("date-time", "2024-01-01T00:00:00.5+01:00", "2024-01-01 00:00"),
        ("hostname", "a-b.example", "-a.example"),
        ("email", "Me <me@example.com>", "me@"),
        ("ipv4", "127.0.0.1", "256.0.0.1"),
        ("ipv6", "::1", "127.0.0.1"),
        ("uri", "http://a/b", "/b"),
        ("uri-reference", "/b", "\\\\b"),
        ("uri-template", "/a/{b}", "/a/{b"),
        ("uuid", "01234567-89ab-cdef-0123-456789abcdef", "0123"),
        ("regex", "a+", "("),
        ("json-pointer", "/a~0b", "a"),
        ("relative-json-pointer", "1/a", "/a"),
    ] {
        let schema = format!(r#"{{"format":"{format}"}}"#);
        assert_eq!(problems(&schema, &format!("\"{fits}\"")), "", "{format}");
        assert_eq!(
            problems(&schema, &format!("\"{differs}\"")),
            format!("(root) Does not match format '{format}'")
        );
    }
    assert_eq!(problems(r#"{"format":"nope"}"#, r#""x""#), "");
    // As in Bento, a number has none of the formats of texts.
    assert_eq!(problems(r#"{"format":"nope"}"#, "1"), "");
    assert_eq!(problems(r#"{"format":"date"}"#, "1"), "(root) Does not match format 'date'");
}

/// A text can be a pattern, which takes longer to read than its length says.
#[test]
fn texts_that_are_patterns_are_charged_by_time() {
    let schema = Schema::parse(br#"{"items":{"format":"regex"}}"#).expect("it is a schema");
    let patterns = [r#""\\pL{10}""#; 2].join(",");
    let document = Value::from_json(&format!("[{patterns}]").into()).expect("it is JSON");
    let mut n_steps = 0;
    let problems = schema.validate(&document, &mut |n| {
        n_steps += n;
        Ok(())
    });
    assert!(problems.is_ok_and(|it| it.is_empty()) && 1000 < n_steps, "{n_steps}");
}
