//! The core as people are shown it.

use super::state::{Core, Counts, Phase};
use gridsweep_common::id::{Attempt, SweepId, TrialId};
use gridsweep_common::trial::TrialSpec;
use std::sync::Arc;

/// How things stand.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Every sweep.
    pub sweeps: Vec<SweepStanding>,
    /// Workers connected.
    pub workers: u32,
    /// Their slots together.
    pub slots: u32,
    /// Results that disagreed with the recorded one.
    pub conflicts: u64,
}

/// How one sweep stands.
#[derive(Clone, Debug)]
pub struct SweepStanding {
    /// The sweep.
    pub sweep: SweepId,
    /// How many trials it has.
    pub trials: u64,
    /// Those that have ended, as far as the cursor has come.
    pub ended: Counts,
    /// Whether every trial has ended.
    pub has_ended: bool,
    /// Its live attempts.
    pub running: Vec<Running>,
}

/// A live attempt.
#[derive(Clone, Debug)]
pub struct Running {
    /// The trial.
    pub trial: TrialId,
    /// The attempt.
    pub attempt: Attempt,
    /// What its worker calls itself.
    pub worker: String,
    /// What it computes.
    pub spec: Arc<TrialSpec>,
}

impl Core {
    /// Returns how things stand.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            sweeps: self.sweeps.keys().map(|&sweep| self.standing(sweep)).collect(),
            workers: self.workers.len() as u32,
            slots: self.workers.values().map(|worker| worker.offer.slots).sum(),
            conflicts: self.conflicts,
        }
    }

    fn standing(&self, sweep: SweepId) -> SweepStanding {
        let state = &self.sweeps[&sweep];
        let trials = state.open.trials();
        SweepStanding {
            sweep,
            trials,
            ended: state.ended,
            has_ended: state.cursor == trials && state.outstanding == 0,
            running: self.running_of(sweep),
        }
    }

    /// Goes through the workers, not the trials: there are few of them.
    fn running_of(&self, sweep: SweepId) -> Vec<Running> {
        let running = |(worker, id): (&str, &TrialId)| {
            let trial =
                self.trials.get(id).filter(|trial| trial.places.iter().any(|(of, _)| *of == sweep))?;
            let Phase::Leased { spec, lease } = &trial.phase else { return None };
            let worker = worker.to_owned();
            Some(Running { trial: *id, attempt: lease.fence.attempt, worker, spec: Arc::clone(spec) })
        };
        let of_workers = self.workers.values();
        of_workers
            .flat_map(|worker| worker.running.iter().map(|id| (worker.offer.name.as_str(), id)))
            .filter_map(running)
            .collect()
    }
}
