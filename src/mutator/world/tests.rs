//! What a thread does that waits for the end of a stop.

use std::sync::mpsc::sync_channel;

use super::*;

#[test]
fn a_thread_that_spins_until_the_end_of_a_stop_is_asked_to_help() {
    let world = World::new();
    let thread = world.attach("waits".to_owned(), ());
    world.park(&thread);
    let stopped = world.stop();
    let (called, asked) = sync_channel(1);
    std::thread::scope(|scope| {
        scope.spawn(|| world.unpark(&thread, || called.try_send(()).is_err()));
        asked.recv().expect("it helps before it sleeps");
        assert!(thread.is_parked(), "whoever helps is parked");
        stopped.resume();
    });
    assert!(!thread.is_parked());
}

#[test]
fn a_stop_is_complete_when_the_last_of_those_who_ran_has_parked() {
    let world = World::new();
    let [first, second] = ["first", "second"].map(|name| world.attach(name.to_owned(), name));
    world.park(&second);
    assert!(!first.should_park() && !second.should_park());
    let running = || {
        let running = world.running_threads(|_| true);
        running.iter().map(|thread| thread.local).collect::<Vec<_>>()
    };
    assert_eq!(running(), ["first"]);
    std::thread::scope(|scope| {
        let collector = scope.spawn(|| world.stop());
        while !first.should_park() {
            std::thread::yield_now();
        }
        assert!(!collector.is_finished() && !first.is_parked(), "it waits for the first thread");
        world.park(&first);
        let stopped = collector.join().unwrap();
        assert_eq!((stopped.threads.len(), running().len()), (2, 0));
        assert_ne!(stopped.time_to_safepoint.slowest.as_deref(), Some("second"));
        assert!(first.should_park() && second.should_park());
        stopped.resume();
    });
    assert!(!first.should_park() && first.is_parked(), "it runs again when it wants to");
    world.unpark(&first, || false);
    assert_eq!(running(), ["first"]);
}

#[test]
fn who_detaches_is_gone_and_the_others_stay() {
    let world = World::new();
    let [first, second] = ["first", "second"].map(|name| world.attach(name.to_owned(), name));
    assert_eq!((world.names(), world.attached()), (vec!["first".into(), "second".into()], 2));
    world.detach(&first);
    assert_eq!((world.names(), world.attached()), (vec!["second".to_owned()], 1));
    world.hold().keep_only(|name| *name != "second");
    assert_eq!(world.attached(), 0);
    drop(second);
}
