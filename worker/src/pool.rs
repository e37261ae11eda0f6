//! The slots: rayon's threads, one trial each.

use crate::hardware::memory_bytes;
use gridsweep_common::id::Fence;
use gridsweep_common::metric::{EpochMetrics, Outcome};
use gridsweep_common::trial::{Failure, FailureKind, TrialSpec};
use gridsweep_engine::{Dataset, Interrupted, Kernel, Observer, Recipe, train};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::mpsc;

/// What a slot says.
#[derive(Debug)]
pub(crate) enum SlotEvent {
    /// An epoch is done.
    Epoch { fence: Fence, metrics: EpochMetrics },
    /// The trial has its result.
    Finished { fence: Fence, outcome: Outcome },
    /// The attempt gave none.
    Failed { fence: Fence, failure: Failure },
    /// The attempt was stopped as asked.
    Stopped { fence: Fence },
}

/// One attempt to run.
pub(crate) struct Job {
    pub(crate) fence: Fence,
    pub(crate) spec: TrialSpec,
    pub(crate) data: Arc<Dataset>,
    /// Set from outside to stop the attempt.
    pub(crate) stop: Arc<AtomicBool>,
}

/// A thread a slot.
#[derive(Debug)]
pub(crate) struct Pool {
    threads: rayon::ThreadPool,
    kernel: Kernel,
    events: mpsc::Sender<SlotEvent>,
}

impl Pool {
    /// Makes `slots` threads that report to `events`; a slot waits when nobody takes what it reports.
    pub(crate) fn new(
        slots: usize,
        kernel: Kernel,
        events: mpsc::Sender<SlotEvent>,
    ) -> Result<Pool, rayon::ThreadPoolBuildError> {
        let threads = rayon::ThreadPoolBuilder::new()
            .num_threads(slots)
            .thread_name(|n| format!("slot-{n}"))
            .build()?;
        Ok(Pool { threads, kernel, events })
    }

    /// Runs an attempt as soon as a slot is free. A panic ends the attempt and nothing else.
    pub(crate) fn start(&self, job: Job) {
        let (kernel, events) = (self.kernel, self.events.clone());
        self.threads.spawn(move || {
            let fence = job.fence;
            let event =
                catch_unwind(AssertUnwindSafe(|| run(&job, kernel, &events))).unwrap_or_else(|panic| {
                    let failure = Failure { kind: FailureKind::Panic, detail: panic_message(panic.as_ref()) };
                    SlotEvent::Failed { fence, failure }
                });
            // Nobody listens any more only when the worker ends.
            let _ = events.blocking_send(event);
        });
    }
}

fn run(job: &Job, kernel: Kernel, events: &mpsc::Sender<SlotEvent>) -> SlotEvent {
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
    let mut reporter = Reporter { fence, stop: &job.stop, events };
    match train(&recipe, &job.data, job.spec.validation, job.spec.seed, kernel, &mut reporter) {
        Ok(outcome) => SlotEvent::Finished { fence, outcome },
        Err(Interrupted) => SlotEvent::Stopped { fence },
    }
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
    stop: &'a AtomicBool,
    events: &'a mpsc::Sender<SlotEvent>,
}

impl Observer for Reporter<'_> {
    /// A preview: dropped rather than waited for when the session is slow.
    fn epoch(&mut self, metrics: &EpochMetrics) {
        let _ = self.events.try_send(SlotEvent::Epoch { fence: self.fence, metrics: *metrics });
    }

    fn is_interrupted(&mut self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text =
        panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without words").to_owned()
}
