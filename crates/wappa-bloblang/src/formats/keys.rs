//! Keys that are written as PEM, and what is signed with them: RSA by PKCS #1 v1.5, and ECDSA on the curves of NIST.

use ecdsa::signature::hazmat::{PrehashSigner, PrehashVerifier};
use pkcs8::{DecodePrivateKey, DecodePublicKey};
use rsa::{
    Pkcs1v15Sign, PrivateKey, PublicKey,
    pkcs1::{DecodeRsaPrivateKey, DecodeRsaPublicKey},
    traits::PublicKeyParts,
};
use sha2::{Digest, Sha256, Sha384, Sha512};

/// A digest of this many bits is what is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bits {
    B256,
    B384,
    B512,
}

impl Bits {
    fn digest(self, text: &[u8]) -> Vec<u8> {
        match self {
            Bits::B256 => Sha256::digest(text).to_vec(),
            Bits::B384 => Sha384::digest(text).to_vec(),
            Bits::B512 => Sha512::digest(text).to_vec(),
        }
    }

    fn scheme(self) -> Pkcs1v15Sign {
        match self {
            Bits::B256 => Pkcs1v15Sign::new::<Sha256>(),
            Bits::B384 => Pkcs1v15Sign::new::<Sha384>(),
            Bits::B512 => Pkcs1v15Sign::new::<Sha512>(),
        }
    }

    /// How long a signature of ECDSA with it is: two numbers of the curve that goes with it.
    fn signature_len(self) -> usize {
        match self {
            Bits::B256 => 64,
            Bits::B384 => 96,
            Bits::B512 => 132,
        }
    }
}

/// What signs.
pub(crate) enum Private {
    Rsa(Box<PrivateKey>),
    P256(p256::ecdsa::SigningKey),
    P384(p384::ecdsa::SigningKey),
    P521(p521::ecdsa::SigningKey),
}

/// What tells whether it was signed.
#[derive(Debug)]
pub(crate) enum Public {
    Rsa(PublicKey),
    P256(p256::ecdsa::VerifyingKey),
    P384(p384::ecdsa::VerifyingKey),
    P521(p521::ecdsa::VerifyingKey),
}

/// Which kind of key is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    Rsa,
    Ecdsa,
}

impl Family {
    fn name(self) -> &'static str {
        match self {
            Family::Rsa => "RSA",
            Family::Ecdsa => "ECDSA",
        }
    }
}

const NO_PEM: &str = "invalid key: Key must be a PEM encoded PKCS1 or PKCS8 key";

fn contents(text: &[u8]) -> Result<Vec<u8>, String> {
    pem::parse(text).map(pem::Pem::into_contents).map_err(|_| NO_PEM.to_string())
}

impl Private {
    /// The key of the first block of PEM, by PKCS #1, SEC 1 or PKCS #8.
    pub(crate) fn parse(text: &[u8], family: Family) -> Result<Private, String> {
        let der = contents(text)?;
        macro_rules! of_curve {
            ($curve:ident, $variant:ident) => {{
                let key = $curve::SecretKey::from_sec1_der(&der).ok();
                let key = key.or_else(|| $curve::SecretKey::from_pkcs8_der(&der).ok());
                key.map(|it| Private::$variant($curve::ecdsa::SigningKey::from(it)))
            }};
        }
        let key = match family {
            Family::Rsa => {
                let key = PrivateKey::from_pkcs1_der(&der).ok();
                let key = key.or_else(|| PrivateKey::from_pkcs8_der(&der).ok());
                key.map(|it| Private::Rsa(Box::new(it)))
            }
            Family::Ecdsa => {
                of_curve!(p256, P256).or_else(|| of_curve!(p384, P384)).or_else(|| of_curve!(p521, P521))
            }
        };
        key.ok_or_else(|| format!("key is not a valid {} private key", family.name()))
    }

    /// The signature of a text; none where the key is none for digests of this length.
    pub(crate) fn sign(&self, bits: Bits, text: &[u8]) -> Result<Vec<u8>, String> {
        let digest = bits.digest(text);
        let ecdsa = |it: Result<Vec<u8>, ecdsa::Error>| it.map_err(|err| err.to_string());
        match (self, bits) {
            (Private::Rsa(key), _) => {
                // Blinded with random numbers, so that how long it takes says nothing of the key.
                key.sign_with_rng(&mut rand::rng(), bits.scheme(), &digest)
                    .map_err(|_| "crypto/rsa: message too long for RSA key size".to_string())
            }
            (Private::P256(key), Bits::B256) => {
                ecdsa(key.sign_prehash(&digest).map(|it: p256::ecdsa::Signature| it.to_bytes().to_vec()))
            }
            (Private::P384(key), Bits::B384) => {
                ecdsa(key.sign_prehash(&digest).map(|it: p384::ecdsa::Signature| it.to_bytes().to_vec()))
            }
            (Private::P521(key), Bits::B512) => {
                ecdsa(key.sign_prehash(&digest).map(|it: p521::ecdsa::Signature| it.to_bytes().to_vec()))
            }
            _ => Err("key is invalid".to_string()),
        }
    }

