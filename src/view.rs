//! What `run` shows while a sweep runs, and the results that it speaks of.

use crate::args::Global;
use crate::error::CommandError;
use crate::progress::{Glance, Progress, RunningLine};
use crate::results::{self, Results};
use crate::work::Work;
use gridsweep_common::choice::Value;
use gridsweep_common::frozen::OpenSweep;
use gridsweep_common::id::SweepId;
use gridsweep_common::metric::Metric;
use gridsweep_common::search::Search;
use gridsweep_common::table::{self, Quantity};
use gridsweep_coordinator::Standing;
use gridsweep_coordinator::store::SqliteReader;
use std::time::{Duration, Instant};

/// How often the results are read on while trials end, at most.
const LOAD_EVERY: Duration = Duration::from_secs(2);
/// Reading takes at most this share of the time: what is shown must not slow down what runs.
const LOAD_SHARE_MAX: f64 = 0.02;

/// The display of one sweep.
pub(crate) struct View {
    pub(crate) results: Results,
    reader: SqliteReader,
    sweep: SweepId,
    work: Work,
    total_work: f64,
    display: Progress,
    glance: Glance,
    next_load: Instant,
}

impl View {
    pub(crate) fn new(
        global: &Global,
        sweep: SweepId,
        open: OpenSweep,
        work: Work,
    ) -> Result<View, CommandError> {
        let reader = SqliteReader::open(&global.state)?;
        let total_work = work.total(&open);
        let results = results::load(&reader, open)?;
        let display = Progress::new(global.quiet);
        let glance = Glance::default();
        let mut view =
            View { results, reader, sweep, work, total_work, display, glance, next_load: Instant::now() };
        view.update();
        Ok(view)
    }

    /// Returns how many trials of the sweep have ended, as far as was read.
    pub(crate) fn ended(&self) -> u64 {
        self.glance.ended.total()
    }

    /// Reads what has ended since the last time.
    pub(crate) fn load(&mut self) -> Result<(), CommandError> {
        let began = Instant::now();
        self.results.load_more(&self.reader)?;
        self.update();
        self.next_load = Instant::now() + began.elapsed().div_f64(LOAD_SHARE_MAX).max(LOAD_EVERY);
        Ok(())
    }

    fn update(&mut self) {
        let Results { open, trials, .. } = &self.results;
        let replicates = u64::from(open.sweep.replicates.count);
        let mut cells_ended = 0;
        let mut run = (u64::MAX, 0);
        for index in trials.keys() {
            let cell = index / replicates;
            run = if run.0 == cell { (cell, run.1 + 1) } else { (cell, 1) };
            cells_ended += u64::from(run.1 == replicates);
        }
        let done: f64 = trials.values().map(|trial| self.work.trial(&trial.spec.choices)).sum();
        self.glance = Glance {
            trials: open.trials(),
            ended: self.results.counts(),
            cells: Some((cells_ended, open.sweep.grid().cells())),
            best: self.best(),
            share_done: if self.total_work > 0.0 { done / self.total_work } else { 0.0 },
            ..Glance::default()
        };
    }

    /// Names the cell with the best mean test accuracy.
    fn best(&self) -> Option<String> {
        const ACCURACY: Quantity = Quantity::Metric(Metric::TestAccuracy);
        let cells = self.results.tables().cells_with_results();
        let best = &cells[table::best_cell(&cells, Metric::TestAccuracy)?];
        let accuracy = table::text::number(&table::summarize(best, ACCURACY)?, ACCURACY);
        Some(format!("test_accuracy {accuracy}  {}", self.results.labels.cell(&best.choices)))
    }

    /// Shows how things stand.
    pub(crate) fn show(&mut self, standing: &Standing) -> Result<(), CommandError> {
        let snapshot = &standing.snapshot;
        let Some(of) = snapshot.sweeps.iter().find(|of| of.sweep == self.sweep) else { return Ok(()) };
        if of.ended.total() > 0 && Instant::now() >= self.next_load {
            self.load()?;
        }
        let in_slots = of.running.iter().filter(|running| running.has_slot);
        let running = in_slots.map(|running| RunningLine {
            worker: running.worker.clone(),
            epochs: standing.epochs.get(&running.trial).copied().unwrap_or(0),
            epochs_most: running.spec.choices.get("epochs").and_then(Value::as_number).unwrap_or(0.0) as u32,
            name: format!(
                "{} replicate {}",
                self.results.labels.cell(&running.spec.choices),
                running.spec.seed.replicate
            ),
        });
        self.glance.running = running.collect();
        self.glance.workers = snapshot.workers;
        self.glance.trouble = standing.trouble.clone();
        self.display.show(&self.glance);
        Ok(())
    }

    /// Takes the display away.
    pub(crate) fn clear(&mut self) {
        self.display.clear();
    }

    /// Says in one line how the sweep ended.
    pub(crate) fn last_words(&self, seconds: f64) -> String {
        crate::progress::last_words(&self.results.open.sweep.name, &self.glance, seconds)
    }
}
