//! Signed claims: JSON web tokens by RFC 7519, with HMAC, RSA and ECDSA.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Sha256, Sha384, Sha512};
use wappa_message::Value;

use crate::{
    error::{Error, Result},
    evaluate::Machine,
    formats::keys::{Bits, Family, Private, Public},
    registry::{
        Category, Method, Param,
        args::Given,
        bound::{MethodBody, PreparedMethod},
        example,
    },
    time,
    value::{base::Scheme, convert, types::Type},
};

const fn new(name: &'static str, description: &'static str, body: MethodBody) -> Method {
    Method::new(name, Category::Jwt, description, body).unnamed()
}

const SECRET: &[Param] = &[Param::text("signing_secret", "The secret.")];
const PRIVATE: &[Param] = &[Param::text("signing_secret", "The private key, as PEM.")];
const PUBLIC: &[Param] =
    &[Param::text("signing_secret", "The public key, or a certificate with it, as PEM.")];

/// The algorithms by which claims may be signed, as far as there are names for them.
const NAMES: [&str; 14] = [
    "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384",
    "PS512", "EdDSA", "none",
];

/// An algorithm for which there are methods.
struct Algorithm {
    name: &'static str,
    /// The kind of its keys; none: a secret that both sides know.
    family: Option<Family>,
    bits: Bits,
}

const ALGORITHMS: [Algorithm; 9] = [
    Algorithm { name: "HS256", family: None, bits: Bits::B256 },
    Algorithm { name: "HS384", family: None, bits: Bits::B384 },
    Algorithm { name: "HS512", family: None, bits: Bits::B512 },
    Algorithm { name: "RS256", family: Some(Family::Rsa), bits: Bits::B256 },
    Algorithm { name: "RS384", family: Some(Family::Rsa), bits: Bits::B384 },
    Algorithm { name: "RS512", family: Some(Family::Rsa), bits: Bits::B512 },
    Algorithm { name: "ES256", family: Some(Family::Ecdsa), bits: Bits::B256 },
    Algorithm { name: "ES384", family: Some(Family::Ecdsa), bits: Bits::B384 },
    Algorithm { name: "ES512", family: Some(Family::Ecdsa), bits: Bits::B512 },
];

/// A sum over a text that only who knows the secret can make.
fn hmac(bits: Bits, secret: &[u8], text: &[u8]) -> Vec<u8> {
    macro_rules! sum {
        ($digest:ty) => {{
            let mac = Hmac::<$digest>::new_from_slice(secret).expect("a key may have any length");
            mac.chain_update(text).finalize().into_bytes().to_vec()
        }};
    }
    match bits {
        Bits::B256 => sum!(Sha256),
        Bits::B384 => sum!(Sha384),
        Bits::B512 => sum!(Sha512),
    }
}

/// What signs claims.
enum Signer {
    Secret(Vec<u8>),
    Key(Box<Private>),
}

impl Signer {
    fn new(algorithm: &Algorithm, secret: &[u8]) -> std::result::Result<Signer, String> {
        match algorithm.family {
            None => Ok(Signer::Secret(secret.to_vec())),
            Some(family) => Private::parse(secret, family).map(|it| Signer::Key(Box::new(it))),
        }
    }

    fn sign(&self, bits: Bits, text: &[u8], machine: &mut Machine<'_>) -> Result<Vec<u8>> {
        match self {
            Signer::Secret(secret) => Ok(hmac(bits, secret, text)),
            Signer::Key(key) => {
                machine.budget().steps(key.steps())?;
                machine.budget().bytes(KEY_BYTES)?;
                key.sign(bits, text).map_err(|why| Error::new(format!("failed to sign token: {why}")))
            }
        }
    }
}

/// What tells whether claims were signed.
enum Verifier {
    Secret(Vec<u8>),
    Key(Box<Public>),
}

impl Verifier {
    fn new(algorithm: &Algorithm, secret: &[u8]) -> std::result::Result<Verifier, String> {
        match algorithm.family {
            None => Ok(Verifier::Secret(secret.to_vec())),
            Some(family) => Public::parse(secret, family).map(|it| Verifier::Key(Box::new(it))),
        }
    }

    fn steps(&self) -> u64 {
        match self {
            Verifier::Secret(_) => 0,
            Verifier::Key(key) => key.steps(),
        }
    }

