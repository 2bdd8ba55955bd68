//! Environments and what names mean in them.

use super::{Expander, Meaning};
use crate::expand::Form;
use crate::object::{Type, elements};
use crate::tables::Equivalence;
use crate::value::Value;
use crate::vm::{Global, Outcome, Vm};

/// Slots of an environment: a table of symbols with cells, macros and special forms; its name.
pub(crate) const ENVIRONMENT_TABLE: usize = 0;

/// The slot of a cell, after its value and its name, for the environment that it was defined in.
pub(crate) const CELL_OWNER: usize = 2;

/// Slots of an alias.
pub(super) const ALIAS_FOR: usize = 0;
const ALIAS_ENVIRONMENT: usize = 1;

impl Vm {
    pub(crate) fn environment(&mut self, name: Value) -> Outcome {
        let table = self.table(Equivalence::Eq)?;
        self.object_with(Type::Environment, &[table, name])
    }

    /// The cell of a variable that is defined in an environment, made if it is not there. What was
    /// imported under that name is shadowed.
    pub(crate) fn own_cell(&mut self, symbol: Value, environment: Value) -> Outcome {
        let table = environment.slot(ENVIRONMENT_TABLE);
        if let Some(cell) = self.table_get(table, symbol)?
            && cell.is(Type::Cell)
            && cell.slot(CELL_OWNER) == environment
        {
            return Ok(cell);
        }
        let cell = self.object_with(Type::Cell, &[Value::UNDEFINED, symbol, environment])?;
        self.table_put(table, symbol, cell)?;
        Ok(cell)
    }

    /// Defines a variable of the built-in environment.
    pub(crate) fn define_builtin(&mut self, name: &str, value: Value) -> Outcome<()> {
        let symbol = self.symbol(name)?;
        let environment = self.shared.get(Global::Builtins);
        let cell = self.own_cell(symbol, environment)?;
        cell.set_slot(0, value);
        Ok(())
    }
}

impl Expander<'_> {
    /// What an identifier means in a scope.
    pub(super) fn meaning(&mut self, identifier: Value, env: Value) -> Outcome<Meaning> {
        let (mut identifier, mut env) = (identifier, env);
        loop {
            let mut scope = env;
            while scope.is_pair() {
                let entry = elements(scope.car().car()).find(|entry| entry.car() == identifier);
                if let Some(entry) = entry {
                    return Ok(denoted(entry.cdr()));
                }
                scope = scope.cdr();
            }
            if !identifier.is(Type::Alias) {
                let table = scope.slot(ENVIRONMENT_TABLE);
                return Ok(match self.vm.table_get(table, identifier)? {
                    Some(value) => denoted(value),
                    None => Meaning::Unbound(identifier, scope),
                });
            }
            (identifier, env) = (identifier.slot(ALIAS_FOR), identifier.slot(ALIAS_ENVIRONMENT));
        }
    }

    /// Whether an identifier is one of the forms' own words, like `else`: by binding, or by name
    /// where it has none.
    pub(super) fn is_form(&mut self, identifier: Value, env: Value, form: Form) -> Outcome<bool> {
        if !super::is_identifier(identifier) {
            return Ok(false);
        }
        Ok(match self.meaning(identifier, env)? {
            Meaning::Special(special) => special == form,
            Meaning::Unbound(symbol, _) => symbol.symbol_name() == form.name(),
            _ => false,
        })
    }

    /// Whether two identifiers mean the same.
    pub(super) fn same_meaning(&mut self, a: (Value, Value), b: (Value, Value)) -> Outcome<bool> {
        Ok(match (self.meaning(a.0, a.1)?, self.meaning(b.0, b.1)?) {
            (Meaning::Unbound(x, _), Meaning::Unbound(y, _)) => x == y,
            (x, y) => x == y,
        })
    }

    /// The cell of a global variable that is not defined yet.
    pub(super) fn cell_for(&mut self, symbol: Value, top: Value) -> Outcome {
        let cell = self.vm.own_cell(symbol, top)?;
        self.keep_for_code(cell)
    }

    /// A new scope inside another.
    pub(super) fn scope(&mut self, env: Value) -> Outcome {
        let rib = self.vm.cons(Value::NIL, Value::NIL)?;
        self.vm.cons(rib, env)
    }

    /// Binds an identifier in the innermost scope, to a variable or a macro.
    pub(super) fn bind(&mut self, env: Value, identifier: Value, what: Value) -> Outcome<()> {
        if !super::is_identifier(identifier) {
            return Err(self.error("only identifiers can be bound", identifier));
        }
        if elements(env.car().car()).any(|entry| entry.car() == identifier) {
            return Err(self.error("bound twice in the same place", identifier));
        }
        let entry = self.vm.cons(identifier, what)?;
        let rib = env.car();
        let entries = self.vm.cons(entry, rib.car())?;
        rib.set_car(entries);
        Ok(())
    }

    /// Binds an identifier to a new variable.
    pub(super) fn bind_variable(&mut self, env: Value, identifier: Value) -> Outcome<usize> {
        let variable = self.new_variable(identifier);
        self.bind(env, identifier, Value::index(variable))?;
        Ok(variable)
    }

    /// Refuses a list of identifiers, or an improper one, in which one is twice.
    pub(super) fn check_distinct(&mut self, names: Value) -> Outcome<()> {
        let mut rest = names;
        while rest.is_pair() {
            let (name, mut others) = (rest.car(), rest.cdr());
            while others.is_pair() && others.car() != name {
                others = others.cdr();
            }
            if others.is_pair() || others == name {
                return Err(self.error("bound twice in the same place", name));
            }
            rest = rest.cdr();
        }
        Ok(())
    }

    /// The top level of a scope.
    pub(super) fn top_of(env: Value) -> Value {
        let mut scope = env;
        while scope.is_pair() {
            scope = scope.cdr();
        }
        scope
    }

    /// A fresh identifier that means what `identifier` means in `env`.
    pub(super) fn alias(&mut self, identifier: Value, env: Value) -> Outcome {
        self.vm.object_with(Type::Alias, &[identifier, env])
    }

    /// An identifier for something built in, whatever the program has bound.
    pub(super) fn builtin(&mut self, name: &str) -> Outcome {
        let symbol = self.vm.symbol(name)?;
        let builtins = self.vm.shared.get(Global::Builtins);
        let alias = self.alias(symbol, builtins)?;
        self.keep(alias)
    }
}

fn denoted(value: Value) -> Meaning {
    match value.as_special() {
        Some(number) => Meaning::Special(Form::of_number(number)),
        None if value.is_fixnum() => Meaning::Local(value.as_fixnum() as usize),
        None if value.is(Type::Macro) => Meaning::Macro(value),
        None => Meaning::Cell(value),
    }
}
