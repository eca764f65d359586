//! Random programs for the machines: rows of calls, typed metadata, files, messages that multiply.

use std::fmt::Write;

use bytes::Bytes;
use wappa_wasm::Limits;

use crate::{
    json,
    machine::{
        BATCH, DATA, DATA_OFFSET, DIRECTORY, ENTRIES, FILE, Function, HEAP, INDEX, Machine, Other,
        RECORD_BYTES, RECORDS_MAX, RESULT, Shape,
    },
    random::Random,
};

/// What keys, paths and values are taken from. A component reads no further than its first.
const TEXTS: [&[u8]; 24] = [
    b"key",
    b"k",
    b"",
    b"\xff\xfe",
    b"counted_1",
    b"a longer value \0 \n\x1b[31m",
    b"a",
    b"big",
    b"many",
    b"pipe",
    b"loop",
    b"below",
    b"new",
    b"new/below",
    b"link",
    b"../a",
    b"/etc/passwd",
    b".",
    b"none",
    b"[{}]",
    b"-7",
    b"[{\"a\":[1,2.5,null]}]",
    b"{\"\":0}",
    b"12345678901234567890",
];

/// The first of them that is the name of a file.
const FILES: usize = 6;

/// And those of a large file and a large directory.
const BIG: usize = FILES + 1;
const MANY: usize = FILES + 2;

/// Numbers of six digits, of which rows of keys are made.
const DIGITS: u32 = 0x6_2000;

/// Where pairs of places and lengths are put.
const VECTORS: u32 = 0x300;

/// No text takes longer to read than a message may take. A core module has no room for more until it has grown.
const JSON_BYTES_MAX: usize = 900_000;

/// What a program is mostly about.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Rows,
    Typed,
    /// One value that takes as much as it may.
    Dear,
    Multiplied,
    Keys,
    Files,
    /// Files and directories that are never closed.
    Kept,
    Waiting,
    /// One call with all the memory there is.
    Large,
}

const KINDS: [Kind; 16] = [
    Kind::Rows,
    Kind::Rows,
    Kind::Typed,
    Kind::Typed,
    Kind::Dear,
    Kind::Dear,
    Kind::Multiplied,
    Kind::Multiplied,
    Kind::Keys,
    Kind::Files,
    Kind::Files,
    Kind::Kept,
    Kind::Kept,
    Kind::Waiting,
    Kind::Large,
    Kind::Large,
];

/// What a wait is for, in preview 1: 48 bytes, of which the time is in the middle.
const SUBSCRIPTION: u32 = 0x320;
const SUBSCRIPTION_TIME: u32 = SUBSCRIPTION + 24;
const EVENTS: u32 = 0x380;

/// More pages than twice any limit, and than what stays resident anyhow.
const FAR_TOO_MANY_PAGES: u64 = 3000;

/// An argument.
#[derive(Clone, Copy, Debug)]
enum Value {
    Number(u64),
    /// What is at this place when the operation is done.
    At(u32),
}

/// A program under way.
struct Script<'a> {
    random: &'a mut Random,
    machine: &'a Machine,
    limits: &'a Limits,
    /// Whether there are directories.
    is_mounted: bool,
    records: Vec<u8>,
    n_records: usize,
    data: Vec<u8>,
    /// Where the large text is in the data.
    json: (u32, u32),
    /// The places of handles that something was put at.
    made: Vec<u32>,
    told: String,
}

/// A content for the machine, and what it does.
pub(crate) fn program(
    random: &mut Random,
    machine: &Machine,
    limits: &Limits,
    is_mounted: bool,
) -> (Bytes, String) {
    let mut data = TEXTS.concat();
    let kind = *random.pick(&KINDS);
    let most = limits.output / 2;
    let bytes = match kind {
        Kind::Dear => *random.pick(&[most / 2, most - 3000, 2 * most - 3000]),
        Kind::Typed if !random.one_in(4) => {
            *random.pick(&[most / 8, most / 2, most, 3 * most, 50_000, 150_000, 300_000])
        }
        _ => random.below(200),
    };
    let bytes = bytes.min(JSON_BYTES_MAX);
    let text = if matches!(kind, Kind::Dear) { json::dear(random, bytes) } else { json::text(random, bytes) };
    let json = (data.len() as u32, text.len() as u32);
    data.extend(text.into_bytes());
    let mut script = Script {
        random,
        machine,
        limits,
        is_mounted,
        records: Vec::new(),
        n_records: 0,
        data,
        json,
        made: vec![BATCH, INDEX],
        told: String::new(),
    };
    script.write(kind);
    let Script { mut records, n_records, data, told, .. } = script;
    records.resize(RECORDS_MAX * RECORD_BYTES, 0);
    let mut content = (n_records as u32).to_le_bytes().to_vec();
    content.extend([0; 4]);
    content.extend(records);
    content.extend(data);
    (content.into(), told)
}

