//! What a study shows: `[[study.table]]` and `[[study.figure]]`.

use super::assign::PathKind;
use super::axis::{AxisDraft, as_written};
use super::document::{Entry, Problems, Table, list_of, shortened};
use super::suggest::did_you_mean;
use crate::choice::Value;
use crate::figure::{Asked, Fault, FigureSpec};
use crate::metric::{self, Metric};
use crate::search::settings::Settings;
use crate::search::space::{levels, varied};
use crate::table::{Column, Heading, TableSpec};
use std::ops::Range;

/// What stands in the cells of the table of a study that asks for none.
pub(super) const DEFAULT_CELLS: [Metric; 6] = [
    Metric::MinTrainingObjective,
    Metric::MinValidationLoss,
    Metric::TestError,
    Metric::TestAccuracy,
    Metric::SparsityMean,
    Metric::Epochs,
];

/// Returns the table of a study that asks for none.
pub(super) fn default_table(axes: &[Heading]) -> TableSpec {
    TableSpec {
        rows: axes.to_vec(),
        columns: Vec::new(),
        cells: DEFAULT_CELLS.into_iter().map(Column::Metric).collect(),
        baseline: Vec::new(),
        effects: false,
    }
}

/// Why a name stands for nothing, and what may have been meant.
pub(super) struct Unknown {
    pub(super) message: String,
    pub(super) help: String,
}

/// Finds an axis of a study by its name.
pub(super) fn find_axis<'a>(name: &str, axes: &'a [Heading]) -> Result<&'a Heading, Unknown> {
    axes.iter().find(|axis| axis.name == name).ok_or_else(|| {
        let names: Vec<&str> = axes.iter().map(|axis| axis.name.as_str()).collect();
        let within = axes.iter().find(|axis| axis.settings.iter().any(|setting| setting == name));
        let help = match within {
            Some(axis) => format!("it is varied by the axis `{}`: name that", axis.name),
            None if names.is_empty() => "this study has no axes: it is one cell".to_owned(),
            None => did_you_mean(name, names.iter().copied())
                .unwrap_or_else(|| format!("the axes of this study: {}", list_of(&names))),
        };
        Unknown { message: format!("`{}` is not an axis of this study", shortened(name)), help }
    })
}

/// Finds what may stand in cells by its name.
pub(super) fn find_column(name: &str) -> Result<Column, Unknown> {
    if name == "sparsity" {
        return Ok(Column::Sparsity);
    }
    Metric::from_name(name).map(Column::Metric).ok_or_else(|| {
        let names: Vec<&str> =
            metric::ALL.into_iter().map(Metric::name).chain(std::iter::once("sparsity")).collect();
        let help = did_you_mean(name, names.iter().copied())
            .unwrap_or_else(|| format!("there are {}", list_of(&names)));
        Unknown { message: format!("unknown metric `{}`", shortened(name)), help }
    })
}

/// Says that a baseline names a setting that is the same in every cell.
pub(super) fn not_varied(name: &str, varied: &[&str]) -> Unknown {
    let help = match varied {
        [] => "this study has no axes: it is one cell".to_owned(),
        _ => did_you_mean(name, varied.iter().copied())
            .unwrap_or_else(|| format!("a baseline names what the axes vary: {}", list_of(varied))),
    };
    Unknown { message: format!("`{}` is not varied by this study", shortened(name)), help }
}

/// Says that a baseline names a value that no cell has.
pub(super) fn no_such_level(name: &str, value: &str, levels: &[String]) -> Unknown {
    // Another number is not a slip.
    let words = levels.iter().map(String::as_str).filter(|level| level.contains(char::is_alphabetic));
    let help = did_you_mean(value, words).unwrap_or_else(|| format!("it takes {}", list_of(levels)));
    Unknown { message: format!("`{name}` is never {} in this study", shortened(value)), help }
}

