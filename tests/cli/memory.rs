//! Memory of the test process with known pages.

use memmap2::{MmapMut, MmapOptions};
use strandline::os::memory::{Advice, advise};
use strandline::os::{PageRange, page_size};

/// Private anonymous pages, none of them touched.
pub(crate) struct Pages {
    map: MmapMut,
}

impl Pages {
    pub(crate) fn new(count: usize) -> Self {
        let map = MmapOptions::new().len(count * page_size()).map_anon().unwrap();
        let pages = Self { map };
        // SAFETY: the mapping is ours; the advice leaves its contents alone. A kernel without huge
        // pages does not know it and needs none.
        let _ = unsafe { advise(pages.range(), Advice::BasePages) };
        pages
    }

    pub(crate) fn range(&self) -> PageRange {
        PageRange::of_slice(&self.map).unwrap()
    }

    /// Page `index`, as the binary writes its address.
    pub(crate) fn address(&self, index: usize) -> String {
        format!("{:#x}", self.range().start() + index * page_size())
    }

    /// The value of `--range` for all of it.
    pub(crate) fn argument(&self) -> String {
        format!("{:x}-{:x}", self.range().start(), self.range().end())
    }

    pub(crate) fn write(&mut self, pages: impl IntoIterator<Item = usize>) {
        for page in pages {
            // SAFETY: inside the mapping, which is borrowed mutably; volatile, for its effect.
            unsafe { self.map.as_mut_ptr().add(page * page_size()).write_volatile(1) };
        }
    }

    pub(crate) fn read(&self, page: usize) {
        // SAFETY: inside the mapping, which is initialised by the kernel.
        let value = unsafe { self.map.as_ptr().add(page * page_size()).read_volatile() };
        assert_eq!(value, 0);
    }
}

/// The id of this process, as an argument.
pub(crate) fn own_pid() -> String {
    std::process::id().to_string()
}
