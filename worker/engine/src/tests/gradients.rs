//! Gradients against finite differences of a small network in `f64` that shares no code with the engine.

use super::{SEED, Synthetic, names, recipe, regularizer_settings};
use crate::activation::{Activation, Curve};
use crate::batch::Use;
use crate::kernel::Kernel;
use crate::kernel::lanes::Lanes;
use crate::loss;
use crate::mask::{Dropout, Place};
use crate::matrix::Matrix;
use crate::network::{Means, Network};
use crate::optimizer::{Block, Moved, Optimizer, Rule, Step, apply};
use crate::random::Key;
use crate::workspace::Workspace;
use crate::{Dataset, Recipe, math};
use gridsweep_common::choice::Value;
use gridsweep_common::data::Standardize;
use gridsweep_common::seed::Purpose;
use std::sync::Arc;

const SHAPES: [(usize, usize); 3] = [(9, 7), (7, 5), (5, 3)];
const SAMPLES: [u32; 4] = [5, 0, 3, 8];
const PLACE: Place = Place { epoch: 0, step: 1, layer: 0, first_sample: 0 };

/// Keeps the gradient as its moment and moves nothing.
#[derive(Debug)]
struct Recorder;

impl Optimizer for Recorder {
    fn moments(&self) -> usize {
        1
    }
    fn powers(&self) -> Vec<f64> {
        Vec::new()
    }
    fn advance(&self, _: &mut [f64]) {}
    fn step(&self, _: f64, _: &[f64]) -> Step {
        Step::of_size(0.0)
    }
    fn update(&self, kernel: Kernel, _: Step, block: Block<'_>) -> Moved {
        apply(kernel, Record, block)
    }
}

/// What the recorder does.
struct Record;

impl Rule<1> for Record {
    fn moments<L: Lanes>(&self, gradient: L, _: [L; 1]) -> [L; 1] {
        [gradient]
    }
    fn divisor<L: Lanes>(&self, _: [L; 1]) -> L {
        L::splat(1.0)
    }
    fn next<L: Lanes>(&self, parameter: L, _: L, _: [L; 1], _: L) -> L {
        parameter
    }
}

/// The network in `f64`: what finite differences are taken of.
struct Exact {
    /// Kernel [inputs][units] and biases of each layer.
    layers: Vec<(Vec<Vec<f64>>, Vec<f64>)>,
    activation: fn(f64) -> f64,
    penalty: fn(f64) -> f64,
    /// What multiplies each value of each hidden layer: [layer][sample][unit].
    masks: Vec<Vec<Vec<f64>>>,
    inputs: Vec<Vec<f64>>,
    labels: Vec<usize>,
}

/// The formulas in `f64`.
pub(super) fn activation(name: &str) -> fn(f64) -> f64 {
    match name {
        "relu" => |x| x.max(0.0),
        "sigmoid" => |x| 1.0 / (1.0 + (-x).exp()),
        "tanh" => f64::tanh,
        "identity" => |x| x,
        "leaky_relu" => |x| x.max(0.01 * x),
        "elu" => |x| if x > 0.0 { x } else { x.exp_m1() },
        "silu" => |x| x / (1.0 + (-x).exp()),
        "gelu" => {
            |x| 0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x)).tanh())
        }
        "softplus" => |x| x.exp().ln_1p(),
        "hard_tanh" => |x| x.clamp(-1.0, 1.0),
        other => panic!("give the formula of {other} in f64 here: gradients are checked against it"),
    }
}

/// The penalty of one weight with the coefficients of [`regularizer_settings`].
fn penalty(name: &str) -> fn(f64) -> f64 {
    match name {
        "none" | "dropout" => |_| 0.0,
        // Its penalty is no part of the gradient that the optimizer is given, see `penalty_in_gradient`.
        "proximal_l1" => |w| 0.01 * w.abs(),
        // The bound of the settings is beyond the weights of these tests.
        "max_norm" => |_| 0.0,
        "l1" => |w| 0.01 * w.abs(),
        "l2" => |w| 0.01 * w * w,
        "elastic_net" => |w| 0.01 * w.abs() + 0.02 * w * w,
        other => panic!("give the formula of {other} in f64 here: gradients are checked against it"),
    }
}

