//! What the host functions of v0 should do: a second writing of `machine.wat` and of the interface, by the letter.
//!
//! It knows the instructions below 0x20 and says `Unknown` to the others.

use bytes::Bytes;
use wappa_message::{Message, Metadata, Value, pair_bytes};
use wappa_wasm::Kind;

pub(crate) const PAGE: usize = 64 << 10;
const PAGES_AT_FIRST: usize = 4;
const TABLE_BYTES: usize = 4 * 8;
const CODE: u32 = 0x100;
const CODE_MASK: u32 = 0xfff;
const HEAP: u32 = 0x2000;
const STEPS: u32 = 400;

/// Which functions of an allocator the host uses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Protocol {
    pub(crate) free: bool,
    pub(crate) deallocate: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) memory: usize,
    pub(crate) output: usize,
}

/// Why a program ended before its end.
#[derive(Debug)]
enum Stop {
    Trap,
    Exit,
    Output,
    Unknown,
}

/// What must come of a message.
#[derive(Debug)]
pub(crate) enum Expected {
    Done(Message),
    /// The last mistake, and the message with what was changed.
    Soft(String, Message),
    Failed(Kind),
    Unknown,
}

/// One instance of the machine.
pub(crate) struct Model {
    protocol: Protocol,
    bounds: Bounds,
    memory: Vec<u8>,
    events: u32,
    brk: u32,
    steps: u32,
    refused: bool,
    /// Whether the first block lies at address 0.
    begins_at_zero: Option<bool>,
    frees: Vec<u32>,
    content: Bytes,
    metadata: Metadata,
    size_before: usize,
    metadata_bytes: usize,
    mistake: Option<String>,
}

impl Model {
    pub(crate) fn new(protocol: Protocol, bounds: Bounds) -> Model {
        Model {
            protocol,
            bounds,
            memory: vec![0; PAGES_AT_FIRST * PAGE],
            events: 0,
            brk: 0,
            steps: 0,
            refused: false,
            begins_at_zero: None,
            frees: Vec::new(),
            content: Bytes::new(),
            metadata: Metadata::default(),
            size_before: 0,
            metadata_bytes: 0,
            mistake: None,
        }
    }

    /// Takes one message through; after anything but `Done` and `Soft` the instance is gone.
    pub(crate) fn call(&mut self, message: &Message) -> Expected {
        self.content = message.content().clone();
        self.metadata = message.metadata().clone();
        self.metadata_bytes = self.metadata.size();
        self.size_before = self.content.len() + self.metadata_bytes;
        (self.refused, self.mistake) = (false, None);
        match self.process() {
            Ok(()) => {}
            Err(Stop::Trap) if self.refused => return Expected::Failed(Kind::Memory),
            Err(Stop::Trap) => return Expected::Failed(Kind::Trap),
            Err(Stop::Exit) => return Expected::Failed(Kind::Exit),
            Err(Stop::Output) => return Expected::Failed(Kind::Output),
            Err(Stop::Unknown) => return Expected::Unknown,
        }
        for pointer in std::mem::take(&mut self.frees) {
            self.event(2);
            self.event(pointer);
        }
        let mut message = message.clone();
        message.set_content(self.content.clone());
        *message.metadata_mut() = self.metadata.clone();
        match self.mistake.take() {
            None => Expected::Done(message),
            Some(text) => Expected::Soft(text, message),
        }
    }

    fn process(&mut self) -> Result<(), Stop> {
        (self.steps, self.brk) = (STEPS, HEAP);
        self.memory[..64].fill(0);
        let (pointer, bytes) = self.as_bytes();
        let bytes = bytes.min(CODE_MASK);
        self.copy(CODE, pointer, bytes)?;
        self.memory[(CODE + bytes) as usize] = 0;
        self.run(0)
    }

