//! `strandline`: what the kernel knows about pages, and what it offers to a dirty-page tracker.

mod category;
mod failure;
mod pages;
mod probe;
mod table;
mod units;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The pages of processes as the kernel knows them, and what this machine offers for tracking
/// writes to them.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Pages(pages::Arguments),
    Probe(probe::Arguments),
}

fn main() -> ExitCode {
    let result = match CommandLine::parse().command {
        Command::Pages(arguments) => pages::run(&arguments),
        Command::Probe(arguments) => probe::run(&arguments),
    };
    result.unwrap_or_else(|failure| failure.report())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::CommandLine;

    #[test]
    fn the_command_line_is_consistent() {
        CommandLine::command().debug_assert();
    }
}