/// The part of the penalty that the gradient knows of.
fn penalty_in_gradient(name: &str) -> fn(f64) -> f64 {
    if name == "proximal_l1" { |_| 0.0 } else { penalty(name) }
}

fn rows(matrix: &Matrix) -> Vec<Vec<f64>> {
    let row = |r| (0..matrix.columns()).map(|c| f64::from(matrix.get(r, c))).collect();
    (0..matrix.rows()).map(row).collect()
}

impl Exact {
    fn objective(&self) -> f64 {
        let losses = (0..self.labels.len()).map(|sample| self.loss(sample));
        let weights = self.layers.iter().flat_map(|(weights, _)| weights.iter().flatten());
        losses.sum::<f64>() / self.labels.len() as f64 + weights.map(|&w| (self.penalty)(w)).sum::<f64>()
    }

    fn loss(&self, sample: usize) -> f64 {
        let mut values = self.inputs[sample].clone();
        for (index, (weights, biases)) in self.layers.iter().enumerate() {
            let sums = (0..biases.len()).map(|unit| {
                biases[unit] + values.iter().zip(weights).map(|(x, row)| x * row[unit]).sum::<f64>()
            });
            values = match self.masks.get(index) {
                Some(masks) => {
                    sums.zip(&masks[sample]).map(|(z, mask)| mask * (self.activation)(z)).collect()
                }
                None => sums.collect(),
            };
        }
        values.iter().map(|z| z.exp()).sum::<f64>().ln() - values[self.labels[sample]]
    }

    /// Returns the gradient of each layer's kernel and biases by central differences.
    fn gradient(mut self) -> Vec<(Vec<Vec<f64>>, Vec<f64>)> {
        let mut gradient = self.layers.clone();
        for (layer, (weights, biases)) in gradient.iter_mut().enumerate() {
            for (input, row) in weights.iter_mut().enumerate() {
                for (unit, slope) in row.iter_mut().enumerate() {
                    *slope = self.slope(|exact| &mut exact.layers[layer].0[input][unit]);
                }
            }
            for (unit, slope) in biases.iter_mut().enumerate() {
                *slope = self.slope(|exact| &mut exact.layers[layer].1[unit]);
            }
        }
        gradient
    }

    fn slope(&mut self, parameter: impl Fn(&mut Exact) -> &mut f64) -> f64 {
        const STEP: f64 = 1e-6;
        let here = *parameter(self);
        *parameter(self) = here + STEP;
        let above = self.objective();
        *parameter(self) = here - STEP;
        let below = self.objective();
        *parameter(self) = here;
        (above - below) / (2.0 * STEP)
    }
}

/// A network before its first step, and all that the step needs.
pub(super) struct Case {
    recipe: Recipe,
    data: Dataset,
    dropout: Option<Dropout>,
    pub(super) network: Network,
    pub(super) space: Workspace,
    /// Those of the step to come.
    pub(super) samples: Vec<u32>,
}

impl Case {
    fn new(recipe: Recipe, moments: usize) -> Case {
        Case::with(recipe, moments, Standardize::None)
    }

    fn with(recipe: Recipe, moments: usize, standardize: Standardize) -> Case {
        let key = |purpose| Key::new(SEED, purpose);
        let mut network = Network::new(&SHAPES, &*recipe.initializer, key(Purpose::Init), moments);
        for (index, layer) in network.layers.iter_mut().enumerate() {
            // Not zero, so that relu units are away from their corner.
            (0..layer.biases.columns()).for_each(|unit| layer.biases.set(0, unit, 0.1 + 0.03 * index as f32));
        }
        let data = Synthetic { samples: 10, inputs: 9, classes: 3, density: 0.35, standardize }.make();
        Case::of(recipe, data, network, SAMPLES.to_vec())
    }

