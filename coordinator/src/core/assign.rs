//! Free slots are filled. Sweeps of the highest priority are served first, and of equals the one that has the fewest live
//! attempts, so that a long sweep does not hold up a short one. Each sweep gives first its trials that wait for another
//! attempt, then the longest of its window. When every slot has its trial, each gets one more to go on with.

use super::room::Room;
use super::state::{Core, Lease, Moment, Phase, SweepState, TrialEnd, TrialState};
use super::window::{Order, TRIALS_MAX};
use super::{Decision, Event, Message, Passed, spare};
use gridsweep_common::id::{Attempt, Fence, SweepId, TrialId, WorkerId};
use gridsweep_common::trial::TrialSpec;
use gridsweep_common::work::Work;
use std::cmp::Reverse;
use std::collections::btree_map::Range;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How many trials of a grid one decision looks at: a grid is walked over in steps, so that no decision takes long. At
/// about 5 µs a trial this is 2.5 ms.
const STEPS_MAX: u64 = 512;

/// After so many steps without a lease it is an equal's turn: who walks over what is done holds up nobody.
const TURN_STEPS: u64 = 64;

/// Gives each free slot a trial; what is idle then helps the others.
pub(super) fn assign(core: &Core, now: Moment) -> Decision {
    let mut decision = Decision::default();
    if core.is_draining {
        return decision;
    }
    let mut walk =
        Walk { core, now, room: Room::of(core, now), steps_left: STEPS_MAX, leased: BTreeSet::new() };
    walk.over(lines(core), &mut decision);
    if !decision.has_more && walk.room.idle_slots() > 0 {
        spare::help(core, now, &mut walk.room, &mut decision);
    }
    decision
}

/// A sweep's trials, in the order in which they are begun.
struct Line<'a> {
    sweep: SweepId,
    state: &'a SweepState,
    /// Those that wait for another attempt.
    waiting: Range<'a, (SweepId, u64), TrialId>,
    /// Those that no attempt was made at, as far as the grid was looked at.
    order: Order<'a>,
    /// How far the cursor comes in this decision, what it adds to the order, and what is passed.
    cursor: u64,
    ahead: BTreeMap<u64, Work>,
    passed: Vec<Passed>,
    /// How many trials the order has.
    window: usize,
    /// Live attempts for the sweep's sake.
    live: u64,
    /// Steps without a lease.
    fruitless: u64,
}

/// What a step along a line came to.
enum Step {
    Leased,
    Passed,
    /// There is nothing more to be had from it now.
    Exhausted,
}

/// Returns a line for each sweep that may have something to begin, or to count.
fn lines(core: &Core) -> Vec<Line<'_>> {
    let active = core.sweeps.iter().filter(|(_, state)| state.is_active);
    let mut lines: Vec<_> =
        active.map(|(&sweep, state)| Line::of(core, sweep, state)).filter(Line::is_of_use).collect();
    // One alone has nobody to share with.
    if lines.len() > 1 {
        let live = live(core);
        lines.iter_mut().for_each(|line| line.live = live.get(&line.sweep).copied().unwrap_or(0));
    }
    lines
}

