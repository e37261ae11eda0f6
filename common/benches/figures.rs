//! What a figure costs to draw: `cargo bench -p gridsweep-common --bench figures`.

#![allow(clippy::unwrap_used, missing_docs, reason = "a program of one page, for those who measure")]

use criterion::{Criterion, criterion_group, criterion_main};
use gridsweep_common::choice::{Choices, Value};
use gridsweep_common::confusion::Confusion;
use gridsweep_common::figure::{Asked, Details, Matrix, Subject, by_name};
use gridsweep_common::id::Digest;
use gridsweep_common::metric::{
    Ending, EpochMetrics, Evaluation, HISTOGRAM_BINS, MatrixSummary, OutcomeSummary,
};
use gridsweep_common::table::{CellResults, Heading, Replicate};
use std::hint::black_box;
use std::sync::Arc;

/// The layers of the report's network.
const LAYERS: [usize; 8] = [784, 128, 128, 64, 64, 64, 64, 10];
const EPOCHS: u32 = 60;

fn plain(name: &str) -> Heading {
    Heading { name: name.to_owned(), settings: vec![name.to_owned()] }
}

fn outcome(seed: usize) -> Replicate {
    let noise = (seed * 7919 % 101) as f64 / 1e4;
    let matrix = |pair: &[usize]| MatrixSummary {
        inputs: pair[0] as u32,
        units: pair[1] as u32,
        sparsity: noise * 10.0,
        mean_absolute: 0.1,
        histogram: (0..HISTOGRAM_BINS as u64).collect(),
    };
    let evaluation = Evaluation {
        validation_loss: 0.08 + noise,
        test_loss: 0.08 + noise,
        test_accuracy: 0.98 - noise,
        confusion: Confusion::of_rows(
            10,
            (0..100).map(|place| if place / 10 == place % 10 { 980 } else { 2 }).collect(),
        )
        .expect("10 × 10"),
        matrices: LAYERS.windows(2).map(matrix).collect(),
        weights_digest: Digest([0; 32]),
    };
    Replicate::Finished(Arc::new(OutcomeSummary {
        ending: Ending::Succeeded,
        epochs: EPOCHS,
        min_training_objective: Some(0.01 + noise),
        min_training_loss: Some(0.01 + noise),
        min_validation_loss: Some(0.07 + noise),
        evaluation: Some(evaluation),
        numerics: 1,
    }))
}

/// 2 regularizers × 50 coefficients, 3 replicates: a hundred cells.
fn cells() -> Vec<CellResults> {
    let cell = |number: usize| {
        let mut choices = Choices::default();
        choices.insert("regularizer", Value::from(if number < 50 { "l1" } else { "l2" }));
        choices.insert("coefficient", Value::from((number % 50 + 1) as f64 * 1e-5));
        choices
            .insert("hidden", Value::from(LAYERS[1..7].iter().map(|size| *size as f64).collect::<Vec<_>>()));
        CellResults { choices, replicates: (0..3).map(|replicate| outcome(3 * number + replicate)).collect() }
    };
    (0..100).map(cell).collect()
}

fn details() -> Details {
    let epoch = |epoch: u32| EpochMetrics {
        epoch,
        learning_rate: 1e-3,
        training_objective: 1.0 / f64::from(epoch + 1),
        training_loss: 0.9 / f64::from(epoch + 1),
        training_accuracy: 0.9,
        validation_loss: 1.1 / f64::from(epoch + 1),
        validation_accuracy: 0.9,
    };
    let mut details = Details::default();
    for cell in 0..100 {
        details.epochs.insert(cell, vec![(0..EPOCHS).map(epoch).collect(); 3]);
    }
    let matrix = |pair: &[usize]| Matrix {
        inputs: pair[0],
        units: pair[1],
        values: (0..pair[0] * pair[1]).map(|n| (n * 7919 % 2003) as f32 / 1001.5 - 1.0).collect(),
    };
    details.weights.insert((0, 0), LAYERS.windows(2).map(matrix).collect());
    details
}

fn asked(kind: &str, keys: &[(&str, &[&str])], only: Vec<(String, Vec<Value>)>) -> Asked {
    let values = |values: &[&str]| values.iter().map(|text| Value::from(*text)).collect();
    let keys = keys.iter().map(|(key, texts)| ((*key).to_owned(), values(texts))).collect();
    Asked { kind: kind.to_owned(), keys, only, ..Asked::default() }
}

fn draw_all(criterion: &mut Criterion) {
    let axes = vec![plain("regularizer"), plain("coefficient")];
    let (cells, details) = (cells(), details());
    let first = vec![
        ("regularizer".to_owned(), vec![Value::from("l1")]),
        ("coefficient".to_owned(), vec![Value::from(1e-5)]),
    ];
    let requests = [
        ("curves of 100 cells", asked("curves", &[], Vec::new())),
        ("confusion of 100 cells", asked("confusion", &[], Vec::new())),
        ("weights of a cell", asked("weights", &[], first)),
        (
            "lines over 100 cells",
            asked("lines", &[("x", &["coefficient"]), ("y", &["test_accuracy", "sparsity"])], Vec::new()),
        ),
        ("effects of 100 cells", asked("effects", &[("y", &["test_accuracy"])], Vec::new())),
    ];
    for (name, asked) in requests {
        let spec = asked.check(&axes).unwrap();
        let kind = by_name(spec.kind).unwrap();
        let study = Subject { title: "A study", axes: &axes, cells: &cells, details: &details };
        criterion
            .bench_function(name, |bencher| bencher.iter(|| black_box(kind.draw(&spec, &study).unwrap())));
    }
}

criterion_group!(figures, draw_all);
criterion_main!(figures);
