//! How much memory this process may use.

use std::fs;
use std::path::{Path, PathBuf};

use nix::unistd::{SysconfVar, sysconf};

use super::page::page_size;

/// Bytes of memory that the machine has, or the process's control group allows, whichever is less.
///
/// Control groups of version 2 only; every level up to the root counts.
pub(crate) fn available_memory() -> usize {
    let machine = sysconf(SysconfVar::_PHYS_PAGES)
        .ok()
        .flatten()
        .and_then(|pages| usize::try_from(pages).ok())
        .map_or(usize::MAX, |pages| pages.saturating_mul(page_size()));
    let group = own_group().and_then(|group| group_limit(Path::new("/sys/fs/cgroup"), &group));
    machine.min(group.unwrap_or(usize::MAX))
}

/// The path of the process's control group below the mount point.
fn own_group() -> Option<PathBuf> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let unified = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    Some(PathBuf::from(unified))
}

/// The least `memory.max` of a group and those above it.
fn group_limit(mount: &Path, group: &Path) -> Option<usize> {
    let limit = |group: &Path| {
        let text = fs::read_to_string(mount.join(group).join("memory.max")).ok()?;
        text.trim().parse::<usize>().ok()
    };
    group.ancestors().filter_map(limit).min()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_tightest_group_counts() {
        let mount = std::env::temp_dir().join(format!("strandline-groups-{}", std::process::id()));
        let inner = mount.join("outer/inner");
        fs::create_dir_all(&inner).unwrap();
        fs::write(inner.join("memory.max"), "max\n").unwrap();
        fs::write(mount.join("outer/memory.max"), "1048576\n").unwrap();
        assert_eq!(group_limit(&mount, Path::new("outer/inner")), Some(1 << 20));
        fs::write(inner.join("memory.max"), "4096\n").unwrap();
        assert_eq!(group_limit(&mount, Path::new("outer/inner")), Some(4096));
        assert_eq!(group_limit(&mount, Path::new("elsewhere")), None);
        fs::remove_dir_all(&mount).unwrap();
    }

    #[test]
    fn the_machine_has_memory() {
        assert!(available_memory() > 1 << 20);
    }
}
