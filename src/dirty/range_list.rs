//! Sorted, disjoint page ranges: what a tracker has registered.

use crate::os::PageRange;

/// Disjoint ranges in address order; ranges that touch are kept apart, as they were registered.
#[derive(Debug, Clone, Default)]
pub(super) struct RangeList(Vec<PageRange>);

impl RangeList {
    pub(super) fn as_slice(&self) -> &[PageRange] {
        &self.0
    }

    /// The ranges with those that touch made one. The kernel may keep such in one mapping, which it
    /// can only split if `vm.max_map_count` allows.
    pub(super) fn runs(&self) -> impl Iterator<Item = PageRange> {
        self.0.chunk_by(|one, next| one.end() == next.start()).map(|touching| {
            let (first, last) = (touching[0], touching[touching.len() - 1]);
            PageRange::new(first.start(), last.end()).expect("in order, of whole pages")
        })
    }

    /// The first range that has a page of `range`.
    pub(super) fn overlapping(&self, range: PageRange) -> Option<PageRange> {
        let at = self.0.partition_point(|known| known.end() <= range.start());
        self.0.get(at).copied().filter(|known| known.start() < range.end())
    }

    /// Whether every page of `range` is in the list.
    pub(super) fn covers(&self, range: PageRange) -> bool {
        let at = self.0.partition_point(|known| known.end() <= range.start());
        let mut next = range.start();
        for known in &self.0[at..] {
            if known.start() > next || next >= range.end() {
                break;
            }
            next = known.end();
        }
        next >= range.end()
    }

    /// Adds a range that overlaps none.
    pub(super) fn insert(&mut self, range: PageRange) {
        debug_assert!(self.overlapping(range).is_none());
        let at = self.0.partition_point(|known| known.start() < range.start());
        self.0.insert(at, range);
    }

    /// Removes the pages of `range`, cutting what overlaps it only in part.
    pub(super) fn remove(&mut self, range: PageRange) {
        let first = self.0.partition_point(|known| known.end() <= range.start());
        let last = self.0.partition_point(|known| known.start() < range.end());
        let rest: Vec<_> = self.0[first..last]
            .iter()
            .flat_map(|known| {
                let before = PageRange::new(known.start(), range.start());
                let after = PageRange::new(range.end(), known.end());
                [before.ok(), after.ok()]
            })
            .flatten()
            .collect();
        self.0.splice(first..last, rest);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::os::page_size;

    fn pages(first: usize, count: usize) -> PageRange {
        PageRange::new(first * page_size(), (first + count) * page_size()).unwrap()
    }

    fn list(ranges: &[PageRange]) -> RangeList {
        let mut list = RangeList::default();
        for &range in ranges {
            list.insert(range);
        }
        list
    }

    #[test]
    fn covers_across_ranges_that_touch_and_no_gap() {
        let list = list(&[pages(4, 2), pages(1, 3), pages(8, 1)]);
        assert!(list.covers(pages(1, 5)));
        assert!(list.covers(pages(2, 3)));
        assert!(!list.covers(pages(1, 6)));
        assert!(!list.covers(pages(7, 2)));
        assert!(!list.covers(pages(20, 1)));
    }

    #[test]
    fn overlapping_finds_a_common_page_only() {
        let list = list(&[pages(1, 3), pages(8, 2)]);
        assert_eq!(list.overlapping(pages(3, 9)), Some(pages(1, 3)));
        assert_eq!(list.overlapping(pages(4, 4)), None);
        assert_eq!(list.overlapping(pages(9, 1)), Some(pages(8, 2)));
    }

    #[test]
    fn runs_join_what_touches() {
        let list = list(&[pages(4, 2), pages(1, 3), pages(8, 1)]);
        assert_eq!(list.runs().collect::<Vec<_>>(), [pages(1, 5), pages(8, 1)]);
    }

    #[test]
    fn removal_cuts_what_overlaps_in_part() {
        let mut list = list(&[pages(1, 3), pages(4, 4), pages(10, 2)]);
        list.remove(pages(2, 9));
        assert_eq!(list.as_slice(), [pages(1, 1), pages(11, 1)]);
        list.remove(pages(1, 20));
        assert!(list.as_slice().is_empty());
    }
}
