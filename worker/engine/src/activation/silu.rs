//! The sigmoid linear unit, also known as swish.

use super::{Activation, Curve, SlopeOf};
use crate::catalog::Family;
use crate::kernel::lanes::Lanes;
use crate::math;
use std::sync::Arc;

/// x / (1 + e⁻ˣ)
pub(super) const FAMILY: Family<dyn Activation> = Family {
    name: "silu",
    formula: "x / (1 + exp(-x))",
    source: "Elfwing, Uchibe and Doya, Sigmoid-weighted linear units for neural network function approximation \
             in reinforcement learning, Neural Networks 107, 2018",
    settings: Vec::new,
    build: |_| Ok(Arc::new(Silu)),
};

#[derive(Clone, Copy, Debug)]
struct Silu;

impl Curve for Silu {
    /// It falls before it rises: one value has two slopes.
    const SLOPE_OF: SlopeOf = SlopeOf::Argument;

    #[inline(always)]
    fn value<L: Lanes>(self, x: L) -> L {
        x.mul(math::sigmoid(x))
    }

    #[inline(always)]
    fn backpropagate<L: Lanes>(self, delta: L, x: L) -> L {
        let (sigmoid, slope) = math::sigmoid_and_slope(x);
        delta.mul(x.fma(slope, sigmoid))
    }
}
