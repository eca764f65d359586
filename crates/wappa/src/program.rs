//! The beginning and the end of the process: which command is run, and what is said when there is none.

use std::{
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use wappa_component::NotRead;
use wappa_spec::{Registry, printable, printable_lines, printable_path};

use crate::{
    blobl,
    cli::{self, Cli, Command, FileOptions, Options, Refusal},
    compile, completions, config_tests, create, dotenv,
    environment::{self, Environment},
    explain, globs, guest, lint, list, open_files, panics, ping, run, signals, standard_output, table, wasm,
};

/// No file of variables is that big.
const ENV_FILE_BYTES_MAX: u64 = 16 << 20;

/// Commands of Bento that Wappa does not have yet.
const COMMANDS_OF_BENTO: [&str; 2] = [
    // Where this build has no HTTP service.
    "streams", "template",
];

/// Runs the program with the arguments of the process.
pub fn main() -> ExitCode {
    panics::tell_on_stderr();
    signals::keep_writing();
    open_files::raise_limit();
    let cli = match cli::parse(environment::arguments()) {
        Ok(cli) => cli,
        Err(Refusal::Help(text)) => {
            return printed(text.as_bytes());
        }
        Err(Refusal::Mistake(text)) => {
            print(io::stderr(), &printable_lines(&text));
            return ExitCode::FAILURE;
        }
    };
    if cli.version {
        let (date, commit) = (env!("WAPPA_DATE"), env!("WAPPA_COMMIT"));
        let text = format!("Version: {}\nDate: {date}\nCommit: {commit}\n", run::VERSION);
        return printed(text.as_bytes());
    }
    match start(cli) {
        Ok(code) => code,
        Err(text) => {
            print(io::stderr(), &format!("{}\n", printable_lines(&text)));
            ExitCode::FAILURE
        }
    }
}

/// Prints a text; the code says whether it could be.
fn printed(text: &[u8]) -> ExitCode {
    match standard_output::print(text) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            print(io::stderr(), &format!("{why}\n"));
            ExitCode::FAILURE
        }
    }
}

fn start(cli: Cli) -> Result<ExitCode, String> {
    match cli.command {
        None => {
            let environment = prepare(&cli.options)?;
            Ok(run::run(&cli.options, &environment))
        }
        Some(Command::Run(arguments)) => {
            let mut options = cli.options.merged(&arguments.options);
            let environment = prepare(&options)?;
            match arguments.path.as_slice() {
                [] => (),
                [path] => options.files.config = Some(path.clone()),
                _ => return Err("A maximum of one config must be specified with the run command".to_string()),
            }
            match arguments.dry.dry_run {
                true => crate::trial::dry_run(&arguments.dry, options, &environment),
                false => Ok(run::run(&options, &environment)),
            }
        }
        #[cfg(feature = "http")]
        Some(Command::Streams(arguments)) => {
            let options = cli.options.merged(&arguments.options);
            let environment = prepare(&options)?;
            crate::streams::streams(&arguments, options, environment)
        }
        Some(Command::Lint(mut arguments)) => {
            arguments.restricted |= cli.options.restricted;
            arguments.guest_memory_limit = arguments.guest_memory_limit.or(cli.options.guest_memory_limit);
            let files = cli.options.files.merged(&arguments.files);
            let environment = read_env_files(&files)?;
            let modules = wasm::modules(cli.options.compiling.budget())?;
            Ok(lint::lint(&arguments, &files, &environment, &table::with_modules(modules)))
        }
        Some(Command::Test(arguments)) => {
            let environment = read_env_files(&cli.options.files.clone().merged(&arguments.files))?;
            config_tests::test(&arguments, &cli.options, &environment)
        }
        Some(Command::Ping(arguments)) => {
            standard_output::check()?;
            Ok(printed(ping::ping(&arguments)?.as_bytes()))
        }
        #[cfg(feature = "http")]
        Some(Command::Tap(arguments)) => crate::seen::tap(&arguments),
        #[cfg(feature = "http")]
        Some(Command::Top(arguments)) => crate::seen::top(&arguments),
        Some(Command::List(arguments)) => {
            standard_output::check()?;
            let registry: &dyn Registry = &table::registry();
            Ok(printed(list::list(registry, &arguments)?.as_bytes()))
        }
        Some(Command::Create(arguments)) => {
            standard_output::check()?;
            Ok(printed(create::create(&arguments, &table::registry())?.as_bytes()))
        }
        Some(Command::Explain(arguments)) => {
            standard_output::check()?;
            let text = explain::explain(&arguments, &Environment::default(), &table::registry())?;
            Ok(printed(text.as_bytes()))
        }
        Some(Command::Graph(arguments)) => {
            standard_output::check()?;
            let config = cli.options.files.config.as_deref();
            Ok(printed(crate::graph::graph(&arguments, config, &table::registry())?.as_bytes()))
        }
        Some(Command::Blobl(mut arguments)) => {
            arguments.restricted |= cli.options.restricted;
            standard_output::check()?;
            blobl::blobl(&arguments)
        }
        Some(Command::Diff(mut arguments)) => {
            arguments.files = cli.options.files.clone().merged(&arguments.files);
            let environment = read_env_files(&arguments.files)?;
            crate::trial::diff(&arguments, &cli.options, &environment)
        }
        Some(Command::Echo(arguments)) => {
            let mut options = cli.options.merged(&arguments.options);
            options.files.config = arguments.path.or(options.files.config);
            let environment = prepare(&options)?;
            crate::echo::echo(&options, &environment)
        }
        Some(Command::Replay(arguments)) => {
            let options = cli.options.merged(&arguments.options);
            let environment = prepare(&options)?;
            crate::trial::replay(&arguments, options, &environment)
        }
        Some(Command::Compile(mut arguments)) => {
            arguments.files = cli.options.files.merged(&arguments.files);
            arguments.compiling = cli.options.compiling.merged(&arguments.compiling);
            arguments.set.splice(..0, cli.options.set);
            let environment = read_env_files(&arguments.files)?;
            compile::compile(&arguments, &environment)
        }
        Some(Command::Inspect(arguments)) => {
            standard_output::check()?;
            wasm::inspect(&arguments, &cli.options.compiling)
        }
        Some(Command::New(arguments)) => guest::new(&arguments),
        Some(Command::Call(arguments)) => {
            standard_output::check()?;
            guest::call(arguments, cli.options.compiling)
        }
        Some(Command::Bench(arguments)) => guest::bench(arguments, cli.options.compiling),
        Some(Command::Dev(arguments)) => guest::dev(arguments, cli.options.compiling),
        Some(Command::Completions(arguments)) => {
            standard_output::check()?;
            Ok(printed(&completions::completions(&arguments)))
        }
        Some(Command::Man(arguments)) => {
            standard_output::check()?;
            Ok(printed(&completions::man(&arguments)?))
        }
        Some(Command::CompileChild) => Ok(wasm::compile_child()),
        Some(Command::Other(words)) => Err(unknown_command(&words[0].to_string_lossy())),
    }
}

