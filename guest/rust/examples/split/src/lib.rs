//! Splits the content at the config `separator`, and sends each piece that is not empty as a message of its own.

use wappa_guest::{Config, Message, Processor, Result};

/// The processor.
#[derive(Debug)]
pub struct Split {
    separator: Vec<u8>,
}

impl Processor for Split {
    fn configure(config: Config) -> Result<Split> {
        let separator = config.get("separator").unwrap_or(",".to_string()).into_bytes();
        if separator.is_empty() {
            return Err("config `separator` is empty: say where to split, or leave it out for `,`".into());
        }
        Ok(Split { separator })
    }

    fn process(&mut self, message: &mut Message) -> Result {
        let content = message.take_content();
        let mut sent = 0;
        let mut rest = Some(content.as_slice());
        while let Some(text) = rest {
            let (piece, after) = self.cut(text);
            rest = after;
            let piece = strip_spaces(piece);
            if !piece.is_empty() {
                message.set_content(piece);
                message.set_metadata("split_index", sent);
                message.emit();
                sent += 1;
            }
        }
        // The pieces are on their way; what is left of the message is not to be sent.
        message.filter();
        Ok(())
    }
}

impl Split {
    /// What is before the first separator, and what is after it.
    fn cut<'a>(&self, text: &'a [u8]) -> (&'a [u8], Option<&'a [u8]>) {
        match text.windows(self.separator.len()).position(|it| it == self.separator) {
            Some(at) => (&text[..at], Some(&text[at + self.separator.len()..])),
            None => (text, None),
        }
    }
}

fn strip_spaces(mut text: &[u8]) -> &[u8] {
    while let [b' ', rest @ ..] | [rest @ .., b' '] = text {
        text = rest;
    }
    text
}

wappa_guest::export!(Split);
