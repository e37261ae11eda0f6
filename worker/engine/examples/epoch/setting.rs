//! The settings of a training, from the command line and the catalogue's defaults.

use gridsweep_common::catalogue::Applies;
use gridsweep_common::choice::{Choices, Value};
use gridsweep_engine::{Kernel, Recipe, catalogue};
use std::collections::BTreeMap;

/// Epochs that a training may have at most: more than anyone waits for, and it ends when its clock says so.
const EPOCHS_MOST: f64 = 1000.0;

/// What the command line says of one training.
pub(crate) struct Arguments {
    pub(crate) choices: Vec<(&'static str, Value)>,
    /// Units of the hidden layers, which are among the choices.
    pub(crate) hidden: Vec<usize>,
    pub(crate) kernel: Kernel,
    pub(crate) data: String,
    pub(crate) epochs: u32,
    pub(crate) threads: usize,
    pub(crate) mode: Mode,
}

/// What is done with the training.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Its epochs are timed and printed.
    Time,
    /// They are timed when asked for.
    Serve,
    /// Its phases are timed.
    Phases,
    /// Its memory and its checkpoints are measured.
    Account,
}

impl Arguments {
    /// Reads `--name value` pairs and the name of a mode.
    pub(crate) fn parse(words: &[String]) -> Arguments {
        let mut values: BTreeMap<&str, &str> = BTreeMap::from([
            ("--hidden", "128-128-64-64-64-64"),
            ("--batch", "128"),
            ("--activation", "relu"),
            ("--dropout", "0"),
            ("--l1", "0.0001"),
            ("--kernel", Kernel::detect().name()),
            ("--data", "synthetic"),
            ("--epochs", "8"),
            ("--threads", "1"),
        ]);
        let (mut mode, mut words) = (Mode::Time, words.iter());
        while let Some(word) = words.next() {
            if let Some(named) = Mode::by_name(word) {
                mode = named;
                continue;
            }
            let value = values.get_mut(word.as_str()).unwrap_or_else(|| panic!("unknown argument {word}"));
            *value = words.next().unwrap_or_else(|| panic!("{word} needs a value"));
        }
        Arguments {
            choices: choices(&values),
            hidden: hidden(&values),
            kernel: Kernel::by_name(values["--kernel"]).unwrap_or_else(|error| panic!("{error}")),
            data: values["--data"].to_owned(),
            epochs: number(&values, "--epochs") as u32,
            threads: number(&values, "--threads") as usize,
            mode,
        }
    }
}

impl Mode {
    fn by_name(word: &str) -> Option<Mode> {
        match word {
            "--serve" => Some(Mode::Serve),
            "--phases" => Some(Mode::Phases),
            "--account" => Some(Mode::Account),
            _ => None,
        }
    }
}

fn choices(values: &BTreeMap<&str, &str>) -> Vec<(&'static str, Value)> {
    let units =
        |units: &str| units.parse().unwrap_or_else(|_| panic!("--hidden: {units:?} is no number of units"));
    let hidden: Vec<f64> = values["--hidden"].split('-').map(units).collect();
    let mut choices = vec![
        ("hidden", Value::from(hidden)),
        ("activation", Value::from(values["--activation"])),
        ("batch_size", Value::from(number(values, "--batch"))),
    ];
    let (rate, coefficient) = (number(values, "--dropout"), number(values, "--l1"));
    let regularizer = if coefficient > 0.0 {
        "l1"
    } else if rate > 0.0 {
        "dropout"
    } else {
        "none"
    };
    choices.push(("regularizer", Value::from(regularizer)));
    if coefficient > 0.0 {
        choices.push(("coefficient", Value::from(coefficient)));
    }
    if rate > 0.0 {
        choices.push(("dropout_rate", Value::from(rate)));
    }
    choices
}

fn hidden(values: &BTreeMap<&str, &str>) -> Vec<usize> {
    let units =
        |units: &str| units.parse().unwrap_or_else(|_| panic!("--hidden: {units:?} is no number of units"));
    values["--hidden"].split('-').map(units).collect()
}

fn number(values: &BTreeMap<&str, &str>, name: &str) -> f64 {
    values[name].parse().unwrap_or_else(|_| panic!("{name}: {:?} is no number", values[name]))
}

/// Makes a recipe of some settings and the catalogue's defaults.
pub(crate) fn recipe(settings: &[(&str, Value)]) -> Recipe {
    let mut choices: Choices =
        settings.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    choices.insert("epochs", Value::from(EPOCHS_MOST));
    let catalogue = catalogue();
    for setting in &catalogue.settings {
        let chooser =
            |applies: &Applies| choices.get(&applies.setting).and_then(Value::as_text).map(str::to_owned);
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
