//! `completions` and `man`: what shells and readers of manuals want to know of the command line.

use clap::{Args, Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;
use wappa_spec::{nearest, printable};

use crate::cli::Cli;

const COMPLETIONS_HELP: &str = "\
Where a shell looks for it:

  wappa completions bash > ~/.local/share/bash-completion/completions/wappa
  wappa completions zsh > \"${fpath[1]}/_wappa\"
  wappa completions fish > ~/.config/fish/completions/wappa.fish
  wappa completions powershell >> $PROFILE";

const MAN_HELP: &str = "\
To read it, or to install it:

  wappa man | man -l -
  wappa man run | man -l -
  wappa man > /usr/local/share/man/man1/wappa.1";

/// The arguments of `completions`.
#[derive(Args, Debug)]
#[command(after_help = COMPLETIONS_HELP)]
pub(crate) struct CompletionsArguments {
    /// The shell that is to complete.
    #[arg(value_enum, ignore_case = true)]
    shell: Shell,
}

/// The arguments of `man`.
#[derive(Args, Debug)]
#[command(after_help = MAN_HELP)]
pub(crate) struct ManArguments {
    /// A command, whose page is printed in place of the program's.
    command: Option<String>,
}

/// The command line without what is hidden.
fn shown() -> Command {
    let all = Cli::command();
    let mut command = Command::new("wappa").disable_version_flag(true).version(env!("CARGO_PKG_VERSION"));
    if let Some(about) = all.get_about() {
        command = command.about(about.clone());
    }
    if let Some(help) = all.get_after_help() {
        command = command.after_help(help.clone());
    }
    let arguments: Vec<_> = all.get_arguments().filter(|it| !it.is_hide_set()).cloned().collect();
    let commands: Vec<_> = all.get_subcommands().filter(|it| !it.is_hide_set()).cloned().collect();
    command.args(arguments).subcommands(commands)
}

/// A script that completes commands, flags and their values.
pub(crate) fn completions(arguments: &CompletionsArguments) -> Vec<u8> {
    let mut out = Vec::new();
    clap_complete::generate(arguments.shell, &mut shown(), "wappa", &mut out);
    out
}

/// A page of the manual; the error names the command that there is not.
pub(crate) fn man(arguments: &ManArguments) -> Result<Vec<u8>, String> {
    let mut program = shown();
    program.build();
    let (title, page) = match &arguments.command {
        None => ("wappa".to_string(), program),
        Some(name) => {
            let found = program.find_subcommand(name.as_str()).filter(|it| it.get_name() != "help").cloned();
            let Some(command) = found else {
                let names = program.get_subcommands().map(Command::get_name);
                let hint = match nearest(name, names) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "`wappa --help` shows the commands".to_string(),
                };
                return Err(format!("there is no command `{}`\nhint: {hint}", printable(name)));
            };
            (format!("wappa-{}", command.get_name()), command)
        }
    };
    let mut out = Vec::new();
    let source = format!("wappa {}", env!("CARGO_PKG_VERSION"));
    Man::new(page).title(title).source(source).render(&mut out).map_err(|err| err.to_string())?;
    Ok(out)
}
