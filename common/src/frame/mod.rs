//! Rows of typed columns, and the files that hold them: what `export` writes besides JSON.

pub mod csv;
pub mod parquet;

use crate::choice::Value;

/// One column.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// What its cells hold, where they hold something.
    pub kind: Kind,
}

/// What the cells of a column hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// UTF-8 text.
    Text,
    /// A whole number of 64 bits.
    Integer,
    /// A finite number.
    Number,
    /// `true` or `false`.
    Bool,
}

/// What stands in one row of one column.
#[derive(Clone, PartialEq, Debug)]
pub enum Datum {
    /// Nothing.
    Null,
    /// Of [`Kind::Text`].
    Text(String),
    /// Of [`Kind::Integer`].
    Integer(i64),
    /// Of [`Kind::Number`].
    Number(f64),
    /// Of [`Kind::Bool`].
    Bool(bool),
}

impl Field {
    /// Names a column.
    pub fn new(name: impl Into<String>, kind: Kind) -> Field {
        Field { name: name.into(), kind }
    }
}

impl Datum {
    /// Returns a text, or nothing.
    pub fn text(text: Option<impl Into<String>>) -> Datum {
        text.map_or(Datum::Null, |text| Datum::Text(text.into()))
    }

    /// Returns a whole number, or nothing.
    pub fn integer(number: Option<impl Into<i64>>) -> Datum {
        number.map_or(Datum::Null, |number| Datum::Integer(number.into()))
    }

    /// Returns a number, or nothing where there is none or it is not finite.
    pub fn number(number: Option<f64>) -> Datum {
        number.filter(|number| number.is_finite()).map_or(Datum::Null, Datum::Number)
    }

    /// Returns the value of a setting for a column of this kind: lists as people read them, `128-64`. Nothing where it is of
    /// another kind.
    pub fn of(value: Option<&Value>, kind: Kind) -> Datum {
        match (value, kind) {
            (Some(Value::Bool(value)), Kind::Bool) => Datum::Bool(*value),
            (Some(Value::Number(number)), Kind::Integer) => Datum::integer(number.as_integer()),
            (Some(Value::Number(number)), Kind::Number) => Datum::Number(number.get()),
            (Some(value), Kind::Text) => Datum::Text(value.to_string()),
            _ => Datum::Null,
        }
    }
}
