//! Philox4x32-10: random numbers as a function of a key and a counter.
//!
//! Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011, doi:10.1145/2063384.2063405.
//! A number depends on what it is for (key) and on where it is used (counter), never on what was drawn before.

use gridsweep_common::seed::{Purpose, SeedKey, derive};
use rand::{Rng, TryRng};
use std::convert::Infallible;

const MULTIPLIERS: [u32; 2] = [0xd251_1f53, 0xcd9e_8d57];
const WEYL: [u32; 2] = [0x9e37_79b9, 0xbb67_ae85];
const ROUNDS: usize = 10;

/// How many counters [`philox`] takes at once: as many as fill the vector registers of one instruction.
pub(crate) const WIDE: usize = 8;

/// The key of one random stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Key([u32; 2]);

impl Key {
    /// Derives the key for this purpose.
    pub(crate) fn new(seed: SeedKey, purpose: Purpose) -> Key {
        let key = derive(seed, purpose);
        Key([key as u32, (key >> 32) as u32])
    }
}

/// Returns the four words of each of eight counters, given and returned word by word: `[word][counter]`.
#[inline(always)]
pub(crate) fn philox(key: Key, counters: [[u32; WIDE]; 4]) -> [[u32; WIDE]; 4] {
    let mut c = counters;
    let mut k = key.0;
    for _ in 0..ROUNDS {
        let mut next = c;
        for i in 0..WIDE {
            let first = u64::from(MULTIPLIERS[0]) * u64::from(c[0][i]);
            let second = u64::from(MULTIPLIERS[1]) * u64::from(c[2][i]);
            next[0][i] = (second >> 32) as u32 ^ c[1][i] ^ k[0];
            next[1][i] = second as u32;
            next[2][i] = (first >> 32) as u32 ^ c[3][i] ^ k[1];
            next[3][i] = first as u32;
        }
        c = next;
        k = [k[0].wrapping_add(WEYL[0]), k[1].wrapping_add(WEYL[1])];
    }
    c
}

/// The numbers of one stream one after the other: those of counters (0, a, b, c), (1, a, b, c), …
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    key: Key,
    counter: [u32; 4],
    words: [u32; 4 * WIDE],
    used: usize,
}

impl Stream {
    /// Begins the stream that belongs to these three numbers (an epoch, a layer).
    pub(crate) fn new(key: Key, place: [u32; 3]) -> Stream {
        let counter = [0, place[0], place[1], place[2]];
        Stream { key, counter, words: [0; 4 * WIDE], used: 4 * WIDE }
    }

    fn refill(&mut self) {
        let [first, a, b, c] = self.counter;
        let counters = std::array::from_fn(|i| first.wrapping_add(i as u32));
        let words = philox(self.key, [counters, [a; WIDE], [b; WIDE], [c; WIDE]]);
        self.words = std::array::from_fn(|i| words[i % 4][i / 4]);
        self.counter[0] = first.wrapping_add(WIDE as u32);
        self.used = 0;
    }

    /// Returns a whole number below `end`, each with the same probability.
    ///
    /// Lemire, "Fast random integer generation in an interval", 2019, doi:10.1145/3230636.
    pub(crate) fn below(&mut self, end: u32) -> u32 {
        let mut product = u64::from(self.next_u32()) * u64::from(end);
        let least = end.wrapping_neg() % end;
        while (product as u32) < least {
            product = u64::from(self.next_u32()) * u64::from(end);
        }
        (product >> 32) as u32
    }

    /// Returns a number in 0 ≤ x < 1, a multiple of 2⁻²⁴.
    pub(crate) fn unit(&mut self) -> f64 {
        f64::from(self.next_u32() >> 8) / f64::from(1 << 24)
    }

    /// Puts `items` into a random order: each of all orders with the same probability (Fisher–Yates).
    pub(crate) fn shuffle(&mut self, items: &mut [u32]) {
        for end in (2..=items.len() as u32).rev() {
            let pick = self.below(end);
            items.swap(pick as usize, end as usize - 1);
        }
    }
}

impl TryRng for Stream {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        if self.used == self.words.len() {
            self.refill();
        }
        self.used += 1;
        Ok(self.words[self.used - 1])
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let low = self.try_next_u32()?;
        Ok(u64::from(self.try_next_u32()?) << 32 | u64::from(low))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for chunk in bytes.chunks_mut(4) {
            let word = self.try_next_u32()?.to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(key: [u32; 2], counter: [u32; 4]) -> [u32; 4] {
        philox(Key(key), counter.map(|word| [word; WIDE])).map(|words| words[WIDE - 1])
    }

    /// `kat_vectors` of the Random123 distribution, lines `philox4x32 10`.
    #[test]
    fn published_vectors_are_reproduced() {
        let ones = u32::MAX;
        let pi = [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344];
        let cases = [
            ([0; 2], [0; 4], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
            ([ones; 2], [ones; 4], [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
            ([0xa409_3822, 0x299f_31d0], pi, [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]),
        ];
        for (key, counter, words) in cases {
            assert_eq!(one(key, counter), words);
        }
    }

    #[test]
    fn a_stream_is_its_counters_in_order() {
        let mut stream = Stream::new(Key([1, 2]), [3, 4, 5]);
        for counter in 0..2 * WIDE as u32 + 1 {
            for word in one([1, 2], [counter, 3, 4, 5]) {
                assert_eq!(stream.next_u32(), word);
            }
        }
    }

    #[test]
    fn numbers_below_a_bound_are_even() {
        let mut stream = Stream::new(Key([1, 2]), [0; 3]);
        let mut counts = [0; 6];
        (0..60_000).for_each(|_| counts[stream.below(6) as usize] += 1);
        // Five standard deviations of a count are 456.
        assert!(counts.iter().all(|count| (9_544..=10_456).contains(count)), "{counts:?}");
    }

    #[test]
    fn a_shuffle_loses_nothing_and_finds_every_order() {
        let mut found = std::collections::BTreeSet::new();
        for place in 0..200 {
            let mut items = [0, 1, 2, 3];
            Stream::new(Key([7, 8]), [place, 0, 0]).shuffle(&mut items);
            let mut sorted = items;
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 1, 2, 3]);
            found.insert(items);
        }
        assert_eq!(found.len(), 24);
    }
}
