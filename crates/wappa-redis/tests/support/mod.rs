//! Runs whole streams of a config, and looks at the server from outside.
#![allow(dead_code, reason = "each test uses some of it")]

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use wappa_servers::PATIENCE;
pub(crate) use wappa_testing::{Running, Streams};

pub(crate) fn streams() -> Streams {
    Streams::of(wappa_pure::components().into_iter().chain(wappa_redis::components()))
}

/// What is wrong with a config.
pub(crate) fn lint(config: &str) -> String {
    streams().lint(config)
}

/// The same, of one that is not trusted.
pub(crate) fn lint_restricted(config: &str) -> String {
    streams().lint_restricted(config)
}

/// Begins a stream.
pub(crate) fn start(config: &str) -> Running {
    streams().start(config)
}

/// A client of the server that is none of Wappa's: it writes commands and reads answers by itself.
pub(crate) struct Outside {
    stream: TcpStream,
    read: Vec<u8>,
}

/// What a server answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Nil,
    Text(String),
    Int(i64),
    List(Vec<Answer>),
}

impl Answer {
    /// Everything in it, one behind the other.
    pub(crate) fn texts(&self) -> Vec<String> {
        match self {
            Answer::Nil => vec!["nil".to_string()],
            Answer::Text(text) => vec![text.clone()],
            Answer::Int(it) => vec![it.to_string()],
            Answer::List(all) => all.iter().flat_map(Answer::texts).collect(),
        }
    }
}

impl Outside {
    pub(crate) fn new(address: &str) -> Outside {
        let stream = TcpStream::connect(address).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("it can be set");
        Outside { stream, read: Vec::new() }
    }

    /// Sends commands, and reads their answers.
    pub(crate) fn all(&mut self, commands: &[Vec<String>]) -> Vec<Answer> {
        let mut text = Vec::new();
        for command in commands {
            text.extend(format!("*{}\r\n", command.len()).bytes());
            for word in command {
                text.extend(format!("${}\r\n{word}\r\n", word.len()).bytes());
            }
        }
        self.stream.write_all(&text).expect("it reads");
        commands.iter().map(|_| self.answer()).collect()
    }

    /// Sends a command of words without blanks, and reads its answer.
    pub(crate) fn ask(&mut self, command: &str) -> Answer {
        let words = command.split(' ').map(str::to_string).collect();
        self.all(&[words]).remove(0)
    }

    fn line(&mut self) -> String {
        loop {
            if let Some(at) = self.read.windows(2).position(|it| it == b"\r\n") {
                let line: Vec<u8> = self.read.drain(..at + 2).take(at).collect();
                return String::from_utf8_lossy(&line).into_owned();
            }
            self.more();
        }
    }

    fn more(&mut self) {
        let mut buffer = [0; 65_536];
        let n_bytes = self.stream.read(&mut buffer).expect("it answers");
        assert!(0 < n_bytes, "the connection is over");
        self.read.extend(&buffer[..n_bytes]);
    }

    fn answer(&mut self) -> Answer {
        let line = self.line();
        let number = || line[1..].parse::<i64>().expect("it is a number");
        match line.as_bytes()[0] {
            b':' => Answer::Int(number()),
            b'$' if number() < 0 => Answer::Nil,
            b'$' => {
                let n_bytes = number() as usize;
                while self.read.len() < n_bytes + 2 {
                    self.more();
                }
                let text: Vec<u8> = self.read.drain(..n_bytes + 2).take(n_bytes).collect();
                Answer::Text(String::from_utf8_lossy(&text).into_owned())
            }
            b'*' if number() < 0 => Answer::Nil,
            b'*' => Answer::List((0..number()).map(|_| self.answer()).collect()),
            _ => Answer::Text(line),
        }
    }

    /// Adds numbers to a stream.
    pub(crate) fn add_numbers(&mut self, stream: &str, range: std::ops::Range<usize>) {
        let command = |n: usize| ["XADD", stream, "*", "body", &n.to_string()].map(str::to_string).to_vec();
        let commands: Vec<Vec<String>> = range.map(command).collect();
        commands.chunks(500).for_each(|it| _ = self.all(it));
    }

    /// The contents of all entries of a stream.
    pub(crate) fn contents(&mut self, stream: &str) -> Vec<String> {
        let Answer::List(entries) = self.ask(&format!("XRANGE {stream} - +")) else { return Vec::new() };
        let body = |entry: &Answer| {
            let texts = entry.texts();
            let fields = texts[1..].chunks(2).find(|it| it[0] == "body");
            fields.map(|it| it[1].clone()).unwrap_or_default()
        };
        entries.iter().map(body).collect()
    }

    /// How many entries of a stream were read in a group and not acknowledged.
    pub(crate) fn n_pending(&mut self, stream: &str, group: &str) -> usize {
        match self.ask(&format!("XPENDING {stream} {group}")) {
            Answer::List(all) => match all[0] {
                Answer::Int(it) => it as usize,
                _ => 0,
            },
            _ => 0,
        }
    }
}
