//! Threads that help a training: what idle slots lend to the trials that still run.

use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Threads for parts of a step. One crew may help several trainings at once.
#[derive(Debug)]
pub struct Crew {
    helpers: rayon::ThreadPool,
}

/// The system gave no more threads.
#[derive(Debug, thiserror::Error)]
#[error("no threads to help with: {0}")]
pub struct NoCrew(#[from] rayon::ThreadPoolBuildError);

/// How often a thread looks for what it waits for before it lets the processor do something else: phases follow one another
/// within microseconds. Going to sleep and waking up takes longer than that, and who wakes up is put on the processor
/// of who woke him.
const LOOKS: u32 = 20_000;

/// The same, for what follows within some hundred nanoseconds.
const LOOKS_AT_END: u32 = 50;

impl Crew {
    /// Makes a crew that computes a step on up to `threads` threads, at least one: that of the training, and helpers.
    ///
    /// # Errors
    /// [`NoCrew`] when the system has no more threads.
    pub fn new(threads: usize) -> Result<Crew, NoCrew> {
        let helpers = rayon::ThreadPoolBuilder::new()
            // A pool of none would be one of all processors.
            .num_threads(threads.saturating_sub(1).max(1))
            .thread_name(|number| format!("helper-{number}"))
            .build()?;
        Ok(Crew { helpers })
    }

    /// Returns on how many threads a step can be computed, that of the training included.
    pub fn threads(&self) -> usize {
        self.helpers.current_num_threads() + 1
    }
}

/// A training and those who help it.
#[derive(Clone, Debug)]
pub(crate) struct Team<'a> {
    crew: &'a Crew,
    /// How many phases have begun.
    phases: Arc<AtomicU64>,
}

impl<'a> Team<'a> {
    /// Makes the team of one training.
    pub(crate) fn new(crew: &'a Crew) -> Team<'a> {
        Team { crew, phases: Arc::default() }
    }

    /// Returns on how many threads a phase can be computed.
    pub(crate) fn threads(&self) -> usize {
        self.crew.threads()
    }

    /// Does `work` once with each item, on as many threads as there are states: this one, and helpers. Which thread takes
    /// which item is left to chance; nothing may depend on it. Returns when all is done.
    ///
    /// The caller must not be a thread of another pool: while it waited, rayon would give it something else to do.
    pub(crate) fn share<S: Send, T>(
        &self,
        states: &mut [S],
        items: impl Iterator<Item = T> + Send,
        work: impl Fn(&mut S, T) + Sync,
    ) {
        let Some((own, others)) = states.split_first_mut() else { return };
        let (helpers, items, busy) = (others.len(), Mutex::new(items), AtomicUsize::new(others.len()));
        let take_part = |state: &mut S| {
            while let Some(item) = next(&items) {
                work(state, item);
            }
        };
        self.crew.helpers.in_place_scope(|scope| {
            for state in others {
                scope.spawn(|_| {
                    let _end = Countdown(&busy);
                    take_part(state);
                });
            }
            self.begin(helpers);
            take_part(own);
            wait_until_none(&busy);
            // What the scope itself waits for comes a moment after that: it would go to sleep for it.
            (0..LOOKS_AT_END).for_each(|_| std::hint::spin_loop());
        });
    }

    /// Lets helpers that wait for the phase begin with it, and gives each something to wait with after it.
    fn begin(&self, helpers: usize) {
        let phase = self.phases.fetch_add(1, Ordering::Release) + 1;
        for _ in 0..helpers {
            let phases = Arc::clone(&self.phases);
            self.crew.helpers.spawn(move || wait_for_phase_after(&phases, phase));
        }
    }
}

/// Keeps a helper awake until the next phase, if that comes soon.
fn wait_for_phase_after(phases: &AtomicU64, phase: u64) {
    for _ in 0..LOOKS {
        if phases.load(Ordering::Acquire) > phase {
            return;
        }
        std::hint::spin_loop();
    }
}

fn next<T>(items: &Mutex<impl Iterator<Item = T>>) -> Option<T> {
    items.lock().unwrap_or_else(PoisonError::into_inner).next()
}

/// Counts down at its end, in a panic too.
struct Countdown<'a>(&'a AtomicUsize);

impl Drop for Countdown<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Release);
    }
}

/// Waits without sleeping: what is waited for takes less time than waking up does.
fn wait_until_none(busy: &AtomicUsize) {
    let mut looks = 0;
    while busy.load(Ordering::Acquire) > 0 {
        looks += 1;
        if looks < LOOKS {
            std::hint::spin_loop();
        } else {
            std::thread::yield_now();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_worked_on_once() {
        for threads in 1..4 {
            let crew = Crew::new(threads).unwrap();
            let mut sums = vec![0_u64; threads];
            for _ in 0..50 {
                Team::new(&crew).share(&mut sums, 1..=100_u64, |sum, item| *sum += item);
            }
            assert_eq!(sums.iter().sum::<u64>(), 50 * 5050);
        }
    }

    #[test]
    fn a_panic_of_a_helper_is_a_panic_of_the_training() {
        let crew = Crew::new(2).unwrap();
        let team = Team::new(&crew);
        let share = || team.share(&mut [(), ()], 0..10, |(), item| assert_ne!(item, 7, "item seven"));
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(share)).is_err());
        let mut sums = [0, 0];
        team.share(&mut sums, 0..10, |sum, item| *sum += item);
        assert_eq!(sums[0] + sums[1], 45, "the crew goes on");
    }
}
