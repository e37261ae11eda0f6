//! An attempt ends without a result: who is to blame, and what follows from it.
//!
//! A trial that fails by itself is tried three times. One whose workers are lost while it runs may be an innocent
//! neighbour: lost twice it runs alone on its worker, and lost a third time, alone, it is quarantined. So a trial that
//! ends its worker's process takes nobody with it, and the sweep ends. A worker on which trial after trial fails is
//! passed over while there is another one.

use super::state::{Core, Lease, Phase};
use super::{AttemptEnding, Decision, Event, Message, keep};
use gridsweep_common::id::{Attempt, Fence, TrialId, WorkerId};
use gridsweep_common::trial::{ATTEMPTS_MAX, Failure, FailureKind, Retry};
use std::sync::Arc;

/// A trial that workers were lost with as often as this runs alone.
pub(super) const LOSSES_UNTIL_LONE: u32 = 2;
/// A trial that workers were lost with as often as this is quarantined.
const LOSSES_MAX: u32 = 3;
/// A worker on which so many trials failed, and none had a result in between, is passed over.
const WORKER_FAILURES_MAX: usize = 5;

/// Ends an attempt that failed by itself, and its trial with it where that was one too many.
pub(super) fn end_failed(core: &Core, lease: &Lease, failure: Failure, decision: &mut Decision) {
    let Fence { trial, attempt, .. } = lease.fence;
    let ending = AttemptEnding::Failed(failure.clone());
    let starts_over = ending.starts_over();
    decision.events.push(Event::AttemptEnded { trial, attempt, ending });
    let failures_before = core.trials.get(&trial).map_or(0, |trial| trial.failures);
    let is_given_up = match failure.kind.retry() {
        Retry::Free => return,
        Retry::Counted => failures_before + 1 >= ATTEMPTS_MAX,
        Retry::Never => true,
    };
    if let Some(worker) = lease.worker {
        blame_worker(core, worker, trial, decision);
    }
    let is_given_up = is_given_up && core.leases(trial).len() == 1;
    if starts_over || is_given_up {
        keep::let_go(core, trial, decision);
    }
    if is_given_up {
        decision.events.push(Event::TrialFailed { trial, failure });
    }
}

/// Notes that a trial failed on a worker. Only where others could do better is the worker passed over.
fn blame_worker(core: &Core, worker: WorkerId, trial: TrialId, decision: &mut Decision) {
    let Some(state) = core.workers.get(&worker) else { return };
    decision.events.push(Event::WorkerFailed { worker, trial });
    let failed = state.failed.len() + usize::from(!state.failed.contains(&trial));
    if failed >= WORKER_FAILURES_MAX && !state.is_quarantined {
        decision.events.push(Event::WorkerQuarantined { worker });
        decision.send(worker, Message::Quarantined);
    }
}

/// Ends an attempt whose worker went away or fell silent. It is to blame only if it may have been running.
pub(super) fn end_lost(core: &Core, lease: &Lease, reason: &str, decision: &mut Decision) {
    let Fence { trial, attempt, .. } = lease.fence;
    if !may_have_run(core, lease) {
        let ending = AttemptEnding::Abandoned(reason.to_owned());
        decision.events.push(Event::AttemptEnded { trial, attempt, ending });
        return;
    }
    let ending = AttemptEnding::Lost(reason.to_owned());
    decision.events.push(Event::AttemptEnded { trial, attempt, ending });
    let losses_before = core.trials.get(&trial).map_or(0, |trial| trial.losses);
    if losses_before + 1 >= LOSSES_MAX && core.leases(trial).len() == 1 {
        let detail = format!("{} workers were lost with it, the last one while it ran alone: {reason}", {
            losses_before + 1
        });
        let failure = Failure { kind: FailureKind::WorkerLost, detail };
        decision.events.push(Event::TrialQuarantined { trial, failure });
        keep::let_go(core, trial, decision);
    }
}

