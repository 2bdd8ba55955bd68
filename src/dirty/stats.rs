//! Running totals of a tracker.

use std::fmt;
use std::time::Duration;

use super::backend::Scan;
use crate::sync::process::atomic::{AtomicU64, Ordering::Relaxed};

/// What a tracker has done since it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Consuming scans.
    pub consumes: u64,
    /// Scans that only looked.
    pub peeks: u64,
    /// Scans that failed and counted their whole range as dirty.
    pub failures: u64,
    /// Checks that found that another process had cleared write marks, or could not tell
    /// ([`Tracker::check_canaries`](super::Tracker::check_canaries)).
    pub cleared_elsewhere: u64,
    /// Dirty pages that consuming scans reported. With a back-end that protects pages each was at
    /// most one fault since the scan before.
    pub pages: u64,
    /// The ranges that they came in.
    pub runs: u64,
    /// Pages that consuming scans reported and left unprotected.
    pub unarmed_pages: u64,
    /// Pages that were protected without asking which of them were dirty.
    pub protected_pages: u64,
    /// Pages that were unprotected in bulk.
    pub unprotected_pages: u64,
    /// Calls to the kernel by scans.
    pub kernel_calls: u64,
    /// Time in these calls.
    pub in_kernel: Duration,
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} consuming and {} looking scans ({} failed): {} dirty pages in {} ranges, {} left \
             unprotected; {} pages protected without asking, {} unprotected in bulk; {:.3} ms in {} \
             calls to the kernel",
            self.consumes,
            self.peeks,
            self.failures,
            self.pages,
            self.runs,
            self.unarmed_pages,
            self.protected_pages,
            self.unprotected_pages,
            self.in_kernel.as_secs_f64() * 1e3,
            self.kernel_calls,
        )?;
        match self.cleared_elsewhere {
            0 => Ok(()),
            times => write!(f, "; {times} times another process had cleared write marks"),
        }
    }
}

/// [`Stats`] as counters. They order nothing, so they are not part of any model.
#[derive(Debug, Default)]
pub(super) struct Counters {
    consumes: AtomicU64,
    peeks: AtomicU64,
    failures: AtomicU64,
    cleared_elsewhere: AtomicU64,
    pages: AtomicU64,
    runs: AtomicU64,
    unarmed_pages: AtomicU64,
    protected_pages: AtomicU64,
    unprotected_pages: AtomicU64,
    kernel_calls: AtomicU64,
    in_kernel_ns: AtomicU64,
}

impl Counters {
    pub(super) fn consumed(&self, scan: &Scan) {
        self.consumes.fetch_add(1, Relaxed);
        self.pages.fetch_add(scan.pages as u64, Relaxed);
        self.runs.fetch_add(scan.runs as u64, Relaxed);
        self.unarmed_pages.fetch_add(scan.unarmed_pages as u64, Relaxed);
        self.in_kernel(scan);
    }

    pub(super) fn peeked(&self, scan: &Scan) {
        self.peeks.fetch_add(1, Relaxed);
        self.in_kernel(scan);
    }

    pub(super) fn failed(&self) {
        self.failures.fetch_add(1, Relaxed);
    }

    pub(super) fn cleared_elsewhere(&self) {
        self.cleared_elsewhere.fetch_add(1, Relaxed);
    }

    pub(super) fn protected(&self, pages: usize) {
        self.protected_pages.fetch_add(pages as u64, Relaxed);
    }

    pub(super) fn unprotected(&self, pages: usize) {
        self.unprotected_pages.fetch_add(pages as u64, Relaxed);
    }

    fn in_kernel(&self, scan: &Scan) {
        self.kernel_calls.fetch_add(scan.kernel_calls as u64, Relaxed);
        let ns = u64::try_from(scan.in_kernel.as_nanos()).unwrap_or(u64::MAX);
        self.in_kernel_ns.fetch_add(ns, Relaxed);
    }

    pub(super) fn read(&self) -> Stats {
        Stats {
            consumes: self.consumes.load(Relaxed),
            peeks: self.peeks.load(Relaxed),
            failures: self.failures.load(Relaxed),
            cleared_elsewhere: self.cleared_elsewhere.load(Relaxed),
            pages: self.pages.load(Relaxed),
            runs: self.runs.load(Relaxed),
            unarmed_pages: self.unarmed_pages.load(Relaxed),
            protected_pages: self.protected_pages.load(Relaxed),
            unprotected_pages: self.unprotected_pages.load(Relaxed),
            kernel_calls: self.kernel_calls.load(Relaxed),
            in_kernel: Duration::from_nanos(self.in_kernel_ns.load(Relaxed)),
        }
    }
}
