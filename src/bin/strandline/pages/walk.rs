//! One pass over the pages that were asked for, region by region, keeping only totals.

use serde::Serialize;
use strandline::os::PageRange;
use strandline::os::pagemap::{Categories, PageFilter, PageRegion, ScanRequest};

use super::process::{Mapping, Process};
use crate::category;
use crate::failure::Failure;

/// What was asked.
pub(super) struct Query {
    pub(super) filter: PageFilter,
    pub(super) report: Categories,
    /// Disjoint and in order; empty for everything.
    pub(super) ranges: Vec<PageRange>,
    pub(super) limit: Option<u64>,
}

/// Adjacent pages of one mapping with the same categories.
pub(super) struct Row<'a> {
    pub(super) mapping: &'a Mapping,
    pub(super) range: PageRange,
    pub(super) categories: Categories,
}

/// How many pages there were, and how many of them in each category.
#[derive(Debug, Clone, Default)]
pub(super) struct Totals {
    pub(super) regions: u64,
    pub(super) pages: u64,
    pub(super) bytes: u64,
    by_category: [u64; category::NAMES.len()],
}

impl Totals {
    pub(super) fn add(&mut self, row: &Row<'_>) {
        let pages = row.range.pages() as u64;
        self.regions += 1;
        self.pages += pages;
        self.bytes += row.range.bytes() as u64;
        for ((category, _), total) in category::NAMES.iter().zip(&mut self.by_category) {
            if row.categories.contains(*category) {
                *total += pages;
            }
        }
    }

    /// Pages by the name of the category, for those in `reported`.
    pub(super) fn by_category(
        &self,
        reported: Categories,
    ) -> impl Iterator<Item = (&'static str, u64)> {
        let named = category::NAMES.iter().zip(&self.by_category);
        named
            .filter(move |((category, _), _)| reported.contains(*category))
            .map(|((_, name), total)| (*name, *total))
    }
}

/// How a pass ended.
pub(super) struct Outcome {
    pub(super) totals: Totals,
    pub(super) reported: Categories,
    pub(super) limit_reached: bool,
    /// Why something is missing, if it is.
    pub(super) error: Option<String>,
}

/// Passes every region that matches `query` to `visit`, in address order.
///
/// Mapping by mapping, because the kernel merges regions across the border of two.
pub(super) fn walk(
    process: &Process,
    query: &Query,
    mut visit: impl FnMut(&Row<'_>) -> Result<(), Failure>,
) -> Result<Outcome, Failure> {
    let mut totals = Totals::default();
    let mut error = None;
    'mappings: for mapping in &process.mappings {
        for range in parts(mapping.range, &query.ranges) {
            let Some(max_pages) = pages_left(query.limit, &totals) else { break 'mappings };
            let (filter, report) = (query.filter, query.report);
            let request = ScanRequest { range, filter, report, max_pages };
            for region in process.pagemap.regions(request) {
                match region {
                    Ok(region) => {
                        let row = Row::new(mapping, &region);
                        totals.add(&row);
                        visit(&row)?;
                    }
                    Err(failed) => {
                        error = Some(failed.to_string());
                        break 'mappings;
                    }
                }
            }
        }
    }
    let limit_reached = pages_left(query.limit, &totals).is_none();
    let error = process.incomplete(error);
    Ok(Outcome { totals, reported: query.report, limit_reached, error })
}

impl<'a> Row<'a> {
    fn new(mapping: &'a Mapping, region: &PageRegion) -> Self {
        Self { mapping, range: region.range(), categories: region.categories() }
    }
}

/// The parts of a mapping that were asked for.
fn parts(mapping: PageRange, ranges: &[PageRange]) -> Vec<PageRange> {
    if ranges.is_empty() {
        return vec![mapping];
    }
    ranges.iter().filter_map(|range| range.intersection(mapping)).collect()
}

/// What the next scan may report, 0 for any number; `None` when there is nothing left.
fn pages_left(limit: Option<u64>, totals: &Totals) -> Option<u64> {
    let Some(limit) = limit else { return Some(0) };
    limit.checked_sub(totals.pages).filter(|left| *left > 0)
}

/// [`Totals`] as JSON.
#[derive(Debug, Serialize)]
pub(super) struct TotalsReport {
    regions: u64,
    pages: u64,
    bytes: u64,
    pages_by_category: serde_json::Map<String, serde_json::Value>,
}

impl TotalsReport {
    pub(super) fn new(totals: &Totals, reported: Categories) -> Self {
        let &Totals { regions, pages, bytes, .. } = totals;
        let named = totals.by_category(reported).map(|(name, pages)| (name.into(), pages.into()));
        Self { regions, pages, bytes, pages_by_category: named.collect() }
    }
}
