//! JSON in and out: random documents against a model, texts that are no JSON, bounds, and numbers as Go prints them.

mod model;
mod random;

use bytes::Bytes;
use model::{Doc, Style};
use random::Random;
use serde::de::IgnoredAny;
use wappa_message::{DEPTH_MAX, Message, Object, Value};

const N_DOCUMENTS: u64 = 1_500;

fn parse(text: &str) -> Result<Value, String> {
    Value::from_json(&Bytes::copy_from_slice(text.as_bytes())).map_err(|err| err.to_string())
}

/// For each seed, a document that is an object, and one of the ways to write it.
fn documents() -> impl Iterator<Item = (Doc, String, Random)> {
    (0..N_DOCUMENTS).map(|seed| {
        let mut random = Random::new(seed);
        let doc = Doc::random_object(&mut random, 4);
        let style = Style { is_spaced: random.once_in(2), is_escaped: random.once_in(2) };
        let mut text = String::new();
        doc.write(&mut random, style, &mut text);
        (doc, text, random)
    })
}

/// Asks for a few values, some of them of values of values, as a mapping would.
fn look(value: &Value, random: &mut Random) {
    match value {
        Value::Object(object) => {
            for (name, it) in object.iter().filter(|_| random.once_in(3)).collect::<Vec<_>>() {
                assert_eq!(object.get(&name).as_ref(), Some(&it));
                look(&it, random);
            }
            assert_eq!(object.get("no such name"), None);
            assert_eq!(object.len(), object.keys().count());
        }
        Value::Array(array) => array.iter().for_each(|it| look(&it, random)),
        _ => (),
    }
}

#[test]
fn what_is_read_prints_as_the_model_does() {
    for (doc, text, mut random) in documents() {
        let value = parse(&text).unwrap_or_else(|err| panic!("{err}: {text}"));
        let expected = doc.printed();
        assert_eq!(value.to_json(), expected, "{text}");
        look(&value, &mut random);
        assert_eq!(value.to_json(), expected, "{text}");
        assert_eq!(value, doc.made(), "{text}");
        assert_eq!(doc.made().to_json(), expected, "{text}");
        let mut place = vec![0; value.json_len()];
        value.write_json_into(&mut place);
        assert_eq!(place, expected.as_bytes());
        is_not_copied(&value.to_json_bytes());
    }
    is_not_copied(&Bytes::from_static("{\"a\":[\"<x>\",1.50,1E5],\"b\":{\"\":null,\"ä\":\"ä\"}}".as_bytes()));
}

/// Asserts that what is printed is not copied when it is read and printed again, unless a name needs an escape.
fn is_not_copied(printed: &Bytes) {
    let again = Value::from_json(printed).expect("what is printed is JSON").to_json_bytes();
    assert_eq!(&again, printed);
    let has_escapes = printed.contains(&b'\\');
    assert!(has_escapes || again.as_ptr() == printed.as_ptr(), "{printed:?}");
}

/// A random change of an object and its model, at a random place in it.
fn change(object: &mut Object, pairs: &mut Vec<(String, Doc)>, random: &mut Random) {
    let name = match pairs.is_empty() || random.once_in(3) {
        true => random.pick(&["a", "key_1", "new", "another name, and a long one"]).to_string(),
        false => pairs[random.below(pairs.len())].0.clone(),
    };
    // The last one of a name counts, and a change leaves one of it.
    let last = pairs.iter().rposition(|it| it.0 == name).map(|idx| pairs[idx].1.clone());
    pairs.retain(|it| it.0 != name);
    match (random.below(4), last) {
        (0, last) => assert_eq!(object.remove(&name), last.is_some()),
        (1 | 2, Some(mut inner)) => {
            let changed = object.update(&name, |value| match (value, &mut inner) {
                (Value::Object(object), Doc::Object(pairs)) => change(object, pairs, random),
                (Value::Array(array), Doc::Array(items)) if !items.is_empty() => {
                    let idx = random.below(items.len());
                    items[idx] = Doc::random(random, 1);
                    assert_eq!(array.update(idx, |it| *it = items[idx].made()), Ok(Some(())));
                    array.push(Value::Bool(true)).expect("not deep");
                    items.push(Doc::Word("true"));
                }
                (value, inner) => {
                    *inner = Doc::random(random, 1);
                    *value = inner.made();
                }
            });
            assert_eq!(changed, Ok(Some(())));
            pairs.push((name, inner));
        }
        _ => {
            // From elsewhere in the object, as it is, or new.
            let (doc, value) = match pairs.last() {
                Some((from, doc)) if random.once_in(2) => {
                    (doc.clone(), object.get(from).expect("it is there"))
                }
                _ => {
                    let doc = Doc::random(random, 2);
                    let value = doc.made();
                    (doc, value)
                }
            };
            object.insert(name.as_str(), value).expect("not deep");
            pairs.push((name, doc));
        }
    }
}

