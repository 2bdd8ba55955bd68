//! What markers have done, for the report.

use std::ops::AddAssign;

/// What markers have done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Objects marked.
    pub(crate) marked: usize,
    /// Owed pages looked at, and those of them that had no marked object.
    pub(crate) rescanned: usize,
    pub(crate) barren: usize,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.marked += other.marked;
        self.rescanned += other.rescanned;
        self.barren += other.barren;
    }
}