/// Ends an attempt that its worker handed back, or has nothing of.
pub(super) fn end_released(lease: &Lease, decision: &mut Decision) {
    let Fence { trial, attempt, .. } = lease.fence;
    let ending = if lease.slot.is_some() { AttemptEnding::Released } else { AttemptEnding::Returned };
    decision.events.push(Event::AttemptEnded { trial, attempt, ending });
}

/// An attempt may have had a slot without its worker having come to say so: the oldest leases of a worker, as many as it
/// has slots. One of an earlier term is not blamed: its coordinator went away first.
fn may_have_run(core: &Core, lease: &Lease) -> bool {
    let Some(state) = lease.worker.and_then(|worker| core.workers.get(&worker)) else { return false };
    let oldest = state.running.iter().take(state.offer.slots as usize);
    lease.slot.is_some() || oldest.into_iter().any(|id| *id == lease.fence.trial)
}

pub(super) fn apply_ended(core: &mut Core, id: TrialId, attempt: Attempt, ending: &AttemptEnding) {
    let Some(trial) = core.trials.get_mut(&id) else { return };
    let lease = match &mut trial.phase {
        Phase::Leased { leases, .. } => leases
            .iter()
            .position(|lease| lease.fence.attempt == attempt)
            .map(|position| leases.remove(position)),
        Phase::Pending { .. } | Phase::Recorded { .. } | Phase::GivenUp { .. } => None,
    };
    if ending.starts_over() {
        trial.checkpoint = None;
    }
    let is_blamed = match ending {
        AttemptEnding::Failed(failure) => failure.kind.retry() != Retry::Free,
        AttemptEnding::Lost(_) => true,
        AttemptEnding::Finished
        | AttemptEnding::Abandoned(_)
        | AttemptEnding::Released
        | AttemptEnding::Returned
        | AttemptEnding::Superseded
        | AttemptEnding::Revoked => false,
    };
    if is_blamed {
        match ending {
            AttemptEnding::Lost(_) => trial.losses += 1,
            _ => trial.failures += 1,
        }
        trial.shunned = lease.as_ref().map(|lease| Arc::clone(&lease.worker_name));
    }
    let Some(lease) = lease else { return };
    if let Phase::Leased { spec, leases } = &trial.phase
        && leases.is_empty()
    {
        trial.phase = Phase::Pending { spec: Arc::clone(spec) };
        core.queue_anew(id);
    }
    let is_unclaimed = core.leases(id).iter().any(|lease| lease.worker.is_none());
    if !is_unclaimed {
        core.unclaimed.remove(&id);
    }
    if let Some(state) = lease.worker.and_then(|worker| core.workers.get_mut(&worker)) {
        state.running.retain(|running| *running != id);
        state.lone = state.lone.filter(|lone| *lone != id);
    }
}

pub(super) fn apply_worker_failed(core: &mut Core, worker: WorkerId, trial: TrialId) {
    if let Some(state) = core.workers.get_mut(&worker) {
        state.failed.insert(trial);
    }
}