#[test]
fn a_change_is_seen_by_nobody_else() {
    for (doc, text, mut random) in documents() {
        let mut message = Message::new(text.clone());
        message.value().expect("it is JSON");
        let before = message.clone();
        let Doc::Object(mut pairs) = doc.clone() else { panic!("an object") };
        for _ in 0..1 + random.below(4) {
            let Ok(Value::Object(object)) = message.value_mut() else { panic!("an object") };
            change(object, &mut pairs, &mut random);
            let expected = Doc::Object(pairs.clone()).printed();
            assert_eq!(message.content(), expected.as_bytes(), "{text}");
            assert!(0 < message.size());
        }
        assert_eq!(before.content(), text.as_bytes());
        let mut before = before;
        assert_eq!(before.value().expect("it is JSON").to_json(), doc.printed());
    }
}

#[test]
fn what_is_no_json_is_told_from_what_is() {
    let mut n_bad = 0;
    for (_, text, mut random) in documents() {
        for _ in 0..5 {
            let mut bytes = text.clone().into_bytes();
            let at = random.below(bytes.len());
            match random.below(4) {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, *random.pick(&[&b'"', &b'\\', &b',', &b'{', &b']', &b'0', &0x1f])),
                2 => bytes[at] = random.next() as u8,
                _ => drop(bytes.remove(at)),
            }
            let ours = Value::from_json(&Bytes::copy_from_slice(&bytes));
            let theirs = serde_json::from_slice::<IgnoredAny>(&bytes);
            let text = String::from_utf8_lossy(&bytes);
            assert_eq!(ours.is_ok(), theirs.is_ok(), "{text}: {ours:?} {theirs:?}");
            match ours {
                Ok(value) => {
                    look(&value, &mut random);
                    let printed = value.to_json_bytes();
                    let again = Value::from_json(&printed).expect("what is printed is JSON");
                    assert_eq!(again.to_json().as_bytes(), printed);
                }
                Err(err) => {
                    n_bad += 1;
                    assert!(err.offset() <= bytes.len() && !err.to_string().is_empty(), "{text}");
                }
            }
        }
    }
    assert!(1_500 < n_bad, "{n_bad}");
}

#[test]
fn errors_are_in_gos_words() {
    for (text, expected) in [
        ("", "EOF"),
        (" \n", "EOF"),
        ("{", "unexpected EOF"),
        ("{\"a\"", "unexpected EOF"),
        ("{\"a\":1", "unexpected EOF"),
        ("[1,", "unexpected EOF"),
        ("\"a", "unexpected EOF"),
        ("[\"\\", "unexpected EOF"),
        ("tru", "unexpected EOF"),
        ("-", "unexpected EOF"),
        ("1e+", "unexpected EOF"),
        ("[1,]", "invalid character ']' looking for beginning of value"),
        ("{,}", "invalid character ',' looking for beginning of object key string"),
        ("{\"a\":1,}", "invalid character '}' looking for beginning of object key string"),
        ("{\"a\" 1}", "invalid character '1' after object key"),
        ("{\"a\":01}", "invalid character '1' after object key:value pair"),
        ("[1 2]", "invalid character '2' after array element"),
        ("\"\n\"", "invalid character '\\n' in string literal"),
        ("\"\\x\"", "invalid character 'x' in string escape code"),
        ("\"\\u12g4\"", "invalid character 'g' in \\u hexadecimal character escape"),
        ("trux", "invalid character 'x' in literal true (expecting 'e')"),
        ("nan", "invalid character 'a' in literal null (expecting 'u')"),
        ("-a", "invalid character 'a' in numeric literal"),
        ("[1.]", "invalid character ']' after decimal point in numeric literal"),
        ("[1e]", "invalid character ']' in exponent of numeric literal"),
        ("'", "invalid character '\\'' looking for beginning of value"),
        ("\u{1}", "invalid character '\\x01' looking for beginning of value"),
        ("é", "invalid character 'Ã' looking for beginning of value"),
        ("{}}", "invalid character '}' looking for beginning of value"),
        ("{\"a\":1}\0", "invalid character '\\x00' looking for beginning of value"),
        ("{} {}", "message contains multiple valid documents"),
        ("01", "message contains multiple valid documents"),
        ("{} {} x", "invalid character 'x' looking for beginning of value"),
        ("{} x", "invalid character 'x' looking for beginning of value"),
    ] {
        assert_eq!(parse(text).expect_err(text), expected, "{text:?}");
    }
}

