//! The cells of a study in the order of a figure: panels, in them lines, on these points.

use super::cells::{Names, lacking, measure, spoken};
use super::plot::Place;
use super::{Along, FigureError, FigureSpec, Shape, Subject};
use crate::choice::{Number, Value};
use crate::metric::Metric;
use crate::stats::{CONFIDENCE, Summary, TQuantiles};
use crate::table::text::number;
use crate::table::{CellResults, Counts, Heading, Label, Quantity, Replicate};
use std::collections::BTreeSet;

/// The selected cells, each with its place in the figure.
#[derive(Debug)]
pub(super) struct Series<'a> {
    pub(super) points: Vec<Point<'a>>,
    /// The names of the lines, in order of first appearance; one empty name where nothing but x varies.
    pub(super) lines: Vec<String>,
    /// The names of the panels, in order of first appearance; one empty name without `panels`.
    pub(super) panels: Vec<String>,
    /// The names along x, where these are no numbers.
    pub(super) names: Option<Vec<String>>,
    /// What stands below the axis.
    pub(super) x_title: String,
}

/// One cell.
#[derive(Debug)]
pub(super) struct Point<'a> {
    pub(super) cell: &'a CellResults,
    pub(super) line: usize,
    pub(super) panel: usize,
    /// `None` where the cell has no such setting: it is a level to compare with.
    pub(super) x: Option<Place>,
    /// What it is called, x and all.
    pub(super) name: String,
    pub(super) counts: Counts,
}

impl<'a> Series<'a> {
    pub(super) fn of(
        spec: &FigureSpec,
        study: &Subject<'a>,
        along: &Along,
    ) -> Result<Series<'a>, FigureError> {
        let cells: Vec<&CellResults> =
            spec.selected(study)?.iter().map(|&place| &study.cells[place]).collect();
        let x = positions(along, study, &cells);
        let is_used = |axis: &&Heading| match along {
            Along::Axis(heading) => heading == *axis,
            Along::Shape(_) => axis.settings.iter().any(|setting| setting == "hidden"),
        };
        let rest: Vec<&Heading> =
            study.axes.iter().filter(|axis| !is_used(axis) && spec.panels.as_ref() != Some(axis)).collect();
        let (line_names, panel_names) = (Names::of(rest, &cells), Names::of(spec.panels.as_ref(), &cells));
        let all = Names::of(study.axes, &cells);
        let (mut lines, mut panels) = (Vec::new(), Vec::new());
        let points = cells.iter().zip(x.places).map(|(cell, x)| Point {
            cell,
            line: numbered(&mut lines, line_names.full(cell)),
            panel: numbered(&mut panels, panel_names.full(cell)),
            x,
            name: all.full(cell),
            counts: Counts::of(&cell.replicates),
        });
        let points = points.collect();
        Ok(Series { points, lines, panels, names: x.names, x_title: x.title })
    }

    /// Gives every level of x a name, numbers too, in rising order.
    pub(super) fn name_all(&mut self) {
        if self.names.is_some() {
            return self.name_the_rest();
        }
        let number = |place: Option<Place>| match place {
            Some(Place::Number(value)) => Some(value),
            Some(Place::Name(_)) | None => None,
        };
        let mut levels: Vec<f64> = self.points.iter().filter_map(|point| number(point.x)).collect();
        levels.sort_by(f64::total_cmp);
        levels.dedup();
        for point in &mut self.points {
            let level = number(point.x).and_then(|value| levels.iter().position(|level| *level == value));
            point.x = level.map(Place::Name);
        }
        let written = |level: &f64| Number::new(*level).map_or_else(String::new, |number| number.to_string());
        self.names = Some(levels.iter().map(written).collect());
        self.name_the_rest();
    }

    /// Cells without the setting stand in a place of their own.
    fn name_the_rest(&mut self) {
        let names = self.names.get_or_insert_default();
        if self.points.iter().any(|point| point.x.is_none()) {
            names.push("–".to_owned());
            let last = Some(Place::Name(names.len() - 1));
            self.points.iter_mut().filter(|point| point.x.is_none()).for_each(|point| point.x = last);
        }
    }

    /// Names the points that lack replicates, and why.
    pub(super) fn notes(&self) -> Vec<String> {
        const NAMED_MAX: usize = 6;
        let mut named: Vec<String> = Vec::new();
        for point in &self.points {
            let lacking = lacking(&point.counts);
            if !lacking.is_empty() {
                let name = if point.name.is_empty() { "the cell" } else { &point.name };
                named.push(format!("{name} ({lacking} of {})", point.counts.planned));
            }
        }
        let more = named.len().saturating_sub(NAMED_MAX);
        named.truncate(NAMED_MAX);
        if more > 0 {
            named.push(format!("and {more} more"));
        }
        if named.is_empty() {
            Vec::new()
        } else {
            vec![format!("replicates without a value: {}", named.join("; "))]
        }
    }
}

