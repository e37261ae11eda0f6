//! Three hosts: a coordinator on one, a worker on each of two others, and a network between them that fails in every way.
//! Whatever it does, the sweep gives the bytes of an undisturbed run on one machine. Only root may make the hosts.

use super::disturbed::{CONNECTED, Disturbed, Ended, UNHEARD, sweep};
use super::hosts::{Line, Network};
use super::invariants::ask;
use crate::support::{Place, Running, gridsweep, said, wait_until};
use std::process::Command;
use std::time::{Duration, Instant};

/// The coordinator's host, and those of the workers.
const COORDINATOR: usize = 1;
const WORKERS: [(usize, &str); 2] = [(2, "host-2"), (3, "host-3")];

/// How long things take.
struct Measure {
    lease: &'static str,
    /// How long a line is broken at least.
    cut: Duration,
    epochs: u32,
    /// Replicates of five cells: the sweep must outlast every fault, on quicker machines too.
    replicates: &'static [u32],
    /// How many results there are between two faults.
    results: usize,
}

/// Every fault, in half a minute.
const SHORT: Measure =
    Measure { lease: "3s", cut: Duration::from_secs(2), epochs: 14, replicates: &[7, 20, 60], results: 2 };

/// The same at length, in about two minutes.
const LONG: Measure =
    Measure { lease: "6s", cut: Duration::from_secs(10), epochs: 40, replicates: &[14, 40, 120], results: 4 };

struct Scene<'a> {
    network: &'a Network,
    measure: &'a Measure,
    sweep: Disturbed,
    serve: Running,
    workers: Vec<Running>,
    submit: Running,
}

impl Scene<'_> {
    fn new<'a>(network: &'a Network, measure: &'a Measure, replicates: u32) -> Scene<'a> {
        let sweep = Disturbed::new(&sweep(measure.epochs, replicates), &WORKERS.map(|(_, name)| name));
        let serve = serve(network, &sweep.place, measure.lease);
        let workers = WORKERS.map(|(host, name)| worker(network, &sweep, host, name));
        let mut submit = joining(network, &sweep.place, "submit");
        submit.arg(&sweep.file).args(["--wait", "--quiet"]);
        // From a host whose line breaks too.
        let submit = Running::logged(&mut network.on(WORKERS[1].0, &submit), &sweep.place.path("submit.log"));
        sweep.wait_for_submission();
        Scene { network, measure, sweep, serve, workers: workers.into(), submit }
    }

    /// A worker's line is broken until the worker has noticed. It stops what it runs before others may have it, and comes
    /// back by itself.
    fn cut(&mut self, (host, name): (usize, &str), what: &str, lines: &[Line]) -> Result<(), Ended> {
        self.sweep.at_work(name, self.measure.results)?;
        let (unheard, connected) = (self.sweep.count(name, UNHEARD), self.sweep.count(name, CONNECTED));
        self.network.drop_packets(lines, 100);
        let began = Instant::now();
        self.sweep.wait_for(name, UNHEARD, unheard);
        std::thread::sleep(self.measure.cut.saturating_sub(began.elapsed()));
        let dropped = self.network.heal();
        println!("{what} of host {host} for {:.1?}: {dropped:?} packets dropped", began.elapsed());
        assert!(dropped.iter().sum::<u64>() > 0, "nothing was dropped");
        self.sweep.wait_for(name, CONNECTED, connected);
        self.sweep.check();
        Ok(())
    }

    /// A fifth of all packets is lost: it goes on, slower.
    fn lose_packets(&mut self) -> Result<(), Ended> {
        self.sweep.at_work(WORKERS[0].1, self.measure.results)?;
        let (began, before) = (Instant::now(), self.sweep.books.results());
        self.network.drop_packets(&WORKERS.map(|(host, _)| Line::Of(host)), 20);
        wait_until("results come through", || {
            self.sweep.check();
            self.sweep.books.results() > before + self.measure.results && began.elapsed() > self.measure.cut
        });
        let dropped = self.network.heal();
        println!("20 % lost for {:.1?}: {dropped:?} packets dropped", began.elapsed());
        assert!(dropped.iter().all(|packets| *packets > 0), "a line was not lossy");
        Ok(())
    }

    fn kill_a_worker(&mut self) -> Result<(), Ended> {
        let (host, name) = WORKERS[1];
        self.sweep.at_work(name, self.measure.results)?;
        let connected = self.sweep.count(name, CONNECTED);
        self.workers[1].signal("KILL");
        assert_eq!(self.workers[1].wait(), None);
        self.sweep.check();
        self.workers[1] = worker(self.network, &self.sweep, host, name);
        self.sweep.wait_for(name, CONNECTED, connected);
        println!("worker of host {host} killed and started again");
        Ok(())
    }

    fn kill_the_coordinator(&mut self) -> Result<(), Ended> {
        self.sweep.at_work(WORKERS[0].1, self.measure.results)?;
        let connected = WORKERS.map(|(_, name)| self.sweep.count(name, CONNECTED));
        let term = self.sweep.books.term();
        self.serve.signal("KILL");
        assert_eq!(self.serve.wait(), None);
        self.sweep.check();
        std::thread::sleep(Duration::from_secs(1));
        self.serve = serve(self.network, &self.sweep.place, self.measure.lease);
        for ((_, name), before) in WORKERS.iter().zip(connected) {
            self.sweep.wait_for(name, CONNECTED, before);
        }
        self.sweep.check();
        println!("coordinator killed and restarted: term {term}, then {}", self.sweep.books.term());
        assert!(self.sweep.books.term() > term);
        Ok(())
    }

    fn every_fault(&mut self) -> Result<(), Ended> {
        let [first, second] = WORKERS;
        self.cut(first, "partition", &[Line::Of(first.0)])?;
        self.cut(second, "nothing to be heard", &[Line::FromTo(COORDINATOR, second.0)])?;
        self.cut(first, "nothing to be said", &[Line::FromTo(first.0, COORDINATOR)])?;
        self.lose_packets()?;
        self.kill_a_worker()?;
        self.kill_the_coordinator()?;
        self.sweep.at_work(first.1, 0)
    }

    fn ends_as_undisturbed(mut self) {
        self.sweep.ends_as_undisturbed(self.submit);
        let attempts = ask(&self.sweep.state, "SELECT count(*) FROM attempt");
        assert!(attempts > self.sweep.books.results() as i64, "no fault has hit an attempt");
    }
}

