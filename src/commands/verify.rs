//! `gridsweep verify`: runs a sample of recorded trials again on this machine and compares the results to the bit.

use crate::args::{Global, PlanFormat, VerifyArgs};
use crate::data::Data;
use crate::error::{CommandError, Ending};
use crate::output::{counted, note, print_result};
use crate::place::Place;
use crate::results::{self, Results};
use crate::settings::Environment;
use anyhow::{Context, anyhow};
use gridsweep_common::frozen::OpenSweep;
use gridsweep_common::id::Digest;
use gridsweep_common::metric::EpochMetrics;
use gridsweep_coordinator::blob::BlobStore;
use gridsweep_coordinator::store::StoredTrial;
use gridsweep_engine::{Dataset, Kernel, NUMERICS, Observer, Recipe, train};
use gridsweep_worker::dataset;
use serde::Serialize;
use std::io::Read;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How much of the recorded trials is run again.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Sample {
    /// Of every hundred so many, one at least.
    Percent(f64),
    /// So many.
    Trials(usize),
}

/// Reads `5%` or `12`; the error says how it is written.
pub(crate) fn sample(text: &str) -> Result<Sample, String> {
    let wrong = || {
        format!("\"{text}\" is no sample; write it as 5%, at most 100%, or as a number of trials, 1 or more")
    };
    match text.trim().strip_suffix('%') {
        Some(percent) => {
            let percent: f64 = percent.trim().parse().map_err(|_| wrong())?;
            if percent > 0.0 && percent <= 100.0 { Ok(Sample::Percent(percent)) } else { Err(wrong()) }
        }
        None => match text.trim().parse() {
            Ok(trials) if trials > 0 => Ok(Sample::Trials(trials)),
            _ => Err(wrong()),
        },
    }
}

impl Sample {
    fn of(self, all: usize) -> usize {
        match self {
            Sample::Percent(percent) => (all as f64 * percent / 100.0).ceil() as usize,
            Sample::Trials(trials) => trials,
        }
        .clamp(1, all.max(1))
    }
}

#[derive(Serialize, Debug)]
struct Verified {
    schema: u32,
    sweep: String,
    /// Trials with a recorded result, and how many of them were run again.
    recorded: usize,
    verified: usize,
    seed: u64,
    trials: Vec<String>,
    kernel: &'static str,
    different: Vec<Difference>,
}

#[derive(Serialize, Debug)]
struct Difference {
    trial: String,
    cell: String,
    replicate: u32,
    recorded: Digest,
    /// `None` where it could not be computed here.
    here: Option<Digest>,
    why: Option<String>,
}

pub(crate) fn verify(
    args: &VerifyArgs,
    global: &Global,
    environment: &Environment,
) -> Result<Ending, CommandError> {
    let kernel = super::worker::kernel(environment)?;
    let place = Place::open(&args.server, global, environment)?;
    let results = results::load_stored(place.reader(), results::find(place.reader(), &args.sweep)?)?;
    check_numerics(&results.open)?;
    let recorded: Vec<&StoredTrial> =
        results.trials.values().filter(|trial| trial.summary.is_some()).collect();
    let name = results.open.sweep.name.clone();
    if recorded.is_empty() {
        return Err(CommandError::usage(anyhow!("{name} has no recorded result yet")));
    }
    let chosen = choose(&recorded, args.sample, args.seed);
    let data = data(&place, global, environment, &results.open)?;
    note(global.quiet, &format!("{name}: running {} again", counted(chosen.len() as u64, "trial")));
    let mut expected = Vec::new();
    for trial in &chosen {
        let stored = place.reader().results(trial.id)?.recorded;
        expected.push(
            stored.ok_or_else(|| CommandError::unexpected(anyhow!("the result of {} is gone", trial.id)))?,
        );
    }
    let threads = args.threads.map_or(environment.cores, usize::from);
    let computed = compute_all(&chosen, &data, kernel, threads);
    let pairs = chosen.iter().zip(expected).zip(computed);
    let different =
        pairs.filter_map(|((trial, stored), here)| difference(&results, trial, stored.digest, here));
    let verified = Verified {
        schema: 1,
        sweep: name,
        recorded: recorded.len(),
        verified: chosen.len(),
        seed: args.seed,
        trials: chosen.iter().map(|trial| trial.id.to_string()).collect(),
        kernel: kernel.name(),
        different: different.collect(),
    };
    print_result(&match args.format {
        PlanFormat::Table => render(&verified),
        PlanFormat::Json => serde_json::to_string_pretty(&verified).map_err(CommandError::unexpected)? + "\n",
    })?;
    Ok(if verified.different.is_empty() { Ending::Done } else { Ending::FailedTrials })
}

fn check_numerics(open: &OpenSweep) -> Result<(), CommandError> {
    let of_sweep = open.frozen.numerics;
    if of_sweep == NUMERICS {
        return Ok(());
    }
    Err(CommandError::usage(anyhow!(
        "the sweep was computed with numerics {of_sweep}, this version of gridsweep computes with numerics {NUMERICS}"
    ))
    .hint("use the version that ran the sweep"))
}

/// Chooses trials by a hash of the seed and their ids, and keeps them in the order of the grid.
fn choose<'a>(recorded: &[&'a StoredTrial], sample: Sample, seed: u64) -> Vec<&'a StoredTrial> {
    let mut order: Vec<usize> = (0..recorded.len()).collect();
    order.sort_by_key(|&n| {
        let mut bytes = seed.to_le_bytes().to_vec();
        bytes.extend(recorded[n].id.0);
        Digest::of(&bytes)
    });
    order.truncate(sample.of(recorded.len()));
    order.sort_unstable();
    order.into_iter().map(|n| recorded[n]).collect()
}

