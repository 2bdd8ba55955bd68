//! Stops against safepoints, blocking regions, attach and detach.

use loom::cell::UnsafeCell;

use super::*;

/// What a mutator may touch only while it runs, and the collector only while it is stopped. Loom's
/// cell reports two accesses that nothing orders.
struct Local(UnsafeCell<usize>);

// SAFETY: the protocol under test is what keeps the accesses apart; loom checks that it does.
unsafe impl Sync for Local {}
// SAFETY: as above.
unsafe impl Send for Local {}

fn touch(thread: &Thread<Local>) {
    // SAFETY: the thread runs, so no collector has stopped it.
    thread.local.0.with_mut(|value| unsafe { *value += 1 });
}

fn inspect(stopped: &Stopped<'_, Local>) {
    for thread in &stopped.threads {
        // SAFETY: the thread is parked and cannot leave that state.
        thread.local.0.with_mut(|value| unsafe { *value += 1 });
    }
}

fn local() -> Local {
    Local(UnsafeCell::new(0))
}

fn poll(world: &World<Local>, thread: &Thread<Local>) {
    if thread.should_park() {
        world.park(thread);
        world.unpark(thread);
    }
}

/// Runs `mutator` on a thread of its own, detaches it, and meanwhile stops the world `stops` times.
fn against_stops(stops: usize, mutator: fn(&World<Local>, &Thread<Local>)) {
    loom::model(move || {
        let world = loom::sync::Arc::new(World::new());
        let running = loom::thread::spawn({
            let world = loom::sync::Arc::clone(&world);
            move || {
                let thread = world.attach("mutator".into(), local());
                mutator(&world, &thread);
                world.detach(&thread);
            }
        });
        for _ in 0..stops {
            inspect(&world.stop());
        }
        running.join().unwrap();
        assert_eq!(world.attached(), 0);
    });
}

#[test]
fn loom_a_stopped_thread_is_at_a_safepoint() {
    against_stops(1, |world, thread| {
        touch(thread);
        poll(world, thread);
        touch(thread);
    });
}

#[test]
fn loom_a_blocking_region_does_not_end_during_a_stop() {
    against_stops(2, |world, thread| {
        touch(thread);
        world.park(thread);
        world.unpark(thread);
        touch(thread);
    });
}

#[test]
fn loom_control_leaving_a_blocking_region_without_looking_is_refuted() {
    let refuted = std::panic::catch_unwind(|| {
        against_stops(1, |world, thread| {
            world.park(thread);
            thread.word.fetch_and(!PARKED, Ordering::AcqRel);
            touch(thread);
        });
    });
    assert!(refuted.is_err(), "loom accepts a thread that ignores the stop");
}

#[test]
fn loom_two_collectors_take_turns() {
    loom::model(|| {
        let world = loom::sync::Arc::new(World::new());
        let thread = world.attach("blocked".into(), local());
        world.park(&thread);
        let other = loom::thread::spawn({
            let world = loom::sync::Arc::clone(&world);
            move || inspect(&world.stop())
        });
        inspect(&world.stop());
        other.join().unwrap();
        world.unpark(&thread);
        touch(&thread);
        world.detach(&thread);
    });
}

/// A mutator that forks parks and stops the world itself.
#[test]
fn loom_a_mutator_that_forks_and_a_collector_take_turns() {
    loom::model(|| {
        let world = loom::sync::Arc::new(World::new());
        let forking = loom::thread::spawn({
            let world = loom::sync::Arc::clone(&world);
            move || {
                let thread = world.attach("forking".into(), local());
                touch(&thread);
                let callers = world.running_threads(|_| true);
                callers.iter().for_each(|thread| world.park(thread));
                inspect(&world.stop());
                callers.iter().for_each(|thread| world.unpark(thread));
                touch(&thread);
                world.detach(&thread);
            }
        });
        inspect(&world.stop());
        forking.join().unwrap();
        assert_eq!(world.attached(), 0);
    });
}
