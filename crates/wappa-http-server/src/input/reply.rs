//! Answers with a reply: what `sync_response` has put there for whoever waits.

use hyper::{
    StatusCode,
    header::{CONTENT_TYPE, HeaderName, HeaderValue},
};
use wappa_component::Level;
use wappa_message::Message;
use wappa_net::{MetadataFilter, Quiet};
use wappa_spec::Interpolated;

use crate::{
    answer::{Answer, Content, header_value, plain},
    multipart::Writer,
    sniff,
};

/// How replies become answers.
#[derive(Debug)]
pub(super) struct Replying {
    pub(super) status: Interpolated,
    pub(super) headers: Vec<(String, Interpolated)>,
    pub(super) metadata: MetadataFilter,
}

impl Replying {
    /// The answer with these batches: one message as it is, several as parts. Without any it is empty.
    pub(super) fn answer(&self, batches: Vec<Vec<Message>>, quiet: &Quiet) -> Answer {
        let mut messages: Vec<Message> = batches.into_iter().flatten().collect();
        if messages.is_empty() {
            return plain(StatusCode::OK, "");
        }
        let mut answer = plain(StatusCode::OK, "");
        for (name, value) in &self.headers {
            let value = match value.as_literal() {
                Some(text) => Ok(text.as_bytes().to_vec().into()),
                None => value.evaluate(&mut messages, 0),
            };
            match value {
                Ok(value) => set(&mut answer, name.as_bytes(), &value, quiet),
                Err(err) => {
                    quiet.log(Level::Error, &format!("Interpolation of response header {name} error: {err}"))
                }
            }
        }
        match self.status(&mut messages) {
            Ok(status) => *answer.status_mut() = status,
            Err(text) => {
                quiet.log(Level::Error, &text);
                *answer.status_mut() = StatusCode::BAD_GATEWAY;
                return answer;
            }
        }
        if self.metadata.is_set() {
            for message in &messages {
                for (key, value) in message.metadata().iter().filter(|(key, _)| self.metadata.takes(key)) {
                    set(&mut answer, key, &value.to_text(), quiet);
                }
            }
        }
        match messages.as_slice() {
            [message] => {
                let content = message.content().clone();
                if !answer.headers().contains_key(CONTENT_TYPE) {
                    let found = HeaderValue::from_static(sniff::content_type(&content));
                    answer.headers_mut().insert(CONTENT_TYPE, found);
                }
                *answer.body_mut() = Content::Whole(content);
            }
            _ => {
                let (body, content_type) = self.parts(&mut messages, quiet);
                let content_type = HeaderValue::from_str(&content_type).expect("it is made of letters");
                answer.headers_mut().insert(CONTENT_TYPE, content_type);
                *answer.body_mut() = Content::Whole(body);
            }
        }
        answer
    }

    fn status(&self, messages: &mut [Message]) -> Result<StatusCode, String> {
        if self.status.as_literal() == Some("200") {
            return Ok(StatusCode::OK);
        }
        let text = self
            .status
            .evaluate_text(messages, 0)
            .map_err(|err| format!("Interpolation of response status code error: {err}"))?;
        let status = text.parse().ok().filter(|it| (200..=999).contains(it));
        let status = status.and_then(|it: u16| StatusCode::from_u16(it).ok());
        status.ok_or_else(|| {
            let found: String = text.chars().take(100).collect();
            format!(
                "Failed to parse sync response status code expression: `{found}` is no status from 200 to 999"
            )
        })
    }

    /// Several messages as one body. A header that is named in small letters is the type of each, as in Bento.
    fn parts(&self, messages: &mut [Message], quiet: &Quiet) -> (bytes::Bytes, String) {
        let of_each = self.headers.iter().find(|(name, _)| name == "content-type");
        let mut writer = Writer::new();
        for idx in 0..messages.len() {
            let named = of_each.and_then(|(_, value)| match value.evaluate(messages, idx) {
                Ok(value) => header_value(&value),
                Err(err) => {
                    quiet.log(Level::Error, &format!("Interpolation of content-type header error: {err}"));
                    None
                }
            });
            let content = messages[idx].content();
            let content_type =
                named.as_ref().map_or_else(|| sniff::content_type(content).as_bytes(), |it| it.as_bytes());
            writer.part(content_type, content);
        }
        writer.finish()
    }
}

/// The headers that say where an answer ends: the server's own, whatever a message says, since the next answer of the
/// connection would begin in the middle of this one.
const OWN: [&str; 5] = ["connection", "content-length", "transfer-encoding", "upgrade", "trailer"];

fn set(answer: &mut Answer, name: &[u8], value: &[u8], quiet: &Quiet) {
    match (HeaderName::from_bytes(name), header_value(value)) {
        (Ok(name), _) if OWN.contains(&name.as_str()) => (),
        (Ok(name), Some(value)) => _ = answer.headers_mut().insert(name, value),
        _ => {
            let name: String = String::from_utf8_lossy(name).chars().take(100).collect();
            quiet.log(Level::Error, &format!("Failed to set response header `{name}`: it cannot be one"));
        }
    }
}
