//! What the sweeper does: sweeps what nobody has needed yet, sizes the heap when that is done, and has memory
//! populated ahead where the heap grows.

use super::sweeper::Wake;
use crate::collector::Scope;
use crate::collector::options::Sizing;
use crate::collector::pacing::Room;
use crate::collector::pacing::history::Cycle;
use crate::collector::pacing::pressure::{free_in, nursery_in};
use crate::collector::shared::Shared;
use crate::heap::{chunks_within, collapse, populate};
use crate::object::ObjectModel;

/// Blocks to sweep before mutators get a chance at the lock.
const BATCH: usize = 32;

/// The part of the room above the live size that is kept for what is allocated during a cycle, and the
/// part if that is little because everybody helps.
const KEPT: usize = 4;
const KEPT_IF_SHORT: usize = 12;

impl<M: ObjectModel> Shared<M> {
    pub(crate) fn sweep_in_background(&self) {
        while let Some(wake) = self.sweeping.wait(self.idle_after()) {
            if !matches!(wake, Wake::Populate) {
                while !self.sweep_batch() {}
                if let Some(mut cycle) = self.cycle.try_lock() {
                    self.finish_sweep(&mut cycle);
                    if matches!(wake, Wake::Idle) {
                        self.return_memory_when_idle(&cycle);
                    }
                }
            }
            if !matches!(wake, Wake::Idle) {
                self.populate_ahead();
            }
            self.restore_huge_pages();
        }
    }

    /// Has the memory populated that the heap is likely to grow by next, until there is something to
    /// sweep. Not while a cycle goes on: who is to stop, or to end a stop, would wait for the processor
    /// until the kernel has cleared a huge page.
    fn populate_ahead(&self) {
        let next = || self.memory.pool().commit_ahead(self.memory.tracker());
        while !self.pacer.is_running()
            && !self.sweeping.is_wanted()
            && let Some(range) = next()
        {
            let populated = populate(range);
            self.memory.pool().chunks.populated(range, populated);
        }
    }

    /// Has what the last cycle has left for it collapsed. Not while the next one goes on, which protects
    /// it again, nor shortly before: the kernel lets nobody have a fault meanwhile, and a stop waits for that.
    fn restore_huge_pages(&self) {
        let next = || self.memory.pool().next_to_collapse();
        while !self.pacer.is_running()
            && !self.pacer.is_nearly_time()
            && let Some(range) = next()
        {
            collapse(range);
            self.memory.pool().collapsed(range);
            self.populate_ahead();
        }
    }

    fn sweep_batch(&self) -> bool {
        let mut pool = self.memory.pool();
        let done = pool.sweep_some(BATCH, &self.memory.metadata);
        self.memory.pool_lock().unlock_fairly(pool);
        done
    }

    /// Sweeps everything that is left, and sizes the heap by what is alive.
    pub(crate) fn finish_sweep(&self, cycle: &mut Cycle) {
        while !self.sweep_batch() {}
        let Some(seen) = cycle.unobserved.take() else { return };
        let mut pool = self.memory.pool();
        let live = pool.live_bytes();
        if seen.scope == Scope::Minor {
            cycle.during_minor = seen.bytes.next(cycle.during_minor).min(self.options.limit);
        } else {
            let thought = (cycle.during_full * live as f64) as usize;
            let next = seen.bytes.next(thought).min(self.options.limit);
            cycle.during_full = next as f64 / live.max(1) as f64;
            cycle.balancer.observe((seen.bytes.total, seen.since), (live, seen.collecting));
            cycle.target = match self.options.sizing {
                Sizing::Fixed => self.options.limit,
                Sizing::Balanced => {
                    let external = self.references.external_bytes();
                    let all = live.saturating_add(external);
                    cycle.balancer.target(all, self.options.limit).saturating_sub(external)
                }
            };
            cycle.target = self.shaped_target(live, cycle.target);
        }
        cycle.settle(&seen, live);
        let [target, most] = [cycle.target, self.largest(live)].map(chunks_within);
        pool.resize(target, most);
        drop(pool);
        self.pace(cycle, nursery_in(target, live), free_in(most, live));
        self.lock_recorder().live_bytes = live;
    }

    /// Decides how much of the heap the next cycle looks at, and when it is to begin.
    fn pace(&self, cycle: &mut Cycle, nursery: usize, free: usize) {
        if !self.concurrent {
            self.pacer.set(Room { nursery, free, during: 0 }, false);
            return;
        }
        let room = |during, short: bool| {
            let kept = nursery / if short { KEPT_IF_SHORT } else { KEPT };
            Room { nursery: nursery - kept, free, during }
        };
        let during = cycle.during(Scope::Minor);
        let before = room(during, cycle.is_short(Scope::Minor)).trigger();
        cycle.next = cycle.next_scope(before + during);
        let short = cycle.is_short(cycle.next);
        self.pacer.set(room(cycle.during(cycle.next), short), short);
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
