//! Adam with decoupled weight decay: another thing than the L2 penalty, whose gradient Adam divides by its root.

use super::adam::{self, Adam, Moments};
use super::{Block, Moved, Optimizer, Parameters, Rule, Step, apply};
use crate::catalog::{Family, number_between, setting};
use crate::kernel::Kernel;
use crate::kernel::lanes::Lanes;
use gridsweep_common::catalogue::Setting;
use gridsweep_common::choice::Value;
use std::sync::Arc;

/// Each weight first shrinks by the learning rate times the decay, then takes Adam's step; biases take the step alone.
pub(super) const FAMILY: Family<dyn Optimizer> = Family {
    name: "adamw",
    formula: "w -= r weight_decay w (weights, not biases), then adam's step, r the learning rate of the epoch",
    source: "Loshchilov and Hutter, Decoupled weight decay regularization, ICLR 2019; Keras 3",
    settings,
    build: |reader| {
        Ok(Arc::new(AdamW { adam: Adam::read(reader)?, decay: reader.number("optimizer.weight_decay")? }))
    },
};

fn settings() -> Vec<Setting> {
    let kind = number_between(Some((0.0, true)), None);
    let description =
        "What share of each weight is taken off a step, times the learning rate; biases keep all.";
    let decay = setting("optimizer.weight_decay", kind, Some(Value::from(0.004)), description);
    adam::settings().into_iter().chain([decay]).collect()
}

#[derive(Debug)]
struct AdamW {
    adam: Adam,
    decay: f64,
}

impl Optimizer for AdamW {
    fn moments(&self) -> usize {
        self.adam.moments()
    }

    fn powers(&self) -> Vec<f64> {
        self.adam.powers()
    }

    fn advance(&self, powers: &mut [f64]) {
        self.adam.advance(powers);
    }

    /// `more` begins with the share that weights lose.
    fn step(&self, learning_rate: f64, powers: &[f64]) -> Step {
        Step { more: [(learning_rate * self.decay) as f32, 0.0], ..self.adam.step(learning_rate, powers) }
    }

    fn update(&self, kernel: Kernel, step: Step, block: Block<'_>) -> Moved {
        let moments = self.adam.rule(step);
        match block.of {
            Parameters::Weights => apply(kernel, Decayed { moments, share: step.more[0] }, block),
            Parameters::Biases => apply(kernel, moments, block),
        }
    }
}

struct Decayed {
    moments: Moments,
    share: f32,
}

impl Rule<2> for Decayed {
    #[inline(always)]
    fn moments<L: Lanes>(&self, gradient: L, moments: [L; 2]) -> [L; 2] {
        self.moments.moments(gradient, moments)
    }

    #[inline(always)]
    fn divisor<L: Lanes>(&self, moments: [L; 2]) -> L {
        self.moments.divisor(moments)
    }

    #[inline(always)]
    fn next<L: Lanes>(&self, parameter: L, gradient: L, moments: [L; 2], divisor: L) -> L {
        let kept = L::splat(-self.share).fma(parameter, parameter);
        self.moments.next(kept, gradient, moments, divisor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimizer::tests::{GRADIENTS, moved};

    fn adamw(decay: f64) -> AdamW {
        AdamW { adam: Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-7 }, decay }
    }

    /// Keras 3, `Optimizer._apply_weight_decay` and `Adam.update_step`, in `f64`.
    fn exact(gradients: &[f64], decay: f64, mut w: f64) -> f64 {
        let (mut m, mut v) = (0.0, 0.0);
        for (t, g) in (1..).zip(gradients) {
            w -= w * decay * 0.01;
            let alpha = 0.01 * (1.0 - 0.999_f64.powi(t)).sqrt() / (1.0 - 0.9_f64.powi(t));
            m += (g - m) * (1.0 - 0.9);
            v += (g * g - v) * (1.0 - 0.999);
            w -= alpha * m / (v.sqrt() + 1e-7);
        }
        w
    }

    #[test]
    fn steps_are_those_of_keras() {
        for gradients in GRADIENTS {
            for decay in [0.0, 0.004, 2.0] {
                let own = f64::from(moved(&adamw(decay), Parameters::Weights, 0.01, gradients, 0.3));
                let exact = exact(gradients, decay, 0.3);
                assert!((own - exact).abs() < 3e-7, "{decay}, {gradients:?}: {own} {exact}");
            }
        }
    }

    #[test]
    fn biases_take_the_step_of_adam() {
        for gradients in GRADIENTS {
            let decayed = moved(&adamw(2.0), Parameters::Biases, 0.01, gradients, 0.3);
            assert_eq!(decayed, moved(&adamw(2.0).adam, Parameters::Biases, 0.01, gradients, 0.3));
        }
    }

    #[test]
    fn a_weight_without_a_gradient_decays() {
        let kept = moved(&adamw(5.0), Parameters::Weights, 0.01, &[0.0; 10], 1.0);
        assert!((f64::from(kept) - 0.95_f64.powi(10)).abs() < 1e-6, "{kept}");
    }
}
