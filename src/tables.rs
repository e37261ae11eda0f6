//! The tables of a sweep, from what is known of its trials.

use crate::error::CommandError;
use gridsweep_common::choice::Choices;
use gridsweep_common::frozen::OpenSweep;
use gridsweep_common::metric::OutcomeSummary;
use gridsweep_common::report::{Format, terminal};
use gridsweep_common::search::Search;
use gridsweep_common::spec::Study;
use gridsweep_common::table::{self, CellResults, Effects, Replicate, Table, TableSpec};
use gridsweep_coordinator::core::TrialEnd;
use gridsweep_coordinator::store::{Detail, Reader};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A study with more cells than this is shown by those that have results; its tables say how many there are.
const CELLS_LISTED_MAX: u64 = 20_000;

/// What is known of the trials of a sweep.
pub(crate) struct Tables<'a> {
    open: &'a OpenSweep,
    /// By index in the grid.
    replicates: BTreeMap<u64, Replicate>,
}

/// What is shown of a study.
pub(crate) enum Shown {
    /// A table.
    Table(Table),
    /// The shares of its axes in the variance.
    Effects(Effects),
}

impl<'a> Tables<'a> {
    /// Takes what is known of the trials that have ended, by their index in the grid.
    pub(crate) fn new(open: &'a OpenSweep, replicates: BTreeMap<u64, Replicate>) -> Tables<'a> {
        Tables { open, replicates }
    }

    /// Reads what has ended of a sweep. Trials that were cancelled have ended if the sweep is, and else will be run.
    pub(crate) fn read(
        reader: &dyn Reader,
        open: &'a OpenSweep,
        is_cancelled: bool,
    ) -> Result<Tables<'a>, CommandError> {
        let mut replicates = BTreeMap::new();
        reader.for_each_ended(open, Detail::Measures, &mut |index, trial| {
            if is_cancelled || trial.end != TrialEnd::Cancelled {
                replicates.insert(index, replicate(trial.end, trial.summary));
            }
        })?;
        Ok(Tables { open, replicates })
    }

    /// Returns the cells of a study with what is known of their replicates, in the study's order.
    pub(crate) fn cells(&self, study: usize) -> Vec<CellResults> {
        let grid = self.open.sweep.grid().study(study);
        if grid.cells() <= CELLS_LISTED_MAX {
            return grid.cells_in(0..grid.cells()).filter_map(|choices| self.cell(choices)).collect();
        }
        let replicates = u64::from(self.open.sweep.grid().replicates());
        let mut with_results = BTreeMap::new();
        for index in self.replicates.keys() {
            let choices = self.open.sweep.grid().cell(index / replicates);
            if let Some((position, choices)) = choices.and_then(|of| Some((grid.position_of(&of)?, of))) {
                with_results.insert(position, choices);
            }
        }
        with_results.into_values().filter_map(|choices| self.cell(choices)).collect()
    }

    /// Returns the cells of all studies of which any trial has ended, each once, in the order of the grid.
    pub(crate) fn cells_with_results(&self) -> Vec<CellResults> {
        let grid = self.open.sweep.grid();
        let mut cells: Vec<u64> =
            self.replicates.keys().map(|index| index / u64::from(grid.replicates())).collect();
        cells.dedup();
        cells.into_iter().filter_map(|cell| self.cell(grid.cell(cell)?)).collect()
    }

    fn cell(&self, choices: Choices) -> Option<CellResults> {
        let grid = self.open.sweep.grid();
        // The replicates of a cell follow one another.
        let first = grid.index_of(&choices, 0)?;
        let of = |number: u64| self.replicates.get(&(first + number)).cloned().unwrap_or(Replicate::Pending);
        Some(CellResults { choices, replicates: (0..u64::from(grid.replicates())).map(of).collect() })
    }

    /// Makes tables of a study, each followed by the shares of the axes in the variance where it asks for them.
    pub(crate) fn study(&self, study: usize, specs: &[TableSpec]) -> Vec<Shown> {
        let cells = self.cells(study);
        let of: &Study = &self.open.sweep.studies[study];
        let all = self.open.sweep.grid().study(study).cells();
        let mut shown = Vec::new();
        for spec in specs {
            let mut table = table::build(spec, &cells);
            table.title = Some(title(of));
            if (cells.len() as u64) < all {
                let listed = cells.len();
                table.notes.push(format!("{listed} of {all} cells have results; the others are not listed"));
            }
            shown.push(Shown::Table(table));
            if spec.effects {
                let mut effects = table::effects(spec, &of.axes, &cells);
                effects.title = Some(format!("{}, shares of the variance", title(of)));
                shown.push(Shown::Effects(effects));
            }
        }
        shown
    }
}

impl Shown {
    /// Writes it down in a format.
    pub(crate) fn render(&self, format: &dyn Format) -> String {
        match self {
            Shown::Table(table) => format.render(table),
            Shown::Effects(effects) => format.render_effects(effects),
        }
    }

    /// Writes it down for a terminal of some width, or for a pipe.
    pub(crate) fn render_for_terminal(&self, width: Option<usize>) -> String {
        match self {
            Shown::Table(table) => terminal::render(table, width),
            Shown::Effects(effects) => terminal::render_effects(effects, width),
        }
    }
}

/// Returns what a table makes of how a trial ended.
pub(crate) fn replicate(end: TrialEnd, summary: Option<OutcomeSummary>) -> Replicate {
    match (end, summary) {
        (TrialEnd::Succeeded | TrialEnd::Diverged, Some(summary)) => Replicate::Finished(Arc::new(summary)),
        _ => Replicate::Missing,
    }
}

fn title(study: &Study) -> String {
    match &study.title {
        Some(title) => format!("{}: {title}", study.name),
        None => study.name.clone(),
    }
}
