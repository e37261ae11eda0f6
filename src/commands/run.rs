//! `gridsweep run`: a coordinator in this process, workers as children, the sweep's tables at the end.
//!
//! Nothing is stored here that `serve`, `worker` and `submit` would not store: running again goes on.

use super::{report, serve, worker};
use crate::args::{Global, RunArgs};
use crate::children::{Children, Launch};
use crate::client::{Client, describe};
use crate::error::{CommandError, Ending};
use crate::output::{counted, note, print_error, print_result};
use crate::place::Place;
use crate::results::Results;
use crate::route;
use crate::settings::{self, Environment};
use crate::sweep_file;
use crate::usage;
use crate::view::View;
use crate::work::Work;
use anyhow::anyhow;
use gridsweep_common::id::SweepId;
use gridsweep_coordinator::doors::Doors;
use gridsweep_coordinator::{Coordinator, Timing};
use gridsweep_proto::v1;
use gridsweep_worker::Usage;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};
use tonic::Streaming;

/// How often what is shown is brought up to date.
const LOOK_EVERY: Duration = Duration::from_millis(250);

pub(crate) async fn run(
    args: &RunArgs,
    global: &Global,
    environment: &Environment,
) -> Result<Ending, CommandError> {
    let began = Instant::now();
    let file = sweep_file::read(&args.sweep)?;
    // The workers choose for themselves, and see the same environment: what they would refuse is refused now.
    worker::wanted_kernel(environment)?;
    let (open, data) = file.freeze(environment)?;
    let coordinator = serve::start(
        global,
        Doors::of_this_machine((Ipv4Addr::LOCALHOST, 0).into()),
        Timing::default(),
        false,
    )
    .await?;
    let crew = settings::crew(args, environment);
    let launch = Launch {
        coordinator: coordinator.address,
        handle: coordinator.handle.clone(),
        state: global.state.clone(),
        crew,
        checkpoint_every: args.checkpoint_every,
    };
    let mut client = Client::connect(&route::of_this_machine(&coordinator.address.to_string())?).await?;
    let submitted = client.submit(&open, &data, None).await?;
    note(global.quiet, &describe(&open.sweep.name, &submitted));
    let watch = client.watch(submitted.sweep).await?;
    let work = Work::of(file.data.shape(), open.sweep.data.validation.fraction);
    let mut view = View::new(global, SweepId(submitted.sweep), open, work)?;
    if view.ended() > 0 {
        note(
            global.quiet,
            &format!("{} of them ended before and are not run again", counted(view.ended(), "trial")),
        );
    }
    let followed = work_through(coordinator, &launch, watch, &mut view, args.wait_for_workers).await;
    view.clear();
    let (followed, usage) = followed?;
    finish(args, global, &mut view, (followed, usage), began)
}

/// Starts workers, follows the sweep, and winds everything down again.
async fn work_through(
    coordinator: Coordinator,
    launch: &Launch,
    watch: Streaming<v1::SweepProgress>,
    view: &mut View,
    patience: Duration,
) -> Result<(Followed, Usage), CommandError> {
    if view.ended() == view.results.open.trials() {
        serve::wind_down(coordinator).await?;
        return Ok((Followed::Ended, Usage::default()));
    }
    let mut children = Children::start(launch);
    let followed = follow(&coordinator, &mut children, watch, view, patience).await;
    view.clear();
    end_at_next_interrupt();
    children.stand_down();
    let wound_down = serve::wind_down(coordinator).await;
    let usage = children.end().await;
    // A store that failed is why the sweep could not be followed: it says more.
    Ok((wound_down.and(followed)?, usage))
}

/// How the sweep was left.
enum Followed {
    Ended,
    Interrupted,
}

