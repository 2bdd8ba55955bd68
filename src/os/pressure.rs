//! Memory pressure, as the kernel measures it (pressure stall information, Linux 4.20).

use std::fs;
use std::path::Path;

/// The share of time, in percent, in which some task of this process's control group, or of the whole
/// machine, waited for memory: the average over ten seconds, whichever is more. `None` where the kernel
/// does not measure it.
pub(crate) fn memory_pressure() -> Option<f64> {
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    worst(Path::new("/proc/pressure/memory"), Path::new("/sys/fs/cgroup"), &own)
}

/// As above, for the machine's file, the mount point of control groups, and what `/proc/self/cgroup` says.
fn worst(machine: &Path, mount: &Path, own: &str) -> Option<f64> {
    // Only groups of version 2 have the file.
    let group = own.lines().find_map(|line| line.strip_prefix("0::/"));
    let group = group.map(|path| mount.join(path).join("memory.pressure"));
    let read = |file: &Path| parse(&fs::read_to_string(file).ok()?);
    [read(machine), group.and_then(|file| read(&file))].into_iter().flatten().reduce(f64::max)
}

/// The number behind `some avg10=`.
fn parse(text: &str) -> Option<f64> {
    let some = text.lines().find_map(|line| line.strip_prefix("some "))?;
    some.split(' ').find_map(|field| field.strip_prefix("avg10="))?.parse().ok()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const QUIET: &str = "some avg10=0.00 avg60=0.10 avg300=0.03 total=1234\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=5\n";

    #[test]
    fn the_worst_of_group_and_machine_counts() {
        let mount = tempfile::tempdir().unwrap();
        let machine = mount.path().join("machine");
        let group = mount.path().join("a/b");
        fs::create_dir_all(&group).unwrap();
        let worst = |own| worst(&machine, mount.path(), own);
        assert_eq!(worst("0::/a/b\n"), None);
        fs::write(&machine, QUIET).unwrap();
        assert_eq!(worst("0::/a/b\n"), Some(0.0));
        let busy = QUIET.replace("some avg10=0.00", "some avg10=12.34");
        fs::write(group.join("memory.pressure"), busy).unwrap();
        assert_eq!(worst("4:memory:/old\n0::/a/b\n"), Some(12.34));
        assert_eq!(worst("4:memory:/a/b\n"), Some(0.0));
    }

    #[test]
    fn what_is_no_pressure_is_none() {
        for text in ["", "full avg10=1.00", "some avg60=1.00", "some avg10=much avg60=0.00"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
