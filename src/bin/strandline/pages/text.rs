//! Regions as lines of text, written as they come: a process may have millions of them.

use std::io::Write;

use super::process::printable;
use super::walk::{Outcome, Row};
use super::{Failure, Output};
use crate::category;
use crate::units::{bytes, count};

pub(super) struct Text<'a> {
    out: &'a mut dyn Write,
}

impl<'a> Text<'a> {
    pub(super) fn new(out: &'a mut dyn Write) -> Result<Self, Failure> {
        let (range, pages, size) = ("ADDRESSES", "PAGES", "SIZE");
        writeln!(out, "{range:<25} {pages:>9} {size:>10}  {:<28} MAPPING", "CATEGORIES")?;
        Ok(Self { out })
    }
}

impl Output for Text<'_> {
    fn row(&mut self, row: &Row<'_>) -> Result<(), Failure> {
        let (start, end) = (row.range.start(), row.range.end());
        writeln!(
            self.out,
            "{start:012x}-{end:012x} {:>9} {:>10}  {:<28} {}",
            row.range.pages(),
            bytes(row.range.bytes() as u64),
            category::list(row.categories),
            printable(&row.mapping.name),
        )?;
        Ok(())
    }

    fn finish(&mut self, outcome: &Outcome) -> Result<(), Failure> {
        writeln!(self.out, "{}", total_line(outcome))?;
        Ok(())
    }
}

/// The last line of every table.
pub(super) fn total_line(outcome: &Outcome) -> String {
    let totals = &outcome.totals;
    let mut line = format!(
        "total: {}, {}, in {}",
        count(totals.pages, "page"),
        bytes(totals.bytes),
        count(totals.regions, "region")
    );
    let mut separator = ": ";
    for (name, pages) in totals.by_category(outcome.reported).filter(|(_, pages)| *pages > 0) {
        line += &format!("{separator}{pages} {name}");
        separator = ", ";
    }
    if outcome.limit_reached {
        line += "; stopped at the limit";
    }
    if outcome.error.is_some() {
        line += "; incomplete";
    }
    line
}
