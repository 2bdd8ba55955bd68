//! GET + WP against a storing mutator: no store may be missed by a reader that visits each
//! reported page after the scan has returned.

use loom::sync::atomic::AtomicUsize;

use super::*;
use crate::os::page_size;
use crate::sync::model::{check, refute};

/// Makes pages clean; whether the page is to be visited then.
type Scan = fn(&Model, PageRange) -> bool;

fn consume(model: &Model, span: PageRange) -> bool {
    let owed = PageSet::new(span);
    model.consume(span, &owed).unwrap();
    owed.contains(span.start())
}

/// Who protects without asking visits everything.
fn protect(model: &Model, span: PageRange) -> bool {
    model.protect(span).unwrap();
    true
}

/// Who protects without asking and visits nothing.
fn protect_and_forget(model: &Model, span: PageRange) -> bool {
    !protect(model, span)
}

/// Two stores to a page race with `first`; then the world stops and a last scan is made. What the
/// visits saw last must be what is there.
fn every_store_is_visited(mmu: fn(PageRange, usize) -> ModelMmu, first: Scan) {
    let span = PageRange::new(page_size(), 2 * page_size()).unwrap();
    let mmu = Arc::new(mmu(span, 1));
    let model = Model::new(Arc::clone(&mmu));
    let slot = loom::sync::Arc::new(AtomicUsize::new(0));
    let mut visited = 0;
    let mut scan_and_visit = |scan: Scan| {
        if scan(&model, span) {
            visited = slot.load(Ordering::Relaxed);
        }
    };
    let mutator = loom::thread::spawn({
        let (mmu, slot) = (Arc::clone(&mmu), loom::sync::Arc::clone(&slot));
        move || {
            for value in 1..=2 {
                mmu.store(0, span.start(), || slot.store(value, Ordering::Relaxed));
            }
        }
    });
    scan_and_visit(first);
    mutator.join().unwrap();
    scan_and_visit(consume);
    assert_eq!(visited, 2, "a store landed on a page that no later scan reported");
}

const LOST: &str = "that no later scan reported";

#[test]
fn loom_no_store_escapes_get_and_protect() {
    check(None, || every_store_is_visited(ModelMmu::new, consume));
}

#[test]
fn loom_no_store_escapes_protect() {
    check(None, || every_store_is_visited(ModelMmu::new, protect));
}

#[test]
fn loom_control_a_scan_without_tlb_flush_is_refuted() {
    refute(LOST, None, || every_store_is_visited(ModelMmu::without_flush, consume));
}

#[test]
fn loom_control_protect_without_tlb_flush_is_refuted() {
    refute(LOST, None, || every_store_is_visited(ModelMmu::without_flush, protect));
}

#[test]
fn loom_control_protect_without_a_visit_is_refuted() {
    refute(LOST, None, || every_store_is_visited(ModelMmu::new, protect_and_forget));
}
