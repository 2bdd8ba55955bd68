//! `let` and its like, and `do`.

use super::forms::lambda;
use super::{Expander, is_identifier};
use crate::compile::ir::{Clause, Fix, Lambda, Node};
use crate::object::{elements, list_length};
use crate::value::Value;
use crate::vm::Outcome;

impl Expander<'_> {
    /// The bindings of a `let`, checked.
    fn check_bindings(&mut self, bindings: Value, form: Value) -> Outcome<()> {
        let good = list_length(bindings).is_some()
            && elements(bindings).all(|binding| list_length(binding) == Some(2));
        if good { Ok(()) } else { Err(self.error("bad bindings", form)) }
    }

    pub(super) fn let_form(&mut self, form: Value, env: Value) -> Outcome<Node> {
        self.check_form(form, 3, usize::MAX)?;
        let rest = form.cdr();
        if is_identifier(rest.car()) {
            return self.named_let(form, env);
        }
        self.check_bindings(rest.car(), form)?;
        let inner = self.scope(env)?;
        let mut bindings = Vec::new();
        for binding in elements(rest.car()) {
            let value = self.named_expression(binding.car(), binding.cdr().car(), env)?;
            bindings.push((self.bind_variable(inner, binding.car())?, value));
        }
        let body = self.body(rest.cdr(), inner)?;
        Ok(let_node(bindings, body))
    }

    pub(super) fn let_star(&mut self, form: Value, env: Value) -> Outcome<Node> {
        self.check_form(form, 3, usize::MAX)?;
        self.check_bindings(form.cdr().car(), form)?;
        let mut inner = self.scope(env)?;
        let mut bindings = Vec::new();
        for binding in elements(form.cdr().car()) {
            let value = self.named_expression(binding.car(), binding.cdr().car(), inner)?;
            inner = self.scope(inner)?;
            bindings.push((self.bind_variable(inner, binding.car())?, value));
        }
        let body = self.body(form.cdr().cdr(), inner)?;
        Ok(let_node(bindings, body))
    }

    fn named_let(&mut self, form: Value, env: Value) -> Outcome<Node> {
        self.check_form(form, 4, usize::MAX)?;
        let (name, rest) = (form.cdr().car(), form.cdr().cdr());
        self.check_bindings(rest.car(), form)?;
        let mut arguments = Vec::new();
        for binding in elements(rest.car()) {
            arguments.push(self.expression(binding.cdr().car(), env)?);
        }
        let outer = self.scope(env)?;
        let variable = self.bind_variable(outer, name)?;
        let inner = self.scope(outer)?;
        let mut parameters = Vec::new();
        for binding in elements(rest.car()) {
            parameters.push(self.bind_variable(inner, binding.car())?);
        }
        let body = self.body(rest.cdr(), inner)?;
        let clause = Clause { parameters, rest: false, body };
        Ok(self.loop_node(variable, clause, arguments))
    }

    /// A procedure that is called at once, and calls itself by the name of `variable`.
    fn loop_node(&mut self, variable: usize, clause: Clause, arguments: Vec<Node>) -> Node {
        let info = &mut self.variables[variable];
        info.references += 1;
        let (name, position) = (info.name, self.position);
        if info.assigned {
            let procedure = lambda(name, vec![clause]);
            let call = Node::Call(Box::new(Node::Local(variable)), arguments, position);
            let set = Node::SetLocal(variable, Box::new(procedure));
            let undefined = Node::Constant(Value::UNDEFINED);
            return let_node(vec![(variable, undefined)], Node::Sequence(vec![set, call]));
        }
        Node::Fix(Box::new(Fix {
            variables: vec![variable],
            lambdas: vec![Lambda { name, clauses: vec![clause] }],
            body: Node::Call(Box::new(Node::Local(variable)), arguments, position),
            is_loop: false,
        }))
    }

    pub(super) fn letrec(&mut self, form: Value, env: Value) -> Outcome<Node> {
        self.check_form(form, 3, usize::MAX)?;
        self.check_bindings(form.cdr().car(), form)?;
        let inner = self.scope(env)?;
        let mut items = Vec::new();
        for binding in elements(form.cdr().car()) {
            let variable = self.bind_variable(inner, binding.car())?;
            items.push(super::body::Item {
                variable: Some(variable),
                form: binding.cdr().car(),
                procedure: None,
            });
        }
        let body = super::body::Rest::Body(form.cdr().cdr());
        self.recursive(items, body, inner)
    }

    pub(super) fn do_loop(&mut self, form: Value, env: Value) -> Outcome<Node> {
        self.check_form(form, 3, usize::MAX)?;
        let (bindings, exit) = (form.cdr().car(), form.cdr().cdr().car());
        self.check_form(exit, 1, usize::MAX)?;
        self.check_form(bindings, 0, usize::MAX)?;
        let mut arguments = Vec::new();
        for binding in elements(bindings) {
            self.check_form(binding, 2, 3)?;
            arguments.push(self.expression(binding.cdr().car(), env)?);
        }
        let inner = self.scope(env)?;
        let name = self.vm.symbol("do")?;
        let variable = self.new_variable(name);
        let mut parameters = Vec::new();
        for binding in elements(bindings) {
            parameters.push(self.bind_variable(inner, binding.car())?);
        }
        let test = self.expression(exit.car(), inner)?;
        let result = self.sequence(exit.cdr(), inner)?;
        let mut steps = Vec::new();
        let mut body = match self.sequence(form.cdr().cdr().cdr(), inner)? {
            Node::Sequence(nodes) => nodes,
            node => vec![node],
        };
        for (binding, &parameter) in elements(bindings).zip(&parameters) {
            let step = binding.cdr().cdr();
            steps.push(if step.is_pair() {
                self.expression(step.car(), inner)?
            } else {
                self.variables[parameter].references += 1;
                Node::Local(parameter)
            });
        }
        self.variables[variable].references += 1;
        body.push(Node::Call(Box::new(Node::Local(variable)), steps, self.position));
        let body = Node::If(Box::new([test, result, Node::Sequence(body)]));
        let clause = Clause { parameters, rest: false, body };
        Ok(self.loop_node(variable, clause, arguments))
    }

    /// An expression whose value gets a name: a procedure takes it for its own.
    pub(super) fn named_expression(
        &mut self,
        name: Value,
        form: Value,
        env: Value,
    ) -> Outcome<Node> {
        let mut node = self.expression(form, env)?;
        if let Node::Lambda(lambda) = &mut node
            && lambda.name == Value::FALSE
        {
            lambda.name = self.strip(name)?;
        }
        Ok(node)
    }
}

pub(super) fn let_node(bindings: Vec<(usize, Node)>, body: Node) -> Node {
    if bindings.is_empty() { body } else { Node::Let(bindings, Box::new(body)) }
}
