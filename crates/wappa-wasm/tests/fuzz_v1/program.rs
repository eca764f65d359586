//! Random programs for the machine, and the messages that carry them.

use bytes::Bytes;
use wappa_message::{Message, Metadata, Value};

use crate::{model::earlier, random::Random};

const RECORD_BYTES: usize = 20;
const CODE: u32 = 0x1000;

const POINTERS: [u32; 14] = [
    0,
    1,
    4,
    0x1000,
    0x1004,
    0x2000,
    0x7ff0,
    0x8000,
    0xffff,
    0x1_fff0,
    0x1_ffff,
    0x2_0000,
    0x8000_0000,
    0xffff_ffff,
];
const LENGTHS: [u32; 14] = [0, 0, 1, 2, 3, 5, 16, 100, 1000, 0x7fff, 0xffff, 0x1_0000, 0x2_0000, 0xffff_ffff];
const TEXTS: [&[u8]; 10] = [
    b"",
    b"k",
    b"key",
    b"\xff\xfe",
    b"value",
    b"a longer value \0 \n\x1b",
    b"{\"a\":[1,2.5,null]}",
    b"-7",
    b"\"\"",
    b"18446744073709551615",
];

/// A message for the machine. A wild one seldom names a place that is there.
pub(crate) fn message(random: &mut Random, wild: bool) -> Message {
    let mut records = Vec::new();
    let mut texts = Vec::new();
    for _ in 0..1 + random.below(10) {
        record(random, wild, &mut records, &mut texts);
    }
    if random.below(3) < 2 {
        operation(&mut records, 14, [0; 4]);
        if random.one_in(3) {
            record(random, wild, &mut records, &mut texts);
        }
    }
    // A record that is no operation ends nothing; the texts stand where the program is not read as such.
    let end = CODE + (records.len() + RECORD_BYTES) as u32;
    let mut content = records;
    let mut addresses = Vec::new();
    let mut tail = vec![0xff; RECORD_BYTES];
    for text in TEXTS {
        addresses.push(end + (tail.len() - RECORD_BYTES) as u32);
        tail.extend(text);
    }
    for (at, text) in texts {
        let word: &mut [u8] = &mut content[at..at + 4];
        word.copy_from_slice(&addresses[text].to_le_bytes());
    }
    // What is left of the texts may be read as records: that is as good a program as any other.
    content.extend(tail);
    match random.below(100) {
        0 => content.resize(70_000, 0xff),
        1 | 2 => content.resize(60_000, 0xff),
        3 => content.clear(),
        4..=8 => {
            let at = random.below(content.len());
            content[at] = random.next() as u8;
        }
        _ => {}
    }
    let mut message = Message::of_input(content.into(), metadata(random), 0);
    if random.one_in(5) {
        message.set_error(earlier());
    }
    message
}

fn metadata(random: &mut Random) -> Metadata {
    let count = random.below(7).saturating_sub(2);
    Metadata::from_pairs((0..count).map(|_| {
        let value = match random.below(9) {
            0 => Value::Null,
            1 => Value::Int(random.next().cast_signed()),
            2 => Value::Bool(true),
            3 => Value::array([Value::Int(1), Value::text("a"), Value::Null]).expect("flat"),
            4 if random.one_in(4) => Value::text(vec![b'v'; random.below(40_000)]),
            _ => Value::text(random.pick(&TEXTS)),
        };
        (Bytes::from_static(TEXTS[random.below(TEXTS.len())]), value)
    }))
}

fn operation(records: &mut Vec<u8>, code: u8, words: [u32; 4]) {
    records.extend([code, 0, 0, 0]);
    words.iter().for_each(|it| records.extend(it.to_le_bytes()));
}

/// One operation, and now and then what makes it interesting before it.
fn record(random: &mut Random, wild: bool, records: &mut Vec<u8>, texts: &mut Vec<(usize, usize)>) {
    // Mostly on messages; what ends the instance seldom.
    let code = match random.below(40) {
        0 => [22, 26, 27, 200][random.below(4)],
        1..=3 => 14,
        4..=6 => 2,
        7..=9 => 5,
        10 | 11 => 6,
        12..=14 => 11,
        15 => 12,
        16 => 13,
        _ => random.below(26) as u8,
    };
    let code = if code == 22 && !random.one_in(4) { 15 } else { code };
    let begin = records.len() + 4;
    let mut words = [0; 4];
    let mut pair = |random: &mut Random, word: usize, words: &mut [u32; 4]| {
        if wild && random.one_in(3) || random.one_in(40) {
            (words[word], words[word + 1]) = (pointer(random), length(random));
        } else if random.one_in(4) {
            (words[word], words[word + 1]) = (random.below(0x1_0000) as u32, random.below(2000) as u32);
        } else {
            let text = random.below(TEXTS.len());
            texts.push((begin + 4 * word, text));
            words[word + 1] = TEXTS[text].len() as u32;
        }
    };
    match code {
        1 => {
            words = [random.below(50) as u32, 0x3000 + random.below(100) as u32, random.below(200) as u32, 0];
            if wild && random.one_in(3) {
                words = [length(random), pointer(random), length(random), 0];
            }
        }
        2 | 7 | 13 | 20 => pair(random, 0, &mut words),
        3 | 4 | 17 => {
            pair(random, 0, &mut words);
            (words[2], words[3]) = (0x4000 + random.below(1000) as u32, random.below(100) as u32);
            if wild && random.one_in(3) {
                (words[2], words[3]) = (pointer(random), length(random));
            }
        }
        5 | 6 | 25 => {
            pair(random, 0, &mut words);
            pair(random, 2, &mut words);
        }
        8 | 9 | 26 => {
            (words[0], words[1]) = (0x5000 + random.below(1000) as u32, random.below(300) as u32);
            if wild && random.one_in(3) {
                (words[0], words[1]) = (pointer(random), length(random));
            }
        }
        18 => {
            words[0] = random.below(5) as u32 + u32::from(random.one_in(30));
            pair(random, 1, &mut words);
        }
        19 => {
            pair(random, 0, &mut words);
            words[2] = random.below(1000) as u32;
        }
        23 => words = [random.below(0x1_0000) as u32, random.next() as u32, 0, 0],
        24 => {
            words = [random.below(0x1_0000) as u32, random.below(256) as u32, random.below(5000) as u32, 0];
            if wild && random.one_in(4) {
                words[0] = pointer(random);
            }
        }
        _ => {}
    }
    operation(records, code, words);
}

fn pointer(random: &mut Random) -> u32 {
    if random.one_in(5) { random.next() as u32 } else { *random.pick(&POINTERS) }
}

fn length(random: &mut Random) -> u32 {
    if random.one_in(5) { random.below(300) as u32 } else { *random.pick(&LENGTHS) }
}
