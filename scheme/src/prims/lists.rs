//! Pairs, lists and symbols.

use super::{ANY, Definition, predicate};
use crate::equality::eqv;
use crate::object::{Type, elements};
use crate::value::Value;
use crate::vm::{Outcome, Vm};

pub(super) const TABLE: &[Definition] = &[
    ("cons", 2, 2, |vm, a| vm.cons(a[0], a[1])),
    ("car", 1, 1, path::<0b10>),
    ("cdr", 1, 1, path::<0b11>),
    ("caar", 1, 1, path::<0b100>),
    ("cadr", 1, 1, path::<0b101>),
    ("cdar", 1, 1, path::<0b110>),
    ("cddr", 1, 1, path::<0b111>),
    ("caaar", 1, 1, path::<0b1000>),
    ("caadr", 1, 1, path::<0b1001>),
    ("cadar", 1, 1, path::<0b1010>),
    ("caddr", 1, 1, path::<0b1011>),
    ("cdaar", 1, 1, path::<0b1100>),
    ("cdadr", 1, 1, path::<0b1101>),
    ("cddar", 1, 1, path::<0b1110>),
    ("cdddr", 1, 1, path::<0b1111>),
    ("caaaar", 1, 1, path::<0b10000>),
    ("caaadr", 1, 1, path::<0b10001>),
    ("caadar", 1, 1, path::<0b10010>),
    ("caaddr", 1, 1, path::<0b10011>),
    ("cadaar", 1, 1, path::<0b10100>),
    ("cadadr", 1, 1, path::<0b10101>),
    ("caddar", 1, 1, path::<0b10110>),
    ("cadddr", 1, 1, path::<0b10111>),
    ("cdaaar", 1, 1, path::<0b11000>),
    ("cdaadr", 1, 1, path::<0b11001>),
    ("cdadar", 1, 1, path::<0b11010>),
    ("cdaddr", 1, 1, path::<0b11011>),
    ("cddaar", 1, 1, path::<0b11100>),
    ("cddadr", 1, 1, path::<0b11101>),
    ("cdddar", 1, 1, path::<0b11110>),
    ("cddddr", 1, 1, path::<0b11111>),
    ("set-car!", 2, 2, |vm, a| store(vm, "set-car!", a, Value::set_car)),
    ("set-cdr!", 2, 2, |vm, a| store(vm, "set-cdr!", a, Value::set_cdr)),
    ("null?", 1, 1, predicate!(Value::is_nil)),
    ("pair?", 1, 1, predicate!(Value::is_pair)),
    ("list?", 1, 1, |vm, a| Ok(Value::boolean(vm.length_of(a[0]).is_some()))),
    ("symbol?", 1, 1, predicate!(Value::is_symbol)),
    ("not", 1, 1, predicate!(|value| !value.is_true())),
    ("eq?", 2, 2, |_, a| Ok(Value::boolean(a[0] == a[1]))),
    ("eqv?", 2, 2, |_, a| Ok(Value::boolean(eqv(a[0], a[1])))),
    ("equal?", 2, 2, |vm, a| vm.equal(a[0], a[1]).map(Value::boolean)),
    ("list", 0, ANY, |vm, a| vm.list(a)),
    ("cons*", 1, ANY, |vm, a| vm.list_with_tail(&a[..a.len() - 1], a[a.len() - 1])),
    ("make-list", 1, 2, make_list),
    ("length", 1, 1, length),
    ("append", 0, ANY, append),
    ("append!", 0, ANY, append),
    ("reverse", 1, 1, reverse),
    ("reverse!", 1, 1, reverse),
    ("list-tail", 2, 2, list_tail),
    ("list-ref", 2, 2, list_ref),
    ("list-set!", 3, 3, list_set),
    ("list-copy", 1, 1, list_copy),
    ("last-pair", 1, 1, last_pair),
    ("memq", 2, 2, |vm, a| member(vm, "memq", a, |_, x, y| Ok(x == y))),
    ("memv", 2, 2, |vm, a| member(vm, "memv", a, |_, x, y| Ok(eqv(x, y)))),
    ("%member", 2, 2, |vm, a| member(vm, "member", a, Vm::equal)),
    ("assq", 2, 2, |vm, a| association(vm, "assq", a, |_, x, y| Ok(x == y))),
    ("assv", 2, 2, |vm, a| association(vm, "assv", a, |_, x, y| Ok(eqv(x, y)))),
    ("%assoc", 2, 2, |vm, a| association(vm, "assoc", a, Vm::equal)),
    ("symbol->string", 1, 1, |vm, a| {
        vm.expect("symbol->string", Type::Symbol, a[0])?;
        // A copy: the name must stay what it is.
        let name = a[0].symbol_name();
        vm.string(&name)
    }),
    ("string->symbol", 1, 1, |vm, a| {
        vm.expect("string->symbol", Type::String, a[0])?;
        vm.intern(a[0])
    }),
    ("symbol=?", 1, ANY, |vm, a| {
        for &symbol in a {
            vm.expect("symbol=?", Type::Symbol, symbol)?;
        }
        Ok(Value::boolean(a.windows(2).all(|pair| pair[0] == pair[1])))
    }),
    ("boolean=?", 1, ANY, |vm, a| match a.iter().find(|value| !is_boolean(**value)) {
        Some(&other) => Err(vm.wrong_type("boolean=?", "boolean", other)),
        None => Ok(Value::boolean(a.windows(2).all(|pair| pair[0] == pair[1]))),
    }),
    ("boolean?", 1, 1, predicate!(is_boolean)),
    ("generate-symbol", 0, 1, generate_symbol),
    ("gensym", 0, 1, generate_symbol),
];

