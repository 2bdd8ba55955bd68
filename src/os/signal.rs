//! `SIGSEGV` as a means: a process-wide handler for write faults that hands everything which is
//! not its own to the handler that was there before.

use std::mem::MaybeUninit;
use std::ptr;

use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow, pthread_sigmask};

use super::error::OsError;
use crate::sync::process::OnceLock;
use crate::sync::process::atomic::{AtomicBool, AtomicPtr, Ordering};

/// Resolves a write fault at an address, or says that the address is not its own.
///
/// Runs in a signal handler with every signal blocked: async-signal-safe work only.
pub(crate) type WriteFaultResolver = fn(address: usize) -> bool;

/// What was installed before; leaked, because a handler may be reading it at any time.
static PREVIOUS: AtomicPtr<libc::sigaction> = AtomicPtr::new(ptr::null_mut());

/// Whether the predecessor wanted to be called once only (`SA_RESETHAND`) and has been.
static SPENT: AtomicBool = AtomicBool::new(false);

static RESOLVER: OnceLock<WriteFaultResolver> = OnceLock::new();

/// Installs the handler for the life of the process. Only the first resolver counts.
///
/// It runs on the alternate stack where the thread has one, so a thread whose own stack lies in
/// protected memory can be served. A handler that the program installs later must chain to this
/// one, as this one chains to its predecessor.
pub(crate) fn install_write_fault_handler(resolver: WriteFaultResolver) -> Result<(), OsError> {
    static INSTALLED: OnceLock<Result<(), Errno>> = OnceLock::new();
    INSTALLED
        .get_or_init(|| {
            RESOLVER.set(resolver).expect("set only here");
            install()
        })
        .map_err(|errno| OsError::syscall("sigaction (SIGSEGV)", None, errno, ""))
}

fn install() -> Result<(), Errno> {
    // The predecessor is published before our handler can run and need it.
    let mut previous = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: with a null new action this only reads the current one into `previous`.
    Errno::result(unsafe { libc::sigaction(libc::SIGSEGV, ptr::null(), previous.as_mut_ptr()) })?;
    // SAFETY: the successful call has initialised it.
    let previous = Box::new(unsafe { previous.assume_init() });
    PREVIOUS.store(Box::into_raw(previous), Ordering::Release);

    // SAFETY: all-zero is a valid sigaction: integers, an optional function, an empty set.
    let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    action.sa_sigaction = handler as *const () as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESTART;
    // SAFETY: the set is ours. Every signal is blocked while the handler runs, so that no other
    // handler of this thread can fault on protected memory while it holds the fault lock.
    Errno::result(unsafe { libc::sigfillset(&raw mut action.sa_mask) })?;
    // SAFETY: `handler` has the signature that SA_SIGINFO asks for and is async-signal-safe.
    Errno::result(unsafe { libc::sigaction(libc::SIGSEGV, &raw const action, ptr::null_mut()) })?;
    Ok(())
}

extern "C" fn handler(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let errno = Errno::last_raw();
    // SAFETY: the kernel passes a valid siginfo to a handler installed with SA_SIGINFO.
    let code = unsafe { (*info).si_code };
    // SAFETY: as above; a SIGSEGV that the kernel raised has the address.
    let address = unsafe { (*info).si_addr() }.addr();
    // SAFETY: the kernel passes a valid context to a handler installed with SA_SIGINFO.
    let store = code == SEGV_ACCERR && is_store(unsafe { &*context.cast() }, address);
    let resolved = store && RESOLVER.get().is_some_and(|resolve| resolve(address));
    if !resolved {
        chain(signal, code, info, context);
    }
    Errno::set_raw(errno);
}

/// `si_code` of a fault on a mapped page without the permission (`sigaction(2)`).
const SEGV_ACCERR: i32 = 2;

/// Whether a fault was a store. A jump to a page that is not executable has the same `si_code`, and
/// making the page writable would not cure it: the process would fault for ever.
#[cfg(target_arch = "x86_64")]
fn is_store(context: &libc::ucontext_t, _address: usize) -> bool {
    // The page-fault error code of the processor: bit 1 is set by a write.
    context.uc_mcontext.gregs[libc::REG_ERR as usize] & 1 << 1 != 0
}

