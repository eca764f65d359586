//! WASI 0.2 for components, with the same grants as preview 1: what the config says and nothing else.
//!
//! wasmtime-wasi does the work. Those of its calls that may wait for the world are driven step by step, as those of
//! preview 1 are, so that a wait ends at the deadline of the message or when the host shuts down. An exit ends the
//! call, not the process. There is no network: no socket can be made and no name looked up.

mod clocks;
mod files;
mod streams;

use wasmtime::component::{HasData, Linker, ResourceTable};
use wasmtime_wasi::{
    WasiCtxView, WasiView,
    cli::{WasiCli, WasiCliView},
    clocks::{WasiClocks, WasiClocksView},
    filesystem::{WasiFilesystem, WasiFilesystemCtxView, WasiFilesystemView},
    p2::bindings::{cli, clocks as clock_bindings, filesystem, random, sockets, sync},
    random::WasiRandom,
    sockets::{WasiSockets, WasiSocketsView},
};

use crate::{error::Stop, host::Host, waiting::finish};

/// The host, as the interfaces see it that are our own.
pub(crate) struct View<'a>(&'a mut Host);

struct Ours;

impl HasData for Ours {
    type Data<'a> = View<'a>;
}

/// The table of resources alone.
struct Table;

impl HasData for Table {
    type Data<'a> = &'a mut ResourceTable;
}

impl View<'_> {
    /// Drives a call on resources to its end, or to the deadline's.
    fn on_table<T>(&mut self, call: impl AsyncFnOnce(&mut ResourceTable) -> T) -> Result<T, Stop> {
        let Host { wasi, shared, deadline, .. } = &mut *self.0;
        finish(call(wasi.ctx().table), shared, deadline)
    }

    /// Drives a call on files to its end, or to the deadline's.
    fn on_files<T>(&mut self, call: impl AsyncFnOnce(WasiFilesystemCtxView<'_>) -> T) -> Result<T, Stop> {
        let Host { wasi, shared, deadline, .. } = &mut *self.0;
        let WasiCtxView { ctx, table } = wasi.ctx();
        finish(call(WasiFilesystemCtxView { ctx: ctx.filesystem(), table }), shared, deadline)
    }

    fn table(&mut self) -> &mut ResourceTable {
        self.0.wasi.ctx().table
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
    // What may wait, or ends the guest: our own.
    sync::io::poll::add_to_linker::<Host, Ours>(l, |host| View(host))?;
    sync::io::streams::add_to_linker::<Host, Ours>(l, |host| View(host))?;
    sync::filesystem::types::add_to_linker::<Host, Ours>(l, |host| View(host))?;
    clock_bindings::monotonic_clock::add_to_linker::<Host, Ours>(l, |host| View(host))?;
    cli::exit::add_to_linker::<Host, Ours>(l, |host| View(host))?;
    // What answers at once.
    sync::io::error::add_to_linker::<Host, Table>(l, |host| host.wasi.ctx().table)?;
    clock_bindings::wall_clock::add_to_linker::<Host, WasiClocks>(l, Host::clocks)?;
    filesystem::preopens::add_to_linker::<Host, WasiFilesystem>(l, Host::filesystem)?;
    random::random::add_to_linker::<Host, WasiRandom>(l, |host| host.wasi.ctx().ctx.random())?;
    random::insecure::add_to_linker::<Host, WasiRandom>(l, |host| host.wasi.ctx().ctx.random())?;
    random::insecure_seed::add_to_linker::<Host, WasiRandom>(l, |host| host.wasi.ctx().ctx.random())?;
    cli::environment::add_to_linker::<Host, WasiCli>(l, Host::cli)?;
    cli::stdin::add_to_linker::<Host, WasiCli>(l, Host::cli)?;
    cli::stdout::add_to_linker::<Host, WasiCli>(l, Host::cli)?;
    cli::stderr::add_to_linker::<Host, WasiCli>(l, Host::cli)?;
    cli::terminal_input::add_to_linker::<Host, WasiCli>(l, Host::cli)?;
    cli::terminal_output::add_to_linker::<Host, WasiCli>(l, Host::cli)?;
    cli::terminal_stdin::add_to_linker::<Host, WasiCli>(l, Host::cli)?;
    cli::terminal_stdout::add_to_linker::<Host, WasiCli>(l, Host::cli)?;
    cli::terminal_stderr::add_to_linker::<Host, WasiCli>(l, Host::cli)?;
    // Toolchains import these whether or not they are used. Nothing but a refusal comes of them, so nothing waits.
    sockets::instance_network::add_to_linker::<Host, WasiSockets>(l, Host::sockets)?;
    let options = sync::LinkOptions::default();
    sockets::network::add_to_linker::<Host, WasiSockets>(l, &(&options).into(), Host::sockets)?;
    sockets::ip_name_lookup::add_to_linker::<Host, WasiSockets>(l, Host::sockets)?;
    sockets::tcp_create_socket::add_to_linker::<Host, WasiSockets>(l, Host::sockets)?;
    sync::sockets::udp_create_socket::add_to_linker::<Host, WasiSockets>(l, Host::sockets)?;
    sync::sockets::tcp::add_to_linker::<Host, WasiSockets>(l, Host::sockets)?;
    sync::sockets::udp::add_to_linker::<Host, WasiSockets>(l, Host::sockets)
}
