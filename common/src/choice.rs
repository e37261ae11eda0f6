//! What a trial was asked to be: settings by their dotted names, and their values.

use serde_json::{Map, Value as Json};
use std::collections::BTreeMap;
use std::fmt;

/// A finite number. `1` and `1.0` are the same number, and there is one zero, so numbers can be compared, ordered and
/// hashed as values.
#[derive(Clone, Copy)]
pub struct Number(f64);

impl Number {
    /// Returns the number, or `None` where `value` is not finite. −0 becomes 0.
    pub fn new(value: f64) -> Option<Number> {
        value.is_finite().then_some(Number(value + 0.0))
    }

    /// Returns the number as an `f64`: finite and never −0.
    pub fn get(self) -> f64 {
        self.0
    }

    /// Returns the whole number that this is, if it is one that an `f64` holds exactly.
    pub fn as_integer(self) -> Option<i64> {
        let exact = self.0.fract() == 0.0 && self.0.abs() <= 9_007_199_254_740_992.0;
        exact.then_some(self.0 as i64)
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Number) -> bool {
        self.0 == other.0
    }
}
impl Eq for Number {}
impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Number) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Number {
    fn cmp(&self, other: &Number) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}
impl std::hash::Hash for Number {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}
impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
impl fmt::Display for Number {
    /// Writes the shortest text that reads back as the same number, whole numbers without a point.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_integer() {
            Some(whole) if whole.abs() < 1_000_000_000_000_000 => write!(f, "{whole}"),
            _ if (1e-5..1e16).contains(&self.0.abs()) => write!(f, "{}", self.0),
            _ => write!(f, "{:e}", self.0),
        }
    }
}

/// The value of one setting. Tables have no value of their own: their entries are settings with dotted names.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Value {
    /// `true` or `false`.
    Bool(bool),
    /// Any number, whole or not.
    Number(Number),
    /// A name, such as that of a family.
    Text(String),
    /// Such as the sizes of the hidden layers.
    List(Vec<Value>),
}

impl Value {
    /// Returns the text, if this is one.
    pub fn as_text(&self) -> Option<&str> {
        if let Value::Text(text) = self { Some(text) } else { None }
    }

    /// Returns the number, if this is one.
    pub fn as_number(&self) -> Option<f64> {
        if let Value::Number(number) = self { Some(number.get()) } else { None }
    }

    /// Returns the value as JSON.
    pub fn to_json(&self) -> Json {
        match self {
            Value::Bool(value) => Json::Bool(*value),
            Value::Number(number) => match number.as_integer() {
                Some(whole) => Json::from(whole),
                None => Json::from(number.get()),
            },
            Value::Text(text) => Json::String(text.clone()),
            Value::List(values) => Json::Array(values.iter().map(Value::to_json).collect()),
        }
    }

    /// Reads what [`Value::to_json`] wrote; `None` for null, tables and what is too large for a finite number.
    pub fn from_json(json: &Json) -> Option<Value> {
        match json {
            Json::Bool(value) => Some(Value::Bool(*value)),
            Json::Number(number) => Number::new(number.as_f64()?).map(Value::Number),
            Json::String(text) => Some(Value::Text(text.clone())),
            Json::Array(values) => {
                values.iter().map(Value::from_json).collect::<Option<_>>().map(Value::List)
            }
            Json::Null | Json::Object(_) => None,
        }
    }

    fn write_canonical(&self, out: &mut Vec<u8>) {
        match self {
            Value::Bool(value) => out.extend([b'b', u8::from(*value)]),
            Value::Number(number) => {
                out.push(b'n');
                out.extend(number.get().to_bits().to_le_bytes());
            }
            Value::Text(text) => write_canonical_text(text, out),
            Value::List(values) => {
                out.push(b'l');
                out.extend((values.len() as u64).to_le_bytes());
                values.iter().for_each(|value| value.write_canonical(out));
            }
        }
    }
}

fn write_canonical_text(text: &str, out: &mut Vec<u8>) {
    out.push(b't');
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

impl fmt::Display for Value {
    /// Writes the value as people read it in a table: text without quotes, lists as `128-64-10`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Bool(value) => value.fmt(f),
            Value::Number(number) => number.fmt(f),
            Value::Text(text) => f.write_str(text),
            Value::List(values) => values.iter().enumerate().try_for_each(|(index, value)| {
                if index > 0 {
                    f.write_str("-")?;
                }
                value.fmt(f)
            }),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.to_owned())
    }
}
impl From<bool> for Value {
    fn from(value: bool) -> Value {
        Value::Bool(value)
    }
}
impl From<f64> for Value {
    /// # Panics
    /// Panics when `value` is not finite: for constants and tests; what comes from outside goes through
    /// [`Number::new`].
    fn from(value: f64) -> Value {
        Value::Number(Number::new(value).expect("a constant setting is finite"))
    }
}
impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(values: Vec<T>) -> Value {
        Value::List(values.into_iter().map(Into::into).collect())
    }
}

