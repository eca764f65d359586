//! Which configs have tests, and what they are: in the config itself, or in a file beside it.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    path::{Component, Path, PathBuf},
};

use wappa_component::{NotRead, read_file};
use wappa_spec::{Config as _, Lint, Registry, TestConfig, yaml};

/// What stands behind the name of a config in that of a file with its tests: Bento's and ours.
const SUFFIXES: [&str; 2] = ["_bento_test", "_wappa_test"];

/// No file of tests is that big.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// A test, with its place.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) config: TestConfig,
    /// The line at which it begins.
    pub(super) line: u32,
}

/// A config with its tests.
#[derive(Debug)]
pub(super) struct Tested {
    /// The path of the config.
    pub(super) path: PathBuf,
    pub(super) cases: Vec<Case>,
    /// What is odd in the files of tests, each with the path of the file.
    pub(super) warnings: Vec<(PathBuf, Lint)>,
}

/// The configs that have tests, of those that the paths name or whose files of tests they name; in the order of paths.
pub(super) fn find(paths: &[PathBuf], registry: &dyn Registry) -> Result<Vec<Tested>, String> {
    let configs: BTreeMap<PathBuf, ()> = paths.iter().map(|it| (config_of(it), ())).collect();
    let mut found = Vec::new();
    for path in configs.into_keys() {
        let tested = read(path, registry)?;
        if !tested.cases.is_empty() {
            found.push(tested);
        }
    }
    Ok(found)
}

/// The config of a path, which may be that of a file of tests.
fn config_of(path: &Path) -> PathBuf {
    let stem = path.file_stem().and_then(OsStr::to_str);
    let stem = stem.and_then(|it| SUFFIXES.iter().find_map(|suffix| it.strip_suffix(suffix)));
    clean(&match stem {
        Some(stem) => named(path, stem),
        None => path.to_path_buf(),
    })
}

/// The path of a file with another name, and the same extension.
fn named(path: &Path, stem: &str) -> PathBuf {
    let extension = path.extension().and_then(OsStr::to_str).map(|it| format!(".{it}"));
    path.with_file_name(format!("{stem}{}", extension.unwrap_or_default()))
}

/// The same path without steps that lead nowhere, as Go writes it.
pub(super) fn clean(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for component in path.components() {
        let is_step_in = matches!(clean.components().next_back(), Some(Component::Normal(_)));
        match component {
            Component::CurDir => (),
            Component::ParentDir if is_step_in => _ = clean.pop(),
            Component::ParentDir if clean.has_root() => (),
            other => clean.push(other),
        }
    }
    if clean.as_os_str().is_empty() { PathBuf::from(".") } else { clean }
}

fn read(path: PathBuf, registry: &dyn Registry) -> Result<Tested, String> {
    if let Err(err) = path.metadata() {
        let why = wappa_component::cause(&err);
        let shown = path.display();
        return Err(format!("unable to access target config file '{shown}': stat {shown}: {why}"));
    }
    let mut tested = Tested { path: path.clone(), cases: Vec::new(), warnings: Vec::new() };
    let stem = path.file_stem().and_then(OsStr::to_str).unwrap_or_default();
    let mut beside: Vec<PathBuf> =
        SUFFIXES.iter().map(|suffix| named(&path, &format!("{stem}{suffix}"))).collect();
    beside.retain(|it| it.exists());
    let is_yaml = path.extension().is_some_and(|it| it == "yaml" || it == "yml");
    if beside.is_empty() && is_yaml && path.is_file() {
        beside.push(path);
    }
    for file in beside {
        let failed = |step: &str, why: String| format!("failed to {step} '{}': {why}", file.display());
        let bytes = read_file(&file, FILE_BYTES_MAX).map_err(|NotRead { step, cause }| {
            failed("read test definition from", format!("{step} {}: {cause}", file.display()))
        })?;
        let lints = cases_of(&bytes, registry, &mut tested.cases)
            .map_err(|why| failed("parse test definition from", why))?;
        // What is in the config itself is linted with it.
        if file != tested.path {
            tested.warnings.extend(lints.into_iter().map(|it| (file.clone(), it)));
        }
    }
    Ok(tested)
}

/// Adds the tests of a file. What it says beside is no error; it is given back.
fn cases_of(bytes: &[u8], registry: &dyn Registry, cases: &mut Vec<Case>) -> Result<Vec<Lint>, String> {
    let text = str::from_utf8(bytes).map_err(|_| "it is not text in UTF-8".to_string())?;
    let root = yaml::parse(text).map_err(|lint| lint.to_string())?.node;
    let Some(tests) = root.get("tests").filter(|it| !it.is_null()) else {
        return Ok(Vec::new());
    };
    let tests = tests.as_seq().ok_or_else(|| format!("({},1) expected array value", tests.pos.line))?;
    let mut warnings = Vec::new();
    for node in tests {
        let (config, lints) = TestConfig::from_body_with_lints(node, registry);
        match config {
            Some(config) => {
                cases.push(Case { config, line: node.pos.line });
                warnings.extend(lints);
            }
            None => {
                let why = lints.iter().find(|it| it.is_error()).map(ToString::to_string);
                return Err(why.unwrap_or_else(|| "it cannot be read".to_string()));
            }
        }
    }
    Ok(warnings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configs_of_paths() {
        let config = |path: &str| config_of(Path::new(path)).display().to_string();
        let all = [
            "./a.yaml",
            "a_bento_test.yaml",
            "b/./a_wappa_test.yml",
            "../b/../a.yaml",
            "/../a.yaml",
            "a_test.yaml",
            ".",
        ];
        assert_eq!(
            all.map(config),
            ["a.yaml", "a.yaml", "b/a.yml", "../a.yaml", "/a.yaml", "a_test.yaml", "."]
        );
    }
}
