//! One `[[study]]`: read, put together as a grid, and checked.

use super::Study;
use super::assign::Fixed;
use super::axis::{self, AxisDraft};
use super::document::{Problems, Table, list_of, shortened};
use super::explain::explain;
use super::presentation::default_table;
use super::suggest::did_you_mean;
use crate::search::StudyGrid;
use crate::search::grid::Exclusion;
use crate::search::settings::{Settings, is_under};
use crate::search::space::Space;
use crate::table::Heading;
use std::ops::Range;
use std::sync::Arc;

/// What a study's section gives besides its grid, with the places that messages point to.
pub(super) struct Draft {
    pub(super) span: Range<usize>,
    pub(super) axes: Vec<AxisDraft>,
    pub(super) fixed: Fixed,
    /// Where the condition of each axis stands.
    pub(super) when_spans: Vec<Range<usize>>,
    /// Where each exclusion stands.
    pub(super) exclusion_spans: Vec<Range<usize>>,
    exclusions: Vec<Exclusion>,
}

const KEYS: [&str; 10] =
    ["name", "title", "question", "set", "axes", "when", "zip", "exclude", "table", "figure"];

impl Problems {
    /// Reads a study. Its grid is `None` where `base` or what the study says about its cells has problems; names and
    /// tables do not keep it from being checked.
    pub(super) fn study(
        &mut self,
        settings: &Arc<Settings>,
        base: Option<&Fixed>,
        table: &Table<'_>,
    ) -> (Option<Study>, Option<StudyGrid>) {
        let before = self.0.len();
        self.known_keys(table, "[[study]]", &KEYS);
        let mut fixed = base.cloned().unwrap_or_else(|| Fixed::empty(settings));
        if let Some(set) = table.get("set").and_then(|entry| self.table(entry.item, "set")) {
            fixed.apply(settings, set.entries(), self);
        }
        let axes = self.axes(settings, table);
        let complete = self.0.len() == before;
        let headings: Vec<Heading> = axes.iter().map(|axis| axis.heading.clone()).collect();
        let mut draft = Draft {
            span: table.span.clone(),
            when_spans: vec![0..0; axes.len()],
            axes,
            fixed,
            exclusion_spans: Vec::new(),
            exclusions: Vec::new(),
        };
        if complete {
            self.whens(settings, table, &mut draft);
        }
        self.exclusions(settings, table, &headings, &mut draft);
        let sound = self.0.len() == before && base.is_some();
        let study = self.shown(settings, table, &draft.axes, complete);
        if !sound {
            return (study, None);
        }
        let grid = self.study_grid(settings, draft);
        (study, grid)
    }

    fn axes(&mut self, settings: &Settings, table: &Table<'_>) -> Vec<AxisDraft> {
        let mut axes = Vec::new();
        if let Some(plain) = table.get("axes").and_then(|entry| self.table(entry.item, "axes")) {
            axes.extend(plain.entries().filter_map(|entry| axis::plain(settings, &entry, self)));
        }
        for zip in self.tables(table, "zip", "study.zip") {
            axes.extend(axis::zip(settings, &zip, self));
        }
        self.check_names(&axes);
        self.check_paths(&axes);
        axes
    }

    fn check_names(&mut self, axes: &[AxisDraft]) {
        for (index, axis) in axes.iter().enumerate() {
            let name = &axis.axis.name;
            if axes[..index].iter().any(|earlier| earlier.axis.name == *name) {
                let help = "give the zip another name".to_owned();
                self.add(
                    axis.span.clone(),
                    format!("there is another axis named `{}`", shortened(name)),
                    help,
                );
            }
        }
    }

    /// Reports settings that two axes set.
    fn check_paths(&mut self, axes: &[AxisDraft]) {
        let mut seen: Vec<(&str, usize)> = Vec::new();
        for (index, axis) in axes.iter().enumerate() {
            for (path, span) in &axis.paths {
                let clash = seen.iter().find(|(other, axis)| {
                    other == path || *axis == index && (is_under(path, other) || is_under(other, path))
                });
                if let Some((_, other)) = clash {
                    let message = if *other == index {
                        format!("`{path}` is set twice by `{}`", axis.axis.name)
                    } else {
                        format!(
                            "`{path}` is set by two axes, `{}` and `{}`",
                            axes[*other].axis.name, axis.axis.name
                        )
                    };
                    self.add(
                        span.clone(),
                        message,
                        "one axis sets a setting: leave it out of the other".to_owned(),
                    );
                }
                seen.push((path, index));
            }
        }
    }

