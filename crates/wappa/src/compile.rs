//! `compile`: fills the cache of compiled code, so that a stream starts without compiling.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Instant,
};

use wappa_spec::{LintOptions, Registry, printable_lines, printable_path};
use wappa_wasm::{
    CodeCache, Engine, EngineConfig, Module,
    processor::{place_of, read_module},
};

use crate::{
    cli::CompileArguments,
    compiling::{self, CompileOptions, Keeping, NOWHERE},
    config::{Loaded, Origin, Reading},
    environment::Environment,
    globs, lint, table, wasm,
};

/// Compiles the modules that are named, or else those of the config. A module that fails does not keep the others from
/// being compiled. The error is for standard error.
pub(crate) fn compile(arguments: &CompileArguments, environment: &Environment) -> Result<ExitCode, String> {
    let engine = engine(&arguments.compiling, environment)?;
    compiling::tell_of_slow_build();
    let from_config = arguments.files.config.is_some() || arguments.modules.is_empty();
    let mut modules = arguments.modules.clone();
    if from_config {
        match modules_of_config(arguments, environment)? {
            Some(more) => modules.extend(more),
            None => return Ok(ExitCode::FAILURE),
        }
    }
    if modules.is_empty() {
        let _ = writeln!(io::stderr(), "nothing to compile: the config has no `wasm` processor");
    }
    let mut is_done = Vec::new();
    let mut code = ExitCode::SUCCESS;
    for path in modules {
        if is_done.contains(&path) {
            continue;
        }
        match one(&engine, &path) {
            // Whoever closed the stream does not want to read it.
            Ok(line) => drop(writeln!(io::stdout(), "{}: {line}", printable_path(&path))),
            Err(reason) => {
                let _ = writeln!(io::stderr(), "{}: {}", printable_path(&path), printable_lines(&reason));
                code = ExitCode::FAILURE;
            }
        }
        is_done.push(path);
    }
    Ok(code)
}

/// An engine that keeps what it compiles. It runs nothing.
fn engine(options: &CompileOptions, environment: &Environment) -> Result<Engine, String> {
    let cache = match options.cache(environment) {
        Keeping::In(cache) => cache,
        Keeping::Nowhere => return Err(NOWHERE.to_string()),
        Keeping::Off => {
            return Err("`--no-compile-cache` leaves `compile` without anything to do".to_string());
        }
    };
    tell_on_stderr(&cache);
    let mut config = EngineConfig::default();
    config.instances = 1;
    config.compiler = Arc::new(wasm::compiler(options.budget())?);
    config.cache = Some(cache);
    Engine::new(config).map_err(|err| err.to_string())
}

fn tell_on_stderr(cache: &CodeCache) {
    cache.log_to(|_, text| drop(writeln!(io::stderr(), "{text}")));
}

/// The modules of all guests of a config; none when the config has errors, which are then told.
fn modules_of_config(
    arguments: &CompileArguments,
    environment: &Environment,
) -> Result<Option<Vec<PathBuf>>, String> {
    let registry: &dyn Registry = &table::with_modules(wasm::modules(arguments.compiling.budget())?);
    let origin = Origin::find(arguments.files.config.as_deref(), environment);
    if origin == Origin::Nowhere {
        return Err("nothing to compile: name modules, or a config with `-c`".to_string());
    }
    let reading = Reading {
        registry,
        environment,
        options: LintOptions::default(),
        guest_memory_limit: None,
        is_around: false,
    };
    let resources = globs::expand(&arguments.files.resources)?;
    let Loaded { config, mut findings } = reading.load(&origin, &arguments.set, &resources)?;
    findings.retain(|it| it.lint.is_error());
    match config {
        Some(config) if findings.is_empty() => {
            let paths = wasm::module_paths(&config);
            Ok(Some(paths.iter().map(|(path, dir)| place_of(path, dir.as_deref())).collect()))
        }
        _ => {
            lint::print(&findings, environment);
            Ok(None)
        }
    }
}

/// What became of one module: a line for people.
fn one(engine: &Engine, path: &Path) -> Result<String, String> {
    let bytes = read_module(path).map_err(|reason| format!("reading the module: {reason}"))?;
    let start = Instant::now();
    let module = Module::new(engine, &bytes).map_err(|err| err.to_string())?;
    if !module.is_kept() {
        return Err("compiled, but the code could not be kept".to_string());
    }
    let what = match module.is_from_cache() {
        true => "already there".to_string(),
        false => format!("compiled in {} ms", start.elapsed().as_millis()),
    };
    Ok(format!("{what}, {} bytes of code, SHA-256 {}", module.code_bytes(), module.sha256()))
}
