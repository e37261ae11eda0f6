//! `gridsweep plan`: what would this sweep file run? Writes nothing.

use crate::args::{Global, PlanArgs, PlanFormat};
use crate::error::{CommandError, Ending};
use crate::output::{counted, duration, grouped, print_result};
use crate::results;
use crate::sweep_file::{self, SweepFile};
use crate::work::{Work, flops};
use gridsweep_common::frozen::OpenSweep;
use gridsweep_common::search::Search;
use gridsweep_coordinator::core::TrialEnd;
use gridsweep_coordinator::store::{SqliteReader, StoreError};
use gridsweep_worker::dataset::Shape;
use serde::Serialize;
use std::fmt::Write;

/// What a plan says.
#[derive(Serialize, Debug)]
struct Plan {
    schema: u32,
    name: String,
    data: DataPlan,
    studies: Vec<StudyPlan>,
    /// Shared ones counted once.
    cells: u64,
    replicates: u32,
    /// Shared ones counted once.
    trials: u64,
    /// Trials that have ended already, in this state folder.
    ended: u64,
    /// Dense operations of all trials at their most epochs.
    flops: f64,
    /// How long the rest takes at most at the pace measured here, in seconds; null where nothing was measured yet.
    seconds_at_most: Option<f64>,
}

/// How much there is to learn from.
#[derive(Serialize, Debug)]
struct DataPlan {
    /// The part held out for validation included.
    training_samples: usize,
    inputs: usize,
    classes: usize,
}

#[derive(Serialize, Debug)]
struct StudyPlan {
    name: String,
    axes: Vec<String>,
    cells: u64,
    /// Cells that an earlier study has too.
    shared: u64,
    excluded: Vec<ExcludedPlan>,
}

#[derive(Serialize, Debug)]
struct ExcludedPlan {
    reason: String,
    cells: u64,
}

pub(crate) fn plan(args: &PlanArgs, global: &Global) -> Result<Ending, CommandError> {
    let file = sweep_file::read(&args.sweep)?;
    let open = file.freeze_without_files();
    let plan = make(&file, &open, global)?;
    let text = match args.format {
        PlanFormat::Table => render(&plan),
        PlanFormat::Json => {
            let json = serde_json::to_string_pretty(&plan).map_err(CommandError::unexpected)?;
            json + "\n"
        }
    };
    print_result(&text)?;
    Ok(Ending::Done)
}

fn make(file: &SweepFile, open: &OpenSweep, global: &Global) -> Result<Plan, CommandError> {
    let sweep = &open.sweep;
    let grid = sweep.grid();
    let work = Work::of(file.data.shape(), sweep.data.validation.fraction);
    let total = work.total(open);
    let done = done(open, &work, global)?;
    let Shape { inputs, classes, training } = file.data.shape();
    let study = |(number, study): (usize, &gridsweep_common::spec::Study)| {
        let of = grid.study(number);
        let excluded = of.excluded().iter();
        StudyPlan {
            name: study.name.clone(),
            axes: study.axes.iter().map(|axis| axis.name.clone()).collect(),
            cells: of.cells(),
            shared: of.cells() - of.new_cells(),
            excluded: excluded.map(|e| ExcludedPlan { reason: e.reason.clone(), cells: e.cells }).collect(),
        }
    };
    Ok(Plan {
        schema: 1,
        name: sweep.name.clone(),
        data: DataPlan { training_samples: training, inputs, classes },
        studies: sweep.studies.iter().enumerate().map(study).collect(),
        cells: grid.cells(),
        replicates: grid.replicates(),
        trials: grid.trials(),
        ended: done.trials,
        flops: total,
        seconds_at_most: done.rate.map(|rate| (total - done.operations).max(0.0) / rate),
    })
}

