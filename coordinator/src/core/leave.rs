//! A worker hands leases back, is cut off, or ends; the coordinator itself winds down.

use super::blame::{end_lost, end_released};
use super::state::{Core, Lease};
use super::{Decision, Effect, Event, Message};
use gridsweep_common::id::{Fence, WorkerId};

/// Takes back what a worker hands back: not a failed attempt.
pub(super) fn released(core: &Core, worker: WorkerId, fences: &[Fence], is_leaving: bool) -> Decision {
    let mut decision = Decision::default();
    if is_leaving {
        decision.events.push(Event::WorkerLeaving { worker });
    }
    for lease in fences.iter().filter_map(|&fence| core.held(worker, fence)) {
        end_released(lease, &mut decision);
    }
    decision
}

/// A session is over. A worker that said so before takes its leave; one that was cut off may be at work, and keeps its
/// leases until they end.
pub(super) fn left(core: &Core, worker: WorkerId) -> Decision {
    let mut decision = Decision::default();
    let Some(state) = core.workers.get(&worker) else { return decision };
    if !state.is_leaving && !state.running.is_empty() {
        decision.events.push(Event::WorkerDisconnected { worker });
        return decision;
    }
    held_by(core, worker).for_each(|lease| end_released(lease, &mut decision));
    decision.events.push(Event::WorkerLeft { worker });
    decision
}

/// Counts what ran on a worker whose process has ended as lost, and lets others try at once.
pub(super) fn died(core: &Core, name: &str, reason: &str) -> Decision {
    let mut decision = Decision::default();
    for (&worker, _) in core.workers.iter().filter(|(_, state)| &*state.offer.name == name) {
        held_by(core, worker).for_each(|lease| end_lost(core, lease, reason, &mut decision));
        decision.events.push(Event::WorkerLeft { worker });
        decision.effects.push(Effect::HangUp { worker });
    }
    decision
}

fn held_by(core: &Core, worker: WorkerId) -> impl Iterator<Item = &Lease> {
    let running = core.workers.get(&worker).into_iter().flat_map(|state| &state.running);
    running.filter_map(move |&trial| core.lease_of(worker, trial))
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

pub(super) fn apply_disconnected(core: &mut Core, worker: WorkerId) {
    if let Some(state) = core.workers.get_mut(&worker) {
        state.is_connected = false;
    }
}

pub(super) fn apply_left(core: &mut Core, worker: WorkerId) {
    core.workers.remove(&worker);
}

#[cfg(test)]
mod tests {
    use crate::core::testing::{World, sweep_of};

    #[test]
    fn what_ran_on_a_dead_worker_goes_to_another_at_once() {
        let mut world = World::new();
        world.submit(sweep_of("a", 2));
        let first = world.join(2);
        let before: Vec<_> = world.assign().into_iter().map(|(_, fence)| fence.trial).collect();
        world.die(first);
        world.join(2);
        let after: Vec<_> = world.assign().into_iter().map(|(_, fence)| fence.trial).collect();
        assert_eq!(before, after);
    }

    #[test]
    fn a_worker_that_is_cut_off_keeps_its_leases_for_their_time() {
        let mut world = World::new();
        world.submit(sweep_of("a", 2));
        let first = world.join(1);
        let fence = world.assign()[0].1;
        world.leave(first);
        assert_eq!(world.core.snapshot().workers, 0, "people are told that it is away");
        world.pass_ms(world.lease_ms() - 1);
        assert!(world.tick().is_empty());
        assert_eq!(world.core.trials[&fence.trial].losses, 0);
        world.pass_ms(1);
        assert_eq!(world.tick().len(), 2);
        assert_eq!(world.core.trials[&fence.trial].losses, 1);
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
        let next = world.assign();
        assert_eq!(next.len(), 2, "what waited there and what was never begun");
        for (_, fence) in next {
            let trial = &world.core.trials[&fence.trial];
            assert_eq!((trial.failures, trial.losses), (0, 0));
        }
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
