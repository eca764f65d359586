//! Puts into the program what `wappa new` writes: the templates of projects, and the SDKs as they are beside this
//! crate, so that a project builds without a network; and what `--version` says.

#[path = "build/commit.rs"]
mod commit;

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::Command,
};

/// What is embedded: a name, and files or directories, each with its place in a project.
const TREES: &[(&str, &[(&str, &str)])] = &[
    ("COMMON", &[("templates/common", "")]),
    (
        "RUST",
        &[
            ("templates/rust", ""),
            ("../../guest/rust/src", "sdk/src"),
            ("../../guest/rust/Cargo.toml", "sdk/Cargo.toml"),
            ("../../guest/rust/README.md", "sdk/README.md"),
        ],
    ),
    ("GO", &[("templates/go", ""), ("../../guest/go", "sdk")]),
    (
        "C",
        &[
            ("templates/c", ""),
            ("../../guest/c/include", "sdk/include"),
            ("../../guest/c/mock", "sdk/mock"),
            ("../../guest/c/README.md", "sdk/README.md"),
        ],
    ),
    ("C_COMPONENT", &[("../../guest/c/component", "sdk/component")]),
    (
        "JAVASCRIPT",
        &[
            ("templates/js", ""),
            ("../../guest/js/bin", "sdk/bin"),
            ("../../guest/js/src", "sdk/src"),
            ("../../guest/js/types", "sdk/types"),
            ("../../guest/js/wit", "sdk/wit"),
            ("../../guest/js/package.json", "sdk/package.json"),
            ("../../guest/js/README.md", "sdk/README.md"),
        ],
    ),
    (
        "TYPESCRIPT",
        &[
            ("templates/ts", ""),
            ("../../guest/js/bin", "sdk/bin"),
            ("../../guest/js/src", "sdk/src"),
            ("../../guest/js/types", "sdk/types"),
            ("../../guest/js/wit", "sdk/wit"),
            ("../../guest/js/package.json", "sdk/package.json"),
            ("../../guest/js/README.md", "sdk/README.md"),
        ],
    ),
    (
        "ZIG",
        &[
            ("templates/zig", ""),
            ("../../guest/zig/src", "sdk/src"),
            ("../../guest/zig/build.zig", "sdk/build.zig"),
            ("../../guest/zig/build.zig.zon", "sdk/build.zig.zon"),
            ("../../guest/zig/README.md", "sdk/README.md"),
        ],
    ),
    (
        "ASSEMBLYSCRIPT",
        &[
            ("templates/assemblyscript", ""),
            ("../../guest/assemblyscript/assembly", "sdk/assembly"),
            ("../../guest/assemblyscript/src", "sdk/src"),
            ("../../guest/assemblyscript/types", "sdk/types"),
            ("../../guest/assemblyscript/index.ts", "sdk/index.ts"),
            ("../../guest/assemblyscript/asconfig.json", "sdk/asconfig.json"),
            ("../../guest/assemblyscript/package.json", "sdk/package.json"),
            ("../../guest/assemblyscript/README.md", "sdk/README.md"),
        ],
    ),
    (
        "KOTLIN",
        &[
            ("templates/kotlin", ""),
            ("../../guest/kotlin/src/main", "sdk/src/main"),
            ("../../guest/kotlin/src/jvm", "sdk/src/jvm"),
            ("../../guest/kotlin/src/wasm", "sdk/src/wasm"),
            ("../../guest/kotlin/tools", "sdk/tools"),
            ("../../guest/kotlin/README.md", "sdk/README.md"),
        ],
    ),
    (
        "PYTHON",
        &[
            ("templates/python", ""),
            ("../../guest/python/src", "sdk/src"),
            ("../../guest/python/pyproject.toml", "sdk/pyproject.toml"),
            ("../../guest/python/README.md", "sdk/README.md"),
        ],
    ),
];

/// Parts of an SDK that are for those who change it.
const LEFT_OUT: &[&str] = &[
    "examples",
    "internal/cases",
    "build",
    ".gitignore",
    "component/wit",
    "component/generate",
    "__pycache__",
    "wappa_guest.egg-info",
];

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build/commit.rs");
    tell_commit();
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let mut code = String::new();
    for (name, parts) in TREES {
        let mut files = Vec::new();
        for (from, to) in *parts {
            let from = root.join(from);
            println!("cargo::rerun-if-changed={}", from.display());
            collect(&from, Path::new(to), &mut files)?;
        }
        files.sort();
        assert!(!files.is_empty(), "{name}: there is nothing to embed");
        code.push_str(&format!("pub(super) const {name}: &[(&str, &[u8])] = &[\n"));
        for (to, from) in files {
            code.push_str(&format!("    ({to:?}, include_bytes!({:?})),\n", from.display().to_string()));
        }
        code.push_str("];\n");
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    fs::write(out.join("embedded.rs"), code)
}

/// Tells what `--version` says: the commit that the program is built from, and its date, where they are known: from the
/// variables of a packager, or from a checkout. Only where the build is for more than the next few minutes: a build for
/// development would be made again after each commit.
fn tell_commit() {
    println!("cargo::rerun-if-env-changed=WAPPA_COMMIT");
    println!("cargo::rerun-if-env-changed=WAPPA_DATE");
    let told = |name: &str| env::var(name).ok().filter(|it| !it.is_empty());
    let (mut commit, mut date) = (told("WAPPA_COMMIT"), told("WAPPA_DATE"));
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let is_lasting = env::var("PROFILE").is_ok_and(|it| it == "release");
    if commit.is_none()
        && is_lasting
        && let Some(head) = commit::head(&root)
    {
        for file in &head.files {
            println!("cargo::rerun-if-changed={}", file.display());
        }
        date = date.or_else(|| date_of(&head.commit, &root));
        commit = Some(head.commit[..12].to_string());
    }
    let unknown = if is_lasting { "unknown" } else { "unknown, as in every debug build" };
    println!("cargo::rustc-env=WAPPA_COMMIT={}", commit.as_deref().unwrap_or(unknown));
    println!("cargo::rustc-env=WAPPA_DATE={}", date.as_deref().unwrap_or(unknown));
}

/// The day of a commit, where there is git.
fn date_of(commit: &str, root: &Path) -> Option<String> {
    let arguments = ["show", "--no-patch", "--format=%cs", commit];
    let output = Command::new("git").arg("-C").arg(root).args(arguments).output().ok()?;
    let text = output.status.success().then(|| String::from_utf8(output.stdout).ok())??;
    Some(text.trim().to_string()).filter(|it| !it.is_empty())
}

/// The files of a tree, by their places in a project.
fn collect(from: &Path, to: &Path, files: &mut Vec<(String, PathBuf)>) -> io::Result<()> {
    let place = to.to_string_lossy().replace('\\', "/");
    if place.starts_with("sdk") && LEFT_OUT.iter().any(|it| Path::new(&place).ends_with(it)) {
        return Ok(());
    }
    let metadata =
        fs::metadata(from).map_err(|err| io::Error::other(format!("{}: {err}", from.display())))?;
    if metadata.is_dir() {
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            collect(&entry.path(), &to.join(entry.file_name()), files)?;
        }
        return Ok(());
    }
    let is_test = place.starts_with("sdk") && place.ends_with("_test.go");
    if !is_test && !place.ends_with(".wasm") {
        files.push((place, from.to_path_buf()));
    }
    Ok(())
}