fn serve(network: &Network, place: &Place, lease: &str) -> Running {
    let log = place.path("serve.log");
    let before = said(&log).matches("  tokens:").count();
    let mut serve = gridsweep(&place.path("state"));
    serve.args(["serve", "--listen", &format!("{}:7433", network.address(COORDINATOR)), "--lease", lease]);
    serve.args(["--tls-self-signed", "--make-tokens"]).env("GRIDSWEEP_LOG", "info");
    let serve = Running::logged(&mut network.on(COORDINATOR, &serve), &log);
    wait_until("the coordinator serves", || said(&log).matches("  tokens:").count() > before);
    serve
}

/// The command by which a worker or a submission joins, as the coordinator printed it.
fn joining(network: &Network, place: &Place, name: &str) -> Command {
    let log = said(&place.path("serve.log"));
    let line = log.lines().find(|line| line.contains(&format!("gridsweep {name} "))).unwrap();
    let words = line.split_whitespace().skip_while(|word| *word != name).filter(|word| *word != "FILE");
    assert!(line.contains(&network.address(COORDINATOR)), "{line}");
    // A host has its own folder.
    let mut command = gridsweep(&place.path(&format!("{name}-state")));
    command.args(words);
    command
}

fn worker(network: &Network, sweep: &Disturbed, host: usize, name: &str) -> Running {
    let mut worker = joining(network, &sweep.place, "worker");
    worker.args(["--threads", "1", "--checkpoint-every", "500ms", "--name", name]);
    worker.arg("--state").arg(sweep.place.path(name)).env("GRIDSWEEP_LOG", "info,gridsweep_worker=debug");
    Running::logged(&mut network.on(host, &worker), &sweep.log(name))
}

/// Makes three hosts, or says what this machine lacks.
fn hosts() -> Option<Network> {
    let network = Network::new(3);
    network.map_err(|lack| println!("skipped: no hosts of their own can be made here: {lack}")).ok()
}

fn through_every_fault(measure: &Measure) {
    let Some(network) = hosts() else { return };
    for &replicates in measure.replicates {
        let mut scene = Scene::new(&network, measure, replicates);
        match scene.every_fault() {
            Ok(()) => return scene.ends_as_undisturbed(),
            Err(Ended) => println!("{replicates} replicates ended before every fault had come: more of them"),
        }
        network.heal();
    }
    panic!("this machine is too fast for the sweep");
}

#[test]
fn a_sweep_on_three_hosts_gives_the_same_bytes_through_every_fault_of_the_network() {
    through_every_fault(&SHORT);
}

#[test]
#[ignore = "the same for about two minutes: cargo test --workspace --test it -- --ignored --nocapture at_length"]
fn a_sweep_on_three_hosts_gives_the_same_bytes_through_every_fault_at_length() {
    through_every_fault(&LONG);
}

#[test]
fn a_partition_shorter_than_a_lease_interrupts_nothing() {
    let Some(network) = hosts() else { return };
    let measure = Measure { lease: "30s", replicates: &[], ..SHORT };
    let mut scene = Scene::new(&network, &measure, 2);
    let (host, name) = WORKERS[0];
    scene.sweep.at_work(name, 1).unwrap();
    network.drop_packets(&[Line::Of(host)], 100);
    std::thread::sleep(Duration::from_secs(2));
    let dropped = network.heal();
    assert!(dropped.iter().sum::<u64>() > 0, "nothing was dropped");
    scene.sweep.ends_as_undisturbed(scene.submit);
    assert_eq!(scene.sweep.count(name, CONNECTED), 1, "one session");
    assert_eq!(ask(&scene.sweep.state, "SELECT count(*) FROM attempt WHERE state = 'lost'"), 0);
}
