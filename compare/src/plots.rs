//! Plots, in SVG.

use std::collections::BTreeMap;
use std::path::Path;

use crate::Result;
use crate::chart::{Axis, Plot, Scale, Series};
use crate::figures::{Group, groups, pause_distribution};
use crate::plan::{Part, first_word};
use crate::sample::Samples;
use crate::subject::Subject;

const fn log(label: &str) -> Axis<'_> {
    Axis { label, scale: Scale::Log }
}

const fn linear(label: &str) -> Axis<'_> {
    Axis { label, scale: Scale::Linear }
}

const fn from_zero(label: &str) -> Axis<'_> {
    Axis { label, scale: Scale::FromZero }
}

const fn share(label: &str) -> Axis<'_> {
    Axis { label, scale: Scale::Share }
}

const THREADS: [(f64, &str); 3] = [(1.0, "1"), (2.0, "2"), (4.0, "4")];

pub(crate) fn write(out: &Path, samples: &Samples) -> Result<()> {
    let groups = groups(samples.current());
    for group in groups.iter().filter(|group| group.part == Part::Table) {
        of_one_job(out, group)?;
    }
    for (part, title, axis) in [
        (Part::Limits, "at different heap limits", linear("heap limit / live size")),
        (Part::Live, "with old heaps of different sizes", log("live size, MiB")),
        (
            Part::Threads,
            "on different numbers of threads",
            Axis { label: "threads", scale: Scale::Named(&THREADS) },
        ),
    ] {
        // By workload; for live sizes and threads only its name, as the arguments are what varies.
        let mut families: BTreeMap<String, Vec<&Group<'_>>> = BTreeMap::new();
        for group in groups.iter().filter(|group| group.part == part) {
            let name =
                if part == Part::Limits { group.workload } else { first_word(group.workload) };
            families.entry(name.to_owned()).or_default().push(group);
        }
        for (name, family) in families {
            // One point makes no curve.
            if family.iter().any(|group| group.x != family[0].x) {
                of_family(out, (part, title, axis), &name, &family)?;
            }
        }
    }
    Ok(())
}

/// Stops, latencies and utilisation of one job.
fn of_one_job(out: &Path, group: &Group<'_>) -> Result<()> {
    let name = format!("{} at {} MiB", group.workload, group.limit_mib);
    let file = |kind: &str| format!("{kind}-{}.svg", name.replace(' ', "-"));
    let series = |points: &dyn Fn(Subject) -> Vec<(f64, f64)>| -> Vec<Series> {
        let all = Subject::ALL.into_iter();
        all.map(|subject| Series { subject, points: points(subject) }).collect()
    };
    Plot {
        file: file("pauses"),
        title: format!("Stops of the world, {name}"),
        x: log("length, ms"),
        y: share("share that is not longer"),
    }
    .draw(
        out,
        series(&|subject| {
            if subject.collects() { steps(pause_distribution(group.done(subject))) } else { vec![] }
        }),
    )?;
    const QUANTILES: [(f64, &str); 5] =
        [(1.0, "50 %"), (2.0, "99 %"), (3.0, "99.9 %"), (4.0, "99.99 %"), (5.0, "longest")];
    const FIELDS: [&str; 5] = ["p50_us", "p99_us", "p999_us", "p9999_us", "max_us"];
    Plot {
        file: file("latency"),
        title: format!("Operations, {name}"),
        x: Axis { label: "operations that are not longer", scale: Scale::Named(&QUANTILES) },
        y: log("time, ms"),
    }
    .draw(
        out,
        series(&|subject| {
            let point = |((place, _), field)| Some((place, group.median(subject, field)? / 1e3));
            QUANTILES.into_iter().zip(FIELDS).filter_map(point).collect()
        }),
    )?;
    const WINDOWS_MS: [u64; 10] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000];
    Plot {
        file: file("utilisation"),
        title: format!("Least utilisation of a mutator, {name}"),
        x: log("window, ms"),
        y: share("share of the window that it had"),
    }
    .draw(
        out,
        series(&|subject| {
            let point = |&ms: &u64| Some((ms as f64, group.utilisation(subject, ms * 1_000_000)?));
            WINDOWS_MS.iter().filter_map(point).collect()
        }),
    )
}

/// What becomes of figures as the part's own quantity varies.
fn of_family(
    out: &Path,
    (part, title, x): (Part, &str, Axis<'_>),
    name: &str,
    family: &[&Group<'_>],
) -> Result<()> {
    type Figure = fn(&Group<'_>, Subject) -> Option<f64>;
    let plots: [(&str, Axis<'_>, Figure); 8] = [
        ("time", log("run time, s"), |group, s| Some(group.median(s, "run_ms")? / 1e3)),
        ("stop", log("longest stop, ms"), |group, s| stops(group, s, "pause_max_ms")),
        ("stop-p99", log("99th percentile of stops, ms"), |group, s| {
            stops(group, s, "pause_p99_ms")
        }),
        ("minor-cycle", log("a minor cycle, ms"), |group, s| group.median(s, "minor_cycle_ms")),
        ("cost-cpu", from_zero("processor time over the lower bound"), |group, s| {
            group.over_lower_bound(s, "cpu_ms")
        }),
        ("cost-wall", from_zero("run time over the lower bound"), |group, s| {
            group.over_lower_bound(s, "run_ms")
        }),
        ("dirty-pages", log("dirty pages"), |group, s| group.median(s, "dirty_pages")),
        ("faults", log("faults"), |group, s| group.median(s, "faults")),
    ];
    for (kind, y, figure) in plots {
        let points = |subject| {
            let mut points: Vec<_> =
                family.iter().filter_map(|g| Some((g.x, figure(g, subject)?))).collect();
            points.sort_by(|one: &(f64, f64), other| one.0.total_cmp(&other.0));
            Series { subject, points }
        };
        let of = format!("{part:?}").to_lowercase();
        Plot {
            file: format!("{of}-{kind}-{}.svg", name.replace(' ', "-")),
            title: format!("{name}, {title}"),
            x,
            y,
        }
        .draw(out, Subject::ALL.into_iter().map(points).collect())?;
    }
    Ok(())
}

/// A distribution as it is drawn: it rises at each length.
fn steps(distribution: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    let mut below = 0.0;
    let step = |(length, share)| [(length, std::mem::replace(&mut below, share)), (length, share)];
    distribution.into_iter().flat_map(step).collect()
}

/// Who never collects never stops the world.
fn stops(group: &Group<'_>, subject: Subject, field: &str) -> Option<f64> {
    subject.collects().then(|| group.median(subject, field))?
}
