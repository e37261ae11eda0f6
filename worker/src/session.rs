//! One session with the coordinator after another: connect, say hello and what is in hand, speak, and connect again.
//!
//! A result is sent again until the coordinator says that it is on disk; what waits for long, or outlives the session, is
//! written to disk here too. What runs goes on when a connection breaks, for as long as its lease certainly holds: then it
//! stops by itself, leaves its checkpoint, and goes on under another lease, to the same bits.

mod attempts;
mod converse;
mod offers;
mod transfer;

use crate::cache::DataCache;
use crate::checkpoint::CheckpointFiles;
use crate::connect::{Link, Route};
use crate::pool::{Checkpointing, Pool, SlotEvent, Slots};
use crate::spool::Spool;
use crate::usage::UsageMeter;
use crate::weights::WeightsFiles;
use attempts::Attempts;
use converse::{Line, Parting};
use gridsweep_engine::{Kernel, NUMERICS};
use gridsweep_proto::{MESSAGE_BYTES_MAX, PROTOCOL_MAJOR, PROTOCOL_MINOR, v1};
use offers::Offers;
use rand::RngExt;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};
use transfer::Uploads;
use v1::from_worker::Message as From;
use v1::to_worker::Message as To;

/// How a worker runs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The way to the coordinator.
    pub connect: Route,
    /// How many trials run at once.
    pub slots: usize,
    /// Where fetched data is kept, and results that wait.
    pub state: PathBuf,
    /// Where checkpoints are left. Workers on one machine may share the folder: each goes on with what another left.
    pub checkpoints: PathBuf,
    /// How often a running trial leaves one.
    pub checkpoint_every: Duration,
    /// Whether the coordinator gets them too: where no other worker reads the folder that they are in.
    pub checkpoints_are_sent: bool,
    /// Measures the slots.
    pub meter: Arc<UsageMeter>,
    /// How long it may take to hand everything back when it is asked to stop.
    pub grace: Duration,
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
    /// An attempt did not end when it was asked to: its slot is of no use any more.
    #[error(
        "an attempt does not end although it was asked to; the worker ends, and what it ran goes on elsewhere"
    )]
    Stuck,
    /// No threads to run trials on.
    #[error("cannot start {slots} threads")]
    Threads {
        /// How many were wanted.
        slots: usize,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
}

/// How many messages wait between the slots and the session. A slot that has a result waits when there is no room.
const EVENTS_WAITING_MAX: usize = 1024;
/// How many messages wait for the stream to the coordinator.
const MESSAGES_WAITING_MAX: usize = 256;
/// How often leases are looked after, and results that wait.
const HOUSEKEEPING: Duration = Duration::from_millis(200);
/// Connecting and connecting again: the first wait, and the longest.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));
/// How long a coordinator may take to say welcome.
const HELLO_TIMEOUT: Duration = Duration::from_secs(20);
/// The share of a lease after which a worker that hears nothing stops what runs, so that it has stopped when the
/// coordinator gives the lease to another: in percent.
const LEASE_SHARE_PERCENT: u32 = 80;

/// Runs a worker until `shutdown` becomes true or the coordinator sends it away.
pub async fn run(settings: Settings, shutdown: watch::Receiver<bool>) -> Result<(), WorkerError> {
    let (slots, kernel) = (settings.slots, settings.kernel);
    let checkpoints = Checkpointing {
        files: CheckpointFiles::new(&settings.checkpoints),
        every: settings.checkpoint_every,
        are_sent: settings.checkpoints_are_sent,
    };
    let weights = weights_files(&settings);
    let meter = Arc::clone(&settings.meter);
    let threads = |events| {
        let pool = Pool::new(slots, kernel, checkpoints, weights, meter, events);
        pool.map(|pool| Arc::new(pool) as Arc<dyn Slots>)
            .map_err(|source| WorkerError::Threads { slots, source })
    };
    run_on(settings, threads, shutdown).await
}

/// Returns where trials leave their weights until they are where others find them.
fn weights_files(settings: &Settings) -> WeightsFiles {
    WeightsFiles::new(&settings.state.join("weights"))
}

/// Runs a worker on other slots than threads; what they say goes where `slots` is told.
pub async fn run_on(
    settings: Settings,
    slots: impl FnOnce(mpsc::Sender<SlotEvent>) -> Result<Arc<dyn Slots>, WorkerError>,
    shutdown: watch::Receiver<bool>,
) -> Result<(), WorkerError> {
    let (events_sender, events) = mpsc::channel(EVENTS_WAITING_MAX);
    let pool = slots(events_sender.clone())?;
    let mut worker = Worker::new(settings, pool, (events_sender, events), shutdown);
    worker.serve().await
}

