//! Measures what the store does, from outside of it.

use crate::core::Event;
use crate::store::{Batch, Store, StoreError};
use gridsweep_common::id::Term;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The upper bounds of the commits' histogram, in microseconds: an fsync on flash to one on a disk that is overwhelmed.
pub(crate) const COMMIT_BOUNDS_US: [u64; 12] =
    [500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000, 1_000_000, 4_000_000];

/// What has been written since the process started.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    /// Commits that took at most the bound of the same place, and longer than the one before; the last took longer than all.
    pub(crate) commits: [AtomicU64; COMMIT_BOUNDS_US.len() + 1],
    /// How long all commits took together.
    pub(crate) commit_us: AtomicU64,
    pub(crate) failed_commits: AtomicU64,
    /// Results recorded.
    pub(crate) results: AtomicU64,
    /// Attempts leased.
    pub(crate) leases: AtomicU64,
    /// Epochs of running trials kept for a look.
    pub(crate) previews: AtomicU64,
    /// Why the last commit failed, if it did.
    fault: Mutex<Option<String>>,
}

impl Meter {
    /// Returns why the store cannot be written, if its last commit failed.
    pub(crate) fn fault(&self) -> Option<String> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, batch: &Batch, took: Duration, result: &Result<(), StoreError>) {
        let fault = result.as_ref().err().map(describe);
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = fault;
        if result.is_err() {
            add(&self.failed_commits, 1);
            return;
        }
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        add(&self.commits[COMMIT_BOUNDS_US.partition_point(|bound| *bound < us)], 1);
        add(&self.commit_us, us);
        add(&self.results, batch.records.len() as u64);
        let is_lease = |event: &&Event| matches!(event, Event::AttemptLeased { .. });
        add(&self.leases, batch.events.iter().filter(is_lease).count() as u64);
        add(&self.previews, batch.previews.len() as u64);
    }
}

fn add(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::Relaxed);
}

fn describe(error: &StoreError) -> String {
    let cause = std::error::Error::source(error).map_or(String::new(), |source| format!(": {source}"));
    format!("{error}{cause}")
}

/// A store whose writes are measured.
pub(crate) struct MeasuredStore {
    pub(crate) store: Box<dyn Store>,
    pub(crate) meter: Arc<Meter>,
}

impl Store for MeasuredStore {
    fn begin_term(&mut self) -> Result<Term, StoreError> {
        self.store.begin_term()
    }

    fn load(&mut self) -> Result<Vec<Event>, StoreError> {
        self.store.load()
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let began = Instant::now();
        let result = self.store.commit(batch);
        self.meter.note(batch, began.elapsed(), &result);
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total(meter: &Meter) -> u64 {
        meter.commits.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    #[test]
    fn a_failed_commit_is_a_fault_until_one_succeeds() {
        let meter = Meter::default();
        let batch = Batch::default();
        meter.note(&batch, Duration::from_micros(500), &Ok(()));
        meter.note(&batch, Duration::from_micros(501), &Ok(()));
        meter.note(&batch, Duration::from_secs(100), &Ok(()));
        let of_place = |place: usize| meter.commits[place].load(Ordering::Relaxed);
        assert_eq!((of_place(0), of_place(1), of_place(12), total(&meter)), (1, 1, 1, 3));
        assert_eq!(meter.fault(), None);
        meter.note(&batch, Duration::ZERO, &Err(StoreError::Full { path: "/store".into() }));
        assert!(meter.fault().unwrap().contains("no room"));
        assert_eq!((total(&meter), meter.failed_commits.load(Ordering::Relaxed)), (3, 1));
        meter.note(&batch, Duration::ZERO, &Ok(()));
        assert_eq!(meter.fault(), None);
    }
}
