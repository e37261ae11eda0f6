//! What a study shows: `[[study.table]]` and `[[study.figure]]`.

use super::document::{Entry, Problems, Table, any_of, list_of, shortened};
use super::suggest::did_you_mean;
use super::{FIGURE_KINDS, FigureSpec};
use crate::metric::{self, Metric};
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
    }
}

impl Problems {
    /// Reads a `[[study.table]]`.
    pub(super) fn table_spec(&mut self, table: &Table<'_>, axes: &[Heading]) -> Option<TableSpec> {
        let what = "[[study.table]]";
        self.known_keys(table, what, &["rows", "columns", "cells"]);
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
        Some(TableSpec { rows: headings(rows), columns: headings(columns), cells: cells? })
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
        let found = axes.iter().find(|axis| axis.name == name);
        if found.is_none() {
            let names: Vec<&str> = axes.iter().map(|axis| axis.name.as_str()).collect();
            let within = axes.iter().find(|axis| axis.settings.iter().any(|setting| setting == name));
            let help = match within {
                Some(axis) => format!("it is varied by the axis `{}`: name that", axis.name),
                None => did_you_mean(name, names.iter().copied())
                    .unwrap_or_else(|| format!("the axes of this study: {}", list_of(&names))),
            };
            self.add(span.clone(), format!("`{}` is not an axis of this study", shortened(name)), help);
        }
        found.cloned()
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
        if name == "sparsity" {
            return Some(Column::Sparsity);
        }
        let found = Metric::from_name(name).map(Column::Metric);
        if found.is_none() {
            let names: Vec<&str> =
                metric::ALL.into_iter().map(Metric::name).chain(std::iter::once("sparsity")).collect();
            let help = did_you_mean(name, names.iter().copied())
                .unwrap_or_else(|| format!("there are {}", list_of(&names)));
            self.add(span, format!("unknown metric `{}`", shortened(name)), help);
        }
        found
    }

    /// Reads a `[[study.figure]]`.
    pub(super) fn figure_spec(&mut self, table: &Table<'_>) -> Option<FigureSpec> {
        let what = "[[study.figure]]";
        self.known_keys(table, what, &["kind", "x", "y", "title"]);
        let (x, title) = (self.optional_text(table, "x"), self.optional_text(table, "title"));
        let y = table.get("y").map_or(Some(Vec::new()), |entry| self.one_or_more(&entry));
        let kind = self.required(table, what, "kind", &format!("write {}", any_of(&FIGURE_KINDS)))?;
        let name = self.text(kind.item, "kind")?;
        if !FIGURE_KINDS.contains(&name) {
            let help = did_you_mean(name, FIGURE_KINDS)
                .unwrap_or_else(|| format!("there are {}", list_of(&FIGURE_KINDS)));
            self.add(kind.item.span(), format!("unknown kind of figure `{}`", shortened(name)), help);
            return None;
        }
        Some(FigureSpec { kind: name.to_owned(), x, y: y?, title })
    }

    fn one_or_more(&mut self, entry: &Entry<'_>) -> Option<Vec<String>> {
        if let Some(text) = entry.item.get_ref().as_str() {
            return Some(vec![text.to_owned()]);
        }
        let texts = self.texts(entry.item, entry.key)?;
        Some(texts.into_iter().map(|(text, _)| text.to_owned()).collect())
    }
}
