//! A sweep file: from text to a checked [`Sweep`], or to problems that name their place and their remedy.

mod assign;
mod axis;
mod condition;
mod document;
mod explain;
mod power;
mod presentation;
mod problem;
mod study;
mod suggest;

pub use problem::Problem;

use crate::catalogue::Catalogue;
use crate::search::check::Fault;
use crate::search::settings::Settings;
use crate::search::{Grid, StudyGrid};
use crate::table::{Heading, TableSpec};
use assign::Fixed;
use document::{Entry, Problems, Table, any_of, shortened};
use std::sync::Arc;
use suggest::did_you_mean;
use toml::de::DeTable;

/// The version of the file format that this version reads.
pub const SCHEMA: i64 = 1;

/// A checked sweep file.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// What every command calls it: `a-z 0-9 - _`, at most 64.
    pub name: String,
    /// What people read above its report.
    pub title: Option<String>,
    /// What is learned from.
    pub data: Data,
    /// The seeds of every cell.
    pub replicates: Replicates,
    /// The studies, in the file's order; at least one.
    pub studies: Vec<Study>,
    grid: Grid,
}

/// `[data]`: what is learned from.
#[derive(Clone, PartialEq, Debug)]
pub struct Data {
    /// A name such as `mnist`.
    pub dataset: String,
    /// What is held out of the training part.
    pub validation: Validation,
}

/// Which samples of the training part are held out for validation.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Validation {
    /// The share held out, 0 < fraction < 1.
    pub fraction: f64,
    /// Which ones.
    pub pick: Pick,
}

/// How validation samples are chosen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pick {
    /// At random, keyed by the replicate.
    Random,
    /// The last ones of the file: Keras' `validation_split`.
    Last,
}

/// `[replicates]`: the seeds of every cell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Replicates {
    /// How many, 1 to 10,000.
    pub count: u32,
    /// The root of the seed tree, at most 2^53.
    pub seed: u64,
}

/// One `[[study]]`: a named grid with its tables.
#[derive(Clone, Debug)]
pub struct Study {
    /// Unique within the sweep; `a-z 0-9 - _`, at most 64.
    pub name: String,
    /// What people read above its tables.
    pub title: Option<String>,
    /// The question it answers.
    pub question: Option<String>,
    /// Its axes, plain ones in the file's order, then zips; the last varies fastest.
    pub axes: Vec<Heading>,
    /// At least one: a study without any gets one with its axes as rows.
    pub tables: Vec<TableSpec>,
    /// The figures it asks for.
    pub figures: Vec<FigureSpec>,
}

/// What `[[study.figure]]` asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FigureSpec {
    /// One of [`FIGURE_KINDS`].
    pub kind: String,
    /// What runs along the horizontal axis.
    pub x: Option<String>,
    /// What is drawn over it.
    pub y: Vec<String>,
    /// What people read above it.
    pub title: Option<String>,
}

/// The kinds of figures that a file may ask for.
pub const FIGURE_KINDS: [&str; 8] =
    ["curves", "confusion", "weights", "lines", "bars", "heatmap", "network", "effects"];

impl Sweep {
    /// Returns the lazy grid of all studies; its studies are in the order of [`Sweep::studies`].
    pub fn grid(&self) -> &Grid {
        &self.grid
    }
}

/// Reads a sweep file and checks all that can be checked without its data, or returns every independent problem found,
/// in the file's order. Never panics, whatever the text.
pub fn parse(text: &str, catalogue: &Catalogue) -> Result<Sweep, Vec<Problem>> {
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut problems = Problems::default();
    for error in independent(&errors) {
        let span = error.span().unwrap_or(text.len()..text.len());
        problems.add(span, format!("this is not TOML: {}", error.message()), None);
    }
    let sweep = match Settings::new(catalogue) {
        Ok(settings) if problems.0.is_empty() => {
            problems.sweep(&Table::root(document.get_ref()), &Arc::new(settings))
        }
        Ok(_) => None,
        Err(inconsistent) => {
            problems.add(0..0, inconsistent, None);
            None
        }
    };
    let mut problems = problems.0;
    problems.sort_by_key(|problem| (problem.span.start, problem.span.end));
    problems.dedup();
    match sweep {
        Some(sweep) if problems.is_empty() => Ok(sweep),
        _ => Err(problems),
    }
}

