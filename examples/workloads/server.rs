//! A server: requests are due at fixed times, whether or not those before them are done, and change
//! sessions of all ages. What counts is the time from when a request was due until it was done.

use std::time::{Duration, Instant};

use clap::Args;
use strandline::{Heap, Kind, Mutator, ObjectRef, OutOfMemory, StackScan};

use crate::driver::{Failure, Outcome, Workload, on_threads};
use crate::levels::{self, level_sum};
use crate::model::{Array, Records, new_record};
use crate::operations::Operations;
use crate::options::Options;
use crate::random::Lehmer;
use crate::write::Writer;

/// Two threads answer requests that are due at fixed times, with sessions that come and go
#[derive(Debug, Args)]
pub(crate) struct Server {
    /// Sessions
    #[arg(value_parser = clap::value_parser!(u32).range(2..))]
    clients: u32,
    /// For how long requests come
    #[arg(value_parser = clap::value_parser!(u32).range(1..=86400))]
    seconds: u32,
}

const THREADS: usize = 2;

/// Requests a second, to each thread.
const RATE: u32 = 5000;

/// Height of the tree that a request needs while it is answered: 32 KiB.
const REQUEST: u32 = 9;

/// Height of the tree that a session has for as long as it lasts: 1 KiB. And bytes of its name.
const CART: u32 = 4;
const NAME: usize = 2048;

/// A session remembers its last requests, up to so many.
const HISTORY: u64 = 16;

/// One in so many requests ends its session, and another takes its place.
const LAST: usize = 64;

/// A session. A type for layouts only: there is never a value of it, nor a reference to one.
#[repr(C)]
struct Session {
    header: usize,
    history: Option<ObjectRef>,
    name: Option<ObjectRef>,
    cart: Option<ObjectRef>,
    number: u64,
    remembered: u64,
}

/// A request that a session remembers. As above.
#[repr(C)]
struct Request {
    header: usize,
    before: Option<ObjectRef>,
    number: u64,
}

fn session(object: ObjectRef) -> *mut Session {
    object.as_ptr()
}

fn request(object: ObjectRef) -> *mut Request {
    object.as_ptr()
}

/// The sessions that one thread has.
struct Sessions<W> {
    all: Array,
    writer: W,
}

impl<W: Writer> Sessions<W> {
    /// A new session, in place of the one there.
    fn begin(&self, mutator: &mut Mutator, at: usize, number: u64) -> Result<(), OutOfMemory> {
        let new = new_record(mutator, 3, size_of::<Session>())?;
        let name = mutator.allocate(Kind::Leaf, NAME)?;
        let cart = levels::tree(mutator, self.writer, CART)?;
        // SAFETY: all three are on this stack, and as large as that.
        unsafe {
            (0..NAME / 8).for_each(|word| name.as_ptr::<u64>().add(word).write(number));
            (*session(new)).number = number;
            self.writer.write(&raw mut (*session(new)).name, Some(name));
            self.writer.write(&raw mut (*session(new)).cart, Some(cart));
        }
        self.all.set(at, Some(new), self.writer);
        Ok(())
    }

    /// Answers request `number` of the session there.
    fn answer(
        &self,
        mutator: &mut Mutator,
        at: usize,
        number: u64,
        is_last: bool,
    ) -> Result<u64, OutOfMemory> {
        let answer = levels::left_spine(levels::tree(mutator, self.writer, REQUEST)?);
        if is_last {
            self.begin(mutator, at, number)?;
            return Ok(answer);
        }
        let new = new_record(mutator, 1, size_of::<Request>())?;
        let of = session(self.all.get(at).expect("all sessions are there"));
        // SAFETY: the session is reachable from the array, and the request on this stack.
        unsafe {
            (*request(new)).number = number;
            let full = (*of).remembered == HISTORY;
            let before = if full { None } else { (*of).history };
            (*of).remembered = if full { 1 } else { (*of).remembered + 1 };
            self.writer.write(&raw mut (*request(new)).before, before);
            self.writer.write(&raw mut (*of).history, Some(new));
        }
        Ok(answer)
    }

