//! From the flags to a config that was read and linted: the steps that `run` and `lint` share.
//!
//! Nothing here prints or decides what is fatal: everything that is wrong with all files is collected as findings.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use wappa_component::NotRead;
use wappa_spec::{
    Labels, Level, Lint, LintOptions, Linted, Pos, Registry, Resources, Restricted, Rule, Size, Source,
    StreamConfig, StreamPart, printable,
};

use crate::{cli, environment::Environment, file_text::FileText, markdown, wasm};

/// Where the main config is looked for when no flag names it.
const DEFAULT_PATHS: [&str; 6] = [
    "/wappa.yaml",
    "/etc/wappa/config.yaml",
    "/etc/wappa.yaml",
    "/bento.yaml",
    "/etc/bento/config.yaml",
    "/etc/bento.yaml",
];

/// The variables that may hold a whole config, in this order.
const CONFIG_VARIABLES: [&str; 2] = ["WAPPA_CONFIG", "BENTO_CONFIG"];

/// No config is that big; what is comes from a device or a mistake.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// Where the main config comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A flag or argument names the file.
    Specified(PathBuf),
    /// The file was found where one is looked for.
    Found(PathBuf),
    /// A variable holds the text.
    Variable(&'static str),
    /// There is none: from stdin to stdout.
    Nowhere,
}

impl Origin {
    /// Finds the main config; `specified` is what the flags name.
    pub(crate) fn find(specified: Option<&Path>, environment: &Environment) -> Origin {
        if let Some(path) = specified {
            return Origin::Specified(path.to_path_buf());
        }
        if let Some(path) = DEFAULT_PATHS.map(PathBuf::from).into_iter().find(|it| it.exists()) {
            return Origin::Found(path);
        }
        let is_set = |name: &&str| environment.var(name).is_some_and(|it| !it.is_empty());
        CONFIG_VARIABLES.into_iter().find(is_set).map_or(Origin::Nowhere, Origin::Variable)
    }

    /// What the log says at the start.
    pub(crate) fn announcement(&self) -> String {
        match self {
            Origin::Specified(_) => "Running main config from specified file".to_string(),
            Origin::Found(_) => "Running main config from file found in a default path".to_string(),
            Origin::Variable(name) => format!("Running config from {name} environment variable"),
            Origin::Nowhere => "Running without a main config file".to_string(),
        }
    }

    /// The file, where there is one.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Origin::Specified(path) | Origin::Found(path) => Some(path),
            Origin::Variable(_) | Origin::Nowhere => None,
        }
    }
}

/// A lint with the file it is about.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    /// The file.
    pub(crate) file: Arc<FileText>,
    /// What is wrong.
    pub(crate) lint: Lint,
}

impl Finding {
    /// The line that Bento prints. In a file of one line the column, which means nothing there, is the true one.
    pub(crate) fn line(&self) -> String {
        if self.file.is_flag {
            return format!("{}: {}", printable(&self.file.path), self.lint.message);
        }
        if self.lint.pos.line == 1 && self.file.is_one_line() {
            return self.line_of_place();
        }
        self.lint.line(&printable(&self.file.path))
    }

    /// The same line with the column at which it is.
    pub(crate) fn line_of_place(&self) -> String {
        if self.file.is_flag {
            return self.line();
        }
        let Lint { pos, message, .. } = &self.lint;
        format!("{}({},{}) {message}", printable(&self.file.path), pos.line, pos.column)
    }

    /// Whether Bento cannot even read a file that has this.
    pub(crate) fn is_read_error(&self) -> bool {
        let rules = [Rule::FailedRead, Rule::ComponentMissing, Rule::ComponentNotFound];
        self.lint.is_error() && rules.contains(&self.lint.rule)
    }

    /// The cause as Bento prints it behind the path of a file that it cannot read.
    pub(crate) fn read_error(&self) -> String {
        match self.lint.rule {
            Rule::FailedRead => self.lint.message.clone(),
            _ => self.lint.to_string(),
        }
    }
}

