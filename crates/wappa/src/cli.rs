//! The command line: flags and commands, with Bento's names and words where Bento has them.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use clap::{
    Args, CommandFactory, Parser, Subcommand,
    error::{ContextKind, ContextValue, ErrorKind},
};
use wappa_spec::{LOG_LEVELS, Lint, Rule, Size, nearest, parse_duration, printable};

use crate::{
    compiling::CompileOptions, completions, config_tests::TestArguments, create, explain, guest, lint, list,
    ping::PingArguments, wasm::COMPILE_CHILD,
};

const EXAMPLES: &str = "Run a config, or choose a command:

  wappa -c ./config.yaml
  wappa run ./config.yaml
  wappa lint ./configs/...
  wappa list processors
  wappa -r './production/*.yaml' -c ./config.yaml";

const COMPILE_HELP: &str = "\
A stream whose modules are in the cache starts without compiling anything. When you build an image, compile on a \
processor like the one that will run it, and give the stream the same flags for the cache.

Prints a line for each module. A module that fails does not keep the others from being compiled.

  wappa compile ./upper.wasm
  wappa compile -c ./config.yaml
  wappa compile -c ./config.yaml --compile-cache /var/cache/wappa";

const ECHO_HELP: &str = "\
An environment variable that is set stays a reference, `${NAME}`, since it may hold a secret; one that is not set gives way \
to its default. What is wrong with the config is told on standard error.

  wappa echo ./config.yaml
  wappa -c ./config.yaml -s pipeline.threads=1 echo";

const BLOBL_HELP: &str = "\
A result that is a text is printed as it is, and one that is deleted is an empty line. A document on which the mapping \
fails is told on standard error, and the next one is mapped. On a terminal you type documents, and see their results.

  cat documents.jsonl | wappa blobl 'root.names = this.users.map_each(it -> it.name)'
  echo '{\"foo\":\"bar\"}' | wappa blobl -f ./mapping.blobl
  wappa blobl 'root = this.without(\"password\")'";

pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let duration = parse_duration(text).filter(|it| !it.is_zero());
    duration.ok_or_else(|| "it is a time above zero, such as `300ms`, `5s` or `1h30m`".to_string())
}

pub(crate) fn size(text: &str) -> Result<Size, String> {
    Size::parse(text).ok_or_else(|| "a size is written like `128MiB`, `64KB` or `1024`".to_string())
}

/// The levels of the config, whatever their case.
pub(crate) fn log_level(text: &str) -> Result<String, String> {
    match LOG_LEVELS.iter().any(|it| it.eq_ignore_ascii_case(text)) {
        true => Ok(text.to_string()),
        false => Err(format!("one of {}", LOG_LEVELS.join(", ").to_lowercase())),
    }
}

/// Says of a field that is not there, and has the name of a flag, that it is one. Names of one word may be anything.
pub(crate) fn hint_at_flag(lint: &mut Lint) {
    let name = lint.message.strip_prefix("field ").and_then(|it| it.strip_suffix(" not recognised"));
    let Some(name) = name.filter(|it| lint.rule == Rule::UnknownField && it.contains(['_', '.'])) else {
        return;
    };
    let name = name.replace('_', "-");
    let command = Cli::command();
    if command.get_arguments().any(|it| it.get_long() == Some(&name)) {
        lint.hint = Some(format!("it is a flag of the command line: `--{name}`"));
    }
}

/// A stream processor that calls WebAssembly modules, with Bento's configs.
#[derive(Parser, Debug)]
#[command(name = "wappa", disable_version_flag = true, after_help = EXAMPLES)]
pub(crate) struct Cli {
    /// Print the version, then exit.
    #[arg(short = 'v', visible_short_alias = 'V', long)]
    pub(crate) version: bool,

    #[command(flatten)]
    pub(crate) options: Options,

    /// What to do; without one a stream is run.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// Flags that say what is read. They may stand before or behind the command.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct FileOptions {
    /// A path to a configuration file.
    #[arg(short, long, value_name = "PATH")]
    pub(crate) config: Option<PathBuf>,

    /// Add the resources of more files; a pattern needs quotes.
    #[arg(short, long, value_name = "GLOB", value_delimiter = ',')]
    pub(crate) resources: Vec<String>,

    /// Read environment variables from dotenv files; they win over those that are set.
    #[arg(short, long = "env-file", value_name = "GLOB", value_delimiter = ',')]
    pub(crate) env_files: Vec<String>,
}

