//! Writes a state folder with many recorded trials in every state, to look at commands that read one; `cargo bench --bench report`
//! times the two that have a bound.
//!
//! ```sh
//! cargo run --release --example synthetic -- /tmp/synthetic 10000
//! time target/release/gridsweep table synthetic --state /tmp/synthetic > /dev/null
//! time target/release/gridsweep status --state /tmp/synthetic
//! ```

#![allow(clippy::unwrap_used, reason = "a program of one page, for those who measure")]

mod store;

use std::path::Path;
use store::Fate;

/// Trials a value of the coefficient: 2 regularizers × 2 activations × 5 replicates.
const TRIALS_A_VALUE: usize = 20;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, state, trials, rest @ ..] = arguments.as_slice() else {
        panic!("give a folder, the number of trials, and if wanted their epochs (30)");
    };
    let trials: usize = trials.parse().unwrap();
    let epochs: u32 = rest.first().map_or(30, |epochs| epochs.parse().unwrap());
    let fate = |index: u64, _: &_| match index % 1000 {
        994 => Fate::Pending,
        995 => Fate::Running,
        996 => Fate::Cancelled,
        997 => Fate::Quarantined,
        998 => Fate::Diverged,
        999 => Fate::Failed,
        _ => Fate::Succeeded,
    };
    store::write(Path::new(state), &sweep(trials.div_ceil(TRIALS_A_VALUE)), epochs, fate);
}

fn sweep(values: usize) -> String {
    let values: Vec<String> = (1..=values).map(|n| format!("{n}e-5")).collect();
    format!(
        r#"schema = 1
name   = "synthetic"
[data]
dataset = "mnist"
[replicates]
count = 5
seed  = 1
[base]
hidden = [128, 128, 64, 64]
epochs = 100
[[study]]
name = "penalties"
[study.axes]
regularizer = ["l1", "l2"]
activation  = ["relu", "tanh"]
coefficient = [{}]
[[study.table]]
rows    = ["regularizer", "coefficient"]
columns = ["activation"]
cells   = ["test_accuracy", "min_validation_loss", "test_error", "sparsity"]
[[study.figure]]
kind = "curves"
[[study.figure]]
kind = "confusion"
[[study.figure]]
kind = "lines"
x    = "coefficient"
y    = ["test_accuracy", "sparsity"]
"#,
        values.join(", ")
    )
}
