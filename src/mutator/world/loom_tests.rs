//! Stops against safepoints, blocking regions, attach and detach.

use loom::cell::UnsafeCell;

use super::*;
use crate::sync::model::{check, refute};

/// What a mutator may touch only while it runs, and the collector only while it is stopped. Loom's
/// cell reports two accesses that nothing orders.
struct Local(UnsafeCell<usize>);

// SAFETY: the protocol under test is what keeps the accesses apart; loom checks that it does.
unsafe impl Sync for Local {}
// SAFETY: as above.
unsafe impl Send for Local {}

/// What loom says of accesses that nothing orders.
const UNORDERED: &str = "Causality violation";

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
        world.unpark(thread, || false);
    }
}

/// Runs `mutator` on a thread of its own, detaches it, and meanwhile stops the world `stops` times.
fn against_stops(stops: usize, mutator: fn(&World<Local>, &Thread<Local>)) {
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
}

#[test]
fn loom_a_stopped_thread_is_at_a_safepoint() {
    check(None, || {
        against_stops(1, |world, thread| {
            touch(thread);
            poll(world, thread);
            touch(thread);
        });
    });
}

#[test]
fn loom_a_blocking_region_does_not_end_during_a_stop() {
    check(None, || {
        against_stops(2, |world, thread| {
            touch(thread);
            world.park(thread);
            world.unpark(thread, || false);
            touch(thread);
        });
    });
}

#[test]
fn loom_control_leaving_a_blocking_region_without_looking_is_refuted() {
    refute(UNORDERED, None, || {
        against_stops(1, |world, thread| {
            world.park(thread);
            thread.word.fetch_and(!PARKED, Ordering::AcqRel);
            touch(thread);
        });
    });
}

#[test]
fn loom_control_who_lingers_runs_without_looking() {
    refute(UNORDERED, None, || {
        against_stops(1, |world, thread| {
            world.park(thread);
            if thread.exchange(PARKED | STOP, PARKED | STOP | LINGERS) {
                thread.word.fetch_and(!(PARKED | LINGERS), Ordering::AcqRel);
                touch(thread);
            } else {
                world.unpark(thread, || false);
            }
        });
    });
}

#[test]
fn loom_control_a_thread_parks_by_a_relaxed_store() {
    refute(UNORDERED, None, || {
        against_stops(1, |_, thread| {
            touch(thread);
            thread.word.fetch_or(PARKED, Ordering::Relaxed);
        });
    });
}

#[test]
fn loom_control_a_thread_runs_again_by_a_relaxed_exchange() {
    refute(UNORDERED, None, || {
        against_stops(1, |world, thread| {
            world.park(thread);
            let relaxed = Ordering::Relaxed;
            if thread.word.compare_exchange(PARKED, 0, relaxed, relaxed).is_err() {
                world.unpark(thread, || false);
            }
            touch(thread);
        });
    });
}

#[test]
fn loom_control_a_thread_parks_and_tells_nobody() {
    refute("deadlock", None, || {
        against_stops(1, |world, thread| {
            if thread.should_park() {
                thread.word.fetch_or(PARKED, Ordering::AcqRel);
                world.unpark(thread, || false);
            }
        });
    });
}

/// A thread comes and goes while the world is stopped; what all threads share is touched by those
/// that run, and by the collector in a stop.
fn come_and_go(
    attach: fn(&World<Local>) -> Arc<Thread<Local>>,
    detach: fn(&World<Local>, &Arc<Thread<Local>>),
) {
    let shared = loom::sync::Arc::new((World::new(), local()));
    let running = loom::thread::spawn({
        let shared = loom::sync::Arc::clone(&shared);
        move || {
            let thread = attach(&shared.0);
            // SAFETY: the thread runs, and it is the only one.
            shared.1.0.with_mut(|value| unsafe { *value += 1 });
            detach(&shared.0, &thread);
            touch(&thread);
        }
    });
    for _ in 0..2 {
        let stopped = shared.0.stop();
        inspect(&stopped);
        // SAFETY: every thread is parked.
        shared.1.0.with_mut(|value| unsafe { *value += 1 });
    }
    running.join().unwrap();
    assert_eq!(shared.0.attached(), 0);
}

fn attach(world: &World<Local>) -> Arc<Thread<Local>> {
    world.attach("mutator".into(), local())
}

#[test]
fn loom_threads_come_and_go_when_the_world_runs() {
    check(None, || come_and_go(attach, World::detach));
}

#[test]
fn loom_control_a_thread_comes_during_a_stop() {
    refute(UNORDERED, None, || {
        let attach = |world: &World<Local>| {
            let thread =
                Arc::new(Thread { word: AtomicUsize::new(0), name: "".into(), local: local() });
            world.lock().threads.push(Arc::clone(&thread));
            thread
        };
        come_and_go(attach, World::detach);
    });
}

