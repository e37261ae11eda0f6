//! The first layer of standardised inputs. `x' = s·x + t` is never computed: s and t are folded into the weights, so that
//! a zero input stays a zero. This form is the definition of what a network of standardised inputs computes.

use crate::batch;
use crate::kernel::lanes::{Lanes, Line};
use crate::kernel::{Kernel, Task};
use crate::matrix::Matrix;
use crate::standardization::Standardization;
use std::ops::Range;
use std::sync::Arc;

/// What takes the place of the first layer's weights and biases on the way forward, kept equal to them.
#[derive(Clone, Debug)]
pub(crate) struct Folded {
    standardization: Arc<Standardization>,
    /// Of input j and unit k: s(j) · w(j, k), cleaned.
    pub(crate) weights: Matrix,
    /// Of unit k: the chain b(k) + Σ t(j) · w(j, k) over j in order, cleaned.
    pub(crate) biases: Matrix,
    /// Of one panel: the sum of the samples' deltas.
    delta_sums: [Line; 4],
}

impl Folded {
    /// Folds a standardisation into a layer.
    pub(crate) fn new(standardization: Arc<Standardization>, weights: &Matrix, biases: &Matrix) -> Folded {
        let (folded, delta_sums) = (weights.clone(), [Line::ZERO; 4]);
        let mut folded = Folded { standardization, weights: folded, biases: biases.clone(), delta_sums };
        folded.follow(weights, biases);
        folded
    }

    /// Folds all panels of a layer whose weights are other ones. Once: any kernel will do.
    pub(crate) fn follow(&mut self, weights: &Matrix, biases: &Matrix) {
        (0..weights.panels()).for_each(|panel| {
            self.follow_panel(Kernel::REFERENCE, panel, weights, biases);
        });
    }

    /// Folds one panel whose weights or biases moved, and returns whether all is finite then.
    pub(crate) fn follow_panel(
        &mut self,
        kernel: Kernel,
        panel: usize,
        weights: &Matrix,
        biases: &Matrix,
    ) -> bool {
        kernel.run(Fold {
            standardization: &self.standardization,
            weights: weights.panel(panel),
            biases: biases.panel(panel),
            folded_weights: self.weights.panel_mut(panel),
            folded_biases: self.biases.panel_mut(panel),
        })
    }

    /// Sums up the deltas of a panel of `width` lines, sample after sample: what [`Folded::finish_gradient`] needs.
    pub(crate) fn sum_deltas<'a>(
        &mut self,
        kernel: Kernel,
        width: usize,
        deltas: impl Iterator<Item = &'a [Line]>,
    ) {
        self.delta_sums = [Line::ZERO; 4];
        deltas.for_each(|deltas| batch::add_deltas(kernel, deltas, &mut self.delta_sums[..width]));
    }

    /// Makes Σ x·δ, for the weights of `inputs` in a panel of `width` lines, their gradient: fma(s, Σ x·δ, t · Σ δ).
    pub(crate) fn finish_gradient(
        &self,
        kernel: Kernel,
        width: usize,
        inputs: Range<usize>,
        gradient: &mut [Line],
    ) {
        kernel.run(Finish {
            factors: &self.standardization.factors[inputs.clone()],
            shifts: &self.standardization.shifts[inputs],
            delta_sums: &self.delta_sums[..width],
            gradient,
        });
    }
}

/// Folds a panel.
struct Fold<'a> {
    standardization: &'a Standardization,
    weights: &'a [Line],
    biases: &'a [Line],
    folded_weights: &'a mut [Line],
    folded_biases: &'a mut [Line],
}

impl Task for Fold<'_> {
    type Output = bool;

    #[inline(always)]
    fn run<L: Lanes>(self) -> bool {
        let Standardization { factors, shifts } = self.standardization;
        let width = self.biases.len();
        // x − x is 0 for what is finite, not a number for all else, and stays so in a sum.
        let mut not_finite = L::splat(0.0);
        for (line, (bias, folded_bias)) in self.biases.iter().zip(self.folded_biases).enumerate() {
            let mut sum = L::load(bias);
            for (input, (&factor, &shift)) in factors.iter().zip(shifts).enumerate() {
                let weight = L::load(&self.weights[input * width + line]);
                let folded = L::splat(factor).mul(weight);
                not_finite = not_finite.add(folded.sub(folded));
                folded.clean().store(&mut self.folded_weights[input * width + line]);
                sum = L::splat(shift).fma(weight, sum);
            }
            not_finite = not_finite.add(sum.sub(sum));
            sum.clean().store(folded_bias);
        }
        not_finite.sum() == 0.0
    }
}

