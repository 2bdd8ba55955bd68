//! Gives memory back to the system, and asks the program for some.

use std::time::Duration;

use crate::collector::pacing::history::Cycle;
use crate::collector::pacing::pressure::{SMALLEST_ROOM, ceiling, shaped};
use crate::collector::shared::Shared;
use crate::heap::NoChunk;
use crate::mutator::OutOfMemory;
use crate::os::say;
use crate::sync::process::atomic::Ordering::Relaxed;

impl<M> Shared<M> {
    /// The size that the heap should have with `live` bytes alive, from what its sizing policy wants.
    pub(crate) fn shaped_target(&self, live: usize, wanted: usize) -> usize {
        shaped(&self.options, self.is_pressed(), self.references.external_bytes(), live, wanted)
    }

    /// The size that the heap may grow to with `live` bytes alive.
    pub(crate) fn largest(&self, live: usize) -> usize {
        let ceiling = ceiling(&self.options, self.references.external_bytes(), live);
        ceiling.max(live.saturating_add(SMALLEST_ROOM))
    }

    /// After a full collection: gives back what has been idle for some of them, and asks how short
    /// memory is. Not in the stop: a chunk takes some 50 us.
    pub(crate) fn return_idle_memory(&self) {
        let memory = &self.memory;
        if let Err(error) = memory.pool().chunks.age(&memory.metadata, memory.tracker()) {
            report(&error);
        }
        if self.options.heed_pressure {
            self.pressure.measure();
        }
    }

    /// How long the sweeper waits before it gives memory back, if there is any.
    pub(crate) fn idle_after(&self) -> Option<Duration> {
        let idle_after =
            if self.is_pressed() { Some(Duration::ZERO) } else { self.options.idle_after };
        idle_after.filter(|_| self.memory.pool().chunks.has_idle())
    }

    /// Whether the system is so short of memory that the heap keeps small.
    pub(crate) fn is_pressed(&self) -> bool {
        self.options.heed_pressure && self.pressure.high.load(Relaxed)
    }

    /// Nothing was collected for a while: what is not used goes back.
    pub(crate) fn return_memory_when_idle(&self, _between_cycles: &Cycle) {
        if let Err(error) = self.memory.give_back_idle() {
            report(&error);
        }
    }

    /// Asks the program to free something; whether it has.
    pub(crate) fn ask_for_memory(&self, error: &OutOfMemory) -> bool {
        // Not under the lock: the handler may want to replace itself.
        let handler = self.pressure.handler().clone();
        handler.is_some_and(|handler| handler(error))
    }
}

/// The memory stays with the heap, which is all that is lost.
fn report(error: &NoChunk) {
    say(format_args!("idle memory could not be given back: {error}"));
}
