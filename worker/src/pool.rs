//! The slots: threads that run a trial each. Idle ones lend their processors to the others.

use crate::checkpoint::{CheckpointFiles, Framed};
use crate::hardware::memory_bytes;
use crate::lending::{Lending, Seat};
use crate::pace::Pace;
use crate::usage::{Held, UsageMeter};
use crate::weights::WeightsFiles;
use gridsweep_common::id::{Fence, TrialId};
use gridsweep_common::metric::{EpochMetrics, Outcome};
use gridsweep_common::trial::{Failure, FailureKind, TrialSpec};
use gridsweep_engine::{Checkpoint, Dataset, Interrupted, Kernel, Observer, Recipe, Training};
use gridsweep_proto::CHECKPOINT_BYTES_MAX;
use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// What a slot says.
#[derive(Debug)]
pub enum SlotEvent {
    /// The attempt goes on from a checkpoint.
    Resumed {
        /// The attempt.
        fence: Fence,
        /// Epochs completed there.
        epoch: u32,
        /// Steps of the next epoch completed there.
        step: u32,
    },
    /// An epoch is done.
    Epoch {
        /// The attempt.
        fence: Fence,
        /// What it gave.
        metrics: EpochMetrics,
    },
    /// The trial has its result.
    Finished {
        /// The attempt.
        fence: Fence,
        /// The result.
        outcome: Outcome,
    },
    /// The attempt gave none.
    Failed {
        /// The attempt.
        fence: Fence,
        /// Why.
        failure: Failure,
    },
    /// The attempt was stopped as asked.
    Stopped {
        /// The attempt.
        fence: Fence,
    },
    /// A checkpoint was sent to the coordinator, or could not be.
    Uploaded {
        /// The attempt.
        fence: Fence,
        /// How far it had come: epochs completed, and steps of the next one.
        progress: (u32, u32),
    },
    /// Weights were offered to the coordinator; what is not settled is to be offered again.
    WeightsOffered {
        /// Whose.
        trial: TrialId,
        /// How often they were.
        tries: u32,
        /// Whether they are there, or not wanted.
        is_settled: bool,
    },
}

/// One attempt to run.
pub struct Job {
    /// The attempt.
    pub fence: Fence,
    /// What it computes.
    pub spec: TrialSpec,
    /// Its data, loaded.
    pub data: Arc<Dataset>,
    /// The state that an earlier attempt had come to elsewhere, where that is farther than what is here.
    pub state: Option<Vec<u8>>,
    /// How many bytes of weights the trial may leave.
    pub weights_bytes_max: u64,
    /// How others see the attempt, and stop it.
    pub watch: Arc<SlotWatch>,
}

/// An attempt in its slot, as others see it.
#[derive(Debug, Default)]
pub struct SlotWatch {
    is_stopped: AtomicBool,
    epochs: AtomicU32,
    steps: AtomicU64,
    /// The newest checkpoint that was not sent yet.
    unsent: Mutex<Option<Arc<Framed>>>,
}

impl SlotWatch {
    /// Asks the attempt to stop at its next step.
    pub(crate) fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }

    /// Returns whether the attempt was asked to stop.
    pub fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Relaxed)
    }

    /// Takes note of a step, and of how many epochs are completed with it.
    pub fn step(&self, epochs: u32) {
        self.epochs.store(epochs, Ordering::Relaxed);
        self.steps.fetch_add(1, Ordering::Relaxed);
    }

    /// Leaves a checkpoint to be sent, in the place of one that was not.
    fn leave(&self, checkpoint: Arc<Framed>) {
        *self.unsent.lock().unwrap_or_else(PoisonError::into_inner) = Some(checkpoint);
    }

    /// Takes the newest checkpoint, if it was not taken yet.
    pub(crate) fn take_unsent(&self) -> Option<Arc<Framed>> {
        self.unsent.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Returns the epochs completed, and the steps since it got its slot.
    pub(crate) fn progress(&self) -> (u32, u64) {
        (self.epochs.load(Ordering::Relaxed), self.steps.load(Ordering::Relaxed))
    }
}

/// What runs attempts, each in a slot of its own, and says what comes of them.
pub trait Slots: Send + Sync {
    /// Runs an attempt as soon as a slot is free.
    fn start(&self, job: Job);
}

/// A thread a slot.
#[derive(Debug)]
pub(crate) struct Pool {
    jobs: std::sync::mpsc::Sender<Job>,
}

