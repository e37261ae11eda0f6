//! A batch goes to the store, and then what rests on it is said.

use super::{Driver, wall_clock_ms};
use crate::core::{Decision, Effect, Message};
use crate::store::{Batch, StoreError};
use std::time::Duration;
use tokio::time::Instant;

/// How often a full disk is tried again.
const RETRY_EVERY: Duration = Duration::from_secs(1);
/// How many messages are held back while a disk is full; further ones are dropped, and asked for again by whoever waits.
const WITHHELD_MAX: usize = 100_000;

/// What a full disk did not take.
pub(super) struct Unwritten {
    batch: Batch,
    /// What is not said before it is written.
    effects: Vec<Effect>,
    tried: Instant,
}

impl Driver {
    pub(super) async fn commit(&mut self, decision: Decision) -> Result<(), StoreError> {
        let Decision { events, records, effects, .. } = decision;
        self.is_dirty |= !self.previews.is_empty();
        let previews = std::mem::take(&mut self.previews);
        let batch = Batch { term: self.term, events, records, previews, at_ms: wall_clock_ms() };
        let has_batch = !batch.events.is_empty() || !batch.previews.is_empty();
        let effects = match self.unwritten.take() {
            Some(unwritten) => self.commit_behind(unwritten, batch, effects).await?,
            None if has_batch => self.write(batch, effects).await?,
            None => effects,
        };
        // Before anyone is answered: whoever submits asks at once how the sweep stands.
        if std::mem::take(&mut self.is_dirty) {
            self.publish();
        }
        effects.into_iter().for_each(|effect| self.perform(effect));
        if has_batch {
            end_after_effects();
        }
        Ok(())
    }

    /// Lets a batch wait behind one that a full disk did not take. It grows by what still can happen to the leases that
    /// were given: bounded by them. Previews are lost, which a preview may be. Returns what may be said now.
    async fn commit_behind(
        &mut self,
        mut unwritten: Unwritten,
        batch: Batch,
        effects: Vec<Effect>,
    ) -> Result<Vec<Effect>, StoreError> {
        unwritten.batch.events.extend(batch.events);
        unwritten.batch.records.extend(batch.records);
        let (mut now, later) = effects.into_iter().partition::<Vec<_>, _>(rests_on_nothing_stored);
        unwritten.effects.extend(later);
        unwritten.effects.truncate(WITHHELD_MAX);
        if unwritten.tried.elapsed() < RETRY_EVERY {
            self.unwritten = Some(unwritten);
            return Ok(now);
        }
        now.extend(self.write(unwritten.batch, unwritten.effects).await?);
        Ok(now)
    }

    /// Writes a batch and returns what may be said then: all that rests on it, or what rests on nothing stored. On a thread of its own: an fsync may take long, and the runtime's
    /// threads serve the workers meanwhile.
    async fn write(&mut self, mut batch: Batch, effects: Vec<Effect>) -> Result<Vec<Effect>, StoreError> {
        let mut store = self.store.take().expect("the store is back after every write");
        let written = tokio::task::spawn_blocking(move || {
            end_before_commit();
            let result = store.commit(&batch);
            end_after_commit();
            batch.previews.clear();
            (store, batch, result)
        });
        let (store, batch, result) = written.await.expect("a store reports errors and does not panic");
        self.store = Some(store);
        match result {
            Ok(()) => {
                if self.trouble.take().is_some() {
                    tracing::warn!("there is room for the store again: going on");
                    self.is_dirty = true;
                }
                Ok(effects)
            }
            Err(error @ StoreError::Full { .. }) => {
                if self.trouble.is_none() {
                    tracing::error!(%error, "nothing is leased or acknowledged until there is room");
                    self.is_dirty = true;
                }
                self.trouble = Some(error.to_string());
                let (now, effects) = effects.into_iter().partition(rests_on_nothing_stored);
                self.unwritten = Some(Unwritten { batch, effects, tried: super::instant() });
                Ok(now)
            }
            Err(error) => Err(error),
        }
    }
}

/// Where a test may end the process, in a debug build with failpoints: nothing of a batch is on disk.
fn end_before_commit() {
    #[cfg(debug_assertions)]
    fail::fail_point!("before_commit", |_| std::process::abort());
}

/// The same: all of a batch is on disk, and nobody knows.
fn end_after_commit() {
    #[cfg(debug_assertions)]
    fail::fail_point!("after_commit", |_| std::process::abort());
}

/// The same: what rests on a batch has been said, and may not have arrived.
fn end_after_effects() {
    #[cfg(debug_assertions)]
    fail::fail_point!("after_effects", |_| std::process::abort());
}

/// Returns whether something may be said while the disk is full.
fn rests_on_nothing_stored(effect: &Effect) -> bool {
    match effect {
        Effect::Refuse { .. } | Effect::HangUp { .. } => true,
        Effect::Reply { .. } | Effect::CheckpointTaken { .. } | Effect::DiscardCheckpoint { .. } => false,
        Effect::Send { message, .. } => match message {
            Message::Renewed(_) | Message::Drain => true,
            Message::Welcome { .. }
            | Message::Lease { .. }
            | Message::Acknowledged(_)
            | Message::Revoked { .. }
            | Message::Recalled(_)
            | Message::Quarantined => false,
        },
    }
}