#[test]
fn loom_control_a_thread_goes_during_a_stop() {
    refute(UNORDERED, None, || {
        come_and_go(attach, |world, thread| {
            world.park(thread);
            world.lock().threads.retain(|other| !Arc::ptr_eq(other, thread));
        });
    });
}

#[test]
fn loom_two_collectors_take_turns() {
    check(None, || {
        let world = loom::sync::Arc::new(World::new());
        let thread = world.attach("blocked".into(), local());
        world.park(&thread);
        let other = loom::thread::spawn({
            let world = loom::sync::Arc::clone(&world);
            move || inspect(&world.stop())
        });
        inspect(&world.stop());
        other.join().unwrap();
        world.unpark(&thread, || false);
        touch(&thread);
        world.detach(&thread);
    });
}

/// A mutator that forks parks and stops the world itself.
#[test]
fn loom_a_mutator_that_forks_and_a_collector_take_turns() {
    check(None, || {
        let world = loom::sync::Arc::new(World::new());
        let forking = loom::thread::spawn({
            let world = loom::sync::Arc::clone(&world);
            move || {
                let thread = world.attach("forking".into(), local());
                touch(&thread);
                let callers = world.running_threads(|_| true);
                callers.iter().for_each(|thread| world.park(thread));
                inspect(&world.stop());
                callers.iter().for_each(|thread| world.unpark(thread, || false));
                touch(&thread);
                world.detach(&thread);
            }
        });
        inspect(&world.stop());
        forking.join().unwrap();
        assert_eq!(world.attached(), 0);
    });
}

/// What a thread does that comes back from a blocking region while the world is stopped.
type ComeBack = fn(&World<Local>, &Thread<Local>);

/// Two mutators come back, and one attaches if `attaching`, while the collector stops the world and
/// resumes it, so often: it waits for those that waited.
fn come_back(stops: usize, attaching: bool, come_back: ComeBack) {
    let world = loom::sync::Arc::new(World::new());
    let mut running: Vec<_> = (0..2)
        .map(|_| {
            let (world, thread) = (loom::sync::Arc::clone(&world), attach(&world));
            loom::thread::spawn(move || {
                world.park(&thread);
                come_back(&world, &thread);
                touch(&thread);
                world.park(&thread);
            })
        })
        .collect();
    if attaching {
        let world = loom::sync::Arc::clone(&world);
        running.push(loom::thread::spawn(move || {
            let thread = attach(&world);
            touch(&thread);
            world.park(&thread);
        }));
    }
    for _ in 0..stops {
        let stopped = world.stop();
        inspect(&stopped);
        stopped.resume();
    }
    running.into_iter().for_each(|thread| thread.join().unwrap());
    let state = world.lock();
    assert_eq!((state.asleep, state.waiting), (0, 0));
}

#[test]
fn loom_everybody_who_sleeps_until_the_end_of_a_stop_is_woken() {
    check(Some(2), || come_back(1, false, |world, thread| world.unpark(thread, || false)));
}

#[test]
fn loom_everybody_who_sleeps_is_woken_beside_one_who_attaches() {
    check(Some(1), || come_back(1, true, |world, thread| world.unpark(thread, || false)));
}

#[test]
fn loom_everybody_who_sleeps_is_woken_by_two_stops() {
    check(Some(2), || come_back(2, false, |world, thread| world.unpark(thread, || false)));
}

/// As `unpark`, with what is done with the lock after the stop.
fn unpark_and(
    world: &World<Local>,
    thread: &Thread<Local>,
    end: fn(&World<Local>, &mut State<Local>),
) {
    let (acq, relaxed) = (Ordering::AcqRel, Ordering::Relaxed);
    while thread.word.compare_exchange(PARKED, 0, acq, relaxed).is_err() {
        let mut state = world.lock();
        (state.asleep, state.waiting) = (state.asleep + 1, state.waiting + 1);
        while state.stopped {
            state = world.resumed.wait(state).unwrap();
        }
        (state.asleep, state.waiting) = (state.asleep - 1, state.waiting - 1);
        end(world, &mut state);
    }
}

/// What [`unpark_and`] does that is right.
fn wake_next(world: &World<Local>, state: &mut State<Local>) {
    if state.asleep > 0 {
        world.resumed.notify_one();
    }
}

fn tell_collector(world: &World<Local>, state: &mut State<Local>) {
    if state.waiting == 0 {
        world.parked.notify_all();
    }
}

#[test]
fn loom_control_who_is_woken_wakes_nobody() {
    refute("deadlock", Some(3), || {
        come_back(1, false, |world, thread| unpark_and(world, thread, tell_collector));
    });
}

#[test]
fn loom_control_the_last_one_that_wakes_does_not_tell_the_collector() {
    refute("deadlock", Some(3), || {
        come_back(1, false, |world, thread| unpark_and(world, thread, wake_next));
    });
}
