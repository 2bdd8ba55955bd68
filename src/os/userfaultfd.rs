//! `userfaultfd` in asynchronous write-protect mode.
//!
//! In this mode nobody reads events: the kernel resolves a write fault by itself, clears the
//! protection, and [`PAGEMAP_SCAN`](super::pagemap) tells afterwards which pages were written.
//! Reference: `userfaultfd(2)`, `ioctl_userfaultfd(2)`, and the kernel's
//! `Documentation/admin-guide/mm/userfaultfd.rst`.

use std::fmt;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use linux_raw_sys::general as raw;
use nix::errno::Errno;

use super::error::OsError;
use super::fork::{self, Epoch};
use super::page::PageRange;

mod ioctl {
    use linux_raw_sys::general as raw;

    pub(super) const UFFD: u8 = raw::UFFDIO as u8;

    nix::ioctl_readwrite!(api, UFFD, raw::_UFFDIO_API, raw::uffdio_api);
    nix::ioctl_readwrite!(register, UFFD, raw::_UFFDIO_REGISTER, raw::uffdio_register);
    nix::ioctl_read!(unregister, UFFD, raw::_UFFDIO_UNREGISTER, raw::uffdio_range);
    nix::ioctl_readwrite!(writeprotect, UFFD, raw::_UFFDIO_WRITEPROTECT, raw::uffdio_writeprotect);
}

/// `USERFAULTFD_IOC_NEW` of /dev/userfaultfd.
const NEW: libc::c_ulong = nix::request_code_none!(ioctl::UFFD, 0) as libc::c_ulong;

/// By which door a descriptor was had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// `userfaultfd(UFFD_USER_MODE_ONLY)`: open to everyone, whatever the sysctl says. Kernel-mode
    /// writes are tracked all the same: the flag restricts *messages*, and asynchronous write
    /// protection sends none.
    UserModeOnly,
    /// `/dev/userfaultfd`: for those who may open it.
    Device,
    /// `userfaultfd(0)`: privileged, or `vm.unprivileged_userfaultfd` = 1.
    Privileged,
}

impl Door {
    /// In the order in which they are tried.
    pub const ALL: [Self; 3] = [Self::UserModeOnly, Self::Device, Self::Privileged];
}

impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UserModeOnly => "userfaultfd(UFFD_USER_MODE_ONLY)",
            Self::Device => "/dev/userfaultfd",
            Self::Privileged => "userfaultfd(0)",
        })
    }
}

/// Why no door led to a descriptor: one error for each that was tried.
#[derive(Debug, thiserror::Error)]
#[error("no usable userfaultfd: {}", list(attempts))]
pub struct OpenError {
    /// What was tried, and what became of it.
    pub attempts: Vec<(Door, OsError)>,
}

fn list(attempts: &[(Door, OsError)]) -> String {
    let texts: Vec<_> = attempts.iter().map(|(door, error)| format!("[{door}] {error}")).collect();
    texts.join("; ")
}

/// A userfaultfd with asynchronous write protection enabled.
#[derive(Debug)]
pub struct Userfaultfd {
    fd: OwnedFd,
    epoch: Epoch,
    door: Door,
}

impl Userfaultfd {
    /// Opens a descriptor by the first door that works and enables asynchronous write protection.
    ///
    /// # Errors
    /// When no door works: [`OpenError`] has the reason for each.
    pub fn open() -> Result<Self, OpenError> {
        let mut attempts = Vec::new();
        for door in Door::ALL {
            match Self::open_by(door) {
                Ok(uffd) => return Ok(uffd),
                Err(error) => attempts.push((door, error)),
            }
        }
        Err(OpenError { attempts })
    }

    /// Opens a descriptor by one particular door.
    ///
    /// # Errors
    /// `ENOSYS`, `EPERM`, `EACCES`, `EINVAL` with what each means for this door, and
    /// [`OsError::Missing`] when the kernel has userfaultfd but not this mode.
    pub fn open_by(door: Door) -> Result<Self, OsError> {
        let epoch = fork::epoch();
        let fd = match door {
            Door::UserModeOnly => syscall(raw::UFFD_USER_MODE_ONLY),
            Door::Device => device(),
            Door::Privileged => syscall(0),
        }
        .map_err(|errno| cannot_open(door, errno))?;
        enable(&fd)?;
        Ok(Self { fd, epoch, door })
    }

    /// The door that it was opened by.
    #[must_use]
    pub fn door(&self) -> Door {
        self.door
    }

