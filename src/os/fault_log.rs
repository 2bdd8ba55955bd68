//! Which pages a thread has had faults on: a log that the kernel keeps, and a count that proves it
//! complete.
//!
//! The log is a software event of `perf_event_open`, `PERF_COUNT_SW_PAGE_FAULTS_MIN`, sampled at every
//! fault with its address. It misses what the kernel resolves on behalf of another access than the
//! thread's own (`get_user_pages`, as in `process_vm_writev`), and what its buffer has no room for. The
//! count in `/proc/self/task/TID/stat` misses none of these: `mm_account_fault` in the kernel's
//! `mm/memory.c` counts a fault for the thread first, and then logs it if it came by an access. So where
//! as many faults were logged as were counted, each fault is in the log.
//!
//! A fault costs 0.2 us more while it is logged.

use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::fs::FileExt;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::errno::Errno;
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use perf_event_open_sys as perf;
use perf_event_open_sys::bindings as raw;

use super::error::OsError;
use super::fork::{self, Epoch};
use super::page::page_size;
use super::thread::{ThreadId, calling_thread_id};

/// Bytes for records, of 16 bytes each. A power of two of pages.
const ROOM: usize = 256 << 10;

/// The bytes of a record's header, and of one with an address.
const HEADER: u64 = 8;
const RECORD: u64 = 16;

/// Whether the kernel lets this process log the page faults of its threads, which spares a heap scans in
/// stops ([`FaultLogging`](crate::FaultLogging)).
///
/// # Errors
/// Why it does not: `EACCES` or `EPERM` by `kernel.perf_event_paranoid`, a security module or a seccomp
/// filter, `ENOSYS` without `perf_event_open`, `EPERM` also when no more memory may be locked.
pub fn can_log_faults() -> Result<(), OsError> {
    FaultLog::open(calling_thread_id()).map(drop)
}

/// The faults of one thread, as the kernel logs them.
#[derive(Debug)]
pub(crate) struct FaultLog {
    event: File,
    buffer: Buffer,
    stat: File,
    /// The thread's count of faults when the log began, and how many of them were read.
    before: u64,
    read: u64,
}

impl FaultLog {
    /// Opens the log of a thread of this process, and lets it run.
    ///
    /// # Errors
    /// `EACCES` or `EPERM` where the kernel does not let this process have such events, `EMFILE`,
    /// `ENOMEM`, `ENOENT` or `ESRCH` when there is no such thread.
    pub(crate) fn open(thread: ThreadId) -> Result<Self, OsError> {
        // First: it is there for threads of this process only.
        let stat = File::open(format!("/proc/self/task/{thread}/stat"))
            .map_err(|error| failed("open of /proc/self/task/TID/stat", &error))?;
        let event = open_event(thread)?;
        let buffer = Buffer::map(&event)?;
        let mut log = Self { event, buffer, stat, before: 0, read: 0 };
        log.set_running(true)?;
        log.begin()?;
        Ok(log)
    }

    /// Lets it run, or has it rest: nothing is logged then, and faults cost nothing more. When it runs again
    /// it is to [begin](Self::begin) anew.
    ///
    /// # Errors
    /// When the thread has ended.
    pub(crate) fn set_running(&self, running: bool) -> Result<(), OsError> {
        let event = self.event.as_raw_fd();
        let (call, status) = if running {
            // SAFETY: the descriptor is that of an event, and the request takes a number.
            ("PERF_EVENT_IOC_ENABLE", unsafe { perf::ioctls::ENABLE(event, 0) })
        } else {
            // SAFETY: as above.
            ("PERF_EVENT_IOC_DISABLE", unsafe { perf::ioctls::DISABLE(event, 0) })
        };
        if status < 0 { Err(OsError::syscall(call, None, Errno::last(), "")) } else { Ok(()) }
    }

    /// Begins anew: forgets what was logged.
    ///
    /// # Errors
    /// When the thread has ended.
    pub(crate) fn begin(&mut self) -> Result<(), OsError> {
        // Before the log is emptied: a fault in between is one that the log lacks.
        self.before = self.faults()?;
        self.buffer.skip();
        self.read = 0;
        Ok(())
    }

    /// Passes the address of each fault that was not read yet, while the thread may have more.
    pub(crate) fn drain(&mut self, visit: impl FnMut(usize)) {
        self.read += self.buffer.read(visit);
    }

    /// Passes the address of each fault that was not read yet. Whether none is missing since the log began.
    ///
    /// Complete for a thread that has had no fault since before the call.
    ///
    /// # Errors
    /// When the thread has ended.
    pub(crate) fn read(&mut self, visit: impl FnMut(usize)) -> Result<bool, OsError> {
        self.drain(visit);
        // Afterwards: a fault in between is one that the log lacks.
        Ok(self.read == self.faults()? - self.before)
    }

    /// How many faults the thread has had.
    fn faults(&self) -> Result<u64, OsError> {
        const CALL: &str = "read of /proc/self/task/TID/stat";
        let mut text = [0; 1024];
        let bytes = self.stat.read_at(&mut text, 0).map_err(|error| failed(CALL, &error))?;
        let text = String::from_utf8_lossy(&text[..bytes]);
        parse_faults(&text)
            .ok_or(OsError::Refused { call: CALL, reason: "it has no counts of faults" })
    }
}

