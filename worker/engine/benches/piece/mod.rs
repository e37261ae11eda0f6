//! The pieces that are measured, and what they are made of.

use gridsweep_common::choice::{Choices, Value};
use gridsweep_engine::Recipe;
use gridsweep_engine::measure::Pieces;

/// Units of the layers.
pub(crate) const UNITS: usize = 128;

/// Kinds of data: a name, and how many of the inputs are not zero.
pub(crate) const KINDS: [(&str, f64); 2] = [("sparse", 0.191), ("dense", 1.0)];

type Run = fn(&mut Pieces<'_>);

/// A name, and what is run.
pub(crate) const PIECES: [(&str, Run); 6] = [
    ("gather", |pieces| pieces.gather()),
    ("multiply first", |pieces| pieces.multiply_first()),
    ("gradient first", |pieces| pieces.gradient_first()),
    ("multiply other", |pieces| pieces.multiply_other()),
    ("activate", |pieces| pieces.activate()),
    ("penalize and move", |pieces| {
        pieces.penalize_and_move();
    }),
];

/// Returns whether the piece is another thing on this kind of data than on the first.
pub(crate) fn is_of(piece: &str, kind: &str) -> bool {
    kind == KINDS[0].0 || ["gather", "multiply first", "gradient first"].contains(&piece)
}

/// Makes the recipe of engine.md's nets: L1, Adam; and tanh, as relu is no more than a comparison.
pub(crate) fn recipe() -> Recipe {
    let number = |value: f64| Value::from(value);
    let choices: Choices = [
        ("hidden", Value::from(vec![UNITS as f64])),
        ("activation", Value::from("tanh")),
        ("regularizer", Value::from("l1")),
        ("coefficient", number(1e-4)),
        ("dropout_rate", number(0.0)),
        ("initializer", Value::from("glorot_uniform")),
        ("optimizer.kind", Value::from("adam")),
        ("optimizer.learning_rate", number(1e-3)),
        ("optimizer.beta1", number(0.9)),
        ("optimizer.beta2", number(0.999)),
        ("optimizer.epsilon", number(1e-7)),
        ("batch_size", number(128.0)),
        ("epochs", number(1.0)),
        ("restore_best", Value::from(false)),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    Recipe::from_choices(&choices).unwrap_or_else(|error| panic!("{error}"))
}
