//! What fails, and when: a seed decides.

use crate::hosts::COORDINATOR;
use crate::random::Random;
use crate::witness::{Seen, Witness};
use std::time::Duration;
use turmoil::Sim;

/// From when on things fail, in simulated milliseconds, and how many do on each of the two tracks.
const FIRST_MS: u64 = 300;
const FAULTS: u64 = 4;

/// One thing that fails for a while.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Fault {
    pub(crate) kind: Kind,
    pub(crate) from_ms: u64,
    pub(crate) until_ms: u64,
}

/// What fails.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Kind {
    /// Nothing passes between coordinator and worker.
    Partition(String),
    /// Nothing comes from the worker, or to it.
    Deaf(String),
    Mute(String),
    /// What is sent waits, and then comes all at once.
    Hold(String),
    /// This share of the messages is lost, in percent; a connection that lost one never goes on.
    Loss(String, u64),
    /// Messages take up to this long, in milliseconds.
    Slow(String, u64),
    /// A host loses its tasks and connections, and starts again from its disk.
    Crash(String),
}

/// Chooses faults: one after the other on the network, and beside them one crash after the other.
pub(crate) fn plan(seed: u64, workers: &[String]) -> Vec<Fault> {
    let mut random = Random::new(seed);
    let mut faults = Vec::new();
    for is_crash in [false, true] {
        let mut now = FIRST_MS;
        for _ in 0..FAULTS {
            let worker = workers[random.within(0..workers.len() as u64) as usize].clone();
            let kind = if is_crash { crash(&mut random, worker) } else { network(&mut random, worker) };
            let from_ms = now + random.within(0..1500);
            let until_ms = from_ms + random.within(200..5000);
            now = until_ms;
            faults.push(Fault { kind, from_ms, until_ms });
        }
    }
    faults
}

fn network(random: &mut Random, worker: String) -> Kind {
    match random.within(0..6) {
        0 => Kind::Partition(worker),
        1 => Kind::Deaf(worker),
        2 => Kind::Mute(worker),
        3 => Kind::Hold(worker),
        4 => Kind::Loss(worker, random.within(5..31)),
        _ => Kind::Slow(worker, random.within(100..900)),
    }
}

fn crash(random: &mut Random, worker: String) -> Kind {
    let is_coordinator = random.within(0..2) == 0;
    Kind::Crash(if is_coordinator { COORDINATOR.to_owned() } else { worker })
}

impl Kind {
    /// Returns what is seen of it where it does something, from what the network and its hosts have seen so far.
    pub(crate) fn traces(&self, seen: &Seen) -> u64 {
        match self {
            Kind::Partition(_) | Kind::Deaf(_) | Kind::Mute(_) | Kind::Loss(..) => seen.dropped,
            Kind::Hold(_) => seen.held,
            Kind::Slow(..) => seen.sent,
            Kind::Crash(_) => seen.crashed,
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Kind::Partition(_) => "partition",
            Kind::Deaf(_) => "deaf",
            Kind::Mute(_) => "mute",
            Kind::Hold(_) => "hold",
            Kind::Loss(..) => "loss",
            Kind::Slow(..) => "slow",
            Kind::Crash(host) if host == COORDINATOR => "coordinator crash",
            Kind::Crash(_) => "worker crash",
        }
    }
}

impl Fault {
    /// Lets it begin.
    pub(crate) fn begin(&self, sim: &mut Sim<'_>, witness: &Witness) {
        match &self.kind {
            Kind::Partition(worker) => sim.partition(worker.as_str(), COORDINATOR),
            Kind::Deaf(worker) => sim.partition_oneway(COORDINATOR, worker.as_str()),
            Kind::Mute(worker) => sim.partition_oneway(worker.as_str(), COORDINATOR),
            Kind::Hold(worker) => sim.hold(worker.as_str(), COORDINATOR),
            Kind::Loss(worker, percent) => {
                sim.set_link_fail_rate(worker.as_str(), COORDINATOR, *percent as f64 / 100.0);
            }
            Kind::Slow(worker, ms) => {
                sim.set_link_max_message_latency(worker.as_str(), COORDINATOR, Duration::from_millis(*ms));
            }
            Kind::Crash(host) => {
                witness.seen().crashed += u64::from(sim.is_host_running(host.as_str()));
                sim.crash(host.as_str());
            }
        }
    }

    /// Lets it end.
    pub(crate) fn end(&self, sim: &mut Sim<'_>) {
        match &self.kind {
            Kind::Partition(worker) => sim.repair(worker.as_str(), COORDINATOR),
            Kind::Deaf(worker) => sim.repair_oneway(COORDINATOR, worker.as_str()),
            Kind::Mute(worker) => sim.repair_oneway(worker.as_str(), COORDINATOR),
            Kind::Hold(worker) => sim.release(worker.as_str(), COORDINATOR),
            Kind::Loss(worker, _) => {
                sim.set_link_fail_rate(worker.as_str(), COORDINATOR, 0.0);
                // What is broken at this moment stays broken without it.
                sim.repair(worker.as_str(), COORDINATOR);
            }
            Kind::Slow(worker, _) => {
                sim.set_link_max_message_latency(worker.as_str(), COORDINATOR, crate::scene::LATENCY);
            }
            Kind::Crash(host) => sim.bounce(host.as_str()),
        }
    }
}
