//! What a training costs beside its time: memory, and checkpoints as a worker leaves them.

use crate::setting::Arguments;
use gridsweep_common::data::{Pick, Validation};
use gridsweep_common::metric::EpochMetrics;
use gridsweep_common::seed::SeedKey;
use gridsweep_engine::{Checkpoint, Dataset, Observer, train};
use peak_alloc::PeakAlloc;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

/// Counts what is allocated. After a training's first step nothing is, so that it costs the times nothing.
#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

/// How often a worker leaves a checkpoint if it is not told otherwise.
const CHECKPOINT_EVERY_S: u32 = 15;
/// Checkpoints that are timed.
const CHECKPOINTS: usize = 9;
/// Steps between them: the caches have forgotten the one before.
const STEPS_BETWEEN: u32 = 40;

/// Prints a line of JSON: bytes that a training of one epoch has allocated at its most, before its first checkpoint and
/// with checkpoints, without the data; bytes of weights, biases and Adam's two moments; milliseconds of each checkpoint.
pub(crate) fn print(arguments: &Arguments, data: &Dataset) {
    let recipe = crate::setting::recipe(&arguments.choices);
    let validation = Validation { fraction: 0.2, pick: Pick::Random };
    let seed = SeedKey { root: 1, replicate: 0 };
    let path = std::env::temp_dir().join(format!("gridsweep-epoch-{}", std::process::id()));
    let before = ALLOCATED.current_usage();
    ALLOCATED.reset_peak_usage();
    let mut keeper = Keeper { path, steps: 0, most_before_any: 0, since: Instant::now(), times: Vec::new() };
    // Interrupted after the last checkpoint: no outcome is missed.
    let _ = train(&recipe, data, validation, seed, arguments.kernel, &mut keeper);
    let most = ALLOCATED.peak_usage();
    // Nothing is lost with the file, and an error here would hide the figures.
    let _ = std::fs::remove_file(&keeper.path);
    let units: Vec<usize> =
        [vec![data.inputs_per_sample()], arguments.hidden.clone(), vec![data.classes()]].concat();
    let parameters: usize = units.windows(2).map(|pair| (pair[0] + 1) * pair[1]).sum();
    println!(
        "{{\"most_bytes\": {}, \"most_bytes_with_checkpoint\": {}, \"state_bytes\": {}, \"checkpoint_every_s\": {CHECKPOINT_EVERY_S}, \"checkpoint_ms\": {:?}}}",
        keeper.most_before_any - before,
        most - before,
        parameters * 3 * size_of::<f32>(),
        keeper.times,
    );
}

/// Wants checkpoints, and writes each to a file.
struct Keeper {
    path: PathBuf,
    steps: u32,
    most_before_any: usize,
    since: Instant,
    times: Vec<f64>,
}

impl Observer for Keeper {
    fn epoch(&mut self, _: &EpochMetrics) {}

    fn is_interrupted(&mut self) -> bool {
        self.times.len() == CHECKPOINTS
    }

    fn wants_checkpoint(&mut self) -> bool {
        self.steps += 1;
        if !self.steps.is_multiple_of(STEPS_BETWEEN) {
            return false;
        }
        if self.times.is_empty() {
            self.most_before_any = ALLOCATED.peak_usage();
        }
        self.since = Instant::now();
        true
    }

    /// Does what a worker does: a digest, a file that is on the disk, its name.
    fn checkpoint(&mut self, checkpoint: &Checkpoint) {
        if self.times.len() == CHECKPOINTS {
            return;
        }
        let partial = self.path.with_extension("part");
        let write = || {
            let mut file = File::create(&partial)?;
            file.write_all(blake3::hash(&checkpoint.bytes).as_bytes())?;
            file.write_all(&checkpoint.bytes)?;
            file.sync_data()?;
            std::fs::rename(&partial, &self.path)
        };
        write().unwrap_or_else(|error| panic!("{}: {error}", partial.display()));
        self.times.push(self.since.elapsed().as_secs_f64() * 1e3);
    }
}
