//! The core against a model that only keeps books: whatever happens, in whatever order, each trial gets its one result.

use super::state::{Phase, TrialState};
use super::testing::{World, honest, outcome, sweep_of, sweep_over};
use super::{Claims, Core, Counts, Input, SweepStanding};
use gridsweep_common::frozen::OpenSweep;
use gridsweep_common::id::{Digest, Fence, SweepId, TrialId, WorkerId};
use gridsweep_common::trial::{FailureKind, KeptCheckpoint, TrialSpec};
use gridsweep_common::work::Work;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::sync::Arc;

/// One thing that happens. Numbers pick among what there is at that moment.
#[derive(Clone, Debug)]
enum Step {
    Submit { name: usize, trials: usize, priority: Option<i32> },
    Cancel(usize),
    Retry(usize),
    Join { slots: u32 },
    CutOff(usize),
    Rejoin { process: usize, keeps: u8, spools: u8 },
    Die(usize),
    Goodbye(usize),
    Assign,
    Start(usize),
    Checkpoint { attempt: usize, epoch: u32 },
    Report { process: usize, steps: u64 },
    Finish(usize),
    FinishAgain(usize),
    Fail(usize, FailureKind),
    Release(usize),
    Meddle { attempt: usize, process: usize, with: u8 },
    Heartbeat(usize),
    Pass { ms: u64 },
    Stall { ms: u64 },
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0..3usize, 1..9usize, prop::option::of(-1..2i32))
            .prop_map(|(name, trials, priority)| Step::Submit { name, trials, priority }),
        1 => (0..3usize).prop_map(Step::Cancel),
        1 => (0..3usize).prop_map(Step::Retry),
        3 => (1..4u32).prop_map(|slots| Step::Join { slots }),
        2 => any::<usize>().prop_map(Step::CutOff),
        3 => (any::<usize>(), any::<u8>(), any::<u8>())
            .prop_map(|(process, keeps, spools)| Step::Rejoin { process, keeps, spools }),
        2 => any::<usize>().prop_map(Step::Die),
        1 => any::<usize>().prop_map(Step::Goodbye),
        8 => Just(Step::Assign),
        4 => any::<usize>().prop_map(Step::Start),
        3 => (any::<usize>(), 0..9u32).prop_map(|(attempt, epoch)| Step::Checkpoint { attempt, epoch }),
        2 => (any::<usize>(), 0..3u64).prop_map(|(process, steps)| Step::Report { process, steps }),
        8 => any::<usize>().prop_map(Step::Finish),
        2 => any::<usize>().prop_map(Step::FinishAgain),
        1 => any::<usize>().prop_map(|n| Step::Fail(n, FailureKind::WorkerShutdown)),
        1 => any::<usize>().prop_map(|n| Step::Fail(n, FailureKind::Panic)),
        1 => any::<usize>().prop_map(Step::Release),
        2 => (any::<usize>(), any::<usize>(), 0..3u8)
            .prop_map(|(attempt, process, with)| Step::Meddle { attempt, process, with }),
        2 => any::<usize>().prop_map(Step::Heartbeat),
        2 => (0..1500u64).prop_map(|ms| Step::Pass { ms }),
        1 => (0..5000u64).prop_map(|ms| Step::Stall { ms }),
        1 => Just(Step::Restart),
    ]
}

/// A worker's process, which may live through several sessions.
struct Process {
    name: String,
    identity: u64,
    slots: u32,
    session: Option<WorkerId>,
    holds: Vec<Fence>,
}

/// What was issued to whom, in every term, and what was recorded.
#[derive(Default)]
struct Books {
    processes: Vec<Process>,
    issued: Vec<(WorkerId, Fence)>,
    fences: BTreeSet<Fence>,
    recorded: BTreeSet<TrialId>,
}

impl Books {
    fn join(&mut self, world: &mut World, slots: u32) -> WorkerId {
        let session = world.join(slots);
        let name = world.core.worker_name(session).unwrap().to_owned();
        let identity = world.identity(session);
        self.processes.push(Process { name, identity, slots, session: Some(session), holds: Vec::new() });
        session
    }

    fn lease(&mut self, world: &mut World) {
        let orders = Orders::of(&world.core);
        let leases = world.assign();
        orders.check(&world.core, &leases);
        for (worker, fence) in leases {
            assert!(self.fences.insert(fence), "a fence was issued twice");
            assert!(!self.recorded.contains(&fence.trial), "a recorded trial was leased again");
            self.issued.push((worker, fence));
            let holder = self.processes.iter_mut().find(|process| process.session == Some(worker));
            holder.expect("leases go to sessions that stand").holds.push(fence);
        }
    }

