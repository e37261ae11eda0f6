//! Which classes are taken for which: counts over the test set as heat maps, one panel a cell.

use super::cells::{Names, why_nothing};
use super::heat::{Grid, Square};
use super::sheet::{Entry, Panel, Sheet, Swatch};
use super::{Drawing, Figure, FigureError, FigureSpec, Need, Subject};
use crate::metric::Evaluation;
use crate::svg::Paint;
use crate::svg::colour::{Rgb, blues, oranges};
use crate::table::{CellResults, Replicate};

/// The kind `confusion`.
pub(super) struct Confusion;

/// More panels go to further drawings: what fits a page.
const PANELS_MAX: usize = 6;
/// Squares of fewer pixels have no counts.
const COUNTED_CLASSES_MAX: usize = 20;
/// The length of a panel's side.
const SIDE: f64 = 330.0;

impl Figure for Confusion {
    fn name(&self) -> &'static str {
        "confusion"
    }

    fn about(&self) -> &'static str {
        "which classes of the test set are taken for which, a heat map a cell"
    }

    fn keys(&self) -> &'static [(&'static str, Need)] {
        &[("cell", Need::Optional), ("by", Need::Optional), ("replicate", Need::Optional)]
    }

    fn draw(&self, spec: &FigureSpec, study: &Subject<'_>) -> Result<Vec<Drawing>, FigureError> {
        let places = spec.selected(study)?;
        let replicate = spec.replicate.unwrap_or(0);
        let cells: Vec<&CellResults> = places.iter().map(|&place| &study.cells[place]).collect();
        let names = Names::of(study.axes, &cells);
        let worst = cells
            .iter()
            .filter_map(|cell| evaluation(cell, replicate))
            .map(largest_error)
            .fold(0.0, f64::max);
        let pages: Vec<&[&CellResults]> = cells.chunks(PANELS_MAX).collect();
        let page = |(number, cells): (usize, &&[&CellResults])| {
            let name =
                if pages.len() > 1 { format!("confusion-{}", number + 1) } else { "confusion".to_owned() };
            let side = if cells.len() == 1 { SIDE * 1.2 } else { SIDE };
            let panels =
                cells.iter().map(|cell| panel(cell, names.full(cell), replicate, worst, side)).collect();
            Sheet {
                title: spec.title.clone().unwrap_or_else(|| format!("{}: confusion", study.title)),
                legend: legend(worst),
                panels,
                columns: 2,
                notes: vec![format!(
                    "replicate {replicate}; counts over the test set, colours by the share of a row"
                )],
                description: "Counts of true and predicted classes of the test set".to_owned(),
            }
            .finish(name)
        };
        Ok(pages.iter().enumerate().map(page).collect())
    }
}

fn evaluation(cell: &CellResults, replicate: usize) -> Option<&Evaluation> {
    match cell.replicates.get(replicate)? {
        Replicate::Finished(outcome) => outcome.evaluation.as_ref(),
        Replicate::Pending | Replicate::Missing => None,
    }
}

fn row_sum(row: &[u32]) -> f64 {
    row.iter().map(|&count| f64::from(count)).sum()
}

fn share(count: u32, row: &[u32]) -> f64 {
    let sum = row_sum(row);
    if sum > 0.0 { f64::from(count) / sum } else { 0.0 }
}

/// Returns the largest share of a class that is taken for one other.
fn largest_error(evaluation: &Evaluation) -> f64 {
    let rows = evaluation.confusion.rows().enumerate();
    let errors = rows.flat_map(|(class, row)| {
        row.iter().enumerate().filter(move |(other, _)| *other != class).map(|(_, &count)| share(count, row))
    });
    errors.fold(0.0, f64::max)
}

fn colour(is_right: bool, share: f64, worst: f64) -> Rgb {
    match is_right {
        true => blues(share * 0.8),
        false if share == 0.0 => Rgb(0xff, 0xff, 0xff),
        false => oranges(share / worst),
    }
}

fn legend(worst: f64) -> Vec<Entry> {
    let steps = |ramp: fn(f64) -> Rgb, to: f64| {
        (0..=15).map(|step| Paint::Fixed(ramp(f64::from(step) / 15.0 * to))).collect::<Vec<_>>()
    };
    let ramp = |colours, to: String, words: &str| {
        Entry::new(Swatch::Ramp(colours, "0".to_owned(), to), words.to_owned())
    };
    vec![
        ramp(steps(blues, 0.8), "100 %".to_owned(), "classified rightly"),
        ramp(steps(oranges, 1.0), percent(worst), "taken for another"),
    ]
}

fn percent(share: f64) -> String {
    let decimals = match share {
        below if below < 0.1 => 2,
        below if below < 0.9995 => 1,
        _ => 0,
    };
    format!("{:.decimals$} %", share * 100.0)
}

fn panel(cell: &CellResults, heading: String, replicate: usize, worst: f64, side: f64) -> Panel {
    let Some(evaluation) = evaluation(cell, replicate) else {
        return unknown(heading, why_nothing(cell.replicates.get(replicate)), side);
    };
    let classes = evaluation.confusion.classes().max(1);
    let size = side / classes as f64;
    let squares = evaluation.confusion.rows().enumerate().map(|(class, row)| {
        let square = |(other, &count): (usize, &u32)| {
            let share = share(count, row);
            let mut words = Vec::new();
            if classes <= COUNTED_CLASSES_MAX && count > 0 {
                words.push(count.to_string());
                if size >= 36.0 && share >= 0.005 {
                    words.push(percent(share));
                }
            }
            let hover =
                format!("class {class} taken for {other}: {count} of {}, {}", row_sum(row), percent(share));
            Some(Square { colour: Some(colour(class == other, share, worst)), words, hover })
        };
        row.iter().enumerate().map(square).collect()
    });
    let sparse = |class: usize| {
        if classes <= 30 || class.is_multiple_of(10) { class.to_string() } else { String::new() }
    };
    let classes_named: Vec<String> = (0..classes).map(sparse).collect();
    let grid = Grid {
        across: "predicted class".to_owned(),
        down: "true class".to_owned(),
        columns: classes_named.clone(),
        rows: classes_named,
        squares: squares.collect(),
        size: (size, size),
    };
    grid.panel(heading)
}

/// Draws a panel of which nothing is known.
fn unknown(heading: String, why: &str, side: f64) -> Panel {
    let square = Square { colour: None, words: vec![why.to_owned()], hover: why.to_owned() };
    let grid = Grid {
        across: "predicted class".to_owned(),
        down: "true class".to_owned(),
        columns: vec![String::new()],
        rows: vec![String::new()],
        squares: vec![vec![Some(square)]],
        size: (side, side),
    };
    grid.panel(heading)
}
