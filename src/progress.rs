//! How a sweep goes on: a live display on a terminal, a line now and then elsewhere.

use crate::output::{counted, duration, grouped};
use console::style;
use gridsweep_proto::v1;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::time::{Duration, Instant};

/// How often a line is printed where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(15);
/// How many running trials are shown.
const RUNNING_SHOWN_MAX: usize = 8;

/// What is shown beside the counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Detail {
    /// Cells all of whose replicates have ended, and all cells.
    pub(crate) cells: (u64, u64),
    /// The best cell so far, in words.
    pub(crate) best: Option<String>,
    /// The share of the sweep's arithmetic that is done, 0 … 1.
    pub(crate) share_done: f64,
}

/// The display.
#[derive(Debug)]
pub(crate) struct Progress {
    surface: Surface,
    began: Instant,
    share_at_start: Option<f64>,
    ended_at_start: Option<u64>,
}

#[derive(Debug)]
enum Surface {
    Silent,
    Lines { last: Option<Instant> },
    Live { multi: MultiProgress, bar: ProgressBar, best: ProgressBar, running: Vec<ProgressBar> },
}

impl Progress {
    pub(crate) fn new(is_quiet: bool) -> Progress {
        let surface = if is_quiet {
            Surface::Silent
        } else if console::Term::stderr().is_term() {
            live()
        } else {
            Surface::Lines { last: None }
        };
        Progress { surface, began: Instant::now(), share_at_start: None, ended_at_start: None }
    }

    /// Shows how things stand; `name` says what a running trial is called.
    pub(crate) fn show(
        &mut self,
        progress: &v1::SweepProgress,
        detail: &Detail,
        name: &dyn Fn(&[u8]) -> String,
    ) {
        let ended = ended(progress);
        let ended_at_start = *self.ended_at_start.get_or_insert(ended);
        let share_at_start = *self.share_at_start.get_or_insert(detail.share_done);
        let elapsed = self.began.elapsed().as_secs_f64();
        let pace = Pace {
            rate: (ended - ended_at_start.min(ended)) as f64 / elapsed.max(1e-3),
            left: time_left(elapsed, share_at_start, detail.share_done),
        };
        let summary = summary(progress, detail, &pace);
        match &mut self.surface {
            Surface::Silent => {}
            Surface::Lines { last } => {
                if last.is_none_or(|last| last.elapsed() >= LINE_EVERY) {
                    let best = detail.best.as_ref().map_or(String::new(), |best| format!(" · best {best}"));
                    crate::output::note(false, &format!("{summary}{best}"));
                    *last = Some(Instant::now());
                }
            }
            Surface::Live { multi, bar, best, running } => {
                bar.set_length(progress.trials);
                bar.set_position(ended);
                bar.set_message(summary);
                best.set_message(
                    detail.best.as_ref().map_or(String::new(), |text| format!("  best so far  {text}")),
                );
                show_running(multi, running, &progress.running, name);
            }
        }
    }

    /// Takes the display away.
    pub(crate) fn clear(&mut self) {
        if let Surface::Live { multi, .. } = &self.surface {
            // A terminal that is gone needs no clearing.
            let _ = multi.clear();
        }
    }
}

struct Pace {
    /// Trials a second since this command began.
    rate: f64,
    /// Seconds, once it can be told.
    left: Option<f64>,
}

fn live() -> Surface {
    let multi = MultiProgress::new();
    let bar = multi.add(ProgressBar::new(0));
    // These templates are constants of this file.
    bar.set_style(
        ProgressStyle::with_template("{bar:16.green/dim} {wide_msg}").expect("the template is valid"),
    );
    let best = multi.add(line_bar());
    bar.enable_steady_tick(Duration::from_millis(500));
    Surface::Live { multi, bar, best, running: Vec::new() }
}

fn line_bar() -> ProgressBar {
    ProgressBar::new_spinner()
        .with_style(ProgressStyle::with_template("{wide_msg}").expect("the template is valid"))
}

fn show_running(
    multi: &MultiProgress,
    bars: &mut Vec<ProgressBar>,
    running: &[v1::RunningTrial],
    name: &dyn Fn(&[u8]) -> String,
) {
    let shown = running.len().min(RUNNING_SHOWN_MAX);
    while bars.len() < shown {
        bars.push(multi.add(line_bar()));
    }
    for bar in bars.drain(shown..) {
        multi.remove(&bar);
    }
    for (bar, trial) in bars.iter().zip(running) {
        let epochs = format!("epoch {:>3}/{}", trial.epochs, trial.epochs_most);
        bar.set_message(format!("  {}  {epochs}  {}", style(&trial.worker).dim(), name(&trial.trial)));
    }
}

fn summary(progress: &v1::SweepProgress, detail: &Detail, pace: &Pace) -> String {
    let mut parts = vec![
        format!("{}/{} cells", grouped(detail.cells.0), grouped(detail.cells.1)),
        format!("{}/{} trials", grouped(ended(progress)), grouped(progress.trials)),
    ];
    if let Some(left) = pace.left {
        parts.push(format!("about {} left", duration(left)));
    }
    if pace.rate > 0.0 {
        parts.push(format!("{:.1}/min", pace.rate * 60.0));
    }
    if progress.diverged > 0 {
        parts.push(format!("{} diverged", progress.diverged));
    }
    if progress.failed > 0 {
        parts.push(format!("{} failed", progress.failed));
    }
    if progress.workers == 0 {
        parts.push("no worker".to_owned());
    }
    parts.join(" · ")
}

/// Estimates the seconds left from the share of the arithmetic done since the command began.
fn time_left(elapsed: f64, share_at_start: f64, share_done: f64) -> Option<f64> {
    let gained = share_done - share_at_start;
    (gained > 0.0 && elapsed > 1.0).then(|| elapsed * (1.0 - share_done).max(0.0) / gained)
}

/// Counts the trials that have ended in any way.
pub(crate) fn ended(progress: &v1::SweepProgress) -> u64 {
    progress.succeeded + progress.diverged + progress.failed + progress.cancelled
}

/// Says in one line how a sweep ended.
pub(crate) fn last_words(name: &str, progress: &v1::SweepProgress, seconds: f64) -> String {
    let mut parts = vec![format!("{} succeeded", grouped(progress.succeeded))];
    for (count, what) in
        [(progress.diverged, "diverged"), (progress.failed, "failed"), (progress.cancelled, "cancelled")]
    {
        if count > 0 {
            parts.push(format!("{} {what}", grouped(count)));
        }
    }
    format!(
        "{name}: {} ended: {} in {}",
        counted(progress.trials, "trial"),
        parts.join(", "),
        duration(seconds)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_follows_from_the_share_done_in_this_run() {
        assert_eq!(time_left(10.0, 0.0, 0.0), None);
        assert_eq!(time_left(10.0, 0.0, 0.5), Some(10.0));
        assert_eq!(time_left(10.0, 0.5, 0.75), Some(10.0));
    }
}
