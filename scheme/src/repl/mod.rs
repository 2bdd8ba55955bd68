//! The prompt: reads forms, evaluates them, prints their values; an error does not end it.
//!
//! On a terminal there is a line editor. Anywhere else forms are read from the standard input, which
//! the program reads from, too, and there is no prompt.

mod commands;
mod editor;
mod source;

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{CONDITION_KIND, ErrorKind};
use crate::object::Type;
use crate::ports::at_line_start;
use crate::printer::Style;
use crate::value::Value;
use crate::vm::{Global, Outcome, Register, Vm};

use commands::After;
use source::{Form, Source};

/// Set when somebody asked for the evaluation to be given up.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Runs until the input ends or a command says so.
///
/// # Errors
/// When the input cannot be read.
pub(crate) fn run(vm: &mut Vm) -> Outcome<()> {
    let mut source = if std::io::stdin().is_terminal() {
        heed_interrupts(vm)?;
        println!("Scheme (R7RS-small) on a strandline heap. ,help lists the commands.");
        Source::terminal(vm)?
    } else {
        Source::pipe(vm)
    };
    loop {
        let result = match source.next(vm) {
            Ok(None) => return Ok(()),
            Ok(Some(form)) => perform(vm, &mut source, &form),
            Err(payload) if is_of_kind(payload, ErrorKind::File) => return Err(payload),
            Err(payload) => Err(payload),
        };
        match result {
            Ok(After::Continue) => {}
            Ok(After::Quit) => return Ok(()),
            Err(payload) => recover(vm, payload),
        }
    }
}

fn is_of_kind(payload: Value, kind: ErrorKind) -> bool {
    payload.is(Type::Condition) && payload.slot(CONDITION_KIND) == Value::fixnum(kind as i64)
}

/// Evaluates a form, or does what a command says.
fn perform(vm: &mut Vm, source: &mut Source, form: &Form) -> Outcome<After> {
    if let Some(name) = commands::named(form.datum) {
        return commands::perform(vm, source, &name);
    }
    let value = evaluate(vm, form)?;
    show(vm, value)?;
    Ok(After::Continue)
}

fn evaluate(vm: &mut Vm, form: &Form) -> Outcome {
    vm.machine.clear_interrupt();
    let user = vm.shared.get(Global::User);
    let mut datum = form.datum;
    if form.place.is_fixnum() {
        // (begin variable), because only lists have places.
        let begin = vm.symbol("begin")?;
        datum = vm.list(&[begin, datum])?;
        vm.table_put(form.positions, datum, form.place)?;
    }
    let thunk = vm.compile(datum, user, form.positions, form.file)?;
    vm.run(thunk)
}

/// Says what went wrong, and has everything as it was before the evaluation.
fn recover(vm: &mut Vm, payload: Value) {
    // Parameters outlive a run, because a thread begins with some; the first one begins with none.
    vm.machine.set(Register::Parameters, Value::NIL);
    vm.machine.clear_interrupt();
    if let Err(error) = end_line(vm) {
        crate::report(vm, error);
    }
    if INTERRUPTED.swap(false, Ordering::Relaxed) {
        eprintln!("interrupted");
    } else {
        crate::report(vm, payload);
    }
}

/// Prints a value, if it is worth that; several values each in its line.
fn show(vm: &mut Vm, value: Value) -> Outcome<()> {
    end_line(vm)?;
    if value.is(Type::Values) {
        for index in 0..value.length() {
            print_line(vm, value.slot(index))?;
        }
    } else if value != Value::UNSPECIFIED {
        print_line(vm, value)?;
    }
    vm.flush_all()
}

fn print_line(vm: &mut Vm, value: Value) -> Outcome<()> {
    let text = vm.print(value, Style::Write)?;
    write(vm, &(text + "\n"))
}

fn output(vm: &mut Vm) -> Value {
    let parameter = vm.shared.get(Global::OutputParameter);
    vm.parameter_value(parameter)
}

fn write(vm: &mut Vm, text: &str) -> Outcome<()> {
    let port = output(vm);
    vm.write_text(port, text)
}

/// Ends the line that the program has begun, if it has.
fn end_line(vm: &mut Vm) -> Outcome<()> {
    if at_line_start(output(vm)) { Ok(()) } else { write(vm, "\n") }
}

/// Has an interrupt from the terminal end the evaluation, and not the process.
fn heed_interrupts(vm: &mut Vm) -> Outcome<()> {
    let (shared, machine) = (Arc::clone(&vm.shared), Arc::clone(&vm.machine));
    let handler = move || {
        INTERRUPTED.store(true, Ordering::Relaxed);
        machine.interrupt();
        shared.threads.notify_sleepers();
    };
    ctrlc::set_handler(handler)
        .map_err(|error| vm.error(&format!("interrupts cannot be caught: {error}"), &[]))
}
