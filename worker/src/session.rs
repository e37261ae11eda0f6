//! The conversation with the coordinator: hello, leases in, epochs and results out.
//!
//! A result is sent again until the coordinator says that it is on disk; when the connection breaks, what waits is
//! delivered in the next session. What ran is stopped then, leaves its checkpoint, and goes on under another lease, to the
//! same bits.

use crate::cache::{DataCache, FetchError};
use crate::checkpoint::CheckpointFiles;
use crate::connect::{Link, Route};
use crate::pool::{Checkpointing, Job, Pool, SlotEvent};
use gridsweep_common::id::Fence;
use gridsweep_common::trial::{Failure, FailureKind, TrialSpec};
use gridsweep_engine::{Kernel, NUMERICS};
use gridsweep_proto::{MESSAGE_BYTES_MAX, PROTOCOL_MAJOR, PROTOCOL_MINOR, convert, v1};
use rand::RngExt;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};
use v1::from_worker::Message as From;
use v1::to_worker::Message as To;

/// How a worker runs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The way to the coordinator.
    pub connect: Route,
    /// How many trials run at once.
    pub slots: usize,
    /// Where fetched data is kept.
    pub state: PathBuf,
    /// Where checkpoints are left. Workers on one machine may share the folder: each goes on with what another left.
    pub checkpoints: PathBuf,
    /// How often a running trial leaves one.
    pub checkpoint_every: Duration,
    /// What people call this worker.
    pub name: String,
    /// What computes.
    pub kernel: Kernel,
}

/// Why a worker ended before it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The coordinator does not want this worker, and will not.
    #[error("the coordinator at {address} refused this worker: {reason}")]
    Refused {
        /// Where the coordinator listens.
        address: String,
        /// Why.
        reason: String,
    },
    /// No threads to run trials on.
    #[error("cannot start {slots} threads")]
    Threads {
        /// How many were wanted.
        slots: usize,
        /// Why not.
        #[source]
        source: rayon::ThreadPoolBuildError,
    },
}

/// How many messages wait between the slots and the session. A slot that has a result waits when there is no room.
const EVENTS_WAITING_MAX: usize = 1024;
/// How many messages wait for the stream to the coordinator.
const MESSAGES_WAITING_MAX: usize = 256;
/// How many epochs one message carries at most.
const REPORTS_PER_MESSAGE_MAX: usize = 256;
/// How long epochs gather before they are sent together.
const REPORT_EVERY: Duration = Duration::from_millis(200);
/// How long a result waits for its acknowledgement before it is sent again.
const REPEAT_AFTER: Duration = Duration::from_secs(5);
/// Connecting and connecting again: the first wait, and the longest.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));
/// How long a coordinator may take to say welcome.
const HELLO_TIMEOUT: Duration = Duration::from_secs(20);
/// How long the last results may take to be acknowledged when the worker is asked to stop.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

/// Runs a worker until `shutdown` becomes true or the coordinator sends it away.
pub async fn run(settings: Settings, shutdown: watch::Receiver<bool>) -> Result<(), WorkerError> {
    let (events_sender, events) = mpsc::channel(EVENTS_WAITING_MAX);
    let slots = settings.slots;
    let files = CheckpointFiles::new(&settings.checkpoints);
    let checkpoints = Checkpointing { files: files.clone(), every: settings.checkpoint_every };
    let pool = Pool::new(slots, settings.kernel, checkpoints, events_sender.clone())
        .map_err(|source| WorkerError::Threads { slots, source })?;
    let mut worker = Worker {
        cache: Arc::new(DataCache::new(&settings.state.join("cache"))),
        settings,
        pool: Arc::new(pool),
        checkpoints: files,
        events_sender,
        events,
        running: BTreeMap::new(),
        waiting: BTreeMap::new(),
        resumed: Vec::new(),
        reports: Vec::new(),
        shutdown,
    };
    worker.serve().await
}

