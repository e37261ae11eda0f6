//! Cuts at fixed epochs.

use super::{Schedule, WarmUp, warm_up_setting};
use crate::catalog::{Family, number_between, setting};
use gridsweep_common::catalogue::{Kind, Setting};
use gridsweep_common::choice::Value;
use std::sync::Arc;

/// The learning rate is cut by one factor again and again.
pub(super) const FAMILY: Family<dyn Schedule> = Family {
    name: "step",
    formula: "r_e = r factor^floor((e - W) / every_epochs) after a warm-up of W epochs as in constant, e counted from 0",
    source: "He, Zhang, Ren and Sun, Deep residual learning for image recognition, CVPR 2016; Keras 3, ExponentialDecay",
    settings,
    build: |reader| {
        Ok(Arc::new(Step {
            warm_up: WarmUp::read(reader)?,
            every_epochs: reader.whole("schedule.every_epochs")?,
            factor: reader.number("schedule.factor")?,
        }))
    },
};

fn settings() -> Vec<Setting> {
    let every = Kind::Integer { least: 1, most: 100_000 };
    let factor = number_between(Some((0.0, false)), Some((1.0, true)));
    let description = "What the learning rate is multiplied by at each cut.";
    vec![
        setting("schedule.every_epochs", every, None, "Epochs from one cut to the next."),
        setting("schedule.factor", factor, Some(Value::from(0.1)), description),
        warm_up_setting(),
    ]
}

#[derive(Debug)]
struct Step {
    warm_up: WarmUp,
    every_epochs: u32,
    factor: f64,
}

impl Schedule for Step {
    fn factor(&self, epoch: u32) -> f64 {
        self.warm_up.factor(epoch, |since| power(self.factor, since / self.every_epochs))
    }
}

/// Returns baseⁿ by squaring: multiplications alone, always the same ones. Not `powi`, which may differ between
/// machines.
fn power(base: f64, exponent: u32) -> f64 {
    let (mut power, mut square, mut rest) = (1.0, base, exponent);
    while rest > 0 {
        if rest % 2 == 1 {
            power *= square;
        }
        square *= square;
        rest /= 2;
    }
    power
}

#[cfg(test)]
mod tests {
    use super::super::tests::factors;
    use super::*;

    #[test]
    fn cuts_come_after_so_many_epochs_and_again() {
        let settings = [
            ("schedule.kind", "step".into()),
            ("schedule.every_epochs", 2.0.into()),
            ("schedule.factor", 0.5.into()),
        ];
        assert_eq!(factors(7, &settings), [1.0, 1.0, 0.5, 0.5, 0.25, 0.25, 0.125]);
    }

    #[test]
    fn powers_are_those_of_repeated_multiplication() {
        for base in [0.1, 0.5, 0.94, 1.0_f64] {
            let mut expected = 1.0;
            for exponent in 0..200 {
                let found = power(base, exponent);
                assert!((found - expected).abs() <= 1e-13 * expected, "{base}^{exponent} = {found}");
                expected *= base;
            }
        }
        assert_eq!(power(0.1, 100_000), 0.0);
    }
}
