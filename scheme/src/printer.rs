//! Values as text: `write`, `display` and their like.

use std::collections::HashMap;
use std::fmt::Write;

use crate::error::condition_parts;
use crate::object::Type;
use crate::reader::is_plain_symbol;
use crate::value::Value;
use crate::vm::{CODE_NAME, Outcome, Vm};

/// How a value is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Display,
    /// With labels where a structure contains itself.
    Write,
    /// With labels for all that is met twice.
    Shared,
    /// Without labels, for ever if need be.
    Simple,
}

/// Parts that a value may have to be printed without a search for cycles.
const FEW: usize = 2000;

impl Vm {
    pub(crate) fn print(&mut self, value: Value, style: Style) -> Outcome<String> {
        let mut labels = HashMap::new();
        let search = match style {
            Style::Shared => true,
            Style::Simple => false,
            Style::Display | Style::Write => !is_small(value, &mut FEW.clone()),
        };
        if search {
            labels = self.labelled(value, style == Style::Shared)?;
        }
        let mut printer = Printer { vm: self, text: String::new(), style, labels, next_label: 0 };
        printer.print(value)?;
        Ok(printer.text)
    }

    /// As `write` does, for messages; whatever cannot be printed is `...`.
    pub(crate) fn written(&mut self, value: Value) -> String {
        self.print(value, Style::Write).unwrap_or_else(|_| "...".into())
    }

    /// An error object as a message for people.
    pub(crate) fn describe_error(&mut self, payload: Value) -> String {
        if !payload.is(Type::Condition) {
            return format!("uncaught object: {}", self.written(payload));
        }
        let (message, irritants, location) = condition_parts(payload);
        let mut text = String::new();
        if location.is_string() {
            text = location.text() + ": ";
        }
        text += &match self.print(message, Style::Display) {
            Ok(message) => message,
            Err(_) => "...".into(),
        };
        for irritant in crate::object::elements(irritants) {
            let separator =
                if text.ends_with(':') || irritants.cdr().is_pair() { " " } else { ": " };
            text += separator;
            text += &self.written(irritant);
        }
        text
    }
}

fn is_compound(value: Value) -> bool {
    value.is_pair() || value.is(Type::Vector)
}

/// Whether a value has few parts, and so no cycles.
fn is_small(mut value: Value, budget: &mut usize) -> bool {
    loop {
        if *budget == 0 {
            return false;
        }
        *budget -= 1;
        if value.is_pair() {
            if !is_small(value.car(), budget) {
                return false;
            }
            value = value.cdr();
        } else {
            return !value.is(Type::Vector)
                || value.slots().iter().all(|&element| is_small(element, budget));
        }
    }
}

impl Vm {
    /// The objects that need labels: those that contain themselves, or with `shared` all that are
    /// met twice.
    ///
    /// What is left to walk is in the heap: vectors of a value, whether it is to be left or entered,
    /// and the next such vector.
    fn labelled(&mut self, root: Value, shared: bool) -> Outcome<HashMap<usize, Option<usize>>> {
        let mut labels = HashMap::new();
        // Whether an object is still being walked.
        let mut met: HashMap<usize, bool> = HashMap::new();
        let mut work = self.work(root, Value::FALSE, Value::NIL)?;
        while !work.is_nil() {
            self.mutator.safepoint();
            self.make_room(&mut met);
            let (value, leaving) = (work.slot(0), work.slot(1).is_true());
            work = work.slot(2);
            if leaving {
                met.insert(value.0, false);
                continue;
            }
            if let Some(&open) = met.get(&value.0) {
                if open || shared {
                    labels.insert(value.0, None);
                }
                continue;
            }
            met.insert(value.0, true);
            work = self.work(value, Value::TRUE, work)?;
            if value.is_pair() {
                work = self.work(value.cdr(), Value::FALSE, work)?;
                work = self.work(value.car(), Value::FALSE, work)?;
                continue;
            }
            for index in (0..value.length()).rev() {
                self.mutator.safepoint();
                work = self.work(value.slot(index), Value::FALSE, work)?;
            }
        }
        self.aside(met.len(), || drop(met));
        Ok(labels)
    }

    /// The work that is left, with a value in front of it if it has parts.
    fn work(&mut self, value: Value, leaving: Value, rest: Value) -> Outcome {
        if is_compound(value) {
            self.object_with(Type::Vector, &[value, leaving, rest])
        } else {
            Ok(rest)
        }
    }
}

struct Printer<'v> {
    vm: &'v mut Vm,
    text: String,
    style: Style,
    /// Objects with a label, and its number once it is printed.
    labels: HashMap<usize, Option<usize>>,
    next_label: usize,
}

