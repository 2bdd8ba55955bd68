//! What an object refers to, found simply: for those who look at the heap without marking it.

use crate::collector::shared::Shared;
use crate::mutator::words;
use crate::object::{Kind, ObjectModel, ObjectRef, Slot, SlotVisitor};

impl<M: ObjectModel> Shared<M> {
    /// Passes every object that `object` refers to to `visit`, with the address of the slot. The world
    /// is stopped.
    pub(crate) fn references_of(&self, object: ObjectRef, visit: &mut dyn FnMut(usize, ObjectRef)) {
        let (kind, bytes) = self.memory.describe(object);
        match kind {
            Kind::Leaf => {}
            Kind::Conservative => {
                let mut address = object.address();
                // SAFETY: the words of an object of this heap.
                unsafe {
                    words(address..address + bytes, |word| {
                        if let Some(referent) = self.memory.resolve(word) {
                            visit(address, referent);
                        }
                        address += size_of::<usize>();
                    });
                }
            }
            Kind::Precise | Kind::External => {
                // SAFETY: an object of this heap with slots.
                unsafe { self.model.trace(object, &mut Referents { shared: self, visit }) };
            }
        }
    }
}

struct Referents<'a, M> {
    shared: &'a Shared<M>,
    visit: &'a mut dyn FnMut(usize, ObjectRef),
}

impl<M: ObjectModel> SlotVisitor for Referents<'_, M> {
    fn visit(&mut self, slot: Slot) {
        if let Some(referent) = self.shared.referent(slot) {
            (self.visit)(slot.address(), referent);
        }
    }

    fn visit_checked(&mut self, slot: Slot) {
        self.visit(slot);
    }
}