    /// Registers `range` for asynchronous write protection. Nothing is protected yet: every page
    /// counts as written until a scan protects it.
    ///
    /// Memory on hugetlbfs is refused: its granularity is the whole huge page, a scan of a part of
    /// one reports nothing, and kernels before 6.12.97 hang in one that covers unpopulated parts.
    ///
    /// # Errors
    /// `EBUSY` when another userfaultfd has a part of the range, `EPERM` for a read-only shared
    /// file mapping, `EINVAL` when nothing is mapped there.
    pub fn register(&self, range: PageRange) -> Result<(), OsError> {
        const CALL: &str = "UFFDIO_REGISTER (write-protect mode)";
        self.own(CALL)?;
        let mut arg = raw::uffdio_register {
            range: raw_range(range),
            mode: u64::from(raw::UFFDIO_REGISTER_MODE_WP),
            ioctls: 0,
        };
        // SAFETY: `arg` is a complete uffdio_register; registering changes how faults are handled,
        // not what is mapped or readable.
        unsafe { ioctl::register(self.fd.as_raw_fd(), &raw mut arg) }.map_err(|errno| {
            let advice = match errno {
                Errno::EBUSY => "another userfaultfd (another tracker, or CRIU) has a part of it",
                Errno::EPERM => "it is a read-only shared file mapping",
                Errno::EINVAL => {
                    "nothing is mapped there, it cannot be write-protected, or it is on hugetlbfs \
                     and not of whole huge pages"
                }
                _ => "",
            };
            OsError::syscall(CALL, Some(range), errno, advice)
        })?;
        // The kernel offers ZEROPAGE for everything except hugetlbfs.
        if arg.ioctls & (1 << raw::_UFFDIO_ZEROPAGE) == 0 {
            self.unregister(range)?;
            return Err(OsError::Refused {
                call: CALL,
                reason: "the range is on hugetlbfs, where tracking works by whole huge pages only \
                         and scans hang on kernels before 6.12.97; use transparent huge pages",
            });
        }
        Ok(())
    }

    /// Ends the registration of `range` and removes every protection in it.
    ///
    /// # Errors
    /// `EINVAL` when another userfaultfd has registered it.
    pub fn unregister(&self, range: PageRange) -> Result<(), OsError> {
        const CALL: &str = "UFFDIO_UNREGISTER";
        self.own(CALL)?;
        let mut arg = raw_range(range);
        // SAFETY: `arg` is a complete uffdio_range; no memory contents change.
        unsafe { ioctl::unregister(self.fd.as_raw_fd(), &raw mut arg) }
            .map_err(|errno| OsError::syscall(CALL, Some(range), errno, ""))?;
        Ok(())
    }

    /// Removes the write protection of every page in `range` with one TLB flush; the pages count
    /// as written. Much cheaper than a fault for each page.
    ///
    /// # Errors
    /// `ENOENT` when a part of the range is not registered.
    pub fn unprotect(&self, range: PageRange) -> Result<(), OsError> {
        self.write_protect(range, 0, "UFFDIO_WRITEPROTECT (remove)")
    }

    /// Write-protects every page in `range` unseen, never-touched pages included (for which the
    /// kernel allocates page tables). A tracker wants
    /// [`get_and_protect`](super::pagemap::Pagemap::get_and_protect) instead, which says which
    /// pages had been written before.
    ///
    /// # Errors
    /// `ENOENT` when a part of the range is not registered.
    pub fn protect(&self, range: PageRange) -> Result<(), OsError> {
        // UFFDIO_WRITEPROTECT_MODE_WP, which the bindings lack.
        self.write_protect(range, 1 << 0, "UFFDIO_WRITEPROTECT (protect)")
    }

    fn write_protect(
        &self,
        range: PageRange,
        mode: u64,
        call: &'static str,
    ) -> Result<(), OsError> {
        self.own(call)?;
        loop {
            let mut arg = raw::uffdio_writeprotect { range: raw_range(range), mode };
            // SAFETY: `arg` is a complete uffdio_writeprotect. In asynchronous mode a protected
            // page stays readable and writable for the program, so no reference is invalidated.
            match unsafe { ioctl::writeprotect(self.fd.as_raw_fd(), &raw mut arg) } {
                Ok(_) => return Ok(()),
                // The mappings were changing at that moment (ioctl_userfaultfd(2)).
                Err(Errno::EAGAIN) => {}
                Err(errno) => {
                    let advice = match errno {
                        Errno::ENOENT => "a part of the range is not registered",
                        _ => "",
                    };
                    return Err(OsError::syscall(call, Some(range), errno, advice));
                }
            }
        }
    }

