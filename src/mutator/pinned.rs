//! Objects that must stay where they are.

use super::roots::Root;
use crate::object::ObjectRef;
use crate::sync::process::atomic::{AtomicUsize, Ordering};

/// How many objects in watched memory are pinned, and ever were.
///
/// Code that is no mutator may write to these, and its page faults are in no mutator's log.
#[derive(Debug, Default)]
pub(crate) struct Pins {
    now: AtomicUsize,
    ever: AtomicUsize,
}

impl Pins {
    /// How many there ever were, unless there is one now. No more come while the world is stopped.
    pub(crate) fn ever_if_none_now(&self) -> Option<usize> {
        // Acquire: whoever has written has done so before it let go.
        let none = self.now.load(Ordering::Acquire) == 0;
        none.then(|| self.ever.load(Ordering::Relaxed))
    }
}

/// Keeps an object alive and at its address: for addresses that the heap does not know of, in the hands
/// of the kernel, of a device or of foreign code.
///
/// No object of this heap moves today, so this is a handle; who says now what must not move need not
/// look for it when objects can.
///
/// # Threads
/// It may be sent and shared. The address is good for reading and writing for as long as this exists, by
/// code that is no mutator, too. But writes of references must be made by mutators: a collection does not
/// wait for others. While an object is pinned that is no [`Leaf`](crate::Kind::Leaf), the last stop of a cycle scans, as
/// others' page faults are in no log: pin leaves, such as buffers, where that matters.
#[derive(Debug)]
pub struct Pinned {
    root: Root,
    /// Whether it is one of the [`Pins`].
    is_watched: bool,
}

impl Pinned {
    /// `is_watched`: whether it is in memory where writes are tracked.
    pub(super) fn new(root: Root, is_watched: bool) -> Self {
        if is_watched {
            let pins = root.pins();
            pins.now.fetch_add(1, Ordering::Relaxed);
            pins.ever.fetch_add(1, Ordering::Relaxed);
        }
        Self { root, is_watched }
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

impl Drop for Pinned {
    fn drop(&mut self) {
        if self.is_watched {
            self.root.pins().now.fetch_sub(1, Ordering::Release);
        }
    }
}
