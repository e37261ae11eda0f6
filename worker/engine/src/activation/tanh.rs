//! The hyperbolic tangent.

use super::{Activation, Curve};
use crate::catalog::Family;
use crate::kernel::lanes::Lanes;
use crate::math;
use std::sync::Arc;

/// tanh x
pub(super) const FAMILY: Family<dyn Activation> = Family {
    name: "tanh",
    formula: "tanh(x)",
    source: "LeCun, Bottou, Orr and Müller, Efficient BackProp, 1998",
    settings: Vec::new,
    build: |_| Ok(Arc::new(Tanh)),
};

#[derive(Clone, Copy, Debug)]
struct Tanh;

impl Curve for Tanh {
    #[inline(always)]
    fn value<L: Lanes>(self, x: L) -> L {
        math::tanh(x)
    }

    #[inline(always)]
    fn backpropagate<L: Lanes>(self, delta: L, value: L) -> L {
        delta.mul(L::splat(1.0).sub(value.mul(value)))
    }
}
