//! Ephemerons that wait for an object to be found alive, by that object.
//!
//! With this index a chain of ephemerons, each key held by the value before, takes linear time: a
//! marker that marks a watched object finds at once what was waiting for it, instead of all
//! ephemerons being asked again until none changes. ("Eliminating cycles in weak tables", Barros and
//! Ierusalimschy, 2008, describe the quadratic case; V8 and others solve it in this way.)

use std::collections::HashMap;

use super::settle::Verdict;
use super::tables::{Found, Tables};
use crate::object::ObjectRef;

/// For each object, the cells that wait for it.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    by_object: HashMap<usize, Vec<u32>>,
}

impl Tables {
    /// Whether any ephemeron waits.
    pub(crate) fn is_watching(&self) -> bool {
        !self.lock().waiting.by_object.is_empty()
    }

    /// The objects for which ephemerons wait: a bit for the first granule of each.
    pub(crate) fn watched(&self) -> &crate::heap::Bitmap {
        &self.watched
    }

    /// Has a cell wait for an object.
    pub(super) fn wait(&self, waiting: &mut Waiting, cell: u32, object: usize) {
        waiting.by_object.entry(object).or_default().push(cell);
        // Only written with the lock held.
        self.watched.set_owned(self.bit(object));
    }

    /// Lets nobody wait any more.
    pub(super) fn forget_waiting(&self, waiting: &mut Waiting) {
        for (object, _) in waiting.by_object.drain() {
            self.watched.clear_owned(self.bit(object));
        }
    }

    /// A watched object was marked just now: passes what is alive because of that to `visit`.
    ///
    /// Two markers may miss each other here, when one marks an object and the other has a cell wait
    /// for it at the same moment. Nothing is lost by that: the next pass asks again.
    pub(crate) fn wake(
        &self,
        object: ObjectRef,
        found: Found<'_>,
        mut visit: impl FnMut(ObjectRef),
    ) {
        let mut state = self.lock();
        let state = &mut *state;
        let waiting = &mut state.waiting;
        let Some(cells) = waiting.by_object.remove(&object.address()) else { return };
        state.looks += cells.len();
        self.watched.clear_owned(self.bit(object.address()));
        for index in cells {
            match self.judge(self.cells.get(index), found) {
                Verdict::Settled { keeps: Some(value) } => visit(value),
                Verdict::Waits { object } => self.wait(waiting, index, object),
                Verdict::Settled { keeps: None } | Verdict::NotYet => {}
            }
        }
    }
}
