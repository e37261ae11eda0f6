//! Axes: lists of alternatives, plain ones and zips.

use super::assign::{Given, Path};
use super::document::{Entry, Item, Problems, Table, describe, number};
use super::power::{BASE_MOST, power};
use crate::choice::Value;
use crate::search::settings::{Leaf, Settings};
use crate::search::space::{Axis, Covered};
use crate::table::Heading;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// The most alternatives of one axis: what a list in a file can sensibly hold.
pub(super) const ALTERNATIVES_MOST: usize = 100_000;

/// An axis as it was read.
pub(super) struct AxisDraft {
    pub(super) axis: Axis,
    /// Where its name stands.
    pub(super) span: Range<usize>,
    /// Where each alternative stands.
    pub(super) alternative_spans: Vec<Range<usize>>,
    /// The paths that it varies.
    pub(super) paths: Vec<(String, Range<usize>)>,
    pub(super) heading: Heading,
}

/// One alternative: where it stands and what it gives.
struct Alternative {
    span: Range<usize>,
    given: Vec<(Leaf, Value)>,
}

/// Reads an entry of `[study.axes]`.
pub(super) fn plain(settings: &Settings, entry: &Entry<'_>, problems: &mut Problems) -> Option<AxisDraft> {
    let path = problems.path(settings, entry.key, entry.key_span.clone())?;
    let alternatives = match problems.logspace(settings, &path, entry) {
        Some(alternatives) => alternatives?,
        None => {
            let items = alternatives_of(entry, problems)?;
            let read: Vec<Option<Alternative>> =
                items.iter().map(|item| alternative(settings, &[&path], &[item], item, problems)).collect();
            read.into_iter().collect::<Option<Vec<_>>>()?
        }
    };
    let paths = vec![(path.name.clone(), entry.key_span.clone())];
    draft(settings, entry.key, entry.key_span.clone(), (&[path], paths), alternatives, problems)
}

/// Returns the list of an axis' values.
fn alternatives_of<'a>(
    entry: &Entry<'a>,
    problems: &mut Problems,
) -> Option<&'a [toml::Spanned<toml::de::DeValue<'a>>]> {
    use toml::de::DeValue;
    let key = entry.key;
    let help = match entry.item.get_ref() {
        DeValue::Array(items) => return Some(items),
        DeValue::Table(parts) => match parts.keys().next() {
            Some(part) => {
                format!("to vary a part of `{key}`, quote its name: \"{key}.{}\" = […]", part.get_ref())
            }
            None => format!("list them: {key} = [{{ … }}, {{ … }}]"),
        },
        _ => format!("values stand in lists: {key} = [{}]", as_written(entry.item)),
    };
    let found = describe(entry.item.get_ref());
    problems.add(
        entry.item.span(),
        format!("the axis `{key}` must be a list of values or a logspace, not {found}"),
        help,
    );
    None
}

/// Writes a single value as in the file, as far as that is short.
pub(super) fn as_written(item: Item<'_>) -> String {
    use toml::de::DeValue;
    match item.get_ref() {
        DeValue::String(text) if text.len() < 40 => format!("\"{text}\""),
        DeValue::Integer(integer) => integer.to_string(),
        DeValue::Float(float) => float.to_string(),
        DeValue::Boolean(value) => value.to_string(),
        _ => "…".to_owned(),
    }
}

