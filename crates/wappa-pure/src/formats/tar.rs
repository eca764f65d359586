//! Tar archives. Written as POSIX.1-1988 (`ustar`) has them, with GNU's entry for long names; read by the crate `tar`.

use std::io::{Cursor, Read};

use bytes::Bytes;
use tar::{Archive, EntryType, Header};

use super::{Charge, MEMBER_BYTES, Member, PIECE_BYTES, UNEXPECTED_END};

/// What headers and contents are filled up to.
const BLOCK_BYTES: usize = 512;

/// The longest name that a header has room for.
const NAME_BYTES_MAX: usize = 100;

/// How much longer than its content and its name a member is at most: its header, that of a long name, and what fills the
/// last block of each.
pub(crate) const MORE_BYTES: usize = 4 * BLOCK_BYTES;

/// What is behind the last member.
pub(crate) const END_BYTES: usize = 2 * BLOCK_BYTES;

/// Members in one archive, changed at this time: seconds since 1970.
pub(crate) fn write(members: &[Member], seconds: u64) -> Vec<u8> {
    let padded = |it: &Member| MORE_BYTES + it.name.len() + it.content.len();
    let mut out = Vec::with_capacity(END_BYTES + members.iter().map(padded).sum::<usize>());
    for Member { name, content } in members {
        if NAME_BYTES_MAX < name.len() {
            let mut long = name.to_vec();
            long.push(0);
            push(&mut out, EntryType::GNULongName, b"././@LongLink", &long, 0);
        }
        push(&mut out, EntryType::Regular, name, content, seconds);
    }
    out.resize(out.len() + END_BYTES, 0);
    out
}

fn push(out: &mut Vec<u8>, kind: EntryType, name: &[u8], content: &[u8], seconds: u64) {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    let n = name.len().min(NAME_BYTES_MAX);
    header.as_old_mut().name[..n].copy_from_slice(&name[..n]);
    header.set_mode(0o666);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(seconds);
    header.set_size(content.len() as u64);
    header.set_cksum();
    out.extend_from_slice(header.as_bytes());
    out.extend_from_slice(content);
    out.resize(out.len().next_multiple_of(BLOCK_BYTES), 0);
}

/// The members, directories and links included, whose contents are empty. The error has Bento's words.
pub(crate) fn read(archive: &Bytes, charge: &mut Charge<'_>) -> Result<Vec<Member>, String> {
    if !archive.is_empty() && archive.len() < BLOCK_BYTES {
        return Err(UNEXPECTED_END.to_string());
    }
    let mut archive = Archive::new(Cursor::new(archive));
    let mut members = Vec::new();
    for entry in archive.entries().map_err(refused)? {
        let mut entry = entry.map_err(refused)?;
        let name = entry.path_bytes().into_owned();
        charge(MEMBER_BYTES + name.len())?;
        let mut content = Vec::new();
        loop {
            // A size is only a claim, and one of a file with holes need not have been written.
            let n = (&mut entry).take(PIECE_BYTES as u64).read_to_end(&mut content).map_err(refused)?;
            charge(n)?;
            if n < PIECE_BYTES {
                break;
            }
        }
        if (content.len() as u64) < entry.size() {
            return Err(UNEXPECTED_END.to_string());
        }
        members.push(Member { name: name.into(), content: content.into() });
    }
    Ok(members)
}

fn refused(err: std::io::Error) -> String {
    let text = err.to_string();
    match err.kind() == std::io::ErrorKind::UnexpectedEof || text.contains("failed to read entire block") {
        true => UNEXPECTED_END.to_string(),
        false => format!("archive/tar: invalid tar header: {text}"),
    }
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

    #[test]
    fn what_is_written_can_be_read() {
        let members = [
            member("", b"no name"),
            member("a/b.txt", b""),
            member("a/b.txt", &[7; 512]),
            member("../up", &[8; 200_000]),
            member(&"long/".repeat(100), b"x"),
        ];
        let archive = Bytes::from(write(&members, 1_700_000_000));
        assert_eq!(archive.len() % BLOCK_BYTES, 0);
        assert_eq!(read(&archive, &mut free), Ok(members.to_vec()));
        assert_eq!(read(&Bytes::new(), &mut free), Ok(Vec::new()));
        let mut n_left = 100_000;
        let mut refuse = |n: usize| {
            n_left = usize::checked_sub(n_left, n).ok_or("too large")?;
            Ok(())
        };
        assert_eq!(read(&archive, &mut refuse), Err("too large".to_string()));
    }

    #[test]
    fn what_is_no_archive_is_refused() {
        let archive = Bytes::from(write(&[member("a", &[1; 3000])], 0));
        for n in [1, 511, 513, 1024, 3000] {
            assert_eq!(read(&archive.slice(..n), &mut free), Err(UNEXPECTED_END.to_string()), "{n}");
        }
        let err = read(&Bytes::from_static(&[b'x'; 2048]), &mut free).expect_err("that is none");
        assert!(err.starts_with("archive/tar: invalid tar header: "), "{err}");
        // Whatever is changed in one, reading it ends.
        for at in 0..BLOCK_BYTES {
            let mut broken = archive.to_vec();
            broken[at] = 0xff;
            let _ =
                read(&broken.into(), &mut |n| if n < 1 << 20 { Ok(()) } else { Err("large".to_string()) });
        }
    }

    /// A header that claims much more than there is.
    #[test]
    fn a_claim_is_no_size() {
        let mut archive = write(&[member("a", b"x")], 0);
        let mut header = Header::new_gnu();
        header.as_mut_bytes().copy_from_slice(&archive[..BLOCK_BYTES]);
        header.set_size(1 << 60);
        header.set_cksum();
        archive[..BLOCK_BYTES].copy_from_slice(header.as_bytes());
        let err = read(&archive.into(), &mut free).expect_err("it is not there");
        assert_eq!(err, UNEXPECTED_END);
    }
}
