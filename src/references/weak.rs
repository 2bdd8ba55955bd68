//! Weak references: handles of the program, and fields of objects.

use std::fmt;
use std::num::NonZeroU64;
use std::sync::Arc;

use super::cells::{Cell, CellId, Contents, Role};
use super::queue::Queue;
use super::tables::Tables;
use crate::mutator::Mutator;
use crate::object::ObjectRef;

/// The side tables of a heap, from [`Heap::references`](crate::Heap::references): makes everything that
/// refers to objects without keeping them alive.
///
/// # Panics
/// All functions panic when they are given an object or a mutator of another heap.
#[derive(Clone)]
pub struct References {
    pub(super) tables: Arc<Tables>,
}

/// When a weak reference is cleared, if a guardian watches its referent, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Clearing {
    /// Before the referent is handed to the guardian: who has only the reference does not get to
    /// see an object that is being finalized. (A short weak reference, in other systems.)
    #[default]
    BeforeGuardians,
    /// When the referent is gone for good, after it was taken from the guardian. (A long one.)
    WhenGone,
}

/// What a weak reference is made with.
#[derive(Debug, Clone, Copy, Default)]
pub struct WeakOptions<'a> {
    /// When it is cleared.
    pub clearing: Clearing,
    /// A queue that is told when it is cleared, by this number.
    pub notify: Option<(&'a DeathQueue, u64)>,
}

impl WeakOptions<'_> {
    fn contents(&self, key: usize, holder: usize) -> Contents {
        let role = match self.clearing {
            Clearing::BeforeGuardians => Role::Weak,
            Clearing::WhenGone => Role::LateWeak,
        };
        let (queue, token) = self.notify.map_or((0, 0), |(queue, token)| (queue.number, token));
        Contents { role, key, value: 0, holder, queue, token }
    }
}

impl References {
    pub(crate) fn new(tables: Arc<Tables>) -> Self {
        Self { tables }
    }

    /// A weak reference to `object`, until it is dropped.
    #[must_use]
    pub fn weak(&self, object: ObjectRef) -> Weak {
        self.weak_with(object, WeakOptions::default())
    }

    /// As [`weak`](Self::weak), with a choice.
    #[must_use]
    pub fn weak_with(&self, object: ObjectRef, options: WeakOptions<'_>) -> Weak {
        let id = self.tables.add(options.contents(self.tables.address(object), 0));
        Weak { tables: Arc::clone(&self.tables), id }
    }

    /// A weak reference to `object` that belongs to the object `holder` and ends with it: what a weak
    /// pair or a weak table of a language consists of.
    #[must_use = "the holder is to keep it"]
    pub fn weak_field(
        &self,
        holder: ObjectRef,
        object: ObjectRef,
        options: WeakOptions<'_>,
    ) -> WeakField {
        let (object, holder) = (self.tables.address(object), self.tables.address(holder));
        WeakField(self.tables.add(options.contents(object, holder)).to_bits())
    }

    /// The referent of a field, or the key of an ephemeron. `None` when it was cleared or released.
    #[must_use]
    pub fn get(&self, mutator: &Mutator, field: WeakField) -> Option<ObjectRef> {
        self.tables.read(mutator, field.id()?, Cell::key)
    }

    /// Has a weak field refer to `object`. False if there is no such field any more, or it is an
    /// ephemeron, whose key does not change.
    pub fn set(&self, field: WeakField, object: ObjectRef) -> bool {
        field.id().is_some_and(|id| set_key(&self.tables, id, object))
    }

    /// Ends a field before its holder does. False if it had ended.
    pub fn release(&self, field: WeakField) -> bool {
        field.id().is_some_and(|id| self.tables.remove(id))
    }

    /// A queue that learns of deaths.
    #[must_use]
    pub fn death_queue(&self) -> DeathQueue {
        let (number, queue) = self.tables.add_deaths();
        DeathQueue { tables: Arc::clone(&self.tables), number, queue }
    }

    /// How many weak references, ephemerons, guarded objects and charges there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.tables.len()
    }
}

