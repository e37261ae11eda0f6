//! No regularization.

use super::Regularizer;
use crate::catalog::Family;
use crate::kernel::Kernel;
use crate::kernel::lanes::Line;
use std::sync::Arc;

/// No penalty, nothing dropped.
pub(super) const FAMILY: Family<dyn Regularizer> = Family {
    name: "none",
    formula: "0",
    source: "the baseline",
    settings: Vec::new,
    build: |_| Ok(Arc::new(NoPenalty)),
};

#[derive(Debug)]
struct NoPenalty;

impl Regularizer for NoPenalty {
    fn penalize(&self, _: Kernel, _: &[Line], _: &mut [Line]) -> f64 {
        0.0
    }

    fn dropout_rate(&self) -> f64 {
        0.0
    }
}
