//! The logistic function.

use super::{Activation, Curve};
use crate::catalog::Family;
use crate::kernel::lanes::Lanes;
use crate::math;
use std::sync::Arc;

/// 1 / (1 + e⁻ˣ)
pub(super) const FAMILY: Family<dyn Activation> = Family {
    name: "sigmoid",
    formula: "1 / (1 + exp(-x))",
    source: "Rumelhart, Hinton and Williams, Learning representations by back-propagating errors, Nature 323, 1986",
    settings: Vec::new,
    build: |_| Ok(Arc::new(Sigmoid)),
};

#[derive(Clone, Copy, Debug)]
struct Sigmoid;

impl Curve for Sigmoid {
    #[inline(always)]
    fn value<L: Lanes>(self, x: L) -> L {
        math::sigmoid(x)
    }

    #[inline(always)]
    fn backpropagate<L: Lanes>(self, delta: L, value: L) -> L {
        delta.mul(value.mul(L::splat(1.0).sub(value)))
    }
}
