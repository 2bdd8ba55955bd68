//! The threads of a heap's own: the sweeper, the helpers that mark and, for concurrent cycles, the
//! driver.
//!
//! A forked child has none. They are started there when there is something for them to do.

use std::sync::PoisonError;
use std::thread::JoinHandle;

use crate::os::fork::{self, Epoch};
use crate::sync::process::Mutex;

/// The threads, and the process that they are in.
#[derive(Debug, Default)]
pub(crate) struct Workers {
    process: Option<Epoch>,
    pub(crate) sweeper: Option<JoinHandle<()>>,
    pub(crate) driver: Option<JoinHandle<()>>,
    pub(crate) helpers: Vec<JoinHandle<()>>,
}

impl Workers {
    /// Forgets the threads of the process that this one was forked from. A handle must not even be
    /// dropped: what it names may be another thread in this process.
    pub(crate) fn forget_the_parents(&mut self) {
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
    pub(crate) fn join(workers: &Mutex<Self>, driver_too: bool) {
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
