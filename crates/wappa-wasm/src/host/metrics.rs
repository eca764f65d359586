//! What a guest counts.

/// The longest name of a guest's counter, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// Where a guest's counters go. Called on the guest's thread.
pub trait GuestMetrics: Send + Sync {
    /// Adds to a counter. Its name has ASCII letters, digits and underscores, 1 to 64 of them; how many names there
    /// are is for the implementation to bound.
    fn count(&self, name: &str, delta: u64);
}

/// The name of a counter, or what is wrong with it.
pub(crate) fn check_name(name: &[u8]) -> Result<&str, String> {
    let fits = (1..=NAME_BYTES_MAX).contains(&name.len())
        && name.iter().all(|it| it.is_ascii_alphanumeric() || *it == b'_');
    match str::from_utf8(name) {
        Ok(name) if fits => Ok(name),
        _ => Err(format!(
            "the name of a counter has ASCII letters, digits and underscores, 1 to {NAME_BYTES_MAX} of them"
        )),
    }
}

/// A coarse clock that costs no more than a load: about a millisecond between two ticks.
pub trait Ticks: Send + Sync {
    /// How often it has ticked.
    fn ticks(&self) -> u64;
}
