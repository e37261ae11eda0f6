//! `gridsweep status`: how sweeps stand, read from the state folder, whether or not a coordinator writes to it, or through
//! a coordinator, which knows why nothing runs.

use crate::args::{Global, PlanFormat, StatusArgs};
use crate::error::{CommandError, Ending, Kind};
use crate::label::Labels;
use crate::output::{counted, grouped, note, print_result};
use crate::place::Place;
use crate::results;
use crate::settings::Environment;
use crate::tally::Tally;
use gridsweep_common::search::Search;
use gridsweep_coordinator::core::Counts;
use gridsweep_coordinator::store::{RunningAttempt, StoredSweep};
use serde::Serialize;
use std::fmt::Write;
use std::time::Duration;

#[derive(Serialize, Debug)]
struct SweepStatus {
    schema: u32,
    sweep: u64,
    name: String,
    /// Free slots go to the sweeps with the highest first.
    priority: i32,
    /// `ended`, `cancelled`, `running`, `waiting`: a coordinator is at work, and no trial of it runs, or `stopped`: there is none.
    state: &'static str,
    /// Why no trial of it runs, where a coordinator was asked and none does.
    waits_because: Option<String>,
    cells: u64,
    trials: u64,
    succeeded: u64,
    diverged: u64,
    failed: u64,
    cancelled: u64,
    quarantined: u64,
    running: Vec<RunningStatus>,
    failures: Vec<String>,
    #[serde(skip)]
    failure_lines: Vec<String>,
    /// Results of the whole store that disagreed with the recorded ones.
    conflicts: u64,
}

#[derive(Serialize, Debug)]
struct RunningStatus {
    trial: String,
    cell: String,
    replicate: u32,
    attempt: u32,
    worker: String,
    epochs: u32,
    validation_loss: Option<f64>,
}

/// How often `--watch` looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);

pub(crate) fn status(
    args: &StatusArgs,
    global: &Global,
    environment: &Environment,
) -> Result<Ending, CommandError> {
    let mut look = look(args, global, environment)?;
    show(&look.text, None)?;
    let mut is_away = false;
    while args.watch && !look.has_ended {
        std::thread::sleep(LOOK_EVERY);
        let before = look.text.clone();
        match self::look(args, global, environment) {
            Ok(next) => (look, is_away) = (next, false),
            // A coordinator may come back.
            Err(error) if error.kind == Kind::Infrastructure => {
                if !std::mem::replace(&mut is_away, true) {
                    note(global.quiet, &format!("{}; looking again until it answers", error.source));
                }
            }
            Err(error) => return Err(error),
        }
        if look.text != before {
            show(&look.text, Some(&before))?;
        }
    }
    Ok(Ending::Done)
}

/// Prints how things stand: on a terminal in the place of what was there before.
fn show(text: &str, before: Option<&str>) -> Result<(), CommandError> {
    let terminal = console::Term::stdout();
    match before {
        Some(_) if terminal.is_term() => {
            // A terminal that cannot be cleared shows one below the other.
            let _ = terminal.clear_screen();
            print_result(text)
        }
        Some(_) => print_result(&format!("\n{text}")),
        None => print_result(text),
    }
}

/// How things stand at one moment.
struct Look {
    text: String,
    has_ended: bool,
}

fn look(args: &StatusArgs, global: &Global, environment: &Environment) -> Result<Look, CommandError> {
    let place = Place::open(&args.server, global, environment)?;
    let sweeps = match &args.sweep {
        Some(selector) => vec![results::find(place.reader(), selector)?],
        None => place.reader().sweeps()?,
    };
    let running = if place.is_served() { place.reader().running()? } else { Vec::new() };
    let standing = place.standing()?.unwrap_or_default();
    let mut statuses = Vec::new();
    for sweep in sweeps {
        let waits =
            standing.sweeps.iter().find(|of| of.sweep == sweep.id.0).map(|of| of.waits_because.clone());
        let mut status = status_of(&place, sweep, &running)?;
        status.waits_because = waits.filter(|why| status.state == "waiting" && !why.is_empty());
        statuses.push(status);
    }
    let text = match args.format {
        PlanFormat::Table if statuses.is_empty() => "no sweeps yet\n".to_owned(),
        PlanFormat::Table => statuses.iter().map(render).collect::<Vec<_>>().join("\n"),
        PlanFormat::Json => serde_json::to_string_pretty(&statuses).map_err(CommandError::unexpected)? + "\n",
    };
    let has_ended = statuses.iter().all(|status| matches!(status.state, "ended" | "cancelled"));
    Ok(Look { text, has_ended })
}

