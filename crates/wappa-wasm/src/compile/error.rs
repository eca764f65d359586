//! Why a module cannot be used.

use super::CompileError;

/// The module cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ModuleError {
    /// Not a module, in neither form; one that breaks the rules, or needs proposals that are refused; or one that
    /// carries the types of a component, of which none can be made. The text says which, and where.
    #[error("{0}")]
    Unfit(String),
    /// The digest is not the one that was asked for.
    #[error("the module's SHA-256 is {found}, expected {expected} (`sha256`)")]
    Digest {
        /// What was asked for.
        expected: String,
        /// What the module has.
        found: String,
    },
    /// The compiler failed or ran into its limits.
    #[error("compiling the module: {0}")]
    Compile(CompileError),
    /// What the compiler returned does not load.
    #[error("loading the compiled module: {0}")]
    Load(String),
}

impl From<CompileError> for ModuleError {
    fn from(err: CompileError) -> ModuleError {
        match err {
            CompileError::Unfit(reason) => ModuleError::Unfit(reason),
            other => ModuleError::Compile(other),
        }
    }
}
