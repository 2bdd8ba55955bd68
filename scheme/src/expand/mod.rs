//! The expander: resolves names, expands macros, and turns what is left into [`Node`]s.
//!
//! Hygiene is by renaming. An identifier is a symbol, or an alias: what a macro inserts is a fresh
//! alias that remembers the macro's own environment. If no binding of the alias itself is in scope,
//! it means what its symbol means there. (The idea is Clinger and Rees's, Macros that work.)
//!
//! Environments are Scheme data: lists of ribs, each a pair with an association list of identifiers
//! in its car, that end in an environment object for the top level.

mod binding;
mod body;
mod control;
mod environment;
mod forms;
mod library;
mod quasi;
mod records;
mod syntax_rules;
mod toplevel;

pub(crate) use environment::ENVIRONMENT_TABLE;
pub(crate) use forms::Form;
pub(crate) use library::STANDARD_LIBRARIES;

use crate::compile::ir::{Info, Inline, Node, Position, Variable};
use crate::error::{CONDITION_LOCATION, ErrorKind};
use crate::object::{Type, elements, list_length};
use crate::value::Value;
use crate::vm::{Global, Op, Outcome, Vm};

/// What an identifier means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    Local(Variable),
    Special(Form),
    Macro(Value),
    Cell(Value),
    /// A symbol that nothing is known of in a top-level environment.
    Unbound(Value, Value),
}

/// Compiles one form of the top level.
pub(crate) struct Expander<'v> {
    pub(crate) vm: &'v mut Vm,
    /// Lists of what the nodes refer to: for as long as the unit is compiled, and for as long as its
    /// code lives. They are found because this struct is on the native stack.
    pub(crate) kept: Value,
    pub(crate) constants: Value,
    pub(crate) variables: Vec<Info>,
    /// Where lists are in the source: a table, or `#f`.
    positions: Value,
    file: Value,
    position: Position,
}

impl<'v> Expander<'v> {
    pub(crate) fn new(vm: &'v mut Vm, positions: Value, file: Value) -> Self {
        Self {
            vm,
            kept: Value::NIL,
            constants: Value::NIL,
            variables: Vec::new(),
            positions,
            file,
            position: Position::default(),
        }
    }

    /// Keeps a value until the unit is compiled.
    pub(crate) fn keep(&mut self, value: Value) -> Outcome {
        self.kept = self.vm.cons(value, self.kept)?;
        Ok(value)
    }

    /// Keeps a value for as long as the unit's code.
    fn keep_for_code(&mut self, value: Value) -> Outcome {
        self.constants = self.vm.cons(value, self.constants)?;
        Ok(value)
    }

    pub(crate) fn constant(&mut self, value: Value) -> Outcome<Node> {
        // The symbol table keeps all symbols: there are none that are not in it.
        if matches!(value.tag(), 0 | 3) || value.is_symbol() {
            return Ok(Node::Constant(value));
        }
        self.keep_for_code(value).map(Node::Constant)
    }

    /// An error in the program's text.
    pub(crate) fn error(&mut self, message: &str, form: Value) -> Value {
        self.locate(form);
        let form = self.strip(form).unwrap_or(Value::FALSE);
        let condition = self.vm.error_of(ErrorKind::General, message, &[form]);
        let Position { line, column } = self.position;
        if line > 0 && self.file.is_string() {
            let place = format!("{}:{line}:{column}", self.file.text());
            if let Ok(place) = self.vm.string(&place) {
                condition.set_slot(CONDITION_LOCATION, place);
            }
        }
        condition
    }

    /// Takes note of where `form` is, if that is known.
    fn locate(&mut self, form: Value) {
        if !self.positions.is(Type::Table) || !form.is_pair() {
            return;
        }
        if let Ok(Some(place)) = self.vm.table_get(self.positions, form) {
            let place = place.as_fixnum();
            self.position =
                Position { line: (place >> 20) as u32, column: (place & 0xfffff) as u32 };
        }
    }

