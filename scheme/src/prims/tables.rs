//! Hash tables: what the prelude makes SRFI 69 of.

use super::strings::folded_text;
use super::{Definition, predicate};
use crate::equality::{hash_characters, hash_eq, hash_equal, hash_eqv};
use crate::object::Type;
use crate::symbols::hash_of;
use crate::tables::{Equivalence, TABLE_EQUIVALENCE, TABLE_HASH, table_count};
use crate::value::Value;
use crate::vm::{Outcome, Vm};

pub(super) const TABLE: &[Definition] = &[
    ("hash-table?", 1, 1, predicate!(|value| value.is(Type::Table))),
    // (%make-table kind equivalence hash), the latter two #f but for tables of the program's kind
    ("%make-table", 3, 3, |vm, a| {
        let table = vm.table(match a[0].as_fixnum() {
            0 => Equivalence::Eq,
            1 => Equivalence::Eqv,
            _ => Equivalence::Equal,
        })?;
        table.set_slot(TABLE_EQUIVALENCE, a[1]);
        table.set_slot(TABLE_HASH, a[2]);
        Ok(table)
    }),
    ("%table-equivalence", 1, 1, |vm, a| {
        vm.expect("hash table", Type::Table, a[0])?;
        Ok(a[0].slot(TABLE_EQUIVALENCE))
    }),
    ("%table-hash", 1, 1, |_, a| Ok(a[0].slot(TABLE_HASH))),
    ("%table-kind", 1, 1, |_, a| Ok(a[0].slot(crate::tables::TABLE_KIND))),
    ("%table-ref", 3, 3, |vm, a| {
        vm.expect("hash-table-ref", Type::Table, a[0])?;
        Ok(vm.table_get(a[0], a[1])?.unwrap_or(a[2]))
    }),
    ("%table-set!", 3, 3, |vm, a| {
        vm.expect("hash-table-set!", Type::Table, a[0])?;
        vm.table_put(a[0], a[1], a[2]).map(|()| Value::UNSPECIFIED)
    }),
    ("%table-delete!", 2, 2, |vm, a| {
        vm.expect("hash-table-delete!", Type::Table, a[0])?;
        vm.table_delete(a[0], a[1]).map(|()| Value::UNSPECIFIED)
    }),
    ("%table-count", 1, 1, |_, a| Ok(Value::index(table_count(a[0])))),
    ("%table-clear!", 1, 1, |vm, a| vm.table_clear(a[0]).map(|()| Value::UNSPECIFIED)),
    ("%table-entries", 1, 1, |vm, a| {
        vm.expect("hash table", Type::Table, a[0])?;
        vm.table_entries(a[0])
    }),
    ("hash", 1, 2, |vm, a| bounded(vm, hash_equal(a[0]), a)),
    ("equal-hash", 1, 2, |vm, a| bounded(vm, hash_equal(a[0]), a)),
    ("eqv-hash", 1, 2, |vm, a| bounded(vm, hash_eqv(a[0]), a)),
    ("eq-hash", 1, 2, |vm, a| bounded(vm, hash_eq(a[0]), a)),
    ("hash-by-identity", 1, 2, |vm, a| bounded(vm, hash_eq(a[0]), a)),
    ("string-hash", 1, 2, |vm, a| {
        vm.expect("string-hash", Type::String, a[0])?;
        bounded(vm, hash_characters(a[0]), a)
    }),
    ("string-ci-hash", 1, 2, |vm, a| {
        vm.expect("string-ci-hash", Type::String, a[0])?;
        let text = vm.text_of(a[0], 0..a[0].length());
        let hash = vm.aside(text.len(), || hash_of(folded_text(&text).map(u32::from)));
        bounded(vm, hash, a)
    }),
];

/// A hash value below the bound in the second argument, if there is one.
fn bounded(vm: &mut Vm, hash: usize, arguments: &[Value]) -> Outcome {
    let bound = match arguments.get(1) {
        Some(&bound) => vm.index_in("hash", bound)?.max(1),
        None => 1 << 60,
    };
    Ok(Value::index(hash % bound))
}
