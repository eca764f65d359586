//! The network between a client and a server, which can be cut.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};

/// How many bytes are carried at once.
const PIECE: usize = 64 << 10;

/// An address of 127.0.0.1 that leads to another one as long as nothing is wrong between them. Dropped, it is cut for ever.
#[derive(Debug)]
pub struct Proxy {
    address: String,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    target: Option<String>,
    way: Way,
    /// Both ends of each connection.
    ends: Vec<TcpStream>,
    is_over: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Way {
    #[default]
    Open,
    /// Connections end, and new ones do so at once.
    Cut,
    /// Connections stay, and nothing comes over them.
    Stalled,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until something may come through. `false`: nothing ever will.
    fn pass(&self) -> bool {
        let mut state = self.lock();
        while state.way == Way::Stalled && !state.is_over {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.way == Way::Open && !state.is_over
    }
}

impl Proxy {
    /// One that leads nowhere yet.
    #[expect(clippy::new_without_default, reason = "each call makes another one")]
    pub fn new() -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound").to_string();
        let shared = Arc::<Shared>::default();
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if accepting.lock().is_over {
                    return;
                }
                let shared = Arc::clone(&accepting);
                thread::spawn(move || carry(&shared, &client));
            }
        });
        Proxy { address, shared }
    }

    /// Where it is: `127.0.0.1:40000`.
    pub fn address(&self) -> String {
        self.address.clone()
    }

    /// Where it leads to from now on.
    pub fn lead_to(&self, target: &str) {
        self.shared.lock().target = Some(target.to_string());
    }

    /// Ends all connections, and lets nobody through.
    pub fn cut(&self) {
        self.set(Way::Cut);
        for end in std::mem::take(&mut self.shared.lock().ends) {
            let _ = end.shutdown(Shutdown::Both);
        }
    }

    /// From now on nothing comes through, in either direction, and nobody is told: what is sent waits on its way.
    pub fn stall(&self) {
        self.set(Way::Stalled);
    }

    /// All is well again.
    pub fn heal(&self) {
        self.set(Way::Open);
    }

    fn set(&self, way: Way) {
        self.shared.lock().way = way;
        self.shared.changed.notify_all();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.lock().is_over = true;
        self.cut();
        // So that it sees that it is over.
        let _ = TcpStream::connect(&self.address);
    }
}

/// Carries what is said over one connection, in both directions, until one side has nothing more to say.
fn carry(shared: &Arc<Shared>, client: &TcpStream) {
    if !shared.pass() {
        return;
    }
    let Some(target) = shared.lock().target.clone() else { return };
    let Ok(server) = TcpStream::connect(target) else { return };
    let ends = [client, &server].map(|it| {
        let _ = it.set_nodelay(true);
        it.try_clone()
    });
    let [Ok(of_client), Ok(of_server)] = ends else { return };
    {
        let mut state = shared.lock();
        // Those that have ended are not kept.
        state.ends.retain(|it| it.peer_addr().is_ok());
        state.ends.extend([of_client, of_server]);
        if state.way == Way::Cut {
            let _ = (client.shutdown(Shutdown::Both), server.shutdown(Shutdown::Both));
        }
    }
    thread::scope(|scope| {
        scope.spawn(|| copy(shared, client, &server));
        copy(shared, &server, client);
    });
}

fn copy(shared: &Shared, mut from: &TcpStream, mut to: &TcpStream) {
    let mut piece = vec![0; PIECE];
    while let Ok(n @ 1..) = from.read(&mut piece)
        && shared.pass()
        && to.write_all(&piece[..n]).is_ok()
    {}
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A server that says back what it hears, for as long as the process lives.
    fn echo() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound").to_string();
        thread::spawn(move || {
            for mut client in listener.incoming().flatten() {
                thread::spawn(move || {
                    let mut bytes = [0; 16];
                    while let Ok(n @ 1..) = client.read(&mut bytes) {
                        client.write_all(&bytes[..n]).expect("it listens");
                    }
                });
            }
        });
        address
    }

    fn connect(proxy: &Proxy) -> TcpStream {
        let stream = TcpStream::connect(proxy.address()).expect("somebody accepts");
        stream.set_read_timeout(Some(Duration::from_millis(200))).expect("it is a time");
        stream
    }

    /// What comes back of a letter; nothing where the connection has ended, or nobody says anything.
    fn ask(stream: &mut TcpStream, letter: u8) -> String {
        let _ = stream.write_all(&[letter]);
        answer(stream)
    }

    fn answer(stream: &mut TcpStream) -> String {
        let mut bytes = [0; 16];
        match stream.read(&mut bytes) {
            Ok(0) => "end".to_string(),
            Ok(n) => String::from_utf8_lossy(&bytes[..n]).into_owned(),
            Err(err) if err.kind() == std::io::ErrorKind::WouldBlock => "silence".to_string(),
            Err(_) => "end".to_string(),
        }
    }

    #[test]
    fn a_way_is_open_stalled_and_cut() {
        let proxy = Proxy::new();
        proxy.lead_to(&echo());
        let mut stream = connect(&proxy);
        assert_eq!(ask(&mut stream, b'a'), "a");
        proxy.stall();
        assert_eq!(ask(&mut stream, b'b'), "silence");
        let mut late = connect(&proxy);
        assert_eq!(ask(&mut late, b'x'), "silence");
        proxy.heal();
        assert_eq!(answer(&mut stream), "b");
        assert_eq!(answer(&mut late), "x");
        proxy.cut();
        assert_eq!(ask(&mut stream, b'c'), "end");
        assert_eq!(ask(&mut connect(&proxy), b'd'), "end");
        proxy.heal();
        assert_eq!(ask(&mut connect(&proxy), b'e'), "e");
    }
}
