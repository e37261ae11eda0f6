//! What a worker has in hand: leases before a slot, attempts in slots, and what waits to be acknowledged.

use crate::blocking::block_in_place;
use crate::checkpoint::Framed;
use crate::pool::SlotWatch;
use crate::spool::{Spool, Spooled};
use gridsweep_common::id::{Digest, Fence};
use gridsweep_common::trial::{KeptCheckpoint, TrialSpec};
use gridsweep_proto::v1;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use v1::from_worker::Message as From;

/// How long a result waits for its acknowledgement before it is sent again.
const REPEAT_AFTER: Duration = Duration::from_secs(5);
/// How long a result waits before it is written to disk.
const SPOOL_AFTER: Duration = Duration::from_secs(1);
/// How long an attempt may take to end when it is asked to; one that does not is stuck.
const STOP_PATIENCE: Duration = Duration::from_secs(60);

/// Everything in hand.
#[derive(Debug)]
pub(super) struct Attempts {
    slots: usize,
    /// Leases that wait for a slot, oldest first.
    queued: VecDeque<Leased>,
    running: BTreeMap<Fence, InSlot>,
    waiting: BTreeMap<Fence, Waiting>,
    spool: Spool,
}

/// An attempt that is this worker's to run.
#[derive(Clone, Debug)]
pub(super) struct Leased {
    pub(super) fence: Fence,
    pub(super) spec: TrialSpec,
    /// What the coordinator keeps of an earlier attempt.
    pub(super) checkpoint: Option<KeptCheckpoint>,
    /// How many bytes of weights the trial may leave.
    pub(super) weights_bytes_max: u64,
}

/// An attempt in a slot.
#[derive(Debug)]
struct InSlot {
    watch: Arc<SlotWatch>,
    /// When it was asked to stop.
    stopped: Option<Instant>,
}

/// Something that is sent until it is acknowledged.
#[derive(Debug)]
struct Waiting {
    message: From,
    /// Of a result; a failure has none.
    digest: Option<Digest>,
    since: Instant,
    /// When it was sent last, in this session.
    sent: Option<Instant>,
    is_spooled: bool,
}

impl Attempts {
    /// Begins with what the spool holds.
    pub(super) fn new(slots: usize, spool: Spool, spooled: Vec<Spooled>) -> Attempts {
        let waits = |Spooled { fence, digest, message }| {
            let message = From::Finished(message);
            let since = Instant::now();
            (fence, Waiting { message, digest: Some(digest), since, sent: None, is_spooled: true })
        };
        let waiting = spooled.into_iter().map(waits).collect();
        Attempts { slots, queued: VecDeque::new(), running: BTreeMap::new(), waiting, spool }
    }

    /// Takes a lease in hand. One that is there already came twice.
    pub(super) fn enqueue(&mut self, leased: Leased) {
        let fence = leased.fence;
        let is_here = self.queued.iter().any(|queued| queued.fence == fence)
            || self.running.contains_key(&fence)
            || self.waiting.contains_key(&fence);
        if !is_here {
            self.queued.push_back(leased);
        }
    }

    /// Gives the oldest lease a slot, if one is free.
    pub(super) fn begin_next(&mut self) -> Option<(Leased, Arc<SlotWatch>)> {
        if self.running.len() >= self.slots {
            return None;
        }
        let leased = self.queued.pop_front()?;
        let watch = Arc::new(SlotWatch::default());
        self.running.insert(leased.fence, InSlot { watch: Arc::clone(&watch), stopped: None });
        Some((leased, watch))
    }

    /// Takes a lease back that has no slot yet, and returns whether there was one.
    pub(super) fn dequeue(&mut self, fence: Fence) -> bool {
        let before = self.queued.len();
        self.queued.retain(|queued| queued.fence != fence);
        self.queued.len() < before
    }

    /// Takes all leases back that have no slot.
    pub(super) fn dequeue_all(&mut self) -> Vec<Fence> {
        self.queued.drain(..).map(|leased| leased.fence).collect()
    }

    /// Asks an attempt to stop.
    pub(super) fn stop(&mut self, fence: Fence) {
        if let Some(slot) = self.running.get_mut(&fence) {
            slot.watch.stop();
            slot.stopped.get_or_insert_with(Instant::now);
        }
    }

    /// Asks every attempt to stop.
    pub(super) fn stop_all(&mut self) {
        let running: Vec<Fence> = self.running.keys().copied().collect();
        running.into_iter().for_each(|fence| self.stop(fence));
    }

    /// A slot is free again. Returns the attempt's last checkpoint, if it was not sent.
    pub(super) fn leave_slot(&mut self, fence: Fence) -> Option<Arc<Framed>> {
        self.running.remove(&fence)?.watch.take_unsent()
    }