    fn own(&self, call: &'static str) -> Result<(), OsError> {
        if self.epoch == fork::epoch() { Ok(()) } else { Err(OsError::Forked { call }) }
    }
}

fn raw_range(range: PageRange) -> raw::uffdio_range {
    raw::uffdio_range { start: range.start() as u64, len: range.bytes() as u64 }
}

fn syscall(mode: u32) -> Result<OwnedFd, Errno> {
    let flags = libc::O_CLOEXEC | libc::O_NONBLOCK | mode.cast_signed();
    // SAFETY: userfaultfd takes one integer and returns a new descriptor or an error.
    let fd = unsafe { libc::syscall(libc::SYS_userfaultfd, flags) };
    owned(fd)
}

fn device() -> Result<OwnedFd, Errno> {
    let device = std::fs::File::options()
        .read(true)
        .write(true)
        .open("/dev/userfaultfd")
        .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO)))?;
    // The ioctl's argument is not a pointer but the flags of the new descriptor.
    let flags = libc::O_CLOEXEC | libc::O_NONBLOCK;
    // SAFETY: USERFAULTFD_IOC_NEW takes an integer and returns a new descriptor or an error.
    let fd = unsafe { libc::ioctl(device.as_raw_fd(), NEW, flags) };
    owned(i64::from(fd))
}

fn owned(fd: i64) -> Result<OwnedFd, Errno> {
    if fd < 0 {
        return Err(Errno::last());
    }
    let fd = i32::try_from(fd).expect("descriptors are ints");
    // SAFETY: the kernel has just returned this descriptor; nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The API handshake.
///
/// Asking for one feature is enough: asynchronous mode implies the rest that it needs. The answer
/// is checked, because some kernels accept bits that they do not know.
fn enable(fd: &OwnedFd) -> Result<(), OsError> {
    const CALL: &str = "UFFDIO_API (WP_ASYNC)";
    const MISSING: OsError = OsError::Missing {
        call: CALL,
        feature: "asynchronous write protection",
        advice: "it needs Linux 6.7 on x86-64 or 6.10 on arm64, with CONFIG_PTE_MARKER_UFFD_WP",
    };
    let wanted = u64::from(raw::UFFD_FEATURE_WP_ASYNC);
    let mut arg = raw::uffdio_api { api: u64::from(raw::UFFD_API), features: wanted, ioctls: 0 };
    // SAFETY: `arg` is a complete uffdio_api.
    match unsafe { ioctl::api(fd.as_raw_fd(), &raw mut arg) } {
        Ok(_) if arg.features & wanted != 0 => Ok(()),
        Ok(_) | Err(Errno::EINVAL) => Err(MISSING),
        Err(errno) => {
            Err(OsError::syscall(CALL, None, errno, "a seccomp filter may forbid the ioctl"))
        }
    }
}

fn cannot_open(door: Door, errno: Errno) -> OsError {
    let advice = match (door, errno) {
        (_, Errno::ENOSYS) => {
            "the kernel was built without CONFIG_USERFAULTFD, or a sandbox (gVisor, a seccomp \
             filter) hides the call; allow `userfaultfd` in the container's seccomp profile"
        }
        (Door::UserModeOnly, Errno::EPERM) => {
            "a seccomp filter forbids the call (the default of Docker and Podman); allow \
             `userfaultfd` in the container's seccomp profile"
        }
        (Door::UserModeOnly, Errno::EINVAL) => "the flag needs Linux 5.11",
        (Door::Privileged, Errno::EPERM) => {
            "it needs CAP_SYS_PTRACE or the sysctl vm.unprivileged_userfaultfd=1"
        }
        (Door::Device, Errno::ENOENT) => "the device exists since Linux 6.1",
        (Door::Device, Errno::EACCES) => "give the user access to the device",
        (_, Errno::EACCES) => "a security module (SELinux) denies it",
        (_, Errno::EMFILE | Errno::ENFILE) => "raise the limit on open files",
        _ => "",
    };
    let call = match door {
        Door::UserModeOnly => "userfaultfd(UFFD_USER_MODE_ONLY)",
        Door::Device => "open of /dev/userfaultfd",
        Door::Privileged => "userfaultfd(0)",
    };
    OsError::syscall(call, None, errno, advice)
}
