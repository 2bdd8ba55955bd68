//! A mutex whose holder can let those who wait go first.
//!
//! `std`'s mutex is not fair: a thread that unlocks it and locks it again at once finds it free each time,
//! and whoever was waiting finds it taken when it has woken up. To yield the processor in between would
//! cost such a thread the rest of its time slice and more: since Linux 6.18 a thread that yields is not
//! chosen again before the others have had theirs. So it sleeps until one of them had its turn.

use crate::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use crate::sync::{Condvar, Mutex, MutexGuard};

const POISONED: &str = "no thread panicked while it held the lock";

/// See the module.
#[derive(Debug)]
pub(crate) struct FairMutex<T> {
    value: Mutex<T>,
    /// Threads that wait for the value. Whoever is in the queue gets the lock sooner or later, and leaves
    /// the queue under it.
    queue: AtomicUsize,
    /// Threads that let others go first, changed under the lock; signalled when one had its turn.
    polite: AtomicUsize,
    served: Condvar,
}

impl<T> FairMutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self {
            value: Mutex::new(value),
            queue: AtomicUsize::new(0),
            polite: AtomicUsize::new(0),
            served: Condvar::new(),
        }
    }

    /// Locks the value.
    ///
    /// # Panics
    /// When another thread has panicked with the lock.
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        if let Ok(guard) = self.value.try_lock() {
            return guard;
        }
        self.queue.fetch_add(1, Relaxed);
        let guard = self.value.lock().expect(POISONED);
        self.queue.fetch_sub(1, Relaxed);
        if self.polite.load(Relaxed) > 0 {
            self.served.notify_all();
        }
        guard
    }

    /// Unlocks the value for a caller that will lock it again at once: if others wait, when one of them had
    /// its turn.
    pub(crate) fn unlock_fairly(&self, guard: MutexGuard<'_, T>) {
        if self.queue.load(Relaxed) == 0 {
            return;
        }
        self.polite.fetch_add(1, Relaxed);
        let guard = self.served.wait(guard).expect(POISONED);
        self.polite.fetch_sub(1, Relaxed);
        drop(guard);
    }

    /// The value, locked for a fork: also after a panic, which is no reason not to fork.
    pub(crate) fn hold(&self) -> MutexGuard<'_, T> {
        self.value.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// In a forked child, with the value held: those who waited are not here.
    pub(crate) fn forget_waiters(&self) {
        self.queue.store(0, Relaxed);
        self.polite.store(0, Relaxed);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn who_waits_goes_first() {
        let mutex = Arc::new(FairMutex::new(0));
        let guard = mutex.lock();
        let other = std::thread::spawn({
            let mutex = Arc::clone(&mutex);
            move || *mutex.lock() += 1
        });
        while mutex.queue.load(Relaxed) == 0 {
            std::thread::yield_now();
        }
        mutex.unlock_fairly(guard);
        assert_eq!(*mutex.lock(), 1);
        other.join().unwrap();
    }

    #[test]
    fn nobody_waits_for_nobody() {
        let mutex = FairMutex::new(0);
        mutex.unlock_fairly(mutex.lock());
        assert_eq!(*mutex.lock(), 0);
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use loom::sync::Arc;

    use super::*;
    use crate::sync::model::{check, refute};

    /// One thread locks the value again and again and lets others go first, two want it once.
    fn three_threads(lock: fn(&FairMutex<usize>)) {
        let mutex = Arc::new(FairMutex::new(0));
        let others = [0; 2].map(|_| {
            let mutex = Arc::clone(&mutex);
            loom::thread::spawn(move || lock(&mutex))
        });
        for _ in 0..2 {
            let mut guard = mutex.lock();
            *guard += 1;
            mutex.unlock_fairly(guard);
        }
        for other in others {
            other.join().unwrap();
        }
        assert_eq!(*mutex.lock(), 4);
    }

    #[test]
    fn loom_who_lets_others_go_first_is_woken() {
        check(Some(3), || three_threads(|mutex| *mutex.lock() += 1));
    }

    /// Without telling who waits.
    #[test]
    fn loom_control_who_had_its_turn_tells_nobody() {
        refute("deadlock", Some(3), || {
            three_threads(|mutex| {
                mutex.queue.fetch_add(1, Relaxed);
                let mut guard = mutex.value.lock().unwrap();
                mutex.queue.fetch_sub(1, Relaxed);
                *guard += 1;
            });
        });
    }
}
