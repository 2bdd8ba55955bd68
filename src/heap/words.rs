//! A table of atomic words that starts as zeros and costs memory only where it was written.

use std::ops::{Deref, Range};

use crate::os::OsError;
use crate::sync::atomic::AtomicU64;

pub(super) use imp::Words;

#[cfg(not(loom))]
mod imp {
    use super::{AtomicU64, Deref, OsError, Range};
    use crate::os::memory::{self, Advice, Reservation};
    use crate::os::{PageRange, page_size};

    /// The words, in memory of their own.
    #[derive(Debug)]
    pub(in crate::heap) struct Words {
        words: &'static [AtomicU64],
        /// Owns the memory that `words` points into; `words` must not outlive `self`.
        _memory: Reservation,
    }

    impl Words {
        /// That many zeros.
        pub(in crate::heap) fn new(count: usize) -> Result<Self, OsError> {
            let memory = Reservation::new(count * size_of::<AtomicU64>(), size_of::<AtomicU64>())?;
            // SAFETY: the reservation was made just now and is nobody else's.
            unsafe { memory::commit(memory.range()) }?;
            let pointer = memory.range().as_ptr().cast::<AtomicU64>();
            // SAFETY: committed memory is zeroed, page-aligned and as long as that; it lives as long
            // as `memory`, which is kept beside the slice, and the slice never leaves this struct but
            // by borrows of `self`.
            let words = unsafe { std::slice::from_raw_parts(pointer, count) };
            Ok(Self { words, _memory: memory })
        }

        /// Gives the memory of a range of words that are all zero back to the system, as far as it
        /// is whole pages.
        pub(in crate::heap) fn discard(&self, words: Range<usize>) -> Result<(), OsError> {
            let page = page_size();
            let address = |word| self.words.as_ptr().addr() + word * size_of::<AtomicU64>();
            let (start, end) = (address(words.start).next_multiple_of(page), address(words.end));
            let Ok(range) = PageRange::new(start, end / page * page) else { return Ok(()) };
            // SAFETY: the words are zero, and so is what the memory reads as afterwards.
            unsafe { memory::advise(range, Advice::Discard) }
        }
    }

    impl Deref for Words {
        type Target = [AtomicU64];

        #[inline]
        fn deref(&self) -> &[AtomicU64] {
            self.words
        }
    }
}

/// Loom's atomics are no words in memory: they are made one by one.
#[cfg(loom)]
mod imp {
    use super::{AtomicU64, Deref, OsError, Range};

    #[derive(Debug)]
    pub(in crate::heap) struct Words {
        words: Box<[AtomicU64]>,
    }

    impl Words {
        pub(in crate::heap) fn new(count: usize) -> Result<Self, OsError> {
            Ok(Self { words: crate::sync::zeroed_atomics(count) })
        }

        pub(in crate::heap) fn discard(&self, _: Range<usize>) -> Result<(), OsError> {
            Ok(())
        }
    }

    impl Deref for Words {
        type Target = [AtomicU64];

        #[inline]
        fn deref(&self) -> &[AtomicU64] {
            &self.words
        }
    }
}
