//! Libraries: `define-library` and `import`.
//!
//! A library is an environment that holds what it exports; for one that a program defines there is
//! a second one, which its body is evaluated in. A name is bound to a cell or a macro, and to
//! import is to share that.

use super::Expander;
use super::environment::ENVIRONMENT_TABLE;
use super::forms::sequence_of;
use crate::compile::ir::Node;
use crate::object::{elements, list_length};
use crate::value::Value;
use crate::vm::{Global, Outcome, Vm};

pub(super) use super::super::libraries::FEATURES;
pub(crate) use super::super::libraries::STANDARD_LIBRARIES;

impl Vm {
    /// The environment of exports of a library.
    pub(crate) fn find_library(&mut self, name: Value) -> Outcome<Option<Value>> {
        for entry in elements(self.shared.get(Global::Libraries)) {
            if self.equal(entry.car(), name)? {
                return Ok(Some(entry.cdr()));
            }
        }
        Ok(None)
    }

    pub(crate) fn add_library(&mut self, name: Value, exports: Value) -> Outcome<()> {
        let entry = self.cons(name, exports)?;
        let libraries = self.cons(entry, self.shared.get(Global::Libraries))?;
        self.shared.set(Global::Libraries, libraries);
        Ok(())
    }

    /// Puts all that one environment has into another.
    pub(crate) fn import_all(&mut self, from: Value, into: Value) -> Outcome<()> {
        let entries = self.table_entries(from.slot(ENVIRONMENT_TABLE))?;
        for entry in elements(entries) {
            self.table_put(into.slot(ENVIRONMENT_TABLE), entry.car(), entry.cdr())?;
        }
        Ok(())
    }
}