impl Problems {
    /// Reads a `[[study.table]]`.
    pub(super) fn table_spec(
        &mut self,
        settings: &Settings,
        table: &Table<'_>,
        drafts: &[AxisDraft],
    ) -> Option<TableSpec> {
        let what = "[[study.table]]";
        self.known_keys(table, what, &["rows", "columns", "cells", "baseline", "effects"]);
        let axes: Vec<Heading> = drafts.iter().map(|draft| draft.heading.clone()).collect();
        let axes = axes.as_slice();
        let effects = table.get("effects").map_or(Some(false), |entry| self.flag(entry.item, "effects"));
        let baseline = self.baseline(settings, table, drafts);
        let rows = self.headings(table, "rows", axes);
        let columns = self.headings(table, "columns", axes);
        let cells = self.cells(table);
        let (rows, columns) = (rows?, columns?);
        let mut seen: Vec<&str> = Vec::new();
        for (heading, span) in rows.iter().chain(&columns) {
            if seen.contains(&heading.name.as_str()) {
                let help = "name each axis once, in rows or in columns".to_owned();
                self.add(span.clone(), format!("the table has the axis `{}` twice", heading.name), help);
            }
            seen.push(&heading.name);
        }
        let missing: Vec<&str> =
            axes.iter().map(|axis| axis.name.as_str()).filter(|name| !seen.contains(name)).collect();
        if !missing.is_empty() {
            let plural = if missing.len() == 1 { "axis" } else { "axes" };
            let span = table.get("rows").map_or(table.span.clone(), |entry| entry.key_span);
            let help = "rows and columns together name every axis of the study".to_owned();
            self.add(span, format!("the table leaves out the {plural} {}", list_of(&missing)), help);
            return None;
        }
        let headings =
            |named: Vec<(Heading, Range<usize>)>| named.into_iter().map(|(heading, _)| heading).collect();
        Some(TableSpec {
            rows: headings(rows),
            columns: headings(columns),
            cells: cells?,
            baseline: baseline?,
            effects: effects?,
        })
    }

    /// Reads what cells are compared with: single values of settings that the axes vary.
    fn baseline(
        &mut self,
        settings: &Settings,
        table: &Table<'_>,
        drafts: &[AxisDraft],
    ) -> Option<Vec<(String, Value)>> {
        let Some(entry) = table.get("baseline") else { return Some(Vec::new()) };
        let named = self.table(entry.item, "baseline")?;
        if named.is_empty() {
            let help = "write baseline = { setting = value }".to_owned();
            self.add(entry.item.span(), "the baseline names nothing", help);
        }
        let read: Vec<_> =
            named.entries().map(|entry| self.baseline_value(settings, &entry, drafts)).collect();
        read.into_iter().collect()
    }

    fn baseline_value(
        &mut self,
        settings: &Settings,
        entry: &Entry<'_>,
        drafts: &[AxisDraft],
    ) -> Option<(String, Value)> {
        let axis = drafts.iter().find(|draft| draft.heading.name == entry.key);
        if let Some(of_several) = axis.filter(|_| settings.covered_by(entry.key).is_empty()) {
            let help = format!("name one that it sets: {}", list_of(&of_several.heading.settings));
            let message = format!("`{}` is an axis of several settings", shortened(entry.key));
            self.add(entry.key_span.clone(), message, help);
            return None;
        }
        let path = self.path(settings, entry.key, entry.key_span.clone())?;
        let PathKind::Setting(leaf, kind) = path.kind else {
            let help =
                format!("name a setting of it in quotes, such as \"{}\"", settings.rule(path.leaves[0]).name);
            self.add(
                entry.key_span.clone(),
                format!("`{}` is a table: it cannot be compared", entry.key),
                help,
            );
            return None;
        };
        let value = self.setting_value(&path.name, kind, entry.item)?;
        let levels = levels(drafts.iter().map(|draft| &draft.axis), leaf);
        if levels.contains(&&value) {
            return Some((path.name, value));
        }
        let unknown = if levels.is_empty() {
            let varied = varied(drafts.iter().map(|draft| &draft.axis));
            let varied: Vec<&str> = varied.iter().map(|leaf| settings.rule(*leaf).name.as_str()).collect();
            not_varied(entry.key, &varied)
        } else {
            let levels: Vec<String> = levels.iter().map(|level| level.to_string()).collect();
            no_such_level(entry.key, &value.to_string(), &levels)
        };
        self.add(entry.item.span(), unknown.message, unknown.help);
        None
    }