/// The settings of one cell, each by its dotted name (`optimizer.learning_rate`), in alphabetical order.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Choices(BTreeMap<String, Value>);

impl Choices {
    /// Returns the value of the setting with this dotted name.
    pub fn get(&self, setting: &str) -> Option<&Value> {
        self.0.get(setting)
    }

    /// Sets one setting and returns what it was.
    pub fn insert(&mut self, setting: impl Into<String>, value: Value) -> Option<Value> {
        self.0.insert(setting.into(), value)
    }

    /// Removes one setting and returns what it was.
    pub fn remove(&mut self, setting: &str) -> Option<Value> {
        self.0.remove(setting)
    }

    /// Iterates over settings and values, in alphabetical order of the settings.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(setting, value)| (setting.as_str(), value))
    }

    /// Returns how many settings there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there is no setting at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the bytes that stand for these choices in every hash: typed, length-prefixed, in alphabetical order.
    pub fn canonical_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (setting, value) in &self.0 {
            write_canonical_text(setting, &mut out);
            value.write_canonical(&mut out);
        }
        out
    }

    /// Returns the choices as JSON, nested as in a sweep file.
    pub fn to_json(&self) -> Json {
        let mut root = Map::new();
        for (setting, value) in &self.0 {
            let mut parts: Vec<&str> = setting.split('.').collect();
            let leaf = parts.pop().unwrap_or_default();
            let mut table = &mut root;
            for part in parts {
                let entry = table.entry(part).or_insert_with(|| Json::Object(Map::new()));
                if !entry.is_object() {
                    *entry = Json::Object(Map::new());
                }
                table = entry.as_object_mut().expect("an object was put there");
            }
            table.insert(leaf.to_owned(), value.to_json());
        }
        Json::Object(root)
    }

    /// Reads what [`Choices::to_json`] wrote; `None` where it holds anything but tables and values.
    pub fn from_json(json: &Json) -> Option<Choices> {
        let mut choices = Choices::default();
        let mut pending: Vec<(String, &Map<String, Json>)> = vec![(String::new(), json.as_object()?)];
        while let Some((prefix, table)) = pending.pop() {
            for (key, value) in table {
                let setting = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                match value {
                    Json::Object(inner) => pending.push((setting, inner)),
                    value => {
                        choices.insert(setting, Value::from_json(value)?);
                    }
                }
            }
        }
        Some(choices)
    }
}

impl FromIterator<(String, Value)> for Choices {
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(settings: I) -> Choices {
        Choices(settings.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_compared_as_numbers() {
        assert_eq!(Value::from(1.0), Value::from_json(&Json::from(1)).unwrap());
        assert_eq!(Number::new(-0.0), Number::new(0.0));
        assert_eq!(Number::new(f64::NAN), None);
        assert_eq!(Number::new(f64::INFINITY), None);
    }

    #[test]
    fn numbers_are_written_shortest() {
        let cases =
            [(1.0, "1"), (0.0001, "0.0001"), (1e-7, "1e-7"), (0.1, "0.1"), (-2.5, "-2.5"), (1e300, "1e300")];
        for (value, text) in cases {
            assert_eq!(Number::new(value).unwrap().to_string(), text);
        }
    }

    #[test]
    fn choices_nest_in_json_and_come_back() {
        let choices: Choices = [
            ("hidden".to_owned(), Value::from(vec![128.0, 64.0])),
            ("optimizer.kind".to_owned(), Value::from("adam")),
            ("optimizer.learning_rate".to_owned(), Value::from(0.001)),
            ("restore_best".to_owned(), Value::from(false)),
        ]
        .into_iter()
        .collect();
        let json = choices.to_json();
        assert_eq!(
            json.to_string(),
            r#"{"hidden":[128,64],"optimizer":{"kind":"adam","learning_rate":0.001},"restore_best":false}"#
        );
        assert_eq!(Choices::from_json(&json), Some(choices));
    }

    #[test]
    fn canonical_bytes_tell_types_and_lengths_apart() {
        let of =
            |value: Value| -> Vec<u8> { Choices::from_iter([("a".to_owned(), value)]).canonical_bytes() };
        let values = [
            Value::from("1"),
            Value::from(1.0),
            Value::from(true),
            Value::from(vec![1.0]),
            Value::from(vec![1.0, 1.0]),
            Value::List(vec![]),
        ];
        for (i, a) in values.iter().enumerate() {
            for b in &values[..i] {
                assert_ne!(of(a.clone()), of(b.clone()));
            }
        }
    }
}
