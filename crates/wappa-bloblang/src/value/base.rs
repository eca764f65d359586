//! Bytes in the alphabets of texts: base64, hexadecimal, and others. Texts of errors are those of Go.

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const Z85: &[u8; 85] =
    b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";

/// A way to write bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Base64 { is_url: bool, is_padded: bool },
    Hex,
    Ascii85,
    Z85,
}

impl Scheme {
    pub(crate) fn find(name: &str) -> Option<Scheme> {
        Some(match name {
            "base64" => Scheme::Base64 { is_url: false, is_padded: true },
            "base64url" => Scheme::Base64 { is_url: true, is_padded: true },
            "base64rawurl" => Scheme::Base64 { is_url: true, is_padded: false },
            "hex" => Scheme::Hex,
            "ascii85" => Scheme::Ascii85,
            "z85" => Scheme::Z85,
            _ => return None,
        })
    }

    pub(crate) fn encode(self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        match self {
            Scheme::Base64 { is_url, is_padded } => {
                let digits = if is_url { URL } else { STANDARD };
                Ok(encode_base64(bytes, digits, is_padded))
            }
            Scheme::Hex => {
                const DIGITS: &[u8; 16] = b"0123456789abcdef";
                let mut out = Vec::with_capacity(2 * bytes.len());
                for byte in bytes {
                    out.push(DIGITS[usize::from(byte >> 4)]);
                    out.push(DIGITS[usize::from(byte & 15)]);
                }
                Ok(out)
            }
            Scheme::Ascii85 => Ok(encode_ascii85(bytes)),
            Scheme::Z85 => match bytes.len() % 4 {
                0 => Ok(bytes.chunks_exact(4).flat_map(|it| base85(it).map(|it| Z85[it])).collect()),
                _ => Err("z85: encoded data size must be a multiple of 4 bytes".to_string()),
            },
        }
    }

    pub(crate) fn decode(self, text: &[u8]) -> Result<Vec<u8>, String> {
        match self {
            Scheme::Base64 { is_url, is_padded } => decode_base64(text, is_url, is_padded),
            Scheme::Hex => decode_hex(text),
            Scheme::Ascii85 => decode_ascii85(text),
            Scheme::Z85 => decode_z85(text),
        }
    }
}

fn encode_base64(bytes: &[u8], digits: &[u8; 64], is_padded: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let byte = |idx: usize| u32::from(three.get(idx).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for idx in 0..=three.len() as u32 {
            out.push(digits[(bits >> (18 - 6 * idx)) as usize & 63]);
        }
        if is_padded {
            out.extend(std::iter::repeat_n(b'=', 3 - three.len()));
        }
    }
    out
}

fn decode_base64(text: &[u8], is_url: bool, is_padded: bool) -> Result<Vec<u8>, String> {
    let value = |byte: u8| {
        Some(match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' if !is_url => 62,
            b'/' if !is_url => 63,
            b'-' if is_url => 62,
            b'_' if is_url => 63,
            _ => return None,
        })
    };
    let bad = |at: usize| format!("illegal base64 data at input byte {at}");
    // Ends of lines are passed over.
    let mut rest = text.iter().copied().enumerate().filter(|(_, it)| !matches!(it, b'\r' | b'\n'));
    let n_text = text.iter().filter(|it| !matches!(it, b'\r' | b'\n')).count();
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 3);
    let (mut bits, mut n) = (0u32, 0);
    let mut seen = 0;
    while let Some((at, byte)) = rest.next() {
        if byte == b'=' && is_padded {
            // It stands for what is missing of four.
            if n < 2 {
                return Err(bad(at));
            }
            if n == 2 {
                match rest.next() {
                    Some((_, b'=')) => (),
                    Some((at, _)) => return Err(bad(at)),
                    None => return Err("unexpected EOF".to_string()),
                }
            }
            if let Some((at, _)) = rest.next() {
                return Err(bad(at));
            }
            bits <<= 6 * (4 - n);
            out.extend_from_slice(&bits.to_be_bytes()[1..n]);
            return Ok(out);
        }
        let Some(digit) = value(byte) else {
            // Less than four are not looked at.
            let is_cut = is_padded && n_text / 4 * 4 <= seen;
            return Err(if is_cut { "unexpected EOF".to_string() } else { bad(at) });
        };
        seen += 1;
        bits = bits << 6 | u32::from(digit);
        n += 1;
        if n == 4 {
            out.extend_from_slice(&bits.to_be_bytes()[1..]);
            (bits, n) = (0, 0);
        }
    }
    match n {
        0 => Ok(out),
        // A reader of a stream expects more.
        _ if is_padded => Err("unexpected EOF".to_string()),
        1 => Err(bad(text.len() - text.len() % 4)),
        n => {
            bits <<= 6 * (4 - n);
            out.extend_from_slice(&bits.to_be_bytes()[1..n]);
            Ok(out)
        }
    }
}