/// What reading configs depends on, beside the files.
pub(crate) struct Reading<'a> {
    /// The components that there are.
    pub(crate) registry: &'a dyn Registry,
    /// What is put in for variables.
    pub(crate) environment: &'a Environment,
    /// How strict lints are.
    pub(crate) options: LintOptions,
    /// What all guests may hold together, where somebody says so.
    pub(crate) guest_memory_limit: Option<Size>,
    /// Whether the main config is what several streams have around them.
    pub(crate) is_around: bool,
}

/// What was found in files so far.
#[derive(Debug, Default)]
struct Found {
    files: Vec<FoundInFile>,
}

/// What was found in one file.
#[derive(Debug)]
struct FoundInFile {
    file: Arc<FileText>,
    lints: Vec<Lint>,
    labels: Labels,
}

impl Found {
    fn add(&mut self, file: Arc<FileText>, lints: Vec<Lint>, labels: Labels) {
        self.files.push(FoundInFile { file, lints, labels });
    }

    /// All of it, file by file; with it resources that are referred to and found in none of the files, where all files could be
    /// read.
    fn findings(self, level_of_unknown: Level) -> Vec<Finding> {
        let mut all = Labels::default();
        self.files.iter().for_each(|it| all.add_defined(&it.labels));
        let is_unread = |it: &FoundInFile| it.lints.iter().any(|it| it.rule == Rule::FailedRead);
        let is_whole = !self.files.iter().any(is_unread);
        let of_file = |it: FoundInFile| {
            let unknown = it.labels.unknown(&all).into_iter().filter(|_| is_whole);
            let unknown = unknown.map(|it| Lint { level: level_of_unknown, ..it });
            let lints = it.lints.into_iter().chain(unknown);
            lints.map(move |lint| Finding { file: Arc::clone(&it.file), lint }).collect::<Vec<_>>()
        };
        self.files.into_iter().flat_map(of_file).collect()
    }
}

/// Lints that a flag brought about, and which flag.
type OfFlags = Vec<(Lint, String)>;

/// Everything the flags name, read and linted.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// The main config with the resources of all files, where sense can be made of them.
    pub(crate) config: Option<StreamConfig>,
    /// What is wrong with any of the files.
    pub(crate) findings: Vec<Finding>,
}

