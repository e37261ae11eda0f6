//! The pieces that a step is made of, one by one, for benches: no part of the interface.

use crate::batch::{Batch, Use};
use crate::dataset::{Dataset, Part};
use crate::kernel::ZEROS;
use crate::kernel::lanes::{Lanes, Line};
use crate::kernel::{Kernel, Task};
use crate::matrix::{self, Matrix, PANEL};
use crate::nonzero::Nonzero;
use crate::optimizer::{Block, Parameters, Step, lines_of};
use crate::recipe::Recipe;

/// Runs chains of multiply-adds that stay in registers, as many at once as a kernel's tile has sums, `rounds` terms
/// each; returns how many multiply-adds of single numbers that were. How fast it is is what the processor can do.
pub fn multiply_adds(kernel: Kernel, rounds: u64) -> u64 {
    kernel.run(Chains { rounds })
}

struct Chains {
    rounds: u64,
}

impl Task for Chains {
    type Output = u64;

    #[inline(always)]
    fn run<L: Lanes>(self) -> u64 {
        // Two lines more than registers hold would be stored and loaded: as many as the narrowest tile has.
        match L::TILE_ROWS * (L::TILE_LINES / L::TILE_ROWS).max(1) {
            0..6 => chains::<L, 4>(self.rounds),
            6..12 => chains::<L, 6>(self.rounds),
            _ => chains::<L, 12>(self.rounds),
        }
    }
}

#[inline(always)]
fn chains<L: Lanes, const N: usize>(rounds: u64) -> u64 {
    // Not known to the compiler, which would otherwise compute it all.
    let (factor, other) = (L::splat(std::hint::black_box(1e-9)), L::splat(std::hint::black_box(0.5)));
    let mut sums = [L::splat(0.0); N];
    for _ in 0..rounds {
        for sum in &mut sums {
            *sum = factor.fma(other, *sum);
        }
    }
    std::hint::black_box(sums.into_iter().map(L::sum).sum::<f32>());
    rounds * (N * crate::kernel::lanes::LANES) as u64
}

/// One batch of a data set, a first layer, and another as wide as that.
#[derive(Debug)]
pub struct Pieces<'a> {
    recipe: &'a Recipe,
    kernel: Kernel,
    part: &'a Part,
    samples: Vec<u32>,
    batch: Batch,
    first: Matrix,
    biases: Matrix,
    first_moments: Vec<Matrix>,
    other: Matrix,
    /// Samples × units.
    values: Matrix,
    /// The same.
    deltas: Matrix,
    gradient: Vec<Line>,
    step: Step,
}

impl<'a> Pieces<'a> {
    /// Gathers a batch of the recipe's size from all over the training set; layers have `units` units, a multiple of 64.
    pub fn new(recipe: &'a Recipe, data: &'a Dataset, units: usize, kernel: Kernel) -> Pieces<'a> {
        let (part, inputs) = (data.training(), data.inputs_per_sample());
        let (size, count) = (recipe.batch_size, part.labels.len());
        let small = |rows, columns| {
            let mut matrix = Matrix::zeros(rows, columns);
            let cells = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
            // Small numbers of both signs and no pattern that a kernel could use.
            cells.for_each(|(row, column)| {
                matrix.set(row, column, ((row * 31 + column * 17) % 101) as f32 * 1e-3 - 0.05)
            });
            matrix
        };
        let mut powers = recipe.optimizer.powers();
        recipe.optimizer.advance(&mut powers);
        let mut pieces = Pieces {
            recipe,
            kernel,
            part,
            samples: (0..size).map(|at| (at * (count / size)) as u32).collect(),
            batch: Batch::new(inputs),
            first: small(inputs, units),
            biases: Matrix::zeros(1, units),
            first_moments: (1..=recipe.optimizer.moments())
                .map(|others| Matrix::zeros_beside(inputs, units, others))
                .collect(),
            other: small(units, units),
            values: small(size, units),
            deltas: small(size, units),
            gradient: vec![Line::ZERO; inputs * PANEL / crate::kernel::lanes::LANES],
            step: recipe.optimizer.step(1e-3, &powers),
        };
        pieces.gather();
        pieces
    }

    /// Gathers the batch for forward pass and gradient.
    pub fn gather(&mut self) {
        self.batch.gather(self.kernel, self.part, &self.samples, Use::Training);
    }

    /// Multiplies the batch by the first layer's weights.
    pub fn multiply_first(&mut self) {
        self.batch.multiply(self.kernel, self.part, (&self.first, &self.biases), &mut self.values);
    }

    /// Computes the gradient of a block of the first layer in the middle of the inputs, where images are not empty.
    pub fn gradient_first(&mut self) {
        let start = self.first.rows() / 2 / PANEL * PANEL;
        let inputs = start..self.first.rows().min(start + PANEL);
        let gradient = &mut self.gradient[..PANEL * self.deltas.width(0)];
        let deltas = self.deltas.panel(0);
        self.batch.add_gradient(self.kernel, self.part, inputs, Some(ZEROS), deltas, gradient);
    }

    /// Multiplies deltas by the other layer's weights.
    pub fn multiply_other(&mut self) {
        let deltas = (&self.deltas, &Nonzero::default());
        matrix::multiply(self.kernel, &mut self.values, None, deltas, &self.other);
    }

    /// Applies the activation to small numbers of both signs.
    pub fn activate(&mut self) {
        self.values.lines_mut().copy_from_slice(self.deltas.lines());
        self.recipe.activation.activate(self.kernel, self.values.lines_mut());
    }

    /// Adds the penalty to a gradient and moves the first layer's weights by it. What becomes of them does not matter.
    pub fn penalize_and_move(&mut self) -> bool {
        let lines = 0..self.gradient.len().min(self.first.lines().len());
        let gradient = &mut self.gradient[lines.clone()];
        let parameters = &mut self.first.lines_mut()[lines.clone()];
        let (of, moments) = (Parameters::Weights, lines_of(&mut self.first_moments, lines));
        let penalty = self.recipe.regularizer.penalty();
        let block = Block { of, parameters, gradient, penalty, moments, shrink: 0.0 };
        self.recipe.optimizer.update(self.kernel, self.step, block).is_finite
    }
}
