//! How an embedder tells the heap about its objects.

use std::ops::Range;

use super::{ObjectRef, Slot};

/// Receives the slots of an object.
pub trait SlotVisitor {
    /// Visits one slot.
    fn visit(&mut self, slot: Slot);
}

/// What the embedder's objects look like.
///
/// # Safety
/// The collector frees what it does not find. [`trace`](Self::trace) must visit every slot that
/// the program may follow, and [`decode`](Self::decode) must recognise every reference that the
/// program may follow.
///
/// # Threads
/// Called by several collector threads at once, also while the program runs; on objects that the
/// program may be writing to. Such an object is at least initialised: it has passed a safepoint
/// since it was allocated, and freshly allocated memory is zero.
pub unsafe trait ObjectModel: Send + Sync + 'static {
    /// The object that the word in a slot refers to, if any: undoes the embedder's tagging.
    ///
    /// By default a slot holds an object's address or null.
    #[inline]
    fn decode(&self, word: usize) -> Option<ObjectRef> {
        // SAFETY: words in slots are null or addresses of objects, as the embedder promises by
        // keeping this default.
        unsafe { ObjectRef::from_address(word) }
    }

    /// Visits every slot of `object`. Slots that hold no reference may be visited, too.
    ///
    /// # Safety
    /// `object` is an object of this heap, of kind [`Precise`](super::Kind::Precise) or
    /// [`External`](super::Kind::External).
    unsafe fn trace<V: SlotVisitor>(&self, object: ObjectRef, visitor: &mut V);

    /// Visits the slots of `object` whose offsets in bytes lie in `part`.
    ///
    /// Called for large objects (over 8 KiB), so that several threads can share one array and a
    /// write to one page of it does not cost tracing all of it. The default traces everything and
    /// picks; override it where there are large arrays.
    ///
    /// # Safety
    /// As [`trace`](Self::trace).
    unsafe fn trace_part<V: SlotVisitor>(
        &self,
        object: ObjectRef,
        part: Range<usize>,
        visitor: &mut V,
    ) {
        let (start, end) = (object.address() + part.start, object.address() + part.end);
        let mut only = Within { addresses: start..end, visitor };
        // SAFETY: the caller's promise is the same.
        unsafe { self.trace(object, &mut only) };
    }
}

/// Passes on the slots that lie at some addresses.
struct Within<'a, V> {
    addresses: Range<usize>,
    visitor: &'a mut V,
}

impl<V: SlotVisitor> SlotVisitor for Within<'_, V> {
    fn visit(&mut self, slot: Slot) {
        if self.addresses.contains(&slot.address()) {
            self.visitor.visit(slot);
        }
    }
}