fn decode_hex(text: &[u8]) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(text.len() / 2);
    let digit = |byte: u8| {
        char::from(byte).to_digit(16).ok_or_else(|| {
            format!("encoding/hex: invalid byte: U+{byte:04X} {}", super::go::quote_char(char::from(byte)))
        })
    };
    for two in text.chunks(2) {
        let high = digit(two[0])?;
        let Some(low) = two.get(1) else { return Err("unexpected EOF".to_string()) };
        out.push((high << 4 | digit(*low)?) as u8);
    }
    Ok(out)
}

/// The five digits of four bytes.
fn base85(four: &[u8]) -> [usize; 5] {
    let mut number = 0u32;
    for idx in 0..4 {
        number = number << 8 | u32::from(four.get(idx).copied().unwrap_or(0));
    }
    let mut digits = [0; 5];
    for digit in digits.iter_mut().rev() {
        *digit = (number % 85) as usize;
        number /= 85;
    }
    digits
}

fn encode_ascii85(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() / 4 * 5 + 5);
    for four in bytes.chunks(4) {
        if four == [0; 4] {
            out.push(b'z');
            continue;
        }
        out.extend(base85(four)[..four.len() + 1].iter().map(|it| b'!' + *it as u8));
    }
    out
}

fn decode_ascii85(text: &[u8]) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(text.len() / 5 * 4 + 4);
    let (mut number, mut n) = (0u32, 0);
    for (at, byte) in text.iter().enumerate() {
        match byte {
            0..=b' ' => continue,
            b'z' if n == 0 => {
                out.extend_from_slice(&[0; 4]);
                continue;
            }
            b'!'..=b'u' => number = number.wrapping_mul(85).wrapping_add(u32::from(byte - b'!')),
            _ => return Err(format!("illegal ascii85 data at input byte {at}")),
        }
        n += 1;
        if n == 5 {
            out.extend_from_slice(&number.to_be_bytes());
            (number, n) = (0, 0);
        }
    }
    match n {
        0 => Ok(out),
        1 => Err(format!("illegal ascii85 data at input byte {}", text.len())),
        n => {
            // The digits that are missing count as the largest.
            for _ in n..5 {
                number = number.wrapping_mul(85).wrapping_add(84);
            }
            out.extend_from_slice(&number.to_be_bytes()[..n - 1]);
            Ok(out)
        }
    }
}

fn decode_z85(text: &[u8]) -> Result<Vec<u8>, String> {
    if !text.len().is_multiple_of(5) {
        return Err("z85: encoded data size must be a multiple of 5 bytes".to_string());
    }
    let mut out = Vec::with_capacity(text.len() / 5 * 4);
    for five in text.chunks_exact(5) {
        let mut number = 0u64;
        for byte in five {
            let digit = Z85.iter().position(|it| it == byte);
            let digit = digit.ok_or_else(|| format!("z85: invalid byte 0x{byte:02X}"))?;
            number = number * 85 + digit as u64;
        }
        let number = u32::try_from(number).map_err(|_| "z85: value overflow".to_string())?;
        out.extend_from_slice(&number.to_be_bytes());
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for name in ["base64", "base64url", "base64rawurl", "hex", "ascii85"] {
            let scheme = Scheme::find(name).expect("it is there");
            for n in 0..20 {
                let bytes: Vec<u8> = (0..n).map(|it| 250u8.wrapping_mul(it).wrapping_add(n)).collect();
                let text = scheme.encode(&bytes).expect("it can be written");
                assert_eq!(scheme.decode(&text), Ok(bytes), "{name} {n}");
            }
        }
        let bytes = [0x86, 0x4f, 0xd2, 0x6f, 0xb5, 0x59, 0xf7, 0x5b];
        assert_eq!(Scheme::Z85.encode(&bytes), Ok(b"HelloWorld".to_vec()));
        assert_eq!(Scheme::Z85.decode(b"HelloWorld"), Ok(bytes.to_vec()));
    }

    #[test]
    fn mistakes_are_told_in_the_words_of_go() {
        let base64 = Scheme::Base64 { is_url: false, is_padded: true };
        assert_eq!(base64.decode(b"YW\nJj"), Ok(b"abc".to_vec()));
        assert_eq!(base64.decode(b"YW!j"), Err("illegal base64 data at input byte 2".to_string()));
        assert_eq!(base64.decode(b"YWJ"), Err("unexpected EOF".to_string()));
        assert_eq!(base64.decode(b"YQ==x"), Err("illegal base64 data at input byte 4".to_string()));
        assert_eq!(Scheme::Hex.decode(b"6g"), Err("encoding/hex: invalid byte: U+0067 'g'".to_string()));
        assert_eq!(Scheme::Hex.decode(b"616"), Err("unexpected EOF".to_string()));
    }
}