/// Returns the errors that do not only follow from another: keys given twice, and the first of any other sort.
fn independent(errors: &[toml::de::Error]) -> &[toml::de::Error] {
    let first = errors.iter().position(|error| error.message() != "duplicate key");
    first.map_or(errors, |first| &errors[..=first])
}

/// The keys of a sweep file.
const KEYS: [&str; 8] = ["schema", "name", "title", "data", "replicates", "base", "study", "search"];

/// The most characters of a name.
const NAME_MOST: usize = 64;

/// The most replicates of a cell: more than any interval needs.
const REPLICATES_MOST: i64 = 10_000;

/// The largest seed: what every tool that reads JSON holds exactly.
const SEED_MOST: i64 = 1 << 53;

/// What validates a classifier where the file does not say.
const DEFAULT_VALIDATION: Validation = Validation { fraction: 0.2, pick: Pick::Random };

impl Problems {
    fn sweep(&mut self, root: &Table<'_>, settings: &Arc<Settings>) -> Option<Sweep> {
        self.schema(root)?;
        self.known_keys(root, "a sweep file", &KEYS);
        let help = "name it, such as name = \"example\"";
        let name = self.required(root, "the file", "name", help).and_then(|entry| self.name(&entry, "name"));
        let title = self.optional_text(root, "title");
        self.search(root);
        let data = self.data(root);
        let replicates = self.replicates(root);
        let base = self.base(root, settings);
        let tables = self.tables(root, "study", "study");
        if root
            .get("study")
            .is_none_or(|entry| entry.item.get_ref().as_array().is_some_and(|list| list.is_empty()))
        {
            let help = "add [[study]] with a name; without axes it is one cell".to_owned();
            self.add(0..0, "the file has no study", help);
        }
        let read: Vec<_> = tables.iter().map(|table| self.study(settings, base.as_ref(), table)).collect();
        self.check_study_names(&tables, &read);
        let (studies, grids): (Vec<Option<Study>>, Vec<Option<StudyGrid>>) = read.into_iter().unzip();
        let (studies, grids): (Vec<Study>, Vec<StudyGrid>) =
            (studies.into_iter().collect::<Option<_>>()?, grids.into_iter().collect::<Option<_>>()?);
        let (name, data, replicates) = (name?, data?, replicates?);
        if !self.0.is_empty() {
            return None;
        }
        match Grid::unite(grids, replicates.count) {
            Ok(grid) => Some(Sweep { name, title, data, replicates, studies, grid }),
            Err((index, fault)) => {
                self.cannot_unite(&tables[index], &fault);
                None
            }
        }
    }

    fn cannot_unite(&mut self, study: &Table<'_>, fault: &Fault) {
        let (span, message, help) = match fault {
            Fault::TooLarge => explain::too_large(study.span.clone()),
            _ => explain::too_many_parts(study.span.clone()),
        };
        self.add(span, message, help);
    }

    /// Checks the version of the format. Nothing else of a file of another version is looked at.
    fn schema(&mut self, root: &Table<'_>) -> Option<()> {
        let help = format!("write schema = {SCHEMA} at the top of the file");
        let Some(entry) = root.get("schema") else {
            self.add(0..0, "the file has no `schema`", help);
            return Some(());
        };
        let schema = self.whole(entry.item, "schema", i64::MIN..i64::MAX)?;
        if schema != SCHEMA {
            let message =
                format!("this file has schema {schema}, and this version of gridsweep reads {SCHEMA}");
            let help = "use a version of gridsweep that reads it".to_owned();
            self.add(entry.item.span(), message, help);
            return None;
        }
        Some(())
    }

    /// Reads the name of a sweep, a study or a data set.
    fn name(&mut self, entry: &Entry<'_>, what: &str) -> Option<String> {
        let name = self.text(entry.item, what)?;
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        if name.is_empty() || name.len() > NAME_MOST || !name.chars().all(allowed) {
            let message = format!("`{}` is not a name", shortened(name));
            let help = format!("names have 1 to {NAME_MOST} of the characters a-z 0-9 - _");
            self.add(entry.item.span(), message, help);
            return None;
        }
        Some(name.to_owned())
    }

