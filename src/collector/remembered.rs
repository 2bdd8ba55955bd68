//! The remembered set: pages that were written, and how they are looked at again.

pub(crate) mod ledger;
pub(crate) mod rescan;
