//! `[publication]`: numbers that someone has printed of the same experiments, and sentences about them.

use super::Study;
use super::document::{Entry, Item, Problems, Table, any_of, list_of, number, shortened};
use super::suggest::did_you_mean;
use crate::choice::{Choices, Value};
use crate::findings::{
    Claim, Comparison, Fit, FitRow, NamedCell, Printed, PrintedValue, Publication, Relation, Than, name,
};
use crate::metric::{self, Metric};
use crate::search::Grid;
use crate::table::Quantity;
use toml::de::DeValue;

/// A cell is looked for among so many at most: numbers are printed of cells that someone has counted.
const CELLS_MAX: u64 = 2000;
/// More weight matrices than any network has.
const MATRICES_MAX: usize = 65;
/// How a quantity may be said to stand to another.
const RELATIONS: [&str; 5] = ["higher", "lower", "not_higher", "not_lower", "about"];

/// The studies that cells are looked for in.
struct Studies<'a> {
    studies: &'a [Study],
    /// The cells of each; `None` where there are too many.
    cells: Vec<Option<Vec<Choices>>>,
}

impl Problems {
    /// Reads `[publication]`, if there is one.
    pub(super) fn publication(
        &mut self,
        root: &Table<'_>,
        studies: &[Study],
        grid: &Grid,
    ) -> Option<Publication> {
        let table = self.table(root.get("publication")?.item, "publication")?;
        let cells = (0..studies.len()).map(|study| {
            let grid = grid.study(study);
            (grid.cells() <= CELLS_MAX).then(|| grid.cells_in(0..grid.cells()).collect())
        });
        let studies = Studies { studies, cells: cells.collect() };
        self.known_keys(&table, "[publication]", &["source", "number", "claim", "fit"]);
        let help = "say where the numbers are from: source = \"…\"";
        let source = self.required(&table, "[publication]", "source", help);
        let source = source.and_then(|entry| self.text(entry.item, "source")).map(str::to_owned);
        let numbers = self.tables(&table, "number", "publication.number");
        let numbers: Vec<_> = numbers.iter().map(|number| self.printed(number, &studies)).collect();
        let claims = self.tables(&table, "claim", "publication.claim");
        let claims: Vec<_> = claims.iter().map(|claim| self.claim(claim, &studies)).collect();
        let fits = self.tables(&table, "fit", "publication.fit");
        let fits: Vec<_> = fits.iter().map(|fit| self.fit(fit, &studies)).collect();
        Some(Publication {
            source: source?,
            numbers: numbers.into_iter().collect::<Option<_>>()?,
            claims: claims.into_iter().collect::<Option<_>>()?,
            fits: fits.into_iter().collect::<Option<_>>()?,
        })
    }

    fn printed(&mut self, table: &Table<'_>, studies: &Studies<'_>) -> Option<Printed> {
        let what = "[[publication.number]]";
        self.known_keys(table, what, &["study", "where", "values", "note"]);
        let cell = self.named_cell(table, what, None, studies);
        let note = self.optional_text(table, "note");
        let values = self.printed_values(table, what)?;
        Some(Printed { cell: cell?, values, note })
    }

    fn printed_values(&mut self, table: &Table<'_>, what: &str) -> Option<Vec<PrintedValue>> {
        let help = "write values = { test_accuracy = 0.98 }";
        let values = self.required(table, what, "values", help)?;
        let values = self.table(values.item, "values")?;
        if values.is_empty() {
            self.add(values.span.clone(), "there is no number", help.to_owned());
        }
        let values: Vec<_> = values.entries().map(|entry| self.printed_value(&entry)).collect();
        values.into_iter().collect()
    }

    fn fit(&mut self, table: &Table<'_>, studies: &Studies<'_>) -> Option<Fit> {
        let what = "[[publication.fit]]";
        self.known_keys(table, what, &["text", "study", "row"]);
        let text = self.required(table, what, "text", "write the question: text = \"…\"");
        let text = text.and_then(|entry| self.text(entry.item, "text"));
        let study = self.study_of(table, what, studies);
        let rows = self.tables(table, "row", "publication.fit.row");
        if rows.is_empty() {
            let help = "add [[publication.fit.row]] with `where` and `values`".to_owned();
            self.add(table.span.clone(), "there is no row to be fitted", help);
            return None;
        }
        let study = study?;
        let rows: Vec<_> = rows.iter().map(|row| self.fit_row(row, study, studies)).collect();
        Some(Fit { text: text?.to_owned(), rows: rows.into_iter().collect::<Option<_>>()? })
    }

