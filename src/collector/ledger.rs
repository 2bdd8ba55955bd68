//! The ledger of dirty pages: the only place where they are consumed.
//!
//! There is one way to lose an object: to consume a dirty page and not to look at the marked
//! objects on it afterwards. So:
//!
//! 1. what a consuming scan reports is owed before anything else happens, and so is the whole range
//!    of a scan that failed (the tracker sees to both);
//! 2. what a scan leaves out is owed: blocks that a mutator owns;
//! 3. a page is taken from the ledger to be looked at in full; when time is up in the middle it goes
//!    back.
//!
//! The fourth rule, that marking ends only in a stop, with nothing owed after a last scan made in
//! that stop, is the cycle's ([`cycle`](super::cycle)).

use super::rules::{Rule, Rules};
use crate::dirty::PageSet;
use crate::heap::{Memory, Watched};
use crate::os::PageRange;

/// The pages that the collector has to look at again.
#[derive(Debug)]
pub(super) struct Ledger {
    owed: PageSet,
}

impl Ledger {
    pub(super) fn new(span: PageRange) -> Self {
        Self { owed: PageSet::new(span) }
    }

    /// The pages, for those who find something to look at again.
    pub(super) fn owed(&self) -> &PageSet {
        &self.owed
    }

    /// Whether no page is owed.
    pub(super) fn is_empty(&self) -> bool {
        self.owed.is_empty()
    }

    /// Consumes what was written (GET + WP); the pages are clean from now on. Returns how many
    /// pages were dirty.
    pub(super) fn consume(&self, memory: &Memory, rules: &Rules) -> usize {
        let watched = memory.pool().watched(true, &memory.metadata);
        let forgotten = (!rules.holds(Rule::OweReported)).then(|| PageSet::new(self.owed.span()));
        let owed = forgotten.as_ref().unwrap_or(&self.owed);
        self.scan(watched, rules, |range| {
            memory.tracker().consume(range, owed).map(|scan| scan.pages)
        })
    }

    /// Adds what was written and leaves it dirty (GET): for a stop, which is thus spared the TLB
    /// flushes. Nothing may be owned.
    pub(super) fn peek(&self, memory: &Memory, rules: &Rules) -> usize {
        let watched = memory.pool().watched(false, &memory.metadata);
        debug_assert!(watched.owned.is_empty(), "a scan in a stop with blocks owned");
        self.scan(watched, rules, |range| {
            memory.tracker().peek(range, &self.owed).map(|scan| scan.pages)
        })
    }

    fn scan(
        &self,
        mut watched: Watched,
        rules: &Rules,
        scan: impl Fn(PageRange) -> Result<usize, crate::dirty::TrackError>,
    ) -> usize {
        if let Some(left_out) = rules.leaves_out() {
            watched.leave_out(left_out);
        }
        let mut dirty = 0;
        for range in watched.quiet {
            match scan(range) {
                Ok(pages) => dirty += pages,
                Err(error) => {
                    debug_assert!(!error.refused_arguments(), "{error}");
                    // All of the range is owed: slow, and nothing is lost.
                    self.owed.insert(range);
                    dirty += range.pages();
                }
            }
        }
        if rules.holds(Rule::OweLeftOut) {
            watched.owned.into_iter().for_each(|range| self.owed.insert(range));
        }
        dirty
    }

    /// In a forked child: owes all of `watched`, whatever a cycle that was cut off had consumed, and
    /// whatever of this set it was about to change.
    pub(super) fn owe_all(&self, watched: Watched) {
        self.owed.clear();
        watched.quiet.into_iter().chain(watched.owned).for_each(|range| self.owed.insert(range));
    }

    /// Takes every owed page and passes it to `look`, in address order, as ranges. What `look`
    /// does not get done (it says so by false) is owed again.
    pub(super) fn take(&self, rules: &Rules, mut look: impl FnMut(PageRange) -> bool) {
        let mut in_time = true;
        self.owed.take_in(self.owed.span(), |range| {
            in_time = in_time && look(range);
            if !in_time && rules.holds(Rule::OweUnfinished) {
                self.owed.insert(range);
            }
        });
    }
}
