//! What can be chosen: the settings and the families behind them, as data.
//!
//! A family (an activation, a regularizer, an optimizer, a schedule) describes itself and its own settings in its own file; the
//! catalogue puts them together from each folder's `ALL`.

use crate::plateau::Monitor;
use crate::recipe::{Reader, RecipeError};
use crate::{activation, init, optimizer, regularizer, schedule};
use gridsweep_common::catalogue::{self, Applies, Catalogue, Kind, Setting};
use gridsweep_common::choice::Value;
use std::sync::Arc;

/// One named choice: what people read about it, its own settings, and how it is made of choices.
pub(crate) struct Family<T: ?Sized> {
    /// The name in sweep files.
    pub(crate) name: &'static str,
    /// The formula, in plain text.
    pub(crate) formula: &'static str,
    /// Where it comes from.
    pub(crate) source: &'static str,
    /// The settings that apply to it; several families may share one, word for word.
    pub(crate) settings: fn() -> Vec<Setting>,
    /// Makes it of choices that are complete and in range.
    pub(crate) build: fn(&Reader<'_>) -> Result<Arc<T>, RecipeError>,
}

/// Pairs of settings the first of which is below the second wherever a trial has both: what no range of one says.
pub const BELOW: &[(&str, &str)] = &[schedule::WARM_UP_BELOW];

/// Returns every setting, family, range, default, formula and source of this engine.
pub fn catalogue() -> Catalogue {
    let mut settings = vec![
        setting(
            "hidden",
            Kind::Sizes { length_most: 64, most: 65_536 },
            None,
            "Units of the hidden layers, from the input on; an empty list is softmax regression.",
        ),
        family_setting("activation", activation::ALL, "relu", "The function after each hidden layer."),
        family_setting("regularizer", regularizer::ALL, "none", "What keeps the weights small or few."),
    ];
    settings.extend(own_settings("regularizer", regularizer::ALL));
    settings.push(family_setting("initializer", init::ALL, "glorot_uniform", "Where the weights begin."));
    settings.push(family_setting("optimizer.kind", optimizer::ALL, "adam", "How the weights move."));
    settings.extend(own_settings("optimizer.kind", optimizer::ALL));
    settings.extend(course_settings());
    settings.push(Setting {
        default: None,
        ..family_setting("schedule.kind", schedule::ALL, "", "What the learning rate is in each epoch.")
    });
    settings.extend(own_settings("schedule.kind", schedule::ALL));
    settings.extend(plateau_settings());
    Catalogue {
        settings,
        optional_tables: ["schedule", "reduce_learning_rate", "early_stop"].map(str::to_owned).to_vec(),
        families: [
            families("activation", activation::ALL),
            families("regularizer", regularizer::ALL),
            families("initializer", init::ALL),
            families("optimizer.kind", optimizer::ALL),
            families("schedule.kind", schedule::ALL),
        ]
        .concat(),
    }
}

fn course_settings() -> [Setting; 3] {
    [
        setting(
            "batch_size",
            Kind::Integer { least: 1, most: 65_536 },
            Some(Value::from(128.0)),
            "Samples of one step; a last, smaller batch is kept.",
        ),
        setting("epochs", Kind::Integer { least: 1, most: 100_000 }, None, "The most epochs that are run."),
        setting(
            "restore_best",
            Kind::Bool,
            Some(Value::from(false)),
            "Whether the final metrics are those of the epoch with the smallest validation loss.",
        ),
    ]
}

fn plateau_settings() -> [Setting; 7] {
    let patience = Kind::Integer { least: 1, most: 100_000 };
    [
        monitor_setting("reduce_learning_rate", Monitor::ValidationLoss),
        setting(
            "reduce_learning_rate.factor",
            number_between(Some((0.0, false)), Some((1.0, false))),
            Some(Value::from(0.1)),
            "What the learning rate is multiplied by.",
        ),
        setting(
            "reduce_learning_rate.patience",
            patience.clone(),
            Some(Value::from(3.0)),
            "Epochs without a better value before the learning rate is cut.",
        ),
        min_delta_setting("reduce_learning_rate", 1e-4),
        monitor_setting("early_stop", Monitor::TrainingObjective),
        setting(
            "early_stop.patience",
            patience,
            Some(Value::from(4.0)),
            "Epochs without a better value before training stops.",
        ),
        min_delta_setting("early_stop", 0.0),
    ]
}

fn monitor_setting(table: &str, default: Monitor) -> Setting {
    let names = Monitor::ALL.iter().map(|monitor| monitor.name().to_owned()).collect();
    let name = format!("{table}.monitor");
    setting(
        &name,
        Kind::Family { names },
        Some(Value::from(default.name())),
        "The value that is to become smaller.",
    )
}

fn min_delta_setting(table: &str, default: f64) -> Setting {
    setting(
        &format!("{table}.min_delta"),
        number_between(Some((0.0, true)), None),
        Some(Value::from(default)),
        "How much smaller than the best a value must be to count as better.",
    )
}

/// Makes a setting that applies everywhere.
pub(crate) fn setting(name: &str, kind: Kind, default: Option<Value>, description: &str) -> Setting {
    Setting { name: name.to_owned(), kind, default, applies: None, description: description.to_owned() }
}

/// Makes a kind of numbers with bounds (value, whether it is included).
pub(crate) fn number_between(from: Option<(f64, bool)>, to: Option<(f64, bool)>) -> Kind {
    Kind::Number {
        from: from.map(|bound| bound.0),
        from_included: from.is_some_and(|bound| bound.1),
        to: to.map(|bound| bound.0),
        to_included: to.is_some_and(|bound| bound.1),
    }
}

fn family_setting<T: ?Sized>(name: &str, all: &[Family<T>], default: &str, description: &str) -> Setting {
    let names = all.iter().map(|family| family.name.to_owned()).collect();
    setting(name, Kind::Family { names }, Some(Value::from(default)), description)
}

/// Collects the families' own settings, each with the families that it applies to.
fn own_settings<T: ?Sized>(chooser: &str, all: &[Family<T>]) -> Vec<Setting> {
    let mut found: Vec<(Setting, Vec<String>)> = Vec::new();
    for family in all {
        for setting in (family.settings)() {
            match found.iter_mut().find(|(known, _)| known.name == setting.name) {
                Some((_, names)) => names.push(family.name.to_owned()),
                None => found.push((setting, vec![family.name.to_owned()])),
            }
        }
    }
    let everywhere = |names: &[String]| names.len() == all.len();
    let applies = |values: Vec<String>| Applies { setting: chooser.to_owned(), values };
    let finish = |(setting, names): (Setting, Vec<String>)| Setting {
        applies: (!everywhere(&names)).then(|| applies(names)),
        ..setting
    };
    found.into_iter().map(finish).collect()
}

fn families<T: ?Sized>(setting: &str, all: &[Family<T>]) -> Vec<catalogue::Family> {
    let describe = |family: &Family<T>| catalogue::Family {
        setting: setting.to_owned(),
        name: family.name.to_owned(),
        formula: family.formula.to_owned(),
        source: family.source.to_owned(),
    };
    all.iter().map(describe).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_in_its_own_range() {
        for setting in catalogue().settings {
            if let Some(default) = &setting.default {
                assert_eq!(setting.kind.check(default), Ok(()), "{}", setting.name);
            }
        }
    }

    #[test]
    fn names_are_unique_and_conditions_name_families() {
        let catalogue = catalogue();
        for (index, setting) in catalogue.settings.iter().enumerate() {
            assert!(catalogue.settings[..index].iter().all(|other| other.name != setting.name));
            let Some(applies) = &setting.applies else { continue };
            let chooser = catalogue.setting(&applies.setting).expect("a condition names a setting");
            let Kind::Family { names } = &chooser.kind else { panic!("{} is no family", applies.setting) };
            assert!(applies.values.iter().all(|value| names.contains(value)), "{}", setting.name);
        }
    }

    #[test]
    fn families_that_share_a_setting_define_it_word_for_word() {
        let all: Vec<Setting> = regularizer::ALL
            .iter()
            .flat_map(|family| (family.settings)())
            .chain(optimizer::ALL.iter().flat_map(|family| (family.settings)()))
            .chain(schedule::ALL.iter().flat_map(|family| (family.settings)()))
            .collect();
        for setting in &all {
            let namesake = |other: &&Setting| other.name == setting.name;
            assert!(all.iter().filter(namesake).all(|other| other == setting), "{}", setting.name);
        }
    }

    #[test]
    fn every_family_is_explained() {
        for family in catalogue().families {
            assert!(!family.formula.is_empty() && !family.source.is_empty(), "{}", family.name);
        }
    }
}