impl fmt::Debug for References {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("References")
            .field("count", &self.count())
            .field("external_bytes", &self.tables.external_bytes())
            .finish()
    }
}

fn set_key(tables: &Tables, id: CellId, object: ObjectRef) -> bool {
    let key = tables.address(object);
    let change = |cell: &Cell| {
        let weak = matches!(cell.role(), Role::Weak | Role::LateWeak);
        weak.then(|| cell.set_key(key))
    };
    tables.change(id, change).is_some()
}

/// The name of a weak reference or ephemeron that belongs to an object.
///
/// It is a number that is not zero and that the object holds wherever it likes, as long as tracing
/// does not take it for a reference. After the end of the field the number means nothing any more, to
/// no later field either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct WeakField(NonZeroU64);

impl WeakField {
    /// The number, to be stored in the holder.
    #[must_use]
    pub fn to_bits(self) -> u64 {
        self.0.get()
    }

    /// The field with that number, if it can be one.
    #[must_use]
    pub fn from_bits(bits: u64) -> Option<Self> {
        NonZeroU64::new(bits).map(Self)
    }

    pub(super) fn new(id: CellId) -> Self {
        Self(id.to_bits())
    }

    pub(super) fn id(self) -> Option<CellId> {
        CellId::from_bits(self.0)
    }
}

/// A handle that refers to an object and does not keep it alive.
///
/// # Threads
/// It may be sent and shared.
pub struct Weak {
    tables: Arc<Tables>,
    id: CellId,
}

impl Weak {
    /// The object, unless it is gone.
    ///
    /// Safe at any time of a collection: it is cleared in stops only, and the mutator shows that
    /// there is none. So this does not compile:
    ///
    /// ```compile_fail,E0502
    /// # fn upgrade(mutator: &mut strandline::Mutator, weak: &strandline::Weak) {
    /// mutator.blocking(|| weak.get(&mutator));
    /// # }
    /// ```
    ///
    /// # Panics
    /// When the mutator is another heap's.
    #[must_use]
    pub fn get(&self, mutator: &Mutator) -> Option<ObjectRef> {
        self.tables.read(mutator, self.id, Cell::key)
    }

    /// Refers to `object` from now on.
    ///
    /// # Panics
    /// When the object is another heap's.
    pub fn set(&self, object: ObjectRef) {
        let changed = set_key(&self.tables, self.id, object);
        debug_assert!(changed, "a handle has its cell until it is dropped");
    }
}

impl Drop for Weak {
    fn drop(&mut self) {
        self.tables.remove(self.id);
    }
}

impl fmt::Debug for Weak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Weak").field(&self.id).finish()
    }
}

/// Learns of deaths: when a weak reference with a notification is cleared, its number arrives here.
///
/// The numbers that one collection sends have no order. After the queue is dropped nobody is told.
///
/// # Threads
/// Any thread drains it, attached or not. It is filled in the stop that ends a collection.
pub struct DeathQueue {
    tables: Arc<Tables>,
    number: u64,
    queue: Arc<Queue<u64>>,
}

impl DeathQueue {
    /// The next number, if any has arrived.
    #[must_use]
    pub fn take(&self) -> Option<u64> {
        self.queue.pop()
    }

    /// All numbers that have arrived.
    #[must_use]
    pub fn drain(&self) -> Vec<u64> {
        self.queue.drain().into()
    }

    /// Waits until something has arrived. False when nothing has and the queue is closed. An attached
    /// thread waits in [`Mutator::blocking`], or no collection can end.
    pub fn wait(&self) -> bool {
        self.queue.wait()
    }

    /// Has nobody wait any more.
    pub fn close(&self) {
        self.queue.close();
    }
}

impl DeathQueue {
    /// Contents with a notification.
    pub(super) fn tell(&self, contents: Contents, token: u64) -> Contents {
        Contents { queue: self.number, token, ..contents }
    }
}

impl Drop for DeathQueue {
    fn drop(&mut self) {
        self.tables.remove_deaths(self.number);
    }
}

impl fmt::Debug for DeathQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeathQueue").field("waiting", &self.queue.len()).finish()
    }
}