/// Reads the sweep's data: as it was submitted, from the state folder, or as it is known by name on this machine.
fn data(
    place: &Place,
    global: &Global,
    environment: &Environment,
    open: &OpenSweep,
) -> Result<Dataset, CommandError> {
    let manifest = &open.frozen.data;
    let files = match place {
        Place::Folder { .. } => stored_files(&global.state.join("blobs"), open)?,
        Place::Server(_) => {
            let data = Data::of(&open.sweep.data, Path::new("sweep.toml"), &open.sweep.name).map_err(|error| {
                error.hint("with --server the data must be here too; or run this where the state folder is, with --state")
            })?;
            let (found, paths) = data.files(Path::new("sweep.toml"), environment)?;
            if found.digest() != manifest.digest() {
                return Err(CommandError::usage(anyhow!(
                    "the data on this machine are not those of the sweep"
                )));
            }
            let read = |path: &std::path::PathBuf| {
                std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
            };
            paths.iter().map(read).collect::<Result<_, _>>().map_err(CommandError::infrastructure)?
        }
    };
    dataset::decode(manifest, &files).map_err(CommandError::infrastructure)
}

fn stored_files(folder: &Path, open: &OpenSweep) -> Result<Vec<Vec<u8>>, CommandError> {
    let blobs = BlobStore::open(folder).map_err(CommandError::infrastructure)?;
    let mut files = Vec::new();
    for file in &open.frozen.data.files {
        let mut bytes = Vec::new();
        let blob = blobs.read(file.blob).map_err(CommandError::infrastructure)?;
        let mut blob = blob.ok_or_else(|| {
            CommandError::infrastructure(anyhow!("the sweep's data are not in {} any more", folder.display()))
                .hint("submit or run the sweep again: that brings them back")
        })?;
        blob.read_to_end(&mut bytes).map_err(CommandError::infrastructure)?;
        files.push(bytes);
    }
    Ok(files)
}

/// Computes trials on some threads; returns what came out, in their order.
fn compute_all(
    trials: &[&StoredTrial],
    data: &Dataset,
    kernel: Kernel,
    threads: usize,
) -> Vec<Result<Digest, String>> {
    let next = AtomicUsize::new(0);
    let computed: Mutex<Vec<Option<Result<Digest, String>>>> = Mutex::new(vec![None; trials.len()]);
    std::thread::scope(|scope| {
        for _ in 0..threads.clamp(1, trials.len()) {
            scope.spawn(|| {
                while let Some((n, trial)) = take(&next, trials) {
                    let digest = compute(trial, data, kernel);
                    let mut computed = computed.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    computed[n] = Some(digest);
                }
            });
        }
    });
    let computed = computed.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    computed.into_iter().map(|one| one.unwrap_or_else(|| Err("it was not computed".to_owned()))).collect()
}

fn take<'a>(next: &AtomicUsize, trials: &[&'a StoredTrial]) -> Option<(usize, &'a StoredTrial)> {
    let n = next.fetch_add(1, Ordering::Relaxed);
    trials.get(n).map(|trial| (n, *trial))
}

/// Lets a training run to its end.
struct Patient;

impl Observer for Patient {
    fn epoch(&mut self, _: &EpochMetrics) {}

    fn is_interrupted(&mut self) -> bool {
        false
    }
}

fn compute(trial: &StoredTrial, data: &Dataset, kernel: Kernel) -> Result<Digest, String> {
    let spec = &trial.spec;
    let recipe = Recipe::from_choices(&spec.choices).map_err(|error| error.to_string())?;
    let outcome = train(&recipe, data, spec.validation, spec.seed, kernel, &mut Patient);
    outcome.map(|outcome| outcome.digest()).map_err(|error| error.to_string())
}

fn difference(
    results: &Results,
    trial: &StoredTrial,
    recorded: Digest,
    here: Result<Digest, String>,
) -> Option<Difference> {
    let (here, why) = match here {
        Ok(digest) if digest == recorded => return None,
        Ok(digest) => (Some(digest), None),
        Err(why) => (None, Some(why)),
    };
    let (cell, replicate) = (results.labels.cell(&trial.spec.choices), trial.spec.seed.replicate);
    Some(Difference { trial: trial.id.to_string(), cell, replicate, recorded, here, why })
}

fn render(verified: &Verified) -> String {
    let Verified { sweep, recorded, verified: count, kernel, different, .. } = verified;
    let of = format!("{sweep}: {count} of {}", counted(*recorded as u64, "recorded trial"));
    if different.is_empty() {
        return format!("{of} run again with the {kernel} kernel: equal to the bit\n");
    }
    let verb = if different.len() == 1 { "differs" } else { "differ" };
    let mut text = format!("{of} run again with the {kernel} kernel: {} {verb}\n", different.len());
    for Difference { trial, cell, replicate, recorded, here, why } in different {
        let here = here.map(|digest| digest.to_string()).or_else(|| why.clone()).unwrap_or_default();
        text.push_str(&format!(
            "  {trial}  {cell} replicate {replicate}\n    recorded  {recorded}\n    here      {here}\n"
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_a_share_or_a_number_and_never_empty() {
        let of = |text, all| sample(text).map(|sample| sample.of(all));
        assert_eq!(of("5%", 100), Ok(5));
        assert_eq!(of("5%", 3), Ok(1));
        assert_eq!(of("33.4 %", 3), Ok(2));
        assert_eq!(of("100%", 7), Ok(7));
        assert_eq!(of("4", 100), Ok(4));
        assert_eq!(of("400", 100), Ok(100));
        for wrong in ["0", "0%", "-1%", "101%", "NaN%", "half", "", "%"] {
            assert!(of(wrong, 100).unwrap_err().contains("write it as 5%"), "{wrong}");
        }
    }
}