    /// Checks that the search is one that this version knows.
    fn search(&mut self, root: &Table<'_>) {
        let Some(table) = root.get("search").and_then(|entry| self.table(entry.item, "search")) else {
            return;
        };
        let Some(kind) = self.required(&table, "search", "kind", "write search = { kind = \"grid\" }") else {
            return;
        };
        match self.text(kind.item, "search.kind") {
            None => {}
            Some("grid") => self.known_keys(&table, "search", &["kind"]),
            Some(other) => {
                let message = format!("this version searches grids only, not `{}`", shortened(other));
                self.add(kind.item.span(), message, "leave `search` out, or write \"grid\"".to_owned());
            }
        }
    }

    fn data(&mut self, root: &Table<'_>) -> Option<Data> {
        let help = "add [data] with dataset = \"mnist\"";
        let entry = self.required(root, "the file", "data", help)?;
        let table = self.table(entry.item, "data")?;
        self.known_keys(&table, "[data]", &["dataset", "validation"]);
        let validation = match table.get("validation") {
            Some(entry) => self.validation(&entry),
            None => Some(DEFAULT_VALIDATION),
        };
        let dataset = self.required(&table, "[data]", "dataset", "write dataset = \"mnist\"")?;
        if dataset.item.get_ref().is_table() {
            let message = "data sets by path are not supported by this version; use a name";
            self.add(dataset.item.span(), message, "write dataset = \"mnist\"".to_owned());
            return None;
        }
        let dataset = self.name(&dataset, "dataset")?;
        Some(Data { dataset, validation: validation? })
    }

    fn validation(&mut self, entry: &Entry<'_>) -> Option<Validation> {
        let table = self.table(entry.item, "validation")?;
        self.known_keys(&table, "validation", &["fraction", "pick"]);
        let mut validation = DEFAULT_VALIDATION;
        if let Some(entry) = table.get("fraction") {
            validation.fraction = axis::plain_number(entry.item, "fraction", self)?;
            if !(validation.fraction > 0.0 && validation.fraction < 1.0) {
                let message = "`fraction` must be a number with 0 < x < 1";
                self.add(
                    entry.item.span(),
                    message,
                    "it is the share of the training part held out".to_owned(),
                );
                return None;
            }
        }
        if let Some(entry) = table.get("pick") {
            validation.pick = match self.text(entry.item, "pick")? {
                "random" => Pick::Random,
                "last" => Pick::Last,
                other => {
                    let names = ["random", "last"];
                    let message = format!("`pick` must be {}, not `{}`", any_of(&names), shortened(other));
                    self.add(entry.item.span(), message, did_you_mean(other, names));
                    return None;
                }
            };
        }
        Some(validation)
    }

    fn replicates(&mut self, root: &Table<'_>) -> Option<Replicates> {
        let help = "add [replicates] with count = 3 and seed = 1";
        let entry = self.required(root, "the file", "replicates", help)?;
        let table = self.table(entry.item, "replicates")?;
        self.known_keys(&table, "[replicates]", &["count", "seed"]);
        let seed = match table.get("seed") {
            Some(entry) => self.whole(entry.item, "seed", 0..SEED_MOST + 1),
            None => Some(0),
        };
        let count = self.required(&table, "[replicates]", "count", "write count = 3")?;
        let count = self.whole(count.item, "count", 1..REPLICATES_MOST + 1)?;
        Some(Replicates { count: count as u32, seed: seed? as u64 })
    }

    /// Reads `[base]`; `None` where it has problems, because studies cannot be judged without it.
    fn base(&mut self, root: &Table<'_>, settings: &Settings) -> Option<Fixed> {
        let before = self.0.len();
        let mut base = Fixed::empty(settings);
        if let Some(table) = root.get("base").and_then(|entry| self.table(entry.item, "base")) {
            base.apply(settings, table.entries(), self);
        }
        (self.0.len() == before).then_some(base)
    }

    fn check_study_names(&mut self, tables: &[Table<'_>], read: &[(Option<Study>, Option<StudyGrid>)]) {
        let name = |index: usize| read[index].0.as_ref().map(|study| study.name.as_str());
        for index in 0..read.len() {
            let Some(repeated) =
                name(index).filter(|own| (0..index).any(|earlier| name(earlier) == Some(own)))
            else {
                continue;
            };
            let span =
                tables[index].get("name").map_or(tables[index].span.clone(), |entry| entry.item.span());
            let message = format!("there is another study named `{repeated}`");
            self.add(span, message, "give each study its own name".to_owned());
        }
    }
}

#[cfg(test)]
mod mistakes;
#[cfg(test)]
mod tests;
