//! Writes by the kernel, to the memory of this process.

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

use nix::errno::Errno;
use nix::sys::uio::{RemoteIoVec, process_vm_writev};
use nix::unistd::{Pid, getpid, pipe};
use strandline::os::PageRange;

use super::super::ring::Ring;
use super::stranger::Stranger;

/// How the kernel comes to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// `read` from a pipe.
    Read,
    /// `process_vm_writev`, by this process and by another one.
    VmWrite,
    OthersVmWrite,
    /// `/proc/PID/mem`.
    ProcMem,
    OthersProcMem,
    /// `PTRACE_POKEDATA`: whole words.
    Ptrace,
    /// A registered buffer of `io_uring`.
    Registered,
}

impl Way {
    /// Those through pinned pages, whose mark can be lost.
    pub(crate) const PINNED: [Self; 6] = [
        Self::VmWrite,
        Self::OthersVmWrite,
        Self::ProcMem,
        Self::OthersProcMem,
        Self::Ptrace,
        Self::Registered,
    ];

    /// Whether it writes to pages that `mprotect` protects, as well.
    pub(crate) fn forces(self) -> bool {
        matches!(self, Self::ProcMem | Self::OthersProcMem | Self::Ptrace)
    }
}

/// Has the kernel write in one way.
pub(crate) enum KernelWriter {
    Read { reader: File, writer: File },
    VmWrite,
    ProcMem(File),
    Registered { ring: Box<Ring>, pinned: Vec<PageRange> },
    Stranger(Stranger),
}

impl KernelWriter {
    /// # Errors
    /// When the kernel has no such thing, or does not allow it.
    pub(crate) fn new(way: Way) -> io::Result<Self> {
        Ok(match way {
            Way::Read => {
                let (reader, writer) = pipe()?;
                Self::Read { reader: reader.into(), writer: writer.into() }
            }
            Way::VmWrite => Self::VmWrite,
            Way::ProcMem => Self::ProcMem(memory_of(getpid())?),
            Way::Registered => {
                Self::Registered { ring: Box::new(Ring::new()?), pinned: Vec::new() }
            }
            Way::OthersVmWrite | Way::OthersProcMem | Way::Ptrace => {
                Self::Stranger(Stranger::start(way)?)
            }
        })
    }

    /// Pins what will be written to, if that is the way.
    pub(crate) fn pin(&mut self, ranges: &[PageRange]) -> io::Result<()> {
        if let Self::Registered { ring, pinned } = self {
            ring.pin(ranges)?;
            ranges.clone_into(pinned);
        }
        Ok(())
    }

    /// Has the kernel write `bytes` at an address, and waits until it has.
    pub(crate) fn write(&mut self, address: usize, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Read { reader, writer } => {
                writer.write_all(bytes)?;
                read(reader, address, bytes.len())
            }
            Self::VmWrite => vm_write(getpid(), address, bytes),
            Self::ProcMem(memory) => memory.write_all_at(bytes, address as u64),
            Self::Registered { ring, pinned } => {
                let end = address + bytes.len();
                let holds = |range: &PageRange| range.start() <= address && end <= range.end();
                let buffer = pinned.iter().position(holds).expect("it was pinned");
                let to = std::ptr::with_exposed_provenance_mut(address);
                ring.write(buffer as u16, to, bytes)
            }
            Self::Stranger(stranger) => stranger.write(address, bytes),
        }
    }
}

/// The memory of a process, as a file.
pub(super) fn memory_of(process: Pid) -> io::Result<File> {
    OpenOptions::new().write(true).open(format!("/proc/{process}/mem"))
}

pub(super) fn vm_write(process: Pid, address: usize, bytes: &[u8]) -> io::Result<()> {
    let to = RemoteIoVec { base: address, len: bytes.len() };
    let count = process_vm_writev(process, &[IoSlice::new(bytes)], &[to])?;
    if count == bytes.len() { Ok(()) } else { Err(Errno::EFAULT.into()) }
}

/// A pipe whose contents cannot go where they should is emptied, for the next attempt.
fn read(reader: &mut File, address: usize, bytes: usize) -> io::Result<()> {
    let to = std::ptr::with_exposed_provenance_mut::<libc::c_void>(address);
    // SAFETY: memory of the hunt, only accessed as atomics and from outside the language.
    let count = Errno::result(unsafe { libc::read(reader.as_raw_fd(), to, bytes) })?;
    assert_eq!(count, bytes.cast_signed(), "a read of what was just written to the pipe");
    Ok(())
}
