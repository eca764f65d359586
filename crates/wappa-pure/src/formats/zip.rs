//! Zip archives, in memory. Source: PKWARE's APPNOTE 6.3.10.
//!
//! The libraries that there are find members by their names, so that of two with one name the first is lost; messages of a
//! batch often have one name.

use std::io::{Read, Write};

use bytes::Bytes;
use flate2::{Compression, Crc, read::DeflateDecoder, write::DeflateEncoder};

use super::{Charge, MEMBER_BYTES, Member, PIECE_BYTES};

const LOCAL: u32 = 0x0403_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
const END_64: u32 = 0x0606_4b50;
const LOCATOR_64: u32 = 0x0706_4b50;

const LOCAL_BYTES: usize = 30;
const CENTRAL_BYTES: usize = 46;
const END_BYTES: usize = 22;
const LOCATOR_64_BYTES: usize = 20;
const END_64_BYTES: usize = 56;

/// How much longer than its content and twice its name a member is: its header, and its entry in the directory.
pub(crate) const MORE_BYTES: usize = LOCAL_BYTES + CENTRAL_BYTES;

/// The longest comment behind the end of the directory.
const COMMENT_BYTES_MAX: usize = u16::MAX as usize;

const STORED: u16 = 0;
const DEFLATED: u16 = 8;

/// Names are UTF-8.
const FLAG_UTF8: u16 = 1 << 11;
const FLAG_ENCRYPTED: u16 = 1;

/// A time as archives have it: since 1980, in steps of two seconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stamp {
    time: u16,
    date: u16,
}

impl Stamp {
    /// Of this time of day; years before 1980 and after 2107 have none.
    pub(crate) fn of(at: jiff::civil::DateTime) -> Stamp {
        let Some(year) = u16::try_from(i32::from(at.year()) - 1980).ok().filter(|it| *it < 128) else {
            return Stamp::default();
        };
        let [month, day, hour, minute, second] =
            [at.month(), at.day(), at.hour(), at.minute(), at.second()].map(|it| it as u16);
        Stamp { time: (hour << 11) | (minute << 5) | (second / 2), date: (year << 9) | (month << 5) | day }
    }
}

/// Members in one archive; the error is why they cannot be.
pub(crate) fn write(members: &[Member], stamp: Stamp) -> Result<Vec<u8>, String> {
    let size = |it: usize| {
        u32::try_from(it).map_err(|_| "a zip archive of more than 4 GiB is not written".to_string())
    };
    let mut out = Vec::new();
    let mut directory = Vec::new();
    for Member { name, content } in members {
        let name_len = u16::try_from(name.len())
            .map_err(|_| "a name of more than 65535 bytes has no place in a zip archive")?;
        let offset = size(out.len())?;
        let mut crc = Crc::new();
        crc.update(content);
        let compressed = deflate(content)?;
        // What does not become shorter stays as it is.
        let (method, data) = match &compressed {
            Some(compressed) => (DEFLATED, compressed.as_slice()),
            None => (STORED, content.as_ref()),
        };
        let mut common = Vec::with_capacity(26);
        let flags = if name.is_ascii() || str::from_utf8(name).is_err() { 0 } else { FLAG_UTF8 };
        for it in [20, flags, method, stamp.time, stamp.date] {
            common.extend(it.to_le_bytes());
        }
        for it in [crc.sum(), size(data.len())?, size(content.len())?] {
            common.extend(it.to_le_bytes());
        }
        common.extend(name_len.to_le_bytes());
        common.extend(0u16.to_le_bytes());
        out.extend(LOCAL.to_le_bytes());
        out.extend_from_slice(&common);
        out.extend_from_slice(name);
        out.extend_from_slice(data);
        directory.extend(CENTRAL.to_le_bytes());
        // Made on a Unix, which is why there is a mode.
        directory.extend(((3u16 << 8) | 20).to_le_bytes());
        directory.extend_from_slice(&common);
        directory.extend([0; 6]);
        directory.extend((0o100_666u32 << 16).to_le_bytes());
        directory.extend(offset.to_le_bytes());
        directory.extend_from_slice(name);
    }
    let (start, len) = (out.len(), directory.len());
    out.append(&mut directory);
    let n_members = members.len() as u64;
    if u64::from(u16::MAX) <= n_members {
        let at = out.len() as u64;
        out.extend(END_64.to_le_bytes());
        out.extend((END_64_BYTES as u64 - 12).to_le_bytes());
        out.extend([45u16, 45].map(u16::to_le_bytes).concat());
        out.extend([0; 8]);
        for it in [n_members, n_members, len as u64, start as u64] {
            out.extend(it.to_le_bytes());
        }
        out.extend(LOCATOR_64.to_le_bytes());
        out.extend([0; 4]);
        out.extend(at.to_le_bytes());
        out.extend(1u32.to_le_bytes());
    }
    let n_told = u16::try_from(n_members).unwrap_or(u16::MAX);
    out.extend(END.to_le_bytes());
    out.extend([0; 4]);
    out.extend([n_told, n_told].map(u16::to_le_bytes).concat());
    out.extend(size(len)?.to_le_bytes());
    out.extend(size(start)?.to_le_bytes());
    out.extend([0; 2]);
    Ok(out)
}

