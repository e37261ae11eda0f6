//! Time passes: leases end by themselves, attempts get stuck, and coordinators are not always there.

use super::blame::{end_failed, end_lost};
use super::state::{Core, InSlot, Lease, Moment, Phase};
use super::{AttemptEnding, Decision, Event, Message};
use gridsweep_common::id::Fence;
use gridsweep_common::trial::{Failure, FailureKind};

/// An attempt is stuck when it has not moved for as many of its own epochs' usual time.
const STUCK_EPOCHS: u64 = 10;
/// Before its first epoch, what is usual is not known: it may take as many times the least.
const FIRST_EPOCH_FACTOR: u64 = 10;

/// Ends the leases that were not renewed in time, and the attempts that are stuck. Sessions that were cut off and hold
/// nothing any more are forgotten.
pub(super) fn tick(core: &Core, now: Moment) -> Decision {
    let mut decision = Decision::default();
    for lease in core.live_leases() {
        if lease.expires <= now {
            end_expired(core, lease, &mut decision);
        } else if let Some(silent_ms) = stuck_ms(core, lease, now) {
            end_stuck(core, lease, silent_ms, &mut decision);
        }
    }
    for (&worker, _) in
        core.workers.iter().filter(|(_, state)| !state.is_connected && state.running.is_empty())
    {
        decision.events.push(Event::WorkerLeft { worker });
    }
    decision
}

fn end_expired(core: &Core, lease: &Lease, decision: &mut Decision) {
    let reason = match lease.worker {
        Some(_) => "the lease ran out",
        None => "the coordinator was restarted, and the worker did not come back",
    };
    end_lost(core, lease, reason, decision);
    revoke(lease, reason, decision);
}

/// The worker is told, should it still listen.
fn revoke(lease: &Lease, reason: &str, decision: &mut Decision) {
    if let Some(worker) = lease.worker {
        decision.send(worker, Message::Revoked { fence: lease.fence, reason: reason.to_owned() });
    }
}

/// Returns how long an attempt has not moved, where that is too long. One that nothing is heard of is another matter.
fn stuck_ms(core: &Core, lease: &Lease, now: Moment) -> Option<u64> {
    let slot = lease.slot?;
    let state = core.workers.get(&lease.worker?)?;
    let silent_ms = now.since_ms(slot.moved);
    (!state.is_suspect(now, &core.settings) && silent_ms >= patience_ms(core, &slot)).then_some(silent_ms)
}

fn patience_ms(core: &Core, slot: &InSlot) -> u64 {
    let least = core.settings.progress_ms_least;
    let epochs = u64::from(slot.epochs.saturating_sub(slot.epochs_before));
    match slot.epoch_ended.since_ms(slot.since).checked_div(epochs) {
        Some(epoch_ms) => least.max(epoch_ms.saturating_mul(STUCK_EPOCHS)),
        None => least.saturating_mul(FIRST_EPOCH_FACTOR),
    }
}

fn end_stuck(core: &Core, lease: &Lease, silent_ms: u64, decision: &mut Decision) {
    let detail = format!("it made no progress for {} s on {}", silent_ms / 1000, lease.worker_name);
    let failure = Failure { kind: FailureKind::Timeout, detail: detail.clone() };
    end_failed(core, lease, failure, decision);
    revoke(lease, &detail, decision);
}

/// Gives workers that outlived the last coordinator the time of a lease to come back with what they run. Where they ended
/// with it, their attempts are over. Neither is blamed on the trials.
pub(super) fn recover(core: &Core, now: Moment) -> Decision {
    if core.settings.workers_return {
        return stalled(core, now);
    }
    let ended = core.unclaimed.iter().flat_map(|&trial| core.leases(trial)).map(|lease| {
        let Fence { trial, attempt, .. } = lease.fence;
        let ending = AttemptEnding::Abandoned("the run ended".to_owned());
        Event::AttemptEnded { trial, attempt, ending }
    });
    Decision { events: ended.collect(), ..Decision::default() }
}

/// Nobody is late for a coordinator that was not there.
pub(super) fn stalled(core: &Core, now: Moment) -> Decision {
    let restarted = Event::TimersRestarted { at: now, expires: now.plus_ms(core.settings.lease_ms) };
    Decision { events: vec![restarted], ..Decision::default() }
}