/// Counts the live attempts by the sweep for whose sake they run.
fn live(core: &Core) -> BTreeMap<SweepId, u64> {
    let mut live = BTreeMap::new();
    let sweep_of = |lease: &Lease| core.waiting_place(core.trials.get(&lease.fence.trial)?);
    for (sweep, _) in core.live_leases().filter_map(sweep_of) {
        *live.entry(sweep).or_default() += 1;
    }
    live
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

impl<'a> Walk<'a> {
    /// Takes one step after the other along the line whose turn it is. When there were enough, only leases are given.
    fn over(&mut self, mut lines: Vec<Line<'a>>, decision: &mut Decision) {
        let turn = |line: &Line<'_>| {
            (Reverse(line.state.priority), line.fruitless / TURN_STEPS, line.live, line.sweep)
        };
        while let Some(next) = (0..lines.len()).min_by_key(|&n| turn(&lines[n])) {
            let line = &mut lines[next];
            match self.step(line, decision) {
                Step::Leased => line.live += 1,
                Step::Passed if self.steps_left > 0 => {
                    self.steps_left -= 1;
                    line.fruitless += 1;
                }
                step => {
                    let has_more = matches!(step, Step::Passed) || line.has_more_to_look_at();
                    decision.has_more |= self.steps_left == 0 && has_more;
                    lines.swap_remove(next).close(decision);
                }
            }
        }
        // Steps that lead nowhere would lead nowhere again.
        decision.has_more &=
            decision.events.iter().any(|event| matches!(event, Event::CursorAdvanced { .. }));
    }

    fn step(&mut self, line: &mut Line<'a>, decision: &mut Decision) -> Step {
        if !line.state.is_cancelled
            && !self.room.is_used_up()
            && let Some((_, &id)) = line.waiting.next()
        {
            return self.begin_waiting(id, decision);
        }
        if let Some(spec) = self.next_at_cursor(line) {
            return self.look_at(spec, line, decision);
        }
        if line.state.is_cancelled || (self.room.is_used_up() && !self.is_begun_elsewhere(line)) {
            return Step::Exhausted;
        }
        self.begin_next(line, decision)
    }

    /// Returns whether another sweep has begun what is next: that can be counted without room for it.
    fn is_begun_elsewhere(&self, line: &mut Line<'a>) -> bool {
        if self.core.sweeps.len() < 2 {
            return false;
        }
        let next = line.order.peek().and_then(|index| line.state.open.trial(index));
        next.is_some_and(|spec| self.is_begun(spec.id()))
    }

    fn is_begun(&self, id: TrialId) -> bool {
        self.core.trials.contains_key(&id) || self.leased.contains(&id)
    }

    /// Leases a trial that waits for another attempt. One that has to wait for a certain worker holds up no other.
    fn begin_waiting(&mut self, id: TrialId, decision: &mut Decision) -> Step {
        match self.core.trials.get(&id).map(|trial| &trial.phase) {
            Some(Phase::Pending { spec }) if !self.leased.contains(&id) && self.lease(id, spec, decision) => {
                Step::Leased
            }
            _ => Step::Passed,
        }
    }

    /// Returns the trial at a sweep's cursor where there is one that can be looked at now.
    fn next_at_cursor(&self, line: &Line<'_>) -> Option<TrialSpec> {
        if self.steps_left == 0 || !line.has_more_to_look_at() {
            return None;
        }
        let spec = line.state.open.trial(line.cursor)?;
        (spec.numerics == self.core.settings.numerics).then_some(spec)
    }

    /// Moves a sweep's cursor over a trial. One that no attempt was made at is to be begun when it is its turn.
    fn look_at(&mut self, spec: TrialSpec, line: &mut Line<'a>, decision: &mut Decision) -> Step {
        let (index, id, work) = (line.cursor, spec.id(), Work::of(&spec.choices));
        line.cursor += 1;
        if !self.is_begun(id) {
            line.add(index, work);
            return Step::Passed;
        }
        line.passed.push(Passed { index, trial: id, work });
        if line.state.is_cancelled {
            return Step::Passed;
        }
        self.begin_known(id, &Arc::new(spec), decision)
    }

    /// Leases the trial of a sweep's window that takes longest.
    fn begin_next(&mut self, line: &mut Line<'a>, decision: &mut Decision) -> Step {
        let Some(index) = line.order.take() else { return Step::Exhausted };
        let Some(spec) = line.state.open.trial(index) else { return Step::Exhausted };
        let (id, work) = (spec.id(), Work::of(&spec.choices));
        let spec = Arc::new(spec);
        let step = if self.is_begun(id) {
            // Another sweep has begun it.
            self.begin_known(id, &spec, decision)
        } else if self.lease(id, &spec, decision) {
            Step::Leased
        } else {
            return Step::Exhausted;
        };
        line.pass(Passed { index, trial: id, work });
        step
    }

    /// Leases a trial that an attempt was made at before, if it has none now and no end.
    fn begin_known(&mut self, id: TrialId, spec: &Arc<TrialSpec>, decision: &mut Decision) -> Step {
        if self.leased.contains(&id) {
            return Step::Passed;
        }
        match self.core.trials.get(&id).map(|trial| &trial.phase) {
            Some(Phase::GivenUp { end: TrialEnd::Cancelled, .. }) => {
                decision.events.push(Event::TrialReopened { trial: id });
            }
            Some(Phase::Pending { .. }) => {}
            Some(Phase::Recorded { .. } | Phase::GivenUp { .. } | Phase::Leased { .. }) | None => {
                return Step::Passed;
            }
        }
        // Passed without a lease, it waits for room, or for the worker that may have it.
        if self.lease(id, spec, decision) { Step::Leased } else { Step::Passed }
    }

    fn lease(&mut self, id: TrialId, spec: &Arc<TrialSpec>, decision: &mut Decision) -> bool {
        let Some(worker) = self.room.take(self.core.trials.get(&id)) else { return false };
        lease_to(self.core, self.now, worker, id, spec, decision);
        self.leased.insert(id);
        true
    }
}

