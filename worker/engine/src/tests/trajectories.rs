//! Steps of a small network beside those of Keras in `f64`: `tests/numeric/trajectories.json`, made by the script beside it.

use super::gradients::Case;
use super::{SEED, Value, names, recipe};
use crate::Dataset;
use crate::checkpoint::{Reader, Writer};
use crate::network::Network;
use crate::random::{Key, Stream};
use gridsweep_common::seed::Purpose;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Reference {
    /// (inputs, units) of each layer.
    shapes: Vec<(usize, usize)>,
    /// A row of bytes a sample.
    inputs: Vec<Vec<u8>>,
    labels: Vec<u8>,
    /// The samples of each batch of each epoch.
    epochs: Vec<Vec<Vec<u32>>>,
    /// Layer by layer the weights, row after row, and the biases.
    initial: Vec<f32>,
    trajectories: Vec<Trajectory>,
    /// (inputs, units) of the matrices that initializers drew.
    drawn: (usize, usize),
    quantiles: Vec<f64>,
    /// The quantiles of a million weights of each.
    initializers: BTreeMap<String, Vec<f64>>,
}

#[derive(Deserialize)]
struct Trajectory {
    settings: BTreeMap<String, serde_json::Value>,
    /// The learning rate of each epoch.
    rates: Vec<f64>,
    /// Cross-entropy + penalty of each batch before its step.
    objectives: Vec<f64>,
    /// All parameters after the first step.
    first: Vec<f64>,
    /// The same after the last.
    last: Vec<f64>,
}

fn reference() -> Reference {
    let text = include_str!("../../../../tests/numeric/trajectories.json");
    serde_json::from_str(text).expect("the file is what the script writes")
}

/// How far the engine is from a trajectory at most: relative in rates, absolute in objectives and parameters.
#[derive(Clone, Copy, Debug)]
struct Distance {
    rates: f64,
    objectives: f64,
    parameters: f64,
}

/// Keras' schedules are in `f32` whatever its networks are. Parameters are of the order of 1; farthest, by 2e-6, are those
/// that are shrunk where gradients are small (the threshold has the relative error of their root mean square) and those
/// under max-norm (Keras adds 1e-7 to the norm).
const MOST: Distance = Distance { rates: 5e-7, objectives: 1e-6, parameters: 5e-6 };

impl Distance {
    fn is_within(self, most: Distance) -> bool {
        self.rates <= most.rates && self.objectives <= most.objectives && self.parameters <= most.parameters
    }
}

impl Reference {
    /// Takes the steps of a trajectory with some settings changed.
    fn distance(&self, trajectory: &Trajectory, changed: &[(&str, Value)]) -> Distance {
        let epochs = ("epochs", Value::from(self.epochs.len() as f64));
        let value = |json| Value::from_json(json).expect("settings have values");
        let is_changed = |name: &str| changed.iter().any(|(other, _)| *other == name);
        let given = trajectory.settings.iter().filter(|(name, _)| !is_changed(name));
        let given = given.map(|(name, json)| (name.as_str(), value(json)));
        let settings: Vec<(&str, Value)> = given.chain([epochs]).chain(changed.iter().cloned()).collect();
        let recipe = recipe(&settings);
        let (activation, optimizer) = (recipe.activation.clone(), recipe.optimizer.clone());
        let (schedule, learning_rate) = (recipe.schedule.clone(), recipe.learning_rate);
        let mut case = Case::of(recipe, self.data(), self.network(optimizer.moments()), vec![0; 4]);
        let (mut powers, mut worst) =
            (optimizer.powers(), Distance { rates: 0.0, objectives: 0.0, parameters: 0.0 });
        let mut objectives = trajectory.objectives.iter().enumerate();
        for ((epoch, batches), expected) in (0..).zip(&self.epochs).zip(&trajectory.rates) {
            let rate = learning_rate * schedule.factor(epoch);
            worst.rates = worst.rates.max((rate / expected - 1.0).abs());
            for batch in batches {
                optimizer.advance(&mut powers);
                case.samples = batch.clone();
                let (loss, penalty) = case.step(&*activation, &*optimizer, optimizer.step(rate, &powers));
                let (step, expected) = objectives.next().expect("an objective a step");
                let objective = loss / batch.len() as f64 + penalty;
                worst.objectives = worst.objectives.max((objective - expected).abs());
                if step == 0 {
                    worst.parameters = farthest(&case.network, &trajectory.first);
                }
            }
        }
        worst.parameters = worst.parameters.max(farthest(&case.network, &trajectory.last));
        worst
    }

    fn data(&self) -> Dataset {
        let (inputs, labels) = (self.inputs.concat(), self.labels.clone());
        let classes = self.shapes.last().expect("there are layers").1;
        Dataset::from_bytes(inputs.clone(), labels.clone(), inputs, labels, self.shapes[0].0, classes)
            .expect("the file's data fit together")
    }

