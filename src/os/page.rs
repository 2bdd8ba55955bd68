//! Pages and page-aligned address ranges.

use std::fmt;
use std::ops::Range;

use crate::sync::process::OnceLock;

/// The size in bytes of a base page on this system, as the kernel says.
///
/// Always a power of two. Nothing in this crate assumes a particular value.
#[must_use]
#[inline]
pub fn page_size() -> usize {
    static SIZE: OnceLock<usize> = OnceLock::new();
    *SIZE.get_or_init(ask_page_size)
}

#[cold]
fn ask_page_size() -> usize {
    let size = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE)
        .ok()
        .flatten()
        .and_then(|size| usize::try_from(size).ok())
        .expect("POSIX: sysconf(_SC_PAGESIZE) cannot fail");
    assert!(size.is_power_of_two(), "a page of {size} bytes");
    size
}

/// The binary logarithm of [`page_size`].
#[must_use]
#[inline]
pub fn page_shift() -> u32 {
    page_size().trailing_zeros()
}

/// A page-aligned, non-empty range of addresses, end exclusive.
///
/// It is only a pair of numbers: it owns nothing and promises nothing about what is mapped there.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PageRange {
    start: usize,
    end: usize,
}

/// Why two addresses are not a [`PageRange`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "{start:#x}..{end:#x} is not a range of whole pages of {page} bytes: both ends must be \
     page-aligned and the start below the end"
)]
pub struct RangeError {
    /// The start that was given.
    pub start: usize,
    /// The end that was given.
    pub end: usize,
    /// The page size in bytes.
    pub page: usize,
}

impl PageRange {
    /// The range from `start` up to `end`, both multiples of [`page_size`].
    ///
    /// # Errors
    /// When an end is not page-aligned or the range is empty.
    #[inline]
    pub fn new(start: usize, end: usize) -> Result<Self, RangeError> {
        let page = page_size();
        // A mask, as the size is a power of two that the compiler does not know: two divisions
        // would cost more than the rest of what a scan does for a region.
        if start < end && (start | end) & (page - 1) == 0 {
            Ok(Self { start, end })
        } else {
            Err(RangeError { start, end, page })
        }
    }

    /// The range from `start` up to `end`, which the kernel says are whole pages.
    #[inline]
    pub(crate) fn from_kernel(start: usize, end: usize) -> Self {
        debug_assert!(Self::new(start, end).is_ok(), "the kernel reported {start:#x}..{end:#x}");
        Self { start, end }
    }

    /// The smallest range of whole pages that covers `bytes` bytes from `start`.
    ///
    /// # Errors
    /// When `bytes` is zero or the range would run past the end of the address space.
    pub fn covering(start: usize, bytes: usize) -> Result<Self, RangeError> {
        let page = page_size();
        let error = RangeError { start, end: start.wrapping_add(bytes), page };
        let end = start.checked_add(bytes).and_then(|end| end.checked_next_multiple_of(page));
        match end {
            Some(end) if bytes > 0 => Self::new(start & !(page - 1), end),
            _ => Err(error),
        }
    }

    /// The pages that `slice` touches, or `None` when it is empty.
    #[must_use]
    pub fn of_slice<T>(slice: &[T]) -> Option<Self> {
        Self::covering(slice.as_ptr().addr(), size_of_val(slice)).ok()
    }

    /// The first address.
    #[must_use]
    pub const fn start(self) -> usize {
        self.start
    }

    /// The address behind the last byte.
    #[must_use]
    pub const fn end(self) -> usize {
        self.end
    }

    /// The length in bytes; never zero.
    #[must_use]
    pub const fn bytes(self) -> usize {
        self.end - self.start
    }

    /// The length in pages; never zero.
    #[must_use]
    pub fn pages(self) -> usize {
        self.bytes() >> page_shift()
    }

    /// The addresses as a standard range.
    #[must_use]
    pub const fn addresses(self) -> Range<usize> {
        self.start..self.end
    }

    /// The first address as a pointer, with the provenance that was exposed when it was mapped.
    #[must_use]
    pub fn as_ptr(self) -> *mut u8 {
        std::ptr::with_exposed_provenance_mut(self.start)
    }

