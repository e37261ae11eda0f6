//! No function at all: layers that are only linear.

use super::{Activation, Curve};
use crate::catalog::Family;
use crate::kernel::lanes::Lanes;
use std::sync::Arc;

/// x
pub(super) const FAMILY: Family<dyn Activation> = Family {
    name: "identity",
    formula: "x",
    source: "Baldi and Hornik, Neural networks and principal component analysis, Neural Networks 2, 1989",
    settings: Vec::new,
    build: |_| Ok(Arc::new(Identity)),
};

#[derive(Clone, Copy, Debug)]
struct Identity;

impl Curve for Identity {
    #[inline(always)]
    fn value<L: Lanes>(self, x: L) -> L {
        x
    }

    #[inline(always)]
    fn backpropagate<L: Lanes>(self, delta: L, _: L) -> L {
        delta
    }
}
