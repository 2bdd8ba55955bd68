//! Objects in the heap: what they look like, and plain loads and stores.
//!
//! A pair is two words. Every other object begins with a header word, which never changes:
//!
//! ```text
//! bits 0-2: 7   bits 8-15: type   bits 16-63: length
//! ```
//!
//! and goes on with `length` values; or, in objects without references, with bytes, characters or
//! digits. A first word that is no header is the car of a pair. That is all that the collector has
//! to know (see [`crate::model`]).
//!
//! The methods here are safe to call because of one rule that the whole interpreter keeps: a value
//! with a pointer tag is the address of a live object of that kind. Values come from the allocating
//! functions of [`crate::vm`] only, and whatever a thread uses is on its stacks.

use std::slice;

use strandline::ObjectRef;

use crate::value::{CLOSURE, FLONUM, HEADER, OBJECT, PAIR, TAG_MASK, Value};

pub(crate) const WORD: usize = size_of::<Value>();

/// The types of objects with a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Type {
    Vector,
    Closure,
    Code,
    Cell,
    Box,
    Symbol,
    Record,
    /// The type of some records.
    Structure,
    Primitive,
    /// A part of a stack that was copied to the heap.
    Chunk,
    Continuation,
    Values,
    Promise,
    Parameter,
    Port,
    Table,
    Environment,
    Macro,
    /// An identifier that a macro has inserted.
    Alias,
    Ratio,
    /// A number that is not real.
    Complex,
    Condition,
    Thread,
    Mutex,
    ConditionVariable,
    WeakPair,
    Ephemeron,
    WeakTable,
    Guardian,
    // Without references:
    String,
    /// The number of a weak reference; see [`crate::weak`].
    WeakField,
    Bytevector,
    Bignum,
    Flonum,
}

impl Type {
    const LAST: u8 = Self::Flonum as u8;

    /// Its name in messages: words with hyphens.
    pub(crate) fn name(self) -> String {
        let mut name = String::new();
        for c in format!("{self:?}").chars() {
            if c.is_uppercase() && !name.is_empty() {
                name.push('-');
            }
            name.extend(c.to_lowercase());
        }
        name
    }

    pub(crate) const fn is_leaf(self) -> bool {
        self as u8 >= Self::String as u8
    }
}

/// The header of an object.
pub(crate) const fn header(ty: Type, length: usize) -> usize {
    HEADER | (ty as usize) << 8 | length << 16
}

/// How many slots follow a header, if the word is one.
#[inline]
pub(crate) const fn slots_of_header(word: usize) -> Option<usize> {
    if word & TAG_MASK == HEADER { Some(word >> 16) } else { None }
}

impl Value {
    #[inline]
    pub(crate) const fn from_address(address: usize, tag: usize) -> Self {
        Self(address | tag)
    }

    /// The address of the object.
    #[inline]
    pub(crate) const fn address(self) -> usize {
        self.0 & !TAG_MASK
    }

    /// The object, as the heap has it. `None` for what is none, such as a small number.
    pub(crate) fn as_object(self) -> Option<ObjectRef> {
        match self.tag() {
            // SAFETY: the rule of this module: with these tags it is the address of an object.
            PAIR | OBJECT | FLONUM | CLOSURE => unsafe { ObjectRef::from_address(self.address()) },
            _ => None,
        }
    }

    /// The value that refers to an object of this heap: its first word tells the tag.
    pub(crate) fn of_object(object: ObjectRef) -> Self {
        let value = Self::from_address(object.address(), OBJECT);
        match slots_of_header(value.header()) {
            Some(_) => Self::from_address(object.address(), tag_for(value.object_type())),
            None => Self::from_address(object.address(), PAIR),
        }
    }

    #[inline]
    fn word(self, index: usize) -> *mut usize {
        std::ptr::with_exposed_provenance_mut(self.address() + index * WORD)
    }

    #[inline]
    fn header(self) -> usize {
        debug_assert!(matches!(self.tag(), OBJECT | CLOSURE | FLONUM), "{self:?} has no header");
        // SAFETY: the rule of this module: an object with a header is there.
        unsafe { self.word(0).read() }
    }

    #[inline]
    pub(crate) fn object_type(self) -> Type {
        let number = (self.header() >> 8) as u8;
        debug_assert!(number <= Type::LAST);
        // SAFETY: headers are made by `header` alone, from a `Type`.
        unsafe { std::mem::transmute::<u8, Type>(number) }
    }

    /// The length in the header.
    #[inline]
    pub(crate) fn length(self) -> usize {
        self.header() >> 16
    }

    /// Slot `index` of an object with a header.
    #[inline]
    pub(crate) fn slot(self, index: usize) -> Self {
        debug_assert!(index < self.length());
        // SAFETY: the rule of this module, and an index within the length.
        unsafe { Self(self.word(1 + index).read()) }
    }

