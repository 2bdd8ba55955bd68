//! The rules that keep a concurrent cycle from losing an object, by name.
//!
//! In the product they hold, and asking costs nothing. In test builds each can be broken, to see
//! that the verifier complains then (`controls`), and a test can act at the moments between phases.

/// What a cycle must do, each for a reason of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// What a consuming scan reports is owed.
    OweReported,
    /// What a scan leaves out is owed.
    OweLeftOut,
    /// What is not protected is owed where the last scan does not ask for it.
    OweUnprotected,
    /// What was not looked at in time, of the pages taken from the ledger, is owed again.
    OweUnfinished,
    /// Of a page taken from the ledger, the object that reaches into it is looked at, too.
    LookInFull,
    /// Marking ends after a last scan in the same stop.
    LastScan,
    /// If another process has cleared write marks, everything is owed in the last stop.
    HeedCanaries,
    /// Marking ends when nothing is owed and nothing is left over.
    NothingLeft,
    /// The page of a slot is owed that refers to an object in an owned block.
    OweSkipped,
    /// Roots are found again in the last stop.
    RootsAgain,
    /// External objects are looked at in the last stop.
    LookAtExternal,
    /// A word that may be anything is no reference into an owned block.
    RetiredOnly,
    /// A checked visit follows a word only if an object begins there.
    CheckStart,
    /// Of a large object, the words beside a dirty page are looked at, too.
    LookBeside,
    /// A scan is about every block with a marked object, also when it is new.
    ScanMarked,
    /// What was unprotected to restore a huge page is dirty until a cycle has consumed it.
    RestoredIsDirty,
    /// Dirty pages are forgiven only where nothing can have been marked before the scan.
    ForgiveNew,
    /// In a forked child, everything is owed that a cycle may have consumed which was cut off.
    OweCutOff,
    /// In a forked child, the next marks are cleared, which a cycle may have filled that was cut off.
    ClearCutOff,
    /// In a forked child, every cell of the side tables is looked at that a cycle may have looked at
    /// which was cut off.
    ListCutOff,
    /// What was made or changed in the side tables is looked at in the last stop.
    SettleAgain,
    /// References to what was not found are cleared before its memory is used again.
    ClearDead,
    /// Nothing is cleared before marking is complete.
    DecideLast,
    /// What a guardian was handed is alive.
    KeepHanded,
    /// The value of an ephemeron is not looked at in an owned block.
    RetiredValues,
}

/// When a test may act; the world is running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Before the first stop.
    Starting,
    /// Before dirty pages are consumed.
    Consuming,
    /// After a concurrent trace.
    Traced,
    /// Before the stop that may be the last.
    Remarking,
    /// After a cycle, when what is to be a huge page again was unprotected.
    Restoring,
    /// Between asking whether a word refers to a retired block, and finding the object there.
    Resolving,
}

pub(crate) use imp::Rules;

#[cfg(not(test))]
mod imp {
    use super::{Moment, Rule};
    use crate::os::PageRange;

    /// All rules.
    #[derive(Debug, Default)]
    pub(crate) struct Rules(());

    impl Rules {
        #[inline(always)]
        pub(crate) fn holds(&self, _: Rule) -> bool {
            true
        }

        #[inline(always)]
        pub(crate) fn reached(&self, _: Moment) {}

        #[inline(always)]
        pub(crate) fn leaves_out(&self) -> Option<PageRange> {
            None
        }

        #[inline(always)]
        pub(crate) fn is_interrupted(&self, _: PageRange) -> bool {
            false
        }
    }
}

#[cfg(test)]
mod imp {
    use std::sync::{Mutex, PoisonError};

    use super::{Moment, Rule};
    use crate::os::PageRange;

    type Hook = Box<dyn FnMut(Moment) + Send>;

    /// All rules but the one that a test has broken.
    #[derive(Default)]
    pub(crate) struct Rules {
        pub(crate) broken: Mutex<Option<Rule>>,
        pub(crate) hook: Mutex<Option<Hook>>,
        /// Pages that scans are to leave out.
        pub(crate) left_out: Mutex<Option<PageRange>>,
        /// An address, and in how many stops the time is to be up when it is its page's turn.
        pub(crate) interrupted: Mutex<(usize, u32)>,
    }

    impl Rules {
        pub(crate) fn holds(&self, rule: Rule) -> bool {
            *self.broken.lock().unwrap_or_else(PoisonError::into_inner) != Some(rule)
        }

        pub(crate) fn reached(&self, moment: Moment) {
            // Not with the lock held: the hook waits, and a child that is forked meanwhile has none.
            let lock = || self.hook.lock().unwrap_or_else(PoisonError::into_inner);
            let hook = lock().take();
            if let Some(mut hook) = hook {
                hook(moment);
                lock().get_or_insert(hook);
            }
        }

        pub(crate) fn leaves_out(&self) -> Option<PageRange> {
            *self.left_out.lock().unwrap_or_else(PoisonError::into_inner)
        }

        pub(crate) fn is_interrupted(&self, pages: PageRange) -> bool {
            let mut interrupted = self.interrupted.lock().unwrap_or_else(PoisonError::into_inner);
            let (address, times) = &mut *interrupted;
            let here = *times > 0 && (pages.start()..pages.end()).contains(address);
            *times -= u32::from(here);
            here
        }
    }
}
