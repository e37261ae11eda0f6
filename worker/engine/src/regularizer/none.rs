//! No regularization.

use super::Regularizer;
use crate::catalog::Family;
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
    fn dropout_rate(&self) -> f64 {
        0.0
    }
}
