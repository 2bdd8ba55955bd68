//! A lock that a signal handler may take and that a forked child finds free.

use std::cell::UnsafeCell;

use crate::os::fork;
use crate::sync::process::atomic::{AtomicU64, Ordering};

/// A spin lock whose word is the epoch of its holder.
///
/// A handler cannot wait on a lock that its own thread holds, so whoever takes this outside a
/// handler has every signal blocked. Holders make one or two system calls; a waiter yields.
///
/// After a fork the word may name a holder that exists in the parent only. Its epoch gives it away,
/// and the child takes the lock over. What it protected is consistent then: the list of trackers
/// changes inside [`fork::undivided`] only, and a fault that was half resolved is one that the
/// child takes again.
pub(super) struct FaultLock<T> {
    holder: AtomicU64,
    value: UnsafeCell<T>,
}

// SAFETY: the value is accessed only by the thread that holds the lock.
unsafe impl<T: Send> Sync for FaultLock<T> {}

const FREE: u64 = 0;

impl<T> FaultLock<T> {
    pub(super) const fn new(value: T) -> Self {
        Self { holder: AtomicU64::new(FREE), value: UnsafeCell::new(value) }
    }

    /// Runs `operation` with the lock held. `operation` must not fault on watched memory.
    pub(super) fn lock<R>(&self, operation: impl FnOnce(&mut T) -> R) -> R {
        let us = fork::epoch().number();
        let mut seen = FREE;
        while let Err(holder) =
            self.holder.compare_exchange_weak(seen, us, Ordering::Acquire, Ordering::Relaxed)
        {
            seen = if holder == us { FREE } else { holder };
            if holder == us {
                crate::os::yield_processor();
            }
        }
        // Frees the lock if `operation` panics, too.
        let _release = Release(&self.holder);
        // SAFETY: the lock is held by this thread until `_release` is dropped.
        operation(unsafe { &mut *self.value.get() })
    }
}

struct Release<'a>(&'a AtomicU64);

impl Drop for Release<'_> {
    fn drop(&mut self) {
        self.0.store(FREE, Ordering::Release);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn excludes() {
        static LOCK: FaultLock<u64> = FaultLock::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..10_000).for_each(|_| LOCK.lock(|count| *count += 1)));
            }
        });
        LOCK.lock(|count| assert_eq!(*count, 40_000));
    }

    #[test]
    fn a_lock_left_behind_by_an_ancestor_is_free() {
        let lock = FaultLock::new(());
        let ancestor = fork::epoch().number() + 1000;
        lock.holder.store(ancestor, Ordering::Relaxed);
        lock.lock(|()| ());
        assert_eq!(lock.holder.load(Ordering::Relaxed), FREE);
    }
}