fn status_of(
    place: &Place,
    stored: StoredSweep,
    running: &[RunningAttempt],
) -> Result<SweepStatus, CommandError> {
    let (number, priority, is_cancelled) = (stored.id.0, stored.priority, stored.is_cancelled);
    let open = results::open(stored)?;
    let labels = Labels::of(&open.sweep);
    let tally = Tally::read(place.reader(), &open, is_cancelled)?;
    let Counts { succeeded, diverged, failed, cancelled, quarantined } = tally.counts;
    let failures = tally.first_failures(&open, &labels);
    let (sweep, trials) = (&open.sweep, open.trials());
    let running: Vec<_> = running
        .iter()
        .filter(|attempt| open.index_of(&attempt.spec).is_some())
        .map(|attempt| running_status(&labels, attempt))
        .collect();
    let is_served = place.is_served();
    let state = match tally.counts.total() == trials {
        true if is_cancelled && cancelled > 0 => "cancelled",
        true => "ended",
        false if is_served && !running.is_empty() => "running",
        false if is_served => "waiting",
        false => "stopped",
    };
    Ok(SweepStatus {
        schema: 1,
        sweep: number,
        name: sweep.name.clone(),
        priority,
        state,
        waits_because: None,
        cells: sweep.grid().cells(),
        trials,
        succeeded,
        diverged,
        failed,
        cancelled,
        quarantined,
        running,
        failure_lines: failures.iter().map(|(end, failure)| format!("{end}: {failure}")).collect(),
        failures: failures.into_iter().map(|(_, failure)| failure).collect(),
        conflicts: place.reader().conflicts()?,
    })
}

fn running_status(labels: &Labels, attempt: &RunningAttempt) -> RunningStatus {
    RunningStatus {
        trial: attempt.id.to_string(),
        cell: labels.cell(&attempt.spec.choices),
        replicate: attempt.spec.seed.replicate,
        attempt: attempt.attempt.attempt.0,
        worker: attempt.attempt.worker.clone(),
        epochs: attempt.last_epoch.map_or(0, |epoch| epoch.epoch + 1),
        validation_loss: attempt.last_epoch.map(|epoch| epoch.validation_loss),
    }
}

fn render(status: &SweepStatus) -> String {
    let mut text = String::new();
    let ended = status.succeeded + status.diverged + status.failed + status.cancelled + status.quarantined;
    let why = match status.state {
        "waiting" if status.waits_because.is_some() => "",
        "stopped" => ": no coordinator holds this state; run the sweep again to go on",
        "waiting" => {
            ": none of its trials runs now; it goes on with a free slot, or, where `run` is at work on another sweep, when it is run again"
        }
        "cancelled" => ": the same file, run or submitted again, takes it back",
        _ => "",
    };
    // Writing to a string does not fail.
    let because = status.waits_because.as_ref().map_or(String::new(), |because| format!(": {because}"));
    let priority =
        if status.priority == 0 { String::new() } else { format!(" (priority {})", status.priority) };
    let _ = writeln!(text, "{}{priority}: {}{why}{because}", status.name, status.state);
    let mut counts = vec![format!("{}/{} ended", grouped(ended), counted(status.trials, "trial"))];
    let by_state = [
        (status.succeeded, "succeeded"),
        (status.diverged, "diverged"),
        (status.failed, "failed"),
        (status.cancelled, "cancelled"),
        (status.quarantined, "quarantined"),
        (status.running.len() as u64, "running"),
    ];
    counts.extend(by_state.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{} {what}", grouped(*n))));
    let _ = writeln!(text, "  {}", counts.join(", "));
    for running in &status.running {
        let loss =
            running.validation_loss.map_or(String::new(), |loss| format!("  validation_loss {loss:.4}"));
        let _ = writeln!(
            text,
            "  {}  epoch {:>3}{loss}  {} replicate {}",
            running.worker, running.epochs, running.cell, running.replicate
        );
    }
    for failure in &status.failure_lines {
        let _ = writeln!(text, "  {failure}");
    }
    if status.conflicts > 0 {
        let _ = writeln!(
            text,
            "  {} disagreed with the recorded one: broken hardware, or a bug",
            counted(status.conflicts, "result")
        );
    }
    text
}
