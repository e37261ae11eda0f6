//! Where the time of an epoch goes, beside what the processor could do in it.

use crate::setting::Arguments;
use gridsweep_common::data::{Pick, Validation};
use gridsweep_common::metric::EpochMetrics;
use gridsweep_common::seed::SeedKey;
use gridsweep_engine::measure::multiply_adds;
use gridsweep_engine::{Dataset, Kernel, Observer, Phase, Probe, SPARSE_BELOW, Training};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Instant;

/// Samples of an epoch that are trained on.
const SAMPLES: f64 = 48_000.0;

/// Trains and prints a line a phase: milliseconds an epoch, and the rate of its multiply-adds, counted as two operations
/// each: those that are executed, and those of the same products if no zero were skipped ("dense-equivalent"). What the
/// activations, the penalty and the optimizer compute takes time and is not counted. How many zeros there are between the
/// layers changes as the network learns: what is executed is the mean of the epochs.
pub(crate) fn print(arguments: &Arguments, data: &Dataset) {
    let before = peak(arguments.kernel);
    let epochs = phases(arguments, data);
    let after = peak(arguments.kernel);
    println!(
        "multiply-adds in registers, {}: {before:.1} GFLOP/s before, {after:.1} after",
        arguments.kernel.name()
    );
    println!("{:<14} {:>9} {:>9} {:>9} {:>9}", "phase", "least ms", "median ms", "executed", "dense-eq.");
    let work = work(&arguments.hidden, data, &epochs);
    let mut total = [0.0; 4];
    for phase in Phase::ALL {
        let mut times: Vec<f64> =
            epochs.iter().map(|epoch| epoch.get(&phase).map_or(0.0, |spent| spent.ms)).collect();
        times.sort_by(f64::total_cmp);
        let (executed, dense) = work.get(&phase).copied().unwrap_or((0.0, 0.0));
        let figures = [times[0], times[times.len() / 2], executed, dense];
        line(&format!("{phase:?}"), figures);
        total.iter_mut().zip(figures).for_each(|(total, figure)| *total += figure);
    }
    line("all", total);
    println!("GFLOP/s at the median; the sum of the least times is of no epoch that there was");
}

fn line(name: &str, [least, median, executed, dense]: [f64; 4]) {
    let rate = |work: f64| if work > 0.0 { format!("{:.1}", work / median / 1e6) } else { String::new() };
    println!("{name:<14} {least:>9.2} {median:>9.2} {:>9} {:>9}", rate(executed), rate(dense));
}

/// Returns GFLOP/s of multiply-adds that wait for nothing: the best of some tries of a few milliseconds.
fn peak(kernel: Kernel) -> f64 {
    let rate = |_| {
        let start = Instant::now();
        let done = multiply_adds(kernel, 1_000_000);
        2.0 * done as f64 / start.elapsed().as_secs_f64() / 1e9
    };
    (0..20).map(rate).fold(0.0, f64::max)
}

/// Returns operations an epoch of each phase with products: executed and dense-equivalent.
fn work(hidden: &[usize], data: &Dataset, epochs: &[Spent]) -> BTreeMap<Phase, (f64, f64)> {
    let (inputs, classes) = (data.inputs_per_sample() as f64, data.classes() as f64);
    let units: Vec<f64> = hidden.iter().map(|&units| units as f64).chain([classes]).collect();
    let first = 2.0 * SAMPLES * inputs * units[0];
    let others: f64 = units.windows(2).map(|pair| 2.0 * SAMPLES * pair[0] * pair[1]).sum();
    let density = data.density();
    let first = (if density < SPARSE_BELOW { first * density } else { first }, first);
    let counted = |phase| {
        let counts = epochs.iter().filter_map(|epoch| epoch.get(&phase));
        2.0 * counts.map(|spent| spent.multiply_adds as f64).sum::<f64>() / epochs.len() as f64
    };
    let of_others = |phase| (phase, (counted(phase), others));
    BTreeMap::from([
        (Phase::ForwardFirst, first),
        of_others(Phase::ForwardOthers),
        of_others(Phase::Back),
        (Phase::MoveFirst, first),
        of_others(Phase::MoveOthers),
    ])
}

/// What the phases of an epoch took.
type Spent = BTreeMap<Phase, Took>;

#[derive(Clone, Copy, Default, Debug)]
struct Took {
    ms: f64,
    multiply_adds: usize,
}

/// Trains and returns what each epoch but the first took.
fn phases(arguments: &Arguments, data: &Dataset) -> Vec<Spent> {
    let stopwatch = Stopwatch(Mutex::new(Running {
        phase: Phase::Between,
        since: Instant::now(),
        spent: Spent::new(),
        epochs: Vec::new(),
    }));
    let recipe = crate::setting::recipe(&arguments.choices);
    let validation = Validation { fraction: 0.2, pick: Pick::Random };
    let seed = SeedKey { root: 1, replicate: 0 };
    let mut course = Course { stopwatch: &stopwatch, left: arguments.epochs + 1 };
    // Interrupted when there were enough epochs: no outcome is missed.
    let _ =
        Training::new(&recipe, data, validation, seed, arguments.kernel).probed(&stopwatch).run(&mut course);
    stopwatch.locked(|running| running.epochs.split_off(1))
}

/// Adds up how long each phase takes.
#[derive(Debug)]
struct Stopwatch(Mutex<Running>);

#[derive(Debug)]
struct Running {
    phase: Phase,
    since: Instant,
    spent: Spent,
    epochs: Vec<Spent>,
}

impl Stopwatch {
    fn locked<T>(&self, change: impl FnOnce(&mut Running) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(|error| panic!("{error}")))
    }
}

impl Probe for Stopwatch {
    fn enter(&self, phase: Phase) {
        let now = Instant::now();
        self.locked(|running| {
            running.spent.entry(running.phase).or_default().ms += (now - running.since).as_secs_f64() * 1e3;
            (running.phase, running.since) = (phase, now);
        });
    }

    fn multiply_adds(&self, count: usize) {
        self.locked(|running| running.spent.entry(running.phase).or_default().multiply_adds += count);
    }
}

/// Lets training run for some epochs.
struct Course<'a> {
    stopwatch: &'a Stopwatch,
    left: u32,
}

impl Observer for Course<'_> {
    fn epoch(&mut self, _: &EpochMetrics) {
        self.stopwatch.enter(Phase::Between);
        self.stopwatch.locked(|running| {
            let spent = std::mem::take(&mut running.spent);
            running.epochs.push(spent);
        });
        self.left -= 1;
    }

    fn is_interrupted(&mut self) -> bool {
        self.left == 0
    }
}
