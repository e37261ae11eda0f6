//! The final weights of a cell: a heat map of every matrix, the units of the first layer as images, and histograms.

use super::cells::{Names, why_nothing};
use super::sheet::{GAP, LABEL, Panel, SMALL, Sheet};
use super::{Drawing, Figure, FigureError, FigureSpec, Matrix, Need, Subject, Wants};
use crate::metric::MatrixSummary;
use crate::svg::colour::{Rgb, diverging};
use crate::svg::image::Pixels;
use crate::svg::text::Anchor;
use crate::svg::{Area, Paint, Stroke, Svg, log10, written};
use crate::table::{CellResults, Replicate};

/// The kind `weights`.
pub(super) struct Weights;

/// Colours of an image: an odd number, so that one of them is that of 0.
const LEVELS: usize = 129;
/// First-layer units that are shown as images.
const UNITS_MAX: usize = 128;
const UNITS_ACROSS: usize = 16;
/// The place of one matrix: its width, and the height of its image and of its histogram.
const WIDTH: f64 = 128.0;
const MAP: f64 = 168.0;
const HISTOGRAM: f64 = 74.0;
const PER_ROW: usize = 5;

impl Figure for Weights {
    fn name(&self) -> &'static str {
        "weights"
    }

    fn about(&self) -> &'static str {
        "the final weights of a cell: every matrix, the first layer's units as images, histograms"
    }

    fn keys(&self) -> &'static [(&'static str, Need)] {
        &[("cell", Need::Optional), ("by", Need::Optional), ("replicate", Need::Optional)]
    }

    fn wants(&self, spec: &FigureSpec, cells: &[CellResults]) -> Wants {
        let replicate = spec.replicate.unwrap_or(0);
        Wants::Weights(spec.select(cells).into_iter().map(|place| (place, replicate)).collect())
    }

    /// Returns a drawing for each cell.
    fn draw(&self, spec: &FigureSpec, study: &Subject<'_>) -> Result<Vec<Drawing>, FigureError> {
        let places = spec.selected(study)?;
        let cells: Vec<&CellResults> = places.iter().map(|&place| &study.cells[place]).collect();
        let names = Names::of(study.axes, &cells);
        let drawing = |(number, &place): (usize, &usize)| {
            let cell = &study.cells[place];
            let replicate = spec.replicate.unwrap_or(0);
            let name =
                if places.len() > 1 { format!("weights-{}", number + 1) } else { "weights".to_owned() };
            let title = spec.title.clone().unwrap_or_else(|| format!("{}: weights", study.title));
            let label = names.full(cell);
            let title = if label.is_empty() { title } else { format!("{title}, {label}") };
            let matrices = study.details.weights.get(&(place, replicate)).map(Vec::as_slice);
            sheet(cell, replicate, matrices.unwrap_or_default(), title).finish(name)
        };
        Ok(places.iter().enumerate().map(drawing).collect())
    }
}

fn summaries(cell: &CellResults, replicate: usize) -> &[MatrixSummary] {
    match cell.replicates.get(replicate) {
        Some(Replicate::Finished(outcome)) => outcome.evaluation.as_ref().map_or(&[], |of| &of.matrices),
        Some(Replicate::Pending | Replicate::Missing) | None => &[],
    }
}

fn sheet(cell: &CellResults, replicate: usize, matrices: &[Matrix], title: String) -> Sheet {
    let summaries = summaries(cell, replicate);
    let mut panels = Vec::new();
    let mut notes = vec![format!("replicate {replicate}, last weights")];
    if summaries.is_empty() {
        panels.push(nothing(why_nothing(cell.replicates.get(replicate))));
    } else {
        panels.push(matrices_panel(summaries, matrices));
        notes.push(
            "histograms: weights in bins of equal width over −1 … 1, counts on a logarithmic scale"
                .to_owned(),
        );
    }
    if matrices.is_empty() && !summaries.is_empty() {
        notes.push("the weights themselves were not kept: histograms alone".to_owned());
    }
    if let Some(first) = matrices.first().filter(|matrix| is_square(matrix)) {
        panels.push(units_panel(first));
        if first.units > UNITS_MAX {
            notes.push(format!("the first {UNITS_MAX} of {} units of the first layer", first.units));
        }
    }
    if !matrices.is_empty() {
        notes.push(
            "rows: inputs of the matrix, columns: its units; blue is negative, orange positive, white 0"
                .to_owned(),
        );
    }
    let description = "Heat maps and histograms of the weight matrices".to_owned();
    Sheet { title, legend: Vec::new(), panels, columns: 1, notes, description }
}

