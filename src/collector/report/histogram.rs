//! How often which value was recorded.

use std::time::Duration;

/// How often which value was recorded; [`HeapStats`](crate::HeapStats) has times in nanoseconds.
///
/// Values that agree in their first three digits count as the same; the largest of them stands for all.
/// All figures of an empty histogram are zero.
#[derive(Debug, Clone)]
pub struct Histogram(hdrhistogram::Histogram<u64>);

impl Histogram {
    pub(super) fn new() -> Self {
        let digits = hdrhistogram::Histogram::new(3);
        Self(digits.expect("three significant digits are within the package's bounds"))
    }

    /// Records a time, in nanoseconds.
    pub(super) fn record(&mut self, time: Duration) {
        self.0 += u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    }

    /// The number of values that were recorded.
    pub fn len(&self) -> u64 {
        self.0.len()
    }

    /// Whether nothing was recorded.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The smallest value.
    pub fn min(&self) -> u64 {
        self.0.min()
    }

    /// The largest value.
    pub fn max(&self) -> u64 {
        self.0.max()
    }

    /// The arithmetic mean.
    pub fn mean(&self) -> f64 {
        self.0.mean()
    }

    /// The value that this part of all does not exceed: 0.5 gives the median, 0.99 the 99th percentile.
    pub fn value_at_quantile(&self, quantile: f64) -> u64 {
        self.0.value_at_quantile(quantile)
    }

    /// The number of values from `low` to `high`, both included, and of those that count as the same.
    pub fn count_between(&self, low: u64, high: u64) -> u64 {
        self.0.count_between(low, high)
    }

    /// The values in ascending order, each with the number of times that it was recorded.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u64)> {
        self.0.iter_recorded().map(|value| (value.value_iterated_to(), value.count_at_value()))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn values_are_kept_to_three_digits() {
        let mut histogram = Histogram::new();
        assert!(histogram.is_empty());
        assert_eq!((histogram.min(), histogram.max(), histogram.value_at_quantile(0.5)), (0, 0, 0));
        for ns in [100, 100, 300, 1_000_001] {
            histogram.record(Duration::from_nanos(ns));
        }
        histogram.record(Duration::MAX); // More nanoseconds than there are numbers for.
        assert_eq!((histogram.len(), histogram.min()), (5, 100));
        assert_eq!((histogram.value_at_quantile(0.5), histogram.count_between(200, 400)), (300, 1));
        let all: Vec<_> = histogram.iter().collect();
        assert_eq!(all[..2], [(100, 2), (300, 1)]);
        assert!((1_000_001..1_001_001).contains(&all[2].0), "{all:?}");
    }
}
