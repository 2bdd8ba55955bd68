//! Weak pairs, ephemerons (SRFI 124), weak tables; guardians, as the prelude uses them.

use std::sync::Arc;

use strandline::WeakMap;

use super::{Definition, predicate};
use crate::object::Type;
use crate::value::Value;
use crate::vm::{Outcome, Vm};
use crate::weak::Native;

/// Slots of a weak pair and of an ephemeron: a reference, and the cdr or the datum of a key that is
/// no object.
const REFERENCE: usize = 0;
const REST: usize = 1;

pub(super) const TABLE: &[Definition] = &[
    ("weak-cons", 2, 2, |vm, a| {
        let reference = vm.weak_reference(a[0])?;
        vm.object_with(Type::WeakPair, &[reference, a[1]])
    }),
    ("weak-pair?", 1, 1, predicate!(|value| value.is(Type::WeakPair))),
    ("weak-pair/car?", 1, 1, |vm, a| {
        let pair = weak_pair(vm, "weak-pair/car?", a[0])?;
        Ok(Value::boolean(vm.referent(pair.slot(REFERENCE)).is_some()))
    }),
    ("weak-car", 1, 1, |vm, a| {
        let pair = weak_pair(vm, "weak-car", a[0])?;
        Ok(vm.referent(pair.slot(REFERENCE)).unwrap_or(Value::FALSE))
    }),
    ("weak-cdr", 1, 1, |vm, a| Ok(weak_pair(vm, "weak-cdr", a[0])?.slot(REST))),
    ("weak-set-car!", 2, 2, |vm, a| {
        let pair = weak_pair(vm, "weak-set-car!", a[0])?;
        pair.set_slot(REFERENCE, vm.weak_reference(a[1])?);
        Ok(Value::UNSPECIFIED)
    }),
    ("weak-set-cdr!", 2, 2, |vm, a| {
        weak_pair(vm, "weak-set-cdr!", a[0])?.set_slot(REST, a[1]);
        Ok(Value::UNSPECIFIED)
    }),
    ("make-ephemeron", 2, 2, |vm, a| {
        let reference = vm.ephemeral_reference(a[0], a[1])?;
        let rest = if reference.is(Type::WeakField) { Value::FALSE } else { a[1] };
        vm.object_with(Type::Ephemeron, &[reference, rest])
    }),
    ("ephemeron?", 1, 1, predicate!(|value| value.is(Type::Ephemeron))),
    ("ephemeron-broken?", 1, 1, |vm, a| {
        vm.expect("ephemeron-broken?", Type::Ephemeron, a[0])?;
        Ok(Value::boolean(vm.referent(a[0].slot(REFERENCE)).is_none()))
    }),
    ("ephemeron-key", 1, 1, |vm, a| {
        vm.expect("ephemeron-key", Type::Ephemeron, a[0])?;
        Ok(vm.referent(a[0].slot(REFERENCE)).unwrap_or(Value::FALSE))
    }),
    ("ephemeron-datum", 1, 1, |vm, a| {
        vm.expect("ephemeron-datum", Type::Ephemeron, a[0])?;
        let reference = a[0].slot(REFERENCE);
        if !reference.is(Type::WeakField) {
            return Ok(a[0].slot(REST));
        }
        Ok(vm.ephemeral_content(reference).unwrap_or(Value::FALSE))
    }),
    // The argument is alive until here.
    ("reference-barrier", 1, 1, |_, _| Ok(Value::UNSPECIFIED)),
    ("make-weak-table", 0, 0, |vm, _| {
        vm.native(Type::WeakTable, |references, holder| {
            Native::Table(references.weak_map_of(holder))
        })
    }),
    ("weak-table?", 1, 1, predicate!(|value| value.is(Type::WeakTable))),
    ("weak-table-ref", 2, 3, |vm, a| {
        let map = weak_table(vm, "weak-table-ref", a[0])?;
        let found = a[1].as_object().and_then(|key| map.get(&vm.mutator, key));
        let default = a.get(2).copied().unwrap_or(Value::FALSE);
        Ok(found.map_or(default, |content| Value::of_object(content).slot(0)))
    }),
    ("weak-table-set!", 3, 3, |vm, a| {
        let map = weak_table(vm, "weak-table-set!", a[0])?;
        let content = vm.object_with(Type::Box, &[a[2]])?;
        let (Some(key), Some(content)) = (a[1].as_object(), content.as_object()) else {
            return Err(vm.wrong_type("weak-table-set!", "key that can be collected", a[1]));
        };
        map.insert(&vm.mutator, key, content);
        Ok(Value::UNSPECIFIED)
    }),
    ("weak-table-delete!", 2, 2, |vm, a| {
        let map = weak_table(vm, "weak-table-delete!", a[0])?;
        if let Some(key) = a[1].as_object() {
            map.remove(&vm.mutator, key);
        }
        Ok(Value::UNSPECIFIED)
    }),
    ("weak-table-count", 1, 1, |vm, a| {
        let map = weak_table(vm, "weak-table-count", a[0])?;
        Ok(Value::index(map.len(&vm.mutator)))
    }),
    ("weak-table->alist", 1, 1, entries),
    ("%make-guardian", 0, 0, |vm, _| {
        vm.native(Type::Guardian, |references, holder| {
            Native::Guardian(references.guardian_of(holder))
        })
    }),
    // What is no object is never collected, so it is never handed over.
    ("%guardian-register!", 2, 2, |vm, a| {
        if let (Native::Guardian(guardian), Some(object)) = (&*vm.native_of(a[0]), a[1].as_object())
        {
            guardian.register(object);
        }
        Ok(Value::UNSPECIFIED)
    }),
    ("%guardian-take", 1, 1, |vm, a| match &*vm.native_of(a[0]) {
        Native::Guardian(guardian) => {
            Ok(guardian.take(&vm.mutator).map_or(Value::FALSE, Value::of_object))
        }
        Native::Table(_) => Ok(Value::FALSE),
    }),
];

fn weak_pair(vm: &mut Vm, who: &str, value: Value) -> Outcome {
    vm.expect(who, Type::WeakPair, value).map(|()| value)
}

/// The map of a weak table.
struct Table(Arc<Native>);

impl std::ops::Deref for Table {
    type Target = WeakMap;

    fn deref(&self) -> &WeakMap {
        match &*self.0 {
            Native::Table(map) => map,
            Native::Guardian(_) => unreachable!("a weak table owns a map"),
        }
    }
}

fn weak_table(vm: &mut Vm, who: &str, value: Value) -> Outcome<Table> {
    vm.expect(who, Type::WeakTable, value)?;
    Ok(Table(vm.native_of(value)))
}

fn entries(vm: &mut Vm, a: &[Value]) -> Outcome {
    let map = weak_table(vm, "weak-table->alist", a[0])?;
    // The map is locked while it is walked, so nothing may be allocated then.
    let (mut found, mut room) = (Value::NIL, map.len(&vm.mutator));
    loop {
        let vector = vm.vector(2 * room, Value::FALSE)?;
        let mut count = 0;
        map.for_each(&vm.mutator, |key, content| {
            if count < room {
                vector.set_slot(2 * count, Value::of_object(key));
                vector.set_slot(2 * count + 1, Value::of_object(content).slot(0));
            }
            count += 1;
        });
        if count > room {
            // Another thread has added some.
            room = count;
            continue;
        }
        for index in 0..count {
            let entry = vm.cons(vector.slot(2 * index), vector.slot(2 * index + 1))?;
            found = vm.cons(entry, found)?;
        }
        return Ok(found);
    }
}
