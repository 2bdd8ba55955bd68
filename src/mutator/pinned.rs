//! Objects that must stay where they are.

use super::roots::Root;
use crate::object::ObjectRef;

/// Keeps an object alive and at its address: for addresses that the heap does not know of, in the hands
/// of the kernel, of a device or of foreign code.
///
/// No object of this heap moves today, so this is a handle; who says now what must not move need not
/// look for it when objects can.
///
/// # Threads
/// It may be sent and shared. The address is good for reading and writing for as long as this exists, by
/// code that is no mutator, too. But writes of references must be made by mutators: a collection does not
/// wait for others. A reference that the kernel writes for a mutator, through this address, may have to be told:
/// [`Heap::written`](crate::Heap::written).
#[derive(Debug)]
pub struct Pinned {
    root: Root,
}

impl Pinned {
    pub(super) fn new(root: Root) -> Self {
        Self { root }
    }

    /// The object.
    #[must_use]
    pub fn get(&self) -> ObjectRef {
        self.root.get()
    }

    /// Its first byte.
    #[must_use]
    pub fn as_ptr<T>(&self) -> *mut T {
        self.get().as_ptr()
    }
}
