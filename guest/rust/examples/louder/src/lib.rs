//! Appends `!!!` to the content, which may be any bytes.

use wappa_guest::{Config, Message, Processor, Result};

/// The processor. It has nothing to remember.
#[derive(Debug)]
pub struct Louder;

impl Processor for Louder {
    fn configure(_config: Config) -> Result<Louder> {
        Ok(Louder)
    }

    fn process(&mut self, message: &mut Message) -> Result {
        message.content_mut().extend_from_slice(b"!!!");
        Ok(())
    }
}

wappa_guest::export!(Louder);
