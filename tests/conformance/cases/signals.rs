//! The `mprotect` back-end's `SIGSEGV` handler and everybody else's.
//!
//! Each role is played in a process of its own, where no handler was installed before.

use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

use libc::{SIGSEGV, SIGUSR1};
use strandline::os::memory::{self, Access, Reservation};
use strandline::os::{PageRange, page_size};

use super::Single;
use crate::harness::role::{self, Role};
use crate::harness::{Rig, Variant, Verdict};

pub(super) const ROLES: &[Role] = &[
    ("handler_with_info", handler_with_info),
    ("plain_handler", plain_handler),
    ("handler_once", handler_once),
    ("handler_stores", handler_stores),
    ("handler_mask", handler_mask),
    ("wild_store", || wild(|page| store_byte(page.as_ptr()))),
    ("wild_store_to_null", || wild(|_| store_byte(std::ptr::without_provenance_mut(8)))),
    ("wild_jump", wild_jump),
    ("kill", || kill_segv(libc::SIG_DFL)),
    ("kill_ignored", || kill_segv(libc::SIG_IGN)),
    ("alternate_stack", alternate_stack),
    ("stack_in_watched_memory", stack_in_watched_memory),
    ("errno", errno),
];

pub(super) const SINGLES: &[Single] = &[
    ("signals::handler_with_info_gets_other_faults", || succeeds("handler_with_info")),
    ("signals::plain_handler_gets_other_faults", || succeeds("plain_handler")),
    ("signals::handler_for_one_signal_gets_one", || killed("handler_once")),
    ("signals::handler_may_store_to_watched_memory", || succeeds("handler_stores")),
    ("signals::handler_runs_with_the_mask_it_would_have", || succeeds("handler_mask")),
    ("signals::wild_store_kills", || killed("wild_store")),
    ("signals::store_to_null_kills", || killed("wild_store_to_null")),
    ("signals::jump_into_watched_memory_kills", || killed("wild_jump")),
    ("signals::kill_kills", || killed("kill")),
    ("signals::kill_is_ignored_if_it_was", || succeeds("kill_ignored")),
    ("signals::fault_on_an_alternate_stack", || succeeds("alternate_stack")),
    ("signals::stack_in_watched_memory", || succeeds("stack_in_watched_memory")),
    ("signals::errno_survives_a_fault", || succeeds("errno")),
];

fn succeeds(name: &str) -> Verdict {
    role::start(name).expect_success();
    Verdict::Passed
}

fn killed(name: &str) -> Verdict {
    role::start(name).expect_signal(SIGSEGV);
    Verdict::Passed
}

/// Installs `handler`, which is a function or one of the special values.
fn install(signal: i32, handler: usize, flags: i32) {
    // SAFETY: all-zero is a valid sigaction.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler;
    action.sa_flags = flags;
    // SAFETY: the callers pass functions that fit their flags.
    assert_eq!(unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) }, 0);
}

fn store_byte(to: *mut u8) {
    // SAFETY: none is needed by the callers: they want the fault, or own the memory. Volatile, so
    // that the store is made.
    unsafe { to.write_volatile(1) };
}

/// A page without access, and which handler calls came because of it.
static FORBIDDEN: AtomicUsize = AtomicUsize::new(0);
static CALLS: AtomicUsize = AtomicUsize::new(0);
static SEEN_ADDRESS: AtomicUsize = AtomicUsize::new(0);

fn forbid() -> Reservation {
    let page = Reservation::new(page_size(), page_size()).unwrap();
    FORBIDDEN.store(page.range().start(), Ordering::Relaxed);
    page
}

/// What the handlers of the program do about a fault: let it pass.
fn permit() {
    CALLS.fetch_add(1, Ordering::Relaxed);
    let start = FORBIDDEN.load(Ordering::Relaxed);
    let page = PageRange::new(start, start + page_size()).unwrap();
    // SAFETY: the page is ours and has no contents.
    unsafe { memory::protect(page, Access::ReadWrite) }.unwrap();
}

extern "C" fn with_info(_: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    assert!(!context.is_null());
    // SAFETY: the kernel's siginfo of a fault, handed on.
    SEEN_ADDRESS.store(unsafe { (*info).si_addr() }.addr(), Ordering::Relaxed);
    permit();
}

extern "C" fn plain(signal: i32) {
    assert_eq!(signal, SIGSEGV);
    permit();
}