    fn fit_row(&mut self, table: &Table<'_>, study: usize, studies: &Studies<'_>) -> Option<FitRow> {
        let what = "[[publication.fit.row]]";
        self.known_keys(table, what, &["where", "values"]);
        let values = self.printed_values(table, what);
        let conditions = self.settings_of(table)?;
        let span = table.get("where").map_or(table.span.clone(), |entry| entry.item.span());
        let cells = self.matching(study, &conditions, studies, span)?;
        let fixed: Vec<&str> = conditions.iter().map(|(name, _)| name.as_str()).collect();
        let all = studies.settings(study);
        let free: Vec<&str> = all.iter().copied().filter(|setting| !fixed.contains(setting)).collect();
        Some(FitRow {
            name: cells.first().map_or(String::new(), |cell| name(&fixed, cell)),
            values: values?,
            candidates: cells.into_iter().map(|cell| (name(&free, cell), cell.clone())).collect(),
        })
    }

    /// Reads `where`; absent is empty.
    fn settings_of(&mut self, table: &Table<'_>) -> Option<Vec<(String, Value)>> {
        let Some(entry) = table.get("where") else { return Some(Vec::new()) };
        let table = self.table(entry.item, "where")?;
        let read: Vec<_> = table
            .entries()
            .map(|entry| Some((entry.key.to_owned(), self.value(entry.item, entry.key)?)))
            .collect();
        read.into_iter().collect()
    }