/// Flags of running a stream. They may stand before or behind the command.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) files: FileOptions,

    /// Override the configured log level: off, error, warn, info, debug, trace.
    #[arg(long = "log.level", value_name = "LEVEL", value_parser = log_level)]
    pub(crate) log_level: Option<String>,

    /// Set a field of the main config by its dot path, e.g. "pipeline.threads=1".
    #[arg(short, long, value_name = "PATH=VALUE", value_delimiter = ',')]
    pub(crate) set: Vec<String>,

    /// Run a config that has lint errors.
    #[arg(long)]
    pub(crate) chilled: bool,

    /// Refuse what a config that is not trusted must not see: files, programs and environment variables of the machine.
    #[arg(long)]
    pub(crate) restricted: bool,

    /// Exit with 2 if messages failed in a processor and nothing caught that.
    #[arg(long)]
    pub(crate) exit_non_zero_on_failure: bool,

    /// Watch the config, its resources, mappings and modules, and go on with them when they have changed.
    #[arg(short, long)]
    pub(crate) watcher: bool,

    /// Import templates (Wappa does not have this yet).
    #[arg(short, long, hide = true, value_name = "GLOB")]
    pub(crate) templates: Vec<String>,

    /// The memory that all guests together may make the process hold [default: three quarters of the machine's, or of
    /// the control group's].
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub(crate) guest_memory_limit: Option<Size>,

    #[command(flatten)]
    pub(crate) compiling: CompileOptions,
}

impl FileOptions {
    /// The flags before the command, with those behind it; where there can be one only, the latter counts.
    pub(crate) fn merged(mut self, behind: &FileOptions) -> FileOptions {
        self.config = behind.config.clone().or(self.config);
        self.resources.extend(behind.resources.iter().cloned());
        self.env_files.extend(behind.env_files.iter().cloned());
        self
    }
}

impl Options {
    /// The flags before the command, with those behind it; where there can be one only, the latter count.
    pub(crate) fn merged(mut self, behind: &Options) -> Options {
        self.files = self.files.merged(&behind.files);
        self.log_level = behind.log_level.clone().or(self.log_level);
        self.set.extend(behind.set.iter().cloned());
        self.chilled |= behind.chilled;
        self.restricted |= behind.restricted;
        self.exit_non_zero_on_failure |= behind.exit_non_zero_on_failure;
        self.watcher |= behind.watcher;
        self.templates.extend(behind.templates.iter().cloned());
        self.guest_memory_limit = behind.guest_memory_limit.or(self.guest_memory_limit);
        self.compiling = self.compiling.merged(&behind.compiling);
        self
    }
}

/// What to do.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Run a config.
    Run(RunArguments),
    /// Run many streams in one process, which come and go through an HTTP API.
    #[cfg(feature = "http")]
    Streams(crate::streams::StreamsArguments),
    /// Check configs, and say all that is wrong with them.
    Lint(LintArguments),
    /// Run the tests of configs.
    Test(TestArguments),
    /// Ask whether a running stream answers.
    Ping(PingArguments),
    /// Show messages of a component of a running stream, as they come by.
    #[cfg(feature = "http")]
    Tap(crate::seen::TapArguments),
    /// Show what the components of a running stream do, and what waits for them.
    #[cfg(feature = "http")]
    Top(crate::seen::TopArguments),
    /// List the components that there are.
    List(ListArguments),
    /// Print a config to begin with, out of the names of components.
    Create(create::CreateArguments),
    /// Say what a field or a component is.
    Explain(explain::ExplainArguments),
    /// Draw a config, as a flowchart in Mermaid's language or as a picture.
    Graph(crate::graph::GraphArguments),
    /// Execute a mapping on documents, one a line, that are read from standard input.
    Blobl(BloblArguments),
    /// Run one input through two configs or two programs, and show the first message that differs.
    Diff(crate::trial::DiffArguments),
    /// Print the config as it is understood, with its defaults and without its secrets.
    Echo(EchoArguments),
    /// Run failed messages through a config again.
    Replay(crate::trial::ReplayArguments),
    /// Compile modules before they are needed, and keep the code where a stream finds it.
    Compile(CompileArguments),
    /// Say what a WebAssembly module is, and whether it can run here.
    Inspect(InspectArguments),
    /// Begin a project of a guest.
    New(guest::NewArguments),
    /// Call a guest with a few messages, and show all that comes of it.
    Call(guest::CallArguments),
    /// Measure how fast a guest is, and whether it keeps its memory.
    Bench(guest::BenchArguments),
    /// Build a guest's project and run its fixtures, again after each change.
    Dev(guest::DevArguments),
    /// Print a script with which a shell completes this program's command line.
    Completions(completions::CompletionsArguments),
    /// Print a page of the manual.
    Man(completions::ManArguments),
    #[command(name = COMPILE_CHILD, hide = true)]
    CompileChild,
    #[command(external_subcommand)]
    Other(Vec<OsString>),
}

/// The arguments of `run`.
#[derive(Args, Debug)]
pub(crate) struct RunArguments {
    /// A path to a configuration file.
    pub(crate) path: Vec<PathBuf>,

