//! Greets the people whose names come as messages.

use wappa_guest::{Config, Message, Processor, Result};

/// The processor: one for each thread of a stream.
#[derive(Debug)]
pub struct Greeter {
    greeting: String,
}

impl Processor for Greeter {
    fn configure(config: Config) -> Result<Greeter> {
        Ok(Greeter {
            greeting: config.get("greeting").unwrap_or("hello".to_string()),
        })
    }

    fn process(&mut self, message: &mut Message) -> Result {
        let name =
            std::str::from_utf8(message.content()).map_err(|_| "the content is not UTF-8")?;
        if name.is_empty() {
            message.filter();
            return Ok(());
        }
        let text = format!("{}, {name}!", self.greeting);
        message.set_content(text);
        message.set_metadata("greeted", true);
        wappa_guest::count("greeted", 1);
        Ok(())
    }
}

wappa_guest::export!(Greeter);

#[cfg(test)]
mod tests {
    use wappa_guest::mock::{Host, Record};

    use super::Greeter;

    #[test]
    fn greets_and_leaves_out_those_without_a_name() {
        let mut host =
            Host::<Greeter>::start([("greeting", "welcome")]).expect("the config is good");
        let outcomes = host.process_batch(["ann", ""]);
        assert_eq!(
            outcomes[0].sent(),
            [Record::new("welcome, ann!").with_metadata("greeted", true)]
        );
        assert!(outcomes[1].is_filtered());
    }

    #[test]
    fn what_is_no_text_fails() {
        let mut host = Host::<Greeter>::start([("greeting", "hello")]).expect("the config is good");
        assert_eq!(
            host.process(b"\xff").failed(),
            Some("the content is not UTF-8")
        );
    }
}