/// As on x86-64. The pages are readable, so what faults is a store or the fetch of an instruction.
#[cfg(target_arch = "aarch64")]
fn is_store(context: &libc::ucontext_t, address: usize) -> bool {
    context.uc_mcontext.pc != address as u64
}

/// Elsewhere every fault is taken for a store.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn is_store(_context: &libc::ucontext_t, _address: usize) -> bool {
    true
}

/// Whether a store to `address` would succeed now; changes nothing. Async-signal-safe.
///
/// Asks the kernel to add zero to the word there, atomically (`FUTEX_WAKE_OP`, which wakes nobody
/// here): the one write that every kernel offers and that alters no contents.
pub(crate) fn is_writable(address: usize) -> bool {
    /// `FUTEX_OP(FUTEX_OP_ADD, 0, FUTEX_OP_CMP_EQ, 0)`.
    const ADD_ZERO: i32 = libc::FUTEX_OP_ADD << 28;
    let word = address & !3;
    let operation = libc::FUTEX_WAKE_OP | libc::FUTEX_PRIVATE_FLAG;
    // SAFETY: the kernel adds zero to an aligned word, or answers EFAULT.
    unsafe { libc::syscall(libc::SYS_futex, word, operation, 0, 0, word, ADD_ZERO) >= 0 }
}

/// Hands the signal to the handler that was there before ours.
fn chain(signal: i32, code: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: published before our handler was installed, and never freed.
    let previous = unsafe { &*PREVIOUS.load(Ordering::Acquire) };
    let sent_by_a_process = code <= 0;
    let once = previous.sa_flags & libc::SA_RESETHAND != 0;
    match previous.sa_sigaction {
        libc::SIG_IGN if sent_by_a_process => {}
        libc::SIG_DFL | libc::SIG_IGN => default_action(signal, sent_by_a_process),
        _ if once && SPENT.swap(true, Ordering::Relaxed) => {
            default_action(signal, sent_by_a_process);
        }
        action => call(previous, action, signal, info, context),
    }
}

/// Lets the process end as without any handler.
fn default_action(signal: i32, sent_by_a_process: bool) {
    // SAFETY: restoring a disposition that the program had. The faulting instruction runs again on
    // return and the default action ends the process with a proper core; ignoring a fault is not
    // possible (sigaction(2)).
    unsafe { libc::signal(signal, libc::SIG_DFL) };
    if sent_by_a_process {
        // It would not come back by itself.
        // SAFETY: `raise` is async-signal-safe; the signal is blocked until we return.
        unsafe { libc::raise(signal) };
    }
}

/// Calls `action` as the kernel would: with the mask of the interrupted thread and the one that it
/// asked for. Except for `SIGSEGV` itself, so that it may store to watched memory.
fn call(
    previous: &libc::sigaction,
    action: usize,
    signal: i32,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    type Plain = extern "C" fn(i32);
    type WithInfo = extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void);
    let mut before = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: the context is the kernel's, and all sets are valid; pthread_sigmask is
    // async-signal-safe in practice (signal-safety(7)), and the call fills `before`.
    unsafe {
        let interrupted = &raw const (*context.cast::<libc::ucontext_t>()).uc_sigmask;
        libc::pthread_sigmask(libc::SIG_SETMASK, interrupted, before.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const previous.sa_mask, ptr::null_mut());
    }
    if previous.sa_flags & libc::SA_SIGINFO != 0 {
        // SAFETY: with SA_SIGINFO the program promised a handler of three arguments.
        let function = unsafe { std::mem::transmute::<usize, WithInfo>(action) };
        function(signal, info, context);
    } else {
        // SAFETY: without SA_SIGINFO the program promised a handler of one argument.
        let function = unsafe { std::mem::transmute::<usize, Plain>(action) };
        function(signal);
    }
    // SAFETY: `before` was filled by the call above.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), ptr::null_mut()) };
}

/// Runs `operation` with every signal of this thread blocked.
pub(crate) fn with_signals_blocked<R>(operation: impl FnOnce() -> R) -> R {
    struct Restore(SigSet);
    impl Drop for Restore {
        fn drop(&mut self) {
            pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&self.0), None)
                .expect("restoring a mask that the kernel gave cannot fail");
        }
    }
    let mut before = SigSet::empty();
    pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), Some(&mut before))
        .expect("blocking signals cannot fail");
    let _restore = Restore(before);
    operation()
}
