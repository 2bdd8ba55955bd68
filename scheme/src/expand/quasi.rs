//! `quasiquote`.

use super::Expander;
use super::forms::Form;
use crate::compile::ir::Node;
use crate::object::Type;
use crate::value::Value;
use crate::vm::Outcome;

/// What a part of a template has become.
///
/// A template of which nothing is worked out is a constant as a whole. An expression that is worked
/// out counts, also if it is a constant itself.
enum Part {
    /// Nothing of it is worked out.
    Literal(Value),
    Expression(Node),
}

impl Expander<'_> {
    pub(super) fn quasiquote(&mut self, template: Value, env: Value) -> Outcome<Node> {
        let part = self.quasi(template, 1, env)?;
        self.part_node(part)
    }

    fn part_node(&mut self, part: Part) -> Outcome<Node> {
        match part {
            Part::Expression(node) => Ok(node),
            Part::Literal(template) => {
                let datum = self.strip(template)?;
                self.constant(datum)
            }
        }
    }

    fn quasi(&mut self, template: Value, depth: usize, env: Value) -> Outcome<Part> {
        self.vm.check_native_stack("quasiquote")?;
        if template.is(Type::Vector) {
            let list = self.vm.vector_to_list(template)?;
            self.keep(list)?;
            return match self.quasi(list, depth, env)? {
                Part::Literal(_) => Ok(Part::Literal(template)),
                Part::Expression(list) => self.part_call("list->vector", vec![list]),
            };
        }
        if !template.is_pair() {
            return Ok(Part::Literal(template));
        }
        match self.unary(template, env)? {
            Some((Form::Unquote, argument)) if depth == 1 => {
                self.expression(argument, env).map(Part::Expression)
            }
            Some((form @ (Form::Unquote | Form::Quasiquote), _)) => {
                let depth = if form == Form::Unquote { depth - 1 } else { depth + 1 };
                let inner = self.quasi(template.cdr(), depth, env)?;
                self.join(Part::Literal(template.car()), inner, template)
            }
            _ => self.quasi_pair(template, depth, env),
        }
    }

    /// The form and the argument of `(unquote x)` and its like.
    fn unary(&mut self, template: Value, env: Value) -> Outcome<Option<(Form, Value)>> {
        let rest = template.cdr();
        if !rest.is_pair() || !rest.cdr().is_nil() {
            return Ok(None);
        }
        for form in [Form::Unquote, Form::UnquoteSplicing, Form::Quasiquote] {
            if self.is_form(template.car(), env, form)? {
                return Ok(Some((form, rest.car())));
            }
        }
        Ok(None)
    }

    fn quasi_pair(&mut self, template: Value, depth: usize, env: Value) -> Outcome<Part> {
        let first = template.car();
        let splicing = if first.is_pair() { self.unary(first, env)? } else { None };
        let Some((Form::UnquoteSplicing, argument)) = splicing else {
            let car = self.quasi(first, depth, env)?;
            let cdr = self.quasi(template.cdr(), depth, env)?;
            return self.join(car, cdr, template);
        };
        if depth > 1 {
            let inner = self.quasi(first.cdr(), depth - 1, env)?;
            let first = self.join(Part::Literal(first.car()), inner, first)?;
            let rest = self.quasi(template.cdr(), depth, env)?;
            return self.join(first, rest, template);
        }
        let spliced = self.expression(argument, env)?;
        match self.quasi(template.cdr(), depth, env)? {
            Part::Literal(Value::NIL) => Ok(Part::Expression(spliced)),
            rest => {
                let rest = self.part_node(rest)?;
                self.part_call("append", vec![spliced, rest])
            }
        }
    }

    /// A pair of two parts of `whole`.
    fn join(&mut self, car: Part, cdr: Part, whole: Value) -> Outcome<Part> {
        if let (Part::Literal(_), Part::Literal(_)) = (&car, &cdr) {
            return Ok(Part::Literal(whole));
        }
        let arguments = vec![self.part_node(car)?, self.part_node(cdr)?];
        self.part_call("cons", arguments)
    }

    fn part_call(&mut self, name: &str, arguments: Vec<Node>) -> Outcome<Part> {
        self.builtin_call(name, arguments).map(Part::Expression)
    }

    /// A call of a primitive, whatever its name means in the program.
    pub(super) fn builtin_call(&mut self, name: &str, arguments: Vec<Node>) -> Outcome<Node> {
        let position = self.position;
        if let Some(inline) = crate::compile::ir::Inline::of(name, arguments.len()) {
            return Ok(Node::Inline(inline, arguments, position));
        }
        let symbol = self.vm.symbol(name)?;
        let builtins = self.vm.shared.get(crate::vm::Global::Builtins);
        let cell = self.cell_for(symbol, builtins)?;
        Ok(Node::Call(Box::new(Node::Global(cell, position)), arguments, position))
    }
}
