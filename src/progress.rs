//! How a sweep goes on: a live display on a terminal, a line now and then elsewhere.

use crate::output::{counted, duration, grouped};
use console::style;
use gridsweep_coordinator::core::Counts;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::time::{Duration, Instant};

/// How often a line is printed where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(15);
/// How many running trials are shown.
const RUNNING_SHOWN_MAX: usize = 8;

/// How a sweep stands, as it is shown.
#[derive(Clone, Debug, Default)]
pub(crate) struct Glance {
    /// All trials of the sweep.
    pub(crate) trials: u64,
    /// Those that have ended, by how.
    pub(crate) ended: Counts,
    /// Cells all of whose replicates have ended, and all cells, where that is known.
    pub(crate) cells: Option<(u64, u64)>,
    /// The best cell so far, in words.
    pub(crate) best: Option<String>,
    /// The share of the sweep's arithmetic that is done, 0 … 1.
    pub(crate) share_done: f64,
    /// Workers connected.
    pub(crate) workers: u32,
    /// What runs.
    pub(crate) running: Vec<RunningLine>,
    /// Why nothing can be recorded for now.
    pub(crate) trouble: Option<String>,
}

/// A running trial, as it is shown.
#[derive(Clone, Debug)]
pub(crate) struct RunningLine {
    pub(crate) worker: String,
    /// Epochs completed, and epochs at most.
    pub(crate) epochs: u32,
    pub(crate) epochs_most: u32,
    pub(crate) name: String,
}

/// The display.
#[derive(Debug)]
pub(crate) struct Progress {
    surface: Surface,
    began: Instant,
    /// The share done and the trials ended when this display began.
    start: Option<(f64, u64)>,
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
        Progress { surface, began: Instant::now(), start: None }
    }

    /// Shows how things stand.
    pub(crate) fn show(&mut self, glance: &Glance) {
        let summary = summary(glance, &self.pace(glance));
        match &mut self.surface {
            Surface::Silent => {}
            Surface::Lines { last } => {
                if last.is_none_or(|last| last.elapsed() >= LINE_EVERY) {
                    let best = glance.best.as_ref().map_or(String::new(), |best| format!(" · best {best}"));
                    crate::output::note(false, &format!("{summary}{best}"));
                    *last = Some(Instant::now());
                }
            }
            Surface::Live { multi, bar, best, running } => {
                bar.set_length(glance.trials);
                bar.set_position(glance.ended.total());
                bar.set_message(summary);
                best.set_message(
                    glance.best.as_ref().map_or(String::new(), |text| format!("  best so far  {text}")),
                );
                show_running(multi, running, &glance.running);
            }
        }
    }

    fn pace(&mut self, glance: &Glance) -> Pace {
        let ended = glance.ended.total();
        let (share_at_start, ended_at_start) = *self.start.get_or_insert((glance.share_done, ended));
        let elapsed = self.began.elapsed().as_secs_f64();
        Pace {
            rate: ended.saturating_sub(ended_at_start) as f64 / elapsed.max(1e-3),
            left: time_left(elapsed, share_at_start, glance.share_done),
        }
    }

    /// Takes the display away.
    pub(crate) fn clear(&mut self) {
        if let Surface::Live { multi, bar, best, running } = &mut self.surface {
            for line in running.drain(..).chain([best.clone(), bar.clone()]) {
                line.disable_steady_tick();
                line.finish_and_clear();
            }
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
    let style = ProgressStyle::with_template("{bar:16.green/dim} {wide_msg}");
    bar.set_style(style.expect("the template is a constant"));
    let best = multi.add(line_bar());
    bar.enable_steady_tick(Duration::from_millis(500));
    Surface::Live { multi, bar, best, running: Vec::new() }
}

fn line_bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{wide_msg}").expect("the template is a constant");
    ProgressBar::new_spinner().with_style(style)
}

fn show_running(multi: &MultiProgress, bars: &mut Vec<ProgressBar>, running: &[RunningLine]) {
    let shown = running.len().min(RUNNING_SHOWN_MAX);
    while bars.len() < shown {
        bars.push(multi.add(line_bar()));
    }
    for bar in bars.drain(shown..) {
        multi.remove(&bar);
    }
    for (bar, trial) in bars.iter().zip(running) {
        let epochs = format!("epoch {:>3}/{}", trial.epochs, trial.epochs_most);
        bar.set_message(format!("  {}  {epochs}  {}", style(&trial.worker).dim(), trial.name));
    }
}

/// What matters most comes first: a narrow terminal cuts the rest.
fn summary(glance: &Glance, pace: &Pace) -> String {
    let of = |(ended, all): (u64, u64), what| format!("{}/{} {what}", grouped(ended), grouped(all));
    let mut parts = Vec::new();
    parts.extend(glance.trouble.clone());
    parts.extend(glance.cells.map(|cells| of(cells, "cells")));
    parts.push(of((glance.ended.total(), glance.trials), "trials"));
    if glance.workers == 0 {
        parts.push("no worker".to_owned());
    }
    if let Some(left) = pace.left {
        parts.push(format!("about {} left", duration(left)));
    }
    for (count, what) in [(glance.ended.failed, "failed"), (glance.ended.quarantined, "quarantined")] {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    if glance.ended.diverged > 0 {
        parts.push(format!("{} diverged", glance.ended.diverged));
    }
    if pace.rate > 0.0 {
        parts.push(format!("{:.1}/min", pace.rate * 60.0));
    }
    parts.join(" · ")
}

/// Estimates the seconds left from the share of the arithmetic done since the command began.
fn time_left(elapsed: f64, share_at_start: f64, share_done: f64) -> Option<f64> {
    let gained = share_done - share_at_start;
    (gained > 0.0 && elapsed > 1.0).then(|| elapsed * (1.0 - share_done).max(0.0) / gained)
}

/// Says in one line how a sweep ended.
pub(crate) fn last_words(name: &str, glance: &Glance, seconds: f64) -> String {
    let Counts { succeeded, diverged, failed, cancelled, quarantined } = glance.ended;
    let mut parts = vec![format!("{} succeeded", grouped(succeeded))];
    let others =
        [(diverged, "diverged"), (failed, "failed"), (cancelled, "cancelled"), (quarantined, "quarantined")];
    for (count, what) in others {
        if count > 0 {
            parts.push(format!("{} {what}", grouped(count)));
        }
    }
    format!(
        "{name}: {} ended: {} in {}",
        counted(glance.trials, "trial"),
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
