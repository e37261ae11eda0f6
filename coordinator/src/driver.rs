//! The loop around the core: drain the inbox, decide and apply each input, commit the batch, perform its effects.
//!
//! Nothing is said to anyone before what it rests on is on disk. While one batch is being written the next one gathers,
//! so the cost of an fsync is shared by all that came in the meantime.

use crate::core::{
    self, Core, Decision, Effect, Event, Input, Message, Moment, Offer, Refusal, Settings, Snapshot,
    SubmitReport,
};
use crate::store::{Batch, Preview, Store, StoreError};
use gridsweep_common::data::DataManifest;
use gridsweep_common::frozen::OpenSweep;
use gridsweep_common::id::{Digest, Fence, Term, TrialId, WorkerId};
use gridsweep_common::metric::EpochMetrics;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::{mpsc, oneshot, watch};

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
    Join { offer: Offer, outbox: mpsc::Sender<Outbound>, joined: oneshot::Sender<WorkerId> },
    /// An input that speaks for itself.
    Input(Input),
    /// Epochs of running trials.
    Previews { worker: WorkerId, reports: Vec<(Fence, EpochMetrics)> },
    /// A sweep is submitted.
    Submit { sweep: Arc<OpenSweep>, reply: oneshot::Sender<SubmitReport> },
    /// Which data set has this digest?
    Describe { data: Digest, reply: oneshot::Sender<Option<DataManifest>> },
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
    tickets: BTreeMap<u64, oneshot::Sender<SubmitReport>>,
    previews: Vec<Preview>,
    /// Workers that did not read what they were sent: let go with the next batch.
    deaf: Vec<WorkerId>,
    /// Whether anything has changed since it was last published.
    is_dirty: bool,
    epochs: BTreeMap<TrialId, u32>,
    next_worker: u64,
    next_ticket: u64,
    started: Instant,
}

impl Driver {
    /// Reads the store and begins a term.
    pub(crate) fn start(
        mut store: Box<dyn Store>,
        settings: Settings,
    ) -> Result<(Driver, Handle), StoreError> {
        let term = store.begin_term()?;
        let mut core = Core::new(term, settings);
        for event in store.load()? {
            core.apply(&event);
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
            previews: Vec::new(),
            deaf: Vec::new(),
            is_dirty: true,
            epochs: BTreeMap::new(),
            next_worker: 1,
            next_ticket: 1,
            started: Instant::now(),
        };
        Ok((driver, Handle { inbox: inbox_sender, standing: standing_receiver }))
    }

    /// Runs until every handle is gone, or until the store cannot be written any more.
    pub(crate) async fn run(mut self) -> Result<(), StoreError> {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut decision = self.decide_and_apply(Input::Recover);
        loop {
            let has_walked = self.assign(&mut decision);
            self.commit(decision).await?;
            decision = Decision::default();
            for worker in std::mem::take(&mut self.deaf) {
                let reason = "it did not read what it was sent".to_owned();
                append(&mut decision, self.decide_and_apply(Input::Left { worker, reason }));
            }
            if !has_walked {
                tokio::select! {
                    message = self.inbox.recv() => match message {
                        Some(message) => self.take(message, &mut decision),
                        None => return Ok(()),
                    },
                    _ = tick.tick() => append(&mut decision, self.decide_and_apply(Input::Tick)),
                }
            }
            for _ in 1..BATCH_MESSAGES_MAX {
                let Ok(message) = self.inbox.try_recv() else { break };
                self.take(message, &mut decision);
            }
        }
    }

