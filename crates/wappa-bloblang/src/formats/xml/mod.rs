//! Documents of XML as objects, and the way back.
//!
//! Elements are names of an object, attributes begin with a hyphen, text beside either is `#text`, and what comes several
//! times is a list. What is taken as XML is what Go's decoder takes when it is not strict.

mod read;
mod write;

use wappa_message::Value;

pub(crate) use read::parse;
pub(crate) use write::write;

use crate::error::Error;

/// How much a value that is read takes, in bytes, at most: it is in an element before it is in an object.
const VALUE_BYTES: usize = 256;

/// The first element in a text of XML, as an object with its name, and where in the text it ends; nothing where there is no
/// element any more. With `is_cast`, what looks like a number or a boolean is one. `charge` is told how many bytes are about
/// to be made, and may refuse; its error comes back as it is, any other is Bento's.
pub fn read_xml(
    text: &[u8],
    is_cast: bool,
    charge: &mut dyn FnMut(usize) -> Result<(), String>,
) -> Result<Option<(Value, usize)>, String> {
    read_begun_xml(text, is_cast, charge).0
}

/// The same of a text that more may follow; and whether all of it was looked at, so that more of it may give something else.
pub fn read_begun_xml(
    text: &[u8],
    is_cast: bool,
    charge: &mut dyn FnMut(usize) -> Result<(), String>,
) -> (Result<Option<(Value, usize)>, String>, bool) {
    let mut refused = None;
    let (read, is_at_end) = read::parse_begun(text, is_cast, &mut |n| {
        charge(n.saturating_mul(VALUE_BYTES)).map_err(|why| {
            refused = Some(why);
            Error::new("")
        })
    });
    match refused {
        Some(why) => (Err(why), false),
        None => (read.map_err(|err| err.to_string()), is_at_end),
    }
}

/// What stands before the name of an attribute.
const ATTRIBUTE: u8 = b'-';

/// The name of the text of an element that has more than that.
const TEXT: &[u8] = b"#text";

#[cfg(test)]
mod tests {
    use wappa_message::Value;

    fn read(text: &str) -> String {
        match super::parse(text.as_bytes(), false, &mut |_| Ok(())) {
            Ok(value) => value.to_json(),
            Err(why) => format!("Error({why})"),
        }
    }

    fn written(json: &'static str, indent: Option<&str>) -> String {
        let value = Value::from_json(&json.into()).expect("it is JSON");
        let Value::Object(object) = value else { panic!("it is an object") };
        let out = super::write(&object, indent.map(str::as_bytes), &mut |_| Ok(()));
        String::from_utf8(out.expect("it can be written")).expect("it is a text")
    }

    #[test]
    fn documents_are_objects() {
        for (text, expected) in [
            ("<a>x</a>", r#"{"a":"x"}"#),
            ("<a/>", r#"{"a":""}"#),
            ("<a b=\"1\"/>", r#"{"a":{"-b":"1"}}"#),
            ("<a b='1'>x</a>", r##"{"a":{"#text":"x","-b":"1"}}"##),
            ("<a><b>1</b><b>2</b><c/></a>", r#"{"a":{"b":["1","2"],"c":""}}"#),
            ("<a>x<b/>y</a>", r##"{"a":{"#text":"x","b":""}}"##),
            (
                "<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY x '>'>]><!-- no --><a> x &lt;&#65;&#x42; </a><b>",
                r#"{"a":"x <AB"}"#,
            ),
            ("<a><![CDATA[<b>&amp;]]></a>", r#"{"a":"<b>&amp;"}"#),
            ("<n:a xmlns:n=\"u\"><n:b>1</n:b></n:a>", r#"{"a":{"-n":"u","b":"1"}}"#),
            ("stray<a>é\r\nü</a>", r#"{"a":"é\nü"}"#),
            // What is written carelessly.
            ("<a b=1 c>x</a>", r##"{"a":{"#text":"x","-b":"1","-c":"c"}}"##),
            ("<a>&nbsp;&x</a>", r#"{"a":"&nbsp;&x"}"#),
            ("<a><b>1</a>", r#"{"a":{"b":"1"}}"#),
            ("<a b=\"1\" b=\"2\"/>", r#"{"a":{"-b":"2"}}"#),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_document_is_told() {
        let syntax = |line: u32, why: &str| {
            format!("Error(xml.Decoder.Token() - XML syntax error on line {line}: {why})")
        };
        for (text, expected) in [
            ("", "Error(EOF)".to_string()),
            ("text", "Error(EOF)".to_string()),
            ("<a>", syntax(1, "unexpected EOF")),
            ("<a>\n<b", syntax(2, "unexpected EOF")),
            ("</a>", syntax(1, "unexpected end element </a>")),
            ("<a", syntax(1, "unexpected EOF")),
            ("< a/>", syntax(1, "expected element name after <")),
            ("<a></>", syntax(1, "expected element name after </")),
            ("<a>]]></a>", syntax(1, "unescaped ]]> not in CDATA section")),
            ("<a b=\"<\"/>", syntax(1, "unescaped < inside quoted string")),
            ("<a/ >", syntax(1, "expected /> in element")),
            ("<a><!x", syntax(1, "unexpected EOF")),
            ("<a><!-- -- --></a>", syntax(1, r#"invalid sequence "--" not allowed in comments"#)),
            ("<a>\u{1}</a>", syntax(1, "illegal character code U+0001")),
            ("<?xml version='1.1'?><a/>", r#"Error(xml.Decoder.Token() - xml: unsupported version "1.1"; only version 1.0 is supported)"#.to_string()),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
        let bytes = super::parse(b"<a>\xff</a>", false, &mut |_| Ok(()));
        let why = bytes.expect_err("it is no UTF-8").to_string();
        assert_eq!(why, "xml.Decoder.Token() - XML syntax error on line 1: invalid UTF-8");
    }

    #[test]
    fn alphabets_that_are_told_are_read() {
        let text = b"<?xml version='1.0' encoding='ISO-8859-1'?><a>\xe9</a>";
        let value = super::parse(text, false, &mut |_| Ok(())).expect("it is XML");
        assert_eq!(value.to_json(), r#"{"a":"é"}"#);
    }

    #[test]
    fn objects_are_documents() {
        for (json, indent, expected) in [
            (r#"{"a":{"b":"x","c":1}}"#, Some("  "), "<a>\n  <b>x</b>\n  <c>1</c>\n</a>"),
            (r#"{"a":"x","b":null}"#, None, "<doc><a>x</a><b/></doc>"),
            (r#"{"a":[1,{"b":true}]}"#, None, "<doc><a>1</a><a><b>true</b></a></doc>"),
            (r#"{"a":[{"b":1},{}]}"#, None, "<a><b>1</b></a><a/>"),
            (r#"{"a":{"b":[],"-x":"1","-y":2.5}}"#, None, "<a x=\"1\" y=\"2.5\"><b/></a>"),
            (r##"{"a":{"-x":"1","#text":"t"}}"##, None, "<a x=\"1\">t</a>"),
            (r##"{"a":{"b":1,"#text":"t"}}"##, None, "<a>t<b>1</b></a>"),
            // Bento moves what stands in a list of a list further, and writes the indent before the end of an empty one.
            (
                r#"{"a":{"x":[1,[2],{"b":[]}],"y":1}}"#,
                Some("-"),
                "<a>\n-<x>1</x>\n--<x>2</x>\n-<x>\n--<b-/>\n-</x>\n-<y>1</y>\n</a>",
            ),
        ] {
            assert_eq!(written(json, indent), expected, "{json}");
        }
    }
}