    pub(crate) fn new_variable(&mut self, identifier: Value) -> Variable {
        let mut name = identifier;
        while name.is(Type::Alias) {
            name = name.slot(0);
        }
        self.variables.push(Info {
            name,
            references: 0,
            assigned: false,
            checked: false,
            boxed: false,
            function: 0,
            captured: false,
        });
        self.variables.len() - 1
    }

    /// A list of a form, with at least and at most so many elements.
    fn check_form(&mut self, form: Value, least: usize, most: usize) -> Outcome<usize> {
        match list_length(form) {
            Some(length) if (least..=most).contains(&length) => Ok(length),
            _ => Err(self.error("bad syntax", form)),
        }
    }

    /// Expands an expression.
    pub(crate) fn expression(&mut self, form: Value, env: Value) -> Outcome<Node> {
        self.vm.check_native_stack("compile")?;
        if form.is_pair() {
            let outer = self.position;
            self.locate(form);
            let node = self.compound(form, env);
            if node.is_ok() {
                self.position = outer;
            }
            return node;
        }
        if is_identifier(form) {
            return self.reference(form, env);
        }
        if form.is_nil() {
            return Err(self.error("an empty combination; quote it if it is data", form));
        }
        self.constant(form)
    }

    fn reference(&mut self, identifier: Value, env: Value) -> Outcome<Node> {
        match self.meaning(identifier, env)? {
            Meaning::Local(variable) => {
                self.variables[variable].references += 1;
                Ok(Node::Local(variable))
            }
            Meaning::Cell(cell) => {
                self.keep_for_code(cell)?;
                Ok(Node::Global(cell, self.position))
            }
            Meaning::Unbound(symbol, top) => {
                let cell = self.cell_for(symbol, top)?;
                Ok(Node::Global(cell, self.position))
            }
            Meaning::Special(_) | Meaning::Macro(_) => {
                Err(self.error("a keyword is no expression", identifier))
            }
        }
    }

    fn compound(&mut self, form: Value, env: Value) -> Outcome<Node> {
        let head = form.car();
        if is_identifier(head) {
            match self.meaning(head, env)? {
                Meaning::Special(special) => return self.special(special, form, env),
                Meaning::Macro(rules) => {
                    let expansion = self.expand_macro(rules, form, env)?;
                    return self.expression(expansion, env);
                }
                Meaning::Cell(cell) => return self.call_global(cell, form, env),
                Meaning::Local(_) | Meaning::Unbound(..) => {}
            }
        }
        let position = self.position;
        let callee = self.expression(head, env)?;
        let arguments = self.arguments(form, env)?;
        Ok(self.call(callee, arguments, position))
    }

    fn arguments(&mut self, form: Value, env: Value) -> Outcome<Vec<Node>> {
        if list_length(form).is_none() {
            return Err(self.error("a call is a proper list", form));
        }
        elements(form.cdr()).map(|argument| self.expression(argument, env)).collect()
    }

    /// A call; of a lambda expression, a `let`.
    pub(crate) fn call(&mut self, callee: Node, arguments: Vec<Node>, position: Position) -> Node {
        match callee {
            Node::Lambda(lambda)
                if lambda.clauses.len() == 1
                    && !lambda.clauses[0].rest
                    && lambda.clauses[0].parameters.len() == arguments.len() =>
            {
                let clause = lambda.clauses.into_iter().next().expect("it has one");
                let bindings = clause.parameters.into_iter().zip(arguments).collect();
                Node::Let(bindings, Box::new(clause.body))
            }
            _ => Node::Call(Box::new(callee), arguments, position),
        }
    }

