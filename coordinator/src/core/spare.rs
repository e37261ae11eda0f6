//! What idle slots do when there is nothing left to begin: they take over trials that wait for a busy slot elsewhere, and
//! begin second attempts of those whose workers fell silent, or that take much longer than usual. The bits are the same
//! whoever computes them, and the first result counts.

use super::assign::lease_to;
use super::room::Room;
use super::state::{Core, Lease, Moment, Phase};
use super::{Decision, Event, Message};
use gridsweep_common::id::{Attempt, Fence, TrialId};

/// An attempt is a straggler when it has run for so many times the usual.
const STRAGGLER_FACTOR: u64 = 2;
/// What is usual is known after as many results.
const RESULTS_LEAST: usize = 5;

pub(super) fn help(core: &Core, now: Moment, room: &mut Room, decision: &mut Decision) {
    recall(core, now, room, decision);
    let (silent, slow): (Vec<&Lease>, Vec<&Lease>) = core
        .live_leases()
        .filter(|lease| is_silent(core, lease, now) || is_straggler(core, lease, now))
        .partition(|lease| is_silent(core, lease, now));
    for lease in silent.into_iter().chain(slow) {
        second_attempt(core, now, lease, room, decision);
    }
}

/// Asks back, for each idle slot, a trial that waits behind another one.
fn recall(core: &Core, now: Moment, room: &Room, decision: &mut Decision) {
    let waits = |(worker, state): (_, &super::state::WorkerState)| {
        let behind: Vec<&Lease> = match state.is_suspect(now, &core.settings) {
            true => Vec::new(),
            false => state
                .running
                .iter()
                .skip(state.slots())
                .filter_map(|&id| core.lease_of(worker, id))
                .filter(|lease| lease.slot.is_none())
                .collect(),
        };
        behind.into_iter().rev()
    };
    let waiting: Vec<&Lease> =
        core.workers.iter().map(|(&worker, state)| (worker, state)).flat_map(waits).collect();
    let asked = waiting.iter().filter(|lease| lease.is_recalled).count();
    let wanted = room.idle_slots().saturating_sub(asked);
    for lease in waiting.into_iter().filter(|lease| !lease.is_recalled).take(wanted) {
        let Fence { trial, attempt, .. } = lease.fence;
        decision.events.push(Event::LeaseRecalled { trial, attempt });
        if let Some(worker) = lease.worker {
            decision.send(worker, Message::Recalled(lease.fence));
        }
    }
}

/// Nothing is heard of whoever runs it.
fn is_silent(core: &Core, lease: &Lease, now: Moment) -> bool {
    match lease.worker.and_then(|worker| core.workers.get(&worker)) {
        Some(state) => state.is_suspect(now, &core.settings),
        None => now.since_ms(core.restarted) >= core.settings.suspect_ms,
    }
}

fn is_straggler(core: &Core, lease: &Lease, now: Moment) -> bool {
    let Some(slot) = lease.slot else { return false };
    let Some(usual_ms) = usual_ms(core) else { return false };
    let late_ms = usual_ms.saturating_mul(STRAGGLER_FACTOR).max(core.settings.straggler_ms_least);
    now.since_ms(slot.since) > late_ms
}

/// Returns the median of what the last attempts took.
fn usual_ms(core: &Core) -> Option<u64> {
    let mut took: Vec<u64> = core.took_ms.iter().copied().collect();
    took.sort_unstable();
    (took.len() >= RESULTS_LEAST).then(|| took[took.len() / 2])
}

/// Begins a second attempt on another worker, where that is of use. One that may have ended its worker is not tried twice
/// at a time.
fn second_attempt(core: &Core, now: Moment, lease: &Lease, room: &mut Room, decision: &mut Decision) {
    let Some(trial) = core.trials.get(&lease.fence.trial) else { return };
    let Phase::Leased { spec, leases } = &trial.phase else { return };
    if leases.len() > 1 || trial.is_lone() {
        return;
    }
    if let Some(worker) = room.take_slot(|worker| Some(worker) != lease.worker) {
        lease_to(core, now, worker, lease.fence.trial, spec, decision);
    }
}

