//! `dev`: builds a project and runs its fixtures, again whenever a file changes.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{Arc, atomic::AtomicBool},
    thread,
    time::{Duration, Instant, SystemTime},
};

use clap::Args;
use signal_hook::{consts::SIGINT, flag};

use similar::{ChangeTag, TextDiff};

use super::{
    Host, Stop, counted,
    fixtures::{self, Came},
    host, on_thread,
    project::Project,
    size_text,
    text::Style,
    time_text,
};
use crate::{compiling::CompileOptions, environment::Environment, lint::has_color};

/// How often files are looked at. They must look the same twice, so that nothing half written is built.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);

const EXAMPLES: &str = "\
A fixture is a pair of files in `fixtures`: NAME.in has a message in each line, NAME.out what \
`wappa call --brief` prints for them. NAME.args may have more flags of `wappa call`, one a line.

  wappa dev                        build, run, and again after each change
  wappa dev --once                 once, for a build server: fails when a fixture differs
  wappa dev --once --update        take what comes out as what is expected";

/// The arguments of `dev`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DevArguments {
    /// The project: a directory as `wappa new` makes it, or one with a Makefile.
    #[arg(default_value = ".")]
    dir: PathBuf,

    /// Build and run once; fail when the build fails or a fixture differs.
    #[arg(long)]
    once: bool,

    /// Write what comes out into the fixtures, as what is expected.
    #[arg(long)]
    update: bool,

    /// How the project is built, for the shell.
    #[arg(long, value_name = "COMMAND")]
    build: Option<String>,

    /// Where the module is after the build.
    #[arg(long, value_name = "PATH")]
    module: Option<PathBuf>,

    #[command(flatten)]
    compiling: CompileOptions,
}

/// Works on a project. The error is for standard error.
pub(crate) fn dev(arguments: DevArguments, before: CompileOptions) -> Result<ExitCode, String> {
    let host = host(before, &arguments.compiling, None)?;
    let is_terminal = io::stdout().is_terminal();
    let style = Style { has_color: has_color(is_terminal, &Environment::default()), is_brief: false };
    if !arguments.once {
        // Ctrl-C is how it ends, which is no failure.
        flag::register_conditional_shutdown(SIGINT, 0, Arc::new(AtomicBool::new(true)))
            .map_err(|err| format!("listening for Ctrl-C: {err}"))?;
    }
    on_thread(move |out| {
        let project = Project::find(&arguments.dir, arguments.build.as_ref(), arguments.module.as_ref())?;
        let mut cycle = Cycle { arguments: &arguments, project: &project, host: &host, style, out };
        if arguments.once {
            return cycle.run();
        }
        let mut changed_before = BTreeSet::new();
        loop {
            if is_terminal {
                cycle.out.write_all(b"\x1b[2J\x1b[H")?;
            }
            let before = look(&arguments.dir);
            cycle.run()?;
            let after = look(&arguments.dir);
            let changed = changed(&before, &after);
            // What was saved during the build is not in it. What is written by every build is no change.
            if changed.is_empty() || changed == changed_before {
                writeln!(cycle.out, "{}", style.dim("waiting for a change (Ctrl-C ends)"))?;
                cycle.out.flush()?;
                wait_for_change(&arguments.dir, &after);
            }
            changed_before = changed;
        }
    })
}

/// One build and what comes of it.
struct Cycle<'a> {
    arguments: &'a DevArguments,
    project: &'a Project,
    host: &'a Host,
    style: Style,
    out: &'a mut dyn Write,
}

