//! Huge pages that are put together again between two cycles, while the program writes to them.

use super::program::{Program, Until, set};
use crate::collector::Scope;
use crate::collector::check::rules::{Moment, Rule};

/// More cycles than a chunk has to be calm for.
const CYCLES: usize = 24;

/// Programs of which one must have chunks restored.
const ATTEMPTS: usize = 8;

/// Splits the program's huge pages and leaves them alone. When the first ones are being restored, there
/// and elsewhere the only references to new objects are stored. Returns the first complaint.
fn write_to_what_is_restored(program: &mut Program) -> Option<String> {
    program.dirty_all_but_the_last();
    let mut stored = false;
    for _ in 0..CYCLES {
        let result = program.cycle(Scope::Minor, |program, progress| {
            if progress.moment == Moment::Restoring && !stored {
                for old in program.some_old() {
                    let object = program.fresh();
                    set(old, 1, object);
                }
                stored = true;
            }
            Until::Parked
        });
        if let Err(complaint) = result {
            return Some(complaint);
        }
        // The next cycle would be in the way of the sweeper.
        while program.heap.shared.memory.pool().is_restoring() {
            std::thread::yield_now();
        }
    }
    assert!(stored, "no huge page was restored in {CYCLES} cycles");
    None
}

/// Whether this kernel has huge pages; says so if not.
fn has_huge_pages() -> bool {
    let has = std::path::Path::new("/sys/kernel/mm/transparent_hugepage").exists();
    if !has {
        println!("not run: this kernel has no transparent huge pages");
    }
    has
}

#[test]
fn huge_pages_are_restored_where_nothing_is_written() {
    if !has_huge_pages() {
        return;
    }
    // The kernel collapses nothing that a child shares, and other tests fork.
    let restores = (0..ATTEMPTS).any(|_| {
        let mut program = Program::new();
        assert_eq!(write_to_what_is_restored(&mut program), None);
        let restored = program.heap.stats().restored_huge_pages;
        assert!(restored <= 8, "{restored} of some six chunks were restored");
        restored > 0
    });
    assert!(restores, "no chunk was restored in {ATTEMPTS} programs");
}

#[test]
fn control_what_is_restored_is_dirty() {
    if !has_huge_pages() {
        return;
    }
    let mut program = Program::new().without(Rule::RestoredIsDirty);
    let complaint = write_to_what_is_restored(&mut program);
    let complaint = complaint.expect("without the rule a store is lost");
    assert!(complaint.contains("is reachable and not marked"), "{complaint}");
}
