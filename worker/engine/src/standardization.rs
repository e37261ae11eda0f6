//! Standardisation: what makes the mean of each input 0 and its deviation 1 over the training set.

use crate::inputs::{Inputs, clean};

/// Each input x is learned from as `factor · x + shift`; a network never meets these numbers, see `fold.rs`.
#[derive(PartialEq, Debug)]
pub(crate) struct Standardization {
    /// One an input: 1 / deviation.
    pub(crate) factors: Vec<f32>,
    /// One an input: −mean / deviation.
    pub(crate) shifts: Vec<f32>,
}

/// The largest factor, shift and deviation: with them, no first weight that was just drawn leaves the range of `f32`.
const LARGEST: f64 = (1_u128 << 96) as f64;

impl Standardization {
    /// Measures the mean and the deviation (over n, not n − 1) of each input over all samples of the training set, the
    /// validation part too: they are those of the data and not of a replicate.
    ///
    /// In `f64`, over the samples in order, of differences from the first sample: a constant input has the deviation 0
    /// exactly. It becomes 0 everywhere, and so does an input whose deviation or shift is beyond 2⁹⁶ or whose deviation
    /// is below 2⁻⁹⁶.
    pub(crate) fn of(inputs: &Inputs, inputs_per_sample: usize, samples: usize) -> Standardization {
        let count = samples as f64;
        let difference = |sample: usize, column: usize| {
            f64::from(inputs.number(sample, column)) - f64::from(inputs.number(0, column))
        };
        let (mut means, mut squares) = (vec![0.0; inputs_per_sample], vec![0.0; inputs_per_sample]);
        for sample in 0..samples {
            (0..inputs_per_sample).for_each(|column| means[column] += difference(sample, column));
        }
        means.iter_mut().for_each(|sum| *sum /= count);
        for sample in 0..samples {
            for column in 0..inputs_per_sample {
                let rest = difference(sample, column) - means[column];
                squares[column] += rest * rest;
            }
        }
        let column = |column: usize| {
            let mean = f64::from(inputs.number(0, column)) + means[column];
            factor_and_shift(mean, (squares[column] / count).sqrt())
        };
        let (factors, shifts) = (0..inputs_per_sample).map(column).unzip();
        Standardization { factors, shifts }
    }
}

fn factor_and_shift(mean: f64, deviation: f64) -> (f32, f32) {
    let (factor, shift) = (1.0 / deviation, -mean / deviation);
    if deviation > LARGEST || factor > LARGEST || shift.abs() > LARGEST {
        return (0.0, 0.0);
    }
    (factor as f32, clean(shift as f32))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inputs::Both;

    #[test]
    fn inputs_get_mean_0_and_deviation_1() {
        let columns =
            [[1.0, 2.0, 3.0, 6.0], [0.1, 0.1, 0.1, 0.1], [-1e20, 1e20, 0.0, 0.0], [1e35, 0.0, 0.0, 0.0]];
        let rows: Vec<f32> = (0..4).flat_map(|sample| columns.map(|column| column[sample])).collect();
        let both = Both::from_numbers(rows, vec![0.0; 4], 4);
        let Standardization { factors, shifts } = Standardization::of(&both.training, 4, 4);
        for column in [0, 2] {
            let all = columns[column]
                .map(|x| f64::from(factors[column]) * f64::from(x) + f64::from(shifts[column]));
            let (mean, square) =
                (all.iter().sum::<f64>() / 4.0, all.iter().map(|x| x * x).sum::<f64>() / 4.0);
            assert!(mean.abs() < 1e-6 && (square - 1.0).abs() < 1e-6, "column {column}: {all:?}");
        }
        assert_eq!((factors[1], shifts[1]), (0.0, 0.0), "what is constant tells nothing");
        assert_eq!((factors[3], shifts[3]), (0.0, 0.0), "a deviation beyond 2^96");
    }

    #[test]
    fn what_hardly_varies_maps_to_nothing() {
        assert_eq!(factor_and_shift(0.0, 0.0), (0.0, 0.0));
        assert_eq!(factor_and_shift(1.0, 0.0), (0.0, 0.0));
        assert_eq!(factor_and_shift(1.0, 1e-30), (0.0, 0.0));
        assert_eq!(factor_and_shift(1.0, 0.5), (2.0, -2.0));
        assert_eq!(factor_and_shift(1e-39, 1.0), (1.0, 0.0));
    }
}
