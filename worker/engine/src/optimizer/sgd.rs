//! Stochastic gradient descent, with momentum.

use super::{Block, Moved, Optimizer, Rule, Step, apply, learning_rate};
use crate::catalog::{Family, number_between, setting};
use crate::kernel::Kernel;
use crate::kernel::lanes::Lanes;
use gridsweep_common::catalogue::{Kind, Setting};
use gridsweep_common::choice::Value;
use std::sync::Arc;

/// Gradient descent with Keras' momentum, which carries the learning rate inside the velocity.
pub(super) const FAMILY: Family<dyn Optimizer> = Family {
    name: "sgd",
    formula: "u = momentum u - r g, w += u; nesterov: w += momentum u - r g",
    source: "Robbins and Monro 1951; Polyak 1964; Nesterov 1983 as in Sutskever et al., ICML 2013; Keras 3",
    settings,
    build: |reader| {
        Ok(Arc::new(Sgd {
            momentum: reader.number("optimizer.momentum")?,
            is_nesterov: reader.flag("optimizer.nesterov")?,
        }))
    },
};

fn settings() -> Vec<Setting> {
    let share = number_between(Some((0.0, true)), Some((1.0, false)));
    vec![
        learning_rate(),
        setting("optimizer.momentum", share, Some(Value::from(0.0)), "How much of the velocity is kept."),
        setting(
            "optimizer.nesterov",
            Kind::Bool,
            Some(Value::from(false)),
            "Whether the gradient counts as taken where the velocity leads.",
        ),
    ]
}

#[derive(Debug)]
struct Sgd {
    momentum: f64,
    is_nesterov: bool,
}

impl Optimizer for Sgd {
    fn moments(&self) -> usize {
        usize::from(self.momentum > 0.0)
    }

    fn powers(&self) -> Vec<f64> {
        Vec::new()
    }

    fn advance(&self, _: &mut [f64]) {}

    /// Under a steady gradient the velocity becomes 1 / (1 − momentum) steps.
    fn step(&self, learning_rate: f64, _: &[f64]) -> Step {
        Step { reach: learning_rate / (1.0 - self.momentum), ..Step::of_size(learning_rate) }
    }

    fn update(&self, kernel: Kernel, step: Step, block: Block<'_>) -> Moved {
        let (size, momentum) = (step.size, self.momentum as f32);
        match (self.moments(), self.is_nesterov) {
            (0, _) => apply(kernel, Descent { size }, block),
            (_, false) => apply(kernel, Momentum { size, momentum }, block),
            (_, true) => apply(kernel, Nesterov { size, momentum }, block),
        }
    }
}

struct Descent {
    size: f32,
}

impl Rule<0> for Descent {
    #[inline(always)]
    fn moments<L: Lanes>(&self, _: L, _: [L; 0]) -> [L; 0] {
        []
    }

    #[inline(always)]
    fn divisor<L: Lanes>(&self, _: [L; 0]) -> L {
        L::splat(1.0)
    }

    #[inline(always)]
    fn next<L: Lanes>(&self, parameter: L, gradient: L, _: [L; 0], _: L) -> L {
        L::splat(-self.size).fma(gradient, parameter)
    }
}

struct Momentum {
    size: f32,
    momentum: f32,
}

impl Rule<1> for Momentum {
    #[inline(always)]
    fn moments<L: Lanes>(&self, gradient: L, [velocity]: [L; 1]) -> [L; 1] {
        let kept = L::splat(self.momentum).mul(velocity);
        [L::splat(-self.size).fma(gradient, kept)]
    }

    #[inline(always)]
    fn divisor<L: Lanes>(&self, _: [L; 1]) -> L {
        L::splat(1.0)
    }

    #[inline(always)]
    fn next<L: Lanes>(&self, parameter: L, _: L, [velocity]: [L; 1], _: L) -> L {
        parameter.add(velocity)
    }
}

struct Nesterov {
    size: f32,
    momentum: f32,
}

impl Rule<1> for Nesterov {
    #[inline(always)]
    fn moments<L: Lanes>(&self, gradient: L, [velocity]: [L; 1]) -> [L; 1] {
        let kept = L::splat(self.momentum).mul(velocity);
        [L::splat(-self.size).fma(gradient, kept)]
    }

    #[inline(always)]
    fn divisor<L: Lanes>(&self, _: [L; 1]) -> L {
        L::splat(1.0)
    }

    #[inline(always)]
    fn next<L: Lanes>(&self, parameter: L, gradient: L, [velocity]: [L; 1], _: L) -> L {
        let ahead = L::splat(self.momentum).fma(velocity, parameter);
        L::splat(-self.size).fma(gradient, ahead)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimizer::Parameters;
    use crate::optimizer::tests::moved;

    /// Keras 3, `SGD.update_step`, in `f64`.
    fn exact(gradients: &[f64], momentum: f64, is_nesterov: bool, mut w: f64) -> f64 {
        let mut u = 0.0;
        for g in gradients {
            u = momentum * u - 0.1 * g;
            w += if is_nesterov { momentum * u - 0.1 * g } else { u };
        }
        w
    }

    fn run(gradients: &[f64], momentum: f64, is_nesterov: bool, start: f32) -> f32 {
        moved(&Sgd { momentum, is_nesterov }, Parameters::Weights, 0.1, gradients, start)
    }

    #[test]
    fn steps_are_those_of_keras() {
        let gradients = [0.5, -0.25, 0.125, 3.0, 0.0, 0.0];
        for (momentum, is_nesterov) in [(0.0, false), (0.0, true), (0.9, false), (0.9, true)] {
            let own = f64::from(run(&gradients, momentum, is_nesterov, 0.3));
            let exact = exact(&gradients, momentum, is_nesterov, 0.3);
            assert!((own - exact).abs() < 3e-7, "{momentum} {is_nesterov}: {own} {exact}");
        }
    }

    #[test]
    fn without_momentum_nothing_is_kept_beside_the_weights() {
        assert_eq!(Sgd { momentum: 0.0, is_nesterov: true }.moments(), 0);
        assert_eq!(Sgd { momentum: 0.5, is_nesterov: true }.moments(), 1);
    }
}