impl Script<'_> {
    fn write(&mut self, kind: Kind) {
        let pages = self.limits.memory as u64 >> 16;
        if matches!(kind, Kind::Large) {
            self.other(Other::Grow, &[pages.saturating_sub(17)]);
            return self.large();
        }
        let is_sent = matches!(kind, Kind::Multiplied) && self.machine.is_component;
        if !is_sent && self.random.below(4) != 0 {
            // Some of the memory, all of it, or more.
            let by = [1, pages / 2, pages.saturating_sub(17), pages.saturating_sub(16), pages];
            let by = *self.random.pick(&by);
            self.other(Other::Grow, &[by]);
            if self.random.one_in(8) {
                // Far more than any limit, and all of it used if it is there.
                self.other(Other::Grow, &[2 * pages + FAR_TOO_MANY_PAGES]);
                let bytes = (2 * pages + FAR_TOO_MANY_PAGES) << 16;
                self.other(Other::Fill, &[u64::from(HEAP), 1, bytes - u64::from(HEAP)]);
            }
        }
        match kind {
            Kind::Typed => self.typed(),
            Kind::Dear => return self.dear(),
            Kind::Multiplied => self.multiplied(),
            Kind::Keys => self.keys(),
            Kind::Waiting => self.waiting(),
            Kind::Files if self.is_mounted => self.files(),
            Kind::Kept if self.is_mounted => return self.kept(),
            Kind::Files | Kind::Kept | Kind::Large | Kind::Rows => self.rows(),
        }
        match self.random.below(30) {
            0 => self.other(Other::Trap, &[]),
            1 => self.other(Other::Spin, &[0]),
            2..=5 => {
                let times = [1, 10, 1000, 1_000_000][self.random.below(4)];
                self.other(Other::Again, &[times]);
            }
            _ => {}
        }
        if self.machine.is_component && self.random.one_in(6) {
            let case = self.random.below(6) as u64;
            let length = self.length();
            self.other(Other::Dispose, &[case, u64::from(DATA), length]);
        }
    }

    /// Any functions, once or in rows.
    fn rows(&mut self) {
        for _ in 0..1 + self.random.below(8) {
            let function = self.random.below(self.machine.functions.len());
            if self.machine.functions[function].name == "proc_exit" && !self.random.one_in(4) {
                continue;
            }
            let is_row = self.random.one_in(2);
            self.call(function, is_row);
        }
    }

    /// JSON under some keys, read again.
    fn typed(&mut self) {
        let names = match self.machine.is_component {
            true => ["batch.get-metadata", "batch.metadata"],
            false => ["meta_get_json", "meta_get"],
        };
        for _ in 0..1 + self.random.below(4) {
            let (key, json) = (self.key(), self.json_at());
            let row = self.random.one_in(3);
            let strides = [self.random.below(2) as i32, 0];
            self.set_json(key, json, row, strides);
            if self.random.one_in(2) {
                let name = names[self.random.below(2)];
                let is_row = self.random.one_in(3);
                self.call(self.machine.function(name), is_row);
            }
        }
    }

    /// A value that costs more than its text, which stays with its message and is read by whoever comes next; or a text
    /// that is long to read, again and again.
    fn dear(&mut self) {
        let (key, json) = (text(0), self.whole_json());
        let is_text = self.data[self.json.0 as usize] == b'"';
        self.set_json(key, json, is_text, [0; 2]);
    }

    fn set_json(&mut self, key: (u64, u64), json: (u64, u64), is_row: bool, strides: [i32; 2]) {
        let name = if self.machine.is_component { "batch.set-metadata" } else { "meta_set_json" };
        let [place, length, json, json_length] = [key.0, key.1, json.0, json.1].map(Value::Number);
        let arguments = match self.machine.is_component {
            true => {
                vec![Value::At(BATCH), Value::At(INDEX), place, length, Value::Number(2), json, json_length]
            }
            false => vec![place, length, json, json_length],
        };
        self.add(self.operation(self.machine.function(name), is_row), 1, RESULT, &arguments, strides);
    }

    /// Messages of which many become, with contents and metadata of their own.
    fn multiplied(&mut self) {
        if self.machine.is_component {
            return self.sent();
        }
        let written = self.random.below(3);
        if written < 2 {
            // A content or a value of its own for each.
            let length = (self.limits.output / *self.random.pick(&[8, 16, 100])) as u64;
            let name = ["content_write", "meta_set"][written];
            let mut arguments = vec![Value::Number(u64::from(DATA)), Value::Number(length)];
            if written == 1 {
                let (place, length) = text(0);
                arguments.splice(..0, [place, length].map(Value::Number));
            }
            self.add(self.machine.function(name), 1, RESULT, &arguments, [0; 2]);
        }
        // Nothing else may be in the way of too many.
        let n_others = if self.random.one_in(2) { 5 } else { 0 };
        for name in &["content_write", "meta_set", "meta_set_json", "v1_filter", "v1_next"][..n_others] {
            if self.random.one_in(5) {
                self.call(self.machine.function(name), false);
            }
        }
        let is_row = self.random.one_in(2);
        self.add(self.operation(self.machine.function("v1_emit"), is_row), 1, RESULT, &[], [0; 2]);
        let times = [0, 3, 100, 100_000][self.random.below(4)];
        self.other(Other::Again, &[times]);
    }

    /// Many keys, in ascending or descending order.
    fn keys(&mut self) {
        let descending = self.random.below(2) as u64;
        self.other(Other::Digits, &[u64::from(DIGITS), 4000, descending]);
        let name = match self.machine.is_component {
            true => "batch.set-metadata",
            false => *self.random.pick(&["meta_set", "v0_msg_set_meta", "meta_set_json"]),
        };
        let function = self.machine.function(name);
        let (value, length) = if self.random.one_in(2) { text(2) } else { text(20) };
        for row in 0..1 + self.random.below(10) as u64 {
            let key = u64::from(DIGITS) + 2400 * row;
            let mut arguments = vec![Value::Number(key), Value::Number(6)];
            if self.machine.is_component {
                let case = self.random.below(3) as u64;
                arguments =
                    vec![Value::At(BATCH), Value::At(INDEX), arguments[0], arguments[1], Value::Number(case)];
            }
            arguments.extend([Value::Number(value), Value::Number(length)]);
            self.add(self.operation(function, true), 1, RESULT, &arguments, [6, 0]);
        }
    }

    /// Files that are opened, read, written, listed and kept.
    fn files(&mut self) {
        for at in [VECTORS, VECTORS + 8] {
            let vector = [self.place(), self.length()];
            for (at, word) in [at, at + 4].into_iter().zip(vector) {
                self.other(Other::Store, &[u64::from(at), word]);
            }
        }
        if self.machine.is_component {
            let which = self.random.below(2) as u64;
            self.other(Other::Directory, &[which]);
        }
        for _ in 0..1 + self.random.below(4) {
            self.open();
            for _ in 0..self.random.below(4) {
                let functions = &self.machine.functions;
                let of_files: Vec<usize> = (0..functions.len())
                    .filter(|it| {
                        let name = &functions[*it].name;
                        ["fd_", "path_", "descriptor", "stream", "directory"]
                            .iter()
                            .any(|it| name.contains(it))
                    })
                    .collect();
                let function = *self.random.pick(&of_files);
                let is_row = self.random.one_in(3);
                self.call(function, is_row);
            }
        }
        let times = [0, 3, 100, 10_000][self.random.below(4)];
        self.other(Other::Again, &[times]);
    }

    /// Files, streams and listings of which none is given back, as many as the guest gets.
    fn kept(&mut self) {
        if !self.machine.is_component {
            let path = if self.random.one_in(2) { FILES } else { MANY };
            self.open_at(text(path), false);
            if self.random.one_in(2) {
                self.call(self.machine.function("fd_readdir"), false);
            }
        } else {
            self.other(Other::Directory, &[0]);
            match self.random.below(4) {
                0 | 1 => self.add(
                    self.machine.row(self.machine.function("descriptor.read-directory")),
                    1,
                    RESULT,
                    &[Value::At(DIRECTORY), Value::Number(u64::from(ENTRIES) - 4)],
                    [0; 2],
                ),
                // A stream outlives its file.
                2 => {
                    self.open_at(text(FILES), false);
                    self.call(self.machine.function("descriptor.read-via-stream"), false);
                    self.call(self.machine.function("[resource-drop]descriptor"), false);
                }
                // What was read and not fetched stays with its stream.
                _ => {
                    self.open_at(text(BIG), false);
                    for name in ["descriptor.read-via-stream", "[method]input-stream.read"] {
                        let function = self.machine.function(name);
                        let shapes = &self.machine.functions[function].shapes;
                        let argument = |it: &Shape| match it {
                            Shape::Handle(place) => Value::At(*place),
                            Shape::Out(place) => Value::Number(u64::from(*place)),
                            _ => Value::Number(if name.ends_with("read") { 1 << 20 } else { 0 }),
                        };
                        let arguments: Vec<Value> = shapes.iter().map(argument).collect();
                        self.add(function, 1, RESULT, &arguments, [0; 2]);
                    }
                }
            }
        }
        self.other(Other::Again, &[10_000]);
    }

    /// A wait for a point in time, near or far.
    fn waiting(&mut self) {
        let nanoseconds = [0, 1_000_000, 1 << 40, u64::MAX][self.random.below(4)];
        if self.machine.is_component {
            let subscribe = self.machine.function("subscribe-duration");
            let result_at = self.machine.functions[subscribe].result_at;
            self.add(subscribe, 1, result_at, &[Value::Number(nanoseconds)], [0; 2]);
            return self.call(self.machine.function("[method]pollable.block"), false);
        }
        let words = [nanoseconds & u64::from(u32::MAX), nanoseconds >> 32];
        for (at, word) in [SUBSCRIPTION_TIME, SUBSCRIPTION_TIME + 4].into_iter().zip(words) {
            self.other(Other::Store, &[u64::from(at), word]);
        }
        let arguments = [SUBSCRIPTION, EVENTS, 1, RESULT + 16].map(|it| Value::Number(u64::from(it)));
        self.add(self.machine.function("poll_oneoff"), 1, RESULT, &arguments, [0; 2]);
    }

    /// One function that takes or gives as much as it is told to.
    fn large(&mut self) {
        let is_large = |it: &Shape| matches!(it, Shape::Room | Shape::Text | Shape::Offset);
        let functions = &self.machine.functions;
        let of_size: Vec<usize> =
            (0..functions.len()).filter(|it| functions[*it].shapes.iter().any(is_large)).collect();
        let random: Vec<usize> =
            (0..functions.len()).filter(|it| functions[*it].name.contains("random")).collect();
        let some = if self.random.one_in(2) { random } else { of_size };
        let function = *self.random.pick(&some);
        let Function { shapes, result_at, .. } = &self.machine.functions[function];
        let place = u64::from(DATA);
        let room = (self.limits.memory as u64).saturating_sub(place + (2 << 16));
        let mut arguments = Vec::new();
        for shape in shapes {
            match shape {
                Shape::Room | Shape::Text => arguments.extend([place, room].map(Value::Number)),
                Shape::Offset => arguments.push(Value::Number(room)),
                _ => self.argument(*shape, &mut arguments),
            }
        }
        self.add(function, 1, *result_at, &arguments, [0; 2]);
    }

    /// Opens something that is there, mostly.
    fn open(&mut self) {
        let is_row = !self.random.one_in(4);
        if self.random.one_in(4) {
            let name = if self.machine.is_component { "descriptor.open-at" } else { "path_open" };
            return self.call(self.machine.function(name), is_row);
        }
        let idx = FILES + [0, 0, 0, 1, 2, 3, 4, 5, 6, 8][self.random.below(10)];
        self.open_at(text(idx), is_row);
    }

    /// Opens this path.
    fn open_at(&mut self, path: (u64, u64), is_row: bool) {
        let name = if self.machine.is_component { "descriptor.open-at" } else { "path_open" };
        let function = self.machine.function(name);
        let path = [path.0, path.1].map(Value::Number);
        let flags = [0, 0, 0, 0, 0, 1, 2][self.random.below(7)];
        let slot = self.machine.functions[function].shapes.last().copied();
        let Some(Shape::Out(out)) = slot else { unreachable!("it says what it opened") };
        let mut numbers = |of: &[u64]| Value::Number(*self.random.pick(of));
        let arguments = match self.machine.is_component {
            true => vec![
                Value::At(DIRECTORY),
                numbers(&[0, 1]),
                path[0],
                path[1],
                Value::Number(flags),
                // Reading, and both.
                numbers(&[1, 1, 3]),
                Value::Number(out.into()),
            ],
            false => vec![
                numbers(&[3, 3, 4]),
                numbers(&[0, 1]),
                path[0],
                path[1],
                Value::Number(flags),
                numbers(&[2, 2, 66]),
                Value::Number(0),
                Value::Number(0),
                Value::Number(out.into()),
            ],
        };
        self.add(self.operation(function, is_row), 1, RESULT, &arguments, [0; 2]);
    }

    /// Messages of a component with many keys.
    fn sent(&mut self) {
        let at = u64::from(HEAP) + 0x1_0000;
        let pages = self.limits.memory as u64 >> 16;
        self.other(Other::Grow, &[pages.saturating_sub(17)]);
        let room = (self.limits.memory as u64).saturating_sub(at + 0x2_0000);
        let mut messages = [0, 1, 1, 2, 100, 10_000][self.random.below(6)].min(room / 32);
        let mut keys = [0, 1, 100, 10_000, 100_000, 300_000][self.random.below(6)].min(room / 60);
        if self.random.one_in(3) {
            // All of them have the same keys, which take little room in the guest.
            (messages, keys) = (100, 10_000);
        }
        let (descending, case) = (self.random.below(2) as u64, self.random.below(3) as u64);
        let (value, length) = if self.random.one_in(2) { (u64::from(HEAP), 0) } else { self.json_at() };
        self.other(Other::Send, &[at, messages, keys, descending, case, value, length]);
    }

    /// One function with arguments that suit it, mostly.
    fn call(&mut self, function: usize, is_row: bool) {
        let Function { shapes, result_at, .. } = &self.machine.functions[function];
        let is_there = |it: &Shape| match it {
            Shape::Handle(place) => self.made.contains(place),
            _ => true,
        };
        if !shapes.iter().all(is_there) && !self.random.one_in(20) {
            return;
        }
        let mut arguments = Vec::new();
        for shape in shapes {
            if self.random.one_in(200) {
                arguments.extend((0..shape.n_params()).map(|_| Value::Number(self.random.next())));
                continue;
            }
            self.argument(*shape, &mut arguments);
        }
        let strides = match self.random.below(4) {
            0 => [1, 0],
            1 => [6, 0],
            2 => [self.random.below(3) as i32 - 1, self.random.below(3) as i32 - 1],
            _ => [0, 0],
        };
        let times = if self.random.one_in(8) { 1 + self.random.below(300) as u32 } else { 1 };
        self.add(self.operation(function, is_row), times, *result_at, &arguments, strides);
    }

    fn argument(&mut self, shape: Shape, arguments: &mut Vec<Value>) {
        let mut pair = |(place, length): (u64, u64)| arguments.extend([place, length].map(Value::Number));
        match shape {
            Shape::Key => pair(self.key()),
            Shape::Path => {
                let idx = if self.random.one_in(20) {
                    self.random.below(TEXTS.len())
                } else {
                    FILES + self.random.below(13)
                };
                pair(text(idx));
            }
            Shape::Text => pair(self.any_text()),
            Shape::Json => pair(self.json_at()),
            Shape::Room => pair((self.place(), self.length())),
            Shape::Vectors => {
                if self.random.one_in(3) {
                    // Empty ones, or whatever is there.
                    let n = [1, 1000, 100_000, 10_000_000][self.random.below(4)];
                    let most = self.limits.memory as u64 / 8;
                    pair((u64::from(HEAP), n.min(most)));
                } else {
                    pair((u64::from(VECTORS), 1 + self.random.below(4) as u64));
                }
            }
            Shape::Out(place) => arguments.push(Value::Number(u64::from(place))),
            Shape::Handle(place) => {
                // Both are descriptors.
                let other = FILE + DIRECTORY - place.clamp(DIRECTORY, FILE);
                let is_other = self.made.contains(&other) && [FILE, DIRECTORY].contains(&place);
                let place = if is_other && self.random.one_in(4) { other } else { place };
                arguments.push(Value::At(place));
            }
            Shape::Directory => {
                let place = 3 + self.random.below(2) as u64;
                arguments.push(if self.random.one_in(6) { Value::At(FILE) } else { Value::Number(place) });
            }
            Shape::Fd => arguments.push(match self.random.below(4) {
                0 => Value::Number(self.random.below(8) as u64),
                1 => Value::Number(3 + self.random.below(2) as u64),
                _ => Value::At(FILE),
            }),
            Shape::Small => arguments.push(Value::Number([0, 0, 0, 0, 1, 1, 1, 2, 4][self.random.below(9)])),
            Shape::Offset => {
                let memory = self.limits.memory as u64;
                let value = [0, 0, 1, 100, 4096, memory, 1 << 40, u64::MAX][self.random.below(8)];
                arguments.push(Value::Number(value));
            }
        }
    }

    fn key(&mut self) -> (u64, u64) {
        match self.random.below(8) {
            0 if self.random.one_in(4) => (self.place(), self.length()),
            0 | 1 => (u64::from(DIGITS), 6),
            2 => text(self.random.below(TEXTS.len())),
            // All but what is no UTF-8.
            _ => text([0, 0, 1, 2, 4][self.random.below(5)]),
        }
    }

    fn any_text(&mut self) -> (u64, u64) {
        match self.random.below(4) {
            0 => text(self.random.below(TEXTS.len())),
            1 => self.json_at(),
            _ => (self.place(), self.length()),
        }
    }

    /// The large text.
    fn json_at(&mut self) -> (u64, u64) {
        if self.random.one_in(6) {
            return text(17 + self.random.below(7));
        }
        self.whole_json()
    }

    fn whole_json(&self) -> (u64, u64) {
        let (offset, length) = self.json;
        // A component has no more than the beginning of its content in its place.
        let data = if self.machine.is_component { HEAP + DATA_OFFSET } else { DATA };
        (u64::from(data + offset), u64::from(length))
    }

    fn place(&mut self) -> u64 {
        let places = [0x3000, DATA, DIGITS, HEAP, 0x10_0000];
        u64::from(*self.random.pick(&places)) + self.random.below(64) as u64
    }

    fn length(&mut self) -> u64 {
        let (memory, output) = (self.limits.memory as u64, self.limits.output as u64);
        let room = memory.saturating_sub(0x11_0000);
        let lengths =
            [0, 1, 16, 100, 5000, 70_000, output / 16, output / 2, output - 3000, room / 4, room / 2, room];
        // What fits has more consequences than what does not.
        let length = *self.random.pick(&lengths);
        if self.random.one_in(2) { length.min(output - 3000) } else { length }
    }

    fn operation(&self, function: usize, is_row: bool) -> usize {
        if is_row { self.machine.row(function) } else { function }
    }

    fn other(&mut self, other: Other, arguments: &[u64]) {
        let arguments: Vec<Value> = arguments.iter().map(|it| Value::Number(*it)).collect();
        write!(self.told, "{other:?} ").expect("a string takes it");
        if other == Other::Directory {
            self.made.push(DIRECTORY);
        }
        self.add(self.machine.other(other), 1, RESULT, &arguments, [0; 2]);
    }

    fn add(&mut self, operation: usize, times: u32, result_at: u32, arguments: &[Value], strides: [i32; 2]) {
        if self.n_records == RECORDS_MAX {
            return;
        }
        let n_functions = self.machine.functions.len();
        if let Some(function) =
            self.machine.functions.get(operation % n_functions).filter(|_| operation < 2 * n_functions)
        {
            let row = if n_functions <= operation { "a row of " } else { "" };
            write!(self.told, "{times} times {row}{} ", function.name).expect("a string takes it");
            self.made.extend(function.makes());
        }
        writeln!(self.told, "{arguments:?} {strides:?}").expect("a string takes it");
        let mut mask = 0_u32;
        for (idx, argument) in arguments.iter().enumerate() {
            mask |= u32::from(matches!(argument, Value::At(_))) << idx;
        }
        for word in [operation as u32, times, mask, result_at] {
            self.records.extend(word.to_le_bytes());
        }
        for idx in 0..9 {
            let word = match arguments.get(idx) {
                Some(Value::Number(it)) => *it,
                Some(Value::At(it)) => u64::from(*it),
                None => 0,
            };
            self.records.extend(word.to_le_bytes());
        }
        for stride in strides {
            self.records.extend(stride.to_le_bytes());
        }
        self.n_records += 1;
    }
}

/// The place and the length of one of the texts.
fn text(idx: usize) -> (u64, u64) {
    let before: usize = TEXTS[..idx].iter().map(|it| it.len()).sum();
    (u64::from(DATA) + before as u64, TEXTS[idx].len() as u64)
}
