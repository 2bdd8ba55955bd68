//! Another process that clears write marks: found out in the last stop, and made good there.
//!
//! The last scan says what was written since the last round has consumed it, unless somebody else has
//! taken that away meanwhile. So canaries are checked after it ([`Tracker::check_canaries`]): if one was
//! taken, everything is owed that has marks, as if no page had ever been protected, in the same
//! stop. When a pass began does not matter, nor when in the cycle or before it.
//!
//! That is too much for a stop, mostly, so the remark is late: what is owed is looked at while the program runs,
//! and the remark tried again. Who goes on clearing marks is found again. So that the cycle
//! ends, the last of some checks is believed in that stop, however long it takes: then
//! no protection is relied upon.
//!
//! [`Tracker::check_canaries`]: crate::dirty::Tracker::check_canaries

use super::Run;
use crate::collector::check::rules::Rule;
use crate::object::ObjectModel;
use crate::os::say;
use crate::sync::process::atomic::Ordering;

/// Checks of a cycle that may have found something and leave it to a later stop. The check after one that has
/// found something always does, so these are two more than the other process has to do with.
const TRIES: u32 = 3;

impl<M: ObjectModel> Run<'_, M> {
    /// After the last scan: owes everything if what was written may be unknown.
    pub(crate) fn heed_canaries(&mut self) {
        let (shared, rules) = (self.shared, &self.shared.rules);
        let cleared = shared.memory.tracker().check_canaries();
        if matches!(cleared, Ok(false)) || !rules.holds(Rule::HeedCanaries) {
            return;
        }
        self.report.cleared_elsewhere += 1;
        shared.ledger.owe_marked(&shared.memory, self.marking.marks, rules);
        if !shared.warned.swap(true, Ordering::Relaxed) {
            say(format_args!("{WARNING}"));
        }
    }

    /// Whether there have been so many of these that the stop is to see to everything.
    pub(crate) fn is_hopeless(&self) -> bool {
        self.report.cleared_elsewhere > TRIES
    }
}

/// Said once.
const WARNING: &str = "another process clears the write marks of this one (PAGEMAP_SCAN with \
    PM_SCAN_WP_MATCHING on its page map); each time all objects are looked at again. Probably a \
    checkpoint tool (a pre-dump of CRIU or alike), a debugger or a sampler of working sets. End it, \
    have it scan without write protection, deny it access (PR_SET_DUMPABLE 0, no ptrace rights), \
    or run with STRANDLINE_TRACKER=mprotect";
