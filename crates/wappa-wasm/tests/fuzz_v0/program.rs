//! Random programs for the machine, and the messages that carry them.

use bytes::Bytes;
use wappa_message::{Message, Metadata, Value};

use crate::random::Random;

const CODE: u32 = 0x100;

const POINTERS: [u32; 20] = [
    0,
    1,
    4,
    0x100,
    0x106,
    0x2000,
    0x2010,
    0x3000,
    0xffff,
    0x1_0000,
    0x3_fff0,
    0x3_ffff,
    0x4_0000,
    0x4_0001,
    0x10_0000,
    0x1f_ffff,
    0x20_0000,
    0x7fff_ffff,
    0xffff_fff0,
    0xffff_ffff,
];

const LENGTHS: [u32; 20] = [
    0,
    0,
    1,
    2,
    3,
    5,
    8,
    16,
    48,
    100,
    1000,
    0xff00,
    0xffc0,
    0xffff,
    0x1_0000,
    0x1_0001,
    0x4_0000,
    0x10_0000,
    0x8000_0000,
    0xffff_ffff,
];

const TEXTS: [&[u8]; 8] =
    [b"", b"k", b"key", b"\xff\xfe", b"n", b"value", b"a rather long value \0 \n", b"kk"];

/// Opcodes that the model does not know, the dear ones seldom.
const WILD: [u8; 20] = [36, 36, 36, 36, 36, 36, 36, 36, 36, 37, 37, 37, 37, 38, 38, 38, 34, 35, 34, 33];

struct Writer<'r> {
    random: &'r mut Random,
    code: Vec<u8>,
    /// Where the address of a text belongs, and which.
    patches: Vec<(usize, usize)>,
    wild: bool,
}

/// A message for the machine. A wild one may do what has no model.
pub(crate) fn message(random: &mut Random, wild: bool) -> Message {
    let mut content = match random.below(12) {
        0 => raw(random, wild),
        1 if random.one_in(4) => Vec::new(),
        _ => {
            let mut writer = Writer { random, code: Vec::new(), patches: Vec::new(), wild };
            writer.program();
            writer.finish()
        }
    };
    if random.one_in(12) && !content.is_empty() {
        let (at, byte) = (random.below(content.len()), random.next() as u8);
        content[at] = if is_dear(byte) { 0 } else { byte };
    }
    match random.below(1000) {
        0 => content.resize(1 << 20, b'x'),
        1..=5 => content.resize(70_000, b'x'),
        6..=15 => content.resize(65_000, b'x'),
        _ => {}
    }
    Message::of_input(content.into(), metadata(random), 0)
}

pub(crate) fn metadata(random: &mut Random) -> Metadata {
    let count = random.below(8).saturating_sub(3);
    Metadata::from_pairs((0..count).map(|_| {
        let value = match random.below(12) {
            0 => Value::Null,
            1 => Value::Int(random.next().cast_signed()),
            2 => Value::Float(1e300 / (random.next() as f64)),
            3 => Value::Bool(true),
            4 => Value::array([Value::Int(1), Value::text("a"), Value::Null]).expect("flat"),
            5 => Value::text(vec![b'v'; random.below(40_000)]),
            _ => Value::text(random.pick(&TEXTS)),
        };
        (Bytes::from_static(TEXTS[random.below(TEXTS.len())]), value)
    }))
}

/// Bytes without sense, most of which are instructions all the same.
fn raw(random: &mut Random, wild: bool) -> Vec<u8> {
    let length = random.below(300);
    let mut code = random.bytes(length);
    for opcode in code.iter_mut().step_by(6) {
        *opcode %= if wild { 44 } else { 22 };
        if is_dear(*opcode) && !random.one_in(1000) {
            *opcode = 2;
        }
    }
    code
}

/// An endless loop, and endless recursions.
fn is_dear(opcode: u8) -> bool {
    matches!(opcode, 19 | 32 | 33)
}