/// The content compressed, if that makes it shorter.
fn deflate(content: &[u8]) -> Result<Option<Vec<u8>>, String> {
    if content.is_empty() {
        return Ok(None);
    }
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    let compressed = encoder.write_all(content).and_then(|()| encoder.finish());
    let compressed = compressed.map_err(|err| format!("flate: {err}"))?;
    Ok(Some(compressed).filter(|it| it.len() < content.len()))
}

/// The members in the order of the directory, directories among them included. The error has Bento's words.
pub(crate) fn read(archive: &Bytes, charge: &mut Charge<'_>) -> Result<Vec<Member>, String> {
    let invalid = || "zip: not a valid zip file".to_string();
    let directory = directory(archive).ok_or_else(invalid)?;
    let mut members = Vec::new();
    let mut at = directory.start;
    // Members that share their bytes would make of a small archive work without end.
    let mut n_left = archive.len() as u64;
    for _ in 0..directory.n_members {
        let entry = Entry::read(archive, &mut at).ok_or_else(invalid)?;
        charge(MEMBER_BYTES)?;
        let data = entry.data(archive, directory.base).ok_or_else(invalid)?;
        n_left = n_left.checked_sub(entry.compressed_len).ok_or_else(invalid)?;
        if entry.flags & FLAG_ENCRYPTED != 0 {
            return Err("zip: encrypted files are not supported".to_string());
        }
        let content = match entry.method {
            STORED => data,
            DEFLATED => inflate(&data, charge)?,
            _ => return Err("zip: unsupported compression algorithm".to_string()),
        };
        let mut crc = Crc::new();
        crc.update(&content);
        if content.len() as u64 != entry.len || crc.sum() != entry.crc {
            return Err("zip: checksum error".to_string());
        }
        members.push(Member { name: entry.name, content });
    }
    Ok(members)
}

fn inflate(data: &[u8], charge: &mut Charge<'_>) -> Result<Bytes, String> {
    let mut decoder = DeflateDecoder::new(data);
    let mut content = Vec::new();
    loop {
        let read = (&mut decoder).take(PIECE_BYTES as u64).read_to_end(&mut content);
        let n = read.map_err(|err| match err.kind() {
            std::io::ErrorKind::UnexpectedEof => super::UNEXPECTED_END.to_string(),
            _ => "flate: corrupt input".to_string(),
        })?;
        charge(n)?;
        if n < PIECE_BYTES {
            return Ok(content.into());
        }
    }
}

/// Where the directory is.
struct Directory {
    start: usize,
    n_members: u64,
    /// Where offsets are counted from: an archive may stand behind something else.
    base: usize,
}

