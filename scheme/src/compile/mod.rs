//! From expanded programs to code objects.

mod analysis;
mod branches;
mod calls;
mod closures;
mod function;
mod generate;
pub(crate) mod ir;
mod jumps;
mod loops;
mod variables;

use crate::expand::Expander;
use crate::object::Type;
use crate::value::Value;
use crate::vm::{Outcome, Vm};

use generate::Generator;

impl Vm {
    /// Compiles a form of the top level of `env` to a procedure without parameters.
    pub(crate) fn compile(
        &mut self,
        form: Value,
        env: Value,
        positions: Value,
        file: Value,
    ) -> Outcome {
        if !env.is(Type::Environment) {
            return Err(self.wrong_type("eval", "environment", env));
        }
        let mut expander = Expander::new(self, positions, file);
        let node = expander.toplevel(form, env)?;
        let (kept, constants) = (expander.kept, expander.constants);
        let variables = std::mem::take(&mut expander.variables);
        Generator::new(self, variables, kept, constants, file).unit(node)
    }
}