impl Cycle<'_> {
    /// Whether everything is as it should be.
    fn run(&mut self) -> Result<bool, Stop> {
        writeln!(self.out, "{}", self.style.dim(&format!("$ {}", self.project.command())))?;
        self.out.flush()?;
        let began = Instant::now();
        let module = match self.project.build() {
            Ok(module) => module,
            Err(text) => return self.bad(&text),
        };
        let size = match fs::metadata(&module) {
            Ok(it) => it.len(),
            Err(err) => {
                let text = format!("the module {}: {}", module.display(), wappa_component::cause(&err));
                return self.bad(&text);
            }
        };
        let (name, took) = (self.short(&module), time_text(began.elapsed()));
        writeln!(self.out, "{}", self.style.dim(&format!("{name}: {}, built in {took}", size_text(size))))?;
        self.fixtures(&module)
    }

    fn fixtures(&mut self, module: &Path) -> Result<bool, Stop> {
        let fixtures = fixtures::find(&self.project.dir)?;
        if fixtures.is_empty() {
            return self
                .bad("there are no fixtures: write a message into `fixtures/first.in`, then `--update`");
        }
        let (mut n_good, mut n_updated) = (0, 0);
        let mut bad_before = String::new();
        for fixture in &fixtures {
            let mut came = fixture.run(self.host, module, self.arguments.update);
            match &mut came {
                Came::Good => n_good += 1,
                Came::Updated => n_updated += 1,
                Came::Different { .. } => (),
                // What is wrong with the module is told once.
                Came::Bad(text) if *text == bad_before => *text = "as above".to_string(),
                Came::Bad(text) => bad_before.clone_from(text),
            }
            self.tell(&fixture.name, &came)?;
        }
        let n_bad = fixtures.len() - n_good - n_updated;
        let mut line = format!("{} passed", counted(n_good, "fixture"));
        if 0 < n_updated {
            line.push_str(&format!(", {n_updated} written"));
        }
        if 0 < n_bad {
            line.push_str(&format!(", {n_bad} failed"));
        }
        let line = if n_bad == 0 { self.style.green(&line) } else { self.style.red(&line) };
        writeln!(self.out, "{line}")?;
        if 0 < n_bad && !self.arguments.update {
            writeln!(self.out, "{}", self.style.dim("`--update` takes what came out as what is expected"))?;
        }
        Ok(n_bad == 0)
    }

    fn tell(&mut self, name: &str, came: &Came) -> Result<(), Stop> {
        let style = self.style;
        match came {
            Came::Good => writeln!(self.out, "{} {name}", style.green("passed "))?,
            Came::Updated => writeln!(self.out, "{} {name}", style.green("written"))?,
            Came::Bad(text) => writeln!(self.out, "{} {name}: {text}", style.red("failed "))?,
            Came::Different { expected, found, said } => {
                writeln!(self.out, "{} {name}", style.red("differs"))?;
                for change in TextDiff::from_lines(expected.as_str(), found.as_str()).iter_all_changes() {
                    let text = change.value().trim_end_matches('\n');
                    let line = match change.tag() {
                        ChangeTag::Equal => format!("    {text}"),
                        ChangeTag::Delete => style.red(&format!("  - {text}")),
                        ChangeTag::Insert => style.green(&format!("  + {text}")),
                    };
                    writeln!(self.out, "{}", line.trim_end())?;
                }
                self.out.write_all(style.records(said).as_bytes())?;
            }
        }
        Ok(())
    }

    /// Something that is not as it should be, and that the next change may repair.
    fn bad(&mut self, text: &str) -> Result<bool, Stop> {
        if self.arguments.once {
            return Err(Stop::Said(text.to_string()));
        }
        writeln!(self.out, "{}", self.style.red(text))?;
        Ok(false)
    }

    /// A path as it is seen from the project.
    fn short(&self, path: &Path) -> String {
        let full = fs::canonicalize(&self.project.dir).ok();
        let short = path.strip_prefix(&self.project.dir).ok();
        let short = short.or_else(|| path.strip_prefix(full.as_ref()?).ok());
        short.unwrap_or(path).display().to_string()
    }
}

/// What the files of a project look like from outside.
type Look = BTreeMap<PathBuf, (u64, Option<SystemTime>)>;

/// Waits until the files are others than those, and have been the same for a moment.
fn wait_for_change(dir: &Path, first: &Look) {
    let mut before = first.clone();
    loop {
        thread::sleep(LOOK_INTERVAL);
        let now = look(dir);
        if now != *first && now == before {
            return;
        }
        before = now;
    }
}

/// The files that are others, new or gone.
fn changed(before: &Look, after: &Look) -> BTreeSet<PathBuf> {
    let differ = |path: &&PathBuf| before.get(*path) != after.get(*path);
    before.keys().chain(after.keys()).filter(differ).cloned().collect()
}

/// Looks at the files that a person writes: not at what builds make, nor at what is hidden.
fn look(dir: &Path) -> Look {
    let mut look = Look::new();
    let mut dirs = vec![dir.to_path_buf()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            let name = name.to_string_lossy();
            let is_made = matches!(
                name.as_ref(),
                "target" | "build" | "node_modules" | "site-packages" | "__pycache__" | "zig-out"
            ) || name.ends_with(".wasm")
                || name.ends_with(".lock");
            if is_made || name.starts_with('.') {
                continue;
            }
            match entry.file_type() {
                Ok(it) if it.is_dir() => dirs.push(path),
                _ => {
                    let Ok(metadata) = fs::metadata(&path) else { continue };
                    look.insert(path, (metadata.len(), metadata.modified().ok()));
                }
            }
        }
    }
    look
}
