//! Tests of the engine as a whole, and what they share: synthetic data and recipes from a few settings.

mod activations;
mod golden;
mod gradients;
mod inputs;
mod kernels;
mod phases;
mod recipes;
mod trainings;
mod trajectories;

use crate::kernel::Kernel;
use crate::random::{Key, Stream};
use crate::{Dataset, Interrupted, Observer, Recipe, RecipeError, catalogue, train};
use gridsweep_common::catalogue::{Applies, Setting};
use gridsweep_common::choice::{Choices, Value};
use gridsweep_common::data::{Pick, Standardize, Validation};
use gridsweep_common::metric::{EpochMetrics, Outcome};
use gridsweep_common::seed::{Purpose, SeedKey};

const SEED: SeedKey = SeedKey { root: 2016, replicate: 0 };
const VALIDATION: Validation = Validation { fraction: 0.2, pick: Pick::Random };

/// How large synthetic data are, and how many of their inputs are not zero.
#[derive(Clone, Copy, Debug)]
struct Synthetic {
    samples: usize,
    inputs: usize,
    classes: usize,
    density: f64,
    standardize: Standardize,
}

impl Synthetic {
    /// Like MNIST, but small.
    const SPARSE: Synthetic =
        Synthetic { samples: 160, inputs: 130, classes: 10, density: 0.2, standardize: Standardize::None };
    /// The same without zeros: the dense first layer.
    const DENSE: Synthetic = Synthetic { density: 1.0, ..Synthetic::SPARSE };
    /// Lists, and inputs that are standardised.
    const STANDARDIZED: Synthetic = Synthetic { standardize: Standardize::Columns, ..Synthetic::SPARSE };

    /// Makes samples whose class shows: inputs whose index is the label modulo the classes are brighter.
    fn make(self) -> Dataset {
        let mut stream = Stream::new(Key::new(SEED, Purpose::Split), [1, 0, 0]);
        let (training, training_labels) = self.part(&mut stream, self.samples);
        let (test, test_labels) = self.part(&mut stream, self.samples / 2);
        Dataset::from_bytes(training, training_labels, test, test_labels, self.inputs, self.classes)
            .expect("synthetic data fit together")
            .standardize(self.standardize)
    }

    fn part(self, stream: &mut Stream, samples: usize) -> (Vec<u8>, Vec<u8>) {
        let labels: Vec<u8> = (0..samples).map(|sample| (sample % self.classes) as u8).collect();
        let mut bytes = Vec::new();
        for &label in &labels {
            for input in 0..self.inputs {
                let is_bright = input % self.classes == usize::from(label);
                let byte = 1 + stream.below(if is_bright { 255 } else { 60 });
                bytes.push(if stream.unit() < self.density { byte as u8 } else { 0 });
            }
        }
        (bytes, labels)
    }
}

/// Makes choices of some settings and the catalogue's defaults for all others that apply.
fn choices(settings: &[(&str, Value)]) -> Choices {
    let mut choices: Choices =
        settings.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let catalogue = catalogue();
    for Setting { name, default, applies, .. } in catalogue.settings {
        let holds = |Applies { setting, values }: &Applies| {
            choices
                .get(setting)
                .and_then(Value::as_text)
                .is_some_and(|choice| values.iter().any(|v| v == choice))
        };
        let table = catalogue.optional_tables.iter().find(|table| name.starts_with(&format!("{table}.")));
        let is_wanted = table.is_none_or(|table| settings.iter().any(|(name, _)| name.starts_with(table)));
        if let (true, None, Some(default)) =
            (is_wanted && applies.as_ref().is_none_or(holds), choices.get(&name), default)
        {
            choices.insert(name, default);
        }
    }
    choices
}

fn try_recipe(settings: &[(&str, Value)]) -> Result<Recipe, RecipeError> {
    Recipe::from_choices(&choices(settings))
}

/// Makes a recipe of some settings; three small hidden layers, 2 epochs and batches of 32 where they say nothing.
pub(crate) fn recipe(settings: &[(&str, Value)]) -> Recipe {
    let own = [
        ("hidden", Value::from(vec![13.0, 70.0, 16.0])),
        ("epochs", Value::from(2.0)),
        ("batch_size", Value::from(32.0)),
    ];
    let mut all: Vec<(&str, Value)> = settings.to_vec();
    all.extend(own.into_iter().filter(|(name, _)| settings.iter().all(|(other, _)| other != name)));
    try_recipe(&all).expect("the test's settings are a recipe")
}

/// Returns settings that make `regularizer` (any of the catalogue) do something.
fn regularizer_settings(regularizer: &str) -> Vec<(&'static str, Value)> {
    let mut settings = vec![("regularizer", Value::from(regularizer))];
    let strengths = [
        ("coefficient", 0.01),
        ("l1_coefficient", 0.01),
        ("l2_coefficient", 0.02),
        ("max_norm", 2.0),
        ("dropout_rate", 0.3),
    ];
    for (name, value) in strengths {
        let catalogue = catalogue();
        let applies = catalogue.setting(name).and_then(|setting| setting.applies.clone());
        if applies.is_none_or(|applies| applies.values.iter().any(|value| value == regularizer)) {
            settings.push((name, Value::from(value)));
        }
    }
    settings
}

/// Returns the names of a family in the catalogue, which are those in its `ALL`.
fn names(setting: &str) -> Vec<String> {
    let families = catalogue().families.into_iter();
    families.filter(|family| family.setting == setting).map(|family| family.name).collect()
}

/// Lets training run, and gives up when it has asked `questions` times.
struct Patient {
    questions: u64,
    epochs: Vec<EpochMetrics>,
}

impl Observer for Patient {
    fn epoch(&mut self, metrics: &EpochMetrics) {
        self.epochs.push(*metrics);
    }

    fn is_interrupted(&mut self) -> bool {
        self.questions = self.questions.saturating_sub(1);
        self.questions == 0
    }
}

fn run(recipe: &Recipe, data: &Dataset, kernel: Kernel) -> Outcome {
    run_for(recipe, data, kernel, u64::MAX).expect("nobody interrupts")
}

fn run_for(recipe: &Recipe, data: &Dataset, kernel: Kernel, questions: u64) -> Result<Outcome, Interrupted> {
    let mut observer = Patient { questions, epochs: Vec::new() };
    let outcome = train(recipe, data, VALIDATION, SEED, kernel, &mut observer)?;
    assert_eq!(observer.epochs, outcome.epochs, "the observer is told of every epoch");
    Ok(outcome)
}
