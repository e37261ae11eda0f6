//! The core as people are shown it.

use super::state::{Core, Counts, Phase, SweepState};
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
    /// Workers that were cut off and may be at work.
    pub workers_away: u32,
    /// The names of workers on which everything fails.
    pub workers_quarantined: Vec<String>,
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
    /// Whether it was cancelled: none of its trials is begun for its sake.
    pub is_cancelled: bool,
    /// Its priority.
    pub priority: i32,
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
    /// Whether it has its slot, as far as is known; otherwise it waits for one there.
    pub has_slot: bool,
    /// What it computes.
    pub spec: Arc<TrialSpec>,
}

impl Core {
    /// Returns how things stand.
    pub fn snapshot(&self) -> Snapshot {
        let connected = self.workers.values().filter(|worker| worker.is_connected);
        Snapshot {
            sweeps: self.sweeps.keys().map(|&sweep| self.standing(sweep)).collect(),
            workers: connected.clone().count() as u32,
            workers_away: self.workers.len() as u32 - connected.clone().count() as u32,
            workers_quarantined: connected
                .clone()
                .filter(|worker| worker.is_quarantined)
                .map(|worker| worker.offer.name.to_string())
                .collect(),
            slots: connected.map(|worker| worker.offer.slots).sum(),
            conflicts: self.conflicts.len() as u64,
        }
    }

    fn standing(&self, sweep: SweepId) -> SweepStanding {
        let state = &self.sweeps[&sweep];
        let trials = state.open.trials();
        SweepStanding {
            sweep,
            trials,
            ended: self.ended_of(state),
            has_ended: state.is_cancelled
                || (state.cursor == trials && state.window.len() == 0 && state.outstanding == 0),
            is_cancelled: state.is_cancelled,
            priority: state.priority,
            running: self.running_of(sweep),
        }
    }

    /// Counts the trials that have ended; of a cancelled sweep all others are cancelled.
    fn ended_of(&self, state: &SweepState) -> Counts {
        let mut ended = state.ended;
        if state.is_cancelled {
            ended.cancelled += state.open.trials() - ended.total();
        }
        ended
    }

    /// Returns what runs, or waits for a slot of its worker.
    fn running_of(&self, sweep: SweepId) -> Vec<Running> {
        let running = |lease: &super::state::Lease| {
            let trial = self.trials.get(&lease.fence.trial)?;
            let Phase::Leased { spec, .. } = &trial.phase else { return None };
            trial.places.iter().any(|(of, _)| *of == sweep).then(|| Running {
                trial: lease.fence.trial,
                attempt: lease.fence.attempt,
                worker: lease.worker_name.to_string(),
                has_slot: lease.slot.is_some(),
                spec: Arc::clone(spec),
            })
        };
        self.live_leases().filter_map(running).collect()
    }
}
