//! Maps from objects to objects that do not keep their keys alive.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::cells::{Cell, CellId};
use super::ephemeron::{contents, set_value, value};
use super::tables::Tables;
use super::weak::{DeathQueue, References};
use crate::mutator::Mutator;
use crate::object::ObjectRef;
use crate::sync::process::{Mutex, MutexGuard};

impl References {
    /// An empty map, until it is dropped.
    #[must_use]
    pub fn weak_map(&self) -> WeakMap {
        self.new_map(None)
    }

    /// As [`weak_map`](Self::weak_map), for a map that stands for the object `holder`: it keeps values
    /// alive only as long as that is alive, too, so a value may refer to the holder.
    #[must_use]
    pub fn weak_map_of(&self, holder: ObjectRef) -> WeakMap {
        self.tables.address(holder);
        self.new_map(Some(holder))
    }

    fn new_map(&self, holder: Option<ObjectRef>) -> WeakMap {
        let (tables, deaths) = (Arc::clone(&self.tables), self.death_queue());
        WeakMap { tables, holder, deaths, entries: Mutex::default() }
    }
}

/// A map of ephemerons, by the identity of the key.
///
/// An entry goes with its key. Every operation takes constant time, and for each entry that has gone
/// since the last.
///
/// # Threads
/// It may be shared; one operation at a time.
pub struct WeakMap {
    tables: Arc<Tables>,
    holder: Option<ObjectRef>,
    /// Told the addresses of the keys that are gone.
    deaths: DeathQueue,
    entries: Mutex<HashMap<usize, CellId>>,
}

impl WeakMap {
    /// The entries, without those that are gone.
    fn entries(&self, mutator: &Mutator) -> MutexGuard<'_, HashMap<usize, CellId>> {
        self.tables.check_mutator(mutator);
        let mut entries = self.entries.lock().expect("a thread panicked in a weak map");
        for token in self.deaths.drain() {
            let address = token as usize;
            if let Some(&id) = entries.get(&address)
                && self.tables.read(mutator, id, Cell::key).is_none()
            {
                entries.remove(&address);
                self.tables.remove(id);
            }
        }
        entries
    }

    /// Sets the value for `key`; returns the one before.
    ///
    /// # Panics
    /// When an argument is another heap's; so do the other functions.
    pub fn insert(&self, mutator: &Mutator, key: ObjectRef, value: ObjectRef) -> Option<ObjectRef> {
        let mut entries = self.entries(mutator);
        if let Some(&id) = entries.get(&key.address()) {
            let old = set_value(&self.tables, id, value);
            if old.is_some() {
                return old;
            }
        }
        let contents = contents(&self.tables, key, value, self.holder);
        let contents = self.deaths.tell(contents, key.address() as u64);
        entries.insert(key.address(), self.tables.add(contents));
        None
    }

    /// The value for `key`.
    #[must_use]
    pub fn get(&self, mutator: &Mutator, key: ObjectRef) -> Option<ObjectRef> {
        let entries = self.entries(mutator);
        value(&self.tables, mutator, *entries.get(&key.address())?)
    }

    /// Removes the entry for `key`; returns its value.
    pub fn remove(&self, mutator: &Mutator, key: ObjectRef) -> Option<ObjectRef> {
        let id = self.entries(mutator).remove(&key.address())?;
        let old = value(&self.tables, mutator, id);
        self.tables.remove(id);
        old
    }

    /// Passes every entry, key and value, to `visit`, in no order. `visit` must not use this map,
    /// nor fork.
    pub fn for_each(&self, mutator: &Mutator, mut visit: impl FnMut(ObjectRef, ObjectRef)) {
        for &id in self.entries(mutator).values() {
            let key = self.tables.read(mutator, id, Cell::key);
            if let (Some(key), Some(value)) = (key, value(&self.tables, mutator, id)) {
                visit(key, value);
            }
        }
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self, mutator: &Mutator) -> usize {
        self.entries(mutator).len()
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self, mutator: &Mutator) -> bool {
        self.len(mutator) == 0
    }
}

impl Drop for WeakMap {
    fn drop(&mut self) {
        let entries = self.entries.get_mut();
        let entries = entries.unwrap_or_else(std::sync::PoisonError::into_inner);
        self.tables.remove_all(entries.values().copied());
    }
}

impl fmt::Debug for WeakMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakMap").field("holder", &self.holder).finish_non_exhaustive()
    }
}
