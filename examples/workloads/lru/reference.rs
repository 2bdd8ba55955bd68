//! The cache without a heap: a list in two plain arrays, indexed by key.

/// Neither end of the list is a key.
const NONE: u32 = u32::MAX;

/// What a key that is not in the list has for neighbours.
const ABSENT: (u32, u32) = (NONE, NONE - 1);

struct Order {
    /// For each key the next newer and the next older one.
    neighbours: Vec<(u32, u32)>,
    newest: u32,
    oldest: u32,
}

impl Order {
    fn link(&mut self, key: u32) {
        self.neighbours[key as usize] = (NONE, self.newest);
        match self.newest {
            NONE => self.oldest = key,
            newest => self.neighbours[newest as usize].0 = key,
        }
        self.newest = key;
    }

    fn unlink(&mut self, key: u32) {
        let (newer, older) = std::mem::replace(&mut self.neighbours[key as usize], ABSENT);
        match newer {
            NONE => self.newest = older,
            newer => self.neighbours[newer as usize].1 = older,
        }
        match older {
            NONE => self.oldest = newer,
            older => self.neighbours[older as usize].0 = newer,
        }
    }
}

/// The sum of all hits, and of the keys from the newest to the oldest, each times its place.
pub(super) fn sum(looked_up: impl Iterator<Item = u32>, keys: u32, capacity: u32) -> u64 {
    let neighbours = vec![ABSENT; keys as usize];
    let mut order = Order { neighbours, newest: NONE, oldest: NONE };
    let (mut sum, mut entries) = (0_u64, 0);
    for key in looked_up {
        if order.neighbours[key as usize] != ABSENT {
            sum = sum.wrapping_add(u64::from(key));
            order.unlink(key);
        } else if entries == capacity {
            order.unlink(order.oldest);
        } else {
            entries += 1;
        }
        order.link(key);
    }
    let mut key = order.newest;
    for place in 1..=u64::from(entries) {
        sum = sum.wrapping_add(u64::from(key).wrapping_mul(place));
        key = order.neighbours[key as usize].1;
    }
    sum
}
