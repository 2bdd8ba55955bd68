//! Who makes pages writable and is none of the writers: other threads, other processes, the kernel.
//!
//! An outsider writes, if at all, to words that hold zero and stay so. So all that it can do to a hunt is to
//! have a page written, or made writable, by somebody whom nobody watches.

mod kernel;
mod merging;
mod stranger;

use std::fmt;
use std::io;
use std::sync::Mutex;
use std::sync::atomic::Ordering;

use nix::errno::Errno;
use nix::sys::mman;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, fork};
use strandline::dirty::{BackendKind, Sight, TrackerBackend};
use strandline::os::PageRange;
use strandline::os::memory::{Advice, Reservation, advise, commit};

pub(crate) use kernel::{KernelWriter, Way};
pub(crate) use stranger::play_if_asked;

use merging::Merging;

use super::field::HUGE_PAGE;
use super::heap::ground::word;

/// What one does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outsider {
    /// A plain store of a thread that nobody knows of.
    Store,
    /// `MADV_POPULATE_WRITE` of a page.
    Populate,
    /// `mlock` and `munlock` of a page.
    Lock,
    /// `mlock2` with `MLOCK_ONFAULT`, and `munlock`, of a page.
    LockOnFault,
    /// `mlockall` and `munlockall`.
    LockAll,
    /// A write by the kernel.
    Kernel(Way),
    /// A child that is forked and ends.
    Fork,
    /// `MADV_HUGEPAGE` and `MADV_NOHUGEPAGE`, in turn.
    PageSizes,
    /// `MADV_COLLAPSE`.
    Collapse,
    /// `MADV_MERGEABLE`, with the kernel's same-page merging at work.
    Merge,
}

impl Outsider {
    pub(crate) const ALL: [Self; 16] = [
        Self::Store,
        Self::Populate,
        Self::Lock,
        Self::LockOnFault,
        Self::LockAll,
        Self::Kernel(Way::Read),
        Self::Kernel(Way::VmWrite),
        Self::Kernel(Way::OthersVmWrite),
        Self::Kernel(Way::ProcMem),
        Self::Kernel(Way::OthersProcMem),
        Self::Kernel(Way::Ptrace),
        Self::Kernel(Way::Registered),
        Self::Fork,
        Self::PageSizes,
        Self::Collapse,
        Self::Merge,
    ];

    /// Acts in a round of a few hundred stores.
    fn acts_a_round(self) -> usize {
        match self {
            Self::LockAll | Self::Fork | Self::Merge => 1,
            Self::PageSizes | Self::Collapse => 4,
            Self::Kernel(_) => 16,
            Self::Store | Self::Populate | Self::Lock | Self::LockOnFault => 64,
        }
    }

    /// Why it cannot do anything here, or to memory with such a tracker.
    pub(crate) fn refusal(self, backend: BackendKind) -> Option<String> {
        if let (BackendKind::Mprotect, Self::Kernel(way)) = (backend, self)
            && !way.forces()
        {
            let Sight::Fails(why) = mprotect_contract() else { return None };
            return Some(why.to_owned());
        }
        let mut tried = TRIED.lock().expect("no panic under this lock");
        if let Some((_, reason)) = tried.iter().find(|(outsider, _)| *outsider == self) {
            return reason.clone();
        }
        let reason = self.attempt().err().map(|error| error.to_string());
        tried.push((self, reason.clone()));
        reason
    }

    /// Tries it on a page of its own.
    fn attempt(self) -> io::Result<()> {
        let memory = Reservation::new(HUGE_PAGE, HUGE_PAGE).map_err(io::Error::other)?;
        // SAFETY: the reservation is new and this function's own.
        unsafe { commit(memory.range()) }.map_err(io::Error::other)?;
        // SAFETY: as above.
        unsafe { advise(memory.range(), Advice::Populate) }.map_err(io::Error::other)?;
        Acting::begin(self)?.act(memory.range().start())
    }
}

impl fmt::Display for Outsider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kernel(way) => write!(f, "{way:?}"),
            other => write!(f, "{other:?}"),
        }
    }
}

fn mprotect_contract() -> Sight {
    let page = PageRange::new(HUGE_PAGE, 2 * HUGE_PAGE).expect("whole pages");
    let backend = strandline::dirty::Mprotect::new(page).expect("a table for 2 MiB");
    backend.contract().kernel_writes
}

