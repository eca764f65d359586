//! Signals that would end the process where an error is wanted, or nothing at all.

use std::sync::{Arc, atomic::AtomicBool};

use rustix::process::Signal;
use signal_hook::flag;

/// A file that has reached the largest size that the system allows (`ulimit -f`) fails a write, as one on a full disk
/// does. Without somebody who takes the signal, the system would end the process instead.
pub(crate) fn keep_writing() {
    // Where it cannot be taken, the signal does what it did before.
    let _ = flag::register(Signal::XFSZ.as_raw(), Arc::new(AtomicBool::new(false)));
}

/// What tools send to tell a program to open its files anew, or to print what it does, ends no stream, as in Bento.
///
/// The signals are taken and not ignored: what is ignored would be ignored by the programs of `command` as well.
pub(crate) fn outlive_user_signals() {
    for signal in [Signal::USR1, Signal::USR2] {
        // Where it cannot be taken, the signal does what it did before.
        let _ = flag::register(signal.as_raw(), Arc::new(AtomicBool::new(false)));
    }
}
