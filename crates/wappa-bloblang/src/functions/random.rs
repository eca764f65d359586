//! Functions that make up numbers and names.

use rand::Rng;
use wappa_message::Value;

use crate::{
    error::{Error, Result},
    evaluate::{Context, Machine},
    registry::{
        Category, Constant, Function, Param,
        args::Given,
        bound::{FunctionBody, State},
        example,
    },
    value::{Evaluated, convert},
};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "random_int",
        Category::General,
        "A whole number that is not to be guessed easily, from `min` to `max`, both included. With the same seed the numbers \
         come in the same order; a seed that is a query is evaluated with the first message.",
        FunctionBody::Stateful(check_random_int, random_int),
    )
    .params(&[
        Param::query("seed", "Where the numbers begin.").or(Constant::Int(0)),
        Param::int("min", "The smallest number.").or(Constant::Int(0)).fixed(),
        Param::int("max", "The largest number.").or(Constant::Int(i64::MAX - 1)).fixed(),
    ])
    .examples(&[example(
        "let n = random_int(timestamp_unix_nano(), 5, 10)\nroot.within = $n >= 5 && $n <= 10",
        &[("{}", r#"{"within":true}"#)],
    )]),
    Function::new(
        "uuid_v4",
        Category::General,
        "A new random UUID of version 4, as a text.",
        FunctionBody::Machine(|_, _, _| Ok(Value::text(uuid()).into())),
    )
    .examples(&[example("root.length = uuid_v4().length()", &[("{}", r#"{"length":36}"#)])]),
    Function::new(
        "nanoid",
        Category::General,
        "A new random name of letters that do well in addresses of the web.",
        FunctionBody::Machine(nanoid),
    )
    .params(&[
        Param::int("length", "How many letters it has; 21 when left out.").optional(),
        Param::text("alphabet", "The letters it is made of; the length must be given as well.").optional(),
    ])
    .examples(&[
        example("root.length = nanoid().length()", &[("{}", r#"{"length":21}"#)]),
        example(r#"root = nanoid(5, "aa").length()"#, &[("{}", "5")]),
    ]),
    Function::new(
        "ksuid",
        Category::General,
        "A new random name whose beginning is the time, so that names that come later are greater.",
        FunctionBody::Machine(|_, _, _| Ok(Value::text(ksuid()).into())),
    )
    .examples(&[example("root.length = ksuid().length()", &[("{}", r#"{"length":27}"#)])]),
];

fn check_random_int(args: Given<'_>) -> Result<()> {
    let (min, max) = (args.int(1), args.int(2));
    if min < 0 {
        return Err(Error::new(format!("min ({min}) must be a positive number")));
    }
    if max < min {
        return Err(Error::new(format!("min ({min}) must be smaller or equal than max ({max})")));
    }
    if max == i64::MAX {
        let limit = i64::MAX;
        return Err(Error::new(format!("max must be smaller than the max allowed for an int64 ({limit})")));
    }
    Ok(())
}

fn random_int(
    machine: &mut Machine<'_>,
    ctx: Context<'_>,
    args: Given<'_>,
    state: &State,
) -> Result<Evaluated> {
    let lock = || state.lock().unwrap_or_else(|err| err.into_inner());
    if lock().is_none() {
        let fail = |err: Error| err.within("failed to seed random number generator");
        let seed = machine.evaluate(args.query(0), ctx).map_err(fail)?.into_value();
        let seed = convert::to_int(&seed).map_err(fail)?;
        lock().get_or_insert([seed, 0, 0]);
    }
    let number = {
        let mut state = lock();
        let [seed, ..] = state.as_mut().expect("it was begun");
        *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15_u64 as i64);
        mixed(*seed as u64)
    };
    let (min, max) = (args.int(1), args.int(2));
    let n = (max - min) as u64 + 1;
    Ok(Value::Int(min + ((u128::from(number) * u128::from(n)) >> 64) as i64).into())
}

/// The output of SplitMix64.
fn mixed(mut it: u64) -> u64 {
    it = (it ^ (it >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    it = (it ^ (it >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    it ^ (it >> 31)
}

const HEX: &[u8; 16] = b"0123456789abcdef";

pub(super) fn uuid() -> [u8; 36] {
    let mut bytes = [0; 16];
    rand::rng().fill_bytes(&mut bytes);
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut text = [b'-'; 36];
    for (byte, at) in bytes.into_iter().zip(UUID_PLACES) {
        text[at] = HEX[usize::from(byte >> 4)];
        text[at + 1] = HEX[usize::from(byte & 15)];
    }
    text
}

/// Where each byte of a UUID is written: in groups of four, two, two, two and six, with a character between them.
const UUID_PLACES: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];

/// The letters of a name, in the order of the library that Bento uses.
const LETTERS: &str = "_-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
const NANOID_LEN: i64 = 21;

fn nanoid(machine: &mut Machine<'_>, _: Context<'_>, args: Given<'_>) -> Result<Evaluated> {
    let (len, alphabet) = (args.opt_int(0), args.opt_text(1));
    if alphabet.is_some() && len.is_none() {
        return Err(Error::new("field length must be specified when an alphabet is specified"));
    }
    let letters: Vec<char> = alphabet.as_deref().unwrap_or(LETTERS).chars().collect();
    let len = len.unwrap_or(NANOID_LEN);
    if letters.is_empty() || 255 < letters.len() {
        return Err(Error::new("alphabet must not be empty and contain no more than 255 chars"));
    }
    let Some(len) = usize::try_from(len).ok().filter(|it| 0 < *it) else {
        return Err(Error::new(if alphabet.is_some() {
            "size must be positive integer"
        } else {
            "negative id length"
        }));
    };
    machine.budget().bytes(len.saturating_mul(4))?;
    machine.budget().steps(len as u64)?;
    let mut rng = rand::rng();
    let letter = |rng: &mut rand::rngs::ThreadRng| {
        letters[((u64::from(rng.next_u32()) * letters.len() as u64) >> 32) as usize]
    };
    let text: String = (0..len).map(|_| letter(&mut rng)).collect();
    Ok(Value::text(text).into())
}

/// Seconds since 1970 at which names of this kind begin to count.
const KSUID_EPOCH: u64 = 1_400_000_000;
const KSUID_LEN: usize = 27;
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

fn ksuid() -> [u8; KSUID_LEN] {
    let seconds = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |it| it.as_secs().saturating_sub(KSUID_EPOCH)) as u32;
    let mut number = [0; 20];
    number[..4].copy_from_slice(&seconds.to_be_bytes());
    rand::rng().fill_bytes(&mut number[4..]);
    let mut text = [b'0'; KSUID_LEN];
    for place in text.iter_mut().rev() {
        let mut rest = 0u32;
        for byte in &mut number {
            rest = rest << 8 | u32::from(*byte);
            *byte = (rest / 62) as u8;
            rest %= 62;
        }
        *place = BASE62[rest as usize];
    }
    text
}
