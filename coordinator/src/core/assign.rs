//! Free slots are filled: first with trials that wait for another attempt, then from the sweeps' cursors. When every
//! slot has its trial, each gets one more to go on with.

use super::room::Room;
use super::state::{Core, Counts, Lease, Moment, Phase, SweepState, TrialState};
use super::{Decision, Event, Message, spare};
use gridsweep_common::id::{Attempt, Fence, SweepId, TrialId, WorkerId};
use gridsweep_common::trial::TrialSpec;
use std::collections::BTreeSet;
use std::sync::Arc;

/// How many trials of a grid one decision looks at: a grid whose beginning is done already is walked over in steps, so
/// that no decision takes long. At about 5 µs a trial this is 20 ms.
pub const STEPS_MAX: u64 = 4096;

/// Gives each free slot a trial; what is idle then helps the others.
pub(super) fn assign(core: &Core, now: Moment) -> Decision {
    let mut decision = Decision::default();
    if core.is_draining {
        return decision;
    }
    let room = Room::of(core, now);
    let mut walk = Walk { core, now, room, steps_left: STEPS_MAX, leased: BTreeSet::new() };
    walk.over_waiting(&mut decision);
    for (&id, state) in core.sweeps.iter().filter(|(_, state)| state.is_active) {
        walk.over(id, state, &mut decision);
    }
    if walk.steps_left > 0 && walk.room.idle_slots() > 0 {
        spare::help(core, now, &mut walk.room, &mut decision);
    }
    decision
}

/// The way over the trials within one decision.
struct Walk<'a> {
    core: &'a Core,
    now: Moment,
    room: Room,
    steps_left: u64,
    /// Trials leased by this decision, which the core does not know yet: another sweep may have them too.
    leased: BTreeSet<TrialId>,
}

impl Walk<'_> {
    /// Leases trials that wait for another attempt. One that has to wait for a certain worker holds up no other.
    fn over_waiting(&mut self, decision: &mut Decision) {
        let core = self.core;
        for id in core.waiting.values() {
            if self.steps_left == 0 || self.room.is_used_up() {
                return;
            }
            self.steps_left -= 1;
            if let Some(Phase::Pending { spec }) = core.trials.get(id).map(|trial| &trial.phase) {
                self.lease(*id, spec, decision);
            }
        }
    }

    /// Moves one sweep's cursor over trials that have ended or run, and leases the others while there is room.
    fn over(&mut self, sweep: SweepId, state: &SweepState, decision: &mut Decision) {
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
                Some(Phase::Pending { .. }) | None if self.room.is_used_up() => break,
                // Passed without a lease, it waits for the worker that may have it.
                Some(Phase::Pending { .. }) => drop(self.lease(id, &spec, decision)),
                None if self.lease(id, &spec, decision) => {}
                None => break,
            }
            known.push((cursor, id));
            cursor += 1;
            self.steps_left -= 1;
        }
        if cursor > state.cursor {
            decision.events.push(Event::CursorAdvanced { sweep, cursor, known, ended });
        }
    }

    fn lease(&mut self, id: TrialId, spec: &Arc<TrialSpec>, decision: &mut Decision) -> bool {
        let Some(worker) = self.room.take(self.core.trials.get(&id)) else { return false };
        lease_to(self.core, self.now, worker, id, spec, decision);
        self.leased.insert(id);
        true
    }
}

/// Gives a worker the right to a new attempt.
pub(super) fn lease_to(
    core: &Core,
    now: Moment,
    worker: WorkerId,
    trial: TrialId,
    spec: &Arc<TrialSpec>,
    decision: &mut Decision,
) {
    let Some(state) = core.workers.get(&worker) else { return };
    let attempts = core.trials.get(&trial).map_or(0, |trial| trial.attempts);
    let fence = Fence { term: core.term, trial, attempt: Attempt(attempts + 1) };
    decision.events.push(Event::AttemptLeased {
        fence,
        spec: Arc::clone(spec),
        worker,
        worker_name: Arc::clone(&state.offer.name),
        expires: now.plus_ms(core.settings.lease_ms),
    });
    decision.send(worker, Message::Lease { fence, spec: Arc::clone(spec) });
}

pub(super) fn apply_leased(
    core: &mut Core,
    fence: Fence,
    spec: &Arc<TrialSpec>,
    worker: WorkerId,
    worker_name: &Arc<str>,
    expires: Moment,
) {
    let trial = core.trials.entry(fence.trial).or_insert_with(|| TrialState {
        phase: Phase::Pending { spec: Arc::clone(spec) },
        attempts: 0,
        failures: 0,
        losses: 0,
        shunned: None,
        places: Vec::new(),
    });
    trial.attempts = trial.attempts.max(fence.attempt.0);
    let state = core.workers.get_mut(&worker);
    let lease = Lease {
        fence,
        worker: state.is_some().then_some(worker),
        worker_name: Arc::clone(worker_name),
        expires,
        slot: None,
        is_recalled: false,
    };
    match state {
        Some(state) => {
            state.running.push(fence.trial);
            if trial.is_lone() {
                state.lone = Some(fence.trial);
            }
        }
        // Read from the store: of a session with an earlier coordinator.
        None => drop(core.unclaimed.insert(fence.trial)),
    }
    match &mut trial.phase {
        Phase::Leased { leases, .. } => leases.push(lease),
        Phase::Pending { .. } | Phase::Ended { .. } => {
            trial.phase = Phase::Leased { spec: Arc::clone(spec), leases: vec![lease] };
        }
    }
    if let Some(place) = trial.places.first() {
        core.waiting.remove(place);
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
        world.submit(sweep_of("a", 3));
        world.join(2);
        world.join(1);
        let leases = world.assign();
        let distinct: std::collections::BTreeSet<_> = leases.iter().map(|(_, fence)| fence.trial).collect();
        assert_eq!((leases.len(), distinct.len()), (3, 3));
        assert!(world.assign().is_empty());
    }

    #[test]
    fn each_slot_has_one_trial_ahead_once_all_slots_are_taken() {
        let mut world = World::new();
        world.submit(sweep_of("a", 9));
        let workers = [world.join(2), world.join(1)];
        let leases = world.assign();
        let of = |range: std::ops::Range<usize>, worker| {
            leases[range].iter().filter(|(of, _)| *of == workers[worker]).count()
        };
        assert_eq!((of(0..3, 0), of(0..3, 1)), (2, 1), "slots first");
        assert_eq!((of(3..6, 0), of(3..6, 1)), (2, 1), "then one ahead of each slot");
        assert_eq!(leases.len(), 6);
    }

    #[test]
    fn a_failed_trial_goes_to_another_worker_where_there_is_one() {
        let mut world = World::new();
        world.submit(sweep_of("a", 1));
        let first = world.join_as("first", 4);
        let (_, fence) = world.assign()[0];
        world.fail(first, fence, gridsweep_common::trial::FailureKind::Panic);
        let second = world.join_as("second", 1);
        let leases = world.assign();
        assert_eq!(leases[0].0, second, "although the first one has more free slots");
        world.fail(second, leases[0].1, gridsweep_common::trial::FailureKind::Panic);
        world.die(first);
        assert_eq!(world.assign()[0].0, second, "better than nobody");
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