    #[command(flatten)]
    pub(crate) dry: crate::trial::DryRunOptions,

    #[command(flatten)]
    pub(crate) options: Options,
}

/// The arguments of `echo`.
#[derive(Args, Debug)]
#[command(after_help = ECHO_HELP)]
pub(crate) struct EchoArguments {
    /// A path to a configuration file.
    pub(crate) path: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) options: Options,
}

/// The arguments of `lint`.
#[derive(Args, Debug)]
pub(crate) struct LintArguments {
    /// Config files, patterns, Markdown files with configs, or a directory with `...` behind it.
    pub(crate) paths: Vec<String>,

    /// Treat the use of deprecated fields as an error.
    #[arg(long)]
    pub(crate) deprecated: bool,

    /// Demand a label of every component.
    #[arg(long)]
    pub(crate) labels: bool,

    /// Treat fields and components that Bento does not have as an error.
    #[arg(long)]
    pub(crate) portable: bool,

    /// Do not demand that environment variables without a default are set.
    #[arg(long)]
    pub(crate) skip_env_var_check: bool,

    /// Lint configs as those that are not trusted, the flag of `run`.
    #[arg(long)]
    pub(crate) restricted: bool,

    /// Say which configs have guests that may want more than this together, the flag of `run`.
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub(crate) guest_memory_limit: Option<Size>,

    /// How to print what is wrong: for people, as a list of objects, or as annotations of GitHub's workflows.
    #[arg(long, value_enum, default_value = "text", ignore_case = true)]
    pub(crate) format: lint::Format,

    #[command(flatten)]
    pub(crate) files: FileOptions,
}

/// The arguments of `list`.
#[derive(Args, Debug)]
pub(crate) struct ListArguments {
    /// Kinds of components: inputs, processors, outputs, scanners …; or bloblang-functions, bloblang-methods.
    pub(crate) kinds: Vec<String>,

    /// How to print them: for people, as an object of kinds, or as the JSON schema of configs, for editors.
    #[arg(long, value_enum, default_value = "text", ignore_case = true)]
    pub(crate) format: list::Format,

    /// List only what has this status.
    #[arg(long, value_enum, ignore_case = true)]
    pub(crate) status: Option<list::StatusName>,
}

/// The arguments of `blobl`.
#[derive(Args, Debug)]
#[command(after_help = BLOBL_HELP)]
pub(crate) struct BloblArguments {
    /// The mapping, in quotes.
    pub(crate) mapping: Vec<String>,

    /// Execute the mapping of a file.
    #[arg(short, long, value_name = "PATH")]
    pub(crate) file: Option<PathBuf>,

    /// Take lines as they are: `this` is the line as bytes, and no document.
    #[arg(short, long)]
    pub(crate) raw: bool,

    /// Print lists and objects over several lines.
    #[arg(short, long)]
    pub(crate) pretty: bool,

    /// How many threads to map with; results stay in the order of the documents.
    #[arg(short, long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: u16,

    /// The longest line, in bytes.
    #[arg(long, value_name = "N", default_value = "65536", value_parser = clap::value_parser!(u32).range(1..=1 << 30))]
    pub(crate) max_token_length: u32,

    /// Refuse what a mapping that is not trusted must not see: files, environment variables, imports.
    #[arg(long)]
    pub(crate) restricted: bool,
}

/// The arguments of `compile`.
#[derive(Args, Debug)]
#[command(after_help = COMPILE_HELP)]
pub(crate) struct CompileArguments {
    /// Modules: `.wasm` files, or WebAssembly text. Without one, all modules of the config.
    pub(crate) modules: Vec<PathBuf>,

    /// Set a field of the config by its dot path, as for `run`.
    #[arg(short, long, value_name = "PATH=VALUE", value_delimiter = ',')]
    pub(crate) set: Vec<String>,

    #[command(flatten)]
    pub(crate) files: FileOptions,

    #[command(flatten)]
    pub(crate) compiling: CompileOptions,
}

/// The arguments of `inspect`.
#[derive(Args, Debug)]
pub(crate) struct InspectArguments {
    /// A module: a `.wasm` file, or WebAssembly text.
    pub(crate) module: PathBuf,

    /// The function that is to be called, as in the field `function` of the processor.
    #[arg(long, default_value = "process", value_name = "NAME")]
    pub(crate) function: String,

    /// The memory that one instance may have, as in the field `memory_limit` of the processor.
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub(crate) memory_limit: Option<Size>,

    /// Print the facts and the problems as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What is said instead of doing anything.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Help was asked for.
    Help(String),
    /// What is wrong, and the way out.
    Mistake(String),
}

