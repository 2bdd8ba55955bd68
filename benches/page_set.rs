//! The page set at four densities, over the pages of 1 GiB.

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use strandline::dirty::PageSet;
use strandline::os::{PageRange, page_size};

const BYTES: usize = 1 << 30;
/// Pages in ten thousand.
const DENSITIES: [usize; 4] = [10, 100, 1000, 10_000];

/// Addresses; nothing is mapped there, because a set only counts.
fn span() -> PageRange {
    PageRange::new(BYTES, 2 * BYTES).expect("page-aligned")
}

/// Every page in `density` of ten thousand, spread evenly but not regularly, in address order.
fn pages(density: usize) -> Vec<PageRange> {
    let chosen = |page: usize| page.wrapping_mul(7919) % 10_000 < density;
    (0..BYTES / page_size())
        .filter(|&page| chosen(page))
        .map(|page| span().subrange(page, 1))
        .collect()
}

/// The same pages in an order that a random writer might have.
fn shuffled(pages: &[PageRange]) -> Vec<PageRange> {
    let mut mixed: Vec<_> = pages.to_vec();
    let mut state = 1_usize;
    for last in (1..mixed.len()).rev() {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        mixed.swap(last, (state >> 33) % (last + 1));
    }
    mixed
}

fn full(pages: &[PageRange]) -> PageSet {
    let set = PageSet::new(span());
    insert_in_batch(&set, pages);
    set
}

fn insert_in_batch(set: &PageSet, pages: &[PageRange]) {
    let mut batch = set.batch();
    for &page in pages {
        batch.insert(page);
    }
}

fn page_set(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("page_set");
    for density in DENSITIES {
        let label = format!("{} %", density as f64 / 100.0);
        let ordered = pages(density);
        let random = shuffled(&ordered);
        group.throughput(Throughput::Elements(ordered.len() as u64));
        let set = PageSet::new(span());
        group.bench_function(BenchmarkId::new("insert random", &label), |bencher| {
            bencher.iter_batched(
                || set.clear(),
                |()| random.iter().for_each(|&page| set.insert(page)),
                BatchSize::PerIteration,
            );
        });
        group.bench_function(BenchmarkId::new("insert in a batch", &label), |bencher| {
            let insert = |()| insert_in_batch(&set, &ordered);
            bencher.iter_batched(|| set.clear(), insert, BatchSize::PerIteration);
        });
        let set = full(&ordered);
        group.bench_function(BenchmarkId::new("iterate", &label), |bencher| {
            bencher.iter(|| set.iter().map(PageRange::pages).sum::<usize>());
        });
        group.bench_function(BenchmarkId::new("take", &label), |bencher| {
            let refill = || insert_in_batch(&set, &ordered);
            let take = |()| {
                let mut taken = 0;
                set.take_in(span(), |run| taken += run.pages());
                taken
            };
            bencher.iter_batched(refill, take, BatchSize::PerIteration);
        });
    }
    group.finish();
}

fn quick() -> Criterion {
    use std::time::Duration;
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(1))
}

criterion_group! { name = benches; config = quick(); targets = page_set }
criterion_main!(benches);
