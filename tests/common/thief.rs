//! Another process that clears write marks of this one, when it is told to.
//!
//! A bare child that makes system calls and nothing else: it has no heap, no lock and no allocator.
//! Included by the library's own tests, too.

use std::fs::File;
use std::io::{Read, Write};
use std::ops::Range;

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;

/// What the thief is told.
#[derive(Clone, Copy)]
#[repr(C)]
struct Order {
    start: usize,
    end: usize,
    /// Whether it goes on until the next order.
    repeat: usize,
}

pub(crate) struct Thief {
    orders: File,
    passes: File,
    pid: Pid,
}

impl Thief {
    /// Starts it. `None`, with a line that says why, where one process may not scan another.
    pub(crate) fn start() -> Option<Self> {
        let [(order, orders), (passes, pass)] = [(); 2].map(|()| nix::unistd::pipe().unwrap());
        let path = std::ffi::CString::new(format!("/proc/{}/pagemap", std::process::id())).unwrap();
        // SAFETY: a fork that calls no handlers: the child makes only system calls and does not return.
        match unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) } {
            0 => {
                use std::os::fd::AsRawFd;
                // SAFETY: `path` is a string that ends in zero.
                let pagemap = unsafe { libc::open(path.as_ptr(), libc::O_RDONLY) };
                steal(order.as_raw_fd(), pass.as_raw_fd(), pagemap)
            }
            pid => {
                let pid = Pid::from_raw(i32::try_from(pid).unwrap());
                assert!(pid.as_raw() > 0, "clone: {}", std::io::Error::last_os_error());
                let mut thief = Self { orders: orders.into(), passes: passes.into(), pid };
                drop((order, pass));
                let works = thief.order(0..0, false);
                if works < 0 {
                    println!("nothing was tested: one process may not scan another here");
                }
                (works >= 0).then_some(thief)
            }
        }
    }

    /// Has it make one pass (GET + WP) over the addresses, and waits for that. How many ranges it took.
    pub(crate) fn take(&mut self, range: Range<usize>) -> i64 {
        self.order(range, false)
    }

    /// Has it make pass after pass until it is told something else, from now on.
    pub(crate) fn keep_taking(&mut self, range: Range<usize>) {
        self.order(range, true);
    }

    fn order(&mut self, Range { start, end }: Range<usize>, repeat: bool) -> i64 {
        let words = [start, end, usize::from(repeat)];
        self.orders.write_all(&words.map(usize::to_ne_bytes).concat()).unwrap();
        let mut taken = [0; 8];
        self.passes.read_exact(&mut taken).unwrap();
        i64::from_ne_bytes(taken)
    }
}

impl Drop for Thief {
    fn drop(&mut self) {
        let _ = kill(self.pid, Signal::SIGKILL);
        let _ = waitpid(self.pid, None);
    }
}

/// The child. Answers each order after its first pass.
fn steal(orders: i32, passes: i32, pagemap: i32) -> ! {
    loop {
        let mut order = Order { start: 0, end: 0, repeat: 0 };
        // SAFETY: `order` has that many bytes.
        let got = unsafe { libc::read(orders, (&raw mut order).cast(), size_of::<Order>()) };
        if got != size_of::<Order>() as isize {
            // SAFETY: ends the process and nothing else.
            unsafe { libc::_exit(0) }
        }
        let taken = pass(pagemap, &order);
        // SAFETY: `taken` has 8 bytes.
        unsafe { libc::write(passes, (&raw const taken).cast(), 8) };
        while order.repeat != 0 && !is_ready(orders) {
            pass(pagemap, &order);
        }
    }
}

fn is_ready(fd: i32) -> bool {
    let mut poll = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    // SAFETY: `poll` is one entry.
    unsafe { libc::poll(&raw mut poll, 1, 0) != 0 }
}

/// One pass, upwards. The ranges that were taken, or -1 if it is not allowed.
fn pass(pagemap: i32, order: &Order) -> i64 {
    const SLOTS: usize = 512;
    const PAGEMAP_SCAN: libc::c_ulong = 0xc060_6610;
    const WP_MATCHING: u64 = 1;
    const WRITTEN: u64 = 2;
    let (mut regions, mut taken, mut start) = ([[0_u64; 3]; SLOTS], 0, order.start as u64);
    loop {
        // struct pm_scan_arg: size, flags, start, end, walk_end, vec, vec_len, max_pages, the masks of
        // categories (inverted, all, any), and those to return.
        let (vec, end) = (regions.as_mut_ptr().addr() as u64, order.end as u64);
        let mut arg =
            [96, WP_MATCHING, start, end, 0, vec, SLOTS as u64, 0, 0, WRITTEN, 0, WRITTEN];
        // SAFETY: as laid out above; the kernel writes to `arg` and to as many regions as there are.
        let found = unsafe { libc::ioctl(pagemap, PAGEMAP_SCAN as _, arg.as_mut_ptr()) };
        match found {
            ..0 => return -1,
            _ if (found as usize) < SLOTS => return taken + i64::from(found),
            _ => (taken, start) = (taken + i64::from(found), arg[4]),
        }
    }
}
