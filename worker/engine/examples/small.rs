//! Trains small networks of odd shapes, in every family, with the kernels named: what `.ci/valgrind` watches.
//!
//! `cargo run --release --example small -p gridsweep-engine -- reference avx2`. The kernels must agree, too.

mod shared;

use gridsweep_common::choice::Value;
use gridsweep_common::data::{Pick, Validation};
use gridsweep_common::metric::EpochMetrics;
use gridsweep_common::seed::SeedKey;
use gridsweep_engine::{Checkpoint, Dataset, Kernel, Observer, Training, catalogue};

type Settings = Vec<(&'static str, Value)>;

fn main() {
    let names: Vec<String> = std::env::args().skip(1).collect();
    let kernel = |name: &String| Kernel::by_name(name).unwrap_or_else(|error| panic!("{error}"));
    let kernels: Vec<Kernel> = names.iter().map(kernel).collect();
    assert!(!kernels.is_empty(), "name the kernels that are to train");
    let mut trainings = 0;
    for (inputs, classes, density) in [(1, 1, 1.0), (13, 2, 0.2), (97, 10, 0.2), (97, 17, 1.0)] {
        let data = shared::synthetic(25, inputs, classes, density);
        for settings in shapes().into_iter().chain(families()) {
            let digests: Vec<String> =
                kernels.iter().map(|&kernel| train(&settings, &data, kernel)).collect();
            assert!(digests.windows(2).all(|pair| pair[0] == pair[1]), "{settings:?}: {digests:?}");
            trainings += digests.len();
        }
    }
    println!("{trainings} trainings by {}", names.join(", "));
}

fn shapes() -> Vec<Settings> {
    let hidden: [&[f64]; 5] = [&[], &[1.0], &[7.0, 10.0], &[97.0, 13.0, 64.0], &[130.0]];
    let shape = |(hidden, batch_size): (&[f64], f64)| {
        vec![("hidden", Value::from(hidden.to_vec())), ("batch_size", Value::from(batch_size))]
    };
    let batches = |hidden| [1.0, 3.0, 127.0].map(|batch_size| (hidden, batch_size));
    hidden.into_iter().flat_map(batches).map(shape).collect()
}

/// One small training for each family of the catalogue.
fn families() -> Vec<Settings> {
    let mut all: Vec<Settings> = Vec::new();
    for family in catalogue().families {
        let name = Value::from(family.name.as_str());
        let more: Settings = match (family.setting.as_str(), family.name.as_str()) {
            ("activation", _) => vec![("activation", name)],
            ("optimizer.kind", _) => vec![("optimizer.kind", name)],
            ("initializer", _) => vec![("initializer", name)],
            ("regularizer", "l1" | "l2" | "proximal_l1") => {
                vec![
                    ("regularizer", name),
                    ("coefficient", Value::from(0.01)),
                    ("dropout_rate", Value::from(0.3)),
                ]
            }
            ("regularizer", "elastic_net") => {
                let [l1, l2] = ["l1_coefficient", "l2_coefficient"].map(|name| (name, Value::from(0.01)));
                vec![("regularizer", name), l1, l2]
            }
            ("regularizer", "max_norm") => vec![("regularizer", name), ("max_norm", Value::from(0.5))],
            ("regularizer", "dropout") => vec![("regularizer", name), ("dropout_rate", Value::from(0.3))],
            _ => continue,
        };
        all.push([vec![("hidden", Value::from(vec![20.0, 7.0]))], more].concat());
    }
    all
}

/// Trains, resumed once on the way, and returns the outcome's digest.
fn train(settings: &Settings, data: &Dataset, kernel: Kernel) -> String {
    let recipe = shared::recipe(&[settings.clone(), vec![("epochs", Value::from(2.0))]].concat());
    let validation = Validation { fraction: 0.2, pick: Pick::Random };
    let training = || Training::new(&recipe, data, validation, SeedKey { root: 1, replicate: 0 }, kernel);
    let mut keeper = Keeper::default();
    let outcome = training().run(&mut keeper).unwrap_or_else(|error| panic!("{error}"));
    let mut resumed = training();
    let bytes = &keeper.last.expect("a checkpoint before every step").bytes;
    resumed.resume(bytes).unwrap_or_else(|error| panic!("{error}"));
    let again = resumed.run(&mut Keeper::default()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(outcome.digest(), again.digest(), "{settings:?}");
    outcome.digest().to_string()
}

#[derive(Default)]
struct Keeper {
    last: Option<Checkpoint>,
}

impl Observer for Keeper {
    fn epoch(&mut self, _: &EpochMetrics) {}

    fn is_interrupted(&mut self) -> bool {
        false
    }

    fn wants_checkpoint(&mut self) -> bool {
        true
    }

    fn checkpoint(&mut self, checkpoint: &Checkpoint) {
        self.last = Some(checkpoint.clone());
    }
}
