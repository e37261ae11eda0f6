//! From choices to a typed recipe: after this, nothing about a trial's settings can be wrong.

use crate::activation::{self, Activation};
use crate::catalog::{Family, catalogue};
use crate::init::{self, Initializer};
use crate::optimizer::{self, Optimizer};
use crate::plateau::{EarlyStop, Monitor, ReduceLearningRate};
use crate::regularizer::{self, Regularizer};
use crate::schedule::{self, Schedule};
use gridsweep_common::catalogue::{Catalogue, Kind, Setting};
use gridsweep_common::choice::{Choices, Value};
use std::sync::Arc;

/// Everything that a trial was asked to be, known and in range.
#[derive(Clone, Debug)]
pub struct Recipe {
    pub(crate) hidden: Vec<usize>,
    pub(crate) activation: Arc<dyn Activation>,
    pub(crate) regularizer: Arc<dyn Regularizer>,
    pub(crate) initializer: Arc<dyn Initializer>,
    pub(crate) optimizer: Arc<dyn Optimizer>,
    pub(crate) learning_rate: f64,
    pub(crate) batch_size: usize,
    pub(crate) epochs: u32,
    pub(crate) schedule: Arc<dyn Schedule>,
    pub(crate) reduce_learning_rate: Option<ReduceLearningRate>,
    pub(crate) early_stop: Option<EarlyStop>,
    pub(crate) restore_best: bool,
}

/// Why choices are no recipe.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum RecipeError {
    /// There is no setting of this name.
    #[error("unknown setting \"{setting}\"")]
    UnknownSetting {
        /// What was given.
        setting: String,
    },
    /// The setting has no choice of this name.
    #[error("unknown {setting} \"{choice}\"; known are {}", known.join(", "))]
    UnknownChoice {
        /// The setting.
        setting: String,
        /// What was given.
        choice: String,
        /// What could have been given.
        known: Vec<String>,
    },
    /// The value is of another kind or outside of the range.
    #[error("{setting} = {value} is not {expected}")]
    OutOfRange {
        /// The setting.
        setting: String,
        /// What was given.
        value: Value,
        /// What it takes, such as `a number with 0 < x <= 1`.
        expected: String,
    },
    /// The setting applies and has no value.
    #[error("{setting} is missing")]
    Missing {
        /// The setting.
        setting: String,
    },
    /// The setting has a value but no meaning beside another choice.
    #[error("{setting} has no effect with {chooser} = {choice}")]
    Ignored {
        /// The setting.
        setting: String,
        /// The setting that decides whether this one applies.
        chooser: String,
        /// Its choice.
        choice: String,
    },
}

impl Recipe {
    /// Makes a recipe of complete choices: every setting that applies has a value, and no other.
    ///
    /// # Errors
    /// Names the first setting that is unknown, ignored, missing or out of range.
    pub fn from_choices(choices: &Choices) -> Result<Recipe, RecipeError> {
        check(&catalogue(), choices)?;
        let reader = Reader { choices };
        Ok(Recipe {
            hidden: reader.sizes("hidden")?,
            activation: build(&reader, "activation", activation::ALL)?,
            regularizer: build(&reader, "regularizer", regularizer::ALL)?,
            initializer: build(&reader, "initializer", init::ALL)?,
            optimizer: build(&reader, "optimizer.kind", optimizer::ALL)?,
            learning_rate: reader.number("optimizer.learning_rate")?,
            batch_size: reader.whole("batch_size")? as usize,
            epochs: reader.whole("epochs")?,
            schedule: reader.schedule()?,
            reduce_learning_rate: reader.reduce_learning_rate()?,
            early_stop: reader.early_stop()?,
            restore_best: reader.flag("restore_best")?,
        })
    }

    /// Returns the most epochs that a training of this recipe runs.
    pub fn epochs(&self) -> u32 {
        self.epochs
    }

    /// Returns how many weights and biases a network of this recipe has.
    pub fn parameters(&self, inputs: usize, classes: usize) -> u64 {
        let count = |(inputs, units): (usize, usize)| (inputs as u64 + 1) * units as u64;
        self.shapes(inputs, classes).into_iter().map(count).sum()
    }

    /// Returns (inputs, units) of each layer, the output's too.
    pub(crate) fn shapes(&self, inputs: usize, classes: usize) -> Vec<(usize, usize)> {
        let units: Vec<usize> = self.hidden.iter().copied().chain([classes]).collect();
        let inputs = [inputs].into_iter().chain(self.hidden.iter().copied());
        inputs.zip(units).collect()
    }
}

fn build<T: ?Sized>(reader: &Reader<'_>, setting: &str, all: &[Family<T>]) -> Result<Arc<T>, RecipeError> {
    let name = reader.text(setting)?;
    let family = all.iter().find(|family| family.name == name);
    let known = || all.iter().map(|family| family.name.to_owned()).collect();
    let unknown = || RecipeError::UnknownChoice {
        setting: setting.to_owned(),
        choice: name.to_owned(),
        known: known(),
    };
    (family.ok_or_else(unknown)?.build)(reader)
}