    fn headings(
        &mut self,
        table: &Table<'_>,
        key: &str,
        axes: &[Heading],
    ) -> Option<Vec<(Heading, Range<usize>)>> {
        let Some(entry) = table.get(key) else {
            return Some(Vec::new());
        };
        let names = self.texts(entry.item, key)?;
        let read: Vec<Option<(Heading, Range<usize>)>> =
            names.into_iter().map(|(name, span)| Some((self.heading(name, &span, axes)?, span))).collect();
        read.into_iter().collect()
    }

    fn heading(&mut self, name: &str, span: &Range<usize>, axes: &[Heading]) -> Option<Heading> {
        match find_axis(name, axes) {
            Ok(axis) => Some(axis.clone()),
            Err(Unknown { message, help }) => {
                self.add(span.clone(), message, help);
                None
            }
        }
    }

    fn cells(&mut self, table: &Table<'_>) -> Option<Vec<Column>> {
        let help = "name what stands in the cells, such as cells = [\"test_accuracy\"]";
        let entry = self.required(table, "[[study.table]]", "cells", help)?;
        let names = self.texts(entry.item, "cells")?;
        if names.is_empty() {
            self.add(entry.item.span(), "the table has nothing in its cells", help.to_owned());
            return None;
        }
        let read: Vec<Option<Column>> =
            names.into_iter().map(|(name, span)| self.column(name, span)).collect();
        read.into_iter().collect()
    }

    fn column(&mut self, name: &str, span: Range<usize>) -> Option<Column> {
        match find_column(name) {
            Ok(column) => Some(column),
            Err(Unknown { message, help }) => {
                self.add(span, message, help);
                None
            }
        }
    }

    /// Reads a `[[study.figure]]`.
    pub(super) fn figure_spec(&mut self, table: &Table<'_>, axes: &[Heading]) -> Option<FigureSpec> {
        let before = self.0.len();
        let mut asked = Asked { title: self.optional_text(table, "title"), ..Asked::default() };
        for entry in table.entries() {
            match entry.key {
                "kind" => asked.kind = self.text(entry.item, "kind")?.to_owned(),
                "title" => {}
                "where" => asked.only = self.only(&entry)?,
                key => asked.keys.push((key.to_owned(), self.one_or_more(&entry)?)),
            }
        }
        match asked.check(axes) {
            Ok(spec) if self.0.len() == before => return Some(spec),
            Ok(_) => {}
            Err(faults) => {
                for fault in faults {
                    self.add(place_of(table, &fault), fault.message, fault.help);
                }
            }
        }
        None
    }

    fn only(&mut self, entry: &Entry<'_>) -> Option<Vec<(String, Vec<Value>)>> {
        let mut only = Vec::new();
        for condition in self.table(entry.item, "where")?.entries() {
            if condition.item.get_ref().as_array().is_none() {
                let help =
                    format!("values stand in lists: {} = [{}]", condition.key, as_written(condition.item));
                self.add(
                    condition.item.span(),
                    format!("the values of `{}` must be a list", condition.key),
                    help,
                );
                return None;
            }
            only.push((condition.key.to_owned(), self.one_or_more(&condition)?));
        }
        Some(only)
    }

    fn one_or_more(&mut self, entry: &Entry<'_>) -> Option<Vec<Value>> {
        let Some(items) = entry.item.get_ref().as_array() else {
            return Some(vec![self.value(entry.item, entry.key)?]);
        };
        items.iter().map(|item| self.value(item, entry.key)).collect()
    }
}

/// Returns where a fault stands in the file: at its value, else at its key, else at the table that lacks it.
fn place_of(table: &Table<'_>, fault: &Fault) -> Range<usize> {
    let (key, setting) = match fault.key.split_once('.') {
        Some(("where", setting)) => ("where", Some(setting)),
        _ => (fault.key.as_str(), None),
    };
    let Some(entry) = table.get(key) else { return table.span.clone() };
    if let (Some(setting), Some(conditions)) = (setting, entry.item.get_ref().as_table()) {
        let found = conditions.iter().find(|(name, _)| name.get_ref().as_ref() == setting);
        return found.map_or(entry.key_span, |(name, _)| name.span());
    }
    match (fault.value, entry.item.get_ref().as_array()) {
        (Some(place), Some(items)) => items.get(place).map_or(entry.item.span(), |item| item.span()),
        (Some(_), None) => entry.item.span(),
        (None, _) => entry.key_span,
    }
}
