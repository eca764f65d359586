//! Certificates and keys as texts: PEM, with the two ways in which keys are encrypted there.

use aes::{Aes128, Aes192, Aes256};
use cbc::{
    Decryptor,
    cipher::{BlockModeDecrypt, KeyIvInit, block_padding::Pkcs7},
};
use des::TdesEde3;
use md5::{Digest, Md5};
use pem::Pem;
use pkcs8::EncryptedPrivateKeyInfoRef;
use rustls::pki_types::{
    CertificateDer, PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer,
};

/// All certificates of a text; at least one. `name` is what an error calls the text.
pub(super) fn certificates(text: &[u8], name: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Vec<_> = parse(text, name)?
        .into_iter()
        .filter(|it| it.tag() == "CERTIFICATE")
        .map(|it| CertificateDer::from(it.into_contents()))
        .collect();
    if found.is_empty() {
        return Err(format!("{name}: there is no certificate in it"));
    }
    Ok(found)
}

/// The first key of a text, decrypted if need be.
pub(super) fn key(text: &[u8], password: &str, name: &str) -> Result<PrivateKeyDer<'static>, String> {
    for pem in parse(text, name)? {
        let failed = |why: &str| format!("{name}: {why}");
        let of_pem = |pem: &Pem| match pem.headers().get("DEK-Info") {
            Some(info) => decrypt(pem.contents(), info, password).map_err(|err| failed(&err)),
            None => Ok(pem.contents().to_vec()),
        };
        return Ok(match pem.tag() {
            "PRIVATE KEY" => PrivatePkcs8KeyDer::from(pem.into_contents()).into(),
            "RSA PRIVATE KEY" => PrivatePkcs1KeyDer::from(of_pem(&pem)?).into(),
            "EC PRIVATE KEY" => PrivateSec1KeyDer::from(of_pem(&pem)?).into(),
            "ENCRYPTED PRIVATE KEY" => {
                let info = EncryptedPrivateKeyInfoRef::try_from(pem.contents())
                    .map_err(|err| failed(&format!("an encrypted key that cannot be read: {err}")))?;
                let key = info.decrypt(password).map_err(|_| failed(WRONG_PASSWORD))?;
                PrivatePkcs8KeyDer::from(key.as_bytes().to_vec()).into()
            }
            _ => continue,
        });
    }
    Err(format!("{name}: there is no private key in it"))
}

const WRONG_PASSWORD: &str = "the key cannot be decrypted with `password`";

fn parse(text: &[u8], name: &str) -> Result<Vec<Pem>, String> {
    pem::parse_many(text).map_err(|err| format!("{name}: {err}"))
}

/// What OpenSSL wrote before there was PKCS #8: the cipher and its start are in a header, as RFC 1421 has it.
fn decrypt(data: &[u8], info: &str, password: &str) -> Result<Vec<u8>, String> {
    let (cipher, iv) = info.split_once(',').ok_or("a header `DEK-Info` that cannot be read")?;
    let iv = hex(iv.trim()).ok_or("a header `DEK-Info` that cannot be read")?;
    let salt = iv.get(..8).ok_or("a header `DEK-Info` that cannot be read")?;
    let decrypted = match cipher {
        "AES-128-CBC" => decrypt_with::<Decryptor<Aes128>>(data, &derive(password, salt, 16), &iv),
        "AES-192-CBC" => decrypt_with::<Decryptor<Aes192>>(data, &derive(password, salt, 24), &iv),
        "AES-256-CBC" => decrypt_with::<Decryptor<Aes256>>(data, &derive(password, salt, 32), &iv),
        "DES-EDE3-CBC" => decrypt_with::<Decryptor<TdesEde3>>(data, &derive(password, salt, 24), &iv),
        other => return Err(format!("a key that is encrypted with `{other}`, which is not supported")),
    };
    decrypted.ok_or_else(|| WRONG_PASSWORD.to_string())
}

fn decrypt_with<C: BlockModeDecrypt + KeyIvInit>(data: &[u8], key: &[u8], iv: &[u8]) -> Option<Vec<u8>> {
    let cipher = C::new_from_slices(key, iv).ok()?;
    cipher.decrypt_padded_vec::<Pkcs7>(data).ok()
}

