//! A Scheme (R7RS-small) on a strandline heap: the guide to embedding one.
//!
//! ```text
//! cargo run --release -p strandline-scheme -- program.scm
//! ```
//!
//! There is no write barrier in it and no registration of local variables. What the heap asks of an
//! embedder is in four files: [`model`] says where the references in an object are, [`object`] lays
//! objects out and stores into them, [`vm::stack`] shows the collector the machine's stack, and
//! [`vm`] allocates. The rest is a Scheme:
//!
//! - [`reader`], [`printer`]: text to data and back;
//! - [`expand`]: names, macros, libraries; [`compile`]: to code for the machine in [`vm::run`];
//! - [`numbers`], [`tables`], [`ports`], [`threads`], [`weak`]: what their names say;
//! - [`repl`]: the prompt, where no file is given;
//! - [`prims`] and `prelude/`: the procedures, in Rust and in Scheme.

mod boot;
mod compile;
mod equality;
mod error;
mod expand;
mod libraries;
mod model;
mod numbers;
mod object;
mod options;
mod ports;
mod prims;
mod printer;
mod reader;
#[path = "../../examples/shared/records.rs"]
mod records;
mod repl;
mod stats;
mod symbols;
mod system;
mod tables;
mod threads;
mod timeline;
mod value;
mod vm;
mod weak;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use strandline::CycleReport;

use options::Options;
use printer::Style;
use system::Process;
use timeline::Timeline;
use value::Value;
use vm::{Global, Outcome, Shared, Vm};

/// Native stack of the first thread, for recursive parts of the interpreter such as `equal?`. Calls
/// of the program do not use it.
const NATIVE_STACK: usize = 256 << 20;

fn main() -> ExitCode {
    let options = Options::parse();
    let thread = std::thread::Builder::new().name("scheme".into()).stack_size(NATIVE_STACK);
    match thread.spawn(move || interpret(&options)) {
        Ok(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
        Err(error) => {
            eprintln!("scheme: cannot start a thread: {error}; raise the limit on memory");
            ExitCode::from(2)
        }
    }
}

fn interpret(options: &Options) -> ExitCode {
    let timeline = match options.gc_timeline.clone().map(Timeline::create).transpose() {
        Ok(timeline) => timeline.map(Arc::new),
        Err(error) => {
            let path = options.gc_timeline.as_deref().unwrap_or(Path::new("")).display();
            eprintln!("scheme: no timeline can be written to {path}: {error}");
            return ExitCode::from(2);
        }
    };
    let process = Process::new(options.command_line(), options.gc_stats, timeline.clone());
    let shared = match Shared::new(options.heap(), process) {
        Ok(shared) => shared,
        Err(error) => {
            eprintln!("scheme: {error}");
            return ExitCode::from(2);
        }
    };
    if let Some(timeline) = timeline {
        let observer = move |report: &CycleReport| timeline.add(report);
        shared.heap.set_cycle_observer(Some(Arc::new(observer)));
    }
    let mut vm = match Vm::new(&shared, NATIVE_STACK) {
        Ok(vm) => vm,
        Err(error) => {
            eprintln!("scheme: cannot attach to the heap: {error}");
            return ExitCode::from(2);
        }
    };
    let result = vm.boot().and_then(|()| vm.set_command_line());
    let result = result.and_then(|()| work(&mut vm, options));
    let code = match result {
        Ok(()) => Value::TRUE,
        Err(payload) => {
            report(&mut vm, payload);
            Value::fixnum(70)
        }
    };
    match vm.exit(code) {
        Ok(_) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(70),
    }
}

fn work(vm: &mut Vm, options: &Options) -> Outcome<()> {
    let user = vm.shared.get(Global::User);
    if let Some(text) = &options.eval {
        let value = vm.evaluate_text("command line", text, user)?;
        if value != Value::UNSPECIFIED {
            println!("{}", vm.print(value, Style::Write)?);
        }
        return Ok(());
    }
    let Some(file) = options.file() else { return repl::run(vm) };
    // (load file), so that the program's stack is the machine's and nothing is on the native one.
    let load = vm.builtin_value("load")?;
    let file = vm.string(&file.to_string_lossy())?;
    let call = vm.list(&[load, file])?;
    let thunk = vm.compile(call, user, Value::FALSE, Value::FALSE)?;
    vm.run(thunk).map(drop)
}

/// Prints an error that nobody handled.
pub(crate) fn report(vm: &mut Vm, payload: Value) {
    if vm.flush_all().is_err() {
        eprintln!("scheme: standard output cannot be written");
    }
    let text = vm.describe_error(payload);
    eprintln!("error: {text}");
}