    /// The network may take steps of as many samples as there are here.
    pub(super) fn of(recipe: Recipe, data: Dataset, mut network: Network, samples: Vec<u32>) -> Case {
        if let Some(standardization) = data.standardization() {
            network.standardize(Arc::clone(standardization));
        }
        let shapes: Vec<_> = network.layers.iter().map(|l| (l.weights.rows(), l.weights.columns())).collect();
        let dropout = Dropout::new(recipe.regularizer.dropout_rate(), Key::new(SEED, Purpose::Dropout));
        let space = Workspace::new(&shapes, samples.len(), dropout.is_some());
        Case { recipe, data, dropout, network, space, samples }
    }

    /// Takes one step and returns the sum of the losses and the penalty, on the way back with this activation and
    /// optimizer.
    pub(super) fn step(
        &mut self,
        activation: &dyn Activation,
        optimizer: &dyn Optimizer,
        step: Step,
    ) -> (f64, f64) {
        let (regularizer, dropout) = (&*self.recipe.regularizer, self.dropout);
        let means =
            Means { kernel: Kernel::detect(), activation, regularizer, optimizer, dropout, probe: None };
        let part = self.data.training();
        self.space.batch.gather(means.kernel, part, &self.samples, Use::Training);
        self.network.forward(means, part, &mut self.space, PLACE);
        self.space.differentiate(means.kernel, self.samples.len());
        let loss = loss::total(means.kernel, [&self.space.losses].into_iter());
        (f64::from(loss), self.network.step_back(means, step, part, &mut self.space).penalty)
    }

    /// Returns the same network in `f64`, with the masks of the step that was taken.
    fn exact(&self, activation: fn(f64) -> f64, penalty: fn(f64) -> f64) -> Exact {
        let scale = 65_536.0 / ((1.0 - self.recipe.regularizer.dropout_rate()) * 65_536.0).round();
        let scaled = |row: Vec<f64>| row.into_iter().map(|kept| kept * scale).collect();
        let mask = |layer: usize| match &self.space.layers[layer].dropout {
            Some(space) => rows(&space.mask).into_iter().map(scaled).collect(),
            None => vec![vec![1.0; SHAPES[layer].1]; SAMPLES.len()],
        };
        let (inputs, labels) = (&self.data.training().inputs, self.data.training_labels());
        let standardized = |input: usize, x: f64| match self.data.standardization() {
            Some(by) => f64::from(by.factors[input]) * x + f64::from(by.shifts[input]),
            None => x,
        };
        let number = |s: u32, input| standardized(input, f64::from(inputs.number(s as usize, input)));
        let numbers = |&s: &u32| (0..SHAPES[0].0).map(|input| number(s, input)).collect();
        Exact {
            layers: self
                .network
                .layers
                .iter()
                .map(|l| (rows(&l.weights), rows(&l.biases)[0].clone()))
                .collect(),
            activation,
            penalty,
            masks: (0..2).map(mask).collect(),
            inputs: SAMPLES.iter().map(numbers).collect(),
            labels: SAMPLES.iter().map(|&s| usize::from(labels[s as usize])).collect(),
        }
    }
}

fn settings(activation: &str, regularizer: &str, optimizer: &str) -> Recipe {
    let mut settings = regularizer_settings(regularizer);
    settings.push(("activation", Value::from(activation)));
    settings.push(("optimizer.kind", Value::from(optimizer)));
    recipe(&settings)
}

/// Returns the largest difference between the engine's gradient and finite differences.
fn worst_error(
    recipe: Recipe,
    backwards: &dyn Activation,
    exact: fn(f64) -> f64,
    penalty: fn(f64) -> f64,
) -> f64 {
    let mut case = Case::new(recipe, 1);
    case.step(backwards, &Recorder, Step::of_size(0.0));
    error(&case, exact, penalty)
}

