//! Comma-separated values: a line of names, then a line a row (RFC 4180; lines end in a line feed alone).
//!
//! A number is the shortest text that reads back as the same one; nothing is an empty field.

use super::{Datum, Field};
use crate::choice::Number;

/// Returns the line of names.
pub fn header(fields: &[Field]) -> String {
    line(fields.iter().map(|field| field.name.clone()))
}

/// Returns the line of a row.
pub fn row(row: &[Datum]) -> String {
    line(row.iter().map(text))
}

fn text(datum: &Datum) -> String {
    match datum {
        Datum::Null => String::new(),
        Datum::Text(text) => text.clone(),
        Datum::Integer(number) => number.to_string(),
        Datum::Number(number) => Number::new(*number).map(|number| number.to_string()).unwrap_or_default(),
        Datum::Bool(value) => value.to_string(),
    }
}

/// Puts fields in a line.
pub(crate) fn line(fields: impl Iterator<Item = String>) -> String {
    let fields: Vec<String> = fields.map(|field| quote(&field)).collect();
    fields.join(",") + "\n"
}

/// Quotes a field that needs it (RFC 4180, section 2, rules 5 to 7).
fn quote(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_where_they_must_be() {
        let cases = [("a", "a"), ("a,b", "\"a,b\""), ("a\"b", "\"a\"\"b\""), ("a\nb", "\"a\nb\""), ("", "")];
        for (field, quoted) in cases {
            assert_eq!(quote(field), quoted);
        }
    }

    #[test]
    fn every_kind_has_its_text_and_nothing_has_none() {
        let number = 0.1 + 0.2;
        let data = [Datum::Number(number), Datum::Integer(-3), Datum::Bool(true), Datum::Null];
        assert_eq!(row(&data), "0.30000000000000004,-3,true,\n");
        assert_eq!("0.30000000000000004".parse::<f64>().unwrap().to_bits(), number.to_bits());
    }
}
