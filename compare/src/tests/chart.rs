use crate::chart::{Axis, Plot, Scale, Series};
use crate::subject::Subject;

/// What is written along an axis for values at these places.
fn names(scale: Scale<'_>, places: &[f64]) -> Vec<String> {
    let axis = Axis { label: "", scale };
    axis.ticks(&axis.range(places)).into_iter().map(|place| axis.name(place)).collect()
}

#[test]
fn numbers_along_an_axis_are_round() {
    assert_eq!(names(Scale::Share, &[0.3])[..3], ["0", "0.2", "0.4"]);
    assert_eq!(names(Scale::Linear, &[1.0, 4.0]), ["1", "1.5", "2", "2.5", "3", "3.5", "4"]);
    assert_eq!(names(Scale::FromZero, &[3.0, 70.0])[..3], ["0", "10", "20"]);
    let logs = |values: &[f64]| {
        names(Scale::Log, &values.iter().map(|value| value.log10()).collect::<Vec<_>>())
    };
    assert_eq!(logs(&[0.02, 0.9]), ["0.02", "0.05", "0.1", "0.2", "0.5", "1"]);
    assert_eq!(logs(&[0.001, 100.0]), ["0.001", "0.01", "0.1", "1", "10", "100"]);
    assert_eq!(logs(&[19_400.0]), ["20000"]);
    let named = [(1.0, "50 %"), (5.0, "longest")];
    assert_eq!(names(Scale::Named(&named), &[1.0, 5.0]), ["50 %", "longest"]);
}

#[test]
fn every_axis_has_two_numbers_at_least() {
    for value in [1e-4, 0.013, 0.3, 1.0, 7.7, 42.0, 19_400.0, 3e6] {
        for scale in [Scale::Linear, Scale::FromZero, Scale::Share] {
            assert!(names(scale, &[value]).len() >= 2, "{value}");
        }
        assert!(!names(Scale::Log, &[f64::log10(value)]).is_empty(), "{value}");
        let twice = [f64::log10(value), f64::log10(2.0 * value)];
        assert!(names(Scale::Log, &twice).len() >= 2, "{value}");
    }
}

#[test]
fn a_plot_has_the_lines_that_have_points_and_none_if_none_has() {
    let directory = tempfile::tempdir().unwrap();
    let axis = |scale| Axis { label: "an axis", scale };
    let plot = |file: &str| Plot {
        file: file.to_owned(),
        title: "a title".to_owned(),
        x: axis(Scale::Linear),
        y: axis(Scale::Log),
    };
    // Nothing can be drawn at zero of a logarithmic axis.
    let series = |y| {
        vec![
            Series { subject: Subject::Go, points: vec![(1.0, y), (2.0, 2.0 * y)] },
            Series { subject: Subject::Malloc, points: vec![(1.0, 0.0)] },
        ]
    };
    plot("some.svg").draw(directory.path(), series(5.0)).unwrap();
    let text = std::fs::read_to_string(directory.path().join("some.svg")).unwrap();
    assert!(text.contains("a title") && text.contains("Go") && !text.contains("malloc"), "{text}");
    plot("none.svg").draw(directory.path(), series(0.0)).unwrap();
    assert!(!directory.path().join("none.svg").exists());
}
