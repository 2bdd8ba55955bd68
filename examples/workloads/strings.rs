//! Strings: built, sliced and dropped, the oldest first. Objects without references, of all sizes.

use std::collections::VecDeque;
use std::time::Instant;

use clap::Args;
use strandline::{Heap, Kind, Mutator, ObjectRef, OutOfMemory, StackScan};

use crate::driver::{Failure, Outcome, Workload};
use crate::model::{Array, Records};
use crate::operations::Operations;
use crate::options::Options;
use crate::random::{Lehmer, MODULUS};
use crate::write::Writer;

/// Strings of 64 B to 64 KiB, built, sliced and dropped, with 200 MiB of them alive
#[derive(Debug, Args)]
pub(crate) struct Strings {
    /// Strings to make
    ops: u64,
}

/// Words alive, and strings.
const LIVE: usize = (200 << 20) / 8;
const QUEUE: usize = 1 << 16;

const SHORTEST: usize = 8;
const DOUBLINGS: usize = 10;

/// A string of `length` words: the length, then `first + 1`, `first + 2` and so on.
#[derive(Debug, Clone, Copy)]
struct Text {
    first: u64,
    length: usize,
}

/// What the next operation makes.
enum Next {
    New(Text),
    /// From the middle of the string at that place in the queue.
    Slice(usize),
}

impl Next {
    fn draw(random: &mut Lehmer, alive: usize) -> Self {
        if random.below(4) == 0 && alive > 0 {
            return Self::Slice(random.below(alive));
        }
        let shortest = SHORTEST << random.below(DOUBLINGS);
        let length = shortest + random.below(shortest);
        Self::New(Text { first: random.below(MODULUS as usize) as u64, length })
    }
}

impl Text {
    /// Where a slice of it begins, and how long that is.
    fn slice(length: usize) -> (usize, usize) {
        let sliced = (length / 2).max(SHORTEST);
        ((length / 4).min(length - sliced), sliced)
    }

    /// The first word and the last.
    fn ends(self) -> u64 {
        2 * self.first + self.length as u64
    }

    /// All words.
    fn sum(self) -> u64 {
        let (words, length) = (self.length as u64 - 1, self.length as u64);
        (words * self.first).wrapping_add(length * words / 2)
    }
}

fn word(string: ObjectRef, index: usize) -> *mut u64 {
    string.as_ptr::<u64>().wrapping_add(index)
}

fn length(string: ObjectRef) -> usize {
    // SAFETY: a string begins with its length, and callers pass those that are reachable.
    unsafe { word(string, 0).read() as usize }
}

fn new_string(mutator: &mut Mutator, length: usize) -> Result<ObjectRef, OutOfMemory> {
    let string = mutator.allocate(Kind::Leaf, length * 8)?;
    // SAFETY: it is at least that long.
    unsafe { word(string, 0).write(length as u64) };
    Ok(string)
}

fn write(mutator: &mut Mutator, text: Text) -> Result<ObjectRef, OutOfMemory> {
    let string = new_string(mutator, text.length)?;
    for index in 1..text.length {
        // SAFETY: the string has that word.
        unsafe { word(string, index).write(text.first + index as u64) };
    }
    Ok(string)
}

fn slice(mutator: &mut Mutator, of: ObjectRef) -> Result<ObjectRef, OutOfMemory> {
    let (start, length) = Text::slice(length(of));
    let string = new_string(mutator, length)?;
    // SAFETY: a slice lies inside its string, and the new string is not the old one.
    unsafe { word(of, start + 1).copy_to_nonoverlapping(word(string, 1), length - 1) };
    Ok(string)
}

/// The strings that are alive, the oldest first.
struct Queue<W> {
    ring: Array,
    first: usize,
    strings: usize,
    words: usize,
    writer: W,
}

impl<W: Writer> Queue<W> {
    fn get(&self, place: usize) -> ObjectRef {
        self.ring.get((self.first + place) % QUEUE).expect("the place is taken")
    }

    fn push(&mut self, string: ObjectRef) {
        self.ring.set((self.first + self.strings) % QUEUE, Some(string), self.writer);
        self.strings += 1;
        self.words += length(string);
    }

    fn is_full(&self) -> bool {
        self.words > LIVE || self.strings == QUEUE
    }

    /// Drops the oldest, and returns what its first and last words say.
    fn drop_oldest(&mut self) -> u64 {
        let (oldest, length) = (self.get(0), length(self.get(0)));
        self.ring.set(self.first, None, self.writer);
        self.first = (self.first + 1) % QUEUE;
        self.strings -= 1;
        self.words -= length;
        // SAFETY: the string is on this stack, and has these words.
        unsafe { word(oldest, 1).read() + word(oldest, length - 1).read() }
    }

    fn sum(&self, mutator: &mut Mutator) -> u64 {
        let mut sum = |string| {
            mutator.safepoint();
            // SAFETY: strings of the queue are reachable, and have so many words.
            (1..length(string)).map(|index| unsafe { word(string, index).read() }).sum::<u64>()
        };
        (0..self.strings).fold(0, |all, place| all.wrapping_add(sum(self.get(place))))
    }
}

impl Workload for Strings {
    const NAME: &'static str = "strings";
    type Model = Records;

    fn run<W: Writer>(
        &self,
        heap: &Heap<Records>,
        writer: W,
        options: &Options,
    ) -> Result<Outcome, Failure> {
        let mut mutator = heap.attach(StackScan::Conservative)?;
        let mut random = Lehmer::of_thread(options.seed, 0);
        let ring = Array::new(&mut mutator, QUEUE)?;
        let mut queue = Queue { ring, first: 0, strings: 0, words: 0, writer };
        let (start, mut sum) = (Instant::now(), 0_u64);
        let mut operations = Operations::new(start, 0);
        for _ in 0..self.ops {
            let string = match Next::draw(&mut random, queue.strings) {
                Next::New(text) => write(&mut mutator, text)?,
                Next::Slice(place) => slice(&mut mutator, queue.get(place))?,
            };
            queue.push(string);
            while queue.is_full() {
                sum = sum.wrapping_add(queue.drop_oldest());
            }
            operations.lap();
        }
        let run = start.elapsed();
        sum = sum.wrapping_add(queue.sum(&mut mutator));
        let operations = Some(operations);
        Ok(Outcome { threads: 1, run, operations, sum, ..Outcome::default() })
    }

    fn expected_sum(&self, seed: u64) -> u64 {
        let mut random = Lehmer::of_thread(seed, 0);
        let (mut queue, mut words, mut sum) = (VecDeque::<Text>::new(), 0, 0_u64);
        for _ in 0..self.ops {
            let text = match Next::draw(&mut random, queue.len()) {
                Next::New(text) => text,
                Next::Slice(place) => {
                    let (start, length) = Text::slice(queue[place].length);
                    Text { first: queue[place].first + start as u64, length }
                }
            };
            words += text.length;
            queue.push_back(text);
            while words > LIVE || queue.len() == QUEUE {
                let oldest = queue.pop_front().expect("something is too much");
                words -= oldest.length;
                sum = sum.wrapping_add(oldest.ends());
            }
        }
        queue.into_iter().fold(sum, |sum, text| sum.wrapping_add(text.sum()))
    }
}
