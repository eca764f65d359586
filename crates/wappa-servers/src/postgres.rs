//! PostgreSQL.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{Dir, Launch, Missing, Port, Server, find::find_in, owner};

/// Who it runs as, since it refuses to be root.
const USER: &str = "postgres";

/// A server of PostgreSQL that is not started yet. Its superuser is `test`, its database `postgres`.
#[derive(Debug)]
pub struct Postgres {
    programs: PathBuf,
    settings: Vec<String>,
    hosts: String,
    files: Vec<(String, String)>,
}

impl Postgres {
    /// The programs.
    pub fn find() -> Result<Postgres, Missing> {
        // Debian has them in a directory for each version, and not on the path.
        let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        let mut versions: Vec<PathBuf> = versions.map(|it| it.path().join("bin")).collect();
        versions.sort();
        versions.reverse();
        let initdb = find_in(&versions, "initdb")?;
        // A link to it may stand where the others have none.
        let initdb = initdb.canonicalize().unwrap_or(initdb);
        let programs = initdb.parent().map_or_else(PathBuf::new, Path::to_path_buf);
        let hosts = "host all all 127.0.0.1/32 trust\n".to_string();
        Ok(Postgres { programs, settings: Vec::new(), hosts, files: Vec::new() })
    }

    /// The same with these settings, each as in `max_connections=5`.
    #[must_use]
    pub fn settings(mut self, settings: &[&str]) -> Postgres {
        self.settings.extend(settings.iter().map(|it| it.to_string()));
        self
    }

    /// The same with these lines in front of the one of `pg_hba.conf` that lets everybody in.
    #[must_use]
    pub fn hosts(mut self, lines: &str) -> Postgres {
        self.hosts.insert_str(0, lines);
        self
    }

    /// The same with a file beside its data, such as a key, which it can name in a setting.
    #[must_use]
    pub fn file(mut self, name: &str, content: &str) -> Postgres {
        self.files.push((name.to_string(), content.to_string()));
        self
    }

    /// Makes a database and starts the server.
    ///
    /// # Panics
    ///
    /// If the database cannot be made, or the server does not start.
    pub fn start(self) -> Server {
        let (dir, port) = (Dir::new(), Port::free());
        owner::give(dir.path(), USER);
        let data = dir.at("data");
        let initdb = self.programs.join("initdb");
        let mut command = owner::command(USER, &initdb);
        let made = command.args([
            "-D",
            &data,
            "-U",
            "test",
            "--auth=trust",
            "--no-sync",
            "-E",
            "UTF8",
            "--locale=C",
        ]);
        let made = made.current_dir(dir.path()).stdin(Stdio::null()).output().expect("initdb can be run");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        fs::write(Path::new(&data).join("pg_hba.conf"), format!("{}local all all trust\n", self.hosts))
            .expect("it can be written");
        for (name, content) in &self.files {
            let path = Path::new(&data).join(name);
            fs::write(&path, content).expect("it can be written");
            owner::hide(&path, USER);
        }
        let number = port.number().to_string();
        let own = [
            format!("port={number}"),
            "listen_addresses=127.0.0.1".to_string(),
            format!("unix_socket_directories={}", dir.path().display()),
            // A test that pulls the plug is none.
            "fsync=off".to_string(),
        ];
        let settings = own.into_iter().chain(self.settings).flat_map(|it| ["-c".to_string(), it]);
        let psql = self.programs.join("psql");
        let launch = Launch {
            name: "postgres",
            program: self.programs.join("postgres"),
            args: ["-D".to_string(), data].into_iter().chain(settings).collect(),
            env: Vec::new(),
            user: Some(USER),
            is_ready: Box::new({
                let socket = dir.path().display().to_string();
                move || run(&psql, &socket, &number, "SELECT 1").map(|_| ())
            }),
        };
        Server::start(launch, vec![port], dir)
    }

    /// What statements give that `psql` runs, as the superuser and over the socket of the machine.
    ///
    /// # Panics
    ///
    /// If one of them fails.
    pub fn ask(server: &Server, statements: &str) -> String {
        let found = Postgres::find().expect("it runs");
        let (socket, number) = (server.dir().path().display().to_string(), server.port(0).to_string());
        run(&found.programs.join("psql"), &socket, &number, statements).expect("the statements are sound")
    }
}

fn run(psql: &Path, socket: &str, port: &str, statements: &str) -> Result<String, String> {
    let args = [
        "-h",
        socket,
        "-p",
        port,
        "-U",
        "test",
        "-d",
        "postgres",
        "-v",
        "ON_ERROR_STOP=1",
        "-XAtqc",
        statements,
    ];
    let asked = Command::new(psql).args(args).stdin(Stdio::null()).output().map_err(|err| err.to_string())?;
    match asked.status.success() {
        true => Ok(String::from_utf8_lossy(&asked.stdout).into_owned()),
        false => Err(String::from_utf8_lossy(&asked.stderr).into_owned()),
    }
}