pub(super) fn apply_recalled(core: &mut Core, trial: TrialId, attempt: Attempt) {
    if let Some(lease) = core.live_mut(trial, attempt) {
        lease.is_recalled = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::testing::{World, sweep_of};
    use crate::core::{Effect, Input};

    fn recalled(world: &mut World) -> Vec<Fence> {
        let recalled = |effect| match effect {
            Effect::Send { message: Message::Recalled(fence), .. } => Some(fence),
            _ => None,
        };
        world.give(Input::Assign).effects.into_iter().filter_map(recalled).collect()
    }

    #[test]
    fn what_waits_for_a_busy_slot_goes_to_an_idle_one() {
        let mut world = World::new();
        world.submit(sweep_of("a", 2));
        let busy = world.join(1);
        let leases = world.assign();
        world.start_attempt(busy, leases[0].1);
        let idle = world.join(1);
        assert_eq!(recalled(&mut world), vec![leases[1].1]);
        assert!(recalled(&mut world).is_empty(), "it is asked for once");
        world.release(busy, vec![leases[1].1]);
        let taken = world.assign();
        assert_eq!((taken[0].0, taken[0].1.trial), (idle, leases[1].1.trial));
        assert_eq!(world.core.trials[&leases[1].1.trial].failures, 0);
    }

    #[test]
    fn a_silent_workers_trials_are_begun_elsewhere_and_the_first_result_counts() {
        let mut world = World::new();
        world.submit(sweep_of("a", 1));
        let silent = world.join(1);
        let first = world.assign()[0].1;
        world.leave(silent);
        let other = world.join(1);
        let second = world.assign();
        assert_eq!((second[0].0, second[0].1.trial), (other, first.trial));
        assert!(world.assign().is_empty(), "two at a time are enough");
        assert_eq!(world.finish(other, second[0].1), 1);
        assert!(world.core.leases(first.trial).is_empty(), "the other attempt is over");
        let returned = world.join(1);
        assert_eq!(world.finish(returned, first), 0, "an equal duplicate");
        assert!(world.core.conflicts.is_empty());
    }

    #[test]
    fn a_second_attempt_that_is_lost_leaves_the_first_alone() {
        let mut world = World::new();
        world.submit(sweep_of("a", 1));
        let silent = world.join(1);
        let first = world.assign()[0].1;
        world.leave(silent);
        for _ in 0..3 {
            let other = world.join(1);
            world.assign();
            world.die(other);
        }
        assert!(world.core.live(first.trial, first.attempt).is_some());
        let returned = world.join(1);
        assert_eq!(world.finish(returned, first), 1);
    }

    #[test]
    fn a_straggler_is_begun_a_second_time_once_it_takes_much_longer_than_usual() {
        let mut world = World::new();
        let count = RESULTS_LEAST + 1;
        world.submit(sweep_of("a", count));
        let quick = world.join(count as u32 - 1);
        let slow = world.join(1);
        let leases = world.assign();
        for (worker, fence) in &leases {
            world.start_attempt(*worker, *fence);
        }
        world.pass_ms(10);
        for (worker, fence) in leases.iter().filter(|(worker, _)| *worker == quick) {
            world.finish(*worker, *fence);
        }
        let (_, late) = *leases.iter().find(|(worker, _)| *worker == slow).unwrap();
        assert!(world.assign().is_empty(), "it is not late yet");
        for _ in 0..20 {
            world.pass_ms(world.straggler_ms_least() / 20 + 1);
            world.heartbeat(slow, vec![late]);
            world.heartbeat(quick, vec![]);
        }
        let second = world.assign();
        assert_eq!((second[0].0, second[0].1.trial), (quick, late.trial));
    }

    #[test]
    fn what_nobody_came_back_with_is_begun_again_before_its_lease_ends() {
        let mut world = World::with_workers_that_return();
        world.submit(sweep_of("a", 1));
        world.join(1);
        let first = world.assign()[0].1;
        world.restart();
        let other = world.join(1);
        assert!(world.assign().is_empty());
        world.pass_ms(world.suspect_ms());
        world.heartbeat(other, vec![]);
        let second = world.assign();
        assert_eq!(second[0].1.trial, first.trial);
        assert!(second[0].1.attempt > first.attempt);
    }
}
