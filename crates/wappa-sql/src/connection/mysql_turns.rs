//! Whose turn it is between a client's library and a server of MySQL, as far as it takes to find the count of columns that
//! is in front of rows: the library makes room for as many as the server says before any has come.
//!
//! What comes is read as the library reads it, packet by packet. Where the server speaks without being asked, or says what
//! the library would not understand, it is over: so none of the two is ever at another place than what is read here. Nothing
//! is read of an encrypted connection.

/// More columns than the protocol has another count for; servers have a limit of 4096.
const COLUMNS_MAX: u64 = u16::MAX as u64;

/// The longest head of a packet that anything is read of: an `OK` with two counts and its status.
const HEAD_MAX: usize = 24;

/// As long as a packet may be; one of this length goes on in the next.
const PACKET_MAX: usize = 0xff_ffff;

/// What the client can do, as far as it matters here.
const CAN_TLS: u32 = 1 << 11;
const NEEDS_NO_EOF: u32 = 1 << 24;

/// What a client says of itself without its name, which it does where the rest is to be encrypted.
const HELLO_MIN: usize = 32;

/// Another answer follows.
const HAS_MORE: u16 = 1 << 3;

/// What is not understood.
type Refused = String;

#[derive(Debug, Default)]
pub(super) struct Turns {
    up: Packets,
    down: Packets,
    turn: Turn,
    has_said_hello: bool,
    needs_eof: bool,
}

/// What comes next from the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Turn {
    /// Its greeting, and whatever it wants to know until it lets the client in.
    #[default]
    Greeting,
    /// Nothing: it is the client's turn.
    Client,
    /// An answer to a statement.
    Answer,
    /// So many columns, and what follows them.
    Columns(u64, After),
    /// The end of the columns.
    Eof(After),
    Rows,
    /// The answer to a statement that is to be prepared.
    Prepared,
    /// Something that nothing follows.
    Last,
    /// Nothing: it has said goodbye.
    Over,
    /// What nobody can read.
    Encrypted,
}

/// What follows columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    Rows,
    /// So many columns more, those of a statement that is prepared.
    Columns(u16),
}

impl Turns {
    /// The library says this.
    pub(super) fn asked(&mut self, bytes: &[u8]) {
        let Turns { up, turn, has_said_hello, needs_eof, .. } = self;
        if *turn == Turn::Encrypted {
            return;
        }
        _ = up.read(bytes, |head, number, n_bytes| {
            *turn = match (number, head.first()) {
                // No packet, whatever it looks like.
                _ if *turn == Turn::Encrypted => Turn::Encrypted,
                // What it can do is in front of what it says of itself.
                _ if !*has_said_hello && HELLO_MIN <= n_bytes => {
                    let can = u32::from_le_bytes([head[0], head[1], head[2], head[3]]);
                    (*has_said_hello, *needs_eof) = (true, can & NEEDS_NO_EOF == 0);
                    // Without a name: what follows is no packet.
                    let wants_tls = can & CAN_TLS != 0 && n_bytes == HELLO_MIN;
                    if wants_tls { Turn::Encrypted } else { *turn }
                }
                // Goodbye, and that a prepared statement is not needed any more: nobody answers.
                (0, Some(0x01 | 0x19)) => *turn,
                (0, Some(&command)) if *turn == Turn::Client => match command {
                    0x03 | 0x17 => Turn::Answer,
                    0x16 => Turn::Prepared,
                    _ => Turn::Last,
                },
                (0, _) => Turn::Over,
                _ => *turn,
            };
            Ok(())
        });
    }

    /// The server says this. An error where it is not to be handed on.
    pub(super) fn said(&mut self, bytes: &[u8]) -> Result<(), Refused> {
        let Turns { down, turn, needs_eof, .. } = self;
        if *turn == Turn::Encrypted {
            return Ok(());
        }
        let needs_eof = *needs_eof;
        down.read(bytes, |head, _, n_bytes| {
            *turn = turn.next(head, n_bytes, needs_eof)?;
            Ok(())
        })
    }
}

