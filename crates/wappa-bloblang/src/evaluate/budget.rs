//! What a mapping may spend on one message.

use crate::error::{Error, Result};

/// How many steps a mapping may take for one message: some seconds of work.
const STEPS_MAX: u64 = 100_000_000;

/// How many bytes a mapping may make for one message, what is dropped again counted as well.
const BYTES_MAX: u64 = 1 << 30;

/// What is left.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    steps: u64,
    bytes: u64,
}

impl Default for Budget {
    fn default() -> Budget {
        Budget { steps: STEPS_MAX, bytes: BYTES_MAX }
    }
}

impl Budget {
    /// Takes one step.
    #[inline]
    pub(crate) fn step(&mut self) -> Result<()> {
        self.steps(1)
    }

    /// Takes steps: elements that are gone through, say.
    #[inline]
    pub(crate) fn steps(&mut self, n: u64) -> Result<()> {
        match self.steps.checked_sub(n) {
            Some(steps) => {
                self.steps = steps;
                Ok(())
            }
            None => {
                self.steps = 0;
                Err(too_many_steps())
            }
        }
    }

    /// Says how many bytes are about to be made.
    #[inline]
    pub(crate) fn bytes(&mut self, n: usize) -> Result<()> {
        match self.bytes.checked_sub(n as u64) {
            Some(bytes) => {
                self.bytes = bytes;
                Ok(())
            }
            None => Err(too_many_bytes()),
        }
    }

    /// Says how many values a list is about to have.
    pub(crate) fn values(&mut self, n: usize) -> Result<()> {
        self.bytes(n.saturating_mul(size_of::<wappa_message::Value>()))?;
        self.steps(n as u64)
    }
}

#[cold]
fn too_many_steps() -> Error {
    Error::new(format!("the mapping takes more than {STEPS_MAX} steps for one message"))
}

#[cold]
fn too_many_bytes() -> Error {
    Error::new(format!("the mapping makes more than {BYTES_MAX} bytes for one message"))
}