    fn network(&self, moments: usize) -> Network {
        let (initializer, key) = (recipe(&[]).initializer, Key::new(SEED, Purpose::Init));
        let mut network = Network::new(&self.shapes, &*initializer, key, moments);
        let mut numbers = self.initial.iter();
        let mut next = || *numbers.next().expect("a number a parameter");
        for layer in &mut network.layers {
            for (row, unit) in places(layer.weights.rows(), layer.weights.columns()) {
                layer.weights.set(row, unit, next());
            }
            (0..layer.biases.columns()).for_each(|unit| layer.biases.set(0, unit, next()));
        }
        // What is read is whole again, the transposed weights too.
        let mut bytes = Writer::new();
        network.write(&mut bytes);
        let bytes = bytes.finish();
        let read = Reader::new(&bytes).and_then(|mut from| network.read(&mut from));
        assert_eq!(read, Ok(()));
        network
    }
}

fn places(rows: usize, columns: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..rows).flat_map(move |row| (0..columns).map(move |column| (row, column)))
}

/// Returns the largest difference between the network's parameters and these.
fn farthest(network: &Network, expected: &[f64]) -> f64 {
    let mut own = Vec::new();
    for layer in &network.layers {
        for matrix in [&layer.weights, &layer.biases] {
            own.extend(places(matrix.rows(), matrix.columns()).map(|(r, c)| f64::from(matrix.get(r, c))));
        }
    }
    assert_eq!(own.len(), expected.len());
    own.iter().zip(expected).map(|(own, expected)| (own - expected).abs()).fold(0.0, f64::max)
}

fn title(trajectory: &Trajectory) -> String {
    format!("{:?}", trajectory.settings)
}

#[test]
fn steps_are_those_of_keras() {
    let reference = reference();
    for trajectory in &reference.trajectories {
        let distance = reference.distance(trajectory, &[]);
        assert!(distance.is_within(MOST), "{distance:?}: {}", title(trajectory));
    }
}

/// Dropout has masks of the engine's own: its gradient is checked with them, and whole trainings beside Keras' in
/// `tests/numeric`.
#[test]
fn every_family_has_a_trajectory() {
    let reference = reference();
    for setting in ["activation", "regularizer", "optimizer.kind", "schedule.kind"] {
        for name in names(setting).iter().filter(|name| *name != "dropout") {
            let is_there =
                reference.trajectories.iter().any(|t| t.settings.get(setting) == Some(&name.as_str().into()));
            assert!(is_there, "give {name} a trajectory in tests/numeric/trajectories.py, and run it");
        }
    }
}

/// Each changes one number a little, or leaves out one thing.
#[test]
fn what_is_a_little_wrong_is_noticed() {
    let reference = reference();
    let changes: [(&str, &str, &str, Value); 12] = [
        ("optimizer.kind", "adam", "optimizer.beta1", 0.899.into()),
        ("optimizer.kind", "adam", "optimizer.beta2", 0.998.into()),
        ("optimizer.kind", "nadam", "optimizer.beta1", 0.899.into()),
        ("optimizer.kind", "adamax", "optimizer.beta2", 0.998.into()),
        ("optimizer.kind", "adamw", "optimizer.weight_decay", 0.0.into()),
        ("optimizer.kind", "rmsprop", "optimizer.rho", 0.899.into()),
        ("optimizer.kind", "adagrad", "optimizer.initial_accumulator_value", 0.11.into()),
        ("regularizer", "l1", "coefficient", 0.0201.into()),
        ("regularizer", "proximal_l1", "coefficient", 0.0201.into()),
        ("regularizer", "max_norm", "max_norm", 0.701.into()),
        ("activation", "gelu", "activation", "silu".into()),
        ("schedule.kind", "cosine", "schedule.final_factor", 0.01.into()),
    ];
    for (setting, name, change, value) in changes {
        let is_of = |t: &&Trajectory| t.settings.get(setting) == Some(&name.into());
        for trajectory in reference.trajectories.iter().filter(is_of) {
            let distance = reference.distance(trajectory, &[(change, value.clone())]);
            assert!(!distance.is_within(MOST), "{change} = {value}, {distance:?}: {}", title(trajectory));
        }
    }
}

#[test]
fn initializers_draw_as_those_of_keras() {
    let reference = reference();
    let (inputs, units) = reference.drawn;
    let draw = |name: &str| {
        let initializer = recipe(&[("initializer", name.into())]).initializer;
        let mut weights: Vec<f64> = Vec::new();
        for layer in 0..25 {
            let mut matrix = crate::matrix::Matrix::zeros(inputs, units);
            let mut stream = Stream::new(Key::new(SEED, Purpose::Init), [layer, 0, 0]);
            initializer.fill(&mut matrix, &mut stream);
            weights.extend(places(inputs, units).map(|(row, unit)| f64::from(matrix.get(row, unit))));
        }
        weights.sort_by(f64::total_cmp);
        weights
    };
    // The part of two samples of a million below a quantile of one of them differs by at most 5 standard deviations.
    let is_like = |weights: &[f64], quantiles: &[f64]| {
        reference.quantiles.iter().zip(quantiles).all(|(part, quantile)| {
            let below = weights.partition_point(|weight| weight < quantile) as f64 / weights.len() as f64;
            (below - part).abs() < 5.0 * (2.0 * part * (1.0 - part) / weights.len() as f64).sqrt()
        })
    };
    for name in names("initializer") {
        let drawn = draw(&name);
        for (other, quantiles) in &reference.initializers {
            assert_eq!(is_like(&drawn, quantiles), *other == name, "{name} beside Keras' {other}");
        }
    }
}
