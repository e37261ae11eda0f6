//! Reading TOML strictly: what a table may contain, what type a value must have, and where each stands.

use super::problem::Problem;
use super::suggest::did_you_mean;
use crate::choice::{Number, Value};
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value and where it stands.
pub(super) type Item<'a> = &'a Spanned<DeValue<'a>>;

/// A table and where it stands.
#[derive(Clone)]
pub(super) struct Table<'a> {
    entries: &'a DeTable<'a>,
    pub(super) span: Range<usize>,
}

/// One entry of a table.
#[derive(Clone)]
pub(super) struct Entry<'a> {
    pub(super) key: &'a str,
    pub(super) key_span: Range<usize>,
    pub(super) item: Item<'a>,
}

/// What is wrong, collected while reading goes on.
#[derive(Default)]
pub(super) struct Problems(pub(super) Vec<Problem>);

impl Problems {
    /// Adds a problem with a remedy, if there is one to name.
    pub(super) fn add(
        &mut self,
        span: Range<usize>,
        message: impl Into<String>,
        help: impl Into<Option<String>>,
    ) {
        self.0.push(Problem { span, message: message.into(), help: help.into() });
    }

    /// Adds the problem that a value is of another type than wanted.
    pub(super) fn expected(&mut self, item: Item<'_>, what: &str, wanted: &str) {
        let found = describe(item.get_ref());
        self.add(item.span(), format!("`{what}` must be {wanted}, not {found}"), None);
    }

    /// Reads a table.
    pub(super) fn table<'a>(&mut self, item: Item<'a>, what: &str) -> Option<Table<'a>> {
        match item.get_ref() {
            DeValue::Table(entries) => Some(Table { entries, span: item.span() }),
            _ => {
                self.expected(item, what, "a table");
                None
            }
        }
    }

    /// Reads a list.
    pub(super) fn list<'a>(&mut self, item: Item<'a>, what: &str) -> Option<&'a [Spanned<DeValue<'a>>]> {
        match item.get_ref() {
            DeValue::Array(items) => Some(items),
            _ => {
                self.expected(item, what, "a list");
                None
            }
        }
    }

    /// Reads a text.
    pub(super) fn text<'a>(&mut self, item: Item<'a>, what: &str) -> Option<&'a str> {
        let text = item.get_ref().as_str();
        if text.is_none() {
            self.expected(item, what, "a text in quotes");
        }
        text
    }

    /// Reads true or false.
    pub(super) fn flag(&mut self, item: Item<'_>, what: &str) -> Option<bool> {
        let flag = item.get_ref().as_bool();
        if flag.is_none() {
            self.expected(item, what, "true or false");
        }
        flag
    }

    /// Reads a list of texts, each with its place.
    pub(super) fn texts<'a>(&mut self, item: Item<'a>, what: &str) -> Option<Vec<(&'a str, Range<usize>)>> {
        let items = self.list(item, what)?;
        let texts: Vec<_> = items.iter().map(|item| Some((self.text(item, what)?, item.span()))).collect();
        texts.into_iter().collect()
    }

    /// Reads an optional text.
    pub(super) fn optional_text(&mut self, table: &Table<'_>, key: &str) -> Option<String> {
        let item = table.get(key)?.item;
        self.text(item, key).map(str::to_owned)
    }

    /// Reads a list of tables (`[[what]]`); absent is empty.
    pub(super) fn tables<'a>(&mut self, parent: &Table<'a>, key: &str, what: &str) -> Vec<Table<'a>> {
        let Some(entry) = parent.get(key) else {
            return Vec::new();
        };
        if entry.item.get_ref().is_table() {
            let help = format!("write [[{what}]]: there may be several");
            self.add(entry.key_span, format!("`{what}` must be a list of tables, not a table"), help);
            return Vec::new();
        }
        let items = self.list(entry.item, what).unwrap_or_default();
        items.iter().filter_map(|item| self.table(item, what)).collect()
    }

    /// Reads a whole number in a range.
    pub(super) fn whole(&mut self, item: Item<'_>, what: &str, range: Range<i64>) -> Option<i64> {
        let whole = item.get_ref().as_integer().map(|integer| {
            i64::from_str_radix(integer.as_str(), integer.radix()).ok().filter(|whole| range.contains(whole))
        });
        let wanted = format!("a whole number from {} to {}", range.start, range.end - 1);
        match whole {
            Some(Some(whole)) => return Some(whole),
            Some(None) => self.add(item.span(), format!("`{what}` must be {wanted}"), None),
            None => self.expected(item, what, &wanted),
        }
        None
    }

    /// Reads a setting's value: true or false, a finite number, a text, or a list of these.
    pub(super) fn value(&mut self, item: Item<'_>, what: &str) -> Option<Value> {
        match item.get_ref() {
            DeValue::Boolean(value) => Some(Value::Bool(*value)),
            DeValue::String(text) => Some(Value::Text(text.to_string())),
            DeValue::Integer(_) | DeValue::Float(_) => match number(item.get_ref()) {
                Ok(number) => Some(Value::Number(number)),
                Err(message) => {
                    self.add(item.span(), format!("`{what}`: {message}"), None);
                    None
                }
            },
            // The parser limits how deep lists nest.
            DeValue::Array(items) => {
                let values: Vec<Option<Value>> = items.iter().map(|item| self.value(item, what)).collect();
                values.into_iter().collect::<Option<_>>().map(Value::List)
            }
            DeValue::Datetime(_) | DeValue::Table(_) => {
                self.expected(item, what, "true or false, a number, a text, or a list of these");
                None
            }
        }
    }

    /// Reports every key that is not one of `known`.
    pub(super) fn known_keys(&mut self, table: &Table<'_>, what: &str, known: &[&str]) {
        for entry in table.entries() {
            if !known.contains(&entry.key) {
                let help = did_you_mean(entry.key, known.iter().copied())
                    .unwrap_or_else(|| format!("{what} has {}", list_of(known)));
                self.add(entry.key_span, format!("unknown key `{}` in {what}", shortened(entry.key)), help);
            }
        }
    }

    /// Returns an entry that must be there.
    pub(super) fn required<'a>(
        &mut self,
        table: &Table<'a>,
        what: &str,
        key: &str,
        help: &str,
    ) -> Option<Entry<'a>> {
        let entry = table.get(key);
        if entry.is_none() {
            self.add(table.span.clone(), format!("{what} has no `{key}`"), help.to_owned());
        }
        entry
    }
}

