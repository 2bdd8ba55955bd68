//! Object layouts, and how the heap is told of them.
//!
//! Two runtimes, as it were. In [`Nodes`] all objects with references look the same, so nothing
//! needs to be stored to find them. In [`Records`] there are nodes and arrays, so a header word
//! says how many references follow. A language with classes would keep a class pointer there; it
//! pays for its eight bytes where objects differ, and only there. Neither model says a word about
//! data without references: that is allocated as `Kind::Leaf`.

use std::ops::Range;

use strandline::{Kind, Mutator, ObjectModel, ObjectRef, OutOfMemory, SlotVisitor};

use crate::write::{Field, Writer};

const WORD: usize = size_of::<usize>();

/// Objects that begin with two references, left and right, and hold no others.
#[derive(Default)]
pub(crate) struct Nodes;

// SAFETY: all precise objects of these heaps are laid out like that; fresh ones are zero, which is
// no reference.
unsafe impl ObjectModel for Nodes {
    #[inline]
    unsafe fn trace<V: SlotVisitor>(&self, object: ObjectRef, visitor: &mut V) {
        // SAFETY: every node has these two words.
        unsafe {
            visitor.visit(object.slot(0));
            visitor.visit(object.slot(1));
        }
    }
}

/// Objects that begin with the number of references that follow.
#[derive(Default)]
pub(crate) struct Records;

// SAFETY: `new_record` is the only way to a precise object in these heaps. The header of a fresh
// one is zero, and it has no references then; it is written before the next safepoint.
unsafe impl ObjectModel for Records {
    #[inline]
    unsafe fn trace<V: SlotVisitor>(&self, object: ObjectRef, visitor: &mut V) {
        for index in 1..=references(object) {
            // SAFETY: the header says that the record has the word.
            visitor.visit(unsafe { object.slot(index) });
        }
    }

    /// Arrays are large, so what lies in a part is worked out and not searched for.
    unsafe fn trace_part<V: SlotVisitor>(
        &self,
        object: ObjectRef,
        part: Range<usize>,
        visitor: &mut V,
    ) {
        let end = part.end.div_ceil(WORD).min(references(object) + 1);
        for index in part.start.div_ceil(WORD).max(1)..end {
            // SAFETY: as above.
            visitor.visit(unsafe { object.slot(index) });
        }
    }
}

#[inline]
fn references(object: ObjectRef) -> usize {
    // SAFETY: every record begins with its header.
    unsafe { object.as_ptr::<usize>().read() }
}

/// A new record of `bytes` bytes, whose header says that it has `references` references, all null.
#[inline]
pub(crate) fn new_record(
    mutator: &mut Mutator,
    references: usize,
    bytes: usize,
) -> Result<ObjectRef, OutOfMemory> {
    debug_assert!((references + 1) * WORD <= bytes);
    let object = mutator.allocate(Kind::Precise, bytes)?;
    // SAFETY: every record has room for its header.
    unsafe { object.as_ptr::<usize>().write(references) };
    Ok(object)
}

/// A record that is nothing but references.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Array(ObjectRef);

impl Array {
    pub(crate) fn new(mutator: &mut Mutator, length: usize) -> Result<Self, OutOfMemory> {
        new_record(mutator, length, (length + 1) * WORD).map(Self)
    }

    /// The array that is `object`.
    ///
    /// # Safety
    /// It is one.
    pub(crate) unsafe fn from_object(object: ObjectRef) -> Self {
        Self(object)
    }

    pub(crate) fn object(self) -> ObjectRef {
        self.0
    }

    pub(crate) fn length(self) -> usize {
        references(self.0)
    }

    #[inline]
    pub(crate) fn get(self, index: usize) -> Option<ObjectRef> {
        // SAFETY: an element of an array that is reachable.
        unsafe { self.element(index).read() }
    }

    #[inline]
    pub(crate) fn set(self, index: usize, value: Option<ObjectRef>, writer: impl Writer) {
        // SAFETY: as above.
        unsafe { writer.write(self.element(index), value) };
    }

    #[inline]
    fn element(self, index: usize) -> Field {
        assert!(index < self.length(), "index {index} of {}", self.length());
        self.0.as_ptr::<Option<ObjectRef>>().wrapping_add(1 + index)
    }
}
