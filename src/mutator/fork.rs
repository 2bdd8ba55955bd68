//! A mutator that forks: to the collector it is at a safepoint meanwhile.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::world::Thread;
use super::{Local, Threads};
use crate::os::thread::calling_thread;

impl Local {
    /// Whether the calling thread is the one that attached.
    pub(crate) fn is_callers(&self) -> bool {
        self.owner == calling_thread()
    }
}

/// The calling thread's attachments to one heap, parked until this is dropped.
pub(crate) struct ParkedToFork {
    world: Arc<Threads>,
    threads: Vec<Arc<Thread<Local>>>,
}

impl ParkedToFork {
    /// Parks the calling thread wherever in `world` it is attached and not in a blocking region.
    /// Its frames, and what was in its registers, lie from the address `low` on.
    pub(crate) fn park(world: Arc<Threads>, low: usize) -> Self {
        let parked = Self { threads: world.running_threads(Local::is_callers), world };
        parked.set_stack(low);
        parked.threads.iter().for_each(|thread| parked.world.park(thread));
        parked
    }

    /// As the stack has changed since: where the frames are now. The world is stopped by the caller.
    pub(crate) fn set_stack(&self, low: usize) {
        for thread in &self.threads {
            thread.local.stack_low.store(low, Ordering::Release);
        }
    }
}

impl Drop for ParkedToFork {
    fn drop(&mut self) {
        for thread in &self.threads {
            self.world.unpark(thread, || false);
            thread.local.stack_low.store(0, Ordering::Release);
        }
    }
}
