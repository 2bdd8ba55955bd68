//! The code generator: one pass over the expressions, registers handed out like a stack.
//!
//! `next` is always the first register that is free. The register of a result is written last, so it
//! may be one that the expression's parts use.

use super::analysis::Analysis;
use super::function::{Function, Loop, Target};
use super::ir::{Clause, Fix, Info, Inline, Lambda, Node, Position, Variable};
use super::loops::mark_loops;
use crate::object::Type;
use crate::value::Value;
use crate::vm::{
    CODE_CONSTANTS, CODE_FILE, CODE_NAME, CODE_POSITIONS, CODE_REGISTERS, Op, Outcome, Vm,
};

/// Registers that a procedure may have.
const MOST_REGISTERS: usize = 8000;

/// Writes the code of one form of the top level.
pub(super) struct Generator<'v> {
    vm: &'v mut Vm,
    variables: Vec<Info>,
    /// Lists of what the unit needs now and of what its code refers to. They are found because this
    /// struct is on the native stack.
    kept: Value,
    constants: Value,
    file: Value,
    functions: Vec<Function>,
}

impl<'v> Generator<'v> {
    pub(super) fn new(
        vm: &'v mut Vm,
        variables: Vec<Info>,
        kept: Value,
        constants: Value,
        file: Value,
    ) -> Self {
        Self { vm, variables, kept, constants, file, functions: Vec::new() }
    }

    /// A closure that evaluates `node`.
    pub(super) fn unit(mut self, mut node: Node) -> Outcome {
        mark_loops(&mut node);
        Analysis::new(&mut self.variables).walk(&mut node, 0);
        let clause = Clause { parameters: Vec::new(), rest: false, body: node };
        let lambda = Lambda { name: Value::FALSE, clauses: vec![clause] };
        let (code, free) = self.lambda(&lambda, None)?;
        debug_assert!(free.is_empty(), "a unit has no free variables");
        std::hint::black_box(self.kept);
        self.vm.object_with(Type::Closure, &[code])
    }

    pub(super) fn function(&mut self) -> &mut Function {
        self.functions.last_mut().expect("code belongs to a function")
    }

    /// The code of a procedure, and its free variables.
    fn lambda(
        &mut self,
        lambda: &Lambda,
        itself: Option<Variable>,
    ) -> Outcome<(Value, Vec<Variable>)> {
        let mut function = Function::new();
        function.itself = itself;
        self.functions.push(function);
        let last = lambda.clauses.len() - 1;
        for (index, clause) in lambda.clauses.iter().enumerate() {
            self.clause(clause, index == last)?;
        }
        let mut function = self.functions.pop().expect("it was pushed");
        if function.size > MOST_REGISTERS {
            return Err(self.vm.error("a procedure with too many variables", &[lambda.name]));
        }
        function.resolve();
        let code = self.code(&function, lambda.name)?;
        Ok((code, function.free))
    }

    fn code(&mut self, function: &Function, name: Value) -> Outcome {
        let mut positions = Vec::new();
        for (word, position) in &function.positions {
            for number in [*word, position.line, position.column] {
                positions.extend(number.to_le_bytes());
            }
        }
        let positions = self.vm.bytevector(&positions)?;
        let mut words = function.code.clone();
        // The entries of clauses say how many registers there must be.
        let mut entry = 0;
        loop {
            words[entry] |= (function.size as u64) << 48;
            match words[entry + 1] as usize {
                0 => break,
                distance => entry += 2 + distance,
            }
        }
        let code = self.vm.code(&words)?;
        code.set_slot(CODE_REGISTERS, Value::index(function.size));
        code.set_slot(CODE_CONSTANTS, self.constants);
        code.set_slot(CODE_NAME, name);
        code.set_slot(CODE_POSITIONS, positions);
        code.set_slot(CODE_FILE, self.file);
        self.constants = self.vm.cons(code, self.constants)?;
        Ok(code)
    }

