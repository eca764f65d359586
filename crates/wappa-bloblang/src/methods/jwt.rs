//! Claims signed with a secret: JSON web tokens by RFC 7519 with HMAC.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Sha256, Sha384, Sha512};
use wappa_message::Value;

use crate::{
    error::{Error, Result},
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
    Method::new(name, Category::Jwt, description, body).unnamed().params(SECRET)
}

const SECRET: &[Param] = &[Param::text("signing_secret", "The secret.")];

/// The algorithms by which claims may be signed, as far as there are names for them.
const NAMES: [&str; 14] = [
    "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384",
    "PS512", "EdDSA", "none",
];

/// The sum of a text with a secret, or whether it is this one.
trait Sign: Send + Sync + 'static {
    const NAME: &'static str;

    fn sign(secret: &[u8], text: &[u8]) -> Vec<u8>;

    fn is_sum(secret: &[u8], text: &[u8], sum: &[u8]) -> bool;
}

macro_rules! sign {
    ($($name:ident $digest:ty),*) => {
        $(struct $name;

        impl Sign for $name {
            const NAME: &'static str = stringify!($name);

            fn sign(secret: &[u8], text: &[u8]) -> Vec<u8> {
                let mac = Hmac::<$digest>::new_from_slice(secret).expect("a key may have any length");
                mac.chain_update(text).finalize().into_bytes().to_vec()
            }

            fn is_sum(secret: &[u8], text: &[u8], sum: &[u8]) -> bool {
                let mac = Hmac::<$digest>::new_from_slice(secret).expect("a key may have any length");
                mac.chain_update(text).verify_slice(sum).is_ok()
            }
        })*
    };
}

sign!(HS256 Sha256, HS384 Sha384, HS512 Sha512);

fn base64() -> Scheme {
    Scheme::find("base64rawurl").expect("it is there")
}

fn encoded(bytes: &[u8]) -> Result<Vec<u8>> {
    base64().encode(bytes).map_err(Error::new)
}

fn sign<S: Sign>(args: Given<'_>) -> Result<PreparedMethod> {
    let secret = args.bytes(0).to_vec();
    Ok(Box::new(move |machine, value| {
        if !matches!(value, Value::Object(_)) {
            return Err(Error::of_type(&value, &[Type::Object]));
        }
        machine.budget().bytes(value.json_len().saturating_mul(3))?;
        // As Go writes it: what HTML would take for its own is escaped.
        let claims = value.to_text();
        let header = format!(r#"{{"alg":"{}","typ":"JWT"}}"#, S::NAME);
        let mut token = encoded(header.as_bytes())?;
        token.push(b'.');
        token.extend(encoded(&claims)?);
        let sum = S::sign(&secret, &token);
        token.push(b'.');
        token.extend(encoded(&sum)?);
        Ok(Value::text(token))
    }))
}

fn parse<S: Sign>(args: Given<'_>) -> Result<PreparedMethod> {
    let secret = args.bytes(0).to_vec();
    Ok(Box::new(move |machine, value| {
        let token = convert::text_of(&value).ok_or_else(|| Error::of_type(&value, &[Type::String]))?;
        machine.budget().bytes(token.len())?;
        let claims = claims::<S>(&secret, &token);
        claims.map_err(|why| Error::new(format!("failed to parse JWT string: {why}")))
    }))
}

/// The claims of a token, if the secret signed them and they are claims of this time.
fn claims<S: Sign>(secret: &[u8], token: &[u8]) -> std::result::Result<Value, String> {
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
    if name.as_slice() != S::NAME.as_bytes() {
        let name = String::from_utf8_lossy(&name);
        return Err(unverifiable(&format!(
            "error while executing keyfunc: incorrect signing method: {name}"
        )));
    }
    if !S::is_sum(secret, signed, &sum) {
        return Err("token signature is invalid: signature is invalid".to_string());
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
    ($sign:literal, $parse:literal, $algorithm:ty, $name:literal, $token:literal) => {
        [
            new(
                $sign,
                concat!("A token of the claims that an object holds, signed with ", $name, "."),
                MethodBody::Prepared(sign::<$algorithm>),
            )
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
    HS256,
    "HMAC and SHA-256",
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJ1c2VyMTIzIn0.PRfgtVejObUBz2QxK0zPVWK7TIcsClHUnBPKYifQCAE"
);
const HS384_METHODS: [Method; 2] = pair!(
    "sign_jwt_hs384",
    "parse_jwt_hs384",
    HS384,
    "HMAC and SHA-384",
    "eyJhbGciOiJIUzM4NCIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJ1c2VyMTIzIn0.MnAsxlurBKyrI0VzMZtpmHptKgr-BFarKSgRwQQfrRB-xyn0Iqh7RUMaYc_BFP0z"
);
const HS512_METHODS: [Method; 2] = pair!(
    "sign_jwt_hs512",
    "parse_jwt_hs512",
    HS512,
    "HMAC and SHA-512",
    "eyJhbGciOiJIUzUxMiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJ1c2VyMTIzIn0.4lbh3iXNCLNCtJqQupzQM3xHB8JDo3jQPpnIEA8UXsopGnS7YF4zKurKW4Q6BjzLRBVHeaIDV2CG7Vude6aA-A"
);

pub(super) const METHODS: &[Method] = {
    let [sign_256, parse_256] = HS256_METHODS;
    let [sign_384, parse_384] = HS384_METHODS;
    let [sign_512, parse_512] = HS512_METHODS;
    &[sign_256, parse_256, sign_384, parse_384, sign_512, parse_512]
};
