//! Looks for slow phases: `cargo run --release --example phases -p gridsweep-engine`.
//!
//! Trains networks that die or saturate without a penalty, or that a penalty takes to zero, 100 epochs each, and prints the mean milliseconds of epochs 2 to 11
//! and of the last ten, and their ratio. Numbers below the normal ones, which processors compute slowly, would make it
//! grow.

mod shared;

use gridsweep_common::choice::Value;
use gridsweep_common::data::{Pick, Validation};
use gridsweep_common::metric::EpochMetrics;
use gridsweep_common::seed::SeedKey;
use gridsweep_engine::{Dataset, Kernel, Observer, train};
use std::time::Instant;

const EPOCHS: usize = 100;
const COUNTED: usize = 10;

fn main() {
    let data = shared::synthetic(10_000, 784, 10, 0.19);
    // (what it is, activation, learning rate, coefficient of L1)
    let cases = [
        ("relu, alive", "relu", 1e-4, 0.0),
        ("relu, dead after its first steps", "relu", 1.0, 0.0),
        ("relu, collapsed", "relu", 1e-3, 0.1),
        ("tanh", "tanh", 1e-3, 0.0),
        ("tanh, saturated", "tanh", 1.0, 0.0),
        ("tanh, collapsed", "tanh", 1e-3, 0.1),
        ("sigmoid", "sigmoid", 1e-3, 0.0),
        ("sigmoid, saturated", "sigmoid", 1.0, 0.0),
        ("sigmoid, collapsed", "sigmoid", 1e-3, 0.1),
    ];
    println!("kernel {}, {EPOCHS} epochs of 784-64-64-64-64-10", Kernel::detect().name());
    for (name, activation, rate, coefficient) in cases {
        let (times, loss) = measure(&data, activation, rate, coefficient);
        let (early, late) = (mean(&times[1..=COUNTED]), mean(&times[EPOCHS - COUNTED..]));
        let ratio = late / early;
        println!(
            "{name:<34} early {early:6.1} ms  late {late:6.1} ms  late/early {ratio:4.2}  loss {loss:8.4}"
        );
    }
}

fn mean(times: &[f64]) -> f64 {
    times.iter().sum::<f64>() / times.len() as f64
}

/// Returns the milliseconds of each epoch and the last training loss.
fn measure(data: &Dataset, activation: &str, rate: f64, coefficient: f64) -> (Vec<f64>, f64) {
    let mut settings = vec![
        ("hidden", Value::from(vec![64.0; 4])),
        ("epochs", Value::from(EPOCHS as f64)),
        ("activation", Value::from(activation)),
        ("optimizer.learning_rate", Value::from(rate)),
    ];
    if coefficient > 0.0 {
        settings.push(("regularizer", Value::from("l1")));
        settings.push(("coefficient", Value::from(coefficient)));
        // As small as the learning rate at last are the weights that swing about zero.
        settings.push(("reduce_learning_rate.monitor", Value::from("validation_loss")));
        settings.push(("reduce_learning_rate.factor", Value::from(0.1)));
        settings.push(("reduce_learning_rate.patience", Value::from(3.0)));
        settings.push(("reduce_learning_rate.min_delta", Value::from(1e-4)));
    }
    let recipe = shared::recipe(&settings);
    let mut clock = Clock { last: Instant::now(), times: Vec::new() };
    let validation = Validation { fraction: 0.2, pick: Pick::Random };
    let seed = SeedKey { root: 1, replicate: 0 };
    let outcome = train(&recipe, data, validation, seed, Kernel::detect(), &mut clock)
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(outcome.epochs.len(), EPOCHS, "a network that diverges shows nothing");
    (clock.times, outcome.epochs[EPOCHS - 1].training_loss)
}

struct Clock {
    last: Instant,
    times: Vec<f64>,
}

impl Observer for Clock {
    fn epoch(&mut self, _: &EpochMetrics) {
        let now = Instant::now();
        self.times.push((now - self.last).as_secs_f64() * 1e3);
        self.last = now;
    }

    fn is_interrupted(&mut self) -> bool {
        false
    }
}
