//! One session: leases in, epochs and results out, heartbeats both ways.

use super::attempts::Leased;
use super::transfer;
use super::{Client, HOUSEKEEPING, Lease, Worker, asked_to_stop};
use crate::cache::FetchError;
use crate::checkpoint::Framed;
use crate::pool::{Job, SlotEvent, SlotWatch};
use gridsweep_common::id::{Digest, Fence};
use gridsweep_common::trial::{Failure, FailureKind};
use gridsweep_proto::{convert, v1};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tonic::{Status, Streaming};
use v1::from_worker::Message as From;
use v1::to_worker::Message as To;

/// How many epochs one message carries at most.
const REPORTS_PER_MESSAGE_MAX: usize = 256;
/// How long the stream may take no message before the connection counts as broken.
const SAY_PATIENCE: Duration = Duration::from_secs(5);
/// How many heartbeats may be without an answer and still be told apart.
const BEATS_MAX: usize = 64;
/// How long the coordinator may take to hear the end of a session.
const HANG_UP_PATIENCE: Duration = Duration::from_secs(5);

/// The two directions of a session that stands.
pub(super) struct Line {
    /// For data and checkpoints, on a connection of its own.
    pub(super) transfers: Client,
    pub(super) out: mpsc::Sender<v1::FromWorker>,
    pub(super) inbound: Streaming<v1::ToWorker>,
}

/// How a session ended that did not break.
pub(super) enum Parting {
    /// The worker was asked to stop, by either side, and has.
    Stopped,
    /// An attempt does not end; the others were handed back.
    Stuck,
}

impl Line {
    async fn say(&self, message: From) -> Result<(), Status> {
        let message = v1::FromWorker { message: Some(message) };
        match tokio::time::timeout(SAY_PATIENCE, self.out.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Status::unavailable("the connection is gone")),
            Err(_) => Err(Status::unavailable("the connection takes no more messages")),
        }
    }
}

/// An attempt that was stopped, with its last checkpoint where that was not sent yet.
pub(super) struct Stopped {
    fence: Fence,
    checkpoint: Option<Arc<Framed>>,
}

/// Heartbeats on their way, with the moments at which they were sent.
#[derive(Debug, Default)]
struct Beats {
    last: u64,
    sent: VecDeque<(u64, Instant)>,
}

impl Beats {
    fn next(&mut self) -> u64 {
        self.last += 1;
        self.sent.truncate(BEATS_MAX - 1);
        self.sent.push_front((self.last, Instant::now()));
        self.last
    }

    /// Returns when the heartbeat of this number was sent, if it was.
    fn answered(&mut self, number: u64) -> Option<Instant> {
        let position = self.sent.iter().position(|(sent, _)| *sent == number)?;
        let at = self.sent[position].1;
        self.sent.truncate(position);
        Some(at)
    }
}

impl Worker {
    /// Speaks until it is asked to stop; an error says that the connection broke.
    pub(super) async fn converse(
        &mut self,
        line: &mut Line,
        welcome: &v1::Welcome,
        claimed: &[(Fence, Digest)],
    ) -> Result<Parting, Status> {
        self.take_up(line, welcome, claimed).await?;
        let heartbeat = Duration::from_millis(u64::from(welcome.heartbeat_ms).max(10));
        let mut heartbeat = tokio::time::interval(heartbeat);
        let mut house = tokio::time::interval(HOUSEKEEPING);
        let mut beats = Beats::default();
        loop {
            self.deliver(line).await?;
            self.fill_slots(line).await?;
            self.offers.begin_next(&line.transfers);
            tokio::select! {
                message = line.inbound.message() => match message?.and_then(|message| message.message) {
                    Some(To::Drain(_)) => return self.wind_down(line).await,
                    Some(To::Renewed(v1::Renewed { number })) => self.renew(beats.answered(number)),
                    Some(message) => self.take(line, message).await?,
                    None => return Err(Status::unavailable("the coordinator ended the session")),
                },
                event = self.events.recv() => {
                    if let Some(stopped) = self.note(event) {
                        line.say(released(vec![stopped.fence], false)).await?;
                    }
                }
                _ = heartbeat.tick() => line.say(self.heartbeat(beats.next())).await?,
                _ = house.tick() => {
                    self.keep_house();
                    self.report(line).await?;
                    self.send_checkpoints(line);
                    if self.lease.is_some_and(|lease| lease.is_over()) {
                        return Err(Status::unavailable("the coordinator does not answer heartbeats"));
                    }
                    if self.attempts.is_stuck() {
                        self.wind_down(line).await?;
                        return Ok(Parting::Stuck);
                    }
                }
                () = asked_to_stop(&mut self.shutdown) => return self.wind_down(line).await,
            }
        }
    }

