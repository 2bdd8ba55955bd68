//! The workloads by which collectors are compared here, and a guide to writing an embedder.
//!
//! ```text
//! cargo run --release --example workloads -- gcbench 5 1 --max-heap-mib 96
//! ```
//!
//! Without arguments it lists the workloads. The last line on standard output is
//! `RESULT name=value ...`, or one JSON object with `--json`; what else there is to say goes to
//! standard error. The exit status is 0, or
//!
//! | status | meaning |
//! |---|---|
//! | 1 | the check value is wrong: the heap has lost or damaged something |
//! | 2 | bad arguments, or a heap that cannot be had with them |
//! | 3 | out of memory |
//!
//! Where to look for what:
//! - [`model`]: object layouts with and without a header, and their `ObjectModel`s;
//! - [`trees`], [`gcbench`], [`bintrees`]: references in local variables, stacks scanned;
//! - [`oldmut`], [`lru`]: large arrays in the heap, and several threads;
//! - [`splay`], [`server`], [`strings`]: pointers that change all the time, requests with due times,
//!   objects without references;
//! - [`operations`], [`report`]: what is measured, and how it is printed;
//! - [`write`]: plain stores, and what a program that has a write barrier does.

mod bintrees;
mod driver;
mod gcbench;
mod gcold;
mod graph;
mod levels;
mod lru;
mod model;
mod oldmut;
mod operations;
mod options;
mod random;
#[path = "../shared/records.rs"]
mod records;
mod report;
mod server;
mod splay;
mod stores;
mod strings;
mod trees;
mod write;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use options::Options;

/// Workloads by which collectors are compared.
#[derive(Debug, Parser)]
#[command(name = "workloads", max_term_width = 100, subcommand_value_name = "WORKLOAD")]
#[command(subcommand_help_heading = "Workloads", disable_help_subcommand = true)]
struct CommandLine {
    #[command(subcommand)]
    workload: Workload,
    #[command(flatten)]
    options: Options,
}

#[derive(Debug, Subcommand)]
enum Workload {
    Gcbench(gcbench::GcBench),
    Bintrees(bintrees::BinTrees),
    Oldmut(oldmut::OldMut),
    Lru(lru::Lru),
    Gcold(gcold::GcOld),
    Splay(splay::Splay),
    Strings(strings::Strings),
    Stores(stores::Stores),
    Server(server::Server),
}

fn main() -> ExitCode {
    if std::env::args_os().len() == 1 {
        print!("{}", CommandLine::command().render_help());
        return ExitCode::SUCCESS;
    }
    let CommandLine { workload, options } = CommandLine::parse();
    let result = match workload {
        Workload::Gcbench(workload) => driver::run(&workload, &options),
        Workload::Bintrees(workload) => driver::run(&workload, &options),
        Workload::Oldmut(workload) => driver::run(&workload, &options),
        Workload::Lru(workload) => driver::run(&workload, &options),
        Workload::Gcold(workload) => driver::run(&workload, &options),
        Workload::Splay(workload) => driver::run(&workload, &options),
        Workload::Strings(workload) => driver::run(&workload, &options),
        Workload::Stores(workload) => driver::run(&workload, &options),
        Workload::Server(workload) => driver::run(&workload, &options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("workloads: {failure}");
            failure.exit_code()
        }
    }
}
