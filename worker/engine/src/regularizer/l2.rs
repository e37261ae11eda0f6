//! The ridge penalty.

use super::{Penalty, Regularizer, dropout, l1};
use crate::catalog::Family;
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
    fn penalty(&self) -> Penalty {
        Penalty::in_gradient(0.0, self.coefficient)
    }

    fn dropout_rate(&self) -> f64 {
        self.dropout_rate
    }
}
