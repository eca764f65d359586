//! The message that a processor works on.

use std::fmt;

use crate::{host, Value};

/// The message that [`Processor::process`](crate::Processor::process) works on.
///
/// Nothing of it is in the module's memory before you ask for it.
pub struct Message {
    pub(crate) host: host::Message,
}

/// The content.
impl Message {
    /// The content: any bytes, perhaps none. Copied into the module when it is asked for the first time.
    ///
    /// For text there is [`std::str::from_utf8`], which costs little, or [`String::from_utf8_lossy`].
    pub fn content(&self) -> &[u8] {
        self.host.content()
    }

    /// The content, to be changed in place.
    ///
    /// ```
    /// # fn shout(message: &mut wappa_guest::Message) {
    /// message.content_mut().make_ascii_uppercase();
    /// message.content_mut().extend_from_slice(b"!!!");
    /// # }
    /// ```
    pub fn content_mut(&mut self) -> &mut Vec<u8> {
        self.host.content_mut()
    }

    /// Replaces the content. What it was need not be read before.
    pub fn set_content(&mut self, content: impl AsRef<[u8]>) {
        self.host.set_content(content.as_ref());
    }

    /// The content, and leaves the message with an empty one: for cutting it into pieces that are
    /// [sent](Message::emit) one by one.
    pub fn take_content(&mut self) -> Vec<u8> {
        std::mem::take(self.content_mut())
    }

    /// The content as a value of your own, read from JSON.
    ///
    /// ```
    /// # fn price(message: &mut wappa_guest::Message) -> wappa_guest::Result {
    /// let mut order: serde_json::Value = message.json()?;
    /// order["total"] = 3.into();
    /// message.set_json(&order)?;
    /// # Ok(()) }
    /// ```
    #[cfg(feature = "json")]
    pub fn json<'a, T: serde::Deserialize<'a>>(&'a self) -> serde_json::Result<T> {
        serde_json::from_slice(self.content())
    }

    /// Replaces the content by a value, written as JSON. A value that JSON cannot hold leaves the content as it is.
    #[cfg(feature = "json")]
    pub fn set_json<T: serde::Serialize + ?Sized>(&mut self, value: &T) -> serde_json::Result<()> {
        self.set_content(serde_json::to_vec(value)?);
        Ok(())
    }
}

/// The metadata.
impl Message {
    /// The value of a key, with its type. `None` when it is missing, which is something else than empty.
    pub fn metadata(&self, key: &str) -> Option<Value<'static>> {
        self.host.metadata(key)
    }

    /// The value of a key as the stream prints it: `7` whether it is the text or the number.
    ///
    /// Bytes that are not UTF-8 become replacement characters.
    pub fn metadata_text(&self, key: &str) -> Option<String> {
        self.host.metadata_text(key)
    }

    /// The names of all keys, in order. Those that are not UTF-8, which cannot be asked for, are left out.
    pub fn metadata_keys(&self) -> Vec<String> {
        self.host.metadata_keys()
    }

    /// All keys in order, with their values.
    pub fn metadata_pairs(&self) -> Vec<(String, Value<'static>)> {
        self.host.metadata_pairs()
    }

    /// Sets a key: to text, bytes, a number, a `bool`, or a [`Value`].
    ///
    /// ```
    /// # fn label(message: &mut wappa_guest::Message) {
    /// use wappa_guest::Value;
    ///
    /// message.set_metadata("route", "orders");
    /// message.set_metadata("attempt", 3);
    /// message.set_metadata("tags", Value::Json(r#"["a","b"]"#.into()));
    /// # }
    /// ```
    pub fn set_metadata<'v>(&mut self, key: &str, value: impl Into<Value<'v>>) {
        self.host.set_metadata(key, &value.into());
    }

    /// Removes a key, and says whether it was there.
    pub fn delete_metadata(&mut self, key: &str) -> bool {
        self.host.delete_metadata(key)
    }
}

/// The error mark.
impl Message {
    /// The error mark: why the message failed before it came here.
    pub fn error(&self) -> Option<String> {
        self.host.error()
    }

    /// Removes the error mark.
    pub fn clear_error(&mut self) {
        self.host.clear_error();
    }
}

/// What becomes of the message.
impl Message {
    /// Sends the message as it stands, and goes on with a copy of it: one in, many out.
    ///
    /// The copy is sent when `process` returns, unless it is [filtered](Message::filter). So a message that is cut into
    /// pieces has each piece emitted, and is filtered at the end:
    ///
    /// ```
    /// # fn words(message: &mut wappa_guest::Message) {
    /// let content = message.take_content();
    /// for word in content.split(|it| *it == b' ') {
    ///     message.set_content(word);
    ///     message.emit();
    /// }
    /// message.filter();
    /// # }
    /// ```
    pub fn emit(&mut self) {
        self.host.emit();
    }

    /// Keeps the message as it stands when `process` returns from being sent. It counts as delivered; what was
    /// [emitted](Message::emit) is sent all the same.
    pub fn filter(&mut self) {
        self.host.filter();
    }

    /// Fails the message: it goes on as it came in, marked with this reason. What was changed and emitted is
    /// discarded, and whether it was [filtered](Message::filter) does not matter. The last reason counts.
    ///
    /// To return an error from `process` is the same.
    pub fn fail(&mut self, reason: impl AsRef<str>) {
        self.host.fail(reason.as_ref());
    }
}

/// Where the message is.
impl Message {
    /// The index of the message in its batch, from 0.
    pub fn batch_index(&self) -> usize {
        self.host.position().0
    }

    /// How many messages there are in the batch of this one.
    pub fn batch_len(&self) -> usize {
        self.host.position().1
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("content", &String::from_utf8_lossy(self.content()))
            .field("metadata", &self.metadata_pairs())
            .field("error", &self.error())
            .finish()
    }
}
