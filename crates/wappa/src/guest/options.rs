//! Flags that say how a guest is made: the fields of the `wasm` processor, with its defaults.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use wappa_spec::Size;
use wappa_wasm::{GuestConfig, Limits, Mount};

use crate::cli::{duration, size};

const HEADING: &str = "The guest (as the fields of the `wasm` processor)";

/// How many lines a second a guest may log: more than in a stream, since a person wants to see them all, and still
/// bounded.
const LOG_LINES_PER_SECOND: u32 = 1000;

/// How a guest is made.
#[derive(Args, Clone, Debug)]
pub(crate) struct GuestOptions {
    /// The exported function that is called for each message.
    #[arg(long, short = 'f', value_name = "NAME", default_value = "process", help_heading = HEADING)]
    pub(super) function: String,

    /// Something that the guest can read as its config; may be given again.
    // The program's own `--config` is another flag.
    #[arg(id = "guest_config", long = "config", value_name = "KEY=VALUE", value_parser = pair, help_heading = HEADING)]
    config: Vec<(String, String)>,

    /// The longest one message may take [default: 10s].
    #[arg(long, value_name = "DURATION", value_parser = duration, help_heading = HEADING)]
    timeout: Option<Duration>,

    /// How large the memories and tables of an instance may become [default: 128MiB].
    #[arg(long, value_name = "SIZE", value_parser = size, help_heading = HEADING)]
    memory_limit: Option<Size>,

    /// What one message may become [default: 64MiB].
    #[arg(long, value_name = "SIZE", value_parser = size, help_heading = HEADING)]
    output_limit: Option<Size>,

    /// The memory that the guest may make the process hold, as the flag of `run` [default: three quarters of the
    /// machine's, or of the control group's].
    // The flag of `run` is another one.
    #[arg(id = "guest_memory", long = "guest-memory-limit", value_name = "SIZE", value_parser = size)]
    pub(super) guest_memory_limit: Option<Size>,

    /// A variable of the guest's WASI environment; may be given again.
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair, help_heading = HEADING)]
    env: Vec<(String, String)>,

    /// A WASI argument of the guest; may be given again.
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true, help_heading = HEADING)]
    arg: Vec<String>,

    /// A directory that the guest may read, or with `:rw` change; may be given again.
    #[arg(long, value_name = "HOST:GUEST[:rw]", value_parser = mount, help_heading = HEADING)]
    mount: Vec<Mount>,
}

impl GuestOptions {
    /// What the guest may use.
    pub(super) fn limits(&self) -> Limits {
        let default = Limits::default();
        let bytes = |it: Option<Size>, default: usize| {
            it.map_or(default, |it| usize::try_from(it.bytes()).unwrap_or(usize::MAX))
        };
        Limits {
            timeout: self.timeout.unwrap_or(default.timeout),
            memory: bytes(self.memory_limit, default.memory),
            output: bytes(self.output_limit, default.output),
            log_lines_per_second: LOG_LINES_PER_SECOND,
        }
    }

    /// The guest, without anybody who listens to it.
    pub(super) fn guest_config(&self) -> GuestConfig {
        GuestConfig {
            function: self.function.clone(),
            config: self.config.clone(),
            limits: self.limits(),
            env: self.env.clone(),
            args: self.arg.clone(),
            mounts: self.mount.clone(),
            ..GuestConfig::default()
        }
    }
}

/// `KEY=VALUE`; the value may be empty and may have more of these signs.
fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_string(), value.to_string())),
        _ => Err("write it as KEY=VALUE".to_string()),
    }
}

fn mount(text: &str) -> Result<Mount, String> {
    let (paths, writable) = match text.strip_suffix(":rw") {
        Some(paths) => (paths, true),
        None => (text, false),
    };
    match paths.split_once(':') {
        Some((host, guest)) if !host.is_empty() && !guest.is_empty() => {
            Ok(Mount { host: PathBuf::from(host), guest: guest.to_string(), writable })
        }
        _ => Err("write it as HOST:GUEST, or as HOST:GUEST:rw where the guest may change files".to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_and_pairs() {
        assert_eq!(
            mount("./data:/data:rw"),
            Ok(Mount { host: "./data".into(), guest: "/data".into(), writable: true })
        );
        assert_eq!(mount(".:/"), Ok(Mount { host: ".".into(), guest: "/".into(), writable: false }));
        assert!(["/data", "/data:rw", ":/data", "/data:"].into_iter().all(|it| mount(it).is_err()));
        assert_eq!(pair("a=b=c"), Ok(("a".into(), "b=c".into())));
        assert!(pair("=b").is_err() && pair("a").is_err() && pair("a=").is_ok());
    }
}
