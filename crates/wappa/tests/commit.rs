//! What `--version` says of the commit, read from git's files by the build script.

#[path = "../build/commit.rs"]
mod commit;

use std::{
    fs,
    path::{Path, PathBuf},
};

use commit::{Head, head};

const ONE: &str = "0123456789abcdef0123456789abcdef01234567";
const OTHER: &str = "89abcdef0123456789abcdef0123456789abcdef";

/// Writes files below a new directory.
fn tree(name: &str, files: &[(&str, &str)]) -> PathBuf {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("commit").join(name);
    let _ = fs::remove_dir_all(&root);
    for (file, text) in files {
        let file = root.join(file);
        fs::create_dir_all(file.parent().expect("it has one")).expect("it can be made");
        fs::write(file, text).expect("it can be written");
    }
    root
}

fn at(root: &Path, commit: &str, files: &[&str]) -> Option<Head> {
    Some(Head { commit: commit.to_string(), files: files.iter().map(|it| root.join(it)).collect() })
}

#[test]
fn a_clone() {
    let line = format!("{ONE}\n");
    let branch = tree("branch", &[(".git/HEAD", "ref: refs/heads/main\n"), (".git/refs/heads/main", &line)]);
    assert_eq!(head(&branch), at(&branch, ONE, &[".git/HEAD", ".git/refs/heads/main"]));
    let detached = tree("detached", &[(".git/HEAD", &line)]);
    assert_eq!(head(&detached), at(&detached, ONE, &[".git/HEAD"]));
}

#[test]
fn a_clone_whose_branches_are_packed() {
    let packed = format!(
        "# pack-refs with: peeled fully-peeled sorted\n{OTHER} refs/heads/not/main\n{ONE} refs/heads/main\n"
    );
    let files = [
        (".git/HEAD", "ref: refs/heads/main\n"),
        (".git/packed-refs", &packed),
        (".git/refs/heads/other", OTHER),
    ];
    let root = tree("packed", &files);
    assert_eq!(head(&root), at(&root, ONE, &[".git/HEAD", ".git/refs/heads", ".git/packed-refs"]));
    // A commit since.
    let root = tree("packed", &[files[0], files[1], (".git/refs/heads/main", OTHER)]);
    assert_eq!(head(&root), at(&root, OTHER, &[".git/HEAD", ".git/refs/heads/main", ".git/packed-refs"]));
}

#[test]
fn a_worktree() {
    let git = "first/.git/worktrees/second";
    let root = tree(
        "worktree",
        &[
            ("second/.git", "gitdir: ../first/.git/worktrees/second\n"),
            (&format!("{git}/HEAD"), "ref: refs/heads/work\n"),
            (&format!("{git}/commondir"), "../..\n"),
            ("first/.git/HEAD", "ref: refs/heads/main\n"),
            ("first/.git/refs/heads/main", OTHER),
            ("first/.git/refs/heads/work", ONE),
        ],
    );
    assert_eq!(head(&root.join("second")).map(|it| it.commit).as_deref(), Some(ONE));
}

#[test]
fn what_is_no_checkout_has_no_commit() {
    let inside = tree("around", &[(".git/HEAD", ONE), ("archive/Cargo.toml", "")]).join("archive");
    assert_eq!(head(&inside), None);
    for head_text in ["", "ref: refs/heads/none\n", "0123\n", "ref: \n"] {
        assert_eq!(head(&tree("odd", &[(".git/HEAD", head_text)])), None, "{head_text:?}");
    }
    assert_eq!(head(&tree("elsewhere", &[(".git", "gitdir: nowhere\n")])), None);
}
