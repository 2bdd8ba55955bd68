//! The threads of a heap's own: the sweeper, the helpers that mark and, for concurrent cycles, the
//! driver.
//!
//! A forked child has none. They are started there when there is something for them to do.

use std::io;
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;

use super::heap::Shared;
use crate::object::ObjectModel;
use crate::os::fork::{self, Epoch};
use crate::sync::process::Mutex;

/// The threads, and the process that they are in.
#[derive(Debug, Default)]
pub(super) struct Workers {
    process: Option<Epoch>,
    sweeper: Option<JoinHandle<()>>,
    driver: Option<JoinHandle<()>>,
    helpers: Vec<JoinHandle<()>>,
}

impl Workers {
    /// Forgets the threads of the process that this one was forked from. A handle must not even be
    /// dropped: what it names may be another thread in this process.
    fn forget_the_parents(&mut self) {
        let here = Some(fork::epoch());
        if self.process != here {
            std::mem::forget(std::mem::replace(self, Self { process: here, ..Self::default() }));
        }
    }

    /// Waits for the end of the threads that there are in this process, for that of the driver only
    /// if told.
    ///
    /// # Panics
    /// When one of them has panicked.
    pub(super) fn join(workers: &Mutex<Self>, driver_too: bool) {
        let mut here = workers.lock().unwrap_or_else(PoisonError::into_inner);
        here.forget_the_parents();
        let driver = here.driver.take().filter(|_| driver_too);
        let threads: Vec<_> =
            driver.into_iter().chain(here.sweeper.take()).chain(here.helpers.drain(..)).collect();
        // A thread may be about to look whether it runs here.
        drop(here);
        for thread in threads {
            let result = thread.join();
            assert!(result.is_ok() || std::thread::panicking(), "a collector thread panicked");
        }
    }
}

impl<M: ObjectModel> Shared<M> {
    /// Starts the threads, unless they run in this process already or the heap is going away.
    pub(super) fn start_workers(&self) -> io::Result<()> {
        let mut workers = self.workers.lock().expect("no panic while threads are started");
        workers.forget_the_parents();
        if self.sweeping.is_shut_down() {
            return Ok(());
        }
        if workers.sweeper.is_none() {
            workers.sweeper = Some(self.spawn("strandline-sweep", Self::sweep_in_background)?);
        }
        while workers.helpers.len() + 1 < self.options.markers {
            workers.helpers.push(self.spawn("strandline-mark", |shared| shared.crew.help())?);
        }
        if self.concurrent && workers.driver.is_none() {
            workers.driver = Some(self.spawn("strandline-cycle", Self::drive)?);
        }
        Ok(())
    }

    /// Whether the threads run. If they cannot be started, in a forked child, everything is done
    /// without them: with the world stopped.
    pub(super) fn have_workers(&self) -> bool {
        let started = self.start_workers();
        if let Err(error) = &started {
            eprintln!(
                "strandline: no collector threads in this forked child, collecting with the world \
                 stopped: {error}; raise the limit on threads"
            );
        }
        started.is_ok()
    }

    fn spawn(&self, name: &str, body: fn(&Self)) -> io::Result<JoinHandle<()>> {
        let shared = self.me.upgrade().expect("somebody calls this");
        let thread = std::thread::Builder::new().name(name.into());
        thread.spawn(move || body(&Arc::clone(&shared)))
    }
}