struct Worker {
    settings: Settings,
    /// Names this process in all its sessions.
    identity: u64,
    cache: Arc<DataCache>,
    pool: Arc<dyn Slots>,
    checkpoints: CheckpointFiles,
    uploads: Uploads,
    offers: Offers,
    events_sender: mpsc::Sender<SlotEvent>,
    events: mpsc::Receiver<SlotEvent>,
    attempts: Attempts,
    /// How long leases hold, and from when on, once there was a session.
    lease: Option<Lease>,
    /// What is to be said of attempts that got their slots.
    starts: Vec<v1::Started>,
    /// Epochs to be sent with the next batch.
    reports: Vec<v1::EpochReport>,
    shutdown: watch::Receiver<bool>,
}

/// For how long what runs is this worker's to run.
#[derive(Clone, Copy, Debug)]
struct Lease {
    length: Duration,
    /// When the last request was sent that the coordinator is known to have heard.
    from: Instant,
}

impl Lease {
    /// Returns whether another worker may get the lease before long.
    fn is_over(&self) -> bool {
        self.from.elapsed() >= self.length * LEASE_SHARE_PERCENT / 100
    }
}

/// Why a session ended.
enum Ending {
    /// The worker was asked to stop, by either side, and has.
    Stopped,
    /// An attempt does not end.
    Stuck,
    /// The connection could not be made or broke: worth another try.
    Broken(Status),
}

type Client = v1::workers_client::WorkersClient<Link>;

impl Worker {
    /// Begins with what the spool holds, and without a session.
    fn new(
        settings: Settings,
        pool: Arc<dyn Slots>,
        (events_sender, events): (mpsc::Sender<SlotEvent>, mpsc::Receiver<SlotEvent>),
        shutdown: watch::Receiver<bool>,
    ) -> Worker {
        let (spool, spooled) = Spool::open(&settings.state);
        if !spooled.is_empty() {
            tracing::info!(results = spooled.len(), "results of an earlier process wait to be delivered");
        }
        let weights = weights_files(&settings);
        Worker {
            cache: Arc::new(DataCache::new(&settings.state.join("cache"))),
            identity: rand::random(),
            attempts: Attempts::new(settings.slots, spool, spooled),
            checkpoints: CheckpointFiles::new(&settings.checkpoints),
            settings,
            pool,
            uploads: Uploads::new(events_sender.clone()),
            offers: Offers::new(weights, events_sender.clone()),
            events_sender,
            events,
            lease: None,
            starts: Vec::new(),
            reports: Vec::new(),
            shutdown,
        }
    }

