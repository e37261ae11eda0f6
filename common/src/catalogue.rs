//! What settings there are: published by the engine, read by whoever checks a sweep file or expands its grid.
//!
//! The types are here so that the coordinator can expand a grid without knowing what a regularizer is: for it, a
//! setting is a name with a range, a default and a condition. A catalogue travels with every submitted sweep, so the
//! identity of its trials does not change when a newer version has other defaults.

use crate::choice::{Number, Value};
use serde::{Deserialize, Serialize};

/// Every setting of a trial.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Catalogue {
    /// The settings, in the order in which people read them.
    pub settings: Vec<Setting>,
    /// The tables that a file may leave out or switch off with `false`, by their dotted names
    /// (`early_stop`, `reduce_learning_rate`). The defaults inside one hold only where the table is present.
    pub optional_tables: Vec<String>,
    /// What is known of each named choice.
    pub families: Vec<Family>,
}

/// One setting: a leaf, whose dotted name is its place in a sweep file.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Setting {
    /// Such as `optimizer.learning_rate`.
    pub name: String,
    /// What values it takes.
    pub kind: Kind,
    /// What it is where the file says nothing; without a default it must be given wherever it applies.
    #[serde(with = "optional_json")]
    pub default: Option<Value>,
    /// Where it applies; `None` is everywhere. Where it does not apply, giving it is an error.
    pub applies: Option<Applies>,
    /// One sentence.
    pub description: String,
}

/// The condition under which a setting means something: another setting has one of these names as its value.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Applies {
    /// The other setting, itself one of kind [`Kind::Family`].
    pub setting: String,
    /// Its values under which this one applies.
    pub values: Vec<String>,
}

/// What values a setting takes.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// A whole number in `least ..= most`.
    Integer {
        /// The smallest allowed.
        least: i64,
        /// The largest allowed.
        most: i64,
    },
    /// A number in a range.
    Number {
        /// The lower bound, if there is one.
        from: Option<f64>,
        /// Whether the lower bound itself is allowed.
        from_included: bool,
        /// The upper bound, if there is one.
        to: Option<f64>,
        /// Whether the upper bound itself is allowed.
        to_included: bool,
    },
    /// One of these names.
    Family {
        /// The names, in the order in which people read them.
        names: Vec<String>,
    },
    /// A list of whole numbers, at most `length_most` of them, each in `1 ..= most`.
    Sizes {
        /// The longest list allowed.
        length_most: usize,
        /// The largest entry allowed.
        most: i64,
    },
}

/// One named choice of a setting, as `gridsweep catalog` explains it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Family {
    /// The setting, such as `activation`.
    pub setting: String,
    /// The name, such as `relu`.
    pub name: String,
    /// The formula, in plain text.
    pub formula: String,
    /// Where it comes from.
    pub source: String,
}

impl Catalogue {
    /// Returns the setting with this dotted name.
    pub fn setting(&self, name: &str) -> Option<&Setting> {
        self.settings.iter().find(|setting| setting.name == name)
    }

    /// Returns whether settings have `name` as their table, such as `optimizer` for `optimizer.kind`.
    pub fn is_table(&self, name: &str) -> bool {
        self.settings
            .iter()
            .any(|setting| setting.name.strip_prefix(name).is_some_and(|rest| rest.starts_with('.')))
    }
}

impl Kind {
    /// Returns whether `value` is one of this kind's values, or a phrase that says what would be, such as
    /// `a whole number from 1 to 65536`.
    pub fn check(&self, value: &Value) -> Result<(), String> {
        let fits = match (self, value) {
            (Kind::Bool, Value::Bool(_)) => true,
            (Kind::Integer { least, most }, Value::Number(number)) => {
                number.as_integer().is_some_and(|whole| (*least..=*most).contains(&whole))
            }
            (Kind::Number { from, from_included, to, to_included }, Value::Number(number)) => {
                let number = number.get();
                from.is_none_or(|from| number > from || (*from_included && number == from))
                    && to.is_none_or(|to| number < to || (*to_included && number == to))
            }
            (Kind::Family { names }, Value::Text(text)) => names.contains(text),
            (Kind::Sizes { length_most, most }, Value::List(values)) => {
                values.len() <= *length_most
                    && values.iter().all(|value| match value {
                        Value::Number(number) => {
                            number.as_integer().is_some_and(|whole| (1..=*most).contains(&whole))
                        }
                        _ => false,
                    })
            }
            _ => false,
        };
        if fits { Ok(()) } else { Err(self.describe()) }
    }

