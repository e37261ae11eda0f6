//! The loop around the core: drain the inbox, decide and apply each input, commit the batch, perform its effects.
//!
//! Nothing is said to anyone before what it rests on is on disk. While one batch is being written the next one gathers,
//! so the cost of an fsync is shared by all that came in the meantime.
//!
//! When the disk is full, no lease is given and nothing acknowledged; what was decided waits with all that rests on it, and
//! is tried again until there is room. Any other failure of the store ends the coordinator: what it holds in memory may
//! then be ahead of the disk for good, and the next one reads what is there.

mod write;

use crate::blob::BlobStore;
use crate::core::{
    Answer, Claims, Core, Decision, Effect, Event, Input, Message, Moment, Offer, Refusal, Settings, Snapshot,
};
use crate::store::{Preview, Store, StoreError};
use gridsweep_common::data::DataManifest;
use gridsweep_common::frozen::OpenSweep;
use gridsweep_common::id::{Digest, Fence, SweepId, Term, TrialId, WorkerId};
use gridsweep_common::metric::EpochMetrics;
use gridsweep_common::trial::{KeptCheckpoint, TrialSpec};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use write::Unwritten;

/// How many messages wait for the driver before senders have to wait.
const INBOX_MESSAGES_MAX: usize = 4096;
/// How many messages one commit covers at most.
const BATCH_MESSAGES_MAX: usize = 512;
/// How often time is looked at, and previews are written when nothing else is.
const TICK: Duration = Duration::from_millis(250);
/// How many messages wait for a worker; one that reads slower than this is let go.
pub(crate) const OUTBOX_MESSAGES_MAX: usize = 8192;
/// How many previews wait for a commit; further ones are dropped, which a preview may be.
const PREVIEWS_MAX: usize = 100_000;

/// What reaches the driver.
#[derive(Debug)]
pub(crate) enum ToDriver {
    /// A worker says hello.
    Join { offer: Offer, claims: Claims, outbox: mpsc::Sender<Outbound>, joined: oneshot::Sender<WorkerId> },
    /// An input that speaks for itself.
    Input(Input),
    /// Epochs of running trials.
    Previews { worker: WorkerId, reports: Vec<(Fence, EpochMetrics)> },
    /// A sweep is submitted.
    Submit { sweep: Arc<OpenSweep>, priority: Option<i32>, reply: oneshot::Sender<Answer> },
    /// A sweep is not wanted any more.
    Cancel { sweep: SweepId, reply: oneshot::Sender<Answer> },
    /// What failed of a sweep is to be tried again.
    Retry { sweep: SweepId, reply: oneshot::Sender<Answer> },
    /// The process of a worker has ended. Had it anything to run?
    Died { name: String, reason: String, reply: oneshot::Sender<bool> },
    /// Which data set has this digest?
    Describe { data: Digest, reply: oneshot::Sender<Option<DataManifest>> },
    /// How many bytes of weights may this trial leave?
    WantsWeights { spec: Box<TrialSpec>, reply: oneshot::Sender<u64> },
    /// Would this checkpoint be kept?
    WantsCheckpoint { fence: Fence, checkpoint: KeptCheckpoint, reply: oneshot::Sender<bool> },
    /// The bytes of this checkpoint are stored. Is it kept?
    KeepCheckpoint { fence: Fence, checkpoint: KeptCheckpoint, reply: oneshot::Sender<bool> },
}

/// What a session is to pass on to its worker.
#[derive(Clone, Debug)]
pub(crate) enum Outbound {
    /// A message.
    Message(Message),
    /// The session is refused.
    Refused(Refusal),
}

/// How things stand, with what only the driver knows.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// What the core says.
    pub snapshot: Snapshot,
    /// How many epochs each running trial has reported.
    pub epochs: BTreeMap<TrialId, u32>,
    /// Why nothing can be recorded for now.
    pub trouble: Option<String>,
}

/// The way to a driver that runs.
#[derive(Clone, Debug)]
pub struct Handle {
    pub(crate) inbox: mpsc::Sender<ToDriver>,
    pub(crate) standing: watch::Receiver<Arc<Standing>>,
}

