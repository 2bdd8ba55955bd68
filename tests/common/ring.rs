//! Registered buffers of `io_uring`: the kernel pins the pages when they are registered, and writes to
//! them later by a mapping of its own.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

use io_uring::{IoUring, opcode, types};
use nix::sys::memfd::{MFdFlags, memfd_create};
use strandline::os::PageRange;

/// A queue for one write at a time, and the file that the kernel reads from.
pub(crate) struct Ring {
    queue: IoUring,
    source: File,
}

impl Ring {
    /// # Errors
    /// Where there is no `io_uring`, or it is forbidden.
    pub(crate) fn new() -> io::Result<Self> {
        let source = File::from(memfd_create(c"registered buffers", MFdFlags::MFD_CLOEXEC)?);
        Ok(Self { queue: IoUring::new(2)?, source })
    }

    /// Registers `buffers` in the place of those before: they stay pinned as long as this exists.
    pub(crate) fn pin(&self, buffers: &[PageRange]) -> io::Result<()> {
        // Refused where there are none yet.
        let _ = self.queue.submitter().unregister_buffers();
        let vector = |buffer: &PageRange| libc::iovec {
            iov_base: buffer.as_ptr().cast(),
            iov_len: buffer.bytes(),
        };
        let vectors: Vec<_> = buffers.iter().map(vector).collect();
        // SAFETY: the caller's own memory, mapped for as long as the test; all accesses to it are atomic
        // or from outside the language.
        unsafe { self.queue.submitter().register_buffers(&vectors) }
    }

    /// Has the kernel write `bytes` to `to`, which lies in the pinned buffer number `buffer`.
    pub(crate) fn write(&mut self, buffer: u16, to: *mut u8, bytes: &[u8]) -> io::Result<()> {
        self.source.write_all_at(bytes, 0)?;
        let source = types::Fd(self.source.as_raw_fd());
        let read = opcode::ReadFixed::new(source, to, bytes.len() as u32, buffer).build();
        // SAFETY: the buffer is registered, and nothing else is in the queue until this is done.
        unsafe { self.queue.submission().push(&read) }.expect("the queue is empty");
        self.queue.submit_and_wait(1)?;
        let done = self.queue.completion().next().expect("one was waited for");
        match usize::try_from(done.result()) {
            Ok(count) if count == bytes.len() => Ok(()),
            Ok(count) => Err(io::Error::other(format!("{count} of {} bytes", bytes.len()))),
            Err(_) => Err(io::Error::from_raw_os_error(-done.result())),
        }
    }
}
