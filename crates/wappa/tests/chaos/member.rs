//! Processes of the program that are killed and started again: each member of the group is one, and so is the auditor.

use std::fs;

use wappa_servers::{Dir, Launch, Server};

use super::brokers::Broker;

/// What a process has of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Use {
    /// Bytes.
    pub(crate) memory: u64,
    pub(crate) descriptors: usize,
}

impl Use {
    pub(crate) fn max(self, other: Use) -> Use {
        Use { memory: self.memory.max(other.memory), descriptors: self.descriptors.max(other.descriptors) }
    }

    /// What this one has now. Nothing, while it does not run.
    pub(crate) fn of(process: &Server) -> Use {
        let Some(pid) = process.pid() else { return Use::default() };
        let folder = format!("/proc/{}", pid.as_raw_nonzero());
        let status = fs::read_to_string(format!("{folder}/status")).unwrap_or_default();
        let resident = status.lines().find_map(|it| it.strip_prefix("VmRSS:"));
        let kibibytes = resident.and_then(|it| it.trim().trim_end_matches(" kB").parse::<u64>().ok());
        Use {
            memory: kibibytes.unwrap_or(0) << 10,
            descriptors: fs::read_dir(format!("{folder}/fd")).map_or(0, Iterator::count),
        }
    }
}

/// Starts a process with a config.
pub(crate) fn start(name: &'static str, config: &str) -> Server {
    let dir = Dir::new();
    let file = dir.write("a.yaml", config);
    let launch = Launch {
        name,
        program: env!("CARGO_BIN_EXE_wappa").into(),
        args: vec!["-c".to_string(), file],
        env: vec![
            ("XDG_CACHE_HOME".to_string(), dir.at("cache")),
            ("WAPPA_HTTP_ADDRESS".to_string(), "127.0.0.1:0".to_string()),
        ],
        user: None,
        is_ready: Box::new(|| Ok(())),
    };
    Server::start(launch, Vec::new(), dir)
}

/// Starts a member that reaches the broker at this address, and has the module of this file.
pub(crate) fn member(broker: &Broker, address: &str, guest: &str) -> Server {
    let [dead, out] = ["dead", "out"].map(|it| broker.output(it, broker.key_of_message));
    let config = format!(
        "input:\n  {}\npipeline: {{threads: 2, processors: [{{wasm: {{module_path: {guest:?}, reload: true}}}}]}}\n\
         output:\n  switch:\n    cases:\n      - check: errored()\n        output:\n          {dead}\n      - output:\n          {out}\n",
        broker.member,
    );
    start("a member", &config.replace("ADDRESS", address))
}
