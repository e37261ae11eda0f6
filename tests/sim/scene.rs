//! One simulation: a sweep, a coordinator, workers, someone who waits, and what fails meanwhile.

use crate::faults::{Fault, plan};
use crate::hosts::{self, COORDINATOR, Keys};
use crate::slots::Pace;
use crate::verdict::check_acknowledged;
use crate::witness::{Seen, Witness};
use gridsweep_common::frozen::{FrozenSweep, OpenSweep};
use gridsweep_common::spec::{self, DataSource};
use gridsweep_engine::{NUMERICS, catalogue};
use gridsweep_proto::v1;
use gridsweep_worker::dataset;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tracing_subscriber::layer::SubscriberExt;
use turmoil::{Builder, Sim};

/// The longest that a message takes where nothing is wrong.
pub(crate) const LATENCY: Duration = Duration::from_millis(10);
/// The steps of simulated time.
const TICK: Duration = Duration::from_millis(10);
/// When a sweep that has not ended hangs: thirty times as long as it takes undisturbed.
const PATIENCE: Duration = Duration::from_secs(300);
const WORKERS: usize = 3;

const SWEEP: &str = r#"
schema = 1
name   = "simulated"
[data]
dataset = { format = "csv", training = "training.csv", test = "test.csv", label = "class" }
[replicates]
count = 8
seed  = 3
[base]
hidden     = [3]
epochs     = 3
batch_size = 8
[[study]]
name = "s"
[study.axes]
activation = ["relu", "tanh"]
"#;

/// What is submitted: made once for all simulations.
pub(crate) struct Submission {
    pub(crate) open: OpenSweep,
    request: v1::SubmitRequest,
    data: Vec<PathBuf>,
}

impl Submission {
    /// Writes a small data set into a folder, and reads the sweep that names it.
    pub(crate) fn make(folder: &Path) -> Submission {
        let row = |n: u32| format!("{},{},{}\n", n % 7, (n * 5) % 11, ["a", "b"][(n * n % 3 % 2) as usize]);
        let csv = |rows: u32| "x,y,class\n".to_owned() + &(0..rows).map(row).collect::<String>();
        let data = [("training.csv", 40), ("test.csv", 20)].map(|(name, rows)| {
            let path = folder.join(name);
            std::fs::write(&path, csv(rows)).unwrap();
            path
        });
        let sweep = spec::parse(SWEEP, &catalogue()).unwrap();
        let DataSource::Files { format, .. } = &sweep.data.source else { panic!("files are named") };
        let files = dataset::read(format, data.to_vec(), sweep.data.standardize).unwrap();
        let request = v1::SubmitRequest {
            text: SWEEP.to_owned(),
            catalogue: serde_json::to_string(&catalogue()).unwrap(),
            data: Some((&files.manifest).into()),
            numerics: NUMERICS,
            priority: None,
        };
        let frozen = FrozenSweep {
            text: SWEEP.to_owned(),
            catalogue: catalogue(),
            data: files.manifest,
            numerics: NUMERICS,
        };
        Submission { open: frozen.open().unwrap(), request, data: data.to_vec() }
    }
}

/// What is left of a simulation.
pub(crate) struct Remains {
    pub(crate) state: TempDir,
    pub(crate) seen: Seen,
    /// The faults that had begun when the sweep ended, and the names of those that were over and had done something.
    pub(crate) faults: Vec<Fault>,
    pub(crate) fired: Vec<&'static str>,
}

/// Runs the sweep to its end with the faults of a seed, or undisturbed. An error says what did not go as it must.
pub(crate) fn play(seed: Option<u64>, submission: &Arc<Submission>, keys: &Keys) -> Result<Remains, String> {
    let state = tempfile::tempdir().unwrap();
    let witness = Witness::default();
    let _logs = tracing::subscriber::set_default(tracing_subscriber::registry().with(witness.clone()));
    let mut sim = network(seed.unwrap_or(0));
    let workers = populate(&mut sim, seed, state.path(), submission, keys);
    let mut to_begin = seed.map_or_else(Vec::new, |seed| plan(seed, &workers));
    to_begin.sort_by_key(|fault| std::cmp::Reverse(fault.from_ms));
    let (mut begun, mut going, mut fired) = (Vec::new(), Vec::new(), Vec::new());
    loop {
        let now_ms = sim.elapsed().as_millis() as u64;
        for (fault, before) in going.extract_if(.., |(fault, _): &mut (Fault, u64)| fault.until_ms <= now_ms)
        {
            fault.end(&mut sim);
            fired.extend((fault.kind.traces(&witness.seen()) > before).then_some(fault.kind.name()));
        }
        while let Some(fault) = to_begin.pop_if(|fault| fault.from_ms <= now_ms) {
            let before = fault.kind.traces(&witness.seen());
            fault.begin(&mut sim, &witness);
            begun.push(fault.clone());
            going.push((fault, before));
        }
        let is_over = sim.step().map_err(|error| format!("after {now_ms} ms: {error} ({begun:?})"))?;
        let acknowledged = std::mem::take(&mut witness.seen().fresh);
        check_acknowledged(state.path(), &acknowledged)
            .map_err(|what| format!("after {now_ms} ms: {what} ({begun:?})"))?;
        if is_over {
            break;
        }
    }
    drop(sim);
    let seen = witness.seen().clone();
    Ok(Remains { state, seen, faults: begun, fired })
}

fn network<'a>(seed: u64) -> Sim<'a> {
    Builder::new()
        .rng_seed(seed)
        .tick_duration(TICK)
        .simulation_duration(PATIENCE)
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(LATENCY)
        .tcp_capacity(16 * 1024)
        .enable_random_order()
        .build()
}

/// Puts everyone in their place, and returns the workers.
fn populate(
    sim: &mut Sim<'_>,
    seed: Option<u64>,
    state: &Path,
    submission: &Arc<Submission>,
    keys: &Keys,
) -> Vec<String> {
    let (at, for_coordinator) = (state.join(COORDINATOR), keys.clone());
    sim.host(COORDINATOR, move || hosts::coordinator(for_coordinator.clone(), at.clone()));
    let workers: Vec<String> = (1..=WORKERS).map(|number| format!("worker-{number}")).collect();
    for (number, name) in (0..).zip(&workers) {
        let (keys, name, at) = (keys.clone(), name.clone(), state.join(name));
        let pace = seed.map_or(Pace::Slow, |seed| Pace::Chance(seed.wrapping_add(number)));
        sim.host(name.clone(), move || hosts::worker(keys.clone(), name.clone(), at.clone(), pace));
    }
    let user = hosts::user(keys.clone(), submission.request.clone(), submission.data.clone());
    sim.client("user", user);
    workers
}
