//! What goes on at the same time in a real program.

use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};
use strandline::dirty::Window;
use strandline::os::PageRange;

use super::engine::Hunt;
use super::field::HUGE_PAGE;
use super::random::Random;

/// Something that interferes with scans and faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disturbance {
    /// Bulk un-protection of a few pages.
    Unprotect,
    /// A window that opens over a few pages and closes.
    Window,
    /// A huge page that is made whole while it is written to.
    Collapse,
    /// A fork; the child uses the tracker for itself.
    Fork,
}

impl Disturbance {
    /// Not so often that nothing is left protected.
    pub(crate) fn times_a_round(self) -> usize {
        match self {
            Self::Unprotect | Self::Window => 8,
            Self::Collapse | Self::Fork => 1,
        }
    }
}

/// Pages that are taken at a time.
const AT_MOST: usize = 16;

pub(crate) fn disturb(hunt: &Hunt<'_>, what: Disturbance, random: &mut Random) {
    let (tracker, all) = (hunt.tracker, hunt.field.range());
    match what {
        Disturbance::Unprotect => {
            tracker.unprotect(some_pages(all, random)).expect("the field is registered");
        }
        Disturbance::Window => {
            let window = Window::open(tracker, some_pages(all, random));
            std::thread::yield_now();
            drop(window.expect("the field is registered"));
        }
        Disturbance::Collapse => {
            let chunk = random.below(all.bytes() / HUGE_PAGE);
            let chunk = all.pieces(HUGE_PAGE).nth(chunk).expect("a whole huge page");
            hunt.field.collapse(tracker, chunk);
        }
        Disturbance::Fork => fork_and_use(hunt),
    }
    std::thread::yield_now();
}

fn some_pages(all: PageRange, random: &mut Random) -> PageRange {
    let first = random.below(all.pages());
    let pages = 1 + random.below(AT_MOST.min(all.pages() - first));
    all.subrange(first, pages)
}

/// Forks; the child consumes, writes and consumes again, all of its own. If that took the parent's
/// dirty bits away, the parent's comparison would find it.
fn fork_and_use(hunt: &Hunt<'_>) {
    // SAFETY: the child makes system calls, uses locks that survive a fork, and leaves by `_exit`.
    match unsafe { fork() }.expect("fork") {
        ForkResult::Child => {
            let status = if child_sees_its_own_write(hunt) { 0 } else { 1 };
            // SAFETY: ends the process without running what belongs to the parent.
            unsafe { libc::_exit(status) }
        }
        ForkResult::Parent { child } => {
            let status = waitpid(child, None).expect("the child is ours");
            assert_eq!(status, WaitStatus::Exited(child, 0), "the child lost its own write");
        }
    }
}

fn child_sees_its_own_write(hunt: &Hunt<'_>) -> bool {
    let all = hunt.field.range();
    let page = all.subrange(0, 1);
    hunt.tracker.consume(all, &hunt.owed).is_ok() && {
        hunt.owed.clear();
        hunt.field.store(hunt.tracker, page, 0, u64::MAX);
        let consumed = hunt.tracker.consume(all, &hunt.owed);
        consumed.is_ok() && hunt.owed.contains(page.start())
    }
}
