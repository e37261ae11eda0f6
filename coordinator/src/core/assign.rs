//! Free slots are filled: first with trials that wait for another attempt, then from the sweeps' cursors.

use super::state::{Core, Counts, Lease, Moment, Phase, SweepState, TrialState};
use super::{Decision, Event, Message};
use gridsweep_common::id::{Attempt, Fence, SweepId, TrialId, WorkerId};
use gridsweep_common::trial::TrialSpec;
use std::collections::BTreeSet;
use std::sync::Arc;

/// How many trials of a grid one decision looks at: a grid whose beginning is done already is walked over in steps, so
/// that no decision takes long. At about 5 µs a trial this is 20 ms.
pub const STEPS_MAX: u64 = 4096;

/// Gives each free slot a trial, the worker with the most free slots first.
pub(super) fn assign(core: &Core, now: Moment) -> Decision {
    let mut decision = Decision::default();
    if core.is_draining {
        return decision;
    }
    let mut slots = free_slots(core);
    let mut lease = |decision: &mut Decision, id: TrialId, spec: &Arc<TrialSpec>| -> bool {
        let Some(worker) = take_slot(&mut slots) else { return false };
        lease_to(core, now, worker, id, spec, decision);
        true
    };
    let mut walk = Walk { core, steps_left: STEPS_MAX, leased: BTreeSet::new() };
    for id in core.waiting.values() {
        let Some(Phase::Pending { spec }) = core.trials.get(id).map(|trial| &trial.phase) else { continue };
        if !lease(&mut decision, *id, spec) {
            break;
        }
        walk.leased.insert(*id);
    }
    for (&id, state) in core.sweeps.iter().filter(|(_, state)| state.is_active) {
        walk.over(id, state, &mut decision, &mut lease);
    }
    decision
}

/// The way of the sweeps' cursors within one decision.
struct Walk<'a> {
    core: &'a Core,
    steps_left: u64,
    /// Trials leased by this decision, which the core does not know yet: another sweep may have them too.
    leased: BTreeSet<TrialId>,
}

impl Walk<'_> {
    /// Moves one sweep's cursor over trials that have ended or run, and leases the others while slots are free.
    fn over(
        &mut self,
        sweep: SweepId,
        state: &SweepState,
        decision: &mut Decision,
        lease: &mut impl FnMut(&mut Decision, TrialId, &Arc<TrialSpec>) -> bool,
    ) {
        let mut cursor = state.cursor;
        let mut known = Vec::new();
        let mut ended = Counts::default();
        while self.steps_left > 0 {
            let Some(spec) = state.open.trial(cursor) else { break };
            if spec.numerics != self.core.settings.numerics {
                break;
            }
            let (id, spec) = (spec.id(), Arc::new(spec));
            match self.core.trials.get(&id).map(|trial| &trial.phase) {
                Some(Phase::Ended { end, .. }) => *ended.of(*end) += 1,
                Some(Phase::Leased { .. }) => {}
                Some(Phase::Pending { .. }) | None if self.leased.contains(&id) => {}
                Some(Phase::Pending { .. }) | None if lease(decision, id, &spec) => {
                    self.leased.insert(id);
                }
                Some(Phase::Pending { .. }) | None => break,
            }
            known.push((cursor, id));
            cursor += 1;
            self.steps_left -= 1;
        }
        if cursor > state.cursor {
            decision.events.push(Event::CursorAdvanced { sweep, cursor, known, ended });
        }
    }
}

fn free_slots(core: &Core) -> Vec<(u32, WorkerId)> {
    let free = |(&worker, state): (&WorkerId, &super::state::WorkerState)| {
        (state.offer.slots.saturating_sub(state.running.len() as u32), worker)
    };
    core.workers
        .iter()
        .filter(|(_, state)| !state.is_leaving)
        .map(free)
        .filter(|(free, _)| *free > 0)
        .collect()
}

/// Takes a slot of the worker with the most free ones; of equals, the one that joined first.
fn take_slot(slots: &mut [(u32, WorkerId)]) -> Option<WorkerId> {
    let (free, worker) = slots.iter_mut().rev().max_by_key(|(free, _)| *free)?;
    *free = free.checked_sub(1)?;
    Some(*worker)
}