    fn run(&mut self, mut pc: u32) -> Result<(), Stop> {
        while 0 < self.steps {
            self.steps -= 1;
            let at = pc;
            pc = at.wrapping_add(6);
            let ra = self.register(at + 1);
            let (a, b, c) = (self.word(ra), self.get(at + 2), self.get(at + 3));
            match self.byte(at) {
                0 => return Ok(()),
                1 => self.set(ra, u32::from_le_bytes([2, 3, 4, 5].map(|it| self.byte(at + it)))),
                2 => {
                    let (pointer, bytes) = self.as_bytes();
                    self.set(ra, pointer);
                    let rb = self.register(at + 2);
                    self.set(rb, bytes);
                }
                3 => self.set_bytes(a, b)?,
                4 => {
                    let (pointer, bytes) = self.get_meta(a, b);
                    let rc = self.register(at + 3);
                    self.set(rc, pointer);
                    let rd = self.register(at + 4);
                    self.set(rd, bytes);
                }
                5 => {
                    let d = self.get(at + 4);
                    self.set_meta([a, b, c, d])?;
                }
                6 => {
                    let target = self.range(a, 4).ok_or(Stop::Trap)?;
                    self.memory[target].copy_from_slice(&b.to_le_bytes());
                }
                7 => {
                    self.range(b, 4).ok_or(Stop::Trap)?;
                    let value = self.word(b);
                    self.set(ra, value);
                }
                8 => self.set(ra, b.wrapping_add(c)),
                9 => {
                    let pages = self.grow(b);
                    self.set(ra, pages);
                }
                10 => {
                    let target = self.range(a, c).ok_or(Stop::Trap)?;
                    self.memory[target].fill(b as u8);
                }
                11 => self.copy(a, b, c)?,
                12 | 19 => return Err(Stop::Trap),
                13 => self.set(ra, b.checked_div(c).ok_or(Stop::Trap)?),
                14 => {
                    self.set(ra, a.wrapping_sub(1));
                    if self.word(ra) != 0 {
                        pc = self.target(at + 2);
                    }
                }
                15 => {
                    let target = self.target(at + 2);
                    self.run(target)?;
                }
                16 => self.set(ra, self.events),
                17 => {
                    let pointer = self.malloc(b);
                    self.set(ra, pointer);
                }
                18 => return Err(Stop::Exit),
                20 => self.brk = a,
                32..=43 => return Err(Stop::Unknown),
                _ => {}
            }
        }
        Ok(())
    }

    fn as_bytes(&mut self) -> (u32, u32) {
        let content = self.content.clone();
        self.hand_in(&content)
    }

    fn set_bytes(&mut self, pointer: u32, bytes: u32) -> Result<(), Stop> {
        let Some(source) = self.range(pointer, bytes) else {
            self.mistake = Some("failed to read out-bound memory: prevented read".into());
            return Ok(());
        };
        self.check_output(source.len() + self.metadata_bytes)?;
        self.content = Bytes::copy_from_slice(&self.memory[source]);
        self.deallocate(pointer, bytes);
        Ok(())
    }

    fn get_meta(&mut self, pointer: u32, bytes: u32) -> (u32, u32) {
        let Some(key) = self.take_text(pointer, bytes, "key") else { return (0, 0) };
        let value = self.metadata.text(&key);
        self.hand_in(&value)
    }

    fn set_meta(&mut self, [key, key_bytes, value, value_bytes]: [u32; 4]) -> Result<(), Stop> {
        let Some(key) = self.take_checked(key, key_bytes, "key")? else { return Ok(()) };
        let Some(value) = self.take_checked(value, value_bytes, "value")? else { return Ok(()) };
        let value = Value::Text(value.into());
        let now = match self.metadata.get(&key) {
            Some(old) => self.metadata_bytes - old.size() + value.size(),
            None => self.metadata_bytes + pair_bytes(key.len(), &value),
        };
        self.check_output(self.content.len() + now)?;
        self.metadata_bytes = now;
        self.metadata.set(key, value);
        Ok(())
    }

    fn check_output(&self, now: usize) -> Result<(), Stop> {
        if self.bounds.output < now && self.size_before < now { Err(Stop::Output) } else { Ok(()) }
    }

    /// A text to be kept. One that is too large by itself is not even copied, nor is its memory given back.
    fn take_checked(&mut self, pointer: u32, bytes: u32, what: &str) -> Result<Option<Bytes>, Stop> {
        if let Some(source) = self.range(pointer, bytes) {
            self.check_output(source.len())?;
        }
        Ok(self.take_text(pointer, bytes, what))
    }