/// Says how means and intervals are made.
pub(super) fn interval_note(series: &Series<'_>, drawn_as: &str) -> String {
    let most = series.points.iter().map(|point| point.counts.planned).max().unwrap_or(0);
    match most {
        0 | 1 => "one replicate a cell: values without an interval".to_owned(),
        most => format!("mean over {most} replicates; {drawn_as}: 95 % Student-t interval"),
    }
}

/// Returns the number of a name in a list, which it joins where it is new.
fn numbered(names: &mut Vec<String>, name: String) -> usize {
    names.iter().position(|other| *other == name).unwrap_or_else(|| {
        names.push(name);
        names.len() - 1
    })
}

struct Positions {
    places: Vec<Option<Place>>,
    names: Option<Vec<String>>,
    title: String,
}

fn positions(along: &Along, study: &Subject<'_>, cells: &[&CellResults]) -> Positions {
    match along {
        Along::Shape(shape) => {
            let ends = ends(study.cells);
            let place = |cell: &&CellResults| Some(Place::Number(shape_of(*shape, cell, ends)?));
            Positions {
                places: cells.iter().map(place).collect(),
                names: None,
                title: shape_title(*shape).to_owned(),
            }
        }
        Along::Axis(heading) => along_axis(heading, cells),
    }
}

fn along_axis(heading: &Heading, cells: &[&CellResults]) -> Positions {
    let labels = |cell: &CellResults| -> Vec<Label> {
        heading.settings.iter().map(|setting| Label::of(&cell.choices, setting)).collect()
    };
    let title = spoken(&heading.name);
    let number = |cell: &CellResults| match labels(cell).as_slice() {
        [Label::Value(value)] => value.as_number(),
        _ => None,
    };
    let is_absent = |cell: &CellResults| labels(cell).iter().all(|label| *label == Label::Absent);
    if cells.iter().all(|cell| is_absent(cell) || number(cell).is_some()) {
        let places = cells.iter().map(|cell| number(cell).map(Place::Number)).collect();
        return Positions { places, names: None, title };
    }
    let mut names = Vec::new();
    let mut name = |cell: &&CellResults| {
        let words: Vec<String> = labels(cell).iter().map(Label::to_string).collect();
        Some(Place::Name(numbered(&mut names, words.join(" "))))
    };
    let places = cells.iter().map(|cell| if is_absent(cell) { None } else { name(cell) }).collect();
    Positions { places, names: Some(names), title }
}

fn shape_title(shape: Shape) -> &'static str {
    match shape {
        Shape::Depth => "depth (hidden layers)",
        Shape::MaxWidth => "max width (units)",
        Shape::MaxWidthPerDepth => "max width / depth (units a hidden layer)",
        Shape::Parameters => "parameters (weights and biases)",
    }
}

/// The sizes of the hidden layers.
pub(super) fn hidden(cell: &CellResults) -> Option<Vec<f64>> {
    match cell.choices.get("hidden")? {
        Value::List(sizes) => sizes.iter().map(Value::as_number).collect(),
        Value::Bool(_) | Value::Number(_) | Value::Text(_) => None,
    }
}

