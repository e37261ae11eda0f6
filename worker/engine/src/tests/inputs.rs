//! What is learned from: however inputs are stored, equal numbers give equal bits.

use super::{SEED, Synthetic, Value, recipe, run};
use crate::Dataset;
use crate::inputs::SPARSE_BELOW;
use crate::kernel::Kernel;
use crate::random::{Key, Stream};
use gridsweep_common::data::Standardize;
use gridsweep_common::metric::Metric;
use gridsweep_common::seed::Purpose;

/// Returns the inputs of synthetic data as numbers, and its labels, of both parts.
fn numbers(data: Synthetic) -> [(Vec<f32>, Vec<u8>); 2] {
    let mut stream = Stream::new(Key::new(SEED, Purpose::Split), [1, 0, 0]);
    [data.samples, data.samples / 2].map(|samples| {
        let (bytes, labels) = data.part(&mut stream, samples);
        (bytes.into_iter().map(|byte| f32::from(byte) / 255.0).collect(), labels)
    })
}

fn from_numbers(data: Synthetic, [training, test]: [(Vec<f32>, Vec<u8>); 2]) -> Dataset {
    Dataset::from_numbers(training.0, training.1, test.0, test.1, data.inputs, data.classes)
        .expect("synthetic data fit together")
        .standardize(data.standardize)
}

#[test]
fn bytes_codes_and_numbers_are_three_ways_to_the_same_bits() {
    for data in [Synthetic::SPARSE, Synthetic::DENSE, Synthetic::STANDARDIZED] {
        let (bytes, codes) = (data.make(), from_numbers(data, numbers(data)));
        assert_eq!(codes.training().inputs.sparse.is_some(), data.density < SPARSE_BELOW);
        assert_eq!(codes.density(), bytes.density());
        let mut plain = from_numbers(data, numbers(data));
        plain.forget_codes();
        let recipe = recipe(&[("activation", Value::from("tanh"))]);
        for kernel in Kernel::available() {
            let digest = run(&recipe, &bytes, kernel).digest();
            assert_eq!(run(&recipe, &codes, kernel).digest(), digest, "{}: {data:?}", kernel.name());
            assert_eq!(run(&recipe, &plain, kernel).digest(), digest, "{}: {data:?}", kernel.name());
        }
    }
}

#[test]
fn other_numbers_have_other_bits() {
    let data = Synthetic::DENSE;
    let mut changed = numbers(data);
    changed[0].0[7] += 0.5;
    let digests = [numbers(data), changed]
        .map(|numbers| run(&recipe(&[]), &from_numbers(data, numbers), Kernel::detect()).digest());
    assert_ne!(digests[0], digests[1]);
    let standardized =
        run(&recipe(&[]), &Synthetic { standardize: Standardize::Columns, ..data }.make(), Kernel::detect());
    assert_ne!(standardized.digest(), digests[0]);
}

/// Returns how many of 10 classes' samples are told apart when all inputs are far from 0 and from one another.
fn accuracy(standardize: Standardize) -> f64 {
    let data = Synthetic { samples: 600, standardize, ..Synthetic::DENSE };
    let shifted = numbers(data).map(|(mut inputs, labels)| {
        for (at, input) in inputs.iter_mut().enumerate() {
            *input = 1000.0 + *input * (1 + at % data.inputs) as f32;
        }
        (inputs, labels)
    });
    let settings = [
        ("hidden", Value::from(vec![64.0])),
        ("epochs", Value::from(30.0)),
        ("optimizer.learning_rate", Value::from(0.003)),
    ];
    let outcome = run(&recipe(&settings), &from_numbers(data, shifted), Kernel::detect());
    outcome.summary().metric(Metric::TestAccuracy).unwrap_or(0.0)
}

#[test]
fn inputs_far_from_zero_are_learned_from_once_they_are_standardised() {
    let (without, with) = (accuracy(Standardize::None), accuracy(Standardize::Columns));
    assert!(with > 0.95 && without < 0.5, "{without} without, {with} with");
}
