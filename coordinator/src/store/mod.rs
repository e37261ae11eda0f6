//! Where what is true is kept.
//!
//! The coordinator writes through [`Store`]; everyone who looks reads through [`Reader`]. `contract.rs` runs over every
//! implementation.

#[cfg(test)]
mod contract;
mod layouts;
mod load;
mod memory;
mod migrations;
mod number;
mod passed;
mod rows;
mod scan;
mod sqlite;
pub mod wire;
mod write;

pub use memory::MemoryStore;
pub use sqlite::{SqliteReader, SqliteStore};

use crate::core::{Event, Record, TrialEnd};
use gridsweep_common::frozen::{FrozenSweep, OpenSweep};
use gridsweep_common::id::{Attempt, Digest, SweepId, Term, TrialId};
use gridsweep_common::metric::{EpochMetrics, OutcomeSummary};
use gridsweep_common::trial::{Failure, TrialSpec};
use std::path::PathBuf;
use std::sync::Arc;

/// How many rows are read at a time.
const PAGE_ROWS: usize = 1000;

/// What goes into the store in one transaction.
#[derive(Debug, Default)]
pub struct Batch {
    /// The coordinator's term: a store that has seen a later one refuses the batch.
    pub term: Term,
    /// The durable events, in order.
    pub events: Vec<Event>,
    /// The results that belong to them.
    pub records: Vec<Record>,
    /// Epochs of running trials, to be looked at; a result replaces them.
    pub previews: Vec<Preview>,
    /// The wall clock, in milliseconds since 1970, for people.
    pub at_ms: i64,
}

/// An epoch of a running trial.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Preview {
    /// The trial.
    pub trial: TrialId,
    /// The attempt that runs it.
    pub attempt: Attempt,
    /// What the epoch gave.
    pub metrics: EpochMetrics,
}

/// The coordinator's side of a store. One at a time.
pub trait Store: Send {
    /// Begins a new term: from now on batches of earlier ones are refused.
    fn begin_term(&mut self) -> Result<Term, StoreError>;
    /// Returns what is known, as the events that would lead there.
    fn load(&mut self) -> Result<Vec<Event>, StoreError>;
    /// Writes a batch, all of it or nothing. When this returns, it survives a power cut.
    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError>;
}

/// The reading side of a store: also while a coordinator writes to it.
pub trait Reader {
    /// Returns the sweeps, oldest first.
    fn sweeps(&self) -> Result<Vec<StoredSweep>, StoreError>;
    /// Returns at most `limit` trials that have ended, in the order in which they did, from behind the `after`th on. A
    /// trial whose result came after it was given up stands where the result came.
    fn ended(&self, after: u64, limit: usize) -> Result<Vec<StoredTrial>, StoreError>;
    /// Hands `take` every trial of a sweep that has ended, with its index in the sweep and as much of its result as is asked
    /// for: each once, in any order, one at a time, so that a store of any size can be counted and averaged.
    fn for_each_ended(
        &self,
        sweep: &OpenSweep,
        detail: Detail,
        take: &mut dyn FnMut(u64, EndedTrial),
    ) -> Result<(), StoreError> {
        let mut after = 0;
        loop {
            let page = self.ended(after, PAGE_ROWS)?;
            let Some(last) = page.last() else { return Ok(()) };
            after = last.sequence;
            for trial in page {
                if let Some(index) = sweep.index_of(&trial.spec) {
                    take(index, trial.cut(detail));
                }
            }
        }
    }
    /// Returns every epoch of a trial: of its result, or else of its running attempt as far as reported.
    fn epochs(&self, trial: TrialId) -> Result<Vec<EpochMetrics>, StoreError>;
    /// Returns the attempts at a trial, in order.
    fn attempts(&self, trial: TrialId) -> Result<Vec<StoredAttempt>, StoreError>;
    /// Returns the attempts that run, as far as the store knows.
    fn running(&self) -> Result<Vec<RunningAttempt>, StoreError>;
    /// Returns at most `limit` trials that any attempt was made at, in order of their ids, from behind `after` on.
    fn attempted(&self, after: Option<TrialId>, limit: usize) -> Result<Vec<AttemptedTrial>, StoreError>;
    /// Returns how many results disagreed with the recorded one.
    fn conflicts(&self) -> Result<u64, StoreError>;
    /// Returns how a trial ended, and the digests of its recorded result and of those that disagreed with it.
    fn results(&self, trial: TrialId) -> Result<StoredResults, StoreError>;
}