    fn clause(&mut self, clause: &Clause, last: bool) -> Outcome<()> {
        let required = clause.parameters.len() - usize::from(clause.rest);
        let function = self.function();
        function.emit(Op::Entry, required, usize::from(clause.rest), 0);
        let next_clause = function.label();
        if last {
            function.word(0);
        } else {
            function.distance(next_clause);
        }
        for (index, &parameter) in clause.parameters.iter().enumerate() {
            function.registers.insert(parameter, 1 + index);
            function.use_register(1 + index);
        }
        for &parameter in &clause.parameters {
            self.make_box(parameter);
        }
        let next = 1 + clause.parameters.len();
        self.generate(&clause.body, Target::Return, next)?;
        self.function().place(next_clause);
        Ok(())
    }

    /// Puts a variable's value into a box, if it lives in one.
    fn make_box(&mut self, variable: Variable) {
        if self.variables[variable].boxed {
            let register = self.function().registers[&variable];
            self.function().emit(Op::MakeBox, register, 0, 0);
        }
    }

    /// Puts a value where it belongs.
    fn deliver(&mut self, register: usize, target: Target) {
        match target {
            Target::Register(to) if to == register => {}
            Target::Register(to) => {
                self.function().use_register(to);
                self.function().emit(Op::Move, to, register, 0);
            }
            Target::Return => self.function().emit(Op::Return, register, 0, 0),
        }
    }

    /// The register that a result is worked out in.
    fn place(&mut self, target: Target, next: usize) -> usize {
        let register = match target {
            Target::Register(register) => register,
            Target::Return => next,
        };
        self.function().use_register(register);
        register
    }

    /// Evaluates for effect.
    pub(super) fn effect(&mut self, node: &Node, next: usize) -> Outcome<()> {
        match node {
            Node::Constant(_) | Node::Local(_) | Node::Lambda(_) => Ok(()),
            _ => self.generate(node, Target::Register(next), next),
        }
    }

    pub(super) fn generate(&mut self, node: &Node, target: Target, next: usize) -> Outcome<()> {
        self.vm.check_native_stack("compile")?;
        match node {
            Node::Constant(value) => {
                let register = self.place(target, next);
                self.load_constant(*value, register);
                self.deliver(register, target);
            }
            Node::Local(variable) => {
                let register = self.variable(*variable, self.place_for(target, next));
                self.deliver(register, target);
            }
            Node::SetLocal(variable, value) => {
                self.set_local(*variable, value, next)?;
                self.unspecified(target, next);
            }
            Node::Global(cell, position) => {
                let register = self.place(target, next);
                self.function().mark_position(*position);
                self.function().emit(Op::Global, register, 0, 0);
                self.function().word(cell.0 as u64);
                self.deliver(register, target);
            }
            Node::SetGlobal(cell, value, position) => {
                let register = self.operand(value, next)?;
                self.function().mark_position(*position);
                self.function().emit(Op::SetGlobal, register, 0, 0);
                self.function().word(cell.0 as u64);
                self.unspecified(target, next);
            }
            Node::DefineGlobal(cell, value) => {
                let register = self.operand(value, next)?;
                self.function().emit(Op::DefineGlobal, register, 0, 0);
                self.function().word(cell.0 as u64);
                self.unspecified(target, next);
            }
            Node::If(nodes) => self.conditional(nodes, target, next)?,
            Node::Sequence(nodes) => {
                let (last, effects) = nodes.split_last().expect("sequences have parts");
                for effect in effects {
                    self.effect(effect, next)?;
                }
                self.generate(last, target, next)?;
            }
            Node::Let(bindings, body) => {
                let next = self.bind(bindings, next)?;
                self.generate(body, target, next)?;
            }
            Node::Fix(fix) if fix.is_loop => self.loops(fix, target, next)?,
            Node::Fix(fix) => {
                let next = self.procedures(fix, next)?;
                self.generate(&fix.body, target, next)?;
            }
            Node::Lambda(lambda) => {
                let register = self.place(target, next);
                let (code, free) = self.lambda(lambda, None)?;
                self.closure(code, &free, register)?;
                self.deliver(register, target);
            }
            Node::Call(callee, arguments, position) => {
                self.call(callee, arguments, *position, target, next)?;
            }
            Node::Inline(inline, ..) if inline.is_test() => self.truth(node, target, next)?,
            Node::Inline(inline, arguments, position) => {
                self.inline(*inline, arguments, *position, target, next)?;
            }
            Node::Primitive(primitive, arguments, position) => {
                for (index, argument) in arguments.iter().enumerate() {
                    let register = next + index;
                    self.generate(argument, Target::Register(register), register)?;
                }
                self.function().use_register(next);
                self.function().mark_position(*position);
                self.function().emit(Op::Primitive, next, arguments.len(), 0);
                let word = primitive.slot(0).as_fixnum() as u64;
                self.function().word(word);
                self.deliver(next, target);
            }
            Node::Record(Op::JumpRecord, ..) => self.truth(node, target, next)?,
            Node::Record(op, cell, index, arguments, position) => {
                self.record(*op, *cell, *index, arguments, *position, target, next)?;
            }
        }
        Ok(())
    }