impl Handle {
    /// Asks for no more leases, and every worker to hand back what it runs.
    pub async fn drain(&self) {
        // A driver that is gone has nothing left to drain.
        let _ = self.inbox.send(ToDriver::Input(Input::Drain)).await;
    }

    /// Says that the process of a worker has ended: what it ran is lost, and need not be waited for. Returns whether it
    /// had anything to run.
    pub async fn worker_died(&self, name: String, reason: String) -> bool {
        let (reply, had_trials) = oneshot::channel();
        // A driver that is gone leases nothing any more.
        let _ = self.inbox.send(ToDriver::Died { name, reason, reply }).await;
        had_trials.await.unwrap_or(false)
    }

    /// Returns how things stand, now and whenever that changes.
    pub fn standing(&self) -> watch::Receiver<Arc<Standing>> {
        self.standing.clone()
    }
}

/// The driver's state.
pub(crate) struct Driver {
    core: Core,
    term: Term,
    store: Option<Box<dyn Store>>,
    inbox: mpsc::Receiver<ToDriver>,
    standing: watch::Sender<Arc<Standing>>,
    outboxes: BTreeMap<WorkerId, mpsc::Sender<Outbound>>,
    tickets: BTreeMap<u64, oneshot::Sender<Answer>>,
    /// Those who wait to hear whether their checkpoints are kept.
    uploads: BTreeMap<u64, oneshot::Sender<bool>>,
    checkpoints: BlobStore,
    previews: Vec<Preview>,
    /// Workers that did not read what they were sent: let go with the next batch.
    deaf: Vec<WorkerId>,
    /// Whether anything has changed since it was last published.
    is_dirty: bool,
    epochs: BTreeMap<TrialId, u32>,
    next_worker: u64,
    next_ticket: u64,
    started: Instant,
    /// When time was looked at last; a gap longer than `stall` says that this process stood still.
    ticked: Instant,
    stall: Duration,
    unwritten: Option<Unwritten>,
    /// Why nothing can be recorded for now.
    trouble: Option<String>,
}

impl Driver {
    /// Reads the store and begins a term.
    pub(crate) fn start(
        mut store: Box<dyn Store>,
        checkpoints: BlobStore,
        settings: Settings,
    ) -> Result<(Driver, Handle), StoreError> {
        let term = store.begin_term()?;
        let stall = Duration::from_millis(settings.suspect_ms / 3);
        let mut core = Core::new(term, settings);
        for event in store.load()? {
            core.apply(&event);
        }
        if let Err(error) = checkpoints.clear_but(&core.checkpoints()) {
            tracing::warn!(%error, "checkpoints that nobody needs are left in the state folder");
        }
        let (inbox_sender, inbox) = mpsc::channel(INBOX_MESSAGES_MAX);
        let (standing, standing_receiver) = watch::channel(Arc::default());
        let driver = Driver {
            core,
            term,
            store: Some(store),
            inbox,
            standing,
            outboxes: BTreeMap::new(),
            tickets: BTreeMap::new(),
            uploads: BTreeMap::new(),
            checkpoints,
            previews: Vec::new(),
            deaf: Vec::new(),
            is_dirty: true,
            epochs: BTreeMap::new(),
            next_worker: 1,
            next_ticket: 1,
            started: Instant::now(),
            ticked: Instant::now(),
            stall,
            unwritten: None,
            trouble: None,
        };
        Ok((driver, Handle { inbox: inbox_sender, standing: standing_receiver }))
    }

    /// Runs until every handle is gone, or until the store cannot be written any more.
    pub(crate) async fn run(mut self) -> Result<(), StoreError> {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut decision = self.decide_and_apply(Input::Recover);
        loop {
            let has_more = self.assign(&mut decision);
            self.commit(decision).await?;
            decision = Decision::default();
            for worker in std::mem::take(&mut self.deaf) {
                append(&mut decision, self.decide_and_apply(Input::Left { worker }));
            }
            if !has_more {
                tokio::select! {
                    message = self.inbox.recv() => match message {
                        Some(message) => self.take(message, &mut decision),
                        None => return Ok(()),
                    },
                    _ = tick.tick() => self.tick(&mut decision),
                }
            }
            for _ in 1..BATCH_MESSAGES_MAX {
                let Ok(message) = self.inbox.try_recv() else { break };
                self.take(message, &mut decision);
            }
        }
    }

