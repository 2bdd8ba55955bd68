//! The default heap limit follows the memory limit of the process's control group.
//!
//! The group is made of files: a child program gets a mount namespace of its own, in which a
//! directory of ours takes the place of the control groups' mount point. No real group is needed,
//! and none is changed.

use std::fs;
use std::path::Path;
use std::process::Command;

use strandline::HeapOptions;

use crate::measure::{MIB, alone};

/// Set in the child: what the limit must be.
const EXPECTED: &str = "STRANDLINE_TEST_EXPECTED_LIMIT";

#[test]
fn half_of_what_the_control_group_allows_is_the_default() {
    let _alone = alone();
    if let Ok(expected) = std::env::var(EXPECTED) {
        assert_eq!(HeapOptions::default().limit.to_string(), expected);
        println!("the limit is {expected}");
        return;
    }
    let unlimited = HeapOptions::default().limit;
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap();
    let Some(group) = groups.lines().find_map(|line| line.strip_prefix("0::/")) else {
        println!("NOT RUN: this process is in no control group of version 2 (/proc/self/cgroup)");
        return;
    };
    let mount = tempfile::tempdir().unwrap();
    let write = |group: &Path, limit: &str| {
        fs::create_dir_all(group).unwrap();
        fs::write(group.join("memory.max"), limit).unwrap();
    };
    write(&mount.path().join(group), &format!("{}\n", 96 * MIB));
    assert_ne!(unlimited, 48 * MIB, "the group makes a difference");
    let script = "mount --bind \"$1\" /sys/fs/cgroup && exec \"$2\" --exact \"$3\" --nocapture";
    let child = Command::new("unshare")
        .args(["--mount", "sh", "-c", script, "sh"])
        .arg(mount.path())
        .arg(std::env::current_exe().unwrap())
        .arg("groups::half_of_what_the_control_group_allows_is_the_default")
        .env(EXPECTED, (48 * MIB).to_string())
        .output();
    let output = match child {
        Ok(output) => output,
        Err(error) => {
            println!("NOT RUN: no `unshare` to make a mount namespace with: {error}");
            return;
        }
    };
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if err.contains("unshare") || err.contains("mount:") {
        println!("NOT RUN: a mount namespace needs more privileges: {}", err.trim());
        return;
    }
    assert!(output.status.success(), "{out}{err}");
    assert!(out.contains("the limit is 50331648"), "the child ran the test: {out}{err}");
}
