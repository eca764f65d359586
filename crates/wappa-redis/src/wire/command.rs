//! Commands as a server reads them, one behind the other in one buffer.

/// What counts of the arguments take in most commands: one digit. It is put right where there are more.
const HEAD: &[u8] = b"*0\r\n";

/// Whole commands.
#[derive(Debug, Default)]
pub(crate) struct Commands {
    bytes: Vec<u8>,
    n_commands: usize,
}

/// One that is being written. What is dropped before its end was never there.
pub(crate) struct Command<'a> {
    all: &'a mut Commands,
    start: usize,
    n_args: usize,
}

impl Commands {
    /// One command of these words.
    pub(crate) fn one(words: &[&[u8]]) -> Commands {
        let mut all = Commands::default();
        let mut command = all.begin();
        words.iter().for_each(|it| _ = command.arg(it));
        command.end();
        all
    }

    /// Begins one more command.
    pub(crate) fn begin(&mut self) -> Command<'_> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(HEAD);
        Command { all: self, start, n_args: 0 }
    }

    /// How many there are: each has one answer.
    pub(crate) fn n_commands(&self) -> usize {
        self.n_commands
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

impl Command<'_> {
    /// Adds a word: the first one is the name.
    pub(crate) fn arg(&mut self, word: impl AsRef<[u8]>) -> &mut Self {
        let word = word.as_ref();
        self.n_args += 1;
        let bytes = &mut self.all.bytes;
        bytes.reserve(word.len() + 24);
        bytes.push(b'$');
        push_number(bytes, word.len() as u64);
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
        self
    }

    /// Adds a number.
    pub(crate) fn number(&mut self, number: u64) -> &mut Self {
        let mut word = Vec::with_capacity(20);
        push_number(&mut word, number);
        self.arg(word)
    }

    /// The command is whole.
    pub(crate) fn end(mut self) {
        let bytes = &mut self.all.bytes;
        match self.n_args {
            n_args @ 0..10 => bytes[self.start + 1] = b'0' + n_args as u8,
            n_args => {
                let mut digits = Vec::new();
                push_number(&mut digits, n_args as u64);
                bytes.splice(self.start + 1..self.start + 2, digits);
            }
        }
        self.all.n_commands += 1;
        self.start = self.all.bytes.len();
    }
}

impl Drop for Command<'_> {
    fn drop(&mut self) {
        self.all.bytes.truncate(self.start);
    }
}

/// Adds the digits of a number.
pub(crate) fn push_number(bytes: &mut Vec<u8>, number: u64) {
    let (mut digits, mut start, mut rest) = ([0; 20], 20, number);
    loop {
        start -= 1;
        digits[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    bytes.extend_from_slice(&digits[start..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_stand_one_behind_the_other() {
        let mut all = Commands::one(&[b"PING"]);
        all.begin().arg("never").arg("there");
        let mut many = all.begin();
        many.arg("XACK");
        (1..=10).for_each(|it| _ = many.number(it * u64::from(u32::MAX)));
        many.end();
        let text = String::from_utf8(all.as_bytes().to_vec()).expect("it is text");
        assert!(text.starts_with("*1\r\n$4\r\nPING\r\n*11\r\n$4\r\nXACK\r\n$10\r\n4294967295\r\n"), "{text}");
        assert!(text.ends_with("$11\r\n42949672950\r\n"), "{text}");
        assert_eq!(all.n_commands(), 2);
    }
}
