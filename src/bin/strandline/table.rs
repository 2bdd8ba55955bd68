//! Small tables with aligned columns. What can have millions of rows does not go through here.

use std::io::{self, Write};

/// Rows of cells; a column is as wide as its widest cell.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
    /// The columns that are aligned to the right: numbers.
    right: Vec<usize>,
}

impl Table {
    /// A table whose columns with these indices are aligned to the right.
    pub(crate) fn with_numbers_in(columns: impl IntoIterator<Item = usize>) -> Self {
        Self { rows: Vec::new(), right: columns.into_iter().collect() }
    }

    pub(crate) fn row<C: Into<String>>(&mut self, cells: impl IntoIterator<Item = C>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    /// Writes it, every line after `indent`.
    pub(crate) fn write(&self, out: &mut dyn Write, indent: &str) -> io::Result<()> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let cells = |column| self.rows.iter().filter_map(move |row: &Vec<String>| row.get(column));
        let widths: Vec<_> = (0..columns)
            .map(|column| cells(column).map(|cell| cell.chars().count()).max().unwrap_or(0))
            .collect();
        for row in &self.rows {
            let mut line = indent.to_owned();
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                let gap = if column == 0 { "" } else { "  " };
                line += &if self.right.contains(&column) {
                    format!("{gap}{cell:>width$}")
                } else {
                    format!("{gap}{cell:<width$}")
                };
            }
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::with_numbers_in([1]);
        table.row(["name", "pages", "note"]);
        table.row(["[heap]", "7", ""]);
        let mut text = Vec::new();
        table.write(&mut text, "  ").unwrap();
        assert_eq!(String::from_utf8(text).unwrap(), "  name    pages  note\n  [heap]      7\n");
    }
}
