//! What is done when there is no room: collecting, growing, asking the program to free something.

use std::sync::Arc;

use super::{Cause, Mutator};
use crate::heap::{NoChunk, Room};

/// Full collections that are tried with precedence over other threads, when those have taken what one
/// before had freed. More than one, because a thread may have been about to take a block.
const COLLECTIONS_WITH_PRECEDENCE: usize = 2;

/// How often the program is asked to free something for one allocation.
const APPEALS: usize = 16;

/// The heap is full, and a full collection did not change that.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "out of memory: no room for {bytes} bytes after a full collection: {reason} ({committed} of \
     {limit} bytes committed, {external} charged for memory outside); raise the heap limit, or keep \
     less alive"
)]
pub struct OutOfMemory {
    /// The size that was asked for.
    pub bytes: usize,
    /// What stood in the way.
    pub reason: String,
    /// Bytes of the heap that are committed.
    pub committed: usize,
    /// Bytes that may be.
    pub limit: usize,
    /// Bytes outside the heap that are charged to objects and count towards the limit.
    pub external: usize,
}

/// What is done to find room for an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effort {
    /// Collect when it is time to; stay below the size that the heap should have.
    Usual,
    /// There was a collection just now.
    Collected,
    /// It was not enough: the heap grows, to its soft limit if need be.
    Grown,
    /// Nor was a full one: the heap grows, to its limit if need be.
    GrownToTheLimit,
}

impl Effort {
    pub(super) fn room(self) -> Room {
        match self {
            Self::Usual | Self::Collected => Room::Target,
            Self::Grown => Room::Ceiling,
            Self::GrownToTheLimit => Room::Limit,
        }
    }
}

impl Mutator {
    /// Attempts to get `bytes`, collects, asks the program to free something, and attempts again.
    pub(super) fn insist<R>(
        &mut self,
        bytes: usize,
        mut attempt: impl FnMut(&mut Self, Effort) -> Result<R, NoChunk>,
    ) -> Result<R, OutOfMemory> {
        let mut appeals = 0;
        loop {
            match self.attempt_and_collect(bytes, &mut attempt) {
                Err(error) if appeals < APPEALS && self.collector.out_of_memory(&error) => {
                    appeals += 1;
                }
                result => return result,
            }
        }
    }

    fn attempt_and_collect<R>(
        &mut self,
        bytes: usize,
        attempt: &mut impl FnMut(&mut Self, Effort) -> Result<R, NoChunk>,
    ) -> Result<R, OutOfMemory> {
        if let Ok(object) = attempt(self, Effort::Usual) {
            return Ok(object);
        }
        // What was going on already need not have found all that is garbage by now.
        self.collect_for(Cause::Exhaustion);
        if let Ok(object) = self.attempt_to_grow(attempt, Effort::Grown) {
            return Ok(object);
        }
        self.collect_for(Cause::LastResort);
        let error = match self.attempt_to_grow(attempt, Effort::GrownToTheLimit) {
            Ok(object) => return Ok(object),
            Err(error) => error,
        };
        if self.world.attached() == 1 || !self.memory.is_roomy(bytes) {
            return Err(self.out_of_memory(bytes, error.to_string()));
        }
        self.attempt_with_precedence(bytes, attempt)
    }

    fn attempt_to_grow<R>(
        &mut self,
        attempt: &mut impl FnMut(&mut Self, Effort) -> Result<R, NoChunk>,
        grown: Effort,
    ) -> Result<R, NoChunk> {
        attempt(self, Effort::Collected).or_else(|_| attempt(self, grown))
    }

    /// As the last attempts, while the other threads wait before they take anything.
    fn attempt_with_precedence<R>(
        &mut self,
        bytes: usize,
        attempt: &mut impl FnMut(&mut Self, Effort) -> Result<R, NoChunk>,
    ) -> Result<R, OutOfMemory> {
        let preceding = Preceding::begin(self);
        let mut result = preceding.0.attempt_to_grow(attempt, Effort::GrownToTheLimit);
        for _ in 0..COLLECTIONS_WITH_PRECEDENCE {
            if result.is_ok() {
                break;
            }
            preceding.0.collect_for(Cause::LastResort);
            result = preceding.0.attempt_to_grow(attempt, Effort::GrownToTheLimit);
        }
        drop(preceding);
        result.map_err(|error| self.out_of_memory(bytes, error.to_string()))
    }

    /// Makes room for `bytes` outside the heap within the heap's limit, and takes it.
    ///
    /// # Errors
    /// When there is no room after a full collection.
    pub(crate) fn reserve_external(&mut self, bytes: usize) -> Result<(), OutOfMemory> {
        self.safepoint();
        // What can never fit is refused before it is counted.
        if !self.memory.could_hold(bytes) {
            return Err(self.out_of_memory(bytes, "it is larger than the heap".to_owned()));
        }
        self.charge(bytes, Effort::Usual);
        self.insist(bytes, |mutator, _: Effort| mutator.memory.reserve_external(bytes))
    }
}

/// The other mutators wait for this one; ends when dropped, also by a panic.
struct Preceding<'a>(&'a mut Mutator);

impl<'a> Preceding<'a> {
    fn begin(mutator: &'a mut Mutator) -> Self {
        let collector = Arc::clone(&mutator.collector);
        mutator.parked(|| collector.precede());
        mutator.precedes = true;
        Self(mutator)
    }
}

impl Drop for Preceding<'_> {
    fn drop(&mut self) {
        self.0.precedes = false;
        self.0.collector.fall_in();
    }
}