/// OpenSSL's `EVP_BytesToKey` with one round of MD5.
fn derive(password: &str, salt: &[u8], n_bytes: usize) -> Vec<u8> {
    let mut key: Vec<u8> = Vec::with_capacity(n_bytes + 16);
    let mut last = Vec::new();
    while key.len() < n_bytes {
        let mut digest = Md5::new();
        digest.update(&last);
        digest.update(password);
        digest.update(salt);
        last = digest.finalize().to_vec();
        key.extend_from_slice(&last);
    }
    key.truncate(n_bytes);
    key
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|it| u8::from_str_radix(std::str::from_utf8(it).ok()?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One key, plain.
    const SEC1: &str = "\
-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIF3oi75FnKaVcl8077Hg/2xUTZziyu57rBh39B8xf5FCoAoGCCqGSM49
AwEHoUQDQgAEgIw8Q/G4irsJdBPDK9fO3tiRoTX7/CVE4F0VQAXI4i7EO9aHaGlm
4i6Mea0ReK7tZGgxhLUHimG9kmgQMf+VpQ==
-----END EC PRIVATE KEY-----";
    const PKCS8: &str = "\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgXeiLvkWcppVyXzTv
seD/bFRNnOLK7nusGHf0HzF/kUKhRANCAASAjDxD8biKuwl0E8Mr187e2JGhNfv8
JUTgXRVABcjiLsQ71odoaWbiLox5rRF4ru1kaDGEtQeKYb2SaBAx/5Wl
-----END PRIVATE KEY-----";
    /// The same, encrypted with `secret`.
    const PKCS8_ENCRYPTED: &str = "\
-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAgNoxQwAppCzAICA+gw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEDp5pMBMNTLn0vAI7I3G5+YEgZCb
jCO1BUodn4y1gBfylf8F/EQpPWJtQjHKDtT6AEBIBBLZWQEq+EU2o9iWOAFuzde7
d+q4OL9J+os/+0dEyZ8aLfZU0jWzD6aaZGMmwM5pbPlva+FZIIYaPWDMAjd3JMCY
XMWcJlSmPHSGvGeCjPur5Ua8bLkBFTfgOcWloIrMy08lc66ryuZuPGO+47AbQ1s=
-----END ENCRYPTED PRIVATE KEY-----";
    const SEC1_AES: &str = "\
-----BEGIN EC PRIVATE KEY-----
Proc-Type: 4,ENCRYPTED
DEK-Info: AES-128-CBC,92F41AD460270D9008689F37D6529392

+QqjHb0zr8Wbjh8o9NIVQGIx9AUhFjGPe6B822dJCl8cYJByow0Z9QexmXKS3idO
wQlOFUEvv5mw6bKiztenzK0RICZ8OgdctXsyw2xlMnAG60cypQ4Krbn86O7c3jUn
oZnhkW98dye89xEpoaPMpedRRVjlTtuCbX1GYB5ngW4=
-----END EC PRIVATE KEY-----";
    const SEC1_DES: &str = "\
-----BEGIN EC PRIVATE KEY-----
Proc-Type: 4,ENCRYPTED
DEK-Info: DES-EDE3-CBC,EA2A3DA55954C61A

XkE9fhLIB3ZcK81IppZG1xzQ6DR6tWLMpCTE6yxWwYTt2MUA5bVEqnSy6fBTWSHi
Xezkbp1zKWHfyCJmPDnfad8kH5zacSfgQMbGzCYDxJt5cE8W96Xu2by+NK55HxAV
QnX90BgD92YPbE6uNtDnuKKrRYA8UcozHNg7qknNdAI=
-----END EC PRIVATE KEY-----";

    fn read(text: &str, password: &str) -> Result<Vec<u8>, String> {
        key(text.as_bytes(), password, "key").map(|it| it.secret_der().to_vec())
    }

    #[test]
    fn keys_are_decrypted() {
        assert_eq!(read(PKCS8_ENCRYPTED, "secret"), read(PKCS8, ""));
        assert_eq!(read(SEC1_AES, "secret"), read(SEC1, ""));
        assert_eq!(read(SEC1_DES, "secret"), read(SEC1, ""));
        let error = "key: the key cannot be decrypted with `password`";
        for text in [PKCS8_ENCRYPTED, SEC1_AES, SEC1_DES] {
            assert_eq!(read(text, "sesame").expect_err("that is another password"), error);
        }
    }

    #[test]
    fn what_is_no_key_is_called_so() {
        let none = "key: there is no private key in it";
        assert_eq!(read("", "").expect_err("empty"), none);
        assert_eq!(read("nonsense", "").expect_err("nonsense"), none);
        let other = SEC1_AES.replace("AES-128-CBC", "CAMELLIA-128-CBC");
        let error = "key: a key that is encrypted with `CAMELLIA-128-CBC`, which is not supported";
        assert_eq!(read(&other, "secret").expect_err("unknown"), error);
        for info in ["AES-128-CBC", "AES-128-CBC,xyz", "AES-128-CBC,00"] {
            let broken = SEC1_AES.replace("AES-128-CBC,92F41AD460270D9008689F37D6529392", info);
            let error = read(&broken, "secret").expect_err(info);
            assert_eq!(error, "key: a header `DEK-Info` that cannot be read", "{info}");
        }
        let error = certificates(SEC1.as_bytes(), "a.pem").expect_err("a key");
        assert_eq!(error, "a.pem: there is no certificate in it");
    }
}