fn directory(archive: &Bytes) -> Option<Directory> {
    let last = archive.len().checked_sub(END_BYTES)?;
    let first = last.saturating_sub(COMMENT_BYTES_MAX);
    let end = (first..=last).rev().find(|at| {
        number_u32(archive, *at) == Some(END)
            && number_u16(archive, at + 20)
                .is_some_and(|comment| at + END_BYTES + usize::from(comment) <= archive.len())
    })?;
    let mut n_members = u64::from(number_u16(archive, end + 10)?);
    let mut len = u64::from(number_u32(archive, end + 12)?);
    let mut offset = u64::from(number_u32(archive, end + 16)?);
    let mut directory_end = end;
    let is_64 =
        n_members == u64::from(u16::MAX) || len == u64::from(u32::MAX) || offset == u64::from(u32::MAX);
    if is_64
        && let Some(locator) = end.checked_sub(LOCATOR_64_BYTES)
        && number_u32(archive, locator) == Some(LOCATOR_64)
    {
        let at = usize::try_from(number_u64(archive, locator + 8)?).ok()?;
        if number_u32(archive, at)? != END_64 {
            return None;
        }
        n_members = number_u64(archive, at.checked_add(32)?)?;
        len = number_u64(archive, at.checked_add(40)?)?;
        offset = number_u64(archive, at.checked_add(48)?)?;
        directory_end = at;
    }
    let start = directory_end.checked_sub(usize::try_from(len).ok()?)?;
    let base = start.checked_sub(usize::try_from(offset).ok()?)?;
    Some(Directory { start, n_members, base })
}

/// An entry of the directory.
struct Entry {
    name: Bytes,
    flags: u16,
    method: u16,
    crc: u32,
    compressed_len: u64,
    len: u64,
    offset: u64,
}

impl Entry {
    fn read(archive: &Bytes, at: &mut usize) -> Option<Entry> {
        let begin = *at;
        if number_u32(archive, begin)? != CENTRAL {
            return None;
        }
        let [name_len, extra_len, comment_len] =
            [28, 30, 32].map(|it| number_u16(archive, begin + it).map(usize::from));
        let name_end = begin + CENTRAL_BYTES + name_len?;
        let extra_end = name_end + extra_len?;
        *at = extra_end + comment_len?;
        if archive.len() < *at {
            return None;
        }
        let mut entry = Entry {
            name: archive.slice(begin + CENTRAL_BYTES..name_end),
            flags: number_u16(archive, begin + 8)?,
            method: number_u16(archive, begin + 10)?,
            crc: number_u32(archive, begin + 16)?,
            compressed_len: number_u32(archive, begin + 20)?.into(),
            len: number_u32(archive, begin + 24)?.into(),
            offset: number_u32(archive, begin + 42)?.into(),
        };
        // What is too large for its place stands in the extra field with the number 1, in this order.
        let mut extra = archive.slice(name_end..extra_end);
        while let (Some(kind), Some(len)) = (number_u16(&extra, 0), number_u16(&extra, 2)) {
            let end = 4 + usize::from(len);
            if extra.len() < end {
                break;
            }
            if kind == 1 {
                let mut large = extra.slice(4..end);
                for it in [&mut entry.len, &mut entry.compressed_len, &mut entry.offset] {
                    if *it == u64::from(u32::MAX) {
                        *it = number_u64(&large, 0)?;
                        large = large.slice(8..);
                    }
                }
            }
            extra = extra.slice(end..);
        }
        Some(entry)
    }

