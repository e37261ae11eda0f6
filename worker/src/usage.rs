//! How much of their time the slots of a worker spend in the engine while there is something to run.
//!
//! Measured from the first attempt that got a slot to the last one: until then each of them waited for a slot, and a slot
//! that did not train was the worker's or the coordinator's doing. What comes after has no meaning for it: trials are then
//! fewer than slots, which is the sweep's doing.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A worker without any attempt for longer than this has nothing to run: that time is left out.
const PAUSE_LEAST: Duration = Duration::from_secs(1);

/// What was measured. Several workers' add up.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Usage {
    /// Seconds that slots had while attempts waited for them.
    pub slot_seconds: f64,
    /// Seconds of those in which they trained.
    pub engine_seconds: f64,
}

impl Usage {
    /// Returns which part of the slots' time was spent in the engine; `None` where no attempt ever waited.
    pub fn share(&self) -> Option<f64> {
        (self.slot_seconds > 0.0).then(|| self.engine_seconds / self.slot_seconds)
    }

    /// Adds another worker's.
    pub fn add(&mut self, other: Usage) {
        self.slot_seconds += other.slot_seconds;
        self.engine_seconds += other.engine_seconds;
    }
}

/// Measures the slots of one worker.
#[derive(Debug)]
pub struct UsageMeter {
    slots: usize,
    times: Mutex<Times>,
}

#[derive(Debug, Default)]
struct Times {
    /// When the last attempt got its slot.
    counted_to: Option<Instant>,
    /// Attempts in slots, by their numbers, and since when they train, where they do.
    held: BTreeMap<u64, Option<Instant>>,
    next: u64,
    /// Training since `counted_to` that has ended.
    trained: Duration,
    /// Since when no attempt has a slot.
    idle_since: Option<Instant>,
    /// Up to `counted_to`.
    usage: Usage,
}

/// An attempt in its slot, until [`Held::end`].
#[derive(Debug)]
pub(crate) struct Held<'a> {
    meter: &'a UsageMeter,
    number: u64,
}

impl UsageMeter {
    /// Returns one for a worker with so many slots.
    pub fn new(slots: usize) -> UsageMeter {
        UsageMeter { slots, times: Mutex::default() }
    }

    /// Takes note that an attempt gets a slot.
    pub(crate) fn hold(&self, now: Instant) -> Held<'_> {
        let mut times = self.locked();
        times.count_to(now, self.slots);
        let number = times.next;
        times.next += 1;
        times.held.insert(number, None);
        times.idle_since = None;
        Held { meter: self, number }
    }

    /// Returns what was measured until the last attempt got its slot; nothing where each had a slot at once.
    pub fn usage(&self) -> Usage {
        let times = self.locked();
        if times.next > self.slots as u64 { times.usage } else { Usage::default() }
    }

    fn locked(&self) -> MutexGuard<'_, Times> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Times {
    /// An attempt begins: it had waited, so all of the slots' time until now counts.
    fn count_to(&mut self, now: Instant, slots: usize) {
        let paused = self.idle_since.is_some_and(|since| now.saturating_duration_since(since) > PAUSE_LEAST);
        if let Some(from) = self.counted_to.filter(|_| !paused) {
            let training = self.held.values().flatten();
            let running: Duration =
                training.map(|since| now.saturating_duration_since(from.max(*since))).sum();
            self.usage.slot_seconds += slots as f64 * now.saturating_duration_since(from).as_secs_f64();
            self.usage.engine_seconds += (self.trained + running).as_secs_f64();
        }
        (self.counted_to, self.trained) = (Some(now), Duration::ZERO);
    }

    fn pause(&mut self, number: u64, now: Instant) {
        if let Some(since) = self.held.get_mut(&number).and_then(Option::take) {
            let from = self.counted_to.map_or(since, |counted| counted.max(since));
            self.trained += now.saturating_duration_since(from);
        }
    }

    fn end(&mut self, number: u64, now: Instant) {
        self.pause(number, now);
        if self.held.remove(&number).is_some() && self.held.is_empty() {
            self.idle_since = Some(now);
        }
    }
}

