//! A worker says hello, and what it has from earlier sessions: what it runs goes on under this one.

use super::blame::end_released;
use super::finish::was_issued;
use super::state::{Core, Moment, Phase, WorkerState};
use super::{Decision, Effect, Event, Message};
use gridsweep_common::id::{Attempt, Digest, Fence, TrialId, WorkerId};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What a worker offers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Offer {
    /// What people call it.
    pub name: Arc<str>,
    /// Names the process: the same in all its sessions.
    pub identity: u64,
    /// How many trials it runs at once.
    pub slots: u32,
    /// The version of its engine's arithmetic.
    pub numerics: u32,
}

/// What a worker has from earlier sessions.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Claims {
    /// What it runs, or holds before a slot.
    pub running: Vec<Fence>,
    /// Results that nobody has acknowledged, by their digests.
    pub spooled: Vec<(Fence, Digest)>,
}

/// Why a worker is not taken.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// Its results would have other bits.
    #[error(
        "this worker computes with numerics {worker}, the coordinator's sweeps with numerics {coordinator}: \
         run the same version of gridsweep on both"
    )]
    OtherNumerics {
        /// The worker's version.
        worker: u32,
        /// The coordinator's version.
        coordinator: u32,
    },
    /// It cannot run anything.
    #[error("this worker offers {0} slots; between 1 and {SLOTS_MAX} are possible")]
    SlotsOutOfRange(u32),
    /// The coordinator is about to stop.
    #[error("the coordinator is stopping")]
    Draining,
}

/// More slots than any machine has cores.
pub(super) const SLOTS_MAX: u32 = 4096;

pub(super) fn join(core: &Core, now: Moment, worker: WorkerId, offer: Offer, claims: &Claims) -> Decision {
    let mut decision = Decision::default();
    if let Some(refusal) = refusal(core, &offer) {
        decision.effects.push(Effect::Refuse { worker, refusal });
        return decision;
    }
    let former = core.workers.iter().find(|(_, state)| state.offer.identity == offer.identity);
    let former = former.map(|(&former, _)| former);
    let room = 2 * offer.slots as usize;
    decision.events.push(Event::WorkerJoined { worker, offer, at: now });
    let answer = claim(core, now, worker, former, claims, room, &mut decision);
    if let Some(former) = former {
        decision.events.push(Event::WorkerLeft { worker: former });
        decision.effects.push(Effect::HangUp { worker: former });
    }
    decision.send(worker, answer);
    decision
}

/// Decides what the worker goes on with, stops and delivers. What an earlier session of it held and it does not name, it
/// does not have: a lease that never reached it, or that it stopped by itself.
fn claim(
    core: &Core,
    now: Moment,
    worker: WorkerId,
    former: Option<WorkerId>,
    claims: &Claims,
    room: usize,
    decision: &mut Decision,
) -> Message {
    let is_free = |fence: &Fence| {
        let lease = core.live(fence.trial, fence.attempt).filter(|lease| lease.fence == *fence);
        lease.is_some_and(|lease| lease.worker.is_none() || lease.worker == former)
    };
    let mut claimed = BTreeSet::new();
    let (mut go_on, mut kill) = (Vec::new(), Vec::new());
    for &fence in &claims.running {
        match is_free(&fence) && claimed.len() < room {
            true if claimed.insert((fence.trial, fence.attempt)) => go_on.push(fence),
            true => {}
            false => kill.push(fence),
        }
    }
    let deliver: Vec<Fence> = claims
        .spooled
        .iter()
        .filter(|(fence, digest)| is_wanted(core, *fence, *digest))
        .map(|(fence, _)| *fence)
        .collect();
    // What is about to be delivered is not run again meanwhile.
    let waiting = deliver.iter().filter(|fence| is_free(fence)).take(room.saturating_sub(claimed.len()));
    claimed.extend(waiting.map(|fence| (fence.trial, fence.attempt)));
    for &trial in former.into_iter().flat_map(|former| &core.workers[&former].running) {
        let lease = former.and_then(|former| core.lease_of(former, trial));
        if let Some(lease) = lease.filter(|lease| !claimed.contains(&(trial, lease.fence.attempt))) {
            end_released(lease, decision);
        }
    }
    let attempts = claimed.into_iter().collect();
    let expires = now.plus_ms(core.settings.lease_ms);
    decision.events.push(Event::LeasesClaimed { worker, attempts, expires });
    Message::Welcome { go_on, kill, deliver }
}

/// Returns whether a result that a worker kept is of use: it was issued here, and is not recorded to the same bits.
fn is_wanted(core: &Core, fence: Fence, digest: Digest) -> bool {
    let Some(trial) = core.trials.get(&fence.trial).filter(|trial| was_issued(trial, fence)) else {
        return false;
    };
    match &trial.phase {
        Phase::Recorded { digest: recorded, .. } => digest != *recorded,
        Phase::Pending { .. } | Phase::Leased { .. } | Phase::GivenUp { .. } => true,
    }
}

