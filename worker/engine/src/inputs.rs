//! The inputs of samples: bytes where few different numbers occur, else the numbers themselves.

use crate::kernel::lanes::LEAST;
use crate::kernel::sparse::{PIXELS, SparseRows, Table, prefetch};
use std::ops::Range;
use std::sync::Arc;

/// From this share of non-zero inputs on the dense first layer is used.
///
/// What is left of the work takes somewhat longer by lists than in dense tiles. Where zeros stand anywhere, an epoch of
/// 784-128-128-64-64-64-64-10 with lists takes as long as without at a share of 0.6 (AVX2); where they stand together, as in
/// images, that is higher.
pub const SPARSE_BELOW: f64 = 0.6;

/// How many different numbers bytes can stand for.
const CODES: usize = 256;

/// The inputs of samples, row after row.
#[derive(Debug)]
pub(crate) struct Inputs {
    stored: Stored,
    inputs_per_sample: usize,
    /// Lists of what is not zero, where they pay.
    pub(crate) sparse: Option<SparseRows>,
}

/// The numbers, in the least room that holds them.
#[derive(Debug)]
enum Stored {
    /// Each is a byte divided by 255.
    Pixels(Vec<u8>),
    /// Each is what a byte stands for; 0 stands for 0 if that occurs at all.
    Codes(Vec<u8>, Arc<Table>),
    /// Each is itself.
    Numbers(Vec<f32>),
}

/// Inputs of one sample that follow one another.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Row<'a> {
    /// Each is a byte divided by 255.
    Pixels(&'a [u8]),
    /// Each is what a byte stands for.
    Codes(&'a [u8], &'a Table),
    /// Each is itself.
    Numbers(&'a [f32]),
}

impl Row<'_> {
    /// Asks for the inputs, which are read soon.
    pub(crate) fn prefetch(self) {
        match self {
            Row::Pixels(codes) | Row::Codes(codes, _) => prefetch(codes),
            Row::Numbers(numbers) => prefetch(numbers),
        }
    }
}

/// The inputs of both parts, stored in the same way, and the share of the training part's that is not zero.
pub(crate) struct Both {
    pub(crate) training: Inputs,
    pub(crate) test: Inputs,
    pub(crate) density: f64,
}

impl Both {
    /// Takes bytes, each an input `v as f32 / 255.0`.
    pub(crate) fn from_bytes(training: Vec<u8>, test: Vec<u8>, inputs_per_sample: usize) -> Both {
        Both::of([training, test].map(Stored::Pixels), inputs_per_sample)
    }

    /// Takes finite numbers, cleans them (below 2⁻⁶³ in magnitude is +0) and stores them as bytes where no more than 256
    /// different ones occur.
    pub(crate) fn from_numbers(training: Vec<f32>, test: Vec<f32>, inputs_per_sample: usize) -> Both {
        let mut parts = [training, test];
        parts.iter_mut().flatten().for_each(|number| *number = clean(*number));
        let stored = match different(parts.iter().flatten().copied()) {
            Some(numbers) => coded(parts, &numbers),
            None => parts.map(Stored::Numbers),
        };
        Both::of(stored, inputs_per_sample)
    }

    fn of([training, test]: [Stored; 2], inputs_per_sample: usize) -> Both {
        let density = training.share_not_zero();
        let make = |stored: Stored| {
            let sparse = if density < SPARSE_BELOW { stored.lists(inputs_per_sample) } else { None };
            Inputs { stored, inputs_per_sample, sparse }
        };
        Both { training: make(training), test: make(test), density }
    }
}

/// What is stored instead of a number.
pub(crate) fn clean(number: f32) -> f32 {
    if number.abs() < LEAST { 0.0 } else { number }
}

/// Returns the bits of the numbers that occur, in ascending order: zero first, if it occurs. `None` beyond [`CODES`].
fn different(numbers: impl Iterator<Item = f32>) -> Option<Vec<u32>> {
    let mut found: Vec<u32> = Vec::new();
    for number in numbers {
        if let Err(place) = found.binary_search(&number.to_bits()) {
            if found.len() == CODES {
                return None;
            }
            found.insert(place, number.to_bits());
        }
    }
    Some(found)
}

/// Writes each number as its place among those that occur.
fn coded(parts: [Vec<f32>; 2], numbers: &[u32]) -> [Stored; 2] {
    let mut table = [0.0; CODES];
    table.iter_mut().zip(numbers).for_each(|(entry, bits)| *entry = f32::from_bits(*bits));
    let table = Arc::new(table);
    let code = |number: &f32| numbers.binary_search(&number.to_bits()).unwrap_or(0) as u8;
    parts.map(|part| Stored::Codes(part.iter().map(code).collect(), Arc::clone(&table)))
}

