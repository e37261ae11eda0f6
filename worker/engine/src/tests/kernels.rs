//! Every kernel against the reference, bit for bit, in whole trainings.

use super::{Synthetic, Value, names, recipe, regularizer_settings, run};
use crate::kernel::Kernel;
use gridsweep_common::data::Standardize;
use gridsweep_common::metric::Outcome;
use proptest::prelude::*;

/// Trains with every kernel and returns the reference's outcome.
fn train_with_all(settings: &[(&str, Value)], data: Synthetic) -> Outcome {
    let (recipe, dataset) = (recipe(settings), data.make());
    let expected = run(&recipe, &dataset, Kernel::REFERENCE);
    for kernel in Kernel::available() {
        let digest = run(&recipe, &dataset, kernel).digest();
        assert_eq!(digest, expected.digest(), "{}: {settings:?}, {data:?}", kernel.name());
    }
    expected
}

#[test]
fn kernels_agree_in_every_activation_and_regularizer_on_sparse_and_dense_data() {
    for activation in names("activation") {
        for regularizer in names("regularizer") {
            for data in [Synthetic::SPARSE, Synthetic::DENSE, Synthetic::STANDARDIZED] {
                let mut settings = regularizer_settings(&regularizer);
                settings.push(("activation", Value::from(activation.as_str())));
                train_with_all(&settings, data);
            }
        }
    }
}

#[test]
fn kernels_agree_in_every_optimizer() {
    for optimizer in names("optimizer.kind") {
        let kind = ("optimizer.kind", Value::from(optimizer.as_str()));
        train_with_all(std::slice::from_ref(&kind), Synthetic::SPARSE);
        let shrunk = [regularizer_settings("proximal_l1"), vec![kind]].concat();
        train_with_all(&shrunk, Synthetic::SPARSE);
    }
    for nesterov in [false, true] {
        let settings = [
            ("optimizer.kind", Value::from("sgd")),
            ("optimizer.momentum", Value::from(0.9)),
            ("optimizer.nesterov", Value::from(nesterov)),
        ];
        train_with_all(&settings, Synthetic::SPARSE);
    }
}

/// Lists and rows of numbers are two ways to the same bits.
#[test]
fn lists_and_rows_of_numbers_agree() {
    for (density, standardize) in [
        (0.05, Standardize::None),
        (0.2, Standardize::None),
        (0.39, Standardize::None),
        (0.2, Standardize::Columns),
    ] {
        let data = Synthetic { density, standardize, ..Synthetic::SPARSE };
        let (lists, mut rows) = (data.make(), data.make());
        assert!(lists.training().inputs.sparse.is_some());
        rows.forget_lists();
        let recipe = recipe(&[("regularizer", Value::from("l1")), ("coefficient", Value::from(1e-3))]);
        for kernel in Kernel::available() {
            assert_eq!(
                run(&recipe, &lists, kernel).digest(),
                run(&recipe, &rows, kernel).digest(),
                "{density}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    /// A failing case prints its shape, which is all that it depends on.
    #[test]
    fn kernels_agree_on_odd_shapes(
        hidden in prop::collection::vec(prop::sample::select(vec![1.0, 7.0, 10.0, 13.0, 64.0, 97.0]), 0..4),
        batch_size in prop::sample::select(vec![1.0, 3.0, 127.0]),
        inputs in prop::sample::select(vec![1_usize, 15, 64, 113]),
        classes in prop::sample::select(vec![2_usize, 10, 17]),
        density in prop::sample::select(vec![0.0, 0.2, 1.0]),
        standardize in prop::sample::select(vec![Standardize::None, Standardize::Columns]),
        samples in 20_usize..200,
    ) {
        let settings = [
            ("hidden", Value::from(hidden)),
            ("batch_size", Value::from(batch_size)),
            ("epochs", Value::from(1.0)),
        ];
        train_with_all(&settings, Synthetic { samples, inputs, classes, density, standardize });
    }
}
