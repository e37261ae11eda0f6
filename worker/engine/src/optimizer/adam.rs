//! Adam.

use super::{Block, Optimizer, Rule, Step, apply, learning_rate};
use crate::catalog::{Family, number_between, setting};
use crate::kernel::Kernel;
use crate::kernel::lanes::Lanes;
use gridsweep_common::catalogue::Setting;
use gridsweep_common::choice::Value;
use std::sync::Arc;

/// Adam with the bias corrections in the step size, as in Keras and in section 2 of the paper.
pub(super) const FAMILY: Family<dyn Optimizer> = Family {
    name: "adam",
    formula: "m += (1-b1)(g-m), v += (1-b2)(g^2-v), w -= r sqrt(1-b2^t)/(1-b1^t) m/(sqrt(v)+epsilon)",
    source: "Kingma and Ba, Adam: a method for stochastic optimization, ICLR 2015; Keras 3",
    settings,
    build: |reader| {
        Ok(Arc::new(Adam {
            beta1: reader.number("optimizer.beta1")?,
            beta2: reader.number("optimizer.beta2")?,
            epsilon: reader.number("optimizer.epsilon")?,
        }))
    },
};

fn settings() -> Vec<Setting> {
    let share = || number_between(Some((0.0, true)), Some((1.0, false)));
    // Below 1e-30 the square of epsilon's rounding could vanish and 0 / 0 make weights that never move not a number.
    let epsilon = number_between(Some((1e-30, true)), Some((1.0, true)));
    vec![
        learning_rate(),
        setting("optimizer.beta1", share(), Some(Value::from(0.9)), "How much of the mean gradient is kept."),
        setting("optimizer.beta2", share(), Some(Value::from(0.999)), "How much of the mean square is kept."),
        setting(
            "optimizer.epsilon",
            epsilon,
            Some(Value::from(1e-7)),
            "Added to the root of the mean square.",
        ),
    ]
}

#[derive(Debug)]
struct Adam {
    beta1: f64,
    beta2: f64,
    epsilon: f64,
}

impl Optimizer for Adam {
    fn moments(&self) -> usize {
        2
    }

    fn powers(&self) -> Vec<f64> {
        vec![1.0; 2]
    }

    fn advance(&self, powers: &mut [f64]) {
        powers[0] *= self.beta1;
        powers[1] *= self.beta2;
    }

    fn step(&self, learning_rate: f64, powers: &[f64]) -> Step {
        let (first, second) = (1.0 - powers[0], 1.0 - powers[1]);
        Step { size: (learning_rate * second.sqrt() / first) as f32 }
    }

    fn update(&self, kernel: Kernel, step: Step, block: Block<'_>) -> bool {
        let rule = Moments {
            size: step.size,
            towards_gradient: (1.0 - self.beta1) as f32,
            towards_square: (1.0 - self.beta2) as f32,
            epsilon: self.epsilon as f32,
        };
        apply(kernel, rule, block)
    }
}

struct Moments {
    size: f32,
    towards_gradient: f32,
    towards_square: f32,
    epsilon: f32,
}

impl Rule<2> for Moments {
    #[inline(always)]
    fn next<L: Lanes>(&self, parameter: L, gradient: L, [mean, square]: [L; 2]) -> (L, [L; 2]) {
        let mean = L::splat(self.towards_gradient).fma(gradient.sub(mean), mean);
        let step_of_square = gradient.mul(gradient).sub(square);
        let square = L::splat(self.towards_square).fma(step_of_square, square);
        let direction = mean.div(square.sqrt().add(L::splat(self.epsilon)));
        let next = L::splat(-self.size).fma(direction, parameter);
        (next, [mean, square])
    }
}
