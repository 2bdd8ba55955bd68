//! Where every synchronisation primitive comes from: `std`, or `loom` under `--cfg loom`.
//!
//! Nobody else names either. A protocol written against this module runs unchanged in the product
//! and in the model checker. State that outlives a model (statics, which loom cannot hold) comes
//! from [`process`] and is `std`'s in both builds.
//!
//! The locks are `std`'s, not `parking_lot`'s, below the collector: a forked child must be able to
//! go on using them, and a futex lock carries no process-wide table of parked threads that another
//! thread may have held at the fork.

#[cfg(not(loom))]
pub(crate) use std::sync::{
    Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard, atomic,
};

#[cfg(loom)]
pub(crate) use loom::sync::{
    Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard, atomic,
};

#[cfg(not(loom))]
pub(crate) use std::hint::spin_loop;

#[cfg(loom)]
pub(crate) use loom::hint::spin_loop;

use atomic::AtomicU64;

#[cfg(all(test, loom))]
pub(crate) mod model;

/// Process-wide state: `std` in both builds, because a static outlives a loom execution.
pub(crate) mod process {
    pub(crate) use std::sync::atomic;
    pub(crate) use std::sync::{Mutex, MutexGuard, OnceLock, RwLock, RwLockWriteGuard};

    use atomic::AtomicU8;

    /// `len` atomic bytes that are zero, without touching the memory.
    pub(crate) fn zeroed_bytes(len: usize) -> Box<[AtomicU8]> {
        let zeros = Box::into_raw(vec![0_u8; len].into_boxed_slice());
        // SAFETY: std documents that AtomicU8 has the in-memory representation of u8.
        unsafe { Box::from_raw(zeros as *mut [AtomicU8]) }
    }
}

/// `len` atomics that are zero, without touching the memory.
#[cfg(not(loom))]
pub(crate) fn zeroed_atomics(len: usize) -> Box<[AtomicU64]> {
    let zeros = Box::into_raw(vec![0_u64; len].into_boxed_slice());
    // SAFETY: std documents that AtomicU64 has the in-memory representation of u64; the alignments
    // are equal on 64-bit targets, the only ones that the crate supports.
    unsafe { Box::from_raw(zeros as *mut [AtomicU64]) }
}

#[cfg(not(loom))]
pub(crate) use process::zeroed_bytes;

/// `len` atomic bytes that are zero.
#[cfg(loom)]
pub(crate) fn zeroed_bytes(len: usize) -> Box<[atomic::AtomicU8]> {
    (0..len).map(|_| atomic::AtomicU8::new(0)).collect()
}

/// `len` atomics that are zero.
#[cfg(loom)]
pub(crate) fn zeroed_atomics(len: usize) -> Box<[AtomicU64]> {
    (0..len).map(|_| AtomicU64::new(0)).collect()
}
