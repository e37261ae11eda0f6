//! Slots in which attempts take simulated time. What they compute is the engine's, at once, while the clock stands still.

use crate::random::Random;
use gridsweep_common::metric::{EpochMetrics, Outcome};
use gridsweep_common::trial::{Failure, FailureKind};
use gridsweep_engine::{Kernel, Observer, Recipe, Training};
use gridsweep_worker::{Job, SlotEvent, Slots};
use std::time::Duration;
use tokio::sync::mpsc;

/// Steps that an epoch is cut into: an attempt that is to stop does so at the next one.
const STEPS_PER_EPOCH: u32 = 4;
/// How long a step takes, in simulated milliseconds; and one of a straggler, which every sixteenth attempt is.
const STEP_MS: (std::ops::Range<u64>, std::ops::Range<u64>) = (20..120, 600..900);
/// Every eighth result is said twice.
const SAID_TWICE: u64 = 8;

/// The slots of one worker.
pub(crate) struct Simulated {
    pub(crate) seed: u64,
    pub(crate) events: mpsc::Sender<SlotEvent>,
}

impl Slots for Simulated {
    fn start(&self, job: Job) {
        let name = u64::from_le_bytes(job.fence.trial.0[..8].try_into().expect("ids have sixteen bytes"));
        let random = Random::new(self.seed ^ name ^ u64::from(job.fence.attempt.0) ^ job.fence.term.0 << 32);
        tokio::spawn(run(job, random, self.events.clone()));
    }
}

async fn run(job: Job, mut random: Random, events: mpsc::Sender<SlotEvent>) {
    let fence = job.fence;
    let outcome = match outcome(&job) {
        Ok(outcome) => outcome,
        Err(failure) => return say(&events, SlotEvent::Failed { fence, failure }).await,
    };
    let step_ms = if random.within(0..16) == 0 { STEP_MS.1 } else { STEP_MS.0 };
    for (epochs, metrics) in (0..).zip(&outcome.epochs) {
        for _ in 0..STEPS_PER_EPOCH {
            tokio::time::sleep(Duration::from_millis(random.within(step_ms.clone()))).await;
            job.watch.step(epochs);
            if job.watch.is_stopped() {
                return say(&events, SlotEvent::Stopped { fence }).await;
            }
        }
        job.watch.step(epochs + 1);
        say(&events, SlotEvent::Epoch { fence, metrics: *metrics }).await;
    }
    say(&events, SlotEvent::Finished { fence, outcome: outcome.clone() }).await;
    if random.within(0..SAID_TWICE) == 0 {
        tokio::time::sleep(Duration::from_millis(random.within(1..3000))).await;
        say(&events, SlotEvent::Finished { fence, outcome }).await;
    }
}

async fn say(events: &mpsc::Sender<SlotEvent>, event: SlotEvent) {
    // Nobody listens any more only when the worker ends.
    let _ = events.send(event).await;
}

fn outcome(job: &Job) -> Result<Outcome, Failure> {
    let internal = |detail: String| Failure { kind: FailureKind::Internal, detail };
    let recipe = Recipe::from_choices(&job.spec.choices).map_err(|error| internal(error.to_string()))?;
    let kernel = Kernel::detect();
    let training = Training::new(&recipe, &job.data, job.spec.validation, job.spec.seed, kernel);
    training.run(&mut Unwatched).map_err(|error| internal(error.to_string()))
}

struct Unwatched;

impl Observer for Unwatched {
    fn epoch(&mut self, _: &EpochMetrics) {}

    fn is_interrupted(&mut self) -> bool {
        false
    }
}
