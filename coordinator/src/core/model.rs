//! The core against a model that only keeps books: whatever happens, in whatever order, each trial gets its one result.

use super::Input;
use super::testing::{World, outcome, sweep_of};
use gridsweep_common::id::{Fence, TrialId, WorkerId};
use gridsweep_common::trial::FailureKind;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// One thing that happens. Numbers pick among what there is at that moment.
#[derive(Clone, Debug)]
enum Step {
    Submit { name: usize, trials: usize },
    Join { slots: u32 },
    Leave(usize),
    Assign,
    Finish(usize),
    FinishAgain(usize),
    Fail(usize, FailureKind),
    Release(usize),
    Heartbeat(usize),
    Pass { ms: u64 },
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => (0..2usize, 1..9usize).prop_map(|(name, trials)| Step::Submit { name, trials }),
        3 => (1..4u32).prop_map(|slots| Step::Join { slots }),
        1 => any::<usize>().prop_map(Step::Leave),
        8 => Just(Step::Assign),
        8 => any::<usize>().prop_map(Step::Finish),
        2 => any::<usize>().prop_map(Step::FinishAgain),
        1 => any::<usize>().prop_map(|n| Step::Fail(n, FailureKind::WorkerShutdown)),
        1 => any::<usize>().prop_map(|n| Step::Fail(n, FailureKind::Panic)),
        1 => any::<usize>().prop_map(Step::Release),
        2 => any::<usize>().prop_map(Step::Heartbeat),
        2 => (0..1500u64).prop_map(|ms| Step::Pass { ms }),
        1 => Just(Step::Restart),
    ]
}

/// What was issued to whom, in every term, and what was recorded.
#[derive(Default)]
struct Books {
    workers: Vec<WorkerId>,
    issued: Vec<(WorkerId, Fence)>,
    fences: BTreeSet<Fence>,
    recorded: BTreeSet<TrialId>,
}

impl Books {
    fn lease(&mut self, world: &mut World) {
        for (worker, fence) in world.assign() {
            assert!(self.fences.insert(fence), "a fence was issued twice");
            assert!(!self.recorded.contains(&fence.trial), "a recorded trial was leased again");
            self.issued.push((worker, fence));
        }
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

    fn take(&mut self, world: &mut World, step: Step) {
        let pick = |n: usize, of: usize| (of > 0).then(|| n % of.max(1));
        match step {
            Step::Submit { name, trials } => drop(world.submit(sweep_of(["a", "b"][name], trials))),
            Step::Join { slots } => self.workers.push(world.join(slots)),
            Step::Leave(n) => {
                if let Some(n) = pick(n, self.workers.len()) {
                    world.leave(self.workers.remove(n));
                }
            }
            Step::Assign => self.lease(world),
            Step::Finish(n) | Step::FinishAgain(n) => {
                if let Some(n) = pick(n, self.issued.len()) {
                    let (worker, fence) = self.issued[n];
                    if matches!(step, Step::Finish(_)) {
                        self.issued.remove(n);
                    }
                    self.finish(world, worker, fence);
                }
            }
            Step::Fail(n, kind) => {
                if let Some(n) = pick(n, self.issued.len()) {
                    let (worker, fence) = self.issued[n];
                    world.fail(worker, fence, kind);
                }
            }
            Step::Release(n) => {
                if let Some(n) = pick(n, self.issued.len()) {
                    let (worker, fence) = self.issued[n];
                    world.release(worker, vec![fence]);
                }
            }
            Step::Heartbeat(n) => {
                if let Some(n) = pick(n, self.workers.len()) {
                    let worker = self.workers[n];
                    let held = self.issued.iter().filter(|(of, _)| *of == worker).map(|(_, fence)| *fence);
                    let held = held.collect();
                    world.heartbeat(worker, held);
                }
            }
            Step::Pass { ms } => {
                world.pass_ms(ms);
                world.tick();
            }
            Step::Restart => {
                world.restart();
                self.workers.clear();
            }
        }
    }
}

/// Runs everything that is left, with a worker that does its work, and checks the end.
fn run_to_the_end(world: &mut World, books: &mut Books) {
    let worker = world.join(4);
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
        let mut world = World::new();
        let mut books = Books::default();
        world.submit(sweep_of("a", 5));
        for step in steps {
            books.take(&mut world, step);
        }
        run_to_the_end(&mut world, &mut books);
        prop_assert_eq!(world.core.conflicts, 0);
        let before: Vec<_> = world.core.snapshot().sweeps.iter().map(|s| (s.trials, s.ended)).collect();
        world.restart();
        while !world.give(Input::Assign).events.is_empty() {}
        let after: Vec<_> = world.core.snapshot().sweeps.iter().map(|s| (s.trials, s.ended)).collect();
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
