//! What an object is to the heap: an address, slots in it, and a model that can find them.
//!
//! The heap asks for no header and never writes to an object. It knows where objects start and end
//! from its own bitmaps; everything else it asks the [`ObjectModel`].

mod kind;
mod model;

pub use kind::Kind;
pub use model::{ObjectModel, SlotVisitor};

use std::fmt;
use std::ptr::NonNull;

use crate::sync::process::atomic::{AtomicUsize, Ordering};

/// The address of an object: of its first byte, 16-byte aligned, never null.
///
/// A plain address with no lifetime: it is valid for as long as the object is reachable from a
/// root at every safepoint. Objects do not move.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(transparent)]
pub struct ObjectRef(NonNull<u8>);

// SAFETY: an address may go anywhere; what is done with it is the business of unsafe code.
unsafe impl Send for ObjectRef {}
// SAFETY: as above.
unsafe impl Sync for ObjectRef {}

impl ObjectRef {
    /// The object at `address`, or `None` for null.
    ///
    /// # Safety
    /// The address is null or was given out by a heap as an object, or whoever gets the reference takes it
    /// for no more than an address.
    #[must_use]
    #[inline]
    pub unsafe fn from_address(address: usize) -> Option<Self> {
        NonNull::new(std::ptr::with_exposed_provenance_mut(address)).map(Self)
    }

    /// As [`from_address`](Self::from_address), where null cannot be: for addresses in a heap.
    #[inline]
    pub(crate) fn at(address: usize) -> Self {
        debug_assert!(address != 0 && address.is_multiple_of(16), "{address:#x}");
        // SAFETY: nothing is mapped at address zero, so no heap is there.
        Self(unsafe { NonNull::new_unchecked(std::ptr::with_exposed_provenance_mut(address)) })
    }

    /// The address as a number.
    #[must_use]
    #[inline]
    pub fn address(self) -> usize {
        self.0.as_ptr().addr()
    }

    /// The address as a pointer to the object's first byte.
    #[must_use]
    #[inline]
    pub fn as_ptr<T>(self) -> *mut T {
        self.0.as_ptr().cast()
    }

    /// A number for hash tables that is the same for as long as the object lives, and differs between
    /// any two objects that live at the same time. It is made of the address, so it costs no memory;
    /// an object that is made at the address of a dead one has the same.
    ///
    /// The bits are well mixed: any of them will do for an index. (The finalizer of `SplitMix64`,
    /// Steele, Lea, Flood, 2014.)
    #[must_use]
    #[inline]
    pub fn identity_hash(self) -> u64 {
        let mut bits = self.address() as u64;
        bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ bits >> 31
    }

    /// The slot `index` words into the object.
    ///
    /// # Safety
    /// The object has that word.
    #[must_use]
    #[inline]
    pub unsafe fn slot(self, index: usize) -> Slot {
        // SAFETY: the caller promises that the word is inside the object.
        Slot(unsafe { self.0.cast::<usize>().add(index) })
    }
}

impl fmt::Debug for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ObjectRef({:#x})", self.address())
    }
}

/// A word in memory that may hold a reference to an object.
///
/// Tracing goes by slot, not by value, so that a collector which moves objects could update it.
///
/// The collector reads slots while the program may be writing them. On the machines that the crate
/// supports an aligned word is read and written whole; the program's plain stores need no more. A
/// program in Rust makes them relaxed atomic stores: the same instructions, and no data race.
///
/// # Values of two words
///
/// A tag and a payload, as a Rust enum has: the collector may see an old tag with a new payload, or the
/// other way round, and no order of plain stores and loads prevents that. (Nor does looking at the tag
/// again: it may have changed twice.) So [`trace`](ObjectModel::trace) reads the tag, and visits the payload
/// by [`visit_checked`](SlotVisitor::visit_checked) if the tag says that it is a reference:
///
/// - *The tag says reference, the payload is none.* The word is followed only if an initialised object
///   begins there; then that object lives until the next full collection, at worst for nothing.
/// - *The tag says number, the payload is a reference already.* It is missed by this look, and not lost. A
///   look at a page comes after the scan that consumed the page, so a store that the look does not see comes
///   after that scan, and made the page dirty again: it is looked at once more. The last look is in a stop,
///   and sees both stores.
///
/// For that the program
/// - reaches no safepoint between the two stores (allocates nothing, enters no blocking region);
/// - has the two words side by side, if the object is larger than 8 KiB: of such an object only the pages
///   that were written are looked at, and a word beside each;
/// - makes both stores relaxed atomic ones, and reads the tag so in `trace`, as wide as it was written.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub struct Slot(NonNull<usize>);

impl Slot {
    /// The slot at `address`.
    ///
    /// # Safety
    /// The address is word-aligned and points to a readable word for as long as the slot is used.
    #[must_use]
    #[inline]
    pub unsafe fn at(address: NonNull<usize>) -> Self {
        Self(address)
    }

    /// As [`at`](Self::at), for an address as a number that is not null.
    ///
    /// # Safety
    /// As [`at`](Self::at).
    pub(crate) unsafe fn at_address(address: usize) -> Self {
        let pointer = std::ptr::with_exposed_provenance_mut(address);
        // SAFETY: the caller promises a readable word; nothing is mapped at address zero.
        Self(unsafe { NonNull::new_unchecked(pointer) })
    }

    /// The word in it.
    #[must_use]
    #[inline]
    pub fn load(self) -> usize {
        // SAFETY: whoever made the slot promised that the word is readable and aligned.
        let word = unsafe { AtomicUsize::from_ptr(self.0.as_ptr()) };
        // Acquire: what is then asked about the object is asked after the reference was read.
        word.load(Ordering::Acquire)
    }

    /// Where the word is.
    #[must_use]
    #[inline]
    pub fn address(self) -> usize {
        self.0.as_ptr().addr()
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Slot({:#x})", self.address())
    }
}