/// Who was tried, and what came of it.
static TRIED: Mutex<Vec<(Outsider, Option<String>)>> = Mutex::new(Vec::new());

/// An outsider with what it needs.
pub(crate) struct Acting {
    outsider: Outsider,
    tool: Tool,
    acts: u64,
}

enum Tool {
    None,
    Kernel(KernelWriter),
    Merging(Merging),
}

impl Acting {
    /// # Errors
    /// When the kernel has no such thing, or does not allow it.
    pub(crate) fn begin(outsider: Outsider) -> io::Result<Self> {
        let tool = match outsider {
            Outsider::Kernel(way) => Tool::Kernel(KernelWriter::new(way)?),
            Outsider::Merge => Tool::Merging(Merging::begin()?),
            _ => Tool::None,
        };
        if matches!(outsider, Outsider::Lock | Outsider::LockOnFault | Outsider::LockAll) {
            let (_, most) = getrlimit(Resource::RLIMIT_MEMLOCK)?;
            setrlimit(Resource::RLIMIT_MEMLOCK, most, most)?;
        }
        Ok(Self { outsider, tool, acts: 0 })
    }

    /// Stores of the program from one act to the next, where an act takes long.
    pub(crate) fn stores_an_act(&self) -> u64 {
        if self.outsider.acts_a_round() == 1 { 2000 } else { 0 }
    }

    /// How often it acts in a round of a few hundred stores.
    pub(crate) fn acts_a_round(&self) -> usize {
        self.outsider.acts_a_round()
    }

    /// Acts on the word at an address, its page, or the huge page around it.
    ///
    /// # Errors
    /// The kernel may refuse one act and not the next: a page that `mprotect` protects cannot be
    /// populated, one that is armed not collapsed.
    pub(crate) fn act(&mut self, address: usize) -> io::Result<()> {
        let page = PageRange::covering(address, size_of::<u64>()).expect("a page");
        let start = address & !(HUGE_PAGE - 1);
        let huge = PageRange::new(start, start + HUGE_PAGE).expect("a huge page");
        match (self.outsider, &mut self.tool) {
            (Outsider::Store, _) => word(address).store(0, Ordering::Relaxed),
            (Outsider::Populate, _) => advised(page, Advice::Populate)?,
            (Outsider::Lock, _) => lock(page, 0)?,
            (Outsider::LockOnFault, _) => lock(page, libc::MLOCK_ONFAULT)?,
            (Outsider::LockAll, _) => {
                mman::mlockall(mman::MlockAllFlags::MCL_CURRENT)?;
                mman::munlockall()?;
            }
            (Outsider::Fork, _) => fork_and_end()?,
            (Outsider::PageSizes, _) => {
                let turns = [Advice::HugePages, Advice::BasePages];
                advised(huge, turns[(self.acts % 2) as usize])?;
            }
            (Outsider::Collapse, _) => advised(huge, Advice::Collapse)?,
            (_, Tool::Kernel(writer)) => {
                writer.pin(&[page])?;
                writer.write(address, &0u64.to_ne_bytes())?;
            }
            (_, Tool::Merging(merging)) => merging.merge(huge)?,
            (_, Tool::None) => unreachable!("it was begun with its tool"),
        }
        self.acts += 1;
        Ok(())
    }
}

fn advised(range: PageRange, advice: Advice) -> io::Result<()> {
    // SAFETY: memory of the hunt; none of these changes its contents.
    unsafe { advise(range, advice) }.map_err(io::Error::other)
}

fn lock(page: PageRange, flags: libc::c_uint) -> io::Result<()> {
    let (start, bytes) = (page.as_ptr().cast_const().cast(), page.bytes());
    // SAFETY: memory of the hunt; locking changes no contents.
    Errno::result(unsafe { libc::mlock2(start, bytes, flags.cast_signed() as _) })?;
    // SAFETY: as above.
    Errno::result(unsafe { libc::munlock(start, bytes) })?;
    Ok(())
}

fn fork_and_end() -> io::Result<()> {
    // SAFETY: the child does nothing but leave.
    match unsafe { fork() }? {
        // SAFETY: ends the process without running what belongs to the parent.
        ForkResult::Child => unsafe { libc::_exit(0) },
        ForkResult::Parent { child } => waitpid(child, None)?,
    };
    Ok(())
}
