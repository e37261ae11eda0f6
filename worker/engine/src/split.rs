//! Which samples are trained on and which are held out for validation.

use crate::random::{Key, Stream};
use gridsweep_common::data::{Pick, Validation};
use gridsweep_common::seed::{Purpose, SeedKey};

/// The samples of the training set in two parts, each in ascending order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Split {
    pub(crate) training: Vec<u32>,
    pub(crate) validation: Vec<u32>,
}

impl Split {
    /// Splits `samples` samples, at least two: `fraction · samples`, rounded to the nearest whole number (a half away
    /// from zero), are held out, at least 1 and at most all but one.
    pub(crate) fn new(samples: usize, validation: Validation, seed: SeedKey) -> Split {
        let held_out = (validation.fraction * samples as f64).round() as usize;
        let held_out = held_out.clamp(1, samples - 1);
        let mut order: Vec<u32> = (0..samples as u32).collect();
        if validation.pick == Pick::Random {
            Stream::new(Key::new(seed, Purpose::Split), [0; 3]).shuffle(&mut order);
        }
        let mut validation = order.split_off(samples - held_out);
        validation.sort_unstable();
        order.sort_unstable();
        Split { training: order, validation }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: SeedKey = SeedKey { root: 1, replicate: 0 };

    #[test]
    fn every_sample_is_in_one_part() {
        for pick in [Pick::Random, Pick::Last] {
            let split = Split::new(103, Validation { fraction: 0.2, pick }, SEED);
            assert_eq!(split.validation.len(), 21);
            let mut all = [split.training, split.validation].concat();
            all.sort_unstable();
            assert_eq!(all, (0..103).collect::<Vec<u32>>());
        }
    }

    #[test]
    fn replicates_hold_out_other_samples_and_the_last_are_the_last() {
        let split = |pick, replicate| {
            Split::new(100, Validation { fraction: 0.1, pick }, SeedKey { replicate, ..SEED }).validation
        };
        assert_ne!(split(Pick::Random, 0), split(Pick::Random, 1));
        assert_eq!(split(Pick::Random, 1), split(Pick::Random, 1));
        assert_eq!(split(Pick::Last, 0), (90..100).collect::<Vec<u32>>());
    }

    #[test]
    fn both_parts_have_a_sample_whatever_the_fraction() {
        for (fraction, expected) in [(0.0, 1), (1.0, 2), (f64::NAN, 1), (-3.0, 1), (0.5, 2)] {
            let split = Split::new(3, Validation { fraction, pick: Pick::Last }, SEED);
            assert_eq!(split.validation.len(), expected, "{fraction}");
        }
    }
}