fn is_boolean(value: Value) -> bool {
    value == Value::TRUE || value == Value::FALSE
}

/// `car` and `cdr` in a row: the bits from the lowest on say which, the highest ends it.
fn path<const PATH: u32>(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let (mut value, mut path) = (arguments[0], PATH);
    while path > 1 {
        if !value.is_pair() {
            let letters =
                (0..PATH.ilog2()).rev().map(|bit| if PATH >> bit & 1 == 0 { 'a' } else { 'd' });
            let name: String = letters.collect();
            return Err(vm.wrong_type(&format!("c{name}r"), "pair", arguments[0]));
        }
        value = if path & 1 == 0 { value.car() } else { value.cdr() };
        path >>= 1;
    }
    Ok(value)
}

fn store(vm: &mut Vm, who: &str, arguments: &[Value], store: fn(Value, Value)) -> Outcome {
    if !arguments[0].is_pair() {
        return Err(vm.wrong_type(who, "pair", arguments[0]));
    }
    store(arguments[0], arguments[1]);
    Ok(Value::UNSPECIFIED)
}

impl Vm {
    pub(crate) fn reverse(&mut self, list: Value) -> Outcome {
        let mut result = Value::NIL;
        for element in elements(list) {
            result = self.cons(element, result)?;
        }
        Ok(result)
    }

    /// A copy of a list that ends in `tail`.
    pub(crate) fn append_two(&mut self, list: Value, tail: Value) -> Outcome {
        let (mut head, mut last) = (tail, Value::NIL);
        for element in elements(list) {
            let pair = self.cons(element, tail)?;
            if last.is_nil() {
                head = pair;
            } else {
                last.set_cdr(pair);
            }
            last = pair;
        }
        Ok(head)
    }

    pub(crate) fn list_to_vector(&mut self, list: Value) -> Outcome {
        let mut length = 0;
        self.each_element(list, |_, _, _| {
            length += 1;
            Ok(())
        })?;
        let vector = self.vector(length, Value::ZERO)?;
        self.each_element(list, |_, index, element| {
            vector.set_slot(index, element);
            Ok(())
        })?;
        Ok(vector)
    }

    pub(crate) fn vector_to_list(&mut self, vector: Value) -> Outcome {
        self.list(vector.slots())
    }

