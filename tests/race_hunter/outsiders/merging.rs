//! The kernel's same-page merging (KSM).

use std::collections::VecDeque;
use std::fs::{read_to_string, write};
use std::io;
use std::path::PathBuf;

use nix::sys::mman::{MmapAdvise, madvise};
use strandline::os::PageRange;

/// What is set, so that it gets around quickly.
const SETTINGS: [(&str, &str); 3] =
    [("sleep_millisecs", "1"), ("pages_to_scan", "2000"), ("run", "1")];

/// Ranges that may be merged at a time.
const RANGES: usize = 4;

/// Merging that goes on until this is dropped.
pub(super) struct Merging {
    before: Vec<(PathBuf, String)>,
    ranges: VecDeque<PageRange>,
}

impl Merging {
    /// # Errors
    /// When the kernel cannot merge, or only another user may have it do so.
    pub(super) fn begin() -> io::Result<Self> {
        let mut merging = Self { before: Vec::new(), ranges: VecDeque::new() };
        for (name, value) in SETTINGS {
            let path = PathBuf::from("/sys/kernel/mm/ksm").join(name);
            let described = |error| io::Error::other(format!("{}: {error}", path.display()));
            let before = read_to_string(&path).map_err(described)?;
            write(&path, value).map_err(described)?;
            merging.before.insert(0, (path, before));
        }
        Ok(merging)
    }

    /// Has equal pages of `range` merged, and those of the oldest one no more.
    pub(super) fn merge(&mut self, range: PageRange) -> io::Result<()> {
        if self.ranges.len() == RANGES {
            let oldest = self.ranges.pop_front().expect("there are some");
            advised(oldest, MmapAdvise::MADV_UNMERGEABLE)?;
        }
        advised(range, MmapAdvise::MADV_MERGEABLE)?;
        self.ranges.push_back(range);
        Ok(())
    }
}

impl Drop for Merging {
    fn drop(&mut self) {
        for range in self.ranges.drain(..) {
            let _ = advised(range, MmapAdvise::MADV_UNMERGEABLE);
        }
        for (path, before) in self.before.drain(..) {
            let _ = write(path, before);
        }
    }
}

fn advised(range: PageRange, advice: MmapAdvise) -> io::Result<()> {
    let start = std::ptr::NonNull::new(range.as_ptr().cast()).expect("a range is not at zero");
    // SAFETY: memory of the hunt; merging keeps the contents.
    Ok(unsafe { madvise(start, range.bytes(), advice) }?)
}