impl Reading<'_> {
    /// Reads and lints the main config and the files of resources. The error is one of the flags.
    pub(crate) fn load(
        &self,
        origin: &Origin,
        set: &[String],
        resources: &[PathBuf],
    ) -> Result<Loaded, String> {
        let mut found = Found::default();
        let (mut config, flags) = self.main(origin, set, &mut found)?;
        // What the main config says of itself holds for its resources.
        let restricted = Restricted(self.registry);
        let is_restricted = config.as_ref().is_some_and(|it| it.is_restricted);
        let registry = if is_restricted { &restricted } else { self.registry };
        for path in resources {
            let read = |source: &Source| source.resources(registry, self.options);
            let more: Option<Resources> = match read_file(path) {
                Ok(bytes) => self.one(&path.display().to_string(), path.parent(), &bytes, &mut found, read),
                Err(unread) => {
                    found.add(unread.file, vec![unread.lint], Labels::default());
                    None
                }
            };
            match (&mut config, more) {
                (Some(config), Some(more)) => config.resources.append(more),
                _ => config = None,
            }
        }
        // All files of the stream are here.
        let mut findings = found.findings(Level::Error);
        for finding in &mut findings {
            if let Some((_, flag)) = flags.iter().find(|(lint, _)| *lint == finding.lint) {
                finding.file = Arc::new(FileText::of_flag(flag));
            }
        }
        Ok(Loaded { config, findings })
    }

    /// Reads and lints a file with a stream among several. Resources that it refers to are elsewhere.
    pub(crate) fn part(
        &self,
        name: &str,
        dir: Option<&Path>,
        bytes: &[u8],
    ) -> (Option<StreamPart>, Option<Source>, Vec<Finding>) {
        let (part, source, lints) = match self.source(bytes, dir) {
            Ok(source) => {
                let Linted { config, lints, .. } = source.part(self.registry, self.options, true);
                (config, Some(source), lints)
            }
            Err(lints) => (None, None, lints),
        };
        let file = Arc::new(FileText::new(name, String::from_utf8_lossy(bytes).into_owned()));
        let findings = lints.into_iter().map(|lint| Finding { file: Arc::clone(&file), lint });
        (part, source, findings.collect())
    }

    /// Lints files as main configs, or every config in a file of Markdown. Resources may be in any of them; one that is in
    /// none is told as seriously as `unknown_resource` says.
    pub(crate) fn lint(&self, paths: &[PathBuf], unknown_resource: Level) -> Vec<Finding> {
        let mut found = Found::default();
        for path in paths {
            let name = path.display().to_string();
            match read_file(path) {
                Err(unread) => found.add(unread.file, vec![unread.lint], Labels::default()),
                Ok(bytes) if path.extension().is_some_and(|it| it == "md") => {
                    self.lint_markdown(&name, &bytes, &mut found);
                }
                Ok(bytes) => {
                    self.one(&name, path.parent(), &bytes, &mut found, |it| self.stream(it));
                }
            }
        }
        found.findings(unknown_resource)
    }

    fn lint_markdown(&self, path: &str, bytes: &[u8], found: &mut Found) {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let file = Arc::new(FileText::new(path, text));
        if file.text.starts_with("\n# BENTO LINT DISABLE") {
            return;
        }
        for block in markdown::fenced_blocks(&file.text, markdown::is_yaml) {
            if !block.is_closed {
                // What is a config of it, and what is text again, is not known.
                let fence = Pos::new(block.lines_before, 1);
                let lint = Lint::error(Rule::FailedRead, fence, "markdown snippet not terminated");
                found.add(Arc::clone(&file), vec![lint], Labels::default());
                continue;
            }
            let dir = Path::new(path).parent();
            let (lints, labels) = match self.source(block.text.as_bytes(), dir) {
                Ok(source) => {
                    let Linted { lints, labels, .. } = self.stream(&source);
                    (lints, labels)
                }
                Err(lints) => (lints, Labels::default()),
            };
            let moved = |pos: Pos| Pos::new(pos.line + block.lines_before, pos.column + block.indent);
            let lints = lints.into_iter().map(|lint| Lint { pos: moved(lint.pos), ..lint }).collect();
            found.add(Arc::clone(&file), lints, labels.moved(moved));
        }
    }

    fn main(
        &self,
        origin: &Origin,
        set: &[String],
        found: &mut Found,
    ) -> Result<(Option<StreamConfig>, OfFlags), String> {
        let (name, bytes) = match origin {
            Origin::Specified(path) | Origin::Found(path) => match read_file(path) {
                Ok(bytes) => (path.display().to_string(), bytes),
                Err(unread) => {
                    found.add(unread.file, vec![unread.lint], Labels::default());
                    return Ok((None, Vec::new()));
                }
            },
            Origin::Variable(name) => {
                (name.to_string(), self.environment.var(name).unwrap_or_default().into_bytes())
            }
            // An object without fields: everything has its default.
            Origin::Nowhere => (String::new(), b"{}".to_vec()),
        };
        let mut failed_set = None;
        let mut of_flags = Vec::new();
        let dir = origin.path().and_then(Path::parent);
        let config = self.one(&name, dir, &bytes, found, |source| {
            let mut source = source.clone();
            let mut linted = None;
            for expression in set {
                let before = linted.unwrap_or_else(|| self.stream(&source));
                if let Err(err) = source.set(expression, self.registry) {
                    failed_set.get_or_insert(format!("{}: {err}", flag(expression)));
                }
                let now = self.stream(&source);
                of_flags.retain(|(lint, _)| now.lints.contains(lint));
                let new = now.lints.iter().filter(|it| !before.lints.contains(it));
                of_flags.extend(new.map(|it| (it.clone(), flag(expression))));
                linted = Some(now);
            }
            linted.unwrap_or_else(|| self.stream(&source))
        });
        match failed_set {
            Some(err) => Err(err),
            None => Ok((config, of_flags)),
        }
    }

    /// Reads a main config, with what is to be said of all of it together.
    fn stream(&self, source: &Source) -> Linted<StreamConfig> {
        let mut linted = match self.is_around {
            true => source.around(self.registry, self.options),
            false => source.stream(self.registry, self.options),
        };
        let config = linted.as_far_as_read();
        let of_memory =
            config.zip(self.guest_memory_limit).and_then(|(it, limit)| wasm::lint_memory(it, limit));
        let of_stream = config.map(|it| wappa_pure::lint_stream(it, self.registry)).unwrap_or_default();
        linted.lints.extend(of_stream);
        linted.lints.extend(of_memory);
        linted.lints.iter_mut().for_each(cli::hint_at_flag);
        linted
    }

    /// The tree of a config, whose file is in this directory.
    pub(crate) fn source(&self, bytes: &[u8], dir: Option<&Path>) -> Result<Source, Vec<Lint>> {
        let source =
            Source::read(bytes, |name| self.environment.for_config(name, self.registry.is_restricted()))?;
        Ok(match dir {
            Some(dir) => source.in_dir(dir),
            None => source,
        })
    }

    fn one<T>(
        &self,
        path: &str,
        dir: Option<&Path>,
        bytes: &[u8],
        found: &mut Found,
        read: impl FnOnce(&Source) -> Linted<T>,
    ) -> Option<T> {
        let (config, lints, labels) = match self.source(bytes, dir) {
            Ok(source) => {
                let Linted { config, lints, labels, .. } = read(&source);
                (config, lints, labels)
            }
            Err(lints) => (None, lints, Labels::default()),
        };
        let text = String::from_utf8_lossy(bytes).into_owned();
        let file = Arc::new(FileText::new(path, text));
        found.add(file, lints, labels);
        config
    }
}