    /// A call of a procedure of the top level: an instruction, if it is a primitive that nobody can
    /// redefine.
    fn call_global(&mut self, cell: Value, form: Value, env: Value) -> Outcome<Node> {
        let position = self.position;
        let arguments = self.arguments(form, env)?;
        let value = cell.slot(0);
        let fixed = value.is(Type::Primitive)
            && cell.slot(environment::CELL_OWNER) == self.vm.shared.get(Global::Builtins);
        if !fixed {
            self.keep_for_code(cell)?;
            return Ok(Node::Call(Box::new(Node::Global(cell, position)), arguments, position));
        }
        let name = value.slot(3).symbol_name();
        if let Some(node) = record_access(&name, &arguments) {
            let (op, cell, index) = node;
            let mut arguments = arguments;
            arguments.truncate(1 + usize::from(op == Op::RecordSet));
            return Ok(Node::Record(op, cell, index, arguments, position));
        }
        if arguments.len() > 2 && matches!(name.as_str(), "+" | "*" | "-") {
            let op = Inline::of(&name, 2).expect("these are instructions");
            let mut rest = arguments.into_iter();
            let first = rest.next().expect("there are more than two");
            return Ok(rest.fold(first, |sum, x| Node::Inline(op, vec![sum, x], position)));
        }
        match Inline::of(&name, arguments.len()) {
            Some(inline) => Ok(Node::Inline(inline, arguments, position)),
            None => {
                let (_, least, most) = crate::prims::primitive_of(value);
                if arguments.len() < least || arguments.len() > most {
                    // Left for run time, where it is an error that can be handled.
                    let callee = Box::new(Node::Global(self.keep_for_code(cell)?, position));
                    return Ok(Node::Call(callee, arguments, position));
                }
                Ok(Node::Primitive(self.keep_for_code(value)?, arguments, position))
            }
        }
    }

    /// A copy of a datum with symbols in the place of aliases.
    pub(crate) fn strip(&mut self, datum: Value) -> Outcome {
        self.vm.check_native_stack("quote")?;
        if datum.is(Type::Alias) {
            let mut symbol = datum;
            while symbol.is(Type::Alias) {
                symbol = symbol.slot(0);
            }
            return Ok(symbol);
        }
        if datum.is_pair() {
            let (mut head, mut last, mut rest, mut changed) =
                (Value::NIL, Value::NIL, datum, false);
            let mut budget = 0_usize;
            while rest.is_pair() {
                budget += 1;
                if budget.is_power_of_two() && budget > 1 << 12 && list_length(datum).is_none() {
                    // Circular or dotted data has no aliases worth the trouble.
                    if has_cycle(datum) {
                        return Ok(datum);
                    }
                }
                let part = self.strip(rest.car())?;
                changed |= part != rest.car();
                let pair = self.vm.cons(part, Value::NIL)?;
                if head.is_nil() {
                    head = pair;
                } else {
                    last.set_cdr(pair);
                }
                last = pair;
                rest = rest.cdr();
            }
            let tail = self.strip(rest)?;
            changed |= tail != rest;
            last.set_cdr(tail);
            return Ok(if changed { head } else { datum });
        }
        if datum.is(Type::Vector) {
            for index in 0..datum.length() {
                let part = datum.slot(index);
                if self.strip(part)? != part {
                    let copy = self.vm.vector(datum.length(), Value::FALSE)?;
                    for index in 0..datum.length() {
                        let part = self.strip(datum.slot(index))?;
                        copy.set_slot(index, part);
                    }
                    return Ok(copy);
                }
            }
        }
        Ok(datum)
    }
}

fn has_cycle(list: Value) -> bool {
    let (mut slow, mut fast) = (list, list);
    loop {
        for _ in 0..2 {
            if !fast.is_pair() {
                return false;
            }
            fast = fast.cdr();
        }
        slow = slow.cdr();
        if slow == fast {
            return true;
        }
    }
}

pub(crate) fn is_identifier(form: Value) -> bool {
    form.is_symbol() || form.is(Type::Alias)
}

/// Whether a call is an access to a record whose type is in a global variable and whose field is a
/// constant.
fn record_access(name: &str, arguments: &[Node]) -> Option<(Op, Value, usize)> {
    let (op, ty, field) = match (name, arguments) {
        ("%record-ref", [_, ty, field]) => (Op::RecordRef, ty, Some(field)),
        ("%record-set!", [_, _, ty, field]) => (Op::RecordSet, ty, Some(field)),
        ("%record-is?", [_, ty]) => (Op::JumpRecord, ty, None),
        _ => return None,
    };
    let Node::Global(cell, _) = ty else { return None };
    match field {
        Some(Node::Constant(index)) => Some((op, *cell, index.as_index()?)),
        Some(_) => None,
        None => Some((op, *cell, 0)),
    }
}
