//! `syntax-rules`: matching and instantiation.

use super::{Expander, is_identifier};
use crate::expand::Form;
use crate::object::{Type, elements, list_length};
use crate::value::Value;
use crate::vm::Outcome;

/// Slots of a macro.
const LITERALS: usize = 0;
const RULES: usize = 1;
const ENVIRONMENT: usize = 2;
/// The identifier that is the ellipsis, or `#f` for the usual one.
const ELLIPSIS: usize = 3;

impl Expander<'_> {
    /// The macro that a transformer expression stands for.
    pub(super) fn transformer(&mut self, form: Value, env: Value) -> Outcome {
        let head = if form.is_pair() { form.car() } else { form };
        if is_identifier(form) {
            if let super::Meaning::Macro(rules) = self.meaning(form, env)? {
                return Ok(rules);
            }
            if let super::Meaning::Special(special) = self.meaning(form, env)? {
                return Ok(Value::special(special as usize));
            }
        }
        if !form.is_pair() || !is_identifier(head) {
            return Err(self.error("not a transformer", form));
        }
        if let super::Meaning::Macro(rules) = self.meaning(head, env)? {
            let expansion = self.expand_macro(rules, form, env)?;
            return self.transformer(expansion, env);
        }
        if !self.is_form(head, env, Form::SyntaxRules)? {
            return Err(self.error("not a transformer; only syntax-rules is", form));
        }
        let mut rest = form.cdr();
        let mut ellipsis = Value::FALSE;
        if rest.is_pair() && is_identifier(rest.car()) {
            ellipsis = rest.car();
            rest = rest.cdr();
        }
        if list_length(rest).is_none_or(|length| length == 0) {
            return Err(self.error("bad syntax", form));
        }
        for rule in elements(rest.cdr()) {
            if list_length(rule) != Some(2) {
                return Err(self.error("a rule is a pattern and a template", rule));
            }
        }
        let slots = [rest.car(), rest.cdr(), env, ellipsis];
        let rules = self.vm.object_with(Type::Macro, &slots)?;
        self.keep(rules)
    }

    /// What a use of a macro expands to.
    pub(super) fn expand_macro(&mut self, rules: Value, form: Value, env: Value) -> Outcome {
        let outer = self.position;
        for rule in elements(rules.slot(RULES)) {
            let mut matcher =
                Matcher { expander: self, rules, env, bindings: Value::NIL, renames: Value::NIL };
            // The keyword itself is not matched.
            let pattern = rule.car();
            let pattern = if pattern.is_pair() { pattern.cdr() } else { pattern };
            if matcher.matches(pattern, form.cdr())? {
                let template = rule.cdr().car();
                let expansion = matcher.instantiate(template, false)?;
                self.position = outer;
                return self.keep(expansion);
            }
        }
        Err(self.error("no rule matches", form))
    }
}

/// A use of a macro, and one of its rules.
struct Matcher<'e, 'v> {
    expander: &'e mut Expander<'v>,
    rules: Value,
    env: Value,
    /// `(variable depth . match)`: below `depth` ellipses, a match is a list of such things.
    bindings: Value,
    /// Symbols that the template inserts, with their aliases.
    renames: Value,
}

impl Matcher<'_, '_> {
    fn is_ellipsis(&mut self, identifier: Value) -> Outcome<bool> {
        if !is_identifier(identifier) || self.is_literal(identifier) {
            return Ok(false);
        }
        match self.rules.slot(ELLIPSIS) {
            Value::FALSE => {
                let env = self.rules.slot(ENVIRONMENT);
                self.expander.is_form(identifier, env, Form::Ellipsis)
            }
            ellipsis => Ok(identifier == ellipsis),
        }
    }

    fn is_literal(&self, identifier: Value) -> bool {
        elements(self.rules.slot(LITERALS)).any(|literal| literal == identifier)
    }

    /// Whether a list continues with an ellipsis after its first element.
    fn has_ellipsis(&mut self, list: Value) -> Outcome<bool> {
        Ok(list.is_pair() && list.cdr().is_pair() && self.is_ellipsis(list.cdr().car())?)
    }

    fn add(&mut self, variable: Value, depth: Value, value: Value) -> Outcome<()> {
        let value = self.expander.vm.cons(depth, value)?;
        let binding = self.expander.vm.cons(variable, value)?;
        self.bindings = self.expander.vm.cons(binding, self.bindings)?;
        Ok(())
    }