/// What all slots have in common.
struct Threads {
    jobs: Mutex<std::sync::mpsc::Receiver<Job>>,
    kernel: Kernel,
    checkpoints: Checkpointing,
    lending: Lending,
    weights: WeightsFiles,
    meter: Arc<UsageMeter>,
    events: mpsc::Sender<SlotEvent>,
}

/// Where checkpoints are left, and how often.
#[derive(Clone, Debug)]
pub(crate) struct Checkpointing {
    pub(crate) files: CheckpointFiles,
    pub(crate) every: Duration,
    /// Whether the coordinator gets them too.
    pub(crate) are_sent: bool,
}

impl Pool {
    /// Makes `slots` threads that report to `events`; a slot waits when nobody takes what it reports.
    pub(crate) fn new(
        slots: usize,
        kernel: Kernel,
        checkpoints: Checkpointing,
        weights: WeightsFiles,
        meter: Arc<UsageMeter>,
        events: mpsc::Sender<SlotEvent>,
    ) -> std::io::Result<Pool> {
        let (sender, jobs) = std::sync::mpsc::channel();
        let (jobs, lending) = (Mutex::new(jobs), Lending::new(slots));
        let all = Arc::new(Threads { jobs, kernel, checkpoints, weights, lending, meter, events });
        for number in 0..slots {
            let all = Arc::clone(&all);
            // Its end is that of the worker: nobody waits for it.
            std::thread::Builder::new().name(format!("slot-{number}")).spawn(move || all.serve())?;
        }
        Ok(Pool { jobs: sender })
    }
}

impl Slots for Pool {
    /// A panic ends the attempt and nothing else.
    fn start(&self, job: Job) {
        // The slots end after the pool does.
        let _ = self.jobs.send(job);
    }
}

impl Threads {
    /// Runs one attempt after the other.
    fn serve(&self) {
        while let Some(job) = self.next() {
            let (fence, held) = (job.fence, self.meter.hold(Instant::now()));
            let event = catch_unwind(AssertUnwindSafe(|| self.run(&job, &held))).unwrap_or_else(|panic| {
                let failure = Failure { kind: FailureKind::Panic, detail: panic_message(panic.as_ref()) };
                SlotEvent::Failed { fence, failure }
            });
            // Nobody listens any more only when the worker ends.
            let _ = self.events.blocking_send(event);
            held.end(Instant::now());
        }
    }

    /// Waits for the next attempt; `None` when there is no pool any more.
    fn next(&self) -> Option<Job> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
    }

    fn run(&self, job: &Job, held: &Held<'_>) -> SlotEvent {
        let Threads { kernel, checkpoints, weights, lending, events, .. } = self;
        let fence = job.fence;
        let recipe = match Recipe::from_choices(&job.spec.choices) {
            Ok(recipe) => recipe,
            Err(error) => {
                let failure = Failure { kind: FailureKind::Internal, detail: error.to_string() };
                return SlotEvent::Failed { fence, failure };
            }
        };
        if let Some(failure) = too_large(&recipe, &job.data) {
            return SlotEvent::Failed { fence, failure };
        }
        let fresh = || {
            let training = Training::new(&recipe, &job.data, job.spec.validation, job.spec.seed, *kernel);
            match lending.crew() {
                Some(crew) => training.helped_by(crew),
                None => training,
            }
        };
        let training = resumed(job, fresh, checkpoints, events);
        let seat = lending.seat(Instant::now());
        let bytes = recipe.parameters(job.data.inputs_per_sample(), job.data.classes()).saturating_mul(4);
        let weights = (bytes <= job.weights_bytes_max).then_some(weights);
        let last = Instant::now();
        let mut reporter = Reporter {
            fence,
            watch: &job.watch,
            seat,
            pace: Pace::new(),
            held,
            checkpoints,
            weights,
            last,
            events,
        };
        held.train(last);
        let ended = training.run(&mut reporter);
        held.pause(Instant::now());
        match ended {
            Ok(outcome) => SlotEvent::Finished { fence, outcome },
            Err(Interrupted) => SlotEvent::Stopped { fence },
        }
    }
}