    /// Holds one session after another until one ends for good.
    async fn serve(&mut self) -> Result<(), WorkerError> {
        let mut wait = BACK_OFF.0;
        loop {
            let began = Instant::now();
            match self.session().await {
                Ending::Stopped => return Ok(()),
                Ending::Stuck => return Err(WorkerError::Stuck),
                Ending::Broken(status) if is_permanent(&status, self.lease.is_some()) => {
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
            // What was on its way may be lost.
            self.attempts.spool(true);
            self.reports.clear();
            self.starts.clear();
            // One that stood for longer than the last wait is no sign of a coordinator that is flooded.
            let was_welcome = self.lease.is_some_and(|lease| lease.from >= began);
            if began.elapsed() > if was_welcome { wait } else { BACK_OFF.1 } {
                wait = BACK_OFF.0;
            }
            let jittered = wait.mul_f64(rand::rng().random_range(0.0..1.0));
            if self.attend(tokio::time::sleep(jittered)).await.is_none() {
                self.stop_alone().await;
                return Ok(());
            }
            wait = (wait * 2).min(BACK_OFF.1);
        }
    }

    async fn session(&mut self) -> Ending {
        let route = self.settings.connect.clone();
        let connected = self.attend(tokio::time::timeout(HELLO_TIMEOUT, route.connect())).await;
        let link = match connected {
            Some(Ok(Ok(link))) => link,
            Some(Ok(Err(status))) => return Ending::Broken(status),
            Some(Err(_)) => return Ending::Broken(Status::unavailable("the coordinator does not answer")),
            None => return self.stop_alone().await,
        };
        let (hello, sent) = (self.hello(), Instant::now());
        let claimed = self.attempts.results();
        let greeting = greet(link, route.connect_for_transfers(), hello);
        let greeted = self.attend(tokio::time::timeout(HELLO_TIMEOUT, greeting)).await;
        let (mut line, welcome) = match greeted {
            Some(Ok(Ok(greeted))) => greeted,
            Some(Ok(Err(status))) => return Ending::Broken(status),
            Some(Err(_)) => return Ending::Broken(Status::unavailable("the coordinator does not answer")),
            None => return self.stop_alone().await,
        };
        tracing::info!(coordinator = %self.settings.connect, slots = self.settings.slots, "connected");
        self.lease = Some(Lease { length: Duration::from_millis(u64::from(welcome.lease_ms)), from: sent });
        match self.converse(&mut line, &welcome, &claimed).await {
            Ok(Parting::Stopped) => Ending::Stopped,
            Ok(Parting::Stuck) => Ending::Stuck,
            // It was welcome: what the coordinator could not read was damaged on its way.
            Err(status) => Ending::Broken(Status::unavailable(status.message())),
        }
    }

    fn hello(&self) -> v1::Hello {
        let spooled = |(fence, digest): (gridsweep_common::id::Fence, gridsweep_common::id::Digest)| {
            v1::Spooled { fence: Some(fence.into()), digest: digest.0.to_vec() }
        };
        v1::Hello {
            protocol_major: PROTOCOL_MAJOR,
            protocol_minor: PROTOCOL_MINOR,
            numerics: NUMERICS,
            name: self.settings.name.clone(),
            slots: u32::try_from(self.settings.slots).unwrap_or(u32::MAX),
            kernel: self.settings.kernel.name().to_owned(),
            identity: self.identity,
            running: self.attempts.claimed().into_iter().map(Into::into).collect(),
            spooled: self.attempts.results().into_iter().map(spooled).collect(),
        }
    }

    /// Waits for something while no session stands, and looks after what runs meanwhile. `None` says that the worker is
    /// asked to stop.
    async fn attend<T>(&mut self, something: impl Future<Output = T>) -> Option<T> {
        tokio::pin!(something);
        let mut house = tokio::time::interval(HOUSEKEEPING);
        loop {
            tokio::select! {
                done = &mut something => return Some(done),
                event = self.events.recv() => drop(self.note(event)),
                _ = house.tick() => self.keep_house(),
                () = asked_to_stop(&mut self.shutdown) => return None,
            }
        }
    }

    /// Stops what runs when its lease may be over, and writes down what waits for long.
    fn keep_house(&mut self) {
        if self.lease.is_some_and(|lease| lease.is_over()) && !self.attempts.claimed().is_empty() {
            tracing::warn!("nothing was heard of the coordinator for most of a lease: what runs is stopped");
            self.attempts.dequeue_all();
            self.attempts.stop_all();
        }
        self.attempts.spool(false);
    }

    /// Stops without a coordinator to say it to: what runs leaves its checkpoint, and what waits is on disk.
    async fn stop_alone(&mut self) -> Ending {
        self.attempts.dequeue_all();
        self.attempts.stop_all();
        let deadline = Instant::now() + self.settings.grace;
        while self.attempts.is_running() {
            tokio::select! {
                event = self.events.recv() => drop(self.note(event)),
                () = tokio::time::sleep_until(deadline) => break,
            }
        }
        self.attempts.spool(true);
        Ending::Stopped
    }
}

async fn asked_to_stop(shutdown: &mut watch::Receiver<bool>) {
    // Whoever could ask is gone: then the worker goes on until the coordinator sends it away.
    if shutdown.wait_for(|is_asked| *is_asked).await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn client(link: Link) -> Client {
    Client::new(link)
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX)
}

/// Says hello and waits for the answer.
async fn greet(link: Link, transfers: Link, hello: v1::Hello) -> Result<(Line, v1::Welcome), Status> {
    let (out, messages) = mpsc::channel(MESSAGES_WAITING_MAX);
    let first = v1::FromWorker { message: Some(From::Hello(hello)) };
    // The channel is empty, so there is room.
    let _ = out.try_send(first);
    let mut inbound = client(link).work(ReceiverStream::new(messages)).await?.into_inner();
    match inbound.message().await?.and_then(|message| message.message) {
        Some(To::Welcome(welcome)) => Ok((Line { transfers: client(transfers), out, inbound }, welcome)),
        _ => Err(Status::unavailable("the coordinator did not say welcome")),
    }
}

/// Returns whether trying again would be answered the same. Nobody who `was_welcome` says what cannot be read: it was damaged
/// on its way.
fn is_permanent(status: &Status, was_welcome: bool) -> bool {
    match status.code() {
        Code::FailedPrecondition | Code::Unauthenticated | Code::PermissionDenied => true,
        Code::InvalidArgument | Code::Unimplemented => !was_welcome,
        _ => false,
    }
}
