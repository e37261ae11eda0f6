//! The trials of a sweep that are to be begun next, the longest first.
//!
//! A grid may be too large to sort, so it is looked at in its order, and only a window of it is known: trials that no
//! attempt was made at. Among them the one begun first is the one that takes longest, by its arithmetic and by how many
//! epochs were run so far; of equals the first of the grid. Costs are kept for cells, not trials: that a trial has ended
//! moves one entry, however many replicates there are.

use gridsweep_common::work::Work;
use std::cmp::Reverse;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::iter::Peekable;

/// How many trials a window holds at most: about 350 KiB.
pub(super) const TRIALS_MAX: usize = 4096;

/// The window of one sweep.
#[derive(Debug)]
pub(super) struct Window {
    replicates: u64,
    /// Indices in the grid.
    trials: BTreeSet<u64>,
    /// By position in the grid: those with trials here, and the one that the sweep's cursor is in.
    cells: BTreeMap<u64, Cell>,
    /// The cells in the order of their work at most, while none of their trials has ended.
    unseen: BTreeSet<Rank>,
    /// The others, in the order of their work by the epochs of those that have.
    seen: BTreeSet<Rank>,
    /// The epochs of all of the sweep's trials that have ended.
    pace: Pace,
}

#[derive(Clone, Copy, Debug)]
struct Cell {
    work: Work,
    pace: Pace,
}

/// A place in the order: the work, largest first, then the place in the grid. Numbers that are not negative are ordered as
/// their bits are.
type Rank = (Reverse<u64>, u64);

/// Epochs that were run, and how many would have been at most. Counts and not a mean: of trials that all ran equally long
/// the share is the same to the bit however many they are, and those of equal cost stay equal.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
struct Pace {
    epochs: u64,
    epochs_most: u64,
}

impl Pace {
    fn add(&mut self, epochs: u32, work: Work) {
        // Who ends in the first epoch has begun it.
        self.epochs += u64::from(epochs.max(1));
        self.epochs_most += u64::from(work.epochs_most);
    }

    /// Returns which part of the most epochs a trial runs, as far as is known.
    fn share(&self) -> f64 {
        if self.epochs_most == 0 { 1.0 } else { self.epochs as f64 / self.epochs_most as f64 }
    }
}

impl Cell {
    fn is_seen(&self) -> bool {
        self.pace.epochs_most > 0
    }

    fn rank(&self, position: u64) -> Rank {
        rank(self.work, self.pace, position)
    }
}

fn rank(work: Work, pace: Pace, place: u64) -> Rank {
    (Reverse((work.most() * pace.share()).to_bits()), place)
}

impl Window {
    /// Returns an empty window on a grid with so many replicates a cell.
    pub(super) fn new(replicates: u32) -> Window {
        Window {
            replicates: u64::from(replicates.max(1)),
            trials: BTreeSet::new(),
            cells: BTreeMap::new(),
            unseen: BTreeSet::new(),
            seen: BTreeSet::new(),
            pace: Pace::default(),
        }
    }

    /// Returns how many trials there are in it.
    pub(super) fn len(&self) -> usize {
        self.trials.len()
    }

    /// Puts a trial in it.
    pub(super) fn add(&mut self, index: u64, work: Work) {
        self.trials.insert(index);
        self.cell(index / self.replicates, work);
    }

    /// Takes a trial out, if it is in.
    pub(super) fn remove(&mut self, index: u64) {
        self.trials.remove(&index);
    }

    /// Counts the epochs of a trial that has ended.
    pub(super) fn count(&mut self, index: u64, work: Work, epochs: u32) {
        self.pace.add(epochs, work);
        let position = index / self.replicates;
        let mut cell = self.cell(position, work);
        self.orders(cell).remove(&cell.rank(position));
        cell.pace.add(epochs, work);
        self.orders(cell).insert(cell.rank(position));
        self.cells.insert(position, cell);
    }

    /// Forgets the cell of a trial when nothing of it is left: no trial here, and none behind the sweep's cursor.
    pub(super) fn settle(&mut self, index: u64, cursor: u64) {
        let position = index / self.replicates;
        let end = (position + 1) * self.replicates;
        let has_trials = self.trials.range(position * self.replicates..end).next().is_some();
        if !has_trials
            && end <= cursor
            && let Some(cell) = self.cells.remove(&position)
        {
            self.orders(cell).remove(&cell.rank(position));
        }
    }

