//! The straight line between −1 and 1.

use super::{Activation, Curve};
use crate::catalog::Family;
use crate::kernel::lanes::Lanes;
use std::sync::Arc;

/// max(−1, min(1, x))
pub(super) const FAMILY: Family<dyn Activation> = Family {
    name: "hard_tanh",
    formula: "max(-1, min(1, x)), with slope 0 at and beyond both ends",
    source: "Collobert, Large scale machine learning, thesis, Universite Paris VI, 2004",
    settings: Vec::new,
    build: |_| Ok(Arc::new(HardTanh)),
};

#[derive(Clone, Copy, Debug)]
struct HardTanh;

impl Curve for HardTanh {
    #[inline(always)]
    fn value<L: Lanes>(self, x: L) -> L {
        // This way round, what is not a number stays so and training is seen to diverge.
        let (most, least) = (L::splat(1.0), L::splat(-1.0));
        let x = x.select_greater(most, most, x);
        least.select_greater(x, least, x)
    }

    #[inline(always)]
    fn backpropagate<L: Lanes>(self, delta: L, value: L) -> L {
        L::splat(1.0).select_greater(value.abs(), delta, L::splat(0.0))
    }
}
