//! The config of the `wasm` processor: its reference page.

use std::time::Duration;

use wappa_spec::{Config, Map, Secret, Size};

/// Executes a function exported by a WASM module for each message.
///
/// From inside the function the message can be read and changed through host functions.
/// There are three interfaces for guests, and the module itself says which one it is for:
/// [v0](../../guest-interface-v0.md) is Bento's and Redpanda Connect's, whose modules run unmodified;
/// [v1](../../guest-interface-v1.md) has everything that v0 lacks;
/// and WebAssembly components implement the world [`wappa:processor`](../../guest-interface-component.md).
/// [Which one to choose](../../guests/choosing-a-tier.md) depends on your language more than on anything else.
///
/// A message on which the guest fails (it traps, runs out of time or memory, or exits) goes on as it came in and is
/// marked with the reason, which `catch`, `try` and `reject_errored` see.
/// All other messages of its batch are whole: this is the one place where Wappa differs from Bento on purpose, which
/// fails the batch.
///
/// # Examples
///
/// ### Upper case
///
/// ```yaml
/// input:
///   stdin: {}
/// pipeline:
///   processors:
///     - wasm:
///         module_path: examples/upper.wat
/// output:
///   stdout: {}
/// ```
///
/// ### A guest that may take a second and sees one directory
///
/// ```yaml
/// pipeline:
///   threads: 1
///   processors:
///     - wasm:
///         module_path: examples/upper.wat
///         timeout: 1s
///         mounts:
///           - { host: ., guest: /data }
///     - catch:
///         - log:
///             level: ERROR
///             message: 'failed: ${! error() }'
/// ```
///
/// ### A guest with a config, replaced while the stream runs
///
/// ```yaml
/// pipeline:
///   processors:
///     - wasm:
///         module_path: examples/upper.wat
///         config:
///           greeting: hello
///         reload: true
/// ```
///
/// # Performance
///
/// A module is compiled once, whatever the number of threads and processors that use it.
/// Each thread keeps an instance of its own, so that the threads share nothing while they work.
/// A guest compiled with SIMD (`-msimd128`) is several times faster on byte-by-byte work.
///
/// # Delivery
///
/// Order is kept.
/// When the stream stops while a guest works on a message, the guest is interrupted and the message is answered as
/// not delivered.
///
/// # Pitfalls
///
/// A module with state in its globals needs `pipeline.threads: 1` or `max_instances: 1`: each instance has globals of
/// its own, and they are lost when an instance is replaced, after a trap or by `recycle` (counted as
/// `wasm_state_lost`).
#[derive(Config, Debug)]
#[config(lint = super::lint::lint, lint_broken = super::lint::lint_broken)]
pub(crate) struct WasmConfig {
    /// The path of the module: a `.wasm` file, or WebAssembly text (`.wat`). Relative to the working directory; when it
    /// is not there, relative to the config or the file of resources that names it.
    pub(crate) module_path: String,

    /// The function exported by the module that is called for each message.
    #[config(default = "process")]
    pub(crate) function: String,

    /// The longest one message may take, the guest's allocator and frees included. A guest that is over it is stopped,
    /// and the message fails.
    #[config(default = "10s", bento = false)]
    pub(crate) timeout: Duration,

    /// How large the memories and tables of one instance may become, with what else the host keeps for it past a
    /// mebibyte. Growing past it fails inside the guest. All guests of the process together have a limit too, the flag
    /// `--guest-memory-limit`, of which each has its share.
    #[config(default = "128MiB", bento = false)]
    pub(crate) memory_limit: Size,

    /// What one message may become: content, metadata and the messages that the guest makes of it together. Past it the
    /// message fails; content that is no larger than it came in never does.
    #[config(default = "64MiB", bento = false)]
    pub(crate) output_limit: Size,

    /// What all messages that are worked on together may grow by, in this processor and in those before it: the messages
    /// of a batch, say, or of a few small ones. They may always become twice what was read. Past it the message fails.
    #[config(default = "512MiB", bento = false, advanced)]
    pub(crate) part_limit: Size,

    /// How many instances there may be at once; `0`: as many as there are threads to use them.
    #[config(default = "0", bento = false, advanced)]
    pub(crate) max_instances: u64,

    /// When an instance in good health is replaced by a new one.
    #[config(bento = false, advanced)]
    pub(crate) recycle: RecycleConfig,

    /// What the guest can read as its config: names and texts. Guests of interface v0 cannot read it.
    #[config(bento = false)]
    pub(crate) config: Secret<Map<String>>,

    /// The WASI environment of the guest.
    #[config(bento = false, advanced)]
    pub(crate) env: Secret<Map<String>>,

    /// The WASI arguments of the guest.
    #[config(bento = false, advanced)]
    pub(crate) args: Vec<String>,

    /// Directories that the guest may use, by different names. It sees nothing of the file system without one.
    #[config(bento = false, advanced)]
    pub(crate) mounts: Vec<MountConfig>,

    /// The SHA-256 digest that the module must have, in hexadecimal. The stream does not start with another one.
    #[config(default = "\"\"", bento = false, advanced)]
    pub(crate) sha256: String,

    /// Watch the module's file, through symbolic links too. A new version takes over between two messages; one that does
    /// not load leaves the old one at work, is told in the log and counted as `wasm_reload_failed`.
    #[config(default = "false", bento = false, advanced)]
    pub(crate) reload: bool,
}

/// When an instance in good health is replaced.
#[derive(Config, Debug)]
pub(crate) struct RecycleConfig {
    /// After so many messages; `0`: never.
    #[config(default = "0", bento = false)]
    pub(crate) messages: u64,

    /// When its memory nears `memory_limit` after having kept growing: a guest that leaks is replaced before it fails.
    #[config(default = "true", bento = false)]
    pub(crate) growth: bool,
}

/// A directory that the guest may use.
#[derive(Config, Debug)]
pub(crate) struct MountConfig {
    /// The directory of the host. Relative to the working directory; when it is not there, relative to the config or the
    /// file of resources that names it.
    pub(crate) host: String,

    /// Its name for the guest, such as `/data`.
    pub(crate) guest: String,

    /// Whether the guest may change what is in it.
    #[config(default = "false", bento = false)]
    pub(crate) writable: bool,
}