    /// The process says hello again: some of what it held it has no more, of some it has the result.
    fn rejoin(&mut self, world: &mut World, n: usize, keeps: u8, spools: u8) {
        let process = &mut self.processes[n];
        let chosen = |mask: u8, n: usize| mask >> (n % 8) & 1 == 1;
        let kept: Vec<Fence> = process
            .holds
            .drain(..)
            .enumerate()
            .filter(|(n, _)| chosen(keeps, *n))
            .map(|(_, fence)| fence)
            .collect();
        let (spooled, running): (Vec<_>, Vec<_>) =
            kept.into_iter().enumerate().partition(|(n, _)| chosen(spools, *n));
        let running: Vec<Fence> = running.into_iter().map(|(_, fence)| fence).collect();
        let spooled = spooled.into_iter().map(|(_, fence)| (fence, honest(fence.trial).digest())).collect();
        let claims = Claims { running: running.clone(), spooled };
        let (session, go_on, kill, deliver) =
            world.join_again(&process.name, process.slots, process.identity, claims);
        assert_eq!(go_on.len() + kill.len(), running.len(), "everything that runs goes on or stops");
        assert!(go_on.iter().all(|fence| world.core.held(session, *fence).is_some()));
        assert!(
            deliver.iter().all(|fence| !self.recorded.contains(&fence.trial)),
            "an equal result is not asked for"
        );
        process.session = Some(session);
        process.holds = go_on.into_iter().chain(deliver).collect();
    }

    /// Cancels a sweep. From then on nothing is leased that no other one has.
    fn cancel(&mut self, world: &mut World, n: usize) {
        let Some(sweep) = nth_sweep(world, n) else { return };
        world.cancel(sweep);
        let standing = standing(world, sweep);
        assert!(standing.has_ended && standing.ended.total() == standing.trials, "{standing:?}");
    }

    /// Opens again what a sweep has without a result. Of what has one nothing changes.
    fn retry(&mut self, world: &mut World, n: usize) {
        let Some(sweep) = nth_sweep(world, n) else { return };
        let before = standing(world, sweep);
        let report = world.retry(sweep);
        let after = standing(world, sweep);
        assert!(!after.is_cancelled);
        assert_eq!((after.ended.failed, after.ended.quarantined), (0, 0));
        assert_eq!(report.was_cancelled, before.is_cancelled);
        assert!(
            after.ended.succeeded <= before.ended.succeeded || before.is_cancelled,
            "{before:?} {after:?}"
        );
    }

    fn finish(&mut self, world: &mut World, worker: WorkerId, fence: Fence) {
        let recorded = world.finish(worker, fence);
        let is_first = self.recorded.insert(fence.trial);
        assert_eq!(
            recorded,
            usize::from(is_first),
            "a result is recorded exactly once, also that of a lost attempt"
        );
    }

    /// What is stored and what the core knows of are the same, whatever is taken, refused and let go of.
    fn offer_checkpoint(&mut self, world: &mut World, fence: Fence, epoch: u32) {
        let Fence { trial, attempt, .. } = fence;
        let digest = Digest::of(format!("{trial} {epoch}").as_bytes());
        let checkpoint = KeptCheckpoint { digest, length: 1, epoch, step: 0 };
        let is_live = world.core.live(trial, attempt).is_some_and(|lease| lease.fence == fence);
        let before = world.core.checkpoint(trial);
        world.give(Input::Checkpoint { ticket: 1, fence, checkpoint });
        let after = world.core.checkpoint(trial);
        let is_farther = before.is_none_or(|before| before.epoch < epoch);
        assert_eq!(after, if is_live && is_farther { Some(checkpoint) } else { before });
    }

    fn take(&mut self, world: &mut World, step: Step) {
        match step {
            Step::Submit { name, trials, priority } => {
                world.submit_with(sweep_of_shapes(["a", "b", "c"][name], trials), priority);
            }
            Step::Cancel(n) => self.cancel(world, n),
            Step::Retry(n) => self.retry(world, n),
            Step::Join { slots } => drop(self.join(world, slots)),
            Step::Assign => self.lease(world),
            Step::Pass { ms } => {
                world.pass_ms(ms);
                world.tick();
            }
            Step::Stall { ms } => {
                world.pass_ms(ms);
                world.give(Input::Stalled);
                assert!(world.tick().is_empty(), "nobody is late for a coordinator that was not there");
            }
            Step::Restart => {
                world.restart();
                self.processes.iter_mut().for_each(|process| process.session = None);
            }
            Step::Rejoin { process, .. }
            | Step::Report { process, .. }
            | Step::CutOff(process)
            | Step::Die(process)
            | Step::Goodbye(process)
            | Step::Heartbeat(process) => {
                if !self.processes.is_empty() {
                    self.take_of_process(world, process % self.processes.len(), &step);
                }
            }
            Step::Start(n)
            | Step::Checkpoint { attempt: n, .. }
            | Step::Finish(n)
            | Step::FinishAgain(n)
            | Step::Fail(n, _)
            | Step::Meddle { attempt: n, .. }
            | Step::Release(n) => {
                if !self.issued.is_empty() {
                    self.take_of_attempt(world, n % self.issued.len(), &step);
                }
            }
        }
    }

