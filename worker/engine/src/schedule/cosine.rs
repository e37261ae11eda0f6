//! Half a wave from the learning rate down.

use super::{Schedule, WarmUp, warm_up_setting};
use crate::catalog::{Family, number_between, setting};
use gridsweep_common::catalogue::Setting;
use gridsweep_common::choice::Value;
use std::sync::Arc;

/// The factor falls along a cosine; it would reach `final_factor` in the epoch after the last, as in Keras.
pub(super) const FAMILY: Family<dyn Schedule> = Family {
    name: "cosine",
    formula: "r_e = r (f + (1 - f) (1 + cos(pi (e - W) / (epochs - W))) / 2), f = final_factor, after a warm-up of W epochs \
              as in constant, e counted from 0",
    source: "Loshchilov and Hutter, SGDR: stochastic gradient descent with warm restarts, ICLR 2017; Keras 3, CosineDecay",
    settings,
    build: |reader| {
        let warm_up = WarmUp::read(reader)?;
        Ok(Arc::new(Cosine {
            warm_up,
            epochs: reader.whole("epochs")? - warm_up.epochs,
            last: reader.number("schedule.final_factor")?,
        }))
    },
};

fn settings() -> Vec<Setting> {
    let kind = number_between(Some((0.0, true)), Some((1.0, true)));
    let description = "The part of the learning rate that the wave ends at, in the epoch after the last.";
    vec![setting("schedule.final_factor", kind, Some(Value::from(0.0)), description), warm_up_setting()]
}

#[derive(Debug)]
struct Cosine {
    warm_up: WarmUp,
    /// Those after the warm-up, at least one.
    epochs: u32,
    last: f64,
}

impl Schedule for Cosine {
    fn factor(&self, epoch: u32) -> f64 {
        self.warm_up.factor(epoch, |since| self.last + (1.0 - self.last) * wave(since, self.epochs))
    }
}

/// Returns (1 + cos(π part / whole)) / 2 for part < whole, with a relative error below 1e-15.
///
/// It is the square of sin(π/2 · (whole − part) / whole), which does not cancel near the end; below π/4 by the sine, above
/// by the cosine of the rest. Additions, multiplications and divisions alone, which IEEE 754 rounds exactly: no libm,
/// whose last bits differ between machines.
fn wave(part: u32, whole: u32) -> f64 {
    let angle = |part: u32| f64::from(part) / f64::from(whole) * std::f64::consts::FRAC_PI_2;
    let rest = whole - part;
    let root = if rest <= part { sine(angle(rest)) } else { cosine(angle(part)) };
    root * root
}

/// Returns sin x for 0 ≤ x ≤ π/4 by Taylor's polynomial: the first term left out is below 1e-19.
fn sine(x: f64) -> f64 {
    const SIXTH: f64 = -1.0 / 6.0;
    let square = x * x;
    let tail = [
        1.0 / 120.0,
        -1.0 / 5_040.0,
        1.0 / 362_880.0,
        -1.0 / 39_916_800.0,
        1.0 / 6_227_020_800.0,
        -1.0 / 1_307_674_368_000.0,
        1.0 / 355_687_428_096_000.0,
    ];
    x + x * square * (SIXTH + square * polynomial(square, tail))
}

/// Returns cos x for 0 ≤ x ≤ π/4 by Taylor's polynomial: the first term left out is below 1e-17.
fn cosine(x: f64) -> f64 {
    let square = x * x;
    let tail = [
        1.0 / 24.0,
        -1.0 / 720.0,
        1.0 / 40_320.0,
        -1.0 / 3_628_800.0,
        1.0 / 479_001_600.0,
        -1.0 / 87_178_291_200.0,
        1.0 / 20_922_789_888_000.0,
    ];
    1.0 - square * (0.5 - square * polynomial(square, tail))
}

/// Returns c₀ + x (c₁ + x (…)).
fn polynomial(x: f64, coefficients: [f64; 7]) -> f64 {
    coefficients.into_iter().rev().fold(0.0, |sum, coefficient| sum * x + coefficient)
}

#[cfg(test)]
mod tests {
    use super::super::tests::factors;
    use super::*;

    /// (part, whole, value), computed with 60 digits.
    const EXACT: [(u32, u32, f64); 12] = [
        (0, 1, 1.0),
        (1, 2, 0.5),
        (1, 3, 0.75),
        (2, 3, 0.25),
        (1, 4, 0.8535533905932737),
        (3, 4, 0.14644660940672624),
        (7, 10, 0.20610737385376343),
        (1, 100_000, 0.9999999997532599),
        (99999, 100_000, 2.467401100069404e-10),
        (50001, 100_000, 0.4999842920367346),
        (123, 457, 0.8316602703943315),
        (198, 199, 6.230524117135662e-05),
    ];

    const MOST: f64 = 1e-15;

    #[test]
    fn the_wave_is_exact_to_its_bound() {
        for (part, whole, exact) in EXACT {
            let found = wave(part, whole);
            assert!(((found - exact) / exact).abs() < MOST, "{part} of {whole}: {found:e}, not {exact:e}");
        }
    }

    /// Everywhere else beside the sine of this machine, which adds an error of its own.
    #[test]
    fn the_wave_is_that_of_this_machine_but_for_rounding() {
        for whole in 1..400 {
            for part in 0..whole {
                let rest = f64::from(whole - part) / f64::from(whole);
                let other = (rest * std::f64::consts::FRAC_PI_2).sin().powi(2);
                let error = ((wave(part, whole) - other) / other).abs();
                assert!(error < 2.0 * MOST, "{part} of {whole}: {error:e}");
            }
        }
    }

    /// A term too few is seen.
    #[test]
    fn a_shorter_polynomial_is_noticed() {
        let short = |x: f64| {
            let square = x * x;
            let tail = [1.0 / 120.0, -1.0 / 5_040.0, 1.0 / 362_880.0, -1.0 / 39_916_800.0, 0.0, 0.0, 0.0];
            x + x * square * (-1.0 / 6.0 + square * polynomial(square, tail))
        };
        let root = short(std::f64::consts::FRAC_PI_4);
        assert!(((root * root - 0.5) / 0.5).abs() > 10.0 * MOST);
    }

    #[test]
    fn the_learning_rate_falls_from_1_and_ends_above_its_last_factor() {
        let settings =
            |last: f64| [("schedule.kind", "cosine".into()), ("schedule.final_factor", last.into())];
        for last in [0.0, 0.1] {
            let factors = factors(50, &settings(last));
            assert_eq!(factors[0], 1.0);
            assert!(factors.windows(2).all(|pair| pair[1] < pair[0]));
            assert!((factors[25] - (last + (1.0 - last) / 2.0)).abs() < MOST);
            assert!(factors[49] > last && factors[49] < last + 0.001);
        }
        assert_eq!(factors(5, &settings(1.0)), [1.0; 5]);
    }
}
