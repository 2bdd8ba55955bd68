//! The report for people.

use std::io::{self, Write};

use strandline::dirty::TRACKER_VARIABLE;

use super::Report;
use super::backends::{Backend, Choice, ContractReport};
use super::costs::{Costs, Figures, Measured};
use super::system::System;
use crate::table::Table;
use crate::units::bytes;

const INDENT: &str = "  ";

pub(super) fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    system(&report.system, out)?;
    choice(&report.choice, out)?;
    backends(&report.backends, out)?;
    costs(&report.costs, out)?;
    let verdict = if report.hardware_backend_works { "works" } else { "does not work" };
    writeln!(out, "\nThe hardware back-end (uffd) {verdict} here.")
}

fn system(system: &System, out: &mut dyn Write) -> io::Result<()> {
    let number = |value: Option<u64>| value.map(|value| value.to_string());
    let unknown = |value: Option<String>| value.unwrap_or_else(|| "unknown".to_owned());
    let mut table = Table::default();
    let mut row = |name: &str, value: String| table.row([name.to_owned(), value]);
    row("kernel", unknown(system.kernel.clone()));
    row("architecture", system.architecture.to_owned());
    row("page size", bytes(system.page_bytes as u64));
    row("huge page size", unknown(system.huge_page_bytes.map(|size| bytes(size as u64))));
    row("transparent huge pages", unknown(system.transparent_huge_pages.clone()));
    row("vm.max_map_count", unknown(number(system.max_map_count)));
    row("vm.unprivileged_userfaultfd", unknown(number(system.unprivileged_userfaultfd)));
    for door in &system.userfaultfd {
        row(&door.door, door.error.clone().unwrap_or_else(|| "works".to_owned()));
    }
    let scan = &system.pagemap_scan;
    row("PAGEMAP_SCAN", scan.error.clone().unwrap_or_else(|| scan.categories.join(", ")));
    writeln!(out, "System")?;
    table.write(out, INDENT)
}

fn choice(choice: &Choice, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\nBack-end that a program gets")?;
    if let Some(value) = &choice.environment {
        writeln!(out, "{INDENT}{TRACKER_VARIABLE}={value} is set and goes before `auto`")?;
    }
    match (choice.backend, &choice.error) {
        (Some(backend), _) => writeln!(out, "{INDENT}{backend}")?,
        (None, error) => writeln!(out, "{INDENT}none: {}", error.as_deref().unwrap_or_default())?,
    }
    for refused in &choice.refused {
        writeln!(out, "{INDENT}not {}: {}", refused.backend, refused.reason)?;
    }
    Ok(())
}

fn backends(backends: &[Backend], out: &mut dyn Write) -> io::Result<()> {
    let usable: Vec<_> = backends.iter().filter_map(|b| Some((b, b.contract.as_ref()?))).collect();
    let mut table = Table::default();
    let names = usable.iter().map(|(backend, _)| backend.name);
    table.row(std::iter::once("what each sees").chain(names));
    let lines = usable.first().map(|(_, contract)| contract.sights()).into_iter().flatten();
    for (line, (name, _)) in lines.enumerate() {
        let sights = usable.iter().map(|(_, contract)| contract.sights()[line].1.what);
        table.row(std::iter::once(name).chain(sights));
    }
    let precise =
        usable.iter().map(|(_, contract)| if contract.precise { "clean" } else { "dirty" });
    table.row(std::iter::once("pages that nobody wrote").chain(precise));
    writeln!(out, "\nBack-ends")?;
    table.write(out, INDENT)?;
    for (backend, contract) in &usable {
        for (why, writes) in reasons(contract) {
            writeln!(out, "{INDENT}{}, {}: {why}", backend.name, writes.join(", "))?;
        }
    }
    for Backend { name, error, .. } in backends {
        if let Some(error) = error {
            writeln!(out, "{INDENT}{name} is not to be had: {error}")?;
        }
    }
    Ok(())
}

/// Why writes are not seen, each reason with the kinds of write that it is true of.
fn reasons(contract: &ContractReport) -> Vec<(&'static str, Vec<&'static str>)> {
    let mut reasons: Vec<(_, Vec<_>)> = Vec::new();
    for (name, sight) in contract.sights() {
        let Some(why) = sight.why else { continue };
        match reasons.iter_mut().find(|(known, _)| *known == why) {
            Some((_, names)) => names.push(name),
            None => reasons.push((why, vec![name])),
        }
    }
    reasons
}

/// One of the figures.
type Value = fn(&Figures) -> f64;

fn costs(costs: &Costs, out: &mut dyn Write) -> io::Result<()> {
    let (memory, rounds) = (bytes(costs.bytes as u64), costs.rounds);
    writeln!(out, "\nCosts in ns on {memory} (medians of {rounds} rounds)")?;
    if !costs.optimised {
        writeln!(out, "{INDENT}built without optimisation: the figures are too high")?;
    }
    let measured: Vec<_> =
        costs.measured.iter().filter_map(|m| Some((m, m.figures.as_ref()?))).collect();
    let mut table = Table::with_numbers_in(1..=measured.len());
    let heads = measured.iter().map(|(m, _)| head(m));
    table.row(std::iter::once(String::new()).chain(heads));
    let lines: [(&str, Value); 4] = [
        ("write fault, each", |figures| figures.write_fault_ns.median),
        ("clean scan, per base page", |figures| figures.clean_scan_ns_per_page.median),
        ("dirty re-arm, per base page", |figures| figures.dirty_rearm_ns_per_page.median),
        ("bulk un-protect, per base page", |figures| figures.unprotect_ns_per_page.median),
    ];
    for (name, value) in lines {
        let values = measured.iter().map(|(_, figures)| nanoseconds(value(figures)));
        table.row(std::iter::once(name.to_owned()).chain(values));
    }
    if !measured.is_empty() {
        table.write(out, INDENT)?;
    }
    for measured in &costs.measured {
        if let Some(error) = &measured.error {
            writeln!(out, "{INDENT}{} not measured: {error}", head(measured))?;
        }
    }
    Ok(())
}

fn head(measured: &Measured) -> String {
    format!("{}, {} pages", measured.backend, bytes(measured.page_bytes as u64))
}

/// Three digits that mean something, whether it is a fault or a scan.
fn nanoseconds(value: f64) -> String {
    match value {
        value if value < 10.0 => format!("{value:.2}"),
        value if value < 100.0 => format!("{value:.1}"),
        value => format!("{value:.0}"),
    }
}