    /// Reads `[study.when]`.
    fn whens(&mut self, settings: &Settings, table: &Table<'_>, draft: &mut Draft) {
        let Some(when) = table.get("when").and_then(|entry| self.table(entry.item, "when")) else {
            return;
        };
        let names: Vec<String> = draft.axes.iter().map(|axis| axis.axis.name.clone()).collect();
        for entry in when.entries() {
            let Some(index) = names.iter().position(|name| name == entry.key) else {
                let help = did_you_mean(entry.key, names.iter().map(String::as_str))
                    .unwrap_or_else(|| format!("the axes of this study: {}", list_of(&names)));
                let message =
                    format!("`when` is for axes, and this study has no axis `{}`", shortened(entry.key));
                self.add(entry.key_span, message, help);
                continue;
            };
            let what = format!("the `when` of `{}`", entry.key);
            if let Some(conditions) = self.conditions(settings, entry.item, &what, &names) {
                draft.axes[index].axis.when = conditions;
                draft.when_spans[index] = entry.key_span.start..entry.item.span().end;
            }
        }
    }

    /// Reads every `[[study.exclude]]`.
    fn exclusions(&mut self, settings: &Settings, table: &Table<'_>, axes: &[Heading], draft: &mut Draft) {
        let what = "[[study.exclude]]";
        let names: Vec<String> = axes.iter().map(|axis| axis.name.clone()).collect();
        for exclusion in self.tables(table, "exclude", "study.exclude") {
            self.known_keys(&exclusion, what, &["where", "reason"]);
            let place =
                self.required(&exclusion, what, "where", "say which cells: where = { setting = [values] }");
            let reason = self.required(&exclusion, what, "reason", "`plan` tells what is left out, and why");
            let reason = reason.and_then(|entry| self.text(entry.item, "reason"));
            let Some(place) = place else { continue };
            let conditions = self.conditions(settings, place.item, "`where`", &names);
            if let (Some(conditions), Some(reason)) = (conditions, reason) {
                draft.exclusions.push(Exclusion { conditions, reason: reason.to_owned() });
                draft.exclusion_spans.push(place.item.span());
            }
        }
    }

    /// Reads what the study shows. Tables name axes, so they wait until all axes are read.
    fn shown(
        &mut self,
        settings: &Settings,
        table: &Table<'_>,
        drafts: &[AxisDraft],
        complete: bool,
    ) -> Option<Study> {
        let axes: Vec<Heading> = drafts.iter().map(|draft| draft.heading.clone()).collect();
        let help = "name it, such as name = \"regularization\"";
        let name =
            self.required(table, "[[study]]", "name", help).and_then(|entry| self.name(&entry, "name"));
        let (title, question) = (self.optional_text(table, "title"), self.optional_text(table, "question"));
        let (mut tables, mut figures) = (Vec::new(), Vec::new());
        if complete {
            let specs = self.tables(table, "figure", "study.figure");
            figures.extend(specs.iter().filter_map(|spec| self.figure_spec(spec, &axes)));
            let specs = self.tables(table, "table", "study.table");
            tables.extend(specs.iter().filter_map(|spec| self.table_spec(settings, spec, drafts)));
        }
        if tables.is_empty() {
            tables.push(default_table(&axes));
        }
        Some(Study { name: name?, title, question, axes, tables, figures })
    }

    /// Builds the grid and reports what is wrong with it.
    fn study_grid(&mut self, settings: &Arc<Settings>, mut draft: Draft) -> Option<StudyGrid> {
        let axes = draft.axes.iter().map(|axis| axis.axis.clone()).collect();
        let space = Space::new(settings.clone(), draft.fixed.values.clone(), axes);
        let exclusions = std::mem::take(&mut draft.exclusions);
        match StudyGrid::new(space, exclusions) {
            Ok(grid) => Some(grid),
            Err(faults) => {
                self.0.extend(faults.iter().map(|fault| explain(fault, &draft, settings)));
                None
            }
        }
    }
}
