//! Times of single operations: a histogram, and those that took long, with when they began. From the
//! latter a utilisation over windows can be worked out for any collector, whatever it calls a pause.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

/// What counts as long.
const LONG: Duration = Duration::from_micros(100);

/// Long operations that a thread remembers.
const KEPT: usize = 1 << 16;

/// An operation that took long. Nanoseconds; `start` since the run began.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LongOperation {
    pub(crate) thread: usize,
    pub(crate) start: u64,
    pub(crate) time: u64,
}

/// The operations of one thread, or of all.
#[derive(Debug)]
pub(crate) struct Operations {
    pub(crate) times_ns: Histogram<u64>,
    pub(crate) long: Vec<LongOperation>,
    /// Long ones beyond those.
    pub(crate) long_left_out: u64,
    thread: usize,
    run: Instant,
    last: Instant,
}

impl Operations {
    /// The operations of a thread, in a run that began at `run`. The first one begins now.
    pub(crate) fn new(run: Instant, thread: usize) -> Self {
        let times_ns =
            Histogram::new(3).expect("three significant digits are within the library's bounds");
        let long = Vec::with_capacity(KEPT);
        Self { times_ns, long, long_left_out: 0, thread, run, last: Instant::now() }
    }

    /// An operation has ended, and the next one begins.
    #[inline]
    pub(crate) fn lap(&mut self) {
        let (began, now) = (self.last, Instant::now());
        self.record(began, now);
        self.last = now;
    }

    /// An operation that should have begun at `due`.
    #[inline]
    pub(crate) fn record(&mut self, due: Instant, end: Instant) {
        let time = end.saturating_duration_since(due);
        self.times_ns += nanoseconds(time);
        if time >= LONG {
            self.remember(due, time);
        }
    }

    #[cold]
    fn remember(&mut self, due: Instant, time: Duration) {
        if self.long.len() == KEPT {
            self.long_left_out += 1;
            return;
        }
        let start = nanoseconds(due.saturating_duration_since(self.run));
        self.long.push(LongOperation { thread: self.thread, start, time: nanoseconds(time) });
    }

    /// The times, in ascending order and in nanoseconds, each with the number of operations that took it.
    pub(crate) fn times(&self) -> impl Iterator<Item = (u64, u64)> {
        let times = self.times_ns.iter_recorded();
        times.map(|time| (time.value_iterated_to(), time.count_at_value()))
    }

    /// The operations of all threads, of which there is one at least.
    pub(crate) fn all(threads: Vec<Self>) -> Option<Self> {
        threads.into_iter().reduce(|mut all, thread| {
            all.times_ns += thread.times_ns;
            all.long.extend(thread.long);
            all.long_left_out += thread.long_left_out;
            all
        })
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_operations_are_remembered_with_their_beginnings() {
        let run = Instant::now();
        let mut operations = Operations::new(run, 1);
        let at = |us| run + Duration::from_micros(us);
        operations.record(at(10), at(20));
        operations.record(at(20), at(320));
        let all = Operations::all(vec![Operations::new(run, 0), operations]).unwrap();
        assert_eq!(all.times_ns.len(), 2);
        let [LongOperation { thread: 1, start: 20_000, time: 300_000 }] = all.long[..] else {
            panic!("{:?}", all.long);
        };
    }

    #[test]
    fn what_is_not_remembered_is_counted() {
        let run = Instant::now();
        let mut operations = Operations::new(run, 0);
        for _ in 0..=KEPT {
            operations.record(run, run + LONG);
        }
        assert_eq!((operations.long.len(), operations.long_left_out), (KEPT, 1));
    }
}
