//! Workers that do nothing, at once: each a connection of its own with TLS and a token, and the messages of a real one.

use crate::server::Server;
use gridsweep_common::metric::{Ending, EpochMetrics, Outcome};
use gridsweep_engine::NUMERICS;
use gridsweep_proto::{PROTOCOL_MAJOR, PROTOCOL_MINOR, v1};
use gridsweep_worker::connect::{Link, Route};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};
use v1::from_worker::Message as From;
use v1::to_worker::Message as To;

/// What each worker does.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) slots: u32,
    /// Epochs of each result.
    pub(crate) epochs: u32,
}

/// How many connections are made at a time.
const JOINING_MAX: usize = 64;
/// How often it is looked how far they are.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// How long one trial may take to follow another.
const PATIENCE: Duration = Duration::from_secs(60);

/// Names the next worker: one that came with another's would take its place.
static NEXT_IDENTITY: AtomicU64 = AtomicU64::new(1);

/// Workers at work.
pub(crate) struct Fleet {
    counts: Arc<Counts>,
    _workers: JoinSet<()>,
}

#[derive(Default)]
struct Counts {
    acknowledged: AtomicU64,
    lost: AtomicU64,
}

impl Fleet {
    /// Connects workers; returns when the coordinator has welcomed all of them.
    pub(crate) async fn start(server: &Server, workers: usize, load: Load) -> Fleet {
        let (counts, mut joined) = (Arc::new(Counts::default()), JoinSet::new());
        let (route, turns) = (server.route("worker"), Arc::new(tokio::sync::Semaphore::new(JOINING_MAX)));
        for number in 0..workers {
            let (route, turns) = (route.clone(), Arc::clone(&turns));
            joined.spawn(async move {
                let _turn = turns.acquire().await.unwrap();
                Session::open(&route, number, load.slots).await.unwrap()
            });
        }
        let sessions = joined.join_all().await;
        let mut at_work = JoinSet::new();
        for session in sessions {
            at_work.spawn(work(session, load, Arc::clone(&counts)));
        }
        Fleet { counts, _workers: at_work }
    }

    /// Waits until so many trials are acknowledged, and returns how many are.
    pub(crate) async fn until(&self, trials: u64) -> u64 {
        let (mut last, mut since) = (0, tokio::time::Instant::now());
        loop {
            let count = self.counts.acknowledged.load(Ordering::Relaxed);
            if count >= trials {
                return count;
            }
            if count > last {
                (last, since) = (count, tokio::time::Instant::now());
            }
            assert!(since.elapsed() < PATIENCE, "{count} of {trials} trials, and no more come");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Returns how many workers lost their sessions.
    pub(crate) fn lost(&self) -> u64 {
        self.counts.lost.load(Ordering::Relaxed)
    }
}

/// A session that stands.
pub(crate) struct Session {
    pub(crate) out: mpsc::Sender<v1::FromWorker>,
    pub(crate) inbound: Streaming<v1::ToWorker>,
    pub(crate) heartbeat: Duration,
}

impl Session {
    pub(crate) async fn open(route: &Route, number: usize, slots: u32) -> Result<Session, Status> {
        let mut client: v1::workers_client::WorkersClient<Link> =
            v1::workers_client::WorkersClient::new(route.connect().await?);
        let (out, messages) = mpsc::channel(1024);
        let hello = v1::Hello {
            protocol_major: PROTOCOL_MAJOR,
            protocol_minor: PROTOCOL_MINOR,
            numerics: NUMERICS,
            name: format!("load-{number}"),
            slots,
            kernel: "none".to_owned(),
            identity: NEXT_IDENTITY.fetch_add(1, Ordering::Relaxed),
            ..v1::Hello::default()
        };
        out.send(v1::FromWorker { message: Some(From::Hello(hello)) }).await.unwrap();
        let mut inbound = client.work(ReceiverStream::new(messages)).await?.into_inner();
        match inbound.message().await?.and_then(|message| message.message) {
            Some(To::Welcome(welcome)) => {
                let heartbeat = Duration::from_millis(welcome.heartbeat_ms.into());
                Ok(Session { out, inbound, heartbeat })
            }
            other => Err(Status::internal(format!("{other:?} is no welcome"))),
        }
    }

    /// Returns whether the message could be given to the connection.
    pub(crate) async fn say(&self, message: From) -> bool {
        self.out.send(v1::FromWorker { message: Some(message) }).await.is_ok()
    }
}

/// What is said of a trial that nobody trained; the fence is to be added.
pub(crate) fn finished(epochs: u32) -> v1::Finished {
    let epoch = |epoch| EpochMetrics {
        epoch,
        learning_rate: 0.001,
        training_objective: 0.5,
        training_loss: 0.5,
        training_accuracy: 0.5,
        validation_loss: 1.0 / f64::from(epoch + 1),
        validation_accuracy: 0.5,
    };
    let epochs = (0..epochs).map(epoch).collect();
    let outcome = Outcome { ending: Ending::Diverged, epochs, evaluation: None, numerics: NUMERICS };
    v1::Finished { fence: None, outcome: Some((&outcome).into()), digest: outcome.digest().0.to_vec() }
}

/// Answers every lease with a start and a result, and says every few seconds that it lives.
async fn work(mut session: Session, load: Load, counts: Arc<Counts>) {
    let template = finished(load.epochs);
    let mut held: Vec<v1::Fence> = Vec::new();
    let mut heartbeat = tokio::time::interval(session.heartbeat);
    let mut number = 0;
    loop {
        tokio::select! {
            message = session.inbound.message() => match message {
                Ok(Some(v1::ToWorker { message: Some(To::Lease(lease)) })) => {
                    held.extend(lease.fence.clone());
                    let started = v1::Started { fence: lease.fence.clone(), epoch: 0, step: 0 };
                    let finished = v1::Finished { fence: lease.fence, ..template.clone() };
                    if !(session.say(From::Started(started)).await && session.say(From::Finished(finished)).await) {
                        break;
                    }
                }
                Ok(Some(v1::ToWorker { message: Some(To::Acknowledged(acknowledged)) })) => {
                    held.retain(|fence| Some(fence) != acknowledged.fence.as_ref());
                    counts.acknowledged.fetch_add(1, Ordering::Relaxed);
                }
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => break,
            },
            _ = heartbeat.tick() => {
                number += 1;
                let beat = v1::Heartbeat { running: held.clone(), number, progress: Vec::new() };
                if !session.say(From::Heartbeat(beat)).await {
                    break;
                }
            }
        }
    }
    counts.lost.fetch_add(1, Ordering::Relaxed);
}
