//! The cipher AES in the modes that mappings know.

use aes::{
    Aes128, Aes192, Aes256, Block,
    cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyInit, KeyIvInit, StreamCipher, consts::U12},
};
use aes_gcm::{AesGcm, aead::Aead};

/// Turns a text into its cipher, or back.
pub(crate) type Turn = Box<dyn Fn(&[u8]) -> Result<Vec<u8>, String> + Send + Sync>;

/// Which way a text is turned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Encrypt,
    Decrypt,
}

const BLOCK: usize = 16;
const NONCE: usize = 12;

type Gcm<C> = AesGcm<C, U12>;

fn told(err: impl std::fmt::Display) -> String {
    err.to_string()
}

macro_rules! stream {
    ($mode:ty, $key:expr, $iv:expr, $text:expr) => {{
        let mut text = $text.to_vec();
        let mut mode = <$mode>::new_from_slices($key, $iv).map_err(told)?;
        mode.try_apply_keystream(&mut text).map_err(told)?;
        Ok(text)
    }};
}

macro_rules! blocks {
    ($mode:ty, $turn:ident, $what:literal, $key:expr, $iv:expr, $text:expr) => {{
        let mut text = $text.to_vec();
        let (blocks, []) = Block::slice_as_chunks_mut(&mut text) else {
            return Err(concat!($what, " is not a multiple of the block size").to_string());
        };
        <$mode>::new_from_slices($key, $iv).map_err(told)?.$turn(blocks);
        Ok(text)
    }};
}

macro_rules! encrypt_blocks {
    ($mode:ty, $key:expr, $iv:expr, $text:expr) => {
        blocks!($mode, encrypt_blocks, "plaintext", $key, $iv, $text)
    };
}

macro_rules! decrypt_blocks {
    ($mode:ty, $key:expr, $iv:expr, $text:expr) => {
        blocks!($mode, decrypt_blocks, "ciphertext", $key, $iv, $text)
    };
}

fn nonce(iv: &[u8]) -> Result<[u8; NONCE], String> {
    iv.try_into().map_err(|_| "crypto/cipher: incorrect nonce length given to GCM".to_string())
}

macro_rules! seal {
    ($mode:ty, $key:expr, $iv:expr, $text:expr) => {{
        let mode = <$mode>::new_from_slice($key).map_err(told)?;
        mode.encrypt(&nonce($iv)?.into(), $text).map_err(told)
    }};
}

macro_rules! open {
    ($mode:ty, $key:expr, $iv:expr, $text:expr) => {{
        let mode = <$mode>::new_from_slice($key).map_err(told)?;
        let opened = mode.decrypt(&nonce($iv)?.into(), $text);
        opened.map_err(|_| "gcm decrypting failed: cipher: message authentication failed".to_string())
    }};
}

/// A cipher by its scheme, its key and where it begins. What is wrong with them is told in Go's words.
pub(crate) fn turn(way: Way, scheme: &str, key: &[u8], iv: &[u8]) -> Result<Turn, String> {
    if !matches!(key.len(), 16 | 24 | 32) {
        return Err(format!("crypto/aes: invalid key size {}", key.len()));
    }
    if matches!(scheme, "ctr" | "ofb" | "cbc") && iv.len() != BLOCK {
        return Err("the key must match the initialisation vector size".to_string());
    }
    let (key, iv) = (key.to_vec(), iv.to_vec());
    macro_rules! of_key {
        ($turn:ident, $($mode:tt)*) => {
            match key.len() {
                16 => Box::new(move |text| $turn!($($mode)*::<Aes128>, &key, &iv, text)),
                24 => Box::new(move |text| $turn!($($mode)*::<Aes192>, &key, &iv, text)),
                _ => Box::new(move |text| $turn!($($mode)*::<Aes256>, &key, &iv, text)),
            }
        };
    }
    Ok(match (scheme, way) {
        ("ctr", _) => of_key!(stream, ctr::Ctr128BE),
        ("ofb", _) => of_key!(stream, ofb::Ofb),
        ("cbc", Way::Encrypt) => of_key!(encrypt_blocks, cbc::Encryptor),
        ("cbc", Way::Decrypt) => of_key!(decrypt_blocks, cbc::Decryptor),
        ("gcm", Way::Encrypt) => of_key!(seal, Gcm),
        ("gcm", Way::Decrypt) => of_key!(open, Gcm),
        (other, Way::Encrypt) => return Err(format!("unrecognized encryption type: {other}")),
        (other, Way::Decrypt) => return Err(format!("unrecognized decryption type: {other}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encrypted_can_be_decrypted() {
        let text = b"a text of 32 bytes, so two blocks";
        for scheme in ["ctr", "ofb", "cbc", "gcm"] {
            for key in [16, 24, 32].map(|it| vec![7; it]) {
                let iv = vec![9; if scheme == "gcm" { NONCE } else { BLOCK }];
                let encrypt = turn(Way::Encrypt, scheme, &key, &iv).expect("they fit");
                let decrypt = turn(Way::Decrypt, scheme, &key, &iv).expect("they fit");
                let encrypted = encrypt(&text[..32]).expect("it is whole blocks");
                assert_ne!(encrypted, text[..32]);
                assert_eq!(decrypt(&encrypted).as_deref(), Ok(&text[..32]), "{scheme}");
                if scheme == "cbc" {
                    assert_eq!(
                        encrypt(text),
                        Err("plaintext is not a multiple of the block size".to_string())
                    );
                    assert_eq!(
                        decrypt(text),
                        Err("ciphertext is not a multiple of the block size".to_string())
                    );
                }
                if scheme == "gcm" {
                    let err = "gcm decrypting failed: cipher: message authentication failed";
                    assert_eq!(decrypt(text), Err(err.to_string()));
                }
            }
        }
    }
}
