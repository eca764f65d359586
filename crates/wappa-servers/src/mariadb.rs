//! MariaDB.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{Dir, Launch, Missing, Port, Server, find::find_in, owner};

/// Who it runs as, since it refuses to be root.
const USER: &str = "mysql";

/// A server of MariaDB that is not started yet. Its superuser is `root`, who has no password, its database `test`.
#[derive(Debug)]
pub struct MariaDb {
    install: PathBuf,
    server: PathBuf,
    client: PathBuf,
    args: Vec<String>,
    files: Vec<(String, String)>,
}

impl MariaDb {
    /// The programs.
    pub fn find() -> Result<MariaDb, Missing> {
        // Where the server is, a user's path does not lead.
        let more = [PathBuf::from("/usr/sbin")];
        Ok(MariaDb {
            install: find_in(&more, "mariadb-install-db")?,
            server: find_in(&more, "mariadbd")?,
            client: find_in(&more, "mariadb")?,
            args: Vec::new(),
            files: Vec::new(),
        })
    }

    /// The same with more arguments: `--max-connections=5`.
    #[must_use]
    pub fn args(mut self, args: &[&str]) -> MariaDb {
        self.args.extend(args.iter().map(|it| it.to_string()));
        self
    }

    /// The same with a file beside its data, such as a key, by whose path `{name}` in its arguments is replaced.
    #[must_use]
    pub fn file(mut self, name: &str, content: &str) -> MariaDb {
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
        let made = owner::command(USER, &self.install)
            .args(["--no-defaults", &format!("--datadir={data}"), "--auth-root-authentication-method=normal"])
            .args(["--skip-test-db", "--skip-name-resolve"])
            .env("TMPDIR", dir.path())
            .current_dir(dir.path())
            .stdin(Stdio::null())
            .output()
            .expect("mariadb-install-db can be run");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let mut args = self.args;
        for (name, content) in &self.files {
            let path = dir.write(name, content);
            owner::hide(Path::new(&path), USER);
            args = args.iter().map(|it| it.replace(&format!("{{{name}}}"), &path)).collect();
        }
        let own = [
            "--no-defaults".to_string(),
            format!("--datadir={data}"),
            format!("--port={}", port.number()),
            "--bind-address=127.0.0.1".to_string(),
            format!("--socket={}", dir.at("socket")),
            format!("--pid-file={}", dir.at("pid")),
            // Each removes, when it starts, the tables that others have in the same place.
            format!("--tmpdir={}", dir.path().display()),
            "--innodb-buffer-pool-size=32M".to_string(),
            // What was committed outlives the program, which tests kill, and not the machine.
            "--innodb-flush-log-at-trx-commit=2".to_string(),
            "--skip-name-resolve".to_string(),
        ];
        let (client, socket) = (self.client, dir.at("socket"));
        let launch = Launch {
            name: "mariadbd",
            program: self.server,
            args: own.into_iter().chain(args).collect(),
            env: Vec::new(),
            user: Some(USER),
            is_ready: Box::new(move || {
                run(&client, &socket, "CREATE DATABASE IF NOT EXISTS test").map(|_| ())
            }),
        };
        Server::start(launch, vec![port], dir)
    }

    /// What statements give that the client runs, as the superuser and over the socket of the machine.
    ///
    /// # Panics
    ///
    /// If one of them fails.
    pub fn ask(server: &Server, statements: &str) -> String {
        let found = MariaDb::find().expect("it runs");
        let statements = format!("USE test; {statements}");
        run(&found.client, &server.dir().at("socket"), &statements).expect("the statements are sound")
    }
}

fn run(client: &Path, socket: &str, statements: &str) -> Result<String, String> {
    let args = [
        "--no-defaults",
        "--user=root",
        &format!("--socket={socket}"),
        "--batch",
        "--skip-column-names",
        "-e",
    ];
    let asked = Command::new(client).args(args).arg(statements).stdin(Stdio::null()).output();
    let asked = asked.map_err(|err| err.to_string())?;
    match asked.status.success() {
        true => Ok(String::from_utf8_lossy(&asked.stdout).into_owned()),
        false => Err(String::from_utf8_lossy(&asked.stderr).into_owned()),
    }
}
