//! What `fork` does to a tracker, and how the child finds out.
//!
//! A `userfaultfd` and a `/proc/self/pagemap` descriptor act on the address space that they were
//! opened in, for ever. In a forked child they still act on the *parent*: a scan there would take
//! the parent's dirty bits away and report them to the wrong process. Two mechanisms make that
//! impossible, and each does one thing.
//!
//! - The **epoch** tells whether a descriptor belongs to this process. It is a word on a page that
//!   the kernel zeroes in every child (`MADV_WIPEONFORK`), so it notices a raw `clone` too, which
//!   runs no `pthread_atfork` handler.
//! - The **gate** is a lock that `fork` takes for writing and every tracker operation for reading,
//!   so that the child never inherits an operation that another thread had half done. It is taken
//!   by `pthread_atfork` handlers; a raw `clone` from a process with several threads has to bring
//!   all other threads to rest itself.
//!
//! Whoever has more to bring to rest than that adds handlers of its own with [`at_fork`]: around the
//! gate, so that they find trackers in use before a fork and usable after it.
//!
//! `fork` from a signal handler that interrupted a tracker operation deadlocks on the gate. POSIX
//! no longer lists `fork` as async-signal-safe, for such reasons.

use std::cell::RefCell;
use std::ptr::NonNull;

use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap_anonymous};

use super::page::page_size;
use crate::sync::process::atomic::{AtomicU64, Ordering};
use crate::sync::process::{OnceLock, RwLock, RwLockWriteGuard};

/// Names one process of a family of forks. A value from an ancestor never equals the current one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Epoch(u64);

impl Epoch {
    /// The epoch as a number; never zero.
    pub(crate) fn number(self) -> u64 {
        self.0
    }
}

/// The latest epoch handed out; ordinary memory, so that a child inherits it and counts on.
static LATEST: AtomicU64 = AtomicU64::new(0);

static GATE: RwLock<()> = RwLock::new(());

thread_local! {
    /// The write side of the gate, between the handler before and the handler after a fork.
    static HELD: RefCell<Option<RwLockWriteGuard<'static, ()>>> = const { RefCell::new(None) };
}

/// The epoch of the calling process.
pub(crate) fn epoch() -> Epoch {
    let word = sentinel();
    match word.load(Ordering::Relaxed) {
        0 => begin_epoch(word),
        current => Epoch(current),
    }
}

#[cold]
fn begin_epoch(word: &AtomicU64) -> Epoch {
    let next = LATEST.fetch_add(1, Ordering::Relaxed) + 1;
    match word.compare_exchange(0, next, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => Epoch(next),
        Err(current) => Epoch(current),
    }
}

/// Runs `operation` such that no fork happens in the middle of it. Must not be nested.
pub(crate) fn undivided<R>(operation: impl FnOnce() -> R) -> R {
    sentinel();
    let _gate = GATE.read().unwrap_or_else(std::sync::PoisonError::into_inner);
    operation()
}

/// The word that is zero in a new child; installs the fork handlers on first use.
fn sentinel() -> &'static AtomicU64 {
    static SENTINEL: OnceLock<&'static AtomicU64> = OnceLock::new();
    SENTINEL.get_or_init(|| {
        let word = map_sentinel();
        // SAFETY: the handlers are `extern "C"`, never unwind, and live as long as the program.
        let status = unsafe { libc::pthread_atfork(Some(before), Some(after), Some(after)) };
        assert_eq!(status, 0, "pthread_atfork: out of memory while registering three pointers");
        word
    })
}

/// Has `before` called before every fork, by the thread that forks, and afterwards `in_parent` there
/// and `in_child` in the child. A raw `clone` calls none of them.
pub(crate) fn at_fork(
    before: extern "C" fn(),
    in_parent: extern "C" fn(),
    in_child: extern "C" fn(),
) {
    // Handlers that are added later run earlier before a fork, and later after it.
    sentinel();
    // SAFETY: the handlers are `extern "C"`, never unwind, and live as long as the program.
    let status = unsafe { libc::pthread_atfork(Some(before), Some(in_parent), Some(in_child)) };
    assert_eq!(status, 0, "pthread_atfork: out of memory while registering three pointers");
}