/// What other programs call what there is here under another name.
const CALLED_ELSEWHERE: [(&[&str], &str); 7] = [
    (&["version"], "wappa --version"),
    (&["validate", "check", "verify", "vet"], "wappa lint"),
    (&["start", "exec"], "wappa run"),
    (&["init"], "wappa new"),
    (&["doc", "docs", "describe", "info"], "wappa explain"),
    (&["schema"], "wappa list --format json-schema"),
    (&["draw", "diagram", "visualize"], "wappa graph"),
];

fn unknown_command(name: &str) -> String {
    if COMMANDS_OF_BENTO.contains(&name) {
        return format!("Wappa does not have the command `{name}` yet");
    }
    let path = Path::new(name);
    let shown = printable(name);
    let mut text = format!("Unrecognised command: {shown}");
    let is_module = path.extension().is_some_and(|it| it == "wasm" || it == "wat");
    if path.is_file() && is_module {
        text.push_str(&format!(
            "\nhint: to call a module with messages: wappa call {shown}\
             \nhint: to see what a module is: wappa inspect {shown}"
        ));
    } else if path.is_file() {
        text.push_str(&format!("\nhint: to run a config: wappa run {shown}"));
    } else if let Some((_, here)) = CALLED_ELSEWHERE.iter().find(|(names, _)| names.contains(&name)) {
        text.push_str(&format!("\nhint: that is `{here}`"));
    } else if let Some(meant) = cli::nearest_command(name) {
        text.push_str(&format!("\nhint: did you mean `{meant}`?"));
    }
    if !text.contains("\nhint: ") {
        text.push_str("\nhint: `wappa --help` shows the commands");
    }
    text
}

/// Refuses what Wappa does not have, and reads the dotenv files.
fn prepare(options: &Options) -> Result<Environment, String> {
    if !options.templates.is_empty() {
        return Err("Wappa does not have `--templates` yet".to_string());
    }
    read_env_files(&options.files)
}

fn read_env_files(files: &FileOptions) -> Result<Environment, String> {
    let mut environment = Environment::default();
    let paths = globs::expand(&files.env_files)
        .map_err(|err| format!("Failed to resolve env file glob pattern: {err}"))?;
    for path in paths {
        let failed =
            |step, cause| format!("Failed to read dotenv file: {step} {}: {cause}", printable_path(&path));
        let bytes = wappa_component::read_file(&path, ENV_FILE_BYTES_MAX)
            .map_err(|NotRead { step, cause }| failed(step, cause))?;
        let text =
            String::from_utf8(bytes).map_err(|_| failed("read", "it is not text in UTF-8".to_string()))?;
        let assignments = dotenv::parse(&text)
            .map_err(|err| format!("Failed to parse dotenv file: {}: {err}", printable_path(&path)))?;
        assignments.into_iter().for_each(|(name, value)| environment.set(name, value));
    }
    Ok(environment)
}

/// Whoever closed the stream does not want to read it.
fn print(mut to: impl Write, text: &str) {
    let _ = to.write_all(text.as_bytes()).and_then(|()| to.flush());
}
