//! What WASI 0.2 answers at once. wasmtime-wasi knows the answers; the time is looked at before each, since a guest can
//! ask a million times in a row.

use wasmtime::component::Resource;
use wasmtime_wasi::{
    WasiView,
    cli::WasiCliView,
    clocks::WasiClocksView,
    filesystem::{Descriptor, WasiFilesystemView},
    p2::{
        DynInputStream, DynOutputStream, DynPollable, SocketError, SocketResult,
        bindings::{
            cli::{
                environment, stderr, stdin, stdout, terminal_input, terminal_output, terminal_stderr,
                terminal_stdin, terminal_stdout,
            },
            clocks::wall_clock,
            filesystem::preopens,
            random::{insecure, insecure_seed, random},
            sockets::{instance_network, ip_name_lookup, network, tcp_create_socket},
            sync::{io::error, sockets::udp_create_socket},
        },
    },
    sockets::WasiSocketsView,
};

use super::View;
use crate::host::error::Stop;

impl error::Host for View<'_> {}

impl error::HostError for View<'_> {
    fn to_debug_string(&mut self, err: Resource<error::Error>) -> wasmtime::Result<String> {
        error::HostError::to_debug_string(self.table()?, err)
    }

    fn drop(&mut self, err: Resource<error::Error>) -> wasmtime::Result<()> {
        error::HostError::drop(self.table()?, err)
    }
}

impl wall_clock::Host for View<'_> {
    fn now(&mut self) -> wasmtime::Result<wall_clock::Datetime> {
        wall_clock::Host::now(&mut self.host()?.clocks())
    }

    fn resolution(&mut self) -> wasmtime::Result<wall_clock::Datetime> {
        wall_clock::Host::resolution(&mut self.host()?.clocks())
    }
}

impl preopens::Host for View<'_> {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Resource<Descriptor>, String)>> {
        preopens::Host::get_directories(&mut self.host()?.filesystem())
    }
}

impl View<'_> {
    fn random_bytes(&mut self, bytes: u64) -> wasmtime::Result<Vec<u8>> {
        let host = self.host()?;
        let limit = host.shared.limits.memory;
        let Some(bytes) = usize::try_from(bytes).ok().filter(|it| *it <= limit) else {
            let text = format!("{bytes} random bytes are more than the guest's memory may have");
            return Err(Stop::HostCall(text.into()).into());
        };
        let mut random = vec![0; bytes];
        host.fill_randomly(&mut random)?;
        Ok(random)
    }
}

impl random::Host for View<'_> {
    fn get_random_bytes(&mut self, bytes: u64) -> wasmtime::Result<Vec<u8>> {
        self.random_bytes(bytes)
    }

    fn get_random_u64(&mut self) -> wasmtime::Result<u64> {
        random::Host::get_random_u64(self.host()?.wasi.ctx().ctx.random())
    }
}

impl insecure::Host for View<'_> {
    fn get_insecure_random_bytes(&mut self, bytes: u64) -> wasmtime::Result<Vec<u8>> {
        self.random_bytes(bytes)
    }

    fn get_insecure_random_u64(&mut self) -> wasmtime::Result<u64> {
        insecure::Host::get_insecure_random_u64(self.host()?.wasi.ctx().ctx.random())
    }
}

impl insecure_seed::Host for View<'_> {
    fn insecure_seed(&mut self) -> wasmtime::Result<(u64, u64)> {
        insecure_seed::Host::insecure_seed(self.host()?.wasi.ctx().ctx.random())
    }
}

impl environment::Host for View<'_> {
    fn get_environment(&mut self) -> wasmtime::Result<Vec<(String, String)>> {
        environment::Host::get_environment(&mut self.host()?.cli())
    }

    fn get_arguments(&mut self) -> wasmtime::Result<Vec<String>> {
        environment::Host::get_arguments(&mut self.host()?.cli())
    }

    fn initial_cwd(&mut self) -> wasmtime::Result<Option<String>> {
        environment::Host::initial_cwd(&mut self.host()?.cli())
    }
}

impl stdin::Host for View<'_> {
    fn get_stdin(&mut self) -> wasmtime::Result<Resource<DynInputStream>> {
        stdin::Host::get_stdin(&mut self.host()?.cli())
    }
}

impl stdout::Host for View<'_> {
    fn get_stdout(&mut self) -> wasmtime::Result<Resource<DynOutputStream>> {
        stdout::Host::get_stdout(&mut self.host()?.cli())
    }
}

impl stderr::Host for View<'_> {
    fn get_stderr(&mut self) -> wasmtime::Result<Resource<DynOutputStream>> {
        stderr::Host::get_stderr(&mut self.host()?.cli())
    }
}

