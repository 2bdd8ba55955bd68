//! The calling thread: where its stack is, what is in its registers.

use std::arch::asm;
use std::mem::MaybeUninit;

use nix::errno::Errno;

use super::error::OsError;

/// Names a thread among those that live; a forked child's only thread keeps its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ThreadName(libc::pthread_t);

/// The calling thread.
pub(crate) fn calling_thread() -> ThreadName {
    // SAFETY: takes nothing, changes nothing and cannot fail.
    ThreadName(unsafe { libc::pthread_self() })
}

/// The address behind the calling thread's stack, above its oldest frame.
///
/// With glibc a thread's thread-locals lie between the two, but for the first thread's: whoever reads the
/// words below the end of a parked thread's stack may read what that thread is writing.
///
/// # Errors
/// When the thread's attributes cannot be read (`pthread_getattr_np`).
pub(crate) fn stack_end() -> Result<usize, OsError> {
    const CALL: &str = "pthread_getattr_np";
    let check = |status: i32| match status {
        0 => Ok(()),
        errno => Err(OsError::syscall(CALL, None, Errno::from_raw(errno), "")),
    };
    let mut attributes = MaybeUninit::<libc::pthread_attr_t>::uninit();
    // SAFETY: fills the attributes of the calling thread, which exists.
    check(unsafe { libc::pthread_getattr_np(libc::pthread_self(), attributes.as_mut_ptr()) })?;
    let (mut low, mut bytes) = (std::ptr::null_mut(), 0);
    // SAFETY: the successful call above has initialised the attributes.
    let got =
        unsafe { libc::pthread_attr_getstack(attributes.as_ptr(), &raw mut low, &raw mut bytes) };
    // SAFETY: initialised above and destroyed once.
    unsafe { libc::pthread_attr_destroy(attributes.as_mut_ptr()) };
    check(got)?;
    Ok(low.addr() + bytes)
}

/// Runs `operation` with the contents of all callee-saved registers on the stack, and passes it the
/// address from which on the caller's frames and these contents lie.
///
/// Registers that are not callee-saved hold nothing that the caller needs after the call.
#[inline(never)]
pub(crate) fn with_registers_on_stack<R>(operation: impl FnOnce(usize) -> R) -> R {
    let mut registers = [0_usize; CALLEE_SAVED];
    // SAFETY: stores registers into an array that has room for all of them; changes none.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        asm!(
            "mov [{0}], rbx", "mov [{0} + 8], rbp", "mov [{0} + 16], r12",
            "mov [{0} + 24], r13", "mov [{0} + 32], r14", "mov [{0} + 40], r15",
            in(reg) registers.as_mut_ptr(), options(nostack, preserves_flags),
        );
    }
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        asm!(
            "stp x19, x20, [{0}]", "stp x21, x22, [{0}, 16]", "stp x23, x24, [{0}, 32]",
            "stp x25, x26, [{0}, 48]", "stp x27, x28, [{0}, 64]", "str x29, [{0}, 80]",
            in(reg) registers.as_mut_ptr(), options(nostack, preserves_flags),
        );
    }
    let result = operation(registers.as_ptr().addr());
    std::hint::black_box(&registers);
    result
}

/// Has the calling thread wake from sleep within a microsecond of the time, instead of the usual 50.
pub(crate) fn wake_precisely() {
    // SAFETY: the call takes a number and changes nothing but this thread's timers. It cannot fail
    // for the calling thread; if it did, sleep would be as imprecise as before.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1000_u64) };
}

#[cfg(target_arch = "x86_64")]
const CALLEE_SAVED: usize = 6;
#[cfg(target_arch = "aarch64")]
const CALLEE_SAVED: usize = 11;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
compile_error!("strandline does not know which registers of this machine are callee-saved");

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_stack_end_is_above_every_frame() {
        let end = stack_end().unwrap();
        let local = 0_u8;
        let address = (&raw const local).addr();
        assert!(address < end && end - address < 16 << 20, "{address:#x} {end:#x}");
    }

    #[test]
    fn a_value_that_lives_in_a_register_is_found() {
        let end = stack_end().unwrap();
        let secret = std::hint::black_box(0x5eed_0000_1234_5678_usize);
        let found = with_registers_on_stack(|low| {
            let words = (low..end).step_by(8).map(|address| {
                let word = std::ptr::with_exposed_provenance::<usize>(address);
                // SAFETY: the words from `low` to the end of the stack are this thread's frames.
                unsafe { word.read_volatile() }
            });
            words.into_iter().any(|word| word == secret)
        });
        assert!(found);
        assert_eq!(std::hint::black_box(secret), 0x5eed_0000_1234_5678);
    }
}