    /// Takes the newest checkpoint of each attempt that goes on, where it was not sent and `may_be_sent`.
    pub(super) fn take_unsent(&mut self, may_be_sent: impl Fn(Fence) -> bool) -> Vec<(Fence, Arc<Framed>)> {
        let goes_on = |(fence, slot): &(&Fence, &InSlot)| slot.stopped.is_none() && may_be_sent(**fence);
        let running = self.running.iter().filter(goes_on);
        running.filter_map(|(fence, slot)| Some((*fence, slot.watch.take_unsent()?))).collect()
    }

    /// Keeps a message about an attempt until it is acknowledged.
    pub(super) fn keep(&mut self, fence: Fence, message: From, digest: Option<Digest>) {
        let since = Instant::now();
        self.waiting.insert(fence, Waiting { message, digest, since, sent: None, is_spooled: false });
    }

    /// Lets go of what was acknowledged, and returns whether it was there.
    pub(super) fn forget(&mut self, fence: Fence) -> bool {
        let Some(waiting) = self.waiting.remove(&fence) else { return false };
        if waiting.is_spooled {
            self.spool.release(fence);
        }
        true
    }

    /// The attempt is not wanted. A result that was not sent yet is still worth sending: the first one counts, whoever
    /// brings it.
    pub(super) fn revoke(&mut self, fence: Fence, reason: &str) {
        if self.dequeue(fence) || self.running.contains_key(&fence) {
            tracing::info!(trial = %fence.trial, reason, "an attempt is not wanted any more");
        }
        self.stop(fence);
        if self.waiting.get(&fence).is_some_and(|waiting| waiting.sent.is_some()) {
            self.forget(fence);
        }
    }

    /// A session begins: nothing was sent in it.
    pub(super) fn begin_session(&mut self) {
        self.waiting.values_mut().for_each(|waiting| waiting.sent = None);
    }

    /// Iterates over what is to be sent now: for the first time, or again.
    pub(super) fn due(&mut self) -> impl Iterator<Item = From> {
        let is_due = |waiting: &Waiting| waiting.sent.is_none_or(|sent| sent.elapsed() >= REPEAT_AFTER);
        self.waiting.iter_mut().filter(move |(_, waiting)| is_due(waiting)).map(|(fence, waiting)| {
            if waiting.sent.is_some() {
                tracing::debug!(trial = %fence.trial, "nobody has acknowledged it: it is sent again");
            }
            waiting.sent = Some(Instant::now());
            waiting.message.clone()
        })
    }

    /// Writes results to disk that wait for long, or all that wait.
    pub(super) fn spool(&mut self, is_everything: bool) {
        let is_due = |waiting: &Waiting| {
            !waiting.is_spooled && (is_everything || waiting.since.elapsed() >= SPOOL_AFTER)
        };
        let mut due: Vec<(&Fence, &mut Waiting)> =
            self.waiting.iter_mut().filter(|(_, waiting)| is_due(waiting)).collect();
        let results: Vec<(Fence, &v1::Finished)> = due
            .iter()
            .filter_map(|(fence, waiting)| match &waiting.message {
                From::Finished(finished) => Some((**fence, finished)),
                _ => None,
            })
            .collect();
        if results.is_empty() {
            return;
        }
        let spool = &mut self.spool;
        if block_in_place(|| spool.append(&results)) {
            due.iter_mut()
                .filter(|(_, waiting)| waiting.digest.is_some())
                .for_each(|(_, waiting)| waiting.is_spooled = true);
        } else {
            // Tried again when the others wait for long.
            due.iter_mut().for_each(|(_, waiting)| waiting.since = Instant::now());
        }
    }

    /// Returns what goes on running, or waits for a slot: not what was asked to stop.
    pub(super) fn claimed(&self) -> Vec<Fence> {
        let running = self.running.iter().filter(|(_, slot)| slot.stopped.is_none()).map(|(fence, _)| *fence);
        running.chain(self.queued.iter().map(|leased| leased.fence)).collect()
    }

    /// Returns the results that wait, by their digests.
    pub(super) fn results(&self) -> Vec<(Fence, Digest)> {
        self.waiting.iter().filter_map(|(fence, waiting)| Some((*fence, waiting.digest?))).collect()
    }

    /// Returns everything in hand.
    pub(super) fn held(&self) -> BTreeSet<Fence> {
        let queued = self.queued.iter().map(|leased| leased.fence);
        queued.chain(self.running.keys().copied()).chain(self.waiting.keys().copied()).collect()
    }

    /// Returns how far what is in slots has come.
    pub(super) fn progress(&self) -> Vec<v1::Progress> {
        let progress = |(fence, slot): (&Fence, &InSlot)| {
            let (epochs, steps) = slot.watch.progress();
            v1::Progress { fence: Some((*fence).into()), epochs, steps }
        };
        self.running.iter().map(progress).collect()
    }

