//! The ridge penalty.

use super::{Penalty, Regularizer, dropout, l1, sweep};
use crate::catalog::Family;
use crate::kernel::Kernel;
use crate::kernel::lanes::{Lanes, Line};
use std::sync::Arc;

/// c Σ w²
pub(super) const FAMILY: Family<dyn Regularizer> = Family {
    name: "l2",
    formula: "c sum w^2, with 2cw in the gradient",
    source: "Krogh and Hertz, A simple weight decay can improve generalization, NIPS 1991",
    settings: || vec![l1::coefficient(), dropout::rate()],
    build: |reader| {
        let (coefficient, dropout_rate) = (reader.number("coefficient")?, reader.number("dropout_rate")?);
        Ok(Arc::new(L2 { coefficient, dropout_rate }))
    },
};

#[derive(Debug)]
struct L2 {
    coefficient: f64,
    dropout_rate: f64,
}

impl Regularizer for L2 {
    fn penalize(&self, kernel: Kernel, weights: &[Line], gradient: &mut [Line]) -> f64 {
        let slope = (2.0 * self.coefficient) as f32;
        self.coefficient * sweep(kernel, Square { slope }, weights, gradient)
    }

    fn dropout_rate(&self) -> f64 {
        self.dropout_rate
    }
}

/// w²
pub(super) struct Square {
    /// 2c, rounded once.
    pub(super) slope: f32,
}

impl Penalty for Square {
    #[inline(always)]
    fn term<L: Lanes>(&self, weight: L) -> L {
        weight.mul(weight)
    }

    #[inline(always)]
    fn add_slope<L: Lanes>(&self, weight: L, gradient: L) -> L {
        L::splat(self.slope).fma(weight, gradient)
    }
}
