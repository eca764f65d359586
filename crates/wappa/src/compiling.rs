//! How modules are compiled: the flags for what it may cost, and for where the code is kept.

use std::{
    io::{self, IsTerminal, Write},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use clap::Args;
use wappa_spec::Size;
use wappa_wasm::{Budget, CACHE_BYTES_MAX, CodeCache};

use crate::{
    cli::{duration, size},
    environment::Environment,
};

const HEADING: &str = "Compiling modules";

/// Flags of whatever compiles.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct CompileOptions {
    /// The processor time that compiling one module may take [default: 120s].
    #[arg(long, value_name = "DURATION", value_parser = duration, help_heading = HEADING)]
    compile_cpu_limit: Option<Duration>,

    /// The time that compiling one module may take [default: 60s].
    #[arg(long, value_name = "DURATION", value_parser = duration, help_heading = HEADING)]
    compile_time_limit: Option<Duration>,

    /// The memory that compiling one module may take [default: 2GiB].
    #[arg(long, value_name = "SIZE", value_parser = size, help_heading = HEADING)]
    compile_memory_limit: Option<Size>,

    /// Where compiled code is kept [default: `wappa` in $XDG_CACHE_HOME or ~/.cache].
    #[arg(long, value_name = "DIR", help_heading = HEADING)]
    compile_cache: Option<PathBuf>,

    /// How much compiled code is kept [default: 1GiB].
    #[arg(long, value_name = "SIZE", value_parser = size, help_heading = HEADING)]
    compile_cache_limit: Option<Size>,

    /// Keep no compiled code, and use none that was kept.
    #[arg(long, conflicts_with = "compile_cache", help_heading = HEADING)]
    no_compile_cache: bool,
}

impl CompileOptions {
    /// The flags before the command, with those behind it; where there can be one only, the latter count.
    pub(crate) fn merged(self, behind: &CompileOptions) -> CompileOptions {
        let has_cache_behind = behind.no_compile_cache || behind.compile_cache.is_some();
        let of_cache = if has_cache_behind { behind } else { &self };
        CompileOptions {
            compile_cache: of_cache.compile_cache.clone(),
            no_compile_cache: of_cache.no_compile_cache,
            compile_cpu_limit: behind.compile_cpu_limit.or(self.compile_cpu_limit),
            compile_time_limit: behind.compile_time_limit.or(self.compile_time_limit),
            compile_memory_limit: behind.compile_memory_limit.or(self.compile_memory_limit),
            compile_cache_limit: behind.compile_cache_limit.or(self.compile_cache_limit),
        }
    }

    /// What compiling one module may cost.
    pub(crate) fn budget(&self) -> Budget {
        let default = Budget::default();
        Budget {
            cpu: self.compile_cpu_limit.unwrap_or(default.cpu),
            wall: self.compile_time_limit.unwrap_or(default.wall),
            memory: self.compile_memory_limit.map_or(default.memory, Size::bytes),
        }
    }

    /// Where compiled code is kept.
    pub(crate) fn cache(&self, environment: &Environment) -> Keeping {
        if self.no_compile_cache {
            return Keeping::Off;
        }
        let dir = self.compile_cache.clone().or_else(|| default_dir(environment));
        let bytes_max = self.compile_cache_limit.map_or(CACHE_BYTES_MAX, Size::bytes);
        dir.map_or(Keeping::Nowhere, |it| Keeping::In(Arc::new(CodeCache::new(it, bytes_max))))
    }
}

/// Whether compiled code is kept.
#[derive(Clone, Debug)]
pub(crate) enum Keeping {
    /// In a directory.
    In(Arc<CodeCache>),
    /// It would be, but no flag and no variable says where.
    Nowhere,
    /// A flag says no.
    Off,
}

/// What is said where there is [`Keeping::Nowhere`].
pub(crate) const NOWHERE: &str =
    "compiled code is not cached: neither XDG_CACHE_HOME nor HOME is set, and there is no `--compile-cache`";

/// Says to a person why modules are compiled slowly, where they are.
pub(crate) fn tell_of_slow_build() {
    if cfg!(debug_assertions) && io::stderr().is_terminal() {
        let text = "hint: this is a debug build, which compiles modules many times as slowly as one of \
                    `cargo build --release`\n";
        let _ = io::stderr().write_all(text.as_bytes());
    }
}

/// As the XDG Base Directory Specification has it: what is not absolute does not count.
fn default_dir(environment: &Environment) -> Option<PathBuf> {
    let dir = |name| environment.var(name).map(PathBuf::from).filter(|it| it.is_absolute());
    let caches = dir("XDG_CACHE_HOME").or_else(|| dir("HOME").map(|it| it.join(".cache")));
    caches.map(|it| it.join("wappa"))
}