    /// Does what the answer to hello says about what was in hand.
    async fn take_up(
        &mut self,
        line: &Line,
        welcome: &v1::Welcome,
        claimed: &[(Fence, Digest)],
    ) -> Result<(), Status> {
        let deliver = convert::fences(&welcome.deliver)?;
        for (fence, _) in claimed.iter().filter(|(fence, _)| !deliver.contains(fence)) {
            self.forget(*fence);
        }
        for fence in convert::fences(&welcome.kill)? {
            self.attempts.revoke(fence, "another has it, or its result is there");
        }
        self.attempts.begin_session();
        // What ended between hello and its answer is handed back: nobody would miss it until its lease ends.
        let held = self.attempts.held();
        let ended = convert::fences(&welcome.go_on)?.into_iter().filter(|fence| !held.contains(fence));
        let ended: Vec<Fence> = ended.collect();
        if !ended.is_empty() {
            line.say(released(ended, false)).await?;
        }
        Ok(())
    }

    fn heartbeat(&self, number: u64) -> From {
        let running = self.attempts.held().into_iter().map(Into::into).collect();
        From::Heartbeat(v1::Heartbeat { running, number, progress: self.attempts.progress() })
    }

    /// Leases hold from the moment at which the heartbeat was sent that is answered now.
    fn renew(&mut self, sent: Option<Instant>) {
        if let (Some(lease), Some(from)) = (self.lease, sent) {
            self.lease = Some(Lease { from, ..lease });
        }
    }

    async fn take(&mut self, line: &Line, message: To) -> Result<(), Status> {
        match message {
            To::Lease(lease) => self.enqueue(&lease)?,
            To::Acknowledged(acknowledged) => {
                let fence = fence(acknowledged.fence.as_ref())?;
                end_before_forgetting();
                self.forget(fence);
            }
            To::Revoked(revoked) => {
                self.attempts.revoke(fence(revoked.fence.as_ref())?, &revoked.reason);
            }
            To::Recalled(recalled) => {
                let fence = fence(recalled.fence.as_ref())?;
                if self.attempts.dequeue(fence) {
                    line.say(released(vec![fence], false)).await?;
                }
            }
            To::Quarantined(_) => {
                tracing::error!(
                    "trial after trial fails on this worker: it gets nothing more while there is another one"
                );
            }
            To::Welcome(_) | To::Drain(_) | To::Renewed(_) => {}
        }
        Ok(())
    }

    fn enqueue(&mut self, lease: &v1::Lease) -> Result<(), Status> {
        let fence = fence(lease.fence.as_ref())?;
        // One that does not read is none: it only saves time.
        let checkpoint = lease.checkpoint.as_ref().and_then(|wire| convert::checkpoint(wire).ok());
        match lease.trial.as_ref().map(convert::trial_spec) {
            Some(Ok(spec)) if spec.id() == fence.trial => {
                let weights_bytes_max = lease.weights_bytes_max;
                self.attempts.enqueue(Leased { fence, spec, checkpoint, weights_bytes_max });
            }
            _ => {
                // Damaged on its way, or of another age: another try tells.
                let detail = "the trial does not read, or is not the one that its id names".to_owned();
                self.keep_failure(fence, Failure { kind: FailureKind::Io, detail });
            }
        }
        Ok(())
    }

