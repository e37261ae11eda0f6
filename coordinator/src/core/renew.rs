//! Signs of life: heartbeats renew leases, and say how far attempts have come.

use super::state::{Core, InSlot, Moment};
use super::{Decision, Event, Message};
use gridsweep_common::id::{Attempt, Fence, TrialId, WorkerId};

/// How far an attempt in a slot has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// The attempt.
    pub fence: Fence,
    /// Epochs completed.
    pub epochs: u32,
    /// Steps since it got its slot: grows for as long as it is not stuck.
    pub steps: u64,
}

/// Renews the leases that the worker really holds; what it holds on to without a lease is revoked.
pub(super) fn heartbeat(
    core: &Core,
    now: Moment,
    worker: WorkerId,
    number: u64,
    held: &[Fence],
    progress: &[Progress],
) -> Decision {
    let mut decision = Decision::default();
    if !core.workers.contains_key(&worker) {
        return decision;
    }
    let mut attempts = Vec::with_capacity(held.len());
    for &fence in held {
        match core.held(worker, fence) {
            Some(_) => attempts.push((fence.trial, fence.attempt)),
            None => decision
                .send(worker, Message::Revoked { fence, reason: "the lease is no longer held".to_owned() }),
        }
    }
    let (progress, strays): (Vec<_>, Vec<_>) =
        progress.iter().partition(|progress| core.held(worker, progress.fence).is_some());
    decision.events.push(Event::LeasesRenewed {
        worker,
        at: now,
        attempts,
        expires: now.plus_ms(core.settings.lease_ms),
        progress,
        strays: u32::try_from(strays.len()).unwrap_or(u32::MAX),
    });
    decision.send(worker, Message::Renewed(number));
    decision
}

/// Notes that an attempt has its slot, and where it went on from.
pub(super) fn started(
    core: &Core,
    now: Moment,
    worker: WorkerId,
    fence: Fence,
    epoch: u32,
    step: u32,
) -> Decision {
    let mut decision = Decision::default();
    let Fence { trial, attempt, .. } = fence;
    if core.held(worker, fence).is_some() {
        decision.events.push(Event::AttemptStarted { trial, attempt, at: now, epoch, step });
    }
    decision
}

pub(super) fn apply_started(core: &mut Core, trial: TrialId, attempt: Attempt, at: Moment, epoch: u32) {
    let Some(lease) = core.live_mut(trial, attempt) else { return };
    lease.slot =
        Some(InSlot { since: at, epochs_before: epoch, epochs: epoch, steps: 0, moved: at, epoch_ended: at });
}

pub(super) fn apply_renewed(
    core: &mut Core,
    worker: WorkerId,
    at: Moment,
    attempts: &[(TrialId, Attempt)],
    expires: Moment,
) {
    if let Some(state) = core.workers.get_mut(&worker) {
        state.heard = at;
    }
    for &(trial, attempt) in attempts {
        if let Some(lease) = core.live_mut(trial, attempt) {
            lease.expires = expires;
        }
    }
}

pub(super) fn apply_progress(
    core: &mut Core,
    worker: WorkerId,
    at: Moment,
    progress: &[Progress],
    strays: u32,
) {
    if let Some(state) = core.workers.get_mut(&worker) {
        state.strays = strays;
    }
    for Progress { fence, epochs, steps } in progress {
        let Some(lease) = core.live_mut(fence.trial, fence.attempt) else { continue };
        // After a restart of the coordinator this is how it learns what has a slot.
        let slot = lease.slot.get_or_insert(InSlot {
            since: at,
            epochs_before: *epochs,
            epochs: *epochs,
            steps: *steps,
            moved: at,
            epoch_ended: at,
        });
        if *epochs > slot.epochs {
            slot.epoch_ended = at;
        }
        if (*epochs, *steps) != (slot.epochs, slot.steps) {
            slot.moved = at;
        }
        (slot.epochs, slot.steps) = (*epochs, *steps);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::testing::{World, sweep_of};
    use gridsweep_common::id::Term;
    use gridsweep_common::trial::FailureKind;

    #[test]
    fn only_the_session_that_holds_an_attempt_speaks_for_it_and_with_its_own_fence() {
        let mut world = World::new();
        world.submit(sweep_of("a", 1));
        let holder = world.join(1);
        let fence = world.assign()[0].1;
        let stranger = world.join(1);
        let told = |world: &World| format!("{:?}", world.core.leases(fence.trial));
        for (worker, wrong) in [(stranger, fence), (holder, Fence { term: Term(fence.term.0 + 1), ..fence })]
        {
            let before = told(&world);
            world.pass_ms(1);
            assert_eq!(world.heartbeat(worker, vec![wrong]), [wrong], "it is told that it holds no lease");
            world.report(worker, wrong, 1, 1);
            world.start_attempt(worker, wrong);
            world.release(worker, vec![wrong]);
            world.fail(worker, wrong, FailureKind::Panic);
            assert_eq!(told(&world), before, "{worker} was heard with {wrong:?}");
        }
        world.start_attempt(holder, fence);
        assert!(world.core.leases(fence.trial)[0].slot.is_some());
        world.release(holder, vec![fence]);
        assert!(world.core.leases(fence.trial).is_empty());
    }

    #[test]
    fn a_heartbeat_renews_and_what_is_not_leased_is_revoked() {
        let mut world = World::new();
        world.submit(sweep_of("a", 2));
        let worker = world.join(1);
        let fence = world.assign()[0].1;
        let stranger = Fence { attempt: Attempt(7), ..fence };
        world.pass_ms(1);
        let revoked = world.heartbeat(worker, vec![fence, stranger]);
        assert_eq!(revoked, vec![stranger]);
        world.pass_ms(world.lease_ms() - 1);
        assert!(!world.tick().contains(&fence.trial), "the renewed lease still holds");
    }

    #[test]
    fn every_heartbeat_is_answered_with_its_number() {
        let mut world = World::new();
        let worker = world.join(1);
        let input = crate::core::Input::Heartbeat { worker, number: 7, held: vec![], progress: vec![] };
        let effects = world.give(input).effects;
        let is_answer = |effect: &crate::core::Effect| {
            matches!(effect, crate::core::Effect::Send { message: Message::Renewed(7), .. })
        };
        assert!(effects.iter().any(is_answer));
    }

    #[test]
    fn a_slot_that_holds_on_to_what_was_revoked_is_not_counted_on() {
        let mut world = World::new();
        world.submit(sweep_of("a", 6));
        let worker = world.join(2);
        let fence = world.assign()[0].1;
        let stray = Progress { fence: Fence { attempt: Attempt(7), ..fence }, epochs: 0, steps: 0 };
        for (_, fence) in world.leases_of(worker) {
            world.finish(worker, fence);
        }
        let input = crate::core::Input::Heartbeat { worker, number: 1, held: vec![], progress: vec![stray] };
        world.give(input);
        assert_eq!(world.assign().len(), 2, "one slot, and one ahead of it");
    }

    #[test]
    fn a_silent_worker_gets_nothing_new() {
        let mut world = World::new();
        let worker = world.join(2);
        world.submit(sweep_of("a", 1));
        world.pass_ms(world.suspect_ms());
        assert!(world.assign().is_empty());
        world.heartbeat(worker, vec![]);
        assert_eq!(world.assign().len(), 1, "and is trusted again when it speaks");
    }
}