    fn tick(&mut self, decision: &mut Decision) {
        if self.ticked.elapsed() > self.stall {
            tracing::warn!("this process stood still; leases are given their time anew");
            append(decision, self.decide_and_apply(Input::Stalled));
        }
        self.ticked = Instant::now();
        append(decision, self.decide_and_apply(Input::Tick));
    }

    fn take(&mut self, message: ToDriver, decision: &mut Decision) {
        let input = match message {
            ToDriver::Input(input) => input,
            ToDriver::Join { offer, claims, outbox, joined } => {
                let worker = WorkerId(self.next_worker);
                self.next_worker += 1;
                self.outboxes.insert(worker, outbox);
                // A session that ended in the meantime says `Left` by itself.
                let _ = joined.send(worker);
                Input::Join { worker, offer, claims }
            }
            ToDriver::Died { name, reason, reply } => {
                // Whoever asked may be gone.
                let _ = reply.send(self.core.has_trials(&name));
                Input::Died { name, reason }
            }
            ToDriver::Previews { worker, reports } => return self.keep_previews(worker, reports),
            ToDriver::Submit { sweep, priority, reply } => {
                Input::Submit { ticket: self.ticket(reply), sweep, priority }
            }
            ToDriver::WantsWeights { spec, reply } => {
                let _ = reply.send(self.core.weights_bytes_max(&spec));
                return;
            }
            ToDriver::WantsCheckpoint { fence, checkpoint, reply } => {
                // Whoever asked may be gone.
                let _ = reply.send(self.core.wants_checkpoint(fence, checkpoint));
                return;
            }
            ToDriver::KeepCheckpoint { fence, checkpoint, reply } => {
                let ticket = self.next_ticket;
                self.next_ticket += 1;
                self.uploads.insert(ticket, reply);
                Input::Checkpoint { ticket, fence, checkpoint }
            }
            ToDriver::Cancel { sweep, reply } => Input::Cancel { ticket: self.ticket(reply), sweep },
            ToDriver::Retry { sweep, reply } => Input::Retry { ticket: self.ticket(reply), sweep },
            ToDriver::Describe { data, reply } => {
                let manifest = self.core.sweeps().find(|(_, sweep)| sweep.data() == data);
                let _ = reply.send(manifest.map(|(_, sweep)| sweep.frozen.data.clone()));
                return;
            }
        };
        if let Input::Left { worker } = input {
            self.outboxes.remove(&worker);
        }
        let next = self.decide_and_apply(input);
        append(decision, next);
    }

    /// Remembers who waits for an answer.
    fn ticket(&mut self, reply: oneshot::Sender<Answer>) -> u64 {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.tickets.insert(ticket, reply);
        ticket
    }

    fn keep_previews(&mut self, worker: WorkerId, reports: Vec<(Fence, EpochMetrics)>) {
        if self.core.worker_name(worker).is_none() {
            return;
        }
        for (fence, metrics) in reports {
            self.epochs.insert(fence.trial, metrics.epoch.saturating_add(1));
            if self.previews.len() < PREVIEWS_MAX {
                self.previews.push(Preview { trial: fence.trial, attempt: fence.attempt, metrics });
            }
        }
    }

    /// Decides and applies; of the events, what is durable is left for the store.
    fn decide_and_apply(&mut self, input: Input) -> Decision {
        let mut decision = self.core.decide(self.now(), input);
        for event in &decision.events {
            self.core.apply(event);
            report(&self.core, event);
        }
        self.is_dirty |= !decision.events.is_empty();
        decision.events.retain(Event::is_durable);
        decision
    }