    fn matches(&mut self, pattern: Value, form: Value) -> Outcome<bool> {
        self.expander.vm.check_native_stack("syntax-rules")?;
        if is_identifier(pattern) {
            return self.matches_identifier(pattern, form);
        }
        if self.has_ellipsis(pattern)? {
            return self.matches_ellipsis(pattern, form);
        }
        if pattern.is_pair() {
            return Ok(form.is_pair()
                && self.matches(pattern.car(), form.car())?
                && self.matches(pattern.cdr(), form.cdr())?);
        }
        if pattern.is(Type::Vector) {
            if !form.is(Type::Vector) {
                return Ok(false);
            }
            let pattern = self.expander.vm.vector_to_list(pattern)?;
            let form = self.expander.vm.vector_to_list(form)?;
            return self.matches(pattern, form);
        }
        self.expander.vm.equal(pattern, form)
    }

    fn matches_identifier(&mut self, pattern: Value, form: Value) -> Outcome<bool> {
        let environment = self.rules.slot(ENVIRONMENT);
        if self.is_literal(pattern) {
            return Ok(is_identifier(form)
                && self.expander.same_meaning((form, self.env), (pattern, environment))?);
        }
        if !self.expander.is_form(pattern, environment, Form::Underscore)? {
            self.add(pattern, Value::ZERO, form)?;
        }
        Ok(true)
    }

    /// `(pattern ... . rest)`: as many forms as the rest leaves.
    fn matches_ellipsis(&mut self, pattern: Value, form: Value) -> Outcome<bool> {
        let (repeated, rest) = (pattern.car(), pattern.cdr().cdr());
        let count = |list: Value| elements(list).count();
        let Some(times) = count(form).checked_sub(count(rest)) else { return Ok(false) };
        let outer = self.bindings;
        // For each variable, its depth here and the list of its matches so far, in reverse.
        let mut collected = Value::NIL;
        self.collect_variables(repeated, 1, &mut collected)?;
        let mut form = form;
        for _ in 0..times {
            self.bindings = Value::NIL;
            if !self.matches(repeated, form.car())? {
                return Ok(false);
            }
            for entry in elements(collected) {
                let found = self.binding(entry.car()).map_or(Value::NIL, |found| found.cdr().cdr());
                let list = self.expander.vm.cons(found, entry.cdr().cdr())?;
                entry.cdr().set_cdr(list);
            }
            form = form.cdr();
        }
        self.bindings = outer;
        for entry in elements(collected) {
            let list = self.expander.vm.reverse(entry.cdr().cdr())?;
            self.add(entry.car(), entry.cdr().car(), list)?;
        }
        self.matches(rest, form)
    }

    /// Adds `(variable depth)` for each variable of a pattern that is below `depth` ellipses.
    fn collect_variables(&mut self, pattern: Value, depth: i64, found: &mut Value) -> Outcome<()> {
        if is_identifier(pattern) {
            if !self.is_literal(pattern) && !self.is_ellipsis(pattern)? {
                let entry = self.expander.vm.list(&[pattern, Value::fixnum(depth)])?;
                *found = self.expander.vm.cons(entry, *found)?;
            }
        } else if pattern.is_pair() {
            let deeper = i64::from(self.has_ellipsis(pattern)?);
            self.collect_variables(pattern.car(), depth + deeper, found)?;
            self.collect_variables(pattern.cdr(), depth, found)?;
        } else if pattern.is(Type::Vector) {
            let list = self.expander.vm.vector_to_list(pattern)?;
            self.collect_variables(list, depth, found)?;
        }
        Ok(())
    }

    fn binding(&self, identifier: Value) -> Option<Value> {
        elements(self.bindings).find(|binding| binding.car() == identifier)
    }

