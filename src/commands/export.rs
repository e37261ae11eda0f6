//! `gridsweep export`: results as data, in the order of the grid.

use super::export_weights;
use crate::args::{ExportArgs, Global, What};
use crate::error::{CommandError, Ending};
use crate::exported::{self, Columns};
use crate::place::Place;
use crate::results::{self, Results};
use crate::settings::Environment;
use crate::sink::Sink;
use crate::tables::Tables;
use gridsweep_common::choice::Choices;
use gridsweep_common::frozen::OpenSweep;
use gridsweep_coordinator::store::{AttemptedTrial, Reader, StoredSweep, StoredTrial};
use std::collections::BTreeMap;

/// How many rows are read at a time.
const PAGE_ROWS: usize = 1000;

pub(crate) fn export(
    args: &ExportArgs,
    global: &Global,
    environment: &Environment,
) -> Result<Ending, CommandError> {
    let place = Place::open(&args.server, global, environment)?;
    let reader = place.reader();
    let stored = results::find(reader, &args.sweep)?;
    match args.what {
        What::Trials => trials(args, &results::load_stored(reader, stored)?)?,
        What::Epochs => epochs(args, &results::load_stored(reader, stored)?, reader)?,
        What::Cells => cells(args, stored, reader)?,
        What::Attempts => attempts(args, &results::open(stored)?, reader)?,
        What::Weights => {
            let results = results::load_stored(reader, stored)?;
            export_weights::export(&place, &results, args.out.as_deref(), global.quiet)?;
        }
    }
    Ok(Ending::Done)
}

fn sink(args: &ExportArgs, fields: Vec<gridsweep_common::frame::Field>) -> Result<Sink, CommandError> {
    Sink::open(args.format, fields, args.out.as_deref())
}

fn trials(args: &ExportArgs, results: &Results) -> Result<(), CommandError> {
    let (open, trials) = (&results.open, &results.trials);
    let of = |trial: &StoredTrial| Some(trial.summary.as_ref()?.evaluation.as_ref()?.matrices.len());
    let matrices = trials.values().filter_map(of).max().unwrap_or(0);
    let columns = Columns::of(open, trials.values().map(|trial| &trial.spec.choices), matrices);
    let mut sink = sink(args, columns.trials())?;
    for trial in trials.values() {
        sink.push(|| exported::trial_line(open, trial), || columns.trial(open, trial))?;
    }
    sink.finish()
}

/// Prints the epochs of the trials that have ended: those of a running one are a preview and may yet change.
fn epochs(args: &ExportArgs, results: &Results, reader: &dyn Reader) -> Result<(), CommandError> {
    let mut sink = sink(args, exported::epoch_fields())?;
    for trial in results.trials.values().filter(|trial| trial.summary.is_some()) {
        for metrics in &reader.epochs(trial.id)? {
            let id = trial.id;
            sink.push(|| exported::epoch_line(id, metrics), || exported::epoch_row(id, metrics))?;
        }
    }
    sink.finish()
}

fn cells(args: &ExportArgs, stored: StoredSweep, reader: &dyn Reader) -> Result<(), CommandError> {
    let is_cancelled = stored.is_cancelled;
    let open = results::open(stored)?;
    let cells = Tables::read(reader, &open, is_cancelled)?.cells_with_results();
    let matrices = cells.iter().map(exported::matrices).max().unwrap_or(0);
    let columns = Columns::of(&open, cells.iter().map(|cell| &cell.choices), matrices);
    let mut sink = sink(args, columns.cells())?;
    for cell in &cells {
        sink.push(|| exported::cell_line(&open, cell), || columns.cell(&open, cell))?;
    }
    sink.finish()
}

fn attempts(args: &ExportArgs, open: &OpenSweep, reader: &dyn Reader) -> Result<(), CommandError> {
    let trials = attempted(open, reader)?;
    let choices = trials.values().map(|trial| &trial.spec.choices);
    let columns = Columns::of(open, choices.collect::<Vec<&Choices>>(), 0);
    let mut sink = sink(args, columns.attempts())?;
    for trial in trials.values() {
        // What was handed back before it had a slot is no execution of the trial.
        for attempt in reader.attempts(trial.id)?.iter().filter(|attempt| attempt.state != "returned") {
            sink.push(|| exported::attempt_line(trial, attempt), || columns.attempt(trial, attempt))?;
        }
    }
    sink.finish()
}

/// Returns the trials of a sweep that any attempt was made at, by index in the grid.
fn attempted(open: &OpenSweep, reader: &dyn Reader) -> Result<BTreeMap<u64, AttemptedTrial>, CommandError> {
    let mut by_index = BTreeMap::new();
    let mut after = None;
    loop {
        let page = reader.attempted(after, PAGE_ROWS)?;
        let Some(last) = page.last() else { return Ok(by_index) };
        after = Some(last.id);
        by_index.extend(page.into_iter().filter_map(|trial| Some((open.index_of(&trial.spec)?, trial))));
    }
}