impl terminal_input::Host for View<'_> {}

impl terminal_input::HostTerminalInput for View<'_> {
    fn drop(&mut self, terminal: Resource<terminal_input::TerminalInput>) -> wasmtime::Result<()> {
        terminal_input::HostTerminalInput::drop(&mut self.host()?.cli(), terminal)
    }
}

impl terminal_output::Host for View<'_> {}

impl terminal_output::HostTerminalOutput for View<'_> {
    fn drop(&mut self, terminal: Resource<terminal_output::TerminalOutput>) -> wasmtime::Result<()> {
        terminal_output::HostTerminalOutput::drop(&mut self.host()?.cli(), terminal)
    }
}

impl terminal_stdin::Host for View<'_> {
    fn get_terminal_stdin(&mut self) -> wasmtime::Result<Option<Resource<terminal_input::TerminalInput>>> {
        terminal_stdin::Host::get_terminal_stdin(&mut self.host()?.cli())
    }
}

impl terminal_stdout::Host for View<'_> {
    fn get_terminal_stdout(&mut self) -> wasmtime::Result<Option<Resource<terminal_output::TerminalOutput>>> {
        terminal_stdout::Host::get_terminal_stdout(&mut self.host()?.cli())
    }
}

impl terminal_stderr::Host for View<'_> {
    fn get_terminal_stderr(&mut self) -> wasmtime::Result<Option<Resource<terminal_output::TerminalOutput>>> {
        terminal_stderr::Host::get_terminal_stderr(&mut self.host()?.cli())
    }
}

impl instance_network::Host for View<'_> {
    fn instance_network(&mut self) -> wasmtime::Result<Resource<network::Network>> {
        instance_network::Host::instance_network(&mut self.host()?.sockets())
    }
}

impl network::Host for View<'_> {
    fn network_error_code(
        &mut self,
        err: Resource<error::Error>,
    ) -> wasmtime::Result<Option<network::ErrorCode>> {
        network::Host::network_error_code(&mut self.host()?.sockets(), err)
    }

    fn convert_error_code(&mut self, err: SocketError) -> wasmtime::Result<network::ErrorCode> {
        network::Host::convert_error_code(&mut self.host()?.sockets(), err)
    }
}

impl network::HostNetwork for View<'_> {
    fn drop(&mut self, network: Resource<network::Network>) -> wasmtime::Result<()> {
        network::HostNetwork::drop(&mut self.host()?.sockets(), network)
    }
}

impl ip_name_lookup::Host for View<'_> {
    fn resolve_addresses(
        &mut self,
        network: Resource<network::Network>,
        name: String,
    ) -> SocketResult<Resource<ip_name_lookup::ResolveAddressStream>> {
        let host = self.host().map_err(SocketError::trap)?;
        ip_name_lookup::Host::resolve_addresses(&mut host.sockets(), network, name)
    }
}

impl ip_name_lookup::HostResolveAddressStream for View<'_> {
    fn resolve_next_address(
        &mut self,
        stream: Resource<ip_name_lookup::ResolveAddressStream>,
    ) -> SocketResult<Option<ip_name_lookup::IpAddress>> {
        let host = self.host().map_err(SocketError::trap)?;
        ip_name_lookup::HostResolveAddressStream::resolve_next_address(&mut host.sockets(), stream)
    }

    fn subscribe(
        &mut self,
        stream: Resource<ip_name_lookup::ResolveAddressStream>,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        ip_name_lookup::HostResolveAddressStream::subscribe(&mut self.host()?.sockets(), stream)
    }

    fn drop(&mut self, stream: Resource<ip_name_lookup::ResolveAddressStream>) -> wasmtime::Result<()> {
        ip_name_lookup::HostResolveAddressStream::drop(&mut self.host()?.sockets(), stream)
    }
}

impl tcp_create_socket::Host for View<'_> {
    fn create_tcp_socket(
        &mut self,
        family: network::IpAddressFamily,
    ) -> SocketResult<Resource<wasmtime_wasi::p2::TcpSocket>> {
        let host = self.host().map_err(SocketError::trap)?;
        tcp_create_socket::Host::create_tcp_socket(&mut host.sockets(), family)
    }
}

impl udp_create_socket::Host for View<'_> {
    fn create_udp_socket(
        &mut self,
        family: network::IpAddressFamily,
    ) -> SocketResult<Resource<wasmtime_wasi::p2::UdpSocket>> {
        let host = self.host().map_err(SocketError::trap)?;
        udp_create_socket::Host::create_udp_socket(&mut host.sockets(), family)
    }
}