/// Reads one alternative: a value for each path.
fn alternative(
    settings: &Settings,
    paths: &[&Path<'_>],
    items: &[Item<'_>],
    whole: Item<'_>,
    problems: &mut Problems,
) -> Option<Alternative> {
    let mut given = Vec::new();
    let mut complete = true;
    for (path, item) in paths.iter().zip(items) {
        match problems.given(settings, path, item) {
            Some(read) => given.extend(read.into_iter().map(|Given { leaf, value, .. }| (leaf, value))),
            None => complete = false,
        }
    }
    complete.then_some(Alternative { span: whole.span(), given })
}

/// Reads a `[[study.zip]]`.
pub(super) fn zip(settings: &Settings, table: &Table<'_>, problems: &mut Problems) -> Option<AxisDraft> {
    problems.known_keys(table, "[[study.zip]]", &["name", "columns", "rows"]);
    let help = "a zip needs a name, columns and rows";
    let name = problems.required(table, "[[study.zip]]", "name", help);
    let columns = problems.required(table, "[[study.zip]]", "columns", help)?;
    let rows = problems.required(table, "[[study.zip]]", "rows", help)?;
    let name = name?;
    let name_text = problems.text(name.item, "name")?;
    let columns = problems.texts(columns.item, "columns")?;
    if columns.len() < 2 {
        let help = "an axis of one setting stands in [study.axes]".to_owned();
        problems.add(table.span.clone(), "a zip sets two settings at least", help);
        return None;
    }
    let paths: Vec<Option<Path<'_>>> =
        columns.iter().map(|(column, span)| problems.path(settings, column, span.clone())).collect();
    let paths: Vec<Path<'_>> = paths.into_iter().collect::<Option<_>>()?;
    let items = problems.list(rows.item, "rows")?;
    let borrowed: Vec<&Path<'_>> = paths.iter().collect();
    let read: Vec<Option<Alternative>> =
        items.iter().map(|item| zip_row(settings, &borrowed, item, problems)).collect();
    let alternatives: Vec<Alternative> = read.into_iter().collect::<Option<_>>()?;
    let named = columns.iter().map(|(column, span)| ((*column).to_owned(), span.clone())).collect();
    draft(settings, name_text, name.item.span(), (&paths, named), alternatives, problems)
}

fn zip_row(
    settings: &Settings,
    paths: &[&Path<'_>],
    item: Item<'_>,
    problems: &mut Problems,
) -> Option<Alternative> {
    let values = problems.list(item, "rows")?;
    if values.len() != paths.len() {
        let names: Vec<&str> = paths.iter().map(|path| path.name.as_str()).collect();
        let message = format!(
            "this row has {} {}, and there are {} columns",
            values.len(),
            if values.len() == 1 { "value" } else { "values" },
            paths.len()
        );
        problems.add(
            item.span(),
            message,
            format!("write a value for each of {}", super::document::list_of(&names)),
        );
        return None;
    }
    let items: Vec<Item<'_>> = values.iter().collect();
    alternative(settings, paths, &items, item, problems)
}

/// Puts an axis together and checks its alternatives by themselves.
fn draft(
    settings: &Settings,
    name: &str,
    span: Range<usize>,
    (paths, named): (&[Path<'_>], Vec<(String, Range<usize>)>),
    alternatives: Vec<Alternative>,
    problems: &mut Problems,
) -> Option<AxisDraft> {
    if alternatives.is_empty() || alternatives.len() > ALTERNATIVES_MOST {
        let (message, help) = if alternatives.is_empty() {
            (
                format!("the axis `{name}` has no values, so the study would have no cells"),
                "give it one, or leave it out",
            )
        } else {
            (format!("the axis `{name}` has more than {ALTERNATIVES_MOST} values"), "make the list shorter")
        };
        problems.add(span, message, help.to_owned());
        return None;
    }
    let leaves: Vec<Covered> = paths
        .iter()
        .flat_map(|path| path.leaves.iter().map(|&leaf| Covered { leaf, depth: path.depth() }))
        .collect();
    let mut rows = Vec::with_capacity(alternatives.len());
    let mut spans = Vec::with_capacity(alternatives.len());
    let mut seen = BTreeMap::new();
    let mut named_leaves = BTreeSet::new();
    for Alternative { span, given } in alternatives {
        named_leaves.extend(given.iter().map(|(leaf, _)| *leaf));
        let mut given: BTreeMap<Leaf, Value> = given.into_iter().collect();
        let row: Vec<Option<Value>> = leaves.iter().map(|covered| given.remove(&covered.leaf)).collect();
        if seen.insert(row.clone(), ()).is_some() {
            let help = "numbers are compared as numbers: 1 and 1.0 are one value".to_owned();
            problems.add(span.clone(), format!("the axis `{name}` has this value twice"), help);
        }
        rows.push(row);
        spans.push(span);
    }
    let heading = Heading { name: name.to_owned(), settings: headed(settings, &leaves, &named_leaves) };
    let axis = Axis { name: name.to_owned(), leaves, alternatives: rows, when: Vec::new() };
    Some(AxisDraft { axis, span, alternative_spans: spans, paths: named, heading })
}

/// Returns the names of the settings that an axis is about: those that it gives, or all that it could.
fn headed(settings: &Settings, leaves: &[Covered], given: &BTreeSet<Leaf>) -> Vec<String> {
    let all = || leaves.iter().map(|covered| covered.leaf).filter(|&leaf| leaf < settings.setting_count());
    let mut chosen: Vec<Leaf> = all().filter(|leaf| given.contains(leaf)).collect();
    if chosen.is_empty() {
        chosen = all().collect();
    }
    chosen.into_iter().map(|leaf| settings.rule(leaf).name.clone()).collect()
}

impl Problems {
    /// Reads `{ logspace = { base, from, to } }`; `None` where the entry is something else, `Some(None)` where it is a
    /// wrong logspace.
    fn logspace(
        &mut self,
        settings: &Settings,
        path: &Path<'_>,
        entry: &Entry<'_>,
    ) -> Option<Option<Vec<Alternative>>> {
        let table = entry.item.get_ref().as_table()?;
        if !table.keys().any(|key| key.get_ref() == "logspace") {
            return None;
        }
        Some(self.read_logspace(settings, path, entry))
    }

    fn read_logspace(
        &mut self,
        settings: &Settings,
        path: &Path<'_>,
        entry: &Entry<'_>,
    ) -> Option<Vec<Alternative>> {
        let whole = self.table(entry.item, entry.key)?;
        self.known_keys(&whole, "an axis", &["logspace"]);
        let logspace = whole.get("logspace")?;
        let table = self.table(logspace.item, "logspace")?;
        self.known_keys(&table, "logspace", &["base", "from", "to"]);
        let help = "write { logspace = { base = 10, from = 0, to = -4 } } for 1, 0.1, … 0.0001";
        let base = self.required(&table, "logspace", "base", help);
        let from = self.required(&table, "logspace", "from", help);
        let to = self.required(&table, "logspace", "to", help);
        let base = self.whole(base?.item, "base", 2..BASE_MOST as i64 + 1);
        let from = self.whole(from?.item, "from", -1_100..1_101);
        let to = self.whole(to?.item, "to", -1_100..1_101)?;
        let (base, from) = (base? as u64, from?);
        let exponents: Vec<i64> =
            if from <= to { (from..=to).collect() } else { (to..=from).rev().collect() };
        let mut alternatives = Vec::with_capacity(exponents.len());
        for exponent in exponents {
            let Some(value) = power(base, exponent) else {
                let message = format!("{base}^{exponent} is too large or too small for a number");
                self.add(logspace.item.span(), message, "use smaller exponents".to_owned());
                return None;
            };
            let value = Value::from(value);
            let leaf = self.logspace_leaf(settings, path, &value, entry)?;
            alternatives.push(Alternative { span: entry.item.span(), given: vec![(leaf, value)] });
        }
        Some(alternatives)
    }

    /// Checks one value of a logspace and returns the setting that it is for.
    fn logspace_leaf(
        &mut self,
        settings: &Settings,
        path: &Path<'_>,
        value: &Value,
        entry: &Entry<'_>,
    ) -> Option<Leaf> {
        let Some(leaf) = settings.setting(&path.name) else {
            self.add(
                entry.item.span(),
                format!("`{}` is a table, which no logspace can give", path.name),
                None,
            );
            return None;
        };
        if let Err(wanted) = settings.rule(leaf).kind.check(value) {
            let message = format!("`{}` must be {wanted}, and this logspace has {value}", path.name);
            self.add(entry.item.span(), message, None);
            return None;
        }
        Some(leaf)
    }
}

/// Reads a number for a part of the file that is not a setting.
pub(super) fn plain_number(item: Item<'_>, what: &str, problems: &mut Problems) -> Option<f64> {
    match number(item.get_ref()) {
        Ok(number) => Some(number.get()),
        Err(message) => {
            problems.add(item.span(), format!("`{what}`: {message}"), None);
            None
        }
    }
}
