//! The rectifier.

use super::{Activation, Curve};
use crate::catalog::Family;
use crate::kernel::lanes::Lanes;
use std::sync::Arc;

/// max(0, x)
pub(super) const FAMILY: Family<dyn Activation> = Family {
    name: "relu",
    formula: "max(0, x)",
    source: "Nair and Hinton, Rectified linear units improve restricted Boltzmann machines, ICML 2010",
    settings: Vec::new,
    build: |_| Ok(Arc::new(Relu)),
};

#[derive(Clone, Copy, Debug)]
struct Relu;

impl Curve for Relu {
    const IS_FLAT_AT_ZERO: bool = true;

    #[inline(always)]
    fn value<L: Lanes>(self, x: L) -> L {
        // This way round, what is not a number stays so and training is seen to diverge.
        let zero = L::splat(0.0);
        zero.select_greater(x, zero, x)
    }

    #[inline(always)]
    fn backpropagate<L: Lanes>(self, delta: L, value: L) -> L {
        value.select_greater(L::splat(0.0), delta, L::splat(0.0))
    }
}
