//! Contents one after the other, in Bento's form: how many there are, and each behind its length. Numbers have four bytes,
//! the most significant one first.

use bytes::Bytes;

use super::{Charge, MEMBER_BYTES};

/// How long what stands before each content is, and before all of them.
pub(crate) const MORE_BYTES: usize = 4;

/// Contents in one; the error is why they cannot be.
pub(crate) fn write<'a>(
    contents: impl ExactSizeIterator<Item = &'a Bytes> + Clone,
) -> Result<Vec<u8>, String> {
    let number = |it: usize| {
        let number = u32::try_from(it)
            .map_err(|_| "a content of more than 4 GiB has no place in the binary format")?;
        Ok::<_, String>(number.to_be_bytes())
    };
    let mut out = Vec::with_capacity(4 + contents.clone().map(|it| 4 + it.len()).sum::<usize>());
    out.extend(number(contents.len())?);
    for content in contents {
        out.extend(number(content.len())?);
        out.extend_from_slice(content);
    }
    Ok(out)
}

/// The contents, which share the buffer. The error is Bento's.
pub(crate) fn read(archive: &Bytes, charge: &mut Charge<'_>) -> Result<Vec<Bytes>, String> {
    let mut at = 0;
    let number = |at: &mut usize| {
        let bytes = archive.get(*at..).and_then(<[u8]>::first_chunk).ok_or_else(unexpected)?;
        *at += 4;
        Ok::<_, String>(u32::from_be_bytes(*bytes) as usize)
    };
    let n_contents = number(&mut at)?;
    let mut contents = Vec::new();
    for _ in 0..n_contents {
        let len = number(&mut at)?;
        if archive.len() - at < len {
            return Err(unexpected());
        }
        charge(MEMBER_BYTES)?;
        contents.push(archive.slice(at..at + len));
        at += len;
    }
    Ok(contents)
}

fn unexpected() -> String {
    "serialised message bytes were in unexpected format".to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        let contents = ["", "a", "bc"].map(Bytes::from);
        let archive = Bytes::from(write(contents.iter()).expect("it is small"));
        assert_eq!(archive.as_ref(), b"\0\0\0\x03\0\0\0\0\0\0\0\x01a\0\0\0\x02bc");
        assert_eq!(read(&archive, &mut |_| Ok(())), Ok(contents.to_vec()));
        for n in 0..archive.len() {
            assert_eq!(read(&archive.slice(..n), &mut |_| Ok(())), Err(unexpected()), "{n}");
        }
        assert_eq!(read(&Bytes::from_static(&[255; 20]), &mut |_| Ok(())), Err(unexpected()));
        assert_eq!(read(&archive, &mut |_| Err("no".to_string())), Err("no".to_string()));
    }
}
