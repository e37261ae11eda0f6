//! Losses over the epochs: of one replicate, or of a cell with a band over its replicates; one panel a cell.
//!
//! Replicates stop at different epochs. Mean and band go as far as every replicate that succeeded does; from there on each
//! that still trains is a thin line of its own, as a mean over fewer of them would jump where one leaves.

use super::cells::{Names, lacking, why_nothing};
use super::lines::scale_for;
use super::plot::{Across, Frame, Place, Plane, left_of};
use super::sheet::{Entry, Look, Panel, Sheet, Swatch, columns_for, height_for, size_for};
use super::{Drawing, EpochMetric, Figure, FigureError, FigureSpec, Need, Shown, Subject, Wants};
use crate::metric::{Ending, EpochMetrics};
use crate::stats::{CONFIDENCE, Summary, TQuantiles};
use crate::svg::scale::{Scale, ScaleKind};
use crate::svg::text::Anchor;
use crate::svg::{Paint, Stroke, Svg, written};
use crate::table::{CellResults, Counts, Replicate};

/// The kind `curves`.
pub(super) struct Curves;

/// More panels go to further drawings.
const PANELS_MAX: usize = 12;
/// With more epochs than this, not every one has a hover value.
const HOVERS_MAX: usize = 40;

impl Figure for Curves {
    fn name(&self) -> &'static str {
        "curves"
    }

    fn about(&self) -> &'static str {
        "losses over the epochs, of a replicate or of a cell with a band over its replicates"
    }

    fn keys(&self) -> &'static [(&'static str, Need)] {
        &[
            ("y", Need::Optional),
            ("cell", Need::Optional),
            ("by", Need::Optional),
            ("replicate", Need::Optional),
            ("y_scale", Need::Optional),
        ]
    }

    fn wants(&self, spec: &FigureSpec, cells: &[CellResults]) -> Wants {
        Wants::Epochs(spec.select(cells))
    }

    fn draw(&self, spec: &FigureSpec, study: &Subject<'_>) -> Result<Vec<Drawing>, FigureError> {
        let places = spec.selected(study)?;
        let cells: Vec<&CellResults> = places.iter().map(|&place| &study.cells[place]).collect();
        let names = Names::of(study.axes, &cells);
        let metrics = metrics(spec);
        let runs: Vec<Runs<'_>> =
            places.iter().map(|&place| Runs::of(study, place, spec.replicate)).collect();
        let up = scale_for(spec.y_scale, &values(&runs, &metrics));
        let last = runs.iter().flat_map(Runs::all).map(<[EpochMetrics]>::len).max().unwrap_or(1);
        let scale = Scale::between(ScaleKind::Linear, 0.0, last.max(2) as f64 + 0.5);
        let across = Across::Numbers { scale, has_zero: false };
        let pages: Vec<(&[&CellResults], &[Runs<'_>])> =
            cells.chunks(PANELS_MAX).zip(runs.chunks(PANELS_MAX)).collect();
        let page = |(number, (cells, runs)): (usize, &(&[&CellResults], &[Runs<'_>]))| {
            let columns = columns_for(cells.len());
            let left = left_of(&up, height_for(columns));
            let frame = Frame {
                across: &across,
                across_title: "epoch",
                up,
                up_title: unit(&metrics),
                size: size_for(columns, left),
                left,
            };
            let panels = cells
                .iter()
                .zip(*runs)
                .map(|(cell, runs)| runs.panel(cell, names.full(cell), &metrics, &frame));
            let name = if pages.len() > 1 { format!("curves-{}", number + 1) } else { "curves".to_owned() };
            let shown = spoken_list(&metrics);
            let title = spec.title.clone().unwrap_or_else(|| format!("{}: {shown}", study.title));
            Sheet {
                title,
                legend: legend(&metrics),
                panels: panels.collect(),
                columns,
                notes: notes(runs, spec.replicate),
                description: format!("Curves of {shown} over the epochs"),
            }
            .finish(name)
        };
        Ok(pages.iter().enumerate().map(page).collect())
    }
}

fn metrics(spec: &FigureSpec) -> Vec<EpochMetric> {
    let asked: Vec<EpochMetric> = spec
        .y
        .iter()
        .filter_map(|shown| match shown {
            Shown::Epoch(metric) => Some(*metric),
            Shown::Column(_) => None,
        })
        .collect();
    if asked.is_empty() { vec![EpochMetric::TrainingLoss, EpochMetric::ValidationLoss] } else { asked }
}

fn spoken_list(metrics: &[EpochMetric]) -> String {
    metrics.iter().map(|metric| Shown::Epoch(*metric).name()).collect::<Vec<_>>().join(", ")
}

fn legend(metrics: &[EpochMetric]) -> Vec<Entry> {
    let entry = |(number, metric): (usize, &EpochMetric)| {
        Entry::new(Swatch::Line(Look::numbered(number), false), Shown::Epoch(*metric).name())
    };
    metrics.iter().enumerate().map(entry).collect()
}

fn unit(metrics: &[EpochMetric]) -> &'static str {
    let is_loss = |metric: &EpochMetric| {
        matches!(
            metric,
            EpochMetric::TrainingObjective | EpochMetric::TrainingLoss | EpochMetric::ValidationLoss
        )
    };
    let is_share = |metric: &EpochMetric| {
        matches!(metric, EpochMetric::TrainingAccuracy | EpochMetric::ValidationAccuracy)
    };
    if metrics.iter().all(is_loss) {
        "loss (nats)"
    } else if metrics.iter().all(is_share) {
        "accuracy (share)"
    } else if metrics == [EpochMetric::LearningRate] {
        "learning rate"
    } else {
        "value"
    }
}

/// The replicates of one cell whose epochs are drawn.
#[derive(Default)]
struct Runs<'a> {
    /// Those that trained to their end.
    succeeded: Vec<&'a [EpochMetrics]>,
    /// Those that diverged.
    diverged: Vec<&'a [EpochMetrics]>,
    /// Those that have not ended, as far as their epochs are known.
    running: Vec<&'a [EpochMetrics]>,
    /// What is to be said of the others, and why nothing is drawn where nothing is.
    lacking: String,
    planned: usize,
}

impl<'a> Runs<'a> {
    fn of(study: &Subject<'a>, place: usize, only: Option<usize>) -> Runs<'a> {
        let cell = &study.cells[place];
        let epochs = study.details.epochs.get(&place).map_or(&[][..], Vec::as_slice);
        let mut runs = Runs::default();
        for (number, replicate) in cell.replicates.iter().enumerate() {
            if only.is_some_and(|only| only != number) {
                continue;
            }
            runs.planned += 1;
            let epochs = epochs.get(number).map_or(&[][..], Vec::as_slice);
            if epochs.is_empty() {
                continue;
            }
            match replicate {
                Replicate::Finished(outcome) => match outcome.ending {
                    Ending::Succeeded => runs.succeeded.push(epochs),
                    Ending::Diverged => runs.diverged.push(epochs),
                },
                Replicate::Pending => runs.running.push(epochs),
                Replicate::Missing => {}
            }
        }
        runs.lacking = match only {
            None => lacking(&Counts::of(&cell.replicates)),
            Some(only) if runs.succeeded.is_empty() => why_nothing(cell.replicates.get(only)).to_owned(),
            Some(_) => String::new(),
        };
        runs
    }

    fn all(&self) -> impl Iterator<Item = &'a [EpochMetrics]> + '_ {
        self.succeeded.iter().chain(&self.diverged).chain(&self.running).copied()
    }

    /// Returns how many epochs every replicate that succeeded has.
    fn shared(&self) -> usize {
        self.succeeded.iter().map(|epochs| epochs.len()).min().unwrap_or(0)
    }

    fn panel(&self, cell: &CellResults, name: String, metrics: &[EpochMetric], frame: &Frame<'_>) -> Panel {
        let mut svg = Svg::default();
        let plane = frame.draw(&mut svg);
        for (number, metric) in metrics.iter().enumerate() {
            self.draw(&mut svg, &plane, *metric, Look::numbered(number));
        }
        if self.all().next().is_none() {
            let counts = Counts::of(&cell.replicates);
            let why = if self.lacking.is_empty() { "no epochs are stored" } else { &self.lacking };
            draw_nothing(&mut svg, &plane, counts.pending > 0, why);
        }
        let lacking = if self.lacking.is_empty() {
            String::new()
        } else {
            format!("({} of {})", self.lacking, self.planned)
        };
        let heading = format!("{name} {lacking}").trim().to_owned();
        Panel { heading, svg, width: plane.outer.0, height: plane.outer.1 }
    }

    fn draw(&self, svg: &mut Svg, plane: &Plane<'_>, metric: EpochMetric, look: Look) {
        let at = |epoch: usize, value: f64| (plane.x(Place::Number(epoch as f64 + 1.0)), plane.y(value));
        let shared = self.shared();
        let means = self.means(metric, shared);
        draw_band(svg, &means, look, &at);
        let thin = Stroke { width: 1.0, ..look.stroke(1.0) };
        for epochs in &self.succeeded {
            let rest = shared.saturating_sub(1)..epochs.len();
            let tail: Vec<(f64, f64)> = rest.map(|epoch| at(epoch, metric.of(&epochs[epoch]))).collect();
            svg.polyline(&tail, thin, "");
            if let Some(&end) = tail.last() {
                let hover = format!("stops after {}", counted(epochs.len()));
                svg.dot(end, 2.2, look.paint(), Stroke::plain(Paint::Paper, 0.6), &hover);
            }
        }
        for epochs in &self.diverged {
            let points = draw_alone(svg, epochs, metric, thin, &at, "diverged");
            if let Some(&(x, y)) = points.last() {
                let area = crate::svg::Area { x: x - 4.0, y: y - 4.0, width: 8.0, height: 8.0 };
                let hover = format!("diverged after {}", counted(epochs.len()));
                svg.cross(area, Stroke::plain(thin.paint, 2.0), &hover);
            }
        }
        for epochs in &self.running {
            let points = draw_alone(svg, epochs, metric, thin, &at, "not finished");
            if let Some(&end) = points.last() {
                let hover = format!("not finished: {} so far", counted(epochs.len()));
                svg.dot(end, 2.6, Paint::Paper, Stroke::plain(thin.paint, 1.4), &hover);
            }
        }
        let line: Vec<(f64, f64)> = means.iter().map(|(epoch, summary)| at(*epoch, summary.mean)).collect();
        svg.polyline(&line, look.stroke(2.0), &summary_of(metric, &means));
        let step = means.len().div_ceil(HOVERS_MAX).max(1);
        for (epoch, summary) in means.iter().step_by(step) {
            let half = summary.half_width.map(|half| format!(" ±{}", written(half))).unwrap_or_default();
            let name = Shown::Epoch(metric).name();
            let hover = format!("{name}, epoch {}: {}{half}", epoch + 1, written(summary.mean));
            svg.target(at(*epoch, summary.mean), 5.0, &hover);
        }
    }

    /// Returns mean and interval of every epoch that all replicates have.
    fn means(&self, metric: EpochMetric, shared: usize) -> Vec<(usize, Summary)> {
        let mut quantiles = TQuantiles::new(CONFIDENCE);
        let mut mean = |epoch: usize| {
            let values: Vec<f64> = self.succeeded.iter().map(|epochs| metric.of(&epochs[epoch])).collect();
            let is_finite = values.iter().all(|value| value.is_finite());
            Some((epoch, quantiles.summarize(&values).filter(|_| is_finite)?))
        };
        (0..shared).filter_map(&mut mean).collect()
    }
}

/// Draws a replicate that is no part of the mean, and returns its points.
fn draw_alone(
    svg: &mut Svg,
    epochs: &[EpochMetrics],
    metric: EpochMetric,
    thin: Stroke,
    at: &dyn Fn(usize, f64) -> (f64, f64),
    hover: &str,
) -> Vec<(f64, f64)> {
    let finite = |epoch: &usize| metric.of(&epochs[*epoch]).is_finite();
    let points: Vec<(f64, f64)> =
        (0..epochs.len()).filter(finite).map(|epoch| at(epoch, metric.of(&epochs[epoch]))).collect();
    svg.polyline(&points, thin, hover);
    points
}

fn counted(epochs: usize) -> String {
    if epochs == 1 { "1 epoch".to_owned() } else { format!("{epochs} epochs") }
}

fn draw_band(svg: &mut Svg, means: &[(usize, Summary)], look: Look, at: &dyn Fn(usize, f64) -> (f64, f64)) {
    let edge = |side: f64| {
        means
            .iter()
            .filter_map(move |(epoch, summary)| Some(at(*epoch, summary.mean + side * summary.half_width?)))
    };
    let mut outline: Vec<(f64, f64)> = edge(1.0).collect();
    outline.extend(edge(-1.0).collect::<Vec<_>>().into_iter().rev());
    svg.polygon(&outline, look.paint(), 0.18, "");
}

fn draw_nothing(svg: &mut Svg, plane: &Plane<'_>, is_pending: bool, why: &str) {
    if is_pending {
        svg.hatch(plane.area, Paint::Grid, why);
    }
    let middle = (plane.area.x + plane.area.width / 2.0, plane.area.y + plane.area.height / 2.0);
    svg.text(middle, Anchor::Middle, super::sheet::LABEL, Paint::Ink, why);
}

fn summary_of(metric: EpochMetric, means: &[(usize, Summary)]) -> String {
    let least = means.iter().min_by(|a, b| a.1.mean.total_cmp(&b.1.mean));
    let last = means.last();
    match (least, last) {
        (Some((epoch, least)), Some((_, last))) => format!(
            "{}: least {} in epoch {}, last {}",
            Shown::Epoch(metric).name(),
            written(least.mean),
            epoch + 1,
            written(last.mean)
        ),
        _ => String::new(),
    }
}

fn values(runs: &[Runs<'_>], metrics: &[EpochMetric]) -> Vec<f64> {
    let epochs = || runs.iter().flat_map(Runs::all).flatten();
    metrics
        .iter()
        .flat_map(|metric| epochs().map(|epoch| metric.of(epoch)))
        .filter(|value| value.is_finite())
        .collect()
}

fn notes(runs: &[Runs<'_>], only: Option<usize>) -> Vec<String> {
    let mut notes = Vec::new();
    let most = runs.iter().map(|runs| runs.planned).max().unwrap_or(0);
    match only {
        Some(replicate) => notes.push(format!("replicate {replicate}; epochs counted from 1")),
        None if most < 2 => notes.push("one replicate a cell; epochs counted from 1".to_owned()),
        None => {
            notes.push(format!(
                "mean over {most} replicates with the 95 % Student-t interval as far as all of them train; from there on each \
                 that goes on is a thin line; dots: where one stops; epochs counted from 1"
            ));
        }
    }
    if runs.iter().any(|runs| !runs.diverged.is_empty()) {
        notes.push("×: diverged, not part of the mean".to_owned());
    }
    if runs.iter().any(|runs| !runs.running.is_empty()) {
        notes.push("rings: not finished, as far as known; not part of the mean".to_owned());
    }
    notes
}
