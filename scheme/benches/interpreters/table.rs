//! The table of times, with the ratios to the first interpreter's.

use std::fmt::Write;

use super::interpreters::Run;

pub(crate) struct Row {
    pub(crate) program: String,
    /// In the order of the interpreters.
    pub(crate) runs: Vec<Run>,
}

/// Seconds, ratios and the geometric mean of those: above one is slower than the other interpreter.
pub(crate) fn format(names: &[&str], rows: &[Row]) -> String {
    let mut text = format!("\n{:14}", "");
    for name in names {
        let _ = write!(text, " {:>12}", format!("{name} s"));
    }
    for name in &names[1..] {
        let _ = write!(text, " {:>10}", format!("/ {name}"));
    }
    let _ = writeln!(text, " {:>16}", "longest stop ms");
    for row in rows {
        let _ = write!(text, "{:14}", row.program);
        for run in &row.runs {
            let _ = write!(text, " {:12.3}", run.seconds);
        }
        for ratio in ratios(row) {
            let _ = write!(text, " {ratio:10.2}");
        }
        match row.runs[0].longest_stop {
            Some(stop) => drop(writeln!(text, " {:16.3}", stop as f64 / 1e3)),
            None => drop(writeln!(text, " {:>16}", "none")),
        }
    }
    let _ = write!(text, "{:1$}", "geometric mean", 14 + 13 * names.len());
    for other in 0..names.len() - 1 {
        let logarithms: f64 = rows.iter().map(|row| ratios(row)[other].ln()).sum();
        let _ = write!(text, " {:10.2}", (logarithms / rows.len() as f64).exp());
    }
    text + "\n"
}

fn ratios(row: &Row) -> Vec<f64> {
    row.runs[1..].iter().map(|run| row.runs[0].seconds / run.seconds).collect()
}