    fn verify(&self, bits: Bits, text: &[u8], sum: &[u8]) -> std::result::Result<(), &'static str> {
        match self {
            Verifier::Secret(secret) => {
                let expected = hmac(bits, secret, text);
                // How long it takes says nothing of where they differ.
                let differs = expected.iter().zip(sum).fold(0, |it, (one, other)| it | (one ^ other));
                match differs == 0 && expected.len() == sum.len() {
                    true => Ok(()),
                    false => Err("signature is invalid"),
                }
            }
            Verifier::Key(key) => key.verify(bits, text, sum),
        }
    }
}

/// What numbers of a key's length take while they are worked with, in bytes.
const KEY_BYTES: usize = 64 << 10;

fn base64() -> Scheme {
    Scheme::find("base64rawurl").expect("it is there")
}

fn encoded(bytes: &[u8]) -> Result<Vec<u8>> {
    base64().encode(bytes).map_err(Error::new)
}

fn sign<const ALGORITHM: usize>(args: Given<'_>) -> Result<PreparedMethod> {
    let algorithm = &ALGORITHMS[ALGORITHM];
    let signer = Signer::new(algorithm, args.bytes(0));
    let signer = signer.map_err(|why| Error::new(format!("failed to decode signing_secret: {why}")))?;
    Ok(Box::new(move |machine, value| {
        if !matches!(value, Value::Object(_)) {
            return Err(Error::of_type(&value, &[Type::Object]));
        }
        machine.budget().bytes(value.json_len().saturating_mul(3))?;
        // As Go writes it: what HTML would take for its own is escaped.
        let claims = value.to_text();
        let header = format!(r#"{{"alg":"{}","typ":"JWT"}}"#, algorithm.name);
        let mut token = encoded(header.as_bytes())?;
        token.push(b'.');
        token.extend(encoded(&claims)?);
        let sum = signer.sign(algorithm.bits, &token, machine)?;
        token.push(b'.');
        token.extend(encoded(&sum)?);
        Ok(Value::text(token))
    }))
}

fn parse<const ALGORITHM: usize>(args: Given<'_>) -> Result<PreparedMethod> {
    let algorithm = &ALGORITHMS[ALGORITHM];
    let verifier = Verifier::new(algorithm, args.bytes(0)).map_err(Error::new)?;
    Ok(Box::new(move |machine, value| {
        let token = convert::text_of(&value).ok_or_else(|| Error::of_type(&value, &[Type::String]))?;
        machine.budget().bytes(token.len())?;
        machine.budget().steps(verifier.steps())?;
        machine.budget().bytes(if verifier.steps() == 0 { 0 } else { KEY_BYTES })?;
        let claims = claims(algorithm, &verifier, &token);
        claims.map_err(|why| Error::new(format!("failed to parse JWT string: {why}")))
    }))
}

/// The claims of a token, if they were signed with what belongs to it and they are claims of this time.
fn claims(algorithm: &Algorithm, verifier: &Verifier, token: &[u8]) -> std::result::Result<Value, String> {
    let malformed = |why: String| format!("token is malformed: {why}");
    let unverifiable = |why: &str| format!("token is unverifiable: {why}");
    let mut parts = token.split(|it| *it == b'.');
    let (Some(header), Some(claims), Some(sum), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(malformed("token contains an invalid number of segments".to_string()));
    };
    let decoded = |part: &[u8], what: &str| {
        base64().decode(part).map_err(|why| malformed(format!("could not base64 decode {what}: {why}")))
    };
    let read = |part: &[u8], what: &str| {
        let json = decoded(part, what)?;
        let fail = |why: String| malformed(format!("could not JSON decode {what}: {why}"));
        match Value::from_json(&json.into()) {
            Ok(Value::Object(object)) => Ok(object),
            Ok(other) => {
                let actual = match Type::of(&other) {
                    Type::Null => "null",
                    it => it.name(),
                };
                Err(fail(format!("json: cannot unmarshal {actual} into Go value of type jwt.MapClaims")))
            }
            Err(err) => Err(fail(err.to_string())),
        }
    };
    let signed = &token[..header.len() + 1 + claims.len()];
    let header = read(header, "header")?;
    let claims = read(claims, "claim")?;
    let Some(Value::Text(name)) = header.get("alg") else {
        return Err(unverifiable("signing method (alg) is unspecified"));
    };
    if !NAMES.iter().any(|it| it.as_bytes() == name.as_slice()) {
        return Err(unverifiable("signing method (alg) is unavailable"));
    }
    let sum = decoded(sum, "signature")?;
    if name.as_slice() != algorithm.name.as_bytes() {
        let name = String::from_utf8_lossy(&name);
        return Err(unverifiable(&format!(
            "error while executing keyfunc: incorrect signing method: {name}"
        )));
    }
    if let Err(why) = verifier.verify(algorithm.bits, signed, &sum) {
        return Err(format!("token signature is invalid: {why}"));
    }
    let now = time::unix(&time::now(), 1000) as f64 / 1000.0;
    let mut problems = Vec::new();
    for (key, why, fits) in [
        ("exp", "token is expired", (|now, then| now < then) as fn(f64, f64) -> bool),
        ("nbf", "token is not valid yet", |now, then| then <= now),
    ] {
        let Some(claim) = claims.get(key) else { continue };
        match convert::number_of(&claim) {
            None => problems.push(format!("invalid type for claim: {key} is invalid")),
            // As Go has it, a zero is none.
            Some(then) if then == 0.0 || fits(now, then) => (),
            Some(_) => problems.push(why.to_string()),
        }
    }
    match problems.is_empty() {
        true => Ok(Value::Object(claims)),
        false => Err(format!("token has invalid claims: {}", problems.join(", "))),
    }
}

macro_rules! pair {
    ($sign:literal, $parse:literal, $algorithm:literal, $name:literal, $token:literal) => {
        [
            new(
                $sign,
                concat!("A token of the claims that an object holds, signed with ", $name, "."),
                MethodBody::Prepared(sign::<$algorithm>),
            )
            .params(SECRET)
            .examples(&[example(concat!("root = this.", $sign, "(\"secret\")"), &[(r#"{"sub":"user123"}"#, $token)])]),
            new(
                $parse,
                concat!(
                    "The claims of a token that was signed with ",
                    $name,
                    ". It fails if the secret is another one, if the claims are no longer valid, or not yet."
                ),
                MethodBody::Prepared(parse::<$algorithm>),
            )
            .params(SECRET)
            .examples(&[
                example(concat!("root = this.token.", $parse, "(\"secret\")"), &[(
                    concat!("{\"token\":\"", $token, "\"}"),
                    r#"{"sub":"user123"}"#,
                )]),
                example(concat!("root = this.token.", $parse, "(\"other\")"), &[(
                    concat!("{\"token\":\"", $token, "\"}"),
                    "Error(\"failed assignment (line 1): failed to parse JWT string: token signature is invalid: \
                     signature is invalid\")",
                )]),
            ]),
        ]
    };
}

const HS256_METHODS: [Method; 2] = pair!(
    "sign_jwt_hs256",
    "parse_jwt_hs256",
    0,
    "HMAC and SHA-256",
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJ1c2VyMTIzIn0.PRfgtVejObUBz2QxK0zPVWK7TIcsClHUnBPKYifQCAE"
);
const HS384_METHODS: [Method; 2] = pair!(
    "sign_jwt_hs384",
    "parse_jwt_hs384",
    1,
    "HMAC and SHA-384",
    "eyJhbGciOiJIUzM4NCIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJ1c2VyMTIzIn0.MnAsxlurBKyrI0VzMZtpmHptKgr-BFarKSgRwQQfrRB-xyn0Iqh7RUMaYc_BFP0z"
);
const HS512_METHODS: [Method; 2] = pair!(
    "sign_jwt_hs512",
    "parse_jwt_hs512",
    2,
    "HMAC and SHA-512",
    "eyJhbGciOiJIUzUxMiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJ1c2VyMTIzIn0.4lbh3iXNCLNCtJqQupzQM3xHB8JDo3jQPpnIEA8UXsopGnS7YF4zKurKW4Q6BjzLRBVHeaIDV2CG7Vude6aA-A"
);

macro_rules! pair_of_keys {
    ($sign:literal, $parse:literal, $algorithm:literal, $name:literal, $public:expr, $token:literal) => {
        [
            new(
                $sign,
                concat!("A token of the claims that an object holds, signed with ", $name, "."),
                MethodBody::Prepared(sign::<$algorithm>),
            )
            .params(PRIVATE)
            .compiles()
            .examples(&[example(
                concat!("root.token = this.", $sign, "(file(\"private.pem\").string())"),
                &[],
            )]),
            new(
                $parse,
                concat!(
                    "The claims of a token that was signed with ",
                    $name,
                    ". It fails if the key is another one, if the claims are no longer valid, or not yet."
                ),
                MethodBody::Prepared(parse::<$algorithm>),
            )
            .params(PUBLIC)
            .compiles()
            .examples(&[example(
                concat!("let key = \"\"\"", $public, "\"\"\"\nroot = this.token.", $parse, "($key)"),
                &[(concat!("{\"token\":\"", $token, "\"}"), r#"{"sub":"user123"}"#)],
            )]),
        ]
    };
}

macro_rules! rsa_key {
    () => {
        "-----BEGIN PUBLIC KEY-----\n\
         MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAsigB85p33k2ODV9HTUkW\n\
         jK9mlveNOggs58xi0zRUMjHgCGafcn5PN4WHJ7Uo6fQ/uIHfF1/J4PbkmAm7nicI\n\
         S13npH3btWOd/GzbNXf1kJ1b65ffvPf+q+ElrCefX0Q3z55TTVkfrqPVjVC/nnF2\n\
         u2bhvdVrZ2mIa++RRbCT3/zDOOu6xVAbOHXtxCFbthHGH5P4GUnf7dXLRmtPlZo6\n\
         QsPbkDhDCM0B04nbgYMU6c6LuqhGHB2jdq+pLPCkis37zFcieu14woyKZR2jExG4\n\
         CMXerSJvPi9PQjdy+2zTYXXjTdHOdNqt85KAIyLvkViDL+waRJc5OrnKFpNqDyZI\n\
         2QIDAQAB\n\
         -----END PUBLIC KEY-----"
    };
}

const RS256_METHODS: [Method; 2] = pair_of_keys!(
    "sign_jwt_rs256",
    "parse_jwt_rs256",
    3,
    "RSA and SHA-256",
    rsa_key!(),
    "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJ1c2VyMTIzIn0.kdJ4bRML9XhNKmWnqDRtYk34L3GCor3cEs55OEw94HHyUvpxwd855z3kfKC-6bR5So--ChuZCXQLGpj50F9tKoLlVRezZ98WnCIxoXYl9J0dmYNq_lVZaeXToOP04nmZWiEwmV2crgExtgud0a7Mr4y3bYBWKZ44X9qw1EF8WfTFjXCIRDLH9MBSIiv7buaa8fN-YnkAX3GVO7KMJIXxTUuomo-OYta9uWC6j_v8ft_sMPISctuu4SYWJGEB441qN8vQK_7NxRqwgn1f2ovTH_MBrY7VSNqe0jh7Tp3MLDGMOnVWiCJdtun6oSgTjE0M4JTLJ1IsMYFHC2ijob9CjQ"
);
const RS384_METHODS: [Method; 2] = pair_of_keys!(
    "sign_jwt_rs384",
    "parse_jwt_rs384",
    4,
    "RSA and SHA-384",
    rsa_key!(),
    "eyJhbGciOiJSUzM4NCIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJ1c2VyMTIzIn0.HPx0nt1gR7iMTLpcp4R-wSOd57lk5jKtcAI_GfXp5rumBDxdn4VNyfnTtWhIlItPhTrhesqGZuO30FvDfSGlUayfIEhC0AZHcLh771XgoJ38mTv1X16gh-5vnMpTY91cw35q0bZl9tNzoXndvh3S5hsFygFHU5lEAq3IEKcfHWLo71tAu5oVV8TnqY3zFodtM0Af_SpbVer5yzhldCa13NYO3VmxjzWfCxdY5aYVrwsrvCbdEzINU-BFZywRTuFrHC1ma4Hdhmqnph92dzBqrFE42z_Srann5TXVTjdHwIqA_Kuy2DP6c6yjgqmxS4h9EKtP1YOsBR9lQT3d46emsg"
);
const RS512_METHODS: [Method; 2] = pair_of_keys!(
    "sign_jwt_rs512",
    "parse_jwt_rs512",
    5,
    "RSA and SHA-512",
    rsa_key!(),
    "eyJhbGciOiJSUzUxMiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJ1c2VyMTIzIn0.i7Ou89m_xL-qfpt4LM-d5EylYV6_zn5lwQYWa4Nu0irO-7m_fmC9WrAJICPURsw9rfAX_s7rr3Yf7makqhvDaE5FgkY0ehaRIA9Gmdpb5hr6j6mMezrMGcAq0j9iZfZcjavGXO3wTUiCt0kFTH8VhItzz-uI4tNRWaZJhmq40Rkm71SeW6OLh9ced5-pkGKeGR5_r6x7u9G9IDjRaIvD9fFfozVvt7D_Vk7-hAC75ujX4uhh9ygEquyyBbhvRBlOgPjS1Ktz_Qn-t8Ffr_IhcF4y3ZklKvpAfBXvdjJMbf4zAh73qo2DgASzLpQZ6hzb3UiZ2Rz0KAANvlIdHOcEPQ"
);
const ES256_METHODS: [Method; 2] = pair_of_keys!(
    "sign_jwt_es256",
    "parse_jwt_es256",
    6,
    "ECDSA and SHA-256",
    "-----BEGIN PUBLIC KEY-----\n\
     MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEYfIKKD85LfdABEPEoyxJsB5m72Hq\n\
     HlRRY+Tn9W73lg87HIqjHnB04V4DzlX/8xlxuR3Wi+k2CdsUhZhIN4Aydw==\n\
     -----END PUBLIC KEY-----",
    "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJ1c2VyMTIzIn0.FU23ltDilNJ7xTCaxEVtOTw2CHNyiBTFLCqYBL5TVyiUT1WLyr2yxeldf3nKwv3Sg_xyv9TRYiyAJQv5zSwWfA"
);
const ES384_METHODS: [Method; 2] = pair_of_keys!(
    "sign_jwt_es384",
    "parse_jwt_es384",
    7,
    "ECDSA and SHA-384",
    "-----BEGIN PUBLIC KEY-----\n\
     MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAESb60RrzxfbBA+5DlfMYqyYH5GocEUM+Q\n\
     4LmwaOeBIy61mC9sRsgVnTkLvqIQ4WLxnoJxfhCMz34kSMeWIhckvl+kblDYpYPo\n\
     9a/gWUk9gnV5yV4fPb5ZkLwK/uEprYLd\n\
     -----END PUBLIC KEY-----",
    "eyJhbGciOiJFUzM4NCIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJ1c2VyMTIzIn0.aupPmLVH84ZSftK1UYy9aK_xmkA4eLthM-fnrO-g15S3EdaYHOK74q3LKDvR7ZgOmjkTPAL5yU4hAhnAqRrdmJ-pYrI3hkcxMe8JgjWRWMW1wqyHP7JPXQ_wficMPCkR"
);
const ES512_METHODS: [Method; 2] = pair_of_keys!(
    "sign_jwt_es512",
    "parse_jwt_es512",
    8,
    "ECDSA and SHA-512",
    "-----BEGIN PUBLIC KEY-----\n\
     MIGbMBAGByqGSM49AgEGBSuBBAAjA4GGAAQBsW6E95HkxdgMGVVArEqlwfhzf5tF\n\
     wcWDEKCAL1IcNeTZeDvl1JV9AMrWUKR2rY1Y20ZhB3qc6IGvfFSDhw9AcD8BGmpo\n\
     L8Vkv0hAcMtuydlz8netPi19+xY8tHKm4UkZqmkqGVZUYhgB07rr43j2kp9y+Wi/\n\
     65jeAM3cBxja9xCPYKM=\n\
     -----END PUBLIC KEY-----",
    "eyJhbGciOiJFUzUxMiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJ1c2VyMTIzIn0.ASBmYBi6HvMxeR1cL0-p--02ieQo7ICWWCO9NuZAWvuP_q8D1KaoFQGeSg8NjgssU0_-4hdKDp3ADf42gt3mrbl7AEkTqYH6aVPRmdmIcQG0Ix4RPTPOJh2kCRxs78f3uSbAIUzo3u__mDxtYkylnj0Qnx5IOJKPF43VMNhK_Rl9QEPI"
);

pub(super) const METHODS: &[Method] = {
    let [sign_256, parse_256] = HS256_METHODS;
    let [sign_384, parse_384] = HS384_METHODS;
    let [sign_512, parse_512] = HS512_METHODS;
    let [sign_rsa_256, parse_rsa_256] = RS256_METHODS;
    let [sign_rsa_384, parse_rsa_384] = RS384_METHODS;
    let [sign_rsa_512, parse_rsa_512] = RS512_METHODS;
    let [sign_ecdsa_256, parse_ecdsa_256] = ES256_METHODS;
    let [sign_ecdsa_384, parse_ecdsa_384] = ES384_METHODS;
    let [sign_ecdsa_512, parse_ecdsa_512] = ES512_METHODS;
    &[
        sign_256,
        parse_256,
        sign_384,
        parse_384,
        sign_512,
        parse_512,
        sign_rsa_256,
        parse_rsa_256,
        sign_rsa_384,
        parse_rsa_384,
        sign_rsa_512,
        parse_rsa_512,
        sign_ecdsa_256,
        parse_ecdsa_256,
        sign_ecdsa_384,
        parse_ecdsa_384,
        sign_ecdsa_512,
        parse_ecdsa_512,
    ]
};
