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
//! # When mappings run out
//! `vm.max_map_count` (65 530 by default) bounds the number of isolated dirty pages. When a fault
//! would exceed it, the handler makes the whole registered range writable, which never needs
//! another mapping: all of it is dirty then, and the program goes on.

mod fault_lock;
mod shadow;

use std::io::ErrorKind;
use std::sync::Arc;

use super::backend::{BackendKind, Contract, Scan, Sight, TrackerBackend};
use super::error::TrackError;
use super::page_set::PageSet;
use crate::os::memory::{self, Access};
use crate::os::signal::{install_write_fault_handler, with_signals_blocked};
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
    let page = PageRange::covering(address, 1);
    page.is_ok_and(|page| {
        SHADOWS.lock(|shadows| shadows.iter().any(|shadow| shadow.resolve_fault(page, &Kernel)))
    })
}

/// Runs `operation` with the fault lock. Signals stay blocked meanwhile: a handler of this thread
/// that stored to a clean page would wait for the lock for ever.
fn locked<R>(operation: impl FnOnce(&mut Vec<Arc<Shadow>>) -> R) -> R {
    with_signals_blocked(|| SHADOWS.lock(operation))
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
            let needed = locked(|shadows| {
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
        let ours = locked(|shadows| {
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
                "writes to a pinned page do not go through the page table; keep a window open \
                 over the buffer",
            ),
            discards: Sight::Unseen("dropping the contents is not a store"),
            aliases: Sight::Unseen("write protection belongs to a mapping, not to the memory"),
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
        locked(|_| {
            self.shadow.unprotect(range, &Kernel)?;
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

    fn unprotect(&self, range: PageRange) -> Result<(), OsError> {
        locked(|_| self.shadow.unprotect(range, &Kernel))
    }

    /// A child inherits page protections, handler and shadow alike, so they still agree.
    fn adopt(&mut self, _registered: &[PageRange]) -> Result<(), TrackError> {
        Ok(())
    }
}

impl Mprotect {
    fn unwatchable(&self, range: PageRange, reason: &'static str) -> TrackError {
        TrackError::Unwatchable { backend: self.kind(), range, reason }
    }
}
