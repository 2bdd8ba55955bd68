//! Huge pages that were split, put together again where the program has stopped to write.
//!
//! The first store to a protected huge page has the kernel map it by base pages, and so has whatever
//! protects or unprotects a part of it. From then on a scan walks 512 entries where it walked one, in
//! every round and in the last stop, and the program needs as many entries of the TLB. The kernel does
//! not mend that by itself: it collapses no range with a protected page.
//!
//! So a chunk of old objects that no scan has found written for long is unprotected and collapsed,
//! between two cycles. Unprotected is dirty: the next scan reports all of it, and what was written there
//! meanwhile is found as ever.

use super::Pool;
use crate::dirty::{BackendKind, Tracker};
use crate::heap::geometry::CHUNK;
use crate::heap::metadata::Metadata;
use crate::os::memory::{Advice, advise};
use crate::os::pagemap::{Categories, PageFilter, PageRegion, Pagemap, ScanRequest};
use crate::os::{OsError, PageRange};

/// Minor cycles that have found nothing written in a chunk. To restore it costs about as much as some
/// hundred scans of its base pages; who has not written for so long is not likely to in the next few.
pub(super) const CALM: u8 = 16;

/// Of the chunks in use, one in so many is restored after a cycle, but some in any case: the next cycle
/// has to look at them.
const SHARE: usize = 32;
const SOME: usize = 4;

impl Pool {
    /// The chunks that are calm, no more than are worth restoring after one cycle.
    pub(crate) fn calm_chunks(&self, tracker: &Tracker) -> Vec<usize> {
        // Others split no huge pages by watching them.
        if tracker.kind() != BackendKind::Uffd || !self.chunks.has_huge_pages() {
            return Vec::new();
        }
        let most = (self.chunks.in_use().count() / SHARE).max(SOME);
        let is_calm = |number: &usize| self.chunks.get(*number).heat.calm == CALM;
        self.chunks.in_use().map(|(number, _)| number).filter(is_calm).take(most).collect()
    }

    /// Makes a chunk one huge page, if it is still calm and not one already. Returns the chunk's memory,
    /// which is unprotected now, if that was done.
    ///
    /// With the pool's lock held, so that the chunk is not handed out or given back meanwhile. No cycle
    /// is going on.
    ///
    /// # Errors
    /// What the kernel says. The memory may be unprotected, which is safe.
    pub(crate) fn restore(
        &mut self,
        number: usize,
        metadata: &Metadata,
        tracker: &Tracker,
    ) -> Result<Option<PageRange>, crate::dirty::TrackError> {
        let chunk = self.chunks.get_mut(number);
        if std::mem::take(&mut chunk.heat.calm) < CALM || chunk.armed != !0 {
            return Ok(None);
        }
        let range = metadata.geometry.chunk_range(number, 1);
        if is_huge(range)? {
            return Ok(None);
        }
        tracker.unprotect(range)?;
        self.chunks.get_mut(number).armed = 0;
        // SAFETY: the memory is the heap's own, and what is in it stays as it is.
        unsafe { advise(range, Advice::Collapse) }?;
        self.restored += 1;
        Ok(Some(range))
    }

    /// Chunks that were made huge pages again.
    pub(crate) fn restored(&self) -> usize {
        self.restored
    }
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