/// Faults of both kinds, in turn; `rounds` of them are not the tracker's.
fn other_faults(rounds: usize) {
    let rig = Rig::settled(Variant::Mprotect, 8);
    for round in 1..=rounds {
        let page = forbid();
        rig.store(2);
        store_byte(page.range().as_ptr());
        assert_eq!(CALLS.load(Ordering::Relaxed), round, "the handler's own fault");
        rig.store(5);
        rig.expect(&[2, 5]);
        assert_eq!(CALLS.load(Ordering::Relaxed), round, "the tracker's fault");
    }
}

fn handler_with_info() {
    install(SIGSEGV, with_info as *const () as usize, libc::SA_SIGINFO);
    other_faults(3);
    assert_eq!(SEEN_ADDRESS.load(Ordering::Relaxed), FORBIDDEN.load(Ordering::Relaxed));
}

fn plain_handler() {
    install(SIGSEGV, plain as *const () as usize, 0);
    other_faults(3);
}

/// A crash reporter: it says what happened and lets the default action end the process.
fn handler_once() {
    extern "C" fn report(_: i32) {
        let calls = CALLS.fetch_add(1, Ordering::Relaxed);
        if calls > 0 {
            // SAFETY: ends the process.
            unsafe { libc::_exit(3) };
        }
    }
    install(SIGSEGV, report as *const () as usize, libc::SA_RESETHAND);
    let rig = Rig::settled(Variant::Mprotect, 8);
    rig.store(2);
    rig.expect(&[2]);
    let page = forbid();
    store_byte(page.range().as_ptr());
}

/// A page of a rig for a handler to store to.
static WATCHED: AtomicUsize = AtomicUsize::new(0);

fn store_to_watched() {
    let to = std::ptr::with_exposed_provenance_mut(WATCHED.load(Ordering::Relaxed));
    store_byte(to);
}

fn handler_stores() {
    extern "C" fn stores(_: i32) {
        store_to_watched();
        permit();
    }
    install(SIGSEGV, stores as *const () as usize, 0);
    // The standard library's has room for one signal frame only.
    use_alternate_stack();
    let rig = Rig::settled(Variant::Mprotect, 8);
    WATCHED.store(rig.page(3).start(), Ordering::Relaxed);
    let page = forbid();
    store_byte(page.range().as_ptr());
    rig.expect(&[3]);
}

fn is_blocked(signal: i32) -> bool {
    // SAFETY: all-zero is a valid set, and a null new mask only asks for the current one.
    unsafe {
        let mut mask: libc::sigset_t = std::mem::zeroed();
        libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), &raw mut mask);
        libc::sigismember(&raw const mask, signal) == 1
    }
}

/// What the thread had blocked stays blocked in the handler, and nothing else is afterwards.
fn handler_mask() {
    static BLOCKED: AtomicI32 = AtomicI32::new(0);
    extern "C" fn look(_: i32) {
        let bits = [SIGUSR1, libc::SIGUSR2].map(|signal| i32::from(is_blocked(signal)));
        BLOCKED.store(bits[0] + 2 * bits[1], Ordering::Relaxed);
        permit();
    }
    install(SIGSEGV, look as *const () as usize, 0);
    // SAFETY: all-zero is a valid set.
    unsafe {
        let mut mask: libc::sigset_t = std::mem::zeroed();
        libc::sigaddset(&raw mut mask, SIGUSR1);
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const mask, std::ptr::null_mut());
    }
    other_faults(1);
    assert_eq!(BLOCKED.load(Ordering::Relaxed), 1, "USR1 (1) was blocked, USR2 (2) was not");
    assert!(is_blocked(SIGUSR1) && !is_blocked(libc::SIGUSR2) && !is_blocked(SIGSEGV));
}

/// A store that is nobody's must end the process, as without a tracker.
fn wild(store: impl FnOnce(PageRange)) {
    install(SIGSEGV, libc::SIG_DFL, 0);
    let rig = Rig::settled(Variant::Mprotect, 8);
    rig.store(2);
    let page = forbid();
    store(page.range());
}

/// A fault on a watched page that making it writable does not cure.
fn wild_jump() {
    install(SIGSEGV, libc::SIG_DFL, 0);
    let rig = Rig::settled(Variant::Mprotect, 8);
    let target = rig.page(3).as_ptr();
    // SAFETY: it is not safe: the page is not executable, and the process is to die of it.
    let function = unsafe { std::mem::transmute::<*mut u8, extern "C" fn()>(target) };
    function();
}

fn kill_segv(before: usize) {
    install(SIGSEGV, before, 0);
    let rig = Rig::settled(Variant::Mprotect, 8);
    // SAFETY: sends a signal to this process.
    unsafe { libc::kill(libc::getpid(), SIGSEGV) };
    rig.store(2);
    rig.expect(&[2]);
}