    /// The bytes of the member as they are in the archive.
    fn data(&self, archive: &Bytes, base: usize) -> Option<Bytes> {
        let begin = base.checked_add(usize::try_from(self.offset).ok()?)?;
        if number_u32(archive, begin)? != LOCAL {
            return None;
        }
        let name_len = usize::from(number_u16(archive, begin + 26)?);
        let extra_len = usize::from(number_u16(archive, begin + 28)?);
        let start = begin + LOCAL_BYTES + name_len + extra_len;
        let end = start.checked_add(usize::try_from(self.compressed_len).ok()?)?;
        (end <= archive.len()).then(|| archive.slice(start..end))
    }
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

fn number_u16(bytes: &[u8], at: usize) -> Option<u16> {
    number(bytes, at).map(u16::from_le_bytes)
}

fn number_u32(bytes: &[u8], at: usize) -> Option<u32> {
    number(bytes, at).map(u32::from_le_bytes)
}

fn number_u64(bytes: &[u8], at: usize) -> Option<u64> {
    number(bytes, at).map(u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str, content: &[u8]) -> Member {
        Member { name: Bytes::copy_from_slice(name.as_bytes()), content: Bytes::copy_from_slice(content) }
    }

    fn free(_: usize) -> Result<(), String> {
        Ok(())
    }

    fn written(members: &[Member]) -> Bytes {
        let at = jiff::civil::date(2024, 2, 29).at(13, 14, 16, 0);
        write(members, Stamp::of(at)).expect("it is small").into()
    }

    #[test]
    fn what_is_written_can_be_read() {
        let members = [member("", b"no name"), member("a/\u{e4}", b""), member("", &[7; 200_000])];
        let archive = written(&members);
        assert!(archive.len() < 2000, "{}", archive.len());
        assert_eq!(read(&archive, &mut free), Ok(members.to_vec()));
        assert_eq!(read(&written(&[]), &mut free), Ok(Vec::new()));
        // Behind something else, and with a comment.
        let mut around = [b"#!/bin/sh\n", archive.as_ref(), b"hello"].concat();
        let at = around.len() - 5 - 2;
        around[at] = 5;
        assert_eq!(read(&around.into(), &mut free), Ok(members.to_vec()));
        let mut n_left = 100_000;
        let mut refuse = |n: usize| {
            n_left = usize::checked_sub(n_left, n).ok_or("too large")?;
            Ok(())
        };
        assert_eq!(read(&archive, &mut refuse), Err("too large".to_string()));
    }

    #[test]
    fn there_may_be_more_members_than_two_bytes_count() {
        let members: Vec<Member> = (0..70_000).map(|it| member(&it.to_string(), b"")).collect();
        assert!(read(&written(&members), &mut free) == Ok(members));
    }

    /// As Go writes it: with lengths behind the members, and two of one name.
    #[test]
    fn an_archive_of_another_program_is_read() {
        let hex = "504b03041400080008008f8c7c5d000000000000000000000000010009007855540500011e110b6b4a04040000ffff50\
             4b070843beb7e80700000001000000504b03041400080008008f8c7c5d00000000000000000000000001000900785554\
             0500011e110b6b4a02040000ffff504b0708f9efbe710700000001000000504b010214031400080008008f8c7c5d43be\
             b7e80700000001000000010009000000000000000000b681000000007855540500011e110b6b504b0102140314000800\
             08008f8c7c5df9efbe710700000001000000010009000000000000000000b6813f0000007855540500011e110b6b504b\
             05060000000002000200700000007e0000000000";
        let byte = |it: usize| u8::from_str_radix(&hex[it..it + 2], 16).expect("two digits");
        let archive: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect();
        assert_eq!(read(&archive.into(), &mut free), Ok(vec![member("x", b"a"), member("x", b"b")]));
    }

    /// Many entries of the directory that lead to one member.
    #[test]
    fn members_do_not_share_their_bytes() {
        let noise: Vec<u8> = (0..3000u32).map(|it| (it.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let archive = written(&[member("a", &noise), member("b", b"xyz")]);
        let directory = archive.len() - END_BYTES - 2 * (CENTRAL_BYTES + 1);
        let mut shared = archive.to_vec();
        let entry = archive.slice(directory..directory + CENTRAL_BYTES + 1);
        shared[directory + CENTRAL_BYTES + 1..][..CENTRAL_BYTES + 1].copy_from_slice(&entry);
        assert_eq!(read(&shared.into(), &mut free), Err("zip: not a valid zip file".to_string()));
    }

    #[test]
    fn what_is_no_archive_is_refused() {
        let archive = written(&[member("a", &[1; 3000]), member("b", b"xyz")]);
        for n in 0..archive.len() {
            assert!(read(&archive.slice(..n), &mut free).is_err(), "{n}");
        }
        // Whatever is changed in one, reading it ends.
        for at in 0..archive.len() {
            for with in [0, 0xff, archive[at] ^ 1] {
                let mut broken = archive.to_vec();
                broken[at] = with;
                let _ = read(&broken.into(), &mut |n| {
                    if n < 1 << 20 { Ok(()) } else { Err("large".to_string()) }
                });
            }
        }
        let mut broken = archive.to_vec();
        let at = archive.len() - END_BYTES - 2 * (CENTRAL_BYTES + 1) + 16;
        broken[at] ^= 1;
        assert_eq!(read(&broken.into(), &mut free), Err("zip: checksum error".to_string()));
    }
}