/// Checks choices against the catalogue: each known, applying and in range, and none missing.
fn check(catalogue: &Catalogue, choices: &Choices) -> Result<(), RecipeError> {
    for (name, value) in choices.iter() {
        let unknown = || RecipeError::UnknownSetting { setting: name.to_owned() };
        check_value(catalogue.setting(name).ok_or_else(unknown)?, value)?;
    }
    for setting in &catalogue.settings {
        check_presence(catalogue, setting, choices)?;
    }
    Ok(())
}

fn check_value(setting: &Setting, value: &Value) -> Result<(), RecipeError> {
    let name = setting.name.clone();
    setting.kind.check(value).map_err(|expected| match (&setting.kind, value) {
        (Kind::Family { names }, Value::Text(choice)) => {
            RecipeError::UnknownChoice { setting: name, choice: choice.clone(), known: names.clone() }
        }
        _ => RecipeError::OutOfRange { setting: name, value: value.clone(), expected },
    })
}

fn check_presence(catalogue: &Catalogue, setting: &Setting, choices: &Choices) -> Result<(), RecipeError> {
    let is_given = choices.get(&setting.name).is_some();
    if let Some(applies) = &setting.applies {
        let choice = choices.get(&applies.setting).and_then(Value::as_text).unwrap_or_default();
        if !applies.values.iter().any(|value| value == choice) {
            let (chooser, choice) = (applies.setting.clone(), choice.to_owned());
            let ignored = || RecipeError::Ignored { setting: setting.name.clone(), chooser, choice };
            return if is_given { Err(ignored()) } else { Ok(()) };
        }
    }
    if is_given || is_in_absent_table(catalogue, setting, choices) {
        return Ok(());
    }
    Err(RecipeError::Missing { setting: setting.name.clone() })
}

fn is_in_absent_table(catalogue: &Catalogue, setting: &Setting, choices: &Choices) -> bool {
    let in_table =
        |name: &str, table: &str| name.strip_prefix(table).is_some_and(|rest| rest.starts_with('.'));
    let table = catalogue.optional_tables.iter().find(|table| in_table(&setting.name, table));
    table.is_some_and(|table| !choices.iter().any(|(name, _)| in_table(name, table)))
}

/// Reads checked choices as what they are.
pub(crate) struct Reader<'a> {
    choices: &'a Choices,
}

impl Reader<'_> {
    /// Returns the value of a setting as `kind` sees it; [`RecipeError::Missing`] where it has none of that kind.
    fn get<T>(&self, setting: &str, kind: impl FnOnce(&Value) -> Option<T>) -> Result<T, RecipeError> {
        let missing = || RecipeError::Missing { setting: setting.to_owned() };
        self.choices.get(setting).and_then(kind).ok_or_else(missing)
    }

    /// Returns a number.
    pub(crate) fn number(&self, setting: &str) -> Result<f64, RecipeError> {
        self.get(setting, Value::as_number)
    }

    /// Returns `true` or `false`.
    pub(crate) fn flag(&self, setting: &str) -> Result<bool, RecipeError> {
        self.get(setting, |value| if let Value::Bool(flag) = value { Some(*flag) } else { None })
    }

    /// Returns a whole number.
    pub(crate) fn whole(&self, setting: &str) -> Result<u32, RecipeError> {
        self.number(setting).map(|number| number as u32)
    }

    fn text(&self, setting: &str) -> Result<&str, RecipeError> {
        let missing = || RecipeError::Missing { setting: setting.to_owned() };
        self.choices.get(setting).and_then(Value::as_text).ok_or_else(missing)
    }

    fn sizes(&self, setting: &str) -> Result<Vec<usize>, RecipeError> {
        let size = |value: &Value| value.as_number().map(|size| size as usize);
        self.get(setting, |value| match value {
            Value::List(values) => values.iter().map(size).collect(),
            _ => None,
        })
    }

    fn monitor(&self, setting: &str) -> Result<Monitor, RecipeError> {
        self.get(setting, |value| Monitor::from_name(value.as_text()?))
    }

    fn schedule(&self) -> Result<Arc<dyn Schedule>, RecipeError> {
        if self.choices.get("schedule.kind").is_none() {
            return Ok(schedule::none());
        }
        build(self, "schedule.kind", schedule::ALL)
    }

    fn reduce_learning_rate(&self) -> Result<Option<ReduceLearningRate>, RecipeError> {
        if self.choices.get("reduce_learning_rate.monitor").is_none() {
            return Ok(None);
        }
        Ok(Some(ReduceLearningRate {
            monitor: self.monitor("reduce_learning_rate.monitor")?,
            factor: self.number("reduce_learning_rate.factor")?,
            patience: self.whole("reduce_learning_rate.patience")?,
            min_delta: self.number("reduce_learning_rate.min_delta")?,
        }))
    }

    fn early_stop(&self) -> Result<Option<EarlyStop>, RecipeError> {
        if self.choices.get("early_stop.monitor").is_none() {
            return Ok(None);
        }
        Ok(Some(EarlyStop {
            monitor: self.monitor("early_stop.monitor")?,
            patience: self.whole("early_stop.patience")?,
            min_delta: self.number("early_stop.min_delta")?,
        }))
    }
}
