//! How an embedder tells the heap about its objects.

use std::ops::Range;

use super::{ObjectRef, Slot};

/// Receives the slots of an object.
pub trait SlotVisitor {
    /// Visits one slot, whose word is a reference whenever it is looked at, or is known for none by
    /// [`ObjectModel::decode`].
    fn visit(&mut self, slot: Slot);

    /// Visits a slot whose word is a reference only if another word says so, as the payload of a tagged
    /// value of two words is.
    ///
    /// The program may be writing both words at this moment, and no order of their stores and loads keeps
    /// an old tag from being seen with a new payload. So a word that is not the address of an object is
    /// passed over, whatever it is; [`decode`](ObjectModel::decode) is asked about it all the same. See
    /// [`Slot`](super::Slot#values-of-two-words).
    ///
    /// In a stop nothing is half written, and the word has to be what it has to be for
    /// [`visit`](Self::visit): the verifier complains if it is not.
    fn visit_checked(&mut self, slot: Slot);
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
    /// By default a slot holds an object's address or null. It is asked about any word at all where
    /// slots are [visited with a check](SlotVisitor::visit_checked); what it says then is only an address.
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
    /// After a write to a page the heap asks for the slots on that page and the words beside it, and for no
    /// others. So what decides whether a slot is visited has to be beside the slot, as the tag of a value
    /// of two words is, or not to change: with a length that grows, visit the slots beyond it, too.
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

    fn visit_checked(&mut self, slot: Slot) {
        if self.addresses.contains(&slot.address()) {
            self.visitor.visit_checked(slot);
        }
    }
}
