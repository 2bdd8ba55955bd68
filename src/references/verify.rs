//! What the verifier asks of the side tables.

use super::cells::Role;
use super::settle::Settling;
use super::tables::{Found, Tables};
use crate::object::ObjectRef;

impl Tables {
    /// Passes what each cell keeps to `visit`, with the objects that must be alive for that.
    pub(crate) fn keepers(&self, mut visit: impl FnMut([Option<ObjectRef>; 2], ObjectRef)) {
        let made = self.lock().made;
        let object = |address| (address != 0).then(|| ObjectRef::at(address));
        for cell in (0..made).map(|index| self.cells.get(index)) {
            // An ephemeron whose key is gone has no value.
            if cell.role().has_value()
                && let Some(value) = object(cell.value())
            {
                visit([object(cell.holder()), object(cell.key())], value);
            }
        }
    }
}

impl Settling {
    /// Checks that no cell refers to what is not marked, and that nothing was cleared that is.
    ///
    /// # Panics
    /// When something is wrong.
    pub(crate) fn check(&self, tables: &Tables, found: Found<'_>) {
        let made = tables.lock().made;
        for index in 0..made {
            let cell = tables.cells.get(index);
            let value = if cell.role().has_value() { cell.value() } else { 0 };
            if cell.role() == Role::Free {
                continue;
            }
            for object in [cell.holder(), cell.key(), value] {
                assert!(
                    object == 0 || found.is_marked(object),
                    "{:?} cell {index} refers to {object:#x}, which is not marked",
                    cell.role()
                );
            }
        }
        for &object in self.gone.iter().flatten() {
            assert!(
                !found.is_marked(object),
                "a weak reference to {object:#x} was cleared, and it is marked"
            );
        }
    }
}
