//! Regions as one JSON document, a line for each, written as they come.

use std::io::Write;

use serde::Serialize;
use strandline::os::page_size;

use super::walk::{Outcome, Query, Row, TotalsReport};
use super::{Failure, Output};
use crate::category;

/// What was asked, as JSON: the head of the document.
#[derive(Serialize)]
pub(super) struct Head {
    pid: u32,
    page_bytes: usize,
    required: Vec<&'static str>,
    any_of: Vec<&'static str>,
    excluded: Vec<&'static str>,
    reported: Vec<&'static str>,
    limit: Option<u64>,
}

impl Head {
    pub(super) fn new(pid: u32, query: &Query) -> Self {
        Self {
            pid,
            page_bytes: page_size(),
            required: category::names(query.filter.required),
            any_of: category::names(query.filter.any_of),
            excluded: category::names(query.filter.excluded),
            reported: category::names(query.report),
            limit: query.limit,
        }
    }
}

/// How it ended, as JSON: the tail of the document.
#[derive(Serialize)]
pub(super) struct Tail<'a> {
    total: TotalsReport,
    limit_reached: bool,
    error: Option<&'a str>,
}

impl<'a> Tail<'a> {
    pub(super) fn new(outcome: &'a Outcome) -> Self {
        Self {
            total: TotalsReport::new(&outcome.totals, outcome.reported),
            limit_reached: outcome.limit_reached,
            error: outcome.error.as_deref(),
        }
    }
}

/// Addresses are strings: they exceed what many readers of JSON keep of a number.
#[derive(Serialize)]
struct Region<'a> {
    start: String,
    end: String,
    pages: usize,
    bytes: usize,
    categories: Vec<&'static str>,
    mapping: &'a str,
}

pub(super) struct Json<'a> {
    out: &'a mut dyn Write,
    first: bool,
}

impl<'a> Json<'a> {
    pub(super) fn new(out: &'a mut dyn Write, pid: u32, query: &Query) -> Result<Self, Failure> {
        let head = serde_json::to_string(&Head::new(pid, query))?;
        // The document stays open for the regions and the tail.
        let head = head.strip_suffix('}').expect("an object");
        write!(out, "{head},\"regions\":[")?;
        Ok(Self { out, first: true })
    }
}

impl Output for Json<'_> {
    fn row(&mut self, row: &Row<'_>) -> Result<(), Failure> {
        let region = Region {
            start: format!("{:#x}", row.range.start()),
            end: format!("{:#x}", row.range.end()),
            pages: row.range.pages(),
            bytes: row.range.bytes(),
            categories: category::names(row.categories),
            mapping: &row.mapping.name,
        };
        let separator = if std::mem::take(&mut self.first) { "\n" } else { ",\n" };
        self.out.write_all(separator.as_bytes())?;
        serde_json::to_writer(&mut *self.out, &region)?;
        Ok(())
    }

    fn finish(&mut self, outcome: &Outcome) -> Result<(), Failure> {
        let tail = serde_json::to_string(&Tail::new(outcome))?;
        writeln!(self.out, "\n],{}", tail.strip_prefix('{').expect("an object"))?;
        Ok(())
    }
}
