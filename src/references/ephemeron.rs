//! Ephemerons: a value that lives as long as its key.

use std::fmt;
use std::sync::Arc;

use super::cells::{Cell, CellId, Contents, Role};
use super::tables::Tables;
use super::weak::{References, WeakField};
use crate::mutator::Mutator;
use crate::object::ObjectRef;

impl References {
    /// An ephemeron, until it is dropped.
    #[must_use]
    pub fn ephemeron(&self, key: ObjectRef, value: ObjectRef) -> Ephemeron {
        let id = self.tables.add(contents(&self.tables, key, value, None));
        Ephemeron { tables: Arc::clone(&self.tables), id }
    }

    /// An ephemeron that belongs to the object `holder` and ends with it: the value is kept alive
    /// while both the holder and the key are.
    #[must_use = "the holder is to keep it"]
    pub fn ephemeron_field(
        &self,
        holder: ObjectRef,
        key: ObjectRef,
        value: ObjectRef,
    ) -> WeakField {
        WeakField::new(self.tables.add(contents(&self.tables, key, value, Some(holder))))
    }

    /// The value of an ephemeron that is a field. `None` when its key is gone or it was released.
    #[must_use]
    pub fn value(&self, mutator: &Mutator, field: WeakField) -> Option<ObjectRef> {
        value(&self.tables, mutator, field.id()?)
    }

    /// Gives an ephemeron that is a field another value. False if there is no such ephemeron, or its
    /// key is gone.
    pub fn set_value(&self, field: WeakField, object: ObjectRef) -> bool {
        field.id().is_some_and(|id| set_value(&self.tables, id, object).is_some())
    }
}

pub(super) fn contents(
    tables: &Tables,
    key: ObjectRef,
    value: ObjectRef,
    holder: Option<ObjectRef>,
) -> Contents {
    let (key, value) = (tables.address(key), tables.address(value));
    let holder = holder.map_or(0, |holder| tables.address(holder));
    Contents { role: Role::Ephemeron, key, value, holder, queue: 0, token: 0 }
}

pub(super) fn value(tables: &Tables, mutator: &Mutator, id: CellId) -> Option<ObjectRef> {
    tables.read(mutator, id, |cell| if cell.role() == Role::Ephemeron { cell.value() } else { 0 })
}

/// Sets the value if the key is there; returns the old one.
pub(super) fn set_value(tables: &Tables, id: CellId, object: ObjectRef) -> Option<ObjectRef> {
    let value = tables.address(object);
    tables.change(id, |cell| {
        (cell.role() == Role::Ephemeron && cell.key() != 0).then(|| {
            let old = ObjectRef::at(cell.value());
            cell.set_value(value);
            old
        })
    })
}

/// A key and a value that lives as long as the key, and this handle, do. ("Ephemerons: a new
/// finalization mechanism", Hayes, 1997.)
///
/// The value does not keep the key alive, not even if it refers to it. When the key is gone, so is
/// the value; a key that a guardian is handed lives on, and its value does, too.
///
/// # Threads
/// It may be sent and shared.
pub struct Ephemeron {
    tables: Arc<Tables>,
    id: CellId,
}

impl Ephemeron {
    /// The key, unless it is gone.
    ///
    /// # Panics
    /// When the mutator is another heap's; so do the other functions.
    #[must_use]
    pub fn key(&self, mutator: &Mutator) -> Option<ObjectRef> {
        self.tables.read(mutator, self.id, Cell::key)
    }

    /// The value, unless the key is gone.
    #[must_use]
    pub fn value(&self, mutator: &Mutator) -> Option<ObjectRef> {
        value(&self.tables, mutator, self.id)
    }

    /// Gives it another value. False if the key is gone.
    pub fn set_value(&self, object: ObjectRef) -> bool {
        set_value(&self.tables, self.id, object).is_some()
    }
}

impl Drop for Ephemeron {
    fn drop(&mut self) {
        self.tables.remove(self.id);
    }
}

impl fmt::Debug for Ephemeron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ephemeron").field(&self.id).finish()
    }
}
