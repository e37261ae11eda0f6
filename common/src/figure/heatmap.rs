//! A metric over two axes, a panel for each level of a third.

use super::cells::{lacking, measure, spoken};
use super::heat::{Grid, Square, room_beside};
use super::plot::Place;
use super::series::{Series, title_of};
use super::sheet::{Entry, Panel, Sheet, Swatch, columns_for, room_for};
use super::{Along, Drawing, Figure, FigureError, FigureSpec, Need, Shown, Subject};
use crate::stats::{CONFIDENCE, Summary, TQuantiles};
use crate::svg::colour::blues;
use crate::svg::scale::Scale;
use crate::svg::{Paint, written};
use crate::table::text::number;
use crate::table::{Column, Counts, Heading, Label, Quantity};

/// The kind `heatmap`.
pub(super) struct Heatmap;

/// How wide squares are at most, and below what width panels rather stand below one another.
const WIDTH_LEAST: f64 = 5.0;
const WIDTH_MOST: f64 = 76.0;

impl Figure for Heatmap {
    fn name(&self) -> &'static str {
        "heatmap"
    }

    fn about(&self) -> &'static str {
        "a metric over two axes, with a panel for each level of a third"
    }

    fn keys(&self) -> &'static [(&'static str, Need)] {
        &[("x", Need::Required), ("y", Need::Required), ("cells", Need::Required), ("panels", Need::Optional)]
    }

    /// Returns a drawing for each metric.
    fn draw(&self, spec: &FigureSpec, study: &Subject<'_>) -> Result<Vec<Drawing>, FigureError> {
        let (Some(Along::Axis(x)), Some(y)) = (&spec.x, &spec.down) else { return Err(FigureError::NoCells) };
        // Lines over x are the rows of a heat map.
        let mut series = Series::of(spec, study, &Along::Axis(x.clone()))?;
        series.name_all();
        let rows = Rows::of(&series, y)?;
        let quantities = quantities(spec, &series);
        let many = quantities.len() > 1;
        let drawings = quantities.iter().enumerate().map(|(place, quantity)| {
            let name = if many { format!("heatmap-{}", place + 1) } else { "heatmap".to_owned() };
            drawing(spec, study, &series, &rows, *quantity, name)
        });
        Ok(drawings.collect())
    }
}

fn quantities(spec: &FigureSpec, series: &Series<'_>) -> Vec<Quantity> {
    let cells: Vec<_> = series.points.iter().map(|point| point.cell).collect();
    let expand = |shown: &Shown| match shown {
        Shown::Column(Column::Metric(metric)) => vec![Quantity::Metric(*metric)],
        Shown::Column(Column::Sparsity) => {
            (1..=super::series::matrices(&cells)).map(Quantity::Sparsity).collect()
        }
        Shown::Epoch(_) => Vec::new(),
    };
    spec.y.iter().flat_map(expand).collect()
}

/// What stands along the vertical axis.
struct Rows {
    title: String,
    names: Vec<String>,
    /// One a point.
    of_points: Vec<usize>,
}

impl Rows {
    /// # Errors
    /// Something varies besides x, y and the panels: two cells would stand in one square.
    fn of(series: &Series<'_>, y: &Heading) -> Result<Rows, FigureError> {
        let mut names: Vec<String> = Vec::new();
        let mut of_points = Vec::new();
        for point in &series.points {
            let labels = y.settings.iter().map(|setting| Label::of(&point.cell.choices, setting).to_string());
            let name = labels.collect::<Vec<_>>().join(" ");
            let number = names.iter().position(|other| *other == name).unwrap_or_else(|| {
                names.push(name);
                names.len() - 1
            });
            of_points.push(number);
        }
        let rows = Rows { title: spoken(&y.name), names, of_points };
        for (place, point) in series.points.iter().enumerate() {
            let is_same = |other: &usize| {
                let at = &series.points[*other];
                (at.panel, at.x, rows.of_points[*other]) == (point.panel, point.x, rows.of_points[place])
            };
            if (0..place).any(|other| is_same(&other)) {
                return Err(FigureError::Crowded { kind: "heatmap", axes: series.lines.join(" and ") });
            }
        }
        Ok(rows)
    }
}

