//! The interpreter beside others, on programs that make much garbage: the same text, the time
//! that the program itself takes for its work.
//!
//! ```sh
//! cargo bench -p strandline-scheme            # all, three runs each, the best of them counts
//! cargo bench -p strandline-scheme -- --runs 1 gcbench mperm
//! ```
//!
//! Guile runs compiled to its bytecode, without its JIT; Chibi takes part if it is installed. Whoever
//! prints something other than the first interpreter is reported, and the bench fails.

mod interpreters;
mod table;

use std::error::Error;
use std::path::Path;

use clap::Parser;

use interpreters::{Interpreter, Run};
use table::Row;

/// Programs with sizes that take about a second.
const PROGRAMS: [(&str, u32); 9] = [
    ("gcbench", 17),
    ("nboyer", 3),
    ("sboyer", 3),
    ("mperm", 9),
    ("earley", 13),
    ("graphs", 5),
    ("lattice", 42),
    ("paraffins", 22),
    ("dynamic", 300),
];

/// Times GC-heavy programs in this interpreter and in others.
#[derive(Parser)]
struct Options {
    /// Programs; all of them if there is none
    programs: Vec<String>,
    /// Runs of each, of which the fastest counts
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// What cargo passes to every bench
    #[arg(long, hide = true)]
    bench: bool,
}

impl Options {
    fn chosen(&self) -> Result<Vec<(&'static str, u32)>, String> {
        let known = |name: &String| PROGRAMS.iter().find(|(program, _)| program == name).copied();
        let unknown = |name: &String| {
            let names: Vec<_> = PROGRAMS.iter().map(|(name, _)| *name).collect();
            format!("there is no program {name}; there are {}", names.join(", "))
        };
        if self.programs.is_empty() {
            return Ok(PROGRAMS.to_vec());
        }
        self.programs.iter().map(|name| known(name).ok_or_else(|| unknown(name))).collect()
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let programs = options.chosen()?;
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/programs");
    let interpreters = interpreters::all(&directory)?;
    let mut rows = Vec::new();
    for (program, size) in programs {
        let runs = interpreters
            .iter()
            .map(|interpreter| best(interpreter, program, size, options.runs))
            .collect::<Result<Vec<_>, _>>()?;
        if let Some(other) = runs.iter().position(|run| run.output != runs[0].output) {
            let (ours, theirs) = (&interpreters[0].name, &interpreters[other].name);
            return Err(format!("{program} {size}: {ours} and {theirs} disagree").into());
        }
        rows.push(Row { program: format!("{program} {size}"), runs });
    }
    let names: Vec<_> = interpreters.iter().map(|interpreter| &*interpreter.name).collect();
    print!("{}", table::format(&names, &rows));
    Ok(())
}

fn best(
    interpreter: &Interpreter,
    program: &str,
    size: u32,
    runs: u32,
) -> Result<Run, Box<dyn Error>> {
    interpreter.prepare(program)?;
    let mut best = interpreter.run(program, size)?;
    for _ in 1..runs {
        let run = interpreter.run(program, size)?;
        if run.seconds < best.seconds {
            best = run;
        }
    }
    Ok(best)
}
