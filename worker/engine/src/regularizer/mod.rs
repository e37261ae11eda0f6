//! What keeps weights small or few. A new one is a file with a [`Family`], and a line in [`ALL`].

mod dropout;
mod elastic_net;
mod l1;
mod l2;
mod max_norm;
mod none;
mod proximal_l1;

use crate::catalog::Family;
use crate::kernel::Kernel;
use crate::kernel::lanes::{Lanes, Line};
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
    /// Returns the penalty on weights.
    fn penalty(&self) -> Penalty {
        Penalty::default()
    }

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

/// A penalty a Σ|w| + b Σ w², and its part in the gradient. The optimizer adds it up while it moves the weights.
#[derive(Clone, Copy, PartialEq, Default, Debug)]
pub(crate) struct Penalty {
    /// a
    pub(crate) magnitudes: f64,
    /// b
    pub(crate) squares: f64,
    /// What is added to the gradient of a weight above 0, and taken from that of one below; rounded once.
    pub(crate) slope: f32,
    /// What times the weight is added to its gradient; rounded once.
    pub(crate) slope_of_square: f32,
}

impl Penalty {
    /// a Σ|w| + b Σ w², all of it in the gradient: a sign(w) + 2 b w, with sign(0) = 0.
    fn in_gradient(a: f64, b: f64) -> Penalty {
        Penalty { magnitudes: a, squares: b, slope: a as f32, slope_of_square: (2.0 * b) as f32 }
    }

    /// Returns `gradient` and what the magnitudes add to it.
    #[inline(always)]
    pub(crate) fn add_slope<L: Lanes>(&self, weight: L, gradient: L) -> L {
        gradient.add(L::splat(self.slope).with_sign_of(weight))
    }

    /// Returns `gradient` and what the squares add to it, after the magnitudes.
    #[inline(always)]
    pub(crate) fn add_slope_of_square<L: Lanes>(&self, weight: L, gradient: L) -> L {
        L::splat(self.slope_of_square).fma(weight, gradient)
    }

    /// Returns the penalty of weights with these sums.
    pub(crate) fn of(&self, magnitudes: f32, squares: f32) -> f64 {
        // A sum may be infinite where its factor is 0.
        let product = |factor: f64, sum: f32| if factor == 0.0 { 0.0 } else { factor * f64::from(sum) };
        product(self.magnitudes, magnitudes) + product(self.squares, squares)
    }
}
