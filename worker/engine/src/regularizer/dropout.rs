//! Dropout alone, and the setting that combines it with a penalty. The masks are made in `crate::mask`.

use super::Regularizer;
use crate::catalog::{Family, number_between, setting};
use crate::recipe::RecipeError;
use gridsweep_common::catalogue::Setting;
use gridsweep_common::choice::{Number, Value};
use std::sync::Arc;

/// Inverted dropout after each hidden activation, in training only.
pub(super) const FAMILY: Family<dyn Regularizer> = Family {
    name: "dropout",
    formula: "h / (1 - rate) with probability 1 - rate, else 0; in training only",
    source: "Srivastava et al., Dropout: a simple way to prevent neural networks from overfitting, JMLR 15, 2014",
    settings: || vec![rate()],
    build: |reader| match reader.number("dropout_rate")? {
        rate if rate > 0.0 => Ok(Arc::new(Dropout { rate })),
        rate => Err(no_dropout(rate)),
    },
};

/// The share of dropped units, beside a penalty too.
pub(super) fn rate() -> Setting {
    let kind = number_between(Some((0.0, true)), Some((1.0, false)));
    let description = "Share of the hidden units that is dropped; must not be 0 with regularizer = dropout.";
    setting("dropout_rate", kind, Some(Value::from(0.0)), description)
}

fn no_dropout(rate: f64) -> RecipeError {
    RecipeError::OutOfRange {
        setting: "dropout_rate".to_owned(),
        value: Number::new(rate).map_or(Value::from("not a number"), Value::Number),
        expected: "a number with 0 < x < 1, as regularizer = dropout needs".to_owned(),
    }
}

#[derive(Debug)]
struct Dropout {
    rate: f64,
}

impl Regularizer for Dropout {
    fn dropout_rate(&self) -> f64 {
        self.rate
    }
}
