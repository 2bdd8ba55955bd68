//! The prompt.

use crate::vm::Vm;

pub(crate) fn run(_vm: &mut Vm) {}
