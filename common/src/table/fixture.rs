//! One study with a cell of every kind, for the tests of tables and formats.

use super::{CellResults, Column, Heading, Replicate, Table, TableSpec, build};
use crate::choice::{Choices, Value};
use crate::confusion::Confusion;
use crate::id::Digest;
use crate::metric::{Ending, EpochMetrics, Evaluation, MatrixSummary, Metric, Outcome};
use std::sync::Arc;

/// Two pivot columns; rows by a plain axis, one that does not always exist, and a zip of two settings.
pub(crate) fn spec() -> TableSpec {
    let plain = |name: &str| heading(name, &[name]);
    TableSpec {
        rows: vec![plain("regularizer"), plain("coefficient"), heading("shape", &["hidden", "batch_size"])],
        columns: vec![plain("activation")],
        cells: vec![Column::Metric(Metric::TestAccuracy), Column::Metric(Metric::Epochs), Column::Sparsity],
        baseline: Vec::new(),
        effects: false,
    }
}

pub(crate) fn heading(name: &str, settings: &[&str]) -> Heading {
    Heading { name: name.to_owned(), settings: settings.iter().map(|s| (*s).to_owned()).collect() }
}

pub(crate) fn table() -> Table {
    let mut table = build(&spec(), &cells());
    table.title = Some("Regularization & structure | 95% draft".to_owned());
    table
}

/// The same without the sparsity of each matrix.
pub(crate) fn narrow_table() -> Table {
    let mut spec = spec();
    spec.cells.retain(|column| *column != Column::Sparsity);
    build(&spec, &cells())
}

/// 4 rows × 2 columns less one excluded cell: complete, tied, told apart, incomplete, diverged, failed and pending.
pub(crate) fn cells() -> Vec<CellResults> {
    let (shallow, deep): (&[f64], &[f64]) = (&[8.0], &[8.0, 4.0]);
    let none = |activation, replicates| cell("none", None, activation, shallow, replicates);
    let l1 =
        |coefficient, activation, replicates| cell("l1", Some(coefficient), activation, deep, replicates);
    vec![
        none(
            "relu",
            vec![
                succeeded(0.9801, 29, &[0.0, 0.0]),
                succeeded(0.9812, 31, &[0.0, 0.0]),
                succeeded(0.9805, 30, &[0.0, 0.0]),
            ],
        ),
        none("tanh", vec![succeeded(0.9763, 41, &[0.0, 0.0]), Replicate::Missing, Replicate::Pending]),
        l1(
            0.001,
            "relu",
            vec![
                succeeded(0.9805, 52, &[0.91, 0.40, 0.05]),
                succeeded(0.9811, 55, &[0.92, 0.41, 0.05]),
                succeeded(0.9806, 50, &[0.93, 0.39, 0.06]),
            ],
        ),
        l1(0.001, "tanh", vec![Replicate::Pending, Replicate::Pending, Replicate::Pending]),
        l1(
            0.1,
            "relu",
            vec![
                succeeded(0.1135, 9, &[1.0, 1.0, 1.0]),
                succeeded(0.1135, 9, &[1.0, 1.0, 1.0]),
                succeeded(0.1135, 9, &[1.0, 1.0, 1.0]),
            ],
        ),
        l1(0.1, "tanh", vec![Replicate::Missing, Replicate::Missing, Replicate::Missing]),
        l1(
            1.0,
            "relu",
            vec![
                succeeded(0.9820, 12, &[0.5, 0.5, 0.5]),
                diverged(3),
                succeeded(0.9822, 14, &[0.5, 0.5, 0.5]),
            ],
        ),
    ]
}

pub(crate) fn cell(
    regularizer: &str,
    coefficient: Option<f64>,
    activation: &str,
    hidden: &[f64],
    replicates: Vec<Replicate>,
) -> CellResults {
    let mut choices = Choices::default();
    choices.insert("regularizer", Value::from(regularizer));
    choices.insert("activation", Value::from(activation));
    choices.insert("hidden", Value::from(hidden.to_vec()));
    choices.insert("batch_size", Value::from(128.0));
    if let Some(coefficient) = coefficient {
        choices.insert("coefficient", Value::from(coefficient));
    }
    CellResults { choices, replicates }
}

/// A cell of one regularizer, with these test accuracies.
pub(crate) fn cell_with(regularizer: &str, accuracies: &[f64]) -> CellResults {
    let replicates = accuracies.iter().map(|accuracy| succeeded(*accuracy, 1, &[0.5])).collect();
    cell(regularizer, None, "relu", &[8.0], replicates)
}

fn finished(outcome: Outcome) -> Replicate {
    Replicate::Finished(Arc::new(outcome.summary()))
}

pub(crate) fn succeeded(test_accuracy: f64, epochs: u32, sparsities: &[f64]) -> Replicate {
    let matrix = |sparsity: &f64| MatrixSummary {
        inputs: 8,
        units: 8,
        sparsity: *sparsity,
        mean_absolute: 0.1,
        histogram: Vec::new(),
    };
    let right = ((test_accuracy * 1e4).round() as u32).min(10_000);
    finished(Outcome {
        ending: Ending::Succeeded,
        epochs: (0..epochs).map(epoch).collect(),
        evaluation: Some(Evaluation {
            validation_loss: 0.08,
            test_loss: 0.09,
            test_accuracy,
            confusion: Confusion::of_rows(2, vec![right, 10_000 - right, 0, 0]).expect("2 × 2"),
            matrices: sparsities.iter().map(matrix).collect(),
            weights_digest: Digest([0; 32]),
        }),
        numerics: 1,
    })
}

pub(crate) fn diverged(epochs: u32) -> Replicate {
    finished(Outcome {
        ending: Ending::Diverged,
        epochs: (0..epochs).map(epoch).collect(),
        evaluation: None,
        numerics: 1,
    })
}

fn epoch(epoch: u32) -> EpochMetrics {
    EpochMetrics {
        epoch,
        learning_rate: 0.001,
        training_objective: 0.5,
        training_loss: 0.4,
        training_accuracy: 0.9,
        validation_loss: 0.3,
        validation_accuracy: 0.95,
    }
}
