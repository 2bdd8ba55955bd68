//! `strandline pages`: the GET side of `PAGEMAP_SCAN` for any process that the user may read.

mod address;
mod json;
mod process;
mod summary;
mod text;
mod walk;

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use clap::Args;
use strandline::os::PageRange;
use strandline::os::pagemap::{Categories, PageFilter};

use crate::category;
use crate::failure::Failure;
use process::Process;
use walk::{Outcome, Query, Row};

/// Show the pages of a process with their categories
///
/// Adjacent pages of a mapping that agree in their categories make one row. Nothing is changed in
/// the process: no write protection, no dirty bits. Without a filter every page is reported that
/// the process has mapped, touched or not; `--any-of present,swapped` leaves out what was never
/// touched. A page counts as written unless it is write-protected by userfaultfd.
#[derive(Debug, Args)]
#[command(after_long_help = AFTER_HELP)]
pub(crate) struct Arguments {
    /// The process (or thread) id
    pid: u32,
    /// Report pages that have all of these
    #[arg(long, value_name = "CATEGORIES", value_parser = category::parse)]
    required: Option<Categories>,
    /// Report pages that have at least one of these
    #[arg(long, value_name = "CATEGORIES", value_parser = category::parse)]
    any_of: Option<Categories>,
    /// Report pages that have none of these
    #[arg(long, value_name = "CATEGORIES", value_parser = category::parse)]
    excluded: Option<Categories>,
    /// Name only these in the output; fewer make longer rows [default: all that the kernel knows]
    #[arg(long, value_name = "CATEGORIES", value_parser = category::parse)]
    report: Option<Categories>,
    /// Look at these addresses only (hexadecimal, end exclusive, widened to whole pages);
    /// may be given several times
    #[arg(long = "range", value_name = "START-END", value_parser = address::parse)]
    ranges: Vec<PageRange>,
    /// Stop after this many pages
    #[arg(long, value_name = "PAGES", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// Add the pages up by mapping (path or name)
    #[arg(long)]
    summary: bool,
    /// Write JSON
    #[arg(long)]
    json: bool,
}

const AFTER_HELP: &str = "\
CATEGORIES is a list of names with commas:
  wpallowed   the mapping is registered for asynchronous write protection (userfaultfd)
  written     written since it was write-protected, or not protected
  file        backed by a file or by shared memory
  present     in memory
  swapped     in swap, or write-protected before it was ever touched
  zero-page   the shared zero page: read, never written
  huge        mapped by a huge page
  soft-dirty  soft-dirty (Linux 6.8, where it is configured)
  guard       a guard page made by madvise (about Linux 6.16)

Exit status:
  0  the pages were reported (or the reader of the output left early)
  1  they were not, or not all of them: no such process, no permission, it ended meanwhile, the
     kernel does not know a category or lacks PAGEMAP_SCAN (Linux 6.7)
  2  the arguments are wrong

Examples:
  strandline pages 1234 --any-of present,swapped --summary
  strandline pages 1234 --required huge
  strandline pages 1234 --range 7f0000000000-7f0040000000 --required written --json";

/// Where the rows go.
trait Output {
    fn row(&mut self, row: &Row<'_>) -> Result<(), Failure>;
    /// The end, whether all was seen or not.
    fn finish(&mut self, outcome: &Outcome) -> Result<(), Failure>;
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let filter = filter(arguments)?;
    let process = Process::open(arguments.pid)?;
    let known = process.known_categories()?;
    let report = arguments.report.unwrap_or(known);
    category::require(filter.required | filter.any_of | filter.excluded | report, known)?;
    let query =
        Query { filter, report, ranges: address::merge(&arguments.ranges), limit: arguments.limit };
    for range in query.ranges.iter().filter(|range| !process.maps_any_of(**range)) {
        // Not a failure: nothing was asked about that could be missing.
        let _ = writeln!(io::stderr(), "strandline: nothing is mapped in {range}");
    }

    let mut out = BufWriter::new(io::stdout().lock());
    let mut output: Box<dyn Output + '_> = match (arguments.summary, arguments.json) {
        (false, false) => Box::new(text::Text::new(&mut out)?),
        (false, true) => Box::new(json::Json::new(&mut out, arguments.pid, &query)?),
        (true, json) => {
            Box::new(summary::Summary::new(&mut out, json.then_some(arguments.pid), &query))
        }
    };
    let outcome = walk::walk(&process, &query, |row| output.row(row))?;
    output.finish(&outcome)?;
    drop(output);
    out.flush()?;
    outcome.error.map_or(Ok(ExitCode::SUCCESS), |error| Err(Failure::Failed(error)))
}

/// The filter, checked before anything else: nothing about the process can make it right.
fn filter(arguments: &Arguments) -> Result<PageFilter, Failure> {
    let filter = PageFilter {
        required: arguments.required.unwrap_or_default(),
        any_of: arguments.any_of.unwrap_or_default(),
        excluded: arguments.excluded.unwrap_or_default(),
    };
    let both = filter.excluded & (filter.required | filter.any_of);
    if both.is_empty() {
        return Ok(filter);
    }
    let both = category::list(both);
    Err(Failure::BadArguments(format!(
        "{both} cannot be in --excluded and at the same time in --required or --any-of"
    )))
}
