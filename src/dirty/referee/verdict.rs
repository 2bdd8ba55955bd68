//! What a comparison found.

use std::fmt;

use crate::os::PageRange;

/// A word that is not what it was at the comparison before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChangedWord {
    /// Where.
    pub address: usize,
    /// What it was.
    pub old: usize,
    /// What it is.
    pub new: usize,
}

/// Words that are listed one by one; beyond that they are counted.
const LISTED: usize = 1 << 16;

/// What a comparison found. See [`Referee`](super::Referee) for what is an error and what is not.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Verdict {
    /// Pages that the MMU saw written, or that could not be protected.
    pub written_pages: usize,
    /// The written pages with no card marked, as ranges in address order; with a copy, those of them
    /// where a word has changed. One page may have more missed barriers than this tells.
    pub unmarked_pages: Vec<PageRange>,
    /// With a copy: the words that changed with no marked card over them, in address order; the
    /// first 65536 of them.
    pub missed: Vec<ChangedWord>,
    /// How many there are.
    pub missed_words: u64,
    /// Marked cards on pages that were not written: barriers without a store. Allowed.
    pub idle_cards: usize,
    /// With a copy: words that changed on pages that count as not written. The tracker or the kernel
    /// has lost a write. (Or somebody wrote during the comparison, or by a way that the back-end's
    /// [`Contract`](crate::dirty::Contract) declares unseen.) The first 65536 of them.
    pub unseen: Vec<ChangedWord>,
    /// How many there are.
    pub unseen_words: u64,
    by_words: bool,
}

impl Verdict {
    pub(super) fn new(by_words: bool) -> Self {
        Self { by_words, ..Self::default() }
    }

    /// Whether no barrier was missed, as far as the referee can tell, and no write was lost.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        let missed = self.missed_words > 0 || !(self.by_words || self.unmarked_pages.is_empty());
        !missed && self.unseen_words == 0
    }

    pub(super) fn add_unmarked(&mut self, page: PageRange) {
        let start = match self.unmarked_pages.last() {
            Some(last) if last.end() == page.start() => {
                self.unmarked_pages.pop().map_or(page.start(), PageRange::start)
            }
            _ => page.start(),
        };
        self.unmarked_pages.push(PageRange::new(start, page.end()).expect("whole pages"));
    }

    pub(super) fn add_missed(&mut self, word: ChangedWord) {
        list(&mut self.missed, &mut self.missed_words, word);
    }

    pub(super) fn add_unseen(&mut self, word: ChangedWord) {
        list(&mut self.unseen, &mut self.unseen_words, word);
    }
}

fn list(words: &mut Vec<ChangedWord>, count: &mut u64, word: ChangedWord) {
    *count += 1;
    if words.len() < LISTED {
        words.push(word);
    }
}

impl fmt::Display for ChangedWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the word at {:#x} was {:#x} and is {:#x}", self.address, self.old, self.new)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} pages written", self.written_pages)?;
        if self.by_words {
            write!(f, ", {} words changed without a barrier", self.missed_words)?;
        }
        let pages: usize = self.unmarked_pages.iter().map(|run| run.pages()).sum();
        write!(f, ", {pages} pages with no barrier at all, {} idle cards", self.idle_cards)?;
        for word in &self.missed {
            write!(f, "\n  missed barrier: {word}, and its card is not marked")?;
        }
        if !self.by_words {
            for run in &self.unmarked_pages {
                write!(f, "\n  missed barrier: {run} was written, and no card of it is marked")?;
            }
        }
        for word in &self.unseen {
            write!(f, "\n  lost write: {word}, and its page counts as not written")?;
        }
        Ok(())
    }
}