    fn place_for(&self, target: Target, next: usize) -> usize {
        match target {
            Target::Register(register) => register,
            Target::Return => next,
        }
    }

    fn unspecified(&mut self, target: Target, next: usize) {
        // For effect, nobody looks.
        if target != Target::Register(next) {
            let register = self.place(target, next);
            self.load_constant(Value::UNSPECIFIED, register);
            self.deliver(register, target);
        } else {
            self.function().use_register(next);
            self.load_constant(Value::UNSPECIFIED, next);
        }
    }

    pub(super) fn load_constant(&mut self, value: Value, register: usize) {
        self.function().use_register(register);
        if let Some(number) =
            value.is_fixnum().then(|| value.as_fixnum()).and_then(|n| i32::try_from(n).ok())
        {
            let word = crate::vm::Instruction::with_number(Op::Integer, register as u16, number);
            self.function().word(word.0);
        } else {
            self.function().emit(Op::Constant, register, 0, 0);
            self.function().word(value.0 as u64);
        }
    }

    /// The register that holds a variable's value; `scratch` if it has to be fetched.
    fn variable(&mut self, variable: Variable, scratch: usize) -> usize {
        let register = self.raw_variable(variable, scratch);
        let info = &self.variables[variable];
        let (boxed, checked, name) = (info.boxed, info.checked, info.name);
        let mut result = register;
        if boxed {
            self.function().use_register(scratch);
            self.function().emit(Op::Unbox, scratch, register, 0);
            result = scratch;
        }
        if checked {
            self.function().emit(Op::CheckDefined, result, 0, 0);
            self.function().word(name.0 as u64);
        }
        result
    }

    /// The register that holds a variable, or the box that it lives in.
    fn raw_variable(&mut self, variable: Variable, scratch: usize) -> usize {
        let function = self.function();
        if let Some(&register) = function.registers.get(&variable) {
            return register;
        }
        if function.itself == Some(variable) {
            return 0;
        }
        let index = function.free.iter().position(|other| *other == variable);
        let index = index.unwrap_or_else(|| {
            function.free.push(variable);
            function.free.len() - 1
        });
        function.use_register(scratch);
        function.emit(Op::Free, scratch, index, 0);
        scratch
    }

    fn set_local(&mut self, variable: Variable, value: &Node, next: usize) -> Outcome<()> {
        if !self.variables[variable].boxed {
            let register = self.function().registers[&variable];
            return self.generate(value, Target::Register(register), next);
        }
        let value = self.operand(value, next)?;
        let scratch = if value == next { next + 1 } else { next };
        let place = self.raw_variable(variable, scratch);
        self.function().emit(Op::SetBox, place, value, 0);
        Ok(())
    }

