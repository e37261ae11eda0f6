//! The report of a sweep: what stands in it, computed once, and the files that say it.
//!
//! It is a function of the sweep and its results: no time, host, path or order of arrival is in it.

mod figures;
mod folder;
mod page;
mod table;
mod text;

pub(crate) use folder::write;

use crate::error::CommandError;
use crate::place::Place;
use crate::results::Results;
use crate::tables::Shown;
use gridsweep_common::choice::Choices;
use gridsweep_common::findings::{self, Answer, Fitted, Publication, Row};
use gridsweep_common::report::Format;
use gridsweep_common::search::Search;
use gridsweep_common::spec::Study;
use gridsweep_common::table::{CellResults, Replicate};
use std::collections::BTreeMap;

/// A report, ready to be written in any form.
#[derive(Debug)]
pub(crate) struct Report {
    name: String,
    title: String,
    /// What the sweep is made of, a line each.
    facts: Vec<(&'static str, String)>,
    /// Why it is not complete, where it is not.
    incomplete: Option<String>,
    findings: Vec<Finding>,
    publication: Option<Published>,
    sections: Vec<Section>,
}

/// What is found of a study, in a sentence or a few.
#[derive(Debug)]
struct Finding {
    study: usize,
    text: String,
}

/// A publication beside what was found here.
#[derive(Debug)]
struct Published {
    source: String,
    /// The claims with their answers.
    claims: Vec<(String, Answer)>,
    rows: Vec<Row>,
    notes: Vec<String>,
    fits: Vec<Fitted>,
}

/// One study.
#[derive(Debug)]
struct Section {
    name: String,
    title: String,
    question: Option<String>,
    grid: String,
    tables: Vec<TableFiles>,
    figures: Vec<figures::Picture>,
}

/// A table, and the name that its files have.
struct TableFiles {
    stem: String,
    shown: Shown,
}

impl std::fmt::Debug for TableFiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.stem)
    }
}

/// How the findings compare cells.
const FINDINGS_NOTE: &str = "Two cells cannot be told apart where the 95 % Student-t interval of the mean difference of their \
    replicates, which share seeds, contains 0. The intervals are not corrected for the number of comparisons.";

/// What stands above the table of candidates and printed rows.
const FIT_CAPTION: &str = "Printed numbers that agree with each candidate";

/// Files by their paths within the folder, with `/` between the parts.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// The forms in which tables stand beside the page: their endings are those of the files.
const TABLE_FORMATS: [&str; 4] = ["csv", "md", "latex", "json"];

impl Report {
    /// Makes the report of what is known of a sweep.
    pub(crate) fn build(place: &Place, results: &Results) -> Result<Report, CommandError> {
        let open = &results.open;
        let tables = results.tables();
        let studies = open.sweep.studies.iter().enumerate();
        let cells: Vec<Vec<CellResults>> = studies.clone().map(|(study, _)| tables.cells(study)).collect();
        let findings = studies
            .clone()
            .filter_map(|(study, of)| Some(Finding { study, text: findings::best_of(of, &cells[study])? }));
        let findings = findings.collect();
        let sections = studies.map(|(study, of)| {
            let shown = tables.study(study, &of.tables);
            Ok(Section {
                name: of.name.clone(),
                title: title(of).to_owned(),
                question: of.question.clone(),
                grid: grid(results, study),
                tables: named(&of.name, shown),
                figures: figures::of_study(place, results, study, &cells[study])?,
            })
        });
        Ok(Report {
            name: open.sweep.name.clone(),
            title: open.sweep.title.clone().unwrap_or_else(|| open.sweep.name.clone()),
            facts: facts(results),
            incomplete: incomplete(results),
            findings,
            publication: open.sweep.publication.as_ref().map(|of| published(results, of)),
            sections: sections.collect::<Result<_, CommandError>>()?,
        })
    }

    /// Returns everything that the folder has.
    pub(crate) fn files(&self) -> Result<Files, CommandError> {
        let mut files = Files::new();
        for section in &self.sections {
            for table in &section.tables {
                for format in TABLE_FORMATS.into_iter().filter_map(gridsweep_common::report::by_name) {
                    let path = format!("tables/{}.{}", table.stem, format.extension());
                    files.insert(path, table.shown.render(format).into_bytes());
                }
            }
            for (picture, drawing) in section.figures.iter().filter_map(|of| Some((of, of.drawing.as_ref()?)))
            {
                files.insert(format!("figures/{}.svg", picture.stem), drawing.svg.clone().into_bytes());
                if let Some(png) = &picture.png {
                    files.insert(format!("figures/{}.png", picture.stem), png.clone());
                }
            }
        }
        if let Some(published) = &self.publication {
            files.extend(table::files(published));
        }
        files.insert("report.md".to_owned(), text::render(self).into_bytes());
        files.insert("index.html".to_owned(), page::render(self).into_bytes());
        Ok(files)
    }
}