/// Follows the sweep to its end, to a Ctrl-C, or to where it cannot go on.
async fn follow(
    coordinator: &Coordinator,
    children: &mut Children,
    mut watch: Streaming<v1::SweepProgress>,
    view: &mut View,
    patience: Duration,
) -> Result<Followed, CommandError> {
    let standing = coordinator.handle.standing();
    let mut last_worker = Instant::now();
    let mut look = tokio::time::interval(LOOK_EVERY);
    let interrupted = worker::asked_to_end();
    tokio::pin!(interrupted);
    loop {
        tokio::select! {
            progress = watch.message() => match progress {
                Ok(Some(progress)) if progress.ended => return Ok(Followed::Ended),
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => return Err(stopped()),
            },
            _ = look.tick() => {
                let standing = standing.borrow().clone();
                if standing.snapshot.workers > 0 {
                    last_worker = Instant::now();
                } else if last_worker.elapsed() > patience {
                    return Err(no_worker(patience));
                }
                view.show(&standing)?;
            }
            error = children.failed() => return Err(error),
            () = &mut interrupted => return Ok(Followed::Interrupted),
        }
    }
}

/// From here on a Ctrl-C ends at once; the workers end with this process.
pub(super) fn end_at_next_interrupt() {
    tokio::spawn(async {
        worker::asked_to_end().await;
        std::process::exit(130);
    });
}

fn stopped() -> CommandError {
    CommandError::infrastructure(anyhow!("the coordinator in this process has stopped"))
        .hint("nothing recorded is lost: run the same command again")
}

fn no_worker(patience: Duration) -> CommandError {
    let patience = crate::output::duration(patience.as_secs_f64());
    CommandError::infrastructure(anyhow!("there has been no worker for {patience}"))
        .hint("the sweep is stored: run the same command again to go on")
}

fn finish(
    args: &RunArgs,
    global: &Global,
    view: &mut View,
    (followed, usage): (Followed, Usage),
    began: Instant,
) -> Result<Ending, CommandError> {
    let name = view.results.open.sweep.name.clone();
    match followed {
        Followed::Interrupted => {
            let progress = format!("{name}: interrupted; every finished trial is kept");
            note(false, &format!("{progress}\nto go on:  {}", again(args, global)));
            Ok(Ending::Interrupted)
        }
        Followed::Ended => {
            view.load()?;
            print_result(&view.results.render_for_terminal())?;
            note(global.quiet, &view.last_words(began.elapsed().as_secs_f64()));
            if let Some(sentence) = usage::sentence(usage) {
                note(global.quiet, &sentence);
            }
            write_report(args, global, &view.results);
            if !view.results.counts().lacks_results() {
                return Ok(Ending::Done);
            }
            for (end, failure) in view.results.first_failures() {
                note(false, &format!("  {end}: {failure}"));
            }
            note(
                false,
                &format!("every attempt is in:  gridsweep export {name} --what attempts{}", state(global)),
            );
            Ok(Ending::FailedTrials)
        }
    }
}

/// Writes the report. That it cannot be written does not change how the sweep ended: `report` makes it again at any time.
fn write_report(args: &RunArgs, global: &Global, results: &Results) {
    let folder = args.report.clone().unwrap_or_else(|| report::usual(global, results));
    let place = Place::folder(&global.state);
    let written = place.and_then(|place| report::write(&place, results, &folder, global.quiet));
    if let Err(error) = written {
        print_error(&error);
    }
}

/// Returns the command that goes on with this sweep.
fn again(args: &RunArgs, global: &Global) -> String {
    let mut command = format!("gridsweep run {}", quoted(&args.sweep.file.display().to_string()));
    for set in &args.sweep.set {
        command.push_str(&format!(" --set {}", quoted(set)));
    }
    command + &state(global)
}

/// Returns the option that names the state folder, where that is not the usual one.
fn state(global: &Global) -> String {
    let folder = global.state.display().to_string();
    if folder == ".gridsweep" { String::new() } else { format!(" --state {}", quoted(&folder)) }
}

/// Writes a word as a shell reads it.
fn quoted(text: &str) -> String {
    let is_plain = text.chars().all(|c| c.is_alphanumeric() || "-_./=,:".contains(c));
    if is_plain { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}