pub(super) fn apply_quarantined(core: &mut Core, worker: WorkerId) {
    if let Some(state) = core.workers.get_mut(&worker) {
        state.is_quarantined = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::testing::{World, sweep_of};

    /// Lets the process of a worker with these trials die again and again, one slot, one worker at a time.
    fn die_with(world: &mut World, times: u32) {
        for _ in 0..times {
            let worker = world.join(1);
            assert!(!world.assign().is_empty());
            world.die(worker);
        }
    }

    #[test]
    fn a_trial_that_ends_its_worker_three_times_is_quarantined_and_the_sweep_ends() {
        let mut world = World::new();
        world.submit(sweep_of("a", 1));
        die_with(&mut world, LOSSES_MAX);
        world.join(1);
        assert!(world.assign().is_empty());
        let sweep = &world.core.snapshot().sweeps[0];
        assert_eq!((sweep.ended.quarantined, sweep.ended.failed, sweep.has_ended), (1, 0, true));
        world.restart();
        while !world.give(crate::core::Input::Assign).events.is_empty() {}
        assert_eq!(world.core.snapshot().sweeps[0].ended.quarantined, 1, "a restart tells the same story");
    }

    #[test]
    fn the_neighbours_of_a_trial_that_ends_its_worker_all_succeed() {
        let mut world = World::new();
        world.submit(sweep_of("a", 4));
        let worker = world.join(2);
        let poison = world.assign()[0].1.trial;
        world.die(worker);
        for _ in 0..40 {
            let worker = world.join(2);
            let leases = world.assign();
            if leases.is_empty() {
                break;
            }
            // Whatever runs beside it is lost with it.
            match leases.iter().take(2).any(|(_, fence)| fence.trial == poison) {
                true => world.die(worker),
                false => {
                    for (_, fence) in leases {
                        world.finish(worker, fence);
                    }
                    world.die(worker);
                }
            }
        }
        let sweep = &world.core.snapshot().sweeps[0];
        assert_eq!((sweep.ended.succeeded, sweep.ended.quarantined), (3, 1));
        assert!(sweep.has_ended);
    }

    #[test]
    fn a_trial_lost_twice_has_a_worker_to_itself() {
        let mut world = World::new();
        world.submit(sweep_of("a", 6));
        die_with(&mut world, 2);
        let worker = world.join(2);
        let alone = world.assign();
        assert_eq!(alone.len(), 1, "although there is another slot, and there are other trials");
        world.finish(worker, alone[0].1);
        assert_eq!(world.assign().len(), 4);
    }

    #[test]
    fn a_busy_worker_is_emptied_for_a_trial_that_must_run_alone() {
        let mut world = World::new();
        world.submit(sweep_of("a", 9));
        die_with(&mut world, 2);
        let lone = *world.core.waiting.values().next().unwrap();
        let (busy, quick) = (world.join(2), world.join(2));
        let leases = world.assign();
        assert_eq!(leases.iter().filter(|(_, fence)| fence.trial == lone).count(), 1);
        let host = leases.iter().find(|(_, fence)| fence.trial == lone).unwrap().0;
        let others: Vec<_> = leases.iter().filter(|(worker, _)| *worker == host).collect();
        assert_eq!(others.len(), 1, "nobody beside it");
        assert!(host == busy || host == quick);
    }

    #[test]
    fn what_only_waited_on_a_lost_worker_is_not_blamed() {
        let mut world = World::new();
        world.submit(sweep_of("a", 2));
        let worker = world.join(1);
        let leases = world.assign();
        assert_eq!(leases.len(), 2, "one runs, one waits");
        world.die(worker);
        let losses = |fence: Fence| world.core.trials[&fence.trial].losses;
        assert_eq!((losses(leases[0].1), losses(leases[1].1)), (1, 0));
    }

    #[test]
    fn a_worker_on_which_everything_fails_is_passed_over_and_told() {
        let mut world = World::new();
        world.submit(sweep_of("a", 20));
        let (good, bad) = (world.join_as("good", 1), world.join_as("bad", 1));
        for n in 1..=WORKER_FAILURES_MAX {
            let fence = world.assign_to(bad)[0];
            assert_eq!(world.fail(bad, fence, FailureKind::Io), n == WORKER_FAILURES_MAX);
        }
        let kept = world.leases_of(bad);
        world.release(bad, kept.into_iter().map(|(_, fence)| fence).collect());
        for (_, fence) in world.leases_of(good) {
            world.finish(good, fence);
        }
        assert!(world.assign().iter().all(|(worker, _)| *worker == good));
        world.die(good);
        assert!(!world.assign_to(bad).is_empty(), "there is nobody else: every sweep ends");
    }

    #[test]
    fn a_result_in_between_clears_a_worker() {
        let mut world = World::new();
        world.submit(sweep_of("a", 20));
        world.join_as("other", 1);
        let worker = world.join_as("moody", 1);
        for n in 0..3 * WORKER_FAILURES_MAX {
            let Some(fence) = world.assign_to(worker).first().copied() else { break };
            if n % 3 == 0 {
                world.finish(worker, fence);
            } else {
                assert!(!world.fail(worker, fence, FailureKind::Io));
            }
        }
        assert!(!world.core.workers[&worker].is_quarantined);
    }
}
