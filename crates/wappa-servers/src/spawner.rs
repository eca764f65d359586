//! The thread that starts servers.
//!
//! A server is killed when the thread ends that has started it, so that nothing is left of a test that was killed itself. So
//! this is a thread that lives as long as the process: servers may be shared between tests, and handed to others.

use std::{
    io,
    process::{Child, Command},
    sync::{
        Mutex, OnceLock, PoisonError,
        mpsc::{Sender, channel},
    },
    thread,
};

type Order = (Command, Sender<io::Result<Child>>);

/// Starts a program, which is killed at the latest when this process ends.
pub(crate) fn spawn(command: Command) -> io::Result<Child> {
    static ORDERS: OnceLock<Mutex<Sender<Order>>> = OnceLock::new();
    let orders = ORDERS.get_or_init(|| {
        let (tx, orders) = channel::<Order>();
        thread::spawn(move || {
            for (mut command, started) in orders {
                let _ = started.send(command.spawn());
            }
        });
        Mutex::new(tx)
    });
    let (tx, started) = channel();
    let sent = orders.lock().unwrap_or_else(PoisonError::into_inner).send((command, tx));
    sent.map_err(|_| io::Error::other("the thread that starts servers is gone"))?;
    started.recv().map_err(io::Error::other)?
}
