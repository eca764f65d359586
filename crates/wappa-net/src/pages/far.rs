//! A cache that lies on a server.

use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    sync::Mutex,
};
use wappa_component::{BuildCache, BuildError, Cache, CacheError, Component, Context, Pulse};
use wappa_net::Runtime;
use wappa_spec::Config;

pub(crate) const COMPONENT: Component = Component::cache::<FarConfig>("far");

/// Keeps values on a server that answers each line with a line.
#[derive(Config)]
struct FarConfig {
    /// Where the server listens.
    address: String,
}

impl BuildCache for FarConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Arc<dyn Cache>, BuildError> {
        let server = Arc::new(Server { address: self.address, connection: Mutex::new(None) });
        Ok(Arc::new(Far { server, runtime: Runtime::of(ctx), pulse: ctx.pulse() }))
    }
}

struct Far {
    server: Arc<Server>,
    runtime: Runtime,
    pulse: Arc<dyn Pulse>,
}

struct Server {
    address: String,
    /// Made when it is needed, and again when it was lost.
    connection: Mutex<Option<BufReader<TcpStream>>>,
}

impl Server {
    async fn ask(&self, line: String) -> io::Result<String> {
        let mut place = self.connection.lock().await;
        // Taken out of its place: what failed, or was given up on the way, is not used again.
        let mut connection = match place.take() {
            Some(connection) => connection,
            None => BufReader::new(TcpStream::connect(&self.address).await?),
        };
        connection.write_all(line.as_bytes()).await?;
        let mut answer = String::new();
        if connection.read_line(&mut answer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        *place = Some(connection);
        Ok(answer.trim_end().to_string())
    }
}

impl Far {
    fn ask(&self, line: String) -> Result<String, CacheError> {
        let server = Arc::clone(&self.server);
        let asked =
            self.runtime.finish(&*self.pulse, Duration::from_secs(30), async move { server.ask(line).await });
        asked.and_then(|it| it.map_err(|err| err.to_string())).map_err(CacheError::new)
    }

    fn tell(&self, verb: &str, key: &[u8], value: &[u8], ttl: Option<Duration>) -> Result<bool, CacheError> {
        let ttl = ttl.map_or(0, |it| it.as_millis());
        let answer = self.ask(format!("{verb} {} {} {ttl}\n", to_hex(key), to_hex(value)))?;
        Ok(answer == "yes")
    }
}

impl Cache for Far {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, CacheError> {
        let answer = self.ask(format!("get {}\n", to_hex(key)))?;
        Ok(answer.strip_prefix('=').map(from_hex))
    }

    fn set(&self, key: &[u8], value: &[u8], ttl: Option<Duration>) -> Result<(), CacheError> {
        self.tell("set", key, value, ttl).map(drop)
    }

    fn add(&self, key: &[u8], value: &[u8], ttl: Option<Duration>) -> Result<bool, CacheError> {
        self.tell("add", key, value, ttl)
    }

    fn delete(&self, key: &[u8]) -> Result<(), CacheError> {
        self.tell("delete", key, b"", None).map(drop)
    }
}

fn to_hex(bytes: &[u8]) -> String {
    format!("-{}", bytes.iter().map(|it| format!("{it:02x}")).collect::<String>())
}

fn from_hex(text: &str) -> Bytes {
    let digits: Vec<u8> = text.chars().filter_map(|it| it.to_digit(16)).map(|it| it as u8).collect();
    digits.chunks(2).map(|it| it[0] << 4 | it[1]).collect()
}
