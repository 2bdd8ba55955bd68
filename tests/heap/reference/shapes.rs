//! The object model of the reference programs: every kind, tagged references, slots outside.
//!
//! | kind | words |
//! |---|---|
//! | precise | header, tagged slots, payload |
//! | external | header, address of a table of tagged slots outside the heap, payload |
//! | conservative | plain addresses (also of places inside objects), payload |
//! | leaf | one plain address, which must keep nothing alive, payload |

use std::ops::Range;
use std::ptr::NonNull;

use strandline::{ObjectModel, ObjectRef, Slot, SlotVisitor};

/// The tag of a reference in a precise slot: the word is one more than the address.
const TAG: usize = 1;
/// In a header: the slots are in a table outside the heap.
const OUTSIDE: usize = 1 << 32;

/// Finds the slots of objects by their headers.
pub(crate) struct Shapes;

/// The header of a precise or external object.
pub(crate) fn header(slots: usize, outside: bool) -> usize {
    slots | if outside { OUTSIDE } else { 0 }
}

/// A reference as it is in a precise slot.
pub(crate) fn encode(object: Option<ObjectRef>) -> usize {
    // Untagged words must be left alone, whatever they look like.
    object.map_or(0x5eed << 32, |object| object.address() + TAG)
}

fn visit_slots<V: SlotVisitor>(object: ObjectRef, wanted: Range<usize>, visitor: &mut V) {
    let words = object.as_ptr::<usize>();
    // SAFETY: every object with slots begins with its header, which is zero until it is written.
    let header = unsafe { words.read() };
    let slots = header & 0xffff_ffff;
    if header & OUTSIDE != 0 {
        // SAFETY: the word behind the header is the address of the table.
        let table = std::ptr::with_exposed_provenance_mut::<usize>(unsafe { words.add(1).read() });
        for index in 0..slots {
            // SAFETY: the table has that many words and lives as long as the heap.
            visitor.visit(unsafe { Slot::at(NonNull::new(table.add(index)).unwrap()) });
        }
    } else {
        let words = (wanted.start / 8).max(1)..=slots.min((wanted.end - 1) / 8);
        for index in words {
            // SAFETY: the header says that the object has these words.
            visitor.visit(unsafe { object.slot(index) });
        }
    }
}

// SAFETY: visits every slot that the header tells of, and recognises every tagged reference.
unsafe impl ObjectModel for Shapes {
    fn decode(&self, word: usize) -> Option<ObjectRef> {
        // SAFETY: tagged words are references to objects, one more than their address.
        (word & TAG != 0).then(|| unsafe { ObjectRef::from_address(word - TAG) })?
    }

    unsafe fn trace<V: SlotVisitor>(&self, object: ObjectRef, visitor: &mut V) {
        visit_slots(object, 0..1 << 40, visitor);
    }

    unsafe fn trace_part<V: SlotVisitor>(
        &self,
        object: ObjectRef,
        part: Range<usize>,
        visitor: &mut V,
    ) {
        visit_slots(object, part, visitor);
    }
}