/// Returns the largest difference between the gradient of the last step and finite differences.
fn error(case: &Case, exact: fn(f64) -> f64, penalty: fn(f64) -> f64) -> f64 {
    let gradient = case.exact(exact, penalty).gradient();
    let mut worst = 0_f64;
    for (layer, (weights, biases)) in case.network.layers.iter().zip(gradient) {
        let own =
            rows(&layer.weight_moments[0]).concat().into_iter().chain(rows(&layer.bias_moments[0]).concat());
        for (own, exact) in own.zip(weights.concat().into_iter().chain(biases)) {
            worst = worst.max((own - exact).abs());
        }
    }
    worst
}

/// Gradients are of the order of 0.1, and `f32` rounds a hundred times on the way.
const TOLERANCE: f64 = 2e-6;

#[test]
fn gradients_are_finite_differences_in_every_activation_and_regularizer() {
    for name in names("activation") {
        for regularizer in names("regularizer") {
            let recipe = settings(&name, &regularizer, "sgd");
            let backwards = recipe.activation.clone();
            let penalty = penalty_in_gradient(&regularizer);
            let worst = worst_error(recipe, &*backwards, activation(&name), penalty);
            assert!(worst < TOLERANCE, "{name}, {regularizer}: {worst:e}");
        }
    }
}

/// The network in `f64` is given inputs that are standardised, the engine folds that into its first layer.
#[test]
fn gradients_of_standardised_inputs_are_finite_differences_too() {
    for (name, regularizer) in [("tanh", "none"), ("relu", "l1"), ("sigmoid", "l2"), ("gelu", "dropout")] {
        let recipe = settings(name, regularizer, "sgd");
        let backwards = recipe.activation.clone();
        let mut case = Case::with(recipe, 1, Standardize::Columns);
        let largest = case.exact(activation(name), penalty(regularizer)).inputs.concat().into_iter();
        assert!(largest.fold(0.0, f64::max) > 1.5, "they are other numbers than bytes / 255");
        case.step(&*backwards, &Recorder, Step::of_size(0.0));
        let worst = error(&case, activation(name), penalty(regularizer));
        assert!(worst < 2.0 * TOLERANCE, "{name}, {regularizer}: {worst:e}");
    }
}

#[test]
fn a_gradient_that_forgets_the_standardisation_is_noticed() {
    let recipe = settings("tanh", "none", "sgd");
    let backwards = recipe.activation.clone();
    let (mut case, plain) = (Case::with(recipe.clone(), 1, Standardize::Columns), Case::new(recipe, 1));
    case.step(&*backwards, &Recorder, Step::of_size(0.0));
    case.data = plain.data;
    assert!(error(&case, activation("tanh"), penalty("none")) > 100.0 * TOLERANCE);
}

/// The first step shortens the weights, the second is taken where they then are.
#[test]
fn the_way_back_goes_through_bounded_weights() {
    let settings = [
        ("regularizer", Value::from("max_norm")),
        ("max_norm", Value::from(0.5)),
        ("activation", Value::from("tanh")),
    ];
    let recipe = recipe(&settings);
    let (tanh, mut case) = (recipe.activation.clone(), Case::new(recipe, 1));
    let before = rows(&case.network.layers[1].weights);
    for _ in 0..2 {
        case.step(&*tanh, &Recorder, Step::of_size(0.0));
    }
    assert_ne!(rows(&case.network.layers[1].weights), before, "the bound is in the way");
    let worst = error(&case, activation("tanh"), penalty("max_norm"));
    assert!(worst < TOLERANCE, "{worst:e}");
}

/// A sigmoid whose slope forgets a factor.
#[derive(Clone, Copy, Debug)]
struct WrongSlope;

