//! Schemas, documents and messages: text in, text out.

use super::Schema;

const LIMIT: usize = 1 << 20;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|it| format!("{it:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |it: u8| char::from(it).to_digit(16).expect("a digit") as u8;
    text.as_bytes().chunks(2).map(|it| digit(it[0]) << 4 | digit(it[1])).collect()
}

fn parse(text: &str) -> Schema {
    Schema::parse(text, &[]).expect("a schema")
}

/// What a document is as a message, and what that is as a document if it is another one.
fn both(schema: &Schema, document: &str) -> String {
    match schema.encode(document.as_bytes(), LIMIT) {
        Err(why) => format!("! {why}"),
        Ok(message) => match decoded(schema, &hex(&message)) {
            back if back == document => hex(&message),
            back => format!("{} {back}", hex(&message)),
        },
    }
}

fn decoded(schema: &Schema, message: &str) -> String {
    let decoded = schema.decode(&unhex(message), LIMIT);
    decoded.map_or_else(|why| format!("! {why}"), |it| String::from_utf8(it).expect("it is UTF-8"))
}

#[test]
fn documents_are_those_of_protojson() {
    let schema = parse(
        r#"syntax = "proto3"; package a.b;
        import "google/protobuf/timestamp.proto"; import "google/protobuf/wrappers.proto"; import "google/protobuf/struct.proto";
        message M {
          string first_name = 1; int64 big = 2; repeated int32 list = 3; map<string, bool> flags = 4; bytes raw = 5;
          enum E { NONE = 0; SOME = 1; } E e = 6; google.protobuf.Timestamp at = 7; google.protobuf.Int32Value maybe = 8;
          oneof choice { M within = 9; double number = 10; } google.protobuf.Value any = 11;
        }"#,
    );
    for (document, expected) in [
        ("{}", "00"),
        (r#"{"firstName":"é"}"#, "000a02c3a9"),
        (r#"{"first_name":"a"}"#, r#"000a0161 {"firstName":"a"}"#),
        (r#"{"big":"9007199254740993"}"#, "0010818080808080 8010".replace(' ', "").as_str()),
        (r#"{"list":[1,-1]}"#, "001a0b01ffffffffffffffffff01"),
        (r#"{"flags":{"x":true}}"#, "0022050a01781001"),
        (r#"{"raw":"/w=="}"#, "002a01ff"),
        (r#"{"e":"SOME"}"#, "003001"),
        (r#"{"at":"1970-01-01T00:00:01Z"}"#, "003a020801"),
        (r#"{"maybe":0}"#, "004200"),
        (r#"{"within":{"within":{}}}"#, "004a024a00"),
        (r#"{"number":1.5}"#, "0051000000000000f83f"),
    ] {
        assert_eq!(both(&schema, document), expected, "{document}");
    }
    let value = r#"{"any":{"a":[null,1.5,"x"]}}"#;
    assert!(!both(&schema, value).contains([' ', '!']), "{}", both(&schema, value));
    assert!(both(&schema, r#"{"nope":1}"#).starts_with("! unmarshal 'M': "));
    assert!(both(&schema, "{} {}").contains("trailing characters"));
}

#[test]
fn a_message_says_which_type_it_has() {
    let schema = parse(
        r#"syntax = "proto3"; message A { message C { message D { string d = 1; } } int32 a = 1; } message B { int32 b = 1; }"#,
    );
    assert_eq!(both(&schema, r#"{"b":1}"#), "02020801");
    // The type of the one before is the first that is tried.
    assert_eq!(both(&schema, "{}"), "0202");
    assert_eq!(both(&schema, r#"{"a":1}"#), "000801");
    assert_eq!(both(&schema, "{}"), "00");
    let neither = both(&schema, r#"{"c":1}"#);
    assert!(neither.starts_with("! unmarshal 'A': ") && neither.contains(", unmarshal 'B': "), "{neither}");
    // The first of the first of the first.
    assert_eq!(decoded(&schema, "060000000a0178"), r#"{"d":"x"}"#);
    assert_eq!(decoded(&schema, "02000801"), r#"{"a":1}"#);
    assert_eq!(
        decoded(&schema, "0204"),
        "! message index (2) is greater than available message definitions (2)"
    );
    assert_eq!(
        decoded(&schema, "04020001"),
        "! message index (0) is greater than available message definitions (0)"
    );
    for wrong in ["", "01", "0201", "80", "808080808080808020", "ffffffffffffffffffff"] {
        assert_eq!(decoded(&schema, wrong), "! unable to read message indexes", "{wrong}");
    }
}

#[test]
fn imports_are_known_by_name_in_any_order() {
    let root = r#"syntax = "proto3"; import "b.proto"; message R { q.B b = 1; }"#;
    let b = r#"syntax = "proto3"; package q; import "c.proto"; message B { C c = 1; }"#;
    let c = r#"syntax = "proto3"; package q; message C { string s = 1; }"#;
    let schema = Schema::parse(root, &[("b.proto", b), ("c.proto", c)]).expect("a schema");
    assert_eq!(both(&schema, r#"{"b":{"c":{"s":"x"}}}"#), "000a050a030a0178");
    let missing = Schema::parse(root, &[("b.proto", b)]).map(drop).expect_err("one is missing");
    assert!(missing.contains("c.proto"), "{missing}");
    let circle = [("b.proto", r#"syntax = "proto3"; import "b.proto"; message B {}"#)];
    assert!(Schema::parse(root, &circle).is_err());
}

#[test]
fn options_of_others_say_nothing() {
    let schema = parse(
        r#"syntax = "proto2"; import "google/protobuf/descriptor.proto";
        message O { optional O o = 1; }
        extend google.protobuf.MessageOptions { optional O opt = 50000; }
        option java_package = "x";
        message M { option (opt) = { o { o { } } }; repeated int32 l = 1 [packed = true, (nope.x) = 5]; required int32 r = 2; }"#,
    );
    assert_eq!(decoded(&schema, "02020a0201021000"), r#"{"l":[1,2],"r":0}"#);
    assert_eq!(both(&schema, r#"{"l":[1,2],"r":0}"#), "02020a0201021000");
    let aliases = parse(
        "syntax = \"proto2\"; message M { enum E { option allow_alias = true; A = 0; B = 0; } optional E e = 1; }",
    );
    assert_eq!(both(&aliases, r#"{"e":"B"}"#), r#"000800 {"e":"A"}"#);
}

#[test]
fn fields_that_have_to_be_there() {
    let schema = parse("syntax = \"proto2\"; message M { required int32 r = 1; repeated M m = 2; }");
    assert_eq!(both(&schema, "{}"), "! unmarshal 'M': required field M.r not set");
    assert_eq!(both(&schema, r#"{"r":1,"m":[{}]}"#), "! unmarshal 'M': required field M.r not set");
    assert_eq!(both(&schema, r#"{"r":1,"m":[{"r":2}]}"#), "00080112020802");
    let told = "! failed to unmarshal protobuf message: required field M.r not set";
    assert_eq!(decoded(&schema, "0008011200"), told);
}

#[test]
fn schemas_that_are_wrong_are_told() {
    let told = |text: &str| Schema::parse(text, &[]).map(drop).expect_err("it is wrong");
    assert!(told("message {").starts_with("failed to parse proto schema: "));
    assert!(told(r#"syntax = "proto3"; message M { X x = 1; }"#).contains('X'));
    let deep = format!("{}{}", "message M {".repeat(100_000), "}".repeat(100_000));
    assert!(told(&deep).contains("recursion limit"), "{}", told(&deep));
    let options = format!("message M {{ option (x) = {{ {} }} }}", "a {".repeat(100_000));
    assert!(told(&options).len() < 1000);
    // Each name is kept with the one around it.
    let long = format!("package {}; {}", "x".repeat(100_000), "message M {} ".repeat(1000));
    assert!(told(&long).ends_with("its names are too long"), "{}", told(&long));
    assert_eq!(both(&parse("syntax = \"proto3\";"), "{}"), "! the schema has no messages");
}

#[test]
fn what_would_take_up_too_much_is_refused_before() {
    let schema = parse(
        r#"syntax = "proto3"; import "google/protobuf/any.proto"; message M { repeated M m = 1; repeated bool b = 2; google.protobuf.Any any = 3; repeated string s = 4; }"#,
    );
    let too_much = "it would take up more than 4MiB in memory";
    assert!(decoded(&schema, &format!("00{}", "0a00".repeat(10_000))).ends_with(too_much));
    let n = 100_000_usize;
    assert!(decoded(&schema, &format!("0012a08d06{}", "01".repeat(n))).ends_with(too_much));
    assert!(decoded(&schema, &format!("00{}", "2200".repeat(100_000))).ends_with(too_much));
    assert!(decoded(&schema, "0012ffffffffffffffff7f").ends_with("malformed message"));
    assert!(both(&schema, &format!("{{\"m\":[{}{{}}]}}", "{},".repeat(10_000))).ends_with(too_much));
    // Braces in a text are none.
    let text = format!("{{\"s\":[\"{}\"]}}", "{\\\"[".repeat(10_000));
    assert!(!both(&schema, &text).starts_with('!'));
    // Messages one within another.
    let mut nested = String::new();
    for _ in 0..120 {
        nested = format!("0a{}{nested}", length(nested.len() / 2));
    }
    assert!(decoded(&schema, &format!("00{nested}")).ends_with("recursion limit reached"));
    let deep = format!("{}{}", "{\"m\":[".repeat(1000), "]}".repeat(1000));
    assert!(both(&schema, &deep).contains("recursion limit exceeded"));
}

#[test]
fn an_any_within_an_any_has_an_end() {
    let schema = parse(
        r#"syntax = "proto3"; import "google/protobuf/any.proto"; message M { google.protobuf.Any any = 1; }"#,
    );
    let wrapped = |n: usize| {
        let mut message: Vec<u8> = Vec::new();
        for _ in 0..n {
            let mut any = vec![0x0A, 3];
            any.extend_from_slice(b"t/M");
            any.push(0x12);
            any.extend(unhex(&length(message.len())));
            any.extend(&message);
            message = vec![0x0A];
            message.extend(unhex(&length(any.len())));
            message.extend(&any);
        }
        format!("00{}", hex(&message))
    };
    assert_eq!(decoded(&schema, &wrapped(1)), r#"{"any":{"@type":"t/M"}}"#);
    assert!(decoded(&schema, &wrapped(40)).starts_with(r#"{"any":{"@type":"t/M","any":{"#));
    assert!(decoded(&schema, &wrapped(2000)).ends_with("recursion limit reached"));
}

/// A length in pieces of seven bits, as hexadecimal digits.
fn length(mut n: usize) -> String {
    let mut out = Vec::new();
    while 0x80 <= n {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
    hex(&out)
}
