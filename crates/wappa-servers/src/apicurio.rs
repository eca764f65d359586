//! Apicurio: a schema registry that speaks Confluent's protocol, and keeps schemas in its memory.

use std::{
    io::{Read, Write},
    net::TcpStream,
    path::PathBuf,
    time::Duration,
};

use crate::{Dir, Launch, Missing, Port, Server, find, find_file};

/// The program among what `.ci/servers` has installed.
const JAR: &str = "apicurio/apicurio-registry-app-3.0.9-runner.jar";

/// A registry that is not started yet.
#[derive(Debug)]
pub struct Apicurio {
    java: PathBuf,
    jar: PathBuf,
}

impl Apicurio {
    /// The program, and what `.ci/servers` has installed.
    pub fn find() -> Result<Apicurio, Missing> {
        Ok(Apicurio { java: find("java")?, jar: find_file(JAR)? })
    }

    /// The path of Confluent's protocol.
    pub const PATH: &'static str = "/apis/ccompat/v7";

    /// Starts it. What it kept is gone when it is started again.
    pub fn start(self) -> Server {
        let (dir, port) = (Dir::new(), Port::free());
        let number = format!("-Dquarkus.http.port={}", port.number());
        let args = [
            "-Xmx256m",
            "-Xms64m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-Dquarkus.http.host=127.0.0.1",
            &number,
            "-jar",
            &self.jar.display().to_string(),
        ];
        let address = port.address();
        let launch = Launch {
            name: "apicurio",
            program: self.java,
            args: args.map(str::to_string).to_vec(),
            env: Vec::new(),
            user: None,
            is_ready: Box::new(move || match ask(&address, "GET", "/subjects", "") {
                Ok(answer) if answer.starts_with("HTTP/1.1 200") => Ok(()),
                Ok(answer) => Err(answer),
                Err(err) => Err(err.to_string()),
            }),
        };
        Server::start(launch, vec![port], dir)
    }

    /// Adds a version of a subject, and gives the number of its schema.
    ///
    /// `body` is what Confluent's protocol has there: `{"schemaType":"AVRO","schema":"…"}`.
    ///
    /// # Panics
    ///
    /// If the registry refuses.
    pub fn register(server: &Server, subject: &str, body: &str) -> u32 {
        let answer = ask(&server.address(), "POST", &format!("/subjects/{subject}/versions"), body);
        let answer = answer.expect("the registry is there");
        let id =
            answer.rsplit_once("\"id\":").map(|it| it.1.chars().take_while(char::is_ascii_digit).collect());
        let id: Option<String> = id.filter(|_| answer.starts_with("HTTP/1.1 200"));
        id.and_then(|it| it.parse().ok()).unwrap_or_else(|| panic!("{subject}: {answer}"))
    }
}

fn ask(address: &str, verb: &str, path: &str, body: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    write!(
        stream,
        "{verb} {}{path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
         Content-Type: application/vnd.schemaregistry.v1+json\r\nContent-Length: {}\r\n\r\n{body}",
        Apicurio::PATH,
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
