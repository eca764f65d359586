//! Files and programs of servers that refuse to be root: where the test is, they belong to the user of their package.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, chown},
    path::Path,
    process::Command,
};

/// Gives a directory to a user.
pub(crate) fn give(path: &Path, user: &str) {
    if let Some((user, group)) = ids(user) {
        chown(path, Some(user), Some(group)).expect("root may give everything away");
    }
}

/// Gives a file to a user, who alone can read it, as servers want of their keys.
pub(crate) fn hide(path: &Path, user: &str) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("it is ours");
    give(path, user);
}

/// A program that is run as a user.
pub(crate) fn command(user: &str, program: &Path) -> Command {
    match ids(user) {
        None => Command::new(program),
        Some(_) => {
            let mut command = Command::new("setpriv");
            command.args([&format!("--reuid={user}"), &format!("--regid={user}"), "--clear-groups", "--"]);
            command.arg(program);
            command
        }
    }
}

/// The numbers of a user, where the test is root.
fn ids(user: &str) -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").expect("there are users");
    let line = users.lines().find(|it| it.split(':').next() == Some(user));
    let line = line.unwrap_or_else(|| panic!("the package of {user} makes a user of that name"));
    let mut fields = line.split(':').skip(2);
    let mut number = || fields.next()?.parse::<u32>().ok();
    Some((number()?, number()?))
}
