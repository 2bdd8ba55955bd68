//! The end of a heap.

use std::fmt;

use crate::api::Heap;
use crate::collector::threads::workers::Workers;
use crate::object::ObjectModel;

/// A heap was to be closed and has threads attached: here it is again.
#[derive(thiserror::Error)]
#[error(
    "the heap cannot be closed: {} attached ({}); drop their mutators first, or drop the heap, which then \
     goes with the last of them",
    count(.threads), .threads.join(", ")
)]
pub struct StillAttached<M> {
    /// The heap, as it was.
    pub heap: Heap<M>,
    /// The names of the attached threads.
    pub threads: Vec<String>,
}

fn count(threads: &[String]) -> String {
    match threads.len() {
        1 => "a thread is".to_owned(),
        several => format!("{several} threads are"),
    }
}

impl<M> fmt::Debug for StillAttached<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StillAttached").field("threads", &self.threads).finish_non_exhaustive()
    }
}

impl<M: ObjectModel> Heap<M> {
    /// Ends the heap: when this returns its threads have ended and its memory has gone back to the
    /// system. Nothing is collected and nothing finalized; see
    /// [`Guardian::hand_over_all`](crate::Guardian::hand_over_all) for what may come before.
    ///
    /// # Errors
    /// When threads are attached. Dropping the heap instead is always possible; it goes when the last of
    /// them does.
    pub fn close(self) -> Result<(), Box<StillAttached<M>>> {
        let threads = self.shared.world.names();
        if threads.is_empty() {
            drop(self);
            return Ok(());
        }
        Err(Box::new(StillAttached { heap: self, threads }))
    }
}

impl<M> Drop for Heap<M> {
    fn drop(&mut self) {
        self.shared.requests.shut_down();
        self.shared.sweeping.shut_down();
        self.shared.crew.shut_down();
        // A driver in the middle of a cycle stops the world, and a mutator may belong to the very
        // thread that drops the handle: it is left to end by itself, with the cycle.
        let alone = self.shared.world.attached() == 0;
        Workers::join(&self.shared.workers, alone);
    }
}
