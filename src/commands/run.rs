//! `gridsweep run`: a coordinator in this process, workers as children, the sweep's tables at the end.
//!
//! Nothing is stored here that `serve`, `worker` and `submit` would not store: running again goes on.

use super::serve;
use crate::args::{Global, RunArgs};
use crate::children::{Children, Launch};
use crate::client::{Client, describe};
use crate::error::{CommandError, Ending};
use crate::output::{note, print_result};
use crate::progress::{Detail, Progress, last_words};
use crate::results::{self, Results};
use crate::settings::{self, Environment};
use crate::sweep_file;
use crate::work::Work;
use anyhow::anyhow;
use gridsweep_common::id::TrialId;
use gridsweep_common::metric::Metric;
use gridsweep_common::search::Search;
use gridsweep_common::table;
use gridsweep_coordinator::core::Counts;
use gridsweep_coordinator::store::SqliteReader;
use gridsweep_coordinator::{Coordinator, Standing};
use gridsweep_proto::v1;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};
use tonic::Streaming;

pub(crate) async fn run(
    args: &RunArgs,
    global: &Global,
    environment: &Environment,
) -> Result<Ending, CommandError> {
    let began = Instant::now();
    let file = sweep_file::read(&args.sweep)?;
    let (open, data) = file.freeze(environment)?;
    let coordinator = serve::start(global, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), false).await?;
    let crew = settings::crew(args, environment);
    let launch = Launch { coordinator: coordinator.address, state: global.state.clone(), crew };
    let mut client = Client::connect(&coordinator.address.to_string()).await?;
    let submitted = client.submit(&open, &data).await?;
    note(global.quiet, &describe(&open.sweep.name, &submitted));
    let watch = client.watch(submitted.sweep).await?;
    let work = Work::of(file.source, open.sweep.data.validation.fraction);
    let mut view = View::new(global, open, work)?;
    let mut children = Children::start(&launch);
    let followed = follow(&coordinator, &mut children, watch, &mut view, args.wait_for_workers).await;
    view.display.clear();
    let wound_down = serve::wind_down(coordinator).await;
    children.end().await;
    // A store that failed is why the sweep could not be followed: it says more.
    wound_down?;
    finish(args, global, &mut view, followed?, began)
}

/// How the sweep was left.
enum Followed {
    Ended(Box<v1::SweepProgress>),
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
    let mut standing = coordinator.handle.standing();
    let mut last_worker = Instant::now();
    let mut look = tokio::time::interval(Duration::from_millis(250));
    let mut latest: Option<v1::SweepProgress> = None;
    let interrupted = super::worker::asked_to_end();
    tokio::pin!(interrupted);
    loop {
        tokio::select! {
            progress = watch.message() => match progress {
                Ok(Some(progress)) if progress.ended => return Ok(Followed::Ended(Box::new(progress))),
                Ok(Some(progress)) => latest = Some(progress),
                Ok(None) | Err(_) => return Err(stopped(&mut standing)),
            },
            _ = look.tick() => {
                let Some(progress) = &latest else { continue };
                if progress.workers > 0 {
                    last_worker = Instant::now();
                } else if last_worker.elapsed() > patience {
                    return Err(no_worker(patience));
                }
                view.show(progress)?;
            }
            error = children.failed() => return Err(error),
            () = &mut interrupted => {
                end_at_second_interrupt();
                return Ok(Followed::Interrupted);
            }
        }
    }
}

/// A second Ctrl-C ends at once; the workers end with this process.
fn end_at_second_interrupt() {
    tokio::spawn(async {
        super::worker::asked_to_end().await;
        std::process::exit(130);
    });
}

fn stopped(standing: &mut tokio::sync::watch::Receiver<std::sync::Arc<Standing>>) -> CommandError {
    let is_gone = standing.has_changed().is_err();
    let error = anyhow!(
        "the coordinator in this process has stopped{}",
        if is_gone { ": its store failed" } else { "" }
    );
    CommandError::infrastructure(error).hint("nothing recorded is lost: run the same command again")
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
    followed: Followed,
    began: Instant,
) -> Result<Ending, CommandError> {
    let name = view.results.open.sweep.name.clone();
    match followed {
        Followed::Interrupted => {
            let progress = format!("{name}: interrupted; every finished trial is kept");
            note(false, &format!("{progress}\nto go on:  {}", again(args, global)));
            Ok(Ending::Interrupted)
        }
        Followed::Ended(progress) => {
            view.load()?;
            let studies: Vec<usize> = (0..view.results.open.sweep.studies.len()).collect();
            print_result(&view.results.render_for_terminal(&studies))?;
            note(global.quiet, &last_words(&name, &progress, began.elapsed().as_secs_f64()));
            if progress.failed > 0 {
                for failure in view.results.first_failures() {
                    note(false, &format!("  failed: {failure}"));
                }
                note(false, &format!("every attempt is in:  gridsweep export {name} --what attempts"));
                return Ok(Ending::FailedTrials);
            }
            Ok(Ending::Done)
        }
    }
}