    /// Evaluates the bindings of a `let` into registers from `next` on; the next free one.
    pub(super) fn bind(&mut self, bindings: &[(Variable, Node)], next: usize) -> Outcome<usize> {
        for (index, (variable, value)) in bindings.iter().enumerate() {
            let register = next + index;
            self.generate(value, Target::Register(register), register)?;
            self.function().use_register(register);
            self.function().registers.insert(*variable, register);
            self.make_box(*variable);
        }
        Ok(next + bindings.len())
    }

    fn conditional(&mut self, nodes: &[Node; 3], target: Target, next: usize) -> Outcome<()> {
        let (otherwise, end) = (self.function().label(), self.function().label());
        self.branch(&nodes[0], next, false, otherwise)?;
        self.generate(&nodes[1], target, next)?;
        if target != Target::Return {
            self.function().jump(end);
        }
        self.function().place(otherwise);
        self.generate(&nodes[2], target, next)?;
        self.function().place(end);
        Ok(())
    }

    /// A test whose value is wanted.
    fn truth(&mut self, node: &Node, target: Target, next: usize) -> Outcome<()> {
        let (no, end) = (self.function().label(), self.function().label());
        let register = self.place(target, next);
        self.branch(node, next, false, no)?;
        self.load_constant(Value::TRUE, register);
        self.deliver(register, target);
        if target != Target::Return {
            self.function().jump(end);
        }
        self.function().place(no);
        self.load_constant(Value::FALSE, register);
        self.deliver(register, target);
        self.function().place(end);
        Ok(())
    }

    /// Makes the closures of procedures that refer to each other; the next free register.
    fn procedures(&mut self, fix: &Fix, next: usize) -> Outcome<usize> {
        for (index, &variable) in fix.variables.iter().enumerate() {
            self.function().registers.insert(variable, next + index);
            self.function().use_register(next + index);
        }
        let after = next + fix.variables.len();
        let mut patches = Vec::new();
        for (index, lambda) in fix.lambdas.iter().enumerate() {
            let (code, free) = self.lambda(lambda, Some(fix.variables[index]))?;
            self.closure(code, &free, next + index)?;
            for (place, variable) in free.iter().enumerate() {
                let made = fix.variables.iter().position(|other| other == variable);
                if made.is_some_and(|made| made >= index) {
                    patches.push((next + index, place, next + made.expect("just seen")));
                }
            }
        }
        for (closure, place, value) in patches {
            self.function().emit(Op::Patch, closure, place, value);
        }
        Ok(after)
    }

    /// Makes a closure. Without free variables there is one for ever.
    fn closure(&mut self, code: Value, free: &[Variable], register: usize) -> Outcome<()> {
        if free.is_empty() {
            let closure = self.vm.object_with(Type::Closure, &[code])?;
            self.constants = self.vm.cons(closure, self.constants)?;
            // The code that refers to it is not made yet, and will have the longer list.
            self.load_constant(closure, register);
            return Ok(());
        }
        let mut places = Vec::new();
        for &variable in free {
            let function = self.function();
            places.push(if let Some(&register) = function.registers.get(&variable) {
                register as i64
            } else if function.itself == Some(variable) {
                0
            } else {
                let index = function.free.iter().position(|other| *other == variable);
                let index = index.unwrap_or_else(|| {
                    function.free.push(variable);
                    function.free.len() - 1
                });
                -(index as i64 + 1)
            });
        }
        self.function().use_register(register);
        self.function().emit(Op::Closure, register, free.len(), 0);
        self.function().word(code.0 as u64);
        for place in places {
            self.function().word(place as u64);
        }
        Ok(())
    }