    /// Gives free slots to what waits for them. Results come before: whoever begins next may end the process.
    async fn fill_slots(&mut self, line: &Line) -> Result<(), Status> {
        for started in self.starts.drain(..) {
            line.say(From::Started(started)).await?;
        }
        while let Some((leased, watch)) = self.attempts.begin_next() {
            let fence = Some(leased.fence.into());
            let said = line.say(From::Started(v1::Started { fence, epoch: 0, step: 0 })).await;
            // It has its slot, whether or not that could be said: the next session claims it as running.
            self.launch(line.transfers.clone(), leased, watch);
            said?;
        }
        Ok(())
    }

    /// Sends the newest checkpoint of each attempt that has left one since the last was sent.
    fn send_checkpoints(&mut self, line: &Line) {
        for (fence, checkpoint) in self.attempts.take_unsent(|fence| !self.uploads.is_under_way(fence)) {
            self.uploads.begin(line.transfers.clone(), fence, checkpoint);
        }
    }

    /// Fetches the data and the checkpoint where they are not there yet, and hands the attempt to a slot; neither holds the session up.
    fn launch(&self, client: Client, leased: Leased, watch: Arc<SlotWatch>) {
        let fence = leased.fence;
        let (cache, pool, events) =
            (Arc::clone(&self.cache), Arc::clone(&self.pool), self.events_sender.clone());
        let files = self.checkpoints.clone();
        let launched = tokio::spawn(async move {
            let data = cache.get_patiently(&client, leased.spec.data, || !watch.is_stopped()).await?;
            let state = transfer::fetch(client, &files, &leased).await;
            let Leased { spec, weights_bytes_max, .. } = leased;
            pool.start(Job { fence, spec, data, state, weights_bytes_max, watch });
            Ok::<(), FetchError>(())
        });
        tokio::spawn(async move {
            let event = match launched.await {
                Ok(Ok(())) => return,
                // Nobody wants it any more, or the connection is gone: not the trial's failure. It is handed back.
                Ok(Err(error)) if !error.is_permanent() => SlotEvent::Stopped { fence },
                Ok(Err(error)) => {
                    let failure = Failure { kind: FailureKind::Io, detail: error.to_string() };
                    SlotEvent::Failed { fence, failure }
                }
                Err(panic) => {
                    let failure = Failure { kind: FailureKind::Panic, detail: panic.to_string() };
                    SlotEvent::Failed { fence, failure }
                }
            };
            // Nobody listens any more only when the worker ends.
            let _ = events.send(event).await;
        });
    }

    /// Takes note of what a slot says, and returns the attempt that was stopped. No event cannot come, because the worker
    /// holds a sender itself.
    pub(super) fn note(&mut self, event: Option<SlotEvent>) -> Option<Stopped> {
        match event? {
            SlotEvent::Resumed { fence, epoch, step } => {
                self.starts.push(v1::Started { fence: Some(fence.into()), epoch, step });
            }
            SlotEvent::Epoch { fence, metrics } => {
                self.reports
                    .push(v1::EpochReport { fence: Some(fence.into()), metrics: Some((&metrics).into()) });
            }
            SlotEvent::Finished { fence, outcome } => {
                end_before_delivery();
                self.attempts.leave_slot(fence);
                let finished = v1::Finished::from((fence, &outcome));
                self.attempts.keep(fence, From::Finished(finished), Some(outcome.digest()));
            }
            SlotEvent::Failed { fence, failure } => {
                tracing::warn!(trial = %fence.trial, kind = failure.kind.name(), detail = failure.detail, "an attempt failed");
                self.keep_failure(fence, failure);
            }
            SlotEvent::Stopped { fence } => {
                return Some(Stopped { fence, checkpoint: self.attempts.leave_slot(fence) });
            }
            SlotEvent::Uploaded { fence, .. } => self.uploads.end(fence),
            SlotEvent::WeightsOffered { trial, tries, is_settled } => {
                self.offers.end(trial, tries, is_settled);
            }
        }
        None
    }