    /// Stores into slot `index`: a plain store, whatever the collector is doing.
    #[inline]
    pub(crate) fn set_slot(self, index: usize, value: Self) {
        debug_assert!(index < self.length());
        // SAFETY: as for `slot`.
        unsafe { self.word(1 + index).write(value.0) }
    }

    /// All slots. Nobody may store into them while they are borrowed; callers look and let go.
    pub(crate) fn slots<'a>(self) -> &'a [Self] {
        debug_assert!(!self.object_type().is_leaf());
        // SAFETY: the rule of this module.
        unsafe { slice::from_raw_parts(self.word(1).cast(), self.length()) }
    }

    #[inline]
    pub(crate) fn car(self) -> Self {
        debug_assert!(self.is_pair());
        // SAFETY: the rule of this module.
        unsafe { Self(self.word(0).read()) }
    }

    #[inline]
    pub(crate) fn cdr(self) -> Self {
        debug_assert!(self.is_pair());
        // SAFETY: the rule of this module.
        unsafe { Self(self.word(1).read()) }
    }

    #[inline]
    pub(crate) fn set_car(self, value: Self) {
        debug_assert!(self.is_pair());
        // SAFETY: the rule of this module.
        unsafe { self.word(0).write(value.0) }
    }

    #[inline]
    pub(crate) fn set_cdr(self, value: Self) {
        debug_assert!(self.is_pair());
        // SAFETY: the rule of this module.
        unsafe { self.word(1).write(value.0) }
    }

    #[inline]
    pub(crate) fn as_flonum(self) -> f64 {
        debug_assert!(self.is_flonum());
        // SAFETY: the rule of this module.
        unsafe { f64::from_bits(self.word(1).read() as u64) }
    }

    /// Where the data of an object without references is.
    #[inline]
    pub(crate) fn data<T>(self) -> *mut T {
        self.word(1).cast()
    }

    /// The characters of a string, as code points.
    pub(crate) fn characters<'a>(self) -> &'a [u32] {
        debug_assert!(self.is_string());
        // SAFETY: the rule of this module.
        unsafe { slice::from_raw_parts(self.data(), self.length()) }
    }

    /// As [`characters`](Self::characters), to write. The slice is to be let go at once.
    pub(crate) fn characters_mut<'a>(self) -> &'a mut [u32] {
        debug_assert!(self.is_string());
        // SAFETY: the rule of this module.
        unsafe { slice::from_raw_parts_mut(self.data(), self.length()) }
    }

    pub(crate) fn bytes<'a>(self) -> &'a [u8] {
        debug_assert!(self.is(Type::Bytevector));
        // SAFETY: the rule of this module.
        unsafe { slice::from_raw_parts(self.data(), self.length()) }
    }

    /// As [`bytes`](Self::bytes), to write. The slice is to be let go at once.
    pub(crate) fn bytes_mut<'a>(self) -> &'a mut [u8] {
        debug_assert!(self.is(Type::Bytevector));
        // SAFETY: the rule of this module.
        unsafe { slice::from_raw_parts_mut(self.data(), self.length()) }
    }

    /// The text of a string.
    pub(crate) fn text(self) -> String {
        self.characters().iter().map(|&c| char::from_u32(c).unwrap_or('\u{fffd}')).collect()
    }

    /// The name of a symbol, or of what an alias stands for.
    pub(crate) fn symbol_name(self) -> String {
        let mut name = self;
        while name.is(Type::Alias) {
            name = name.slot(0);
        }
        name.slot(0).text()
    }
}

/// The elements of a list, up to its end or to what is no pair.
pub(crate) fn elements(list: Value) -> impl Iterator<Item = Value> {
    let mut rest = list;
    std::iter::from_fn(move || {
        rest.is_pair().then(|| {
            let element = rest.car();
            rest = rest.cdr();
            element
        })
    })
}

/// The length of a proper list.
pub(crate) fn list_length(list: Value) -> Option<usize> {
    list_length_by(list, || ())
}

/// The length of a proper list; does `step` at each pair.
pub(crate) fn list_length_by(list: Value, mut step: impl FnMut()) -> Option<usize> {
    let (mut rest, mut slow, mut length) = (list, list, 0);
    while rest.is_pair() {
        step();
        rest = rest.cdr();
        length += 1;
        if length % 2 == 0 {
            slow = slow.cdr();
            if slow == rest && rest.is_pair() {
                return None;
            }
        }
    }
    rest.is_nil().then_some(length)
}

/// The tag of pointers to objects of type `ty`.
pub(crate) const fn tag_for(ty: Type) -> usize {
    match ty {
        Type::Closure => CLOSURE,
        Type::Flonum => FLONUM,
        _ => OBJECT,
    }
}

/// The tag of pairs, for allocation.
pub(crate) const PAIR_TAG: usize = PAIR;
