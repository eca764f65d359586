//! The document of a message, for processors that are no mappings.

use wappa_bloblang::NO_MESSAGE;
use wappa_message::{Message, Value};

/// Reads the content of a message as JSON. The error is Bento's text, which is another one where there is no content.
pub(super) fn document(message: &mut Message) -> Result<&Value, String> {
    if message.printed().is_ok_and(|it| it.is_empty()) {
        return Err(NO_MESSAGE.to_string());
    }
    message.value().map_err(|err| err.to_string())
}