impl Turn {
    /// Whose turn it is after a packet of the server that begins so.
    fn next(self, head: &[u8], n_bytes: usize, needs_eof: bool) -> Result<Turn, Refused> {
        let first = *head.first().ok_or("a packet is empty")?;
        if first == 0xff {
            return Ok(match self {
                Turn::Client | Turn::Over | Turn::Greeting => Turn::Over,
                _ => Turn::Client,
            });
        }
        let of_columns = |n_columns, after| match (n_columns, after) {
            (0, After::Rows) => Turn::Rows,
            (0, After::Columns(0)) => Turn::Client,
            (0, After::Columns(n)) => Turn::Columns(n.into(), After::Columns(0)),
            (n, after) => Turn::Columns(n, after),
        };
        Ok(match self {
            Turn::Encrypted => self,
            Turn::Client | Turn::Over => return Err("the server says something unasked".to_string()),
            Turn::Greeting if first == 0 => Turn::Client,
            Turn::Greeting => self,
            Turn::Last => Turn::Client,
            Turn::Answer if first == 0 => of_status(ok_status(head)?),
            Turn::Answer => {
                let (n_columns, _) = count(head)?;
                if COLUMNS_MAX < n_columns {
                    return Err(format!(
                        "{n_columns} columns, where {COLUMNS_MAX} are as many as there can be"
                    ));
                }
                match n_columns {
                    0 if needs_eof => Turn::Eof(After::Rows),
                    n => of_columns(n, After::Rows),
                }
            }
            Turn::Columns(n_columns, after) => match n_columns - 1 {
                0 if needs_eof => Turn::Eof(after),
                n => of_columns(n, after),
            },
            Turn::Eof(after) => of_columns(0, after),
            Turn::Rows if first != 0xfe => self,
            Turn::Rows if needs_eof && n_bytes < 9 => {
                let status = head.get(3..5).ok_or("the end of the rows is too short")?;
                of_status(u16::from_le_bytes([status[0], status[1]]))
            }
            Turn::Rows => of_status(ok_status(head)?),
            Turn::Prepared => {
                let counts = head.get(5..9).filter(|_| first == 0 && 12 <= n_bytes);
                let counts = counts.ok_or("a statement that is prepared has no counts")?;
                let (n_columns, n_params) =
                    (u16::from_le_bytes([counts[0], counts[1]]), u16::from_le_bytes([counts[2], counts[3]]));
                of_columns(n_params.into(), After::Columns(n_columns))
            }
        })
    }
}

fn of_status(status: u16) -> Turn {
    if status & HAS_MORE != 0 { Turn::Answer } else { Turn::Client }
}

/// The status in an `OK`.
fn ok_status(head: &[u8]) -> Result<u16, Refused> {
    let (_, rest) = count(&head[1..])?;
    let (_, rest) = count(rest)?;
    // Warnings follow it.
    let status = rest.get(..4).ok_or("an answer has no status")?;
    Ok(u16::from_le_bytes([status[0], status[1]]))
}

/// A count whose first byte says how long it is, and what follows.
fn count(bytes: &[u8]) -> Result<(u64, &[u8]), Refused> {
    let (&first, rest) = bytes.split_first().ok_or("a count is missing")?;
    let n_bytes = match first {
        0xfc => 2,
        0xfd => 3,
        0xfe => 8,
        it => return Ok((it.into(), rest)),
    };
    let (digits, rest) = rest.split_at_checked(n_bytes).ok_or("a count breaks off")?;
    Ok((digits.iter().rev().fold(0, |sum, it| sum << 8 | u64::from(*it)), rest))
}

/// Packets as they come, in pieces.
#[derive(Debug, Default)]
struct Packets {
    /// The length of a packet, its number, and the first of what it holds.
    head: [u8; 4 + HEAD_MAX],
    n_head: usize,
    /// How much of a packet whose head is known is to come.
    n_rest: usize,
    /// What comes belongs to the packet before.
    goes_on: bool,
}

