//! What keeps weights small or few. A new one is a file with a [`Family`], and a line in [`ALL`].

mod dropout;
mod elastic_net;
mod l1;
mod l2;
mod max_norm;
mod none;
mod proximal_l1;

use crate::catalog::Family;
use crate::kernel::lanes::{Lanes, Line};
use crate::kernel::{Kernel, Task};
use std::fmt::Debug;

/// Every regularizer, in the order in which people read them.
pub(crate) const ALL: &[Family<dyn Regularizer>] = &[
    // One a line, so that a new one is a line.
    none::FAMILY,
    l1::FAMILY,
    l2::FAMILY,
    elastic_net::FAMILY,
    dropout::FAMILY,
    max_norm::FAMILY,
    proximal_l1::FAMILY,
];

/// A penalty on every weight matrix (the output's too, not on biases) and the share of hidden units that is dropped.
pub(crate) trait Regularizer: Debug + Send + Sync {
    /// Returns the penalty of a block of one weight matrix and adds its gradient to `gradient`.
    ///
    /// The sum inside a block is one of 16 lanes and a tree; the caller adds up blocks in `f64`, in their order.
    fn penalize(&self, kernel: Kernel, weights: &[Line], gradient: &mut [Line]) -> f64;

    /// Returns the share of the units of each hidden layer that is dropped in training: 0 ≤ share < 1.
    fn dropout_rate(&self) -> f64;

    /// Returns the factor of Σ|w| in a penalty that has no part in the gradient: after each step, weights are shrunk for
    /// it by what a steady gradient of this size would have moved them.
    fn shrinkage(&self) -> f64 {
        0.0
    }

    /// Returns whether weights are put back into bounds after each step.
    fn is_constraint(&self) -> bool {
        false
    }

    /// Puts the weights of one panel, rows of `width` lines, back into bounds after a step, unit by unit, and returns
    /// whether that could be done. Only called for constraints.
    fn constrain(&self, _: Kernel, _width: usize, _panel: &mut [Line]) -> bool {
        true
    }
}

/// A penalty of one weight, written once for every instruction set.
trait Penalty {
    /// Returns what is summed over all weights.
    fn term<L: Lanes>(&self, weight: L) -> L;
    /// Returns `gradient` and the penalty's own slope.
    fn add_slope<L: Lanes>(&self, weight: L, gradient: L) -> L;
}

/// Adds the slopes of a penalty to the gradient of one block and returns the sum of its terms.
fn sweep(kernel: Kernel, penalty: impl Penalty, weights: &[Line], gradient: &mut [Line]) -> f64 {
    f64::from(kernel.run(Sweep { penalty, weights, gradient }))
}

struct Sweep<'a, P> {
    penalty: P,
    weights: &'a [Line],
    gradient: &'a mut [Line],
}

impl<P: Penalty> Task for Sweep<'_, P> {
    type Output = f32;

    #[inline(always)]
    fn run<L: Lanes>(self) -> f32 {
        let mut sum = L::splat(0.0);
        for (weight, gradient) in self.weights.iter().zip(self.gradient) {
            let weight = L::load(weight);
            sum = sum.add(self.penalty.term(weight));
            self.penalty.add_slope(weight, L::load(gradient)).store(gradient);
        }
        sum.sum()
    }
}