/// The minor and the major faults in a line of `/proc/PID/stat`: fields 10 and 12.
fn parse_faults(line: &str) -> Option<u64> {
    // The name of the thread, field 2, may have anything in it, also spaces and brackets.
    let (_, fields) = line.rsplit_once(')')?;
    let mut counts = fields.split_ascii_whitespace().skip(7).step_by(2).map(str::parse::<u64>);
    Some(counts.next()?.ok()? + counts.next()?.ok()?)
}

fn open_event(thread: ThreadId) -> Result<File, OsError> {
    const CALL: &str = "perf_event_open (page faults)";
    let advice = "lower kernel.perf_event_paranoid to 2 or less, grant CAP_PERFMON, or allow the call \
                  in the sandbox's seccomp filter";
    let open = |exclude_kernel| {
        let mut event = raw::perf_event_attr {
            size: size_of::<raw::perf_event_attr>() as u32,
            type_: raw::PERF_TYPE_SOFTWARE,
            config: u64::from(raw::PERF_COUNT_SW_PAGE_FAULTS_MIN),
            sample_type: u64::from(raw::PERF_SAMPLE_ADDR),
            ..raw::perf_event_attr::default()
        };
        event.__bindgen_anon_1.sample_period = 1;
        event.__bindgen_anon_2.wakeup_watermark = u32::MAX;
        event.set_watermark(1);
        event.set_disabled(1);
        event.set_exclude_hv(1);
        event.set_exclude_kernel(exclude_kernel);
        let flags = u64::from(raw::PERF_FLAG_FD_CLOEXEC);
        // SAFETY: a complete perf_event_attr, which the call only reads.
        let fd =
            unsafe { perf::perf_event_open(&raw mut event, thread.number(), -1, -1, flags as _) };
        // SAFETY: the call has opened this descriptor, which is nobody else's.
        Errno::result(fd).map(|fd| unsafe { File::from_raw_fd(fd) })
    };
    // Faults in system calls are logged only for the privileged. Others have logs that lack these.
    open(0).or_else(|_| open(1)).map_err(|errno| OsError::syscall(CALL, None, errno, advice))
}

fn failed(call: &'static str, error: &std::io::Error) -> OsError {
    let errno = Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO));
    OsError::syscall(call, None, errno, "")
}

/// The buffer that the kernel writes records to and this process reads them from.
#[derive(Debug)]
struct Buffer {
    start: NonNull<u8>,
    /// The kernel maps no such buffer into a child.
    epoch: Epoch,
    /// How far it was read.
    tail: u64,
}

// SAFETY: the mapping belongs to this value alone; the kernel writes to it whoever reads it.
unsafe impl Send for Buffer {}

impl Buffer {
    fn bytes() -> usize {
        page_size() + ROOM
    }

    fn map(event: &File) -> Result<Self, OsError> {
        let advice = "raise kernel.perf_event_mlock_kb or RLIMIT_MEMLOCK";
        let size = Self::bytes().try_into().expect("a page has bytes");
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice touches nothing else.
        let start = unsafe { mmap(None, size, access, MapFlags::MAP_SHARED, event, 0) }
            .map_err(|errno| OsError::syscall("mmap of a log of faults", None, errno, advice))?;
        Ok(Self { start: start.cast(), epoch: fork::epoch(), tail: 0 })
    }

    /// The word at an offset from the start of the mapping.
    fn word(&self, offset: usize) -> &AtomicU64 {
        debug_assert!(offset.is_multiple_of(8) && offset < Self::bytes());
        // SAFETY: an aligned word of the mapping, which lives as long as this value; the kernel writes
        // whole words, and this process reads and writes them atomically.
        unsafe { self.start.add(offset).cast().as_ref() }
    }

    fn head(&self) -> u64 {
        // What the kernel wrote before it moved the head is seen by who sees that: perf_event.h asks
        // for a read barrier here.
        self.word(std::mem::offset_of!(raw::perf_event_mmap_page, data_head))
            .load(Ordering::Acquire)
    }

    /// The word of a record at a position that only ever grows.
    fn record(&self, position: u64) -> u64 {
        self.word(page_size() + position as usize % ROOM).load(Ordering::Relaxed)
    }

    /// Everything up to a position was read.
    fn release(&mut self, tail: u64) {
        self.tail = tail;
        // The records were read before the kernel may write over them.
        self.word(std::mem::offset_of!(raw::perf_event_mmap_page, data_tail))
            .store(tail, Ordering::Release);
    }

    fn skip(&mut self) {
        self.release(self.head());
    }