    /// Fills free slots. A grid is looked at in bounded steps, other messages in between: returns whether there is more
    /// to look at.
    fn assign(&mut self, decision: &mut Decision) -> bool {
        if self.unwritten.is_some() {
            return false;
        }
        let mut next = self.core.decide(self.now(), Input::Assign);
        for event in &next.events {
            self.core.apply(event);
        }
        let has_more = next.has_more;
        self.is_dirty |= !next.events.is_empty();
        next.events.retain(Event::is_durable);
        append(decision, next);
        #[cfg(debug_assertions)]
        crate::core::check(&self.core).expect("the core's invariants hold after every batch");
        has_more
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Send { worker, message } => self.send(worker, Outbound::Message(message)),
            Effect::Refuse { worker, refusal } => {
                self.send(worker, Outbound::Refused(refusal));
                self.outboxes.remove(&worker);
            }
            Effect::HangUp { worker } => drop(self.outboxes.remove(&worker)),
            Effect::CheckpointTaken { ticket, is_kept } => {
                if let Some(reply) = self.uploads.remove(&ticket) {
                    // Whoever asked may be gone; the checkpoint is kept all the same.
                    let _ = reply.send(is_kept);
                }
            }
            Effect::DiscardCheckpoint { digest } => {
                let checkpoints = self.checkpoints.clone();
                // Not waited for: what a crash leaves is cleared at the next start.
                drop(tokio::task::spawn_blocking(move || checkpoints.remove(digest)));
            }
            Effect::Reply { ticket, answer } => {
                if let Some(reply) = self.tickets.remove(&ticket) {
                    // Whoever asked may be gone; what was asked for is done all the same.
                    let _ = reply.send(answer);
                }
            }
        }
    }

    /// Passes a message on. A worker that does not read is let go: its session ends when the outbox does.
    fn send(&mut self, worker: WorkerId, outbound: Outbound) {
        let Some(outbox) = self.outboxes.get(&worker) else { return };
        if let Err(mpsc::error::TrySendError::Full(_)) = outbox.try_send(outbound) {
            tracing::warn!(%worker, "the worker does not read what it is sent; its session is ended");
            self.outboxes.remove(&worker);
            self.deaf.push(worker);
        }
    }

    /// Shows how things stand on disk: what is decided and not written may never come to be.
    fn publish(&mut self) {
        if self.unwritten.is_some() {
            let trouble = self.trouble.clone();
            self.standing.send_modify(|standing| Arc::make_mut(standing).trouble = trouble);
            return;
        }
        let snapshot = self.core.snapshot();
        let running: BTreeSet<TrialId> =
            snapshot.sweeps.iter().flat_map(|sweep| &sweep.running).map(|running| running.trial).collect();
        self.epochs.retain(|id, _| running.contains(id));
        let epochs = self.epochs.clone();
        self.standing.send_replace(Arc::new(Standing { snapshot, epochs, trouble: None }));
    }

    fn now(&self) -> Moment {
        Moment(u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX))
    }
}

/// Says in the log what someone should look into.
fn report(core: &Core, event: &Event) {
    match event {
        Event::TrialQuarantined { trial, failure } => {
            tracing::error!(%trial, detail = failure.detail, "a trial is quarantined: workers die of it");
        }
        Event::WorkerQuarantined { worker } => {
            let name = core.worker_name(*worker).unwrap_or_default();
            tracing::error!(name, "everything fails on a worker: it gets nothing while there is another one");
        }
        Event::ResultConflicted { trial, attempt, .. } => {
            tracing::error!(%trial, %attempt, "a second result of a trial has other bits: broken hardware, or a bug");
        }
        _ => {}
    }
}

fn append(decision: &mut Decision, mut next: Decision) {
    decision.events.append(&mut next.events);
    decision.records.append(&mut next.records);
    decision.effects.append(&mut next.effects);
}