impl Curve for WrongSlope {
    fn value<L: Lanes>(self, x: L) -> L {
        math::sigmoid(x)
    }
    fn backpropagate<L: Lanes>(self, delta: L, value: L) -> L {
        delta.mul(value)
    }
}

#[test]
fn a_wrong_gradient_is_noticed() {
    let wrong_slope = settings("sigmoid", "none", "sgd");
    assert!(
        worst_error(wrong_slope, &WrongSlope, activation("sigmoid"), penalty("none")) > 100.0 * TOLERANCE
    );
    let other_penalty = settings("tanh", "l1", "sgd");
    let backwards = other_penalty.activation.clone();
    assert!(worst_error(other_penalty, &*backwards, activation("tanh"), penalty("l2")) > 100.0 * TOLERANCE);
}

#[test]
fn the_first_step_of_every_optimizer_goes_down_the_gradient() {
    for name in names("activation") {
        for regularizer in names("regularizer") {
            for optimizer in names("optimizer.kind") {
                let recipe = settings(&name, &regularizer, &optimizer);
                let (forwards, rule) = (recipe.activation.clone(), recipe.optimizer.clone());
                let mut case = Case::new(recipe, rule.moments());
                let mut powers = rule.powers();
                rule.advance(&mut powers);
                let before = case.network.clone();
                case.step(&*forwards, &*rule, rule.step(1e-3, &powers));
                let after = std::mem::replace(&mut case.network, before);
                let exact = case.exact(activation(&name), penalty(&regularizer));
                check_direction(&case.network, &after, &exact.gradient());
            }
        }
    }
}

fn check_direction(before: &Network, after: &Network, gradient: &[(Vec<Vec<f64>>, Vec<f64>)]) {
    for ((before, after), (gradient, _)) in before.layers.iter().zip(&after.layers).zip(gradient) {
        let moves = rows(&before.weights).concat().into_iter().zip(rows(&after.weights).concat());
        for ((before, after), slope) in moves.zip(gradient.concat()) {
            // A slope below this may be one of rounding.
            if slope.abs() > 1e-4 {
                assert!((after - before) * slope < 0.0, "from {before} to {after} with slope {slope}");
            }
        }
    }
}

#[test]
fn the_penalty_is_that_of_the_weights_before_the_step() {
    for name in names("regularizer") {
        let recipe = settings("relu", &name, "sgd");
        let (forwards, rule) = (recipe.activation.clone(), recipe.optimizer.clone());
        let mut case = Case::new(recipe, rule.moments());
        let weights: Vec<f64> = case.network.layers.iter().flat_map(|l| rows(&l.weights).concat()).collect();
        let expected: f64 = weights.into_iter().map(penalty(&name)).sum();
        let (_, found) = case.step(&*forwards, &*rule, rule.step(0.1, &[]));
        assert!((found - expected).abs() <= 1e-6 * expected, "{name}: {found} {expected}");
    }
}

#[test]
fn proximal_steps_leave_exact_zeros_and_the_gradient_of_l1_does_not() {
    for optimizer in names("optimizer.kind") {
        let zeros = |regularizer: &str| {
            let recipe = settings("tanh", regularizer, &optimizer);
            let (forwards, rule) = (recipe.activation.clone(), recipe.optimizer.clone());
            let (mut case, mut powers) = (Case::new(recipe, rule.moments()), rule.powers());
            for _ in 0..1000 {
                rule.advance(&mut powers);
                case.step(&*forwards, &*rule, rule.step(0.03, &powers));
            }
            let weights = case.network.layers.iter().flat_map(|layer| rows(&layer.weights).concat());
            weights.filter(|weight| weight.to_bits() == 0).count()
        };
        assert_eq!(zeros("l1"), 0, "{optimizer}");
        assert!(zeros("proximal_l1") >= 10, "{optimizer}: {}", zeros("proximal_l1"));
    }
}
