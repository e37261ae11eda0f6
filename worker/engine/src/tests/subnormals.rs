//! Nothing that is kept, and no product of what is kept, is below the normal numbers: processors are slow there, some a
//! hundred times.

use super::gradients::Case;
use super::{SEED, Synthetic, Value, names, recipe, regularizer_settings};
use crate::kernel::lanes::{LEAST, Line};
use crate::matrix::Matrix;
use crate::network::Network;
use crate::random::Key;
use gridsweep_common::data::Standardize;
use gridsweep_common::seed::Purpose;

const SHAPES: [(usize, usize); 3] = [(9, 20), (20, 7), (7, 3)];

fn case(settings: &[(&str, Value)]) -> Case {
    let (recipe, key) = (recipe(settings), Key::new(SEED, Purpose::Init));
    let network = Network::new(&SHAPES, &*recipe.initializer, key, recipe.optimizer.moments());
    let data =
        Synthetic { samples: 10, inputs: 9, classes: 3, density: 0.35, standardize: Standardize::None }
            .make();
    Case::of(recipe, data, network, vec![5, 0, 3, 8])
}

/// Counts the moments that are subnormal, and the weights, biases, arguments, activations and deltas that are so small that a
/// product of two may be; padding counts, too.
fn too_small(case: &Case) -> usize {
    let moments =
        case.network.layers.iter().flat_map(|layer| layer.weight_moments.iter().chain(&layer.bias_moments));
    let factors = case.network.layers.iter().flat_map(|layer| [&layer.weights, &layer.biases]);
    let of_steps = case.space.layers.iter().flat_map(|space| {
        let kept = space.dropout.as_ref().map(|dropout| &dropout.kept);
        [&space.values, &space.arguments, &space.deltas].into_iter().chain(kept)
    });
    let below = |line: &Line, least: f32| line.0.iter().filter(|n| **n != 0.0 && n.abs() < least).count();
    let factors = factors.chain(of_steps).flat_map(Matrix::lines).map(|line| below(line, LEAST));
    let moments = moments.flat_map(Matrix::lines).map(|line| below(line, f32::MIN_POSITIVE));
    factors.chain(moments).sum()
}

/// Takes steps, looking after each.
fn check(case: &mut Case, settings: &[(&str, Value)], steps: u32) {
    let recipe = recipe(settings);
    let mut powers = recipe.optimizer.powers();
    for step in 0..steps {
        recipe.optimizer.advance(&mut powers);
        let next = recipe.optimizer.step(recipe.learning_rate, &powers);
        case.step(&*recipe.activation, &*recipe.optimizer, next);
        assert_eq!(too_small(case), 0, "step {step}: {settings:?}");
    }
}

#[test]
fn nothing_that_is_kept_is_ever_subnormal() {
    for activation in names("activation") {
        for optimizer in names("optimizer.kind") {
            for regularizer in ["none", "proximal_l1", "dropout"] {
                let mut settings = regularizer_settings(regularizer);
                settings.push(("activation", Value::from(activation.as_str())));
                settings.push(("optimizer.kind", Value::from(optimizer.as_str())));
                check(&mut case(&settings), &settings, 30);
            }
        }
    }
}

/// Far below zero, where sigmoid and tanh have slopes that products take below the normal numbers, and relu has none.
#[test]
fn a_saturated_network_keeps_nothing_subnormal() {
    for activation in names("activation") {
        for bias in [-80.0, -50.0, -30.0, 20.0] {
            let settings = [("activation", Value::from(activation.as_str()))];
            let mut case = case(&settings);
            for layer in &mut case.network.layers[..2] {
                (0..layer.biases.columns()).for_each(|unit| layer.biases.set(0, unit, bias));
            }
            check(&mut case, &settings, 30);
        }
    }
}

/// In a network without a live unit moments fade away: past the normal numbers they are 0, all at once.
#[test]
fn the_moments_of_a_dead_network_end_at_zero() {
    let settings = [("activation", Value::from("relu")), ("optimizer.beta2", Value::from(0.9))];
    let mut case = case(&settings);
    check(&mut case, &settings, 10);
    let moments = |case: &Case| {
        let lines = case.network.layers[0].weight_moments.iter().flat_map(Matrix::lines);
        lines.flat_map(|line| line.0).filter(|moment| *moment != 0.0).count()
    };
    assert!(moments(&case) > 100, "the network lives");
    for layer in &mut case.network.layers[..2] {
        (0..layer.biases.columns()).for_each(|unit| layer.biases.set(0, unit, -100.0));
    }
    let steps = 1200;
    check(&mut case, &settings, steps);
    assert_eq!(moments(&case), 0);
    // Without cleaning there would have been something to find.
    let fading = (0..steps).scan(1e-2_f32, |moment, _| {
        *moment *= 0.9;
        Some(*moment)
    });
    assert!(fading.filter(|moment| moment.is_subnormal()).count() > 100);
}

#[test]
fn a_subnormal_number_is_counted_wherever_it_is_kept() {
    let mut case = case(&[]);
    assert_eq!(too_small(&case), 0);
    case.network.layers[1].weight_moments[1].set(3, 4, 1e-40);
    case.space.layers[0].deltas.set(0, 0, -1e-42);
    assert_eq!(too_small(&case), 2);
}

/// Weights that a penalty has taken to about zero: values and deltas are smaller from layer to layer.
#[test]
fn a_collapsed_network_keeps_nothing_whose_products_are_subnormal() {
    for activation in names("activation") {
        for size in [1e-6, 1e-12, 1e-18] {
            let settings = [("activation", Value::from(activation.as_str()))];
            let mut case = case(&settings);
            for layer in &mut case.network.layers {
                let (rows, columns) = (layer.weights.rows(), layer.weights.columns());
                let cells = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
                let small = |row: usize, column: usize| size * ((row + 2 * column) % 7) as f32;
                cells.for_each(|(row, column)| layer.weights.set(row, column, small(row, column)));
            }
            check(&mut case, &settings, 3);
        }
    }
}

#[test]
fn the_product_of_the_least_numbers_is_normal() {
    assert_eq!(LEAST * LEAST, f32::MIN_POSITIVE);
}
