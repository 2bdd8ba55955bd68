//! The back-end for kernels and containers without userfaultfd: `mprotect` and `SIGSEGV`.
//!
//! A clean page is read-only; the first store to it raises `SIGSEGV`, whose handler notes the page
//! and makes it writable. Every fault is a signal and a system call (5 to 8 us where userfaultfd
//! takes 1), and every isolated dirty page splits the mapping in three.
//!
//! # What it cannot do
//! A system call that is to *write* into a clean page (`read`, `recv`, `process_vm_writev`, a
//! signal frame on an alternate stack) fails with `EFAULT`: the kernel does not raise a signal for
//! its own stores, so there is nothing to catch, and intercepting every system call of a program is
//! not a library's business. Two things help. Open a [`Window`](super::Window) over the buffer for
//! as long as it is handed to the kernel; or read into memory that is not watched (in a heap: leaf
//! objects) and copy.
//!
//! A thread that blocks `SIGSEGV` is killed by its first store to a clean page. So is one whose
//! stack lies in watched memory, unless it has an alternate stack; and the top of a thread's stack,
//! where its `rseq` area is, must not be watched even then: the kernel writes there by itself.
//!
//! The memory of trackers and page sets must not be watched either. A clean page is not executable.
//!
//! # Other handlers
//! Everything that is not a store to watched memory goes to the handler that was there before. One
//! that is installed later must do the same, or no fault gets here.
//!
//! # When mappings run out
//! `vm.max_map_count` (65 530 by default) bounds the number of isolated dirty pages. When a fault
//! would exceed it, the handler makes everything writable that is registered around the page, which
//! needs no other mapping: all of it is dirty then, and the program goes on. (Not where the memory
//! beside it is somebody else's and read-only: the kernel then has one mapping for both.)

mod fault_lock;
mod shadow;

use std::io::ErrorKind;
use std::sync::Arc;

use super::backend::{BackendKind, Contract, Scan, Sight, TrackerBackend};
use super::error::TrackError;
use super::page_set::PageSet;
use crate::os::fork;
use crate::os::memory::{self, Access};
use crate::os::signal::{install_write_fault_handler, is_writable, with_signals_blocked};
use crate::os::{OsError, PageRange};
use fault_lock::FaultLock;
use shadow::{PageTable, Shadow};

/// The shadows of all trackers with this back-end; the signal handler looks an address up here.
static SHADOWS: FaultLock<Vec<Arc<Shadow>>> = FaultLock::new(Vec::new());

/// The page table as the kernel keeps it.
struct Kernel;

impl PageTable for Kernel {
    type Error = OsError;

    fn set_writable(&self, range: PageRange, writable: bool) -> Result<(), OsError> {
        let access = if writable { Access::ReadWrite } else { Access::Read };
        // SAFETY: only ranges that were registered get here, and whoever registered one promised
        // that it is readable and writable memory of its own. A store to a page that is read-only
        // for now is resolved by the handler.
        unsafe { memory::protect(range, access) }
    }
}

/// The signal handler's part: async-signal-safe, all signals blocked.
fn resolve(address: usize) -> bool {
    let Ok(page) = PageRange::covering(address, 1) else { return false };
    SHADOWS.lock(|shadows| {
        let mut tried = shadows.iter().filter_map(|shadow| shadow.resolve_fault(page, &Kernel));
        match tried.next() {
            Some(Ok(())) => true,
            Some(Err(_)) => make_all_writable(shadows, page).is_ok(),
            // Perhaps it was ours when it faulted and was unregistered, so made writable, since.
            // While the lock is held no tracker of ours can protect it again.
            None => is_writable(address),
        }
    })
}

/// Makes `range` writable where one mapping more would be too many: with everything registered
/// around it, by whichever tracker, it begins and ends where a mapping does.
fn make_all_writable(shadows: &[Arc<Shadow>], range: PageRange) -> Result<(), OsError> {
    let mut all = range;
    loop {
        let wider = shadows.iter().fold(all, |all, shadow| shadow.widen(all));
        if wider == all {
            break;
        }
        all = wider;
    }
    shadows.iter().for_each(|shadow| shadow.note_writable(all));
    Kernel.set_writable(all, true)
}

/// Runs `operation` with the fault lock. Signals stay blocked meanwhile: a handler of this thread
/// that stored to a clean page would wait for the lock for ever.
fn locked<R>(operation: impl FnOnce(&mut Vec<Arc<Shadow>>) -> R) -> R {
    with_signals_blocked(|| SHADOWS.lock(operation))
}

/// As [`locked`], for changing the list: a forked child finds all of the change or none.
fn listed<R>(operation: impl FnOnce(&mut Vec<Arc<Shadow>>) -> R) -> R {
    fork::undivided(|| locked(operation))
}

