//! A server that runs.

use std::{
    fmt, fs,
    fs::OpenOptions,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{Dir, Port, spawner};

/// Nothing that a test waits for takes that long, unless it is never done.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How long a server may take to end when it is asked to.
const STOP_MAX: Duration = Duration::from_secs(20);

/// So long the children of one that was killed may hold what its successor needs.
const HELD_MAX: Duration = Duration::from_secs(10);

/// What is printed of the log of a server when something is wrong.
const LOG_LINES: usize = 60;

/// Waits until something is so.
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "{what}: never");
        thread::sleep(Duration::from_millis(5));
    }
}

/// How a server is started.
pub struct Launch {
    /// What it is called.
    pub name: &'static str,
    /// Its program.
    pub program: PathBuf,
    /// What the program is given.
    pub args: Vec<String>,
    /// What is added to the environment.
    pub env: Vec<(String, String)>,
    /// The user that it runs as if the test runs as root, for programs that refuse to.
    pub user: Option<&'static str>,
    /// Asks it something that it answers only once it is ready, and says what it answered instead.
    pub is_ready: Box<dyn Fn() -> Result<(), String> + Send + Sync>,
}

/// A server that runs, and whatever is its own. Dropped, it is killed, and its directory is removed; if the test has failed
/// its log is printed before.
pub struct Server {
    launch: Launch,
    ports: Vec<Port>,
    child: Option<Child>,
    /// Whether it was killed the last time, and may have children that live for a moment longer.
    was_killed: bool,
    dir: Dir,
}

impl Server {
    /// Starts it and waits until it is ready. Its first port is what [`Server::address`] gives.
    ///
    /// # Panics
    ///
    /// With its log, if it ends or does not become ready.
    pub fn start(launch: Launch, ports: Vec<Port>, dir: Dir) -> Server {
        let mut server = Server { launch, ports, child: None, was_killed: false, dir };
        server.start_again();
        server
    }

    /// Starts it once more, with the same ports and the same data, and waits until it is ready.
    pub fn start_again(&mut self) {
        assert!(self.child.is_none(), "{} runs", self.launch.name);
        self.begin();
        let began = Instant::now();
        while let Err(why) = (self.launch.is_ready)() {
            let name = self.launch.name;
            if let Some(status) = self.ended() {
                // What it left of the last time may still be held.
                if self.was_killed && began.elapsed() < HELD_MAX {
                    thread::sleep(Duration::from_millis(100));
                    self.begin();
                    continue;
                }
                panic!("{name} has ended with {status}, and said:\n{}", self.log_end());
            }
            if PATIENCE < began.elapsed() {
                panic!("{name} does not become ready ({why}), and says:\n{}", self.log_end());
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Starts it once more without waiting.
    pub fn begin(&mut self) {
        let Launch { name, program, args, env, user, .. } = &self.launch;
        let log = OpenOptions::new().create(true).append(true).open(self.dir.at("log"));
        let log = log.expect("a log can be written");
        // It sets what kills the program with us, and becomes it.
        let mut command = Command::new("setpriv");
        command.arg("--pdeathsig=KILL");
        if let Some(user) = user.filter(|_| rustix::process::geteuid().is_root()) {
            command.args([&format!("--reuid={user}"), &format!("--regid={user}"), "--clear-groups"]);
        }
        command.arg("--").arg(program).args(args).envs(env.iter().cloned());
        command.current_dir(self.dir.path()).stdin(Stdio::null());
        command.stdout(log.try_clone().expect("a descriptor can be had")).stderr(log);
        let child = spawner::spawn(command).unwrap_or_else(|err| panic!("starting {name}: {err}"));
        self.child = Some(child);
    }

    /// Where it listens: `127.0.0.1:15000`.
    pub fn address(&self) -> String {
        self.ports[0].address()
    }

    /// The number of one of its ports.
    pub fn port(&self, idx: usize) -> u16 {
        self.ports[idx].number()
    }

    /// Where its data are.
    pub fn dir(&self) -> &Dir {
        &self.dir
    }

    /// What it has printed.
    pub fn log(&self) -> String {
        self.dir.read("log")
    }

    /// The number of its process; `None` where it does not run.
    pub fn pid(&self) -> Option<Pid> {
        self.child.as_ref().map(Pid::from_child)
    }

    /// Asks it to end (SIGTERM), waits for that, and says how it has ended.
    pub fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        let began = Instant::now();
        let status = loop {
            if let Some(status) = self.ended() {
                break status;
            }
            assert!(began.elapsed() < STOP_MAX, "{} does not end:\n{}", self.launch.name, self.log_end());
            thread::sleep(Duration::from_millis(5));
        };
        self.child = None;
        status
    }

    /// Kills it (SIGKILL).
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            self.was_killed = true;
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Has it stand still (SIGSTOP): connections stay, and nobody answers.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Has it go on after a pause.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Sends it a signal, such as the one by which it reads its config again.
    pub fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().expect("it runs");
        let sent = kill_process(Pid::from_child(child), signal);
        sent.unwrap_or_else(|err| panic!("a signal to {}: {err}", self.launch.name));
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        self.child.as_mut()?.try_wait().expect("it is our child")
    }

    fn log_end(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
    }
}

impl fmt::Debug for Launch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Launch({} {})", self.program.display(), self.args.join(" "))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() && fs::exists(self.dir.at("log")).unwrap_or(false) {
            eprintln!("== what {} said last\n{}", self.launch.name, self.log_end());
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server({} at {})", self.launch.name, self.address())
    }
}
