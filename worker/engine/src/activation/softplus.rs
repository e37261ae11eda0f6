//! The smooth rectifier.

use super::{Activation, Curve};
use crate::catalog::Family;
use crate::kernel::lanes::Lanes;
use crate::math;
use std::sync::Arc;

/// ln(1 + eˣ)
pub(super) const FAMILY: Family<dyn Activation> = Family {
    name: "softplus",
    formula: "ln(1 + exp(x))",
    source: "Dugas, Bengio, Belisle, Nadeau and Garcia, Incorporating second-order functional knowledge for \
             better option pricing, NIPS 2000",
    settings: Vec::new,
    build: |_| Ok(Arc::new(Softplus)),
};

#[derive(Clone, Copy, Debug)]
struct Softplus;

impl Curve for Softplus {
    /// max(0, x) + ln(1 + e⁻|ˣ|): nothing overflows.
    #[inline(always)]
    fn value<L: Lanes>(self, x: L) -> L {
        let zero = L::splat(0.0);
        let above = zero.select_greater(x, zero, x);
        above.add(math::ln_1p(math::exp(zero.sub(x.abs()))))
    }

    /// The slope is the sigmoid of x, which is 1 − e⁻ᵛ.
    #[inline(always)]
    fn backpropagate<L: Lanes>(self, delta: L, value: L) -> L {
        let zero = L::splat(0.0);
        delta.mul(zero.sub(math::exp_m1(zero.sub(value))))
    }
}
