//! What the heap costs, each figure beside a floor measured in the same run: `cargo bench --bench
//! heap`. Marking 8.4 million random 64-byte nodes, and allocation.
//!
//! Rounds alternate between the two sides; medians and their ratio are printed.

mod allocate;
mod mark;

fn main() {
    allocate::run();
    mark::run();
}

/// The median of some figures.
fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// The benchmarks' random numbers: Lehmer, modulo 2^31 - 1.
struct Lehmer(u64);

impl Lehmer {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0 * 48271 % 0x7fff_ffff;
        self.0 as usize % bound
    }
}
