//! The WIT package of the component tier, whose source is `guest/wit/processor.wit`.

/// The WIT package of the component tier, without its version.
pub const WORLD_PACKAGE: &str = "wappa:processor";

/// Its version in this Wappa.
pub const WORLD_VERSION: &str = "0.1.0";
