//! Work in forked processes.

use std::fs::File;
use std::io::{Read, Write};
use std::sync::Mutex;
use std::time::Duration;

use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, pipe};

/// Ends a process that hangs, in seconds beyond [`stress_time`].
const PATIENCE_S: u32 = 240;

/// For how long some tests go on at least.
pub(crate) fn stress_time() -> Duration {
    let seconds = std::env::var("STRANDLINE_STRESS_SECONDS").ok();
    seconds.map_or(Duration::ZERO, |text| Duration::from_secs(text.parse().expect("seconds")))
}

/// A forked process that is going on.
#[must_use]
pub(crate) struct Child {
    pid: Pid,
    messages: File,
}

/// Forks. `None` in the child, which is to leave by [`end`].
pub(crate) fn split() -> Option<Child> {
    let (reader, writer) = pipe().expect("pipe");
    let (messages, writer) = (File::from(reader), File::from(writer));
    // SAFETY: the child uses what the fork left whole: its own stack, glibc's allocator (which
    // glibc makes usable in the child) and heaps. It leaves by `_exit`.
    match unsafe { fork() }.expect("fork") {
        ForkResult::Child => {
            drop(messages);
            // SAFETY: alarm only sets a timer, whose signal ends the process.
            unsafe { libc::alarm(PATIENCE_S + stress_time().as_secs() as u32) };
            report_panics_to(writer);
            None
        }
        ForkResult::Parent { child: pid } => Some(Child { pid, messages }),
    }
}

/// Ends a child for which all is well.
pub(crate) fn end() -> ! {
    // SAFETY: ends the process without running the destructors of the parent's state.
    unsafe { libc::_exit(0) }
}

/// Forks, and runs `body` in the child.
pub(crate) fn in_child(body: impl FnOnce()) -> Child {
    split().unwrap_or_else(|| {
        body();
        end()
    })
}

impl Child {
    /// Waits for its end. Fails if it did not go well.
    #[track_caller]
    pub(crate) fn wait(mut self) {
        let mut text = String::new();
        self.messages.read_to_string(&mut text).expect("the child's pipe");
        match waitpid(self.pid, None).expect("waitpid") {
            WaitStatus::Exited(_, 0) => {}
            WaitStatus::Signaled(_, nix::sys::signal::SIGALRM, _) => {
                panic!("a process hung for {PATIENCE_S} s: {text}")
            }
            ended => panic!("a process ended with {ended:?}: {text}"),
        }
    }
}

/// Runs a test in a process of its own.
#[track_caller]
pub(crate) fn alone(body: impl FnOnce()) {
    in_child(body).wait();
}

/// A panic in any thread must not touch what other threads of the parent may have locked, such as
/// stderr.
fn report_panics_to(writer: File) {
    let writer = Mutex::new(writer);
    std::panic::set_hook(Box::new(move |panic| {
        if let Ok(mut writer) = writer.lock() {
            let _ = writer.write_all(panic.to_string().as_bytes());
        }
        // SAFETY: as in the parent of this function: no destructors may run.
        unsafe { libc::_exit(101) }
    }));
}