    /// Returns the cells of a study that have these settings, one at least.
    fn matching<'a>(
        &mut self,
        study: usize,
        conditions: &[(String, Value)],
        studies: &'a Studies<'_>,
        span: std::ops::Range<usize>,
    ) -> Option<Vec<&'a Choices>> {
        let Some(cells) = &studies.cells[study] else {
            let message = format!("the study has more than {CELLS_MAX} cells to look for one in");
            self.add(span, message, "name a smaller study that has the cell".to_owned());
            return None;
        };
        let fits = |cell: &&Choices| conditions.iter().all(|(name, value)| cell.get(name) == Some(value));
        let found: Vec<&Choices> = cells.iter().filter(fits).collect();
        if found.is_empty() {
            let help = "`where` names settings with the value that the cell has".to_owned();
            self.add(span, "no cell of the study is meant", help);
            return None;
        }
        Some(found)
    }

    fn printed_value(&mut self, entry: &Entry<'_>) -> Option<PrintedValue> {
        let quantity = self.quantity(entry.key, entry.key_span.clone());
        let value = self.plain_number(entry.item, entry.key);
        let text = match entry.item.get_ref() {
            DeValue::Integer(integer) => integer.as_str(),
            DeValue::Float(float) => float.as_str(),
            _ => "",
        };
        Some(PrintedValue { quantity: quantity?, text: text.replace('_', ""), value: value? })
    }

    fn claim(&mut self, table: &Table<'_>, studies: &Studies<'_>) -> Option<Claim> {
        let what = "[[publication.claim]]";
        self.known_keys(table, what, &["text", "holds"]);
        let text = self.required(table, what, "text", "write the sentence: text = \"…\"");
        let text = text.and_then(|entry| self.text(entry.item, "text"));
        let help = "say what would have to hold: holds = [{ metric = …, study = …, is = …, than = … }]";
        let holds = self.required(table, what, "holds", help)?;
        let items = self.list(holds.item, "holds")?;
        if items.is_empty() {
            self.add(holds.item.span(), "the claim says nothing", help.to_owned());
            return None;
        }
        let holds: Vec<_> = items.iter().map(|item| self.comparison(item, studies)).collect();
        Some(Claim { text: text?.to_owned(), holds: holds.into_iter().collect::<Option<_>>()? })
    }

    fn comparison(&mut self, item: Item<'_>, studies: &Studies<'_>) -> Option<Comparison> {
        let what = "a comparison in `holds`";
        let table = self.table(item, "holds")?;
        self.known_keys(&table, what, &["metric", "study", "where", "is", "than", "margin"]);
        let metric = self.required(&table, what, "metric", "write metric = \"test_accuracy\"");
        let metric = metric.and_then(|entry| Some((self.text(entry.item, "metric")?, entry.item.span())));
        let quantity = metric.and_then(|(name, span)| self.quantity(name, span));
        let cell = self.named_cell(&table, what, None, studies);
        let relation = self.relation(&table, what);
        let help = "write than = { study = \"…\", where = { … } }, or a number";
        let than = self.required(&table, what, "than", help)?;
        let than = match than.item.get_ref() {
            DeValue::Table(_) => {
                let other = self.table(than.item, "than")?;
                self.known_keys(&other, "`than`", &["study", "where"]);
                let study = cell.as_ref().map(|cell| cell.study);
                self.named_cell(&other, "`than`", study, studies).map(Than::Cell)
            }
            _ => self.plain_number(than.item, "than").map(Than::Number),
        };
        Some(Comparison { quantity: quantity?, cell: cell?, relation: relation?, than: than? })
    }

    fn relation(&mut self, table: &Table<'_>, what: &str) -> Option<Relation> {
        let margin =
            table.get("margin").map(|entry| (entry.clone(), self.plain_number(entry.item, "margin")));
        if let Some((entry, Some(number))) = &margin
            && *number <= 0.0
        {
            self.add(entry.item.span(), "`margin` must be more than 0", None);
        }
        let entry = self.required(table, what, "is", &format!("write is = {}", any_of(&RELATIONS)))?;
        let is = self.text(entry.item, "is")?;
        let number = margin.as_ref().map_or(Some(0.0), |(_, number)| *number);
        match is {
            "higher" | "lower" if margin.is_some() => {
                let help = "a margin is for not_higher, not_lower and about".to_owned();
                self.add(entry.item.span(), format!("`{is}` has no margin"), help);
                None
            }
            "higher" => Some(Relation::Higher),
            "lower" => Some(Relation::Lower),
            "not_higher" => number.map(Relation::NotHigher),
            "not_lower" => number.map(Relation::NotLower),
            "about" if margin.is_none() => {
                let help = "say how far apart still is the same: margin = 0.005".to_owned();
                self.add(entry.item.span(), "`about` needs a margin", help);
                None
            }
            "about" => number.map(Relation::About),
            other => {
                let help = did_you_mean(other, RELATIONS);
                let help = help.unwrap_or_else(|| format!("there are {}", list_of(&RELATIONS)));
                self.add(entry.item.span(), format!("unknown relation `{}`", shortened(other)), help);
                None
            }
        }
    }

    /// Reads the one cell that `study` and `where` name.
    fn named_cell(
        &mut self,
        table: &Table<'_>,
        what: &str,
        same_study: Option<usize>,
        studies: &Studies<'_>,
    ) -> Option<NamedCell> {
        let study = match (table.get("study"), same_study) {
            (None, Some(study)) => study,
            _ => self.study_of(table, what, studies)?,
        };
        let conditions = self.settings_of(table)?;
        let span = table.get("where").map_or(table.span.clone(), |entry| entry.item.span());
        match self.matching(study, &conditions, studies, span.clone())?[..] {
            [choices] => Some(studies.named(study, choices)),
            ref several => {
                let message = format!("{} cells of the study are meant, and it must be one", several.len());
                self.add(span, message, "give the value of each of its axes in `where`".to_owned());
                None
            }
        }
    }

    fn study_of(&mut self, table: &Table<'_>, what: &str, studies: &Studies<'_>) -> Option<usize> {
        let names: Vec<&str> = studies.studies.iter().map(|study| study.name.as_str()).collect();
        let entry = self.required(table, what, "study", "name the study: study = \"…\"")?;
        let study = self.text(entry.item, "study")?;
        let found = names.iter().position(|name| *name == study);
        if found.is_none() {
            let help = did_you_mean(study, names.iter().copied());
            let help = help.unwrap_or_else(|| format!("the file has {}", list_of(&names)));
            self.add(entry.item.span(), format!("there is no study `{}`", shortened(study)), help);
        }
        found
    }

    fn quantity(&mut self, name: &str, span: std::ops::Range<usize>) -> Option<Quantity> {
        if let Some(metric) = Metric::from_name(name) {
            return Some(Quantity::Metric(metric));
        }
        let matrix = name.strip_prefix("sparsity_").and_then(|number| number.parse().ok());
        if let Some(matrix) = matrix.filter(|number| (1..=MATRICES_MAX).contains(number)) {
            return Some(Quantity::Sparsity(matrix));
        }
        let names: Vec<&str> = metric::ALL.into_iter().map(Metric::name).chain(["sparsity_1"]).collect();
        let help = did_you_mean(name, names.iter().copied());
        let help = help.unwrap_or_else(|| format!("there are {}", list_of(&names)));
        self.add(span, format!("unknown metric `{}`", shortened(name)), help);
        None
    }

    fn plain_number(&mut self, item: Item<'_>, what: &str) -> Option<f64> {
        match number(item.get_ref()) {
            Ok(number) => Some(number.get()),
            Err(message) => {
                self.add(item.span(), format!("`{what}`: {message}"), None);
                None
            }
        }
    }
}

impl Studies<'_> {
    /// Returns what the axes of a study set.
    fn settings(&self, study: usize) -> Vec<&str> {
        self.studies[study].axes.iter().flat_map(|axis| &axis.settings).map(String::as_str).collect()
    }

    fn named(&self, study: usize, choices: &Choices) -> NamedCell {
        let of = &self.studies[study];
        let title = of.title.as_ref().unwrap_or(&of.name).clone();
        NamedCell { study, choices: choices.clone(), title, label: name(&self.settings(study), choices) }
    }
}
