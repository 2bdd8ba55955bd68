//! What has to be known before code is generated: which procedures are loops, and which variables
//! live in boxes.

use super::ir::{Clause, Fix, Info, Lambda, Node, Variable};

impl Node {
    /// Calls `visit` with every direct part of an expression; the bodies of procedures, too.
    pub(crate) fn parts<'n>(&'n self, visit: &mut dyn FnMut(&'n Self)) {
        match self {
            Self::Constant(_) | Self::Local(_) | Self::Global(..) => {}
            Self::SetLocal(_, node) | Self::SetGlobal(_, node, _) | Self::DefineGlobal(_, node) => {
                visit(node);
            }
            Self::If(nodes) => nodes.iter().for_each(visit),
            Self::Sequence(nodes)
            | Self::Inline(_, nodes, _)
            | Self::Primitive(_, nodes, _)
            | Self::Record(.., nodes, _) => nodes.iter().for_each(visit),
            Self::Let(bindings, body) => {
                bindings.iter().for_each(|(_, value)| visit(value));
                visit(body);
            }
            Self::Fix(fix) => {
                let clauses = fix.lambdas.iter().flat_map(|lambda| &lambda.clauses);
                clauses.for_each(|clause| visit(&clause.body));
                visit(&fix.body);
            }
            Self::Lambda(lambda) => lambda.clauses.iter().for_each(|clause| visit(&clause.body)),
            Self::Call(callee, arguments, _) => {
                visit(callee);
                arguments.iter().for_each(visit);
            }
        }
    }

    /// As [`parts`](Self::parts), to change them.
    pub(crate) fn parts_mut(&mut self, visit: &mut dyn FnMut(&mut Self)) {
        match self {
            Self::Constant(_) | Self::Local(_) | Self::Global(..) => {}
            Self::SetLocal(_, node) | Self::SetGlobal(_, node, _) | Self::DefineGlobal(_, node) => {
                visit(node);
            }
            Self::If(nodes) => nodes.iter_mut().for_each(visit),
            Self::Sequence(nodes)
            | Self::Inline(_, nodes, _)
            | Self::Primitive(_, nodes, _)
            | Self::Record(.., nodes, _) => nodes.iter_mut().for_each(visit),
            Self::Let(bindings, body) => {
                bindings.iter_mut().for_each(|(_, value)| visit(value));
                visit(body);
            }
            Self::Fix(fix) => {
                let clauses = fix.lambdas.iter_mut().flat_map(|lambda| &mut lambda.clauses);
                clauses.for_each(|clause| visit(&mut clause.body));
                visit(&mut fix.body);
            }
            Self::Lambda(lambda) => {
                lambda.clauses.iter_mut().for_each(|clause| visit(&mut clause.body));
            }
            Self::Call(callee, arguments, _) => {
                visit(callee);
                arguments.iter_mut().for_each(visit);
            }
        }
    }

    /// Whether an expression refers to a variable.
    pub(crate) fn mentions(&self, variable: Variable) -> bool {
        match self {
            Self::Local(other) if *other == variable => true,
            Self::SetLocal(other, _) if *other == variable => true,
            _ => {
                let mut found = false;
                self.parts(&mut |part| found = found || part.mentions(variable));
                found
            }
        }
    }

    /// Whether evaluating it may call a procedure, which may capture the continuation. Jumps to
    /// `loops` are no calls.
    fn may_call(&self, loops: &mut Vec<Variable>) -> bool {
        match self {
            Self::Lambda(_) => false,
            Self::Call(callee, arguments, _) => {
                !matches!(&**callee, Self::Local(variable) if loops.contains(variable))
                    || arguments.iter().any(|argument| argument.may_call(loops))
            }
            Self::Fix(fix) if !fix.is_loop => fix.body.may_call(loops),
            Self::Fix(fix) => {
                let outer = loops.len();
                loops.extend(&fix.variables);
                let mut bodies = fix.lambdas.iter().flat_map(|lambda| &lambda.clauses);
                let found =
                    bodies.any(|clause| clause.body.may_call(loops)) || fix.body.may_call(loops);
                loops.truncate(outer);
                found
            }
            _ => {
                let mut found = false;
                self.parts(&mut |part| found = found || part.may_call(loops));
                found
            }
        }
    }
}

/// Decides which variables are captured and which live in boxes.
pub(super) struct Analysis<'a> {
    pub(super) variables: &'a mut Vec<Info>,
    pub(super) functions: usize,
    /// Loops around what is being looked at.
    loops: Vec<Variable>,
}

impl<'a> Analysis<'a> {
    pub(super) fn new(variables: &'a mut Vec<Info>) -> Self {
        Self { variables, functions: 0, loops: Vec::new() }
    }

    pub(super) fn walk(&mut self, node: &mut Node, function: usize) {
        match node {
            Node::Local(variable) => self.refer(*variable, function),
            Node::SetLocal(variable, value) => {
                self.refer(*variable, function);
                self.walk(value, function);
            }
            Node::Let(bindings, body) => {
                for (variable, value) in bindings.iter_mut() {
                    self.walk(value, function);
                    self.variables[*variable].function = function;
                }
                self.walk(body, function);
                let shared = body.may_call(&mut self.loops)
                    || bindings.iter().any(|(_, value)| value.may_call(&mut self.loops));
                bindings.iter().for_each(|(variable, _)| self.decide(*variable, shared));
            }
            Node::Fix(fix) => self.fix(fix, function),
            Node::Lambda(lambda) => self.lambda(lambda),
            _ => node.parts_mut(&mut |part| self.walk(part, function)),
        }
    }

    fn refer(&mut self, variable: Variable, function: usize) {
        let info = &mut self.variables[variable];
        info.captured |= info.function != function;
    }

    /// An assigned variable is in a box if a closure has it, or if a continuation may be captured
    /// while it is in scope: the frames of a continuation are copies.
    fn decide(&mut self, variable: Variable, shared: bool) {
        let info = &mut self.variables[variable];
        info.boxed = info.assigned && (info.captured || shared);
    }

    fn fix(&mut self, fix: &mut Fix, function: usize) {
        for &variable in &fix.variables {
            self.variables[variable].function = function;
        }
        if !fix.is_loop {
            fix.lambdas.iter_mut().for_each(|lambda| self.lambda(lambda));
            self.walk(&mut fix.body, function);
            return;
        }
        let outer = self.loops.len();
        self.loops.extend(&fix.variables);
        for lambda in &mut fix.lambdas {
            self.clause(&mut lambda.clauses[0], function);
        }
        self.walk(&mut fix.body, function);
        self.loops.truncate(outer);
    }

    fn lambda(&mut self, lambda: &mut Lambda) {
        self.functions += 1;
        let function = self.functions;
        let outer = std::mem::take(&mut self.loops);
        lambda.clauses.iter_mut().for_each(|clause| self.clause(clause, function));
        self.loops = outer;
    }

    fn clause(&mut self, clause: &mut Clause, function: usize) {
        for &parameter in &clause.parameters {
            self.variables[parameter].function = function;
        }
        self.walk(&mut clause.body, function);
        let shared = clause.body.may_call(&mut self.loops);
        clause.parameters.iter().for_each(|parameter| self.decide(*parameter, shared));
    }
}
