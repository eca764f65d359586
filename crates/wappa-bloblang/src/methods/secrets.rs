//! Whether a text is a secret of which only a hash is known: bcrypt and Argon2.

use argon2::{Algorithm, Argon2, Params, Version};
use blowfish::Blowfish;
use wappa_message::Value;

use crate::{
    error::{Error, Result},
    evaluate::Machine,
    registry::{Category, Method, Param, args::Given, bound::MethodBody, example},
    value::{base::Scheme, convert},
};

const PARAMS: &[Param] = &[Param::text("hashed_secret", "The hash, with all that it was made with.")];

const fn new(name: &'static str, description: &'static str, body: MethodBody) -> Method {
    Method::new(name, Category::Encoding, description, body).unnamed().params(PARAMS)
}

/// The letters that base64 is written in by bcrypt, in the order of their values.
const BCRYPT_DIGITS: &[u8; 64] = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const STANDARD_DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The shortest hash, by its number of bytes.
const BCRYPT_BYTES_MIN: usize = 59;

/// The longest secret of which bcrypt looks at every byte; Go refuses longer ones when it hashes, and cuts none here.
const BCRYPT_SECRET_BYTES_MAX: usize = 72;

/// How many steps a round of bcrypt is: two turns of the key through all of its tables.
const STEPS_PER_ROUND: u64 = 1600;

/// How many steps a block of 1024 bytes is in one pass of Argon2.
const STEPS_PER_BLOCK: u64 = 20;

/// A hash that bcrypt made, in its parts.
struct Bcrypt<'a> {
    cost: u32,
    salt: Vec<u8>,
    sum: &'a [u8],
}

impl<'a> Bcrypt<'a> {
    /// Texts of errors are those of Go.
    fn parse(hash: &'a [u8]) -> std::result::Result<Bcrypt<'a>, String> {
        let fail = |why: &str| format!("crypto/bcrypt: {why}");
        if hash.len() < BCRYPT_BYTES_MIN {
            return Err(fail("hashedSecret too short to be a bcrypted password"));
        }
        if hash[0] != b'$' {
            let found = char::from(hash[0]);
            return Err(fail(&format!(
                "bcrypt hashes must start with '$', but hashedSecret started with '{found}'"
            )));
        }
        if b'2' < hash[1] {
            let version = char::from(hash[1]);
            return Err(fail(&format!(
                "bcrypt algorithm version '{version}' requested is newer than current version '2'"
            )));
        }
        let rest = if hash[2] == b'$' { &hash[3..] } else { &hash[4..] };
        let digits = str::from_utf8(&rest[..2]).ok().and_then(|it| it.parse().ok());
        let Some(cost) = digits else {
            let text = String::from_utf8_lossy(&rest[..2]);
            return Err(format!("strconv.Atoi: parsing \"{text}\": invalid syntax"));
        };
        if !(4..=31).contains(&cost) {
            return Err(fail(&format!("cost {cost} is outside allowed inclusive range 4..31")));
        }
        let rest = &rest[3..];
        let (salt, sum) = rest.split_at(22);
        let mut standard = Vec::with_capacity(24);
        for (idx, byte) in salt.iter().enumerate() {
            let value = BCRYPT_DIGITS.iter().position(|it| it == byte);
            standard.push(match value {
                Some(value) => STANDARD_DIGITS[value],
                None => return Err(format!("illegal base64 data at input byte {idx}")),
            });
        }
        standard.extend_from_slice(b"==");
        let base64 = Scheme::find("base64").expect("it is there");
        Ok(Bcrypt { cost, salt: base64.decode(&standard)?, sum })
    }

    /// Whether this is the secret. Each round is charged, so that a stop is seen.
    fn is_of(&self, secret: &[u8], machine: &mut Machine<'_>) -> Result<bool> {
        let mut key = secret.to_vec();
        key.push(0);
        key.truncate(BCRYPT_SECRET_BYTES_MAX);
        machine.budget().bytes(size_of::<Blowfish>())?;
        machine.budget().check_steps(STEPS_PER_ROUND << self.cost)?;
        let mut state = Blowfish::bc_init_state();
        state.salted_expand_key(&self.salt, &key);
        for _ in 0..1u64 << self.cost {
            machine.budget().steps(STEPS_PER_ROUND)?;
            state.bc_expand_key(&key);
            state.bc_expand_key(&self.salt);
        }
        // "OrpheanBeholderScryDoubt", 64 times over.
        let mut text: [u32; 6] =
            [0x4f72_7068, 0x6561_6e42, 0x6568_6f6c, 0x6465_7253, 0x6372_7944, 0x6f75_6274];
        for pair in text.as_chunks_mut::<2>().0 {
            for _ in 0..64 {
                *pair = state.bc_encrypt(*pair);
            }
        }
        let bytes: Vec<u8> = text.iter().flat_map(|it| it.to_be_bytes()).collect();
        let base64 = Scheme::find("base64rawurl").expect("it is there");
        // One byte less, as it always was.
        let sum = base64.encode(&bytes[..23]).map_err(Error::new)?;
        let sum = sum.iter().map(|it| {
            let standard = match it {
                b'-' => b'+',
                b'_' => b'/',
                it => *it,
            };
            let value = STANDARD_DIGITS.iter().position(|it| *it == standard).expect("it was encoded");
            BCRYPT_DIGITS[value]
        });
        Ok(is_same(&sum.collect::<Vec<_>>(), self.sum))
    }
}

/// Whether two sums are the same; how long that takes says nothing of where they differ.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |diff, (one, other)| diff | (one ^ other)) == 0
}

