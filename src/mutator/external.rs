//! Memory outside the heap that objects keep.

use super::{Cause, Effort, Mutator, OutOfMemory};

impl Mutator {
    /// Makes room for `bytes` outside the heap within the heap's limit, and takes it.
    ///
    /// # Errors
    /// When there is no room after a full collection.
    pub(crate) fn reserve_external(&mut self, bytes: usize) -> Result<(), OutOfMemory> {
        self.safepoint();
        if self.collector.charge(bytes) {
            self.collect_for(Cause::Allocation);
        }
        self.insist(bytes, |mutator, _: Effort| mutator.memory.reserve_external(bytes))
    }
}
