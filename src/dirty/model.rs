//! The MMU as a data structure: page tables, one TLB for each processor, and the window between
//! protecting a page and flushing the TLBs in which a store may still land.
//!
//! For loom models and property tests of whatever is built on a tracker. The addresses of a model
//! need no memory behind them: a store is a closure that the model runs once the MMU lets it.

use std::sync::{Arc, PoisonError};

use super::backend::{BackendKind, Contract, Scan, Sight, TrackerBackend};
use super::error::TrackError;
use super::page_set::PageSet;
use crate::os::{OsError, PageRange, page_shift};
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Mutex, MutexGuard};

/// The page table of a span and the TLBs of some processors.
///
/// # The protocol that it models
///
/// A store is one instruction: it looks its page up in the processor's TLB; without a writable
/// entry it walks the page table; if the page is protected it faults and is started again. A
/// writable TLB entry is used without looking at the page table, **also after the page was
/// protected there**, until the entry is flushed. A flush reaches a processor between two
/// instructions, never within one.
///
/// The kernel's side (scan and fault) runs under the page-table lock, and a scan flushes before it
/// releases the lock, as `pagemap_scan_pmd_entry` in `fs/proc/task_mmu.c` does.
///
/// # Threads
/// Each processor belongs to one thread; the kernel's side may be called by any.
#[derive(Debug)]
pub struct ModelMmu {
    span: PageRange,
    /// The page-table entries: whether a page may be written.
    writable: Box<[AtomicBool]>,
    page_table_lock: Mutex<()>,
    /// Which pages each processor has a writable TLB entry for. Held for one instruction, which is
    /// what makes a flush wait for the end of it.
    tlbs: Box<[Mutex<Box<[bool]>>]>,
    flushes: bool,
}

impl ModelMmu {
    /// A page table with every page of `span` writable, and `processors` empty TLBs.
    #[must_use]
    pub fn new(span: PageRange, processors: usize) -> Self {
        Self {
            span,
            writable: (0..span.pages()).map(|_| AtomicBool::new(true)).collect(),
            page_table_lock: Mutex::new(()),
            tlbs: (0..processors).map(|_| Mutex::new(vec![false; span.pages()].into())).collect(),
            flushes: true,
        }
    }

    /// A kernel that forgets to flush: the negative control of every model on top of this one.
    #[must_use]
    pub fn without_flush(span: PageRange, processors: usize) -> Self {
        Self { flushes: false, ..Self::new(span, processors) }
    }

    /// Runs `store` as a store to `address` on `processor`; a protected page faults first, and the
    /// kernel makes it writable (asynchronous mode).
    ///
    /// # Panics
    /// When there is no such processor, or `address` is outside the span.
    pub fn store<R>(&self, processor: usize, address: usize, store: impl FnOnce() -> R) -> R {
        self.store_and_account(processor, address, store, || ())
    }

    /// As [`store`](Self::store), with what the kernel does when it has resolved a fault, before the
    /// store is started again.
    pub(crate) fn store_and_account<R>(
        &self,
        processor: usize,
        address: usize,
        store: impl FnOnce() -> R,
        account: impl Fn(),
    ) -> R {
        self.store_or_fault(processor, address, store, |page| {
            let lock = lock(&self.page_table_lock);
            self.writable[page].store(true, Ordering::Relaxed);
            drop(lock);
            account();
        })
    }

    /// As [`store`](Self::store), with the caller's way of resolving a fault on a page (its index
    /// in the span): a signal handler.
    pub(super) fn store_or_fault<R>(
        &self,
        processor: usize,
        address: usize,
        store: impl FnOnce() -> R,
        fault: impl Fn(usize),
    ) -> R {
        let page = self.page(address);
        loop {
            let mut tlb = lock(&self.tlbs[processor]);
            if tlb[page] || self.writable[page].load(Ordering::Relaxed) {
                tlb[page] = true;
                return store();
            }
            drop(tlb);
            fault(page);
        }
    }

