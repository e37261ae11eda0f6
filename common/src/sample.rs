//! A realistic catalogue and a realistic sweep file, for tests.

use crate::catalogue::{Applies, Catalogue, Kind, Setting};
use crate::choice::Value;

/// The example of the documentation: 17 cells, one of them in both studies, and 51 trials.
pub(crate) const SWEEP: &str = r#"schema = 1
name   = "example"
title  = "Regularization and structure of MNIST classifiers"

[data]
dataset    = "mnist"
validation = { fraction = 0.2, pick = "random" }

[replicates]
count = 3
seed  = 2016

[base]
hidden      = [128, 128, 64, 64, 64, 64]
activation  = "relu"
regularizer = "none"
optimizer   = { kind = "adam", learning_rate = 1e-3 }
batch_size  = 128
epochs      = 200
reduce_learning_rate = { monitor = "validation_loss",    factor = 0.1, patience = 3, min_delta = 1e-4 }
early_stop           = { monitor = "training_objective", patience = 4, min_delta = 0.0 }

[[study]]
name = "regularization"
[study.axes]
regularizer  = ["none", "l1", "l2", "dropout"]
coefficient  = { logspace = { base = 10, from = 0, to = -4 } }
dropout_rate = [0.2, 0.5]
[study.when]
coefficient  = { regularizer = ["l1", "l2"] }
dropout_rate = { regularizer = ["dropout"] }
[[study.table]]
rows  = ["regularizer", "coefficient", "dropout_rate"]
cells = ["min_training_objective", "min_validation_loss", "test_error", "test_accuracy", "sparsity"]
[[study.figure]]
kind = "lines"
x = "coefficient"
y = ["test_accuracy", "validation_loss", "sparsity"]

[[study]]
name = "structure"
set  = { regularizer = "l1", coefficient = 0.0001 }
[study.axes]
activation = ["relu", "tanh"]
[[study.zip]]
name    = "shape"
columns = ["hidden", "batch_size"]
rows    = [[[512], 64], [[256, 256], 128], [[128, 128, 64, 64, 64, 64], 128]]
[[study.exclude]]
where  = { activation = ["tanh"], hidden = [[512]] }
reason = "not wanted"
[[study.table]]
rows    = ["shape"]
columns = ["activation"]
cells   = ["epochs", "test_accuracy", "sparsity_mean"]
"#;

/// Returns a catalogue like the engine's.
pub(crate) fn catalogue() -> Catalogue {
    let rate = || number(Some(0.0), false, None);
    let settings = vec![
        setting("hidden", Kind::Sizes { length_most: 64, most: 65_536 }),
        family("activation", &["relu", "sigmoid", "tanh"], Some("relu")),
        family("regularizer", &["none", "l1", "l2", "elastic_net", "dropout"], Some("none")),
        setting("coefficient", rate()).applies("regularizer", &["l1", "l2"]),
        setting("l1_coefficient", rate()).applies("regularizer", &["elastic_net"]),
        setting("l2_coefficient", rate()).applies("regularizer", &["elastic_net"]),
        setting(
            "dropout_rate",
            Kind::Number { from: Some(0.0), from_included: true, to: Some(1.0), to_included: false },
        )
        .applies("regularizer", &["l1", "l2", "elastic_net", "dropout"])
        .default(0.0),
        family("initializer", &["glorot_uniform", "he_normal"], Some("glorot_uniform")),
        family("optimizer.kind", &["adam", "sgd"], Some("adam")),
        setting("optimizer.learning_rate", rate()).default(0.001),
        setting("optimizer.beta1", rate()).applies("optimizer.kind", &["adam"]).default(0.9),
        setting("optimizer.beta2", rate()).applies("optimizer.kind", &["adam"]).default(0.999),
        setting("optimizer.epsilon", rate()).applies("optimizer.kind", &["adam"]).default(1e-7),
        setting("optimizer.momentum", number(Some(0.0), true, Some(1.0)))
            .applies("optimizer.kind", &["sgd"])
            .default(0.0),
        setting("optimizer.nesterov", Kind::Bool).applies("optimizer.kind", &["sgd"]).default(false),
        setting("batch_size", Kind::Integer { least: 1, most: 65_536 }).default(32.0),
        setting("epochs", Kind::Integer { least: 1, most: 1_000_000 }),
        family("reduce_learning_rate.monitor", &MONITORS, Some("validation_loss")),
        setting("reduce_learning_rate.factor", number(Some(0.0), false, Some(1.0))).default(0.1),
        setting("reduce_learning_rate.patience", Kind::Integer { least: 1, most: 1_000_000 }),
        setting("reduce_learning_rate.min_delta", number(Some(0.0), true, None)).default(1e-4),
        family("early_stop.monitor", &MONITORS, Some("validation_loss")),
        setting("early_stop.patience", Kind::Integer { least: 1, most: 1_000_000 }),
        setting("early_stop.min_delta", number(Some(0.0), true, None)).default(0.0),
        setting("restore_best", Kind::Bool).default(false),
    ];
    let optional_tables = vec!["reduce_learning_rate".to_owned(), "early_stop".to_owned()];
    Catalogue { settings, optional_tables, families: Vec::new() }
}

const MONITORS: [&str; 2] = ["validation_loss", "training_objective"];

fn number(from: Option<f64>, from_included: bool, to: Option<f64>) -> Kind {
    Kind::Number { from, from_included, to, to_included: true }
}

/// Returns a setting without a default that applies everywhere.
pub(crate) fn setting(name: &str, kind: Kind) -> Setting {
    Setting { name: name.to_owned(), kind, default: None, applies: None, description: String::new() }
}

fn family(name: &str, names: &[&str], default: Option<&str>) -> Setting {
    let names = names.iter().map(|&name| name.to_owned()).collect();
    Setting { default: default.map(Value::from), ..setting(name, Kind::Family { names }) }
}

impl Setting {
    /// Returns the setting with a default.
    pub(crate) fn default(self, value: impl Into<Value>) -> Setting {
        Setting { default: Some(value.into()), ..self }
    }

    /// Returns the setting as one that applies only with these values of another.
    pub(crate) fn applies(self, setting: &str, values: &[&str]) -> Setting {
        let values = values.iter().map(|&value| value.to_owned()).collect();
        Setting { applies: Some(Applies { setting: setting.to_owned(), values }), ..self }
    }
}
