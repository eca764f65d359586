//! Methods that encrypt and decrypt.

use wappa_message::{Binary, Text, Value};

use super::strings::bytes_of;
use crate::{
    error::{Error, Result},
    formats::aes::{Way, turn},
    registry::{
        Category, Method, Param,
        args::Given,
        bound::{MethodBody, PreparedMethod},
        example,
    },
};

const fn new(name: &'static str, description: &'static str, body: MethodBody) -> Method {
    Method::new(name, Category::Encoding, description, body).params(PARAMS)
}

const PARAMS: &[Param] = &[
    Param::text("scheme", "One of `ctr`, `gcm`, `cbc` and, for what is old, `ofb`."),
    Param::text("key", "The key: 16, 24 or 32 bytes."),
    Param::text(
        "iv",
        "Where the cipher begins: 16 bytes, or 12 for `gcm`. It should not be used twice with one key.",
    ),
];

fn aes(way: Way, args: Given<'_>) -> Result<PreparedMethod> {
    let turn = turn(way, &args.text(0), args.bytes(1), args.bytes(2)).map_err(Error::new)?;
    Ok(Box::new(move |machine, value| {
        let bytes = bytes_of(&value)?;
        machine.budget().bytes(bytes.len().saturating_add(16))?;
        machine.budget().steps(bytes.len() as u64 / 8)?;
        let turned = turn(bytes).map_err(Error::new)?;
        Ok(match way {
            Way::Encrypt => Value::Text(Text::from(turned)),
            Way::Decrypt => Value::Bytes(Binary::from(turned)),
        })
    }))
}

pub(super) const METHODS: &[Method] = &[
    new(
        "encrypt_aes",
        "The text encrypted by AES. With `cbc` it has to be whole blocks of 16 bytes; with `gcm` a mark of 16 bytes that \
         shows changes follows it.",
        MethodBody::Prepared(|args| aes(Way::Encrypt, args)),
    )
    .examples(&[example(
        r#"root = this.a.encrypt_aes("ctr", "0123456789abcdef", "fedcba9876543210").encode("hex")"#,
        &[(r#"{"a":"secret"}"#, "782eb5039304")],
    )]),
    new(
        "decrypt_aes",
        "What was encrypted by AES with the same scheme, key and beginning, as bytes.",
        MethodBody::Prepared(|args| aes(Way::Decrypt, args)),
    )
    .examples(&[example(
        r#"root = this.a.decode("hex").decrypt_aes("ctr", "0123456789abcdef", "fedcba9876543210")"#,
        &[(r#"{"a":"782eb5039304"}"#, "secret")],
    )]),
];