    fn take_text(&mut self, pointer: u32, bytes: u32, what: &str) -> Option<Bytes> {
        let Some(source) = self.range(pointer, bytes) else {
            self.mistake = Some(format!("failed to read out-bound meta {what} memory: prevented read"));
            return None;
        };
        let text = Bytes::copy_from_slice(&self.memory[source]);
        self.deallocate(pointer, bytes);
        Some(text)
    }

    fn hand_in(&mut self, text: &[u8]) -> (u32, u32) {
        let bytes = u32::try_from(text.len()).expect("messages are small here");
        let pointer = self.malloc(bytes);
        if 0 < bytes && self.begins_at_zero.is_none() {
            self.begins_at_zero = Some(pointer == 0 && !self.refused);
        }
        if pointer == 0 && 0 < bytes && (self.refused || self.begins_at_zero == Some(false)) {
            let why = if self.refused { " after `memory_limit` was reached" } else { "" };
            let text = format!(
                "failed to allocate in-bound memory: the allocator returned 0 for {bytes} bytes{why}"
            );
            self.mistake = Some(text);
            return (0, 0);
        }
        if self.protocol.free {
            self.frees.push(pointer);
        }
        let Some(target) = self.range(pointer, bytes) else {
            let text = "failed to allocate in-bound memory: failed to write in-bound memory";
            self.mistake = Some(text.into());
            return (0, 0);
        };
        self.memory[target].copy_from_slice(text);
        (pointer, bytes)
    }

    fn malloc(&mut self, bytes: u32) -> u32 {
        self.event(1);
        self.event(bytes);
        let pointer = self.brk;
        self.brk = pointer.wrapping_add(bytes.wrapping_add(15) & !15);
        let (end, size) = (pointer.wrapping_add(bytes), self.memory.len() as u32);
        if size < end {
            self.grow((end - size).wrapping_add(65535) >> 16);
        }
        pointer
    }

    fn deallocate(&mut self, pointer: u32, bytes: u32) {
        if self.protocol.deallocate {
            self.event(3);
            self.event(pointer);
            self.event(bytes);
        }
    }

    fn event(&mut self, number: u32) {
        self.events = self.events.wrapping_mul(31).wrapping_add(number);
    }

    fn grow(&mut self, pages: u32) -> u32 {
        let before = self.memory.len();
        let more = pages as usize * PAGE;
        if self.bounds.memory < before + TABLE_BYTES + more {
            self.refused = true;
            return u32::MAX;
        }
        self.memory.resize(before + more, 0);
        (before / PAGE) as u32
    }

    fn copy(&mut self, to: u32, from: u32, bytes: u32) -> Result<(), Stop> {
        let source = self.range(from, bytes).ok_or(Stop::Trap)?;
        let target = self.range(to, bytes).ok_or(Stop::Trap)?;
        self.memory.copy_within(source, target.start);
        Ok(())
    }

    fn range(&self, pointer: u32, bytes: u32) -> Option<std::ops::Range<usize>> {
        let (from, to) = (pointer as usize, pointer as usize + bytes as usize);
        (to <= self.memory.len()).then_some(from..to)
    }

    fn byte(&self, at: u32) -> u8 {
        self.memory[(CODE + (at & CODE_MASK)) as usize]
    }

    fn register(&self, at: u32) -> u32 {
        u32::from(self.byte(at) & 7) * 4
    }

    fn word(&self, at: u32) -> u32 {
        let at = at as usize;
        u32::from_le_bytes(*self.memory[at..].first_chunk().expect("inside of the memory"))
    }

    fn get(&self, at: u32) -> u32 {
        self.word(self.register(at))
    }

    fn set(&mut self, register: u32, value: u32) {
        let at = register as usize;
        self.memory[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }

    fn target(&self, at: u32) -> u32 {
        (u32::from(self.byte(at)) | u32::from(self.byte(at + 1)) << 8) & CODE_MASK
    }
}
