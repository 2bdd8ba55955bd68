//! The timeline that `--gc-timeline` writes: every cycle and every stop, in the trace event format,
//! which Perfetto (ui.perfetto.dev) and Chrome (about:tracing) show.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::{Value, json};
use strandline::{CycleReport, Scope, StopReport};

use crate::records::{CycleRecord, StopRecord};

/// Tracks of the timeline.
const CYCLES: u32 = 1;
const STOPS: u32 = 2;

/// A timeline that is being written.
///
/// # Threads
/// Any thread may use it: the collector adds cycles, and whoever ends the process ends it.
pub(crate) struct Timeline {
    path: PathBuf,
    origin: Instant,
    /// `None` once it is complete, or could not be written.
    file: Mutex<Option<BufWriter<File>>>,
}

impl Timeline {
    /// Begins a timeline; times count from now.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn create(path: PathBuf) -> io::Result<Self> {
        let mut file = BufWriter::new(File::create(&path)?);
        let name = |kind: &str, track: u32, name: &str| json!({"ph": "M", "pid": 1, "tid": track, "name": kind, "args": {"name": name}});
        writeln!(file, "{{\"displayTimeUnit\": \"ms\", \"traceEvents\": [")?;
        write!(file, "{}", name("process_name", CYCLES, "scheme"))?;
        write!(file, ",\n{}", name("thread_name", CYCLES, "cycles"))?;
        write!(file, ",\n{}", name("thread_name", STOPS, "stops"))?;
        Ok(Self { path, origin: Instant::now(), file: Mutex::new(Some(file)) })
    }

    /// Adds a cycle and its stops.
    pub(crate) fn add(&self, report: &CycleReport) {
        let stops = report.stops.iter().map(|stop| self.stop(stop));
        let events = std::iter::once(self.cycle(report)).chain(stops).chain([self.counts(report)]);
        let mut file = self.file.lock();
        let Some(writer) = file.as_mut() else { return };
        for event in events {
            if let Err(error) = write!(writer, ",\n{event}") {
                self.failed(&error);
                *file = None;
                return;
            }
        }
    }

    /// Completes the file. A cycle that has not ended by now is not in it.
    pub(crate) fn finish(&self) {
        let file = self.file.lock().take();
        let Some(mut file) = file else { return };
        if let Err(error) = writeln!(file, "\n]}}").and_then(|()| file.flush()) {
            self.failed(&error);
        }
    }

    fn failed(&self, error: &io::Error) {
        eprintln!("scheme: the timeline in {} is not complete: {error}", self.path.display());
    }

    fn cycle(&self, report: &CycleReport) -> Value {
        let name = match report.scope {
            Scope::Minor => "minor",
            Scope::Full => "major",
        };
        // The stops have a track of their own.
        let record = CycleRecord { stops: Vec::new(), ..CycleRecord::from(report) };
        self.event(CYCLES, name, report.start, report.time, &json!(record))
    }

    fn stop(&self, stop: &StopReport) -> Value {
        let record = StopRecord::from(stop);
        self.event(STOPS, &record.purpose, stop.start, stop.total, &json!(record))
    }

    /// The number of dirty pages, as a curve.
    fn counts(&self, report: &CycleReport) -> Value {
        let time = self.since(report.start) + us(report.time);
        let pages = json!({"dirty": report.dirty_pages, "faults": report.faults});
        json!({"ph": "C", "pid": 1, "name": "pages", "ts": time, "args": pages})
    }

    fn event(
        &self,
        track: u32,
        name: &str,
        start: Instant,
        time: Duration,
        arguments: &Value,
    ) -> Value {
        let (start, time) = (self.since(start), us(time));
        json!({
            "ph": "X", "pid": 1, "tid": track, "name": name, "ts": start, "dur": time,
            "args": arguments,
        })
    }

    fn since(&self, time: Instant) -> f64 {
        us(time.saturating_duration_since(self.origin))
    }
}

/// Microseconds, the unit of the format.
fn us(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