    /// How many steps a signature is, roughly.
    pub(crate) fn steps(&self) -> u64 {
        match self {
            // A power of as many bits as the number has.
            Private::Rsa(key) => (key.size() as u64).pow(3) / 400,
            _ => ECDSA_STEPS,
        }
    }
}

/// How many steps a signature on a curve is, made or looked at.
const ECDSA_STEPS: u64 = 40_000;

impl Public {
    /// The key of the first block of PEM: that of a certificate as well.
    pub(crate) fn parse(text: &[u8], family: Family) -> Result<Public, String> {
        let der = contents(text)?;
        let inner = certified(&der).unwrap_or(&der);
        let key = match family {
            Family::Rsa => {
                let key = PublicKey::from_public_key_der(inner).ok();
                key.or_else(|| PublicKey::from_pkcs1_der(inner).ok()).map(Public::Rsa)
            }
            Family::Ecdsa => {
                let key = p256::PublicKey::from_public_key_der(inner).ok().map(|it| Public::P256(it.into()));
                let key = key.or_else(|| {
                    p384::PublicKey::from_public_key_der(inner).ok().map(|it| Public::P384(it.into()))
                });
                key.or_else(|| {
                    p521::PublicKey::from_public_key_der(inner).ok().map(|it| Public::P521(it.into()))
                })
            }
        };
        key.ok_or_else(|| format!("key is not a valid {} public key", family.name()))
    }

    /// Whether this is a signature of the text.
    pub(crate) fn verify(&self, bits: Bits, text: &[u8], signature: &[u8]) -> Result<(), &'static str> {
        let digest = bits.digest(text);
        macro_rules! is_signed {
            ($curve:ident, $key:expr) => {
                signature.len() == bits.signature_len()
                    && $curve::ecdsa::Signature::from_slice(signature)
                        .is_ok_and(|it| $key.verify_prehash(&digest, &it).is_ok())
            };
        }
        let (is_signed, why) = match self {
            Public::Rsa(key) => {
                (key.verify(bits.scheme(), &digest, signature).is_ok(), "crypto/rsa: verification error")
            }
            Public::P256(key) => (is_signed!(p256, key), ECDSA_ERROR),
            Public::P384(key) => (is_signed!(p384, key), ECDSA_ERROR),
            Public::P521(key) => (is_signed!(p521, key), ECDSA_ERROR),
        };
        if is_signed { Ok(()) } else { Err(why) }
    }

    /// How many steps it is to look at a signature, roughly.
    pub(crate) fn steps(&self) -> u64 {
        match self {
            Public::Rsa(key) => (key.size() as u64).pow(2) / 10,
            _ => ECDSA_STEPS,
        }
    }
}

const ECDSA_ERROR: &str = "crypto/ecdsa: verification error";

/// The key in a certificate. Source: RFC 5280, 4.1.
fn certified(der: &[u8]) -> Option<&[u8]> {
    const SEQUENCE: u8 = 0x30;
    const VERSION: u8 = 0xa0;
    let (tag, certificate, _) = element(der)?;
    let (inner_tag, mut rest, _) = element(certificate)?;
    if tag != SEQUENCE || inner_tag != SEQUENCE {
        return None;
    }
    if rest.first() == Some(&VERSION) {
        rest = element(rest)?.2;
    }
    // Serial number, algorithm, issuer, validity, subject.
    for _ in 0..5 {
        rest = element(rest)?.2;
    }
    let (tag, _, after) = element(rest)?;
    (tag == SEQUENCE).then(|| &rest[..rest.len() - after.len()])
}

/// The first element of DER: its tag, its content, and what follows.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (len, rest) = match first {
        0..0x80 => (usize::from(first), rest),
        _ => {
            let n = usize::from(first & 0x7f);
            let (digits, rest) = rest.split_at_checked(n).filter(|_| n <= 4)?;
            (digits.iter().fold(0, |len, it| len << 8 | usize::from(*it)), rest)
        }
    };
    let (content, after) = rest.split_at_checked(len)?;
    Some((tag, content, after))
}
