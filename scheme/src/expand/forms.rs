//! The special forms: their names, and those that take a few lines.

use super::{Expander, Meaning, is_identifier};
use crate::compile::ir::{Clause, Inline, Lambda, Node};
use crate::object::{elements, list_length};
use crate::value::Value;
use crate::vm::Outcome;

macro_rules! forms {
    ($($form:ident $name:literal,)*) => {
        /// A special form, or a word that has a meaning inside of one.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Form { $($form,)* }

        impl Form {
            pub(crate) const ALL: &[Self] = &[$(Self::$form,)*];

            pub(crate) fn name(self) -> &'static str {
                match self { $(Self::$form => $name,)* }
            }
        }
    };
}

forms! {
    Quote "quote", Quasiquote "quasiquote", Unquote "unquote",
    UnquoteSplicing "unquote-splicing", Lambda "lambda", CaseLambda "case-lambda",
    Define "define", DefineValues "define-values", DefineSyntax "define-syntax",
    DefineRecordType "define-record-type", DefineLibrary "define-library", Import "import",
    Set "set!", If "if", Begin "begin", Let "let", LetStar "let*", Letrec "letrec",
    LetrecStar "letrec*", LetSyntax "let-syntax", LetrecSyntax "letrec-syntax", Do "do",
    Cond "cond", Case "case", And "and", Or "or", When "when", Unless "unless", Else "else",
    Arrow "=>", Ellipsis "...", Underscore "_", SyntaxRules "syntax-rules",
    SyntaxError "syntax-error", Include "include", IncludeCi "include-ci",
    CondExpand "cond-expand", NamedLambda "%named-lambda", Distinct "%distinct", Delay "delay",
    DelayForce "delay-force",
}

impl Form {
    pub(super) fn of_number(number: usize) -> Self {
        Self::ALL[number]
    }
}