impl Printer<'_> {
    fn print(&mut self, value: Value) -> Outcome<()> {
        self.vm.check_native_stack("write")?;
        self.vm.mutator.safepoint();
        if is_compound(value) {
            if self.label(value) {
                return Ok(());
            }
            return if value.is_pair() { self.pair(value) } else { self.vector(value) };
        }
        self.atom(value)
    }

    /// Prints a label or a reference to one. True if that is all.
    fn label(&mut self, value: Value) -> bool {
        let Some(label) = self.labels.get_mut(&value.0) else { return false };
        if let Some(number) = *label {
            self.text += &format!("#{number}#");
            return true;
        }
        *label = Some(self.next_label);
        self.text += &format!("#{}=", self.next_label);
        self.next_label += 1;
        false
    }

    fn pair(&mut self, value: Value) -> Outcome<()> {
        if let Some(prefix) = quotation(value) {
            self.text += prefix;
            return self.print(value.cdr().car());
        }
        self.text.push('(');
        self.print(value.car())?;
        let mut rest = value.cdr();
        while rest.is_pair() && !self.labels.contains_key(&rest.0) {
            self.text.push(' ');
            self.print(rest.car())?;
            rest = rest.cdr();
        }
        if !rest.is_nil() {
            self.text += " . ";
            self.print(rest)?;
        }
        self.text.push(')');
        Ok(())
    }

    fn vector(&mut self, value: Value) -> Outcome<()> {
        self.text += "#(";
        for index in 0..value.length() {
            if index > 0 {
                self.text.push(' ');
            }
            self.print(value.slot(index))?;
        }
        self.text.push(')');
        Ok(())
    }

    fn atom(&mut self, value: Value) -> Outcome<()> {
        if let Some(number) = self.vm.format_number(value, 10) {
            self.text += &number;
        } else if let Some(c) = value.as_character() {
            self.character(c);
        } else if value.is_closure() {
            let name = value.slot(0).slot(CODE_NAME);
            self.named("procedure", name)?;
        } else if value.tag() == crate::value::OBJECT {
            self.object(value)?;
        } else {
            self.text += constant_name(value);
        }
        Ok(())
    }

    fn object(&mut self, value: Value) -> Outcome<()> {
        match value.object_type() {
            Type::String => self.string(value),
            Type::Symbol | Type::Alias => self.symbol(value),
            Type::Bytevector => {
                let bytes: Vec<_> = value.bytes().iter().map(u8::to_string).collect();
                self.text += &format!("#u8({})", bytes.join(" "));
            }
            Type::Record => return self.record(value),
            Type::Primitive => return self.named("procedure", value.slot(3)),
            Type::Structure => return self.named("record-type", value.slot(0)),
            Type::Condition => {
                let message = self.vm.describe_error(value);
                self.text += &format!("#<error {message}>");
            }
            Type::Values => {
                for index in 0..value.length() {
                    self.text += if index > 0 { " " } else { "" };
                    self.print(value.slot(index))?;
                }
            }
            other => {
                let name = other.name();
                write!(self.text, "#<{name} {:x}>", value.address()).expect("strings take all");
            }
        }
        Ok(())
    }

    fn record(&mut self, value: Value) -> Outcome<()> {
        let ty = value.slot(0);
        self.text += &format!("#<{}", ty.slot(0).symbol_name());
        for (index, field) in crate::object::elements(ty.slot(1)).enumerate() {
            if self.text.len() > 1 << 20 {
                break;
            }
            self.text += &format!(" {}: ", field.symbol_name());
            let content = value.slot(1 + index);
            // Records may contain themselves, and have no labels.
            if is_compound(content) || content.is(Type::Record) {
                self.text += "...";
            } else {
                self.print(content)?;
            }
        }
        self.text.push('>');
        Ok(())
    }

    fn named(&mut self, what: &str, name: Value) -> Outcome<()> {
        self.text += &format!("#<{what}");
        if name.is_symbol() {
            self.text.push(' ');
            self.text += &name.symbol_name();
        }
        self.text.push('>');
        Ok(())
    }

    fn symbol(&mut self, value: Value) {
        let name = value.symbol_name();
        if self.style == Style::Display || is_plain_symbol(&name) {
            self.text += &name;
        } else {
            self.quoted(&name, '|');
        }
    }

    fn string(&mut self, value: Value) {
        if self.style == Style::Display {
            self.text += &value.text();
        } else {
            self.quoted(&value.text(), '"');
        }
    }

    fn quoted(&mut self, text: &str, quote: char) {
        self.text.push(quote);
        for c in text.chars() {
            match c {
                '\\' => self.text += "\\\\",
                '\n' => self.text += "\\n",
                '\t' => self.text += "\\t",
                '\r' => self.text += "\\r",
                '\u{7}' => self.text += "\\a",
                '\u{8}' => self.text += "\\b",
                c if c == quote => self.text.extend(['\\', c]),
                c if c.is_control() => self.text += &format!("\\x{:x};", u32::from(c)),
                c => self.text.push(c),
            }
        }
        self.text.push(quote);
    }

    fn character(&mut self, c: char) {
        if self.style == Style::Display {
            self.text.push(c);
            return;
        }
        self.text += "#\\";
        match crate::reader::CHARACTER_NAMES.iter().find(|(_, named)| *named == c) {
            Some((name, _)) => self.text += name,
            None if c.is_control() => self.text += &format!("x{:x}", u32::from(c)),
            None => self.text.push(c),
        }
    }
}

/// The prefix that stands for `(quote x)` and its like.
fn quotation(value: Value) -> Option<&'static str> {
    let rest = value.cdr();
    if !value.car().is_symbol() || !rest.is_pair() || !rest.cdr().is_nil() {
        return None;
    }
    match value.car().symbol_name().as_str() {
        "quote" => Some("'"),
        "quasiquote" => Some("`"),
        "unquote" => Some(","),
        "unquote-splicing" => Some(",@"),
        _ => None,
    }
}

fn constant_name(value: Value) -> &'static str {
    match value {
        Value::FALSE => "#f",
        Value::TRUE => "#t",
        Value::NIL => "()",
        Value::EOF => "#<eof>",
        Value::UNDEFINED => "#<undefined>",
        Value::UNSPECIFIED => "#<unspecified>",
        _ => "#<syntax>",
    }
}
