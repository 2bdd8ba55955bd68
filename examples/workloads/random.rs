//! Random numbers, the same for every collector: Lehmer's generator, and three ways to pick an
//! object with it.

use clap::ValueEnum;

/// Where the sequence begins if nothing else is asked for.
pub(crate) const SEED: u64 = 12345;
pub(crate) const MODULUS: u64 = (1 << 31) - 1;

/// `s = s * 48271 mod 2^31 - 1`.
#[derive(Debug, Clone)]
pub(crate) struct Lehmer(u64);

impl Lehmer {
    pub(crate) fn new(seed: u64) -> Self {
        // Zero would stay zero.
        Self((seed % MODULUS).max(1))
    }

    /// The sequence of a mutator thread, counted from 0.
    pub(crate) fn of_thread(seed: u64, thread: usize) -> Self {
        Self::new(seed + 7919 * (thread as u64 + 1))
    }

    #[inline]
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0 * 48271 % MODULUS;
        self.0 as usize % bound
    }

    /// A number from 0 to 1, without either.
    fn fraction(&mut self) -> f64 {
        self.0 = self.0 * 48271 % MODULUS;
        self.0 as f64 / MODULUS as f64
    }
}

/// Which old objects are written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Locality {
    /// All of them alike
    Uniform,
    /// Zipf's law with exponent 0.99: few of them, those that were allocated first, most of the time
    Zipf,
    /// A window of one in a hundred of them that moves on by one for each pick
    Cluster,
}

/// Picks numbers below a bound.
#[derive(Debug, Clone)]
pub(crate) struct Picks {
    random: Lehmer,
    bound: usize,
    how: How,
}

#[derive(Debug, Clone)]
enum How {
    Uniform,
    Zipf(Zipf),
    Window { first: usize, size: usize },
}

impl Picks {
    /// Picks for one of some threads; with [`Locality::Cluster`] each has a window of its own.
    pub(crate) fn new(
        locality: Locality,
        bound: usize,
        seed: u64,
        (thread, threads): (usize, usize),
    ) -> Self {
        let how = match locality {
            Locality::Uniform => How::Uniform,
            Locality::Zipf => How::Zipf(Zipf::new(bound)),
            Locality::Cluster => {
                How::Window { first: bound / threads * thread, size: (bound / 100).max(1) }
            }
        };
        Self { random: Lehmer::of_thread(seed, thread), bound, how }
    }

    #[inline]
    pub(crate) fn next(&mut self) -> usize {
        match &mut self.how {
            How::Uniform => self.random.below(self.bound),
            How::Zipf(zipf) => zipf.pick(self.random.fraction()),
            How::Window { first, size } => {
                let pick = (*first + self.random.below(*size)) % self.bound;
                *first += 1;
                pick
            }
        }
    }
}

const EXPONENT: f64 = 0.99;

/// Ranks by Zipf's law. ("Quickly generating billion-record synthetic databases", Gray and others,
/// 1994.)
#[derive(Debug, Clone)]
struct Zipf {
    ranks: f64,
    zeta: f64,
    eta: f64,
}

impl Zipf {
    fn new(ranks: usize) -> Self {
        let (ranks, zeta, two) = (ranks as f64, zeta(ranks), zeta(2));
        let eta = (1.0 - (2.0 / ranks).powf(1.0 - EXPONENT)) / (1.0 - two / zeta);
        Self { ranks, zeta, eta }
    }

    fn pick(&self, fraction: f64) -> usize {
        let scaled = fraction * self.zeta;
        if scaled < 1.0 {
            return 0;
        }
        if scaled < zeta(2) {
            return 1;
        }
        let power = (self.eta * fraction - self.eta + 1.0).powf(1.0 / (1.0 - EXPONENT));
        ((self.ranks * power) as usize).min(self.ranks as usize - 1)
    }
}

/// The sum of the first `terms` of `k^-0.99`: the head term by term, the tail by its integral.
fn zeta(terms: usize) -> f64 {
    const HEAD: usize = 1000;
    let power = |k: f64| k.powf(-EXPONENT);
    let head: f64 = (1..=terms.min(HEAD)).map(|k| power(k as f64)).sum();
    if terms <= HEAD {
        return head;
    }
    let (from, to) = (HEAD as f64, terms as f64);
    let integral = |k: f64| k.powf(1.0 - EXPONENT) / (1.0 - EXPONENT);
    head + integral(to) - integral(from) + (power(to) - power(from)) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUND: usize = 100_000;

    fn picks(locality: Locality) -> Vec<usize> {
        let mut picks = Picks::new(locality, BOUND, SEED, (0, 1));
        (0..BOUND).map(|_| picks.next()).inspect(|&pick| assert!(pick < BOUND)).collect()
    }

    #[test]
    fn the_sequence_is_lehmers() {
        // The ten-thousandth number after 1, as published with the generator.
        let mut random = Lehmer::new(1);
        let last = (0..10_000).map(|_| random.below(usize::MAX)).last();
        assert_eq!(last, Some(399_268_537));
    }

    #[test]
    fn zeta_is_the_sum() {
        let sum: f64 = (1..=50_000).map(|k| f64::from(k).powf(-EXPONENT)).sum();
        assert!((zeta(50_000) - sum).abs() < 1e-6);
    }

    #[test]
    fn zipf_picks_the_first_as_often_as_it_should() {
        let (picks, expected) = (picks(Locality::Zipf), BOUND as f64 / zeta(BOUND));
        for rank in 0..2 {
            let count = picks.iter().filter(|&&pick| pick == rank).count() as f64;
            let expected = expected / f64::from(rank as u32 + 1).powf(EXPONENT);
            assert!((count / expected - 1.0).abs() < 0.05, "rank {rank}: {count}, {expected}");
        }
    }

    #[test]
    fn a_cluster_stays_in_its_moving_window() {
        for (turn, pick) in picks(Locality::Cluster).into_iter().enumerate() {
            assert!((pick + BOUND - turn) % BOUND < BOUND / 100);
        }
    }
}
