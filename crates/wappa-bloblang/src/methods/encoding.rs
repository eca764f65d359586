//! Other alphabets, and checksums.

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};
use wappa_message::{Binary, Text, Value};

use super::strings::bytes_of;
use crate::{
    error::{Error, Result},
    registry::{
        Category, Constant, Method, Param,
        args::Given,
        bound::{MethodBody, PreparedMethod},
        example,
    },
    value::base::Scheme,
};

const fn new(name: &'static str, description: &'static str, body: MethodBody) -> Method {
    Method::new(name, Category::Encoding, description, body)
}

fn scheme(args: Given<'_>) -> Result<Scheme> {
    let name = args.text(0);
    Scheme::find(&name).ok_or_else(|| Error::new(format!("unrecognized encoding type: {name}")))
}

fn encode(args: Given<'_>) -> Result<PreparedMethod> {
    let scheme = scheme(args)?;
    Ok(Box::new(move |machine, value| {
        let bytes = bytes_of(&value)?;
        machine.budget().bytes(2 * bytes.len())?;
        scheme.encode(bytes).map(|it| Value::Text(Text::from(it))).map_err(Error::new)
    }))
}

fn decode(args: Given<'_>) -> Result<PreparedMethod> {
    let scheme = scheme(args)?;
    Ok(Box::new(move |machine, value| {
        let text = bytes_of(&value)?;
        machine.budget().bytes(text.len())?;
        scheme.decode(text).map(|it| Value::Bytes(Binary::from(it))).map_err(Error::new)
    }))
}

type Hash = Box<dyn Fn(&[u8]) -> Vec<u8> + Send + Sync>;

fn digest<D: Digest>(bytes: &[u8]) -> Vec<u8> {
    D::digest(bytes).to_vec()
}

macro_rules! hmac {
    ($digest:ty, $key:expr) => {{
        let key: Vec<u8> = $key;
        Box::new(move |bytes: &[u8]| {
            let mut mac = Hmac::<$digest>::new_from_slice(&key).expect("a key may have any length");
            mac.update(bytes);
            mac.finalize().into_bytes().to_vec()
        })
    }};
}

/// A checksum of 32 bits by a polynomial, its lowest power first.
fn crc32(bytes: &[u8], polynomial: u32) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ polynomial } else { crc >> 1 };
        }
    }
    !crc
}

/// FNV-1 of 32 bits.
fn fnv32(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash: u32, byte| hash.wrapping_mul(0x0100_0193) ^ u32::from(*byte))
}

fn hash(args: Given<'_>) -> Result<PreparedMethod> {
    let algorithm = args.text(0);
    let key = args.opt_bytes(1).unwrap_or_default().to_vec();
    if algorithm.starts_with("hmac") && key.is_empty() {
        return Err(Error::new(format!("hash algorithm {algorithm} requires a key argument")));
    }
    let hash: Hash = match &*algorithm {
        "md5" => Box::new(digest::<Md5>),
        "sha1" => Box::new(digest::<Sha1>),
        "sha256" => Box::new(digest::<Sha256>),
        "sha512" => Box::new(digest::<Sha512>),
        "hmac_sha1" | "hmac-sha1" => hmac!(Sha1, key),
        "hmac_sha256" | "hmac-sha256" => hmac!(Sha256, key),
        "hmac_sha512" | "hmac-sha512" => hmac!(Sha512, key),
        // Bento writes this one, and the last one, in decimal.
        "xxhash64" => Box::new(|bytes| xxhash_rust::xxh64::xxh64(bytes, 0).to_string().into_bytes()),
        "fnv32" => Box::new(|bytes| fnv32(bytes).to_string().into_bytes()),
        "crc32" => {
            let polynomial = match &*args.text(2) {
                "IEEE" => 0xedb8_8320,
                "Castagnoli" => 0x82f6_3b78,
                "Koopman" => 0xeb31_d82e,
                other => {
                    let why = format!("unsupported crc32 hash key {}", crate::value::go::quote(other));
                    return Ok(Box::new(move |_, value| {
                        bytes_of(&value)?;
                        Err(Error::new(why.clone()))
                    }));
                }
            };
            Box::new(move |bytes| crc32(bytes, polynomial).to_be_bytes().to_vec())
        }
        other => return Err(Error::new(format!("unrecognized hash type: {other}"))),
    };
    Ok(Box::new(move |machine, value| {
        let bytes = bytes_of(&value)?;
        machine.budget().steps(bytes.len() as u64 / 8)?;
        Ok(Value::Bytes(Binary::from(hash(bytes))))
    }))
}

const SCHEME: &[Param] =
    &[Param::text("scheme", "One of `base64`, `base64url`, `base64rawurl`, `hex` and `ascii85`.")];

pub(super) const METHODS: &[Method] = &[
    new("encode", "A text or bytes, written in another alphabet.", MethodBody::Prepared(encode)).params(SCHEME).examples(&[
        example(r#"root = this.a.encode("base64")"#, &[(r#"{"a":"abcd"}"#, "YWJjZA==")]),
        example(r#"root = content().encode("hex")"#, &[("abc", "616263")]),
    ]),
    new("decode", "The bytes that a text holds in another alphabet.", MethodBody::Prepared(decode)).params(SCHEME).examples(&[
        example(r#"root = this.a.decode("base64").string()"#, &[(r#"{"a":"YWJjZA=="}"#, "abcd"), (
            r#"{"a":"YW!j"}"#,
            r#"Error("failed assignment (line 1): field `this.a`: illegal base64 data at input byte 2")"#,
        )]),
    ]),
    new(
        "hash",
        "A checksum of a text or of bytes, as bytes: `encode` writes it as a text. One of `md5`, `sha1`, `sha256`, `sha512`, \
         `hmac_sha1`, `hmac_sha256`, `hmac_sha512`, `xxhash64`, `crc32` and `fnv32`.",
        MethodBody::Prepared(hash),
    )
    .params(&[
        Param::text("algorithm", "The name of the checksum."),
        Param::text("key", "The key, which those that begin with `hmac` need.").optional(),
        Param::text("polynomial", "Of `crc32`: `IEEE`, `Castagnoli` or `Koopman`.").or(Constant::Text("IEEE")),
    ])
    .examples(&[
        example(r#"root = this.a.hash("sha1").encode("hex")"#, &[(
            r#"{"a":"abc"}"#,
            "a9993e364706816aba3e25717850c26c9cd0d89d",
        )]),
        example(r#"root = this.a.hash("hmac_sha256", "key").encode("hex")"#, &[(
            r#"{"a":"abc"}"#,
            "9c196e32dc0175f86f4b1cb89289d6619de6bee699e4c378e68309ed97a1a6ab",
        )]),
        example(r#"root = this.a.hash(algorithm: "crc32", polynomial: "Castagnoli").encode("hex")"#, &[(
            r#"{"a":"abc"}"#,
            "364b3fb7",
        )]),
    ]),
];