    fn take_of_process(&mut self, world: &mut World, n: usize, step: &Step) {
        if let Step::Rejoin { keeps, spools, .. } = step {
            return self.rejoin(world, n, *keeps, *spools);
        }
        let Some(session) = self.processes[n].session else { return };
        match step {
            Step::CutOff(_) => {
                world.leave(session);
                self.processes[n].session = None;
            }
            Step::Die(_) => {
                world.die(session);
                assert!(world.leases_of(session).is_empty(), "a dead worker holds nothing");
                self.processes.remove(n);
            }
            Step::Goodbye(_) => {
                let held = std::mem::take(&mut self.processes[n].holds);
                world.give(Input::Released { worker: session, fences: held, is_leaving: true });
                world.leave(session);
                assert!(world.leases_of(session).is_empty(), "who takes its leave holds nothing");
                self.processes.remove(n);
            }
            Step::Report { steps, .. } => {
                if let Some(&fence) = self.processes[n].holds.first() {
                    world.report(session, fence, 0, *steps);
                }
            }
            _ => {
                let revoked = world.heartbeat(session, self.processes[n].holds.clone());
                self.processes[n].holds.retain(|fence| !revoked.contains(fence));
            }
        }
    }

    fn take_of_attempt(&mut self, world: &mut World, n: usize, step: &Step) {
        let (worker, fence) = self.issued[n];
        match step {
            Step::Finish(_) => {
                self.issued.remove(n);
                self.finish(world, worker, fence);
            }
            Step::FinishAgain(_) => self.finish(world, worker, fence),
            Step::Checkpoint { epoch, .. } => self.offer_checkpoint(world, fence, *epoch),
            Step::Meddle { process, with, .. } => {
                let Some(other) = nth_session(&self.processes, *process) else { return };
                let step = [Step::Start(n), Step::Release(n), Step::Fail(n, FailureKind::Panic)];
                speak(world, other, fence, &step[usize::from(*with)]);
            }
            step => speak(world, worker, fence, step),
        }
    }
}

/// A sweep of cells that cost differently: some are in other ones too.
fn sweep_of_shapes(name: &str, size: usize) -> Arc<OpenSweep> {
    let shapes = ["[16]", "[70]", "[16, 9]", "[33]"][..1 + size % 4].join(", ");
    sweep_over(name, &format!("hidden = [{shapes}]\nepochs = [4, 5]"), 1 + size / 4)
}

/// Each sweep's trials that nobody has tried, in the order in which they are to be begun: by hand, from what the sweep has
/// passed.
struct Orders(Vec<(SweepId, Vec<TrialId>)>);

impl Orders {
    fn of(core: &Core) -> Orders {
        let order = |(sweep, open): (SweepId, &Arc<OpenSweep>)| {
            let specs: Vec<_> = (0..open.trials()).map(|index| open.trial(index).unwrap()).collect();
            let state = &core.sweeps[&sweep];
            let ahead: BTreeSet<u64> = {
                let mut order = state.window.order();
                std::iter::from_fn(|| order.take()).collect()
            };
            let is_passed = |index: u64| index < state.cursor && !ahead.contains(&index);
            let epochs = |spec: &TrialSpec| match core.trials.get(&spec.id()) {
                Some(TrialState { phase: Phase::Recorded { epochs, .. }, .. })
                    if open.index_of(spec).is_some_and(is_passed) =>
                {
                    Some((f64::from(*epochs), spec.choices.get("epochs")?.as_number()?))
                }
                _ => None,
            };
            let share = |specs: &mut dyn Iterator<Item = &TrialSpec>| {
                let seen = specs.filter_map(epochs);
                let (run, most) = seen.fold((0.0, 0.0), |sum, of| (sum.0 + of.0, sum.1 + of.1));
                (most > 0.0).then(|| run / most)
            };
            let cost = |spec: &TrialSpec| {
                let of_cell = share(&mut specs.iter().filter(|other| other.choices == spec.choices));
                let of_sweep = share(&mut specs.iter());
                Work::of(&spec.choices).most() * of_cell.or(of_sweep).unwrap_or(1.0)
            };
            let mut untried: Vec<_> =
                specs.iter().filter(|spec| !core.trials.contains_key(&spec.id())).collect();
            untried.sort_by(|a, b| cost(b).total_cmp(&cost(a)));
            (sweep, untried.into_iter().map(TrialSpec::id).collect())
        };
        Orders(core.sweeps().map(order).collect())
    }

