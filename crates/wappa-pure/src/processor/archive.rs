//! The processor `archive`.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use wappa_component::{BuildError, BuildProcessor, Component, Context, Logger, Part, Processor, Step};
use wappa_message::{Mark, Message, ORIGIN_NONE, Value};
use wappa_spec::{Config, Interpolated};

use super::{document::document, limit};
use crate::formats::{Member, binary, tar, zip};

pub(super) const COMPONENT: Component =
    Component::processor::<ArchiveConfig>("archive").categories(&["Parsing", "Utility"]);

/// Makes one message of all messages of a batch, in a format from which [`unarchive`](unarchive.md) gets them back.
///
/// The message has the metadata of the first one. What makes a batch is the input, or an output's `batching`: without them a
/// batch is one message.
///
/// # Examples
///
/// ### A hundred documents become one array
///
/// ```yaml
/// input:
///   batched:
///     child:
///       stdin: {}
///     policy:
///       count: 100
/// pipeline:
///   processors:
///     - archive:
///         format: json_array
/// output:
///   stdout: {}
/// ```
///
/// # Formats
///
/// - `binary`: how many there are, and each content behind its length, in Bento's form.
/// - `concatenate`: the contents, with nothing between them.
/// - `json_array`: an array of the documents.
/// - `lines`: the contents, with a line break between them.
/// - `tar`, `zip`: files with the names that `path` makes.
///
/// # Limits
///
/// The messages that are worked on together grow by 512MiB at most, with all that a format puts between and around them.
///
/// # Errors
///
/// A batch with a message that is no document, in the format `json_array`, stays as it was, and all its messages are marked. A
/// `path` that fails is logged, and the file has no name.
#[derive(Config, Debug)]
struct ArchiveConfig {
    /// The format.
    #[config(options("binary", "concatenate", "json_array", "lines", "tar", "zip"))]
    format: String,

    /// The name of each message's file, with `tar` and `zip`.
    #[config(default = "\"\"", example = "${! count(\"files\") }.txt", example = "${! meta(\"kafka_key\") }.json")]
    path: Interpolated,
}

impl BuildProcessor for ArchiveConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Processor>, BuildError> {
        let format = match self.format.as_str() {
            "binary" => Format::Binary,
            "concatenate" => Format::Concatenate,
            "json_array" => Format::JsonArray,
            "lines" => Format::Lines,
            "tar" => Format::Tar,
            "zip" => Format::Zip,
            format => return Err(BuildError::new(format!("archive format not recognised: {format}"))),
        };
        Ok(Box::new(Archive { format, path: self.path, logger: ctx.logger() }))
    }
}

#[derive(Clone, Copy, Debug)]
enum Format {
    Binary,
    Concatenate,
    JsonArray,
    Lines,
    Tar,
    Zip,
}

struct Archive {
    format: Format,
    path: Interpolated,
    logger: Logger,
}

impl Archive {
    /// The content of all messages in one.
    fn content(&self, batch: &mut [Message], step: &mut Step<'_>) -> Result<Bytes, String> {
        let before: usize = batch.iter().map(Message::content_size).sum();
        if let Format::JsonArray = self.format {
            let mut values = Vec::with_capacity(batch.len());
            for message in batch {
                let value = document(message).map_err(|err| format!("failed to parse message as JSON: {err}"))?;
                values.push(value.clone());
            }
            let array = Value::array(values).map_err(|err| err.to_string())?;
            limit::grow(step, array.json_len().saturating_sub(before))?;
            return Ok(array.to_json_bytes());
        }
        let n_bytes: usize = batch.iter().map(|it| it.content().len()).sum();
        let members = match self.format {
            Format::Tar | Format::Zip => self.members(batch, step)?,
            _ => Vec::new(),
        };
        let names: usize = members.iter().map(|it| it.name.len()).sum();
        let more = match self.format {
            Format::Binary => binary::MORE_BYTES * (1 + batch.len()),
            Format::Lines => batch.len(),
            Format::Tar => tar::END_BYTES + tar::MORE_BYTES * batch.len() + names,
            Format::Zip => zip::MORE_BYTES * batch.len() + 2 * names,
            Format::Concatenate | Format::JsonArray => 0,
        };
        // The contents are there twice until the messages are gone.
        limit::grow(step, (n_bytes + more).saturating_sub(before))?;
        Ok(match self.format {
            Format::Binary => binary::write(batch.iter().map(Message::content))?.into(),
            Format::Concatenate => joined(batch, b"", n_bytes),
            Format::Lines => joined(batch, b"\n", n_bytes),
            Format::Tar => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                tar::write(&members, since.as_secs()).into()
            }
            Format::Zip => {
                let now = jiff::Zoned::now().datetime();
                zip::write(&members, zip::Stamp::of(now))?.into()
            }
            Format::JsonArray => unreachable!("it is made above"),
        })
    }

    fn members(&self, batch: &mut [Message], step: &mut Step<'_>) -> Result<Vec<Member>, String> {
        let n_messages = batch.len();
        let member = |place: usize| {
            let name = self.path.evaluate(batch, place).unwrap_or_else(|failure| {
                self.logger.failed(&format!("Name interpolation error: {failure}"));
                Bytes::new()
            });
            limit::grow(step, size_of::<Member>() + name.len())?;
            Ok(Member { name, content: batch[place].content().clone() })
        };
        (0..n_messages).map(member).collect()
    }

    fn archive(&self, mut batch: Vec<Message>, step: &mut Step<'_>) -> Vec<Message> {
        match self.content(&mut batch, step) {
            Ok(content) => {
                let origin = batch[0].origin();
                let is_common = batch.iter().all(|it| it.origin() == origin);
                batch.truncate(1);
                batch[0].set_content(content);
                batch[0].set_origin(if is_common { origin } else { ORIGIN_NONE });
            }
            Err(why) => {
                self.logger.failed(&format!("Failed to create archive: {why}"));
                let mark = Mark::new(why);
                batch.iter_mut().for_each(|message| step.mark(message, mark.clone()));
            }
        }
        batch
    }
}

