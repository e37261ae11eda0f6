//! Gradients divided by the root of the sum of all their squares.

use super::{Block, Moved, Optimizer, Rule, Step, apply, epsilon, learning_rate};
use crate::catalog::{Family, number_between, setting};
use crate::kernel::Kernel;
use crate::kernel::lanes::Lanes;
use gridsweep_common::catalogue::Setting;
use gridsweep_common::choice::Value;
use std::sync::Arc;

/// Keras' form, with epsilon under the root and a sum that does not begin at zero.
pub(super) const FAMILY: Family<dyn Optimizer> = Family {
    name: "adagrad",
    formula: "s += g^2, w -= r g / sqrt(s + epsilon), with s = initial_accumulator_value at first",
    source: "Duchi, Hazan and Singer, Adaptive subgradient methods for online learning, JMLR 12, 2011; Keras 3",
    settings,
    build: |reader| {
        Ok(Arc::new(Adagrad {
            initial: reader.number("optimizer.initial_accumulator_value")?,
            epsilon: reader.number("optimizer.epsilon")?,
        }))
    },
};

fn settings() -> Vec<Setting> {
    let kind = number_between(Some((0.0, true)), None);
    let description = "What the sum of the squared gradients begins at.";
    let initial = setting("optimizer.initial_accumulator_value", kind, Some(Value::from(0.1)), description);
    vec![learning_rate(), initial, epsilon()]
}

#[derive(Debug)]
struct Adagrad {
    initial: f64,
    epsilon: f64,
}

impl Optimizer for Adagrad {
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
        let beginning = (self.initial + self.epsilon) as f32;
        apply(kernel, AllSquares { size: step.size, beginning }, block)
    }
}

struct AllSquares {
    size: f32,
    /// Where the sum begins and epsilon. Moments begin at zero, so it is added where the sum is used.
    beginning: f32,
}

impl Rule<1> for AllSquares {
    #[inline(always)]
    fn moments<L: Lanes>(&self, gradient: L, [sum]: [L; 1]) -> [L; 1] {
        [gradient.fma(gradient, sum)]
    }

    #[inline(always)]
    fn divisor<L: Lanes>(&self, [sum]: [L; 1]) -> L {
        sum.add(L::splat(self.beginning)).sqrt()
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

    /// Keras 3, `Adagrad.update_step`, in `f64`.
    fn exact(gradients: &[f64], initial: f64, mut w: f64) -> f64 {
        let mut s = initial;
        for g in gradients {
            s += g * g;
            w -= 0.01 * g / (s + 1e-7).sqrt();
        }
        w
    }

    #[test]
    fn steps_are_those_of_keras() {
        for gradients in GRADIENTS {
            for initial in [0.0, 0.1, 2.0] {
                let adagrad = Adagrad { initial, epsilon: 1e-7 };
                let own = f64::from(moved(&adagrad, Parameters::Weights, 0.01, gradients, 0.3));
                let exact = exact(gradients, initial, 0.3);
                assert!((own - exact).abs() < 3e-7, "{initial}, {gradients:?}: {own} {exact}");
            }
        }
    }
}
