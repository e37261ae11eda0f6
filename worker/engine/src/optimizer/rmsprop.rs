//! Gradients divided by the root of their mean square.

use super::{Block, Moved, Optimizer, Rule, Step, apply, epsilon, learning_rate};
use crate::catalog::{Family, number_between, setting};
use crate::kernel::Kernel;
use crate::kernel::lanes::Lanes;
use gridsweep_common::catalogue::Setting;
use gridsweep_common::choice::Value;
use std::sync::Arc;

/// Keras' form, neither centred nor with momentum, with epsilon under the root.
pub(super) const FAMILY: Family<dyn Optimizer> = Family {
    name: "rmsprop",
    formula: "v = rho v + (1-rho) g^2, w -= r g / sqrt(v + epsilon)",
    source: "Tieleman and Hinton, Lecture 6.5 of Neural networks for machine learning, 2012; Keras 3",
    settings,
    build: |reader| {
        let (rho, epsilon) = (reader.number("optimizer.rho")?, reader.number("optimizer.epsilon")?);
        Ok(Arc::new(RmsProp { rho, epsilon }))
    },
};

fn settings() -> Vec<Setting> {
    let share = number_between(Some((0.0, true)), Some((1.0, false)));
    let rho = setting("optimizer.rho", share, Some(Value::from(0.9)), "How much of the mean square is kept.");
    vec![learning_rate(), rho, epsilon()]
}

#[derive(Debug)]
struct RmsProp {
    rho: f64,
    epsilon: f64,
}

impl Optimizer for RmsProp {
    fn moments(&self) -> usize {
        1
    }

    fn powers(&self) -> Vec<f64> {
        Vec::new()
    }

    fn advance(&self, _: &mut [f64]) {}

    fn step(&self, learning_rate: f64, _: &[f64]) -> Step {
        Step::of_size(learning_rate)
    }

    fn update(&self, kernel: Kernel, step: Step, block: Block<'_>) -> Moved {
        let (towards_square, epsilon) = ((1.0 - self.rho) as f32, self.epsilon as f32);
        apply(kernel, MeanSquare { size: step.size, towards_square, epsilon }, block)
    }
}

struct MeanSquare {
    size: f32,
    towards_square: f32,
    epsilon: f32,
}

impl Rule<1> for MeanSquare {
    #[inline(always)]
    fn moments<L: Lanes>(&self, gradient: L, [square]: [L; 1]) -> [L; 1] {
        let step_of_square = gradient.mul(gradient).sub(square);
        [L::splat(self.towards_square).fma(step_of_square, square)]
    }

    #[inline(always)]
    fn divisor<L: Lanes>(&self, [square]: [L; 1]) -> L {
        square.add(L::splat(self.epsilon)).sqrt()
    }

    #[inline(always)]
    fn next<L: Lanes>(&self, parameter: L, gradient: L, _: [L; 1], divisor: L) -> L {
        L::splat(-self.size).fma(gradient.div(divisor), parameter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimizer::Parameters;
    use crate::optimizer::tests::{GRADIENTS, moved};

    /// Keras 3, `RMSprop.update_step`, in `f64`.
    fn exact(gradients: &[f64], rho: f64, mut w: f64) -> f64 {
        let mut v = 0.0;
        for g in gradients {
            v = rho * v + (1.0 - rho) * g * g;
            w -= 0.01 * g / (v + 1e-7).sqrt();
        }
        w
    }

    #[test]
    fn steps_are_those_of_keras() {
        for gradients in GRADIENTS {
            for rho in [0.0, 0.9, 0.99] {
                let rmsprop = RmsProp { rho, epsilon: 1e-7 };
                let own = f64::from(moved(&rmsprop, Parameters::Weights, 0.01, gradients, 0.3));
                let exact = exact(gradients, rho, 0.3);
                assert!((own - exact).abs() < 3e-7, "{rho}, {gradients:?}: {own} {exact}");
            }
        }
    }
}
