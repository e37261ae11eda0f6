//! Processors of idle slots, lent to the trials that still run.

use gridsweep_engine::Crew;
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long slots must have been idle before they help: between two trials a slot is idle for less.
const IDLE: Duration = Duration::from_millis(250);

/// Who runs, and who can help.
#[derive(Debug)]
pub(crate) struct Lending {
    slots: usize,
    /// What idle slots compute with; `None` where there is one slot, or the system has no more threads.
    crew: Option<Crew>,
    seats: Mutex<Seats>,
}

#[derive(Debug)]
struct Seats {
    /// Numbers of the attempts that run, in the order in which they began.
    taken: BTreeSet<u64>,
    next: u64,
    /// When an attempt began or ended last.
    changed: Instant,
}

/// The place of an attempt that runs, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Seat<'a> {
    lending: &'a Lending,
    number: u64,
}

impl Lending {
    /// Makes room for as many attempts as there are slots.
    pub(crate) fn new(slots: usize) -> Lending {
        let crew = (slots > 1).then(|| Crew::new(slots)).transpose();
        if let Err(error) = &crew {
            tracing::warn!(%error, "idle slots will not help the trials that still run");
        }
        let seats = Seats { taken: BTreeSet::new(), next: 0, changed: Instant::now() };
        Lending { slots, crew: crew.ok().flatten(), seats: Mutex::new(seats) }
    }

    /// Returns those who help, if any can.
    pub(crate) fn crew(&self) -> Option<&Crew> {
        self.crew.as_ref()
    }

    /// Counts one more attempt.
    pub(crate) fn seat(&self) -> Seat<'_> {
        let mut seats = self.locked();
        let number = seats.next;
        seats.next += 1;
        seats.taken.insert(number);
        seats.changed = Instant::now();
        Seat { lending: self, number }
    }

    fn locked(&self) -> MutexGuard<'_, Seats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat<'_> {
    /// Returns on how many threads the attempt may compute now.
    pub(crate) fn threads(&self) -> usize {
        let seats = self.lending.locked();
        if seats.changed.elapsed() < IDLE {
            return 1;
        }
        let before = seats.taken.range(..self.number).count();
        threads(self.lending.slots, seats.taken.len(), before)
    }
}

/// Divides the slots among `running` attempts: what is left over goes to those that began first. `before` is how many of them
/// began before this one.
fn threads(slots: usize, running: usize, before: usize) -> usize {
    let (each, over) = (slots / running, slots % running);
    (each + usize::from(before < over)).max(1)
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let mut seats = self.lending.locked();
        seats.taken.remove(&self.number);
        seats.changed = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_divided_and_none_is_lent_twice() {
        for slots in 1..20 {
            for running in 1..=slots {
                let shares: Vec<usize> = (0..running).map(|before| threads(slots, running, before)).collect();
                assert_eq!(shares.iter().sum::<usize>(), slots, "{running} attempts in {slots} slots");
                assert!(shares.iter().max().unwrap() - shares.iter().min().unwrap() <= 1);
            }
        }
    }

    #[test]
    fn nothing_is_lent_while_attempts_come_and_go() {
        let lending = Lending::new(3);
        let (first, second) = (lending.seat(), lending.seat());
        assert_eq!((first.threads(), second.threads()), (1, 1));
        lending.locked().changed -= IDLE;
        assert_eq!((first.threads(), second.threads()), (2, 1));
        drop(first);
        assert_eq!(second.threads(), 1);
        lending.locked().changed -= IDLE;
        assert_eq!(second.threads(), 3);
    }
}
