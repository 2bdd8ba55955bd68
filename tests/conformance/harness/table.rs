//! The results as a Markdown table, back-end by case.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::{Environment, Variant, Verdict};

/// Set to print the table at the end of the run.
const VARIABLE: &str = "STRANDLINE_CONFORMANCE_TABLE";

/// Theme and case, in the order in which they ran, with a cell for each back-end.
static ROWS: Mutex<Vec<(&str, BTreeMap<&str, Cell>)>> = Mutex::new(Vec::new());

/// What became of a case; `None` if it failed.
type Cell = Option<Verdict>;

/// Notes the result of a case.
pub(crate) fn record(variant: Variant, case: &'static str, result: Cell) {
    let mut rows = ROWS.lock().unwrap_or_else(PoisonError::into_inner);
    let row = match rows.iter_mut().find(|(name, _)| *name == case) {
        Some((_, row)) => row,
        None => {
            rows.push((case, BTreeMap::new()));
            &mut rows.last_mut().expect("pushed just now").1
        }
    };
    row.insert(variant.name(), result);
}

/// Prints the table and the notes to it.
pub(crate) fn print_if_asked(environment: Environment) {
    if std::env::var_os(VARIABLE).is_none() {
        return;
    }
    let rows = ROWS.lock().unwrap_or_else(PoisonError::into_inner);
    println!("\n### {} environment\n", environment.name());
    let names = Variant::ALL.map(Variant::name);
    println!("| case | {} |", names.join(" | "));
    println!("|---|{}", "---|".repeat(names.len()));
    let mut notes = Vec::new();
    for (case, row) in rows.iter() {
        let cells =
            names.map(|name| row.get(name).map_or("".into(), |cell| text(cell, &mut notes)));
        println!("| {} | {} |", case.replace('_', " "), cells.join(" | "));
    }
    for (number, note) in notes.iter().enumerate() {
        println!("{}. {note}", number + 1);
    }
}

/// A cell, with the number of the note that explains it.
fn text(cell: &Cell, notes: &mut Vec<String>) -> String {
    let (word, note) = match cell {
        None => return "**FAILED**".into(),
        Some(Verdict::Passed) => return "passed".into(),
        Some(Verdict::Declared(note)) => ("as declared", note),
        Some(Verdict::Refused(note)) => ("refused", note),
        Some(Verdict::NotRun(note)) => ("not run", note),
    };
    let note = without_addresses(note);
    let at = notes.iter().position(|known| *known == note).unwrap_or_else(|| {
        notes.push(note);
        notes.len() - 1
    });
    format!("{word} ({})", at + 1)
}

/// Ranges of addresses differ from run to run; the reasons do not.
fn without_addresses(note: &str) -> String {
    let word = |word: &str| match (word.starts_with("0x"), word.ends_with(':')) {
        (true, true) => "the range:".to_owned(),
        (true, false) => "the range".to_owned(),
        (false, _) => word.to_owned(),
    };
    note.split(' ').map(word).collect::<Vec<_>>().join(" ")
}
