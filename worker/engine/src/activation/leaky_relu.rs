//! The rectifier that lets a hundredth through below zero.

use super::{Activation, Curve};
use crate::catalog::Family;
use crate::kernel::lanes::Lanes;
use std::sync::Arc;

/// x above 0, 0.01 x below
pub(super) const FAMILY: Family<dyn Activation> = Family {
    name: "leaky_relu",
    formula: "x where x > 0, else 0.01 x (the paper's slope and PyTorch's; Keras has 0.3)",
    source: "Maas, Hannun and Ng, Rectifier nonlinearities improve neural network acoustic models, ICML 2013",
    settings: Vec::new,
    build: |_| Ok(Arc::new(LeakyRelu)),
};

/// The slope below zero.
const LEAK: f32 = 0.01;

#[derive(Clone, Copy, Debug)]
struct LeakyRelu;

impl Curve for LeakyRelu {
    #[inline(always)]
    fn value<L: Lanes>(self, x: L) -> L {
        x.select_greater(L::splat(0.0), x, x.mul(L::splat(LEAK)))
    }

    #[inline(always)]
    fn backpropagate<L: Lanes>(self, delta: L, value: L) -> L {
        value.select_greater(L::splat(0.0), delta, delta.mul(L::splat(LEAK)))
    }
}
