//! A cache: a hash table and a list in the order of use. Every operation writes to objects of all
//! ages, so generations are of little use to it.

use std::time::Instant;

use clap::Args;
use strandline::{Heap, Kind, Mutator, ObjectRef, OutOfMemory, StackScan};

use crate::driver::{Failure, Outcome, Workload};
use crate::model::{Array, Records, new_record};
use crate::operations::Operations;
use crate::options::Options;
use crate::random::Lehmer;
use crate::write::Writer;

mod reference;

/// A cache of 256-byte values, a hash table and a list, looked up with random keys
#[derive(Debug, Args)]
pub(crate) struct Lru {
    /// Entries in the cache, at most
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    cap: u32,
    /// Different keys
    #[arg(value_parser = clap::value_parser!(u32).range(1..=i64::from(i32::MAX)))]
    keys: u32,
    /// Look-ups
    ops: u64,
}

const VALUE_WORDS: usize = 256 / 8;

/// An entry. A type for layouts only: there is never a value of it, nor a reference to one.
#[repr(C)]
struct Entry {
    header: usize,
    /// The next one in the same bucket.
    chain: Option<ObjectRef>,
    newer: Option<ObjectRef>,
    older: Option<ObjectRef>,
    value: Option<ObjectRef>,
    key: u64,
}

fn entry(object: ObjectRef) -> *mut Entry {
    object.as_ptr()
}

/// A value: words that are all the key, without references.
fn new_value(mutator: &mut Mutator, key: u64) -> Result<ObjectRef, OutOfMemory> {
    let value = mutator.allocate(Kind::Leaf, VALUE_WORDS * 8)?;
    for word in 0..VALUE_WORDS {
        // SAFETY: the value has that word.
        unsafe { value.as_ptr::<u64>().add(word).write(key) };
    }
    Ok(value)
}

/// The cache. Lives on the stack, where the collector finds its references.
struct Cache<W> {
    buckets: Array,
    newest: Option<ObjectRef>,
    oldest: Option<ObjectRef>,
    entries: usize,
    capacity: usize,
    writer: W,
}

impl<W: Writer> Cache<W> {
    fn new(mutator: &mut Mutator, capacity: usize, writer: W) -> Result<Self, OutOfMemory> {
        let buckets = Array::new(mutator, 1024)?;
        Ok(Self { buckets, newest: None, oldest: None, entries: 0, capacity, writer })
    }

    /// The key as the value has it, if there is one.
    fn get(&mut self, key: u64) -> Option<u64> {
        let mut next = self.buckets.get(self.bucket(key));
        while let Some(found) = next {
            // SAFETY: entries in the table are reachable, and an entry has a value.
            unsafe {
                if (*entry(found)).key == key {
                    self.unlink(found);
                    self.link(found);
                    return Some((*entry(found)).value?.as_ptr::<u64>().read());
                }
                next = (*entry(found)).chain;
            }
        }
        None
    }

    /// Adds a key that is not there, and drops the one that was not used for longest.
    fn insert(&mut self, mutator: &mut Mutator, key: u64) -> Result<(), OutOfMemory> {
        let value = new_value(mutator, key)?;
        let new = new_record(mutator, 4, size_of::<Entry>())?;
        if self.entries == self.capacity {
            self.evict();
        } else if self.entries == self.buckets.length() {
            self.grow(mutator)?;
        }
        // SAFETY: the new entry is reachable from this frame.
        unsafe {
            (*entry(new)).key = key;
            self.writer.write(&raw mut (*entry(new)).value, Some(value));
        }
        self.chain(new);
        self.link(new);
        self.entries += 1;
        Ok(())
    }

