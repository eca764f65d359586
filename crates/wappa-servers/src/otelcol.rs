//! The collector of OpenTelemetry, which writes what it is told to a file, a JSON document a line.

use std::{fs, net::TcpStream, path::PathBuf};

use crate::{Dir, Launch, Missing, Port, Server, find};

/// A collector that is not started yet.
#[derive(Debug)]
pub struct Otelcol {
    program: PathBuf,
}

/// A collector that runs.
#[derive(Debug)]
pub struct Collector {
    /// The process. [`Server::port`] 0 is that of OTLP over HTTP, 1 that over gRPC.
    pub server: Server,
    file: PathBuf,
}

impl Otelcol {
    /// The program.
    pub fn find() -> Result<Otelcol, Missing> {
        Ok(Otelcol { program: find("otelcol")? })
    }

    /// Starts it.
    pub fn start(self) -> Collector {
        let (dir, http, grpc) = (Dir::new(), Port::free(), Port::free());
        let file = PathBuf::from(dir.at("told.jsonl"));
        let config = format!(
            "receivers: {{otlp: {{protocols: {{http: {{endpoint: '{}'}}, grpc: {{endpoint: '{}'}}}}}}}}\n\
             exporters: {{file: {{path: '{}', flush_interval: 100ms}}}}\n\
             service:\n  telemetry: {{metrics: {{level: none}}}}\n  \
             pipelines: {{traces: {{receivers: [otlp], exporters: [file]}}}}\n",
            http.address(),
            grpc.address(),
            file.display(),
        );
        let config = dir.write("otelcol.yaml", &config);
        let addresses = [http.address(), grpc.address()];
        let launch = Launch {
            name: "otelcol",
            program: self.program,
            args: vec!["--config".to_string(), config],
            env: Vec::new(),
            user: None,
            is_ready: Box::new(move || {
                addresses
                    .iter()
                    .try_for_each(|it| TcpStream::connect(it).map(drop).map_err(|err| err.to_string()))
            }),
        };
        Collector { server: Server::start(launch, vec![http, grpc], dir), file }
    }
}

impl Collector {
    /// What it was told so far: whole documents, one a line.
    pub fn told(&self) -> String {
        let text = fs::read_to_string(&self.file).unwrap_or_default();
        let end = text.rfind('\n').map_or(0, |it| it + 1);
        text[..end].to_string()
    }
}