fn drawing(
    spec: &FigureSpec,
    study: &Subject<'_>,
    series: &Series<'_>,
    rows: &Rows,
    quantity: Quantity,
    name: String,
) -> Drawing {
    let mut quantiles = TQuantiles::new(CONFIDENCE);
    let summaries: Vec<Option<Summary>> =
        series.points.iter().map(|point| measure(point.cell, quantity, &mut quantiles)).collect();
    let means: Vec<f64> = summaries.iter().flatten().map(|summary| summary.mean).collect();
    let scale = super::lines::scale_for(None, &means);
    let (least, most) = ends(&means, &scale);
    let scale = Scale::between(scale.kind(), least, most);
    let (columns, width) = layout(series, rows);
    let panels = (0..series.panels.len())
        .map(|panel| draw_panel(series, rows, &summaries, quantity, &scale, (panel, width)))
        .collect();
    let ramp = (0..=15).map(|step| Paint::Fixed(blues(f64::from(step) / 15.0))).collect();
    let legend = vec![Entry::new(Swatch::Ramp(ramp, written(least), written(most)), title_of(quantity))];
    let shown = spoken(&quantity.heading());
    let title = spec.title.clone();
    let title = title
        .unwrap_or_else(|| format!("{}: {shown} over {} and {}", study.title, series.x_title, rows.title));
    let mut notes = vec!["means over the replicates; hatched: no value yet, or none by failure".to_owned()];
    if summaries
        .iter()
        .zip(&series.points)
        .all(|(summary, point)| summary.is_some() && point.counts.succeeded == point.counts.planned)
    {
        notes = vec!["means over the replicates".to_owned()];
    }
    notes.extend(series.notes());
    let description = format!("{shown} over {} and {}", series.x_title, rows.title);
    Sheet { title, legend, panels, columns, notes, description }.finish(name)
}

/// Returns how many panels stand side by side, fewer where squares would be too narrow, and how wide the squares are.
fn layout(series: &Series<'_>, rows: &Rows) -> (usize, f64) {
    let count = series.names.as_ref().map_or(1, Vec::len).max(1) as f64;
    let width = |columns: usize| (room_for(columns) - room_beside(&rows.names)) / count;
    let columns = (1..=columns_for(series.panels.len())).rev().find(|&columns| width(columns) >= WIDTH_LEAST);
    let columns = columns.unwrap_or(1);
    (columns, width(columns).min(WIDTH_MOST))
}

/// Returns the ends of the colours: those of the values, or of the scale around a single one.
fn ends(means: &[f64], scale: &Scale) -> (f64, f64) {
    let least = means.iter().copied().fold(f64::INFINITY, f64::min);
    let most = means.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if most > least { (least, most) } else { (scale.low(), scale.high()) }
}

fn draw_panel(
    series: &Series<'_>,
    rows: &Rows,
    summaries: &[Option<Summary>],
    quantity: Quantity,
    scale: &Scale,
    (panel, width): (usize, f64),
) -> Panel {
    let columns = series.names.clone().unwrap_or_default();
    let mut squares = vec![vec![None; columns.len()]; rows.names.len()];
    for (place, point) in series.points.iter().enumerate().filter(|(_, point)| point.panel == panel) {
        if let Some(Place::Name(column)) = point.x {
            squares[rows.of_points[place]][column] =
                Some(square(&point.name, &point.counts, summaries[place], quantity, scale));
        }
    }
    let grid = Grid {
        across: series.x_title.clone(),
        down: rows.title.clone(),
        columns,
        rows: rows.names.clone(),
        squares,
        size: (width, 34.0),
    };
    grid.panel(series.panels[panel].clone())
}

fn square(
    name: &str,
    counts: &Counts,
    summary: Option<Summary>,
    quantity: Quantity,
    scale: &Scale,
) -> Square {
    let lacking = lacking(counts);
    let why = if lacking.is_empty() { String::new() } else { format!(" ({lacking} of {})", counts.planned) };
    let Some(summary) = summary else {
        let word = if counts.pending > 0 {
            "…"
        } else if counts.diverged > 0 {
            "diverged"
        } else {
            "failed"
        };
        return Square {
            colour: None,
            words: vec![word.to_owned()],
            hover: format!("{name}: no value{why}"),
        };
    };
    let mut words = vec![written(summary.mean)];
    if summary.n < counts.planned {
        words.push(format!("{} of {}", summary.n, counts.planned));
    }
    let hover = format!("{name}: {} {}{why}", spoken(&quantity.heading()), number(&summary, quantity));
    Square { colour: Some(blues(scale.place(summary.mean))), words, hover }
}
