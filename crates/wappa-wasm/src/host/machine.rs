//! How much memory the machine has for this process: what is in it, or what the process's control group may have.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// What all guests of a process may hold together unless somebody says otherwise, in bytes: three quarters of what the
/// machine or the control group has. The rest is for the program, what is read, and what the system keeps of files.
pub(crate) fn guest_memory_default() -> usize {
    let bytes = memory(Path::new("/")).map_or(u64::MAX, |it| it / 4 * 3);
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// The least of what is found below this root; `None` where nothing is.
fn memory(root: &Path) -> Option<u64> {
    [in_machine(root), in_group_of_v2(root), in_group_of_v1(root)].into_iter().flatten().min()
}

fn in_machine(root: &Path) -> Option<u64> {
    let text = fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let line = text.lines().find_map(|it| it.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// The path of the process's group in the hierarchy with this controller, which is "" in version 2.
fn group(root: &Path, controller: &str) -> Option<PathBuf> {
    let text = fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    // `NUMBER:CONTROLLERS:PATH`, and paths may have colons.
    text.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let is_it = fields.next()?.split(',').any(|it| it == controller);
        is_it.then(|| fields.next()).flatten().map(|it| PathBuf::from(it.trim_start_matches('/')))
    })
}

/// The least limit of a group and of all above it. In a container the hierarchy may begin with the container's own
/// group, and the path be that of the machine: then the limit is where it begins.
fn least(hierarchy: &Path, group: &Path, file: &str) -> Option<u64> {
    let limit = |it: &Path| fs::read_to_string(hierarchy.join(it).join(file)).ok()?.trim().parse().ok();
    group.ancestors().filter_map(limit).min()
}

fn in_group_of_v2(root: &Path) -> Option<u64> {
    // Where there is no limit it says `max`, which is no number.
    least(&root.join("sys/fs/cgroup"), &group(root, "")?, "memory.max")
}

fn in_group_of_v1(root: &Path) -> Option<u64> {
    least(&root.join("sys/fs/cgroup/memory"), &group(root, "memory")?, "memory.limit_in_bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    /// What is found where these files are.
    fn check(files: &[(&str, &str)], expected: Option<u64>) {
        let name = format!("wappa-machine-{}-{:?}", std::process::id(), std::thread::current().id());
        let root = std::env::temp_dir().join(name);
        for (path, text) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().expect("it is below the root")).expect("it can be made");
            fs::write(path, text).expect("it can be written");
        }
        let found = memory(&root);
        let _ = fs::remove_dir_all(&root);
        assert_eq!(found, expected, "{files:?}");
    }

    #[test]
    fn the_least_of_machine_and_groups_counts() {
        const MACHINE: (&str, &str) = ("proc/meminfo", "MemTotal:       16777216 kB\nMemFree:  1 kB\n");
        check(&[], None);
        check(&[MACHINE], Some(16 * GIB));
        let v2 = ("proc/self/cgroup", "0::/a.slice/b:c.service\n");
        let at = |text| ("sys/fs/cgroup/a.slice/b:c.service/memory.max", text);
        check(&[MACHINE, v2, at("max\n")], Some(16 * GIB));
        check(&[MACHINE, v2, at("2147483648\n")], Some(2 * GIB));
        check(
            &[MACHINE, v2, at("2147483648\n"), ("sys/fs/cgroup/a.slice/memory.max", "1073741824\n")],
            Some(GIB),
        );
        check(&[MACHINE, v2, ("sys/fs/cgroup/memory.max", "3221225472\n")], Some(3 * GIB));
        check(&[MACHINE, v2, at("9223372036854771712\n")], Some(16 * GIB));
        let v1 = ("proc/self/cgroup", "12:cpu,cpuacct:/x\n7:memory:/docker/1\n1:name=systemd:/docker/1\n");
        check(
            &[MACHINE, v1, ("sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes", "536870912\n")],
            Some(GIB / 2),
        );
        check(&[MACHINE, v1, ("sys/fs/cgroup/memory/memory.limit_in_bytes", "536870912\n")], Some(GIB / 2));
        check(&[MACHINE, v1, ("sys/fs/cgroup/x/memory.max", "1\n")], Some(16 * GIB));
    }
}
