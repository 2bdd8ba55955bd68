//! The fallback that is always right: every page is always dirty.
//!
//! A collector on it traces with the world stopped; a checkpoint on it writes everything.

use super::backend::{BackendKind, Contract, Scan, Sight, TrackerBackend};
use super::error::TrackError;
use super::page_set::PageSet;
use crate::os::{OsError, PageRange};

/// The back-end that knows nothing and therefore owes everything.
#[derive(Debug, Default)]
pub struct AllDirty;

// SAFETY: no page is ever clean, so every clause holds.
unsafe impl TrackerBackend for AllDirty {
    fn kind(&self) -> BackendKind {
        BackendKind::AllDirty
    }

    fn contract(&self) -> Contract {
        Contract {
            stores: Sight::Seen,
            kernel_writes: Sight::Seen,
            device_writes: Sight::Seen,
            discards: Sight::Seen,
            aliases: Sight::Seen,
            cleared_elsewhere: Sight::Seen,
            precise: false,
        }
    }

    unsafe fn register(&self, _range: PageRange) -> Result<(), TrackError> {
        Ok(())
    }

    fn unregister(&self, _range: PageRange) -> Result<(), OsError> {
        Ok(())
    }

    fn consume(&self, range: PageRange, owed: &PageSet) -> Result<Scan, OsError> {
        owed.insert(range);
        Ok(Scan { unarmed_pages: range.pages(), ..Scan::found(range) })
    }

    fn peek(&self, range: PageRange, found: &PageSet) -> Result<Scan, OsError> {
        found.insert(range);
        Ok(Scan::found(range))
    }

    fn protect(&self, _range: PageRange) -> Result<(), OsError> {
        Ok(())
    }

    fn unprotect(&self, _range: PageRange) -> Result<(), OsError> {
        Ok(())
    }

    fn adopt(&mut self, _registered: &[PageRange]) -> Result<(), TrackError> {
        Ok(())
    }
}
