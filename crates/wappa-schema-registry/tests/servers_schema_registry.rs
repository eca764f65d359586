//! Streams whose schemas are in a real registry.

mod support;

use support::{quoted, run};
use wappa_servers::{Server, apicurio::Apicurio, or_skip};

fn start() -> Option<Server> {
    or_skip(Apicurio::find()).map(Apicurio::start)
}

fn url(server: &Server) -> String {
    format!("http://{}{}", server.address(), Apicurio::PATH)
}

fn register(server: &Server, subject: &str, format: &str, schema: &str, references: &str) -> u32 {
    let body =
        format!("{{\"schemaType\":{format:?},\"schema\":{},\"references\":[{references}]}}", quoted(schema));
    Apicurio::register(server, subject, &body)
}

const READING: &str = r#"{"type":"record","name":"Reading","namespace":"com.example","fields":[
    {"name":"sensor","type":"string"},
    {"name":"value","type":["null","double",{"type":"enum","name":"State","symbols":["OFF","BROKEN"]}],"default":null},
    {"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}},
    {"name":"raw","type":"bytes","default":""}]}"#;

/// Messages are encoded, shown as hexadecimal digits, and decoded again.
fn there_and_back(url: &str, subject: &str, fields: &str, lines: &str) -> String {
    let processors = format!(
        "    - schema_registry_encode: {{ url: {url:?}, subject: {subject:?}, {fields} }}\n\
         \x20   - mapping: 'meta hex = if errored() {{ error() }} else {{ content().encode(\"hex\") }}'\n\
         \x20   - schema_registry_decode: {{ url: {url:?}, {fields} }}\n\
         \x20   - mapping: 'root = if errored() {{ @hex }} else {{ @hex + \" \" + content() }}'\n"
    );
    run(&processors, lines).0
}

#[test]
fn avro_there_and_back() {
    let Some(server) = start() else { return };
    let url = url(&server);
    register(&server, "other", "AVRO", "\"int\"", "");
    let id = register(&server, "readings-value", "AVRO", READING, "");
    let lines = "{\"sensor\":\"é\",\"value\":{\"double\":1.5},\"at\":1}\n\
                 {\"at\":-1,\"value\":{\"com.example.State\":\"BROKEN\"},\"sensor\":\"\",\"raw\":\"\\u00ff\"}\n";
    let head = format!("00{id:08x}");
    assert_eq!(
        there_and_back(&url, "readings-value", "avro_raw_json: false", lines),
        format!(
            "{head}04c3a902000000000000f83f0200 {{\"sensor\":\"\\u00E9\",\"value\":{{\"double\":1.5}},\"at\":1,\"raw\":\"\"}}\n\
             {head}0004020102ff {{\"sensor\":\"\",\"value\":{{\"com.example.State\":\"BROKEN\"}},\"at\":-1,\"raw\":\"\\u00FF\"}}\n"
        )
    );
    let lines = "{\"sensor\":\"a\",\"value\":\"OFF\",\"at\":0}\n{\"sensor\":\"a\",\"value\":2,\"at\":0}\n";
    assert_eq!(
        there_and_back(&url, "readings-value", "avro_raw_json: true", lines),
        format!(
            "{head}026104000000 {{\"sensor\":\"a\",\"value\":\"OFF\",\"at\":0,\"raw\":\"\"}}\n\
             {head}02610200000000000000400000 {{\"sensor\":\"a\",\"value\":2,\"at\":0,\"raw\":\"\"}}\n"
        )
    );
}

#[test]
fn schemas_that_refer_to_others() {
    let Some(server) = start() else { return };
    let url = url(&server);
    let unit = r#"{"type":"record","name":"Unit","namespace":"com.example","fields":[{"name":"symbol","type":"string"}]}"#;
    register(&server, "unit", "AVRO", unit, "");
    let reference = r#"{"name":"com.example.Unit","subject":"unit","version":1}"#;
    let value = r#"{"type":"record","name":"Value","namespace":"com.example","fields":[
        {"name":"one","type":"com.example.Unit"},{"name":"two","type":["null","Unit"]}]}"#;
    let id = register(&server, "value", "AVRO", value, reference);
    let line = "{\"one\":{\"symbol\":\"m\"},\"two\":{\"com.example.Unit\":{\"symbol\":\"s\"}}}\n";
    assert_eq!(
        there_and_back(&url, "value", "avro_nested_schemas: true", line),
        format!("00{id:08x}026d020273 {line}")
    );
    let encode = format!("    - schema_registry_encode: {{ url: {url:?}, subject: value }}\n");
    let refused = run(&encode, line).0;
    assert!(refused.contains("needs `avro_nested_schemas: true`"), "{refused}");
    let both = register(&server, "both", "AVRO", r#"["com.example.Unit"]"#, reference);
    let line = "{\"com.example.Unit\":{\"symbol\":\"m\"}}\n";
    assert_eq!(
        there_and_back(&url, "both", "avro_nested_schemas: false", line),
        format!("00{both:08x}00026d {line}")
    );
}