    /// Leaves aside what several sweeps have: which one it was begun for cannot be told afterwards.
    fn check(&self, core: &Core, leases: &[(WorkerId, Fence)]) {
        let is_of_one = |trial: &TrialId| core.trials[trial].places.len() == 1;
        let leased: Vec<TrialId> = leases.iter().map(|(_, fence)| fence.trial).collect();
        for (sweep, order) in &self.0 {
            let is_its_own = |trial: &&TrialId| {
                is_of_one(trial) && core.trials[*trial].places[0].0 == *sweep && order.contains(trial)
            };
            let begun: Vec<_> = leased.iter().filter(is_its_own).collect();
            let expected = order.iter().filter(|trial| !leased.contains(trial) || is_its_own(trial));
            assert_eq!(begun, expected.take(begun.len()).collect::<Vec<_>>(), "the longest is begun first");
        }
    }
}

/// A session says something of an attempt. It counts where the session holds the attempt, and nowhere else: the session may
/// be one of the same process that is over, or another worker's.
fn speak(world: &mut World, worker: WorkerId, fence: Fence, step: &Step) {
    let told = |world: &World| format!("{:?}", world.core.leases(fence.trial));
    let leases = world.core.leases(fence.trial);
    let is_held = leases.iter().any(|lease| lease.fence == fence && lease.worker == Some(worker));
    let before = told(world);
    match step {
        Step::Fail(_, kind) => drop(world.fail(worker, fence, *kind)),
        Step::Start(_) => world.start_attempt(worker, fence),
        _ => world.release(worker, vec![fence]),
    }
    assert!(is_held || told(world) == before, "{worker} spoke for {fence:?}, which it does not hold");
}

fn nth_session(processes: &[Process], n: usize) -> Option<WorkerId> {
    processes.get(n % processes.len().max(1))?.session
}

fn nth_sweep(world: &World, n: usize) -> Option<SweepId> {
    let sweeps: Vec<_> = world.core.sweeps().map(|(id, _)| id).collect();
    sweeps.get(n % sweeps.len().max(1)).copied()
}

fn standing(world: &World, sweep: SweepId) -> SweepStanding {
    world.core.snapshot().sweeps.into_iter().find(|of| of.sweep == sweep).unwrap()
}

/// How each sweep stands, as it must be told again after a restart. Of a cancelled one it is told as far as its trials
/// were come to.
fn story(world: &World) -> Vec<(u64, i32, Option<Counts>)> {
    let of =
        |sweep: SweepStanding| (sweep.trials, sweep.priority, (!sweep.is_cancelled).then_some(sweep.ended));
    world.core.snapshot().sweeps.into_iter().map(of).collect()
}

/// Runs everything that is left, with a worker that does its work, and checks the end.
fn run_to_the_end(world: &mut World, books: &mut Books) {
    let worker = books.join(world, 4);
    for _ in 0..1000 {
        books.lease(world);
        let mine: Vec<Fence> =
            books.issued.iter().filter(|(of, _)| *of == worker).map(|(_, fence)| *fence).collect();
        books.issued.retain(|(of, _)| *of != worker);
        if mine.is_empty() && world.core.snapshot().sweeps.iter().all(|sweep| sweep.has_ended) {
            break;
        }
        for fence in mine {
            books.finish(world, worker, fence);
        }
        world.pass_ms(300);
        world.heartbeat(worker, vec![]);
        world.tick();
    }
    for sweep in world.core.snapshot().sweeps {
        assert!(sweep.has_ended, "a sweep did not end: {sweep:?}");
        assert_eq!(sweep.ended.total(), sweep.trials, "every trial of the grid has ended, once");
    }
}

proptest! {
    #[test]
    fn every_trial_ends_once_whatever_happens(steps in prop::collection::vec(step(), 0..80)) {
        let mut world = World::with_workers_that_return();
        let mut books = Books::default();
        world.submit(sweep_of_shapes("a", 5));
        for step in steps {
            books.take(&mut world, step);
        }
        run_to_the_end(&mut world, &mut books);
        prop_assert!(world.core.conflicts.is_empty());
        let before = story(&world);
        world.restart();
        while !world.give(Input::Assign).events.is_empty() {}
        let after = story(&world);
        prop_assert_eq!(before, after, "a restart tells the same story");
    }
}

#[test]
fn a_second_result_with_other_bits_is_noticed_after_a_restart_too() {
    let mut world = World::new();
    world.submit(sweep_of("a", 1));
    let worker = world.join(1);
    let (_, fence) = world.assign()[0];
    world.finish(worker, fence);
    world.restart();
    let worker = world.join(1);
    world.finish_with(worker, fence, outcome(0.5));
    assert_eq!(world.core.snapshot().conflicts, 1);
}
