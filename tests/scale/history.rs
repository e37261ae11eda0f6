//! Recorded trials, as if a coordinator had recorded them: through the store's own writing side.

use crate::fleet::finished;
use crate::sweep::Grid;
use gridsweep_common::frozen::{FrozenSweep, OpenSweep};
use gridsweep_common::id::{Attempt, Fence, WorkerId};
use gridsweep_common::work::Work;
use gridsweep_coordinator::core::{AttemptEnding, Event, Moment, Passed, Record, TrialEnd};
use gridsweep_coordinator::store::{Batch, Reader, SqliteReader, SqliteStore, Store};
use gridsweep_proto::convert;
use std::sync::Arc;
use tempfile::TempDir;

const TRIALS_PER_BATCH: u64 = 2_000;

/// Records the first trials of a sweep that was submitted to this state folder.
pub(crate) fn record(state: &TempDir, grid: &Grid, trials: u64) {
    let stored = SqliteReader::open(state.path()).unwrap().sweeps().unwrap().remove(0);
    assert_eq!(stored.name, format!("s{}", grid.name));
    let (sweep, open) = (stored.id, open(stored.frozen));
    let mut store = SqliteStore::open(state.path()).unwrap();
    let term = store.begin_term().unwrap();
    let outcome = Arc::new(convert::outcome(&finished(1).outcome.unwrap()).unwrap());
    let digest = outcome.digest();
    let mut next = 0;
    while next < trials {
        let (mut batch, mut passed) = (Batch { term, ..Batch::default() }, Vec::new());
        for index in next..(next + TRIALS_PER_BATCH).min(trials) {
            let spec = Arc::new(open.trial(index).unwrap());
            let (trial, attempt, work) = (spec.id(), Attempt(1), Work::of(&spec.choices));
            let fence = Fence { term, trial, attempt };
            batch.events.extend([
                Event::AttemptLeased {
                    fence,
                    spec,
                    worker: WorkerId(1),
                    worker_name: "before".into(),
                    expires: Moment(0),
                },
                Event::AttemptEnded { trial, attempt, ending: AttemptEnding::Finished },
                Event::TrialFinished { trial, end: TrialEnd::Diverged, digest, epochs: 1 },
            ]);
            batch.records.push(Record { trial, attempt, outcome: Arc::clone(&outcome) });
            passed.push(Passed { index, trial, work });
        }
        let (cursor, ahead) = (next + passed.len() as u64, Vec::new());
        batch.events.push(Event::CursorAdvanced { sweep, cursor, ahead, passed });
        store.commit(&batch).unwrap();
        next += TRIALS_PER_BATCH;
    }
}

fn open(frozen: FrozenSweep) -> OpenSweep {
    frozen.open().unwrap_or_else(|problems| panic!("{problems:?}"))
}
