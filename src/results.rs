//! The results of one sweep: what a store holds, put in the order of the sweep's grid.

use crate::error::CommandError;
use crate::label::Labels;
use crate::tables::{self, Tables};
use crate::tally::FAILURES_SHOWN_MAX;
use anyhow::anyhow;
use gridsweep_common::frozen::OpenSweep;
use gridsweep_common::table::Replicate;
use gridsweep_coordinator::core::{Counts, TrialEnd};
use gridsweep_coordinator::store::{Reader, StoredSweep, StoredTrial};
use std::collections::BTreeMap;

/// How many rows are read at a time.
const PAGE_ROWS: usize = 1000;

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

    /// Returns the sweep's tables, filled with what is known.
    pub(crate) fn tables(&self) -> Tables<'_> {
        let known = |(index, trial): (&u64, &StoredTrial)| (*index, replicate(trial));
        Tables::new(&self.open, self.trials.iter().map(known).collect())
    }

    /// Prints the tables that the sweep's file asks for, for a terminal or a pipe.
    pub(crate) fn render_for_terminal(&self) -> String {
        let (tables, width) = (self.tables(), crate::output::result_width());
        let studies = self.open.sweep.studies.iter().enumerate();
        let shown = studies.flat_map(|(number, study)| tables.study(number, &study.tables));
        shown.map(|shown| shown.render_for_terminal(width)).collect::<Vec<_>>().join("\n")
    }
}

fn replicate(trial: &StoredTrial) -> Replicate {
    tables::replicate(trial.end, trial.summary.clone())
}
