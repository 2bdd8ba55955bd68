//! Canaries: pages that tell when somebody else clears write marks.
//!
//! Who may trace this process may scan it as its tracker does (`PAGEMAP_SCAN` with
//! `PM_SCAN_WP_MATCHING`), and what such a scan reports is clean afterwards. The tracker never hears of
//! those writes. The kernel keeps no record of who protected a page, so the tracker keeps pages that
//! nobody protects: a canary is written once and no scan of the tracker's own is about it, so it is
//! dirty for as long as it is left alone. A canary that is found clean was taken by somebody else.
//!
//! **What is found.** Say that the other process takes page `p` and canary `c` in one pass, in
//! whatever pieces, and that the tracker scans `p` and checks `c` after that.
//!
//! | when the pass takes `c` | |
//! |---|---|
//! | after the last check, before this one | found by this check. No moment is left out: a canary is not consumed, so there is nothing to write again after a scan |
//! | before the last check, and `p` after it | found: a check that follows one that has found something says the same |
//! | after this check, and `p` before it | found by the next check, which is too late |
//!
//! The kernel walks addresses upwards. So a canary below `p` is taken before `p` and the third line
//! needs somebody who goes downwards in pieces; where there is a canary on either side of `p`, nobody
//! gets into it. The second line fails for a pass that lasts longer than two checks and has no canary behind
//! `p`.
//!
//! **What is not found**: who takes pages and no canary. Canaries are as far apart as whoever
//! places them likes; a pass over a shorter part may lie between two.

use crate::dirty::{PageSet, TrackerBackend};
use crate::os::{OsError, PageRange};
use crate::sync::process::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

/// The canaries of a tracker.
#[derive(Debug, Default)]
pub(super) struct Canaries {
    /// In address order.
    pages: Vec<PageRange>,
    /// Whether the last check has found one clean, or one was when it was removed.
    alarmed: AtomicBool,
}

impl Canaries {
    /// Adds a page, which is registered and nobody else's.
    pub(super) fn insert(&mut self, page: PageRange) {
        let at = self.pages.partition_point(|known| known.start() < page.start());
        if self.pages.get(at) != Some(&page) {
            self.pages.insert(at, page);
        }
        write(page);
    }

    /// Ends those in `range`. The next check is told if one of them was clean.
    pub(super) fn remove_in(&mut self, range: PageRange, backend: &dyn TrackerBackend) {
        for page in self.pages.extract_if(.., |page| page.intersection(range).is_some()) {
            *self.alarmed.get_mut() |= is_clean(page, backend).unwrap_or(true);
        }
    }

    /// The parts of `range` between its canaries.
    pub(super) fn between(&self, range: PageRange) -> impl Iterator<Item = PageRange> {
        let first = self.pages.partition_point(|page| page.end() <= range.start());
        let within = self.pages[first..].iter().take_while(move |page| page.start() < range.end());
        let starts = std::iter::once(range.start()).chain(within.clone().map(|page| page.end()));
        let ends = within.map(|page| page.start()).chain(std::iter::once(range.end()));
        starts.zip(ends).filter_map(|(start, end)| PageRange::new(start, end).ok())
    }

    /// Whether this check or the one before has found one clean. All are dirty afterwards.
    pub(super) fn check(&self, backend: &dyn TrackerBackend) -> Result<bool, OsError> {
        let mut clean = false;
        for &page in &self.pages {
            if is_clean(page, backend).inspect_err(|_| self.alarmed.store(true, Relaxed))? {
                clean = true;
                write(page);
            }
        }
        Ok(self.alarmed.swap(clean, Relaxed) || clean)
    }
}

fn is_clean(page: PageRange, backend: &dyn TrackerBackend) -> Result<bool, OsError> {
    let found = PageSet::new(page);
    backend.peek(page, &found)?;
    Ok(found.is_empty())
}

/// Makes a canary dirty.
fn write(page: PageRange) {
    let word = page.as_ptr().cast::<usize>();
    // SAFETY: who placed the canary promises that the page is mapped, writable and the tracker's alone;
    // a page is aligned for a word. Threads that check at the same time write the same.
    unsafe { AtomicUsize::from_ptr(word) }.store(0, Relaxed);
}
