//! Forms of the top level: definitions, imports, sequences of forms.

use super::environment::{CELL_OWNER, ENVIRONMENT_TABLE};
use super::forms::{Form, lambda, sequence_of};
use super::{Expander, Meaning, is_identifier};
use crate::compile::ir::{Clause, Node};
use crate::object::{elements, list_length};
use crate::ports::TEXTUAL;
use crate::value::Value;
use crate::vm::Outcome;

impl Expander<'_> {
    /// Expands a form of the top level of `env`, an environment.
    pub(crate) fn toplevel(&mut self, form: Value, env: Value) -> Outcome<Node> {
        self.locate(form);
        let form = self.head_expanded(form, env)?;
        let Some(special) = self.form_of(form, env)? else { return self.expression(form, env) };
        match special {
            Form::Define => self.define_global(form, env),
            Form::DefineSyntax => {
                self.check_form(form, 3, 3)?;
                let transformer = self.transformer(form.cdr().cdr().car(), env)?;
                let name = self.strip(form.cdr().car())?;
                self.vm.table_put(env.slot(ENVIRONMENT_TABLE), name, transformer)?;
                Ok(Node::Constant(Value::UNSPECIFIED))
            }
            Form::DefineValues => self.define_global_values(form, env),
            Form::DefineRecordType => {
                let forms = self.record_definitions(form, env)?;
                let nodes: Outcome<Vec<_>> =
                    elements(forms).map(|form| self.toplevel(form, env)).collect();
                Ok(sequence_of(nodes?))
            }
            Form::Begin => self.toplevel_sequence(form.cdr(), env),
            Form::Include | Form::IncludeCi => {
                let forms = self.included(form, special == Form::IncludeCi)?;
                self.toplevel_sequence(forms, env)
            }
            Form::CondExpand => {
                let forms = self.cond_expand(form)?;
                self.toplevel_sequence(forms, env)
            }
            Form::Import => self.import(form, env),
            Form::DefineLibrary => self.define_library(form, env),
            _ => self.expression(form, env),
        }
    }

    fn define_global(&mut self, form: Value, env: Value) -> Outcome<Node> {
        let position = self.position;
        let (name, value, procedure) = self.definition_parts(form)?;
        let name = self.strip(name)?;
        let cell = self.vm.own_cell(name, env)?;
        self.keep_for_code(cell)?;
        let value = if procedure {
            let clause = self.clause(value.car(), value.cdr(), env)?;
            lambda(name, vec![clause])
        } else {
            self.named_expression(name, value, env)?
        };
        self.position = position;
        Ok(Node::DefineGlobal(cell, Box::new(value)))
    }

    /// `(call-with-values (lambda () expression) (lambda formals (define name formal) ...))`: nothing
    /// but the names is defined.
    fn define_global_values(&mut self, form: Value, env: Value) -> Outcome<Node> {
        self.check_form(form, 3, 3)?;
        let (formals, expression) = (form.cdr().car(), form.cdr().cdr().car());
        self.check_distinct(formals)?;
        let (mut parameters, mut definitions) = (Vec::new(), Vec::new());
        let mut define = |this: &mut Self, name: Value| -> Outcome<()> {
            if !is_identifier(name) {
                return Err(this.error("only identifiers can be defined", form));
            }
            let name = this.strip(name)?;
            let cell = this.vm.own_cell(name, env)?;
            this.keep_for_code(cell)?;
            let variable = this.new_variable(name);
            this.variables[variable].references += 1;
            parameters.push(variable);
            definitions.push(Node::DefineGlobal(cell, Box::new(Node::Local(variable))));
            Ok(())
        };
        let mut rest = formals;
        while rest.is_pair() {
            define(self, rest.car())?;
            rest = rest.cdr();
        }
        let has_rest = !rest.is_nil();
        if has_rest {
            define(self, rest)?;
        }
        let body = self.expression(expression, env)?;
        let producer = Clause { parameters: Vec::new(), rest: false, body };
        let consumer = Clause { parameters, rest: has_rest, body: sequence_of(definitions) };
        let name = self.vm.symbol("define-values")?;
        let arguments = vec![lambda(name, vec![producer]), lambda(name, vec![consumer])];
        let call = self.builtin_call("call-with-values", arguments)?;
        // Not a tail call: the frame knows the place of an error.
        Ok(Node::Sequence(vec![call, Node::Constant(Value::UNSPECIFIED)]))
    }

    /// Several forms, each of which is expanded when those before it have run.
    pub(super) fn toplevel_sequence(&mut self, forms: Value, env: Value) -> Outcome<Node> {
        match list_length(forms) {
            None => Err(self.error("bad syntax", forms)),
            Some(0) => Ok(Node::Constant(Value::UNSPECIFIED)),
            Some(1) => self.toplevel(forms.car(), env),
            Some(_) => {
                let calls: Outcome<Vec<_>> =
                    elements(forms).map(|form| self.evaluation(form, env)).collect();
                Ok(sequence_of(calls?))
            }
        }
    }

    /// A call that evaluates a form in an environment.
    pub(super) fn evaluation(&mut self, form: Value, env: Value) -> Outcome<Node> {
        let arguments = [form, env, self.positions, self.file];
        let arguments: Outcome<Vec<_>> =
            arguments.into_iter().map(|argument| self.constant(argument)).collect();
        self.builtin_call("%evaluate", arguments?)
    }

    /// Makes the variables that some forms will define, so that what was imported under their names
    /// is shadowed from the first form on.
    pub(crate) fn declare(&mut self, forms: Value, env: Value) -> Outcome<()> {
        for form in elements(forms) {
            match self.form_of(form, env)? {
                Some(Form::Define) => {
                    let (name, ..) = self.definition_parts(form)?;
                    self.declare_name(name, env)?;
                }
                Some(Form::DefineValues) => {
                    self.check_form(form, 3, 3)?;
                    let mut rest = form.cdr().car();
                    while rest.is_pair() {
                        self.declare_name(rest.car(), env)?;
                        rest = rest.cdr();
                    }
                    if is_identifier(rest) {
                        self.declare_name(rest, env)?;
                    }
                }
                Some(Form::DefineRecordType) => {
                    // The first makes the type.
                    for definition in elements(self.record_definitions(form, env)?).skip(1) {
                        let (name, ..) = self.definition_parts(definition)?;
                        self.declare_name(name, env)?;
                    }
                }
                Some(Form::Begin) => self.declare(form.cdr(), env)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn declare_name(&mut self, name: Value, env: Value) -> Outcome<()> {
        // A macro or form of that name is in use until it is redefined.
        if let Meaning::Cell(cell) = self.meaning(name, env)?
            && cell.slot(CELL_OWNER) != env
        {
            let name = self.strip(name)?;
            let own = self.vm.own_cell(name, env)?;
            // Until its definition is evaluated it is what it was.
            own.set_slot(0, cell.slot(0));
        }
        Ok(())
    }

    /// The forms in the files that an `include` names.
    pub(super) fn included(&mut self, form: Value, fold_case: bool) -> Outcome {
        self.check_form(form, 2, usize::MAX)?;
        let mut forms = Value::NIL;
        for name in elements(form.cdr()) {
            if !name.is_string() {
                return Err(self.error("only files can be included", form));
            }
            let path = self.relative_path(&name.text());
            let port = self.vm.open_file(&path, TEXTUAL, false)?;
            crate::ports::set_port_flag(port, crate::ports::FOLD_CASE, fold_case);
            loop {
                let datum = self.vm.read_datum(port, self.positions)?;
                if datum == Value::EOF {
                    break;
                }
                forms = self.vm.cons(datum, forms)?;
            }
            self.vm.close_port(port)?;
        }
        let forms = self.vm.reverse(forms)?;
        self.keep(forms)
    }

    /// A path as seen from the file that is compiled.
    fn relative_path(&mut self, name: &str) -> String {
        if !self.file.is_string() {
            return name.to_owned();
        }
        let file = self.file.text();
        let directory = std::path::Path::new(&file).parent();
        directory.map_or_else(|| name.into(), |dir| dir.join(name).to_string_lossy().into_owned())
    }

    /// The forms of the first clause of a `cond-expand` that holds.
    pub(super) fn cond_expand(&mut self, form: Value) -> Outcome {
        for clause in elements(form.cdr()) {
            if !clause.is_pair() {
                return Err(self.error("bad clause", form));
            }
            if self.requirement(clause.car())? {
                return Ok(clause.cdr());
            }
        }
        Ok(Value::NIL)
    }

    fn requirement(&mut self, requirement: Value) -> Outcome<bool> {
        if is_identifier(requirement) {
            let name = requirement.symbol_name();
            return Ok(name == "else" || super::library::FEATURES.contains(&name.as_str()));
        }
        if list_length(requirement).is_none_or(|length| length == 0) {
            return Err(self.error("bad feature requirement", requirement));
        }
        let arguments = requirement.cdr();
        match requirement.car().symbol_name().as_str() {
            "and" => {
                for part in elements(arguments) {
                    if !self.requirement(part)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            "or" => {
                for part in elements(arguments) {
                    if self.requirement(part)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            "not" if arguments.is_pair() => Ok(!self.requirement(arguments.car())?),
            "library" if arguments.is_pair() => {
                let name = self.strip(arguments.car())?;
                Ok(self.vm.find_library(name)?.is_some())
            }
            _ => Err(self.error("bad feature requirement", requirement)),
        }
    }
}
