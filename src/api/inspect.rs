//! Looking at the heap, for debugging.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::Heap;
use crate::collector::check::walk::{ObjectInfo, RootPath, Search};
use crate::collector::cycle::collect::Stop;
use crate::collector::report::StopPurpose;
use crate::mutator::Mutator;
use crate::object::{ObjectModel, ObjectRef};

impl<M: ObjectModel> Heap<M> {
    /// Stops the world and passes every object to `visit`, in the order of addresses but for large
    /// objects, which come last.
    ///
    /// Objects that have died since the last collection are found, too: collect before, if they are
    /// not wanted. `visit` runs with the world stopped: it must not wait for a mutator, nor fork. It
    /// may panic.
    ///
    /// # Panics
    /// When the mutator is another heap's, and when `visit` does.
    pub fn walk(&self, mutator: &mut Mutator, mut visit: impl FnMut(ObjectInfo)) {
        self.stopped(mutator, |_| self.shared.walk(&mut visit));
    }

    /// The objects that refer to `object`, each once. Looks at every object of the heap; see
    /// [`walk`](Self::walk).
    ///
    /// # Panics
    /// When the mutator is another heap's.
    #[must_use]
    pub fn referrers(&self, mutator: &mut Mutator, object: ObjectRef) -> Vec<ObjectRef> {
        let shared = &*self.shared;
        let mut found = Vec::new();
        self.stopped(mutator, |_| {
            shared.walk(&mut |info| {
                let mut refers = false;
                shared.references_of(info.object, &mut |_, referent| refers |= referent == object);
                if refers {
                    found.push(info.object);
                }
            });
        });
        found
    }

    /// Why `object` is alive: a path to it from a root. `None` when it cannot be reached.
    ///
    /// Stops the world for the time of a search through everything alive, and takes memory for all of
    /// it.
    ///
    /// # Panics
    /// When the mutator is another heap's.
    #[must_use]
    pub fn path_from_root(&self, mutator: &mut Mutator, object: ObjectRef) -> Option<RootPath> {
        self.stopped(mutator, |stop| Search::new(&self.shared).run(stop, object))
    }

    /// # Panics
    /// When the mutator is another heap's.
    pub(crate) fn check_mutator(&self, mutator: &Mutator) {
        let ours = std::ptr::eq(mutator.memory(), &raw const *self.shared.memory);
        assert!(ours, "a heap is used with the mutator of another one");
    }

    /// Runs `look` with the world stopped between two cycles and everything swept.
    fn stopped<R>(&self, mutator: &mut Mutator, look: impl FnOnce(&Stop<'_>) -> R) -> R {
        let shared = &*self.shared;
        self.check_mutator(mutator);
        let result = mutator.blocking(|| {
            let mut cycle = shared.cycle.lock().expect("no panic in a collection");
            shared.finish_sweep(&mut cycle);
            let stop = shared.stop(StopPurpose::Inspection);
            // Not to poison the heap by a panic of the embedder's.
            let result = catch_unwind(AssertUnwindSafe(|| look(&stop)));
            shared.resume(stop);
            result
        });
        result.unwrap_or_else(|panic| resume_unwind(panic))
    }
}
