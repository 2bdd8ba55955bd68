//! What the tracker costs on 1 GiB, each operation beside the bare ioctl on the same pages.
//!
//! Every iteration runs both, taking turns in going first, so that noise on the machine hits both;
//! making pages dirty in between is not timed. At the end the medians stand in a table with their
//! ratio: the layer is to add at most 5 %.
//!
//! One row is over that, and stays so: all of the memory dirty in whole huge pages. The kernel needs
//! 0.4 ns a page for those, and a set with one bit a page takes one locked instruction for every 64
//! of them, 0.08 ns a page or 20 us for all.
//!
//! `huge` memory is faulted in as huge pages. The first write to an armed one splits it, so rows
//! with a few dirty pages are measured on what a program that writes such pages soon has; the
//! table says how much was mapped huge at the end of a row.

mod arena;
mod pair;

use std::time::Duration;

use criterion::{BenchmarkGroup, Criterion, SamplingMode, Throughput, measurement::WallTime};
use strandline::dirty::PageSet;
use strandline::os::{PageRange, page_size};

use arena::{Arena, PageKind};
use pair::{Pair, Table, timed};

const BYTES: usize = 1 << 30;
/// Memory whose faults are counted in one iteration.
const FAULT_BYTES: usize = 16 << 20;
/// Dirty pages in a thousand. All of them first: the other rows split huge pages.
const DIRTY: [usize; 4] = [1000, 1, 10, 100];

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(600))
        .configure_from_args();
    let mut table = Table::default();
    for kind in [PageKind::Base, PageKind::Huge] {
        let arena = Arena::new(BYTES, kind);
        let mut group = criterion.benchmark_group(kind.name());
        group.sampling_mode(SamplingMode::Flat);
        scans(&mut group, &arena, &mut table);
        faults(&mut group, &arena, &mut table);
        group.finish();
    }
    criterion.final_summary();
    println!("\n{table}");
}

type Group<'a> = BenchmarkGroup<'a, WallTime>;

fn scans(group: &mut Group<'_>, arena: &Arena, table: &mut Table) {
    let range = arena.range();
    let owed = PageSet::new(range);
    let consume = || {
        arena.tracker.consume(range, &owed).expect("registered");
    };
    let peek = || {
        arena.tracker.peek(range, &owed).expect("registered");
    };

    // What was never protected, against each of the other ways to protect it.
    let protect = || arena.tracker.protect(range).expect("registered");
    let never = || {
        arena.dirty(1000);
        owed.clear();
    };
    row(group, table, arena, "protect / consume", never, &protect, &consume);
    row(group, table, arena, "protect / bare GET+WP", never, &protect, &|| arena.bare_consume());
    row(group, table, arena, "protect / UFFDIO", never, &protect, &|| arena.bare_protect());
    row(group, table, arena, "clean scan", || arena.arm(), &consume, &|| arena.bare_consume());
    for permille in DIRTY {
        let name = format!("re-arm, {} % dirty", permille as f64 / 10.0);
        let dirty = || {
            arena.arm();
            arena.dirty(permille);
            owed.clear();
        };
        row(group, table, arena, &name, dirty, &consume, &|| arena.bare_consume());
    }
    let dirty = || {
        arena.arm();
        arena.dirty(10);
        owed.clear();
    };
    row(group, table, arena, "peek, 1 % dirty", dirty, &peek, &|| arena.bare_peek());
    let clean = || {
        arena.arm();
        owed.clear();
    };
    row(group, table, arena, "peek, clean", clean, &peek, &|| arena.bare_peek());
    let unprotect = || arena.tracker.unprotect(range).expect("registered");
    row(group, table, arena, "un-protect in bulk", || arena.arm(), &unprotect, &|| {
        arena.bare_unprotect();
    });
}

/// The first write to each page: the kernel's work alone, so what is compared is how it was armed.
fn faults(group: &mut Group<'_>, arena: &Arena, table: &mut Table) {
    let part = arena.range().subrange(0, FAULT_BYTES / page_size());
    let owed = PageSet::new(part);
    let faults = |arm: &dyn Fn()| {
        arm();
        timed(|| arena.write_every_page(part))
    };
    let consume = || {
        arena.tracker.consume(part, &owed).expect("registered");
    };
    let ours = || faults(&consume);
    let bare = || faults(&|| arena.bare_consume_part(part));
    measure(group, table, arena, "fault", part, &ours, &bare);
}

/// A row where the whole of an operation is timed, after `prepare`.
fn row(
    group: &mut Group<'_>,
    table: &mut Table,
    arena: &Arena,
    name: &str,
    prepare: impl Fn(),
    ours: &dyn Fn(),
    bare: &dyn Fn(),
) {
    let prepared = |operation: &dyn Fn()| {
        prepare();
        timed(operation)
    };
    measure(group, table, arena, name, arena.range(), &|| prepared(ours), &|| prepared(bare));
}

fn measure(
    group: &mut Group<'_>,
    table: &mut Table,
    arena: &Arena,
    name: &str,
    range: PageRange,
    ours: &dyn Fn() -> Duration,
    bare: &dyn Fn() -> Duration,
) {
    let mut pair = Pair::default();
    group.throughput(Throughput::Elements(range.pages() as u64));
    group.bench_function(format!("{name}/bare"), |bencher| {
        bencher.iter_custom(|iterations| pair.run(iterations, ours, bare).bare);
    });
    group.bench_function(format!("{name}/tracker"), |bencher| {
        bencher.iter_custom(|iterations| pair.run(iterations, ours, bare).ours);
    });
    table.add(arena.kind, name, range.pages(), pair, arena.huge_mib());
}