impl Stored {
    fn share_not_zero(&self) -> f64 {
        let (zeros, all) = match self {
            Stored::Codes(codes, table) if table[0] != 0.0 => (0, codes.len()),
            Stored::Pixels(codes) | Stored::Codes(codes, _) => {
                (codes.iter().filter(|code| **code == 0).count(), codes.len())
            }
            Stored::Numbers(numbers) => {
                (numbers.iter().filter(|number| **number == 0.0).count(), numbers.len())
            }
        };
        (all - zeros) as f64 / all as f64
    }

    /// Lists what is not zero, where bytes stand for the numbers.
    fn lists(&self, inputs_per_sample: usize) -> Option<SparseRows> {
        match self {
            Stored::Pixels(bytes) => SparseRows::new(bytes, inputs_per_sample, &PIXELS),
            Stored::Codes(codes, table) => SparseRows::new(codes, inputs_per_sample, table),
            Stored::Numbers(_) => None,
        }
    }
}

impl Inputs {
    /// Returns inputs of one sample.
    pub(crate) fn row(&self, sample: usize, columns: Range<usize>) -> Row<'_> {
        let start = sample * self.inputs_per_sample;
        let range = start + columns.start..start + columns.end;
        match &self.stored {
            Stored::Pixels(bytes) => Row::Pixels(&bytes[range]),
            Stored::Codes(codes, table) => Row::Codes(&codes[range], table),
            Stored::Numbers(numbers) => Row::Numbers(&numbers[range]),
        }
    }

    /// Keeps each input as a number.
    #[cfg(test)]
    pub(crate) fn forget_codes(&mut self) {
        let (Stored::Pixels(codes) | Stored::Codes(codes, _)) = &self.stored else { return };
        let at = |at: usize| self.number(at / self.inputs_per_sample, at % self.inputs_per_sample);
        let numbers = (0..codes.len()).map(at).collect();
        (self.stored, self.sparse) = (Stored::Numbers(numbers), None);
    }

    /// Returns one input.
    pub(crate) fn number(&self, sample: usize, column: usize) -> f32 {
        match self.row(sample, column..column + 1) {
            Row::Pixels(byte) => PIXELS[usize::from(byte[0])],
            Row::Codes(code, table) => table[usize::from(code[0])],
            Row::Numbers(number) => number[0],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(inputs: &Inputs, count: usize) -> Vec<f32> {
        (0..count).map(|column| inputs.number(0, column)).collect()
    }

    #[test]
    fn few_numbers_become_bytes_and_stay_the_same_numbers() {
        let (training, test) = (vec![-2.5, 0.0, 7.0, 0.0, -0.0, 1e-40], vec![3.0, 0.0, -2.5, 3.0, 3.0, 3.0]);
        let both = Both::from_numbers(training, test, 6);
        assert_eq!(numbers(&both.training, 6), [-2.5, 0.0, 7.0, 0.0, 0.0, 0.0]);
        assert_eq!(numbers(&both.test, 6), [3.0, 0.0, -2.5, 3.0, 3.0, 3.0]);
        assert!(
            both.training.number(0, 4).is_sign_positive() && both.training.number(0, 5) == 0.0,
            "cleaned"
        );
        let Row::Codes(codes, table) = both.training.row(0, 0..6) else { panic!("few numbers are coded") };
        assert_eq!((codes[1], table[0]), (0, 0.0), "zero is byte 0");
        assert_eq!(both.density, 2.0 / 6.0);
        assert!(both.training.sparse.is_some() && both.test.sparse.is_some());
    }

    #[test]
    fn bytes_hold_256_different_numbers_and_not_one_more() {
        let some = |count: usize| (0..count).map(|n| n as f32 - 100.5).collect::<Vec<_>>();
        let held = Both::from_numbers(some(256), vec![-100.5; 256], 256);
        assert!(matches!(held.training.row(0, 0..1), Row::Codes(..)));
        assert_eq!(numbers(&held.training, 256), some(256));
        assert_eq!(held.density, 1.0, "byte 0 stands for no zero here");
        let more = Both::from_numbers(some(257), vec![0.0; 257], 257);
        assert!(matches!(more.training.row(0, 0..1), Row::Numbers(..)));
        assert_eq!(numbers(&more.training, 257), some(257));
        assert!(more.test.sparse.is_none(), "lists are of bytes");
    }

    #[test]
    fn a_zero_of_the_test_part_alone_is_byte_0_too() {
        let both = Both::from_numbers(vec![1.0, 2.0], vec![0.0, 2.0], 2);
        assert_eq!((numbers(&both.training, 2), numbers(&both.test, 2)), (vec![1.0, 2.0], vec![0.0, 2.0]));
        assert_eq!(both.density, 1.0);
    }
}