    fn loops(&mut self, fix: &Fix, target: Target, mut next: usize) -> Outcome<()> {
        let end = self.function().label();
        for (&variable, lambda) in fix.variables.iter().zip(&fix.lambdas) {
            let parameters = &lambda.clauses[0].parameters;
            let registers: Vec<_> = (next..next + parameters.len()).collect();
            for (&parameter, &register) in parameters.iter().zip(&registers) {
                self.function().registers.insert(parameter, register);
                self.function().use_register(register);
            }
            next += parameters.len();
            let start = self.function().label();
            let parameters = parameters.clone();
            let label = Loop { start, registers, parameters, target };
            self.function().loops.insert(variable, label);
        }
        self.generate(&fix.body, target, next)?;
        if target != Target::Return {
            self.function().jump(end);
        }
        for (variable, lambda) in fix.variables.iter().zip(&fix.lambdas) {
            let label = self.function().loops[variable].clone();
            self.function().place(label.start);
            for &parameter in &label.parameters {
                self.make_box(parameter);
            }
            self.generate(&lambda.clauses[0].body, target, next)?;
            if target != Target::Return {
                self.function().jump(end);
            }
        }
        self.function().place(end);
        Ok(())
    }

    /// A jump to a loop: its parameters get their new values, as if all at once.
    fn jump_to(&mut self, label: &Loop, arguments: &[Node], next: usize) -> Outcome<()> {
        let mut moves = Vec::new();
        let mut scratch = next;
        for (index, argument) in arguments.iter().enumerate() {
            let (parameter, register) = (label.parameters[index], label.registers[index]);
            if matches!(argument, Node::Local(same) if *same == parameter)
                && !self.variables[parameter].boxed
            {
                continue;
            }
            let needed_later = arguments[index + 1..].iter().any(|later| later.mentions(parameter));
            if !needed_later && !self.variables[parameter].boxed {
                self.generate(argument, Target::Register(register), scratch)?;
            } else {
                self.generate(argument, Target::Register(scratch), scratch)?;
                moves.push((register, scratch));
                scratch += 1;
            }
        }
        for (to, from) in moves {
            self.function().use_register(from);
            self.function().emit(Op::Move, to, from, 0);
        }
        self.function().jump(label.start);
        Ok(())
    }

    fn call(
        &mut self,
        callee: &Node,
        arguments: &[Node],
        position: Position,
        target: Target,
        next: usize,
    ) -> Outcome<()> {
        if let Node::Local(variable) = callee
            && let Some(label) = self.function().loops.get(variable).cloned()
        {
            debug_assert_eq!(label.target, target, "a jump is in tail position of its loop");
            return self.jump_to(&label, arguments, next);
        }
        // next: the return address, then the callee and the arguments.
        let tail = target == Target::Return;
        if !matches!(callee, Node::Global(..)) {
            self.generate(callee, Target::Register(next + 1), next + 1)?;
        }
        for (index, argument) in arguments.iter().enumerate() {
            let register = next + 2 + index;
            self.generate(argument, Target::Register(register), register)?;
        }
        let function = self.function();
        function.use_register(next + 1 + arguments.len());
        function.mark_position(position);
        match (callee, tail) {
            (Node::Global(cell, _), true) => {
                function.emit(Op::TailCallGlobal, next, arguments.len(), 0);
                function.word(cell.0 as u64);
            }
            (Node::Global(cell, _), false) => {
                function.emit(Op::CallGlobal, next, arguments.len(), 0);
                function.word(cell.0 as u64);
            }
            (_, true) => function.emit(Op::TailCall, next, arguments.len(), 0),
            (_, false) => {
                function.emit(Op::Call, next, arguments.len(), 0);
                function.word(0);
            }
        }
        if !tail {
            self.deliver(next, target);
        }
        Ok(())
    }

    /// A register with the value of an expression: that of a variable, or `next`.
    pub(super) fn operand(&mut self, node: &Node, next: usize) -> Outcome<usize> {
        match node {
            Node::Local(variable) => Ok(self.variable(*variable, next)),
            _ => {
                self.generate(node, Target::Register(next), next)?;
                self.function().use_register(next);
                Ok(next)
            }
        }
    }

