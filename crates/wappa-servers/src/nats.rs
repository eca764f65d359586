//! NATS, with JetStream.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::PathBuf,
    time::Duration,
};

use crate::{Dir, Launch, Missing, Port, Server, find};

/// A server of NATS that is not started yet.
#[derive(Debug)]
pub struct Nats {
    program: PathBuf,
    config: String,
}

impl Nats {
    /// The program.
    pub fn find() -> Result<Nats, Missing> {
        Ok(Nats { program: find("nats-server")?, config: String::new() })
    }

    /// The same, with this in its config file: authorization, say, or TLS. Ports and storage are taken care of.
    #[must_use]
    pub fn config(self, config: &str) -> Nats {
        Nats { config: config.to_string(), ..self }
    }

    /// Makes a stream with these subjects, whose messages are in files.
    ///
    /// # Panics
    ///
    /// If the server refuses.
    pub fn make_stream(server: &Server, name: &str, subjects: &[&str]) {
        let config = format!("{{\"name\":{name:?},\"subjects\":{subjects:?},\"storage\":\"file\"}}");
        let asked = format!(
            "CONNECT {{}}\r\nSUB _INBOX.made 1\r\nPUB $JS.API.STREAM.CREATE.{name} _INBOX.made {}\r\n{config}\r\n",
            config.len()
        );
        let ask = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(server.address())?;
            stream.set_read_timeout(Some(Duration::from_secs(5)))?;
            stream.write_all(asked.as_bytes())?;
            // The answer comes behind what the server says of itself.
            let lines = BufReader::new(stream).lines();
            lines
                .map_while(Result::ok)
                .find(|it| it.contains("stream_create_response"))
                .ok_or_else(|| std::io::Error::other("the server does not answer"))
        };
        let answer = ask().expect("the server is there");
        assert!(!answer.contains("\"error\""), "{answer}");
    }

    /// Starts it. [`Server::port`] 1 is that of its monitoring.
    pub fn start(self) -> Server {
        let (dir, port, monitor) = (Dir::new(), Port::free(), Port::free());
        let config = dir.write("nats.conf", &self.config);
        let (storage, number, of_monitor) =
            (dir.at("js"), port.number().to_string(), monitor.number().to_string());
        let args =
            ["-a", "127.0.0.1", "-p", &number, "-m", &of_monitor, "-js", "-sd", &storage, "-c", &config];
        let address = monitor.address();
        let launch = Launch {
            name: "nats-server",
            program: self.program,
            args: args.map(str::to_string).to_vec(),
            env: Vec::new(),
            user: None,
            is_ready: Box::new(move || is_healthy(&address)),
        };
        Server::start(launch, vec![port, monitor], dir)
    }
}

/// Whether the monitoring says that everything is well, JetStream included.
fn is_healthy(address: &str) -> Result<(), String> {
    let answer = ask(address, b"GET /healthz HTTP/1.0\r\n\r\n");
    match answer.map_err(|err| err.to_string())? {
        answer if answer.contains("{\"status\":\"ok\"}") => Ok(()),
        answer => Err(answer),
    }
}

fn ask(address: &str, request: &[u8]) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(request)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
