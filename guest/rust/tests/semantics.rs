//! What the mock host does with messages, in words that the real host's tests use too.

use wappa_guest::{
    mock::{Host, Outcome, Record},
    Config, Level, Message, Processor, Result, Value,
};

/// Does what the content says, one letter after the other.
struct Letters {
    n_messages: usize,
}

impl Processor for Letters {
    fn configure(config: Config) -> Result<Letters> {
        if let Some(reason) = config.get("refuse") {
            return Err(reason.into());
        }
        Ok(Letters { n_messages: config.parse("start")?.unwrap_or(0) })
    }

    fn process(&mut self, message: &mut Message) -> Result {
        self.n_messages += 1;
        for letter in String::from_utf8_lossy(message.content()).into_owned().chars() {
            match letter {
                'a' => message.content_mut().push(b'+'),
                'w' => message.set_content("written"),
                'n' => message.set_metadata("n", self.n_messages),
                'm' => message.set_metadata("m", "text"),
                'd' => assert!(message.delete_metadata("m")),
                'e' => message.emit(),
                'f' => message.filter(),
                'x' => message.fail("first"),
                'X' => message.fail("second"),
                'r' => Err("returned")?,
                'p' => panic!("at {letter}"),
                'c' => message.clear_error(),
                'b' => wappa_guest::count("not a name", 1),
                'j' => message.set_metadata("j", Value::Json("{".into())),
                other => panic!("`{other}` is no letter of this test"),
            }
        }
        Ok(())
    }
}

fn host() -> Host<Letters> {
    Host::start([("start", "0")]).unwrap()
}

/// Sent messages by content, metadata and mark; or the reason.
fn check(content: &str, expected: &str) {
    let record = Record::new(content).with_error("earlier");
    let outcome = host().process(record.clone());
    if let Outcome::Failed { message, .. } = &outcome {
        assert_eq!(*message, record, "a failed message goes on as it came in");
    }
    assert_eq!(show(&outcome), expected, "{content}");
}

fn show(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Failed { reason, .. } => format!("failed: {reason}"),
        Outcome::Sent(messages) => messages.iter().map(show_one).collect::<Vec<_>>().join(", "),
    }
}

fn show_one(message: &Record) -> String {
    let mut out = message.text().to_string();
    for (key, value) in message.metadata_pairs() {
        out.push_str(&format!(" {key}={}", value.to_text()));
    }
    if message.error().is_some() {
        out.push_str(" [failed]");
    }
    out
}

#[test]
fn what_becomes_of_a_message() {
    check("", " [failed]");
    check("a", "a+ [failed]");
    check("wa", "written+ [failed]");
    check("c", "c");
    check("mn", "mn m=text n=1 [failed]");
    check("md", "md [failed]");
}

#[test]
fn emit_sends_the_message_as_it_stands() {
    check("eawe", "eawe [failed], written [failed], written [failed]");
    check("emec", "emec [failed], emec m=text [failed], emec m=text");
    check("aef", "aef+ [failed]");
    check("fe", "fe [failed]");
}

#[test]
fn filter_and_fail() {
    check("f", "");
    check("xf", "failed: first");
    check("fxea", "failed: first");
    check("xX", "failed: second");
    check("xr", "failed: returned");
    check("wmer", "failed: returned");
}

#[test]
fn panics_fail_one_message_and_replace_the_instance() {
    let mut host = host();
    let outcomes = host.process_batch(["n", "n", "np", "n", "b", "j"]);
    let shown: Vec<String> = outcomes.iter().map(show).collect();
    assert_eq!(shown[..4], ["n n=1", "n n=2", "failed: panicked: at p", "n n=1"]);
    assert!(shown[4].contains("`not a name` does not"), "{}", shown[4]);
    assert!(shown[5].contains("`{` is not"), "{}", shown[5]);
}

#[test]
fn a_processor_that_cannot_be_made_says_why() {
    let start = |key: &str, value: &str| Host::<Letters>::start([(key, value)]).unwrap_err();
    assert_eq!(start("refuse", "no licence"), "no licence");
    assert_eq!(start("start", "x"), "config `start` is `x`: invalid digit found in string");
}

