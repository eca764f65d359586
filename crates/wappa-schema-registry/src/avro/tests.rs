//! Schemas, documents and messages: text in, text out.

use super::{Options, Reference, Schema};

fn parse(schema: &str, is_raw: bool) -> Result<Schema, String> {
    Schema::parse(schema, &[], Options { is_raw, ..Options::default() })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|it| format!("{it:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |it: u8| char::from(it).to_digit(16).expect("a digit") as u8;
    text.as_bytes().chunks(2).map(|it| digit(it[0]) << 4 | digit(it[1])).collect()
}

const LIMIT: usize = 1 << 20;

/// What a document is as a message, and what that is as a document if it is another one.
fn both(schema: &Schema, document: &str) -> String {
    match schema.encode(document.as_bytes(), LIMIT) {
        Err(why) => format!("! {why}"),
        Ok(message) => {
            let back = schema.decode(&message, LIMIT).map(|it| String::from_utf8(it).expect("it is ASCII"));
            let back = back.unwrap_or_else(|why| format!("! {why}"));
            if back == document { hex(&message) } else { format!("{} {back}", hex(&message)) }
        }
    }
}

fn check(schema: &str, documents: &[(&str, &str)]) {
    let schema = parse(schema, false).expect("a schema");
    for (document, expected) in documents {
        assert_eq!(both(&schema, document), *expected, "{document}");
    }
}

fn check_raw(schema: &str, documents: &[(&str, &str)]) {
    let schema = parse(schema, true).expect("a schema");
    for (document, expected) in documents {
        assert_eq!(both(&schema, document), *expected, "{document}");
    }
}

fn decoded(schema: &str, message: &str) -> String {
    let decoded = parse(schema, false).expect("a schema").decode(&unhex(message), LIMIT);
    decoded.map_or_else(|why| format!("! {why}"), |it| String::from_utf8(it).expect("it is ASCII"))
}

#[test]
fn plain_types() {
    check("\"null\"", &[("null", ""), ("5", "! cannot decode textual null: short buffer")]);
    check("\"boolean\"", &[("true", "01"), ("false", "00"), ("1", "! expected false or true")]);
    check(
        "\"int\"",
        &[
            ("0", "00"),
            ("-1", "01"),
            ("2147483647", "feffffff0f"),
            ("2147483648", "! strconv.ParseInt: parsing \"2147483648\": value out of range"),
            ("1.5", "02 1"),
            ("\"1\"", "! unexpected byte: '\"'"),
        ],
    );
    check(
        "\"long\"",
        &[
            ("-9223372036854775808", "ffffffffffffffffff01"),
            ("9007199254740993", "82808080808080 20".replace(' ', "").as_str()),
        ],
    );
    check(
        "\"float\"",
        &[("1.5", "0000c03f"), ("1e999", "0000807f"), ("null", "0000c07f"), ("0.1", "cdcccc3d")],
    );
    check(
        "\"double\"",
        &[
            ("1e+06", "0000000080842e41"),
            ("-1e999", "000000000000f0ff"),
            ("1e400", "! strconv.ParseFloat: parsing \"1e400\": value out of range"),
        ],
    );
    check("\"string\"", &[("\"\"", "00"), ("\"\\u00E9\"", "04c3a9"), ("\"é\"", "04c3a9 \"\\u00E9\"")]);
    check("\"bytes\"", &[("\"\\u00E9\"", "02e9"), ("\"é\"", "04c3a9 \"\\u00C3\\u00A9\"")]);
}

#[test]
fn types_of_others() {
    check(
        r#"{"type":"array","items":"int"}"#,
        &[
            ("[]", "00"),
            ("[1,2]", "04020400"),
            ("[1", "! cannot decode textual array: short buffer"),
            ("[1;", "! cannot decode textual array: expected ',' or ']'; received: ';'"),
        ],
    );
    check(
        r#"{"type":"map","values":"int"}"#,
        &[
            ("{}", "00"),
            ("{\"b\":1,\"a\":2}", "04026202026104 00".replace(' ', "").as_str()),
            ("{\"a\":1,\"a\":2}", "! cannot decode textual map: duplicate key: \"a\""),
        ],
    );
    check(
        r#"{"type":"fixed","name":"f","size":2}"#,
        &[
            ("\"ab\"", "6162"),
            ("\"a\"", "! cannot decode textual fixed \"f\": datum size ought to equal schema size: 1 != 2"),
        ],
    );
    check(
        r#"{"type":"enum","name":"e","symbols":["A","B"]}"#,
        &[
            ("\"B\"", "02"),
            ("\"C\"", "! cannot decode textual enum \"e\": value ought to be member of symbols: \"C\""),
        ],
    );
    check(
        r#"["null","int",{"type":"record","name":"r","namespace":"n","fields":[]}]"#,
        &[
            ("null", "00"),
            ("{\"int\":1}", "0202"),
            ("{\"n.r\":{}}", "04"),
            (
                "{\"r\":{}}",
                "! cannot decode textual union of [null int n.r]: cannot decode textual map: cannot determine codec: \"r\"",
            ),
            ("1", "! cannot decode textual union of [null int n.r]: expected: '{'; actual: '1'"),
        ],
    );
}

#[test]
fn records_take_their_fields_in_any_order_and_fill_in_defaults() {
    let schema = r#"{"type":"record","name":"r","fields":[
        {"name":"a","type":"int"},{"name":"b","type":"string","default":"x"},
        {"name":"c","type":["null","int"],"default":null},{"name":"d","type":["int","null"],"default":5},
        {"name":"e","type":{"type":"array","items":"int"},"default":[1]}]}"#;
    let whole = r#"{"a":1,"b":"y","c":{"int":2},"d":null,"e":[]}"#;
    check(
        schema,
        &[
            (whole, "020279020402 00".replace(' ', "").as_str()),
            (r#" { "e" : [ ] , "d":null,"b":"y","c":{"int":2},"a":1}"#, &format!("02027902040200 {whole}")),
            (r#"{"a":1}"#, r#"02027800000a020200 {"a":1,"b":"x","c":null,"d":{"int":5},"e":[1]}"#),
            (
                r#"{"b":""}"#,
                "! cannot decode textual record \"r\": only found 1 of 5 fields, and \"a\", which has no default, is none of them",
            ),
            (
                r#"{"a":1,"z":1}"#,
                "! cannot decode textual record \"r\": cannot decode textual map: cannot determine codec: \"z\"",
            ),
            (
                r#"{"a":1,"a":1}"#,
                "! cannot decode textual record \"r\": cannot decode textual map: duplicate key: \"a\"",
            ),
            (r#"{"a":"x"}"#, "! cannot decode textual record \"r\": for key \"a\": unexpected byte: '\"'"),
        ],
    );
}

#[test]
fn logical_types_are_what_they_are_made_of() {
    check(
        r#"[{"type":"long","logicalType":"timestamp-millis"},{"type":"int","logicalType":"date"},{"type":"string","logicalType":"uuid"}]"#,
        &[
            ("{\"long.timestamp-millis\":5}", "000a"),
            ("{\"int.date\":5}", "020a"),
            ("{\"string\":\"a\"}", "040261"),
        ],
    );
    let decimal = r#"{"type":"bytes","logicalType":"decimal","precision":5,"scale":2}"#;
    check(
        decimal,
        &[
            ("\"\\u00FF\"", "02ff"),
            ("\"\\u0000\\u00FF\"", "0400ff"),
            ("\"\\u0000\\u0001\"", "0201 \"\\u0001\""),
            ("\"\"", "0200 \"\\u0000\""),
        ],
    );
    check(&format!("[\"null\",{decimal}]"), &[("{\"bytes.decimal\":\"a\"}", "020261")]);
    check(
        r#"{"type":"fixed","name":"f","size":2,"logicalType":"decimal","precision":4}"#,
        &[("\"\\u0000\\u0000\"", "0000")],
    );
}

#[test]
fn bare_values_of_unions_are_tried() {
    check_raw(
        r#"["null","string",{"type":"array","items":"int"},"int","double"]"#,
        &[
            ("null", "00"),
            ("\"a\"", "020261"),
            ("[1]", "04020200"),
            ("1", "08000000000000f03f"),
            ("true", "! could not decode any json data in input true"),
        ],
    );
    check_raw(r#"["null","long"]"#, &[("5", "020a"), ("1.5", "0202 1")]);
    check_raw(
        r#"{"type":"record","name":"list","fields":[{"name":"next","type":["null","list"],"default":null}]}"#,
        &[("{\"next\":{\"next\":null}}", "0200"), ("{\"next\":{}}", "0200 {\"next\":{\"next\":null}}")],
    );
}

#[test]
fn messages_that_are_wrong_are_told() {
    let record = r#"{"type":"record","name":"r","fields":[{"name":"a","type":"string"}]}"#;
    let at = "! cannot decode binary record \"r\" field \"a\": cannot decode binary string: cannot decode binary bytes: ";
    assert_eq!(decoded(record, ""), format!("{at}short buffer"));
    assert_eq!(decoded(record, "01"), format!("{at}negative size: -1"));
    // A length of 2^60.
    assert_eq!(decoded(record, "808080808080808020"), format!("{at}short buffer"));
    assert_eq!(
        decoded("[\"null\"]", "02"),
        "! cannot decode binary union: index ought to be between 0 and 0; read index: 1"
    );
    assert_eq!(
        decoded("\"boolean\"", "02"),
        "! cannot decode binary boolean: expected: Go byte(0) or byte(1); received: byte(2)"
    );
    assert_eq!(
        decoded(r#"{"type":"map","values":"null"}"#, "0402610261"),
        "! cannot decode binary map: duplicate key: \"a\""
    );
    // What is behind is not looked at, and blocks may say how long they are.
    assert_eq!(
        decoded(r#"{"type":"array","items":"int"}"#, "01020204 00ff".replace(' ', "").as_str()),
        "! cannot decode binary array item 3: short buffer"
    );
    assert_eq!(decoded(r#"{"type":"array","items":"int"}"#, "03040204020600"), "[1,2,3]");
    assert_eq!(decoded("\"int\"", "02ffff"), "1");
}

#[test]
fn elements_without_bytes_are_bounded_by_what_they_become() {
    let told = "! cannot decode binary array item 209716: the document would be larger than 1MiB";
    // A thousand million of nothing in six bytes.
    assert_eq!(decoded(r#"{"type":"array","items":"null"}"#, "80a8d6b90700"), told);
    let empty = r#"{"type":"array","items":{"type":"record","name":"r","fields":[]}}"#;
    assert!(decoded(empty, "80a8d6b90700").ends_with("larger than 1MiB"));
    assert!(decoded(empty, "80808080808080802000").contains("exceeds MaxBlockCount"));
}

#[test]
fn values_one_within_another_are_bounded() {
    let list = r#"{"type":"record","name":"l","fields":[{"name":"n","type":["null","l"]}]}"#;
    let told = "more than 200 values one within another";
    assert!(decoded(list, &"02".repeat(1_000_000)).ends_with(told));
    let document = format!("{}null{}", "{\"n\":{\"l\":".repeat(100_000), "}}".repeat(100_000));
    let schema = parse(list, false).expect("a schema");
    assert!(both(&schema, &document).ends_with(told));
    let shallow = format!("{}null{}", "{\"n\":{\"l\":".repeat(90), "}}".repeat(90));
    let shallow = shallow.replace("null", "{\"n\":null}");
    assert_eq!(both(&schema, &shallow), format!("{}00", "02".repeat(90)));
}

#[test]
fn schemas_one_within_another_are_bounded() {
    let deep = |n: usize| format!("{}\"int\"{}", "{\"type\":\"array\",\"items\":".repeat(n), "}".repeat(n));
    assert!(parse(&deep(90), false).is_ok());
    let why = parse(&deep(400), false).expect_err("it is too deep");
    assert!(why.ends_with("more than 100 types one within another"), "{why}");
    let names: String =
        (0..200).map(|it| format!("{{\"name\":\"f{it}\",\"type\":\"record\",\"fields\":[")).collect();
    let records = format!("{{\"type\":\"record\",\"name\":\"r\",\"fields\":[{names}{}]}}", "]}".repeat(200));
    let why = parse(&records, false).expect_err("it is too deep");
    assert!(why.contains("more than 100 types one within another"), "{why}");
}

#[test]
fn defaults_that_double_are_bounded() {
    let mut fields = String::from(
        r#"{"name":"x","type":{"type":"record","name":"r0","fields":[{"name":"a","type":"string","default":"0123456789"}]}}"#,
    );
    for n in 1..40 {
        fields.push_str(&format!(
            r#",{{"name":"x{n}","type":{{"type":"record","name":"r{n}","fields":[{{"name":"a","type":"r{p}","default":{{}}}},{{"name":"b","type":"r{p}","default":{{}}}}]}}}}"#,
            p = n - 1
        ));
    }
    let schema = format!(r#"{{"type":"record","name":"r","fields":[{fields}]}}"#);
    let why = parse(&schema, false).expect_err("a million million bytes");
    assert!(why.contains("the message would be larger than"), "{why}");
}

#[test]
fn documents_become_no_larger_than_they_may() {
    let schema = format!(
        r#"{{"type":"array","items":{{"type":"record","name":"r","fields":[{{"name":"a","type":"string","default":"{}"}}]}}}}"#,
        "x".repeat(10_000)
    );
    let document = format!("[{}{{}}]", "{},".repeat(1000));
    assert!(
        both(&parse(&schema, false).expect("a schema"), &document)
            .ends_with("the message would be larger than 1MiB")
    );
}

#[test]
fn types_that_nest_are_not_tried_without_end() {
    // Each of the two fits until the innermost value, which fits neither.
    let union = r#"["a","b"]"#;
    let schema = format!(
        r#"{{"type":"record","name":"t","fields":[{{"name":"x","type":["null",
            {{"type":"record","name":"a","fields":[{{"name":"n","type":["int","a",{{"type":"record","name":"b","fields":[{{"name":"n","type":["int",{}]}}]}}]}}]}}]}}]}}"#,
        union.trim_matches(['[', ']'])
    );
    let document = format!("{{\"x\":{}true{}}}", "{\"n\":".repeat(60), "}".repeat(60));
    let told = both(&parse(&schema, true).expect("a schema"), &document);
    assert!(told.ends_with("the types of the schema's unions would be tried for too long"), "{told}");
    // Many fields that every element has by default are work too.
    let fields: Vec<String> =
        (0..10_000).map(|it| format!(r#"{{"name":"f{it}","type":"null","default":null}}"#)).collect();
    let schema = format!(
        r#"{{"type":"array","items":{{"type":"record","name":"r","fields":[{}]}}}}"#,
        fields.join(",")
    );
    let document = format!("[{}{{}}]", "{},".repeat(100_000));
    let told = both(&parse(&schema, false).expect("a schema"), &document);
    assert!(told.ends_with("would be tried for too long"), "{told}");
}

#[test]
fn schemas_that_are_wrong_are_told() {
    for (schema, expected) in [
        ("5", "unknown schema type: float64"),
        ("{}", "missing type"),
        ("[]", "Union ought to have one or more members"),
        (r#"["int","int"]"#, "Union item 2 ought to be unique type: int"),
        (r#"{"type":"array"}"#, "Array ought to have items key"),
        (
            r#"{"type":"record","fields":[]}"#,
            "Record ought to have valid name: schema ought to have name key",
        ),
        (
            r#"{"type":"record","name":"1","fields":[]}"#,
            "Record ought to have valid name: schema name ought to start with [A-Za-z_]: 1",
        ),
        (
            r#"{"type":"enum","name":"e","symbols":[]}"#,
            "Enum \"e\" symbols ought to be non-empty array of strings",
        ),
        (r#"{"type":"fixed","name":"f","size":0}"#, "Fixed \"f\" size ought to be number greater than zero"),
        (
            r#"{"type":"record","name":"r","fields":[{"name":"a","type":"int","default":"x"}]}"#,
            "Record \"r\" field \"a\": default value ought to encode using field schema: unexpected byte: '\"'",
        ),
        (
            r#"{"type":"bytes","logicalType":"decimal","precision":1,"scale":2}"#,
            "cannot create decimal logical type when scale is larger than precision: 2 > 1",
        ),
    ] {
        assert_eq!(parse(schema, false).map(drop), Err(expected.to_string()), "{schema}");
    }
}

#[test]
fn names_are_found_in_their_namespace_and_sanitized_where_that_is_asked_for() {
    let schema = r#"{"type":"record","name":"r","namespace":"a-b.c","fields":[
        {"name":"x","type":{"type":"enum","name":"e","symbols":["A"]}},{"name":"y","type":["null","e"]}]}"#;
    let why = parse(schema, false).expect_err("it has a hyphen");
    assert!(why.ends_with("contain only [A-Za-z0-9_]: a-b"), "{why}");
    let options = Options { sanitizes: true, ..Options::default() };
    let schema = Schema::parse(schema, &[], options).expect("a schema");
    assert_eq!(both(&schema, r#"{"x":"A","y":{"ab.c.e":"A"}}"#), "000200");
}

#[test]
fn references_are_found_by_name() {
    let reference = |name: &str, text: &str| Reference { name: name.to_string(), text: text.to_string() };
    let unit = reference(
        "unit",
        r#"{"type":"record","name":"Unit","namespace":"n","fields":[{"name":"s","type":"string"}]}"#,
    );
    let root = r#"{"type":"record","name":"V","namespace":"n","fields":[{"name":"a","type":"Unit"},{"name":"b","type":{"type":"array","items":"n.Unit"}}]}"#;
    let nested = Options { is_nested: true, ..Options::default() };
    let schema = Schema::parse(root, std::slice::from_ref(&unit), nested).expect("a schema");
    assert_eq!(both(&schema, r#"{"a":{"s":"m"},"b":[{"s":""}]}"#), "026d020000");
    let flat =
        Schema::parse(r#"["unit"]"#, std::slice::from_ref(&unit), Options::default()).expect("a schema");
    assert_eq!(both(&flat, r#"{"n.Unit":{"s":"m"}}"#), "00026d");
    let why = Schema::parse(r#"["other"]"#, &[unit], Options::default()).map(drop);
    assert_eq!(why, Err("referenced type 'other' was not found in references".to_string()));
    // Two names for each other, neither of which is that of a type.
    let circle = [reference("x", r#"["y","y"]"#), reference("y", r#"["x","x"]"#)];
    assert!(Schema::parse("\"x\"", &circle, nested).is_err());
}
