//! What the learning rate is in each epoch. A new one is a file with a [`Schedule`] and a [`Family`], and a line in
//! [`ALL`].
//!
//! A schedule is a function of the epoch and of nothing else; what is cut where nothing gets better comes on top of it.

mod constant;
mod cosine;
mod step;

use crate::catalog::{Family, setting};
use crate::recipe::{Reader, RecipeError};
use gridsweep_common::catalogue::{Kind, Setting};
use gridsweep_common::choice::Value;
use std::fmt::Debug;
use std::sync::Arc;

/// Every schedule, in the order in which people read them.
pub(crate) const ALL: &[Family<dyn Schedule>] = &[
    // One a line, so that a new one is a line.
    constant::FAMILY,
    step::FAMILY,
    cosine::FAMILY,
];

/// What is warmed up for must come: the warm-up is shorter than the training.
pub(crate) const WARM_UP_BELOW: (&str, &str) = ("schedule.warm_up_epochs", "epochs");

/// What multiplies the learning rate, epoch by epoch.
pub(crate) trait Schedule: Debug + Send + Sync {
    /// Returns the factor of an epoch, counted from 0: 0 ≤ factor ≤ 1, the same bits on every machine.
    fn factor(&self, epoch: u32) -> f64;
}

/// Returns the schedule of a recipe that asks for none: 1 in every epoch.
pub(crate) fn none() -> Arc<dyn Schedule> {
    Arc::new(constant::Constant { warm_up: WarmUp { epochs: 0 } })
}

/// Epochs at the beginning in which the factor rises in equal steps, up to 1 in the epoch after them.
///
/// Goyal et al., "Accurate, large minibatch SGD: training ImageNet in 1 hour", arXiv:1706.02677, 2017, section 2.2.
#[derive(Clone, Copy, PartialEq, Debug)]
struct WarmUp {
    epochs: u32,
}

impl WarmUp {
    /// Reads [`warm_up_setting`], which is [`WARM_UP_BELOW`] all epochs.
    fn read(reader: &Reader<'_>) -> Result<WarmUp, RecipeError> {
        let (epochs, all) = (reader.whole(WARM_UP_BELOW.0)?, reader.whole(WARM_UP_BELOW.1)?);
        if epochs < all {
            return Ok(WarmUp { epochs });
        }
        Err(RecipeError::OutOfRange {
            setting: "schedule.warm_up_epochs".to_owned(),
            value: Value::from(f64::from(epochs)),
            expected: format!("a whole number below epochs = {all}"),
        })
    }

    /// Returns the factor of an epoch; after the warm-up it is `then` of the epochs since.
    fn factor(self, epoch: u32, then: impl FnOnce(u32) -> f64) -> f64 {
        match epoch.checked_sub(self.epochs) {
            Some(since) => then(since),
            None => f64::from(epoch + 1) / f64::from(self.epochs + 1),
        }
    }
}

/// The setting of every schedule.
fn warm_up_setting() -> Setting {
    let kind = Kind::Integer { least: 0, most: 100_000 };
    let description = "Epochs at the beginning in which the learning rate rises in equal steps: epoch e, from 0, has its \
                       part (e + 1) / (warm_up_epochs + 1). Less than epochs.";
    setting("schedule.warm_up_epochs", kind, Some(Value::from(0.0)), description)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::recipe;

    /// Returns the factors of a training of so many epochs.
    pub(super) fn factors(epochs: u32, settings: &[(&str, Value)]) -> Vec<f64> {
        let mut all = vec![("epochs", Value::from(f64::from(epochs)))];
        all.extend_from_slice(settings);
        let schedule = recipe(&all).schedule;
        (0..epochs).map(|epoch| schedule.factor(epoch)).collect()
    }

    #[test]
    fn without_a_table_the_learning_rate_stays() {
        assert_eq!(factors(3, &[]), [1.0; 3]);
        assert_eq!(factors(3, &[("schedule.kind", "constant".into())]), [1.0; 3]);
    }

    #[test]
    fn every_schedule_warms_up_in_equal_steps_and_then_is_what_it_is_without() {
        for family in ALL {
            let with = |warm_up: f64| {
                let mut settings =
                    vec![("schedule.kind", family.name.into()), ("schedule.warm_up_epochs", warm_up.into())];
                if (family.settings)().iter().any(|setting| setting.name == "schedule.every_epochs") {
                    settings.push(("schedule.every_epochs", 2.0.into()));
                }
                factors(6 + warm_up as u32, &settings)
            };
            let (plain, warmed) = (with(0.0), with(3.0));
            assert_eq!(warmed[..3], [0.25, 0.5, 0.75], "{}", family.name);
            assert_eq!(warmed[3..], plain, "{}", family.name);
            assert_eq!(plain[0], 1.0, "{}", family.name);
            assert!(plain.iter().all(|factor| (0.0..=1.0).contains(factor)), "{}", family.name);
        }
    }
}
