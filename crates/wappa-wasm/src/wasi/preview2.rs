//! WASI 0.2 for components, with the same grants as preview 1: what the config says and nothing else.
//!
//! wasmtime-wasi does the work. Those of its calls that may wait for the world are driven step by step, as those of
//! preview 1 are, so that a wait ends at the deadline of the message or when the host shuts down. An exit ends the
//! call, not the process. There is no network: no socket can be made and no name looked up.

mod answers;
mod clocks;
mod files;
mod streams;

use wasmtime::component::{HasData, Linker, ResourceTable};
use wasmtime_wasi::{
    WasiCtxView, WasiView,
    filesystem::WasiFilesystemCtxView,
    p2::bindings::{cli, clocks as clock_bindings, filesystem, random, sockets, sync},
    sockets::{WasiSockets, WasiSocketsView},
};

use crate::{host::Host, host::error::Stop, host::waiting::finish};

/// The host, as the interfaces see it. Every way to it looks at the time first.
pub(crate) struct View<'a>(&'a mut Host);

struct Ours;

impl HasData for Ours {
    type Data<'a> = View<'a>;
}

impl View<'_> {
    /// The host, unless the guest's time is over.
    fn host(&mut self) -> wasmtime::Result<&mut Host> {
        self.0.enter()?;
        Ok(self.0)
    }

    /// Drives a call on resources to its end, or to the deadline's.
    fn on_table<T>(&mut self, call: impl AsyncFnOnce(&mut ResourceTable) -> T) -> wasmtime::Result<T> {
        let Host { wasi, shared, deadline, .. } = self.host()?;
        Ok(finish(call(wasi.ctx().table), shared, deadline)?)
    }

    /// Drives a call on files to its end, or to the deadline's.
    fn on_files<T>(&mut self, call: impl AsyncFnOnce(WasiFilesystemCtxView<'_>) -> T) -> wasmtime::Result<T> {
        let Host { wasi, shared, deadline, .. } = self.host()?;
        let WasiCtxView { ctx, table } = wasi.ctx();
        Ok(finish(call(WasiFilesystemCtxView { ctx: ctx.filesystem(), table }), shared, deadline)?)
    }

    fn table(&mut self) -> wasmtime::Result<&mut ResourceTable> {
        Ok(self.host()?.wasi.ctx().table)
    }
}

impl cli::exit::Host for View<'_> {
    fn exit(&mut self, status: Result<(), ()>) -> wasmtime::Result<()> {
        Err(Stop::Exit(u32::from(status.is_err())).into())
    }

    fn exit_with_code(&mut self, code: u8) -> wasmtime::Result<()> {
        Err(Stop::Exit(u32::from(code)).into())
    }
}

/// Provides the interfaces.
pub(crate) fn link(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    let l = linker;
    sync::io::error::add_to_linker::<Host, Ours>(l, |host| View(host))?;
    sync::io::poll::add_to_linker::<Host, Ours>(l, |host| View(host))?;
    sync::io::streams::add_to_linker::<Host, Ours>(l, |host| View(host))?;
    sync::filesystem::types::add_to_linker::<Host, Ours>(l, |host| View(host))?;
    filesystem::preopens::add_to_linker::<Host, Ours>(l, |host| View(host))?;
    clock_bindings::monotonic_clock::add_to_linker::<Host, Ours>(l, |host| View(host))?;
    clock_bindings::wall_clock::add_to_linker::<Host, Ours>(l, |host| View(host))?;
    random::random::add_to_linker::<Host, Ours>(l, |host| View(host))?;
    random::insecure::add_to_linker::<Host, Ours>(l, |host| View(host))?;
    random::insecure_seed::add_to_linker::<Host, Ours>(l, |host| View(host))?;
    cli::exit::add_to_linker::<Host, Ours>(l, |host| View(host))?;
    cli::environment::add_to_linker::<Host, Ours>(l, |host| View(host))?;
    cli::stdin::add_to_linker::<Host, Ours>(l, |host| View(host))?;
    cli::stdout::add_to_linker::<Host, Ours>(l, |host| View(host))?;
    cli::stderr::add_to_linker::<Host, Ours>(l, |host| View(host))?;
    cli::terminal_input::add_to_linker::<Host, Ours>(l, |host| View(host))?;
    cli::terminal_output::add_to_linker::<Host, Ours>(l, |host| View(host))?;
    cli::terminal_stdin::add_to_linker::<Host, Ours>(l, |host| View(host))?;
    cli::terminal_stdout::add_to_linker::<Host, Ours>(l, |host| View(host))?;
    cli::terminal_stderr::add_to_linker::<Host, Ours>(l, |host| View(host))?;
    // Toolchains import these whether or not they are used. Nothing but a refusal comes of them, so nothing waits.
    let options = sync::LinkOptions::default();
    sockets::instance_network::add_to_linker::<Host, Ours>(l, |host| View(host))?;
    sockets::network::add_to_linker::<Host, Ours>(l, &(&options).into(), |host| View(host))?;
    sockets::ip_name_lookup::add_to_linker::<Host, Ours>(l, |host| View(host))?;
    sockets::tcp_create_socket::add_to_linker::<Host, Ours>(l, |host| View(host))?;
    sync::sockets::udp_create_socket::add_to_linker::<Host, Ours>(l, |host| View(host))?;
    // Nothing can be called here: it takes a socket, and there is none.
    sync::sockets::tcp::add_to_linker::<Host, WasiSockets>(l, Host::sockets)?;
    sync::sockets::udp::add_to_linker::<Host, WasiSockets>(l, Host::sockets)
}