/// Returns the command that goes on with this sweep.
fn again(args: &RunArgs, global: &Global) -> String {
    let quoted = |text: &str| {
        let is_plain = text.chars().all(|c| c.is_alphanumeric() || "-_./=,:".contains(c));
        if is_plain { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
    };
    let mut command = format!("gridsweep run {}", quoted(&args.sweep.file.display().to_string()));
    for set in &args.sweep.set {
        command.push_str(&format!(" --set {}", quoted(set)));
    }
    if global.state.as_os_str() != ".gridsweep" {
        command.push_str(&format!(" --state {}", quoted(&global.state.display().to_string())));
    }
    command
}

/// What is shown while the sweep runs: the display, and the results that it speaks of.
struct View {
    reader: SqliteReader,
    results: Results,
    work: Work,
    total_work: f64,
    display: Progress,
    detail: Detail,
    /// How many trials had ended when the results were read last.
    loaded: u64,
    /// When they may be read again.
    next_load: Instant,
}

/// How often the results are read again while trials end, at most.
const LOAD_EVERY: Duration = Duration::from_secs(2);
/// Reading takes at most this share of the time: what is shown must not slow down what runs.
const LOAD_SHARE_MAX: f64 = 0.02;

impl View {
    fn new(
        global: &Global,
        open: gridsweep_common::frozen::OpenSweep,
        work: Work,
    ) -> Result<View, CommandError> {
        let reader = SqliteReader::open(&global.state)?;
        let total_work = work.total(&open);
        let results = results::load(&reader, open)?;
        let display = Progress::new(global.quiet);
        let mut view = View {
            reader,
            results,
            work,
            total_work,
            display,
            detail: Detail::default(),
            loaded: 0,
            next_load: Instant::now(),
        };
        view.update();
        Ok(view)
    }

    /// Reads what has ended since the last time.
    fn load(&mut self) -> Result<(), CommandError> {
        let began = Instant::now();
        let known = &mut self.results.trials;
        results::for_each_ended(&self.reader, &self.results.open, |index, trial| {
            drop(known.insert(index, trial));
        })?;
        self.update();
        self.next_load = Instant::now() + began.elapsed().div_f64(LOAD_SHARE_MAX).max(LOAD_EVERY);
        Ok(())
    }

    fn update(&mut self) {
        let Results { open, trials, .. } = &self.results;
        let counts: Counts = self.results.counts();
        let replicates = u64::from(open.sweep.replicates.count);
        let mut full_cells = 0;
        let mut run = (u64::MAX, 0);
        for index in trials.keys() {
            let cell = index / replicates;
            run = if run.0 == cell { (cell, run.1 + 1) } else { (cell, 1) };
            full_cells += u64::from(run.1 == replicates);
        }
        let done: f64 = trials.values().map(|trial| self.work.trial(&trial.spec.choices)).sum();
        self.detail = Detail {
            cells: (full_cells, open.sweep.grid().cells()),
            best: self.best(),
            share_done: if self.total_work > 0.0 { done / self.total_work } else { 0.0 },
        };
        self.loaded = counts.total();
    }

    /// Names the cell with the best mean test accuracy among those of all studies.
    fn best(&self) -> Option<String> {
        let cells = self.results.cells_with_results();
        let best = &cells[table::best_cell(&cells, Metric::TestAccuracy)?];
        let accuracy = table::summarize(best, table::Quantity::Metric(Metric::TestAccuracy))?;
        let text = table::text::number(&accuracy, table::Quantity::Metric(Metric::TestAccuracy));
        Some(format!("test_accuracy {text}  {}", self.results.labels.cell(&best.choices)))
    }

    fn show(&mut self, progress: &v1::SweepProgress) -> Result<(), CommandError> {
        if crate::progress::ended(progress) != self.loaded && Instant::now() >= self.next_load {
            self.load()?;
        }
        let labels = self.running_labels(progress)?;
        let name =
            |id: &[u8]| labels.iter().find(|(of, _)| of.0 == id).map_or(String::new(), |(_, l)| l.clone());
        self.display.show(progress, &self.detail, &name);
        Ok(())
    }

    /// Asks the store what the running trials are: the progress names them by id alone.
    fn running_labels(&self, progress: &v1::SweepProgress) -> Result<Vec<(TrialId, String)>, CommandError> {
        use gridsweep_coordinator::store::Reader;
        if progress.running.is_empty() {
            return Ok(Vec::new());
        }
        let labels = &self.results.labels;
        let running = self.reader.running()?;
        Ok(running.into_iter().map(|running| (running.id, labels.cell(&running.spec.choices))).collect())
    }
}
