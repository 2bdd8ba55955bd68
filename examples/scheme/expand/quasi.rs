//! `quasiquote`.

use super::Expander;
use super::forms::Form;
use crate::compile::ir::Node;
use crate::object::Type;
use crate::value::Value;
use crate::vm::Outcome;

impl Expander<'_> {
    pub(super) fn quasi(&mut self, template: Value, depth: usize, env: Value) -> Outcome<Node> {
        self.vm.check_native_stack("quasiquote")?;
        if template.is(Type::Vector) {
            let list = self.vm.vector_to_list(template)?;
            self.keep(list)?;
            let list = self.quasi(list, depth, env)?;
            if let Node::Constant(_) = list {
                let datum = self.strip(template)?;
                return self.constant(datum);
            }
            return self.builtin_call("list->vector", vec![list]);
        }
        if !template.is_pair() {
            let datum = self.strip(template)?;
            return self.constant(datum);
        }
        if let Some((form, argument)) = self.unary(template, env)? {
            return match form {
                Form::Unquote if depth == 1 => self.expression(argument, env),
                Form::Unquote | Form::Quasiquote => {
                    let deeper = if form == Form::Unquote { depth - 1 } else { depth + 1 };
                    let inner = self.quasi(template.cdr(), deeper, env)?;
                    self.join("cons", template.car(), inner, template)
                }
                _ => self.quasi_pair(template, depth, env),
            };
        }
        self.quasi_pair(template, depth, env)
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

    fn quasi_pair(&mut self, template: Value, depth: usize, env: Value) -> Outcome<Node> {
        let first = template.car();
        if first.is_pair()
            && let Some((Form::UnquoteSplicing, argument)) = self.unary(first, env)?
        {
            let rest = self.quasi(template.cdr(), depth, env)?;
            if depth == 1 {
                let spliced = self.expression(argument, env)?;
                if let Node::Constant(Value::NIL) = rest {
                    return Ok(spliced);
                }
                return self.builtin_call("append", vec![spliced, rest]);
            }
            let inner = self.quasi(first.cdr(), depth - 1, env)?;
            let first = self.join("cons", first.car(), inner, first)?;
            return self.builtin_call("cons", vec![first, rest]);
        }
        let car = self.quasi(first, depth, env)?;
        let cdr = self.quasi(template.cdr(), depth, env)?;
        if let (Node::Constant(_), Node::Constant(_)) = (&car, &cdr) {
            let datum = self.strip(template)?;
            return self.constant(datum);
        }
        self.builtin_call("cons", vec![car, cdr])
    }

    /// A pair of a datum and what was worked out; `whole` itself if that is a constant.
    fn join(&mut self, name: &str, car: Value, cdr: Node, whole: Value) -> Outcome<Node> {
        if let Node::Constant(_) = cdr {
            let datum = self.strip(whole)?;
            return self.constant(datum);
        }
        let car = self.strip(car)?;
        let car = self.constant(car)?;
        self.builtin_call(name, vec![car, cdr])
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