/// Finishes the gradient of some rows of a panel.
struct Finish<'a> {
    factors: &'a [f32],
    shifts: &'a [f32],
    delta_sums: &'a [Line],
    gradient: &'a mut [Line],
}

impl Task for Finish<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let rows = self.gradient.chunks_exact_mut(self.delta_sums.len());
        for ((row, &factor), &shift) in rows.zip(self.factors).zip(self.shifts) {
            for (line, sum) in row.iter_mut().zip(self.delta_sums) {
                let of_shift = L::splat(shift).mul(L::load(sum));
                L::splat(factor).fma(L::load(line), of_shift).store(line);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Key, Stream};
    use gridsweep_common::seed::{Purpose, SeedKey};

    const INPUTS: usize = 70;
    const UNITS: usize = 97;

    fn matrix(rows: usize, stream: &mut Stream) -> Matrix {
        let mut matrix = Matrix::zeros(rows, UNITS);
        for row in 0..rows {
            (0..UNITS).for_each(|unit| matrix.set(row, unit, stream.unit() as f32 - 0.5));
        }
        matrix
    }

    /// A standardisation, weights and biases.
    fn layer() -> (Arc<Standardization>, Matrix, Matrix) {
        let key = Key::new(SeedKey { root: 1, replicate: 0 }, Purpose::Init);
        let mut stream = Stream::new(key, [0, 0, 0]);
        let mut numbers = |scale: f64| (0..INPUTS).map(|_| (stream.unit() * scale - 2.0) as f32).collect();
        let standardization = Standardization { factors: numbers(9.0), shifts: numbers(5.0) };
        (Arc::new(standardization), matrix(INPUTS, &mut stream), matrix(1, &mut stream))
    }

    #[test]
    fn the_folded_layer_computes_what_the_layer_computes_of_standardised_inputs() {
        let (by, weights, biases) = layer();
        let folded = Folded::new(by.clone(), &weights, &biases);
        let input = |j: usize| (j % 3) as f64 * 0.7;
        for unit in 0..UNITS {
            let exact = (0..INPUTS).map(|j| {
                let standardized = f64::from(by.factors[j]) * input(j) + f64::from(by.shifts[j]);
                standardized * f64::from(weights.get(j, unit))
            });
            let exact = exact.sum::<f64>() + f64::from(biases.get(0, unit));
            let own = (0..INPUTS).map(|j| input(j) * f64::from(folded.weights.get(j, unit)));
            let own = own.sum::<f64>() + f64::from(folded.biases.get(0, unit));
            assert!((own - exact).abs() < 1e-4, "{unit}: {own} {exact}");
            let wrong = own - f64::from(folded.biases.get(0, unit)) + f64::from(biases.get(0, unit));
            assert!((wrong - exact).abs() > 1e-4, "{unit}: the shifts matter");
        }
    }

    /// Weights, biases, and a gradient of the last rows of the last panel.
    fn all_bits(kernel: Kernel) -> Vec<u32> {
        let (by, weights, biases) = layer();
        let mut folded = Folded::new(by, &Matrix::zeros(INPUTS, UNITS), &biases);
        for panel in 0..weights.panels() {
            assert!(folded.follow_panel(kernel, panel, &weights, &biases));
        }
        folded.sum_deltas(kernel, 3, [&weights.panel(1)[..3 * 5]].into_iter());
        let mut gradient = weights.panel(1)[..3 * 6].to_vec();
        folded.finish_gradient(kernel, 3, 64..70, &mut gradient);
        let lines = [folded.weights.lines(), folded.biases.lines(), &gradient].concat();
        lines.iter().flat_map(|line| line.0.map(f32::to_bits)).collect()
    }

    #[test]
    fn kernels_agree_and_a_wrong_one_does_not() {
        let expected = all_bits(Kernel::REFERENCE);
        for kernel in Kernel::available() {
            assert!(all_bits(kernel) == expected, "{}", kernel.name());
        }
        assert!(Kernel::WRONG.into_iter().any(|kernel| all_bits(kernel) != expected));
    }

    #[test]
    fn products_beyond_f32_are_noticed() {
        let (by, mut weights, biases) = layer();
        let mut folded = Folded::new(by, &weights, &biases);
        weights.set(3, 96, f32::MAX);
        assert!(folded.follow_panel(Kernel::detect(), 0, &weights, &biases), "it is in the other panel");
        assert!(!folded.follow_panel(Kernel::detect(), 1, &weights, &biases));
    }
}
