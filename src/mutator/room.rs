//! What is done when there is no room: collecting, growing, asking the program to free something.

use super::{Cause, Mutator};
use crate::heap::{NoChunk, Room};

/// Collections that are tried when there is no room. More than one, because other threads may take
/// what the first one freed before this one does.
const COLLECTIONS_FOR_ROOM: usize = 8;

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
        let mut error = match attempt(self, Effort::Usual) {
            Ok(object) => return Ok(object),
            Err(error) => error,
        };
        let more = std::iter::repeat_n(Cause::LastResort, COLLECTIONS_FOR_ROOM);
        for cause in std::iter::once(Cause::Exhaustion).chain(more) {
            self.collect_for(cause);
            // What was going on already need not have found all that is garbage by now.
            let whole = cause == Cause::LastResort;
            let grown = if whole { Effort::GrownToTheLimit } else { Effort::Grown };
            for effort in [Effort::Collected, grown] {
                match attempt(self, effort) {
                    Ok(object) => return Ok(object),
                    Err(latest) => error = latest,
                }
            }
            let alone = self.world.attached() == 1 || !self.memory.is_roomy(bytes);
            if alone && cause == Cause::LastResort {
                break;
            }
        }
        Err(self.out_of_memory(bytes, error.to_string()))
    }

    /// Makes room for `bytes` outside the heap within the heap's limit, and takes it.
    ///
    /// # Errors
    /// When there is no room after a full collection.
    pub(crate) fn reserve_external(&mut self, bytes: usize) -> Result<(), OutOfMemory> {
        self.safepoint();
        self.charge(bytes, Effort::Usual);
        self.insist(bytes, |mutator, _: Effort| mutator.memory.reserve_external(bytes))
    }
}
