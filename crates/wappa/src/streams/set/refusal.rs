//! Why changes are not made.

/// Why a change was not made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// There is no such stream.
    NotFound,
    /// There is one already.
    Exists,
    /// Something is wrong with what was asked.
    Mistake(String),
    /// It cannot be built, or not be stopped.
    Failed(String),
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Refusal::NotFound => f.write_str("Stream not found"),
            Refusal::Exists => f.write_str("Stream already exists"),
            Refusal::Mistake(text) | Refusal::Failed(text) => f.write_str(text),
        }
    }
}

pub(super) fn closed() -> Refusal {
    Refusal::Failed("the service is closing".to_string())
}