#[test]
fn what_the_registry_does_not_have_costs_one_message() {
    let Some(server) = start() else { return };
    let url = url(&server);
    let id = register(&server, "number", "AVRO", "\"int\"", "");
    let lines = format!("{:08x}04\n7fffffff04\n{:08x}06\n", id, id);
    let decode = format!(
        "    - mapping: 'root = (\"00\" + content()).decode(\"hex\")'\n    - schema_registry_decode: {{ url: {url:?} }}\n"
    );
    assert_eq!(run(&decode, &lines).0, "2\n! schema '2147483647' not found by registry\n3\n");
    let encode = format!("    - schema_registry_encode: {{ url: {url:?}, subject: '${{! this.s }}' }}\n");
    let (out, _) = run(&encode, "{\"s\":\"../x\"}\n{\"s\":\"..\"}\n");
    assert_eq!(
        out,
        "! schema subject '../x' not found by registry\n\
         ! request failed for schema subject '..': \"..\" cannot be a piece of a path\n"
    );
}

#[test]
fn protobuf_there_and_back() {
    let Some(server) = start() else { return };
    let url = url(&server);
    let unit = "syntax = \"proto3\"; package com.example; message Unit { string symbol = 1; }";
    register(&server, "unit-proto", "PROTOBUF", unit, "");
    let reference = r#"{"name":"unit.proto","subject":"unit-proto","version":1}"#;
    let reading = "syntax = \"proto3\"; package com.example; import \"unit.proto\"; import \"google/protobuf/timestamp.proto\";\n\
                   message Reading { string sensor = 1; Unit unit = 2; google.protobuf.Timestamp at = 3; int64 big = 4; }\n\
                   message Other { int32 n = 1; }";
    let id = register(&server, "proto-value", "PROTOBUF", reading, reference);
    let lines = "{\"sensor\":\"a\",\"unit\":{\"symbol\":\"m\"},\"at\":\"1970-01-01T00:00:01Z\",\"big\":\"5\"}\n{\"n\":3}\n";
    let mut rest = lines.lines();
    let mut next = || rest.next().expect("there are two");
    assert_eq!(
        there_and_back(&url, "proto-value", "avro_raw_json: false", lines),
        format!("00{id:08x}000a01611203 0a016d1a0208012005 {}\n00{id:08x}02020803 {}\n", next(), next())
            .replacen("1203 0a", "12030a", 1)
    );
}

#[test]
fn json_schema_there_and_back() {
    let Some(server) = start() else { return };
    let url = url(&server);
    let unit = r#"{"$schema":"http://json-schema.org/draft-07/schema#","$id":"http://x.test/unit.json","type":"string","maxLength":2}"#;
    register(&server, "unit-json", "JSON", unit, "");
    let reference = r#"{"name":"http://x.test/unit.json","subject":"unit-json","version":1}"#;
    let reading = r#"{"$schema":"http://json-schema.org/draft-07/schema#","type":"object","properties":{"unit":{"$ref":"http://x.test/unit.json"}},"required":["unit"]}"#;
    let id = register(&server, "json-value", "JSON", reading, reference);
    assert_eq!(
        there_and_back(&url, "json-value", "avro_raw_json: false", "{\"unit\": \"m\"}\n"),
        format!("00{id:08x}7b22756e6974223a20226d227d {{\"unit\": \"m\"}}\n")
    );
    let encode = format!("    - schema_registry_encode: {{ url: {url:?}, subject: json-value }}\n");
    assert_eq!(
        run(&encode, "{\"unit\":\"metre\"}\n").0,
        "! json message does not conform to schema: [unit: String length must be less than or equal to 2]\n"
    );
}