    /// What was said of this attempt is on disk: a result needs no checkpoint any more, and what failed starts over.
    fn forget(&mut self, fence: Fence) {
        if self.attempts.forget(fence) {
            tracing::debug!(trial = %fence.trial, attempt = fence.attempt.0, "acknowledged");
            self.checkpoints.remove(fence.trial);
            self.offers.add(fence.trial);
        }
    }

    fn keep_failure(&mut self, fence: Fence, failure: Failure) {
        self.attempts.leave_slot(fence);
        let kind: v1::FailureKind = failure.kind.into();
        let failed = v1::Failed { fence: Some(fence.into()), kind: kind.into(), detail: failure.detail };
        self.attempts.keep(fence, From::Failed(failed), None);
    }

    /// Sends what was never sent in this session, and again what was not acknowledged in time.
    async fn deliver(&mut self, line: &Line) -> Result<(), Status> {
        for message in self.attempts.due() {
            line.say(message).await?;
        }
        Ok(())
    }

    async fn report(&mut self, line: &Line) -> Result<(), Status> {
        while !self.reports.is_empty() {
            let rest = self.reports.split_off(self.reports.len().min(REPORTS_PER_MESSAGE_MAX));
            let reports = std::mem::replace(&mut self.reports, rest);
            line.say(From::Epochs(v1::EpochReports { reports })).await?;
        }
        Ok(())
    }

    /// Hands back what waits for a slot, stops what runs, hands its leases back once its checkpoints are where others find
    /// them, and waits until every result is acknowledged and its weights are sent; all of it within the grace.
    async fn wind_down(&mut self, line: &mut Line) -> Result<Parting, Status> {
        let deadline = Instant::now() + self.settings.grace;
        let queued = self.attempts.dequeue_all();
        line.say(released(queued, true)).await?;
        self.attempts.stop_all();
        // With how far they have come: an earlier checkpoint may be on its way too.
        let mut leaving: BTreeMap<Fence, (u32, u32)> = BTreeMap::new();
        while self.attempts.is_running()
            || self.attempts.is_waiting()
            || !leaving.is_empty()
            || self.offers.is_busy()
        {
            self.deliver(line).await?;
            self.offers.begin_next(&line.transfers);
            tokio::select! {
                message = line.inbound.message() => match message?.and_then(|message| message.message) {
                    Some(To::Acknowledged(acknowledged)) => {
                        self.forget(fence(acknowledged.fence.as_ref())?);
                    }
                    // Given before the coordinator heard that this worker leaves.
                    Some(To::Lease(lease)) => {
                        line.say(released(vec![fence(lease.fence.as_ref())?], true)).await?;
                    }
                    Some(_) => {}
                    None => break,
                },
                event = self.events.recv() => {
                    if let Some(fence) = self.part_with(line, event, &mut leaving) {
                        line.say(released(vec![fence], true)).await?;
                    }
                }
                () = tokio::time::sleep_until(deadline) => break,
            }
        }
        self.attempts.spool(true);
        self.hang_up(line).await;
        Ok(Parting::Stopped)
    }

    /// Takes note of what a slot says, and returns what can be handed back: an attempt whose last checkpoint was sent, or
    /// that left none.
    fn part_with(
        &mut self,
        line: &Line,
        event: Option<SlotEvent>,
        leaving: &mut BTreeMap<Fence, (u32, u32)>,
    ) -> Option<Fence> {
        let sent = match &event {
            Some(SlotEvent::Uploaded { fence, progress }) if leaving.get(fence) == Some(progress) => {
                Some(*fence)
            }
            _ => None,
        };
        let stopped = self.note(event);
        if let Some(fence) = sent {
            leaving.remove(&fence);
            return sent;
        }
        let Stopped { fence, checkpoint } = stopped?;
        let Some(checkpoint) = checkpoint else { return Some(fence) };
        leaving.insert(fence, checkpoint.progress);
        self.uploads.begin(line.transfers.clone(), fence, checkpoint);
        None
    }