struct Worker {
    settings: Settings,
    cache: Arc<DataCache>,
    pool: Arc<Pool>,
    checkpoints: CheckpointFiles,
    events_sender: mpsc::Sender<SlotEvent>,
    events: mpsc::Receiver<SlotEvent>,
    /// What holds a slot, with the flag that stops it.
    running: BTreeMap<Fence, Arc<AtomicBool>>,
    /// What the coordinator has not acknowledged, and when it was sent last.
    waiting: BTreeMap<Fence, (From, Option<Instant>)>,
    /// What is to be said of attempts that went on from a checkpoint.
    resumed: Vec<v1::Resumed>,
    /// Epochs to be sent with the next batch.
    reports: Vec<v1::EpochReport>,
    shutdown: watch::Receiver<bool>,
}

/// Why a session ended.
enum Ending {
    /// The worker was asked to stop, by either side, and has.
    Stopped,
    /// The connection could not be made or broke: worth another try.
    Broken(Status),
}

type Client = v1::workers_client::WorkersClient<Link>;

/// The two directions of a session that stands.
struct Line {
    client: Client,
    out: mpsc::Sender<v1::FromWorker>,
    inbound: Streaming<v1::ToWorker>,
}

impl Line {
    async fn say(&self, message: From) -> Result<(), Status> {
        let message = v1::FromWorker { message: Some(message) };
        self.out.send(message).await.map_err(|_| Status::unavailable("the connection is gone"))
    }
}

impl Worker {
    /// Holds one session after another until one ends for good.
    async fn serve(&mut self) -> Result<(), WorkerError> {
        let mut wait = BACK_OFF.0;
        loop {
            let began = Instant::now();
            match self.session().await {
                Ending::Stopped => return Ok(()),
                Ending::Broken(status) if is_permanent(&status) => {
                    let (address, reason) = (self.settings.connect.to_string(), status.message().to_owned());
                    return Err(WorkerError::Refused { address, reason });
                }
                Ending::Broken(status) => {
                    tracing::warn!(
                        reason = status.message(),
                        "no connection to the coordinator; trying again"
                    );
                }
            }
            self.stop_running();
            if began.elapsed() > BACK_OFF.1 {
                wait = BACK_OFF.0;
            }
            let jittered = wait.mul_f64(rand::rng().random_range(0.0..1.0));
            tokio::select! {
                () = tokio::time::sleep(jittered) => {}
                () = asked_to_stop(&mut self.shutdown) => return Ok(()),
            }
            wait = (wait * 2).min(BACK_OFF.1);
        }
    }

    async fn session(&mut self) -> Ending {
        let connected = tokio::select! {
            connected = tokio::time::timeout(HELLO_TIMEOUT, connect(&self.settings)) => {
                connected.unwrap_or_else(|_| Err(Status::unavailable("the coordinator does not answer")))
            }
            () = asked_to_stop(&mut self.shutdown) => return Ending::Stopped,
        };
        let (mut line, welcome) = match connected {
            Ok(connected) => connected,
            Err(status) => return Ending::Broken(status),
        };
        tracing::info!(coordinator = %self.settings.connect, slots = self.settings.slots, "connected");
        for (_, sent) in self.waiting.values_mut() {
            *sent = None;
        }
        match self.converse(&mut line, &welcome).await {
            Ok(()) => Ending::Stopped,
            Err(status) => Ending::Broken(status),
        }
    }

    /// Speaks until it is asked to stop; an error says that the connection broke.
    async fn converse(&mut self, line: &mut Line, welcome: &v1::Welcome) -> Result<(), Status> {
        let heartbeat = Duration::from_millis(u64::from(welcome.heartbeat_ms).max(10));
        let mut heartbeat = tokio::time::interval(heartbeat);
        let mut report = tokio::time::interval(REPORT_EVERY);
        loop {
            self.deliver(line).await?;
            tokio::select! {
                message = line.inbound.message() => match message?.and_then(|message| message.message) {
                    Some(To::Drain(_)) => return self.wind_down(line).await,
                    Some(message) => self.take(line, message).await?,
                    None => return Err(Status::unavailable("the coordinator ended the session")),
                },
                event = self.events.recv() => self.note(event),
                _ = report.tick() => self.report(line).await?,
                _ = heartbeat.tick() => {
                    let running = self.running.keys().map(|fence| (*fence).into()).collect();
                    line.say(From::Heartbeat(v1::Heartbeat { running })).await?;
                }
                () = asked_to_stop(&mut self.shutdown) => return self.wind_down(line).await,
            }
        }
    }