impl Packets {
    /// Calls this for each packet whose first bytes are there: with those, its number, and how long it is.
    fn read(
        &mut self,
        mut bytes: &[u8],
        mut found: impl FnMut(&[u8], u8, usize) -> Result<(), Refused>,
    ) -> Result<(), Refused> {
        while !bytes.is_empty() {
            if 0 < self.n_rest {
                let n_skipped = self.n_rest.min(bytes.len());
                self.n_rest -= n_skipped;
                bytes = &bytes[n_skipped..];
                continue;
            }
            if !self.fill(4, &mut bytes) {
                break;
            }
            let n_bytes = u32::from_le_bytes([self.head[0], self.head[1], self.head[2], 0]) as usize;
            let n_read = n_bytes.min(HEAD_MAX);
            if !self.fill(4 + n_read, &mut bytes) {
                break;
            }
            self.n_head = 0;
            self.n_rest = n_bytes - n_read;
            let is_part = std::mem::replace(&mut self.goes_on, n_bytes == PACKET_MAX);
            if !is_part {
                found(&self.head[4..4 + n_read], self.head[3], n_bytes)?;
            }
        }
        Ok(())
    }

    /// Whether so much of the head is there, now.
    fn fill(&mut self, n_wanted: usize, bytes: &mut &[u8]) -> bool {
        let (taken, rest) = bytes.split_at(n_wanted.saturating_sub(self.n_head).min(bytes.len()));
        self.head[self.n_head..self.n_head + taken.len()].copy_from_slice(taken);
        self.n_head += taken.len();
        *bytes = rest;
        n_wanted <= self.n_head
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A packet of a number that holds this.
    fn packet(number: u8, holds: &[u8]) -> Vec<u8> {
        let len = (holds.len() as u32).to_le_bytes();
        [&len[..3], &[number], holds].concat()
    }

    /// What a client says first, which can do this.
    fn hello(can: u32) -> Vec<u8> {
        packet(1, &[&can.to_le_bytes()[..], &[0; 28], b"u\0"].concat())
    }

    /// One that is let in.
    fn let_in(can: u32) -> Turns {
        let mut turns = Turns::default();
        assert_eq!(turns.said(&packet(0, b"\x0a8.0.0\0")), Ok(()));
        turns.asked(&hello(can));
        assert_eq!(turns.said(&packet(2, b"\xfemysql_native_password\0abc\0")), Ok(()));
        turns.asked(&packet(3, b"secret"));
        assert_eq!(turns.said(&packet(4, OK)), Ok(()));
        assert_eq!(turns.turn, Turn::Client);
        turns
    }

    const OK: &[u8] = &[0, 0, 0, 2, 0, 0, 0];
    const OK_AND_MORE: &[u8] = &[0, 0, 0, 10, 0, 0, 0];
    const END: &[u8] = &[0xfe, 0, 0, 2, 0, 0, 0];
    const EOF: &[u8] = &[0xfe, 0, 0, 2, 0];
    const EOF_AND_MORE: &[u8] = &[0xfe, 0, 0, 8, 0];
    const COLUMN: &[u8] = b"\x03def";

    fn check(can: u32, command: u8, answers: &[&[u8]], expected: Result<Turn, &str>) {
        let mut turns = let_in(can);
        turns.asked(&packet(0, &[command, b'x']));
        let all: Vec<u8> = answers.iter().flat_map(|it| packet(1, it)).collect();
        // In any pieces it is the same.
        for n in [1, 2, 3, 7, all.len()] {
            let mut turns = let_in(can);
            turns.asked(&packet(0, &[command, b'x']));
            let said = all.chunks(n).try_for_each(|it| turns.said(it));
            assert_eq!(said.map(|()| turns.turn), expected.map_err(str::to_string), "{answers:x?} by {n}");
        }
    }

    #[test]
    fn answers_are_followed_to_their_end() {
        let long = [&[0xfd, 0x80, 0x96, 0x98][..], &vec![b'x'; 10_000_000]].concat();
        for (command, answers, turn) in [
            (0x03, &[OK][..], Turn::Client),
            (0x03, &[b"\xff\x15\x04#42000no"], Turn::Client),
            (0x03, &[OK_AND_MORE, OK], Turn::Client),
            (0x03, &[&[2], COLUMN, COLUMN, b"\x01a\x01b", &long, END], Turn::Client),
            (0x03, &[&[1], COLUMN, &[0xfe, 0, 0, 10, 0, 0, 0, 1, b'i', 0], OK], Turn::Client),
            (0x17, &[&[0xfc, 1, 0], COLUMN], Turn::Rows),
            (0x17, &[&[1], COLUMN, b"\xff\x15\x04"], Turn::Client),
            (0x16, &[&[0, 1, 0, 0, 0, 1, 0, 2, 0, 0, 0, 0], COLUMN, COLUMN, COLUMN], Turn::Client),
            (0x16, &[&[0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]], Turn::Client),
            (0x16, &[&[0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0], COLUMN], Turn::Client),
            (0x0e, &[OK], Turn::Client),
        ] {
            check(NEEDS_NO_EOF, command, answers, Ok(turn));
        }
        for (command, answers, turn) in [
            (0x03, &[&[1][..], COLUMN, EOF, b"\x01a", EOF_AND_MORE, OK][..], Turn::Client),
            (0x16, &[&[0, 1, 0, 0, 0, 1, 0, 2, 0, 0, 0, 0], COLUMN, COLUMN, EOF, COLUMN, EOF], Turn::Client),
        ] {
            check(0, command, answers, Ok(turn));
        }
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        let unasked = "the server says something unasked";
        let many = |n: u64| format!("{n} columns, where 65535 are as many as there can be");
        for (command, answers, text) in [
            (0x03, &[&[0xfd, 0, 0, 1][..]][..], many(65536).as_str()),
            (0x17, &[&[0xfd, 0xff, 0xff, 0xff]], &many(0xff_ffff)),
            (0x03, &[OK_AND_MORE, &[0xfe, 0, 0, 0, 4, 0, 0, 0, 0]], &many(1 << 26)),
            (0x03, &[&[0xfe, 0, 0, 0, 4]], "a count breaks off"),
            (0x03, &[&[]], "a packet is empty"),
            (0x03, &[OK, &[0xfd, 0, 0, 1]], unasked),
            (0x0e, &[OK, &[0xfd, 0, 0, 1]], unasked),
            (0x16, &[&[0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], &[0xfd, 0, 0, 1]], unasked),
            (0x16, &[&[0xfd, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]], "a statement that is prepared has no counts"),
            (0x03, &[&[1], COLUMN, END, &[0xfd, 0, 0, 1]], unasked),
            (0x03, &[&[1], COLUMN, &[0xfe, 0]], "a count is missing"),
        ] {
            check(NEEDS_NO_EOF, command, answers, Err(text));
        }
    }

    #[test]
    fn a_reason_to_hang_up_may_come_unasked_and_nothing_else() {
        let mut turns = let_in(NEEDS_NO_EOF);
        assert_eq!(turns.said(&packet(0, b"\xff\xbf\x0fidle")), Ok(()));
        turns.asked(&packet(0, b"\x03SELECT 1"));
        assert!(turns.said(&packet(1, OK)).is_err());
        // Whoever goes is not answered, and whoever asks twice is not either.
        let mut turns = let_in(NEEDS_NO_EOF);
        turns.asked(&packet(0, b"\x19\x01\0\0\0"));
        turns.asked(&packet(0, b"\x01"));
        assert!(turns.said(&packet(1, OK)).is_err());
        let mut turns = let_in(NEEDS_NO_EOF);
        turns.asked(&packet(0, b"\x03SELECT 1"));
        turns.asked(&packet(0, b"\x03SELECT 1"));
        assert!(turns.said(&packet(1, OK)).is_err());
    }

    #[test]
    fn long_statements_are_one() {
        let mut turns = let_in(NEEDS_NO_EOF);
        turns.asked(&packet(0, &[&[0x03][..], &vec![b'x'; PACKET_MAX - 1]].concat()));
        turns.asked(&packet(0, b"\x16 is no command"));
        assert_eq!(turns.said(&packet(1, OK)), Ok(()));
        assert_eq!(turns.turn, Turn::Client);
    }

    #[test]
    fn what_is_encrypted_is_not_read() {
        let mut turns = Turns::default();
        assert_eq!(turns.said(&packet(0, b"\x0a8.0.0\0")), Ok(()));
        // What is encrypted may come right behind.
        let hello = packet(1, &[&CAN_TLS.to_le_bytes()[..], &[0; 28]].concat());
        turns.asked(&[&hello[..], &packet(0, b"\x03SELECT 1")].concat());
        turns.asked(b"\x16\x03\x01");
        assert_eq!(turns.said(b"\x16\x03\x01\x00"), Ok(()));
        assert_eq!(turns.turn, Turn::Encrypted);
    }
}
