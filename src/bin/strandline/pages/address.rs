//! Address ranges on the command line.

use strandline::os::{PageRange, page_size};

/// Reads `START-END`, hexadecimal with or without `0x`, as `/proc/PID/maps` writes it.
pub(super) fn parse(text: &str) -> Result<PageRange, String> {
    let (start, end) = text.split_once('-').ok_or("it must be START-END, both hexadecimal")?;
    let (start, end) = (hexadecimal(start)?, hexadecimal(end)?);
    // The last page of the address space has no end that could be written down; nothing is there.
    let end = end.min(usize::MAX & !(page_size() - 1));
    if start >= end {
        return Err(format!("the start {start:#x} must be below the end {end:#x}"));
    }
    PageRange::covering(start, end - start).map_err(|error| error.to_string())
}

fn hexadecimal(text: &str) -> Result<usize, String> {
    let digits = text.trim().trim_start_matches("0x");
    usize::from_str_radix(digits, 16)
        .map_err(|error| format!("{text:?} is not a hexadecimal address: {error}"))
}

/// The same addresses as disjoint ranges in order, so that no page is counted twice.
pub(super) fn merge(ranges: &[PageRange]) -> Vec<PageRange> {
    let mut sorted = ranges.to_vec();
    sorted.sort_unstable();
    let mut merged: Vec<PageRange> = Vec::new();
    for range in sorted {
        match merged.last_mut() {
            Some(last) if range.start() <= last.end() => {
                let end = last.end().max(range.end());
                *last = PageRange::new(last.start(), end).expect("both ends are those of ranges");
            }
            _ => merged.push(range),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(first: usize, end: usize) -> PageRange {
        PageRange::new(first * page_size(), end * page_size()).unwrap()
    }

    #[test]
    fn addresses_are_hexadecimal_and_widened_to_pages() {
        let page = page_size();
        let range = parse(&format!("{:x}-0x{:x}", page + 1, 2 * page + 1)).unwrap();
        assert_eq!(range, pages(1, 3));
        assert_eq!(parse("0-ffffffffffffffff").unwrap().start(), 0);
    }

    #[test]
    fn wrong_ranges_are_refused() {
        for text in ["1000", "2000-1000", "1000-1000", "x-y", "-", "1-2-3", "1-10000000000000000"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn overlapping_ranges_become_one() {
        let merged = merge(&[pages(8, 9), pages(1, 4), pages(2, 3), pages(4, 5)]);
        assert_eq!(merged, [pages(1, 5), pages(8, 9)]);
    }
}
