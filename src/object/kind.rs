//! Kinds of objects, as far as tracing is concerned.

/// How the slots of an object are found. Chosen at allocation; each kind has blocks of its own, so
/// that no object needs a header to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// The [`ObjectModel`](super::ObjectModel) knows the slots.
    Precise = 0,
    /// No references at all: strings, digits, buffers. Never watched for writes, never traced.
    Leaf = 1,
    /// No layout: every aligned word that holds the address of an object, or of a place inside
    /// one, counts as a reference.
    Conservative = 2,
    /// As [`Precise`](Self::Precise), but its slots are, in part, outside the heap, where writes
    /// are not seen: traced in the stops of every cycle, and only there, so the program may free and
    /// move what these objects own as it likes.
    External = 3,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Precise, Self::Leaf, Self::Conservative, Self::External];

    /// How many kinds there are.
    pub const COUNT: usize = Self::ALL.len();

    /// Whether objects of this kind can hold references.
    #[must_use]
    #[inline]
    pub const fn has_slots(self) -> bool {
        !matches!(self, Self::Leaf)
    }

    pub(crate) fn from_index(index: u8) -> Self {
        Self::ALL[usize::from(index)]
    }
}
