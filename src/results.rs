//! The results of one sweep: what a store holds, put in the order of the sweep's grid.

use crate::error::CommandError;
use crate::label::Labels;
use anyhow::anyhow;
use gridsweep_common::frozen::OpenSweep;
use gridsweep_common::report::Format;
use gridsweep_common::search::Search;
use gridsweep_common::spec::Study;
use gridsweep_common::table::{self, CellResults, Replicate, Table};
use gridsweep_coordinator::core::{Counts, TrialEnd};
use gridsweep_coordinator::store::{Reader, StoredSweep, StoredTrial};
use std::collections::BTreeMap;

/// How many rows are read at a time.
const PAGE_ROWS: usize = 1000;

/// How many failures are shown.
const FAILURES_SHOWN_MAX: usize = 5;

/// A study with more cells than this is shown by those that have results; its tables say how many there are.
const CELLS_LISTED_MAX: u64 = 20_000;

/// A sweep with every trial of it that has ended.
#[derive(Debug)]
pub(crate) struct Results {
    pub(crate) open: OpenSweep,
    /// What its cells are called.
    pub(crate) labels: Labels,
    /// By index in the grid.
    pub(crate) trials: BTreeMap<u64, StoredTrial>,
    /// How far the store has been read, in the order in which trials ended.
    read_up_to: u64,
    /// Trials that were cancelled have ended; those of a sweep that goes on will be run.
    is_cancelled: bool,
}

/// Finds a sweep by its name, by its number, or the one submitted last.
pub(crate) fn find(reader: &dyn Reader, selector: &str) -> Result<StoredSweep, CommandError> {
    let mut sweeps = reader.sweeps()?;
    let found = match selector {
        "last" => {
            sweeps.iter().enumerate().max_by_key(|(_, sweep)| (sweep.submitted_ms, sweep.id)).map(|(n, _)| n)
        }
        name => sweeps
            .iter()
            .position(|sweep| sweep.name == name)
            .or_else(|| sweeps.iter().position(|sweep| name.parse() == Ok(sweep.id.0))),
    };
    found.map(|position| sweeps.swap_remove(position)).ok_or_else(|| {
        let names: Vec<_> = reader.sweeps().into_iter().flatten().map(|sweep| sweep.name).collect();
        let error = CommandError::usage(anyhow!("there is no sweep \"{selector}\" here"));
        if names.is_empty() { error } else { error.hint(format!("there are: {}", names.join(", "))) }
    })
}

/// Opens a stored sweep.
pub(crate) fn open(stored: StoredSweep) -> Result<OpenSweep, CommandError> {
    let name = stored.name;
    stored.frozen.open().map_err(|problems| {
        let first = problems.first().map_or("", |problem| problem.message.as_str());
        CommandError::unexpected(anyhow!(
            "the stored sweep \"{name}\" does not read with this version: {first}"
        ))
    })
}

/// Calls `take` with the index and the trial for each trial of a sweep that has ended, from behind the `after`th of all
/// sweeps on; returns up to where it has read.
pub(crate) fn for_each_ended(
    reader: &dyn Reader,
    open: &OpenSweep,
    mut after: u64,
    mut take: impl FnMut(u64, StoredTrial),
) -> Result<u64, CommandError> {
    loop {
        let page = reader.ended(after, PAGE_ROWS)?;
        let Some(last) = page.last() else { return Ok(after) };
        after = last.sequence;
        for trial in page {
            if let Some(index) = open.index_of(&trial.spec) {
                take(index, trial);
            }
        }
    }
}

/// Reads all results of a stored sweep.
pub(crate) fn load_stored(reader: &dyn Reader, stored: StoredSweep) -> Result<Results, CommandError> {
    let is_cancelled = stored.is_cancelled;
    load_as(reader, open(stored)?, is_cancelled)
}

/// Reads all results of a sweep that is worked on.
pub(crate) fn load(reader: &dyn Reader, open: OpenSweep) -> Result<Results, CommandError> {
    load_as(reader, open, false)
}

fn load_as(reader: &dyn Reader, open: OpenSweep, is_cancelled: bool) -> Result<Results, CommandError> {
    let labels = Labels::of(&open.sweep);
    let mut results = Results { open, labels, trials: BTreeMap::new(), read_up_to: 0, is_cancelled };
    results.load_more(reader)?;
    Ok(results)
}

impl Results {
    /// Reads what has ended since the last time.
    pub(crate) fn load_more(&mut self, reader: &dyn Reader) -> Result<(), CommandError> {
        let (trials, is_cancelled) = (&mut self.trials, self.is_cancelled);
        self.read_up_to = for_each_ended(reader, &self.open, self.read_up_to, |index, trial| {
            if is_cancelled || trial.end != TrialEnd::Cancelled {
                trials.insert(index, trial);
            }
        })?;
        Ok(())
    }

