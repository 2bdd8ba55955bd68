//! Which memory a scan is about.

use crate::heap::marks::Marks;
use crate::os::PageRange;

/// What of a heap's memory is watched.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    /// Memory that no mutator is allocating in.
    pub(crate) quiet: Vec<PageRange>,
    /// Memory like that which is not protected, so that all of it is dirty; see [`Which::ProtectedAsItIs`].
    pub(crate) unarmed: Vec<PageRange>,
    /// What is left out: blocks that mutators own.
    pub(crate) left_out: Vec<PageRange>,
    /// Pages of the former that were not protected before: all of them count as written.
    pub(crate) unprotected: usize,
    /// Whether there are hot chunks, which are in neither.
    pub(crate) but_hot: bool,
}

/// Which of the watched memory a scan is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// All of it, which is protected afterwards, or as far as the caller gets.
    All,
    /// As [`All`](Self::All), but for hot chunks, which stay unprotected and thereby dirty until a later
    /// scan.
    AllButHot,
    /// All of it, and protection stays as it is.
    AllAsItIs,
    /// As above; what is not protected stands apart, as nobody need ask for it.
    ProtectedAsItIs,
}

/// Where in that memory.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Where<'a> {
    Everywhere,
    /// Where there is something to look at again: in large objects, and in blocks of small ones with a
    /// mark. Whatever is written to others stays dirty, as they stay unprotected; once they have a
    /// mark, the next scan is about them, too.
    Marked(&'a Marks),
    /// There, and in blocks that were retired since the last scan.
    MarkedOrNew(&'a Marks),
}

impl Watched {
    /// Leaves out what lies below an address.
    pub(crate) fn skip_until(&mut self, address: usize) {
        for ranges in [&mut self.quiet, &mut self.left_out] {
            ranges.retain(|range| range.end() > address);
            if let Some(first) = ranges.first_mut() {
                *first = first.from_address(address.max(first.start())).unwrap_or(*first);
            }
        }
    }

    /// Has `range` left out.
    pub(crate) fn leave_out(&mut self, range: PageRange) {
        let (mut quiet, mut left_out) = (Vec::new(), Vec::new());
        for part in self.quiet.drain(..) {
            let Some(common) = part.intersection(range) else {
                quiet.push(part);
                continue;
            };
            left_out.push(common);
            quiet.extend(PageRange::new(part.start(), common.start()));
            quiet.extend(PageRange::new(common.end(), part.end()));
        }
        self.quiet = quiet;
        self.left_out.append(&mut left_out);
    }
}
