//! The exponential linear unit.

use super::{Activation, Curve};
use crate::catalog::Family;
use crate::kernel::lanes::Lanes;
use crate::math;
use std::sync::Arc;

/// x above 0, eˣ − 1 below
pub(super) const FAMILY: Family<dyn Activation> = Family {
    name: "elu",
    formula: "x where x > 0, else exp(x) - 1",
    source: "Clevert, Unterthiner and Hochreiter, Fast and accurate deep network learning by ELUs, ICLR 2016",
    settings: Vec::new,
    build: |_| Ok(Arc::new(Elu)),
};

#[derive(Clone, Copy, Debug)]
struct Elu;

impl Curve for Elu {
    #[inline(always)]
    fn value<L: Lanes>(self, x: L) -> L {
        let zero = L::splat(0.0);
        // What is not a number takes the branch below and stays so.
        x.select_greater(zero, x, math::exp_m1(x.select_greater(zero, zero, x)))
    }

    #[inline(always)]
    fn backpropagate<L: Lanes>(self, delta: L, value: L) -> L {
        let below = delta.mul(value.add(L::splat(1.0)));
        value.select_greater(L::splat(0.0), delta, below)
    }
}