    async fn take(&mut self, line: &Line, message: To) -> Result<(), Status> {
        match message {
            To::Lease(lease) => self.begin(line, &lease).await?,
            To::Acknowledged(acknowledged) => self.forget(fence(acknowledged.fence.as_ref())?),
            To::Revoked(revoked) => {
                let fence = fence(revoked.fence.as_ref())?;
                tracing::info!(trial = %fence.trial, reason = revoked.reason, "an attempt is not wanted any more");
                // A result that was not sent yet is still worth sending: the first one counts, whoever brings it.
                if self.waiting.get(&fence).is_some_and(|(_, sent)| sent.is_some()) {
                    self.waiting.remove(&fence);
                }
                if let Some(stop) = self.running.get(&fence) {
                    stop.store(true, Ordering::Relaxed);
                }
            }
            To::Welcome(_) | To::Drain(_) => {}
        }
        Ok(())
    }

    /// Fetches the data where it is not there yet, and hands the attempt to a slot; neither holds the session up.
    async fn begin(&mut self, line: &Line, lease: &v1::Lease) -> Result<(), Status> {
        let fence = fence(lease.fence.as_ref())?;
        let spec = lease.trial.as_ref().map(convert::trial_spec);
        let spec = match spec {
            Some(Ok(spec)) if spec.id() == fence.trial => spec,
            _ => {
                let detail = "the trial does not read, or is not the one that its id names".to_owned();
                self.keep_failure(fence, Failure { kind: FailureKind::Internal, detail });
                return Ok(());
            }
        };
        let stop = Arc::new(AtomicBool::new(false));
        self.running.insert(fence, Arc::clone(&stop));
        self.launch(line.client.clone(), fence, spec, stop);
        Ok(())
    }

    fn launch(&self, client: Client, fence: Fence, spec: TrialSpec, stop: Arc<AtomicBool>) {
        let (cache, pool, events) =
            (Arc::clone(&self.cache), Arc::clone(&self.pool), self.events_sender.clone());
        let launched = tokio::spawn(async move {
            let data = cache.get(client, spec.data).await?;
            pool.start(Job { fence, spec, data, stop });
            Ok(())
        });
        tokio::spawn(async move {
            let failure = match launched.await {
                Ok(Ok(())) => return,
                Ok(Err(error)) => failure_of(&error),
                Err(panic) => Failure { kind: FailureKind::Panic, detail: panic.to_string() },
            };
            // Nobody listens any more only when the worker ends.
            let _ = events.send(SlotEvent::Failed { fence, failure }).await;
        });
    }

    /// Takes note of what a slot says; `None` cannot come, because the worker holds a sender itself.
    fn note(&mut self, event: Option<SlotEvent>) {
        match event {
            Some(SlotEvent::Resumed { fence, epoch, step }) => {
                self.resumed.push(v1::Resumed { fence: Some(fence.into()), epoch, step });
            }
            Some(SlotEvent::Epoch { fence, metrics }) => {
                self.reports
                    .push(v1::EpochReport { fence: Some(fence.into()), metrics: Some((&metrics).into()) });
            }
            Some(SlotEvent::Finished { fence, outcome }) => {
                self.running.remove(&fence);
                let finished = v1::Finished { fence: Some(fence.into()), outcome: Some((&outcome).into()) };
                self.waiting.insert(fence, (From::Finished(finished), None));
            }
            Some(SlotEvent::Failed { fence, failure }) => {
                tracing::warn!(trial = %fence.trial, kind = failure.kind.name(), detail = failure.detail, "an attempt failed");
                self.keep_failure(fence, failure);
            }
            Some(SlotEvent::Stopped { fence }) => drop(self.running.remove(&fence)),
            None => {}
        }
    }

    /// What was said of this attempt is on disk: a result needs no checkpoint any more, and what failed starts over.
    fn forget(&mut self, fence: Fence) {
        if self.waiting.remove(&fence).is_some() {
            self.checkpoints.remove(fence.trial);
        }
    }

    fn keep_failure(&mut self, fence: Fence, failure: Failure) {
        self.running.remove(&fence);
        let kind: v1::FailureKind = failure.kind.into();
        let failed = v1::Failed { fence: Some(fence.into()), kind: kind.into(), detail: failure.detail };
        self.waiting.insert(fence, (From::Failed(failed), None));
    }

