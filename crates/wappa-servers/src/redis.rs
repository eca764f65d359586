//! Redis.

use std::{
    io::{Read, Write},
    net::TcpStream,
    path::PathBuf,
    time::Duration,
};

use crate::{Dir, Launch, Missing, Port, Server, find};

/// A server of Redis that is not started yet.
#[derive(Debug)]
pub struct Redis {
    program: PathBuf,
    args: Vec<String>,
    /// Files of a certificate and its key.
    tls: Option<[String; 2]>,
}

impl Redis {
    /// The program.
    pub fn find() -> Result<Redis, Missing> {
        Ok(Redis { program: find("redis-server")?, args: Vec::new(), tls: None })
    }

    /// The same, with more arguments: `--requirepass`, say. Port and storage are taken care of.
    #[must_use]
    pub fn args(self, args: &[&str]) -> Redis {
        Redis { args: args.iter().map(|it| it.to_string()).collect(), ..self }
    }

    /// The same, which encrypts, with files of a certificate and its key.
    #[must_use]
    pub fn tls(self, cert_file: &str, key_file: &str) -> Redis {
        Redis { tls: Some([cert_file, key_file].map(str::to_string)), ..self }
    }

    /// Starts it. What was written to it is there again after it was killed.
    pub fn start(self) -> Server {
        let (dir, port) = (Dir::new(), Port::free());
        let (data, number) = (dir.at(""), port.number().to_string());
        let own = ["--bind", "127.0.0.1", "--dir", &data, "--save", "", "--appendonly", "yes"];
        let listening = match &self.tls {
            None => vec!["--port", &number],
            Some([cert, key]) => vec![
                "--port",
                "0",
                "--tls-port",
                &number,
                "--tls-auth-clients",
                "no",
                "--tls-cert-file",
                cert,
                "--tls-key-file",
                key,
            ],
        };
        let address = port.address();
        let launch = Launch {
            name: "redis-server",
            program: self.program,
            args: own.into_iter().chain(listening).map(str::to_string).chain(self.args).collect(),
            env: Vec::new(),
            user: None,
            is_ready: match self.tls {
                None => Box::new(move || answers(&address)),
                // It has read its data before it listens there.
                Some(_) => {
                    Box::new(move || TcpStream::connect(&address).map(drop).map_err(|it| it.to_string()))
                }
            },
        };
        Server::start(launch, vec![port], dir)
    }
}

/// Whether it answers, if only that it wants a password first. While it reads its data it does so with another error.
fn answers(address: &str) -> Result<(), String> {
    let answer = ping(address).map_err(|err| err.to_string())?;
    if answer.starts_with("+PONG") || answer.starts_with("-NOAUTH") { Ok(()) } else { Err(answer) }
}

fn ping(address: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(b"PING\r\n")?;
    let mut answer = [0; 256];
    let n_bytes = stream.read(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer[..n_bytes]).into_owned())
}
