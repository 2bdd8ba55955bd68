//! What a run prints, and what can be worked out from it.

use serde_json::Value;

use crate::Result;
use crate::figures::{median, pause_distribution};
use crate::sample::Sample;

/// Takes the figures from what was printed: a JSON object, or lines that begin with what they are.
pub(crate) fn understand(stdout: &str, sample: &mut Sample) -> Result<()> {
    let last = stdout.lines().last().ok_or("it printed nothing")?;
    if last.starts_with('{') {
        return understand_json(&serde_json::from_str(last)?, sample);
    }
    for line in stdout.lines() {
        let mut words = line.split(' ');
        let kind = words.next();
        let mut number = || words.next().and_then(|word| word.parse::<u64>().ok());
        match kind {
            Some("PAUSE") => sample.pauses_ns.push((number().ok_or(line)?, 1)),
            Some("LONG") => sample.long.push((
                number().ok_or(line)?,
                number().ok_or(line)?,
                number().ok_or(line)?,
            )),
            _ => {}
        }
    }
    let fields = last.strip_prefix("RESULT ").ok_or("the last line is no RESULT")?;
    for (name, value) in fields.split(' ').filter_map(|field| field.split_once('=')) {
        match (name, value.parse()) {
            ("sum", _) => sample.sum = value.to_owned(),
            (_, Ok(number)) => drop(sample.fields.insert(name.to_owned(), number)),
            _ => {}
        }
    }
    Ok(())
}

fn understand_json(all: &Value, sample: &mut Sample) -> Result<()> {
    let object = all.as_object().ok_or("no object")?;
    for (name, value) in object {
        match value.as_f64() {
            _ if name == "sum" => sample.sum = value.to_string(),
            Some(number) => drop(sample.fields.insert(name.clone(), number)),
            None => {}
        }
    }
    sample.pauses_ns = serde_json::from_value(all["pauses_ns"].clone())?;
    if let Some(long) = object.get("long_operations") {
        sample.long = serde_json::from_value(long.clone())?;
    }
    if let Some(cycles) = object.get("cycles") {
        sample.cycles = serde_json::from_value(cycles.clone())?;
    }
    Ok(())
}

/// The stops in a log of safepoints.
pub(crate) fn java_pauses(log: &str, sample: &mut Sample) {
    let total = |line: &str| line.split("Total: ").nth(1)?.split(' ').next()?.parse::<u64>().ok();
    let pauses: Vec<u64> = log.lines().filter_map(total).collect();
    let ms = |ns: u64| ns as f64 / 1e6;
    let (longest, sum) = (pauses.iter().max().copied().unwrap_or(0), pauses.iter().sum());
    sample.fields.insert("pause_max_ms".into(), ms(longest));
    sample.fields.insert("pause_sum_ms".into(), ms(sum));
    sample.pauses_ns = pauses.into_iter().map(|pause| (pause, 1)).collect();
}

/// Figures of the run that are not printed: `pause_p99_ms`, and the medians of the times of cycles,
/// `minor_cycle_ms` and `full_cycle_ms`.
pub(crate) fn derive(sample: &mut Sample) {
    let stops = pause_distribution([&*sample]);
    let p99 = stops.iter().find(|&&(_, share)| share >= 0.99).map(|&(ms, _)| ms);
    let cycle = |scope: &str| {
        let of = sample.cycles.iter().filter(|cycle| cycle.scope == scope);
        median(of.map(|cycle| cycle.time_us / 1e3).collect())
    };
    let derived = [
        ("pause_p99_ms", p99),
        ("minor_cycle_ms", cycle("Minor")),
        ("full_cycle_ms", cycle("Full")),
    ];
    let known = derived.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    sample.fields.extend(known);
}