    fn take(&mut self, message: ToDriver, decision: &mut Decision) {
        let input = match message {
            ToDriver::Input(input) => input,
            ToDriver::Join { offer, outbox, joined } => {
                let worker = WorkerId(self.next_worker);
                self.next_worker += 1;
                self.outboxes.insert(worker, outbox);
                // A session that ended in the meantime says `Left` by itself.
                let _ = joined.send(worker);
                Input::Join { worker, offer }
            }
            ToDriver::Previews { worker, reports } => return self.keep_previews(worker, reports),
            ToDriver::Submit { sweep, reply } => {
                let ticket = self.next_ticket;
                self.next_ticket += 1;
                self.tickets.insert(ticket, reply);
                Input::Submit { ticket, sweep }
            }
            ToDriver::Describe { data, reply } => {
                let manifest = self.core.sweeps().find(|(_, sweep)| sweep.data() == data);
                let _ = reply.send(manifest.map(|(_, sweep)| sweep.frozen.data.clone()));
                return;
            }
        };
        if let Input::Left { worker, .. } = input {
            self.outboxes.remove(&worker);
        }
        let next = self.decide_and_apply(input);
        append(decision, next);
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
        }
        self.is_dirty |= !decision.events.is_empty();
        decision.events.retain(Event::is_durable);
        decision
    }

    /// Fills free slots. A grid whose beginning is done is walked over in bounded steps, other messages in between:
    /// returns whether there is more to walk over.
    fn assign(&mut self, decision: &mut Decision) -> bool {
        let mut next = self.core.decide(self.now(), Input::Assign);
        let mut walked = 0;
        for event in &next.events {
            self.core.apply(event);
            if let Event::CursorAdvanced { known, .. } = event {
                walked += known.len() as u64;
            }
        }
        self.is_dirty |= !next.events.is_empty();
        next.events.retain(Event::is_durable);
        append(decision, next);
        #[cfg(debug_assertions)]
        core::check(&self.core).expect("the core's invariants hold after every batch");
        walked >= core::ASSIGN_STEPS_MAX
    }

    async fn commit(&mut self, decision: Decision) -> Result<(), StoreError> {
        let Decision { events, records, effects } = decision;
        self.is_dirty |= !self.previews.is_empty();
        let batch = Batch {
            term: self.term,
            events,
            records,
            previews: std::mem::take(&mut self.previews),
            at_ms: wall_clock_ms(),
        };
        if !batch.events.is_empty() || !batch.previews.is_empty() {
            self.write(batch).await?;
        }
        // Before anyone is answered: whoever submits asks at once how the sweep stands.
        if std::mem::take(&mut self.is_dirty) {
            self.publish();
        }
        for effect in effects {
            self.perform(effect);
        }
        Ok(())
    }

    /// Writes on a thread of its own: an fsync may take long, and the runtime's threads serve the workers meanwhile.
    async fn write(&mut self, batch: Batch) -> Result<(), StoreError> {
        let mut store = self.store.take().expect("the store is back after every write");
        let written = tokio::task::spawn_blocking(move || {
            let result = store.commit(&batch);
            (store, result)
        });
        let (store, result) = written.await.expect("a store reports errors and does not panic");
        self.store = Some(store);
        result
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Send { worker, message } => self.send(worker, Outbound::Message(message)),
            Effect::Refuse { worker, refusal } => {
                self.send(worker, Outbound::Refused(refusal));
                self.outboxes.remove(&worker);
            }
            Effect::Reply { ticket, report } => {
                if let Some(reply) = self.tickets.remove(&ticket) {
                    // Whoever asked may be gone; the sweep is submitted all the same.
                    let _ = reply.send(report);
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

    fn publish(&mut self) {
        let snapshot = self.core.snapshot();
        let running: BTreeSet<TrialId> =
            snapshot.sweeps.iter().flat_map(|sweep| &sweep.running).map(|running| running.trial).collect();
        self.epochs.retain(|id, _| running.contains(id));
        let epochs = self.epochs.clone();
        self.standing.send_replace(Arc::new(Standing { snapshot, epochs }));
    }

    fn now(&self) -> Moment {
        Moment(u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX))
    }
}

fn append(decision: &mut Decision, mut next: Decision) {
    decision.events.append(&mut next.events);
    decision.records.append(&mut next.records);
    decision.effects.append(&mut next.effects);
}

fn wall_clock_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
