//! Which commit a working tree is at, as git's files say it, so that it is known where there is no git, too.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A commit, and the files that say another one as soon as the tree is at another one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) commit: String,
    pub(crate) files: Vec<PathBuf>,
}

/// What a working tree is at; none where it is no root of one, as what comes out of an archive is not, whatever
/// repository lies around it.
///
/// The files are those of `gitrepository-layout(5)`.
pub(crate) fn head(root: &Path) -> Option<Head> {
    let git = root.join(".git");
    // In a further worktree, and in a submodule, it is a file that says where the directory is.
    let git = match fs::read_to_string(&git) {
        Ok(text) => root.join(text.trim().strip_prefix("gitdir: ")?),
        Err(_) => git,
    };
    let head = git.join("HEAD");
    let text = fs::read_to_string(&head).ok()?;
    let Some(name) = text.trim().strip_prefix("ref: ") else {
        return Some(Head { commit: hash(&text)?, files: vec![head] });
    };
    // What worktrees share lies in the directory of the first one.
    let common = match fs::read_to_string(git.join("commondir")) {
        Ok(text) => git.join(text.trim()),
        Err(_) => git,
    };
    let (loose, packed) = (common.join(name), common.join("packed-refs"));
    let of_loose = fs::read_to_string(&loose).ok().and_then(|it| hash(&it));
    let of_packed = || {
        let text = fs::read_to_string(&packed).ok()?;
        text.lines().find_map(|line| line.strip_suffix(name)?.strip_suffix(' ').and_then(hash))
    };
    let commit = of_loose.or_else(of_packed)?;
    // Where the branch has no file of its own, the next commit makes one.
    let branch = if loose.exists() { loose } else { loose.parent()?.to_path_buf() };
    let files = [head, branch, packed].into_iter().filter(|it| it.exists()).collect();
    Some(Head { commit, files })
}

fn hash(text: &str) -> Option<String> {
    let text = text.trim();
    let is_hash = [40, 64].contains(&text.len()) && text.bytes().all(|it| it.is_ascii_hexdigit());
    is_hash.then(|| text.to_string())
}