#[test]
fn what_is_odd_is_read_as_go_reads_it() {
    for (text, expected) in [
        (&br#""\ud800""#[..], "\"\u{fffd}\""),
        (br#""\uD83D\uDE00""#, "\"😀\""),
        (br#""\udc00\ud800x""#, "\"\u{fffd}\u{fffd}x\""),
        (br#""\ud800\u0041\ud800\n""#, "\"\u{fffd}A\u{fffd}\\n\""),
        (b"\"\\/\"", "\"/\""),
        ("\"\\u2028\u{2029}\"".as_bytes(), r#""\u2028\u2029""#),
        (br#""\u0008\u000c\u0000\u001f\u007f""#, "\"\\b\\f\\u0000\\u001f\u{7f}\""),
        (b"\"\xff\xfe a \xe2\x82\"", "\"\u{fffd}\u{fffd} a \u{fffd}\u{fffd}\""),
        (b"\"\xed\xa0\x80\xf0\x9f\x98\"", "\"\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\""),
        (b"\"<>&\"", "\"<>&\""),
        (br#"{"b":1,"a":2,"b":3}"#, r#"{"a":2,"b":3}"#),
        (br#"{"b":{"x":1},"b":{"y":2}}"#, r#"{"b":{"y":2}}"#),
        (br#"{"\u0062":1,"b":2,"a":3}"#, r#"{"a":3,"b":2}"#),
        (b" [ -0 , 1E5 , 1.50 ] ", "[-0,1E5,1.50]"),
    ] {
        let value = Value::from_json(&Bytes::copy_from_slice(text)).expect("it is JSON");
        assert_eq!(value.to_json(), expected, "{}", text.escape_ascii());
    }
    // A text that is made may be any bytes.
    assert_eq!(Value::text(b"\xff a \xe2\x82").to_json(), r#""\ufffd a \ufffd\ufffd""#);
    assert_eq!(Value::text(b"\xff a \xe2\x82").to_text(), &b"\xff a \xe2\x82"[..]);
}

#[test]
fn text_is_as_bento_makes_it() {
    let list = Value::array([Value::text("<\"\n&>"), Value::Float(1e22), Value::Float(1e-7), Value::Null]);
    let list = list.expect("flat");
    for (value, expected) in [
        (list.clone(), r#"["\u003c\"\n\u0026\u003e",1e+22,1e-7,null]"#),
        (parse(r#"{"b":"<x>","a":1.0}"#).expect("it is JSON"), r#"{"a":1.0,"b":"\u003cx\u003e"}"#),
        (Value::Null, "null"),
        (Value::Bool(true), "true"),
        (Value::Int(-7), "-7"),
        (Value::Float(5.0), "5"),
        (Value::Float(1e6), "1e+06"),
        (Value::Float(1e-7), "1e-07"),
        (parse("1.50").expect("it is JSON"), "1.50"),
        (Value::text("<a & b>\n"), "<a & b>\n"),
    ] {
        assert_eq!((value.to_text(), value.text_len()), (expected.into(), expected.len()));
        let mut place = vec![0; expected.len()];
        value.write_text_into(&mut place);
        assert_eq!(place, expected.as_bytes());
    }
    assert_eq!(list.to_json(), r#"["<\"\n&>",1e+22,1e-7,null]"#);
}

/// Whoever bounds what a text may be asks for its length first: a value of a guest may be tens of mebibytes of these.
#[test]
fn lengths_are_known_before_there_is_a_text() {
    let text = "a<b>&\u{1}\u{1f}\u{2028}\u{2029}\u{2027}\"\\\n\r\t\u{8}\u{c}é\u{7f}";
    let json = r#""a<b>&\u0001\u001f\u2028\u2029‧\"\\\n\r\t\b\fé"#.to_owned() + "\u{7f}\"";
    let escaped = json.replace('<', r"\u003c").replace('>', r"\u003e").replace('&', r"\u0026");
    for (value, json, as_text) in [
        (Value::text(text), json.clone(), text.to_owned()),
        (Value::array([Value::text(text)]).expect("flat"), format!("[{json}]"), format!("[{escaped}]")),
        (
            Value::object([("<", Value::text(text))]).expect("flat"),
            format!("{{\"<\":{json}}}"),
            format!("{{\"\\u003c\":{escaped}}}"),
        ),
        (Value::Int(-7), "-7".to_owned(), "-7".to_owned()),
    ] {
        assert_eq!((value.to_json(), value.json_len()), (json.clone(), json.len()));
        assert_eq!((value.to_text(), value.text_len()), (as_text.clone().into(), as_text.len()));
        let (mut json_place, mut text_place) = (vec![0; json.len()], vec![0; as_text.len()]);
        value.write_json_into(&mut json_place);
        value.write_text_into(&mut text_place);
        assert_eq!((json_place, text_place), (json.into_bytes(), as_text.into_bytes()));
    }
}

#[test]
fn numbers_print_as_in_go() {
    let table = include_str!("floats.txt");
    let rows: Vec<&str> = table.lines().filter(|it| !it.starts_with('#')).collect();
    assert!(100 < rows.len());
    for row in rows {
        let [bits, json, text] = row.split(' ').collect::<Vec<_>>()[..] else { panic!("{row}") };
        let number = f64::from_bits(u64::from_str_radix(bits, 16).expect("bits"));
        assert_eq!(Value::Float(number).to_json(), json);
        assert_eq!(Value::Float(number).to_text(), text);
    }
    for (number, text) in [(f64::NAN, "NaN"), (f64::INFINITY, "+Inf"), (f64::NEG_INFINITY, "-Inf")] {
        assert_eq!(
            (Value::Float(number).to_text(), Value::Float(number).to_json()),
            (text.into(), "null".into())
        );
    }
}

#[test]
fn depth_is_bounded_when_a_value_is_read() {
    let deep = |n: usize, open: &str, close: &str| format!("{}1{}", open.repeat(n), close.repeat(n));
    let max = usize::from(DEPTH_MAX);
    for (open, close) in [("[", "]"), ("{\"b\":", ",\"a\":0}"), ("[ {\"a\": ", "} ]")] {
        let n = if open.len() == 8 { max / 2 } else { max };
        let text = deep(n, open, close);
        let value = parse(&text).expect("as deep as it may be");
        let printed = value.to_json_bytes();
        assert_eq!(value, Value::from_json(&printed).expect("what is printed is JSON"));
        assert!(0 < value.size());
        let err = parse(&deep(n + 1, open, close)).expect_err("too deep");
        assert!(err.ends_with(" exceeded max depth"), "{err}");
        let open_only = parse(&open.repeat(1_000_000)).expect_err("much too deep");
        assert!(open_only.ends_with(" exceeded max depth"), "{open_only}");
    }
}

#[test]
fn depth_is_bounded_when_a_value_is_made() {
    let mut value = Value::Null;
    for n in 1..=DEPTH_MAX {
        value = match n % 2 {
            0 => Value::array([value]),
            _ => Value::object([("a", value)]),
        }
        .expect("not too deep yet");
    }
    assert!(Value::array([value.clone()]).is_err() && Value::object([("a", value.clone())]).is_err());
    let (mut array, mut object) = (wappa_message::Array::default(), Object::default());
    assert!(array.push(value.clone()).is_err() && object.insert("a", value.clone()).is_err());
    array.push(Value::Null).expect("flat");
    assert!(array.update(0, |it| *it = value.clone()).is_err());
    object.insert("a", Value::Null).expect("flat");
    assert!(object.update("a", |it| *it = value.clone()).is_err());
    assert_eq!(
        (Value::Array(array).to_json(), Value::Object(object).to_json()),
        ("[null]".into(), r#"{"a":null}"#.into())
    );
    // As deep as it may be, in a place where something shallower stood, which makes room again when it is removed.
    let Value::Array(outer) = &mut value else { panic!("an array is outermost") };
    let inner = outer.get(0).expect("it is there");
    outer.update(0, |it| *it = Value::Null).expect("flat");
    outer.push(Value::array([value_of_height(2)]).expect("flat")).expect("flat");
    assert!(Value::array([value.clone()]).is_ok(), "what is no longer there does not count");
    drop(inner);
}

fn value_of_height(n: u16) -> Value {
    (0..n).fold(Value::Null, |value, _| Value::array([value]).expect("not deep"))
}

#[test]
fn large_documents_with_names_in_no_order_are_searched_fast() {
    let pairs: Vec<String> = (0..200_000).map(|idx| format!("\"{}\":{idx}", idx * 7919 % 200_003)).collect();
    let value = parse(&format!("{{{}}}", pairs.join(","))).expect("it is JSON");
    let Value::Object(object) = &value else { panic!("an object") };
    for idx in 0..200_000 {
        assert_eq!(object.get((idx * 7919 % 200_003).to_string()), Some(Value::Int(idx)));
    }
}
