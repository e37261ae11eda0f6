//! The penalties of the lasso and of ridge regression together.

use super::{Penalty, Regularizer, dropout};
use crate::catalog::{Family, number_between, setting};
use gridsweep_common::catalogue::Setting;
use std::sync::Arc;

/// a Σ|w| + b Σ w²
pub(super) const FAMILY: Family<dyn Regularizer> = Family {
    name: "elastic_net",
    formula: "a sum |w| + b sum w^2 with a = l1_coefficient, b = l2_coefficient",
    source: "Zou and Hastie, Regularization and variable selection via the elastic net, JRSS B 67, 2005",
    settings,
    build: |reader| {
        Ok(Arc::new(ElasticNet {
            l1: reader.number("l1_coefficient")?,
            l2: reader.number("l2_coefficient")?,
            dropout_rate: reader.number("dropout_rate")?,
        }))
    },
};

fn settings() -> Vec<Setting> {
    let kind = || number_between(Some((0.0, true)), None);
    vec![
        setting("l1_coefficient", kind(), None, "The factor of the sum of the magnitudes."),
        setting("l2_coefficient", kind(), None, "The factor of the sum of the squares."),
        dropout::rate(),
    ]
}

#[derive(Debug)]
struct ElasticNet {
    l1: f64,
    l2: f64,
    dropout_rate: f64,
}

impl Regularizer for ElasticNet {
    fn penalty(&self) -> Penalty {
        Penalty::in_gradient(self.l1, self.l2)
    }

    fn dropout_rate(&self) -> f64 {
        self.dropout_rate
    }
}