/// Gives the calling thread an alternate stack.
fn use_alternate_stack() {
    const BYTES: usize = 64 << 10;
    let stack = Box::leak(vec![0_u8; BYTES].into_boxed_slice());
    let stack = libc::stack_t { ss_sp: stack.as_mut_ptr().cast(), ss_flags: 0, ss_size: BYTES };
    // SAFETY: the memory is never freed.
    assert_eq!(unsafe { libc::sigaltstack(&raw const stack, std::ptr::null_mut()) }, 0);
}

/// A handler that runs on an alternate stack faults there.
fn alternate_stack() {
    extern "C" fn stores(_: i32) {
        store_to_watched();
    }
    let rig = Rig::settled(Variant::Mprotect, 8);
    WATCHED.store(rig.page(3).start(), Ordering::Relaxed);
    use_alternate_stack();
    install(SIGUSR1, stores as *const () as usize, libc::SA_ONSTACK);
    for _ in 0..3 {
        // SAFETY: sends a signal to this thread.
        unsafe { libc::raise(SIGUSR1) };
        rig.expect(&[3]);
        rig.store(4);
        rig.expect(&[4]);
    }
}

/// A thread whose stack is watched, but for its top: there the kernel writes by itself (the thread's
/// `rseq` area), which it cannot to a protected page.
fn stack_in_watched_memory() {
    const PAGES: usize = 128;
    const TOP: usize = 16;
    static TURN: AtomicUsize = AtomicUsize::new(0);

    fn wait_for(turn: usize) {
        while TURN.load(Ordering::Acquire) != turn {
            std::thread::yield_now();
        }
    }

    /// Uses more of the stack than its top, twice, with the scanner's turn in between.
    #[inline(never)]
    fn descend(depth: usize) -> usize {
        let mut frame = [depth as u8; 2048];
        std::hint::black_box(&mut frame);
        if depth == 0 {
            // Only loads and stores until the scanner is done: no call that returns.
            TURN.store(1, Ordering::Release);
            while TURN.load(Ordering::Acquire) != 2 {
                std::hint::spin_loop();
            }
        }
        let below = if depth == 0 { 0 } else { descend(depth - 1) };
        frame.iter_mut().for_each(|byte| *byte = byte.wrapping_add(1));
        std::hint::black_box(&mut frame);
        below + usize::from(frame[7] == (depth as u8).wrapping_add(1))
    }

    extern "C" fn thread(_: *mut libc::c_void) -> *mut libc::c_void {
        use_alternate_stack();
        std::ptr::without_provenance_mut(descend(99))
    }

    let rig = Rig::unregistered(Variant::Mprotect, crate::harness::Mapping::anonymous(PAGES));
    let watched = rig.range().subrange(0, PAGES - TOP);
    rig.register(watched).unwrap();
    // SAFETY: the attributes and the thread are used as pthreads wants; the stack is the rig's
    // memory, which outlives the thread.
    let frames = unsafe {
        let mut attributes: libc::pthread_attr_t = std::mem::zeroed();
        assert_eq!(libc::pthread_attr_init(&raw mut attributes), 0);
        let (stack, bytes) = (rig.range().as_ptr().cast(), rig.range().bytes());
        assert_eq!(libc::pthread_attr_setstack(&raw mut attributes, stack, bytes), 0);
        let mut id: libc::pthread_t = std::mem::zeroed();
        let null = std::ptr::null_mut();
        assert_eq!(libc::pthread_create(&raw mut id, &raw const attributes, thread, null), 0);
        wait_for(1);
        let owed = rig.set();
        rig.tracker.consume(watched, &owed).unwrap();
        owed.clear();
        rig.tracker.consume(watched, &owed).unwrap();
        assert!(owed.len() <= 1, "a spinning thread has dirtied {owed:?}");
        TURN.store(2, Ordering::Release);
        let mut frames = null;
        assert_eq!(libc::pthread_join(id, &raw mut frames), 0);
        frames.addr()
    };
    assert_eq!(frames, 100, "every frame was intact after its page had been protected");
    let owed = rig.set();
    rig.tracker.consume(watched, &owed).unwrap();
    assert!(owed.len() >= 30, "100 frames of 2 KiB went back up: {owed:?}");
}

fn errno() {
    let rig = Rig::settled(Variant::Mprotect, 8);
    // SAFETY: the calling thread's own errno.
    let errno = unsafe { &mut *libc::__errno_location() };
    for page in 0..8 {
        *errno = 77;
        store_byte(rig.page(page).as_ptr());
        assert_eq!(*errno, 77);
    }
}
