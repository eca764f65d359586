//! What becomes of a run: a second writing of `machine.wat` and of the interface, by the letter.

use std::ops::Range;

use bytes::Bytes;
use wappa_message::{Mark, Message, Value};
use wappa_wasm::Kind;

const MEMORY: usize = 2 << 16;
const CODE: usize = 0x1000;
const CODE_BYTES: usize = 4000;
const RECORD_BYTES: usize = 20;
const HEAP: u32 = 0x8000;
const ABSENT: u32 = u32::MAX;
const MESSAGE_OVERHEAD_BYTES: usize = 128;
/// JSON that is longer is weighed before it is read; the model does not know how.
const JSON_BYTES_MAX: usize = 15_000;
/// The most that is kept of a reason.
const REASON_BYTES_MAX: usize = 4096;

pub(crate) const CONFIG: [(&str, &str); 3] = [("key", "configured"), ("k", ""), ("value", "x")];

/// What must come of one message: what is sent, and why it failed if it did. The text of some failures is not modelled.
#[derive(Debug)]
pub(crate) struct Expected {
    pub(crate) sent: Vec<Message>,
    pub(crate) failed: Option<(Kind, Option<String>)>,
}

/// What must come of a run.
#[derive(Debug, Default)]
pub(crate) struct Model {
    pub(crate) expected: Vec<Expected>,
    /// Calls that failed when all their messages were finished.
    pub(crate) failed_after: usize,
}

/// Why a program ended before its end.
enum Stop {
    Failed(Kind),
    Unknown,
}

/// One instance, and the message at work.
struct Machine<'a> {
    messages: &'a [Message],
    ends: &'a [u32],
    output_limit: usize,
    memory: Vec<u8>,
    at: usize,
    /// After the guest was told that there is no other message.
    is_over: bool,
    message: Message,
    /// Whether its metadata were changed since it came in or was sent.
    is_changed: bool,
    emitted: Vec<Message>,
    emitted_bytes: usize,
    filtered: bool,
    failed: Option<String>,
    mistake: Option<String>,
    frees: u32,
    done: Vec<Expected>,
}

/// What becomes of these messages; `None`: the model does not know.
pub(crate) fn run(messages: &[Message], ends: &[u32], output_limit: usize) -> Option<Model> {
    let mut model = Model::default();
    let mut memory = vec![0; MEMORY];
    while model.expected.len() < messages.len() {
        let at = model.expected.len();
        let mut machine = Machine {
            messages,
            ends,
            output_limit,
            memory,
            at,
            is_over: false,
            message: messages[at].clone(),
            is_changed: false,
            emitted: Vec::new(),
            emitted_bytes: 0,
            filtered: false,
            failed: None,
            mistake: None,
            frees: 0,
            done: Vec::new(),
        };
        memory = match machine.process() {
            Ok(()) => {
                if !machine.is_over {
                    machine.finish();
                }
                machine.memory
            }
            Err(Stop::Unknown) => return None,
            Err(Stop::Failed(kind)) => {
                if machine.is_over {
                    model.failed_after += 1;
                } else {
                    let sent = vec![messages[machine.at].clone()];
                    machine.done.push(Expected { sent, failed: Some((kind, None)) });
                }
                // A new instance.
                vec![0; MEMORY]
            }
        };
        model.expected.append(&mut machine.done);
    }
    Some(model)
}

type Done<T> = Result<T, Stop>;

const MISTAKE: Stop = Stop::Failed(Kind::HostCall);

