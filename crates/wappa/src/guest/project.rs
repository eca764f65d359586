//! A guest's project: in which language it is, how it is built, and which module comes out.

use std::{
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use clap::ValueEnum;
use serde_json::Value as Json;

use super::{language::Language, toolchain};

/// How deep below a project a module is searched.
const DEPTH_MAX: usize = 8;

/// A project that can be built.
#[derive(Debug)]
pub(super) struct Project {
    pub(super) dir: PathBuf,
    build: Build,
    /// Where the module is, when the user says so.
    module: Option<PathBuf>,
}

#[derive(Debug)]
enum Build {
    /// As projects of this language are built.
    Language(Language),
    /// The user's command, for the shell.
    Command(String),
}

impl Project {
    /// Finds out what a directory is.
    pub(super) fn find(
        dir: &Path,
        build: Option<&String>,
        module: Option<&PathBuf>,
    ) -> Result<Project, String> {
        let build = match build {
            Some(command) => Build::Command(command.clone()),
            None if !dir.is_dir() => return Err(format!("{}: there is no such directory", dir.display())),
            None => match of_directory(dir) {
                Some(language) => Build::Language(language),
                None => {
                    return Err(format!(
                        "{}: this is no project: there is no Cargo.toml, go.mod, package.json, pyproject.toml, build.zig, pom.xml or Makefile\n\
                         hint: `--build COMMAND` says how to build it, and `wappa new` begins a project",
                        dir.display()
                    ));
                }
            },
        };
        Ok(Project { dir: dir.to_path_buf(), build, module: module.map(|it| dir.join(it)) })
    }

    /// The command that builds it, as the user would type it.
    pub(super) fn command(&self) -> String {
        match &self.build {
            Build::Command(command) => command.clone(),
            Build::Language(Language::Rust) => {
                "cargo build --release --target wasm32-unknown-unknown".to_string()
            }
            Build::Language(Language::Go) => format!(
                "GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -trimpath -ldflags='-s -w' -o {} .",
                self.go_module()
            ),
            Build::Language(Language::C) => "make -s".to_string(),
            Build::Language(Language::JavaScript | Language::TypeScript | Language::AssemblyScript) => {
                "npm run --silent build".to_string()
            }
            Build::Language(Language::Python) => self.python_command(),
            Build::Language(Language::Zig) => toolchain::as_here(Language::Zig, "zig build"),
            Build::Language(Language::Kotlin) => "mvn -q -B exec:exec@wasm".to_string(),
        }
    }

    /// With the copy of the SDK that a project has, or with the one that is installed.
    fn python_command(&self) -> String {
        let copy = "sdk/src/wappa_guest";
        let sdk = if self.dir.join(copy).is_dir() { copy } else { "-m wappa_guest" };
        format!("python3 {sdk} build guest.py -o guest.wasm")
    }

    /// Builds it and gives the module. What the compiler says goes to standard error.
    pub(super) fn build(&self) -> Result<PathBuf, String> {
        let found = match &self.build {
            Build::Command(command) => {
                self.run(Command::new("sh").args(["-c", command]), None)?;
                self.search()
            }
            Build::Language(Language::Rust) => self.build_rust(),
            Build::Language(Language::Go) => {
                let module = self.go_module();
                let flags =
                    ["build", "-buildmode=c-shared", "-trimpath", "-ldflags=-s -w", "-o", &module, "."];
                let mut command = Command::new("go");
                command.args(flags).env("GOOS", "wasip1").env("GOARCH", "wasm");
                self.run(&mut command, Some(Language::Go))?;
                Ok(self.dir.join(module))
            }
            Build::Language(
                language @ (Language::C
                | Language::JavaScript
                | Language::TypeScript
                | Language::Python
                | Language::Zig
                | Language::AssemblyScript
                | Language::Kotlin),
            ) => {
                let command = self.command();
                // A program and its arguments, none of which has a space in it.
                let mut words = command.split(' ');
                let program = words.next().expect("there is a first word");
                self.run(Command::new(program).args(words), Some(*language))?;
                self.search()
            }
        };
        match &self.module {
            // What was found matters only where nobody says what it is.
            Some(module) => Ok(module.clone()),
            None => found,
        }
    }

    /// Cargo itself says where the module is, wherever the user's settings put it.
    fn build_rust(&self) -> Result<PathBuf, String> {
        let mut command = Command::new("cargo");
        command.args(["build", "--release", "--target", "wasm32-unknown-unknown"]);
        command.arg("--message-format=json-render-diagnostics");
        let told = self.run(&mut command, Some(Language::Rust))?;
        one_of(wasm_artifacts(&told), "built no module: its Cargo.toml needs `crate-type = [\"cdylib\"]`")
    }

    /// Runs a command in the project and gives what it wrote to standard output.
    fn run(&self, command: &mut Command, language: Option<Language>) -> Result<String, String> {
        let program = command.get_program().to_string_lossy().into_owned();
        let is_read = program == "cargo";
        command.current_dir(&self.dir).stdin(Stdio::null()).stderr(Stdio::inherit());
        // Only cargo's answer is for this program; what others say is for the user.
        command.stdout(if is_read { Stdio::piped() } else { Stdio::from(io::stderr()) });
        let hint = || {
            let missing = language.and_then(|it| (it.facts().missing)().or_else(|| self.unprepared(it)));
            missing.map(|it| format!("\nhint: {it}")).unwrap_or_default()
        };
        let ended = command
            .spawn()
            .and_then(|it| it.wait_with_output())
            .map_err(|err| format!("running `{program}`: {}{}", wappa_component::cause(&err), hint()))?;
        match ended.status.success() {
            true => Ok(String::from_utf8_lossy(&ended.stdout).into_owned()),
            false => Err(format!("the build failed ({}){}", ended.status, hint())),
        }
    }

    /// What was to be done once, and is not.
    fn unprepared(&self, language: Language) -> Option<String> {
        let (command, makes) = language.facts().prepare?;
        let is_done = self.dir.join(makes).is_dir();
        (!is_done).then(|| format!("what builds it is not installed: `{command}`"))
    }

    /// The name of the module of a project in Go: that of its Go module.
    fn go_module(&self) -> String {
        let text = fs::read_to_string(self.dir.join("go.mod")).unwrap_or_default();
        let name = text.lines().find_map(|it| it.trim().strip_prefix("module ")).unwrap_or("guest");
        let name = name.trim().trim_matches('"').rsplit('/').next().unwrap_or_default();
        format!("{}.wasm", if name.is_empty() { "guest" } else { name })
    }

    /// The one module below the directory.
    fn search(&self) -> Result<PathBuf, String> {
        let mut found = Vec::new();
        search_below(&self.dir, DEPTH_MAX, &mut found);
        found.sort();
        one_of(found, "made no `.wasm` file below the project")
    }
}

/// The language of a project, by its manifest.
fn of_directory(dir: &Path) -> Option<Language> {
    // Many projects have a Makefile beside the manifest of their language.
    let (last, others): (Vec<&Language>, Vec<&Language>) =
        Language::value_variants().iter().partition(|it| it.facts().manifest == "Makefile");
    let is_it = |it: &&&Language| dir.join(it.facts().manifest).is_file();
    others.iter().chain(&last).find(is_it).map(|it| **it)
}

fn one_of(mut found: Vec<PathBuf>, none: &str) -> Result<PathBuf, String> {
    match found.len() {
        0 => Err(format!("the build {none}\nhint: `--module PATH` says where the module is")),
        1 => Ok(found.remove(0)),
        _ => {
            let names: Vec<String> = found.iter().map(|it| format!("\n  {}", it.display())).collect();
            Err(format!("there are several modules; `--module PATH` says which one it is:{}", names.concat()))
        }
    }
}

/// Where cargo keeps copies, and where npm and pip put what other people made.
const NOT_SEARCHED: [&str; 3] = ["deps", "node_modules", "site-packages"];

/// Modules below a directory. Hidden directories have none.
fn search_below(dir: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        // Links may lead in a circle.
        let is_dir = entry.file_type().is_ok_and(|it| it.is_dir());
        let is_searched =
            !name.as_encoded_bytes().starts_with(b".") && NOT_SEARCHED.iter().all(|it| name != *it);
        if is_dir && 0 < depth && is_searched {
            search_below(&path, depth - 1, found);
        } else if !is_dir && path.extension() == Some(OsStr::new("wasm")) {
            found.push(path);
        }
    }
}

/// The modules in what cargo says, one JSON document a line.
fn wasm_artifacts(told: &str) -> Vec<PathBuf> {
    let documents = told.lines().filter_map(|it| serde_json::from_str::<Json>(it).ok());
    let artifacts = documents.filter(|it| it["reason"] == "compiler-artifact");
    let files = artifacts.flat_map(|it| it["filenames"].as_array().cloned().unwrap_or_default());
    let mut modules: Vec<PathBuf> = files.filter_map(|it| it.as_str().map(PathBuf::from)).collect();
    modules.retain(|it| it.extension() == Some(OsStr::new("wasm")));
    modules
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_says_where_the_module_is() {
        let told = r#"
{"reason":"compiler-artifact","filenames":["/t/release/libguest.rlib"]}
{"reason":"compiler-artifact","filenames":["/t/release/greeter.wasm","/t/release/libgreeter.rlib"]}
warning: not JSON
{"reason":"build-finished","success":true}"#;
        assert_eq!(wasm_artifacts(told), [PathBuf::from("/t/release/greeter.wasm")]);
    }
}