fn nothing(why: &str) -> Panel {
    let mut svg = Svg::default();
    let area = Area { x: 0.0, y: 0.0, width: 400.0, height: 160.0 };
    svg.hatch(area, Paint::Grid, why);
    svg.outline(area, Stroke::plain(Paint::Muted, 1.0));
    svg.text((200.0, 84.0), Anchor::Middle, LABEL, Paint::Ink, why);
    Panel { heading: String::new(), svg, width: 401.0, height: 161.0 }
}

/// Returns whether the matrix has as many values as it says.
fn is_whole(matrix: &Matrix) -> bool {
    matrix.units > 0
        && matrix.inputs > 0
        && matrix.inputs.checked_mul(matrix.units) == Some(matrix.values.len())
}

fn is_square(matrix: &Matrix) -> bool {
    is_whole(matrix) && matrix.inputs > 1 && matrix.inputs.isqrt().pow(2) == matrix.inputs
}

/// Returns the largest weight by its absolute value.
fn largest(values: &[f32]) -> f32 {
    values.iter().copied().filter(|value| value.is_finite()).map(f32::abs).fold(0.0, f32::max)
}

fn palette() -> Vec<Rgb> {
    let half = (LEVELS / 2) as f64;
    (0..LEVELS).map(|level| diverging((level as f64 - half) / half)).collect()
}

/// Returns the number of a weight's colour.
fn level(value: f32, largest: f32) -> u8 {
    let half = (LEVELS / 2) as f32;
    let share = if value.is_finite() && largest > 0.0 { (value / largest).clamp(-1.0, 1.0) } else { 0.0 };
    // Above 0 before it is cut off to a whole number: rounded to the nearest.
    (share * half + half + 0.5) as u8
}

fn matrices_panel(summaries: &[MatrixSummary], matrices: &[Matrix]) -> Panel {
    let mut svg = Svg::default();
    let has_maps = !matrices.is_empty();
    let height = 46.0 + if has_maps { MAP + 18.0 } else { 0.0 } + HISTOGRAM + 30.0;
    for (number, summary) in summaries.iter().enumerate() {
        let (x, y) = ((number % PER_ROW) as f64 * (WIDTH + GAP), (number / PER_ROW) as f64 * height);
        let mut part = Svg::default();
        let named = format!("matrix {}: {} × {}", number + 1, summary.inputs, summary.units);
        part.text((0.0, 14.0), Anchor::Start, SMALL, Paint::Ink, &named);
        let sparsity = format!("sparsity {}", written(summary.sparsity));
        part.text((0.0, 29.0), Anchor::Start, SMALL, Paint::Muted, &sparsity);
        let mut below = 38.0;
        if let Some(matrix) = matrices.get(number).filter(|matrix| is_whole(matrix)) {
            below = draw_map(&mut part, matrix, below);
        } else if has_maps {
            below += MAP + 18.0;
        }
        draw_histogram(&mut part, summary, below);
        svg.place(&part, x, y);
    }
    let across = summaries.len().min(PER_ROW) as f64;
    let rows = summaries.len().div_ceil(PER_ROW) as f64;
    Panel { heading: String::new(), svg, width: across * (WIDTH + GAP) - GAP + 2.0, height: rows * height }
}

