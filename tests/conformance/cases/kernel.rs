//! The kernel writing for a system call: seen, unseen or failing, as the contract declares.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;

use strandline::dirty::{Sight, Window};

use super::Case;
use crate::harness::{Rig, Variant, Verdict, memory_file};

pub(super) const CASES: &[Case] = &[
    ("kernel_write_read", |variant| kernel_writes(variant, read)),
    ("kernel_write_pread", |variant| kernel_writes(variant, pread)),
    ("kernel_write_recv", |variant| kernel_writes(variant, recv)),
    ("kernel_write_process_vm_writev", |variant| kernel_writes(variant, process_vm_writev)),
    ("kernel_write_to_dirty_pages", kernel_write_to_dirty_pages),
];

/// Has the kernel write bytes that are not zero to memory that is the caller's own.
type KernelWrite = fn(to: *mut u8, bytes: usize) -> io::Result<usize>;

fn count(result: isize) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

fn pattern(bytes: usize) -> Vec<u8> {
    vec![0xAB; bytes]
}

fn read(to: *mut u8, bytes: usize) -> io::Result<usize> {
    let (reader, writer) = nix::unistd::pipe()?;
    File::from(writer).write_all(&pattern(bytes))?;
    // SAFETY: the caller's own memory; the pipe holds that many bytes.
    count(unsafe { libc::read(reader.as_raw_fd(), to.cast(), bytes) })
}

pub(super) fn pread(to: *mut u8, bytes: usize) -> io::Result<usize> {
    let file = memory_file(1);
    file.write_all_at(&pattern(bytes), 0)?;
    // SAFETY: the caller's own memory.
    count(unsafe { libc::pread(file.as_raw_fd(), to.cast(), bytes, 0) })
}

fn recv(to: *mut u8, bytes: usize) -> io::Result<usize> {
    let (receiver, mut sender) = UnixStream::pair()?;
    sender.write_all(&pattern(bytes))?;
    // SAFETY: the caller's own memory.
    count(unsafe { libc::recv(receiver.as_raw_fd(), to.cast(), bytes, libc::MSG_WAITALL) })
}

fn process_vm_writev(to: *mut u8, bytes: usize) -> io::Result<usize> {
    let source = pattern(bytes);
    let local = libc::iovec { iov_base: source.as_ptr().cast_mut().cast(), iov_len: bytes };
    let remote = libc::iovec { iov_base: to.cast(), iov_len: bytes };
    // SAFETY: both vectors have one element; the remote one is this process's own memory.
    count(unsafe { libc::process_vm_writev(libc::getpid(), &local, 1, &remote, 1, 0) })
}

/// Pages 2 to 4, beginning and ending inside a page.
fn target(rig: &Rig) -> (*mut u8, usize) {
    let page = rig.page(2).bytes();
    // SAFETY: inside the rig's own memory.
    (unsafe { rig.page(2).as_ptr().add(page / 2) }, 2 * page)
}

fn contents(rig: &Rig) -> Vec<u8> {
    let (start, bytes) = target(rig);
    // SAFETY: the rig's own memory, which nobody writes meanwhile.
    unsafe { std::slice::from_raw_parts(start, bytes) }.to_vec()
}

fn kernel_writes(variant: Variant, write: KernelWrite) -> Verdict {
    let rig = Rig::settled(variant, 8);
    let (start, bytes) = target(&rig);
    let before = contents(&rig);
    let result = write(start, bytes);
    let verdict = match rig.contract().kernel_writes {
        Sight::Seen => {
            assert_eq!(result.unwrap(), bytes);
            assert_eq!(contents(&rig), pattern(bytes));
            rig.expect(&[2, 3, 4]);
            Verdict::Passed
        }
        Sight::Unseen(why) => {
            assert_eq!(result.unwrap(), bytes);
            rig.expect(&[]);
            Verdict::Declared(format!("unseen: {why}"))
        }
        Sight::Fails(why) => {
            assert_eq!(result.unwrap_err().raw_os_error(), Some(libc::EFAULT));
            assert_eq!(contents(&rig), before, "what failed has not happened");
            rig.expect(&[]);
            Verdict::Declared(format!("fails with EFAULT: {why}"))
        }
    };
    // In a window it works and is reported, whatever the back-end.
    let window = Window::open(&rig.tracker, rig.range().subrange(2, 3)).unwrap();
    rig.expect(&[2, 3, 4]);
    assert_eq!(write(start, bytes).unwrap(), bytes);
    assert_eq!(contents(&rig), pattern(bytes));
    drop(window);
    rig.expect(&[2, 3, 4]);
    rig.expect(&[]);
    verdict
}

/// Dirty pages are not protected, so nothing can fail or hide there.
fn kernel_write_to_dirty_pages(variant: Variant) -> Verdict {
    let rig = Rig::settled(variant, 8);
    for write in [read, pread, recv, process_vm_writev] as [KernelWrite; 4] {
        rig.store_all([2, 3, 4]);
        let (start, bytes) = target(&rig);
        assert_eq!(write(start, bytes).unwrap(), bytes);
        assert_eq!(contents(&rig), pattern(bytes));
        rig.expect(&[2, 3, 4]);
        rig.expect(&[]);
    }
    Verdict::Passed
}
