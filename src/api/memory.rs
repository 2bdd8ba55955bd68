//! How much memory the heap has, and what happens when it has too little.

use super::Heap;
use crate::collector::OutOfMemoryHandler;
use crate::heap::NoChunk;
use crate::mutator::{Mutator, OutOfMemory};
use crate::object::{ObjectModel, ObjectRef};
use crate::references::Charge;

/// Memory was to be given back and could not be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("idle memory could not be given back to the system: {reason}; it stays with the heap")]
pub struct TrimError {
    /// What the kernel said.
    pub reason: String,
}

impl<M: ObjectModel> Heap<M> {
    /// Has `handler` called when an allocation finds no room after full collections, before it fails;
    /// `None` for no handler.
    ///
    /// It frees what it can: drops handles, empties caches, releases external memory. If it says true,
    /// the heap is collected and the allocation tried again, up to 16 times for one allocation.
    ///
    /// # Threads
    /// Called by the thread that allocates, which is attached and runs: the handler may touch objects. It
    /// must not allocate from this heap, and waits for other threads as any code of a mutator does: in
    /// no way that keeps this one from its next safepoint for ever.
    pub fn set_out_of_memory_handler(&self, handler: Option<OutOfMemoryHandler>) {
        let before = std::mem::replace(&mut *self.shared.pressure.handler(), handler);
        // Not under the lock: it is the program's.
        drop(before);
    }

    /// Takes note of `bytes` outside the heap that `owner` keeps until it is gone: a buffer, a mapping, a
    /// texture. They count towards the heap's limits and bring the next collection nearer, as if they
    /// had been allocated here. Call it before the memory is allocated.
    ///
    /// The charge ends by itself when the owner is gone for good, after any guardian; or by
    /// [`References::release_charge`](crate::References::release_charge) when the memory is freed before.
    ///
    /// A safepoint.
    ///
    /// # Errors
    /// When the limit leaves no room for so much after a full collection.
    ///
    /// # Panics
    /// When the owner or the mutator is another heap's.
    pub fn charge_external(
        &self,
        mutator: &mut Mutator,
        owner: ObjectRef,
        bytes: usize,
    ) -> Result<Charge, OutOfMemory> {
        let references = self.references();
        references.check(mutator, owner);
        // The caller's reference need not be seen by a collection here.
        let owner = mutator.root(owner);
        mutator.reserve_external(bytes)?;
        Ok(references.charge(owner.get(), bytes))
    }

    /// Collects the whole heap and gives all memory that is not used then back to the system. Returns
    /// how many bytes that were, metadata included.
    ///
    /// # Errors
    /// When the kernel refuses.
    ///
    /// # Panics
    /// When the mutator is another heap's.
    pub fn trim(&self, mutator: &mut Mutator) -> Result<usize, TrimError> {
        self.check_mutator(mutator);
        mutator.collect();
        let shared = &*self.shared;
        mutator.blocking(|| {
            let mut cycle = shared.cycle.lock().expect("no panic in a collection");
            shared.finish_sweep(&mut cycle);
            let error = |error: NoChunk| TrimError { reason: error.to_string() };
            shared.memory.give_back_idle().map_err(error)
        })
    }
}
