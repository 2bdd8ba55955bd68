//! Hash tables, as the interpreter itself uses them and as programs have them (SRFI 69).
//!
//! A vector of lists of `(key . value)`. Threads that share one take care of that themselves.

use crate::equality::{eqv, hash_eq, hash_equal, hash_eqv};
use crate::object::{Type, elements};
use crate::value::Value;
use crate::vm::{Outcome, Vm};

/// Slots of a table.
const BUCKETS: usize = 0;
const COUNT: usize = 1;
pub(crate) const TABLE_KIND: usize = 2;
/// For tables with procedures of the program's: the equivalence and the hash function. The keys of
/// such a table are hash values, and its values association lists; the prelude does that.
pub(crate) const TABLE_EQUIVALENCE: usize = 3;
pub(crate) const TABLE_HASH: usize = 4;
const TABLE_SLOTS: usize = 5;

const FEWEST_BUCKETS: usize = 8;

/// When two keys are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Equivalence {
    Eq,
    Eqv,
    Equal,
}

impl Equivalence {
    pub(crate) fn of(table: Value) -> Self {
        match table.slot(TABLE_KIND).as_fixnum() {
            0 => Self::Eq,
            1 => Self::Eqv,
            _ => Self::Equal,
        }
    }

    fn hash(self, key: Value) -> usize {
        match self {
            Self::Eq => hash_eq(key),
            Self::Eqv => hash_eqv(key),
            Self::Equal => hash_equal(key),
        }
    }
}

impl Vm {
    pub(crate) fn table(&mut self, equivalence: Equivalence) -> Outcome {
        let buckets = self.vector(FEWEST_BUCKETS, Value::NIL)?;
        let table = self.object(Type::Table, TABLE_SLOTS)?;
        table.set_slot(BUCKETS, buckets);
        table.set_slot(TABLE_KIND, Value::fixnum(equivalence as i64));
        Ok(table)
    }

    /// The pair of `key` and its value.
    pub(crate) fn table_entry(&mut self, table: Value, key: Value) -> Outcome<Option<Value>> {
        let equivalence = Equivalence::of(table);
        let buckets = table.slot(BUCKETS);
        let bucket = buckets.slot(equivalence.hash(key) & (buckets.length() - 1));
        for entry in elements(bucket) {
            let found = match equivalence {
                Equivalence::Eq => entry.car() == key,
                Equivalence::Eqv => eqv(entry.car(), key),
                Equivalence::Equal => self.equal(entry.car(), key)?,
            };
            if found {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }

    pub(crate) fn table_get(&mut self, table: Value, key: Value) -> Outcome<Option<Value>> {
        Ok(self.table_entry(table, key)?.map(Value::cdr))
    }

    pub(crate) fn table_put(&mut self, table: Value, key: Value, value: Value) -> Outcome<()> {
        if let Some(entry) = self.table_entry(table, key)? {
            entry.set_cdr(value);
            return Ok(());
        }
        let hash = Equivalence::of(table).hash(key);
        let entry = self.cons(key, value)?;
        self.table_add(table, hash, entry)
    }

    /// Adds an entry whose key is not there, by a hash value.
    fn table_add(&mut self, table: Value, hash: usize, entry: Value) -> Outcome<()> {
        let count = table_count(table) + 1;
        if count > table.slot(BUCKETS).length() {
            self.table_grow(table)?;
        }
        let buckets = table.slot(BUCKETS);
        let index = hash & (buckets.length() - 1);
        let bucket = self.cons(entry, buckets.slot(index))?;
        buckets.set_slot(index, bucket);
        table.set_slot(COUNT, Value::index(count));
        Ok(())
    }

    fn table_grow(&mut self, table: Value) -> Outcome<()> {
        let equivalence = Equivalence::of(table);
        let old = table.slot(BUCKETS);
        let new = self.vector(old.length() * 2, Value::NIL)?;
        for index in 0..old.length() {
            let mut rest = old.slot(index);
            self.mutator.safepoint();
            while rest.is_pair() {
                let next = rest.cdr();
                let place = equivalence.hash(rest.car().car()) & (new.length() - 1);
                rest.set_cdr(new.slot(place));
                new.set_slot(place, rest);
                rest = next;
            }
        }
        table.set_slot(BUCKETS, new);
        Ok(())
    }

    pub(crate) fn table_delete(&mut self, table: Value, key: Value) -> Outcome<()> {
        let Some(entry) = self.table_entry(table, key)? else { return Ok(()) };
        let buckets = table.slot(BUCKETS);
        let index = Equivalence::of(table).hash(key) & (buckets.length() - 1);
        let mut rest = buckets.slot(index);
        if rest.car() == entry {
            buckets.set_slot(index, rest.cdr());
        } else {
            while rest.cdr().car() != entry {
                rest = rest.cdr();
            }
            rest.set_cdr(rest.cdr().cdr());
        }
        table.set_slot(COUNT, Value::index(table_count(table) - 1));
        Ok(())
    }

    pub(crate) fn table_clear(&mut self, table: Value) -> Outcome<()> {
        let buckets = self.vector(FEWEST_BUCKETS, Value::NIL)?;
        table.set_slot(BUCKETS, buckets);
        table.set_slot(COUNT, Value::ZERO);
        Ok(())
    }

    /// The entries as an association list that shares its pairs with the table.
    pub(crate) fn table_entries(&mut self, table: Value) -> Outcome {
        let mut list = Value::NIL;
        let buckets = table.slot(BUCKETS);
        for index in 0..buckets.length() {
            self.mutator.safepoint();
            for entry in elements(buckets.slot(index)) {
                list = self.cons(entry, list)?;
            }
        }
        Ok(list)
    }
}

pub(crate) fn table_count(table: Value) -> usize {
    table.slot(COUNT).as_fixnum() as usize
}