    /// Ends the stream and waits until the other side has read to its end.
    async fn hang_up(&mut self, line: &mut Line) {
        let (closed, _) = mpsc::channel(1);
        drop(std::mem::replace(&mut line.out, closed));
        let deadline = Instant::now() + HANG_UP_PATIENCE;
        while let Ok(Ok(Some(_))) = tokio::time::timeout_at(deadline, line.inbound.message()).await {}
    }
}

/// Where a test may end the process, in a debug build with failpoints: a result is there, and nobody knows.
fn end_before_delivery() {
    #[cfg(debug_assertions)]
    fail::fail_point!("before_delivery", |_| std::process::abort());
}

/// The same: a result is recorded, and its worker does not know yet.
fn end_before_forgetting() {
    #[cfg(debug_assertions)]
    fail::fail_point!("before_forgetting", |_| std::process::abort());
}

fn released(fences: Vec<Fence>, is_leaving: bool) -> From {
    From::Released(v1::Released { fences: fences.into_iter().map(Into::into).collect(), is_leaving })
}

fn fence(wire: Option<&v1::Fence>) -> Result<Fence, Status> {
    convert::fence(wire).map_err(Status::from)
}

#[cfg(test)]
mod tests {
    use super::super::Settings;
    use super::super::attempts::tests::{fence, leased};
    use super::*;
    use crate::connect::{Route, Trust};
    use crate::pool::Slots;
    use crate::testing::Fake;
    use crate::usage::UsageMeter;
    use tokio::sync::watch;

    /// Slots that begin nothing.
    struct Idle;

    impl Slots for Idle {
        fn start(&self, _: Job) {}
    }

    fn worker(state: &std::path::Path) -> Worker {
        let settings = Settings {
            connect: Route::new("127.0.0.1:1", &Trust::SameMachine, None).unwrap(),
            slots: 1,
            state: state.to_owned(),
            checkpoints: state.join("checkpoints"),
            checkpoint_every: Duration::from_secs(1),
            checkpoints_are_sent: false,
            meter: Arc::new(UsageMeter::new(1)),
            grace: Duration::from_secs(1),
            name: "a".to_owned(),
            kernel: gridsweep_engine::Kernel::REFERENCE,
        };
        Worker::new(settings, Arc::new(Idle), mpsc::channel(8), watch::channel(false).1)
    }

    /// It would keep its slot, unbegun, and be claimed as running in every session to come.
    #[tokio::test(flavor = "multi_thread")]
    async fn an_attempt_that_gets_its_slot_while_the_line_breaks_is_begun() {
        let (fake, state) = (Arc::new(Fake::default()), tempfile::tempdir().unwrap());
        let (client, mut worker) = (fake.serve().await, worker(state.path()));
        let inbound = client.clone().work(tokio_stream::empty()).await.unwrap().into_inner();
        let (out, gone) = mpsc::channel(1);
        drop(gone);
        worker.attempts.enqueue(leased(1));
        let line = Line { transfers: client, out, inbound };
        assert!(worker.fill_slots(&line).await.is_err(), "nobody hears that it starts");
        // Nobody has its data, which is said of what was begun alone.
        let event = tokio::time::timeout(Duration::from_secs(30), worker.events.recv()).await;
        assert!(matches!(event, Ok(Some(SlotEvent::Failed { fence: failed, .. })) if failed == fence(1)));
    }

    #[test]
    fn a_lease_holds_from_the_heartbeat_that_was_answered_and_not_from_a_later_one() {
        let mut beats = Beats::default();
        let first = beats.next();
        let sent = beats.sent[0].1;
        let second = beats.next();
        assert_eq!(beats.answered(first), Some(sent));
        assert_eq!(beats.answered(first), None, "an answer that comes twice says nothing new");
        assert!(beats.answered(second).is_some());
        assert_eq!(beats.answered(7), None, "nobody sent that one");
        for _ in 0..2 * BEATS_MAX {
            beats.next();
        }
        assert_eq!(beats.sent.len(), BEATS_MAX);
    }
}