pub(crate) fn wall_clock_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn instant() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::testing::{honest, offer, settings, sweep_of};
    use crate::store::{Batch, MemoryStore};
    use std::pin::Pin;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicBool, Ordering};

    /// A store that others can look at, and whose disk can be full.
    #[derive(Clone, Default)]
    struct Shared {
        store: Arc<Mutex<MemoryStore>>,
        is_full: Arc<AtomicBool>,
    }

    impl Store for Shared {
        fn begin_term(&mut self) -> Result<Term, StoreError> {
            self.store.lock().unwrap().begin_term()
        }
        fn load(&mut self) -> Result<Vec<Event>, StoreError> {
            self.store.lock().unwrap().load()
        }
        fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
            if self.is_full.load(Ordering::SeqCst) {
                return Err(StoreError::Full { path: "store".into() });
            }
            self.store.lock().unwrap().commit(batch)
        }
    }

    /// A driver at work, with one sweep and one worker.
    struct Scene {
        store: Shared,
        handle: Handle,
        driver: tokio::task::JoinHandle<Result<(), StoreError>>,
        worker: WorkerId,
        outbox: mpsc::Receiver<Outbound>,
        checkpoints: tempfile::TempDir,
    }

    impl Scene {
        async fn new(trials: usize) -> Scene {
            let store = Shared::default();
            let checkpoints = tempfile::tempdir().unwrap();
            let blobs = BlobStore::open(checkpoints.path()).unwrap();
            let (driver, handle) = Driver::start(Box::new(store.clone()), blobs, settings()).unwrap();
            let driver = tokio::spawn(driver.run());
            let (reply, submitted) = oneshot::channel();
            handle
                .inbox
                .send(ToDriver::Submit { sweep: sweep_of("a", trials), priority: None, reply })
                .await
                .unwrap();
            submitted.await.unwrap();
            let (sender, outbox) = mpsc::channel(OUTBOX_MESSAGES_MAX);
            let (joined, worker) = oneshot::channel();
            let join =
                ToDriver::Join { offer: offer("w", 1), claims: Claims::default(), outbox: sender, joined };
            handle.inbox.send(join).await.unwrap();
            Scene { store, handle, driver, worker: worker.await.unwrap(), outbox, checkpoints }
        }

        async fn give(&self, input: Input) {
            self.handle.inbox.send(ToDriver::Input(input)).await.unwrap();
        }

        /// Waits for the first message that `is_it`, and returns those before it with it.
        async fn until(&mut self, is_it: impl Fn(&Message) -> bool) -> Vec<Message> {
            let mut heard = Vec::new();
            loop {
                match self.outbox.recv().await.expect("the session stands") {
                    Outbound::Message(message) => heard.push(message),
                    Outbound::Refused(refusal) => panic!("{refusal}"),
                }
                if heard.last().is_some_and(&is_it) {
                    return heard;
                }
            }
        }

        async fn leased(&mut self) -> Fence {
            match self.until(|message| matches!(message, Message::Lease { .. })).await.pop() {
                Some(Message::Lease { fence, .. }) => fence,
                other => panic!("{other:?}"),
            }
        }
    }

    #[tokio::test]
    async fn a_full_disk_stops_leases_and_acknowledgements_and_nothing_else_and_ends_by_itself() {
        let mut scene = Scene::new(4).await;
        let (fence, worker) = (scene.leased().await, scene.worker);
        scene.leased().await;
        scene.store.is_full.store(true, Ordering::SeqCst);
        let finished = || Input::Finished { worker, fence, outcome: honest(fence.trial) };
        scene.give(finished()).await;
        let mut standing = scene.handle.standing();
        let told = standing.wait_for(|standing| standing.trouble.is_some()).await.unwrap().clone();
        assert!(told.trouble.as_ref().unwrap().contains("no room"), "people are told: {told:?}");
        assert_eq!(told.snapshot.sweeps[0].ended.total(), 0, "what is not on disk is not shown");
        for number in 1..=3 {
            scene.give(finished()).await;
            scene.give(Input::Heartbeat { worker, number, held: vec![fence], progress: vec![] }).await;
        }
        let heard = scene.until(|message| matches!(message, Message::Renewed(3))).await;
        assert!(heard.iter().all(|message| matches!(message, Message::Renewed(_))), "{heard:?}");
        scene.store.is_full.store(false, Ordering::SeqCst);
        let heard = scene.until(|message| matches!(message, Message::Lease { .. })).await;
        assert!(
            matches!(heard[0], Message::Acknowledged(acknowledged) if acknowledged == fence),
            "{heard:?}"
        );
        let told = standing.wait_for(|standing| standing.trouble.is_none()).await.unwrap().clone();
        assert_eq!(told.snapshot.sweeps[0].ended.succeeded, 1);
        scene.driver.abort();
    }

    /// Looks how many sweeps are shown at the moment at which an answer arrives.
    struct Onlooker {
        standing: watch::Receiver<Arc<Standing>>,
        shown: Mutex<Option<usize>>,
        woken: tokio::sync::Notify,
    }

    impl std::task::Wake for Onlooker {
        fn wake(self: Arc<Self>) {
            *self.shown.lock().unwrap() = Some(self.standing.borrow().snapshot.sweeps.len());
            self.woken.notify_one();
        }
    }

    #[tokio::test]
    async fn what_an_answer_rests_on_is_shown_before_it_is_given() {
        let scene = Scene::new(4).await;
        let onlooker = Arc::new(Onlooker {
            standing: scene.handle.standing(),
            shown: Mutex::default(),
            woken: tokio::sync::Notify::new(),
        });
        let (reply, mut submitted) = oneshot::channel();
        let waker = std::task::Waker::from(Arc::clone(&onlooker));
        let early = Pin::new(&mut submitted).poll(&mut std::task::Context::from_waker(&waker));
        assert!(early.is_pending(), "nothing is submitted yet");
        scene
            .handle
            .inbox
            .send(ToDriver::Submit { sweep: sweep_of("b", 1), priority: None, reply })
            .await
            .unwrap();
        onlooker.woken.notified().await;
        assert_eq!(
            onlooker.shown.lock().unwrap().take(),
            Some(2),
            "the second sweep is answered and not shown"
        );
        submitted.await.unwrap();
        scene.driver.abort();
    }

    #[tokio::test]
    async fn a_checkpoint_is_on_disk_for_as_long_as_somebody_may_need_it() {
        let mut scene = Scene::new(1).await;
        let (fence, worker) = (scene.leased().await, scene.worker);
        let blobs = BlobStore::open(scene.checkpoints.path()).unwrap();
        let offer = async |epoch: u32| {
            let bytes = epoch.to_le_bytes();
            let checkpoint = KeptCheckpoint { digest: Digest::of(&bytes), length: 4, epoch, step: 0 };
            blobs.put(checkpoint.digest, &bytes[..]).unwrap();
            let (reply, is_kept) = oneshot::channel();
            let keep = ToDriver::KeepCheckpoint { fence, checkpoint, reply };
            scene.handle.inbox.send(keep).await.unwrap();
            (is_kept.await.unwrap(), checkpoint.digest)
        };
        let gone = async |digest| {
            for _ in 0..1000 {
                if !blobs.has(digest) {
                    return true;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            false
        };
        let (is_kept, second) = offer(2).await;
        assert!(is_kept && blobs.has(second));
        let (is_kept, first) = offer(1).await;
        assert!(!is_kept && gone(first).await && blobs.has(second), "one that is behind is not kept");
        let (is_kept, third) = offer(3).await;
        assert!(is_kept && gone(second).await && blobs.has(third));
        scene.give(Input::Finished { worker, fence, outcome: honest(fence.trial) }).await;
        assert!(gone(third).await, "nobody tries it again");
        scene.driver.abort();
    }

    #[tokio::test]
    async fn a_coordinator_that_was_superseded_ends_at_its_next_commit() {
        let mut scene = Scene::new(4).await;
        let (fence, worker) = (scene.leased().await, scene.worker);
        scene.store.clone().begin_term().unwrap();
        scene.give(Input::Finished { worker, fence, outcome: honest(fence.trial) }).await;
        let ended = scene.driver.await.unwrap();
        assert!(matches!(ended, Err(StoreError::Superseded { current: Term(2), own: Term(1) })));
        let said = std::iter::from_fn(|| scene.outbox.try_recv().ok());
        assert!(!said.into_iter().any(|said| matches!(said, Outbound::Message(Message::Acknowledged(_)))));
    }
}
