//! One plot, in SVG: its axes, its lines and, beside it, what they stand for.

use std::ops::Range;
use std::path::Path;

use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use crate::Result;
use crate::subject::Subject;

const SIZE: (u32, u32) = (860, 500);
const LEGEND_WIDTH: i32 = 160;

/// A line of a plot.
pub(crate) struct Series {
    pub(crate) subject: Subject,
    pub(crate) points: Vec<(f64, f64)>,
}

/// A plot without its lines. Logarithmic axes are drawn as logarithms to the base 10.
pub(crate) struct Plot<'a> {
    pub(crate) file: String,
    pub(crate) title: String,
    pub(crate) x: Axis<'a>,
    pub(crate) y: Axis<'a>,
}

#[derive(Clone, Copy)]
pub(crate) struct Axis<'a> {
    pub(crate) label: &'a str,
    pub(crate) scale: Scale<'a>,
}

#[derive(Clone, Copy)]
pub(crate) enum Scale<'a> {
    Linear,
    /// From nothing on.
    FromZero,
    /// From nothing to all.
    Share,
    /// What is not above zero is left out.
    Log,
    /// These places have names.
    Named(&'a [(f64, &'a str)]),
}

use Scale::{FromZero, Linear, Log, Named, Share};

impl Axis<'_> {
    /// Where a value is drawn, if it can be.
    fn place(self, value: f64) -> Option<f64> {
        match self.scale {
            Log => (value > 0.0).then(|| value.log10()),
            _ => Some(value),
        }
    }

    /// What is to be seen, for values at these places, of which there is one at least.
    pub(crate) fn range(self, places: &[f64]) -> Range<f64> {
        let low = places.iter().copied().fold(f64::INFINITY, f64::min);
        let high = places.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let margin = match self.scale {
            // A tenth of a decade for a single value.
            Log => ((high - low) * 0.05).max(0.1),
            _ if high > low => (high - low) * 0.05,
            _ => (high.abs() * 0.1).max(1e-3),
        };
        match self.scale {
            FromZero => 0.0..high + margin,
            Share => 0.0..1.02,
            Linear | Log | Named(_) => low - margin..high + margin,
        }
    }

    /// The places that get a line and a number.
    pub(crate) fn ticks(self, range: &Range<f64>) -> Vec<f64> {
        match self.scale {
            Named(places) => places.iter().map(|&(place, _)| place).collect(),
            Log => log_ticks(range),
            Linear | FromZero | Share => linear_ticks(range),
        }
    }

    /// What is written there.
    pub(crate) fn name(self, place: f64) -> String {
        let value = match self.scale {
            Named(places) => {
                let named = places.iter().find(|&&(of, _)| of == place);
                return named.map_or(String::new(), |&(_, name)| name.to_owned());
            }
            Log => 10_f64.powf(place),
            Linear | FromZero | Share => place,
        };
        let text = format!("{value:.6}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

/// Multiples of 1, 2 or 5 times a power of ten, some eight of them.
fn linear_ticks(range: &Range<f64>) -> Vec<f64> {
    let least = (range.end - range.start) / 9.0;
    let power = 10_f64.powf(least.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|of| of * power).into_iter().find(|&step| step >= least);
    let step = step.unwrap_or(least);
    let (first, last) = ((range.start / step).ceil() as i64, (range.end / step).floor() as i64);
    (first..=last).map(|number| number as f64 * step).collect()
}

/// The logarithms of powers of ten, with what is between them if these are few.
fn log_ticks(range: &Range<f64>) -> Vec<f64> {
    let decades = range.end - range.start;
    let between: &[f64] = match decades {
        decades if decades > 4.0 => &[1.0],
        decades if decades > 1.0 => &[1.0, 2.0, 5.0],
        _ => &[1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0],
    };
    let powers = range.start.floor() as i32..=range.end.ceil() as i32;
    let ticks =
        powers.flat_map(|power| between.iter().map(move |of| f64::from(power) + of.log10()));
    ticks.filter(|tick| range.contains(tick)).collect()
}

impl Plot<'_> {
    /// Draws it, unless there is nothing to draw.
    pub(crate) fn draw(&self, out: &Path, mut all: Vec<Series>) -> Result<()> {
        for series in &mut all {
            let place = |&(x, y): &(f64, f64)| Some((self.x.place(x)?, self.y.place(y)?));
            series.points = series.points.iter().filter_map(place).collect();
        }
        all.retain(|series| !series.points.is_empty());
        if all.is_empty() {
            return Ok(());
        }
        let points = || all.iter().flat_map(|series| &series.points);
        let xs = self.x.range(&points().map(|point| point.0).collect::<Vec<_>>());
        let ys = self.y.range(&points().map(|point| point.1).collect::<Vec<_>>());
        let path = out.join(&self.file);
        let area = SVGBackend::new(&path, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let (left, right) = area.split_horizontally(SIZE.0 as i32 - LEGEND_WIDTH);
        let mut chart = ChartBuilder::on(&left)
            .caption(&self.title, ("sans-serif", 17))
            .margin(12)
            .x_label_area_size(42)
            .y_label_area_size(72)
            .build_cartesian_2d(Places::new(self.x, xs), Places::new(self.y, ys))?;
        chart
            .configure_mesh()
            .bold_line_style(BLACK.mix(0.12))
            .x_desc(self.x.label)
            .y_desc(self.y.label)
            .x_label_formatter(&|place| self.x.name(*place))
            .y_label_formatter(&|place| self.y.name(*place))
            .draw()?;
        for (number, series) in all.iter().enumerate() {
            line(&mut chart, series)?;
            legend(&right, number, series.subject)?;
        }
        area.present()?;
        Ok(())
    }
}

/// An axis with lines and numbers where we want them.
struct Places {
    all: RangedCoordf64,
    ticks: Vec<f64>,
}

impl Places {
    fn new(axis: Axis<'_>, range: Range<f64>) -> Self {
        Self { ticks: axis.ticks(&range), all: range.into() }
    }
}

impl Ranged for Places {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        self.all.map(value, limit)
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        if hint.weight().allow_light_points() { Vec::new() } else { self.ticks.clone() }
    }

    fn range(&self) -> Range<f64> {
        self.all.range()
    }
}

type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<Places, Places>>;

/// More points than these are a curve.
const MARKED: usize = 20;

fn line(chart: &mut Chart<'_, '_>, series: &Series) -> Result<()> {
    let style = style(series.subject);
    chart.draw_series(LineSeries::new(series.points.iter().copied(), style))?;
    if series.points.len() <= MARKED {
        let dots = series.points.iter();
        chart.draw_series(dots.map(|&dot| Circle::new(dot, 3, style.color.filled())))?;
    }
    Ok(())
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

fn legend(area: &Area<'_>, number: usize, subject: Subject) -> Result<()> {
    let y = 50 + 22 * number as i32;
    area.draw(&PathElement::new([(0, y), (22, y)], style(subject)))?;
    area.draw(&Text::new(subject.name(), (30, y - 6), ("sans-serif", 13)))?;
    Ok(())
}

/// The same in all plots.
fn style(subject: Subject) -> ShapeStyle {
    let (colour, width) = match subject {
        Subject::Concurrent => (RGBColor(214, 39, 40), 3),
        Subject::Stopped => (RGBColor(255, 140, 20), 2),
        Subject::Cards => (RGBColor(227, 119, 194), 2),
        Subject::NoCollect => (RGBColor(150, 150, 150), 2),
        Subject::Bdwgc => (RGBColor(140, 86, 75), 2),
        Subject::Malloc => (RGBColor(30, 30, 30), 2),
        Subject::Go => (RGBColor(23, 170, 190), 2),
        Subject::JavaG1 => (RGBColor(44, 130, 44), 2),
        Subject::JavaZ => (RGBColor(90, 90, 220), 2),
    };
    colour.stroke_width(width)
}