impl Expander<'_> {
    pub(super) fn import(&mut self, form: Value, env: Value) -> Outcome<Node> {
        for set in elements(form.cdr()) {
            let set = self.strip(set)?;
            self.keep(set)?;
            if let Some(missing) = self.missing_library(set)? {
                // Load it from its file, then do this import again.
                let name = self.constant(missing)?;
                let load = self.builtin_call("%load-library", vec![name])?;
                let again = self.evaluation(form, env)?;
                return Ok(sequence_of(vec![load, again]));
            }
        }
        for set in elements(form.cdr()) {
            let set = self.strip(set)?;
            let imported = self.import_set(set)?;
            self.vm.import_all(imported, env)?;
        }
        Ok(Node::Constant(Value::UNSPECIFIED))
    }

    /// The library of an import set, if it is not there.
    fn missing_library(&mut self, set: Value) -> Outcome<Option<Value>> {
        if list_length(set).is_none_or(|length| length == 0) {
            return Err(self.error("bad import set", set));
        }
        if is_modifier(set) {
            return self.missing_library(set.cdr().car());
        }
        Ok(if self.vm.find_library(set)?.is_some() { None } else { Some(set) })
    }

    /// An environment with what an import set stands for.
    pub(crate) fn import_set(&mut self, set: Value) -> Outcome {
        if !is_modifier(set) {
            return match self.vm.find_library(set)? {
                Some(exports) => Ok(exports),
                None => Err(self.error("no such library", set)),
            };
        }
        let from = self.import_set(set.cdr().car())?;
        let result = self.vm.environment(Value::FALSE)?;
        self.keep(result)?;
        let (source, target) = (from.slot(ENVIRONMENT_TABLE), result.slot(ENVIRONMENT_TABLE));
        let arguments = set.cdr().cdr();
        match set.car().symbol_name().as_str() {
            "only" => {
                for name in elements(arguments) {
                    let value = self.imported(source, name)?;
                    self.vm.table_put(target, name, value)?;
                }
            }
            "except" => {
                self.vm.import_all(from, result)?;
                for name in elements(arguments) {
                    self.imported(source, name)?;
                    self.vm.table_delete(target, name)?;
                }
            }
            "prefix" => {
                let prefix = arguments.car().symbol_name();
                let entries = self.vm.table_entries(source)?;
                for entry in elements(entries) {
                    let name = format!("{prefix}{}", entry.car().symbol_name());
                    let name = self.vm.symbol(&name)?;
                    self.vm.table_put(target, name, entry.cdr())?;
                }
            }
            _ => {
                self.vm.import_all(from, result)?;
                for pair in elements(arguments) {
                    self.check_form(pair, 2, 2)?;
                    self.vm.table_delete(target, pair.car())?;
                }
                for pair in elements(arguments) {
                    let value = self.imported(source, pair.car())?;
                    self.vm.table_put(target, pair.cdr().car(), value)?;
                }
            }
        }
        Ok(result)
    }

    fn imported(&mut self, table: Value, name: Value) -> Outcome {
        match self.vm.table_get(table, name)? {
            Some(value) => Ok(value),
            None => Err(self.error("the library does not export this", name)),
        }
    }

    /// A library's definition: its declarations are evaluated one by one in an environment of its
    /// own, and in the end its exports are collected.
    pub(super) fn define_library(&mut self, form: Value, _env: Value) -> Outcome<Node> {
        self.check_form(form, 2, usize::MAX)?;
        let name = self.strip(form.cdr().car())?;
        let inner = self.vm.environment(name)?;
        self.keep(inner)?;
        self.bind_library_words(inner)?;
        let (mut nodes, mut exports) = (Vec::new(), Value::NIL);
        self.declarations(form.cdr().cdr(), inner, &mut nodes, &mut exports)?;
        let arguments = [name, inner, exports];
        let arguments: Outcome<Vec<_>> =
            arguments.into_iter().map(|argument| self.constant(argument)).collect();
        nodes.push(self.builtin_call("%finish-library", arguments?)?);
        Ok(sequence_of(nodes))
    }

    /// What a library's declarations may use before anything is imported.
    fn bind_library_words(&mut self, inner: Value) -> Outcome<()> {
        let builtins = self.vm.shared.get(Global::Builtins).slot(ENVIRONMENT_TABLE);
        let import = self.vm.symbol("import")?;
        if let Some(value) = self.vm.table_get(builtins, import)? {
            self.vm.table_put(inner.slot(ENVIRONMENT_TABLE), import, value)?;
        }
        Ok(())
    }

    fn declarations(
        &mut self,
        declarations: Value,
        inner: Value,
        nodes: &mut Vec<Node>,
        exports: &mut Value,
    ) -> Outcome<()> {
        for declaration in elements(declarations) {
            self.check_form(declaration, 1, usize::MAX)?;
            self.locate(declaration);
            let rest = declaration.cdr();
            match declaration.car().symbol_name().as_str() {
                "export" => {
                    for spec in elements(rest) {
                        let spec = self.strip(spec)?;
                        *exports = self.vm.cons(spec, *exports)?;
                        self.keep(*exports)?;
                    }
                }
                "import" => nodes.push(self.evaluation(declaration, inner)?),
                "begin" => {
                    for form in elements(rest) {
                        nodes.push(self.evaluation(form, inner)?);
                    }
                }
                word @ ("include" | "include-ci") => {
                    let forms = self.included(declaration, word == "include-ci")?;
                    for form in elements(forms) {
                        nodes.push(self.evaluation(form, inner)?);
                    }
                }
                "include-library-declarations" => {
                    let forms = self.included(declaration, false)?;
                    self.declarations(forms, inner, nodes, exports)?;
                }
                "cond-expand" => {
                    let forms = self.cond_expand(declaration)?;
                    self.declarations(forms, inner, nodes, exports)?;
                }
                _ => return Err(self.error("bad library declaration", declaration)),
            }
        }
        Ok(())
    }

    /// Collects the exports of a library that has been evaluated.
    pub(crate) fn finish_library(
        &mut self,
        name: Value,
        inner: Value,
        exports: Value,
    ) -> Outcome<()> {
        let library = self.vm.environment(name)?;
        for spec in elements(exports) {
            // `name` or `(rename name exported-name)`
            let (internal, external) = if spec.is_pair() {
                self.check_form(spec, 3, 3)?;
                (spec.cdr().car(), spec.cdr().cdr().car())
            } else {
                (spec, spec)
            };
            match self.vm.table_get(inner.slot(ENVIRONMENT_TABLE), internal)? {
                Some(value) => {
                    self.vm.table_put(library.slot(ENVIRONMENT_TABLE), external, value)?;
                }
                None => return Err(self.error("the library exports what it does not define", spec)),
            }
        }
        self.vm.add_library(name, library)
    }
}

/// Whether an import set modifies another: its first part is a word and its second a list.
fn is_modifier(set: Value) -> bool {
    set.car().is_symbol()
        && set.cdr().is_pair()
        && set.cdr().car().is_pair()
        && ["only", "except", "prefix", "rename"].contains(&set.car().symbol_name().as_str())
}