impl Machine<'_> {
    fn process(&mut self) -> Done<()> {
        let (mut n, mut pc) = (self.load(), 0);
        while pc + RECORD_BYTES <= n {
            let record = CODE + pc;
            pc += RECORD_BYTES;
            let [a, b, c, d] = [4, 8, 12, 16].map(|it| self.word(record + it));
            let result = match self.memory[record] {
                14 => {
                    let is_there = self.next()?;
                    self.set_word(0, if is_there { 1 } else { ABSENT });
                    if is_there {
                        (n, pc) = (self.load(), 0);
                    }
                    None
                }
                20 | 21 | 25 if self.is_over => (self.memory[record] == 21).then_some(0),
                17 => Some(self.config_get(a, b, c, d)?),
                18 => {
                    self.range(b, c)?;
                    if 4 < a {
                        return Err(MISTAKE);
                    }
                    None
                }
                19 => {
                    let name = self.text(a, b)?;
                    let fits = |it: &u8| it.is_ascii_alphanumeric() || *it == b'_';
                    if !(1..=64).contains(&name.len()) || !name.iter().all(fits) || c.cast_signed() < 0 {
                        return Err(MISTAKE);
                    }
                    None
                }
                22 => return Err(Stop::Failed(Kind::Trap)),
                23 => {
                    let target = self.trapping(a, 4)?;
                    self.memory[target].copy_from_slice(&b.to_le_bytes());
                    None
                }
                24 => {
                    let target = self.trapping(a, c)?;
                    self.memory[target].fill(b as u8);
                    None
                }
                26 => {
                    self.range(a, b)?;
                    if 0 < b {
                        return Err(Stop::Unknown);
                    }
                    None
                }
                27.. => None,
                _ if self.is_over => return Err(MISTAKE),
                operation => self.on_message(operation, a, b, c, d)?,
            };
            if let Some(result) = result {
                self.set_word(0, result);
            }
        }
        Ok(())
    }

    fn on_message(&mut self, operation: u8, a: u32, b: u32, c: u32, d: u32) -> Done<Option<u32>> {
        match operation {
            0 => return Ok(Some(self.message.content().len() as u32)),
            1 => {
                let content = self.message.content().clone();
                let rest = content.get(a as usize..).unwrap_or_default();
                let n = rest.len().min(c as usize);
                let target = self.range(b, n as u32)?;
                self.memory[target].copy_from_slice(&rest[..n]);
                return Ok(Some(n as u32));
            }
            2 => {
                let content = self.text(a, b)?;
                self.set_content(content)?;
            }
            3 | 4 => {
                let key = self.key(a, b)?;
                let Some(value) = self.message.metadata().get(&key) else { return Ok(Some(ABSENT)) };
                let text = if operation == 3 { value.to_text() } else { value.to_json().into() };
                return self.answer(c, d, &text).map(Some);
            }
            5 => {
                let (key, value) = self.pair(a, b, c, d)?;
                self.set_metadata(key, Value::Text(value.into()))?;
            }
            6 => {
                let (key, text) = self.pair(a, b, c, d)?;
                if JSON_BYTES_MAX < text.len() {
                    return Err(Stop::Unknown);
                }
                let value = Value::from_json(&Bytes::from(text)).map_err(|_| MISTAKE)?;
                self.set_metadata(key, value)?;
            }
            7 => {
                let key = self.key(a, b)?;
                let was_there = self.message.metadata_mut().delete(key);
                self.is_changed |= was_there;
                return Ok(Some(u32::from(was_there)));
            }
            8 => {
                let mut all = Vec::new();
                for (key, _) in self.message.metadata().iter() {
                    all.extend((key.len() as u32).to_le_bytes());
                    all.extend(key);
                }
                return self.answer(a, b, &all).map(Some);
            }
            9 => {
                let Some(mark) = self.message.error().cloned() else { return Ok(Some(ABSENT)) };
                return self.answer(a, b, mark.as_str().as_bytes()).map(Some);
            }
            10 => {
                self.message.clear_error();
            }
            11 => {
                // What was not changed since is shared with what was sent before.
                let is_changed = std::mem::take(&mut self.is_changed);
                let of_metadata = if is_changed { self.message.metadata().size() } else { 0 };
                self.emitted_bytes += self.message.content().len() + of_metadata + MESSAGE_OVERHEAD_BYTES;
                self.emitted.push(self.message.clone());
                self.check_output(self.message.content().len())?;
            }
            12 => self.filtered = true,
            13 => {
                let reason = self.text(a, b)?;
                self.failed = Some(reason_of(&reason));
            }
            15 => return Ok(Some(self.position().0)),
            16 => return Ok(Some(self.position().1)),
            // Unlike those of v1, the pointers of v0 are looked at even where the length is 0.
            20 => match place(a, b, self.memory.len()) {
                Some(source) => self.set_content(self.memory[source].to_vec())?,
                None => self.mistake = Some("failed to read out-bound memory: prevented read".into()),
            },
            21 => return Ok(Some(self.as_bytes())),
            25 => self.v0_set_meta(a, b, c, d)?,
            _ => unreachable!("the others work on no message"),
        }
        Ok(None)
    }

    fn load(&mut self) -> usize {
        let content = self.message.content().clone();
        let n = content.len().min(CODE_BYTES);
        self.memory[CODE..CODE + n].copy_from_slice(&content[..n]);
        n
    }

    fn next(&mut self) -> Done<bool> {
        if self.is_over {
            return Err(MISTAKE);
        }
        self.finish();
        if self.at + 1 == self.messages.len() {
            self.is_over = true;
            return Ok(false);
        }
        self.at += 1;
        self.message = self.messages[self.at].clone();
        self.is_changed = false;
        Ok(true)
    }

    fn finish(&mut self) {
        let freed = self.word(4).wrapping_add(std::mem::take(&mut self.frees));
        self.set_word(4, freed);
        let (mut sent, mistake) = (std::mem::take(&mut self.emitted), self.mistake.take());
        let filtered = std::mem::take(&mut self.filtered);
        self.emitted_bytes = 0;
        let expected = if let Some(reason) = self.failed.take() {
            let sent = vec![self.messages[self.at].clone()];
            Expected { sent, failed: Some((Kind::Fail, Some(reason))) }
        } else {
            if mistake.is_some() || !filtered {
                sent.push(self.message.clone());
            }
            Expected { sent, failed: mistake.map(|it| (Kind::HostCall, Some(it))) }
        };
        self.done.push(expected);
    }

    fn set_content(&mut self, content: Vec<u8>) -> Done<()> {
        self.check_output(content.len())?;
        self.message.set_content(content.into());
        Ok(())
    }

    fn set_metadata(&mut self, key: Vec<u8>, value: Value) -> Done<()> {
        self.message.metadata_mut().set(Bytes::from(key), value);
        self.is_changed = true;
        self.check_output(self.message.content().len())
    }

    fn check_output(&self, content: usize) -> Done<()> {
        self.check(self.emitted_bytes + content + self.message.metadata().size())
    }

    fn check(&self, now: usize) -> Done<()> {
        let original = &self.messages[self.at];
        let before = original.content().len() + original.metadata().size();
        if self.output_limit < now && before < now { Err(Stop::Failed(Kind::Output)) } else { Ok(()) }
    }

    fn as_bytes(&mut self) -> u32 {
        self.frees += 1;
        let content = self.message.content().clone();
        let Ok(target) = self.range(HEAP, content.len() as u32) else {
            self.mistake = Some("failed to allocate in-bound memory: failed to write in-bound memory".into());
            return 0;
        };
        self.memory[target].copy_from_slice(&content);
        content.len() as u32
    }

    fn v0_set_meta(&mut self, a: u32, b: u32, c: u32, d: u32) -> Done<()> {
        let Some(key) = self.v0_text(a, b, "key") else { return Ok(()) };
        self.check(key.len())?;
        let Some(value) = self.v0_text(c, d, "value") else { return Ok(()) };
        let (key, value) = (self.memory[key].to_vec(), self.memory[value].to_vec());
        self.set_metadata(key, Value::Text(value.into()))
    }

    fn v0_text(&mut self, pointer: u32, bytes: u32, what: &str) -> Option<Range<usize>> {
        let place = place(pointer, bytes, self.memory.len());
        if place.is_none() {
            self.mistake = Some(format!("failed to read out-bound meta {what} memory: prevented read"));
        }
        place
    }

    fn config_get(&mut self, a: u32, b: u32, c: u32, d: u32) -> Done<u32> {
        let key = self.key(a, b)?;
        match CONFIG.iter().find(|it| it.0.as_bytes() == key) {
            Some((_, value)) => self.answer(c, d, value.as_bytes()),
            None => Ok(ABSENT),
        }
    }

    fn answer(&mut self, pointer: u32, capacity: u32, value: &[u8]) -> Done<u32> {
        if value.len() <= capacity as usize {
            let target = self.range(pointer, value.len() as u32)?;
            self.memory[target].copy_from_slice(value);
        }
        Ok(value.len() as u32)
    }

    fn position(&self) -> (u32, u32) {
        let mut begin = 0;
        for end in self.ends {
            if self.at < *end as usize {
                return (self.at as u32 - begin, end - begin);
            }
            begin = *end;
        }
        unreachable!("every message is in a batch")
    }

    fn key(&self, pointer: u32, bytes: u32) -> Done<Vec<u8>> {
        let key = self.text(pointer, bytes)?;
        if str::from_utf8(&key).is_err() { Err(MISTAKE) } else { Ok(key) }
    }

    /// A key to be set, and its value. A key that is too large by itself is not even looked at.
    fn pair(&self, a: u32, b: u32, c: u32, d: u32) -> Done<(Vec<u8>, Vec<u8>)> {
        let (key, value) = (self.text(a, b)?, self.text(c, d)?);
        self.check(key.len())?;
        if str::from_utf8(&key).is_err() { Err(MISTAKE) } else { Ok((key, value)) }
    }

    fn text(&self, pointer: u32, bytes: u32) -> Done<Vec<u8>> {
        Ok(self.memory[self.range(pointer, bytes)?].to_vec())
    }

    /// Where nothing is asked for the pointer is not looked at.
    fn range(&self, pointer: u32, bytes: u32) -> Done<Range<usize>> {
        if bytes == 0 {
            return Ok(0..0);
        }
        place(pointer, bytes, self.memory.len()).ok_or(MISTAKE)
    }

    fn trapping(&self, pointer: u32, bytes: u32) -> Done<Range<usize>> {
        place(pointer, bytes, self.memory.len()).ok_or(Stop::Failed(Kind::Trap))
    }

    fn word(&self, at: usize) -> u32 {
        u32::from_le_bytes(*self.memory[at..].first_chunk().expect("inside of the memory"))
    }

    fn set_word(&mut self, at: usize, word: u32) {
        self.memory[at..at + 4].copy_from_slice(&word.to_le_bytes());
    }
}

fn place(pointer: u32, bytes: u32, size: usize) -> Option<Range<usize>> {
    let (from, to) = (pointer as usize, pointer as usize + bytes as usize);
    (to <= size).then_some(from..to)
}

fn reason_of(reason: &[u8]) -> String {
    let kept = String::from_utf8_lossy(&reason[..reason.len().min(REASON_BYTES_MAX)]);
    let mut text = kept.into_owned();
    if REASON_BYTES_MAX < reason.len() {
        text.push('…');
    }
    if text.trim().is_empty() { "the guest gave no reason".into() } else { text }
}

/// A mark from an earlier processor.
pub(crate) fn earlier() -> Mark {
    Mark::new("an earlier failure")
}
