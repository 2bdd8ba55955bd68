//! `define-record-type` and `define-values`, as definitions of simpler kinds.

use super::{Expander, is_identifier};
use crate::object::{elements, list_length};
use crate::value::Value;
use crate::vm::Outcome;

impl Expander<'_> {
    /// The definitions that a `define-record-type` stands for, after what makes the type.
    ///
    /// The procedures refer to the type by an identifier that nothing else has, so that they stay
    /// what they are when another type gets its name.
    pub(super) fn record_definitions(&mut self, form: Value, env: Value) -> Outcome {
        let length = self.check_form(form, 3, usize::MAX)?;
        let rest = form.cdr();
        let (name, constructor) = (rest.car(), rest.cdr().car());
        let type_name = if name.is_pair() { name.car() } else { name };
        if !is_identifier(type_name) {
            return Err(self.error("bad name of a record type", form));
        }
        let (predicate, fields) = if length > 3 {
            (rest.cdr().cdr().car(), rest.cdr().cdr().cdr())
        } else {
            (Value::FALSE, Value::NIL)
        };
        let mut names = Value::NIL;
        for field in elements(fields) {
            let field = if field.is_pair() { field.car() } else { field };
            names = self.vm.cons(field, names)?;
        }
        let names = self.vm.reverse(names)?;
        let outer = self.position;
        self.locate(form);
        self.check_distinct(names)?;
        self.position = outer;
        let mut definitions = Value::NIL;
        let hidden = self.record_type(type_name, names, env, &mut definitions)?;
        if let Some(definition) = self.constructor(hidden, constructor, names, form)? {
            self.push(&mut definitions, definition)?;
        }
        if is_identifier(predicate) {
            let definition = self.procedure(predicate, "%record-is?", hidden, None, false)?;
            self.push(&mut definitions, definition)?;
        }
        self.accessors(hidden, fields, &mut definitions)?;
        let definitions = self.vm.reverse(definitions)?;
        self.keep(definitions)
    }

    fn accessors(&mut self, ty: Value, fields: Value, definitions: &mut Value) -> Outcome<()> {
        for (index, field) in elements(fields).enumerate() {
            let parts = if field.is_pair() { list_length(field) } else { Some(1) };
            if !matches!(parts, Some(1..=3)) {
                return Err(self.error("bad field of a record", field));
            }
            let index = Some(index + 1);
            if parts >= Some(2) {
                let accessor = field.cdr().car();
                let definition = self.procedure(accessor, "%record-ref", ty, index, false)?;
                self.push(definitions, definition)?;
            }
            if parts == Some(3) {
                let modifier = field.cdr().cdr().car();
                let definition = self.procedure(modifier, "%record-set!", ty, index, true)?;
                self.push(definitions, definition)?;
            }
        }
        Ok(())
    }

    fn push(&mut self, list: &mut Value, value: Value) -> Outcome<()> {
        *list = self.vm.cons(value, *list)?;
        Ok(())
    }

    /// Adds `(define hidden (%record-type 'name '(field ...)))` and `(define name hidden)`. At the
    /// top level the hidden variable is in an environment of its own, and is assigned.
    fn record_type(
        &mut self,
        name: Value,
        fields: Value,
        env: Value,
        definitions: &mut Value,
    ) -> Outcome {
        let quote = self.builtin("quote")?;
        let name_datum = self.vm.list(&[quote, name])?;
        let fields_datum = self.vm.list(&[quote, fields])?;
        let maker = self.builtin("%record-type")?;
        let call = self.vm.list(&[maker, name_datum, fields_datum])?;
        let define = self.builtin("define")?;
        let (hidden, definer) = if env.is_pair() {
            (self.alias(name, env)?, define)
        } else {
            let symbol = self.strip(name)?;
            let own = self.vm.environment(symbol)?;
            self.vm.own_cell(symbol, own)?.set_slot(0, Value::FALSE);
            (self.alias(symbol, own)?, self.builtin("set!")?)
        };
        self.keep(hidden)?;
        for definition in [[definer, hidden, call], [define, name, hidden]] {
            let definition = self.vm.list(&definition)?;
            self.push(definitions, definition)?;
        }
        Ok(hidden)
    }

    /// `(define (name field ...) (%record type field ...))`
    fn constructor(
        &mut self,
        ty: Value,
        constructor: Value,
        names: Value,
        form: Value,
    ) -> Outcome<Option<Value>> {
        let (name, parameters) = match constructor {
            _ if constructor.is_pair() => (constructor.car(), constructor.cdr()),
            _ if is_identifier(constructor) => (constructor, names),
            Value::FALSE => return Ok(None),
            _ => return Err(self.error("bad constructor of a record", form)),
        };
        let mut arguments = Value::NIL;
        for field in elements(names) {
            let given = elements(parameters).any(|parameter| parameter == field);
            arguments = self.vm.cons(if given { field } else { Value::FALSE }, arguments)?;
        }
        for parameter in elements(parameters) {
            if !elements(names).any(|field| field == parameter) {
                return Err(self.error("the constructor's parameter is no field", parameter));
            }
        }
        let arguments = self.vm.reverse(arguments)?;
        let maker = self.builtin("%record")?;
        let call = self.vm.list_with_tail(&[maker, ty], arguments)?;
        let define = self.builtin("define")?;
        let target = self.vm.cons(name, parameters)?;
        self.vm.list(&[define, target, call]).map(Some)
    }

    /// `(define (name record [value]) (primitive record [value] type [index]))`
    fn procedure(
        &mut self,
        name: Value,
        primitive: &str,
        ty: Value,
        index: Option<usize>,
        stores: bool,
    ) -> Outcome {
        let record = self.builtin("record")?;
        let value = self.builtin("value")?;
        let parameters =
            if stores { self.vm.list(&[record, value])? } else { self.vm.list(&[record])? };
        let tail = match index {
            Some(index) => self.vm.list(&[ty, Value::index(index)])?,
            None => self.vm.list(&[ty])?,
        };
        let arguments = self.vm.append_two(parameters, tail)?;
        let primitive = self.builtin(primitive)?;
        let call = self.vm.cons(primitive, arguments)?;
        let define = self.builtin("define")?;
        let target = self.vm.cons(name, parameters)?;
        self.vm.list(&[define, target, call])
    }

    /// The definitions of a body that a `define-values` stands for: of a list, then of its parts. The
    /// list's name is an alias that nothing else is bound to.
    pub(super) fn define_values(&mut self, form: Value) -> Outcome {
        self.check_form(form, 3, 3)?;
        let (formals, expression) = (form.cdr().car(), form.cdr().cdr().car());
        let names = ["define", "call-with-values", "lambda", "list", "car", "cdr", "values"];
        let mut aliases = [Value::NIL; 7];
        for (alias, name) in aliases.iter_mut().zip(names) {
            *alias = self.builtin(name)?;
        }
        let [define, call_with_values, lambda, list, car, cdr, temporary] = aliases;
        let thunk = self.vm.list(&[lambda, Value::NIL, expression])?;
        let call = self.vm.list(&[call_with_values, thunk, list])?;
        let first = self.vm.list(&[define, temporary, call])?;
        let mut definitions = self.vm.list(&[first])?;
        let mut rest = formals;
        let mut place = temporary;
        while rest.is_pair() {
            let part = self.vm.list(&[car, place])?;
            let definition = self.vm.list(&[define, rest.car(), part])?;
            self.push(&mut definitions, definition)?;
            place = self.vm.list(&[cdr, place])?;
            rest = rest.cdr();
        }
        if !rest.is_nil() {
            let definition = self.vm.list(&[define, rest, place])?;
            self.push(&mut definitions, definition)?;
        }
        let definitions = self.vm.reverse(definitions)?;
        self.keep(definitions)
    }
}
