//! Bodies: internal definitions, and the variables that refer to each other.

use super::binding::let_node;
use super::forms::{Form, sequence_of};
use super::{Expander, Meaning, is_identifier};
use crate::compile::ir::{Fix, Lambda, Node, Variable};
use crate::object::elements;
use crate::value::Value;
use crate::vm::Outcome;

/// A definition of a body, or an expression between definitions.
pub(super) struct Item {
    pub(super) variable: Option<Variable>,
    /// The expression; of a procedure definition, its parameters and body.
    pub(super) form: Value,
    /// The name, for `(define (name . parameters) body ...)`.
    pub(super) procedure: Option<Value>,
}

/// What follows the definitions.
pub(super) enum Rest {
    /// Forms that may begin with definitions of their own.
    Body(Value),
    /// Expressions.
    Expressions(Value),
}

impl Expander<'_> {
    /// Expands the body of a procedure or a `let`.
    pub(super) fn body(&mut self, forms: Value, env: Value) -> Outcome<Node> {
        // Most bodies are an expression.
        if forms.is_pair() && forms.cdr().is_nil() && !forms.car().is_pair() {
            return self.expression(forms.car(), env);
        }
        let inner = self.scope(env)?;
        let mut items = Vec::new();
        let mut rest = forms;
        while rest.is_pair() {
            let form = self.head_expanded(rest.car(), inner)?;
            match self.form_of(form, inner)? {
                Some(Form::Begin) => {
                    rest = self.vm.append_two(form.cdr(), rest.cdr())?;
                    self.keep(rest)?;
                    continue;
                }
                Some(Form::Define) => self.definition(form, inner, &mut items)?,
                Some(Form::DefineValues) => {
                    let forms = self.define_values(form)?;
                    rest = self.vm.append_two(forms, rest.cdr())?;
                    self.keep(rest)?;
                    continue;
                }
                Some(Form::DefineRecordType) => {
                    let forms = self.record_definitions(form, inner)?;
                    rest = self.vm.append_two(forms, rest.cdr())?;
                    self.keep(rest)?;
                    continue;
                }
                Some(Form::DefineSyntax) => {
                    self.check_form(form, 3, 3)?;
                    let transformer = self.transformer(form.cdr().cdr().car(), inner)?;
                    self.bind(inner, form.cdr().car(), transformer)?;
                }
                Some(special @ (Form::Include | Form::IncludeCi)) => {
                    let forms = self.included(form, special == Form::IncludeCi)?;
                    rest = self.vm.append_two(forms, rest.cdr())?;
                    self.keep(rest)?;
                    continue;
                }
                _ if self.definitions_follow(rest.cdr(), inner)? => {
                    items.push(Item { variable: None, form, procedure: None });
                }
                _ => {
                    rest = self.vm.cons(form, rest.cdr())?;
                    self.keep(rest)?;
                    break;
                }
            }
            rest = rest.cdr();
        }
        if rest.is_nil() && items.last().is_some_and(|item| item.variable.is_some()) {
            return Err(self.error("a body ends with an expression", forms.car()));
        }
        if items.is_empty() {
            return self.sequence(rest, inner);
        }
        self.recursive(items, Rest::Expressions(rest), inner)
    }

    /// The form, with macros at its head expanded.
    pub(super) fn head_expanded(&mut self, mut form: Value, env: Value) -> Outcome {
        while form.is_pair() && is_identifier(form.car()) {
            match self.meaning(form.car(), env)? {
                Meaning::Macro(rules) => {
                    self.locate(form);
                    form = self.expand_macro(rules, form, env)?;
                }
                _ => break,
            }
        }
        Ok(form)
    }

    /// The special form that a form is.
    pub(super) fn form_of(&mut self, form: Value, env: Value) -> Outcome<Option<Form>> {
        if !form.is_pair() || !is_identifier(form.car()) {
            return Ok(None);
        }
        Ok(match self.meaning(form.car(), env)? {
            Meaning::Special(special) => Some(special),
            _ => None,
        })
    }

    /// Whether there are definitions after an expression, as in many programs.
    fn definitions_follow(&mut self, forms: Value, env: Value) -> Outcome<bool> {
        for form in elements(forms) {
            let form = self.form_of(form, env)?;
            let definition =
                [Form::Define, Form::DefineValues, Form::DefineRecordType, Form::DefineSyntax];
            if form.is_some_and(|form| definition.contains(&form)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn definition(&mut self, form: Value, env: Value, items: &mut Vec<Item>) -> Outcome<()> {
        let (name, value, procedure) = self.definition_parts(form)?;
        let outer = self.position;
        self.locate(form);
        let variable = self.bind_variable(env, name)?;
        self.position = outer;
        let procedure = procedure.then_some(name);
        items.push(Item { variable: Some(variable), form: value, procedure });
        Ok(())
    }

    /// The name of a definition, with its expression, or with parameters and body if it is of a
    /// procedure. Curried definitions become lambda expressions.
    pub(super) fn definition_parts(&mut self, form: Value) -> Outcome<(Value, Value, bool)> {
        self.check_form(form, 2, usize::MAX)?;
        let mut target = form.cdr().car();
        if !target.is_pair() {
            if !is_identifier(target) {
                return Err(self.error("only identifiers can be defined", form));
            }
            let rest = form.cdr().cdr();
            self.check_form(form, 2, 3)?;
            let value = if rest.is_pair() { rest.car() } else { Value::UNSPECIFIED };
            return Ok((target, value, false));
        }
        let mut parts = self.vm.cons(target.cdr(), form.cdr().cdr())?;
        target = target.car();
        while target.is_pair() {
            let lambda = self.builtin("lambda")?;
            let lambda = self.vm.cons(lambda, parts)?;
            parts = self.vm.list(&[target.cdr(), lambda])?;
            target = target.car();
        }
        self.keep(parts)?;
        if !is_identifier(target) || !parts.cdr().is_pair() {
            return Err(self.error("bad definition", form));
        }
        Ok((target, parts, true))
    }

    /// The expression of an item.
    fn item_value(&mut self, item: &Item, env: Value) -> Outcome<Node> {
        if let Some(name) = item.procedure {
            let name = self.strip(name)?;
            let clause = self.clause(item.form.car(), item.form.cdr(), env)?;
            return Ok(super::forms::lambda(name, vec![clause]));
        }
        match item.variable {
            Some(variable) => {
                let name = self.variables[variable].name;
                self.named_expression(name, item.form, env)
            }
            None => self.expression(item.form, env),
        }
    }

    /// Expands variables that may refer to each other, and what follows.
    ///
    /// Runs of procedures that are never assigned become one [`Fix`]. Any other variable that
    /// nothing before its definition refers to is a plain `let`. The rest are assigned.
    pub(super) fn recursive(&mut self, items: Vec<Item>, rest: Rest, env: Value) -> Outcome<Node> {
        let mut values = Vec::new();
        for item in &items {
            let early =
                item.variable.is_some_and(|variable| self.variables[variable].references > 0);
            let value = self.item_value(item, env)?;
            let itself = item.variable.is_some_and(|v| self.variables[v].references > 0);
            values.push((item.variable, value, early, itself));
        }
        let body = match rest {
            Rest::Body(forms) => self.body(forms, env)?,
            Rest::Expressions(forms) => self.sequence(forms, env)?,
        };
        Ok(self.nest(values, body))
    }

    fn nest(&mut self, values: Vec<(Option<Variable>, Node, bool, bool)>, body: Node) -> Node {
        let mut complex = Vec::new();
        let mut groups: Vec<Group> = Vec::new();
        for (variable, value, early, itself) in values {
            let assigned = variable.is_some_and(|variable| self.variables[variable].assigned);
            match (variable, value) {
                (Some(variable), Node::Lambda(lambda))
                    if !assigned
                        && (!early
                            || groups
                                .last()
                                .is_some_and(|group| matches!(group, Group::Procedures(_)))) =>
                {
                    if let Some(Group::Procedures(group)) = groups.last_mut() {
                        group.push((variable, *lambda));
                    } else {
                        groups.push(Group::Procedures(vec![(variable, *lambda)]));
                    }
                }
                (Some(variable), value) if !early && !itself => {
                    groups.push(Group::Variable(variable, value));
                }
                (Some(variable), value) => {
                    self.variables[variable].assigned = true;
                    self.variables[variable].checked = true;
                    complex.push(variable);
                    groups.push(Group::Effect(Node::SetLocal(variable, Box::new(value))));
                }
                (None, value) => groups.push(Group::Effect(value)),
            }
        }
        self.demote_early(&mut groups, &mut complex);
        let node = groups.into_iter().rev().fold(body, |body, group| group.around(body));
        let undefined = |variable| (variable, Node::Constant(Value::UNDEFINED));
        let_node(complex.into_iter().map(undefined).collect(), node)
    }

    /// A procedure that an earlier group refers to cannot be in a later `Fix`: it is assigned.
    fn demote_early(&mut self, groups: &mut [Group], complex: &mut Vec<Variable>) {
        let mut seen: Vec<&mut Group> = Vec::new();
        for group in groups {
            if let Group::Procedures(procedures) = group {
                let early = procedures
                    .iter()
                    .any(|(variable, _)| seen.iter().any(|group| group.mentions(*variable)));
                if early {
                    let assigned = procedures.drain(..).map(|(variable, lambda)| {
                        self.variables[variable].assigned = true;
                        self.variables[variable].checked = true;
                        complex.push(variable);
                        Node::SetLocal(variable, Box::new(Node::Lambda(Box::new(lambda))))
                    });
                    *group = Group::Effect(sequence_of(assigned.collect()));
                }
            }
            seen.push(group);
        }
    }
}

/// A step of a body.
enum Group {
    Procedures(Vec<(Variable, Lambda)>),
    Variable(Variable, Node),
    Effect(Node),
}

impl Group {
    fn around(self, body: Node) -> Node {
        match self {
            Self::Procedures(procedures) => {
                let (variables, lambdas) = procedures.into_iter().unzip();
                Node::Fix(Box::new(Fix { variables, lambdas, body, is_loop: false }))
            }
            Self::Variable(variable, value) => let_node(vec![(variable, value)], body),
            Self::Effect(effect) => Node::Sequence(vec![effect, body]),
        }
    }

    fn mentions(&self, variable: Variable) -> bool {
        match self {
            Self::Procedures(procedures) => procedures
                .iter()
                .any(|(_, lambda)| lambda.clauses.iter().any(|c| c.body.mentions(variable))),
            Self::Variable(_, node) | Self::Effect(node) => node.mentions(variable),
        }
    }
}
