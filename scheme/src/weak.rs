//! What refers to objects without keeping them alive: weak pairs, ephemerons, weak tables, guardians.
//!
//! The heap has all of them in side tables ([`strandline::References`]). A weak reference or an
//! ephemeron of the language is an object without references, a *field*, that holds the number of an
//! entry there; the entry ends with it. Tables and guardians are handles of Rust's, which the
//! interpreter has in a list until their objects are gone.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use strandline::{
    Clearing, DeathQueue, Guardian, References, Weak, WeakField, WeakMap, WeakOptions,
};

use crate::object::{Type, WORD};
use crate::value::Value;
use crate::vm::{Outcome, Vm};

/// What only Rust can own.
pub(crate) enum Native {
    Guardian(Guardian),
    Table(WeakMap),
}

struct Owned {
    native: Arc<Native>,
    /// Says when the object is gone that it belongs to.
    _object: Weak,
}

/// The natives of a heap, by the numbers that their objects hold.
pub(crate) struct Natives {
    pub(crate) references: References,
    gone: DeathQueue,
    owned: Mutex<(u64, HashMap<u64, Owned>)>,
}

impl Natives {
    pub(crate) fn new(references: References) -> Self {
        Self { gone: references.death_queue(), references, owned: Mutex::default() }
    }

    fn owned(&self) -> MutexGuard<'_, (u64, HashMap<u64, Owned>)> {
        self.owned.lock()
    }

    /// Lets those go whose objects are gone.
    fn release(&self) {
        let gone = self.gone.drain();
        // They are dropped after the lock: that takes a while.
        let _dropped: Vec<_> = {
            let mut owned = self.owned();
            gone.iter().filter_map(|number| owned.1.remove(number)).collect()
        };
    }
}

impl Vm {
    /// A reference to `value` that does not keep it alive. What is no object refers to itself.
    pub(crate) fn weak_reference(&mut self, value: Value) -> Outcome {
        if value.as_object().is_none() {
            return Ok(value);
        }
        // As long as it can be had from a guardian it is there.
        let options = WeakOptions { clearing: Clearing::WhenGone, notify: None };
        self.field(|references, holder| {
            let object = value.as_object().expect("it was one above");
            references.weak_field(holder, object, options)
        })
    }

    /// A reference to `key` that keeps `value` alive as long as the key is. Neither need be an object.
    pub(crate) fn ephemeral_reference(&mut self, key: Value, value: Value) -> Outcome {
        if key.as_object().is_none() {
            return Ok(key);
        }
        let content = self.object_with(Type::Box, &[value])?;
        self.field(|references, holder| {
            let both = (key.as_object(), content.as_object());
            let (Some(key), Some(content)) = both else { unreachable!("both are objects") };
            references.ephemeron_field(holder, key, content)
        })
    }

    fn field(
        &mut self,
        make: impl FnOnce(&References, strandline::ObjectRef) -> WeakField,
    ) -> Outcome {
        let holder = self.leaf(Type::WeakField, 1, WORD)?;
        let object = holder.as_object().expect("it has just been made");
        let bits = make(&self.shared.natives.references, object).to_bits();
        // SAFETY: the object has room for a word.
        unsafe { holder.data::<u64>().write(bits) };
        Ok(holder)
    }

    /// What a weak or ephemeral reference refers to, or `None` if that is gone.
    pub(crate) fn referent(&self, reference: Value) -> Option<Value> {
        if !reference.is(Type::WeakField) {
            return Some(reference);
        }
        let object = self.shared.natives.references.get(&self.mutator, field_of(reference)?)?;
        Some(Value::of_object(object))
    }

    /// What an ephemeral reference whose key is an object keeps alive.
    pub(crate) fn ephemeral_content(&self, reference: Value) -> Option<Value> {
        let references = &self.shared.natives.references;
        let content = references.value(&self.mutator, field_of(reference)?)?;
        Some(Value::of_object(content).slot(0))
    }

    /// An object of type `ty` that owns what `make` returns.
    pub(crate) fn native(
        &mut self,
        ty: Type,
        make: impl FnOnce(&References, strandline::ObjectRef) -> Native,
    ) -> Outcome {
        let value = self.object_with(ty, &[Value::ZERO])?;
        let natives = &self.shared.natives;
        natives.release();
        let object = value.as_object().expect("it has just been made");
        let native = Arc::new(make(&natives.references, object));
        let mut owned = natives.owned();
        owned.0 += 1;
        let number = owned.0;
        let options =
            WeakOptions { clearing: Clearing::WhenGone, notify: Some((&natives.gone, number)) };
        let weak = natives.references.weak_with(object, options);
        owned.1.insert(number, Owned { native, _object: weak });
        value.set_slot(0, Value::index(number as usize));
        Ok(value)
    }

    /// What an object owns.
    pub(crate) fn native_of(&self, value: Value) -> Arc<Native> {
        let number = value.slot(0).as_fixnum() as u64;
        let owned = self.shared.natives.owned();
        Arc::clone(&owned.1.get(&number).expect("its object is alive").native)
    }
}

fn field_of(reference: Value) -> Option<WeakField> {
    // SAFETY: fields are made above, with room for a word.
    WeakField::from_bits(unsafe { reference.data::<u64>().read() })
}
