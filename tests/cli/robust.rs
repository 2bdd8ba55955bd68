//! Processes that cannot be read or that end, and outputs that cannot be written.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, fork, geteuid};

use crate::memory::{Pages, own_pid};
use crate::{fail, json, stderr, strandline};

/// More rows than fit into a pipe and into the buffers on both sides.
const MANY: usize = 40_000;

fn every_other_page() -> Pages {
    let mut pages = Pages::new(MANY);
    pages.write((0..MANY).step_by(2));
    pages
}

/// A child that has the memory of this process and does nothing.
struct Sleeper(Pid);

impl Sleeper {
    fn fork() -> Self {
        // SAFETY: the child makes no call but the system call pause.
        match unsafe { fork() }.unwrap() {
            ForkResult::Parent { child } => Self(child),
            ForkResult::Child => loop {
                nix::unistd::pause();
            },
        }
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        // The test may have ended it already.
        let _ = kill(self.0, Signal::SIGKILL);
        let _ = waitpid(self.0, None);
    }
}

#[test]
fn processes_that_cannot_be_read_give_status_1_and_the_reason() {
    // Above the largest process id that Linux can have.
    for pid in ["4194305", "4294967295", "0"] {
        let error = fail(&["pages", pid], 1);
        assert!(error.contains(&format!("process {pid}:")), "{error}");
        assert!(error.contains("no such process"), "{error}");
    }
}

#[test]
fn a_kernel_thread_has_no_pages() {
    if !fs::read_to_string("/proc/2/comm").is_ok_and(|name| name.trim() == "kthreadd") {
        println!("not run: process 2 is not kthreadd here (a process id namespace)");
        return;
    }
    let error = fail(&["pages", "2"], 1);
    assert!(error.contains("kernel thread") || error.contains("Permission denied"), "{error}");
}

#[test]
fn without_permission_the_reason_is_said() {
    if !geteuid().is_root() {
        if fs::metadata("/proc/1").is_ok_and(|one| one.uid() == geteuid().as_raw()) {
            return println!("not run: process 1 is this user's own, and there is no other");
        }
        let error = fail(&["pages", "1"], 1);
        return assert!(error.contains("Permission denied"), "{error}");
    }
    // Where another user can execute it.
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let binary = directory.path().join("strandline");
    fs::copy(env!("CARGO_BIN_EXE_strandline"), &binary).unwrap();
    let mut command = Command::new(binary);
    let output = command.args(["pages", &own_pid()]).uid(65534).gid(65534).output();
    let output = match output {
        Ok(output) => output,
        Err(error) => return println!("not run: cannot execute as another user: {error}"),
    };
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("Permission denied"), "{}", stderr(&output));
}

#[test]
fn a_reader_that_leaves_early_is_no_failure() {
    let pages = every_other_page();
    for format in [&[][..], &["--json"]] {
        let (pid, range) = (own_pid(), pages.argument());
        let arguments = [&["pages", &pid, "--range", &range], format].concat();
        let mut child =
            strandline(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut first = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        assert!(!first.is_empty());
        // The reading end is closed by now, with most of the output unwritten.
        let output = child.wait_with_output().unwrap();
        assert_eq!(stderr(&output), "");
        assert_eq!(output.status.code(), Some(0));
    }
}

#[test]
fn an_output_that_cannot_be_written_is_a_failure() {
    for arguments in [&["pages", &own_pid()][..], &["probe", "--quick", "--mib", "1"]] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = strandline(arguments).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(stderr(&output).contains("cannot write the output"), "{}", stderr(&output));
    }
}

/// The pipe is full when the process ends, so the scan cannot have got to the end before.
#[test]
fn a_process_that_ends_in_the_middle_makes_the_output_incomplete() {
    let pages = every_other_page();
    for format in [&[][..], &["--json"]] {
        let sleeper = Sleeper::fork();
        let (pid, range) = (sleeper.0.to_string(), pages.argument());
        let arguments = [&["pages", &pid, "--range", &range], format].concat();
        let mut child =
            strandline(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut reader = BufReader::new(child.stdout.take().unwrap());
        let mut text = String::new();
        reader.read_line(&mut text).unwrap();
        drop(sleeper);
        reader.read_to_string(&mut text).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains("incomplete"), "{}", stderr(&output));
        if format.is_empty() {
            assert!(text.ends_with("; incomplete\n"), "{:?}", text.lines().last());
        } else {
            assert!(json(&text)["error"].as_str().unwrap().contains("ended"));
        }
    }
}
