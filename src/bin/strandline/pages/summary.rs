//! Pages added up by mapping.

use std::collections::HashMap;
use std::io::Write;

use serde::Serialize;
use strandline::os::pagemap::Categories;

use super::json::{Head, Tail};
use super::process::printable;
use super::text::total_line;
use super::walk::{Outcome, Query, Row, Totals, TotalsReport};
use super::{Failure, Output};
use crate::category;
use crate::table::Table;
use crate::units::bytes;

/// As large as the number of different names, not of regions.
pub(super) struct Summary<'a> {
    out: &'a mut dyn Write,
    /// The head of the JSON document, where one is to be written.
    head: Option<Head>,
    by_name: HashMap<String, Entry>,
}

#[derive(Default)]
struct Entry {
    totals: Totals,
    mappings: u64,
    /// Start of the last mapping counted: rows of one come together.
    last: Option<usize>,
}

impl<'a> Summary<'a> {
    /// As JSON where the process's id is given for it, as a table otherwise.
    pub(super) fn new(out: &'a mut dyn Write, json: Option<u32>, query: &Query) -> Self {
        let head = json.map(|pid| Head::new(pid, query));
        Self { out, head, by_name: HashMap::new() }
    }

    /// The names, those with the most pages first.
    fn sorted(&self) -> Vec<(&str, &Entry)> {
        let mut entries: Vec<_> =
            self.by_name.iter().map(|(name, entry)| (name.as_str(), entry)).collect();
        entries.sort_unstable_by(|(a, x), (b, y)| {
            y.totals.pages.cmp(&x.totals.pages).then_with(|| a.cmp(b))
        });
        entries
    }

    fn table(&self, outcome: &Outcome) -> Table {
        // Columns of zeros say nothing that the total line does not.
        let mut shown = Categories::empty();
        for (category, name) in category::NAMES {
            if outcome.totals.by_category(outcome.reported).any(|(n, p)| n == name && p > 0) {
                shown |= category;
            }
        }
        let names = category::names(shown);
        let mut table = Table::with_numbers_in(0..3 + names.len());
        let heads = ["PAGES", "SIZE", "MAPPINGS"].into_iter().map(str::to_owned);
        let categories = names.iter().map(|name| name.to_uppercase());
        table.row(heads.chain(categories).chain(["NAME".to_owned()]));
        for (name, Entry { totals, mappings, .. }) in self.sorted() {
            let cells = [totals.pages.to_string(), bytes(totals.bytes), mappings.to_string()];
            let categories = totals.by_category(shown).map(|(_, pages)| pages.to_string());
            table.row(cells.into_iter().chain(categories).chain([printable(name)]));
        }
        table
    }
}

impl Output for Summary<'_> {
    fn row(&mut self, row: &Row<'_>) -> Result<(), Failure> {
        let name = &row.mapping.name;
        if !self.by_name.contains_key(name) {
            self.by_name.insert(name.clone(), Entry::default());
        }
        let entry = self.by_name.get_mut(name).expect("inserted above");
        entry.totals.add(row);
        let mapping = row.mapping.range.start();
        entry.mappings += u64::from(entry.last.replace(mapping) != Some(mapping));
        Ok(())
    }

    fn finish(&mut self, outcome: &Outcome) -> Result<(), Failure> {
        if let Some(head) = self.head.take() {
            let mappings = self.sorted().into_iter().map(|(name, entry)| MappingReport {
                name: name.to_owned(),
                mappings: entry.mappings,
                totals: TotalsReport::new(&entry.totals, outcome.reported),
            });
            let document =
                Document { head, mappings: mappings.collect(), tail: Tail::new(outcome) };
            serde_json::to_writer_pretty(&mut *self.out, &document)?;
            writeln!(self.out)?;
        } else {
            self.table(outcome).write(self.out, "")?;
            writeln!(self.out, "{}", total_line(outcome))?;
        }
        Ok(())
    }
}

#[derive(Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    head: Head,
    mappings: Vec<MappingReport>,
    #[serde(flatten)]
    tail: Tail<'a>,
}

#[derive(Serialize)]
struct MappingReport {
    name: String,
    mappings: u64,
    #[serde(flatten)]
    totals: TotalsReport,
}