    /// Sends what was never sent in this session, and again what was not acknowledged in time.
    async fn deliver(&mut self, line: &Line) -> Result<(), Status> {
        for resumed in self.resumed.drain(..) {
            line.say(From::Resumed(resumed)).await?;
        }
        let is_due = |sent: &Option<Instant>| sent.is_none_or(|sent| sent.elapsed() >= REPEAT_AFTER);
        for (message, sent) in self.waiting.values_mut().filter(|(_, sent)| is_due(sent)) {
            line.say(message.clone()).await?;
            *sent = Some(Instant::now());
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

    fn stop_running(&mut self) {
        for stop in self.running.values() {
            stop.store(true, Ordering::Relaxed);
        }
        self.reports.clear();
        self.resumed.clear();
    }

    /// Stops what runs, hands its leases back, and waits until every result is acknowledged.
    async fn wind_down(&mut self, line: &mut Line) -> Result<(), Status> {
        line.say(From::Released(v1::Released { fences: Vec::new(), is_leaving: true })).await?;
        let mut fences: Vec<v1::Fence> = self.running.keys().map(|fence| (*fence).into()).collect();
        self.stop_running();
        let deadline = tokio::time::Instant::now() + STOP_PATIENCE;
        while !(self.running.is_empty() && self.waiting.is_empty()) {
            self.deliver(line).await?;
            tokio::select! {
                message = line.inbound.message() => match message?.and_then(|message| message.message) {
                    Some(To::Acknowledged(acknowledged)) => {
                        self.forget(fence(acknowledged.fence.as_ref())?);
                    }
                    // Given before the coordinator heard that this worker leaves.
                    Some(To::Lease(lease)) => fences.extend(lease.fence),
                    Some(_) => {}
                    None => break,
                },
                event = self.events.recv() => self.note(event),
                () = tokio::time::sleep_until(deadline) => break,
            }
        }
        line.say(From::Released(v1::Released { fences, is_leaving: true })).await?;
        self.hang_up(line, deadline).await
    }

    /// Ends the stream and waits until the other side has read to its end.
    async fn hang_up(&mut self, line: &mut Line, deadline: tokio::time::Instant) -> Result<(), Status> {
        let (closed, _) = mpsc::channel(1);
        drop(std::mem::replace(&mut line.out, closed));
        while let Ok(Ok(Some(_))) = tokio::time::timeout_at(deadline, line.inbound.message()).await {}
        Ok(())
    }
}

fn failure_of(error: &FetchError) -> Failure {
    Failure { kind: FailureKind::Io, detail: error.to_string() }
}

async fn asked_to_stop(shutdown: &mut watch::Receiver<bool>) {
    // Whoever could ask is gone: then the worker goes on until the coordinator sends it away.
    if shutdown.wait_for(|is_asked| *is_asked).await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn connect(settings: &Settings) -> Result<(Line, v1::Welcome), Status> {
    let mut client = Client::new(settings.connect.connect().await?)
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    let (out, messages) = mpsc::channel(MESSAGES_WAITING_MAX);
    let hello = v1::Hello {
        protocol_major: PROTOCOL_MAJOR,
        protocol_minor: PROTOCOL_MINOR,
        numerics: NUMERICS,
        name: settings.name.clone(),
        slots: u32::try_from(settings.slots).unwrap_or(u32::MAX),
        kernel: settings.kernel.name().to_owned(),
    };
    let first = v1::FromWorker { message: Some(From::Hello(hello)) };
    // The channel is empty, so there is room.
    let _ = out.try_send(first);
    let mut inbound = client.work(ReceiverStream::new(messages)).await?.into_inner();
    match inbound.message().await?.and_then(|message| message.message) {
        Some(To::Welcome(welcome)) => Ok((Line { client, out, inbound }, welcome)),
        _ => Err(Status::unavailable("the coordinator did not say welcome")),
    }
}

/// Returns whether trying again would be answered the same.
fn is_permanent(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::FailedPrecondition
            | Code::InvalidArgument
            | Code::Unauthenticated
            | Code::PermissionDenied
            | Code::Unimplemented
    )
}

fn fence(wire: Option<&v1::Fence>) -> Result<Fence, Status> {
    convert::fence(wire).map_err(Status::from)
}