impl Held<'_> {
    /// Takes note that the engine computes from now on.
    pub(crate) fn train(&self, now: Instant) {
        if let Some(since) = self.meter.locked().held.get_mut(&self.number) {
            *since = Some(now);
        }
    }

    /// Takes note that it does not any more, or not for a while.
    pub(crate) fn pause(&self, now: Instant) {
        self.meter.locked().pause(self.number, now);
    }

    /// Takes note that the slot is free again.
    pub(crate) fn end(self, now: Instant) {
        self.meter.locked().end(self.number, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(start: Instant, ms: u64) -> Instant {
        start + Duration::from_millis(ms)
    }

    /// An attempt that has its slot and trains between these milliseconds.
    fn attempt(meter: &UsageMeter, start: Instant, [begins, trains, stops, ends]: [u64; 4]) {
        let held = meter.hold(at(start, begins));
        held.train(at(start, trains));
        held.pause(at(start, stops));
        held.end(at(start, ends));
    }

    #[test]
    fn what_a_slot_does_not_train_while_trials_wait_is_missing_from_its_share() {
        let (meter, start) = (UsageMeter::new(1), Instant::now());
        attempt(&meter, start, [0, 100, 900, 1000]);
        attempt(&meter, start, [1000, 1000, 1500, 1500]);
        let share = meter.usage().share().unwrap();
        assert!((share - 0.8).abs() < 1e-9, "{share}");
        attempt(&meter, start, [2000, 2000, 9000, 9000]);
        let share = meter.usage().share().unwrap();
        assert!((share - 1.3 / 2.0).abs() < 1e-9, "half a second between two attempts counts: {share}");
    }

    #[test]
    fn a_slot_that_stands_still_beside_a_busy_one_is_half_of_the_time() {
        let (meter, start) = (UsageMeter::new(2), Instant::now());
        let busy = meter.hold(start);
        busy.train(start);
        meter.hold(start).end(start);
        let late = meter.hold(at(start, 4000));
        assert_eq!(meter.usage(), Usage { slot_seconds: 8.0, engine_seconds: 4.0 });
        late.train(at(start, 4000));
        let last = meter.hold(at(start, 5000));
        assert_eq!(meter.usage(), Usage { slot_seconds: 10.0, engine_seconds: 6.0 });
        [busy, late, last].into_iter().for_each(|held| held.end(at(start, 9000)));
        assert_eq!(
            meter.usage().slot_seconds,
            10.0,
            "what comes after the last attempt began does not count"
        );
    }

    #[test]
    fn trials_that_are_no_more_than_slots_say_nothing() {
        let (meter, start) = (UsageMeter::new(2), Instant::now());
        attempt(&meter, start, [0, 0, 500, 500]);
        attempt(&meter, start, [100, 100, 500, 500]);
        assert_eq!(meter.usage().share(), None);
    }

    #[test]
    fn a_pause_without_any_trial_is_left_out() {
        let (meter, start) = (UsageMeter::new(1), Instant::now());
        attempt(&meter, start, [0, 0, 500, 500]);
        attempt(&meter, start, [500, 500, 1000, 1000]);
        let before = meter.usage();
        attempt(&meter, start, [60_000, 60_000, 61_000, 61_000]);
        assert_eq!(meter.usage(), before, "a minute in which nothing was to be run");
        attempt(&meter, start, [61_000, 61_000, 62_000, 62_000]);
        assert_eq!(meter.usage().share(), Some(1.0));
    }

    #[test]
    fn an_attempt_that_ends_while_it_trains_has_trained_until_then() {
        let (meter, start) = (UsageMeter::new(1), Instant::now());
        let held = meter.hold(start);
        held.train(start);
        held.end(at(start, 600));
        meter.hold(at(start, 1000)).end(at(start, 1000));
        assert_eq!(meter.usage(), Usage { slot_seconds: 1.0, engine_seconds: 0.6 });
    }

    #[test]
    fn workers_add_up() {
        let mut usage = Usage { slot_seconds: 10.0, engine_seconds: 9.0 };
        usage.add(Usage { slot_seconds: 30.0, engine_seconds: 30.0 });
        assert_eq!(usage.share(), Some(39.0 / 40.0));
    }
}