pub(super) fn apply_restarted(core: &mut Core, at: Moment, expires: Moment) {
    core.restarted = at;
    for state in core.workers.values_mut() {
        state.heard = at;
    }
    let running = core.workers.values().flat_map(|state| &state.running).chain(&core.unclaimed);
    for id in running {
        let Some(Phase::Leased { leases, .. }) = core.trials.get_mut(id).map(|trial| &mut trial.phase) else {
            continue;
        };
        for lease in leases {
            lease.expires = expires;
            if let Some(slot) = &mut lease.slot {
                slot.moved = at;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::core::testing::{World, sweep_of};
    use crate::core::{Claims, Event, Input};

    #[test]
    fn a_lease_that_is_not_renewed_ends_and_the_trial_is_tried_again() {
        let mut world = World::new();
        world.submit(sweep_of("a", 1));
        world.join(2);
        let (_, fence) = world.assign()[0];
        world.pass_ms(world.lease_ms() - 1);
        assert!(world.tick().is_empty());
        world.pass_ms(1);
        assert_eq!(world.tick(), vec![fence.trial]);
        world.join(1);
        assert_eq!(world.assign().len(), 1);
    }

    #[test]
    fn a_restarted_coordinator_goes_on_where_the_last_one_stopped() {
        let mut world = World::new();
        world.submit(sweep_of("a", 3));
        let worker = world.join(2);
        let leases = world.assign();
        world.finish(worker, leases[0].1);
        world.restart();
        world.submit(sweep_of("a", 3));
        world.join(8);
        let again = world.assign();
        assert_eq!(again.len(), 2, "what has a result is not run again");
        assert_eq!(again[0].1.trial, leases[1].1.trial);
        assert_eq!(again[0].1.attempt.0, 2, "attempt numbers are never reused");
        assert!(again[0].1.term > leases[0].1.term);
    }

    #[test]
    fn a_worker_that_outlives_its_coordinator_goes_on_with_what_it_runs() {
        let mut world = World::with_workers_that_return();
        world.submit(sweep_of("a", 3));
        let worker = world.join_as("w", 2);
        let leases: Vec<_> = world.assign().into_iter().map(|(_, fence)| fence).collect();
        assert_eq!(leases.len(), 3);
        let identity = world.identity(worker);
        world.restart();
        let stranger = world.join_as("other", 4);
        assert!(world.assign().is_empty(), "what may run elsewhere is left alone for now");
        let claims = Claims { running: leases[..2].to_vec(), spooled: vec![] };
        let (again, go_on, kill, _) = world.join_again("w", 2, identity, claims);
        assert_eq!((go_on, kill), (leases[..2].to_vec(), vec![]));
        world.pass_ms(world.lease_ms() - 1);
        world.heartbeat(again, leases[..2].to_vec());
        world.heartbeat(stranger, vec![]);
        world.pass_ms(1);
        assert_eq!(world.tick(), vec![leases[2].trial], "what nobody came back with is over");
        assert_eq!(world.core.trials[&leases[2].trial].losses, 0, "and not blamed");
        assert_eq!(world.finish(again, leases[0]), 1, "an attempt of an earlier term is as good as any");
        assert_eq!(world.assign()[0].1.trial, leases[2].trial);
    }

    #[test]
    fn an_attempt_that_stands_still_has_failed_though_its_worker_lives() {
        let mut world = World::new();
        world.submit(sweep_of("a", 1));
        let worker = world.join(1);
        let (_, fence) = world.assign()[0];
        world.start_attempt(worker, fence);
        let patience_ms = 10 * world.progress_ms_least();
        let mut ended = Vec::new();
        let mut steps = 0;
        for beat in 0..100 {
            world.pass_ms(patience_ms / 20);
            // It moves for a while, and then does not.
            steps += u64::from(beat < 30);
            world.report(worker, fence, 0, steps);
            ended = world.tick();
            assert!(ended.is_empty() || beat >= 49, "stopped at beat {beat}, while it moved");
            if !ended.is_empty() {
                break;
            }
        }
        assert_eq!(ended, vec![fence.trial]);
        assert_eq!(world.core.trials[&fence.trial].failures, 1);
    }

    #[test]
    fn an_attempt_with_slow_epochs_is_given_the_time_it_usually_takes() {
        let mut world = World::new();
        world.submit(sweep_of("a", 1));
        let worker = world.join(1);
        let (_, fence) = world.assign()[0];
        world.start_attempt(worker, fence);
        let least = world.progress_ms_least();
        for epoch in 1..=2 {
            for _ in 0..4 {
                world.pass_ms(least / 2);
                world.heartbeat(worker, vec![fence]);
                assert!(world.tick().is_empty());
            }
            world.report(worker, fence, epoch, 0);
        }
        for _ in 0..39 {
            world.pass_ms(least / 2);
            world.heartbeat(worker, vec![fence]);
            assert!(
                world.tick().is_empty(),
                "its epochs take twice the least: it has twenty times the least"
            );
        }
        world.pass_ms(least / 2);
        world.heartbeat(worker, vec![fence]);
        assert_eq!(world.tick(), vec![fence.trial]);
    }

    #[test]
    fn a_coordinator_that_stood_still_blames_nobody() {
        let mut world = World::new();
        world.submit(sweep_of("a", 1));
        let worker = world.join(1);
        let (_, fence) = world.assign()[0];
        world.pass_ms(3 * world.lease_ms());
        world.give(Input::Stalled);
        assert!(world.tick().is_empty());
        world.pass_ms(world.lease_ms() - 1);
        world.heartbeat(worker, vec![fence]);
        assert!(world.tick().is_empty());
    }

    #[test]
    fn a_session_that_was_cut_off_is_forgotten_with_its_last_lease() {
        let mut world = World::new();
        world.submit(sweep_of("a", 1));
        let worker = world.join(1);
        world.assign();
        world.leave(worker);
        assert_eq!(world.core.workers.len(), 1, "it may be at work");
        world.pass_ms(world.lease_ms());
        world.tick();
        let events = world.give(Input::Tick).events;
        assert!(events.iter().any(|event| matches!(event, Event::WorkerLeft { .. })));
        assert!(world.core.workers.is_empty());
    }
}