impl<R: Reader + ?Sized> Reader for &R {
    fn sweeps(&self) -> Result<Vec<StoredSweep>, StoreError> {
        (**self).sweeps()
    }
    fn ended(&self, after: u64, limit: usize) -> Result<Vec<StoredTrial>, StoreError> {
        (**self).ended(after, limit)
    }
    fn for_each_ended(
        &self,
        sweep: &OpenSweep,
        detail: Detail,
        take: &mut dyn FnMut(u64, EndedTrial),
    ) -> Result<(), StoreError> {
        (**self).for_each_ended(sweep, detail, take)
    }
    fn epochs(&self, trial: TrialId) -> Result<Vec<EpochMetrics>, StoreError> {
        (**self).epochs(trial)
    }
    fn attempts(&self, trial: TrialId) -> Result<Vec<StoredAttempt>, StoreError> {
        (**self).attempts(trial)
    }
    fn running(&self) -> Result<Vec<RunningAttempt>, StoreError> {
        (**self).running()
    }
    fn attempted(&self, after: Option<TrialId>, limit: usize) -> Result<Vec<AttemptedTrial>, StoreError> {
        (**self).attempted(after, limit)
    }
    fn conflicts(&self) -> Result<u64, StoreError> {
        (**self).conflicts()
    }
    fn results(&self, trial: TrialId) -> Result<StoredResults, StoreError> {
        (**self).results(trial)
    }
}

/// A sweep as it was submitted last.
#[derive(Clone, PartialEq, Debug)]
pub struct StoredSweep {
    /// Its number.
    pub id: SweepId,
    /// Its name.
    pub name: String,
    /// What was submitted.
    pub frozen: FrozenSweep,
    /// When, in milliseconds since 1970.
    pub submitted_ms: i64,
    /// Free slots go to the sweeps with the highest first.
    pub priority: i32,
    /// Whether it is not wanted any more.
    pub is_cancelled: bool,
}

impl StoredSweep {
    /// Returns the events that lead to this sweep, opened.
    fn events(&self, open: Arc<OpenSweep>) -> impl Iterator<Item = Event> {
        let sweep = self.id;
        let submitted = Event::SweepSubmitted { sweep, open, priority: self.priority };
        std::iter::once(submitted).chain(self.is_cancelled.then_some(Event::SweepCancelled { sweep }))
    }
}

/// A trial that has ended.
#[derive(Clone, PartialEq, Debug)]
pub struct StoredTrial {
    /// Its place in the order in which trials ended, from 1: grows, with gaps.
    pub sequence: u64,
    /// Its id.
    pub id: TrialId,
    /// What it computed.
    pub spec: TrialSpec,
    /// How it ended.
    pub end: TrialEnd,
    /// Why it has no result, where it has none.
    pub failure: Option<Failure>,
    /// Its result without the epochs.
    pub summary: Option<OutcomeSummary>,
    /// When the result was recorded, in milliseconds since 1970.
    pub recorded_ms: Option<i64>,
}

/// How much is read of a trial that has ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Detail {
    /// How it ended.
    End,
    /// What it measured, without the histograms of its weights: what a table needs.
    Measures,
}

/// A trial of a sweep that has ended. What it computed follows from its index in the sweep.
#[derive(Clone, PartialEq, Debug)]
pub struct EndedTrial {
    /// Its id.
    pub id: TrialId,
    /// How it ended.
    pub end: TrialEnd,
    /// Why it has no result, where it has none.
    pub failure: Option<Failure>,
    /// Its result, where it has one and it was asked for; the histograms of the matrices are empty.
    pub summary: Option<OutcomeSummary>,
}

impl StoredTrial {
    /// Returns what is asked for of it.
    fn cut(self, detail: Detail) -> EndedTrial {
        let mut summary = self.summary.filter(|_| detail == Detail::Measures);
        let evaluation = summary.as_mut().and_then(|summary| summary.evaluation.as_mut());
        for matrix in evaluation.into_iter().flat_map(|evaluation| &mut evaluation.matrices) {
            matrix.histogram = Vec::new();
        }
        EndedTrial { id: self.id, end: self.end, failure: self.failure, summary }
    }
}