    /// Returns the trials in their order.
    pub(super) fn order(&self) -> Order<'_> {
        let added = Window { pace: self.pace, ..Window::new(self.replicates as u32) };
        Order {
            window: self,
            unseen: self.trials_of(&self.unseen).peekable(),
            seen: self.trials_of(&self.seen).peekable(),
            added,
        }
    }

    /// Returns what does not hold of it, if anything: the orders have each cell once, and at its place.
    pub(super) fn check(&self, cursor: u64) -> Result<(), String> {
        if self.trials.last().is_some_and(|last| *last >= cursor) {
            return Err("a trial that was not looked at is in the window".to_owned());
        }
        if self.trials.len() > TRIALS_MAX {
            return Err(format!("the window has {} trials", self.trials.len()));
        }
        let ranks = |is_seen| -> BTreeSet<Rank> {
            let of = self.cells.iter().filter(|(_, cell)| cell.is_seen() == is_seen);
            of.map(|(position, cell)| cell.rank(*position)).collect()
        };
        if self.unseen != ranks(false) || self.seen != ranks(true) {
            return Err("the window's order is not that of its cells".to_owned());
        }
        let mut used: BTreeSet<u64> = self.trials.iter().map(|index| index / self.replicates).collect();
        used.extend((!cursor.is_multiple_of(self.replicates)).then_some(cursor / self.replicates));
        match self.cells.keys().find(|position| !used.contains(position)) {
            Some(position) => Err(format!("the cell {position} is kept for nothing")),
            None => Ok(()),
        }
    }

    /// Returns a cell, which is put in where it is not yet.
    fn cell(&mut self, position: u64, work: Work) -> Cell {
        match self.cells.entry(position) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(place) => {
                let cell = *place.insert(Cell { work, pace: Pace::default() });
                self.unseen.insert(cell.rank(position));
                cell
            }
        }
    }

    fn orders(&mut self, cell: Cell) -> &mut BTreeSet<Rank> {
        if cell.is_seen() { &mut self.seen } else { &mut self.unseen }
    }

    /// Returns the trials of cells, each with its rank among all. What nobody has seen is taken to go as the sweep does.
    fn trials_of<'a>(&'a self, ranks: &'a BTreeSet<Rank>) -> Trials<'a> {
        Box::new(ranks.iter().flat_map(|(_, position)| {
            let first = position * self.replicates;
            let rank = self.cells.get(position).map(|cell| self.rank_of(cell));
            let trials = self.trials.range(first..first + self.replicates);
            trials.filter_map(move |index| Some((rank?, *index)))
        }))
    }

    fn rank_of(&self, cell: &Cell) -> Reverse<u64> {
        let pace = if cell.is_seen() { cell.pace } else { self.pace };
        rank(cell.work, pace, 0).0
    }
}

type Trials<'a> = Box<dyn Iterator<Item = Rank> + 'a>;

/// The order within one decision, which takes trials from it and adds some; the window itself stays as it is.
pub(super) struct Order<'a> {
    window: &'a Window,
    unseen: Peekable<Trials<'a>>,
    seen: Peekable<Trials<'a>>,
    /// What this decision added and has not taken.
    added: Window,
}

impl Order<'_> {
    /// Adds a trial that was looked at.
    pub(super) fn add(&mut self, index: u64, work: Work) {
        self.added.add(index, work);
        let position = index / self.window.replicates;
        // Others of its cell may be in the window, and some may have ended.
        if let Some(known) = self.window.cells.get(&position) {
            let cell = self.added.cell(position, work);
            self.added.orders(cell).remove(&cell.rank(position));
            self.added.orders(*known).insert(known.rank(position));
            self.added.cells.insert(position, *known);
        }
    }

    /// Returns the trial that is next.
    pub(super) fn peek(&mut self) -> Option<u64> {
        let next = [self.unseen.peek().copied(), self.seen.peek().copied(), self.added.first()];
        next.into_iter().flatten().min().map(|(_, index)| index)
    }

    /// Takes the trial that is next.
    pub(super) fn take(&mut self) -> Option<u64> {
        let index = self.peek()?;
        if self.added.trials.contains(&index) {
            self.added.remove(index);
            self.added.settle(index, u64::MAX);
        } else if self.unseen.next_if(|(_, unseen)| *unseen == index).is_none() {
            self.seen.next();
        }
        Some(index)
    }
}