fn draw_map(svg: &mut Svg, matrix: &Matrix, y: f64) -> f64 {
    let largest = largest(&matrix.values);
    let indices = matrix.values.iter().map(|value| level(*value, largest)).collect();
    let pixels = Pixels { width: matrix.units, indices, palette: palette() };
    let area = Area { x: 0.5, y, width: WIDTH - 1.0, height: MAP };
    let (range, colours) = if largest > 0.0 {
        let largest = written(largest.into());
        (format!("−{largest} … {largest}"), format!("colours from −{largest} to {largest}"))
    } else {
        ("0 throughout".to_owned(), "all of them 0".to_owned())
    };
    let hover = format!("{} × {} weights, {colours}", matrix.inputs, matrix.units);
    svg.image(area, &pixels.data_address(), &hover);
    svg.outline(area, Stroke::plain(Paint::Muted, 1.0));
    svg.text((0.0, y + MAP + 13.0), Anchor::Start, SMALL, Paint::Muted, &range);
    y + MAP + 18.0
}

fn draw_histogram(svg: &mut Svg, summary: &MatrixSummary, y: f64) {
    let area = Area { x: 0.5, y, width: WIDTH - 1.0, height: HISTOGRAM };
    let most = summary.histogram.iter().copied().max().unwrap_or(0).max(1);
    // One weight is a line that can be seen: logarithms of count + 1.
    let height = |count: u64| log10(count as f64 + 1.0) / log10(most as f64 + 1.0) * (HISTOGRAM - 4.0);
    let step = area.width / summary.histogram.len().max(1) as f64;
    let mut outline = vec![(area.x, area.bottom())];
    for (bin, &count) in summary.histogram.iter().enumerate() {
        let top = area.bottom() - height(count);
        outline.push((area.x + bin as f64 * step, top));
        outline.push((area.x + (bin + 1) as f64 * step, top));
    }
    outline.push((area.right(), area.bottom()));
    let hover = format!("mean |w| {}, most weights in a bin: {most}", written(summary.mean_absolute));
    svg.polygon(&outline, Paint::Series(0), 0.75, &hover);
    svg.line((area.x, area.bottom()), (area.right(), area.bottom()), Stroke::plain(Paint::Muted, 1.0));
    for (share, label) in [(0.0, "−1"), (0.5, "0"), (1.0, "1")] {
        let anchor = if share == 0.0 {
            Anchor::Start
        } else if share == 1.0 {
            Anchor::End
        } else {
            Anchor::Middle
        };
        let x = area.x + share * area.width;
        svg.line((x, area.bottom()), (x, area.bottom() + 3.0), Stroke::plain(Paint::Muted, 1.0));
        svg.text((x, area.bottom() + 14.0), anchor, SMALL, Paint::Muted, label);
    }
}

/// Draws what each unit of the first layer looks at, as square images side by side.
fn units_panel(matrix: &Matrix) -> Panel {
    let side = matrix.inputs.isqrt();
    let count = matrix.units.min(UNITS_MAX);
    let across = count.min(UNITS_ACROSS);
    let rows = count.div_ceil(across);
    let (width, height) = (across * (side + 1) - 1, rows * (side + 1) - 1);
    // The last colour is that of the gaps.
    let mut indices = vec![LEVELS as u8; width * height];
    let largest = largest(&matrix.values);
    for unit in 0..count {
        let (left, top) = (unit % across * (side + 1), unit / across * (side + 1));
        for input in 0..matrix.inputs {
            let place = (top + input / side) * width + left + input % side;
            indices[place] = level(matrix.values[input * matrix.units + unit], largest);
        }
    }
    let mut palette = palette();
    palette.push(Rgb(0x9a, 0xa0, 0xa6));
    let shown = (WIDTH + GAP) * PER_ROW as f64 - GAP;
    let shown = shown.min(width as f64 * 2.0);
    let area = Area { x: 0.0, y: 2.0, width: shown, height: shown * height as f64 / width as f64 };
    let mut svg = Svg::default();
    let hover = format!("{count} units of the first layer, {side} × {side} inputs each");
    svg.image(area, &Pixels { width, indices, palette }.data_address(), &hover);
    let heading = format!("units of the first layer, {side} × {side} inputs each");
    Panel { heading, svg, width: area.width, height: area.bottom() + 2.0 }
}