/// A flag as a finding names it: without its value, which may be secret.
fn flag(expression: &str) -> String {
    format!("--set {}", expression.split('=').next().unwrap_or_default())
}

/// Whether a file is a module, given where a config is expected.
fn is_module(bytes: &[u8]) -> bool {
    // No config begins so: the first is not text, and the others are no mapping.
    [b"\0asm".as_slice(), b"(module", b"(component"].iter().any(|it| bytes.trim_ascii_start().starts_with(it))
}

/// The bytes of a file; the texts of errors are Bento's.
fn read_file(path: &Path) -> Result<Vec<u8>, Finding> {
    let name = path.display();
    let failed = |text: String| {
        let file = Arc::new(FileText::new(&name.to_string(), String::new()));
        Finding { file, lint: Lint::error(Rule::FailedRead, Pos::new(1, 1), text) }
    };
    if path.is_dir() {
        let mut finding = failed(format!("read {name}: is a directory"));
        let below = name.to_string();
        let hint = format!("for all configs below it: wappa lint {}/...", below.trim_end_matches('/'));
        finding.lint = finding.lint.hint(hint);
        return Err(finding);
    }
    let bytes = wappa_component::read_file(path, FILE_BYTES_MAX)
        .map_err(|NotRead { step, cause }| failed(format!("{step} {name}: {cause}")))?;
    if is_module(&bytes) {
        let mut finding = failed("this is a WebAssembly module, not a config".to_string());
        let hint = format!("to call it with messages: wappa call {name}; a config names it in `module_path`");
        finding.lint = finding.lint.hint(hint);
        return Err(finding);
    }
    Ok(bytes)
}