/// The back-end on `mprotect`.
#[derive(Debug)]
pub struct Mprotect {
    shadow: Arc<Shadow>,
}

impl Mprotect {
    /// Installs the signal handler, if this is the first of its kind in the process.
    ///
    /// # Errors
    /// When the handler cannot be installed.
    pub fn new(span: PageRange) -> Result<Self, TrackError> {
        install_write_fault_handler(resolve)?;
        let shadow = Arc::new(Shadow::new(span));
        let mut larger = Vec::new();
        loop {
            // Allocated outside the lock: the program may have the allocator's memory watched.
            let needed = listed(|shadows| {
                if larger.capacity() > shadows.len() {
                    larger.append(shadows);
                    larger.push(Arc::clone(&shadow));
                    std::mem::swap(&mut larger, shadows);
                    None
                } else {
                    Some(2 * shadows.len() + 4)
                }
            });
            match needed {
                None => return Ok(Self { shadow }),
                Some(capacity) => larger = Vec::with_capacity(capacity),
            }
        }
    }
}

impl Drop for Mprotect {
    fn drop(&mut self) {
        let ours = listed(|shadows| {
            let at = shadows.iter().position(|shadow| Arc::ptr_eq(shadow, &self.shadow));
            at.map(|at| shadows.swap_remove(at))
        });
        debug_assert!(ours.is_some(), "every back-end is in the list");
    }
}

// SAFETY: `Shadow` keeps the clauses under the fault lock; loom checks its protocol. mprotect
// flushes the TLBs before it returns.
unsafe impl TrackerBackend for Mprotect {
    fn kind(&self) -> BackendKind {
        BackendKind::Mprotect
    }

    fn contract(&self) -> Contract {
        Contract {
            stores: Sight::Seen,
            kernel_writes: Sight::Fails(
                "the kernel answers EFAULT for a protected page; keep a window open over a buffer \
                 that is handed to it",
            ),
            device_writes: Sight::Unseen(
                "writes to a pinned page do not go through the page table; call Tracker::written \
                 afterwards, or keep a window open over the buffer",
            ),
            discards: Sight::Unseen("dropping the contents is not a store"),
            aliases: Sight::Unseen("write protection belongs to a mapping, not to the memory"),
            cleared_elsewhere: Sight::Seen,
            precise: true,
        }
    }

    unsafe fn register(&self, range: PageRange) -> Result<(), TrackError> {
        let taken = locked(|shadows| {
            if let Some(other) = shadows.iter().find(|shadow| shadow.watches(range)) {
                return Some(Arc::clone(other));
            }
            self.shadow.register(range);
            None
        });
        if let Some(_other) = taken {
            return Err(
                self.unwatchable(range, "another tracker of this process watches a part of it")
            );
        }
        // hugetlbfs cannot change the access of a part of a huge page, which is what a fault does.
        let page = range.subrange(range.pages() - 1, 1);
        let probe = locked(|_| {
            let probe = Kernel.set_writable(page, false);
            probe.and_then(|()| Kernel.set_writable(page, true))
        });
        match probe {
            Err(error) if error.kind() == Some(ErrorKind::InvalidInput) => {
                locked(|_| self.shadow.unregister(range));
                Err(self.unwatchable(
                    range,
                    "it is on hugetlbfs, where the access of single pages cannot change; use \
                     transparent huge pages",
                ))
            }
            // No room for one more mapping just now: not a property of this memory.
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn unregister(&self, range: PageRange) -> Result<(), OsError> {
        locked(|shadows| {
            self.make_writable(shadows, range)?;
            self.shadow.unregister(range);
            Ok(())
        })
    }

    fn consume(&self, range: PageRange, owed: &PageSet) -> Result<Scan, OsError> {
        Ok(locked(|_| self.shadow.consume(range, owed, &Kernel)))
    }

    fn peek(&self, range: PageRange, found: &PageSet) -> Result<Scan, OsError> {
        Ok(self.shadow.peek(range, found))
    }

    fn protect(&self, range: PageRange) -> Result<(), OsError> {
        locked(|_| self.shadow.protect(range, &Kernel))
    }

    fn unprotect(&self, range: PageRange) -> Result<(), OsError> {
        locked(|shadows| self.make_writable(shadows, range))
    }

    /// A child inherits page protections, handler and shadow alike, so they still agree.
    fn adopt(&mut self, _registered: &[PageRange]) -> Result<(), TrackError> {
        Ok(())
    }
}

impl Mprotect {
    fn make_writable(&self, shadows: &[Arc<Shadow>], range: PageRange) -> Result<(), OsError> {
        let exactly = self.shadow.unprotect(range, &Kernel);
        exactly.or_else(|_| make_all_writable(shadows, range))
    }

    fn unwatchable(&self, range: PageRange, reason: &'static str) -> TrackError {
        TrackError::Unwatchable { backend: self.kind(), range, reason }
    }
}
