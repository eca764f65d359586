//! The WIT package of the component tier, whose source is `guest/wit/processor.wit`, and what else components import.

/// The WIT package of the component tier, without its version.
pub const WORLD_PACKAGE: &str = "wappa:processor";

/// Its version in this Wappa, against which guests are built.
pub const WORLD_VERSION: &str = "1.0.0";

/// All versions of it that run here, the newest first. What the first one has and the others do not was added later.
pub(crate) const WORLD_VERSIONS: [&str; 2] = [WORLD_VERSION, "0.1.0"];

/// Whether an import of a component is an interface that no config grants, and that toolchains import whether or not it is
/// used: HTTP, of WASI 0.2. A component with such imports starts, and what it calls of them is refused.
pub(crate) fn is_ungranted(import: &str) -> bool {
    let interface = import.strip_prefix("wasi:http/").and_then(|it| it.split_once('@'));
    interface.is_some_and(|(_, version)| version.starts_with("0.2.") && !version.contains('-'))
}
