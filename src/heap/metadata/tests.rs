//! Finding small objects by the bits of their granules, at the edges of objects, pages and blocks.

use super::*;
use crate::os::{PageRange, page_size};

const LARGEST: usize = LARGEST_SMALL / GRANULE;

fn metadata() -> Metadata {
    Metadata::new(Geometry::new(PageRange::new(CHUNK, 2 * CHUNK).unwrap())).unwrap()
}

/// Runs `check` while there is a marked object in some granules, with its address.
fn with_object(metadata: &Metadata, granules: std::ops::Range<usize>, check: impl FnOnce(usize)) {
    let bits = [
        (&metadata.starts, granules.start),
        (&metadata.ends, granules.end - 1),
        (metadata.current_marks(), granules.start),
    ];
    bits.iter().for_each(|&(bitmap, bit)| bitmap.set_owned(bit));
    check(metadata.geometry.granule_address(granules.start));
    bits.iter().for_each(|&(bitmap, bit)| bitmap.clear_owned(bit));
}

fn spanning_into(metadata: &Metadata, page: usize) -> Option<usize> {
    metadata.spanning_into(page, metadata.current_marks())
}

/// Of every size, and by one granule as well as by all but one.
#[test]
fn an_object_that_reaches_into_a_page_is_found_there() {
    let metadata = metadata();
    let page = metadata.geometry.block_address(1) + 4 * page_size();
    let granule = metadata.geometry.granule(page);
    for size in 2..=LARGEST {
        for reach in [1, size / 2, size - 1] {
            let end = granule + reach;
            with_object(&metadata, end - size..end, |object| {
                let found = spanning_into(&metadata, page);
                assert_eq!(found, Some(object), "{reach} of {size} granules are on the page");
            });
        }
    }
}

#[test]
fn an_object_that_ends_or_begins_with_a_page_does_not_reach_into_it() {
    let metadata = metadata();
    let page = metadata.geometry.block_address(1) + 4 * page_size();
    let granule = metadata.geometry.granule(page);
    for size in 1..=LARGEST {
        for granules in [granule - size..granule, granule..granule + size] {
            with_object(&metadata, granules, |_| {
                assert_eq!(spanning_into(&metadata, page), None, "{size} granules");
            });
        }
    }
}

#[test]
fn no_object_reaches_from_one_block_into_the_next() {
    let metadata = metadata();
    let page = metadata.geometry.block_address(1);
    with_object(&metadata, GRANULES_PER_BLOCK - 2..GRANULES_PER_BLOCK, |_| {
        assert_eq!(spanning_into(&metadata, page), None);
    });
}

/// Also the last one of the block, and one of a single granule.
#[test]
fn a_pointer_resolves_from_the_first_byte_of_an_object_to_its_last() {
    let metadata = metadata();
    for size in [1, 2, 3, 63, 64, 65, LARGEST] {
        for first in [1, 60, GRANULES_PER_BLOCK - size] {
            with_object(&metadata, first..first + size, |object| {
                let resolve = |offset| metadata.resolve_small(object + offset);
                let at = format!("of {size} granules at {first}");
                for granule in 0..size {
                    for byte in [0, 1, GRANULE - 1] {
                        let found = resolve(granule * GRANULE + byte);
                        assert_eq!(found, Some(object), "byte {byte} of granule {granule} {at}");
                    }
                }
                assert_eq!(resolve(size * GRANULE), None, "behind the last {at}");
                assert_eq!(metadata.resolve_small(object - 1), None, "before the first {at}");
            });
        }
    }
}