fn lease_to(
    core: &Core,
    now: Moment,
    worker: WorkerId,
    trial: TrialId,
    spec: &Arc<TrialSpec>,
    decision: &mut Decision,
) {
    let attempts = core.trials.get(&trial).map_or(0, |trial| trial.attempts);
    let fence = Fence { term: core.term, trial, attempt: Attempt(attempts + 1) };
    decision.events.push(Event::AttemptLeased {
        fence,
        spec: Arc::clone(spec),
        worker,
        worker_name: core.worker_name(worker).unwrap_or_default().to_owned(),
        expires: now.plus_ms(core.settings.lease_ms),
    });
    decision.send(worker, Message::Lease { fence, spec: Arc::clone(spec) });
}

pub(super) fn apply_leased(
    core: &mut Core,
    fence: Fence,
    spec: &Arc<TrialSpec>,
    worker: WorkerId,
    expires: Moment,
) {
    let lease = Lease { fence, worker, expires };
    let phase = Phase::Leased { spec: Arc::clone(spec), lease };
    let trial = core.trials.entry(fence.trial).or_insert_with(|| TrialState {
        phase: Phase::Pending { spec: Arc::clone(spec) },
        attempts: 0,
        failures: 0,
        places: Vec::new(),
    });
    trial.phase = phase;
    trial.attempts = trial.attempts.max(fence.attempt.0);
    if let Some(place) = trial.places.first() {
        core.waiting.remove(place);
    }
    if let Some(state) = core.workers.get_mut(&worker) {
        state.running.insert(fence.trial);
    }
}

pub(super) fn apply_advanced(
    core: &mut Core,
    sweep: SweepId,
    cursor: u64,
    known: &[(u64, TrialId)],
    ended: &Counts,
) {
    let Some(state) = core.sweeps.get_mut(&sweep) else { return };
    state.cursor = cursor;
    state.ended.add(ended);
    state.outstanding += known.len() as u64 - ended.total();
    for &(index, id) in known {
        let Some(trial) = core.trials.get_mut(&id) else { continue };
        trial.places.push((sweep, index));
        if trial.places.len() == 1 && matches!(trial.phase, Phase::Pending { .. }) {
            core.waiting.insert((sweep, index), id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::testing::{World, sweep_of};

    #[test]
    fn every_slot_gets_one_trial_and_no_trial_goes_twice() {
        let mut world = World::new();
        world.submit(sweep_of("a", 5));
        world.join(2);
        world.join(1);
        let leases = world.assign();
        let distinct: std::collections::BTreeSet<_> = leases.iter().map(|(_, fence)| fence.trial).collect();
        assert_eq!((leases.len(), distinct.len()), (3, 3));
        assert!(world.assign().is_empty());
    }

    #[test]
    fn sweeps_in_one_store_share_their_trials() {
        let mut world = World::new();
        world.submit(sweep_of("a", 3));
        world.submit(sweep_of("b", 3));
        let worker = world.join(8);
        let leases = world.assign();
        assert_eq!(leases.len(), 3, "the second sweep's trials are those of the first");
        for (_, fence) in leases {
            world.finish(worker, fence);
        }
        for sweep in world.core.snapshot().sweeps {
            assert_eq!(sweep.ended.succeeded, 3);
            assert!(sweep.has_ended);
        }
    }

    #[test]
    fn a_grid_whose_beginning_is_done_is_walked_in_bounded_steps() {
        let mut world = World::new();
        let many = STEPS_MAX as usize + 10;
        world.submit(sweep_of("a", many));
        let worker = world.join(super::super::join::SLOTS_MAX);
        loop {
            let leases = world.assign();
            if leases.is_empty() {
                break;
            }
            for (_, fence) in leases {
                world.finish_unchecked(worker, fence);
            }
        }
        world.submit(sweep_of("b", many + 1));
        assert!(world.assign().is_empty(), "one decision does not walk over the whole grid");
        assert_eq!(world.assign().len(), 1);
    }
}