/// Contents, one behind the other.
fn joined(batch: &[Message], separator: &[u8], n_bytes: usize) -> Bytes {
    let mut out = Vec::with_capacity(n_bytes + batch.len() * separator.len());
    for (idx, message) in batch.iter().enumerate() {
        if 0 < idx {
            out.extend_from_slice(separator);
        }
        out.extend_from_slice(message.content());
    }
    out.into()
}

impl Processor for Archive {
    fn process(&self, part: &mut Part, step: &mut Step<'_>) -> usize {
        part.replace_batches(|batch| self.archive(batch, step));
        part.n_batches()
    }
}

#[cfg(test)]
mod tests {
    use wappa_component::Step;
    use wappa_message::ORIGIN_NONE;

    use crate::test::{Harness, batches, check_process};

    #[test]
    fn a_batch_becomes_a_message() {
        check_process("archive: {format: lines}", &["a|b|c", "d"], "a\\nb\\nc\nd\n");
        check_process("archive: {format: concatenate}", &["a|b|c", "d"], "abc\nd\n");
        check_process("archive: {format: json_array}", &["1.0|[ 2 ]", "3"], "[1.0,[2]]\n[3]\n");
        check_process(
            "archive: {format: binary}",
            &["a|bc"],
            "\\x00\\x00\\x00\\x02\\x00\\x00\\x00\\x01a\\x00\\x00\\x00\\x02bc\n",
        );
    }

    #[test]
    fn what_is_archived_can_be_unarchived() {
        let seen = "{mutation: 'root = content().string() + (@archive_filename | \"-\")'}";
        for (format, expected) in [("tar", "af0|bf1\nc!f0\n"), ("zip", "af0|bf1\nc!f0\n"), ("binary", "a-|b-\nc!-\n")] {
            let config = format!(
                "processors: [{{archive: {{format: {format}, path: 'f${{! batch_index() }}'}}}}, {{unarchive: {{format: \
                 {format}}}}}, {seen}]"
            );
            let inputs = ["a|b", "c!!"];
            let expected = expected.replace("c!f0", "c!f0[c! is bad]").replace("c!-", "c!-[c! is bad]");
            check_process(&config, &inputs, &expected);
        }
        // Without a name there is none to tell.
        for format in ["tar", "zip"] {
            let config =
                format!("processors: [{{archive: {{format: {format}}}}}, {{unarchive: {{format: {format}}}}}, {seen}]");
            check_process(&config, &["a|b"], "a-|b-\n");
        }
    }

    #[test]
    fn a_batch_that_cannot_be_archived_stays_and_is_marked() {
        let mut harness = Harness::default();
        let why = "failed to parse message as JSON: invalid character 'o' in literal null (expecting 'u')";
        assert_eq!(
            harness.process("archive: {format: json_array}", &["1|no", "2"]),
            format!("1[{why}]|no[{why}]\n[2]\n")
        );
        let log = format!("Error Failed to create archive: {why} label= path=root.pipeline.processors.0\n");
        assert_eq!(harness.log.take(), log);
    }

    #[test]
    fn a_path_that_fails_is_logged() {
        let mut harness = Harness::default();
        let config =
            "processors: [{archive: {format: tar, path: '${! this.a }'}}, {unarchive: {format: tar}}]";
        assert_eq!(harness.process(config, &["a|b"]), "a|b\n");
        let log = harness.log.take();
        assert!(log.starts_with("Error Name interpolation error: "), "{log}");
    }

    #[test]
    fn an_archive_descends_from_all_messages() {
        let mut harness = Harness::default();
        let processor = harness.processor("archive: {format: lines}").expect("it can be built");
        let mut part = batches(&["a|b", "c"]);
        assert_eq!(processor.process(&mut part, &mut Step::new(0, harness.time.as_ref())), 2);
        let origins: Vec<u32> = part.messages().iter().map(|it| it.origin()).collect();
        assert_eq!(origins, [ORIGIN_NONE, 2]);
    }
}
