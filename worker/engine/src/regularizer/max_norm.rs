//! No penalty, but a bound: what enters a unit has weights of at most this length.

use super::{Regularizer, dropout};
use crate::catalog::{Family, number_between, setting};
use crate::kernel::lanes::{Lanes, Line};
use crate::kernel::{Kernel, Task};
use gridsweep_common::catalogue::Setting;
use std::sync::Arc;

/// Weights are scaled back onto the ball, unit by unit, after each step.
pub(super) const FAMILY: Family<dyn Regularizer> = Family {
    name: "max_norm",
    formula: "after each step, w *= c / |w| for each unit with |w| = sqrt(sum w^2) > c = max_norm over its inputs",
    source: "Srivastava et al., Dropout: a simple way to prevent neural networks from overfitting, JMLR 15, 2014, 5.1",
    settings,
    build: |reader| {
        let (most, dropout_rate) = (reader.number("max_norm")?, reader.number("dropout_rate")?);
        Ok(Arc::new(MaxNorm { most, dropout_rate }))
    },
};

fn settings() -> Vec<Setting> {
    let kind = number_between(Some((1e-30, true)), Some((1e18, true)));
    let description = "How long the vector of the weights that enter a unit may be after a step.";
    vec![setting("max_norm", kind, None, description), dropout::rate()]
}

#[derive(Debug)]
struct MaxNorm {
    most: f64,
    dropout_rate: f64,
}

impl Regularizer for MaxNorm {
    fn dropout_rate(&self) -> f64 {
        self.dropout_rate
    }

    fn is_constraint(&self) -> bool {
        true
    }

    fn constrain(&self, kernel: Kernel, width: usize, panel: &mut [Line]) -> bool {
        let most = self.most as f32;
        (0..width).fold(true, |is_finite, line| {
            is_finite & kernel.run(Shorten { most, width, line, panel: &mut *panel })
        })
    }
}

/// Sixteen units of a panel.
struct Shorten<'a> {
    most: f32,
    width: usize,
    line: usize,
    panel: &'a mut [Line],
}

impl Task for Shorten<'_> {
    type Output = bool;

    /// A sum of squares is a chain over the inputs in order. Weights whose squares are beyond `f32` have no length.
    #[inline(always)]
    fn run<L: Lanes>(self) -> bool {
        let mut squares = L::splat(0.0);
        for line in self.panel.iter().skip(self.line).step_by(self.width) {
            let weight = L::load(line);
            squares = weight.fma(weight, squares);
        }
        let (most, norm) = (L::splat(self.most), squares.sqrt());
        let is_long = |yes: L, no: L| norm.select_greater(most, yes, no);
        let factor = is_long(most.div(norm), L::splat(1.0));
        for line in self.panel.iter_mut().skip(self.line).step_by(self.width) {
            let weight = L::load(line);
            is_long(weight.mul(factor), weight).clean().store(line);
        }
        norm.sub(norm).sum() == 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::lanes::LANES;
    use crate::matrix::Matrix;

    /// 70 × 21 weights, of which those of unit u are u / 100.
    fn weights() -> Matrix {
        let mut weights = Matrix::zeros(70, 21);
        for row in 0..70 {
            (0..21).for_each(|unit| weights.set(row, unit, unit as f32 / 100.0));
        }
        weights
    }

    fn constrain(kernel: Kernel, weights: &mut Matrix) -> bool {
        let width = weights.width(0);
        MaxNorm { most: 1.0, dropout_rate: 0.0 }.constrain(kernel, width, weights.panel_mut(0))
    }

    #[test]
    fn long_units_are_shortened_to_the_bound_and_others_keep_their_bits() {
        let (before, mut after) = (weights(), weights());
        assert!(constrain(Kernel::detect(), &mut after));
        for unit in 0..21 {
            let length = |matrix: &Matrix| {
                (0..70).map(|row| f64::from(matrix.get(row, unit)).powi(2)).sum::<f64>().sqrt()
            };
            let (old, new) = (length(&before), length(&after));
            // √70 · 0.11 is below 1, √70 · 0.12 is above.
            assert_eq!(old > 1.0, unit >= 12);
            if unit >= 12 {
                assert!((new - 1.0).abs() < 1e-6, "{unit}: {new}");
                assert!((0..70).all(|row| after.get(row, unit) > 0.0), "the direction stays");
            } else {
                assert!((0..70).all(|row| after.get(row, unit) == before.get(row, unit)), "{unit}");
            }
        }
        assert!((0..70).all(|row| after.lines()[2 * row + 1].0[21 - LANES..].iter().all(|w| *w == 0.0)));
    }

    #[test]
    fn kernels_agree() {
        let bits = |kernel| {
            let mut weights = weights();
            constrain(kernel, &mut weights);
            weights.lines().iter().flat_map(|line| line.0.map(f32::to_bits)).collect::<Vec<_>>()
        };
        for kernel in Kernel::available() {
            assert!(bits(kernel) == bits(Kernel::REFERENCE), "{}", kernel.name());
        }
    }

    #[test]
    fn weights_without_a_length_are_noticed() {
        let mut weights = weights();
        weights.set(3, 20, 1e20);
        assert!(!constrain(Kernel::detect(), &mut weights));
    }
}
