//! Huge pages that were split, put together again where the program has stopped to write.
//!
//! The first store to a protected huge page has the kernel map it by base pages, and so has whatever
//! protects or unprotects a part of it. From then on a scan walks 512 entries where it walked one, in
//! every round and in the last stop, and the program needs as many entries of the TLB. The kernel does
//! not mend that by itself: it collapses no range with a protected page.
//!
//! So a chunk of old objects that no scan has found written for long is unprotected after a cycle, and
//! the sweeper has it collapsed when it has nothing else to do. Unprotected is dirty: the next scan reports
//! all of it, and what was written there meanwhile is found as ever.

use super::Pool;
use crate::dirty::{BackendKind, TrackError, Tracker};
use crate::heap::chunk::CALM;
use crate::heap::geometry::CHUNK;
use crate::heap::metadata::Metadata;
use crate::os::memory::{Advice, advise};
use crate::os::pagemap::{Categories, PageFilter, PageRegion, Pagemap, ScanRequest};
use crate::os::{OsError, PageRange};

/// Of the chunks in use, one in so many is restored after a cycle, but some in any case: the next cycle
/// has to look at them.
const SHARE: usize = 32;
const SOME: usize = 4;

/// What is being made of split huge pages.
#[derive(Debug, Default)]
pub(super) struct Restoring {
    /// Memory that is unprotected, to be collapsed, and whether somebody is at it.
    waiting: Vec<PageRange>,
    under_way: bool,
    /// Chunks that were made huge pages again.
    restored: usize,
}

impl Pool {
    /// After a cycle: unprotects calm chunks that are not huge pages, no more than are worth restoring at
    /// a time, and takes note that they are to be collapsed. Returns whether there are any.
    ///
    /// # Errors
    /// What the kernel says.
    pub(crate) fn unprotect_calm(
        &mut self,
        metadata: &Metadata,
        tracker: &Tracker,
    ) -> Result<bool, TrackError> {
        self.restoring.waiting.clear();
        // Others split no huge pages by watching them.
        if tracker.kind() != BackendKind::Uffd || !self.chunks.has_huge_pages() {
            return Ok(false);
        }
        let most = (self.chunks.in_use().count() / SHARE).max(SOME);
        let is_calm = |number: &usize| self.chunks.get(*number).heat.calm == CALM;
        let numbers = self.chunks.in_use().map(|(number, _)| number).filter(is_calm);
        let calm: Vec<_> = numbers.take(most).collect();
        let mut split: Vec<PageRange> = Vec::new();
        for number in calm {
            let (chunk, range) =
                (self.chunks.get_mut(number), metadata.geometry.chunk_range(number, 1));
            chunk.heat.calm = 0;
            if chunk.armed != !0 || is_huge(range)? {
                continue;
            }
            chunk.armed = 0;
            match split.last_mut() {
                Some(run) if run.end() == range.start() => {
                    *run = PageRange::new(run.start(), range.end()).expect("both are whole pages");
                }
                _ => split.push(range),
            }
        }
        for &range in &split {
            tracker.unprotect(range)?;
        }
        self.restoring.waiting = split;
        Ok(!self.restoring.waiting.is_empty())
    }

    /// Memory that is to be collapsed, which the caller does.
    pub(crate) fn next_to_collapse(&mut self) -> Option<PageRange> {
        let next = self.restoring.waiting.pop();
        self.restoring.under_way = next.is_some();
        next
    }

    /// Takes note of what came of a range, which the kernel was asked to collapse.
    pub(crate) fn collapsed(&mut self, range: PageRange) {
        let huge = |chunk: &PageRange| is_huge(*chunk).unwrap_or(false);
        self.restoring.under_way = false;
        self.restoring.restored += range.pieces(CHUNK).filter(huge).count();
    }

    #[cfg(all(test, not(loom)))]
    pub(crate) fn is_restoring(&self) -> bool {
        self.restoring.under_way || !self.restoring.waiting.is_empty()
    }

    /// Chunks that were made huge pages again.
    pub(crate) fn restored(&self) -> usize {
        self.restoring.restored
    }
}

/// Asks the kernel to make huge pages of a heap's memory, without any lock: to let other processors come
/// along takes the kernel milliseconds where they are busy.
///
/// Whatever becomes of the memory meanwhile, its contents stay. What is protected again is refused, and so
/// is what was given back.
pub(crate) fn collapse(range: PageRange) {
    // SAFETY: the addresses are the heap's own until its end, and what is there stays as it is.
    let _ = unsafe { advise(range, Advice::Collapse) };
}

/// Whether the pages of a chunk are one huge page.
fn is_huge(chunk: PageRange) -> Result<bool, OsError> {
    debug_assert_eq!(chunk.bytes(), CHUNK);
    let filter = PageFilter {
        required: Categories::HUGE,
        excluded: Categories::empty(),
        any_of: Categories::empty(),
    };
    let request = ScanRequest { range: chunk, filter, report: Categories::HUGE, max_pages: 0 };
    let mut slot = [const { std::mem::MaybeUninit::<PageRegion>::uninit() }; 1];
    let pagemap = Pagemap::open()?;
    let step = pagemap.get(&request, &mut slot)?;
    Ok(step.regions.first().is_some_and(|region| region.range() == chunk))
}