impl<'a> Table<'a> {
    /// Stands for a whole document.
    pub(super) fn root(entries: &'a DeTable<'a>) -> Table<'a> {
        Table { entries, span: 0..0 }
    }

    /// Stands for a table within another.
    pub(super) fn inner(entries: &'a DeTable<'a>, span: Range<usize>) -> Table<'a> {
        Table { entries, span }
    }

    /// Returns the entry with this key.
    pub(super) fn get(&self, key: &str) -> Option<Entry<'a>> {
        self.entries().find(|entry| entry.key == key)
    }

    /// Iterates over the entries in the file's order.
    pub(super) fn entries(&self) -> impl Iterator<Item = Entry<'a>> + use<'a> {
        self.entries.iter().map(|(key, item)| Entry { key: key.get_ref(), key_span: key.span(), item })
    }

    /// Returns whether there is no entry.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// Reads a finite number that an `f64` holds; whole numbers must be held exactly.
pub(super) fn number(value: &DeValue<'_>) -> Result<Number, String> {
    match value {
        DeValue::Integer(integer) => {
            let whole = i64::from_str_radix(integer.as_str(), integer.radix()).ok();
            let exact = whole.filter(|whole| whole.unsigned_abs() <= 1 << 53);
            let number = exact.and_then(|whole| Number::new(whole as f64));
            number.ok_or_else(|| "whole numbers are held exactly up to 2^53; this one is larger".to_owned())
        }
        DeValue::Float(float) => {
            let number = float.as_str().parse().ok().and_then(Number::new);
            number.ok_or_else(|| "a finite number is wanted; nan and inf are none".to_owned())
        }
        other => Err(format!("a number is wanted, not {}", describe(other))),
    }
}

/// Names the type of a value, with its article.
pub(super) fn describe(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(true) => "`true`",
        DeValue::Boolean(false) => "`false`",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// Writes names as ``a`, `b` and `c``.
pub(crate) fn list_of<T: std::fmt::Display>(names: &[T]) -> String {
    joined(names, "and")
}

/// Writes names as ``a`, `b` or `c``.
pub(crate) fn any_of<T: std::fmt::Display>(names: &[T]) -> String {
    joined(names, "or")
}

fn joined<T: std::fmt::Display>(names: &[T], word: &str) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        None => "nothing".to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} {word} {last}", rest.join(", ")),
    }
}

/// Returns a name as messages show it: not longer than a line.
pub(crate) fn shortened(name: &str) -> String {
    const MOST: usize = 60;
    if name.chars().count() <= MOST {
        return name.to_owned();
    }
    name.chars().take(MOST).chain(['…']).collect()
}
