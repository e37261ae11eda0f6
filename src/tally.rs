//! How the trials of a sweep ended: counted one by one, so that a sweep of any size can be.

use crate::error::CommandError;
use crate::label::Labels;
use gridsweep_common::frozen::OpenSweep;
use gridsweep_common::search::Search;
use gridsweep_common::trial::Failure;
use gridsweep_coordinator::core::{Counts, TrialEnd};
use gridsweep_coordinator::store::{Detail, Reader};
use std::collections::BTreeMap;

/// How many failures are shown.
pub(crate) const FAILURES_SHOWN_MAX: usize = 5;

/// How the trials of a sweep ended.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) counts: Counts,
    /// The first trials without a result, by index in the grid.
    failures: BTreeMap<u64, (TrialEnd, Failure)>,
}

impl Tally {
    /// Counts what has ended of a sweep. What was never begun of a cancelled one has no row and has ended too; what was
    /// cancelled of one that goes on will be run.
    pub(crate) fn read(
        reader: &dyn Reader,
        open: &OpenSweep,
        is_cancelled: bool,
    ) -> Result<Tally, CommandError> {
        let mut tally = Tally::default();
        reader.for_each_ended(open, Detail::End, &mut |index, trial| {
            if !is_cancelled && trial.end == TrialEnd::Cancelled {
                return;
            }
            *tally.counts.of(trial.end) += 1;
            if let Some(failure) = trial.failure {
                tally.failures.insert(index, (trial.end, failure));
            }
            if tally.failures.len() > FAILURES_SHOWN_MAX {
                tally.failures.pop_last();
            }
        })?;
        if is_cancelled {
            tally.counts.cancelled += open.trials() - tally.counts.total();
        }
        Ok(tally)
    }

    /// Says of the first trials without a result how they ended, and why they have none.
    pub(crate) fn first_failures(&self, open: &OpenSweep, labels: &Labels) -> Vec<(&'static str, String)> {
        let said = |(index, (end, failure)): (&u64, &(TrialEnd, Failure))| {
            let point = open.sweep.grid().trial(*index)?;
            let (cell, kind) = (labels.cell(&point.choices), failure.kind.name());
            let said = format!("{cell} replicate {}: {kind}: {}", point.replicate, failure.detail);
            Some((end.name(), said))
        };
        self.failures.iter().filter_map(said).collect()
    }
}
