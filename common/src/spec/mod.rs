//! A sweep file: from text to a checked [`Sweep`], or to problems that name their place and their remedy.

mod artifacts;
mod ask;
mod assign;
mod axis;
mod condition;
mod data;
mod document;
mod explain;
mod power;
mod presentation;
mod problem;
mod publication;
mod sections;
mod study;
pub(crate) mod suggest;

pub use crate::data::{Pick, Validation};
pub use artifacts::{Artifacts, WeightsOf};
pub use ask::{AskedWrongly, TableRequest};
pub use problem::Problem;

use crate::catalogue::Catalogue;
use crate::data::{DataFormat, Standardize};
use crate::figure::FigureSpec;
use crate::findings::Publication;
use crate::search::Grid;
use crate::search::settings::Settings;
use crate::table::{Heading, TableSpec};
use document::{Problems, Table};
pub(crate) use document::{any_of, list_of, shortened};
use std::sync::Arc;
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
    /// Which trials leave their weights.
    pub artifacts: Artifacts,
    /// The studies, in the file's order; at least one.
    pub studies: Vec<Study>,
    /// What someone has printed of the same experiments.
    pub publication: Option<Publication>,
    grid: Grid,
}

/// `[data]`: what is learned from.
#[derive(Clone, PartialEq, Debug)]
pub struct Data {
    /// Where it comes from.
    pub source: DataSource,
    /// What the inputs are made of its numbers.
    pub standardize: Standardize,
    /// What is held out of the training part.
    pub validation: Validation,
}

/// Where data come from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DataSource {
    /// A name such as `mnist`.
    Named(String),
    /// Files.
    Files {
        /// How they are read.
        format: DataFormat,
        /// Where they lie, relative to the sweep file; in the order of the format's roles.
        paths: Vec<String>,
    },
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

#[cfg(test)]
mod mistakes;
#[cfg(test)]
mod tests;