    /// Whether `address` lies in the range.
    #[must_use]
    pub const fn contains(self, address: usize) -> bool {
        self.start <= address && address < self.end
    }

    /// Whether the whole of `other` lies in the range.
    #[must_use]
    pub const fn covers(self, other: Self) -> bool {
        self.start <= other.start && other.end <= self.end
    }

    /// The pages that both ranges have.
    #[must_use]
    pub fn intersection(self, other: Self) -> Option<Self> {
        let (start, end) = (self.start.max(other.start), self.end.min(other.end));
        (start < end).then_some(Self { start, end })
    }

    /// The part from the `first` page on, `pages` long.
    ///
    /// # Panics
    /// When that is not inside the range, or `pages` is zero.
    #[must_use]
    pub fn subrange(self, first: usize, pages: usize) -> Self {
        assert!(
            pages > 0 && first.checked_add(pages).is_some_and(|end| end <= self.pages()),
            "pages {first}+{pages} of {self}"
        );
        let start = self.start + (first << page_shift());
        Self { start, end: start + (pages << page_shift()) }
    }

    /// The part from `start` on, or `None` when nothing is left.
    ///
    /// # Panics
    /// When `start` is not page-aligned.
    #[must_use]
    pub fn from_address(self, start: usize) -> Option<Self> {
        assert!(start.is_multiple_of(page_size()), "{start:#x} is not page-aligned");
        let start = start.max(self.start);
        (start < self.end).then_some(Self { start, end: self.end })
    }

    /// Consecutive pieces that end at multiples of `alignment` bytes.
    ///
    /// # Panics
    /// When `alignment` is not a power of two of at least a page.
    pub fn pieces(self, alignment: usize) -> impl Iterator<Item = Self> {
        assert!(alignment.is_power_of_two() && alignment >= page_size());
        let mut start = self.start;
        std::iter::from_fn(move || {
            let end = (start | (alignment - 1)).saturating_add(1).min(self.end);
            let piece = (start < end).then_some(Self { start, end });
            start = end;
            piece
        })
    }
}

impl fmt::Display for PageRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}..{:#x}", self.start, self.end)
    }
}

impl fmt::Debug for PageRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn pages(first: usize, count: usize) -> PageRange {
        PageRange::new(first * page_size(), (first + count) * page_size()).unwrap()
    }

    #[test]
    fn refuses_what_is_not_whole_pages() {
        let page = page_size();
        assert!(PageRange::new(page, page).is_err());
        assert!(PageRange::new(2 * page, page).is_err());
        assert!(PageRange::new(page + 1, 3 * page).is_err());
        let error = PageRange::new(page, 2 * page - 1).unwrap_err();
        assert!(error.to_string().contains("page-aligned"), "{error}");
    }

    #[test]
    fn covering_rounds_outwards() {
        let page = page_size();
        assert_eq!(PageRange::covering(page + 5, 1).unwrap(), pages(1, 1));
        assert_eq!(PageRange::covering(page + 5, page).unwrap(), pages(1, 2));
        assert!(PageRange::covering(page, 0).is_err());
        assert!(PageRange::covering(usize::MAX - 4, 100).is_err());
        assert_eq!(PageRange::of_slice::<u8>(&[]), None);
    }

    #[test]
    fn pieces_tile_the_range_and_end_on_the_alignment() {
        let page = page_size();
        let range = pages(3, 10);
        let pieces: Vec<_> = range.pieces(4 * page).collect();
        assert_eq!(pieces, [pages(3, 1), pages(4, 4), pages(8, 4), pages(12, 1)]);
    }

    #[test]
    fn intersection_is_common_pages_only() {
        assert_eq!(pages(1, 4).intersection(pages(3, 8)), Some(pages(3, 2)));
        assert_eq!(pages(1, 2).intersection(pages(3, 8)), None);
    }

    #[test]
    #[should_panic(expected = "pages 3+2")]
    fn subrange_stays_inside() {
        let _ = pages(1, 4).subrange(3, 2);
    }
}
