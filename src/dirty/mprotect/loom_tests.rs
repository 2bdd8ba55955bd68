//! Two storing threads against a scanner, with the MMU modelled and the fault lock as a mutex.

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::sync::{Arc, Mutex};

use super::*;
use crate::dirty::ModelMmu;
use crate::os::page_size;
use crate::sync::model::{check, refute};

impl PageTable for ModelMmu {
    type Error = std::convert::Infallible;

    fn set_writable(&self, range: PageRange, writable: bool) -> Result<(), Self::Error> {
        self.protect(range, writable);
        Ok(())
    }
}

const LOST: &str = "that no later scan reported";

struct World {
    mmu: ModelMmu,
    shadow: Shadow,
    fault_lock: Mutex<()>,
    slots: [AtomicUsize; 2],
    span: PageRange,
    /// Off in the negative control.
    handler_locks: bool,
}

impl World {
    fn new(handler_locks: bool) -> Self {
        let span = PageRange::new(page_size(), 2 * page_size()).unwrap();
        let world = Self {
            mmu: ModelMmu::new(span, 2),
            shadow: Shadow::new(span),
            fault_lock: Mutex::new(()),
            slots: [AtomicUsize::new(0), AtomicUsize::new(0)],
            span,
            handler_locks,
        };
        world.shadow.register(span);
        world
    }

    fn store(&self, thread: usize) {
        let store = || self.slots[thread].store(1, Ordering::Relaxed);
        self.mmu.store_or_fault(thread, self.span.start(), store, |_| {
            let _held = self.handler_locks.then(|| self.fault_lock.lock().unwrap());
            assert!(self.shadow.resolve_fault(self.span, &self.mmu).is_some());
        });
    }

    /// What a visit of the page sees, if a scan reports it.
    fn scan_and_visit(&self, visited: &mut [usize; 2]) {
        let owed = PageSet::new(self.span);
        {
            let _held = self.fault_lock.lock().unwrap();
            self.shadow.consume(self.span, &owed, &self.mmu);
        }
        if owed.contains(self.span.start()) {
            *visited = self.slots.each_ref().map(|slot| slot.load(Ordering::Relaxed));
        }
    }

    /// What a visit sees after the page was protected without asking.
    fn protect_and_visit(&self, visited: &mut [usize; 2]) {
        {
            let _held = self.fault_lock.lock().unwrap();
            let Ok(()) = self.shadow.protect(self.span, &self.mmu);
        }
        *visited = self.slots.each_ref().map(|slot| slot.load(Ordering::Relaxed));
    }
}

type Scan = fn(&World, &mut [usize; 2]);

fn every_store_is_visited(handler_locks: bool, scan: Scan) {
    let world = Arc::new(World::new(handler_locks));
    let mut visited = [0; 2];
    world.scan_and_visit(&mut visited);
    let mutators = [0, 1].map(|thread| {
        let world = Arc::clone(&world);
        loom::thread::spawn(move || world.store(thread))
    });
    scan(&world, &mut visited);
    for mutator in mutators {
        mutator.join().unwrap();
    }
    world.scan_and_visit(&mut visited);
    assert_eq!(visited, [1, 1], "a store landed on a page that no later scan reported");
}

#[test]
fn loom_no_store_escapes_the_fault_handler() {
    check(Some(3), || every_store_is_visited(true, World::scan_and_visit));
}

#[test]
fn loom_no_store_escapes_protect() {
    check(Some(3), || every_store_is_visited(true, World::protect_and_visit));
}

#[test]
fn loom_control_a_handler_without_the_lock_is_refuted() {
    refute(LOST, Some(3), || every_store_is_visited(false, World::scan_and_visit));
}

#[test]
fn loom_control_protect_beside_a_handler_without_the_lock_is_refuted() {
    refute(LOST, Some(3), || every_store_is_visited(false, World::protect_and_visit));
}

/// A second thread shares the owed set and visits a page as soon as it finds it there, while the
/// scan that reported it is still going on.
fn an_owed_page_may_be_visited_at_once() {
    let world = Arc::new(World::new(true));
    let owed = Arc::new(PageSet::new(world.span));
    let visited = Arc::new(AtomicUsize::new(0));
    let visit = |world: &World, owed: &PageSet, visited: &AtomicUsize| {
        owed.take_in(world.span, |_| {
            visited.fetch_max(world.slots[0].load(Ordering::Relaxed), Ordering::Relaxed);
        });
    };
    let scan = || {
        let _held = world.fault_lock.lock().unwrap();
        world.shadow.consume(world.span, &owed, &world.mmu);
    };
    let mutator = loom::thread::spawn({
        let world = Arc::clone(&world);
        move || world.store(0)
    });
    let visitor = loom::thread::spawn({
        let (world, owed, visited) = (world.clone(), owed.clone(), visited.clone());
        move || visit(&world, &owed, &visited)
    });
    scan();
    mutator.join().unwrap();
    visitor.join().unwrap();
    scan();
    visit(&world, &owed, &visited);
    assert_eq!(visited.load(Ordering::Relaxed), 1, "visited before it was protected");
}

#[test]
fn loom_a_page_is_owed_only_once_it_is_protected() {
    check(Some(3), an_owed_page_may_be_visited_at_once);
}
