//! Plots, in SVG.

use std::collections::BTreeMap;
use std::path::Path;

use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use super::Result;
use super::figures::{Group, groups, pause_distribution};
use super::plan::{Part, first_word};
use super::sample::Samples;
use super::subject::Subject;

/// A line of a plot.
struct Series {
    subject: Subject,
    points: Vec<(f64, f64)>,
}

/// A plot without its lines. Logarithmic axes are drawn as logarithms to the base 10.
struct Plot<'a> {
    file: String,
    title: String,
    x: Axis<'a>,
    y: Axis<'a>,
}

#[derive(Clone, Copy)]
struct Axis<'a> {
    label: &'a str,
    log: bool,
}

const fn linear(label: &str) -> Axis<'_> {
    Axis { label, log: false }
}

const fn log(label: &str) -> Axis<'_> {
    Axis { label, log: true }
}

impl Axis<'_> {
    fn place(self, value: f64) -> f64 {
        if self.log { value.max(1e-6).log10() } else { value }
    }

    fn name(self, place: f64) -> String {
        let value = if self.log { 10_f64.powf(place) } else { place };
        if value != 0.0 && value.abs() < 0.01 {
            format!("{value:.4}")
        } else {
            format!("{value:.3}")
        }
        .trim_end_matches('0')
        .trim_end_matches('.')
        .to_owned()
    }
}

pub(crate) fn write(out: &Path, samples: &Samples) -> Result<()> {
    let groups = groups(samples.all());
    for group in groups.iter().filter(|group| group.part == Part::Table) {
        of_one_job(out, group)?;
    }
    for (part, axis) in [
        (Part::Limits, linear("heap limit / live size")),
        (Part::Live, log("live size, MiB")),
        (Part::Threads, linear("threads")),
    ] {
        // By workload; for live sizes and threads only its name, as the arguments are what varies.
        let mut families: BTreeMap<String, Vec<&Group<'_>>> = BTreeMap::new();
        for group in groups.iter().filter(|group| group.part == part) {
            let name =
                if part == Part::Limits { group.workload } else { first_word(group.workload) };
            families.entry(name.to_owned()).or_default().push(group);
        }
        for (name, family) in families {
            of_family(out, (part, axis), &name, &family)?;
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
        y: linear("share that is not longer"),
    }
    .draw(
        out,
        series(&|subject| {
            if subject.collects() { pause_distribution(group.done(subject)) } else { vec![] }
        }),
    )?;
    const QUANTILES: [(&str, f64); 5] = [
        ("p50_us", 0.5),
        ("p99_us", 0.01),
        ("p999_us", 1e-3),
        ("p9999_us", 1e-4),
        ("max_us", 1e-5),
    ];
    Plot {
        file: file("latency"),
        title: format!("Operations, {name}"),
        x: linear("nines: 2 for 99 %, 3 for 99.9 %, 4 for 99.99 %, 5 for the longest"),
        y: log("time, ms"),
    }
    .draw(
        out,
        series(&|subject| {
            let point = |&(field, above): &(&str, f64)| {
                Some((-above.log10(), group.median(subject, field)? / 1e3))
            };
            QUANTILES.iter().filter_map(point).collect()
        }),
    )?;
    const WINDOWS_MS: [u64; 10] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000];
    Plot {
        file: file("utilisation"),
        title: format!("Least utilisation of a mutator, {name}"),
        x: log("window, ms"),
        y: linear("share of the window that it had"),
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
    (part, x): (Part, Axis<'_>),
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
        ("cost-cpu", linear("processor time over the lower bound"), |group, s| {
            group.over_lower_bound(s, "cpu_ms")
        }),
        ("cost-wall", linear("run time over the lower bound"), |group, s| {
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
            title: name.to_owned(),
            x,
            y,
        }
        .draw(out, Subject::ALL.into_iter().map(points).collect())?;
    }
    Ok(())
}

/// Who never collects never stops the world.
fn stops(group: &Group<'_>, subject: Subject, field: &str) -> Option<f64> {
    subject.collects().then(|| group.median(subject, field))?
}

impl Plot<'_> {
    /// Draws it, unless there is nothing to draw.
    fn draw(&self, out: &Path, mut all: Vec<Series>) -> Result<()> {
        for series in &mut all {
            for (x, y) in &mut series.points {
                (*x, *y) = (self.x.place(*x), self.y.place(*y));
            }
        }
        all.retain(|series| !series.points.is_empty());
        let points = || all.iter().flat_map(|series| &series.points);
        if points().count() == 0 {
            return Ok(());
        }
        let range = |axis: Axis<'_>, values: &mut dyn Iterator<Item = f64>| {
            let zero = if axis.log { (f64::INFINITY, f64::NEG_INFINITY) } else { (0.0, 0.0) };
            let (low, high) = values.fold(zero, |(low, high), v| (low.min(v), high.max(v)));
            let margin = ((high - low) * 0.05).max(1e-3);
            (if axis.log { low - margin } else { low })..high + margin
        };
        let xs = range(self.x, &mut points().map(|point| point.0));
        let ys = range(self.y, &mut points().map(|point| point.1));
        let path = out.join(&self.file);
        let area = SVGBackend::new(&path, (800, 500)).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .caption(&self.title, ("sans-serif", 18))
            .margin(12)
            .x_label_area_size(42)
            .y_label_area_size(64)
            .build_cartesian_2d(xs, ys)?;
        chart
            .configure_mesh()
            .x_desc(self.x.label)
            .y_desc(self.y.label)
            .x_label_formatter(&|place| self.x.name(*place))
            .y_label_formatter(&|place| self.y.name(*place))
            .draw()?;
        for series in all {
            line(&mut chart, series)?;
        }
        let legend = SeriesLabelPosition::UpperRight;
        chart
            .configure_series_labels()
            .position(legend)
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK)
            .draw()?;
        area.present()?;
        Ok(())
    }
}

type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

fn line(chart: &mut Chart<'_, '_>, series: Series) -> Result<()> {
    // The same colour in all plots.
    let number = Subject::ALL.iter().position(|&of| of == series.subject).unwrap_or(0);
    let colour = Palette99::pick(number).to_rgba();
    let marks = series.points.len() <= 20;
    let dots = series.points.clone();
    chart
        .draw_series(LineSeries::new(series.points, colour.stroke_width(2)))?
        .label(series.subject.name())
        .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
    if marks {
        chart.draw_series(dots.into_iter().map(|dot| Circle::new(dot, 3, colour.filled())))?;
    }
    Ok(())
}