    /// What there is in the session there.
    fn sum(&self, at: usize) -> u64 {
        let of = session(self.all.get(at).expect("all sessions are there"));
        // SAFETY: the session is reachable from the array, and with it all that it refers to.
        unsafe {
            let before = |&object: &ObjectRef| (*request(object)).before;
            let history = std::iter::successors((*of).history, before);
            let history: u64 = history.map(|object| (*request(object)).number).sum();
            let name = (*of).name.map_or(0, |name| name.as_ptr::<u64>().add(NAME / 8 - 1).read());
            (*of).number + history + name + (*of).cart.map_or(0, levels::sum)
        }
    }
}

/// Which session each request is for, and whether it ends it.
struct Requests {
    random: Lehmer,
    sessions: usize,
}

impl Requests {
    fn next(&mut self) -> (usize, bool) {
        (self.random.below(self.sessions), self.random.below(LAST) == 0)
    }
}

impl Server {
    /// Requests to each thread.
    fn requests(&self) -> u64 {
        u64::from(self.seconds) * u64::from(RATE)
    }

    fn requests_of(&self, seed: u64, thread: usize) -> Requests {
        let clients = self.clients as usize;
        let sessions = clients / THREADS + usize::from(thread < clients % THREADS);
        Requests { random: Lehmer::of_thread(seed, thread), sessions }
    }

    fn serve<W: Writer>(
        &self,
        mutator: &mut Mutator,
        sessions: &Sessions<W>,
        mut requests: Requests,
        operations: &mut Operations,
        start: Instant,
    ) -> Result<u64, OutOfMemory> {
        let mut sum = 0;
        for number in 0..self.requests() {
            let due = start + Duration::from_secs(1) * number as u32 / RATE;
            let early = due.saturating_duration_since(Instant::now());
            if !early.is_zero() {
                mutator.blocking(|| std::thread::sleep(early));
            }
            let (at, is_last) = requests.next();
            sum += sessions.answer(mutator, at, number, is_last)?;
            operations.record(due, Instant::now());
        }
        Ok(sum)
    }

    fn thread<W: Writer>(
        &self,
        heap: &Heap<Records>,
        writer: W,
        requests: Requests,
        thread: usize,
    ) -> Result<(Operations, u64), Failure> {
        let mut mutator = heap.attach(StackScan::Conservative)?;
        let count = requests.sessions;
        let sessions = Sessions { all: Array::new(&mut mutator, count)?, writer };
        for at in 0..count {
            sessions.begin(&mut mutator, at, at as u64)?;
        }
        let start = Instant::now();
        let mut operations = Operations::new(start, thread);
        let mut sum = self.serve(&mut mutator, &sessions, requests, &mut operations, start)?;
        for at in 0..count {
            sum += sessions.sum(at);
            mutator.safepoint();
        }
        Ok((operations, sum))
    }
}

impl Workload for Server {
    const NAME: &'static str = "server";
    type Model = Records;

    fn run<W: Writer>(
        &self,
        heap: &Heap<Records>,
        writer: W,
        options: &Options,
    ) -> Result<Outcome, Failure> {
        let start = Instant::now();
        let threads = on_threads(THREADS, |thread| {
            self.thread(heap, writer, self.requests_of(options.seed, thread), thread)
        })?;
        let run = start.elapsed();
        let (operations, sums): (Vec<_>, Vec<_>) = threads.into_iter().unzip();
        let (operations, sum) = (Operations::all(operations), sums.into_iter().sum());
        Ok(Outcome { threads: THREADS, run, operations, sum, ..Outcome::default() })
    }

    fn expected_sum(&self, seed: u64) -> u64 {
        let of_thread = |thread| {
            let mut requests = self.requests_of(seed, thread);
            // For each session its number, and how many requests it remembers with what sum.
            let mut sessions: Vec<_> =
                (0..requests.sessions as u64).map(|number| (number, 0, 0)).collect();
            for number in 0..self.requests() {
                let (at, is_last) = requests.next();
                sessions[at] = match sessions[at] {
                    _ if is_last => (number, 0, 0),
                    (of, HISTORY, _) => (of, 1, number),
                    (of, remembered, sum) => (of, remembered + 1, sum + number),
                };
            }
            let in_session = |(of, _, history)| 2 * of + history + level_sum(CART);
            let sum: u64 = sessions.into_iter().map(in_session).sum();
            sum + self.requests() * u64::from(REQUEST + 1)
        };
        (0..THREADS).map(of_thread).sum()
    }
}