fn refusal(core: &Core, offer: &Offer) -> Option<Refusal> {
    if core.is_draining {
        return Some(Refusal::Draining);
    }
    if offer.numerics != core.settings.numerics {
        return Some(Refusal::OtherNumerics { worker: offer.numerics, coordinator: core.settings.numerics });
    }
    (!(1..=SLOTS_MAX).contains(&offer.slots)).then_some(Refusal::SlotsOutOfRange(offer.slots))
}

pub(super) fn apply_joined(core: &mut Core, worker: WorkerId, offer: &Offer, at: Moment) {
    let state = WorkerState {
        offer: offer.clone(),
        running: Vec::new(),
        lone: None,
        heard: at,
        is_connected: true,
        is_leaving: false,
        failed: BTreeSet::new(),
        is_quarantined: false,
        strays: 0,
    };
    core.workers.insert(worker, state);
}

pub(super) fn apply_claimed(
    core: &mut Core,
    worker: WorkerId,
    attempts: &[(TrialId, Attempt)],
    expires: Moment,
) {
    for &(id, attempt) in attempts {
        let Some(lease) = core.live_mut(id, attempt) else { continue };
        let before = lease.worker.replace(worker);
        (lease.expires, lease.is_recalled) = (expires, false);
        if let Some(former) = before.and_then(|before| core.workers.get_mut(&before)) {
            former.running.retain(|running| *running != id);
        }
        if core.leases(id).iter().all(|lease| lease.worker.is_some()) {
            core.unclaimed.remove(&id);
        }
        let is_lone = core.trials.get(&id).is_some_and(|trial| trial.is_lone());
        if let Some(state) = core.workers.get_mut(&worker) {
            state.running.push(id);
            state.lone = state.lone.or(is_lone.then_some(id));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::testing::{World, offer, outcome, sweep_of};

    #[test]
    fn a_worker_with_other_numerics_is_told_what_to_do() {
        let mut world = World::new();
        let refusal = world.join_with(Offer { numerics: 99, ..offer("w", 1) }).unwrap_err();
        assert!(refusal.to_string().contains("run the same version of gridsweep on both"));
        assert!(world.join_with(offer("w", 0)).is_err());
    }

    #[test]
    fn a_worker_that_comes_back_goes_on_and_what_it_does_not_have_goes_to_others() {
        let mut world = World::new();
        world.submit(sweep_of("a", 2));
        let worker = world.join_as("w", 2);
        let leases: Vec<_> = world.assign().into_iter().map(|(_, fence)| fence).collect();
        let identity = world.identity(worker);
        world.leave(worker);
        let claims = Claims { running: vec![leases[0]], spooled: vec![] };
        let (again, go_on, kill, _) = world.join_again("w", 2, identity, claims);
        assert_eq!((go_on, kill), (vec![leases[0]], vec![]));
        assert_eq!(world.assign()[0].1.trial, leases[1].trial, "its lease never reached the worker");
        assert_eq!(world.core.trials[&leases[1].trial].losses, 0);
        assert_eq!(world.finish(again, leases[0]), 1);
        world.leave(worker);
        assert_eq!(world.core.workers.len(), 1, "the end of the former session changes nothing");
    }

    #[test]
    fn a_worker_that_comes_back_too_late_is_told_to_stop() {
        let mut world = World::new();
        world.submit(sweep_of("a", 1));
        let worker = world.join_as("w", 1);
        let first = world.assign()[0].1;
        let identity = world.identity(worker);
        world.leave(worker);
        world.pass_ms(world.lease_ms());
        world.tick();
        let other = world.join(1);
        let second = world.assign()[0].1;
        let claims = Claims { running: vec![first, second], spooled: vec![] };
        let (_, go_on, kill, _) = world.join_again("w", 1, identity, claims);
        assert_eq!((go_on, kill), (vec![], vec![first, second]), "another's lease cannot be claimed");
        assert_eq!(world.finish(other, second), 1);
    }

    #[test]
    fn only_results_that_are_of_use_are_asked_for() {
        let mut world = World::new();
        world.submit(sweep_of("a", 3));
        let worker = world.join_as("w", 3);
        let leases: Vec<_> = world.assign().into_iter().map(|(_, fence)| fence).collect();
        world.finish(worker, leases[0]);
        world.finish(worker, leases[1]);
        let recorded = world.digest(leases[0].trial);
        let stranger = Fence { trial: TrialId([9; 16]), ..leases[0] };
        let other = outcome(0.123).digest();
        let spooled = vec![(leases[0], recorded), (leases[1], other), (leases[2], other), (stranger, other)];
        let identity = world.identity(worker);
        let (_, _, _, deliver) = world.join_again("w", 3, identity, Claims { running: vec![], spooled });
        assert_eq!(deliver, vec![leases[1], leases[2]]);
        assert!(world.assign().is_empty(), "what is about to be delivered is not run again");
    }

    #[test]
    fn no_more_can_be_claimed_than_can_be_held() {
        let mut world = World::with_workers_that_return();
        world.submit(sweep_of("a", 4));
        world.join(2);
        let leases: Vec<_> = world.assign().into_iter().map(|(_, fence)| fence).collect();
        world.restart();
        let claims = Claims { running: leases.clone(), spooled: vec![] };
        let (_, go_on, kill, _) = world.join_again("w", 1, 99, claims);
        assert_eq!((go_on.len(), kill.len()), (2, 2));
    }
}