    /// Returns whether an attempt does not end although it was asked to.
    pub(super) fn is_stuck(&self) -> bool {
        let is_stuck = |slot: &InSlot| slot.stopped.is_some_and(|stopped| stopped.elapsed() >= STOP_PATIENCE);
        self.running.values().any(is_stuck)
    }

    /// Returns whether any slot is taken.
    pub(super) fn is_running(&self) -> bool {
        !self.running.is_empty()
    }

    /// Returns whether anything waits to be acknowledged.
    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use gridsweep_common::choice::Choices;
    use gridsweep_common::data::{Pick, Validation};
    use gridsweep_common::id::{Attempt, Term, TrialId};
    use gridsweep_common::seed::SeedKey;

    pub(in crate::session) fn fence(n: u8) -> Fence {
        Fence { term: Term(1), trial: TrialId([n; 16]), attempt: Attempt(1) }
    }

    pub(in crate::session) fn leased(n: u8) -> Leased {
        let spec = TrialSpec {
            choices: Choices::default(),
            seed: SeedKey { root: 1, replicate: 0 },
            data: Digest([0; 32]),
            validation: Validation { fraction: 0.5, pick: Pick::Last },
            numerics: 1,
        };
        Leased { fence: fence(n), spec, checkpoint: None, weights_bytes_max: 0 }
    }

    fn with_slots(slots: usize) -> (Attempts, tempfile::TempDir) {
        let state = tempfile::tempdir().unwrap();
        let (spool, spooled) = Spool::open(state.path());
        (Attempts::new(slots, spool, spooled), state)
    }

    fn finished(n: u8) -> (Fence, From) {
        (fence(n), From::Finished(v1::Finished { fence: Some(fence(n).into()), ..v1::Finished::default() }))
    }

    #[test]
    fn as_many_run_as_there_are_slots_and_a_lease_that_comes_twice_runs_once() {
        let (mut attempts, _state) = with_slots(1);
        for n in [1, 2, 1, 2] {
            attempts.enqueue(leased(n));
        }
        assert_eq!(attempts.begin_next().map(|(leased, _)| leased.fence), Some(fence(1)));
        assert!(attempts.begin_next().is_none());
        attempts.enqueue(leased(1));
        attempts.leave_slot(fence(1));
        assert_eq!(attempts.begin_next().map(|(leased, _)| leased.fence), Some(fence(2)));
        attempts.leave_slot(fence(2));
        assert!(attempts.held().len() <= 1);
    }

    #[test]
    fn what_has_a_slot_is_not_handed_back_and_what_has_none_is() {
        let (mut attempts, _state) = with_slots(1);
        attempts.enqueue(leased(1));
        attempts.enqueue(leased(2));
        attempts.begin_next();
        assert!(!attempts.dequeue(fence(1)));
        assert!(attempts.dequeue(fence(2)));
        assert_eq!(attempts.claimed(), [fence(1)]);
        attempts.stop_all();
        assert!(attempts.claimed().is_empty() && attempts.is_running());
    }

    #[test]
    fn a_result_is_sent_once_a_session_until_it_is_acknowledged() {
        let (mut attempts, _state) = with_slots(1);
        let (fence, message) = finished(1);
        attempts.keep(fence, message, Some(Digest([1; 32])));
        assert_eq!(attempts.due().count(), 1);
        assert_eq!(attempts.due().count(), 0);
        attempts.begin_session();
        assert_eq!(attempts.due().count(), 1);
        assert!(attempts.forget(fence) && !attempts.forget(fence));
        attempts.begin_session();
        assert_eq!(attempts.due().count(), 0);
    }

    #[test]
    fn a_result_that_was_not_sent_is_not_revoked() {
        let (mut attempts, _state) = with_slots(1);
        let (fence, message) = finished(1);
        attempts.keep(fence, message, Some(Digest([1; 32])));
        attempts.revoke(fence, "test");
        assert!(attempts.is_waiting());
        assert_eq!(attempts.due().count(), 1);
        attempts.revoke(fence, "test");
        assert!(!attempts.is_waiting());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn only_results_that_wait_go_to_disk_and_only_once() {
        let (mut attempts, state) = with_slots(1);
        let (first, message) = finished(1);
        attempts.keep(first, message, Some(Digest([1; 32])));
        let failed = From::Failed(v1::Failed { fence: Some(fence(2).into()), ..v1::Failed::default() });
        attempts.keep(fence(2), failed, None);
        attempts.spool(false);
        assert!(!state.path().join("spool").exists(), "it has not waited for long");
        attempts.spool(true);
        let length = || std::fs::metadata(state.path().join("spool")).unwrap().len();
        let once = length();
        attempts.spool(true);
        assert_eq!(length(), once);
        attempts.forget(first);
        assert_eq!(length(), 0);
    }
}