impl Window {
    /// Returns the trial that is next, with its rank.
    fn first(&self) -> Option<Rank> {
        let first = [&self.unseen, &self.seen].map(|ranks| self.trials_of(ranks).next());
        first.into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::Input;
    use crate::core::testing::{World, outcome_of, sweep_of, sweep_over};
    use gridsweep_common::id::{Fence, SweepId, WorkerId};

    /// Gives a worker as many trials as it takes.
    const MANY: u32 = 64;

    /// Fills free slots and returns the indices in a sweep of what is leased, in order.
    fn begun(world: &mut World, sweep: SweepId) -> Vec<u64> {
        leased(world, sweep).into_iter().map(|(_, index)| index).collect()
    }

    fn leased(world: &mut World, sweep: SweepId) -> Vec<((WorkerId, Fence), u64)> {
        let leases = world.assign();
        let index = |fence: &Fence| {
            let mut places = world.core.trials[&fence.trial].places.iter();
            places.find(|(of, _)| *of == sweep).expect("a trial of the sweep").1
        };
        leases.iter().map(|lease| (*lease, index(&lease.1))).collect()
    }

    #[test]
    fn the_longest_is_begun_first_and_the_replicates_of_a_cell_in_their_order() {
        let mut world = World::new();
        let axes = "hidden = [[64], [512], [], [64, 64]]\nepochs = [1, 3]";
        let sweep = world.submit(sweep_over("a", axes, 2)).sweep;
        world.join(MANY);
        // Of each shape the cell with 3 epochs; 512 units for one epoch are more than 64 for three.
        let expected = [[6, 7], [4, 5], [14, 15], [2, 3], [12, 13], [0, 1], [10, 11], [8, 9]];
        assert_eq!(begun(&mut world, sweep), expected.concat());
    }

    #[test]
    fn a_grid_of_equal_costs_keeps_its_order_however_many_have_ended() {
        let mut world = World::new();
        let sweep = world.submit(sweep_over("a", "width = [5, 3, 9, 7, 1, 2]\nepochs = [7]", 3)).sweep;
        let worker = world.join(1);
        let mut order = Vec::new();
        for _ in 0..20 {
            for ((_, fence), index) in leased(&mut world, sweep) {
                order.push(index);
                world.finish_with(worker, fence, outcome_of(0.5, 3));
            }
        }
        assert_eq!(order, (0..18).collect::<Vec<_>>());
    }

    const SHAPES: &str = "hidden = [[100], [90], [80]]\nepochs = [10]";

    /// A world where 100 units stopped after 1 epoch and 80 after 10, and a sweep of more replicates was looked at.
    fn world_with_experience() -> (World, SweepId) {
        let mut world = World::new();
        let first = world.submit(sweep_over("first", "hidden = [[100], [80]]\nepochs = [10]", 1)).sweep;
        let worker = world.join(1);
        for (((_, fence), _), epochs) in leased(&mut world, first).into_iter().zip([1, 10]) {
            world.finish_with(worker, fence, outcome_of(0.5, epochs));
        }
        world.leave(worker);
        let sweep = world.submit(sweep_over("a", SHAPES, 3)).sweep;
        world.assign();
        (world, sweep)
    }

    #[test]
    fn what_ran_few_epochs_goes_behind_and_what_nobody_has_seen_is_taken_for_usual() {
        let (mut world, sweep) = world_with_experience();
        world.join(MANY);
        let expected = [7, 8, 3, 4, 5, 1, 2];
        assert_eq!(begun(&mut world, sweep), expected, "80 for ten epochs, 90 for half of ten, 100 for one");
        let (mut world, sweep) = world_with_experience();
        world.restart();
        world.assign();
        world.join(MANY);
        assert_eq!(begun(&mut world, sweep), expected, "a restart knows as much");
    }

    #[test]
    fn results_of_a_cell_move_what_is_left_of_it() {
        let mut world = World::new();
        let sweep = world.submit(sweep_over("a", "hidden = [[100], [90]]\nepochs = [10]", 40)).sweep;
        let worker = world.join(1);
        let first = leased(&mut world, sweep);
        assert_eq!(first.iter().map(|(_, index)| *index).collect::<Vec<_>>(), [0, 1]);
        for ((_, fence), _) in first {
            world.finish_with(worker, fence, outcome_of(0.5, 2));
        }
        assert_eq!(begun(&mut world, sweep), [2, 3], "what nobody has seen may be as short");
        let window = &mut world.core.sweeps.get_mut(&sweep).unwrap().window;
        window.count(40, Work { multiply_adds: 90.0 * 1598.0, epochs_most: 10 }, 10);
        assert_eq!(taken(window)[..40], (40..80).collect::<Vec<_>>(), "until it is known to be long");
    }

    #[test]
    fn a_restart_in_the_middle_of_a_window_loses_and_doubles_no_trial() {
        let mut world = World::new();
        let sweep = world.submit(sweep_over("a", SHAPES, 2)).sweep;
        let mut recorded = Vec::new();
        for round in 0..4 {
            let worker = world.join(1);
            let leases = leased(&mut world, sweep);
            let begun_before = world.core.trials.len() as u64;
            assert!(begun_before < 6 || round > 1, "others wait in the window when the coordinator ends");
            for ((_, fence), index) in leases {
                if index % 2 == round % 2 || round > 1 {
                    recorded.extend((world.finish(worker, fence) == 1).then_some(index));
                }
            }
            world.restart();
        }
        recorded.sort_unstable();
        assert_eq!(recorded, (0..6).collect::<Vec<_>>());
        world.assign();
        assert!(world.core.snapshot().sweeps[0].has_ended);
    }

    #[test]
    fn a_large_grid_is_known_by_its_window_alone() {
        let numbers = (1..=1000).map(|n| n.to_string()).collect::<Vec<_>>().join(", ");
        let axes = format!("width = [{numbers}]\nepochs = [{numbers}]\nhidden = [[9], [8]]");
        let mut world = World::new();
        let sweep = world.submit(sweep_over("a", &axes, 500)).sweep;
        assert_eq!(world.core.sweeps[&sweep].open.trials(), 1_000_000_000);
        while world.give(Input::Assign).has_more {}
        let state = &world.core.sweeps[&sweep];
        assert_eq!((state.window.len(), state.cursor), (TRIALS_MAX, TRIALS_MAX as u64));
        assert_eq!(state.window.cells.len(), TRIALS_MAX / 500 + 1, "costs are those of cells");
        let worker = world.join(1);
        // Eight cells and the beginning of one with more epochs.
        let longest = 4000;
        for round in 0..3 {
            let leases = leased(&mut world, sweep);
            assert_eq!(world.core.sweeps[&sweep].window.len(), TRIALS_MAX);
            assert_eq!(
                leases[0].1,
                longest + [0, 2, 4][round],
                "the first of the longest cell that was looked at"
            );
            for ((_, fence), _) in leases {
                world.finish_with(worker, fence, outcome_of(0.5, 4));
            }
        }
    }

    #[test]
    fn a_decision_looks_at_a_bounded_number_of_trials_and_begins_some_all_the_same() {
        let mut world = World::new();
        let sweep = world.submit(sweep_of("a", 3000)).sweep;
        world.join(1);
        let decision = world.give(Input::Assign);
        assert!(decision.has_more);
        assert_eq!(world.core.live_leases().count(), 2);
        assert!(world.core.sweeps[&sweep].cursor < 1000);
        while world.give(Input::Assign).has_more {}
        assert_eq!(world.core.sweeps[&sweep].cursor, 3000);
    }

    fn taken(window: &Window) -> Vec<u64> {
        let mut order = window.order();
        std::iter::from_fn(|| order.take()).collect()
    }

    fn work(multiply_adds: f64) -> Work {
        Work { multiply_adds, epochs_most: 10 }
    }

    fn window_of_two_cells() -> Window {
        let mut window = Window::new(2);
        for (index, units) in [(0, 1.0), (1, 1.0), (2, 5.0), (3, 5.0)] {
            window.add(index, work(units));
        }
        window
    }

    #[test]
    fn what_one_decision_adds_and_takes_leaves_the_window_as_it_is() {
        let window = window_of_two_cells();
        let mut order = window.order();
        assert_eq!(order.take(), Some(2));
        for (index, units) in [(4, 9.0), (5, 9.0), (6, 5.0)] {
            order.add(index, work(units));
        }
        assert_eq!([(); 6].map(|()| order.take().unwrap()), [4, 5, 3, 6, 0, 1]);
        assert_eq!(order.take(), None);
        assert_eq!(taken(&window), [2, 3, 0, 1]);
    }

    #[test]
    fn a_window_that_is_not_in_order_is_noticed() {
        let spoilt = |spoil: &dyn Fn(&mut Window)| {
            let mut window = window_of_two_cells();
            assert_eq!(window.check(4), Ok(()));
            spoil(&mut window);
            window.check(4).is_err()
        };
        assert!(spoilt(&|window| window.add(4, work(1.0))), "it was not looked at");
        assert!(spoilt(&|window| assert!(window.unseen.pop_first().is_some())), "a cell is in no order");
        assert!(
            spoilt(&|window| window.cells.get_mut(&1).unwrap().pace.add(3, work(5.0))),
            "a cell is out of place"
        );
        assert!(
            spoilt(&|window| [2, 3].iter().for_each(|index| window.remove(*index))),
            "a cell has nothing left"
        );
        assert!(!spoilt(&|window| {
            [2, 3].iter().for_each(|index| window.remove(*index));
            window.settle(3, 4);
        }));
    }
}
