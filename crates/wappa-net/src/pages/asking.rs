//! An output whose client sends lines to a server, and waits for what is said of each.

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{Mutex, mpsc, oneshot},
};
use wappa_component::{BuildError, BuildOutput, Component, ConnectError, Context, Output, WriteError};
use wappa_message::Mark;
use wappa_net::{Client, Limit, Sending, in_flight};
use wappa_spec::Config;

pub(crate) const COMPONENT: Component = Component::output::<AskingConfig>("asking");

/// Writes lines to a server, and waits for its answer to each.
#[derive(Config)]
struct AskingConfig {
    /// Where the server listens.
    address: String,
    /// How many lines may wait for their answers.
    #[config(default = "64")]
    max_in_flight: usize,
}

impl BuildOutput for AskingConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Output>, BuildError> {
        let client = Asking { address: self.address, connection: Mutex::new(None) };
        Ok(in_flight(client, Limit::of(self.max_in_flight), ctx))
    }
}

struct Asking {
    address: String,
    connection: Mutex<Option<Connection>>,
}

struct Connection {
    writer: OwnedWriteHalf,
    /// Who waits for the next answers; in the order of the lines, as the server answers.
    asked: mpsc::UnboundedSender<oneshot::Sender<String>>,
}

impl Client for Asking {
    async fn connect(&self) -> Result<(), ConnectError> {
        let stream = TcpStream::connect(&self.address).await;
        let stream = stream.map_err(|err| ConnectError::BackOff(err.to_string()))?;
        // Else a line waits until the server says that it has the line before, which it may do late.
        let _ = stream.set_nodelay(true);
        let (reader, writer) = stream.into_split();
        let (asked, waiting) = mpsc::unbounded_channel();
        tokio::spawn(listen(reader, waiting));
        *self.connection.lock().await = Some(Connection { writer, asked });
        Ok(())
    }

    async fn send(&self, sending: Sending) {
        // The lock is given to those who wait for it in their order, so the lines keep theirs.
        let answers = {
            let mut connection = self.connection.lock().await;
            let Some(Connection { writer, asked }) = connection.as_mut() else {
                return sending.answer(Err(WriteError::NotConnected));
            };
            // A batch may have several messages, and each of them is answered.
            let (mut lines, mut answers) = (Vec::new(), Vec::new());
            for message in sending.messages() {
                lines.extend_from_slice(message.content());
                lines.push(b'\n');
                let (tx, answer) = oneshot::channel();
                answers.push(answer);
                // Where nobody listens any more the answer never comes.
                let _ = asked.send(tx);
            }
            if writer.write_all(&lines).await.is_err() {
                *connection = None;
                return sending.answer(Err(WriteError::NotConnected));
            }
            answers
        };
        let mut failures = Vec::new();
        for (idx, answer) in answers.into_iter().enumerate() {
            match answer.await.as_deref() {
                Ok("ok") => (),
                Ok(text) => failures.push((idx, Mark::new(text))),
                Err(_) => return sending.answer(Err(WriteError::NotConnected)),
            }
        }
        sending.answer(if failures.is_empty() { Ok(()) } else { Err(WriteError::Partial(failures)) });
    }
}

async fn listen(reader: OwnedReadHalf, mut waiting: mpsc::UnboundedReceiver<oneshot::Sender<String>>) {
    let mut lines = BufReader::new(reader).lines();
    // Whoever still waits at the end of the connection hears of it, since its sender is dropped.
    while let (Ok(Some(line)), Some(tx)) = (lines.next_line().await, waiting.recv().await) {
        let _ = tx.send(line);
    }
}