/// Goes on from the trial's checkpoint, if there is one that this version reads: from elsewhere, or from here.
fn resumed<'a>(
    job: &'a Job,
    fresh: impl Fn() -> Training<'a>,
    checkpoints: &Checkpointing,
    events: &mpsc::Sender<SlotEvent>,
) -> Training<'a> {
    let fence = job.fence;
    let here = std::iter::once_with(|| checkpoints.files.read(fence.trial).map(Cow::Owned));
    let elsewhere = job.state.as_deref().map(Cow::Borrowed);
    for state in std::iter::once(elsewhere).chain(here).flatten() {
        let mut training = fresh();
        if let Err(error) = training.resume(&state) {
            tracing::warn!(trial = %fence.trial, %error, "a checkpoint is of no use");
            if matches!(state, Cow::Owned(_)) {
                checkpoints.files.remove(fence.trial);
            }
            continue;
        }
        let (epoch, step) = training.progress();
        job.watch.epochs.store(epoch, Ordering::Relaxed);
        // Nobody listens any more only when the worker ends.
        let _ = events.blocking_send(SlotEvent::Resumed { fence, epoch, step });
        return training;
    }
    fresh()
}

/// Bytes that a parameter takes while it is trained: itself and two moments.
const PARAMETER_BYTES: u64 = 12;

/// Refuses a network that this machine's memory cannot hold: asking for it would end the process, and its neighbours.
fn too_large(recipe: &Recipe, data: &Dataset) -> Option<Failure> {
    const GIB: u64 = 1 << 30;
    let parameters = recipe.parameters(data.inputs_per_sample(), data.classes());
    let (needed, memory) = (parameters.saturating_mul(PARAMETER_BYTES), memory_bytes()?);
    let detail = format!(
        "{parameters} parameters need {} GiB of memory, this machine has {} GiB",
        needed.div_ceil(GIB),
        memory / GIB
    );
    (needed > memory).then_some(Failure { kind: FailureKind::OutOfMemory, detail })
}

struct Reporter<'a> {
    fence: Fence,
    watch: &'a SlotWatch,
    seat: Seat<'a>,
    pace: Pace,
    held: &'a Held<'a>,
    checkpoints: &'a Checkpointing,
    /// Where the weights go, if they are wanted.
    weights: Option<&'a WeightsFiles>,
    /// When the last checkpoint was left, or the attempt began.
    last: Instant,
    events: &'a mpsc::Sender<SlotEvent>,
}

impl Observer for Reporter<'_> {
    /// A preview: dropped rather than waited for when the session is slow.
    fn epoch(&mut self, metrics: &EpochMetrics) {
        if is_poison(self.fence) {
            std::process::abort();
        }
        self.watch.epochs.store(metrics.epoch.saturating_add(1), Ordering::Relaxed);
        self.pace.pause();
        let _ = self.events.try_send(SlotEvent::Epoch { fence: self.fence, metrics: *metrics });
    }

    fn is_interrupted(&mut self) -> bool {
        self.watch.steps.fetch_add(1, Ordering::Relaxed);
        self.watch.is_stopped.load(Ordering::Relaxed)
    }

    fn threads(&mut self) -> usize {
        let now = Instant::now();
        self.pace.threads(self.seat.threads(now), now)
    }

    fn wants_checkpoint(&mut self) -> bool {
        self.last.elapsed() >= self.checkpoints.every
    }

    fn checkpoint(&mut self, checkpoint: &Checkpoint) {
        self.held.pause(Instant::now());
        let framed = Framed::new(self.fence.trial, checkpoint);
        self.checkpoints.files.write(self.fence.trial, &framed);
        if self.checkpoints.are_sent && framed.bytes.len() as u64 <= CHECKPOINT_BYTES_MAX {
            self.watch.leave(Arc::new(framed));
        }
        self.last = Instant::now();
        self.held.train(self.last);
        self.pace.pause();
    }

    fn wants_weights(&self) -> bool {
        self.weights.is_some()
    }

    fn weights(&mut self, tensors: Vec<u8>) {
        if let Some(weights) = self.weights {
            self.held.pause(Instant::now());
            weights.write(self.fence.trial, &tensors);
            self.held.train(Instant::now());
        }
    }
}

/// Returns whether the trial is to end its worker's process: where a test says so by the beginning of its id, in a debug
/// build with failpoints.
fn is_poison(fence: Fence) -> bool {
    let _named = |id: Option<String>| id.is_some_and(|id| fence.trial.to_string().starts_with(&id));
    #[cfg(debug_assertions)]
    fail::fail_point!("trial_aborts", _named);
    false
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text =
        panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without words").to_owned()
}
