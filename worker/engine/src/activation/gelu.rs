//! The Gaussian error linear unit, in the approximation by the hyperbolic tangent.

use super::{Activation, Curve, SlopeOf};
use crate::catalog::Family;
use crate::kernel::lanes::Lanes;
use crate::math;
use std::sync::Arc;

/// x / 2 · (1 + tanh(√(2/π) (x + 0.044715 x³)))
pub(super) const FAMILY: Family<dyn Activation> = Family {
    name: "gelu",
    formula: "x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), the paper's approximation of x times the normal distribution",
    source: "Hendrycks and Gimpel, Gaussian error linear units (GELUs), arXiv:1606.08415, 2016",
    settings: Vec::new,
    build: |_| Ok(Arc::new(Gelu)),
};

/// 2 √(2/π), and the same times 0.044715.
const LINEAR: f32 = 1.595_769_2;
const CUBIC: f32 = 0.071_354_816;
/// Where the slope is 0 or 1 to the last bit, and its polynomials are still small.
const FAR: f32 = 20.0;

#[derive(Clone, Copy, Debug)]
struct Gelu;

impl Curve for Gelu {
    /// It falls before it rises: one value has two slopes.
    const SLOPE_OF: SlopeOf = SlopeOf::Argument;

    /// (1 + tanh u) / 2 is sigmoid(2u), which does not cancel where u is far below zero.
    #[inline(always)]
    fn value<L: Lanes>(self, x: L) -> L {
        let inner = L::splat(CUBIC).fma(x.mul(x), L::splat(LINEAR));
        x.mul(math::sigmoid(x.mul(inner)))
    }

    #[inline(always)]
    fn backpropagate<L: Lanes>(self, delta: L, x: L) -> L {
        let (most, least) = (L::splat(FAR), L::splat(-FAR));
        let x = x.select_greater(most, most, x);
        let x = least.select_greater(x, least, x);
        let square = x.mul(x);
        let inner = x.mul(L::splat(CUBIC).fma(square, L::splat(LINEAR)));
        let inner_slope = L::splat(3.0 * CUBIC).fma(square, L::splat(LINEAR));
        let (sigmoid, slope) = math::sigmoid_and_slope(inner);
        delta.mul(x.mul(inner_slope).fma(slope, sigmoid))
    }
}
