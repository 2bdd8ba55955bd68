//! Work in a forked child.

use std::fs::File;
use std::io::{Read, Write};

use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork, pipe};

/// Ends a child that hangs, so that the suite fails instead of hanging too.
const PATIENCE_S: u32 = 60;

/// Runs `body` in a forked child. A panic there comes back as the error, as does a signal.
pub(crate) fn try_in_child(body: impl FnOnce()) -> Result<(), String> {
    let (reader, writer) = pipe().expect("pipe");
    let (mut reader, writer) = (File::from(reader), File::from(writer));
    // SAFETY: the child uses what the fork left whole: its own stack, glibc's allocator (which
    // glibc makes usable in the child) and the tracker. It leaves by `_exit`.
    match unsafe { fork() }.expect("fork") {
        ForkResult::Child => {
            drop(reader);
            watchdog();
            report_panics_to(writer);
            body();
            // SAFETY: ends the process without running the destructors of the parent's state.
            unsafe { libc::_exit(0) }
        }
        ForkResult::Parent { child } => {
            drop(writer);
            let mut text = String::new();
            reader.read_to_string(&mut text).expect("the child's pipe");
            match waitpid(child, None).expect("waitpid") {
                WaitStatus::Exited(_, 0) => Ok(()),
                ended => Err(format!("the child ended with {ended:?}: {text}")),
            }
        }
    }
}

/// As [`try_in_child`], failing the case where the child fails.
#[track_caller]
pub(crate) fn in_child(body: impl FnOnce()) {
    if let Err(error) = try_in_child(body) {
        panic!("{error}");
    }
}

/// Has the process killed if it runs for very long.
pub(crate) fn watchdog() {
    // SAFETY: alarm only sets a timer, whose signal ends the process.
    unsafe { libc::alarm(PATIENCE_S) };
}

/// A panic must not touch what other threads of the parent may have locked, such as stderr.
fn report_panics_to(mut writer: File) {
    let write = move |text: String| writer.write_all(text.as_bytes());
    let write = std::sync::Mutex::new(write);
    std::panic::set_hook(Box::new(move |panic| {
        if let Ok(mut write) = write.lock() {
            let _ = write(panic.to_string());
        }
        // SAFETY: as in the parent of this function: no destructors may run.
        unsafe { libc::_exit(101) }
    }));
}
