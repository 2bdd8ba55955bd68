//! What the collector has to know of all this: where the references are.

use std::ops::Range;

use strandline::{ObjectModel, ObjectRef, SlotVisitor};

use crate::object::{WORD, slots_of_header};
use crate::value::{CLOSURE, FLONUM, OBJECT, PAIR, TAG_MASK};

/// The layout of [`crate::object`].
pub(crate) struct Scheme;

impl Scheme {
    /// The slots of an object, as indices of words.
    #[inline]
    fn slots(object: ObjectRef) -> Range<usize> {
        // SAFETY: every object has a first word; a header, once written, does not change.
        let first = unsafe { object.slot(0) }.load();
        slots_of_header(first).map_or(0..2, |slots| 1..1 + slots)
    }
}

// SAFETY: precise objects are pairs, or begin with a header that says how many values follow. The
// header is written before the next safepoint; until then the first word is zero, and the object
// reads as a pair of two fixnums. What may follow the values (instructions) holds no references
// that are not in the values, too.
unsafe impl ObjectModel for Scheme {
    #[inline]
    fn decode(&self, word: usize) -> Option<ObjectRef> {
        match word & TAG_MASK {
            // SAFETY: words with these tags are tagged addresses of objects.
            PAIR | OBJECT | FLONUM | CLOSURE => unsafe {
                ObjectRef::from_address(word & !TAG_MASK)
            },
            _ => None,
        }
    }

    #[inline]
    unsafe fn trace<V: SlotVisitor>(&self, object: ObjectRef, visitor: &mut V) {
        for index in Self::slots(object) {
            // SAFETY: the header says that the object has this word.
            visitor.visit(unsafe { object.slot(index) });
        }
    }

    unsafe fn trace_part<V: SlotVisitor>(
        &self,
        object: ObjectRef,
        part: Range<usize>,
        visitor: &mut V,
    ) {
        let slots = Self::slots(object);
        let first = part.start.div_ceil(WORD).max(slots.start);
        for index in first..part.end.div_ceil(WORD).min(slots.end) {
            // SAFETY: as above.
            visitor.visit(unsafe { object.slot(index) });
        }
    }
}