fn compare_bcrypt(machine: &mut Machine<'_>, value: Value, args: Given<'_>) -> Result<Value> {
    let secret = convert::text(&value)?;
    let hash = Bcrypt::parse(args.bytes(0)).map_err(Error::new)?;
    Ok(Value::Bool(hash.is_of(&secret, machine)?))
}

/// A hash that Argon2 made, in its parts.
struct Hash {
    algorithm: Algorithm,
    memory: u32,
    passes: u32,
    lanes: u32,
    salt: Vec<u8>,
    sum: Vec<u8>,
}

impl Hash {
    fn parse(text: &str) -> std::result::Result<Hash, String> {
        let fail = |why: &str| format!("invalid argon2 hash: {why}");
        let parts: Vec<&str> = text.split('$').collect();
        let [_, algorithm, version, params, salt, sum] = parts[..] else {
            return Err("invalid argon2 hash".to_string());
        };
        let algorithm = match algorithm {
            "argon2i" => Algorithm::Argon2i,
            "argon2id" => Algorithm::Argon2id,
            _ => return Err(fail("unrecognised argon2 format")),
        };
        // Which version it is does not matter: Bento takes it for the present one.
        if version.strip_prefix("v=").is_none_or(str::is_empty) {
            return Err(fail("failed to parse version; unexpected EOF"));
        }
        let mut numbers = params.split(',').zip(["m=", "t=", "p="]).map(|(it, name)| {
            let number = it.strip_prefix(name).and_then(|it| it.parse::<u32>().ok());
            number.ok_or_else(|| fail("failed to parse parameters; input does not match format"))
        });
        let mut number =
            || numbers.next().unwrap_or_else(|| Err(fail("failed to parse parameters; unexpected EOF")));
        let (memory, passes, lanes) = (number()?, number()?, number()?);
        if params.split(',').count() != 3 {
            return Err(fail("excess characters in parameters segment"));
        }
        let decode = |text: &str, what: &str| {
            // It is the usual alphabet, without what fills up to four.
            let is_odd = text.bytes().any(|it| matches!(it, b'-' | b'_' | b'='));
            let text = text.replace('+', "-").replace('/', "_");
            let base64 = Scheme::find("base64rawurl").expect("it is there");
            match base64.decode(text.as_bytes()) {
                Ok(bytes) if !is_odd => Ok(bytes),
                _ => Err(fail(&format!("failed to parse base64 {what}"))),
            }
        };
        Ok(Hash { algorithm, memory, passes, lanes, salt: decode(salt, "salt")?, sum: decode(sum, "key")? })
    }

    fn is_of(&self, secret: &[u8], machine: &mut Machine<'_>) -> Result<bool> {
        // What the hash wants is charged before: it may want all the memory there is.
        let blocks = u64::from(self.memory).max(8 * u64::from(self.lanes));
        machine.budget().bytes(usize::try_from(blocks * 1024).unwrap_or(usize::MAX))?;
        machine.budget().bytes(self.sum.len())?;
        machine
            .budget()
            .steps(blocks.saturating_mul(u64::from(self.passes)).saturating_mul(STEPS_PER_BLOCK))?;
        let fail = |err: argon2::Error| Error::new(format!("invalid argon2 hash: {err}"));
        let params = Params::new(self.memory, self.passes, self.lanes, Some(self.sum.len())).map_err(fail)?;
        let mut sum = vec![0; self.sum.len()];
        let argon2 = Argon2::new(self.algorithm, Version::V0x13, params);
        argon2.hash_password_into(secret, &self.salt, &mut sum).map_err(fail)?;
        Ok(is_same(&sum, &self.sum))
    }
}

fn compare_argon2(machine: &mut Machine<'_>, value: Value, args: Given<'_>) -> Result<Value> {
    let secret = convert::text(&value)?;
    if secret.is_empty() {
        return Ok(Value::Bool(false));
    }
    let hash = Hash::parse(&args.text(0)).map_err(Error::new)?;
    Ok(Value::Bool(hash.is_of(&secret, machine)?))
}

pub(super) const METHODS: &[Method] = &[
    new(
        "compare_bcrypt",
        "Whether a text is the secret of which bcrypt made this hash. It takes as long as the cost in the hash says; one \
         above 15 takes more than a mapping may for one message.",
        MethodBody::Counted(compare_bcrypt),
    )
    .examples(&[example(
        r#"root = this.a.compare_bcrypt("$2a$04$piPlNLB39u7lv1MTckABeeEra3wl5ryFFaZD807vYr9XptKbxMGeO")"#,
        &[(r#"{"a":"secret"}"#, "true"), (r#"{"a":"other"}"#, "false")],
    )]),
    new(
        "compare_argon2",
        "Whether a text is the secret of which Argon2i or Argon2id made this hash. It takes the memory and the time that the \
         hash says, which count for what a mapping may spend on one message.",
        MethodBody::Counted(compare_argon2),
    )
    .examples(&[example(
        r#"root = this.a.compare_argon2("$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$TnDEl2tJgYtaYZt0/5f59Jf56vkIG4EtQACv6SLO2cI")"#,
        &[(r#"{"a":"secret"}"#, "true"), (r#"{"a":"other"}"#, "false")],
    )]),
];
