//! What examples share: recipes of a few settings, synthetic data, and an observer that lets training run.

use gridsweep_common::catalogue::{Applies, Setting};
use gridsweep_common::choice::{Choices, Value};
use gridsweep_engine::{Dataset, Recipe, catalogue};
use rand::{Rng, SeedableRng};

/// Makes a recipe of some settings and the catalogue's defaults.
pub(crate) fn recipe(settings: &[(&str, Value)]) -> Recipe {
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
        let optional = catalogue.optional_tables.iter().any(|table| name.starts_with(&format!("{table}.")));
        if let (true, false, None, Some(default)) =
            (applies.as_ref().is_none_or(holds), optional, choices.get(&name), default)
        {
            choices.insert(name, default);
        }
    }
    Recipe::from_choices(&choices).unwrap_or_else(|error| panic!("{error}"))
}

/// Makes samples of which a share `density` of the inputs is not zero, half as many for testing; labels go round.
pub(crate) fn synthetic(samples: usize, inputs: usize, classes: usize, density: f64) -> Dataset {
    let mut random = rand::rngs::StdRng::seed_from_u64(1);
    let mut part = |samples: usize| {
        let mut byte = || {
            let word = random.next_u32();
            if f64::from(word >> 8) / f64::from(1 << 24) < density { word as u8 | 1 } else { 0 }
        };
        let bytes: Vec<u8> = (0..samples * inputs).map(|_| byte()).collect();
        let labels: Vec<u8> = (0..samples).map(|sample| (sample % classes) as u8).collect();
        (bytes, labels)
    };
    let ((training, training_labels), (test, test_labels)) = (part(samples), part(samples / 2));
    Dataset::from_bytes(training, training_labels, test, test_labels, inputs, classes)
        .unwrap_or_else(|error| panic!("{error}"))
}
