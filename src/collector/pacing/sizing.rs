//! How large the heap should be: the MemBalancer rule.
//!
//! Collecting costs time in proportion to what is alive, and happens as often as the room above
//! that is used up; room costs memory. Balancing the two over all heaps of a machine leads to room
//! in proportion to the square root of live size times allocation rate over collection speed.
//! ("Optimal heap limits for reducing browser memory use", Kirisame, Shenoy, Panchekha, 2022.)

use std::time::Duration;

/// The smallest room above the live size.
const SMALLEST_ROOM: usize = 16 << 20;

/// Weight of the newest observation in the running averages.
const NEWEST: f64 = 0.5;

/// Room in bytes is `TRADE_OFF * sqrt(live * allocation rate / collection speed)`. With this value a heap of 512 MiB that
/// allocates 1 GiB/s and is marked at 2 GiB/s gets about as much room as it has live.
const TRADE_OFF: f64 = 32.0 * 1024.0;

/// What the rule has seen.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Balancer {
    /// Bytes per second.
    allocation_rate: f64,
    /// Bytes per second.
    collection_speed: f64,
}

fn average(old: f64, new: f64) -> f64 {
    if old == 0.0 { new } else { old + NEWEST * (new - old) }
}

fn rate(bytes: usize, time: Duration) -> f64 {
    bytes as f64 / time.as_secs_f64().max(1e-6)
}

impl Balancer {
    /// Takes note of a collection: what was allocated in the time before it, what it found alive
    /// and how long it took.
    pub(crate) fn observe(
        &mut self,
        (allocated, since): (usize, Duration),
        (live, collecting): (usize, Duration),
    ) {
        self.allocation_rate = average(self.allocation_rate, rate(allocated, since));
        self.collection_speed = average(self.collection_speed, rate(live, collecting));
    }

    /// The size in bytes that the heap should have with `live` bytes alive, at most `limit`.
    pub(crate) fn target(&self, live: usize, limit: usize) -> usize {
        let pressure = self.allocation_rate / self.collection_speed.max(1.0);
        let room = TRADE_OFF * (live as f64 * pressure).sqrt();
        let room = (room as usize).clamp(SMALLEST_ROOM, limit.max(SMALLEST_ROOM));
        live.saturating_add(room).min(limit)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const MIB: usize = 1 << 20;
    const GIB: usize = 1 << 30;

    fn seen(allocated: usize, live: usize, collecting: Duration) -> Balancer {
        let mut balancer = Balancer::default();
        balancer.observe((allocated, SECOND), (live, collecting));
        balancer
    }

    #[test]
    fn room_grows_with_the_square_root() {
        let room = |allocated, live| {
            seen(allocated, live, SECOND / 4).target(live, usize::MAX) as f64 - live as f64
        };
        let ratio = room(4 * GIB, 512 * MIB) / room(GIB, 512 * MIB);
        assert!((1.99..2.01).contains(&ratio), "{ratio}");
    }

    #[test]
    fn a_busy_half_gibibyte_gets_about_as_much_again() {
        let room = seen(GIB, 512 * MIB, SECOND / 4).target(512 * MIB, usize::MAX) - 512 * MIB;
        assert!((256 * MIB..GIB).contains(&room), "{} MiB", room / MIB);
    }

    #[test]
    fn the_limit_is_kept_and_a_quiet_heap_has_some_room() {
        assert_eq!(seen(GIB, 512 * MIB, SECOND).target(512 * MIB, 600 * MIB), 600 * MIB);
        assert_eq!(seen(0, MIB, SECOND).target(MIB, GIB), MIB + SMALLEST_ROOM);
    }
}
