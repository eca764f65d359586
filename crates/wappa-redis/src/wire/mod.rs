//! What goes through a connection where there is much of it: streams that are read, and what outputs write. Commands are put
//! together in one buffer, and replies are read where they came in; the client's library makes a tree of each.

mod command;
mod pipe;
mod reply;

use std::{io, time::Duration};

use bytes::Bytes;
use redis::RedisConnectionInfo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};
use wappa_net::{said, why};

use self::reply::{Incoming, error};
pub(crate) use self::{
    command::{Command, Commands, push_number},
    pipe::{Filled, Pipe},
    reply::{Value, Values, number},
};
use crate::connection::{ANSWER_MAX, Failed, NOT_LET_IN, Stream};

/// A connection that is asked one thing after the other. Who asks may be dropped where it waits.
pub(crate) struct Wire {
    stream: Box<dyn Stream>,
    /// What is to be written, and how much of it was.
    out: Vec<u8>,
    n_written: usize,
    /// So many replies come to what nobody waits for any more.
    n_owed: usize,
    incoming: Incoming,
    is_lost: bool,
}

impl Wire {
    pub(crate) fn new(stream: Box<dyn Stream>) -> Wire {
        Wire {
            stream,
            out: Vec::new(),
            n_written: 0,
            n_owed: 0,
            incoming: Incoming::default(),
            is_lost: false,
        }
    }

    /// Says who we are, and hears that the server lets us in.
    pub(crate) async fn introduce(&mut self, info: &RedisConnectionInfo) -> Result<(), String> {
        let (user, password) = (info.username().map(str::as_bytes), info.password().map(str::as_bytes));
        if let Some(password) = password {
            let words = [Some(&b"AUTH"[..]), user, Some(password)];
            let words: Vec<&[u8]> = words.into_iter().flatten().collect();
            let mut answer = self.ask(&Commands::one(&words), ANSWER_MAX).await;
            if let Err(Failed::Refused(text)) = &answer
                && text.contains("wrong number of arguments for 'auth' command")
            {
                // A server before 6.0 knows no users.
                answer = self.ask(&Commands::one(&[b"AUTH", password]), ANSWER_MAX).await;
            }
            match answer {
                Err(Failed::Refused(_)) => return Err(NOT_LET_IN.to_string()),
                answer => _ = answer.map_err(Failed::text)?,
            }
        }
        if info.db() != 0 {
            let select = Commands::one(&[b"SELECT", info.db().to_string().as_bytes()]);
            self.ask(&select, ANSWER_MAX).await.map_err(not_let_in)?;
        }
        // A server that wants a password says so only now.
        self.ask(&Commands::one(&[b"PING"]), ANSWER_MAX).await.map(drop).map_err(not_let_in)
    }

    /// Asks, and waits for the answer, not longer than `max`.
    pub(crate) async fn ask(&mut self, commands: &Commands, max: Duration) -> Result<Values, Failed> {
        let mut last = Err(Failed::Refused("nothing was asked".to_string()));
        for answer in self.ask_all(commands, max).await? {
            last = answer;
        }
        last
    }

    /// Asks several things at once, of which each is answered; the error is of all of them.
    pub(crate) async fn ask_all(
        &mut self,
        commands: &Commands,
        max: Duration,
    ) -> Result<Vec<Result<Values, Failed>>, Failed> {
        if self.is_lost {
            return Err(Failed::Lost("the connection is lost".to_string()));
        }
        let answers = timeout(max, self.exchange(commands)).await;
        let answers = answers.unwrap_or_else(|_| Err("the server does not answer".to_string()));
        answers.map_err(|text| {
            self.is_lost = true;
            Failed::Lost(text)
        })
    }

    async fn exchange(&mut self, commands: &Commands) -> Result<Vec<Result<Values, Failed>>, String> {
        let n_before = self.n_owed;
        self.out.extend_from_slice(commands.as_bytes());
        self.n_owed += commands.n_commands();
        while self.n_written < self.out.len() {
            match self.stream.write(&self.out[self.n_written..]).await {
                Ok(0) => return Err(why(&io::ErrorKind::WriteZero.into())),
                Ok(n_bytes) => self.n_written += n_bytes,
                Err(err) => return Err(why(&err)),
            }
        }
        (self.n_written, _) = (0, self.out.clear());
        self.stream.flush().await.map_err(|err| why(&err))?;
        for _ in 0..n_before {
            self.reply(|_| ()).await?;
        }
        let mut answers = Vec::with_capacity(commands.n_commands());
        for _ in 0..commands.n_commands() {
            let answer = self.reply(|reply| match error(reply) {
                Some(text) => Err(refused(text)),
                None => Ok(Values::of(Bytes::copy_from_slice(reply))),
            });
            answers.push(answer.await?);
        }
        if answers.iter().any(|it| matches!(it, Err(Failed::Refused(text)) if leads_elsewhere(text))) {
            self.is_lost = true;
        }
        Ok(answers)
    }

    async fn reply<T>(&mut self, read: impl FnOnce(&[u8]) -> T) -> Result<T, String> {
        loop {
            if let Some(reply) = self.incoming.reply().map_err(|err| err.text().to_string())? {
                self.n_owed -= 1;
                return Ok(read(reply));
            }
            match self.stream.read_buf(self.incoming.room()).await {
                Ok(0) => return Err("the server has closed the connection".to_string()),
                Ok(_) => (),
                Err(err) => return Err(why(&err)),
            }
        }
    }
}

fn not_let_in(failed: Failed) -> String {
    match failed {
        Failed::Refused(text) if ["NOAUTH", "NOPERM", "WRONGPASS"].iter().any(|it| text.starts_with(it)) => {
            format!("the server does not let us in: {text}")
        }
        failed => failed.text(),
    }
}

/// What the server says of what it does not do.
fn refused(text: &[u8]) -> Failed {
    Failed::Refused(said(&String::from_utf8_lossy(text), []))
}

/// A server that became a replica keeps its connections, but whoever asks for its name may be led elsewhere by now.
fn leads_elsewhere(text: &str) -> bool {
    text.starts_with("READONLY") || text.starts_with("MASTERDOWN")
}
