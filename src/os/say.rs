//! What the library has to say, on standard error.

use std::fmt;

/// Writes a line, with one call to the kernel. If that fails there is nobody to tell.
///
/// It takes no lock of the standard library: the child of a fork may be without the thread that had it. And it does not panic, as
/// `eprintln!` does where nothing can be written (a closed pipe, a full disk): the collector goes on.
pub(crate) fn say(what: fmt::Arguments<'_>) {
    let line = format!("strandline: {what}\n");
    // SAFETY: the pointer and the length are those of a string that lives until the call returns.
    unsafe { libc::write(libc::STDERR_FILENO, line.as_ptr().cast(), line.len()) };
}
