//! Forks: the side tables at rest, and what a child does with a collection that was cut off.
//!
//! Any thread may use the tables and their queues, also while the world is stopped, so a fork takes
//! their locks. What is decided is decided in a stop, so a fork finds it decided or not at all; but a
//! collection that was cut off has taken cells from the list of fresh ones and has them no more.

use std::sync::PoisonError;

use super::cells::{CellId, Role};
use super::queue::HeldQueue;
use super::tables::{State, Tables};
use crate::sync::process::MutexGuard;

/// Side tables in which nothing changes; in the order of release.
pub(crate) struct HeldTables<'a> {
    _deaths: Vec<HeldQueue<u64>>,
    _guardians: Vec<HeldQueue<CellId>>,
    state: MutexGuard<'a, State>,
    tables: &'a Tables,
}

impl Tables {
    /// Keeps everything from changing, for a fork: also after a panic.
    pub(crate) fn hold(&self) -> HeldTables<'_> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        HeldTables {
            _deaths: state.deaths.values().map(|queue| queue.hold()).collect(),
            _guardians: state.guardians.values().map(|queue| queue.hold()).collect(),
            state,
            tables: self,
        }
    }
}

impl HeldTables<'_> {
    /// In a forked child: whoever ran the collection is not here. The next one looks at every cell, as
    /// nobody knows which of them that one has looked at.
    pub(crate) fn cut_off(&mut self) {
        let state = &mut *self.state;
        self.tables.forget_waiting(&mut state.waiting);
        for index in 0..state.made {
            let cell = self.tables.cells.get(index);
            if cell.role() != Role::Free {
                state.list(index, cell);
            }
        }
    }
}
