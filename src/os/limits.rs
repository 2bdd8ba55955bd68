//! How much memory this process may use.

use std::fs;
use std::path::Path;

use nix::unistd::{SysconfVar, sysconf};

use super::page::page_size;

/// How many threads of this process can run at the same time: its processors, or fewer where its control
/// group has a share of them only. At least one.
pub(crate) fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Bytes of memory that the machine has, or the process's control group allows, whichever is less.
///
/// Control groups of version 2 and of version 1; every level up to the root counts.
pub(crate) fn available_memory() -> usize {
    let machine = sysconf(SysconfVar::_PHYS_PAGES)
        .ok()
        .flatten()
        .and_then(|pages| usize::try_from(pages).ok())
        .map_or(usize::MAX, |pages| pages.saturating_mul(page_size()));
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    machine.min(group_limit(Path::new("/sys/fs/cgroup"), &own).unwrap_or(usize::MAX))
}

/// The least limit of the groups that `own` names (in the form of `/proc/self/cgroup`) and of those
/// above them.
fn group_limit(mount: &Path, own: &str) -> Option<usize> {
    own.lines().filter_map(|line| line_limit(mount, line)).min()
}

/// The limit that one line, `ID:CONTROLLERS:PATH`, stands for. Version 2 has no controllers there.
fn line_limit(mount: &Path, line: &str) -> Option<usize> {
    let (_, line) = line.split_once(':')?;
    let (controllers, path) = line.split_once(":/")?;
    let (mount, file) = match controllers {
        "" => (mount.to_owned(), "memory.max"),
        _ if controllers.split(',').any(|controller| controller == "memory") => {
            (mount.join("memory"), "memory.limit_in_bytes")
        }
        _ => return None,
    };
    let limit = |group: &Path| {
        let text = fs::read_to_string(mount.join(group).join(file)).ok()?;
        text.trim().parse::<usize>().ok()
    };
    Path::new(path).ancestors().filter_map(limit).min()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_tightest_group_counts() {
        let mount = std::env::temp_dir().join(format!("strandline-groups-{}", std::process::id()));
        let write = |file: &str, limit: &str| {
            let file = mount.join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, limit).unwrap();
        };
        write("outer/inner/memory.max", "max\n");
        write("outer/memory.max", "1048576\n");
        write("memory/old/memory.limit_in_bytes", "9223372036854771712\n");
        let limit = |own| group_limit(&mount, own);
        assert_eq!(limit("0::/outer/inner\n"), Some(1 << 20));
        assert_eq!(limit("3:cpu:/\n4:cpuset,memory:/old\n0::/\n"), Some(9_223_372_036_854_771_712));
        write("outer/inner/memory.max", "4096\n");
        write("memory/old/memory.limit_in_bytes", "8192\n");
        assert_eq!(limit("0::/outer/inner\n"), Some(4096));
        assert_eq!(limit("4:memory:/old\n0::/outer\n"), Some(8192));
        assert_eq!(limit("0::/elsewhere\n"), None);
        fs::remove_dir_all(&mount).unwrap();
    }

    #[test]
    fn the_machine_has_memory() {
        assert!(available_memory() > 1 << 20);
    }
}