    /// Counts the trials by how they ended.
    pub(crate) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for trial in self.trials.values() {
            *counts.of(trial.end) += 1;
        }
        if self.is_cancelled {
            // What was never begun of a cancelled sweep has no row.
            counts.cancelled += self.open.trials() - counts.total();
        }
        counts
    }

    /// Says of the first trials without a result how they ended, and why they have none.
    pub(crate) fn first_failures(&self) -> Vec<(&'static str, String)> {
        let failed = self.trials.values().filter_map(|trial| Some((trial, trial.failure.as_ref()?)));
        let failed = failed.map(|(trial, failure)| {
            let cell = self.labels.cell(&trial.spec.choices);
            let (replicate, kind) = (trial.spec.seed.replicate, failure.kind.name());
            (trial.end.name(), format!("{cell} replicate {replicate}: {kind}: {}", failure.detail))
        });
        failed.take(FAILURES_SHOWN_MAX).collect()
    }

    /// Returns the cells of a study with what is known of their replicates, in the study's order.
    pub(crate) fn cells(&self, study: usize) -> Vec<CellResults> {
        let grid = self.open.sweep.grid().study(study);
        if grid.cells() <= CELLS_LISTED_MAX {
            return grid.cells_in(0..grid.cells()).map(|choices| self.cell(choices)).collect();
        }
        let with_results: BTreeMap<u64, _> = self
            .trials
            .values()
            .filter_map(|trial| Some((grid.position_of(&trial.spec.choices)?, &trial.spec.choices)))
            .collect();
        with_results.into_values().map(|choices| self.cell(choices.clone())).collect()
    }

    /// Returns the cells of all studies that have any result, each once, in the order of the grid.
    pub(crate) fn cells_with_results(&self) -> Vec<CellResults> {
        let replicates = u64::from(self.open.sweep.replicates.count);
        let mut cells: BTreeMap<u64, CellResults> = BTreeMap::new();
        for (index, trial) in &self.trials {
            let cell = cells.entry(index / replicates).or_insert_with(|| CellResults {
                choices: trial.spec.choices.clone(),
                replicates: vec![Replicate::Pending; replicates as usize],
            });
            cell.replicates[(index % replicates) as usize] = replicate(trial);
        }
        cells.into_values().collect()
    }

    fn cell(&self, choices: gridsweep_common::choice::Choices) -> CellResults {
        let grid = self.open.sweep.grid();
        let known = |replicate| self.trials.get(&grid.index_of(&choices, replicate)?);
        let of = |number| known(number).map_or(Replicate::Pending, replicate);
        let replicates = (0..grid.replicates()).map(of).collect();
        CellResults { choices, replicates }
    }

    /// Makes the tables of a study.
    pub(crate) fn tables(&self, study: usize) -> Vec<Table> {
        let cells = self.cells(study);
        let of: &Study = &self.open.sweep.studies[study];
        let all = self.open.sweep.grid().study(study).cells();
        let table = |spec| {
            let mut table = table::build(spec, &cells);
            table.title = Some(title(of));
            if (cells.len() as u64) < all {
                table
                    .notes
                    .push(format!("{} of {all} cells have results; the others are not listed", cells.len()));
            }
            table
        };
        of.tables.iter().map(table).collect()
    }

    /// Prints the tables of some studies in a format, one after the other.
    pub(crate) fn render(&self, studies: &[usize], render: &dyn Fn(&Table) -> String) -> String {
        let tables = studies.iter().flat_map(|&study| self.tables(study));
        tables.map(|table| render(&table)).collect::<Vec<_>>().join("\n")
    }

    /// Prints the tables of all studies for a terminal or a pipe.
    pub(crate) fn render_for_terminal(&self, studies: &[usize]) -> String {
        let width = crate::output::result_width();
        self.render(studies, &|table| gridsweep_common::report::terminal::render(table, width))
    }

    /// Prints the tables of some studies in a named format.
    pub(crate) fn render_as(&self, studies: &[usize], format: &dyn Format) -> String {
        self.render(studies, &|table| format.render(table))
    }
}

fn replicate(trial: &StoredTrial) -> Replicate {
    match (trial.end, &trial.summary) {
        (TrialEnd::Succeeded | TrialEnd::Diverged, Some(summary)) => {
            Replicate::Finished(Box::new(summary.clone()))
        }
        _ => Replicate::Missing,
    }
}

fn title(study: &Study) -> String {
    match &study.title {
        Some(title) => format!("{}: {title}", study.name),
        None => study.name.clone(),
    }
}
