//! Guardians: finalization that the program runs itself, when and where it likes.

use std::fmt;
use std::sync::Arc;

use super::cells::{CellId, Contents, Role};
use super::queue::Queue;
use super::tables::Tables;
use super::weak::References;
use crate::mutator::Mutator;
use crate::object::ObjectRef;

impl References {
    /// A guardian, until it is dropped.
    #[must_use]
    pub fn guardian(&self) -> Guardian {
        self.new_guardian(0)
    }

    /// A guardian for a language whose guardians are objects: it watches, and keeps what it was
    /// handed, only as long as the object `holder` is alive.
    #[must_use]
    pub fn guardian_of(&self, holder: ObjectRef) -> Guardian {
        self.new_guardian(self.tables.address(holder))
    }

    fn new_guardian(&self, holder: usize) -> Guardian {
        let (number, queue) = self.tables.add_guardian();
        Guardian { tables: Arc::clone(&self.tables), holder, number, queue }
    }
}

/// Watches objects, and is handed those that nothing else keeps alive. ("Guardians in a
/// generation-based garbage collector", Dybvig, Bruggeman, Eby, 1993.)
///
/// The program takes them when and on which thread it likes and does what their end asks for: no code
/// of the program is ever run by the collector.
///
/// # Order
/// All watched objects that cannot be reached are handed over by one collection, those that only other
/// such objects refer to included, in no order. Everything is still there: whatever an object refers to
/// is alive with it. Who needs an order keeps the objects that are to come later in a table of its own
/// until then.
///
/// # Once
/// An object that was handed over is no longer watched. It is an ordinary object again: it may be kept,
/// and registered again. Registered n times it is handed over n times.
///
/// # At the end of the program
/// Nothing happens by itself. [`hand_over_all`](Self::hand_over_all) is for programs that want the end of
/// everything then.
///
/// # Threads
/// It may be shared. Dropping it forgets what it watches, and lets go of what was not taken; that takes
/// time in proportion to everything in the side tables.
pub struct Guardian {
    tables: Arc<Tables>,
    holder: usize,
    number: u64,
    queue: Arc<Queue<CellId>>,
}

impl Guardian {
    /// Watches `object`.
    ///
    /// # Panics
    /// When it is another heap's.
    pub fn register(&self, object: ObjectRef) {
        let key = self.tables.address(object);
        let (queue, holder) = (self.number, self.holder);
        self.tables.add(Contents { role: Role::Guarded, key, value: 0, holder, queue, token: 0 });
    }

    /// An object that was handed over, if there is one. From now on it is kept alive by the caller
    /// only.
    ///
    /// # Panics
    /// When the mutator is another heap's.
    #[must_use]
    pub fn take(&self, mutator: &Mutator) -> Option<ObjectRef> {
        self.tables.check_mutator(mutator);
        std::iter::from_fn(|| self.queue.pop()).find_map(|id| self.tables.take(id))
    }

    /// Waits until there is something to take. False when there is nothing and the guardian is
    /// closed.
    pub fn wait(&self, mutator: &mut Mutator) -> bool {
        mutator.blocking(|| self.queue.wait())
    }

    /// Has nobody wait any more, now or later.
    pub fn close(&self) {
        self.queue.close();
    }

    /// How many objects are there to be taken.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.queue.len()
    }

    /// Has everything that is watched handed over, whether anything else keeps it alive or not.
    /// Returns how many objects that are. Takes time in proportion to everything in the side tables.
    ///
    /// # Panics
    /// When the mutator is another heap's.
    pub fn hand_over_all(&self, mutator: &Mutator) -> usize {
        // Not in a stop: what is handed over must be seen by the next pass.
        self.tables.check_mutator(mutator);
        self.tables.hand_over_all(self.number)
    }
}

impl Drop for Guardian {
    fn drop(&mut self) {
        self.tables.remove_guardian(self.number);
    }
}

impl fmt::Debug for Guardian {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guardian").field("pending", &self.pending()).finish()
    }
}