impl Expander<'_> {
    /// Expands a special form where an expression is wanted.
    pub(super) fn special(&mut self, special: Form, form: Value, env: Value) -> Outcome<Node> {
        match special {
            Form::Quote => {
                self.check_form(form, 2, 2)?;
                let datum = self.strip(form.cdr().car())?;
                self.constant(datum)
            }
            Form::Quasiquote => {
                self.check_form(form, 2, 2)?;
                self.quasiquote(form.cdr().car(), env)
            }
            Form::Lambda => {
                self.check_form(form, 3, usize::MAX)?;
                let clause = self.clause(form.cdr().car(), form.cdr().cdr(), env)?;
                Ok(lambda(Value::FALSE, vec![clause]))
            }
            Form::NamedLambda => {
                let clause = self.clause(form.cdr().cdr().car(), form.cdr().cdr().cdr(), env)?;
                Ok(lambda(form.cdr().car(), vec![clause]))
            }
            Form::Distinct => self.distinct(form, env),
            Form::CaseLambda => self.case_lambda(form, env),
            Form::Set => self.assignment(form, env),
            Form::If => {
                let length = self.check_form(form, 3, 4)?;
                let rest = form.cdr();
                let test = self.expression(rest.car(), env)?;
                let yes = self.expression(rest.cdr().car(), env)?;
                let no = if length == 4 {
                    self.expression(rest.cdr().cdr().car(), env)?
                } else {
                    Node::Constant(Value::UNSPECIFIED)
                };
                Ok(Node::If(Box::new([test, yes, no])))
            }
            Form::Begin => self.sequence(form.cdr(), env),
            Form::Let => self.let_form(form, env),
            Form::LetStar => self.let_star(form, env),
            Form::Letrec | Form::LetrecStar => self.letrec(form, env),
            Form::LetSyntax | Form::LetrecSyntax => {
                let inner = self.syntax_scope(form, env, special == Form::LetrecSyntax)?;
                self.body(form.cdr().cdr(), inner)
            }
            Form::Do => self.do_loop(form, env),
            Form::Cond => self.cond(form, env),
            Form::Case => self.case(form, env),
            Form::And => self.and(form.cdr(), env),
            Form::Or => self.or(form.cdr(), env),
            Form::When | Form::Unless => self.when(form, env, special == Form::When),
            Form::Delay | Form::DelayForce => self.delay(form, env, special == Form::Delay),
            Form::SyntaxError => Err(self.syntax_error(form)),
            Form::Include | Form::IncludeCi => {
                let forms = self.included(form, special == Form::IncludeCi)?;
                self.sequence(forms, env)
            }
            Form::CondExpand => {
                let forms = self.cond_expand(form)?;
                self.sequence(forms, env)
            }
            Form::DefineSyntax if !env.is_pair() => self.toplevel(form, env),
            _ => Err(self.error("out of place here", form)),
        }
    }

    pub(super) fn sequence(&mut self, forms: Value, env: Value) -> Outcome<Node> {
        if list_length(forms).is_none() {
            return Err(self.error("bad syntax", forms));
        }
        let nodes: Outcome<Vec<_>> =
            elements(forms).map(|form| self.expression(form, env)).collect();
        Ok(sequence_of(nodes?))
    }

    /// One clause of a procedure: its parameters and its body.
    pub(super) fn clause(&mut self, parameters: Value, body: Value, env: Value) -> Outcome<Clause> {
        let inner = self.scope(env)?;
        let (mut list, mut rest) = (Vec::new(), parameters);
        while rest.is_pair() {
            list.push(self.bind_variable(inner, rest.car())?);
            rest = rest.cdr();
        }
        let has_rest = !rest.is_nil();
        if has_rest {
            list.push(self.bind_variable(inner, rest)?);
        }
        let body = self.body(body, inner)?;
        Ok(Clause { parameters: list, rest: has_rest, body })
    }

    /// `(%distinct (formals ...) expression)`: the expression, if no name is in the formals twice.
    fn distinct(&mut self, form: Value, env: Value) -> Outcome<Node> {
        let mut names = Value::NIL;
        for formals in elements(form.cdr().car()) {
            let mut rest = formals;
            while rest.is_pair() {
                names = self.vm.cons(rest.car(), names)?;
                rest = rest.cdr();
            }
            if !rest.is_nil() {
                names = self.vm.cons(rest, names)?;
            }
        }
        self.check_distinct(names)?;
        self.expression(form.cdr().cdr().car(), env)
    }

    fn case_lambda(&mut self, form: Value, env: Value) -> Outcome<Node> {
        self.check_form(form, 2, usize::MAX)?;
        let mut clauses = Vec::new();
        for clause in elements(form.cdr()) {
            self.check_form(clause, 2, usize::MAX)?;
            clauses.push(self.clause(clause.car(), clause.cdr(), env)?);
        }
        Ok(lambda(Value::FALSE, clauses))
    }

    fn assignment(&mut self, form: Value, env: Value) -> Outcome<Node> {
        self.check_form(form, 3, 3)?;
        let (identifier, position) = (form.cdr().car(), self.position);
        if !is_identifier(identifier) {
            return Err(self.error("only variables can be assigned", form));
        }
        let value = self.expression(form.cdr().cdr().car(), env)?;
        match self.meaning(identifier, env)? {
            Meaning::Local(variable) => {
                let info = &mut self.variables[variable];
                info.assigned = true;
                info.references += 1;
                Ok(Node::SetLocal(variable, Box::new(value)))
            }
            Meaning::Cell(cell) => {
                let top = Self::top_of(env);
                if cell.slot(super::environment::CELL_OWNER) != top
                    && cell.slot(super::environment::CELL_OWNER)
                        == self.vm.shared.get(crate::vm::Global::Builtins)
                {
                    return Err(self.error("a variable of a library cannot be assigned", form));
                }
                self.keep_for_code(cell)?;
                Ok(Node::SetGlobal(cell, Box::new(value), position))
            }
            Meaning::Unbound(symbol, top) => {
                let cell = self.cell_for(symbol, top)?;
                Ok(Node::SetGlobal(cell, Box::new(value), position))
            }
            _ => Err(self.error("a keyword cannot be assigned", form)),
        }
    }

    fn delay(&mut self, form: Value, env: Value, iterative: bool) -> Outcome<Node> {
        self.check_form(form, 2, 2)?;
        let body = self.expression(form.cdr().car(), env)?;
        let clause = Clause { parameters: Vec::new(), rest: false, body };
        let maker = self.builtin(if iterative { "%delay" } else { "%delay-force" })?;
        let maker = self.expression(maker, env)?;
        let position = self.position;
        Ok(self.call(maker, vec![lambda(Value::FALSE, vec![clause])], position))
    }

    fn syntax_error(&mut self, form: Value) -> Value {
        let rest = form.cdr();
        let message = if rest.is_pair() && rest.car().is_string() {
            rest.car().text()
        } else {
            "syntax error".to_owned()
        };
        let irritants = if rest.is_pair() { rest.cdr() } else { Value::NIL };
        self.error(&message, irritants)
    }

    /// A scope with the macros of `let-syntax` or `letrec-syntax`.
    fn syntax_scope(&mut self, form: Value, env: Value, recursive: bool) -> Outcome {
        self.check_form(form, 3, usize::MAX)?;
        let inner = self.scope(env)?;
        for binding in elements(form.cdr().car()) {
            self.check_form(binding, 2, 2)?;
            let scope = if recursive { inner } else { env };
            let transformer = self.transformer(binding.cdr().car(), scope)?;
            self.bind(inner, binding.car(), transformer)?;
        }
        Ok(inner)
    }
}

pub(super) fn lambda(name: Value, clauses: Vec<Clause>) -> Node {
    Node::Lambda(Box::new(Lambda { name, clauses }))
}

pub(super) fn sequence_of(mut nodes: Vec<Node>) -> Node {
    match nodes.len() {
        0 => Node::Constant(Value::UNSPECIFIED),
        1 => nodes.pop().expect("there is one"),
        _ => Node::Sequence(nodes),
    }
}

/// `(not node)`.
pub(super) fn negation(node: Node) -> Node {
    Node::Inline(Inline::Not, vec![node], crate::compile::ir::Position::default())
}