    /// Describes the allowed values, such as `a number with 0 < x <= 1`.
    pub fn describe(&self) -> String {
        match self {
            Kind::Bool => "true or false".to_owned(),
            Kind::Integer { least, most } => format!("a whole number from {least} to {most}"),
            Kind::Number { from, from_included, to, to_included } => {
                let above = if *from_included { "<=" } else { "<" };
                let below = if *to_included { "<=" } else { "<" };
                let shortest = |bound: &Option<f64>| bound.and_then(Number::new);
                match (shortest(from), shortest(to)) {
                    (Some(from), Some(to)) => format!("a number with {from} {above} x {below} {to}"),
                    (Some(from), None) => {
                        format!("a number {} {from}", if *from_included { "of at least" } else { "above" })
                    }
                    (None, Some(to)) => {
                        format!("a number {} {to}", if *to_included { "of at most" } else { "below" })
                    }
                    (None, None) => "a number".to_owned(),
                }
            }
            Kind::Family { names } => format!("one of {}", names.join(", ")),
            Kind::Sizes { length_most, most } => {
                format!("a list of at most {length_most} whole numbers from 1 to {most}")
            }
        }
    }
}

/// Writes a default as plain JSON (`128`, `"adam"`, absent).
mod optional_json {
    use crate::choice::Value;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &Option<Value>, serializer: S) -> Result<S::Ok, S::Error> {
        value.as_ref().map(Value::to_json).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
        let json = Option::<serde_json::Value>::deserialize(deserializer)?;
        json.map(|json| {
            Value::from_json(&json).ok_or_else(|| serde::de::Error::custom("not a setting's value"))
        })
        .transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_accept_their_values_and_describe_what_they_want() {
        let rate = Kind::Number { from: Some(0.0), from_included: false, to: Some(1.0), to_included: true };
        assert_eq!(rate.check(&Value::from(1.0)), Ok(()));
        assert_eq!(rate.check(&Value::from(0.0)), Err("a number with 0 < x <= 1".to_owned()));
        assert_eq!(rate.check(&Value::from("1")), Err("a number with 0 < x <= 1".to_owned()));
        let epochs = Kind::Integer { least: 1, most: 10 };
        assert_eq!(epochs.check(&Value::from(10.0)), Ok(()));
        assert!(epochs.check(&Value::from(1.5)).is_err());
        let hidden = Kind::Sizes { length_most: 2, most: 100 };
        assert_eq!(hidden.check(&Value::from(vec![100.0, 1.0])), Ok(()));
        assert_eq!(hidden.check(&Value::List(vec![])), Ok(()));
        assert!(hidden.check(&Value::from(vec![101.0])).is_err());
        assert!(hidden.check(&Value::from(vec![1.0, 1.0, 1.0])).is_err());
    }

    #[test]
    fn a_catalogue_survives_json() {
        let catalogue = Catalogue {
            settings: vec![Setting {
                name: "optimizer.kind".to_owned(),
                kind: Kind::Family { names: vec!["adam".to_owned()] },
                default: Some(Value::from("adam")),
                applies: None,
                description: "How the weights move.".to_owned(),
            }],
            optional_tables: vec!["early_stop".to_owned()],
            families: vec![],
        };
        let text = serde_json::to_string(&catalogue).unwrap();
        assert_eq!(serde_json::from_str::<Catalogue>(&text).unwrap(), catalogue);
        assert!(catalogue.is_table("optimizer"));
        assert!(!catalogue.is_table("optim"));
    }
}
