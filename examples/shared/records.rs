//! Cycles and their stops as they are written down in JSON, by the workloads and on the interpreter's
//! timeline; the benchmarks read them back. Times are in microseconds, to three decimals.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use strandline::{CycleReport, StopReport};

/// A cycle. Its fields are those of [`CycleReport`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct CycleRecord {
    pub(crate) number: u64,
    pub(crate) scope: String,
    pub(crate) cause: String,
    pub(crate) time_us: f64,
    pub(crate) allocated_bytes: usize,
    pub(crate) allocated_meanwhile_bytes: usize,
    pub(crate) late: bool,
    pub(crate) scanning_us: f64,
    pub(crate) tracing_us: f64,
    pub(crate) marked_objects: usize,
    pub(crate) dirty_pages: usize,
    pub(crate) faults: usize,
    pub(crate) rescanned_pages: usize,
    pub(crate) barren_pages: usize,
    pub(crate) rounds: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) stops: Vec<StopRecord>,
}

/// A stop, and the parts that it consisted of: those of [`StopReport`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct StopRecord {
    pub(crate) purpose: String,
    pub(crate) total_us: f64,
    pub(crate) to_safepoint_us: f64,
    pub(crate) scan_us: f64,
    pub(crate) roots_us: f64,
    pub(crate) rescan_us: f64,
    pub(crate) drain_us: f64,
    pub(crate) references_us: f64,
    pub(crate) finish_us: f64,
    pub(crate) resume_us: f64,
}

impl From<&CycleReport> for CycleRecord {
    fn from(report: &CycleReport) -> Self {
        Self {
            number: report.number,
            scope: format!("{:?}", report.scope),
            cause: format!("{:?}", report.cause),
            time_us: us(report.time),
            allocated_bytes: report.allocated_bytes,
            allocated_meanwhile_bytes: report.allocated_meanwhile,
            late: report.late,
            scanning_us: us(report.scanning),
            tracing_us: us(report.tracing),
            marked_objects: report.marked_objects,
            dirty_pages: report.dirty_pages,
            faults: report.faults,
            rescanned_pages: report.rescanned_pages,
            barren_pages: report.barren_pages,
            rounds: report.rounds,
            stops: report.stops.iter().map(StopRecord::from).collect(),
        }
    }
}

impl From<&StopReport> for StopRecord {
    fn from(stop: &StopReport) -> Self {
        Self {
            purpose: format!("{:?}", stop.purpose),
            total_us: us(stop.total),
            to_safepoint_us: us(stop.to_safepoint),
            scan_us: us(stop.scan),
            roots_us: us(stop.roots),
            rescan_us: us(stop.rescan),
            drain_us: us(stop.drain),
            references_us: us(stop.references),
            finish_us: us(stop.finish),
            resume_us: us(stop.resume),
        }
    }
}

fn us(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e9).round() / 1e3
}
