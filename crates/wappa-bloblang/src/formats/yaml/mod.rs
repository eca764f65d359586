//! YAML, as Go's `yaml.v3` reads and writes it.

mod read;
mod scalar;
mod write;

pub(crate) use read::parse;
pub(crate) use write::write;

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use wappa_message::Value;

    use super::*;

    fn written(value: &Value) -> String {
        let written = write(value, &mut |_| Ok::<(), ()>(())).expect("nothing refuses");
        String::from_utf8(written).expect("it is text")
    }

    #[test]
    fn what_is_written_can_be_read() {
        for text in [
            "",
            " ",
            "a",
            " a",
            "a ",
            "1",
            "1.5",
            "true",
            "on",
            "~",
            "a: b",
            "a #b",
            "#a",
            "- a",
            "-",
            "?",
            "?a",
            "[a",
            "{a",
            "'",
            "''",
            "\"",
            "a'b",
            "\t",
            "a\tb",
            "\n",
            "\n\n",
            "a\n",
            "a\n\n",
            "\na",
            " a\nb",
            "a\n b",
            "a \nb",
            "\r\n",
            "\u{e4}",
            "\u{85}",
            "\u{2028}",
            "\u{feff}",
            "\u{1f600}",
            "\u{0}",
            "---",
            "...",
            "--- a",
            "2001-01-01",
            "0x1",
            "12:30",
            "%a",
            "@a",
            "`a",
            "&a",
            "*a",
            "!a",
            "|",
            ">",
            "<<",
            "=",
            ",",
            "a,b",
            "a:b",
            ":a",
        ] {
            for value in [
                Value::text(text),
                Value::array([Value::text(text), Value::text("next")]).expect("it is not deep"),
                Value::object([("k", Value::text(text)), ("l", Value::text("next"))])
                    .expect("it is not deep"),
                Value::object([(text, Value::array([Value::Int(1)]).expect("it is not deep"))])
                    .expect("it is not deep"),
            ] {
                let yaml = written(&value);
                assert_eq!(parse(&yaml).as_ref(), Ok(&value), "{text:?}:\n{yaml}");
            }
        }
    }

    #[test]
    fn deep_documents_are_read_and_written_or_refused() {
        let deep = format!("{}1{}", "[".repeat(900), "]".repeat(900));
        let value = Value::from_json(&Bytes::from(deep)).expect("it is JSON");
        assert_eq!(parse(&written(&value)), Ok(value));
        for deeper in ["[".repeat(100_000), "- ".repeat(100_000), "a: {".repeat(5000)] {
            assert!(parse(&deeper).is_err());
        }
        let bomb: String = (0..40).map(|idx| format!("- &a{} [*a{idx}, *a{idx}]\n", idx + 1)).collect();
        let why = parse(&format!("- &a0 [1]\n{bomb}"));
        assert_eq!(why, Err("yaml: document contains excessive aliasing".to_string()));
    }
}
