//! Which procedures are loops: those that are called in tail position only, and never anything but
//! called. Such a call is a jump, and the procedure's parameters are registers of its surroundings.

use super::ir::{Fix, Node, Variable};

/// Finds the loops in an expression, from the inside outwards.
pub(super) fn mark_loops(node: &mut Node) {
    node.parts_mut(&mut mark_loops);
    if let Node::Fix(fix) = node {
        fix.is_loop = is_loop(fix);
    }
}

/// Whether the procedures of a `Fix` can be labels.
fn is_loop(fix: &Fix) -> bool {
    let simple = |index: usize| {
        let clauses = &fix.lambdas[index].clauses;
        clauses.len() == 1 && !clauses[0].rest
    };
    if !(0..fix.lambdas.len()).all(simple) {
        return false;
    }
    let bodies = fix.lambdas.iter().map(|lambda| &lambda.clauses[0].body);
    bodies.chain([&fix.body]).all(|body| only_jumps(body, fix, true))
}

fn arity(fix: &Fix, variable: Variable) -> Option<usize> {
    let index = fix.variables.iter().position(|other| *other == variable)?;
    Some(fix.lambdas[index].clauses[0].parameters.len())
}

/// Whether a node refers to the procedures in tail calls only.
fn only_jumps(node: &Node, fix: &Fix, tail: bool) -> bool {
    match node {
        Node::Local(variable) | Node::SetLocal(variable, _) if arity(fix, *variable).is_some() => {
            false
        }
        Node::Call(callee, arguments, _) => {
            let free = arguments.iter().all(|argument| only_jumps(argument, fix, false));
            match &**callee {
                Node::Local(variable) => match arity(fix, *variable) {
                    Some(count) => tail && free && count == arguments.len(),
                    None => free,
                },
                callee => free && only_jumps(callee, fix, false),
            }
        }
        Node::If(nodes) => {
            only_jumps(&nodes[0], fix, false)
                && only_jumps(&nodes[1], fix, tail)
                && only_jumps(&nodes[2], fix, tail)
        }
        Node::Sequence(nodes) => {
            let last = nodes.len() - 1;
            nodes
                .iter()
                .enumerate()
                .all(|(index, node)| only_jumps(node, fix, tail && index == last))
        }
        Node::Let(bindings, body) => {
            bindings.iter().all(|(_, value)| only_jumps(value, fix, false))
                && only_jumps(body, fix, tail)
        }
        Node::Fix(inner) => {
            // In a loop of its own, the end of its bodies is the end of this one, too.
            let inner_tail = tail && inner.is_loop;
            let mut bodies = inner.lambdas.iter().flat_map(|lambda| &lambda.clauses);
            bodies.all(|clause| only_jumps(&clause.body, fix, inner_tail))
                && only_jumps(&inner.body, fix, tail)
        }
        _ => {
            let mut good = true;
            node.parts(&mut |part| good = good && only_jumps(part, fix, false));
            good
        }
    }
}