    /// Registers with the values of two expressions.
    pub(super) fn two_operands(
        &mut self,
        a: &Node,
        b: &Node,
        next: usize,
    ) -> Outcome<(usize, usize)> {
        let first = self.operand_before(a, &[b], next)?;
        let after = if first == next { next + 1 } else { next };
        Ok((first, self.operand(b, after)?))
    }

    /// As [`operand`](Self::operand), safe from what evaluating the `later` ones does: a variable
    /// that they may assign is copied.
    fn operand_before(&mut self, node: &Node, later: &[&Node], next: usize) -> Outcome<usize> {
        if let Node::Local(variable) = node
            && self.variables[*variable].assigned
            && later.iter().any(|node| !matches!(node, Node::Local(_) | Node::Constant(_)))
        {
            self.generate(node, Target::Register(next), next)?;
            return Ok(next);
        }
        self.operand(node, next)
    }

    fn inline(
        &mut self,
        inline: Inline,
        arguments: &[Node],
        position: Position,
        target: Target,
        next: usize,
    ) -> Outcome<()> {
        match inline {
            Inline::One(op) => {
                let operand = self.operand(&arguments[0], next)?;
                let result = self.place(target, next);
                self.function().mark_position(position);
                self.function().emit(op, result, operand, 0);
                self.deliver(result, target);
            }
            Inline::Two(op) => {
                let (op, a, b) = match added_number(op, arguments) {
                    Some((node, number)) => {
                        (Op::AddInteger, self.operand(node, next)?, usize::from(number as u16))
                    }
                    None => {
                        let (a, b) = self.two_operands(&arguments[0], &arguments[1], next)?;
                        (op, a, b)
                    }
                };
                let result = self.place(target, next);
                self.function().mark_position(position);
                self.function().emit(op, result, a, b);
                self.deliver(result, target);
            }
            Inline::Effect(op) => {
                let (mut registers, mut free) = ([0; 3], next);
                for (index, argument) in arguments.iter().enumerate() {
                    let later: Vec<_> = arguments[index + 1..].iter().collect();
                    registers[index] = self.operand_before(argument, &later, free)?;
                    free += usize::from(registers[index] == free);
                }
                self.function().mark_position(position);
                self.function().emit(op, registers[0], registers[1], registers[2]);
                self.unspecified(target, next);
            }
            _ => unreachable!("tests are jumps"),
        }
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "what a record access has, and where it goes")]
    fn record(
        &mut self,
        op: Op,
        cell: Value,
        index: usize,
        arguments: &[Node],
        position: Position,
        target: Target,
        next: usize,
    ) -> Outcome<()> {
        if op == Op::RecordRef {
            let record = self.operand(&arguments[0], next)?;
            let result = self.place(target, next);
            self.function().mark_position(position);
            self.function().emit(op, result, record, index);
            self.function().word(cell.0 as u64);
            self.deliver(result, target);
        } else {
            let (record, value) = self.two_operands(&arguments[0], &arguments[1], next)?;
            self.function().mark_position(position);
            self.function().emit(op, record, value, index);
            self.function().word(cell.0 as u64);
            self.unspecified(target, next);
        }
        Ok(())
    }
}

/// The other operand and the number, where a small number is added or subtracted.
fn added_number(op: Op, arguments: &[Node]) -> Option<(&Node, i16)> {
    let small = |node: &Node| match node {
        Node::Constant(value) if value.is_fixnum() => i16::try_from(value.as_fixnum()).ok(),
        _ => None,
    };
    match op {
        Op::Add => small(&arguments[1])
            .map(|number| (&arguments[0], number))
            .or_else(|| small(&arguments[0]).map(|number| (&arguments[1], number))),
        Op::Subtract => {
            let number = small(&arguments[1])?.checked_neg()?;
            Some((&arguments[0], number))
        }
        _ => None,
    }
}