/// Says what it was given.
struct Curious;

impl Processor for Curious {
    fn configure(_: Config) -> Result<Curious> {
        Ok(Curious)
    }

    fn process(&mut self, message: &mut Message) -> Result {
        wappa_guest::info!("{}/{}", message.batch_index(), message.batch_len());
        wappa_guest::trace!("keys {}", message.metadata_keys().join(" "));
        for (key, value) in message.metadata_pairs() {
            assert_eq!(message.metadata(&key).as_ref(), Some(&value));
            wappa_guest::log(Level::Warn, &format!("{key} {value:?}"));
        }
        wappa_guest::debug!(
            "missing {:?}, empty {:?}",
            message.metadata("-"),
            message.metadata_text("empty")
        );
        wappa_guest::error!("{:?}", message.error());
        wappa_guest::count("seen", 2);
        Ok(())
    }
}

#[test]
fn metadata_have_types_and_an_order() {
    let mut host = Host::<Curious>::start([("", "")]).unwrap();
    let record = Record::new(b"\xff")
        .with_metadata("z", b"\xff")
        .with_metadata("utf8", b"text")
        .with_metadata("empty", "")
        .with_metadata("json", Value::Json(r#" { "b" : [ 1.5 ] , "a" : null } "#.into()))
        .with_metadata("string", Value::Json(r#""a\"b""#.into()))
        .with_metadata("no", false)
        .with_metadata("inf", f64::INFINITY)
        .with_error("earlier");
    assert_eq!(host.process_batch([Record::default(), record.clone()])[1].sent(), [record]);
    let log: Vec<String> = host.log().iter().map(|(level, text)| format!("{level:?} {text}")).collect();
    assert_eq!(
        log.join("\n"),
        r#"
Info 0/2
Trace keys 
Debug missing None, empty None
Error None
Info 1/2
Trace keys empty inf json no string utf8 z
Warn empty Text("")
Warn inf Json("null")
Warn json Json("{\"a\":null,\"b\":[1.5]}")
Warn no Json("false")
Warn string Text("a\"b")
Warn utf8 Text("text")
Warn z Bytes([255])
Debug missing None, empty Some("")
Error Some("earlier")"#
            .trim_start()
    );
    assert_eq!((host.counter("seen"), host.counter("other")), (4, 0));
}

/// Fails with an error that has a source.
struct Nested;

impl Processor for Nested {
    fn configure(_: Config) -> Result<Nested> {
        Ok(Nested)
    }

    fn process(&mut self, message: &mut Message) -> Result {
        Err(Outer(std::str::from_utf8(message.content()).unwrap_err()))?
    }
}

#[derive(Debug)]
struct Outer(std::str::Utf8Error);

impl std::fmt::Display for Outer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("reading the name")
    }
}

impl std::error::Error for Outer {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

#[test]
fn the_reason_has_the_sources() {
    let mut host = Host::<Nested>::start([("", "")]).unwrap();
    assert_eq!(
        host.process(b"\xff").failed(),
        Some("reading the name: invalid utf-8 sequence of 1 bytes from index 0")
    );
}

#[cfg(feature = "json")]
mod json {
    use super::*;

    /// Adds one to a number in JSON.
    struct Increment;

    impl Processor for Increment {
        fn configure(_: Config) -> Result<Increment> {
            Ok(Increment)
        }

        fn process(&mut self, message: &mut Message) -> Result {
            let number: u64 = message.json()?;
            message.set_metadata("was", serde_json::json!({ "number": number }));
            message.set_json(&(number + 1))?;
            Ok(())
        }
    }

    #[test]
    fn contents_and_metadata_by_serde() {
        let mut host = Host::<Increment>::start([("", "")]).unwrap();
        assert_eq!(show(&host.process(" 41 ")), r#"42 was={"number":41}"#);
        assert_eq!(
            show(&host.process("\"41\"")),
            "failed: invalid type: string \"41\", expected u64 at line 1 column 4"
        );
    }
}