impl<'a> Line<'a> {
    fn of(core: &'a Core, sweep: SweepId, state: &'a SweepState) -> Line<'a> {
        Line {
            sweep,
            state,
            waiting: core.waiting.range((sweep, 0)..=(sweep, u64::MAX)),
            order: state.window.order(),
            cursor: state.cursor,
            ahead: BTreeMap::new(),
            passed: Vec::new(),
            window: state.window.len(),
            live: 0,
            fruitless: 0,
        }
    }

    fn is_of_use(&self) -> bool {
        let has_trials = self.window > 0 || self.waiting.clone().next().is_some();
        self.has_more_to_look_at() || (has_trials && !self.state.is_cancelled)
    }

    fn has_more_to_look_at(&self) -> bool {
        self.window < TRIALS_MAX && self.cursor < self.state.open.trials()
    }

    fn add(&mut self, index: u64, work: Work) {
        self.order.add(index, work);
        self.ahead.insert(index, work);
        self.window += 1;
    }

    fn pass(&mut self, passed: Passed) {
        self.ahead.remove(&passed.index);
        self.passed.push(passed);
        self.window -= 1;
    }

    /// Says how far the cursor has come, and what was passed.
    fn close(self, decision: &mut Decision) {
        let Line { sweep, cursor, passed, ahead, .. } = self;
        if cursor > self.state.cursor || !passed.is_empty() {
            let ahead = ahead.into_iter().collect();
            decision.events.push(Event::CursorAdvanced { sweep, cursor, ahead, passed });
        }
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
    let (checkpoint, weights_bytes_max) = (core.checkpoint(trial), core.weights_bytes_max(spec));
    let spec = Arc::clone(spec);
    decision.send(worker, Message::Lease { fence, spec, checkpoint, weights_bytes_max });
}