    pub(crate) fn length_in(&mut self, who: &str, list: Value) -> Outcome<usize> {
        self.length_of(list).ok_or_else(|| self.wrong_type(who, "list", list))
    }
}

fn make_list(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let count = vm.index_in("make-list", arguments[0])?;
    let fill = arguments.get(1).copied().unwrap_or(Value::UNSPECIFIED);
    (0..count).try_fold(Value::NIL, |list, _| vm.cons(fill, list))
}

fn length(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    vm.length_in("length", arguments[0]).map(Value::index)
}

fn append(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let Some((&last, lists)) = arguments.split_last() else { return Ok(Value::NIL) };
    let mut result = last;
    for &list in lists.iter().rev() {
        vm.length_in("append", list)?;
        result = vm.append_two(list, result)?;
    }
    Ok(result)
}

fn reverse(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    vm.length_in("reverse", arguments[0])?;
    vm.reverse(arguments[0])
}

fn tail_of(vm: &mut Vm, who: &str, arguments: &[Value]) -> Outcome {
    let count = vm.index_in(who, arguments[1])?;
    let mut rest = arguments[0];
    for _ in 0..count {
        if !rest.is_pair() {
            return Err(vm.error(&format!("{who}: the list is too short"), arguments));
        }
        vm.mutator.safepoint();
        rest = rest.cdr();
    }
    Ok(rest)
}

fn list_tail(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    tail_of(vm, "list-tail", arguments)
}

fn pair_of(vm: &mut Vm, who: &str, arguments: &[Value]) -> Outcome {
    let rest = tail_of(vm, who, arguments)?;
    if rest.is_pair() {
        return Ok(rest);
    }
    Err(vm.error(&format!("{who}: the list is too short"), arguments))
}

fn list_ref(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    pair_of(vm, "list-ref", arguments).map(Value::car)
}

fn list_set(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    pair_of(vm, "list-set!", arguments)?.set_car(arguments[2]);
    Ok(Value::UNSPECIFIED)
}

fn list_copy(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let mut tail = arguments[0];
    while tail.is_pair() {
        vm.mutator.safepoint();
        tail = tail.cdr();
    }
    vm.append_two(arguments[0], tail)
}

fn last_pair(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let mut rest = arguments[0];
    if !rest.is_pair() {
        return Err(vm.wrong_type("last-pair", "pair", rest));
    }
    while rest.cdr().is_pair() {
        vm.mutator.safepoint();
        rest = rest.cdr();
    }
    Ok(rest)
}

fn member(
    vm: &mut Vm,
    who: &str,
    arguments: &[Value],
    same: impl Fn(&mut Vm, Value, Value) -> Outcome<bool>,
) -> Outcome {
    let mut rest = arguments[1];
    while rest.is_pair() {
        vm.mutator.safepoint();
        if same(vm, arguments[0], rest.car())? {
            return Ok(rest);
        }
        rest = rest.cdr();
    }
    if rest.is_nil() { Ok(Value::FALSE) } else { Err(vm.wrong_type(who, "list", arguments[1])) }
}

fn association(
    vm: &mut Vm,
    who: &str,
    arguments: &[Value],
    same: impl Fn(&mut Vm, Value, Value) -> Outcome<bool>,
) -> Outcome {
    let mut rest = arguments[1];
    while rest.is_pair() {
        vm.mutator.safepoint();
        let entry = rest.car();
        if !entry.is_pair() {
            return Err(vm.wrong_type(who, "pair", entry));
        }
        if same(vm, arguments[0], entry.car())? {
            return Ok(entry);
        }
        rest = rest.cdr();
    }
    if rest.is_nil() { Ok(Value::FALSE) } else { Err(vm.wrong_type(who, "list", arguments[1])) }
}

/// A symbol that is in no table.
fn generate_symbol(vm: &mut Vm, _arguments: &[Value]) -> Outcome {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = vm.string(&format!("g{number}"))?;
    vm.object_with(Type::Symbol, &[name, Value::index(number)])
}
