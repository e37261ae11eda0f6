//! How long slots are without a trial.

use crate::fleet::{Session, finished};
use crate::server::Server;
use gridsweep_proto::v1;
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::sleep;
use v1::from_worker::Message as From;
use v1::to_worker::Message as To;

const WORKERS: usize = 2;
const SLOTS: u32 = 2;

/// Runs trials that take so long, and returns the time between the end of one and the start of the next in the same slot.
pub(crate) async fn measure(server: &Server, trials: usize, each: Duration) -> Vec<Duration> {
    let mut workers = JoinSet::new();
    for number in 0..WORKERS {
        let session = Session::open(&server.route("worker"), number, SLOTS).await.unwrap();
        workers.spawn(work(session, trials / WORKERS, each));
    }
    workers.join_all().await.into_iter().flatten().collect()
}

/// A worker whose slots sleep. Leases wait before them, as in a real one.
async fn work(mut session: Session, trials: usize, each: Duration) -> Vec<Duration> {
    let (mut queued, mut gaps) = (VecDeque::new(), Vec::new());
    let mut slots: JoinSet<v1::Fence> = JoinSet::new();
    // Since when slots are without a trial, longest first.
    let mut idle: VecDeque<Option<Instant>> = (0..SLOTS).map(|_| None).collect();
    let mut heartbeat = tokio::time::interval(session.heartbeat);
    let mut number = 0;
    while gaps.len() < trials {
        while let (Some(_), Some(fence)) = (idle.front(), queued.front()) {
            let fence: v1::Fence = Clone::clone(fence);
            gaps.extend(idle.pop_front().flatten().map(|since| since.elapsed()));
            queued.pop_front();
            session.say(From::Started(v1::Started { fence: Some(fence.clone()), epoch: 0, step: 0 })).await;
            slots.spawn(async move {
                sleep(each).await;
                fence
            });
        }
        tokio::select! {
            message = session.inbound.message() => {
                if let Some(To::Lease(lease)) = message.unwrap().expect("the session stands").message {
                    queued.extend(lease.fence);
                }
            }
            _ = heartbeat.tick() => {
                number += 1;
                session.say(From::Heartbeat(v1::Heartbeat { number, ..v1::Heartbeat::default() })).await;
            }
            Some(done) = slots.join_next() => {
                idle.push_back(Some(Instant::now()));
                let finished = v1::Finished { fence: Some(done.unwrap()), ..finished(1) };
                session.say(From::Finished(finished)).await;
            }
        }
    }
    gaps
}
