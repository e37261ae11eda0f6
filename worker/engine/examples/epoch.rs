//! Times epochs on synthetic data of MNIST's shape and density: `cargo run --release --example epoch -p gridsweep-engine`.
//!
//! Prints one line a net, kernel and kind of data: the least and the median milliseconds of an epoch of 48,000 samples
//! with its validation pass over 12,000, on one thread. Arguments: names of kernels (all that are not slow if there
//! are none) and of nets (all if there are none).

use gridsweep_common::choice::{Choices, Value};
use gridsweep_common::data::{Pick, Validation};
use gridsweep_common::metric::EpochMetrics;
use gridsweep_common::seed::SeedKey;
use gridsweep_engine::{Dataset, Kernel, Observer, Recipe, catalogue, train};
use rand::{Rng, SeedableRng};
use std::time::Instant;

const EPOCHS: f64 = 8.0;
const SAMPLES: usize = 60_000;
const INPUTS: usize = 784;

fn main() {
    let (nets, named): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|name| cases().iter().any(|(net, _)| net == name));
    let kernels: Vec<Kernel> = if named.is_empty() {
        Kernel::available().into_iter().filter(|kernel| !kernel.is_slow()).collect()
    } else {
        named.iter().map(|name| Kernel::by_name(name).unwrap_or_else(|error| panic!("{error}"))).collect()
    };
    let (sparse, dense) = (synthetic(0.191), synthetic(1.0));
    for (name, settings) in
        cases().into_iter().filter(|(net, _)| nets.is_empty() || nets.iter().any(|n| n == net))
    {
        let recipe = recipe(&settings);
        for &kernel in &kernels {
            for (kind, data) in [("19 % non-zero", &sparse), ("dense", &dense)] {
                let times = measure(&recipe, data, kernel);
                let (least, median) = (times[0], times[times.len() / 2]);
                println!(
                    "{name:<22} {:<10} {kind:<14} least {least:6.1} ms  median {median:6.1} ms",
                    kernel.name()
                );
            }
        }
    }
}

fn cases() -> Vec<(&'static str, Vec<(&'static str, Value)>)> {
    let deep = || ("hidden", Value::from(vec![128.0, 128.0, 64.0, 64.0, 64.0, 64.0]));
    let l1 = [("regularizer", Value::from("l1")), ("coefficient", Value::from(1e-4))];
    let with = |more: &[(&'static str, Value)]| [&[deep()], &l1[..], more].concat();
    vec![
        ("deep6", with(&[])),
        ("deep6 batch 32", with(&[("batch_size", Value::from(32.0))])),
        ("deep6 tanh", with(&[("activation", Value::from("tanh"))])),
        ("deep6 sigmoid", with(&[("activation", Value::from("sigmoid"))])),
        ("deep6 dropout 0.5", with(&[("dropout_rate", Value::from(0.5))])),
        ("784-64x8-10", [&[("hidden", Value::from(vec![64.0; 8]))], &l1[..]].concat()),
        ("784-512-10", [&[("hidden", Value::from(vec![512.0]))], &l1[..]].concat()),
    ]
}

/// Makes a recipe of some settings and the catalogue's defaults.
fn recipe(settings: &[(&str, Value)]) -> Recipe {
    let mut choices: Choices =
        settings.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    choices.insert("epochs", Value::from(EPOCHS));
    let catalogue = catalogue();
    for setting in &catalogue.settings {
        let chooser = |applies: &gridsweep_common::catalogue::Applies| {
            choices.get(&applies.setting).and_then(Value::as_text).map(str::to_owned)
        };
        let applies = setting
            .applies
            .as_ref()
            .is_none_or(|applies| chooser(applies).is_some_and(|choice| applies.values.contains(&choice)));
        let optional =
            catalogue.optional_tables.iter().any(|table| setting.name.starts_with(&format!("{table}.")));
        if let (true, false, None, Some(default)) =
            (applies, optional, choices.get(&setting.name), &setting.default)
        {
            choices.insert(setting.name.clone(), default.clone());
        }
    }
    Recipe::from_choices(&choices).unwrap_or_else(|error| panic!("{error}"))
}

/// Makes images in which each pixel is not zero with its own probability, as in MNIST: high in the middle, none at the
/// rim. `density` is the mean; with 1 no pixel is zero.
fn synthetic(density: f64) -> Dataset {
    let mut random = rand::rngs::StdRng::seed_from_u64(1);
    let mut bytes = |samples: usize| -> Vec<u8> {
        let mut pixel = |at: usize| {
            let (x, y) = ((at % 28) as f64 - 13.5, (at / 28 % 28) as f64 - 13.5);
            let likely = if density >= 1.0 { 1.0 } else { density * 4.6 * (-(x * x + y * y) / 75.0).exp() };
            let word = random.next_u32();
            if f64::from(word >> 8) / f64::from(1 << 24) < likely { word as u8 | 1 } else { 0 }
        };
        (0..samples * INPUTS).map(&mut pixel).collect()
    };
    let label = |inputs: &[u8]| (inputs.iter().map(|&byte| u32::from(byte)).sum::<u32>() % 10) as u8;
    let (training, test) = (bytes(SAMPLES), bytes(1000));
    let labels = |inputs: &[u8]| inputs.chunks_exact(INPUTS).map(label).collect();
    let (training_labels, test_labels) = (labels(&training), labels(&test));
    Dataset::from_bytes(training, training_labels, test, test_labels, INPUTS, 10)
        .unwrap_or_else(|error| panic!("{error}"))
}

/// Returns the milliseconds of each epoch but the first, in ascending order.
fn measure(recipe: &Recipe, data: &Dataset, kernel: Kernel) -> Vec<f64> {
    let mut clock = Clock { last: Instant::now(), times: Vec::new() };
    let validation = Validation { fraction: 0.2, pick: Pick::Random };
    let seed = SeedKey { root: 1, replicate: 0 };
    train(recipe, data, validation, seed, kernel, &mut clock).unwrap_or_else(|error| panic!("{error}"));
    let mut times = clock.times.split_off(1);
    times.sort_by(f64::total_cmp);
    times
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
