//! Stops in order of their lengths, and what they consist of.

#[path = "../../examples/shared/records.rs"]
pub(crate) mod records;

use records::StopRecord;

type Microseconds = fn(&StopRecord) -> f64;

/// The parts of a stop, in the order in which they come.
pub(crate) const PARTS: [(&str, Microseconds); 8] = [
    ("to safepoint", |stop| stop.to_safepoint_us),
    ("scan", |stop| stop.scan_us),
    ("roots", |stop| stop.roots_us),
    ("rescan", |stop| stop.rescan_us),
    ("drain", |stop| stop.drain_us),
    ("references", |stop| stop.references_us),
    ("finish", |stop| stop.finish_us),
    ("resume", |stop| stop.resume_us),
];

/// Stops, the shortest first.
pub(crate) struct Stops<'a>(Vec<&'a StopRecord>);

impl<'a> Stops<'a> {
    pub(crate) fn new(stops: impl IntoIterator<Item = &'a StopRecord>) -> Self {
        let mut stops: Vec<_> = stops.into_iter().collect();
        stops.sort_by(|one, other| one.total_us.total_cmp(&other.total_us));
        Self(stops)
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The shortest one that as large a part of all does not exceed. `None` if there are none.
    pub(crate) fn quantile(&self, part: f64) -> Option<&'a StopRecord> {
        let rank = (self.0.len() as f64 * part).ceil() as usize;
        self.0.get(rank.max(1) - 1).copied()
    }

    pub(crate) fn longest(&self) -> Option<&'a StopRecord> {
        self.0.last().copied()
    }
}