fn map_sentinel() -> &'static AtomicU64 {
    let size = std::num::NonZeroUsize::new(page_size()).expect("a page has bytes");
    let (read_write, private) =
        (ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_PRIVATE);
    // SAFETY: a new anonymous mapping at an address of the kernel's choice touches nothing else.
    let page = unsafe { mmap_anonymous(None, size, read_write, private) }
        .expect("mmap of one page for the fork sentinel");
    // SAFETY: the page was mapped just now, is private and anonymous, and is used for this only.
    unsafe { madvise(page, size.get(), MmapAdvise::MADV_WIPEONFORK) }
        .expect("MADV_WIPEONFORK exists since Linux 4.14");
    // SAFETY: the page is aligned, zeroed, never unmapped and only ever accessed as this atomic.
    unsafe { NonNull::cast::<AtomicU64>(page).as_ref() }
}

extern "C" fn before() {
    let gate = GATE.write().unwrap_or_else(std::sync::PoisonError::into_inner);
    HELD.with_borrow_mut(|held| *held = Some(gate));
}

extern "C" fn after() {
    HELD.with_borrow_mut(|held| drop(held.take()));
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use nix::sys::wait::{WaitStatus, waitpid};
    use nix::unistd::{ForkResult, Pid, fork};

    /// Runs `child` in a forked process and returns its exit status.
    fn in_child(fork: impl FnOnce() -> ForkResult, child: impl FnOnce() -> i32) -> i32 {
        match fork() {
            // SAFETY: `_exit` runs no destructors of the state that was copied from the parent.
            ForkResult::Child => unsafe { libc::_exit(child()) },
            ForkResult::Parent { child } => match waitpid(child, None).unwrap() {
                WaitStatus::Exited(_, status) => status,
                other => panic!("the child ended with {other:?}"),
            },
        }
    }

    fn plain_fork() -> ForkResult {
        // SAFETY: the child only uses atomics and the futex gate, and leaves by `_exit`.
        unsafe { fork() }.unwrap()
    }

    fn raw_clone() -> ForkResult {
        // SAFETY: as above; without flags `clone` is a fork that runs no handlers.
        match unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) } {
            0 => ForkResult::Child,
            pid => ForkResult::Parent { child: Pid::from_raw(i32::try_from(pid).unwrap()) },
        }
    }

    #[test]
    fn every_generation_has_an_epoch_of_its_own() {
        let parent = epoch();
        assert_eq!(parent, epoch());
        let status = in_child(plain_fork, || {
            let child = epoch();
            let grandchild =
                in_child(plain_fork, || i32::from(epoch() == child || epoch() == parent));
            i32::from(child == parent) + 2 * grandchild
        });
        assert_eq!(status, 0);
        assert_eq!(parent, epoch(), "the parent's epoch outlives its children");
    }

    #[test]
    fn a_raw_clone_is_noticed_too() {
        let parent = epoch();
        assert_eq!(in_child(raw_clone, || i32::from(epoch() == parent)), 0);
    }

    #[test]
    fn no_fork_inside_an_undivided_operation_and_the_gate_works_in_the_child() {
        let inside = std::sync::Arc::new(AtomicU64::new(0));
        let stop = std::sync::Arc::new(AtomicU64::new(0));
        let worker = std::thread::spawn({
            let (inside, stop) = (inside.clone(), stop.clone());
            move || {
                while stop.load(Ordering::Relaxed) == 0 {
                    undivided(|| {
                        inside.store(1, Ordering::Relaxed);
                        std::hint::black_box((0..100).sum::<u64>());
                        inside.store(0, Ordering::Relaxed);
                    });
                }
            }
        });
        for _ in 0..50 {
            let status = in_child(plain_fork, || {
                let seen = inside.load(Ordering::Relaxed);
                undivided(|| i32::try_from(seen).unwrap())
            });
            assert_eq!(status, 0, "a fork cut an operation in two");
        }
        stop.store(1, Ordering::Relaxed);
        worker.join().unwrap();
    }
}
