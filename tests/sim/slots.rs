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
/// The same where nothing is left to chance: an attempt takes longer than its lease, which has to be renewed.
const SLOW_STEP_MS: std::ops::Range<u64> = 300..301;
/// Every eighth result is said twice.
const SAID_TWICE: u64 = 8;

/// How long attempts take.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// All alike, longer than a lease.
    Slow,
    /// As a seed decides.
    Chance(u64),
}

/// The slots of one worker.
pub(crate) struct Simulated {
    pub(crate) pace: Pace,
    pub(crate) events: mpsc::Sender<SlotEvent>,
}

impl Slots for Simulated {
    fn start(&self, job: Job) {
        let name = u64::from_le_bytes(job.fence.trial.0[..8].try_into().expect("ids have sixteen bytes"));
        let of_attempt = name ^ u64::from(job.fence.attempt.0) ^ job.fence.term.0 << 32;
        let (mut random, step_ms) = match self.pace {
            Pace::Slow => (Random::new(of_attempt), SLOW_STEP_MS),
            Pace::Chance(seed) => (Random::new(seed ^ of_attempt), STEP_MS.0),
        };
        let is_straggler = matches!(self.pace, Pace::Chance(_)) && random.within(0..16) == 0;
        let step_ms = if is_straggler { STEP_MS.1 } else { step_ms };
        tokio::spawn(run(job, random, step_ms, self.events.clone()));
    }
}

async fn run(job: Job, mut random: Random, step_ms: std::ops::Range<u64>, events: mpsc::Sender<SlotEvent>) {
    let fence = job.fence;
    let outcome = match outcome(&job) {
        Ok(outcome) => outcome,
        Err(failure) => return say(&events, SlotEvent::Failed { fence, failure }).await,
    };
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