/// Returns how many inputs and classes the study's data have, once any trial has told.
pub(super) fn ends(cells: &[CellResults]) -> Option<(f64, f64)> {
    cells.iter().flat_map(|cell| &cell.replicates).find_map(|replicate| match replicate {
        Replicate::Finished(outcome) => {
            let matrices = &outcome.evaluation.as_ref()?.matrices;
            Some((f64::from(matrices.first()?.inputs), f64::from(matrices.last()?.units)))
        }
        Replicate::Pending | Replicate::Missing => None,
    })
}

fn shape_of(shape: Shape, cell: &CellResults, ends: Option<(f64, f64)>) -> Option<f64> {
    let sizes = hidden(cell)?;
    let depth = sizes.len() as f64;
    let widest = sizes.iter().copied().fold(0.0, f64::max);
    match shape {
        Shape::Depth => Some(depth),
        Shape::MaxWidth => Some(widest),
        Shape::MaxWidthPerDepth => (depth > 0.0).then(|| widest / depth),
        Shape::Parameters => {
            let (inputs, classes) = ends?;
            let layers: Vec<f64> = std::iter::once(inputs).chain(sizes).chain([classes]).collect();
            Some(layers.windows(2).map(|pair| (pair[0] + 1.0) * pair[1]).sum())
        }
    }
}

/// One quantity of every point.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) quantity: Quantity,
    /// One a point.
    pub(super) summaries: Vec<Option<Summary>>,
}

impl Measured {
    pub(super) fn of(quantity: Quantity, series: &Series<'_>) -> Measured {
        let mut quantiles = TQuantiles::new(CONFIDENCE);
        let summaries = series.points.iter().map(|point| measure(point.cell, quantity, &mut quantiles));
        Measured { quantity, summaries: summaries.collect() }
    }

    /// Returns the ends of all intervals.
    pub(super) fn values(&self) -> impl Iterator<Item = f64> + '_ {
        self.summaries.iter().flatten().flat_map(|summary| {
            let half = summary.half_width.unwrap_or(0.0);
            [summary.mean - half, summary.mean, summary.mean + half]
        })
    }

    /// Returns what a pointer shows at a point.
    pub(super) fn hover(&self, series: &Series<'_>, place: usize) -> String {
        let point = &series.points[place];
        let value = self.summaries[place]
            .map_or_else(|| "no value".to_owned(), |summary| number(&summary, self.quantity));
        let lacking = lacking(&point.counts);
        let lacking = if lacking.is_empty() {
            String::new()
        } else {
            format!(" ({lacking} of {})", point.counts.planned)
        };
        let name = if point.name.is_empty() { String::new() } else { format!("{}: ", point.name) };
        format!("{name}{} {value}{lacking}", spoken(&self.quantity.name()))
    }

    /// Returns whether the mean of a point is over fewer replicates than planned.
    pub(super) fn is_partial(&self, series: &Series<'_>, place: usize) -> bool {
        self.summaries[place].is_some_and(|summary| summary.n < series.points[place].counts.planned)
    }
}

/// Returns a quantity with its unit, as it stands beside an axis.
pub(super) fn title_of(quantity: Quantity) -> String {
    let name = spoken(&quantity.name());
    match quantity {
        Quantity::Sparsity(_) => "sparsity (share of weights)".to_owned(),
        Quantity::Metric(metric) => match metric {
            Metric::MinTrainingObjective
            | Metric::MinTrainingLoss
            | Metric::MinValidationLoss
            | Metric::ValidationLoss
            | Metric::TestLoss => format!("{name} (nats)"),
            Metric::TestAccuracy | Metric::TestError => format!("{name} (share)"),
            Metric::SparsityMean => "mean sparsity (share)".to_owned(),
            Metric::Epochs => "epochs run".to_owned(),
        },
    }
}

/// Returns how many weight matrices the deepest of the cells has.
pub(super) fn matrices(cells: &[&CellResults]) -> usize {
    let counts: BTreeSet<usize> =
        cells.iter().filter_map(|cell| hidden(cell)).map(|sizes| sizes.len() + 1).collect();
    counts.last().copied().unwrap_or(1)
}
