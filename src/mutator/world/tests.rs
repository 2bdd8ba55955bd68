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
        scope.spawn(|| world.unpark(&thread, || _ = called.try_send(())));
        asked.recv().expect("it helps before it sleeps");
        assert!(thread.is_parked(), "whoever helps is parked");
        stopped.resume();
    });
    assert!(!thread.is_parked());
}