pub(super) fn apply_leased(
    core: &mut Core,
    fence: Fence,
    spec: &Arc<TrialSpec>,
    worker: WorkerId,
    worker_name: &Arc<str>,
    expires: Moment,
) {
    let trial = core
        .trials
        .entry(fence.trial)
        .or_insert_with(|| TrialState::new(Phase::Pending { spec: Arc::clone(spec) }));
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
        Phase::Pending { .. } | Phase::Recorded { .. } | Phase::GivenUp { .. } => {
            trial.phase = Phase::Leased { spec: Arc::clone(spec), leases: vec![lease] };
        }
    }
    core.queue_anew(fence.trial);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::testing::{World, sweep_of, sweep_with_seed};

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
    fn what_another_sweep_finishes_is_counted_when_no_worker_is_left() {
        let mut world = World::new();
        world.submit(sweep_of("a", 6));
        let sweep = world.submit_with(sweep_of("b", 6), Some(-1)).sweep;
        let worker = world.join(1);
        for round in 0..3 {
            assert_eq!(world.core.sweeps[&sweep].cursor, if round == 0 { 0 } else { 6 });
            for (_, fence) in world.assign() {
                world.finish(worker, fence);
            }
        }
        world.leave(worker);
        world.assign();
        let standing = &world.core.snapshot().sweeps[1];
        assert_eq!((standing.ended.succeeded, standing.has_ended), (6, true));
    }

    /// Finishes the oldest attempt of each worker and fills the slot again, `rounds` times; returns the sweeps of what was
    /// leased, in order.
    fn rounds(world: &mut World, rounds: usize) -> Vec<SweepId> {
        let mut begun = Vec::new();
        for _ in 0..rounds {
            let held: Vec<_> = world.core.live_leases().map(|lease| (lease.worker, lease.fence)).collect();
            let mut busy = BTreeSet::new();
            for (worker, fence) in held {
                if let Some(worker) = worker.filter(|worker| busy.insert(*worker)) {
                    world.finish(worker, fence);
                }
            }
            let leases = world.assign();
            let sweep_of = |(_, fence): &(WorkerId, Fence)| world.core.trials[&fence.trial].places[0].0;
            begun.extend(leases.iter().map(sweep_of));
        }
        begun
    }

    #[test]
    fn a_long_sweep_does_not_hold_up_a_short_one_of_the_same_priority() {
        let mut world = World::new();
        let long = world.submit(sweep_with_seed("long", 1000, 1)).sweep;
        for _ in 0..4 {
            world.join(1);
        }
        world.assign();
        rounds(&mut world, 3);
        let short = world.submit(sweep_with_seed("short", 6, 2)).sweep;
        let begun = rounds(&mut world, 3);
        let of_short = begun.iter().filter(|sweep| **sweep == short).count();
        assert_eq!(of_short, 6, "half of the slots, from the first free one on, are enough: {begun:?}");
        assert!(begun.contains(&long), "and the long one goes on beside it: {begun:?}");
        rounds(&mut world, 2);
        assert!(world.core.snapshot().sweeps[1].has_ended);
    }

    #[test]
    fn equals_share_the_slots_evenly_however_many_they_are() {
        let mut world = World::new();
        let sweeps: Vec<_> =
            (1..=3).map(|seed| world.submit(sweep_with_seed(&format!("s{seed}"), 50, seed)).sweep).collect();
        for _ in 0..6 {
            world.join(1);
        }
        world.assign();
        let of = |begun: &[SweepId], sweep| begun.iter().filter(|of| **of == sweep).count();
        let begun = rounds(&mut world, 12);
        for &sweep in &sweeps {
            assert_eq!(of(&begun, sweep), 24, "a third each of 12 rounds of 6 slots");
        }
    }

    #[test]
    fn a_higher_priority_is_served_first_and_the_others_when_it_has_nothing_left() {
        let mut world = World::new();
        let low = world.submit_with(sweep_with_seed("low", 20, 1), Some(-1)).sweep;
        let usual = world.submit(sweep_with_seed("usual", 4, 2)).sweep;
        let high = world.submit_with(sweep_with_seed("high", 4, 3), Some(5)).sweep;
        world.join(1);
        world.join(1);
        world.assign();
        let begun = rounds(&mut world, 6);
        assert_eq!(begun[..4], [usual; 4], "the four of the highest priority were begun before: {begun:?}");
        assert!(begun[4..].iter().all(|sweep| *sweep == low), "{begun:?}");
        assert_eq!(
            world.core.snapshot().sweeps.iter().find(|of| of.sweep == high).unwrap().ended.succeeded,
            4
        );
    }

    #[test]
    fn a_priority_given_with_the_same_file_holds_from_then_on_and_after_a_restart() {
        let mut world = World::new();
        world.submit(sweep_with_seed("a", 40, 1));
        let second = world.submit(sweep_with_seed("b", 40, 2)).sweep;
        world.submit_with(sweep_with_seed("b", 40, 2), Some(3));
        world.submit(sweep_with_seed("b", 40, 2));
        let is_served_first = |world: &mut World| {
            world.join(2);
            let leases = world.assign();
            assert_eq!(leases.len(), 4);
            leases.iter().all(|(_, fence)| world.core.trials[&fence.trial].places[0].0 == second)
        };
        assert!(is_served_first(&mut world), "a submission that names none leaves the priority as it is");
        world.restart();
        assert!(is_served_first(&mut world));
    }

    #[test]
    fn a_trial_that_waits_is_begun_for_the_sweep_that_is_served_first() {
        let mut world = World::new();
        world.submit(sweep_with_seed("other", 9, 1));
        world.submit_with(sweep_with_seed("a", 1, 2), Some(-1));
        world.submit_with(sweep_with_seed("b", 1, 2), Some(1));
        let worker = world.join(1);
        let (_, shared) = world.assign()[0];
        world.fail(worker, shared, gridsweep_common::trial::FailureKind::Panic);
        assert_eq!(world.assign()[0].1.trial, shared.trial, "though one of its sweeps is served last");
    }

    #[test]
    fn who_walks_over_what_is_done_holds_up_no_equal() {
        let mut world = World::new();
        world.submit(sweep_of("done", 3 * TURN_STEPS as usize));
        let worker = world.join(super::super::join::SLOTS_MAX);
        for (_, fence) in world.assign() {
            world.finish_unchecked(worker, fence);
        }
        world.leave(worker);
        world.submit(sweep_of("walks", 3 * TURN_STEPS as usize + 1));
        let quick = world.submit(sweep_with_seed("quick", 1, 5)).sweep;
        world.join(1);
        let first = world.assign()[0].1.trial;
        assert_eq!(world.core.trials[&first].places[0].0, quick);
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
