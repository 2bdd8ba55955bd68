//! Commands of the prompt: a comma and a word, which the reader takes for `(unquote word)`. That
//! means nothing in a program outside of a quasi-quotation.

use std::time::Instant;

use crate::object::list_length;
use crate::value::Value;
use crate::vm::{Outcome, Vm};

use super::source::{Form, Source, names as bound_names};
use super::{evaluate, show, write};

/// What happens after a command.
pub(super) enum After {
    Continue,
    Quit,
}

type Command = fn(&mut Vm, &mut Source) -> Outcome<After>;

const COMMANDS: &[(&str, &str, &str, Command)] = &[
    ("apropos", "WORD", "names that contain a word", apropos),
    ("gc", "", "collect the whole heap, and say what that did", collect),
    ("heap", "", "what is in the heap, and what its collector has done", heap),
    ("help", "", "this list", help),
    ("quit", "", "the end; as the end of the input, or (exit)", |_, _| Ok(After::Quit)),
    ("time", "FORM", "evaluate a form, and say how long it and the collector took", time),
];

pub(super) fn names() -> impl Iterator<Item = &'static str> {
    COMMANDS.iter().map(|(name, ..)| *name)
}

/// The name of the command that a form is.
pub(super) fn named(form: Value) -> Option<String> {
    let is_command = list_length(form) == Some(2)
        && form.car().is_symbol()
        && form.car().symbol_name() == "unquote"
        && form.cdr().car().is_symbol();
    is_command.then(|| form.cdr().car().symbol_name())
}

pub(super) fn perform(vm: &mut Vm, source: &mut Source, name: &str) -> Outcome<After> {
    match COMMANDS.iter().find(|(known, ..)| *known == name) {
        Some((.., command)) => command(vm, source),
        None => Err(vm.error(&format!("no command is named ,{name}; see ,help"), &[])),
    }
}

fn help(vm: &mut Vm, _: &mut Source) -> Outcome<After> {
    for (name, argument, what, _) in COMMANDS {
        write(vm, &format!("{:18}{what}\n", format!(",{name} {argument}")))?;
    }
    vm.flush_all().map(|()| After::Continue)
}

/// What follows a command in the input.
fn argument(vm: &mut Vm, source: &mut Source, command: &str) -> Outcome<Form> {
    match source.next(vm)? {
        Some(form) => Ok(form),
        None => Err(vm.error(&format!(",{command}: nothing follows"), &[])),
    }
}

fn apropos(vm: &mut Vm, source: &mut Source) -> Outcome<After> {
    let word = argument(vm, source, "apropos")?.datum;
    if !word.is_symbol() {
        return Err(vm.wrong_type(",apropos", "word", word));
    }
    let word = word.symbol_name();
    for name in bound_names(vm)?.iter().filter(|name| name.contains(&word)) {
        write(vm, &format!("{name}\n"))?;
    }
    vm.flush_all().map(|()| After::Continue)
}

fn collect(vm: &mut Vm, _: &mut Source) -> Outcome<After> {
    vm.mutator.collect();
    if let Some(report) = vm.shared.heap.cycles().last() {
        write(vm, &format!("{report}\n"))?;
    }
    vm.flush_all().map(|()| After::Continue)
}

fn heap(vm: &mut Vm, _: &mut Source) -> Outcome<After> {
    let summary = crate::stats::summary(&vm.shared);
    write(vm, &format!("{summary}\n"))?;
    vm.flush_all().map(|()| After::Continue)
}

fn time(vm: &mut Vm, source: &mut Source) -> Outcome<After> {
    let form = argument(vm, source, "time")?;
    let (before, start) = (vm.shared.heap.stats(), Instant::now());
    let value = evaluate(vm, &form)?;
    let (elapsed, after) = (start.elapsed(), vm.shared.heap.stats());
    show(vm, value)?;
    let full = after.full_collections - before.full_collections;
    let minor = after.collections - before.collections - full;
    let text = format!(
        "{:.3} s; {minor} minor and {full} major cycles in {:.3} s, {:.6} s of it with the program \
         stopped\n",
        elapsed.as_secs_f64(),
        (after.collecting - before.collecting).as_secs_f64(),
        (after.stopped - before.stopped).as_secs_f64(),
    );
    write(vm, &text)?;
    vm.flush_all().map(|()| After::Continue)
}
