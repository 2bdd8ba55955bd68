//! How references are written to objects: by plain stores.
//!
//! That is all a program needs. `--tracker cards` is the baseline to compare with: a card table
//! sees what it is told, so there every store is followed by a barrier. Which of the two it is is
//! known once the heap is there; the workloads are compiled for both.

use strandline::ObjectRef;
use strandline::dirty::CardTable;

/// A place for a reference in an object.
pub(crate) type Field = *mut Option<ObjectRef>;

pub(crate) trait Writer: Copy + Send + Sync {
    /// Writes a reference.
    ///
    /// # Safety
    /// `field` lies in an object that is reachable.
    unsafe fn write(self, field: Field, value: Option<ObjectRef>);
}

/// A plain store.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plain;

impl Writer for Plain {
    #[inline(always)]
    unsafe fn write(self, field: Field, value: Option<ObjectRef>) {
        // SAFETY: the caller promises that the field is there. The collector may be reading it; an
        // aligned word is read and written whole.
        unsafe { field.write(value) };
    }
}

/// A store, then its card.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Carded<'a>(pub(crate) &'a CardTable);

impl Writer for Carded<'_> {
    #[inline(always)]
    unsafe fn write(self, field: Field, value: Option<ObjectRef>) {
        // SAFETY: as above.
        unsafe { field.write(value) };
        self.0.mark(field.addr());
    }
}
