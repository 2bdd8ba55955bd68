//! Amounts for people to read.

/// An amount of memory in the largest binary unit that leaves at least one, as `1.5 MiB`.
pub(crate) fn bytes(amount: u64) -> String {
    const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let unit = (amount.max(1).ilog2() / 10) as usize;
    let one = 1_u64 << (10 * unit);
    if amount.is_multiple_of(one) {
        format!("{} {}", amount / one, UNITS[unit])
    } else {
        format!("{:.1} {}", amount as f64 / one as f64, UNITS[unit])
    }
}

/// A count with its noun, as `1 page` or `2 pages`.
pub(crate) fn count(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_take_the_largest_unit() {
        for (amount, text) in [
            (0, "0 B"),
            (4096, "4 KiB"),
            (6144, "6 KiB"),
            (3 << 19, "1.5 MiB"),
            (1 << 40, "1 TiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(bytes(amount), text);
        }
    }
}
