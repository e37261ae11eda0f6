//! A worker hands leases back or goes away; the coordinator itself winds down.

use super::finish::{end_without_result, loss};
use super::state::{Core, Phase};
use super::{AttemptEnding, Decision, Event, Message};
use gridsweep_common::id::{Fence, WorkerId};

/// Takes back what a worker hands back: not a failed attempt.
pub(super) fn released(core: &Core, worker: WorkerId, fences: &[Fence], is_leaving: bool) -> Decision {
    let mut decision = Decision::default();
    if is_leaving {
        decision.events.push(Event::WorkerLeaving { worker });
    }
    for &Fence { term, trial, attempt } in fences {
        let holds = |lease: super::state::Lease| lease.worker == worker && lease.fence.term == term;
        if core.live(trial, attempt).is_some_and(holds) {
            decision.events.push(Event::AttemptEnded { trial, attempt, ending: AttemptEnding::Released });
        }
    }
    decision
}

/// Counts what ran on a worker that went away as lost, and lets others try.
pub(super) fn left(core: &Core, worker: WorkerId, reason: &str) -> Decision {
    let mut decision = Decision::default();
    let Some(state) = core.workers.get(&worker) else { return decision };
    for id in &state.running {
        let Some(Phase::Leased { lease, .. }) = core.trials.get(id).map(|trial| &trial.phase) else {
            continue;
        };
        let ending = AttemptEnding::Lost(reason.to_owned());
        end_without_result(core, lease.fence, ending, loss(reason), &mut decision);
    }
    decision.events.push(Event::WorkerLeft { worker });
    decision
}

/// Stops giving leases and asks every worker to hand back what it runs.
pub(super) fn drain(core: &Core) -> Decision {
    let mut decision = Decision::default();
    decision.events.push(Event::DrainBegun);
    for &worker in core.workers.keys() {
        decision.send(worker, Message::Drain);
    }
    decision
}

pub(super) fn apply_leaving(core: &mut Core, worker: WorkerId) {
    if let Some(state) = core.workers.get_mut(&worker) {
        state.is_leaving = true;
    }
}

pub(super) fn apply_left(core: &mut Core, worker: WorkerId) {
    core.workers.remove(&worker);
}

#[cfg(test)]
mod tests {
    use crate::core::testing::{World, sweep_of};
    use gridsweep_common::trial::ATTEMPTS_MAX;

    #[test]
    fn what_ran_on_a_lost_worker_goes_to_another() {
        let mut world = World::new();
        world.submit(sweep_of("a", 2));
        let first = world.join(2);
        let before: Vec<_> = world.assign().into_iter().map(|(_, fence)| fence.trial).collect();
        world.leave(first);
        world.join(2);
        let after: Vec<_> = world.assign().into_iter().map(|(_, fence)| fence.trial).collect();
        assert_eq!(before, after);
    }

    #[test]
    fn a_trial_that_loses_every_worker_is_given_up_and_the_sweep_ends() {
        let mut world = World::new();
        world.submit(sweep_of("a", 1));
        for _ in 0..ATTEMPTS_MAX {
            let worker = world.join(1);
            assert_eq!(world.assign().len(), 1);
            world.leave(worker);
        }
        world.join(1);
        assert!(world.assign().is_empty());
        assert!(world.core.snapshot().sweeps[0].has_ended);
    }

    #[test]
    fn a_worker_that_leaves_gets_nothing_new_and_is_not_blamed() {
        let mut world = World::new();
        world.submit(sweep_of("a", 3));
        let worker = world.join(1);
        let (_, fence) = world.assign()[0];
        world.give(crate::core::Input::Released { worker, fences: vec![], is_leaving: true });
        world.finish(worker, fence);
        assert!(world.assign().is_empty(), "its free slot is not filled again");
        world.leave(worker);
        world.join(1);
        assert_eq!(world.assign()[0].1.attempt.0, 1);
    }

    #[test]
    fn a_drain_takes_leases_back_without_blame() {
        let mut world = World::new();
        world.submit(sweep_of("a", 1));
        let worker = world.join(1);
        let (_, fence) = world.assign()[0];
        world.drain();
        world.release(worker, vec![fence]);
        assert!(world.assign().is_empty(), "no lease is given while draining");
        assert_eq!(world.core.trials[&fence.trial].failures, 0);
    }
}