    /// The template with its variables replaced. With `escaped` an ellipsis is nothing special.
    fn instantiate(&mut self, template: Value, escaped: bool) -> Outcome {
        self.expander.vm.check_native_stack("syntax-rules")?;
        if is_identifier(template) {
            return match self.binding(template) {
                Some(binding) => Ok(binding.cdr().cdr()),
                None => self.rename(template),
            };
        }
        if template.is(Type::Vector) {
            let list = self.expander.vm.vector_to_list(template)?;
            let list = self.instantiate(list, escaped)?;
            return self.expander.vm.list_to_vector(list);
        }
        if !template.is_pair() {
            return Ok(template);
        }
        if !escaped && self.is_ellipsis(template.car())? && template.cdr().is_pair() {
            return self.instantiate(template.cdr().car(), true);
        }
        if escaped || !self.has_ellipsis(template)? {
            let car = self.instantiate(template.car(), escaped)?;
            let cdr = self.instantiate(template.cdr(), escaped)?;
            return self.expander.vm.cons(car, cdr);
        }
        self.instantiate_ellipsis(template)
    }

    fn instantiate_ellipsis(&mut self, template: Value) -> Outcome {
        let (repeated, mut rest, mut depth) = (template.car(), template.cdr().cdr(), 1);
        while rest.is_pair() && self.is_ellipsis(rest.car())? {
            rest = rest.cdr();
            depth += 1;
        }
        let results = self.repeat(repeated, depth)?;
        let rest = self.instantiate(rest, false)?;
        self.expander.vm.append_two(results, rest)
    }

    /// The list of what a template becomes for each match of its variables.
    fn repeat(&mut self, template: Value, depth: usize) -> Outcome {
        if depth == 0 {
            let one = self.instantiate(template, false)?;
            return self.expander.vm.list(&[one]);
        }
        let outer = self.bindings;
        // Variables below an ellipsis: each with its depth and what is left of its matches.
        let mut cursors = Value::NIL;
        self.template_variables(template, depth as i64 - 1, &mut cursors)?;
        if cursors.is_nil() {
            return Err(self.expander.error("nothing to repeat before an ellipsis", template));
        }
        let mut results = Value::NIL;
        while elements(cursors).all(|cursor| cursor.cdr().cdr().is_pair()) {
            self.bindings = outer;
            for cursor in elements(cursors) {
                let (depth, matches) = (cursor.cdr().car(), cursor.cdr().cdr());
                self.add(cursor.car(), Value::fixnum(depth.as_fixnum() - 1), matches.car())?;
                cursor.cdr().set_cdr(matches.cdr());
            }
            let part = self.repeat(template, depth - 1)?;
            for one in elements(part) {
                results = self.expander.vm.cons(one, results)?;
            }
        }
        self.bindings = outer;
        self.expander.vm.reverse(results)
    }

    /// Adds the variables that are repeated by an ellipsis with `within` others between it and the
    /// template. A variable of fewer ellipses is repeated by the innermost ones.
    fn template_variables(
        &mut self,
        template: Value,
        within: i64,
        cursors: &mut Value,
    ) -> Outcome<()> {
        if is_identifier(template) {
            if let Some(binding) = self.binding(template)
                && binding.cdr().car().as_fixnum() > within
                && !elements(*cursors).any(|cursor| cursor.car() == template)
            {
                let cursor = self.expander.vm.cons(binding.cdr().car(), binding.cdr().cdr())?;
                let cursor = self.expander.vm.cons(template, cursor)?;
                *cursors = self.expander.vm.cons(cursor, *cursors)?;
            }
        } else if template.is_pair() {
            let (mut rest, mut deeper) = (template.cdr(), within);
            while rest.is_pair() && self.is_ellipsis(rest.car())? {
                rest = rest.cdr();
                deeper += 1;
            }
            self.template_variables(template.car(), deeper, cursors)?;
            self.template_variables(rest, within, cursors)?;
        } else if template.is(Type::Vector) {
            let list = self.expander.vm.vector_to_list(template)?;
            self.template_variables(list, within, cursors)?;
        }
        Ok(())
    }

    /// What an identifier of the template becomes: the same alias throughout one expansion.
    fn rename(&mut self, identifier: Value) -> Outcome {
        let known = elements(self.renames).find(|rename| rename.car() == identifier);
        if let Some(rename) = known {
            return Ok(rename.cdr());
        }
        let environment = self.rules.slot(ENVIRONMENT);
        let alias = self.expander.alias(identifier, environment)?;
        let rename = self.expander.vm.cons(identifier, alias)?;
        self.renames = self.expander.vm.cons(rename, self.renames)?;
        Ok(alias)
    }
}
