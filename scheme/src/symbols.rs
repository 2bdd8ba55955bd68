//! The symbol table: in the heap, like everything.

use crate::object::{Type, elements};
use crate::value::Value;
use crate::vm::{Global, Outcome, Vm};

/// Slots of a symbol.
const NAME: usize = 0;
const HASH: usize = 1;

/// FNV-1a over code points.
pub(crate) fn hash_of(characters: impl Iterator<Item = u32>) -> usize {
    let hash = characters.fold(0xcbf2_9ce4_8422_2325_u64, |hash, c| {
        (hash ^ u64::from(c)).wrapping_mul(0x100_0000_01b3)
    });
    ((hash ^ hash >> 29) & 0x0fff_ffff_ffff_ffff) as usize
}

impl Vm {
    /// The symbol with this name.
    pub(crate) fn symbol(&mut self, name: &str) -> Outcome {
        let hash = hash_of(name.chars().map(u32::from));
        let shared = std::sync::Arc::clone(&self.shared);
        let _guard = self.lock(&shared.symbols);
        if shared.get(Global::Symbols).is_nil() {
            let table = self.vector(1024, Value::NIL)?;
            shared.set(Global::Symbols, table);
            shared.set(Global::SymbolCount, Value::ZERO);
        }
        let table = shared.get(Global::Symbols);
        let is_it = |symbol: &Value| {
            let characters = symbol.slot(NAME).characters();
            symbol.slot(HASH) == Value::index(hash)
                && characters.iter().copied().eq(name.chars().map(u32::from))
        };
        if let Some(symbol) = elements(table.slot(hash % table.length())).find(is_it) {
            return Ok(symbol);
        }
        let string = self.string(name)?;
        let symbol = self.object_with(Type::Symbol, &[string, Value::index(hash)])?;
        self.add_symbol(table, symbol)?;
        Ok(symbol)
    }

    fn add_symbol(&mut self, mut table: Value, symbol: Value) -> Outcome<()> {
        let count = self.shared.get(Global::SymbolCount).as_fixnum() as usize + 1;
        if count > table.length() {
            let larger = self.vector(table.length() * 2, Value::NIL)?;
            for &bucket in table.slots() {
                for symbol in elements(bucket) {
                    self.push_symbol(larger, symbol)?;
                }
            }
            self.shared.set(Global::Symbols, larger);
            table = larger;
        }
        self.push_symbol(table, symbol)?;
        self.shared.set(Global::SymbolCount, Value::index(count));
        Ok(())
    }

    fn push_symbol(&mut self, table: Value, symbol: Value) -> Outcome<()> {
        let index = symbol.slot(HASH).as_fixnum() as usize % table.length();
        let bucket = self.cons(symbol, table.slot(index))?;
        table.set_slot(index, bucket);
        Ok(())
    }

    /// The symbol that a string names.
    pub(crate) fn intern(&mut self, string: Value) -> Outcome {
        self.symbol(&string.text())
    }
}