fn title(study: &Study) -> &str {
    study.title.as_ref().unwrap_or(&study.name)
}

/// Names the files of a study's tables: by the study alone where it has one.
fn named(study: &str, shown: Vec<Shown>) -> Vec<TableFiles> {
    let (mut tables, mut effects) = (0, 0);
    let stem = |shown: &Shown| {
        let (kind, number) = match shown {
            Shown::Table(_) => ("", &mut tables),
            Shown::Effects(_) => ("-effects", &mut effects),
        };
        *number += 1;
        if *number == 1 { format!("{study}{kind}") } else { format!("{study}{kind}-{number}") }
    };
    let stems: Vec<String> = shown.iter().map(stem).collect();
    stems.into_iter().zip(shown).map(|(stem, shown)| TableFiles { stem, shown }).collect()
}

fn facts(results: &Results) -> Vec<(&'static str, String)> {
    let open = &results.open;
    let sweep = &open.sweep;
    let seed = format!("{} of every cell, from seed {}", sweep.replicates.count, sweep.replicates.seed);
    vec![
        ("sweep", sweep.name.clone()),
        ("trials", crate::output::grouped(open.trials())),
        ("cells", crate::output::grouped(sweep.grid().cells())),
        ("replicates", seed),
        ("data", format!("{}, digest {}", open.frozen.data.format.name(), open.data())),
        ("hash of the sweep", open.digest().to_string()),
        ("version of the arithmetic", open.frozen.numerics.to_string()),
    ]
}

/// Says what is missing, in a sentence.
fn incomplete(results: &Results) -> Option<String> {
    let (counts, trials) = (results.counts(), results.open.trials());
    let with_result = counts.succeeded + counts.diverged;
    let lacking = trials - with_result;
    let open = trials - counts.total();
    (lacking > 0).then(|| {
        let state = if open > 0 { "the sweep has not ended" } else { "the sweep has ended without them" };
        format!(
            "{} of {} trials have no result: {state}. Cells that lack replicates are marked.",
            crate::output::grouped(lacking),
            crate::output::grouped(trials)
        )
    })
}

/// Says in a sentence what a study varies.
fn grid(results: &Results, study: usize) -> String {
    let sweep = &results.open.sweep;
    let grid = sweep.grid().study(study);
    let axes: Vec<&str> = sweep.studies[study].axes.iter().map(|axis| axis.name.as_str()).collect();
    let over = if axes.is_empty() { String::new() } else { format!(" over {}", axes.join(" × ")) };
    let cells = crate::output::counted(grid.cells(), "cell");
    let mut text = format!("{cells}{over}, {} each", replicates(sweep.replicates.count));
    for excluded in grid.excluded() {
        text +=
            &format!("; {} left out: {}", crate::output::counted(excluded.cells, "cell"), excluded.reason);
    }
    text
}

fn replicates(count: u32) -> String {
    crate::output::counted(u64::from(count), "replicate")
}

fn published(results: &Results, publication: &Publication) -> Published {
    let of = |choices: &Choices| cell(results, choices);
    let claims = publication.claims.iter().map(|claim| (claim.text.clone(), findings::answer(claim, &of)));
    let noted = publication
        .numbers
        .iter()
        .filter_map(|printed| Some(format!("{}: {}", printed.cell.name(), printed.note.as_ref()?)));
    let notes = std::iter::once(findings::AGREES.to_owned()).chain(noted);
    Published {
        source: publication.source.clone(),
        claims: claims.collect(),
        rows: findings::beside(publication, &of),
        notes: notes.collect(),
        fits: publication.fits.iter().map(|fit| findings::fit(fit, &of)).collect(),
    }
}

fn cell(results: &Results, choices: &Choices) -> CellResults {
    let grid = results.open.sweep.grid();
    let of = |replicate| {
        let trial = grid.index_of(choices, replicate).and_then(|index| results.trials.get(&index));
        trial.map_or(Replicate::Pending, |trial| crate::tables::replicate(trial.end, trial.summary.clone()))
    };
    CellResults { choices: choices.clone(), replicates: (0..grid.replicates()).map(of).collect() }
}

/// Returns the command that makes the results of this sweep again; the file is whatever it was called.
fn command(report: &Report) -> String {
    format!("gridsweep run {}.toml", report.name)
}

/// Returns the form of a table that a page has.
fn html_format() -> &'static dyn Format {
    gridsweep_common::report::by_name("html").expect("`html` is one of the formats")
}
