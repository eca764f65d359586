//! An input whose source answers a server for each message by itself.

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    sync::mpsc::unbounded_channel,
};
use wappa_component::{
    Batches, BuildError, BuildInput, Component, ConnectError, Context, Failure, Input, ReadError,
};
use wappa_message::Message;
use wappa_net::{Fed, Feeder, Source, Stopping, fed_by};
use wappa_spec::Config;

pub(crate) const COMPONENT: Component = Component::input::<LeasedConfig>("leased");

/// Reads lines of a server, each with a number in front, and tells the server the numbers of those that have arrived.
/// The server sends the others again.
#[derive(Config)]
struct LeasedConfig {
    /// Where the server listens.
    address: String,
}

impl BuildInput for LeasedConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Input>, BuildError> {
        // What fails is for the server to give again, and not for the engine.
        Ok(fed_by(Leased { address: self.address }, false, ctx))
    }
}

struct Leased {
    address: String,
}

impl Source for Leased {
    type Connection = TcpStream;

    async fn connect(&self) -> Result<TcpStream, ConnectError> {
        TcpStream::connect(&self.address).await.map_err(|err| ConnectError::BackOff(err.to_string()))
    }

    async fn read(&self, mut connection: TcpStream, feeder: Feeder, mut stop: Stopping) -> ReadError {
        let (reader, mut writer) = connection.split();
        let mut lines = BufReader::new(reader).lines();
        // Whoever answers is a thread of the pipeline, which must not wait: the answers are sent from here.
        let (answer, mut answers) = unbounded_channel::<String>();
        loop {
            let line = tokio::select! {
                () = stop.requested() => break,
                Some(text) = answers.recv() => {
                    if writer.write_all(text.as_bytes()).await.is_err() {
                        return ReadError::NotConnected;
                    }
                    continue;
                }
                line = lines.next_line() => line,
            };
            let Ok(Some(line)) = line else { return ReadError::NotConnected };
            let (number, text) = line.split_once(' ').unwrap_or((&line, ""));
            let (number, answer) = (number.to_string(), answer.clone());
            let told = move |_: &[u32], failures: Vec<Failure>| {
                let verb = if failures.is_empty() { "done" } else { "again" };
                // Of a connection that is gone nobody asks any more.
                let _ = answer.send(format!("{verb} {number}\n"));
            };
            let fed =
                Fed::messages(vec![Message::new(text.to_string())], Batches::Singles).telling_each(told);
            if feeder.put(fed).await.is_err() {
                return ReadError::EndOfInput;
            }
        }
        // Nothing more is read; what was read is answered by those who have it, until the last of them has.
        drop(answer);
        while let Some(text) = answers.recv().await {
            if writer.write_all(text.as_bytes()).await.is_err() {
                break;
            }
        }
        ReadError::EndOfInput
    }

    fn takes_back(&self) -> bool {
        true
    }
}
