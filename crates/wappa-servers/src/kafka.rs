//! Kafka: one broker that is its own controller.

use std::{
    io::{Read, Write},
    net::TcpStream,
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

use crate::{Dir, Launch, Missing, Port, Server, find, find_file};

/// A broker of Kafka that is not started yet.
#[derive(Debug)]
pub struct Kafka {
    java: PathBuf,
    jars: PathBuf,
    /// More lines for its properties.
    properties: String,
    /// Who may show by SCRAM who they are: name and password.
    users: Vec<(String, String)>,
    has_sasl: bool,
    tls: Option<Tls>,
    /// Where clients are told that the broker is who come in by one more port each.
    fronts: Vec<String>,
}

/// What the broker encrypts with: files of PEM, of a key and its certificate, and of the authority that is trusted.
#[derive(Debug)]
struct Tls {
    key_store: String,
    authority: String,
}

/// The machine is shared: one compiler, one collector, and no more memory than a broker of tests needs.
const JAVA: [&str; 5] = [
    "-Xmx256m",
    "-Xms64m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
];

/// The numbers of the ports of a broker, for [`Server::port`]: plain, and those that ask who somebody is.
pub const PLAIN: usize = 0;
/// With SASL.
pub const SASL: usize = 2;
/// With TLS.
pub const TLS: usize = 3;
/// With SASL over TLS.
pub const SASL_TLS: usize = 4;
/// The first of those behind others, see [`Kafka::behind`].
pub const BEHIND: usize = 5;

impl Kafka {
    /// The program, and what `.ci/servers` has installed.
    pub fn find() -> Result<Kafka, Missing> {
        let (java, jars) = (find("java")?, find_file("kafka-libs")?);
        let (properties, users) = (String::new(), Vec::new());
        Ok(Kafka { java, jars, properties, users, has_sasl: false, tls: None, fronts: Vec::new() })
    }

    /// The same, with these lines in its properties.
    #[must_use]
    pub fn properties(self, lines: &str) -> Kafka {
        Kafka { properties: format!("{}{lines}\n", self.properties), ..self }
    }

    /// The same, with a port that asks for a name and a password, by PLAIN or SCRAM.
    #[must_use]
    pub fn user(mut self, name: &str, password: &str) -> Kafka {
        self.users.push((name.to_string(), password.to_string()));
        Kafka { has_sasl: true, ..self }
    }

    /// The same, with ports that encrypt: these are files of PEM.
    #[must_use]
    pub fn tls(self, key_store: &str, authority: &str) -> Kafka {
        let tls = Tls { key_store: key_store.to_string(), authority: authority.to_string() };
        Kafka { tls: Some(tls), ..self }
    }

    /// The same, with a port behind each of these addresses, such as those of [`crate::Proxy`]: who comes in by one of them is
    /// told that the broker is at that address.
    #[must_use]
    pub fn behind(self, fronts: &[String]) -> Kafka {
        Kafka { fronts: fronts.to_vec(), ..self }
    }

    /// Starts it. Topics have four partitions unless somebody makes them otherwise.
    pub fn start(self) -> Server {
        let dir = Dir::new();
        let ports: Vec<Port> = (0..BEHIND + self.fronts.len()).map(|_| Port::free()).collect();
        let file = dir.write("server.properties", self.all_properties(&dir, &ports));
        let class_path = format!("{}/*", self.jars.display());
        let java = |main: &str| -> Vec<String> {
            JAVA.iter().copied().chain(["-cp", &class_path, main]).map(str::to_string).collect()
        };
        self.format(java("kafka.tools.StorageTool"), &file);
        let mut args = java("kafka.Kafka");
        args.push(file);
        let address = ports[PLAIN].address();
        let launch = Launch {
            name: "kafka",
            program: self.java,
            args,
            env: Vec::new(),
            user: None,
            is_ready: Box::new(move || answers(&address)),
        };
        Server::start(launch, ports, dir)
    }

    fn all_properties(&self, dir: &Dir, ports: &[Port]) -> String {
        let mut listeners = vec![("PLAINTEXT", "PLAINTEXT", PLAIN), ("CONTROLLER", "PLAINTEXT", 1)];
        if self.has_sasl {
            listeners.push(("SASL", "SASL_PLAINTEXT", SASL));
        }
        if self.tls.is_some() {
            listeners.push(("TLS", "SSL", TLS));
        }
        if self.tls.is_some() && self.has_sasl {
            listeners.push(("SASLTLS", "SASL_SSL", SASL_TLS));
        }
        let names: Vec<String> = (0..self.fronts.len()).map(|it| format!("BEHIND{it}")).collect();
        listeners.extend(names.iter().zip(BEHIND..).map(|(name, idx)| (name.as_str(), "PLAINTEXT", idx)));
        let own: Vec<String> =
            listeners.iter().map(|(name, _, idx)| format!("{name}://{}", ports[*idx].address())).collect();
        let told = listeners.iter().filter(|it| it.0 != "CONTROLLER").map(|(name, _, idx)| {
            let front = idx.checked_sub(BEHIND).map(|it| self.fronts[it].clone());
            format!("{name}://{}", front.unwrap_or_else(|| ports[*idx].address()))
        });
        let told: Vec<String> = told.collect();
        let map: Vec<String> = listeners.iter().map(|(name, kind, _)| format!("{name}:{kind}")).collect();
        let mut lines = vec![
            "process.roles=broker,controller".to_string(),
            "node.id=1".to_string(),
            format!("controller.quorum.voters=1@{}", ports[1].address()),
            format!("listeners={}", own.join(",")),
            format!("advertised.listeners={}", told.join(",")),
            "controller.listener.names=CONTROLLER".to_string(),
            format!("listener.security.protocol.map={}", map.join(",")),
            "inter.broker.listener.name=PLAINTEXT".to_string(),
            format!("log.dirs={}", dir.at("data")),
            "num.partitions=4".to_string(),
            // There is one broker, and little to keep.
            "offsets.topic.num.partitions=1".to_string(),
            "offsets.topic.replication.factor=1".to_string(),
            "transaction.state.log.num.partitions=1".to_string(),
            "transaction.state.log.replication.factor=1".to_string(),
            "transaction.state.log.min.isr=1".to_string(),
            "share.coordinator.state.topic.num.partitions=1".to_string(),
            "share.coordinator.state.topic.replication.factor=1".to_string(),
            "share.coordinator.state.topic.min.isr=1".to_string(),
            "group.initial.rebalance.delay.ms=0".to_string(),
            // One that was killed is let in again when its lease is over.
            "broker.session.timeout.ms=2000".to_string(),
            "broker.heartbeat.interval.ms=500".to_string(),
            "log.cleaner.dedupe.buffer.size=2097152".to_string(),
        ];
        if self.has_sasl {
            lines.push("sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512".to_string());
        }
        for (name, _, _) in listeners.iter().filter(|it| it.0.starts_with("SASL")) {
            let of = |mechanism: &str, module: &str, more: &str| {
                let name = name.to_lowercase();
                format!(
                    "listener.name.{name}.{mechanism}.sasl.jaas.config=org.apache.kafka.common.security.{module} required{more};"
                )
            };
            let users = self.users.iter().map(|(user, password)| format!(" user_{user}=\"{password}\""));
            lines.push(of("plain", "plain.PlainLoginModule", &users.collect::<String>()));
            lines.push(of("scram-sha-256", "scram.ScramLoginModule", ""));
            lines.push(of("scram-sha-512", "scram.ScramLoginModule", ""));
        }
        if let Some(Tls { key_store, authority }) = &self.tls {
            lines.push("ssl.keystore.type=PEM\nssl.truststore.type=PEM".to_string());
            lines.push(format!("ssl.keystore.location={key_store}\nssl.truststore.location={authority}"));
        }
        format!("{}\n{}", lines.join("\n"), self.properties)
    }

    /// Makes the directory of its data.
    fn format(&self, mut args: Vec<String>, file: &str) {
        // Any name of a cluster will do, in the form that it has to have.
        args.extend(["format", "-t", "d2FwcGEtdGVzdHMtb25lIQ", "-c", file].map(str::to_string));
        for (name, password) in &self.users {
            for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-512"] {
                args.push("--add-scram".to_string());
                args.push(format!("{mechanism}=[name={name},password={password}]"));
            }
        }
        let output = Command::new(&self.java).args(&args).stdin(Stdio::null()).output();
        let output = output.unwrap_or_else(|err| panic!("starting {}: {err}", self.java.display()));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

/// Whether a broker says which requests it understands.
fn answers(address: &str) -> Result<(), String> {
    // The request `ApiVersions` of version 0, with the number 7 and without a name.
    let request = [0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff];
    let ask = || -> std::io::Result<[u8; 10]> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(&request)?;
        let mut answer = [0; 10];
        stream.read_exact(&mut answer)?;
        Ok(answer)
    };
    match ask().map_err(|err| err.to_string())? {
        [_, _, _, _, 0, 0, 0, 7, 0, 0] => Ok(()),
        answer => Err(format!("{answer:?}")),
    }
}
