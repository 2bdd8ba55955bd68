//! Conditionals.

use super::Expander;
use super::binding::let_node;
use super::forms::{Form, negation, sequence_of};
use crate::compile::ir::{Inline, Node};
use crate::object::elements;
use crate::value::Value;
use crate::vm::{Op, Outcome};

fn if_node(test: Node, yes: Node, no: Node) -> Node {
    Node::If(Box::new([test, yes, no]))
}

impl Expander<'_> {
    pub(super) fn and(&mut self, forms: Value, env: Value) -> Outcome<Node> {
        if !forms.is_pair() {
            return Ok(Node::Constant(Value::TRUE));
        }
        let first = self.expression(forms.car(), env)?;
        if !forms.cdr().is_pair() {
            return Ok(first);
        }
        let rest = self.and(forms.cdr(), env)?;
        Ok(if_node(first, rest, Node::Constant(Value::FALSE)))
    }

    pub(super) fn or(&mut self, forms: Value, env: Value) -> Outcome<Node> {
        if !forms.is_pair() {
            return Ok(Node::Constant(Value::FALSE));
        }
        let first = self.expression(forms.car(), env)?;
        if !forms.cdr().is_pair() {
            return Ok(first);
        }
        let rest = self.or(forms.cdr(), env)?;
        self.or_node(first, rest)
    }

    fn or_node(&mut self, first: Node, rest: Node) -> Outcome<Node> {
        if let Node::Inline(inline, ..) = &first
            && inline.is_test()
        {
            return Ok(if_node(first, Node::Constant(Value::TRUE), rest));
        }
        let name = self.vm.symbol("or")?;
        let variable = self.new_variable(name);
        self.variables[variable].references += 2;
        let choice = if_node(Node::Local(variable), Node::Local(variable), rest);
        Ok(let_node(vec![(variable, first)], choice))
    }

    pub(super) fn when(&mut self, form: Value, env: Value, positive: bool) -> Outcome<Node> {
        self.check_form(form, 2, usize::MAX)?;
        let test = self.expression(form.cdr().car(), env)?;
        let body = self.sequence(form.cdr().cdr(), env)?;
        let test = if positive { test } else { negation(test) };
        Ok(if_node(test, body, Node::Constant(Value::UNSPECIFIED)))
    }

    pub(super) fn cond(&mut self, form: Value, env: Value) -> Outcome<Node> {
        self.check_form(form, 2, usize::MAX)?;
        self.cond_clauses(form.cdr(), env)
    }

    fn cond_clauses(&mut self, clauses: Value, env: Value) -> Outcome<Node> {
        self.vm.check_native_stack("compile")?;
        if !clauses.is_pair() {
            return Ok(Node::Constant(Value::UNSPECIFIED));
        }
        let clause = clauses.car();
        self.check_form(clause, 1, usize::MAX)?;
        self.locate(clause);
        if self.is_form(clause.car(), env, Form::Else)? {
            if clauses.cdr().is_pair() {
                return Err(self.error("else is not the last clause", clauses.car()));
            }
            return self.sequence(clause.cdr(), env);
        }
        let test = self.expression(clause.car(), env)?;
        if !clause.cdr().is_pair() {
            let rest = self.cond_clauses(clauses.cdr(), env)?;
            return self.or_node(test, rest);
        }
        if self.is_form(clause.cdr().car(), env, Form::Arrow)? {
            self.check_form(clause, 3, 3)?;
            let name = self.vm.symbol("cond")?;
            let variable = self.new_variable(name);
            self.variables[variable].references += 2;
            let receiver = self.expression(clause.cdr().cdr().car(), env)?;
            let position = self.position;
            let call = self.call(receiver, vec![Node::Local(variable)], position);
            let rest = self.cond_clauses(clauses.cdr(), env)?;
            return Ok(let_node(
                vec![(variable, test)],
                if_node(Node::Local(variable), call, rest),
            ));
        }
        let body = self.sequence(clause.cdr(), env)?;
        let rest = self.cond_clauses(clauses.cdr(), env)?;
        Ok(if_node(test, body, rest))
    }

    pub(super) fn case(&mut self, form: Value, env: Value) -> Outcome<Node> {
        self.check_form(form, 2, usize::MAX)?;
        let key = self.expression(form.cdr().car(), env)?;
        let name = self.vm.symbol("case")?;
        let variable = self.new_variable(name);
        let mut clauses = Vec::new();
        let mut otherwise = Node::Constant(Value::UNSPECIFIED);
        for clause in elements(form.cdr().cdr()) {
            self.check_form(clause, 2, usize::MAX)?;
            self.locate(clause);
            let body = self.case_body(clause.cdr(), variable, env)?;
            if self.is_form(clause.car(), env, Form::Else)? {
                otherwise = body;
                break;
            }
            clauses.push((self.case_test(clause.car(), variable)?, body));
        }
        let choice = clauses.into_iter().rev();
        let choice = choice.fold(otherwise, |rest, (test, body)| if_node(test, body, rest));
        Ok(let_node(vec![(variable, key)], choice))
    }

    fn case_body(&mut self, body: Value, variable: usize, env: Value) -> Outcome<Node> {
        if !self.is_form(body.car(), env, Form::Arrow)? {
            return self.sequence(body, env);
        }
        self.check_form(body, 2, 2)?;
        self.variables[variable].references += 1;
        let receiver = self.expression(body.cdr().car(), env)?;
        let position = self.position;
        Ok(self.call(receiver, vec![Node::Local(variable)], position))
    }

    /// Whether the key is one of some data.
    fn case_test(&mut self, data: Value, variable: usize) -> Outcome<Node> {
        self.check_form(data, 0, usize::MAX)?;
        let data = self.strip(data)?;
        self.keep_for_code(data)?;
        let position = self.position;
        let mut tests: Vec<_> = elements(data)
            .map(|datum| {
                let boxed = datum.is_number() && !datum.is_fixnum();
                let op = if boxed { Op::JumpEqv } else { Op::JumpEq };
                let operands = vec![Node::Local(variable), Node::Constant(datum)];
                Node::Inline(Inline::Compare(op), operands, position)
            })
            .collect();
        self.variables[variable].references += tests.len();
        let last = tests.pop().unwrap_or_else(|| sequence_of(vec![Node::Constant(Value::FALSE)]));
        Ok(tests
            .into_iter()
            .rev()
            .fold(last, |rest, test| if_node(test, Node::Constant(Value::TRUE), rest)))
    }
}
