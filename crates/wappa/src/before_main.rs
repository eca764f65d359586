//! What happens before `main`: standard input and output that were closed when the process began are kept useless.
//!
//! The standard library opens `/dev/null` in their place, before `main`, so that whatever is written there is lost
//! without an error, and later nobody can tell that from a `/dev/null` that the user asked for. So this runs earlier,
//! and puts something there that fails whoever reads from it or writes to it, as `stdopen` of gnulib does. A directory
//! stands for standard output since `/dev/stdout` cannot be opened for writing then either.

use std::os::fd::{AsRawFd, BorrowedFd, IntoRawFd};

use rustix::{
    fs::{Mode, OFlags, open},
    io::{Errno, fcntl_getfd},
    stdio,
};

#[expect(unsafe_code, reason = "no other way leads before the standard library's own beginning")]
#[used]
// SAFETY: the section holds pointers to functions of C that the system's startup code calls once, while there is one
// thread. The function ignores the arguments that some systems give it, makes system calls only, and cannot unwind.
#[unsafe(link_section = ".init_array")]
static BEFORE_MAIN: extern "C" fn() = keep_closed;

extern "C" fn keep_closed() {
    // In this order: what is opened gets the lowest number that is free.
    keep_useless(stdio::stdin(), "/dev/null", OFlags::WRONLY);
    keep_useless(stdio::stdout(), "/", OFlags::RDONLY | OFlags::DIRECTORY);
}

fn keep_useless(descriptor: BorrowedFd<'_>, path: &str, flags: OFlags) {
    if fcntl_getfd(descriptor) != Err(Errno::BADF) {
        return;
    }
    if let Ok(own) = open(path, flags | OFlags::CLOEXEC, Mode::empty())
        && own.as_raw_fd() == descriptor.as_raw_fd()
    {
        let _ = own.into_raw_fd();
    }
}
