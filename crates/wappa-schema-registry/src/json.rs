//! JSON Schema: messages are documents as they are, which have to fit.

use bytes::Bytes;
use wappa_message::Value;

/// A schema, ready for messages.
#[derive(Debug)]
pub(crate) struct Schema(wappa_bloblang::Schema);

/// How long what is said of a message is at most, in bytes.
const TOLD_BYTES_MAX: usize = 4096;

impl Schema {
    /// Reads a schema; those that it refers to are known by these names, and by their own. The error says what is wrong with it.
    pub(crate) fn parse(text: &str, others: &[(&str, &str)]) -> Result<Schema, String> {
        wappa_bloblang::Schema::parse_with(text.as_bytes(), others).map(Schema)
    }

    /// How much its patterns take up at most, in bytes.
    pub(crate) fn pattern_bytes(&self) -> usize {
        self.0.pattern_bytes()
    }

    /// The error says what of the document does not fit.
    pub(crate) fn check(&self, document: &[u8]) -> Result<(), String> {
        let document = Value::from_json(&Bytes::copy_from_slice(document)).map_err(|err| err.to_string())?;
        let problems = self.0.printed_problems(&document).map_err(|err| err.to_string())?;
        if problems.is_empty() {
            return Ok(());
        }
        let mut told = String::new();
        for problem in &problems {
            told.push_str(if told.is_empty() { "" } else { " " });
            told.push_str(problem);
            if TOLD_BYTES_MAX < told.len() {
                told.truncate(told.floor_char_boundary(TOLD_BYTES_MAX));
                told.push('…');
                break;
            }
        }
        Err(format!("json message does not conform to schema: [{told}]"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(schema: &str, others: &[(&str, &str)], document: &str) -> String {
        let schema = match Schema::parse(schema, others) {
            Ok(schema) => schema,
            Err(why) => return format!("! {why}"),
        };
        schema.check(document.as_bytes()).map_or_else(|why| why, |()| "fits".to_string())
    }

    #[test]
    fn documents_have_to_fit() {
        let schema = r#"{"type":"object","properties":{"a":{"type":"number"}},"required":["B"]}"#;
        assert_eq!(told(schema, &[], r#"{"B":1}"#), "fits");
        assert_eq!(
            told(schema, &[], r#"{"a":"x"}"#),
            "json message does not conform to schema: [(root): B is required a: Invalid type. Expected: number, given: string]"
        );
        assert_eq!(told(schema, &[], "nope"), "invalid character 'o' in literal null (expecting 'u')");
    }

    #[test]
    fn patterns_are_bounded() {
        let patterns = |pattern: &str, n: usize| {
            let all: Vec<String> =
                (0..n).map(|it| format!("\"p{it}\":{{\"pattern\":\"{pattern}\"}}")).collect();
            format!("{{\"properties\":{{{}}}}}", all.join(","))
        };
        assert_eq!(told(&patterns("^a+$", 200), &[], r#"{"p1":"a"}"#), "fits");
        let too_much = "! its patterns are too many or too large";
        assert_eq!(told(&patterns("^a+$", 300), &[], "{}"), too_much);
        assert_eq!(told(&patterns("\\\\p{L}{100}", 10), &[], "{}"), too_much);
    }

    #[test]
    fn schemas_refer_to_others_by_name() {
        let unit = r##"{"$id":"http://x.test/s/unit.json","definitions":{"t":{"type":"string"}},"properties":{"u":{"$ref":"#/definitions/t"}}}"##;
        let of = |reference: &str| {
            format!(
                r##"{{"$id":"http://x.test/s/root.json","definitions":{{"t":{{"type":"integer"}}}},"properties":{{"a":{{"$ref":"{reference}"}},"b":{{"$ref":"#/definitions/t"}}}}}}"##
            )
        };
        let bad = "json message does not conform to schema: [a.u: Invalid type. Expected: string, given: integer b: Invalid type. Expected: integer, given: string]";
        // By the address of its own, by that as seen from the other one, and by the name that the registry knows.
        for reference in ["http://x.test/s/unit.json", "unit.json", "some-name"] {
            let others = [("some-name", unit)];
            assert_eq!(told(&of(reference), &others, r#"{"a":{"u":5},"b":"x"}"#), bad, "{reference}");
            assert_eq!(told(&of(reference), &others, r#"{"a":{"u":"x"},"b":1}"#), "fits", "{reference}");
        }
        let of_part = told(&of("unit.json#/definitions/t"), &[("n", unit)], r#"{"a":5}"#);
        assert_eq!(
            of_part,
            "json message does not conform to schema: [a: Invalid type. Expected: string, given: integer]"
        );
        assert_eq!(
            told(&of("other.json"), &[("n", unit)], "{}"),
            "! reference other.json leads to nothing in the schema, and nothing is fetched"
        );
        // Two that lead to each other.
        let one = r#"{"properties":{"x":{"$ref":"two"}}}"#;
        let two = r#"{"properties":{"y":{"$ref":"one"}},"required":["y"]}"#;
        assert_eq!(
            told(one, &[("one", one), ("two", two)], r#"{"x":{"y":{"x":{}}}}"#),
            "json message does not conform to schema: [x.y.x: y is required]"
        );
    }
}
