//! A copy of watched memory as it was at the last comparison.

use super::ChangedWord;
use crate::os::memory::{self, Reservation};
use crate::os::{OsError, PageRange};
use crate::sync::process::atomic::{AtomicUsize, Ordering::Relaxed};

const WORD: usize = size_of::<usize>();

/// Words of a span as they were when they were last taken; zero before that.
///
/// Costs memory only for pages that were taken.
///
/// # Threads
/// Words are read and written as atomics, so that a program which is not as quiescent as it should
/// be makes a comparison wrong and nothing worse.
#[derive(Debug)]
pub(crate) struct Snapshot {
    span: PageRange,
    memory: Reservation,
}

impl Snapshot {
    /// A snapshot of zeros.
    pub(crate) fn new(span: PageRange) -> Result<Self, OsError> {
        let memory = Reservation::new(span.bytes(), WORD)?;
        // SAFETY: the reservation was made just now and is nobody else's.
        unsafe { memory::commit(memory.range()) }?;
        Ok(Self { span, memory })
    }

    /// The word that was at `address`.
    pub(crate) fn word(&self, address: usize) -> usize {
        self.at(address).load(Relaxed)
    }

    /// Takes the words of `pages` as they are now.
    ///
    /// # Safety
    /// The pages are readable.
    pub(crate) unsafe fn take(&self, pages: PageRange) {
        for address in pages.addresses().step_by(WORD) {
            // SAFETY: the caller promises that the page is readable.
            self.at(address).store(unsafe { word_at(address) }, Relaxed);
        }
    }

    /// Passes every word of `pages` that is not what it was to `visit`, in address order.
    ///
    /// # Safety
    /// The pages are readable.
    pub(super) unsafe fn compare(&self, pages: PageRange, mut visit: impl FnMut(ChangedWord)) {
        for address in pages.addresses().step_by(WORD) {
            // SAFETY: the caller promises that the page is readable.
            let (old, new) = (self.word(address), unsafe { word_at(address) });
            if old != new {
                visit(ChangedWord { address, old, new });
            }
        }
    }

    fn at(&self, address: usize) -> &AtomicUsize {
        assert!(self.span.contains(address) && address.is_multiple_of(WORD), "{address:#x}");
        let place = self.memory.range().start() + (address - self.span.start());
        // SAFETY: the reservation is as long as the span, committed, read and written as atomic
        // words only, and lives as long as `self`.
        unsafe { &*std::ptr::with_exposed_provenance::<AtomicUsize>(place) }
    }
}

/// The word at an aligned address.
///
/// # Safety
/// It is readable.
unsafe fn word_at(address: usize) -> usize {
    let pointer = std::ptr::with_exposed_provenance_mut::<usize>(address);
    // SAFETY: readable by the caller's promise; page-aligned ranges are walked in steps of a word.
    // A load, which is all that is done here, writes nothing.
    unsafe { AtomicUsize::from_ptr(pointer) }.load(Relaxed)
}