/// Reads the command line.
pub(crate) fn parse(arguments: Vec<OsString>) -> Result<Cli, Refusal> {
    let first = arguments.get(1).and_then(|it| it.to_str()).unwrap_or_default().to_string();
    let arguments = without_values(arguments.into_iter().map(with_two_dashes).collect());
    Cli::try_parse_from(arguments).map_err(|err| match err.kind() {
        ErrorKind::DisplayHelp => Refusal::Help(err.to_string()),
        _ => {
            let mut text = mistake(&err);
            // Where it is known what was meant, the help would hide it.
            if !text.contains("\nhint: ") {
                let is_command = Cli::command().get_subcommands().any(|it| it.get_name() == first);
                let command = if is_command { format!(" {first}") } else { String::new() };
                text.push_str(&format!("hint: `wappa{command} --help` shows the flags\n"));
            }
            Refusal::Mistake(text)
        }
    })
}

/// The command whose name is nearest to a misspelt one, when it is near enough.
pub(crate) fn nearest_command(name: &str) -> Option<String> {
    let program = Cli::command();
    let names = program.get_subcommands().filter(|it| !it.is_hide_set()).map(|it| it.get_name());
    nearest(name, names).map(str::to_string)
}

/// Bento's flags may be written with one dash: `-config a.yaml`.
fn with_two_dashes(argument: OsString) -> OsString {
    let is_long = |text: &str| {
        let name = text.strip_prefix('-')?.split('=').next()?;
        let command = Cli::command();
        let mut flags = command.get_arguments().filter_map(|it| it.get_long());
        (1 < name.len() && flags.any(|it| it == name)).then(|| OsString::from(format!("-{text}")))
    };
    argument.to_str().and_then(is_long).unwrap_or(argument)
}

/// Bento's flags that are on or off may say which: `--chilled=true`. One that is off is as good as not there.
fn without_values(arguments: Vec<OsString>) -> Vec<OsString> {
    let program = Cli::command();
    let command = arguments.iter().skip(1).find_map(|it| program.find_subcommand(it));
    let is_switch = |flag: &str| {
        let flags = command.into_iter().chain([&program]).flat_map(|it| it.get_arguments());
        let is_it = |it: &&clap::Arg| match flag.strip_prefix("--") {
            Some(long) => it.get_long() == Some(long),
            None => it.get_short().is_some_and(|it| flag == format!("-{it}")),
        };
        // The command's own flags hide those of the program.
        flags.into_iter().find(is_it).is_some_and(|it| matches!(it.get_action(), clap::ArgAction::SetTrue))
    };
    let mut is_behind = false;
    let kept = |argument: OsString| {
        is_behind |= argument == "--";
        let Some((flag, value)) = argument.to_str().and_then(|it| it.split_once('=')) else {
            return Some(argument);
        };
        match go_bool(value) {
            Some(is_on) if !is_behind && is_switch(flag) => is_on.then(|| flag.into()),
            _ => Some(argument),
        }
    };
    arguments.into_iter().filter_map(kept).collect()
}

/// A boolean as Go reads it.
fn go_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

fn mistake(err: &clap::Error) -> String {
    let text = |kind| match err.get(kind) {
        Some(ContextValue::String(it)) => Some(it.clone()),
        _ => None,
    };
    let argument = || text(ContextKind::InvalidArg).unwrap_or_default();
    let name = |argument: String| {
        let name = argument.split([' ', '=']).next().unwrap_or_default();
        name.trim_start_matches('-').to_string()
    };
    let mut error = match err.kind() {
        ErrorKind::UnknownArgument if !argument().starts_with('-') => {
            format!("Usage error: there is one argument too many: `{}`\n", printable(&argument()))
        }
        ErrorKind::UnknownArgument => {
            format!("Usage error: flag provided but not defined: -{}\n", name(argument()))
        }
        ErrorKind::InvalidValue if text(ContextKind::InvalidValue).is_none_or(|it| it.is_empty()) => {
            format!("Usage error: flag needs an argument: -{}\n", name(argument()))
        }
        _ => {
            let text = err.to_string();
            // Behind an empty line comes the usage, which is in the help.
            let first: Vec<&str> = text.lines().take_while(|it| !it.is_empty()).map(str::trim).collect();
            let first = first.join(" ");
            format!("Usage error: {}\n", first.strip_prefix("error: ").unwrap_or(&first))
        }
    };
    if let Some(near) = text(ContextKind::SuggestedArg) {
        error.push_str(&format!("hint: did you mean `{near}`?\n"));
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_breaks_no_line_twice() {
        // What stands behind the flags is broken where the terminal ends: a paragraph of it has no line breaks itself.
        for command in Cli::command().get_subcommands() {
            let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            let is_prose = |line: &str| !line.is_empty() && !line.starts_with(' ');
            for pair in lines.windows(2) {
                let is_broken = is_prose(pair[0]) && is_prose(pair[1]);
                assert!(!is_broken, "{}: {}\n{}", command.get_name(), pair[0], pair[1]);
            }
        }
    }
}
