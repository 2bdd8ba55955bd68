use std::process::{Command, Stdio};

use super::*;

/// The process ids of kernel threads start with that of kthreadd, whose parent is the kernel.
#[test]
fn a_kernel_thread_has_no_page_map() {
    let status = std::fs::read_to_string("/proc/2/status").unwrap_or_default();
    if !status.contains("kthreadd") {
        println!("not run: process 2 is not kthreadd here (a process id namespace)");
        return;
    }
    let error = Pagemap::of_process(2).unwrap_err();
    // EACCES for those without ptrace rights over it.
    if error.raw_os_error() != Some(libc::EACCES) {
        assert_eq!(error.raw_os_error(), Some(libc::ESRCH), "{error}");
        assert!(error.to_string().contains("kernel thread"), "{error}");
    }
}

#[test]
fn memory_is_there_until_the_process_ends() {
    assert!(Pagemap::open().unwrap().has_memory().unwrap());
    let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    let pagemap = Pagemap::of_process(child.id()).unwrap();
    assert!(pagemap.has_memory().unwrap());
    drop(child.stdin.take());
    child.wait().unwrap();
    assert!(!pagemap.has_memory().unwrap());
}
