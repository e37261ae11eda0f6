//! The lasso's penalty.

use super::{Penalty, Regularizer, dropout};
use crate::catalog::{Family, number_between, setting};
use gridsweep_common::catalogue::Setting;
use std::sync::Arc;

/// c Σ|w|
pub(super) const FAMILY: Family<dyn Regularizer> = Family {
    name: "l1",
    formula: "c sum |w|, with sign(0) = 0 in the gradient",
    source: "Tibshirani, Regression shrinkage and selection via the lasso, JRSS B 58, 1996",
    settings: || vec![coefficient(), dropout::rate()],
    build: |reader| {
        let (coefficient, dropout_rate) = (reader.number("coefficient")?, reader.number("dropout_rate")?);
        Ok(Arc::new(L1 { coefficient, dropout_rate }))
    },
};

/// The setting of every penalty with one coefficient. Zero is allowed: grids like to begin there.
pub(super) fn coefficient() -> Setting {
    let kind = number_between(Some((0.0, true)), None);
    setting("coefficient", kind, None, "The penalty's factor c; 0 is no penalty.")
}

#[derive(Debug)]
struct L1 {
    coefficient: f64,
    dropout_rate: f64,
}

impl Regularizer for L1 {
    fn penalty(&self) -> Penalty {
        Penalty::in_gradient(self.coefficient, 0.0)
    }

    fn dropout_rate(&self) -> f64 {
        self.dropout_rate
    }
}