impl Writer<'_> {
    fn program(&mut self) {
        for _ in 0..1 + self.random.below(14) {
            if self.wild && self.random.one_in(3) { self.wild_statement() } else { self.statement() }
        }
    }

    fn finish(self) -> Vec<u8> {
        let mut code = self.code;
        code.extend([0; 6]);
        let mut addresses = Vec::new();
        for text in TEXTS {
            addresses.push(CODE + code.len() as u32);
            code.extend(text);
        }
        for (at, text) in self.patches {
            code[at..at + 4].copy_from_slice(&addresses[text].to_le_bytes());
        }
        code
    }

    fn op(&mut self, code: u8, operands: [u8; 4]) {
        self.code.push(code);
        self.code.extend(operands);
        self.code.push(0);
    }

    fn set(&mut self, register: u8, value: u32) {
        self.code.extend([1, register]);
        self.code.extend(value.to_le_bytes());
    }

    /// Registers `register` and the next: a text of the message.
    fn text(&mut self, register: u8) {
        let text = self.random.below(TEXTS.len());
        self.patches.push((self.code.len() + 2, text));
        self.set(register, 0);
        self.set(register + 1, TEXTS[text].len() as u32);
    }

    fn pointer(&mut self) -> u32 {
        match self.random.below(8) {
            0 => self.random.next() as u32,
            1 | 2 => self.random.below(0x4000) as u32,
            3 => (*self.random.pick(&POINTERS)).wrapping_add(self.random.below(9) as u32).wrapping_sub(4),
            _ => *self.random.pick(&POINTERS),
        }
    }

    fn length(&mut self) -> u32 {
        match self.random.below(4) {
            0 => self.random.below(200) as u32,
            _ => *self.random.pick(&LENGTHS),
        }
    }

    /// Registers `register` and the next: a place that may or may not be there.
    fn place(&mut self, register: u8) {
        let (pointer, length) = (self.pointer(), self.length());
        self.set(register, pointer);
        self.set(register + 1, length);
    }

    fn text_or_place(&mut self, register: u8) {
        if self.random.below(5) < 4 { self.text(register) } else { self.place(register) }
    }

    fn register(&mut self) -> u8 {
        self.random.below(8) as u8
    }

    fn registers(&mut self) -> [u8; 4] {
        [0; 4].map(|_| self.register())
    }

    fn statement(&mut self) {
        match self.random.below(27) {
            0..=2 => {
                self.place(0);
                self.op(3, [0, 1, 0, 0]);
            }
            3 | 4 => {
                self.op(2, [2, 3, 0, 0]);
                self.op(3, [2, 3, 0, 0]);
            }
            5..=7 => {
                self.text_or_place(0);
                self.op(4, [0, 1, 4, 5]);
                self.op(3, [4, 5, 0, 0]);
            }
            8..=11 => {
                self.text_or_place(0);
                self.text_or_place(2);
                self.op(5, [0, 1, 2, 3]);
            }
            12 => {
                // Texts that are large enough to meet the bound on the output together.
                self.text(0);
                self.set(2, 0x3000);
                let length = self.random.below(0xb000) as u32;
                self.set(3, length);
                self.op(5, [0, 1, 2, 3]);
            }
            13 | 14 => {
                let registers = self.registers();
                let code = *self.random.pick(&[2, 3, 4, 5, 8, 16, 17]);
                self.op(code, registers);
            }
            15 => {
                let pages = *self.random.pick(&[0, 1, 1, 2, 27, 28, 29, 1000, 65_535, 65_536, 0xffff_ffff]);
                self.set(6, pages);
                self.op(9, [7, 6, 0, 0]);
            }
            16 => {
                self.set(5, 0x2800);
                self.op(16, [4, 0, 0, 0]);
                self.op(6, [5, 4, 0, 0]);
                self.set(4, 4);
                self.op(3, [5, 4, 0, 0]);
            }
            17 => {
                let pointer = self.pointer();
                self.set(4, pointer);
                self.op(20, [4, 0, 0, 0]);
            }
            18 => {
                let length = self.length();
                self.set(4, length);
                self.op(17, [5, 4, 0, 0]);
            }
            19 => {
                let back = self.random.below(self.code.len() / 6 + 1) * 6;
                let times = 1 + self.random.below(6) as u32;
                self.set(7, times);
                self.op(14, [7, back as u8, (back >> 8) as u8, 0]);
            }
            20 => {
                let target = (self.code.len() / 6 + 1 + self.random.below(4)) * 6;
                self.op(15, [0, target as u8, (target >> 8) as u8, 0]);
            }
            21 => self.memory(),
            22 if self.random.one_in(4) => {
                let registers = self.registers();
                let code = *self.random.pick(&[6, 7, 10, 11]);
                self.op(code, registers);
            }
            23 if self.random.one_in(8) => {
                let registers = self.registers();
                let code = if self.random.one_in(60) { 19 } else { *self.random.pick(&[12, 13, 18]) };
                self.op(code, registers);
            }
            _ => {
                self.set(2, 0x2400);
                let (byte, length) = (self.random.below(256) as u32, self.random.below(600) as u32);
                self.set(3, byte);
                self.set(4, length);
                self.op(10, [2, 3, 4, 0]);
                self.op(3, [2, 4, 0, 0]);
            }
        }
    }

    /// A bulk operation that is more often inside of the memory than not.
    fn memory(&mut self) {
        let is_valid = !self.random.one_in(20);
        let (to, from, length) = if is_valid {
            (
                self.random.below(0x9000) as u32,
                self.random.below(0x9000) as u32,
                self.random.below(900) as u32,
            )
        } else {
            (self.pointer(), self.pointer(), self.length())
        };
        self.set(4, to);
        self.set(5, from);
        self.set(6, length);
        let code = *self.random.pick(&[6, 7, 10, 11]);
        self.op(code, [4, 5, 6, 0]);
    }

    fn wild_statement(&mut self) {
        if self.random.one_in(3000) {
            self.op(32, [0; 4]);
            return;
        }
        match *self.random.pick(&WILD) {
            36 => self.wasi(),
            code @ (37 | 38) => {
                // A program of its own for the allocator: somewhere ahead, or in the middle of an instruction.
                let ahead =
                    self.code.len() + 6 * (1 + self.random.below(5)) + usize::from(self.random.one_in(9));
                self.op(code, [0, ahead as u8, (ahead >> 8) as u8, 0]);
            }
            33 if !self.random.one_in(200) => {}
            code => {
                let registers = self.registers();
                let number = *self.random.pick(&[0, 1, 3, 4, 5, 100, 99_996, 100_000, 0xffff_ffff]);
                self.set(registers[0], number);
                self.set(registers[1], number);
                self.op(code, registers);
            }
        }
    }

    /// Any WASI call with any parameters, and now and then one that could succeed.
    fn wasi(&mut self) {
        let names = crate::machine::wasi_names();
        let mut function = self.random.below(names.len()) as u8;
        for register in 0..8 {
            if self.random.below(3) < 2 {
                let value = match self.random.below(12) {
                    0 => self.pointer(),
                    1 => self.length(),
                    2..=5 => 0x2000 + self.random.below(0x2000) as u32,
                    _ => self.random.below(6) as u32,
                };
                self.set(register, value);
            }
        }
        let named = |name: &str| names.iter().position(|it| *it == name).map_or(0, |it| it as u8);
        match self.random.below(5) {
            0 => {
                function = named("fd_write");
                let (pointer, length) = (self.pointer(), self.length());
                self.store(0x2100, pointer);
                self.store(0x2104, length);
                let parameters =
                    [1 + self.random.below(2) as u32, 0x2100, self.random.below(40) as u32, 0x2300];
                (0..4).zip(parameters).for_each(|(register, value)| self.set(register, value));
            }
            1 => {
                function = named("poll_oneoff");
                let nanoseconds = *self.random.pick(&[0, 1, 1000, 50_000, 0xffff_ffff]);
                let (clock, flags) = (self.random.below(3) as u32, self.random.below(2) as u32);
                for (offset, value) in [(8, 0), (16, clock), (24, nanoseconds), (28, 0), (40, flags)] {
                    self.store(0x2100 + offset, value);
                }
                let parameters = [0x2100, self.pointer(), 1 + self.random.below(3) as u32, 0x2300];
                (0..4).zip(parameters).for_each(|(register, value)| self.set(register, value));
                if nanoseconds == 0xffff_ffff && !self.random.one_in(200) {
                    return;
                }
            }
            2 => {
                // Below the mount.
                let descriptor = 3 + u32::from(self.random.one_in(4));
                self.set(0, descriptor);
            }
            _ => {}
        }
        self.op(36, [function, 7, 0, 0]);
    }

    fn store(&mut self, address: u32, value: u32) {
        self.set(6, address);
        self.set(7, value);
        self.op(6, [6, 7, 0, 0]);
    }
}
