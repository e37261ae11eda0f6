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
    /// When an attempt began or ended last; `None` until someone asks after one ended.
    changed: Option<Instant>,
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
        let seats = Seats { taken: BTreeSet::new(), next: 0, changed: None };
        Lending { slots, crew: crew.ok().flatten(), seats: Mutex::new(seats) }
    }

    /// Returns those who help, if any can.
    pub(crate) fn crew(&self) -> Option<&Crew> {
        self.crew.as_ref()
    }

    /// Counts one more attempt, that begins now.
    pub(crate) fn seat(&self, now: Instant) -> Seat<'_> {
        let mut seats = self.locked();
        let number = seats.next;
        seats.next += 1;
        seats.taken.insert(number);
        seats.changed = Some(now);
        Seat { lending: self, number }
    }

    fn locked(&self) -> MutexGuard<'_, Seats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat<'_> {
    /// Returns on how many threads the attempt may compute now.
    pub(crate) fn threads(&self, now: Instant) -> usize {
        let mut seats = self.lending.locked();
        let changed = *seats.changed.get_or_insert(now);
        if now.saturating_duration_since(changed) < IDLE {
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
        // Whoever asks first takes the time.
        seats.changed = None;
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
        let (lending, start) = (Lending::new(3), Instant::now());
        let (first, second) = (lending.seat(start), lending.seat(start));
        assert_eq!((first.threads(start), second.threads(start)), (1, 1));
        let later = start + IDLE;
        assert_eq!((first.threads(later), second.threads(later)), (2, 1));
        drop(first);
        assert_eq!(second.threads(later), 1);
        assert_eq!(second.threads(later + IDLE / 2), 1);
        assert_eq!(second.threads(later + IDLE), 3);
    }
}
