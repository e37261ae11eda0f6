//! Where there is room for another attempt, within one decision.

use super::state::{Core, Moment, TrialState, WorkerState};
use gridsweep_common::id::WorkerId;
use std::sync::Arc;

/// The room of every worker that may get something.
#[derive(Debug)]
pub(super) struct Room {
    workers: Vec<WorkerRoom>,
}

#[derive(Debug)]
struct WorkerRoom {
    worker: WorkerId,
    name: Arc<str>,
    /// Free slots.
    slots: usize,
    /// Attempts that may wait there beside those in slots: one a slot, so that no slot is idle for a round trip.
    ahead: usize,
    /// What it holds already.
    held: usize,
}

impl Room {
    /// Looks at the workers. Those on which everything fails come in when there are no others.
    pub(super) fn of(core: &Core, now: Moment) -> Room {
        let of = |is_wanted: fn(&WorkerState) -> bool| -> Vec<WorkerRoom> {
            let may_get = |state: &WorkerState| {
                is_wanted(state) && !state.is_leaving && !state.is_suspect(now, &core.settings)
            };
            core.workers.iter().filter(|(_, state)| may_get(state)).map(WorkerRoom::of).collect()
        };
        let workers = of(|state| !state.is_quarantined);
        Room { workers: if workers.is_empty() { of(|_| true) } else { workers } }
    }

    /// Returns whether nothing more can be given to anyone.
    pub(super) fn is_used_up(&self) -> bool {
        self.workers.iter().all(|room| room.slots + room.ahead == 0)
    }

    /// Returns how many slots are idle.
    pub(super) fn idle_slots(&self) -> usize {
        self.workers.iter().map(|room| room.slots).sum()
    }

    /// Takes room for an attempt: a free slot of the worker with the most of them, of equals the one that joined first;
    /// where all are busy, a place to wait. `trial` is absent where no attempt was made at it before.
    pub(super) fn take(&mut self, trial: Option<&TrialState>) -> Option<WorkerId> {
        match trial.filter(|trial| trial.is_lone()) {
            Some(trial) => self.take_whole(trial),
            None => {
                let shunned = trial.and_then(|trial| self.shunned(trial));
                let fits = |room: &&mut WorkerRoom| Some(&room.name) != shunned.as_ref();
                let room = self.workers.iter_mut().rev().filter(fits);
                room.max_by_key(|room| (room.slots, room.ahead))?.take()
            }
        }
    }

    /// Takes a free slot of a worker that `may` have it.
    pub(super) fn take_slot(&mut self, may: impl Fn(WorkerId) -> bool) -> Option<WorkerId> {
        let room = self.workers.iter_mut().rev().filter(|room| room.slots > 0 && may(room.worker));
        room.max_by_key(|room| room.slots)?.take()
    }

    /// Takes all of an idle worker. Where none is idle, the one that will be soonest gets nothing more until it is.
    fn take_whole(&mut self, trial: &TrialState) -> Option<WorkerId> {
        let shunned = self.shunned(trial);
        let fits = |room: &&mut WorkerRoom| {
            Some(&room.name) != shunned.as_ref() && (room.held > 0 || room.slots > 0)
        };
        let room = self.workers.iter_mut().filter(fits).min_by_key(|room| room.held)?;
        let is_idle = room.held == 0;
        (room.slots, room.ahead) = (0, 0);
        room.held += usize::from(is_idle);
        is_idle.then_some(room.worker)
    }

    /// Returns the worker that the trial is not to go to again, where there is another one.
    fn shunned(&self, trial: &TrialState) -> Option<Arc<str>> {
        let name = trial.shunned.as_ref()?;
        self.workers.iter().any(|room| room.name != *name).then(|| Arc::clone(name))
    }
}

impl WorkerRoom {
    fn of((&worker, state): (&WorkerId, &WorkerState)) -> WorkerRoom {
        let (slots, held) = (state.slots(), state.running.len());
        let name = Arc::clone(&state.offer.name);
        if state.lone.is_some() {
            return WorkerRoom { worker, name, slots: 0, ahead: 0, held };
        }
        let ahead = (2 * slots).saturating_sub(held.max(slots));
        WorkerRoom { worker, name, slots: slots.saturating_sub(held), ahead, held }
    }

    fn take(&mut self) -> Option<WorkerId> {
        if self.slots > 0 {
            self.slots -= 1;
        } else {
            self.ahead = self.ahead.checked_sub(1)?;
        }
        self.held += 1;
        Some(self.worker)
    }
}