    /// Passes the address in each record; returns how many there were.
    fn read(&mut self, mut visit: impl FnMut(usize)) -> u64 {
        let (mut logged, head) = (0, self.head());
        let mut at = self.tail;
        while at < head {
            let header = self.record(at);
            // The header: a word of 32 bits for the type, 16 bits of flags, 16 bits for the size.
            let (kind, size) = if cfg!(target_endian = "little") {
                (header as u32, header >> 48)
            } else {
                ((header >> 32) as u32, header & 0xffff)
            };
            if kind == raw::PERF_RECORD_SAMPLE && size == RECORD {
                visit(self.record(at + HEADER) as usize);
                logged += 1;
            }
            // Others tell of records that were lost, which the count tells, too.
            at += size.max(HEADER);
        }
        self.release(head);
        logged
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.epoch == fork::epoch() {
            // SAFETY: the mapping of this value, which nobody else has a reference to.
            let result = unsafe { munmap(self.start.cast(), Self::bytes()) };
            debug_assert!(result.is_ok(), "munmap of a log of faults: {result:?}");
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::os::PageRange;
    use crate::os::memory::{Advice, Reservation, advise, commit};

    const PAGES: usize = 64;

    /// Memory without pages: the first write to each is a fault.
    fn untouched(pages: usize) -> Reservation {
        let memory = Reservation::new(pages * page_size(), page_size()).unwrap();
        // SAFETY: the memory is this test's own.
        unsafe {
            commit(memory.range()).unwrap();
            advise(memory.range(), Advice::BasePages).unwrap();
        }
        memory
    }

    /// Passes a log of the calling thread to the test, unless this machine forbids that. No other test forks
    /// meanwhile: each page would have a fault again, also where the kernel writes to one.
    fn with_log(test: impl FnOnce(FaultLog)) {
        match FaultLog::open(calling_thread_id()) {
            Ok(log) => fork::undivided(|| test(log)),
            Err(error) => println!("nothing was tested: {error}"),
        }
    }

    fn touch(page: PageRange) {
        // SAFETY: the caller's memory, which is committed.
        unsafe { page.as_ptr().write_volatile(1) };
    }

    #[test]
    fn every_fault_is_logged_with_its_address() {
        let memory = untouched(PAGES);
        with_log(|mut log| {
            let mut seen = Vec::with_capacity(4 * PAGES);
            log.begin().unwrap();
            for page in (0..PAGES).rev() {
                touch(memory.range().subrange(page, 1));
            }
            assert!(log.read(|address| seen.push(address)).unwrap(), "a fault is missing");
            let starts = (0..PAGES).rev().map(|page| memory.range().subrange(page, 1).start());
            seen.retain(|&address| {
                memory.range().intersection(PageRange::covering(address, 1).unwrap()).is_some()
            });
            assert_eq!(seen, starts.collect::<Vec<_>>());
        });
    }

    #[test]
    fn what_was_read_before_is_not_missing() {
        let memory = untouched(2 * PAGES);
        with_log(|mut log| {
            log.begin().unwrap();
            let (mut drained, mut read) = (0, 0);
            (0..PAGES).for_each(|page| touch(memory.range().subrange(page, 1)));
            log.drain(|_| drained += 1);
            (PAGES..2 * PAGES).for_each(|page| touch(memory.range().subrange(page, 1)));
            assert!(log.read(|_| read += 1).unwrap());
            assert!(drained >= PAGES && read >= PAGES, "{drained} and {read} faults");
        });
    }

    #[test]
    fn what_was_logged_before_it_began_is_forgotten() {
        let memory = untouched(PAGES);
        with_log(|mut log| {
            touch(memory.range());
            log.begin().unwrap();
            let mut logged = 0;
            assert!(log.read(|_| logged += 1).unwrap());
            assert_eq!(logged, 0);
        });
    }

    #[test]
    fn a_fault_that_the_kernel_resolved_for_a_copy_of_its_own_is_missing() {
        let memory = untouched(PAGES);
        with_log(|mut log| {
            let from = [7_u8; 8];
            let local = [std::io::IoSlice::new(&from)];
            let to = nix::sys::uio::RemoteIoVec { base: memory.range().start(), len: from.len() };
            log.begin().unwrap();
            let copied = nix::sys::uio::process_vm_writev(nix::unistd::getpid(), &local, &[to]);
            assert_eq!(copied, Ok(from.len()));
            assert!(!log.read(|_| ()).unwrap(), "nothing was missing");
        });
    }

    #[test]
    fn what_the_buffer_has_no_room_for_is_missing() {
        let pages = ROOM / RECORD as usize + 1;
        let memory = untouched(pages);
        with_log(|mut log| {
            for round in 0..2 {
                log.begin().unwrap();
                for page in 0..pages {
                    touch(memory.range().subrange(page, 1));
                }
                let complete = log.read(|_| ()).unwrap();
                assert_eq!(complete, round == 1, "round {round}: touched memory has no faults");
            }
        });
    }

    #[test]
    fn the_counts_are_found_whatever_the_thread_is_called() {
        let line = "17 (a ) b) c) S 1 17 17 0 -1 4194304 23 0 5 0 0 0 0 0 20 0 1 0";
        assert_eq!(parse_faults(line), Some(28));
        assert_eq!(parse_faults("17 (a) S 1 17"), None);
    }

    #[test]
    fn a_thread_that_has_ended_has_no_complete_log() {
        let ended = std::thread::spawn(calling_thread_id).join().unwrap();
        assert!(FaultLog::open(ended).is_err());
    }
}
