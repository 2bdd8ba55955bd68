//! Who comes first when memory is short.
//!
//! What a collection frees is for whoever takes it, and where many threads allocate, others may take it
//! all before the one that collected wakes. So a mutator that has found no room after a full
//! collection takes precedence: until it is done, the others wait before they take a block.

use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Condvar, Mutex, MutexGuard};

/// One mutator at a time may precede the others.
#[derive(Debug, Default)]
pub(crate) struct Precedence {
    taken: Mutex<bool>,
    /// What `taken` is; read without the lock by everybody who takes a block. Who sees it late has one
    /// block more.
    hint: AtomicBool,
    ended: Condvar,
}

impl Precedence {
    /// Waits for it and takes it.
    pub(crate) fn take(&self) {
        let mut taken = self.wait();
        *taken = true;
        self.hint.store(true, Ordering::Relaxed);
    }

    /// Gives it up.
    pub(crate) fn end(&self) {
        let mut taken = self.lock();
        *taken = false;
        self.hint.store(false, Ordering::Relaxed);
        drop(taken);
        self.ended.notify_all();
    }

    /// Whether somebody has it.
    #[inline]
    pub(crate) fn is_taken(&self) -> bool {
        self.hint.load(Ordering::Relaxed)
    }

    /// Waits until nobody has it.
    pub(crate) fn wait(&self) -> MutexGuard<'_, bool> {
        let mut taken = self.lock();
        while *taken {
            taken = self.ended.wait(taken).expect("no panic under the lock of precedence");
        }
        taken
    }

    /// Keeps it from being taken and given up, for a fork.
    pub(crate) fn hold(&self) -> HeldPrecedence<'_> {
        HeldPrecedence(self, self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        self.taken.lock().expect("no panic under the lock of precedence")
    }
}

/// Nobody takes precedence or gives it up.
pub(crate) struct HeldPrecedence<'a>(&'a Precedence, MutexGuard<'a, bool>);

impl HeldPrecedence<'_> {
    /// In a forked child: who had it is not here. A thread that forks does not have it.
    pub(crate) fn cut_off(&mut self) {
        *self.1 = false;
        self.0.hint.store(false, Ordering::Relaxed);
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use loom::sync::Arc;

    use super::*;

    /// Two that want to precede and one that lets them: all come to an end.
    #[test]
    fn loom_everybody_comes_to_an_end() {
        loom::model(|| {
            let precedence = Arc::new(Precedence::default());
            let other = loom::thread::spawn({
                let precedence = Arc::clone(&precedence);
                move || {
                    precedence.take();
                    precedence.end();
                }
            });
            let third = loom::thread::spawn({
                let precedence = Arc::clone(&precedence);
                move || drop(precedence.is_taken().then(|| precedence.wait()))
            });
            precedence.take();
            assert!(precedence.is_taken());
            precedence.end();
            other.join().unwrap();
            third.join().unwrap();
            assert!(!precedence.is_taken());
        });
    }
}