/// A trial that an attempt was made at.
#[derive(Clone, PartialEq, Debug)]
pub struct AttemptedTrial {
    /// Its id.
    pub id: TrialId,
    /// What it computes.
    pub spec: TrialSpec,
}

/// One attempt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredAttempt {
    /// Its number.
    pub attempt: Attempt,
    /// The term in which it was leased.
    pub term: Term,
    /// What its worker calls itself.
    pub worker: String,
    /// `offered`: it waits for a slot; `running`, `finished`, `failed`, `lost`, `abandoned`, `released`, `returned`, `superseded` or `revoked`.
    pub state: String,
    /// The kind of failure, where it failed.
    pub failure: Option<String>,
    /// Why, for people.
    pub detail: Option<String>,
    /// Epochs that it found completed in a checkpoint.
    pub from_epoch: u32,
    /// Steps of the next epoch that it found completed.
    pub from_step: u32,
    /// When it was leased, in milliseconds since 1970.
    pub started_ms: i64,
    /// When it ended.
    pub ended_ms: Option<i64>,
}

/// The results that a trial has.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct StoredResults {
    /// The one that counts, where there is one.
    pub recorded: Option<StoredResult>,
    /// Those that disagreed with it.
    pub conflicts: Vec<StoredResult>,
    /// How the trial ended, once it has.
    pub ended: Option<StoredTrial>,
}

/// A result by its digest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StoredResult {
    /// The attempt that delivered it.
    pub attempt: Attempt,
    /// The digest of all that was measured, to the bit.
    pub digest: Digest,
    /// When it was recorded, in milliseconds since 1970.
    pub recorded_ms: i64,
}

/// A running attempt, as far as the store knows.
#[derive(Clone, PartialEq, Debug)]
pub struct RunningAttempt {
    /// The trial.
    pub id: TrialId,
    /// What it computes.
    pub spec: TrialSpec,
    /// The attempt.
    pub attempt: StoredAttempt,
    /// The last epoch reported.
    pub last_epoch: Option<EpochMetrics>,
}

/// Why a store did not do as it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A later coordinator has opened the store: this one must stop.
    #[error("the store was taken over by a coordinator of term {current}; this one is of term {own}")]
    Superseded {
        /// The store's term.
        current: Term,
        /// The term of the batch.
        own: Term,
    },
    /// Another process holds the store open for writing.
    #[error(
        "{path} is in use by another coordinator; wait until it has ended, or give another --state folder"
    )]
    InUse {
        /// The state folder.
        path: PathBuf,
    },
    /// There is nothing there yet.
    #[error("{path} holds no sweeps yet")]
    Absent {
        /// The state folder.
        path: PathBuf,
    },
    /// The disk is full. Nothing of the batch was written.
    #[error("no room is left for the store at {path}")]
    Full {
        /// The store's file.
        path: PathBuf,
    },
    /// A newer version of gridsweep has written the store.
    #[error("{path} has layout {found}, this version of gridsweep reads up to {supported}: use a newer one")]
    TooNew {
        /// The store's file.
        path: PathBuf,
        /// Its layout.
        found: u32,
        /// The newest layout that this version reads.
        supported: u32,
    },
    /// What is stored makes no sense.
    #[error("{path} is damaged: {what}")]
    Damaged {
        /// The store's file.
        path: PathBuf,
        /// What makes no sense.
        what: String,
    },
    /// The folder cannot be made or opened.
    #[error("cannot use {path}")]
    Folder {
        /// The folder or file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The coordinator that was asked for what is stored does not give it.
    #[error("the coordinator at {address} says: {reason}")]
    Remote {
        /// Where it listens.
        address: String,
        /// What it says.
        reason: String,
    },
    /// SQLite says no for another reason.
    #[error("the store at {path} cannot be used")]
    Sqlite {
        /// The store's file.
        path: PathBuf,
        /// What SQLite says.
        #[source]
        source: rusqlite::Error,
    },
}
