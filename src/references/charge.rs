//! Memory outside the heap that an object keeps.

use super::cells::{Contents, Role};
use super::weak::{References, WeakField};
use crate::mutator::Mutator;
use crate::object::ObjectRef;

/// The name of a charge, from [`Heap::charge_external`](crate::Heap::charge_external). To drop it ends
/// nothing: the charge belongs to its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Charge(WeakField);

impl References {
    /// Ends a charge because its memory was freed before the owner died. False if it had ended.
    pub fn release_charge(&self, charge: Charge) -> bool {
        self.release(charge.0)
    }

    /// Bytes outside the heap that are charged to objects now.
    #[must_use]
    pub fn external_bytes(&self) -> usize {
        self.tables.external_bytes()
    }

    /// Charges bytes that have been reserved.
    pub(crate) fn charge(&self, owner: ObjectRef, bytes: usize) -> Charge {
        let key = self.tables.address(owner);
        let role = Role::Charge;
        let contents = Contents { role, key, value: bytes, holder: 0, queue: 0, token: 0 };
        Charge(WeakField::new(self.tables.add(contents)))
    }

    /// # Panics
    /// When one of them is another heap's.
    pub(crate) fn check(&self, mutator: &Mutator, object: ObjectRef) {
        self.tables.check_mutator(mutator);
        self.tables.address(object);
    }
}
