//! A short first-in first-out queue of addresses for which memory is on its way into the cache.

/// What was pushed comes out `N` pushes later: long enough after its prefetch, not too long.
#[derive(Debug)]
pub(crate) struct Ring<const N: usize, T = usize> {
    entries: [T; N],
    next: usize,
    len: usize,
}

impl<const N: usize, T: Copy + Default> Ring<N, T> {
    const POWER_OF_TWO: () = assert!(N.is_power_of_two());

    pub(crate) fn new() -> Self {
        let () = Self::POWER_OF_TWO;
        Self { entries: [T::default(); N], next: 0, len: 0 }
    }

    /// Adds an entry; returns the oldest when there is no room for both.
    #[inline]
    pub(crate) fn push(&mut self, entry: T) -> Option<T> {
        let oldest = (self.len == N).then(|| self.entries[self.next]);
        self.entries[self.next] = entry;
        self.next = (self.next + 1) % N;
        self.len += usize::from(oldest.is_none());
        oldest
    }

    /// Removes the oldest entry.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<T> {
        self.len = self.len.checked_sub(1)?;
        Some(self.entries[(self.next + N - self.len - 1) % N])
    }
}

/// Asks for the cache line of `address`.
#[inline]
pub(crate) fn prefetch(address: usize) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch of any address at all is harmless.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(std::ptr::without_provenance(address));
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: a prefetch of any address at all is harmless.
    unsafe {
        std::arch::asm!("prfm pldl1keep, [{0}]", in(reg) address, options(nostack, readonly));
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn entries_leave_in_the_order_in_which_they_came() {
        let mut ring = Ring::<4, usize>::new();
        assert_eq!(ring.pop(), None);
        let pushed: Vec<_> = (1..=6).map(|entry| ring.push(entry)).collect();
        assert_eq!(pushed, [None, None, None, None, Some(1), Some(2)]);
        assert_eq!([ring.pop(), ring.pop()], [Some(3), Some(4)]);
        assert_eq!(ring.push(7), None);
        let rest: Vec<_> = std::iter::from_fn(|| ring.pop()).collect();
        assert_eq!(rest, [5, 6, 7]);
    }
}
