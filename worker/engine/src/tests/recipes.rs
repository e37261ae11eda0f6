//! What is a recipe and what is not.

use super::{Value, choices, names, regularizer_settings, try_recipe};
use crate::{Recipe, RecipeError};

fn least() -> Vec<(&'static str, Value)> {
    vec![("hidden", Value::from(vec![16.0])), ("epochs", Value::from(1.0))]
}

fn with(name: &'static str, value: Value) -> Result<Recipe, RecipeError> {
    let mut settings = least();
    settings.push((name, value));
    try_recipe(&settings)
}

#[test]
fn defaults_are_those_of_the_protocol() {
    let recipe = try_recipe(&least()).expect("sizes and epochs are enough");
    assert_eq!((recipe.batch_size, recipe.learning_rate, recipe.restore_best), (128, 0.001, false));
    assert_eq!((recipe.reduce_learning_rate, recipe.early_stop), (None, None));
    assert_eq!([0, 1, 99].map(|epoch| recipe.schedule.factor(epoch)), [1.0; 3]);
    assert_eq!(recipe.parameters(784, 10), 784 * 16 + 16 + 160 + 10);
}

#[test]
fn a_table_that_is_begun_has_the_defaults_of_the_protocol() {
    let recipe = with("reduce_learning_rate.patience", Value::from(3.0)).expect("a recipe");
    let reduce = recipe.reduce_learning_rate.expect("the table is there");
    assert_eq!((reduce.monitor.name(), reduce.factor, reduce.min_delta), ("validation_loss", 0.1, 1e-4));
    let stop = with("early_stop.patience", Value::from(4.0)).expect("a recipe").early_stop.expect("there");
    assert_eq!((stop.monitor.name(), stop.patience, stop.min_delta), ("training_objective", 4, 0.0));
}

#[test]
fn every_family_makes_a_recipe() {
    for regularizer in names("regularizer") {
        let settings = [least(), regularizer_settings(&regularizer)].concat();
        assert!(try_recipe(&settings).is_ok(), "{regularizer}");
    }
    for schedule in names("schedule.kind") {
        let mut settings = [least(), vec![("schedule.kind", Value::from(schedule.as_str()))]].concat();
        if schedule == "step" {
            settings.push(("schedule.every_epochs", Value::from(3.0)));
        }
        assert!(try_recipe(&settings).is_ok(), "{schedule}");
    }
    for setting in ["activation", "initializer", "optimizer.kind"] {
        for name in names(setting) {
            let settings = [least(), vec![(setting, Value::from(name.as_str()))]].concat();
            assert!(try_recipe(&settings).is_ok(), "{name}");
        }
    }
}

#[test]
fn what_is_unknown_is_named() {
    let error = with("colour", Value::from("red")).expect_err("no such setting");
    assert_eq!(error, RecipeError::UnknownSetting { setting: "colour".to_owned() });
    let error = with("activation", Value::from("cosine")).expect_err("no such activation");
    let known = names("activation").join(", ");
    assert!(known.starts_with("relu, sigmoid, tanh, "));
    assert_eq!(error.to_string(), format!("unknown activation \"cosine\"; known are {known}"));
}

#[test]
fn what_is_out_of_range_is_refused_with_the_range() {
    let cases = [
        ("epochs", Value::from(0.0), "epochs = 0 is not a whole number from 1 to 100000"),
        ("batch_size", Value::from(1.5), "batch_size = 1.5 is not a whole number from 1 to 65536"),
        ("optimizer.learning_rate", Value::from(0.0), "optimizer.learning_rate = 0 is not a number above 0"),
        ("optimizer.beta1", Value::from(1.0), "optimizer.beta1 = 1 is not a number with 0 <= x < 1"),
        (
            "hidden",
            Value::from(vec![0.0]),
            "hidden = 0 is not a list of at most 64 whole numbers from 1 to 65536",
        ),
    ];
    for (name, value, message) in cases {
        assert_eq!(with(name, value).expect_err(name).to_string(), message);
    }
    let error = with("activation", Value::from(1.0)).expect_err("a number is no name");
    let known = names("activation").join(", ");
    assert_eq!(error.to_string(), format!("activation = 1 is not one of {known}"));
}

#[test]
fn what_a_family_ignores_is_refused() {
    let error = with("coefficient", Value::from(0.1)).expect_err("there is no penalty");
    assert_eq!(error.to_string(), "coefficient has no effect with regularizer = none");
    let error = with("optimizer.momentum", Value::from(0.1)).expect_err("adam has its own");
    assert_eq!(error.to_string(), "optimizer.momentum has no effect with optimizer.kind = adam");
    let error = with("dropout_rate", Value::from(0.0)).expect_err("nothing is dropped");
    assert_eq!(error.to_string(), "dropout_rate has no effect with regularizer = none");
}

#[test]
fn what_is_missing_is_named() {
    let mut some = choices(&least());
    some.remove("hidden");
    let missing = |setting: &str| RecipeError::Missing { setting: setting.to_owned() };
    assert_eq!(Recipe::from_choices(&some).expect_err("no sizes"), missing("hidden"));
    let error = with("regularizer", Value::from("l1")).expect_err("a penalty needs its factor");
    assert_eq!(error, missing("coefficient"));
    let mut table = choices(&least());
    table.insert("early_stop.patience", Value::from(3.0));
    assert_eq!(Recipe::from_choices(&table).expect_err("half a table"), missing("early_stop.monitor"));
}

#[test]
fn what_a_schedule_ignores_or_lacks_is_refused() {
    let with = |more: &[(&'static str, Value)]| try_recipe(&[least(), more.to_vec()].concat());
    let cosine = ("schedule.kind", Value::from("cosine"));
    let error = with(&[cosine.clone(), ("schedule.every_epochs", Value::from(2.0))]).expect_err("no steps");
    assert_eq!(error.to_string(), "schedule.every_epochs has no effect with schedule.kind = cosine");
    let error = with(&[("schedule.kind", Value::from("step"))]).expect_err("steps of which length");
    assert_eq!(error.to_string(), "schedule.every_epochs is missing");
    let error = with(&[("schedule.warm_up_epochs", Value::from(0.0))]).expect_err("a table without a kind");
    assert_eq!(error.to_string(), "schedule.kind is missing");
    let error = with(&[cosine, ("schedule.warm_up_epochs", Value::from(1.0))]).expect_err("1 epoch in all");
    let expected = "schedule.warm_up_epochs = 1 is not a whole number below epochs = 1";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn dropout_without_a_rate_is_refused() {
    let error = with("regularizer", Value::from("dropout")).expect_err("the default drops nothing");
    let expected = "dropout_rate = 0 is not a number with 0 < x < 1, as regularizer = dropout needs";
    assert_eq!(error.to_string(), expected);
}