    fn bucket(&self, key: u64) -> usize {
        let bits = self.buckets.length().trailing_zeros();
        (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - bits)) as usize
    }

    /// Puts an entry into its bucket.
    fn chain(&mut self, object: ObjectRef) {
        // SAFETY: an entry that is reachable.
        unsafe {
            let bucket = self.bucket((*entry(object)).key);
            self.writer.write(&raw mut (*entry(object)).chain, self.buckets.get(bucket));
            self.buckets.set(bucket, Some(object), self.writer);
        }
    }

    /// Takes an entry out of its bucket.
    fn unchain(&mut self, object: ObjectRef) {
        // SAFETY: the entries of the table are reachable, and the object is one of them.
        unsafe {
            let (bucket, rest) = (self.bucket((*entry(object)).key), (*entry(object)).chain);
            let mut before = self.buckets.get(bucket).expect("it has the entry");
            if before == object {
                return self.buckets.set(bucket, rest, self.writer);
            }
            while (*entry(before)).chain != Some(object) {
                before = (*entry(before)).chain.expect("it comes further down");
            }
            self.writer.write(&raw mut (*entry(before)).chain, rest);
        }
    }

    /// Makes an entry the newest.
    fn link(&mut self, object: ObjectRef) {
        // SAFETY: the entry and the newest one are reachable.
        unsafe {
            self.writer.write(&raw mut (*entry(object)).newer, None);
            self.writer.write(&raw mut (*entry(object)).older, self.newest);
            match self.newest {
                Some(newest) => self.writer.write(&raw mut (*entry(newest)).newer, Some(object)),
                None => self.oldest = Some(object),
            }
        }
        self.newest = Some(object);
    }

    /// Takes an entry out of the list.
    fn unlink(&mut self, object: ObjectRef) {
        // SAFETY: the entry and its neighbours are reachable.
        unsafe {
            let (newer, older) = ((*entry(object)).newer, (*entry(object)).older);
            match newer {
                Some(newer) => self.writer.write(&raw mut (*entry(newer)).older, older),
                None => self.newest = older,
            }
            match older {
                Some(older) => self.writer.write(&raw mut (*entry(older)).newer, newer),
                None => self.oldest = newer,
            }
        }
    }

    fn evict(&mut self) {
        let oldest = self.oldest.expect("a full cache has entries");
        self.unlink(oldest);
        self.unchain(oldest);
        // Something on the stack may still look like a reference to it. That would keep one entry;
        // but with its neighbour all that come to be evicted after it.
        // SAFETY: the entry is reachable from this frame.
        unsafe {
            self.writer.write(&raw mut (*entry(oldest)).newer, None);
            self.writer.write(&raw mut (*entry(oldest)).chain, None);
        }
        self.entries -= 1;
    }

    /// Twice as many buckets.
    fn grow(&mut self, mutator: &mut Mutator) -> Result<(), OutOfMemory> {
        self.buckets = Array::new(mutator, 2 * self.buckets.length())?;
        let mut next = self.newest;
        while let Some(object) = next {
            mutator.safepoint();
            self.chain(object);
            // SAFETY: entries in the list are reachable.
            next = unsafe { (*entry(object)).older };
        }
        Ok(())
    }

    /// The sum of the keys from the newest to the oldest, each times its place from 1 on.
    fn sum(&self, mutator: &mut Mutator) -> u64 {
        let next = |&object: &ObjectRef| {
            mutator.safepoint();
            // SAFETY: entries in the list are reachable.
            unsafe { (*entry(object)).older }
        };
        // SAFETY: as above.
        let keys = std::iter::successors(self.newest, next).map(|o| unsafe { (*entry(o)).key });
        keys.zip(1..).fold(0, |sum, (key, place)| sum.wrapping_add(key.wrapping_mul(place)))
    }
}

impl Workload for Lru {
    const NAME: &'static str = "lru";
    type Model = Records;

    fn run<W: Writer>(
        &self,
        heap: &Heap<Records>,
        writer: W,
        options: &Options,
    ) -> Result<Outcome, Failure> {
        let mut mutator = heap.attach(StackScan::Conservative)?;
        let (mut random, mut sum) = (Lehmer::of_thread(options.seed, 0), 0_u64);
        let start = Instant::now();
        let mut cache = Cache::new(&mut mutator, self.cap as usize, writer)?;
        let mut operations = Operations::new(start, 0);
        for _ in 0..self.ops {
            let key = random.below(self.keys as usize) as u64;
            match cache.get(key) {
                Some(value) => sum = sum.wrapping_add(value),
                None => cache.insert(&mut mutator, key)?,
            }
            operations.lap();
        }
        Ok(Outcome {
            threads: 1,
            run: start.elapsed(),
            operations: Some(operations),
            sum: sum.wrapping_add(cache.sum(&mut mutator)),
            ..Outcome::default()
        })
    }

    /// The keys of all hits, and those that are left in their order.
    fn expected_sum(&self, seed: u64) -> u64 {
        let mut random = Lehmer::of_thread(seed, 0);
        let keys = (0..self.ops).map(|_| random.below(self.keys as usize) as u32);
        reference::sum(keys, self.keys, self.cap)
    }
}