    /// The kernel's side of `mprotect`: sets the access of all pages, then flushes.
    #[cfg(all(test, loom))]
    pub(super) fn protect(&self, range: PageRange, writable: bool) {
        let _lock = lock(&self.page_table_lock);
        for page in self.pages(range) {
            self.writable[page].store(writable, Ordering::Relaxed);
        }
        self.flush();
    }

    /// The writable pages of `range`; with `protect` it also protects them, and flushes before it
    /// returns.
    fn scan(&self, range: PageRange, protect: bool) -> Vec<PageRange> {
        let _lock = lock(&self.page_table_lock);
        let mut found = Vec::new();
        for page in self.pages(range) {
            if self.writable[page].load(Ordering::Relaxed) {
                if protect {
                    self.writable[page].store(false, Ordering::Relaxed);
                }
                found.push(self.span.subrange(page, 1));
            }
        }
        if protect {
            self.flush();
        }
        found
    }

    fn flush(&self) {
        if self.flushes {
            for tlb in &self.tlbs {
                lock(tlb).fill(false);
            }
        }
    }

    fn page(&self, address: usize) -> usize {
        assert!(self.span.contains(address), "{address:#x} is outside the model {}", self.span);
        (address - self.span.start()) >> page_shift()
    }

    fn pages(&self, range: PageRange) -> std::ops::Range<usize> {
        let first = self.page(range.start());
        first..first + range.pages()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The back-end on a [`ModelMmu`].
#[derive(Debug)]
pub struct Model {
    mmu: Arc<ModelMmu>,
}

impl Model {
    /// Watches the stores that go through `mmu`.
    #[must_use]
    pub fn new(mmu: Arc<ModelMmu>) -> Self {
        Self { mmu }
    }

    fn scan(&self, range: PageRange, protect: bool, into: &PageSet) -> Scan {
        let (mut scan, mut last) = (Scan::default(), None);
        for page in self.mmu.scan(range, protect) {
            into.insert(page);
            scan.pages += 1;
            scan.runs += usize::from(last.replace(page.end()) != Some(page.start()));
        }
        scan
    }
}

// SAFETY: pages start writable, which is dirty (clause 1). A scan inserts what it protects and
// flushes the TLBs before it returns (clauses 2 and 3); loom checks that.
unsafe impl TrackerBackend for Model {
    fn kind(&self) -> BackendKind {
        BackendKind::Model
    }

    fn contract(&self) -> Contract {
        const NOT_MODELLED: &str = "only ModelMmu::store is modelled";
        Contract {
            stores: Sight::Seen,
            kernel_writes: Sight::Unseen(NOT_MODELLED),
            device_writes: Sight::Unseen(NOT_MODELLED),
            discards: Sight::Unseen(NOT_MODELLED),
            aliases: Sight::Unseen(NOT_MODELLED),
            cleared_elsewhere: Sight::Unseen(NOT_MODELLED),
            precise: true,
        }
    }

    unsafe fn register(&self, range: PageRange) -> Result<(), TrackError> {
        Ok(self.unprotect(range)?)
    }

    fn unregister(&self, range: PageRange) -> Result<(), OsError> {
        self.unprotect(range)
    }

    fn consume(&self, range: PageRange, owed: &PageSet) -> Result<Scan, OsError> {
        Ok(self.scan(range, true, owed))
    }

    fn peek(&self, range: PageRange, found: &PageSet) -> Result<Scan, OsError> {
        Ok(self.scan(range, false, found))
    }

    fn protect(&self, range: PageRange) -> Result<(), OsError> {
        self.mmu.scan(range, true);
        Ok(())
    }

    fn unprotect(&self, range: PageRange) -> Result<(), OsError> {
        let _lock = lock(&self.mmu.page_table_lock);
        for page in self.mmu.pages(range) {
            self.mmu.writable[page].store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// The page table is ordinary memory, so the child has its own copy of it.
    fn adopt(&mut self, _registered: &[PageRange]) -> Result<(), TrackError> {
        Ok(())
    }
}

#[cfg(all(test, loom))]
mod loom_tests;