/// What the state folder holds of the sweep already.
#[derive(Default)]
struct Done {
    trials: u64,
    /// The operations of those trials at their most epochs.
    operations: f64,
    /// Operations a second, on all cores, counted by the epochs that really ran.
    rate: Option<f64>,
}

fn done(open: &OpenSweep, work: &Work, global: &Global) -> Result<Done, CommandError> {
    let reader = match SqliteReader::open(&global.state) {
        Ok(reader) => reader,
        Err(StoreError::Absent { .. }) => return Ok(Done::default()),
        Err(error) => return Err(error.into()),
    };
    let mut done = Done::default();
    let mut ids = Vec::new();
    results::for_each_ended(&reader, open, 0, |_, trial| {
        if trial.end == TrialEnd::Cancelled {
            return;
        }
        let operations = work.trial(&trial.spec.choices);
        done.trials += 1;
        done.operations += operations;
        if let Some(summary) = &trial.summary {
            let most = trial.spec.choices.get("epochs").and_then(|epochs| epochs.as_number()).unwrap_or(1.0);
            ids.push((trial.id, operations * f64::from(summary.epochs) / most));
        }
    })?;
    done.rate = rate(&reader, &ids)?;
    Ok(done)
}

/// How many finished trials the pace is measured over.
const SAMPLE_TRIALS: usize = 50;

fn rate(
    reader: &SqliteReader,
    ids: &[(gridsweep_common::id::TrialId, f64)],
) -> Result<Option<f64>, CommandError> {
    use gridsweep_coordinator::store::Reader;
    let (mut operations, mut seconds) = (0.0, 0.0);
    for (id, of) in ids.iter().take(SAMPLE_TRIALS) {
        let attempts = reader.attempts(*id)?;
        let Some(last) = attempts.iter().rev().find(|attempt| attempt.state == "finished") else { continue };
        let Some(ended_ms) = last.ended_ms else { continue };
        operations += of;
        seconds += (ended_ms - last.started_ms).max(0) as f64 / 1000.0;
    }
    Ok((seconds > 0.0).then(|| operations / seconds * gridsweep_worker::cores() as f64))
}

fn render(plan: &Plan) -> String {
    let mut text = String::new();
    let width = plan.studies.iter().map(|study| study.name.chars().count()).max().unwrap_or(0);
    // Writing to a string does not fail.
    let DataPlan { training_samples, inputs, classes } = plan.data;
    let (samples, inputs) = (counted(training_samples as u64, "sample"), counted(inputs as u64, "input"));
    let _ = writeln!(text, "{}: {samples} of {inputs}, {classes} classes", plan.name);
    for study in &plan.studies {
        let axes = if study.axes.is_empty() { "one cell".to_owned() } else { study.axes.join(" × ") };
        let shared = if study.shared > 0 {
            format!(", {} of them in an earlier study", grouped(study.shared))
        } else {
            String::new()
        };
        let _ = writeln!(text, "  {:width$}  {}{shared}  ({axes})", study.name, counted(study.cells, "cell"));
        for excluded in &study.excluded {
            let cells = counted(excluded.cells, "cell");
            let _ = writeln!(text, "  {:width$}  {cells} excluded: {}", "", excluded.reason);
        }
    }
    let (cells, replicates) = (counted(plan.cells, "cell"), counted(u64::from(plan.replicates), "replicate"));
    let _ = writeln!(text, "{cells} × {replicates} = {}", counted(plan.trials, "trial"));
    if plan.ended > 0 {
        let _ = writeln!(text, "{} have ended already and are not run again", counted(plan.ended, "trial"));
    }
    let _ = writeln!(text, "{} of dense arithmetic, if every trial runs all its epochs", flops(plan.flops));
    match plan.seconds_at_most {
        Some(seconds) => {
            let _ =
                writeln!(text, "at most {} here, at the pace of the trials that ended", duration(seconds));
        }
        None => {
            let _ = writeln!(text, "how long that takes here can be told once a trial has ended");
        }
    }
    text
}
